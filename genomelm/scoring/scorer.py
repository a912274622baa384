"""A model as the scorer of variants: log-likelihood ratios, or differences of a task head's output.

Both alleles are read in one segmentation, the reference's; a segmentation of their own would move boundaries that the
variant did not touch. Unless one strand is asked for, the score is the mean over the two strands.
"""

import abc
from collections.abc import Mapping, Sequence

import numpy as np

from genomelm.errors import UsageError
from genomelm.models.model import GenomeModel
from genomelm.scoring import effects
from genomelm.scoring.alleles import Window, other_strand, read_pair
from genomelm.scoring.forward import Read, byte_log_probabilities, check_single, head_outputs, read_windows, single
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.seq.variant import Variant
from genomelm.seq.window import AllelePair, allele_pair, allele_pair_in

WIDTH = 512
"""Bases of reference around a variant, unless the user asks for another width."""


class PairScorer(abc.ABC):
    """What both scorers share: windows, strands, and one pass over all distinct windows.

    Args:
        model: in eval mode, with its patcher.
        width: reference bases around a variant, where there is no fixed window.
        window: interval in which every variant is scored, such as an assay's locus.
        forward_only: read one strand (the window's) instead of both.
        digest: SHA-256 of the weights, for the provenance.

    Raises:
        UsageError: the model cannot score variants.
    """

    tag: str
    description: str
    read: Read

    def __init__(
        self,
        model: GenomeModel,
        width: int = WIDTH,
        window: Interval | None = None,
        forward_only: bool = False,
        digest: str = "",
    ) -> None:
        if model.alphabet != "dna":
            raise UsageError(f"the model reads {model.alphabet}; variants of a genome need a DNA model")
        if model.patcher is None:
            raise UsageError("the model has no patcher; save it with one, or train it with `genomelm pretrain`")
        if width < 2:
            raise UsageError(f"a window of {width} bases is too short; use 2 or more")
        self.model, self.width, self.window, self.forward_only = model, width, window, forward_only
        self.provenance: Mapping[str, object] = {
            "model": digest,
            "patching": model.patcher.fingerprint,
            "window": str(window) if window else f"{width} bases",
            "strands": "one" if forward_only else "both",
            "device": str(model.device),
            "dtype": str(model.dtype).removeprefix("torch."),
        }

    def pair(self, genome: Genome, variant: Variant) -> AllelePair:
        """Return the windows of a variant."""
        if self.window is not None:
            return allele_pair_in(genome, variant, self.window)
        return allele_pair(genome, variant, self.width)

    def score(self, pairs: Sequence[AllelePair]) -> np.ndarray:
        """Return float64 (n,), one score a pair. No pair's score depends on the others beyond rounding."""
        read = list(pairs) if self.forward_only else [strand for pair in pairs for strand in (pair, other_strand(pair))]
        windows: list[Window] = [window for pair in read for window in read_pair(self.model, pair)]
        found = read_windows(self.model, windows, type(self).read)
        scores = np.array(
            [self.effect(pair.offset, *found[2 * i : 2 * i + 2]) for i, pair in enumerate(read)], np.float64
        )
        return scores if self.forward_only else effects.strand_average(scores[0::2], scores[1::2])

    @abc.abstractmethod
    def effect(self, offset: int, ref: np.ndarray, alt: np.ndarray) -> float:
        """Return the score of one strand from what was read of the two windows."""


class LikelihoodScorer(PairScorer):
    """log p(alternative window) - log p(reference window) in nats; N has no probability and is left out."""

    tag = "GLM_LLR"
    description = (
        "Log-likelihood ratio of alternative to reference over equally many bases, nats; above 0: alternative likelier"
    )
    read = staticmethod(byte_log_probabilities)

    def __init__(self, model: GenomeModel, *arguments: object, **options: object) -> None:
        if model.head_kind != "causal_lm":
            raise UsageError(f"a log-likelihood ratio needs a language model; this one's head is {model.head_kind}")
        super().__init__(model, *arguments, **options)

    def effect(self, offset: int, ref: np.ndarray, alt: np.ndarray) -> float:
        """Subtract log-likelihoods. Before `offset` a causal model reads the same: only rounding would be added."""
        return float(effects.log_likelihood_ratio(ref[offset:], alt[offset:]))


class HeadScorer(PairScorer):
    """Output of a task head for the alternative minus for the reference: label's unit, or logit.

    Both strands are read where the task's labels hold for both. In a fixed window only the window's own
    strand is read, as the labels were measured on it.
    """

    read = staticmethod(head_outputs)

    def __init__(
        self,
        model: GenomeModel,
        width: int = WIDTH,
        window: Interval | None = None,
        forward_only: bool = False,
        digest: str = "",
    ) -> None:
        head = model.config.head
        if model.head_kind == "causal_lm":
            raise UsageError("this is a language model, without a task head; fine-tune it, or score log-likelihoods")
        classes = model.head_kind == "sequence_classification"
        check_single(model)
        one_strand = forward_only or window is not None or not head["two_strands"]
        super().__init__(model, width, window, one_strand, digest)
        task = head["task"] or ("class" if classes else "value")
        self.tag = f"GLM_{task.upper().replace('-', '_')}"
        unit = "logit" if classes else "unit of the training labels"
        self.description = f"Prediction of task {task} for the alternative minus for the reference, {unit}"

    def effect(self, offset: int, ref: np.ndarray, alt: np.ndarray) -> float:
        """Subtract the outputs."""
        return float(effects.difference(single(ref), single(alt)))


def scorer_for(
    model: GenomeModel,
    width: int = WIDTH,
    window: Interval | None = None,
    forward_only: bool = False,
    digest: str = "",
) -> PairScorer:
    """Return the scorer that fits the model's head."""
    kind = LikelihoodScorer if model.head_kind == "causal_lm" else HeadScorer
    return kind(model, width, window, forward_only, digest)
