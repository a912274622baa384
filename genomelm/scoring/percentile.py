"""What `annotate` asks of a background: where a score stands among those of random variants of its class."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from genomelm.seq.window import AllelePair


class Background(Protocol):
    """Scores of random variants of the reference, by class.

    Attributes:
        provenance: plain facts for the header and the summary.
    """

    provenance: Mapping[str, object]

    def percentiles(self, pairs: Sequence[AllelePair], scores: np.ndarray) -> np.ndarray:
        """Return float64 in 0..100 for scores float64 (n,), or (n, k) of k outputs; NaN where there is no score or no
        such class.
        """
        ...
