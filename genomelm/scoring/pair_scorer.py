"""What every scorer of variants shares: windows, strands, and one pass over all distinct windows.

Both alleles are read in one segmentation, the reference's; a segmentation of their own would move boundaries that the
variant did not touch. Unless one strand is asked for, the score is the mean over the two strands.
"""

import abc
from collections.abc import Mapping, Sequence

import numpy as np

from genomelm.errors import UsageError
from genomelm.models.model import GenomeModel
from genomelm.scoring import effects
from genomelm.scoring.alleles import other_strand
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.seq.variant import Variant
from genomelm.seq.window import AllelePair, allele_pair, allele_pair_in

WIDTH = 512
"""Bases of reference around a variant, unless the user asks for another width."""


class PairScorer(abc.ABC):
    """A model that gives pairs of windows scores.

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
            "patching": model.patcher.cut_by,
            **({"side_information": ", ".join(side)} if (side := model.patcher.side_information) else {}),
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
        scores = np.array(self.strand_scores(read), np.float64)
        return scores if self.forward_only else effects.strand_average(scores[0::2], scores[1::2])

    @abc.abstractmethod
    def strand_scores(self, pairs: Sequence[AllelePair]) -> list[float]:
        """Return the score of each pair as its windows are written, on one strand."""
