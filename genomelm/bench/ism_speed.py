"""Speed of saturation mutagenesis: attribution's maps against one forward pass a mutant, at equal effects."""

import statistics
import time
from collections.abc import Callable

import numpy as np

from genomelm.bench.budget_cell import device_facts, wait
from genomelm.errors import InputError
from genomelm.interpret.ism import substitutions
from genomelm.interpret.mutants import saturated
from genomelm.interpret.reading import Reading, alternates_of, reading_of, scores
from genomelm.interpret.target import Target, choose_target
from genomelm.models.model import GenomeModel
from genomelm.models.stream import why_not_streamed
from genomelm.scoring.forward import read_windows
from genomelm.scoring.masked import hidden_log_probabilities, hidden_ratio
from genomelm.seq.alphabet import ALPHABETS

TOLERANCE = 1e-5
"""Largest difference of an effect from that of single passes, float32, in the unit of the score."""


def ism_speed(model: GenomeModel, sequence: str, sample: int, repeats: int) -> dict:
    """Time every substitution of one sequence by attribution's own path, and a sample of them one pass at a time.

    Args:
        model: in eval mode, with its patcher, of one task.
        sequence: (l,) letters.
        sample: mutants, evenly spread, that get a pass of their own, each timed by itself behind a first one.
        repeats: timings of the map, of which the median counts.

    Returns:
        bases, mutants, path; map_s (median seconds of the whole map) and its range_s; batched_s (one timing of all
        mutants as whole windows, in batches); sampled, single_s (median seconds of one pass) and every_s, which is
        single_s times the mutants: extrapolated, not run; ratio (every_s over map_s); largest_difference of the
        sampled effects, their deviation, equal (whether the difference is within TOLERANCE); the device.

    Raises:
        InputError: the sequence has no base of the alphabet.
        UsageError: the model gives a sequence no single score.
    """
    target, reading = choose_target(model), reading_of(model, sequence)
    changes = substitutions(reading.sequence, model.alphabet)
    if not changes:
        raise InputError(f"no letter of {sequence[:20]} is of the alphabet {model.alphabet}: nothing can be changed")
    found, seconds = [], []
    for _ in range(repeats + 1):  # the first does not count
        took, maps = _timed(model, lambda: saturated(model, target, [reading]))
        found.append(maps[0])
        seconds.append(took)
    mutants = [mutant for _, _, mutant in changes]
    _batched(model, target, reading, mutants[: 1 + len(mutants) // 8])
    batched, _ = _timed(model, lambda: _batched(model, target, reading, mutants))

    chosen = [changes[i] for i in np.unique(np.linspace(0, len(changes) - 1, sample).astype(int))]
    own = _score(model, target, reading, sequence)
    singles, differences = [], []
    for position, column, mutant in [chosen[0], *chosen]:
        took, value = _timed(model, lambda mutant=mutant: _score(model, target, reading, mutant))
        singles.append(took)
        differences.append(value - own - found[-1][position, column])
    whole, single = statistics.median(seconds[1:]), statistics.median(singles[1:])
    largest = float(np.abs(differences).max())
    return {
        "bases": len(sequence),
        "mutants": len(changes),
        "path": path_of(model),
        "map_s": whole,
        "range_s": [min(seconds[1:]), max(seconds[1:])],
        "batched_s": batched,
        "sampled": len(chosen),
        "single_s": single,
        "every_s": single * len(changes),
        "extrapolated": True,
        "ratio": single * len(changes) / whole,
        "largest_difference": largest,
        "deviation": float(found[-1][found[-1] != 0].std()) if found[-1].any() else 0.0,
        "equal": largest <= TOLERANCE,
        **device_facts(model.device),
    }


def path_of(model: GenomeModel) -> str:
    """Return in words what the mutants of a sequence share."""
    if model.head_kind == "masked_lm":
        return "one pass a hidden base"
    return "shared prefix" if model.objective == "causal" and not why_not_streamed(model) else "batches"


def _timed(model: GenomeModel, work: Callable) -> tuple:
    """Return the seconds of a call, the device's work included, and what it gave."""
    wait(model.device)
    begin = time.perf_counter()
    result = work()
    wait(model.device)
    return time.perf_counter() - begin, result


def _batched(model: GenomeModel, target: Target, reading: Reading, mutants: list[str]) -> None:
    """Score the reading and mutants of it as whole windows, as attribution's curves are."""
    for window, others in zip(reading.windows, alternates_of(model, reading, mutants), strict=True):
        scores(model, target, [window, *others])


def _score(model: GenomeModel, target: Target, reading: Reading, sequence: str) -> float:
    """Return a score by one forward pass over each strand's window; of a masked language model, over the hidden base,
    log p(its base) - log p(the reading's): 0 of the reading itself, without a pass."""
    strands = zip(reading.windows, alternates_of(model, reading, [sequence]), strict=True)
    if model.head_kind != "masked_lm":
        relative = model.head_kind == "variant_effect"
        windows = [[window, *own] if relative else own for window, own in strands]
        return float(np.mean([scores(model, target, each)[-1] for each in windows]))
    window, (own,) = next(strands)
    site = window.ids != own.ids
    if not site.any():
        return 0.0
    values = read_windows(model, [window.hidden(site)], hidden_log_probabilities)[0]
    return hidden_ratio(values, window.ids[site], values, own.ids[site], ALPHABETS[model.alphabet].ids)
