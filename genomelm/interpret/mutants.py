"""Saturation mutagenesis of many sequences by a loaded model, with what mutants share read once.

A mutant begins like its sequence, so a causal model reads it from the patch of its changed base on; the head then gets
the sequence's own states before it. A masked language model hides the base, which is one pass for all of its letters.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch

from genomelm.errors import NumericalError
from genomelm.interpret.reading import Reading
from genomelm.interpret.target import Target
from genomelm.models.model import GenomeModel
from genomelm.models.prefix import PrefixPass
from genomelm.models.stream import why_not_streamed
from genomelm.scoring.alleles import Window, WindowPair
from genomelm.scoring.forward import Load, batch_of, head_outputs, in_chunks, pair_outputs, read_windows
from genomelm.scoring.likelihood import Change, plain_ratios, shared_ratios
from genomelm.scoring.masked import hidden_log_probabilities
from genomelm.seq.alphabet import ALPHABETS, BOS

HELD = 1 << 22
"""Bases of mutants that are held at a time."""


def saturated(model: GenomeModel, target: Target, readings: Sequence[Reading]) -> list[np.ndarray]:
    """Score every single substitution of some sequences, each in its sequence's patches.

    Args:
        model: in eval mode.
        target: the output that is explained.
        readings: of one kind of strands.

    Returns:
        float64 (l, a) a sequence: score(substitution) - score(sequence) in the unit of the score; 0 at the base that
        is there, and a row of zeros where that is unknown.

    Raises:
        NumericalError: the model gave NaN or Inf.
    """
    effects_of = _method(model)
    strands = []
    for strand in range(len(readings[0].windows) if readings else 0):
        found = effects_of(model, target, [reading.windows[strand] for reading in readings])
        # Columns ACGT backwards are TGCA: flipping both axes is the reverse complement of a map.
        strands.append([effects[::-1, ::-1] for effects in found] if strand else found)
    maps = [np.mean(both, 0) for both in zip(*strands, strict=True)]
    for reading, effects in zip(readings, maps, strict=True):
        if not np.isfinite(effects).all():
            row = int(np.flatnonzero(~np.isfinite(effects).all(1))[0])
            raise NumericalError(
                f"the score of a substitution at offset {row} of {reading.sequence[:20]}... is not finite; check the "
                "model with `genomelm evaluate` before attributing"
            )
    return maps


Method = Callable[[GenomeModel, Target, Sequence[Window]], list[np.ndarray]]


def _method(model: GenomeModel) -> Method:
    if model.head_kind == "masked_lm":
        return _hidden
    if model.objective == "causal" and not why_not_streamed(model):
        return _shared_likelihoods if model.head_kind == "causal_lm" else _shared_outputs
    return _plain_likelihoods if model.head_kind == "causal_lm" else _plain_outputs


def _changes(model: GenomeModel, window: Window) -> tuple[np.ndarray, np.ndarray]:
    """Return the base (m,) and the column (m,) of every substitution, by base, then column."""
    letters = ALPHABETS[model.alphabet].ids
    known = np.isin(window.ids, letters)
    return np.nonzero(known[:, None] & (window.ids[:, None] != letters))


def _mutants(model: GenomeModel, window: Window) -> Iterator[tuple[np.ndarray, np.ndarray, list[Window]]]:
    """Yield bases, columns and the mutants of some substitutions at a time."""
    bases, columns = _changes(model, window)
    letters, count = ALPHABETS[model.alphabet].ids, max(1, HELD // window.size)
    for first in range(0, len(bases), count):
        some = slice(first, first + count)
        ids = np.repeat(window.ids[None], len(bases[some]), 0)
        ids[np.arange(len(ids)), bases[some]] = letters[columns[some]]
        yield bases[some], columns[some], [Window(row, window.marks, window.reverse) for row in ids]


def _filled(
    model: GenomeModel, windows: Sequence[Window], score: Callable[[Window, np.ndarray, list[Window]], np.ndarray]
) -> list[np.ndarray]:
    """Return the maps whose entries `score` gives, from a window, the bases that change and its mutants."""
    maps = []
    for window in windows:
        effects = np.zeros((len(window.ids), len(ALPHABETS[model.alphabet].letters)))
        for bases, columns, mutants in _mutants(model, window):
            effects[bases, columns] = score(window, bases, mutants)
        maps.append(effects)
    return maps


def _shared_likelihoods(model: GenomeModel, _: Target, windows: Sequence[Window]) -> list[np.ndarray]:
    return _likelihoods(model, windows, shared_ratios)


def _plain_likelihoods(model: GenomeModel, _: Target, windows: Sequence[Window]) -> list[np.ndarray]:
    return _likelihoods(model, windows, plain_ratios)


def _likelihoods(
    model: GenomeModel, windows: Sequence[Window], ratios: Callable[[GenomeModel, Sequence[Change]], list[float]]
) -> list[np.ndarray]:
    def score(window: Window, bases: np.ndarray, mutants: list[Window]) -> np.ndarray:
        rest = len(window.ids)
        changes = [
            Change(window, mutant, int(base), 1, rest - int(base)) for base, mutant in zip(bases, mutants, strict=True)
        ]
        return np.array(ratios(model, changes))

    return _filled(model, windows, score)


def _plain_outputs(model: GenomeModel, target: Target, windows: Sequence[Window]) -> list[np.ndarray]:
    def score(window: Window, _: np.ndarray, mutants: list[Window]) -> np.ndarray:
        if model.head_kind == "variant_effect":
            return target.values(read_windows(model, [WindowPair(window, mutant) for mutant in mutants], pair_outputs))
        values = target.values(read_windows(model, [window, *mutants], head_outputs))
        return values[1:] - values[0]

    return _filled(model, windows, score)


def _hidden(model: GenomeModel, _: Target, windows: Sequence[Window]) -> list[np.ndarray]:
    """Return log p(letter) - log p(base) where the base is hidden, of a masked model."""
    letters = ALPHABETS[model.alphabet].ids
    maps = []
    for window in windows:
        effects = np.zeros((len(window.ids), len(letters)))
        known = np.flatnonzero(np.isin(window.ids, letters))
        count = max(1, HELD // window.size)
        for first in range(0, len(known), count):
            bases = known[first : first + count]
            shown = [window.hidden(slice(base, base + 1)) for base in bases]
            found = np.concatenate(read_windows(model, shown, hidden_log_probabilities))  # (n, a)
            own = found[window.ids[bases][:, None] == letters]
            effects[bases] = found - own[:, None]
        maps.append(effects)
    return maps


def _shared_outputs(model: GenomeModel, target: Target, windows: Sequence[Window]) -> list[np.ndarray]:
    """Return the effects on a task head's output, by a pass over each window and over the ends of its mutants."""
    changes = [_changes(model, window) for window in windows]
    loads = [Load(w.size, w.size, w.size * (1 + len(bases))) for w, (bases, _) in zip(windows, changes, strict=True)]

    def read(chunk: Sequence[tuple], most: int) -> list[np.ndarray]:
        return [_of_window(model, target, window, *change, most) for window, change in chunk]

    items = list(zip(windows, changes, strict=True))
    maps = []
    for window, (bases, columns), values in zip(windows, changes, in_chunks(model, items, loads, read), strict=True):
        effects = np.zeros((len(window.ids), len(ALPHABETS[model.alphabet].letters)))
        effects[bases, columns] = values
        maps.append(effects)
    return maps


def _of_window(
    model: GenomeModel, target: Target, window: Window, bases: np.ndarray, columns: np.ndarray, most: int
) -> np.ndarray:
    """Return the effect of each substitution (m,), reading at most so many bytes at once."""
    if not len(bases):
        return np.zeros(0)
    pairs = model.head_kind == "variant_effect"
    batch = batch_of(model, [window])
    # A change is read from the start of its patch on; BOS is byte 0.
    starts = np.flatnonzero(window.marks[:-1]) + 1
    begins = starts[np.searchsorted(starts, bases + 1, side="right") - 1]
    shared = PrefixPass(model, batch, np.zeros(len(begins), int), begins, whole=True)
    written = np.append(BOS, window.ids)
    flags = np.append(True, window.marks)
    letters = ALPHABETS[model.alphabet].ids[columns]
    reference = 0.0 if pairs else target.of(model.head(shared.states, batch.ids, batch.mask).double()).item()
    found = np.zeros(len(bases))
    first = 0
    while first < len(bases):  # their begins ascend, so the first one's end is the longest
        size = window.size - begins[first]
        some = slice(first, first + max(1, int(most // max(size, window.size // 2))))
        ids = np.repeat(written[None], len(bases[some]), 0)
        ids[np.arange(len(ids)), bases[some] + 1] = letters[some]
        ends = shared.ends(
            np.zeros(len(ids), int),
            begins[some],
            [row[begin:] for row, begin in zip(ids, begins[some], strict=True)],
            [flags[begin:] for begin in begins[some]],
            bases[some] + 2 - begins[some],
        )
        states = shared.states.expand(len(ids), -1, -1).clone()
        columns_of = (
            torch.arange(ends.shape[1], device=ends.device) + torch.from_numpy(begins[some]).to(ends.device)[:, None]
        )
        real = columns_of < window.size
        rows = torch.arange(len(ids), device=ends.device)[:, None].expand_as(columns_of)
        states[rows[real], columns_of[real]] = ends[real]
        texts = torch.from_numpy(ids).to(ends.device)
        if pairs:
            states, texts = torch.cat([shared.states, states]), torch.cat([batch.ids, texts])
        mask = torch.ones_like(texts, dtype=torch.bool)
        read = model.head(states, texts, mask, references=1) if pairs else model.head(states, texts, mask)
        found[some] = target.of(read.double()).cpu().numpy() - reference
        first = some.stop
    return found
