"""A model as the scorer of variants: log-likelihood ratios, differences of a task head's output, or its effects."""

from collections.abc import Sequence

import numpy as np

from genomelm.errors import UsageError
from genomelm.models.model import GenomeModel
from genomelm.models.published import PublishedModel
from genomelm.scoring import effects
from genomelm.scoring.alleles import WindowPair, lifted, other_strand, read_pairs, read_references
from genomelm.scoring.embedding import EmbeddingScorer, EuclideanScorer
from genomelm.scoring.forward import head_outputs, pair_outputs, read_windows, single
from genomelm.scoring.likelihood import LikelihoodScorer
from genomelm.scoring.masked import hidden_log_probabilities, hidden_ratio, pseudo_likelihoods
from genomelm.scoring.outputs import choose_outputs, chosen_values, is_exclusive
from genomelm.scoring.pair_scorer import WIDTH, PairScorer, WindowScorer
from genomelm.scoring.published_scorer import published_scorer
from genomelm.seq.alphabet import ALPHABETS, encode
from genomelm.seq.interval import Interval
from genomelm.seq.window import AllelePair

__all__ = [
    "WIDTH",
    "EffectScorer",
    "HeadScorer",
    "LikelihoodScorer",
    "MaskedScorer",
    "PairScorer",
    "scorer_for",
]


class MaskedScorer(PairScorer):
    """log p(alternative bases) - log p(reference bases) in nats, each hidden together with the others that change.

    Equally many bases of both windows are hidden, from the first that changes: as many as the longer allele has.
    A substitution makes both windows the same, so it costs one pass.
    """

    tag = "GLM_LLR"
    description = (
        "Log-likelihood ratio of alternative to reference over equally many bases, hidden together and given all "
        "others (masked model), nats; above 0: alternative likelier"
    )

    def __init__(self, model: GenomeModel, *arguments: object, **options: object) -> None:
        if model.head_kind != "masked_lm":
            raise UsageError(f"this scorer needs a masked language model; this one's head is {model.head_kind}")
        super().__init__(model, *arguments, **options)

    def strand_scores(self, pairs: Sequence[AllelePair]) -> list[float]:
        """Return the log-likelihood ratio of each pair on its strand.

        A conjoined model reads both strands in one pass; but which bases stand in for a gap depends on the strand that
        is written, so pairs of unequal alleles are written on both.
        """
        if not self.model.is_conjoined:
            return self._ratios(pairs)
        written = [[p] if p.ref_length == p.alt_length else [p, other_strand(p)] for p in pairs]
        found = iter(self._ratios([p for both in written for p in both]))
        return [float(np.mean([next(found) for _ in both])) for both in written]

    def _ratios(self, pairs: Sequence[AllelePair]) -> list[float]:
        """Return the log-likelihood ratio of each pair as it is written."""
        alphabet = self.model.alphabet
        letters = ALPHABETS[alphabet].ids
        sites, windows = [], []
        for pair, ref in zip(pairs, read_references(self.model, pairs), strict=True):
            both = [ref]
            if pair.ref_length != pair.alt_length:
                both.append(lifted(ref, pair.alt, pair.offset, pair.ref_length, pair.alt_length, alphabet))
            end = pair.offset + max(pair.ref_length, pair.alt_length)
            site = slice(pair.offset, min(end, len(pair.ref), len(pair.alt)))
            first = len(windows)
            windows += [window.hidden(site) for window in both]
            sites.append((first, len(windows) - 1, ref.ids[site], encode(pair.alt[site], alphabet)))
        found = read_windows(self.model, windows, hidden_log_probabilities)
        return [hidden_ratio(found[first], ref, found[last], alt, letters) for first, last, ref, alt in sites]


class PseudoLikelihoodScorer(PairScorer):
    """Pseudo-log-likelihood of the alternative window minus that of the reference's, in nats.

    Every base of both windows is hidden once, some of them together. Equally many bases of both are compared, from the
    window's start.
    """

    tag = "GLM_PLLR"
    description = (
        "Pseudo-log-likelihood of the alternative window minus that of the reference's, over equally many bases, each "
        "hidden once (masked model), nats; above 0: alternative likelier"
    )

    def __init__(self, model: GenomeModel, *arguments: object, **options: object) -> None:
        if model.head_kind != "masked_lm":
            raise UsageError(
                f"a pseudo-likelihood needs a masked language model; this one's head is {model.head_kind}: leave "
                "--effect at model"
            )
        super().__init__(model, *arguments, **options)

    def strand_scores(self, pairs: Sequence[AllelePair]) -> list[float]:
        """Return the difference of each pair on its strand."""
        windows = [window for both in read_pairs(self.model, pairs) for window in both]
        found = pseudo_likelihoods(self.model, windows)
        return [float(effects.log_likelihood_ratio(*found[2 * i : 2 * i + 2])) for i in range(len(pairs))]


class TaskScorer(PairScorer):
    """What the scorers of task heads share: the tag, the outputs, and which strands are read unless some are asked for.

    Args:
        model, width, window, strands, digest: as those of `PairScorer`.
        outputs: names or numbers of those that are scored, where the head has several; empty: all.
    """

    def __init__(
        self,
        model: GenomeModel,
        width: int = WIDTH,
        window: Interval | None = None,
        strands: str = "model",
        digest: str = "",
        outputs: Sequence[str] = (),
    ) -> None:
        head = model.config.head
        if model.is_language_model:
            raise UsageError("this is a language model, without a task head; fine-tune it, or score log-likelihoods")
        self.outputs = choose_outputs(model, outputs)
        self._exclusive = is_exclusive(model)
        super().__init__(model, width, window, strands, digest)
        classes = model.head_kind == "sequence_classification"
        self.task = head["task"] or ("class" if classes else "value")
        self.tag = f"GLM_{self.task.upper().replace('-', '_')}"
        self.unit = "logit" if classes else "unit of the training labels"
        if self._exclusive and self.outputs:
            self.unit = "log-odds against all other classes"
        self.provenance = {**self.provenance, "task": self.task}  # the tag says less: tasks may share it

    def number(self, output: np.ndarray) -> float | np.ndarray:
        """Return what is scored of a head's output (m,): a number, or float64 (k,) of k outputs."""
        return chosen_values(output, self.outputs, self._exclusive) if self.outputs else single(output)

    @staticmethod
    def both_by_default(model: GenomeModel, window: Interval | None) -> bool:
        """Return whether the labels hold for both strands. In a fixed window they were measured on its own."""
        return window is None and model.config.head["two_strands"]


class HeadScorer(TaskScorer):
    """Output of a task head for the alternative minus for the reference: label's unit, or logit."""

    def __init__(self, model: GenomeModel, *arguments: object, **options: object) -> None:
        super().__init__(model, *arguments, **options)
        self.description = f"Prediction of task {self.task} for the alternative minus for the reference, {self.unit}"

    def strand_scores(self, pairs: Sequence[AllelePair]) -> list[float]:
        """Return the effect of each pair on its strand."""
        windows = [window for both in read_pairs(self.model, pairs) for window in both]
        outputs = [self.number(output) for output in read_windows(self.model, windows, head_outputs)]
        return list(effects.difference(outputs[0::2], outputs[1::2]))


class EffectScorer(TaskScorer):
    """Output of a variant-effect head, which reads both alleles together, in the labels' unit."""

    def __init__(self, model: GenomeModel, *arguments: object, **options: object) -> None:
        super().__init__(model, *arguments, **options)
        self.description = f"Effect of the alternative against the reference on task {self.task}, {self.unit}"

    def strand_scores(self, pairs: Sequence[AllelePair]) -> list[float]:
        """Return the effect of each pair on its strand."""
        read = [WindowPair(*both) for both in read_pairs(self.model, pairs)]
        return [self.number(output) for output in read_windows(self.model, read, pair_outputs)]


SCORERS = {"causal_lm": LikelihoodScorer, "masked_lm": MaskedScorer, "variant_effect": EffectScorer}
"""Head kind -> its scorer; other heads are scored by the difference of their outputs."""

OTHER_EFFECTS = {
    "pseudo_likelihood": PseudoLikelihoodScorer,
    "embedding": EmbeddingScorer,
    "embedding_l2": EuclideanScorer,
}
"""What else a model can be asked for -> its scorer."""

EFFECTS = ("model", *OTHER_EFFECTS)
"""model: what the model was made for."""


def scorer_for(
    model: GenomeModel | PublishedModel,
    width: int = WIDTH,
    window: Interval | None = None,
    strands: str = "model",
    digest: str = "",
    effect: str = "model",
    outputs: Sequence[str] = (),
) -> WindowScorer:
    """Return the scorer that fits the model's head, or the one for another of EFFECTS.

    Args:
        outputs: names or numbers of those that are scored, of a task head that has several; empty: all.

    Raises:
        UsageError: the head gives sequences no number, or has no such output; or the model cannot score variants, or
            not on these strands; or an effect that is unknown or not of this kind of model.
    """
    if effect not in EFFECTS:
        raise UsageError(f"effect '{effect}' is unknown; choose {', '.join(EFFECTS[:-1])} or {EFFECTS[-1]}")
    is_task = isinstance(model, GenomeModel) and not model.is_language_model and effect == "model"
    if outputs and not is_task:
        raise UsageError(
            f"--output {outputs[0]}: what is scored here is a single number, not a task's outputs; leave it out"
        )
    if isinstance(model, PublishedModel):
        return published_scorer(model, width, window, strands, digest, effect=effect)
    fitting = SCORERS.get(model.head_kind, HeadScorer) if effect == "model" else OTHER_EFFECTS[effect]
    more = {"outputs": outputs} if is_task else {}
    return fitting(model, width, window, strands, digest, **more)
