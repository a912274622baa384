"""How far a substitution moves patch boundaries when each allele is cut by itself, mode by mode.

genomelm cuts both alleles alike (patching.pair); these numbers say what that is worth.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from genomelm.errors import InputError, UsageError
from genomelm.patching.optimal import ANCHOR
from genomelm.patching.patcher import Patcher
from genomelm.runtime import counter_seed
from genomelm.seq.alphabet import encode
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.seq.variant import Variant
from genomelm.tasks.metrics import bootstrap_ratio

MODES = ("entropy", "greedy", "monotonic", "dual_threshold", "length_constrained", "optimal")
"""Modes whose boundaries depend on the bases: the causal ones, and optimal."""

LEAD, REACH = 1 << 10, 1 << 15
"""Bases before and after a substitution that are cut, in causal modes. Optimal mode: two pieces between anchors."""

NEAR_END = 256
"""A boundary that moved so close to the window's end says that farther ones may have."""


def patchers_like(patcher: Patcher, genome: Genome, regions: Sequence[Interval], mean: float) -> dict[str, Patcher]:
    """Return one patcher a mode, all with the source and limits of `patcher` and calibrated to one mean.

    Args:
        patcher: with a source that scores bytes.
        genome: holds the regions.
        regions: what the thresholds are calibrated on.
        mean: the wanted bases a patch.

    Raises:
        UsageError: the patcher's boundaries do not depend on the bases.
        InputError: a mode cannot have that mean.
    """
    if patcher.source is None or patcher.placed_scores:
        raise UsageError(
            f"boundaries of mode {patcher.config.mode}, source {patcher.config.source}, do not depend on the bases: "
            "give patches that bytes are scored for"
        )
    found = {}
    for mode in MODES:
        config = dataclasses.replace(patcher.config, mode=mode, threshold=None, symmetric=False, isolate=())
        records = lambda: (encode(genome.fetch(region)) for region in regions)
        try:
            found[mode] = Patcher.fit(config, records, mean, patcher.training, source=patcher.source)
        except InputError as error:
            raise InputError(f"mode {mode}: {error}") from None
    return found


def random_snvs(genome: Genome, count: int, seed: int = 0) -> list[Variant]:
    """Return substitutions of A, C, G or T, drawn uniformly over all bases, a pure function of their arguments.

    Raises:
        InputError: the genome holds hardly any A, C, G, T.
    """
    names, lengths = list(genome.contigs), np.array(list(genome.contigs.values()))
    ends, found = np.cumsum(lengths), {}
    for number in range(20 * count):
        if len(found) == count:
            break
        draw = counter_seed("random_snvs", seed, number)
        place = draw // 3 % int(ends[-1])
        contig = int(np.searchsorted(ends, place, side="right"))
        start = place - int(ends[contig] - lengths[contig])
        ref = genome.fetch(Interval(names[contig], start, start + 1)).upper()
        if ref in "ACGT":
            alt = "ACGT".replace(ref, "")[draw % 3]
            found.setdefault((contig, start), Variant(names[contig], start + 1, ref, alt))
    if len(found) < count:
        raise InputError(f"{genome.path} holds too few A, C, G, T for {count} substitutions")
    return [found[key] for key in sorted(found)]


def moved_boundaries(patchers: dict[str, Patcher], genome: Genome, variants: Sequence[Variant]) -> list[dict]:
    """Return for each mode which share of substitutions moves a boundary, and how far the farthest one lies.

    Distances are bases from the substituted one to the farthest position where one allele starts a patch and the
    other does not, over the substitutions that move any. A distance that is cut off counts as it was seen;
    `reached_end` says how many there are.

    Args:
        patchers: mode -> patcher.
        genome: holds the variants.
        variants: substitutions of one base.
    """
    rows = []
    for mode, patcher in patchers.items():
        down, up, changes, cut_off = [], [], [], 0
        for variant in variants:
            differs, first = _differences(patcher, genome, variant)
            away = differs + first - (variant.pos - 1)
            changes.append(len(away))
            if len(away):
                down.append(max(0, int(away[-1])))
                up.append(max(0, -int(away[0])))
                end = _window(patcher, genome, variant).end
                cut_off += end < genome.contigs[variant.contig] and int(differs[-1]) + first > end - NEAR_END
        moved = np.array(changes) > 0
        rows.append(
            {
                "mode": mode,
                "threshold": patcher.config.threshold,
                "variants": len(variants),
                "moved": bootstrap_ratio(moved.astype(float), np.ones(len(moved))),
                "boundaries": float(np.mean(changes)),
                "downstream": _distribution(down),
                "upstream": _distribution(up),
                "reached_end": cut_off,
            }
        )
    return rows


def _window(patcher: Patcher, genome: Genome, variant: Variant) -> Interval:
    start, length = variant.pos - 1, genome.contigs[variant.contig]
    if patcher.config.mode == "optimal":
        first = start // ANCHOR * ANCHOR
        return Interval(variant.contig, first, min(first + 2 * ANCHOR, length))
    return Interval(variant.contig, max(0, start - LEAD), min(start + REACH, length))


def _differences(patcher: Patcher, genome: Genome, variant: Variant) -> tuple[np.ndarray, int]:
    """Return the offsets int64 (m,) at which one allele's window starts a patch and the other's not, and its start."""
    window = _window(patcher, genome, variant)
    ref = encode(genome.fetch(window))
    alt = ref.copy()
    alt[variant.pos - 1 - window.start] = ord(variant.alt)
    return np.flatnonzero(patcher.marks(ref) != patcher.marks(alt)), window.start


def _distribution(distances: list[int]) -> dict[str, float] | None:
    if not distances:
        return None
    median, most = np.quantile(distances, [0.5, 0.9])
    return {"median": float(median), "percentile_90": float(most), "max": max(distances)}
