"""Random scores, rules and forced starts, through which the laws over modes run."""

import contextlib
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import strategies as st

from genomelm.patching import optimal, patcher
from genomelm.patching.breaks import KEEP, Breaks
from genomelm.patching.codes import Scale
from genomelm.patching.modes import Edges, edges_of
from genomelm.patching.parameters import PARAMETERS
from genomelm.patching.rule import Rule

MODES = tuple(PARAMETERS)
ONE_PASS = tuple(mode for mode in MODES if mode != "optimal")


def scores(most: int = 60, least: int = 0) -> st.SearchStrategy[np.ndarray]:
    """Codes uint16 (n,): few distinct values, so that ties are common, or the ends of the range, which could wrap."""
    size = {"min_size": least, "max_size": most}
    few = st.lists(st.integers(0, 6), **size)
    extreme = st.lists(st.sampled_from([0, 1, 32767, 65534, 65535]), **size)
    return st.one_of(few, few, extreme).map(lambda g: np.array(g, np.uint16))


@st.composite
def rules(draw, modes: tuple[str, ...] = ONE_PASS, most: int = 18) -> Rule:
    multiple = draw(st.integers(1, 4))
    limit = multiple * draw(st.integers(1, max(1, most // multiple)))
    mode = draw(st.sampled_from(modes))
    penalties = None
    if mode == "optimal" and draw(st.booleans()):
        price, target = draw(st.integers(1, 3)), draw(st.integers(1, 6))
        penalties = tuple(price * (n - target) ** 2 for n in range(limit + 1))
    return Rule(
        mode,
        threshold=draw(st.one_of(st.integers(-3, 8), st.sampled_from([-65535, -1, 32766, 65534, 65535]))),
        delta=draw(st.integers(-3, 5)),
        zero=draw(st.integers(-2, 2)),
        stride=draw(st.integers(1, 9)),
        min=draw(st.integers(1, limit)),
        max=limit,
        multiple=multiple,
        penalties=penalties,
    )


@st.composite
def breaks_of(draw, length: int, unit: int = 1) -> Breaks:
    """Forced starts of a contig of `length` bytes, its end included, with frames and without."""
    positions = sorted(draw(st.sets(st.integers(0, length), max_size=5)))
    phases = [draw(st.integers(KEEP, unit - 1)) for _ in positions]
    return Breaks(np.array(positions, np.int64), np.array(phases, np.int64))


@st.composite
def cases(draw, modes: tuple[str, ...] = ONE_PASS, most: int = 60, least: int = 1) -> tuple[np.ndarray, Rule, Breaks]:
    """A record's scores, a rule and forced starts."""
    g, rule = draw(scores(most, least)), draw(rules(modes))
    return g, rule, draw(breaks_of(len(g), rule.unit))


class Track:
    """Scores by coordinate, as a track gives them: `values` float32 (l,) of the only contig."""

    kind, digest = "track", "d"

    def __init__(self, values: np.ndarray, sha256: str = "a", missing: str = "0", hi: float = 1.0) -> None:
        self.values, self.sha256, self.missing, self.scale = values, sha256, missing, Scale(0.0, hi)

    def facts(self) -> dict:
        return {"name": "phylop", "sha256": self.sha256, "missing": self.missing}

    def scores_at(self, contig: str, start: int, end: int) -> np.ndarray:
        padded = np.append(self.values, self.values[-1:] if len(self.values) else np.float32(0))
        return padded[start : end + 1]


def all_edges(g: np.ndarray, rule: Rule, breaks: Breaks) -> Edges:
    return edges_of(breaks, 0, len(g), rule.unit)


@contextlib.contextmanager
def anchors_every(size: int) -> Iterator[None]:
    """Cut optima at every `size` bytes instead of 65536, so that short records hold many anchors."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(optimal, "ANCHOR", size)
        patch.setattr(patcher, "ANCHOR", size)
        yield
