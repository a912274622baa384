"""S5: a diagonal state space with many inputs and outputs (Smith et al. 2023, arXiv:2208.04933)."""

from genomelm.nn.s5.operator import S5Operator, StateSpace, monitor

__all__ = ["S5Operator", "StateSpace", "monitor"]
