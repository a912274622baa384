"""Log-likelihood ratios of a causal model: a reference is read once, its alternatives from their change on."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from genomelm.errors import UsageError
from genomelm.models.model import GenomeModel
from genomelm.models.prefix import PrefixPass
from genomelm.models.stream import why_not_streamed
from genomelm.scoring import effects
from genomelm.scoring.alleles import Window, read_pairs
from genomelm.scoring.forward import (
    Load,
    batch_of,
    byte_log_probabilities,
    in_chunks,
    log_probabilities,
    read_windows,
)
from genomelm.scoring.pair_scorer import PairScorer
from genomelm.seq.alphabet import BOS
from genomelm.seq.window import AllelePair, Grid

AFTER = 256
"""Bases behind the change that are compared at most, where windows lie on a grid; a quarter of a shorter window."""


@dataclass(frozen=True)
class Change:
    """An alternative as a causal model compares it with its reference.

    Args:
        ref, alt: the two windows, up to the last base that is compared.
        offset: the first base that is compared.
        longest: bases of the longer allele.
        count: bases that are compared.
    """

    ref: Window
    alt: Window
    offset: int
    longest: int
    count: int

    @functools.cached_property
    def key(self) -> tuple:
        """Equal for changes of one reference that every model reads alike."""
        end = self.offset + self.longest
        return self.offset, self.count, self.longest, len(self.alt.ids), self.alt.ids[self.offset : end].tobytes()

    @functools.cached_property
    def begin(self) -> int:
        """Byte, BOS counted, of the last patch start before which both windows have the same bytes and patches."""
        backwards = self.alt.marks[1 : self.offset][::-1]
        since = int(backwards.argmax()) if len(backwards) else 0
        return self.offset - since if len(backwards) and backwards[since] else min(self.offset, 1)

    @property
    def fresh(self) -> int:
        """Bytes from there to the last that differs, by itself or by its place."""
        return self.end_size if self.is_indel else self.offset + 1 + self.longest - self.begin

    @property
    def is_indel(self) -> bool:
        """Whether the alternative moves the bases behind it."""
        return len(self.ref.ids) != len(self.alt.ids)

    @property
    def is_same(self) -> bool:
        """Whether the compared bases are equal: then the ratio is 0, which rounding or a moved patch would hide."""
        place = slice(self.offset, self.offset + self.count)
        return np.array_equal(self.ref.ids[place], self.alt.ids[place])

    @property
    def end_size(self) -> int:
        """Bytes from there to the last one that says something of a compared base."""
        return self.offset + self.count - self.begin


class LikelihoodScorer(PairScorer):
    """log p(alternative window) - log p(reference window) in nats; N has no probability and is left out.

    Equally many bases of both are compared, from the first that changes: the longer allele's and, on a grid, `after`
    more on either strand. Each is given all bases of its window before it.

    Attributes:
        after: bases behind the longer allele that are compared; None: all of the window's.
        shared: whether alternatives are read from a state of the reference's pass, not in passes of their own.
    """

    tag = "GLM_LLR"
    description = (
        "Log-likelihood ratio of alternative to reference over equally many bases, each given those before it "
        "(causal model), nats; above 0: alternative likelier"
    )

    def __init__(self, model: GenomeModel, *arguments: object, **options: object) -> None:
        if model.head_kind != "causal_lm":
            raise UsageError(
                f"this log-likelihood ratio needs a causal language model; this one's head is {model.head_kind}"
            )
        super().__init__(model, *arguments, **options)
        self.after = None if self.grid is None else self.width - self.grid.flank
        if self.after is not None:
            self.provenance = {**self.provenance, "compared": f"the change and {self.after} bases behind it"}
        self.shared = not why_not_streamed(model)

    @staticmethod
    def grid_of(width: int) -> Grid:
        """Return the grid of windows in which a change has `width` bases at least, AFTER of them behind it.

        Cells are wider than other scorers': the more changes share a reference, the less of it each of them costs.
        """
        return Grid(max(width // 2, 1), width - min(AFTER, width // 4), width)

    def strand_scores(self, pairs: Sequence[AllelePair]) -> list[float]:
        """Return the log-likelihood ratio of each pair on its strand."""
        changes = self.changes(pairs)
        return (shared_ratios if self.shared else plain_ratios)(self.model, changes)

    def changes(self, pairs: Sequence[AllelePair]) -> list[Change]:
        """Return what is compared of each pair; those of one reference share its window."""
        found = []
        for pair, (ref, alt) in zip(pairs, read_pairs(self.model, pairs), strict=True):
            longest = max(pair.ref_length, pair.alt_length)
            count = min(len(ref.ids), len(alt.ids)) - pair.offset
            found.append(Change(ref, alt, pair.offset, longest, min(count, longest + (self.after or count))))
        return found


def plain_ratios(model: GenomeModel, changes: Sequence[Change]) -> list[float]:
    """Return the log-likelihood ratios in nats, by a pass over each distinct window."""
    windows = [window for change in changes for window in (change.ref, change.alt)]
    found = read_windows(model, windows, byte_log_probabilities)
    compared = [slice(change.offset, change.offset + change.count) for change in changes]
    return [
        0.0 if change.is_same else float(effects.log_likelihood_ratio(found[2 * i][part], found[2 * i + 1][part]))
        for i, (change, part) in enumerate(zip(changes, compared, strict=True))
    ]


def shared_ratios(model: GenomeModel, changes: Sequence[Change]) -> list[float]:
    """Return the same, by a pass over each distinct reference and over the end of each distinct alternative."""
    groups: dict[int, dict[tuple, Change]] = {}
    for change in changes:
        groups.setdefault(id(change.ref), {}).setdefault(change.key, change)

    def read(chunk: Sequence[dict[tuple, Change]], most: int) -> list[dict[tuple, float]]:
        return _read_groups(model, chunk, most)

    found = in_chunks(model, list(groups.values()), [_load(group) for group in groups.values()], read)
    ratios = dict(zip(groups, found, strict=True))
    return [ratios[id(change.ref)][change.key] for change in changes]


def _load(group: dict[tuple, Change]) -> Load:
    ends, size = [change.end_size for change in group.values()], _reference_size(group)
    return Load(size, min(ends), size + sum(ends))


def _reference_size(group: dict[tuple, Change]) -> int:
    return max(change.offset + change.count for change in group.values())


def _read_groups(model: GenomeModel, groups: Sequence[dict[tuple, Change]], most: int) -> list[dict[tuple, float]]:
    """Return the ratios of the changes of a few references."""
    rows = [(row, key, change) for row, group in enumerate(groups) for key, change in group.items()]
    references = []
    for group in groups:
        ref, size = next(iter(group.values())).ref, _reference_size(group)
        references.append(Window(ref.ids[:size], ref.marks[: size + 1]))
    begins = [change.begin for _, _, change in rows]
    batch = batch_of(model, references)
    read = PrefixPass(model, batch, np.array([row for row, _, _ in rows]), np.array(begins))
    of_reference = log_probabilities(model, read.states[:, :-1], batch.ids[:, read.first + 1 :])
    # Indels apart from substitutions, and what begins near by together: they share more.
    order = sorted(range(len(rows)), key=lambda i: (rows[i][2].is_indel, begins[i]))
    found: list[dict[tuple, float]] = [{} for _ in groups]
    while order:
        widest = np.maximum.accumulate([rows[i][2].end_size for i in order])
        count = max(1, int((widest * np.arange(1, len(order) + 1) <= most).sum()))
        some, order = order[:count], order[count:]
        changes = [rows[i][2] for i in some]
        which = np.array([rows[i][0] for i in some])
        sums = _end_sums(model, read, which, np.array([begins[i] for i in some]), changes)
        for i, total in zip(some, sums, strict=True):
            row, key, change = rows[i]
            place = slice(change.offset - read.first, change.offset - read.first + change.count)
            found[row][key] = 0.0 if change.is_same else float(total - of_reference[row, place].sum())
    return found


def _end_sums(
    model: GenomeModel, read: PrefixPass, rows: np.ndarray, begins: np.ndarray, changes: Sequence[Change]
) -> np.ndarray:
    """Return log p of the compared bases of each alternative in nats, float64 (n,)."""
    ids, starts, sizes = [], [], [change.end_size for change in changes]
    targets = np.zeros((len(changes), max(sizes)), np.int64)  # no letter
    for row, (begin, change, size) in enumerate(zip(begins, changes, sizes, strict=True)):
        letters, end = change.alt.ids, begin + size
        ids.append(letters[begin - 1 : end - 1] if begin else np.append(BOS, letters[: end - 1]))
        first = np.ones(max(2 - begin, 0), bool)
        starts.append(np.append(first, change.alt.marks[max(begin - 1, 1) : end]))
        targets[row, size - change.count : size] = letters[change.offset : change.offset + change.count]
    states = read.ends(rows, begins, ids, starts, np.array([change.fresh for change in changes]))
    return log_probabilities(model, states, torch.from_numpy(targets).to(model.device)).sum(1)
