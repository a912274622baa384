"""What `annotate` asks of a model: windows for a variant, and numbers for windows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from genomelm.seq.genome import Genome
from genomelm.seq.variant import Variant
from genomelm.seq.window import AllelePair


@dataclass(frozen=True)
class Output:
    """One of several numbers that a head gives a variant.

    Args:
        name: as the model has it; its number, from 0, where it has none.
        part: what stands for it in tags, behind the task.
        column: of the head's output.
    """

    name: str
    part: str
    column: int


class AlleleScorer(Protocol):
    """A model and a rule that turn pairs of windows into scores.

    Attributes:
        tag: INFO tag of the score, GLM_LLR or GLM_<TASK>, which each of several outputs continues.
        description: text of the tag's header line: what the number is, its unit and its sign.
        provenance: plain facts for the header and the summary (model digest, patching fingerprint, device, dtype).
        outputs: what is scored, where the model has several outputs; empty, or not there, of a single score.
    """

    tag: str
    description: str
    provenance: Mapping[str, object]

    def pair(self, genome: Genome, variant: Variant) -> AllelePair:
        """Return the windows of a variant; `variant.contig` is spelled as the genome spells it."""
        ...

    def score(self, pairs: Sequence[AllelePair]) -> np.ndarray:
        """Return float64 (n,), one score a pair, or (n, k) of k outputs; all pairs have a status in SCORED."""
        ...


def outputs_of(scorer: AlleleScorer) -> tuple[Output, ...]:
    """Return the outputs that a scorer gives; none where it gives a single score."""
    return tuple(getattr(scorer, "outputs", ()))


def parts_of(scorer: AlleleScorer) -> tuple[str, ...]:
    """Return what stands for each of a scorer's outputs in tags."""
    return tuple(output.part for output in outputs_of(scorer))


def descriptions_of(scorer: AlleleScorer) -> list[str]:
    """Return the text of each score's header line."""
    return [f"{scorer.description}; output {output.name}" for output in outputs_of(scorer)] or [scorer.description]
