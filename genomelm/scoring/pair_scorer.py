"""What every scorer of variants shares: windows, strands, and one pass over all distinct windows.

Windows lie on a grid of the genome, so that neighbouring variants share them, or are one fixed interval. Both alleles
are read in one segmentation, the reference's; a segmentation of their own would move boundaries that the variant did
not touch. Both strands, or one, are read as `strands` asks.
"""

import abc
from collections.abc import Mapping, Sequence

import numpy as np

from genomelm.errors import UsageError
from genomelm.models.model import GenomeModel
from genomelm.scoring import effects
from genomelm.scoring.allele_scorer import Output
from genomelm.scoring.alleles import other_strand
from genomelm.scoring.strands import reads_both, strands_read
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.seq.variant import Variant
from genomelm.seq.window import AllelePair, Grid, allele_pair, allele_pair_in, grid_pair

WIDTH = 1024
"""Bases of reference around a variant, unless the user asks for another width."""


class WindowScorer(abc.ABC):
    """What gives pairs of windows scores, whatever reads them.

    Args:
        alphabet: dna, rna or protein.
        width: reference letters around a variant, where there is no fixed window.
        window: interval in which every variant is scored, such as an assay's locus.
        grid: where windows lie; None: centred on their variant, or in `window`.
        both_strands: whether the mean of both strands is given.

    Attributes:
        provenance: plain facts for headers and summaries.
        outputs: what is scored, where the model has several outputs; empty of a single score.
    """

    tag: str
    description: str
    provenance: Mapping[str, object]
    outputs: tuple[Output, ...] = ()

    def __init__(
        self, alphabet: str, width: int, window: Interval | None, grid: Grid | None, both_strands: bool
    ) -> None:
        if width < 2:
            raise UsageError(f"a window of {width} bases is too short; use 2 or more")
        self.alphabet, self.width, self.window, self.grid = alphabet, width, window, grid
        self.both_strands = both_strands

    @staticmethod
    def grid_of(width: int) -> Grid:
        """Return the grid of windows of `width` bases, in which a variant lies in the middle quarter."""
        step = max(width // 4, 1)
        return Grid(step, (width - step) // 2, width)

    def pair(self, genome: Genome, variant: Variant) -> AllelePair:
        """Return the windows of a variant."""
        if self.window is not None:
            return allele_pair_in(genome, variant, self.window, self.alphabet)
        if self.grid is not None:
            return grid_pair(genome, variant, self.grid, self.alphabet)
        return allele_pair(genome, variant, self.width, self.alphabet)

    def readable(self, pair: AllelePair) -> AllelePair:
        """Return scored windows as they are, or with the status for which they cannot be read."""
        return pair

    def score(self, pairs: Sequence[AllelePair]) -> np.ndarray:
        """Return float64 (n,), one score a pair, or (n, k) of k outputs.

        No pair's score depends on the others beyond rounding.
        """
        read = [strand for pair in pairs for strand in (pair, other_strand(pair))] if self.both_strands else list(pairs)
        scores = np.array(self.strand_scores(read), np.float64)
        scores = scores.reshape(len(read), len(self.outputs)) if self.outputs else scores
        return effects.strand_average(scores[0::2], scores[1::2]) if self.both_strands else scores

    @abc.abstractmethod
    def strand_scores(self, pairs: Sequence[AllelePair]) -> list[float] | list[np.ndarray]:
        """Return the score of each pair as its windows are written, on one strand; float64 (k,) of k outputs."""


class PairScorer(WindowScorer):
    """A model of genomelm that gives pairs of windows scores.

    Args:
        model: in eval mode, with its patcher.
        width: reference letters around a variant, where there is no fixed window; a head that learned variants in
            windows of its own keeps to those.
        window: interval in which every variant is scored, such as an assay's locus.
        strands: "both" gives the mean of both, "forward" the window's own, "model" what `both_by_default` says.
        digest: SHA-256 of the weights, for the provenance.

    Raises:
        UsageError: the model cannot score variants, or not on these strands.
    """

    def __init__(
        self,
        model: GenomeModel,
        width: int = WIDTH,
        window: Interval | None = None,
        strands: str = "model",
        digest: str = "",
    ) -> None:
        if model.patcher is None:
            raise UsageError("the model has no patcher; save it with one, or train it with `genomelm pretrain`")
        learned = model.config.head.get("window", 0)
        if learned and width not in (WIDTH, learned):
            raise UsageError(
                f"this head learned variants in windows of {learned} bases, not of {width}: leave the width out"
            )
        width = learned or width
        # Such a head, and a task with a reference, read centred windows, as they were learned.
        centred = window or learned or model.config.head.get("reference")
        by_default = model.alphabet == "dna" and self.both_by_default(model, window)
        both = reads_both(model, strands, by_default)
        super().__init__(model.alphabet, width, window, None if centred else self.grid_of(max(width, 2)), both)
        self.model = model
        self.provenance = {
            "model": digest,
            "patching": model.patcher.cut_by,
            **({"side_information": ", ".join(side)} if (side := model.patcher.side_information) else {}),
            "window": str(window) if window else f"{self.width} bases",
            **({} if self.grid is None else {"grid": f"{self.grid.step} bases"}),
            "strands": strands_read(model, self.both_strands, window.strand if window else "+"),
            "device": str(model.device),
            "dtype": str(model.dtype).removeprefix("torch."),
        }

    @staticmethod
    def both_by_default(model: GenomeModel, window: Interval | None) -> bool:
        """Return whether both strands are read where nobody asks for one or for both."""
        return True
