"""A record that grows: the same starts as of the whole record, whatever the pieces."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mode_cases import Track

from genomelm.errors import UsageError
from genomelm.patching.config import PatcherConfig
from genomelm.patching.follow import Follower
from genomelm.patching.parameters import PARAMETERS
from genomelm.patching.patcher import Patcher
from genomelm.seq.alphabet import encode

FOLLOWED = [mode for mode in PARAMETERS if mode not in ("optimal", "given")]


def drawn(seed: int) -> str:
    return "".join(np.random.default_rng(seed).choice(list("ACGTACGTACGTN"), 100))


RECORDS = st.one_of(st.text("ACGTN", max_size=100), st.integers(0, 10**9).map(drawn))


def followed(patcher: Patcher, ids: np.ndarray, sizes: list[int]) -> np.ndarray:
    follower, marks, at = Follower(patcher), [np.array([True])], 0
    while at < len(ids):
        size = sizes[len(marks) % len(sizes)]
        marks.append(follower.extend(ids[at : at + size]))
        at += size
    assert follower.length == len(ids)
    return np.concatenate(marks)


@pytest.mark.parametrize("isolate", [(), ("n",)])
@pytest.mark.parametrize("mode", FOLLOWED)
@settings(max_examples=40)
@given(text=RECORDS, sizes=st.lists(st.integers(1, 40), min_size=1, max_size=5))
def test_any_pieces_give_the_marks_of_the_whole_record(patchers, mode, isolate, text, sizes):
    patcher = Patcher(dataclasses.replace(patchers[mode].config, isolate=isolate), patchers[mode].source)
    ids = encode(text)
    assert np.array_equal(followed(patcher, ids, sizes), patcher.marks(ids))


@pytest.mark.parametrize("mode", FOLLOWED)
def test_a_fork_goes_on_by_itself(patchers, dna, mode):
    first = Follower(patchers[mode])
    first.extend(dna[:50])
    second = first.fork()
    one, two = np.concatenate([dna[:50], dna[200:300]]), np.concatenate([dna[:50], dna[400:500]])
    assert np.array_equal(first.extend(one[50:]), patchers[mode].marks(one)[51:])
    assert np.array_equal(second.extend(two[50:]), patchers[mode].marks(two)[51:])


def test_special_ids_are_bytes_without_a_score(patchers):
    patcher = Patcher(dataclasses.replace(patchers["entropy"].config, isolate=("n",)), patchers["entropy"].source)
    ids = np.concatenate([encode("ACGTACGT"), [259], encode("ACGTNNACGT")])
    assert np.array_equal(followed(patcher, ids, [1]), patcher.marks(ids))


def test_patches_that_come_by_coordinate_are_refused():
    for patcher in (
        Patcher(PatcherConfig(mode="given"), side={"given": "x"}),
        Patcher(PatcherConfig(mode="fixed_stride", stride=3), side={"annotation": "y"}),
        Patcher(PatcherConfig(mode="entropy", source="track", threshold=0.5), Track(np.zeros(9, np.float32))),
    ):
        with pytest.raises(UsageError, match="come by coordinate"):
            Follower(patcher)


def test_patches_that_later_bytes_decide_are_refused(patchers, symmetric):
    at = dataclasses.replace(patchers["entropy"].config, isolate=("n",), edges="at")
    for patcher in (patchers["optimal"], symmetric["entropy"], Patcher(at, patchers["entropy"].source)):
        with pytest.raises(UsageError, match="later bytes decide"):
            Follower(patcher)
