"""Prepare the ablation grid's genome: ids, the boundaries of every way to cut it that a cell reads, codon phases."""

from pathlib import Path

import numpy as np

from genomelm.bench import patching_data
from genomelm.bench.ablate_grid import AblateConfig, cells
from genomelm.bench.patching_parts import PARTS
from genomelm.files import atomic_path
from genomelm.seq.codons import CodonPhases
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval


def prepare(config: AblateConfig, data: Path, out: Path) -> dict:
    """Write the genome's folder below `out` and return its facts, as `patching_data.prepare` does.

    Args:
        config: the grid.
        data: folder of the files that it names.
        out: folder that gets one named like the genome.

    Raises:
        UsageError: training and held-out regions overlap.
        InputError: a region is not in the FASTA, no threshold gives a mean, or the annotation is of another genome.
    """
    folder = out / config.genome.name
    cuts = {(cell.way, cell.mean) for cell in cells(config)}
    facts = patching_data.prepare(config.patching(), config.genome, data, folder, cuts)
    if config.annotation:
        with atomic_path(folder / "codon.npz") as temporary, open(temporary, "wb") as stream:
            np.savez_compressed(stream, **_codon_phases(config, data))
    return facts


def _codon_phases(config: AblateConfig, data: Path) -> dict[str, np.ndarray]:
    """Return the codon phase of every base of each part's regions, end to end: (l,) uint8."""
    with Genome(data / config.genome.fasta) as genome:
        phases = CodonPhases(data / config.annotation, genome)
        regions = {part: [Interval.parse(text) for text in getattr(config.genome, part)] for part in PARTS}
        values = {part: [phases.values(region) for region in found] for part, found in regions.items()}
        return {part: np.concatenate(found).astype(np.uint8) for part, found in values.items()}
