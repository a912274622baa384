"""How much a model's early logits move when all later bytes change."""

import numpy as np
import torch

from genomelm.models import GenomeModel
from genomelm.models.encoding import make_batch

TOLERANCE = 2e-5
"""FFT rounding: a change of late rows moves early ones by about 1e-6 of the largest."""


def largest_leak(model: GenomeModel, record: np.ndarray, positions: list[int], random: np.random.Generator) -> float:
    """Change every byte after base j, for each j; return the largest move of a logit that may not move.

    Row 0 of the logits is BOS, so base j is row j + 1; j = -1 changes every base.
    """
    others = []
    for j in positions:
        other = record.copy()
        # Every later byte becomes another letter, so that the patches move too.
        fresh = random.permutation([65, 67, 71, 84])[random.integers(0, 4, len(record) - j - 1)]
        other[j + 1 :] = np.where(fresh == other[j + 1 :], np.where(fresh == 65, 67, 65), fresh)
        assert (other[j + 1 :] != record[j + 1 :]).all()
        others.append(other)
    rows = [record, *others]
    marks = [model.patcher.marks(record) for record in rows]
    assert len({m.tobytes() for m in marks}) > 1, "the substitutions must move patches"
    with torch.no_grad():
        logits = model(**make_batch(rows, marks).inputs()).logits
    moved = (logits[1:] - logits[:1]).abs().amax(-1)  # (positions, 1 + l)
    assert all(moved[n, j + 2 :].max() > 1e-2 for n, j in enumerate(positions)), "later rows must move"
    return max(float(moved[n, : j + 2].max()) for n, j in enumerate(positions))
