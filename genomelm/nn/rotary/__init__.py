"""Turning pairs of channels: the one operation of rotary positions."""

from genomelm.nn.rotary.turning import path_of, turned

__all__ = ["path_of", "turned"]
