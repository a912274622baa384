"""`genomelm attribute --regions`, `--fasta` and `--vcf`: many regions, their maps, checks, motifs and files."""

import dataclasses
import glob
import logging
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from genomelm.commands.attribute_models import Opened
    from genomelm.interpret.attribution import Attributed, AttributionSettings
    from genomelm.interpret.kept import Kept
    from genomelm.interpret.motif_stage import MotifSettings
    from genomelm.interpret.region_model import RegionModel
    from genomelm.interpret.regions import Regions
    from genomelm.interpret.trust import TrustSettings
    from genomelm.interpret.variant_maps import Listed
    from genomelm.models.model import GenomeModel
    from genomelm.seq.genome import Genome

log = logging.getLogger(__name__)

RANDOM_DRAWS = 8
"""Models with random weights that are a control."""

VARIANTS = 16
"""Variants whose alternatives are explained in one piece of work."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is run.

    Attributes:
        motifs: None leaves the motifs out.
        output: name or number of the output that is explained.
        resume: refuse pieces that a run of other settings left, instead of setting them aside.
    """

    attribution: "AttributionSettings"
    trust: "TrustSettings"
    motifs: "MotifSettings | None"
    output: str | None = None
    resume: bool = False


def read_regions(genome: "Genome | None", bed: Path | None, fasta: Path | None, width: int | None) -> "Regions | None":
    """Return the regions of a BED or a FASTA file; None where neither is given.

    Raises:
        InputError: the file is empty, or does not fit the genome.
    """
    from genomelm.interpret.regions import from_bed, from_fasta

    if fasta is not None:
        return from_fasta(fasta, width)
    return None if bed is None else from_bed(genome, bed, width)


def read_vcf(genome: "Genome", vcf: Path, width: int | None, model: "GenomeModel") -> "Listed":
    """Return the variants of a VCF with the regions around them, as wide as asked for or as the model's head learned.

    Raises:
        InputError: the file is empty, or does not fit the genome.
        UsageError: no width, or another one than the head's.
    """
    from genomelm.errors import UsageError
    from genomelm.interpret.variant_maps import read_variants

    learned = model.config.head.get("window", 0)
    if width is None and not learned:
        raise UsageError("--vcf needs --width W: how many bases around each variant are explained, such as 200")
    if width is not None and learned and width != learned:
        raise UsageError(f"this head learned variants in windows of {learned} bases, not of {width}: leave --width out")
    return read_variants(genome, vcf, width or learned)


def attribute_regions(
    regions: "Regions",
    listed: "Listed | None",
    opened: "Opened",
    out: Path,
    settings: Settings,
    reference: str | None,
) -> str:
    """Write the folder of many regions and return a line about it.

    Args:
        listed: the variants, where the regions are theirs.
        reference: SHA-256 of the genome; None where the regions are of none.

    Raises:
        UsageError: the models cannot be explained, another process writes `out`, or --resume and parts of another run.
    """
    from genomelm.commands.attribute_models import measured_elsewhere
    from genomelm.commands.progress import progress
    from genomelm.files import digest_of, output_lock, provenance, write_json
    from genomelm.interpret import region_files
    from genomelm.interpret.attribution import attributed, null_maps
    from genomelm.interpret.kept import Kept
    from genomelm.interpret.region_model import region_model
    from genomelm.interpret.variant_maps import variant_arrays, variant_rows
    from genomelm.settings import to_mapping

    models = [region_model(name, model, settings.output) for name, (model, _) in opened.models.items()]
    first = opened.first
    identity = {
        **opened.digests,
        "sequences": digest_of([[dataclasses.astuple(row) for row in regions.rows], list(regions.sequences)]),
        "variants": [] if listed is None else [str(pair.variant) for pair in listed.pairs],
        "patching": first.patcher.fingerprint,
        "output": models[0].target.name,
        "device": first.device.type,
        "dtype": str(first.dtype).removeprefix("torch."),
        "settings": to_mapping(settings.attribution),
        "checks": to_mapping(settings.trust),
    }
    with output_lock(out):
        warnings = measured_elsewhere(first, regions.sequences)
        for text in warnings:
            log.warning(text)
        for left in out.parent.glob(f".{glob.escape(out.name)}.????????.tmp"):  # of a run that was killed
            shutil.rmtree(left)
        kept = Kept(out.with_name(f"{out.name}.parts"), identity, settings.resume)
        with progress("regions") as update:
            found = attributed(regions, models, settings.attribution, kept, update)
        with tempfile.TemporaryDirectory(prefix=f".{out.name}.", suffix=".tmp", dir=out.parent) as name:
            made = Path(name)
            region_files.write_regions(made, regions)
            arrays = dict(found.arrays)
            if len(models) == 1:
                del arrays["ism_models"]
            region_files.write_arrays(made / "attributions.npz", arrays)
            region_files.write_for_modisco(made, found.arrays["one_hot"], found.arrays["ism"])
            region_files.write_arrays(made / "tracks.npz", found.tracks)
            if regions.contigs is not None:
                region_files.write_bigwig(made / "importance.bw", regions, found.arrays["ism"])
            scores, alternatives = (None, []) if listed is None else _alternatives(listed, models, kept)
            checks = _trust(regions, models, opened, found, settings, kept)
            if settings.motifs is not None and settings.trust.shuffles:
                arrays |= null_maps(regions, models, settings.trust.seed, kept)
            motifs = _motifs(made, regions, models, arrays, settings, listed, alternatives)
            if listed is not None:
                variants = variant_arrays(listed, found.arrays["ism"], alternatives)
                region_files.write_arrays(made / "variants.npz", variants)
                rows = variant_rows(listed, scores, motifs.get("variants", {}))
                region_files.write_table(made / "variants.tsv", list(rows[0]), [list(row.values()) for row in rows])
            facts = provenance(
                **({} if reference is None else {"reference": reference}),
                **{key: value for key, value in identity.items() if key not in ("settings", "checks", "variants")},
                seed=settings.trust.seed,
            )
            write_json(
                made / "params.json",
                {
                    "settings": {
                        "attribution": to_mapping(settings.attribution),
                        "checks": to_mapping(settings.trust),
                        "motifs": None if settings.motifs is None else to_mapping(settings.motifs),
                    },
                    "provenance": facts,
                },
            )
            summary = {
                "kind": "regions",
                "regions": len(regions),
                "length": regions.length,
                "unit": models[0].unit,
                "score_of": models[0].target.name,
                "models": [model.name for model in models],
                "methods": found.methods,
                "warnings": warnings,
                "checks": {**found.checks, **checks, **motifs["checks"]},
                "motifs": motifs["motifs"],
                "provenance": facts,
            }
            write_json(made / "summary.json", summary)
            region_files.publish(made, out)
        kept.remove()
    gap = summary["checks"]["brute_force"].get("largest_difference")
    again = "" if gap is None else f"; scored again one by one they differ by {gap:.1g} at most"
    return f"{out}: {len(regions)} regions of {regions.length} bases by {len(models)} model(s){again}"


def _trust(
    regions: "Regions",
    models: "list[RegionModel]",
    opened: "Opened",
    found: "Attributed",
    settings: Settings,
    kept: "Kept",
) -> dict[str, dict]:
    from genomelm.interpret import trust
    from genomelm.interpret.locus_model import with_random_weights
    from genomelm.interpret.region_model import region_model

    seed = settings.trust.seed
    draws = [with_random_weights(opened.first, seed + draw) for draw in range(RANDOM_DRAWS)]
    controls = {
        "random_weights": [region_model(f"random_weights/{n}", m, settings.output) for n, m in enumerate(draws)],
        **{name: [region_model(name, model, settings.output)] for name, (model, _) in opened.controls.items()},
    }
    return trust.checks(
        regions, found.arrays, models, controls=controls, settings=settings.trust, keep=kept.array, say=log.info
    )


def _alternatives(listed: "Listed", models: "list[RegionModel]", kept: "Kept") -> "tuple[np.ndarray, list[np.ndarray]]":
    """Return the scores (V,) of the variants and the maps (l', 4) of their alternative windows."""
    import numpy as np

    from genomelm.commands.progress import progress
    from genomelm.interpret.variant_maps import alternative_maps

    pairs, scores, maps = listed.scored, [], []
    with progress("variants") as update:
        for first in range(0, len(pairs), VARIANTS):
            some = pairs[first : first + VARIANTS]

            def make(some: list = some) -> dict[str, np.ndarray]:
                values, alternatives = alternative_maps(models, some)
                return {"scores": values, **{f"map{n}": one for n, one in enumerate(alternatives)}}

            piece = kept.arrays(f"variants/{first}", make)
            scores.append(piece["scores"])
            maps += [piece[f"map{n}"] for n in range(len(some))]
            update(first + len(some), len(pairs))
    return np.concatenate(scores), maps


def _motifs(
    made: Path,
    regions: "Regions",
    models: "list[RegionModel]",
    arrays: "dict[str, np.ndarray]",
    settings: Settings,
    listed: "Listed | None",
    alternatives: "list[np.ndarray]",
) -> dict:
    """Write the files of motifs, and filters.json; return what `motif_stage.run` returns."""
    import numpy as np

    if settings.motifs is None:
        reason = {"reason": "not run: --no-motifs"}
        return {"motifs": reason, "checks": dict.fromkeys(("motif_null", "known_sites", "truth"), reason)}
    from genomelm.files import write_json
    from genomelm.interpret import filters, motif_stage

    if listed is not None:
        assert len(alternatives) == len(regions)
    maps = [
        motif_stage.VariantMaps(
            id=row.id,
            ref_sequence=pair.ref,
            alt_sequence=pair.alt,
            offset=pair.offset,
            ref_length=pair.ref_length,
            alt_length=pair.alt_length,
            ref_map=ref_map,
            alt_map=alt_map,
        )
        for row, pair, ref_map, alt_map in zip(
            regions.rows,
            [] if listed is None else listed.scored,
            arrays["ism"],
            alternatives,
            strict=listed is not None,
        )
    ]

    def predict(sequences: list[str]) -> np.ndarray:
        return np.mean([model.score_alone(sequences) for model in models], 0)

    write_json(made / "filters.json", filters.learned(models[0].model))
    alone = None if any(model.relative for model in models) else predict
    return motif_stage.run(made, arrays, regions.rows, alone, settings.motifs, variants=maps)
