"""Long convolution, causal and two-sided; the float64 twins are in reference.py."""

from genomelm.nn.fftconv.portable import causal_conv, extended_conv, two_sided_conv

__all__ = ["causal_conv", "extended_conv", "two_sided_conv"]
