"""Attention over neighbouring patches, or over all; the float64 twin is in reference.py."""

from genomelm.nn.attention.classic import ClassicAttention
from genomelm.nn.attention.operator import SlidingAttention

__all__ = ["ClassicAttention", "SlidingAttention"]
