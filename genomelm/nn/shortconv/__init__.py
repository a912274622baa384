"""Short explicit convolution: few taps, one filter a channel."""

from genomelm.nn.shortconv.convolution import depthwise, path_of
from genomelm.nn.shortconv.operator import ShortConv

__all__ = ["ShortConv", "depthwise", "path_of"]
