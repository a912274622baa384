import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genomelm.errors import InputError
from genomelm.patching.geometry import check_starts
from genomelm.patching.pair import difference, pair, pair_marks
from genomelm.seq.alphabet import encode


@st.composite
def alleles(draw) -> tuple[np.ndarray, int, int, int, int]:
    length = draw(st.integers(1, 40))
    starts = np.array(sorted({0} | draw(st.sets(st.integers(0, length - 1)))), np.int64)
    offset = draw(st.integers(0, length))
    ref_length = draw(st.integers(0, length - offset))
    return starts, offset, ref_length, draw(st.integers(0, 12)), length


@given(alleles())
def test_r5_lifted_starts_partition_the_other_window(case: tuple) -> None:
    _, _, ref_length, alt_length, length = case
    check_starts(pair(*case), length - ref_length + alt_length)


@given(alleles())
def test_r5_substitutions_move_no_boundary(case: tuple) -> None:
    starts, offset, ref_length, _, length = case
    assert (pair(starts, offset, ref_length, ref_length, length) == starts).all()


@given(alleles())
def test_r5_untouched_patches_keep_their_bases(case: tuple) -> None:
    starts, offset, ref_length, alt_length, length = case
    lifted = pair(*case)
    ends = np.append(starts[1:], length)
    lifted_ends = np.append(lifted, length - ref_length + alt_length)[1:]
    patches = set(zip(lifted.tolist(), lifted_ends.tolist(), strict=True))
    shift = alt_length - ref_length
    touched_from = offset if ref_length else offset - 1  # an insertion touches the patch of the base before it
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        if end <= touched_from:
            assert (start, end) in patches
        elif start >= offset + ref_length:
            assert (start + shift, end + shift) in patches


@given(alleles())
def test_r5_there_and_back_is_the_same_unless_a_patch_began_on_a_deleted_base(case: tuple) -> None:
    starts, offset, ref_length, alt_length, length = case
    other = length - ref_length + alt_length
    back = pair(pair(*case), offset, alt_length, ref_length, other) if other else None
    on_deleted = ((starts >= offset + alt_length) & (starts < offset + ref_length)).any()
    if back is not None and not on_deleted:
        assert (back == starts).all()


@given(alleles())
def test_r5_a_variant_that_changes_nothing_moves_nothing(case: tuple) -> None:
    starts, offset, _, _, length = case
    assert (pair(starts, offset, 0, 0, length) == starts).all()
    ids = np.arange(length)
    assert difference(ids, ids)[1:] == (0, 0)


@given(alleles())
def test_r5_an_indel_makes_no_start_of_its_own(case: tuple) -> None:
    starts, offset, ref_length, alt_length, _ = case
    old, shift = set(starts.tolist()), alt_length - ref_length
    on_deleted = {k for k in old if offset + alt_length <= k < offset + ref_length}
    for k in pair(*case).tolist()[1:]:
        if k < offset + alt_length:
            assert k in old
        elif k == offset + alt_length:
            assert k - shift in old or on_deleted
        else:
            assert k - shift in old


@given(alleles(), st.sampled_from(["entropy", "length_constrained", "optimal"]), st.integers(0, 29_000))
def test_r5_one_segmentation_for_both_alleles_where_cutting_anew_would_move_starts(
    patchers, dna: np.ndarray, case: tuple, mode: str, start: int
) -> None:
    _, offset, ref_length, alt_length, length = case
    window = dna[start : start + length]
    starts = patchers[mode].segment(window)
    lifted = pair(starts, offset, ref_length, alt_length, length)
    before = starts[starts < offset]
    assert (lifted[: len(before)] == before).all()
    behind = starts[starts >= offset + ref_length] + alt_length - ref_length
    assert (lifted[len(lifted) - len(behind) :] == behind).all()


def test_r5_cutting_a_substitution_anew_would_move_starts(patchers, dna: np.ndarray) -> None:
    """What pairing is for: most substitutions move a start when each allele is cut by itself."""
    moved = 0
    for at in range(100, 3100, 100):
        changed = dna[:3200].copy()
        changed[at] = encode("ACGT")[(list(encode("ACGT")).index(dna[at]) + 1) % 4]
        moved += not np.array_equal(patchers["entropy"].segment(dna[:3200]), patchers["entropy"].segment(changed))
    assert moved > 15


def test_r5_worked_examples() -> None:
    starts = np.array([0, 4, 8, 12])
    assert pair(starts, 6, 0, 3, 16).tolist() == [0, 4, 11, 15]  # inserted inside a patch
    assert pair(starts, 8, 0, 3, 16).tolist() == [0, 4, 11, 15]  # at a boundary: joins the patch before
    assert pair(starts, 0, 0, 3, 16).tolist() == [0, 3, 7, 11, 15]  # at the window's start: a patch of its own
    assert pair(starts, 5, 2, 0, 16).tolist() == [0, 4, 6, 10]  # deleted inside a patch
    assert pair(starts, 6, 7, 0, 16).tolist() == [0, 4, 6]  # the last patch loses its head, one goes
    assert pair(starts, 12, 4, 0, 16).tolist() == [0, 4, 8]  # the last patch goes
    assert pair(starts, 0, 16, 0, 16).tolist() == []


@given(alleles(), st.booleans())
def test_lifted_flags_are_the_lifted_starts_and_keep_what_follows_the_window(case: tuple, last: bool) -> None:
    starts, offset, ref_length, alt_length, length = case
    marks = np.append(np.isin(np.arange(length), starts), last)
    found = pair_marks(marks, offset, ref_length, alt_length)
    assert len(found) == length - ref_length + alt_length + 1
    assert np.flatnonzero(found[:-1]).tolist() == pair(*case).tolist()
    assert found[-1] == last


TEXTS = st.text("AC", max_size=9)


@given(TEXTS, TEXTS)
def test_the_difference_of_two_sequences_is_all_that_must_be_exchanged(ref: str, alt: str) -> None:
    offset, ref_length, alt_length = difference(encode(ref), encode(alt))
    assert ref[:offset] + alt[offset : offset + alt_length] + ref[offset + ref_length :] == alt
    assert ref[offset + ref_length :] == alt[offset + alt_length :]
    if ref_length and alt_length:
        assert ref[offset] != alt[offset]
        assert ref[offset + ref_length - 1] != alt[offset + alt_length - 1]


@pytest.mark.parametrize(
    ("ref", "alt", "expected"),
    [
        ("GACACAT", "GACAT", (1, 2, 0)),  # as far left as the repeat goes
        ("GACAT", "GACACAT", (1, 0, 2)),
        ("AAAA", "AAA", (0, 1, 0)),
        ("GATTACA", "GATCACA", (3, 1, 1)),
        ("GATTACA", "GTTAACA", (1, 3, 3)),
        ("GATTACA", "GATTACA", (0, 0, 0)),
        ("ACG", "", (0, 3, 0)),
        ("", "ACG", (0, 0, 3)),
    ],
)
def test_differences_of_worked_examples(ref: str, alt: str, expected: tuple[int, int, int]) -> None:
    assert difference(encode(ref), encode(alt)) == expected


def test_alleles_outside_the_window_are_refused() -> None:
    with pytest.raises(InputError, match="do not lie in a window of 16"):
        pair(np.array([0]), 14, 3, 1, 16)
    with pytest.raises(InputError, match="below 16"):
        pair(np.array([0, 20]), 1, 1, 1, 16)
