"""What substitutions do to boundaries, where boundaries lie, and what boundaries do to a model's scores: one result."""

from pathlib import Path

import numpy as np

from genomelm.bench.patch_moves import moved_boundaries, patchers_like, random_snvs
from genomelm.bench.reference_bias import reference_bias
from genomelm.errors import InputError, IntegrityError
from genomelm.files import read_json
from genomelm.models.loading import load_patcher
from genomelm.models.model import GenomeModel
from genomelm.patching.enrichment import Overlap, gff_classes, overlap
from genomelm.patching.patcher import Patcher
from genomelm.seq.alphabet import encode
from genomelm.seq.annotation import read_gff
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval

GENE_STARTS = "gene starts"


def patch_variants(
    genome: Genome,
    patches: Path,
    model: GenomeModel | None,
    gff: Path | None,
    count: int,
    width: int,
    seed: int = 0,
) -> dict:
    """Draw substitutions and measure.

    Args:
        genome: what was patched.
        patches: folder of `genomelm patch`, whose patcher's source, limits and mean all modes share.
        model: causal language model, or None: no scores.
        gff: annotation, or None: no enrichment.
        count: substitutions.
        width: bases of the windows that the model reads.
        seed: which substitutions are drawn.

    Returns:
        {"mean", "modes": rows of `moved_boundaries`, each with "gene_starts" (summary of `enrichment.overlap`
        or None), "reference_bias": dict or None}.

    Raises:
        IntegrityError: the folder is not whole.
        UsageError: its patcher does not read the bases, or the model is no causal language model.
        InputError: the genome does not hold the regions, or the annotation has no genes on it.
    """
    patcher = load_patcher(patches / "patcher")
    try:
        training = read_json(patches / "summary.json")["training"]
        mean, regions = float(training["wanted_mean"]), [Interval.parse(text) for text in training["regions"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IntegrityError(f"{patches} is not a whole folder of `genomelm patch` ({error}): make it again") from None
    patchers = patchers_like(patcher, genome, regions, mean)
    variants = random_snvs(genome, count, seed)
    rows = moved_boundaries(patchers, genome, variants)
    genes = None if gff is None else _gene_starts(genome, gff)
    for row in rows:
        row["gene_starts"] = None if genes is None else _enrichment(patchers[row["mode"]], genome, genes)
    bias = None if model is None else reference_bias(model, genome, variants, width)
    return {"mean": mean, "seed": seed, "modes": rows, "reference_bias": bias}


def _gene_starts(genome: Genome, gff: Path) -> dict[str, np.ndarray]:
    """Return the gene starts int64 (m,) of each contig of the genome that has any."""
    places = gff_classes(read_gff(gff)).get(GENE_STARTS, {})
    found = {contig: starts for name, starts in places.items() if (contig := genome.resolve(name)) is not None}
    if not found:
        raise InputError(f"{gff} has no genes on the contigs of {genome.path}: is it another assembly's?")
    return found


def _enrichment(patcher: Patcher, genome: Genome, genes: dict[str, np.ndarray]) -> dict:
    total: Overlap | None = None
    for contig, places in genes.items():
        length = genome.contigs[contig]
        chunks = patcher.stream(
            lambda start, end, contig=contig: encode(genome.fetch(Interval(contig, start, end))), length, contig=contig
        )
        marks = np.concatenate([marks for _, marks in chunks])[:-1]
        counted = overlap(np.flatnonzero(marks), places, length)
        total = counted if total is None else total + counted
    return total.summary()
