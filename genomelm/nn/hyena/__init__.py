"""The Hyena operator (Poli et al. 2023, arXiv:2302.10866): gated convolutions with implicit, modal or explicit taps."""

from genomelm.nn.hyena.filter import ImplicitFilter
from genomelm.nn.hyena.operator import HyenaOperator

__all__ = ["HyenaOperator", "ImplicitFilter"]
