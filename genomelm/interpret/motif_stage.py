"""From maps of many regions to motifs: what was found, whether it means anything, and what it looks like elsewhere."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from genomelm.interpret import (
    hits,
    known_sites,
    marginal,
    match,
    meme,
    modisco,
    motif_files,
    motif_null,
    motif_variants,
    patterns,
    seqlets,
)
from genomelm.interpret.gradients import off_simplex
from genomelm.interpret.ism import importance
from genomelm.interpret.motif import Maps, Pattern
from genomelm.interpret.motif_variants import VariantMaps
from genomelm.interpret.pwm import composition
from genomelm.interpret.regions import Region, apart
from genomelm.settings import setting

SHOWN = 50
"""Motifs of a run that are kept, the strongest first."""

__all__ = ["MotifSettings", "VariantMaps", "check_inputs", "contributions", "run"]


@dataclasses.dataclass(frozen=True)
class MotifSettings:
    """What to look for, and what to hold it against. Files are named by their paths."""

    sites: str | None = setting(None, "table or FASTA file of known sites")
    databases: tuple[str, ...] = setting((), "MEME files to match motifs to")
    jaspar: str = setting("", "taxonomic group of JASPAR to match motifs to")
    truth: str | None = setting(None, "MEME file of planted motifs")
    modisco: str = setting("", "the modisco program; without it the built-in discovery runs")
    seed: int = setting(0, "of null runs and neutral sequences", minimum=0)
    null_runs: int = setting(19, "null runs of motif discovery", minimum=1)
    hit_p: float = setting(1e-4, "largest p-value of a hit", minimum=0.0, maximum=1.0)
    neutral: int = setting(32, "neutral sequences that motifs are inserted into", minimum=2)


def contributions(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return (N, l) contributions of the letters present, of the first map of ISM, integrated gradients and input x
    gradient that is there: positive where the letter raises the score, unit of the score."""
    if "ism" in arrays:
        return (off_simplex(np.asarray(arrays["ism"], dtype=np.float64)) * arrays["one_hot"]).sum(axis=-1)
    name = "integrated_gradients" if "integrated_gradients" in arrays else "gradient_x_input"
    return (np.asarray(arrays[name], dtype=np.float64) * arrays["one_hot"]).sum(axis=-1)


def check_inputs(settings: MotifSettings) -> None:
    """Read every file and look for every program that `run` will need: what is wrong shows before the maps are made.

    Raises:
        UsageError: a program or package is missing. InputError: a file of motifs or sites cannot be used.
    """
    if settings.sites is not None:
        known_sites.read_known_sites(settings.sites)
    if settings.databases or settings.jaspar:
        match.require("memelite", "matching motifs to a database")
        match.databases(settings.databases, settings.jaspar)
    if settings.truth is not None:
        meme.read(settings.truth)
    if settings.modisco:
        modisco.program(settings.modisco)


def run(
    folder: Path,
    arrays: Mapping[str, np.ndarray],
    regions: Sequence[Region],
    predict: Callable[[list[str]], np.ndarray] | None,
    settings: MotifSettings,
    variants: Sequence[VariantMaps] = (),
) -> dict:
    """Find motifs in maps, judge them, and write their files.

    Motifs are sought and judged, and known sites tested, in regions that stand `regions.apart`; hits, sites and the
    importance in them are written of all.

    Args:
        folder: gets seqlets.tsv, motifs.tsv, motifs.meme, motifs.npz, hits.tsv, hits.bed, matches.tsv, marginal.tsv,
            known_sites.tsv, variant_motifs.tsv and modisco_results.h5, as far as asked for. With `settings.modisco`
            ohe.npz and shap.npz lie there.
        arrays: one_hot (N, l, 4) and ism (N, l, 4), or integrated_gradients or gradient_x_input; null_one_hot and
            null_ism (M, l, 4) of shuffled regions, of those apart, where there are any.
        regions: where each of the N lies.
        predict: n sequences -> scores (n,), each read alone; None where the model gives none: no marginal effects.
        variants: windows and maps of both alleles.

    Returns:
        {"motifs": the summary (regions_left_out: how many share bases or text with those that count),
         "checks": {"motif_null", "known_sites", "truth"},
         "variants": id -> {"gained": motif names with their strand, "lost"}}.

    Raises:
        UsageError: modisco failed, or a package is missing. InputError: a file of motifs or sites cannot be used.
    """
    one_hot, carried = np.asarray(arrays["one_hot"], dtype=np.float64), contributions(arrays)
    sequences = ["".join("ACGTN"[c] for c in row) for row in _codes(one_hot)]
    counted = apart(regions, sequences)
    maps = Maps(one_hot[counted], carried[counted], composition(one_hot[counted]))
    called = seqlets.call(maps.contributions, settings.seed)
    found = _patterns(maps, called, folder, settings)
    rows, null = motif_null.judge(
        maps, called, found, shuffled=_shuffled(arrays, maps, settings), runs=settings.null_runs, seed=settings.seed
    )
    names = [f"motif_{n + 1}" for n in range(len(found))]
    real = {name: pattern for name, pattern, row in zip(names, found, rows, strict=True) if row["real"]}
    matrices = {name: pattern.ppm for name, pattern in real.items()}

    targets = match.databases(settings.databases, settings.jaspar)
    matches = match.tomtom(matrices, targets)
    located = None
    if settings.sites is not None:
        located = known_sites.locate(known_sites.read_known_sites(settings.sites), regions, sequences)
    calls = hits.call(one_hot, carried, list(matrices.values()), maps.background, settings.hit_p)
    effects = None
    if predict is not None:
        effects = marginal.effects(matrices, sequences, predict, neutral=settings.neutral, seed=settings.seed)
    changes = motif_variants.changes(matrices, variants, maps.background, settings.hit_p)

    motif_files.write_seqlets(folder, called, found, names, [regions[i] for i in counted])
    motif_files.write_motifs(folder, found, names, rows, maps.background)
    motif_files.write_hits(folder, calls, list(real), regions, located)
    if settings.databases or settings.jaspar:
        motif_files.write_records(folder / "matches.tsv", match.Match, matches)
    if effects is not None:
        motif_files.write_records(folder / "marginal.tsv", marginal.Marginal, effects)
    if variants:
        motif_files.write_records(folder / "variant_motifs.tsv", motif_variants.Change, changes)
    magnitude = np.abs(carried) if "ism" not in arrays else importance(np.asarray(arrays["ism"]))
    if located is not None:
        motif_files.write_known_sites(folder, located, magnitude, regions)
    checks = {
        "motif_null": null,
        "known_sites": {"reason": "not run: no --sites"}
        if located is None
        else known_sites.check(located.of(counted), magnitude[counted], seed=settings.seed),
        "truth": {"reason": "not run: no --truth"}
        if settings.truth is None
        else match.recovery(matrices, meme.read(settings.truth)),
    }
    summary = {
        "method": "modisco" if settings.modisco else "built-in",
        "seqlets": {"positive": sum(s.sign > 0 for s in called), "negative": sum(s.sign < 0 for s in called)},
        "found": len(found),
        "real": len(real),
        "hits": len(calls),
        "regions_left_out": len(regions) - len(counted),
        "targets": len(targets),
        "marginal": len(effects) if effects is not None else {"reason": "not run: the model scores pairs only"},
    }
    return {"motifs": summary, "checks": checks, "variants": motif_variants.by_variant(changes, variants)}


def _patterns(maps: Maps, called: Sequence[seqlets.Seqlet], folder: Path, settings: MotifSettings) -> list[Pattern]:
    if settings.modisco:
        given = modisco.run(settings.modisco, folder, maps.one_hot.shape[1])
        found = [patterns.restated(maps, called, sign, ppm) for sign, ppm in given]
        found = [pattern for pattern in found if pattern is not None]
    else:
        found = [pattern for sign in (1, -1) for pattern in patterns.discover(maps, called, sign)]
    return sorted(found, key=lambda p: (-p.strength, -p.sign, p.sites))[:SHOWN]


def _shuffled(arrays: Mapping[str, np.ndarray], maps: Maps, settings: MotifSettings) -> tuple | None:
    """Return maps and seqlets of the shuffled regions, called at the heights that count in the real ones."""
    if "null_ism" not in arrays:
        return None
    values = {"one_hot": arrays["null_one_hot"], "ism": arrays["null_ism"]}
    other = Maps(np.asarray(values["one_hot"], dtype=np.float64), contributions(values), maps.background)
    return other, seqlets.call_like(maps.contributions, other.contributions, settings.seed)


def _codes(one_hot: np.ndarray) -> np.ndarray:
    return np.where(one_hot.sum(axis=-1) > 0, one_hot.argmax(axis=-1), 4)
