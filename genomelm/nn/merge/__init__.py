"""Dynamic token merging: inner layers run on those rows only at which a learned boundary stands."""

from genomelm.nn.merge.merger import AdaptiveTokenMerger

__all__ = ["AdaptiveTokenMerger"]
