"""Prepare the patching grid's genomes: ids, and the boundaries of every way that is computed from scores."""

import functools
import logging
from collections.abc import Collection
from pathlib import Path

import numpy as np

from genomelm.bench.patching_grid import STORED, Cell, GridConfig, GridGenome, cells
from genomelm.bench.patching_parts import PARTS, cut, write_parts
from genomelm.files import atomic_directory, write_json
from genomelm.patching.config import PatcherConfig
from genomelm.patching.count_model import CountModel
from genomelm.patching.patcher import Patcher
from genomelm.seq.alphabet import encode
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval, check_apart

log = logging.getLogger(__name__)


def prepare(
    config: GridConfig, genome: GridGenome, data: Path, out: Path, wanted: Collection[tuple[str, int]] | None = None
) -> dict:
    """Write a genome's `parts.npz` and `facts.json` into a new folder, atomically.

    The count model and every threshold come from the training regions alone; each region is cut from its own start.

    Args:
        config: the grid.
        genome: one of its genomes.
        data: folder of the FASTA files.
        out: folder to write.
        wanted: (way, mean) pairs that are cut; None: all of the grid.

    Returns:
        The facts: bases, the count model's held-out bits per base, and by way and mean the fingerprint of the patcher
        and the mean patch of both parts.

    Raises:
        UsageError: training and held-out regions overlap.
        InputError: a region is not in the FASTA, or no threshold gives a mean.
    """
    cuts = [cell for cell in cells(config) if cell.genome == genome.name and cell.seed == config.seeds[0]]
    cuts = [cell for cell in cuts if wanted is None or (cell.way, cell.mean) in wanted]
    regions = {part: [Interval.parse(text) for text in getattr(genome, part)] for part in PARTS}
    check_apart(regions["test"], regions["train"], "the training region")
    with Genome(data / genome.fasta) as reference:
        digest = reference.digest
        ids = {part: [encode(reference.fetch(region)) for region in found] for part, found in regions.items()}
    counted = CountModel.fit(ids["train"], config.order, training=genome.train)
    stored, fingerprints = {}, {}
    for way, mean in ((cell.way, cell.mean) for cell in cuts if cell.way in STORED):
        patcher = Patcher.fit(
            patcher_config(config, way, mean), lambda: ids["train"], mean, genome.train, source=counted
        )
        fingerprints[way, mean] = patcher.fingerprint
        for part in PARTS:
            stored[way, mean, part] = np.concatenate([patcher.marks(record)[:-1] for record in ids[part]])
        log.info("%s: %s at a mean of %d bases", genome.name, way, mean)
    bits = [counted.bits(record) for record in ids["test"]]
    facts = {
        "name": genome.name,
        "fasta_sha256": digest,
        "regions": {part: [str(region) for region in found] for part, found in regions.items()},
        "bases": {part: sum(map(len, ids[part])) for part in PARTS},
        "count_model": {"order": config.order, "digest": counted.digest, "bits_per_base": _mean_bits(bits)},
        "cuts": [
            {"way": cell.way, "mean": cell.mean, "fingerprint": fingerprints.get((cell.way, cell.mean)), **means}
            for cell, means in _achieved(config, cuts, ids, stored)
        ],
    }
    with atomic_directory(out) as temporary:
        write_parts(temporary / "parts.npz", ids, stored)
        write_json(temporary / "facts.json", facts)
    return facts


def patcher_config(config: GridConfig, way: str, mean: int) -> PatcherConfig:
    """Return the patcher of a computed way: `optimal` puts starts at the highest scores, mean/2 to 2 mean apart."""
    own = {"optimal": {"min": max(1, mean // 2), "max": 2 * mean}, "dual_threshold": {"delta": config.delta}}
    return PatcherConfig(way, order=config.order, **own.get(way, {}))


def _achieved(config: GridConfig, cuts: list[Cell], ids: dict, stored: dict) -> list[tuple[Cell, dict[str, float]]]:
    """Return the mean patch of each part for every way to cut."""
    found = []
    for cell in cuts:
        source = functools.partial(_source, stored, cell)
        sizes = {part: sum(map(len, ids[part])) for part in PARTS}
        marks = {part: cut(cell, part, sizes[part], source(part), config.shift) for part in PARTS}
        found.append((cell, {f"mean_{part}": sizes[part] / int(marks[part].sum()) for part in PARTS}))
    return found


def _source(stored: dict, cell: Cell, part: str) -> np.ndarray | None:
    return stored.get((cell.way if cell.way in STORED else "entropy", cell.mean, part))


def _mean_bits(bits: list[np.ndarray]) -> float:
    return float(np.nanmean(np.concatenate(bits)))
