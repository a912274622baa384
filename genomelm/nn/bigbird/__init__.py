"""BigBird attention over patches (Zaheer et al. 2020, arXiv:2007.14062): window, global and random blocks."""

from genomelm.nn.bigbird.operator import BigBirdAttention
from genomelm.nn.bigbird.pattern import BlockPattern, Sparsity

__all__ = ["BigBirdAttention", "BlockPattern", "Sparsity"]
