import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mode_cases import MODES, anchors_every, cases

from genomelm.patching.breaks import Breaks
from genomelm.patching.config import PatcherConfig
from genomelm.patching.count_model import CountModel
from genomelm.patching.modes import START, Edges, edges_of, mark
from genomelm.patching.optimal import anchors
from genomelm.patching.parameters import SCORED
from genomelm.patching.patcher import Patcher
from genomelm.patching.rule import Rule
from genomelm.patching.summary import LONGEST, Tally, total
from genomelm.seq.alphabet import encode


def plain_caused(codes: np.ndarray, rule: Rule, starts: list[int], forced: set[int]) -> int:
    """Count the starts that neither an edge nor a limit of length caused, one at a time."""
    count = 0
    for before, k in itertools.pairwise(starts):
        if rule.mode in SCORED and k not in forced:
            score_is_high = codes[k] > rule.threshold
            count += {
                "entropy": score_is_high,
                "greedy": k - before < rule.max,
                "monotonic": True,
                "dual_threshold": True,
                "length_constrained": score_is_high,
                "optimal": score_is_high,
            }[rule.mode]
    return count


def test_bases_that_do_not_count_take_their_patches_with_them() -> None:
    marks = np.isin(np.arange(13), [0, 3, 6, 8, 10])
    counted = ~np.isin(np.arange(13), [3, 4, 5, 8])
    for cut in range(1, 13):
        tally = Tally(12, Rule("byte"))
        tally.add(np.zeros(cut, np.uint16), marks[:cut], counted[:cut])
        tally.add(np.zeros(13 - cut, np.uint16), marks[cut:], counted[cut:])
        found = tally.summary()
        assert (found["bases"], found["patches"], found["lengths"]) == (8, 3, {"2": 2, "3": 1})


def tallied(g: np.ndarray, marks: np.ndarray, rule: Rule, forced: np.ndarray, cuts: list[int]) -> Tally:
    """Tally a record of len(g) - 1 bytes that streams by in parts."""
    tally, bounds = Tally(len(g) - 1, rule, forced), sorted({0, len(g), *(min(cut, len(g)) for cut in cuts)})
    for begin, end in itertools.pairwise(bounds):
        tally.add(g[begin:end], marks[begin:end])
    return tally


@pytest.mark.parametrize("mode", MODES)
@given(st.data(), st.lists(st.integers(0, 60), max_size=5), st.booleans())
def test_a_tally_counts_what_a_plain_count_does(mode: str, data, cuts: list[int], anchored: bool) -> None:
    g, rule, breaks = data.draw(cases((mode,)))
    length = len(g) - 1  # the last position is the one past the record
    with anchors_every(16 if anchored else 1 << 16):
        grid = anchors(length) if rule.mode == "optimal" else np.zeros(0, np.int64)
        edges = edges_of(Breaks.merged(Breaks.unframed(grid), breaks), 0, len(g), rule.unit)
        marks, _ = mark(g, rule, START, edges)
        tally = tallied(g, marks, rule, np.union1d(breaks.positions, grid), cuts)
    starts = np.flatnonzero(marks[:-1]).tolist()
    lengths = np.diff(starts, append=length).tolist() if starts else []
    summary = tally.summary()
    assert summary["bases"] == length
    assert summary["patches"] == len(starts)
    assert summary["mean"] == (length / len(starts) if starts else None)
    assert summary["lengths"] == {str(n): lengths.count(n) for n in sorted(set(lengths))}
    forced = {*breaks.positions.tolist(), *grid.tolist()}
    caused = plain_caused(g, rule, starts, forced)
    assert summary["score_caused"] == (caused / len(starts) if starts else None)


@pytest.mark.parametrize("mode", SCORED)
def test_where_scores_say_nothing_they_cause_no_start(mode: str) -> None:
    g = np.zeros(100, np.uint16)
    rule = Rule(mode, threshold=9, delta=9, min=1, max=7)
    marks, _ = mark(g, rule)
    assert tallied(g, marks, rule, np.zeros(0, np.int64), []).summary()["score_caused"] == 0


@pytest.mark.parametrize("symmetric", [False, True])
def test_anchors_are_edges_and_not_caused_by_scores(symmetric: bool) -> None:
    g = np.full(101, 9, np.uint16)
    rule = Rule("optimal", 0, min=10, max=10, symmetric=symmetric)
    with anchors_every(32):
        grid = anchors(100, symmetric)
        marks, _ = mark(g[:-1], rule, START, Edges(grid, 0 * grid))
        patcher = Patcher(
            PatcherConfig("optimal", 1.0, symmetric=symmetric, order=1), CountModel.fit([encode("ACGTTGCA")], order=1)
        )
        forced = patcher.forced(100, Breaks.none()).positions
        tally = tallied(g, np.append(marks, False), rule, forced, [])
    starts = np.flatnonzero(marks)
    assert tally.caused == len(starts) - 1 - len(grid)


def test_patches_longer_than_the_histogram_are_counted_as_such() -> None:
    marks = np.isin(np.arange(1001), [0, 10, 400, 500])
    tally = tallied(np.zeros(1001, np.uint16), marks, Rule("entropy"), np.zeros(0, np.int64), [3, 800])
    assert tally.summary()["lengths"] == {"10": 1, "100": 1, f"{LONGEST}+": 2}


@given(st.lists(cases(("entropy",)), min_size=1, max_size=3))
def test_the_total_is_that_of_all_records(records) -> None:
    tallies = [tallied(g, mark(g, rule)[0], rule, np.zeros(0, np.int64), []) for g, rule, _ in records]
    whole, parts = total(tallies), [tally.summary() for tally in tallies]
    assert whole["bases"] == sum(part["bases"] for part in parts)
    assert whole["patches"] == sum(part["patches"] for part in parts)
    caused = sum(part["patches"] * part["score_caused"] for part in parts if part["patches"])
    assert (whole["score_caused"] or 0) * whole["patches"] == pytest.approx(caused)
    for n, count in whole["lengths"].items():
        assert count == sum(part["lengths"].get(n, 0) for part in parts)
