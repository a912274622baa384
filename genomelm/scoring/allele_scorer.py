"""What `annotate` asks of a model: windows for a variant, and numbers for windows."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from genomelm.seq.genome import Genome
from genomelm.seq.variant import Variant
from genomelm.seq.window import AllelePair


class AlleleScorer(Protocol):
    """A model and a rule that turn pairs of windows into scores.

    Attributes:
        tag: INFO tag of the score, GLM_LLR or GLM_<TASK>.
        description: text of the tag's header line: what the number is, its unit and its sign.
        provenance: plain facts for the header and the summary (model digest, patching fingerprint, device, dtype).
    """

    tag: str
    description: str
    provenance: Mapping[str, object]

    def pair(self, genome: Genome, variant: Variant) -> AllelePair:
        """Return the windows of a variant; `variant.contig` is spelled as the genome spells it."""
        ...

    def score(self, pairs: Sequence[AllelePair]) -> np.ndarray:
        """Return float64 (n,), one score a pair; all pairs have a status in SCORED."""
        ...
