"""Scores of transformers' own models, by the rules of ours: what is compared, hidden, and read on which strand.

Causal models. Tokens of single letters: log p of the letters from the first that changes on, as many of both alleles,
as `LikelihoodScorer` does. Other tokens: log p of the tokens of both windows, which hold equally many letters, each
allele cut by the tokeniser itself; it is no sum over the other ways to cut it.

Masked models. Every token that holds a letter of the longer allele's stretch is hidden at once, in both windows; the
score is log p of the alternative's hidden tokens minus that of the reference's. Pieces of unequal length have no such
score: how many are hidden would tell of the allele.
"""

import abc
import logging
from collections.abc import Sequence

import numpy as np

from genomelm.errors import UsageError
from genomelm.models.published import PublishedModel
from genomelm.models.published_tokens import Cut
from genomelm.scoring.alleles import other_strand
from genomelm.scoring.likelihood import LikelihoodScorer
from genomelm.scoring.pair_scorer import WIDTH, WindowScorer
from genomelm.scoring.record import finite
from genomelm.scoring.strands import published_both, strands_read
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.seq.variant import Variant
from genomelm.seq.window import SCORED, AllelePair, Grid

log = logging.getLogger(__name__)

SPARE = 8
"""One of so many letters that a model reads is left for insertions, where the width is chosen for it."""


class PublishedScorer(WindowScorer):
    """What the scorers of causal and masked models share: windows that fit the model, strands, and provenance.

    Args:
        model: with its tokeniser.
        width, window, strands, digest: as those of `PairScorer`. Where the width is the default and the model reads no
            such windows, it is the largest that the model reads.

    Raises:
        UsageError: the model reads no windows of this width, or not these strands.
    """

    tag = "GLM_LLR"

    def __init__(
        self,
        model: PublishedModel,
        width: int = WIDTH,
        window: Interval | None = None,
        strands: str = "model",
        digest: str = "",
    ) -> None:
        both = published_both(model, strands, by_default=True)
        self.model = model
        self.most = model.letters
        width = self._fitting(width, window)
        super().__init__(model.alphabet, width, window, None if window else self.grid_for(width), both)
        self.provenance = {
            "model": digest,
            **model.provenance,
            "window": str(window) if window else f"{self.width} bases",
            **({} if self.grid is None else {"grid": f"{self.grid.step} bases"}),
            "strands": strands_read(model, both, window.strand if window else "+"),
            "device": str(model.device),
            "dtype": str(model.dtype).removeprefix("torch."),
        }

    def grid_for(self, width: int) -> Grid:
        """Return where windows of `width` letters lie for this model."""
        return self.grid_of(width)

    def pair(self, genome: Genome, variant: Variant) -> AllelePair:
        """Return the windows of a variant; TOO_LONG where an allele's window is longer than the model reads."""
        found = super().pair(genome, variant)
        return self.readable(found) if found.status in SCORED else found

    def readable(self, pair: AllelePair) -> AllelePair:
        """Return scored windows as they are, or TOO_LONG where the model reads no such window, or N_IN_WINDOW."""
        read = self.read(pair)
        if self.most is not None and max(map(len, read)) > self.most:
            return AllelePair(pair.variant, "TOO_LONG")
        if self.model.tokens.size != 1:
            for strand in (pair, other_strand(pair)) if self.both_strands else (pair,):
                cuts = [self.model.tokens.cut(sequence) for sequence in self.read(strand)]
                if None in cuts:
                    return AllelePair(pair.variant, "N_IN_WINDOW")
                if self.model.longest is not None and max(len(cut.ids) for cut in cuts) > self.model.longest:
                    return AllelePair(pair.variant, "TOO_LONG")
        return pair

    def read(self, pair: AllelePair) -> tuple[str, str]:
        """Return what is read of both alleles."""
        return pair.ref, pair.alt

    def explained(self, pair: AllelePair) -> dict:
        """Return both alleles of a pair as `explain` shows them: tokens, their log p in nats, and which count."""
        found = {}
        for name, sequence, length, (cut, part, values) in zip(
            ("ref", "alt"), self.read(pair), (pair.ref_length, pair.alt_length), self.token_values(pair), strict=True
        ):
            found[name] = {
                "sequence": sequence,
                "allele": sequence[pair.offset : pair.offset + length],
                "patch_starts": cut.starts[:-1].tolist(),
                "tokens": [sequence[a:b] for a, b in zip(cut.starts, cut.starts[1:], strict=False)],
                "log_p": [finite(float(value)) for value in values],
                "counted": [part.start, part.stop],
            }
        return found

    @abc.abstractmethod
    def token_values(self, pair: AllelePair) -> list[tuple[Cut, slice, np.ndarray]]:
        """Return for both alleles the tokens, those that count, and log p of all tokens, float64 (t,)."""

    def _fitting(self, width: int, window: Interval | None) -> int:
        if self.most is None or self._reach(width, window) <= self.most:
            return width
        room = self.most - self.most // SPARE
        fits = next((w for w in range(min(width, room), 1, -1) if self._reach(w, None) <= room), 0)
        if window is None and width == WIDTH and fits:
            log.info("windows of %d bases: the model reads %d letters at most", fits, self.most)
            return fits
        asked = f"--window {window}" if window else f"--width {width}"
        raise UsageError(f"the model reads {self.most:,} letters at most, too few for {asked}: give --width {fits}")

    def _reach(self, width: int, window: Interval | None) -> int:
        """Return the letters of the longest window of a change within one cell."""
        grid = self.grid_for(width)
        return len(window) if window else grid.step + 2 * grid.flank


class PublishedCausalScorer(PublishedScorer):
    """log p(alternative window) - log p(reference window) in nats, of a causal model."""

    description = (
        "Log-likelihood ratio of alternative to reference over equally many letters, each token given those before it "
        "(causal model of transformers), nats; above 0: alternative likelier"
    )

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)
        letters = self.model.tokens.size == 1
        self.after = self.width - self.grid.flank if letters and self.grid else None
        behind = "all behind it in the window" if self.after is None else f"{self.after} bases behind it"
        self.provenance = {**self.provenance, "compared": f"the change and {behind}"}

    def grid_for(self, width: int) -> Grid:
        """Return where windows lie: with the flanks of `LikelihoodScorer`, where tokens are letters."""
        grid = PublishedScorer.grid_of(width)
        flank = LikelihoodScorer.grid_of(width).flank if self.model.tokens.size == 1 else grid.flank
        return Grid(grid.step, flank, width)

    def strand_scores(self, pairs: Sequence[AllelePair]) -> list[float]:
        """Return the log-likelihood ratio of each pair on its strand."""
        read = [self.compared(pair) for pair in pairs]
        cuts = [cut for ref, alt, _, _ in read for cut in (ref, alt)]
        found = self.model.next_log_probabilities([cut.ids for cut in cuts])
        values = [np.where(cut.known, row, 0.0) for cut, row in zip(cuts, found, strict=True)]
        return [
            0.0  # equal tokens: rounding would hide it
            if np.array_equal(ref.ids[ref_part], alt.ids[alt_part])
            else float(values[2 * n + 1][alt_part].sum() - values[2 * n][ref_part].sum())
            for n, (ref, alt, ref_part, alt_part) in enumerate(read)
        ]

    def read(self, pair: AllelePair) -> tuple[str, str]:
        """Return what is read of both alleles: equally many letters at most."""
        count = min(len(pair.ref), len(pair.alt))
        return (pair.ref if self.model.tokens.size == 1 else pair.ref[:count]), pair.alt[:count]

    def token_values(self, pair: AllelePair) -> list[tuple[Cut, slice, np.ndarray]]:
        """Return for both alleles the tokens, those that are compared, and log p of all that are read."""
        ref, alt, *parts = self.compared(pair)
        found = self.model.next_log_probabilities([ref.ids, alt.ids])
        values = [np.where(cut.known, row, 0.0) for cut, row in zip((ref, alt), found, strict=True)]
        return list(zip((ref, alt), parts, values, strict=True))

    def compared(self, pair: AllelePair) -> tuple[Cut, Cut, slice, slice]:
        """Return both alleles' tokens up to the last that is compared, and which of them are."""
        longest = max(pair.ref_length, pair.alt_length)
        count = min(len(pair.ref), len(pair.alt))
        if self.after is not None:
            count = min(count, pair.offset + longest + self.after)
        # A reference is read whole where tokens are letters: its variants share the pass.
        if self.model.tokens.size == 1:
            ref, alt = (self.model.cut(sequence) for sequence in (pair.ref, pair.alt[:count]))
            part = slice(pair.offset, count)
            return ref, alt, part, part
        ref, alt = (self.model.cut(sequence[:count]) for sequence in (pair.ref, pair.alt))
        most = min(len(ref.ids), len(alt.ids))
        differing = np.flatnonzero(ref.ids[:most] != alt.ids[:most])
        first = int(differing[0]) if len(differing) else most
        return ref, alt, slice(first, len(ref.ids)), slice(first, len(alt.ids))


class PublishedMaskedScorer(PublishedScorer):
    """log p(alternative's tokens) - log p(reference's tokens) in nats, hidden together, of a masked model."""

    description = (
        "Log-likelihood ratio of alternative to reference over the tokens that hold the change, hidden together and "
        "given all others (masked model of transformers), nats; above 0: alternative likelier"
    )

    def __init__(self, model: PublishedModel, *arguments: object, **options: object) -> None:
        if model.tokens.size == 0:
            raise UsageError(
                "the model is masked and its tokens are pieces of unequal length: which are hidden would tell of the "
                "allele, so no exact score is defined; give a model of letters or k-mers, or a causal one"
            )
        super().__init__(model, *arguments, **options)

    def strand_scores(self, pairs: Sequence[AllelePair]) -> list[float]:
        """Return the log-likelihood ratio of each pair on its strand."""
        read = [self.hidden(pair) for pair in pairs]
        rows = [(cut.ids, places) for both in read for cut, places in both]
        found = iter(self.model.hidden_log_probabilities(rows))
        scores = []
        for ref, alt in read:
            taken = [self._taken(*allele, next(found)) for allele in (ref, alt)]
            (ref_values, ref_known), (alt_values, alt_known) = taken
            if len(ref_known) == len(alt_known):  # a token with an unknown letter is left out of both
                ref_known = alt_known = ref_known & alt_known
            scores.append(float(alt_values[alt_known].sum() - ref_values[ref_known].sum()))
        return scores

    def hidden(self, pair: AllelePair) -> tuple[tuple[Cut, np.ndarray], tuple[Cut, np.ndarray]]:
        """Return each allele's tokens, and the places (m,) int64 of those that are hidden."""
        longest = max(pair.ref_length, pair.alt_length)
        end = min(pair.offset + longest, len(pair.ref), len(pair.alt))
        size = self.model.tokens.size
        first, end = pair.offset // size * size, -(-end // size) * size  # whole tokens of both
        cuts = (self.model.cut(pair.ref), self.model.cut(pair.alt))
        return tuple((cut, np.arange(len(cut.ids))[cut.holding(first, end)]) for cut in cuts)

    def token_values(self, pair: AllelePair) -> list[tuple[Cut, slice, np.ndarray]]:
        """Return for both alleles the tokens, those that are hidden, and their log p; 0 at those that are shown."""
        alleles = []
        read = self.hidden(pair)
        found = self.model.hidden_log_probabilities([(cut.ids, places) for cut, places in read])
        for (cut, places), values in zip(read, found, strict=True):
            taken, known = self._taken(cut, places, values)
            all_values = np.zeros(len(cut.ids))
            all_values[places] = np.where(known, taken, 0.0)
            first = int(places[0]) if len(places) else 0
            alleles.append((cut, slice(first, first + len(places)), all_values))
        return alleles

    @staticmethod
    def _taken(cut: Cut, places: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return values[np.arange(len(places)), cut.ids[places]], cut.known[places]


def published_scorer(model: PublishedModel, *arguments: object, effect: str = "model") -> PublishedScorer:
    """Return the scorer of a model of transformers' own; arguments as those of `scorer_for`.

    Raises:
        UsageError: another effect than the model's likelihood, or as the scorer.
    """
    if effect != "model":
        raise UsageError(f"--effect {effect} is for models of genomelm; a model of transformers' own gives likelihoods")
    scorer = PublishedCausalScorer if model.objective == "causal" else PublishedMaskedScorer
    return scorer(model, *arguments)
