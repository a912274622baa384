"""Law R6: how far a change reaches when the changed record is cut anew, mode by mode."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mode_cases import anchors_every

from genomelm.patching.config import PatcherConfig
from genomelm.patching.modes import Edges, segment
from genomelm.patching.patcher import Patcher
from genomelm.patching.rule import Rule
from genomelm.seq.alphabet import encode

# modes whose starts agree again a fixed distance after a change, and how much further than the scores they differ
BOUNDED = {"entropy": 0, "monotonic": 1, "dual_threshold": 1, "byte": 0}
CASCADING = ["greedy", "length_constrained"]


def records(most: int) -> st.SearchStrategy[str]:
    """Short texts, and long ones without any pattern, whose starts are many."""
    drawn = lambda seed: "".join(np.random.default_rng(seed).choice(list("ACGT"), most))
    return st.one_of(st.text("ACGTN", min_size=1, max_size=most), st.integers(0, 10**9).map(drawn))


@st.composite
def changes(draw, most: int = 60) -> tuple[np.ndarray, np.ndarray, int, int, int]:
    """A record, the same with bases [at, at + old) exchanged, `at`, `old`, and the length of what came instead."""
    text = draw(records(most))
    at = draw(st.integers(0, len(text) - 1))
    old = draw(st.integers(0, min(3, len(text) - at)))
    new = draw(st.text("ACGTN", max_size=3))
    return encode(text), encode(text[:at] + new + text[at + old :]), at, old, len(new)


@st.composite
def substitutions(draw, most: int = 60) -> tuple[np.ndarray, np.ndarray, int]:
    text = draw(records(most))
    at, letter = draw(st.integers(0, len(text) - 1)), draw(st.sampled_from("ACGT"))
    return encode(text), encode(text[:at] + letter + text[at + 1 :]), at


def different(one: np.ndarray, other: np.ndarray) -> list[int]:
    return np.flatnonzero(one != other).tolist()


def behind(marks: np.ndarray, new: np.ndarray, at: int, old: int, added: int) -> tuple[np.ndarray, np.ndarray]:
    """Return what both records say of the positions from the first one behind the change on."""
    return marks[at + old :], new[at + added :]


@given(substitutions())
def test_r6_scores_change_within_their_reach(patchers, case) -> None:
    ids, changed, at = case
    codes, other = patchers["entropy"].codes(ids), patchers["entropy"].codes(changed)
    assert all(at < k <= at + patchers["entropy"].source.reach for k in different(codes, other))


@given(substitutions(), st.sampled_from(sorted(BOUNDED)))
def test_r6_substitutions_move_starts_within_reach_of_their_scores(patchers, case, mode: str) -> None:
    ids, changed, at = case
    patcher, reach = patchers[mode], patchers["entropy"].source.reach
    moved = different(patcher.marks(ids), patcher.marks(changed))
    assert all(at < k <= at + reach + BOUNDED[mode] for k in moved)
    assert patchers["fixed_stride"].marks(ids).tolist() == patchers["fixed_stride"].marks(changed).tolist()


@given(changes(), st.sampled_from(sorted(BOUNDED)))
def test_r6_what_follows_an_indel_is_cut_as_before_beyond_the_same_bound(patchers, case, mode: str) -> None:
    ids, changed, *where = case
    one, other = behind(patchers[mode].marks(ids), patchers[mode].marks(changed), *where)
    away = patchers["entropy"].source.reach + BOUNDED[mode]
    assert one[away:].tolist() == other[away:].tolist()


@given(changes(), st.sampled_from(["entropy, N apart", "entropy"]))
def test_r6_symmetric_scores_reach_as_far_backwards(symmetric, case, name: str) -> None:
    ids, changed, at, *where = case
    reach = symmetric[name].source.reach
    marks, other = symmetric[name].marks(ids), symmetric[name].marks(changed)
    one, another = behind(marks, other, at, *where)
    assert one[reach:].tolist() == another[reach:].tolist()
    assert marks[: max(0, at - reach + 1)].tolist() == other[: max(0, at - reach + 1)].tolist()


@given(changes(150), st.sampled_from(CASCADING))
def test_r6_after_a_common_start_behind_the_changed_scores_all_starts_agree(patchers, case, mode: str) -> None:
    ids, changed, *where = case
    one, other = behind(patchers[mode].marks(ids), patchers[mode].marks(changed), *where)
    far = patchers[mode].source.reach - 1  # from the next position on all scores are the same
    common = np.flatnonzero(one[far:] & other[far:])
    if len(common):
        assert one[far + common[0] :].tolist() == other[far + common[0] :].tolist()


@pytest.mark.parametrize(
    ("rule", "score"),
    [(Rule("greedy", 4, max=8), 1), (Rule("greedy", 999, max=4), 1), (Rule("length_constrained", 5, max=4), 0)],
    ids=["greedy by its budget", "greedy by max", "length_constrained"],
)
def test_r6_greedy_and_length_constrained_cascade_without_end(rule: Rule, score: int) -> None:
    g = np.full(10_000, score, np.uint16)
    changed = g.copy()
    changed[2] = 1000
    starts, moved = segment(g, rule), segment(changed, rule)
    assert starts.tolist() == list(range(0, 10_000, 4))
    assert moved.tolist() == [0, *range(2, 10_000, 4)]
    # only a forced start ends it
    edge = Edges(np.array([5000]), np.array([0]))
    starts, moved = segment(g, rule, edge), segment(changed, rule, edge)
    assert starts[starts >= 5000].tolist() == moved[moved >= 5000].tolist()


def test_r6_an_indel_shifts_all_patches_of_a_fixed_stride_behind_it(patchers) -> None:
    stride = patchers["fixed_stride"].config.stride
    ids = encode("ACGT" * 50)
    one, other = patchers["fixed_stride"].marks(ids), patchers["fixed_stride"].marks(ids[1:])
    assert not (one[1:] & other)[1:].any()
    assert one[stride:].tolist() == patchers["fixed_stride"].marks(ids[stride:]).tolist()


@given(substitutions(100), st.booleans())
def test_r6_an_optimum_changes_between_the_anchors_about_the_changed_scores(patchers, symmetric, case, both) -> None:
    ids, changed, at = case
    patcher = symmetric["optimal"] if both else patchers["optimal"]
    reach = patcher.source.reach
    with anchors_every(16):
        moved = different(patcher.marks(ids), patcher.marks(changed))
    grid = np.arange(0, len(ids) + 17, 16)
    if both:
        grid = np.union1d(grid, len(ids) - grid)
    first, last = at + 1 - reach * both, at + reach  # scores that may have changed
    before = grid[grid <= max(0, first)].max()
    after = grid[grid >= last].min(initial=len(ids))
    assert all(before < k < after for k in moved)


def test_r6_one_score_may_move_all_starts_of_an_optimum_before_it() -> None:
    rule = Rule("optimal", 3, min=4, max=5)
    g = np.zeros(20, np.uint16)
    g[[4, 8, 12, 16, 5, 10, 15]] = 5  # fours earn 8 and fives 6
    assert segment(g, rule).tolist() == [0, 4, 8, 12, 16]
    g[15] = 9  # now fives earn 10
    assert segment(g, rule).tolist() == [0, 5, 10, 15]


@pytest.mark.parametrize(("edges", "first", "last"), [("after", 1, 2), ("at", 0, 1)])
def test_r6_runs_of_n_move_starts_up_to_two_bytes_behind_a_change(edges: str, first: int, last: int) -> None:
    patcher = Patcher(PatcherConfig(mode="fixed_stride", stride=64, isolate=("n",), edges=edges))
    for text, at in itertools.product(["A" * 20, "A" * 9 + "NN" + "A" * 9], range(20)):
        for letter in "CN":
            other = text[:at] + letter + text[at + 1 :]
            moved = different(patcher.marks(encode(text)), patcher.marks(encode(other)))
            assert all(at + first <= k <= at + last for k in moved)
