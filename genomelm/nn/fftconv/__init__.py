"""Long causal convolution: `causal_conv`, its float64 twin in reference.py."""

from genomelm.nn.fftconv.portable import causal_conv

__all__ = ["causal_conv"]
