"""Byte <-> patch: pooling by a softmax inside each patch, and reading back by windowed attention."""

from genomelm.nn.bridge.portable import segment_attention, windowed_attention

__all__ = ["segment_attention", "windowed_attention"]
