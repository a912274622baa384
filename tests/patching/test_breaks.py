import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from genomelm.patching.breaks import KEEP, Breaks


def unframed(*positions: int) -> Breaks:
    return Breaks.unframed(np.array(positions, np.int64))


def framed(*pairs: tuple[int, int]) -> Breaks:
    return Breaks(np.array([p for p, _ in pairs], np.int64), np.array([f for _, f in pairs], np.int64))


def test_breaks_without_a_frame_keep_the_one_that_holds():
    frames, runs = framed((10, 2), (20, 0), (30, 1)), unframed(0, 5, 10, 15, 25, 40)
    for both in (Breaks.merged(frames, runs), Breaks.merged(runs, frames)):
        assert both.positions.tolist() == [0, 5, 10, 15, 20, 25, 30, 40]
        assert both.held.tolist() == [0, 0, 2, 2, 0, 0, 1, 1]
        part = both.between(12, 31)
        assert part.positions.tolist() == [15, 20, 25, 30]
        assert part.phases.tolist() == [2, 0, 0, 1]


def test_at_one_position_the_phase_of_the_last_given_holds():
    assert Breaks.merged(framed((7, 1)), framed((7, 2)), unframed(7)).phases.tolist() == [2]
    assert Breaks.merged(framed((7, 2)), unframed(7), framed((7, 1))).phases.tolist() == [1]
    assert Breaks.merged(unframed(7), unframed(7)).phases.tolist() == [KEEP]


@given(st.lists(st.lists(st.tuples(st.integers(0, 20), st.integers(-1, 2)), max_size=6), min_size=3, max_size=3))
def test_merging_in_any_grouping_is_the_same(found):
    a, b, c = (framed(*sorted(dict(pairs).items())) if pairs else Breaks.none() for pairs in found)
    merged = Breaks.merged(a, b, c)
    for other in (Breaks.merged(Breaks.merged(a, b), c), Breaks.merged(a, Breaks.merged(b, c))):
        assert other.positions.tolist() == merged.positions.tolist()
        assert other.phases.tolist() == merged.phases.tolist()


def test_no_breaks_are_empty():
    none = Breaks.none()
    assert len(none) == len(Breaks.merged()) == len(none.between(0, 10)) == len(none.held) == 0
