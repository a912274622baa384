"""Speed of patching on one core: every mode from stored scores, beside a plain reading of the published rule.

What is timed is also checked: entropy, monotonic, dual_threshold and length_constrained against the plain reading
on all positions, greedy and optimal against their definitions on the first ones.
"""

import dataclasses
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from genomelm.bench import plain_rule
from genomelm.bench.timing import REPEATS, peak_bytes, row, timed
from genomelm.errors import InputError, IntegrityError
from genomelm.patching import blt
from genomelm.patching.calibrate import calibrate
from genomelm.patching.codes import LARGEST, Scale
from genomelm.patching.config import PatcherConfig
from genomelm.patching.count_model import CountModel
from genomelm.patching.geometry import patch_ids
from genomelm.patching.modes import NO_EDGES, START, Edges, mark
from genomelm.patching.optimal import anchors, value_of
from genomelm.patching.parameters import PARAMETERS
from genomelm.patching.rule import Rule, rule_of, to_codes

MEAN = 8
HUMAN_GENOME = 3_100_000_000
CHUNK = 1 << 22
IDS = 1_000_000
LOOPED = 4_000
"""Positions that the definitions of greedy and optimal mode are worked out on, one at a time."""
CALIBRATED, PIECE = 1 << 20, 1 << 16
"""Positions that thresholds are calibrated on, and of each of the pieces, which lie all over the sequence."""

CONFIGS = {
    "entropy": PatcherConfig("entropy"),
    "monotonic": PatcherConfig("monotonic"),
    "dual_threshold": PatcherConfig("dual_threshold"),
    "length_constrained": PatcherConfig("length_constrained", min=1, max=16),
    "greedy": PatcherConfig("greedy", max=16),
    "optimal, alpha 0": PatcherConfig("optimal", min=2, max=64),
    "optimal, alpha > 0": PatcherConfig("optimal", min=2, max=64, alpha=0.001, target=float(MEAN)),
}
TARGETS = {
    "entropy": 1e9,
    "length_constrained": 300e6,
    "greedy": 300e6,
    "optimal, alpha 0": 50e6,
    "optimal, alpha > 0": 10e6,
    "patch ids": 500e6,
}


def patch_speed(ids: np.ndarray, order: int = 11, repeats: int = REPEATS) -> dict:
    """Time and check every mode on one sequence.

    Args:
        ids: (l,) of DNA, l >= LOOPED; the count model that scores them is fitted on them too.
        order: context length of the count model.
        repeats: timings of each, of which the median counts.

    Returns:
        {"shapes", "speeds": rows of `timing.row`, "checks": names, "anchors": what cutting the optimum at anchors
        costs, "genome": seconds for 3.1 Gb from a store}.

    Raises:
        InputError: the sequence is too short.
        IntegrityError: a mode does not give the starts that its plain reading gives.
    """
    if len(ids) < LOOPED:
        raise InputError(f"{len(ids):,} bases are too few to time: give at least {LOOPED:,}")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        model, speeds = _count_model(ids, order, repeats)
        scale, codes = model.scale, model.codes(ids)[:-1]
        # Published, tokens 0 to 3 may start a patch whatever their scores: where lengths count, they all do here.
        codes[1 : plain_rule.QUIRKS] = LARGEST
        rules = {name: _calibrated(config, codes, scale) for name, config in CONFIGS.items()}
        plain, plain_speeds = _published(codes, rules, repeats)
        marks, mode_speeds = _modes(codes, rules, repeats)
        checks = [*_equal_to_published(marks, plain), *_equal_to_definitions(codes, rules)]
        loss = _loss_at_anchors(codes[:CALIBRATED], rules, scale)
        speeds = [*mode_speeds, *plain_speeds, _patch_ids(repeats), *_from_store(codes, rules, repeats), *speeds]
    finally:
        torch.set_num_threads(threads)
    return {
        "shapes": {"bases": len(ids), "codes": "uint16", "mean_patch": MEAN, "order": order},
        "speeds": speeds,
        "checks": checks,
        "anchors": loss,
        "genome": {
            "bases": HUMAN_GENOME,
            "extrapolated": True,
            "seconds": {
                speed["name"]: HUMAN_GENOME / speed["positions_per_s"]
                for speed in speeds
                if speed["name"].startswith("from a store")
            },
            "target_s": 15,
        },
    }


def random_dna(bases: int, seed: int = 0) -> np.ndarray:
    """Return ids uint8 (bases,) of a random sequence whose letters lean on the two before them, as DNA's do."""
    rng = np.random.default_rng(seed)
    table = rng.dirichlet(np.full(4, 8.0), 16).cumsum(axis=1)
    # Letters in columns: each column's chains run side by side, as one chain would take a loop over bases.
    chains = max(1, bases // 1000)
    out = np.empty((1000 + 1, chains), np.int64)
    state = np.zeros(chains, np.int64)
    for i in range(len(out)):
        letter = np.minimum((rng.random(chains)[:, None] > table[state]).sum(axis=1), 3)
        state = state % 4 * 4 + letter
        out[i] = letter
    return np.frombuffer(b"ACGT", np.uint8)[out.T.reshape(-1)[:bases]]


def _calibrated(config: PatcherConfig, codes: np.ndarray, scale: Scale) -> Rule:
    pieces = np.array_split(codes, max(1, len(codes) // PIECE))
    pieces = pieces[:: max(1, len(codes) // CALIBRATED)]
    threshold = calibrate(pieces, MEAN, scale, rule_of(config, scale))
    return dataclasses.replace(rule_of(config, scale), threshold=to_codes(config.mode, threshold, scale))


def _edges(length: int, rule: Rule) -> Edges:
    """Return where optimal mode is cut, as in a contig; other modes are cut nowhere."""
    at = anchors(length) if rule.mode == "optimal" else NO_EDGES.at
    return Edges(at, at % rule.unit)


def _modes(codes: np.ndarray, rules: dict[str, Rule], repeats: int) -> tuple[dict[str, np.ndarray], list[dict]]:
    """Return the starts and the speed of each mode."""
    starts, speeds = {}, []
    for name, rule in rules.items():
        edges = _edges(len(codes), rule)
        (marks, _), seconds = timed(lambda rule=rule, edges=edges: mark(codes, rule, START, edges), repeats)
        starts[name] = np.flatnonzero(marks)
        mean = len(codes) / len(starts[name])
        parameters = {field: getattr(CONFIGS[name], field) for field in PARAMETERS[rule.mode] if field != "threshold"}
        speeds.append(row(name, len(codes), seconds, TARGETS.get(name), mean_patch=mean, parameters=parameters))
    return starts, speeds


def _published(codes: np.ndarray, rules: dict[str, Rule], repeats: int) -> tuple[dict[str, np.ndarray], list[dict]]:
    """Return the starts and the speed of the plain reading, with codes as its entropies: exact in float32."""
    entropies = np.append(codes[1:], 0).astype(np.float32)  # entropies[i] follows byte i, so it is g[i + 1]
    tensor = torch.from_numpy(entropies)
    limits = {
        "entropy": {"threshold": rules["entropy"].threshold},
        "monotonic": {"rise": rules["monotonic"].threshold},
        "dual_threshold": {"threshold": rules["dual_threshold"].threshold, "rise": rules["dual_threshold"].delta},
        "length_constrained": {
            "threshold": rules["length_constrained"].threshold,
            "longest": rules["length_constrained"].max,
        },
    }
    modes = {"monotonic": "monotonic", "dual_threshold": "dual"}
    starts, speeds = {}, []
    for name, numbers in limits.items():
        lengths, seconds = timed(lambda numbers=numbers: plain_rule.published(tensor, **numbers), repeats)
        speeds.append(row(f"plain published rule: {name}", len(codes), seconds))
        mode = modes.get(name, "threshold")
        ours, seconds = timed(lambda m=mode, n=numbers: blt.patch_lengths(entropies, m, **n), repeats)
        speeds.append(row(f"published rule in genomelm: {name}", len(codes), seconds))
        if not np.array_equal(ours, lengths.numpy()):
            raise IntegrityError(f"the published rule in genomelm, mode {name}, is not its plain reading")
        starts[name] = np.cumsum(ours) - ours
    return starts, speeds


def _equal_to_published(starts: dict[str, np.ndarray], plain: dict[str, np.ndarray]) -> list[str]:
    for name, published in plain.items():
        ours = starts[name]
        if not np.array_equal(*(s[s >= plain_rule.QUIRKS] for s in (ours, published))):
            raise IntegrityError(f"mode {name} does not start patches where the plain published rule does")
    return [f"{name}: the plain published rule's starts from byte {plain_rule.QUIRKS} on" for name in plain]


def _equal_to_definitions(codes: np.ndarray, rules: dict[str, Rule]) -> list[str]:
    part = codes[:LOOPED]
    scores, checked = part.tolist(), []
    for name, rule in rules.items():
        if rule.mode not in ("greedy", "optimal"):
            continue
        starts = np.flatnonzero(mark(part, rule)[0])
        if rule.mode == "greedy":
            equal = starts.tolist() == plain_rule.greedy(scores, rule.threshold, rule.max)
        else:
            best = plain_rule.optimal_value(scores, rule.threshold, rule.min, rule.max, rule.penalties)
            inner = np.diff(starts)
            equal = value_of(part, rule, starts) == best and inner.min() >= rule.min and inner.max() <= rule.max
        if not equal:
            raise IntegrityError(f"mode {name} is not what its definition gives on {LOOPED} bases")
        checked.append(f"{name}: its definition on {LOOPED} bases")
    return checked


def _loss_at_anchors(codes: np.ndarray, rules: dict[str, Rule], scale: Scale) -> dict:
    """Return by how much the optimum of the whole exceeds the one that is cut at anchors, in nats and as a share.

    Below 0 it can be too: at an anchor a patch may be shorter than the limits allow elsewhere.
    """
    found = {"bases": len(codes), "anchors": len(anchors(len(codes)))}
    for name, rule in rules.items():
        if rule.mode == "optimal":
            whole, cut = (
                value_of(codes, rule, np.flatnonzero(mark(codes, rule, START, edges)[0]))
                for edges in (NO_EDGES, _edges(len(codes), rule))
            )
            found[name] = {"nats": (whole - cut) * scale.step, "share": (whole - cut) / abs(whole) if whole else 0.0}
    return found


def _patch_ids(repeats: int) -> dict:
    marks = np.zeros(IDS, bool)
    marks[::MEAN] = True
    ids, seconds = timed(lambda: patch_ids(marks), repeats)
    if not np.array_equal(ids, np.arange(IDS) // MEAN):
        raise IntegrityError("patch ids do not count the starts")
    peak = peak_bytes(lambda: patch_ids(marks))
    return row("patch ids", IDS, seconds, TARGETS["patch ids"], peak_bytes=peak)


def _from_store(codes: np.ndarray, rules: dict[str, Rule], repeats: int) -> Iterator[dict]:
    """Read stored codes, mark, and write a bit a position, chunk by chunk."""
    with tempfile.TemporaryDirectory() as folder:
        stored, bits = Path(folder) / "scores.bin", Path(folder) / "starts.bin"
        codes.astype("<u2").tofile(stored)
        for name in ("entropy", "length_constrained"):
            _, seconds = timed(lambda rule=rules[name]: _resegment(stored, bits, rule), repeats)
            written = np.unpackbits(np.fromfile(bits, np.uint8), bitorder="little")[: len(codes)]
            if not np.array_equal(written.view(bool), mark(codes, rules[name])[0]):
                raise IntegrityError(f"mode {name} gives other starts chunk by chunk than at once")
            yield row(f"from a store: {name}", len(codes), seconds, HUMAN_GENOME / 15)


def _resegment(stored: Path, bits: Path, rule: Rule) -> None:
    codes, state = np.memmap(stored, np.dtype("<u2"), "r"), START
    with open(bits, "wb") as out:
        for begin in range(0, len(codes), CHUNK):
            marks, state = mark(codes[begin : begin + CHUNK], rule, state)
            out.write(np.packbits(marks, bitorder="little"))


def _count_model(ids: np.ndarray, order: int, repeats: int) -> tuple[CountModel, list[dict]]:
    """Fit and score, the latter with one and two threads."""
    model, seconds = timed(lambda: CountModel.fit([ids], order), repeats)
    speeds = [row("count model, fit, threads 1", len(ids), seconds, threads=1)]
    model.codes(ids[:1])  # builds the tables
    for threads in (1, 2):
        codes, seconds = timed(lambda threads=threads: _codes(model, ids, threads), repeats)
        target = 10e6 if threads == 2 else None
        speeds.append(row(f"count model, scores, threads {threads}", len(ids), seconds, target, threads=threads))
        if not np.array_equal(codes, model.codes(ids)[:-1]):
            raise IntegrityError("the count model scores chunks otherwise than a whole sequence")
    return model, speeds


def _codes(model: CountModel, ids: np.ndarray, threads: int, chunk: int = 1 << 20) -> np.ndarray:
    def part(begin: int) -> np.ndarray:
        context = ids[max(0, begin - model.reach) : begin] if begin else None
        return model.codes(ids[begin : begin + chunk], context)[:-1]

    begins = range(0, len(ids), chunk)
    with ThreadPoolExecutor(threads) as pool:
        return np.concatenate(list(pool.map(part, begins)))
