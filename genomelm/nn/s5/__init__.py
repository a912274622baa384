"""S5: a diagonal state space with many inputs and outputs (Smith et al. 2023, arXiv:2208.04933)."""

from genomelm.nn.s5.operator import GatedStateSpace, S5Operator, exponents_of, monitor
from genomelm.nn.s5.space import StateSpace

__all__ = ["GatedStateSpace", "S5Operator", "StateSpace", "exponents_of", "monitor"]
