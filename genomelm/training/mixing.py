"""The rows of each step: from which source each one is, and the step's batch. Pure functions of (seed, step)."""

import functools
from collections.abc import Sequence

import numpy as np

from genomelm.models.encoding import Batch
from genomelm.runtime import counter_seed
from genomelm.training.rows import Rows, joined, reordered

DECK = 1 << 16
"""Rows over which the sources' shares are exact in order `epoch`, to one row."""


class Mixture:
    """Rows of several sources at one length of window.

    Args:
        rows: of each source.
        names: of the sources.
        weights: expected shares of the rows, relative to each other.
        order: random, or epoch: each row of a source once before one comes again.
        seed: of the run.
        conjoined: whether batches hold the other strands' patches as well.
    """

    def __init__(
        self,
        rows: Sequence[Rows],
        names: Sequence[str],
        weights: Sequence[float],
        order: str,
        seed: int,
        conjoined: bool = False,
    ) -> None:
        self.rows, self.names, self.order, self.seed, self.conjoined = list(rows), list(names), order, seed, conjoined
        self.shares = np.array(weights, np.float64) / sum(weights)
        self._deck = functools.lru_cache(maxsize=2)(self._dealt)

    def batch(self, step: int, size: int, mine: slice, first: int) -> Batch:
        """Return the rows `mine` of a step of `size` rows.

        Args:
            step: number of the step in the run.
            first: rows of all steps of this length of window before it.
        """
        owners, begins = self.owners(step, size, first)
        here = np.arange(size)[mine]
        batches, places = [], []
        for number, rows in enumerate(self.rows):
            places.append(here[owners[here] == number])
            if not len(places[-1]):
                continue
            theirs = np.flatnonzero(owners == number)
            part = slice(*np.searchsorted(theirs, [here[0], here[-1] + 1]).tolist())
            key = [self.seed, *([self.names[number]] if len(self.rows) > 1 else [])]
            more = {"conjoined": self.conjoined, "mine": part}
            if self.order == "random":
                batches.append(rows.random_batch(len(theirs), "windows", *key, step, **more))
            else:
                batches.append(rows.epoch_batch(int(begins[number]), len(theirs), "epochs", *key, rows.window, **more))
        batch = joined(batches)
        return batch if len(batches) == 1 else reordered(batch, np.argsort(np.concatenate(places)))

    def owners(self, step: int, size: int, first: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the source of each row of a step, int64 (size,), and how many rows each had before, int64 (s,)."""
        if len(self.rows) == 1:
            return np.zeros(size, np.int64), np.array([first])
        if self.order == "random":
            generator = np.random.default_rng(counter_seed("sources", self.seed, step))
            return generator.choice(len(self.shares), size, p=self.shares), np.zeros(len(self.shares), np.int64)
        deck, inside = divmod(first, DECK)
        begins = deck * self._cards() + np.bincount(self._deck(deck)[:inside], minlength=len(self.shares))
        last = (first + size - 1) // DECK
        cards = np.concatenate([self._deck(number) for number in range(deck, last + 1)])
        return cards[inside : inside + size], begins

    def _cards(self) -> np.ndarray:
        """Return how many rows of a deck each source has, int64 (s,): at least one where it has a weight at all."""
        edges = np.round(np.cumsum(self.shares) * DECK).astype(np.int64)
        cards = np.maximum(np.diff(edges, prepend=0), self.shares > 0)
        cards[np.argmax(cards)] += DECK - cards.sum()
        return cards

    def _dealt(self, number: int) -> np.ndarray:
        cards = np.repeat(np.arange(len(self.shares)), self._cards())
        return np.random.default_rng(counter_seed("deck", self.seed, number)).permutation(cards)
