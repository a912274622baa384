"""Law R7: with symmetric scores the starts of the reverse complement are the mirror of the record's own."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mode_cases import anchors_every
from plain_rules import mirrored

from genomelm.errors import UsageError
from genomelm.patching.config import PatcherConfig
from genomelm.patching.count_model import CountModel
from genomelm.patching.patcher import Patcher
from genomelm.seq.alphabet import encode, reverse_complement_ids

NAMES = ["entropy", "optimal", "entropy, N apart", "optimal, N apart"]


@pytest.fixture(scope="module")
def coarse(dna: np.ndarray) -> CountModel:
    """Return a model of at most five scores, so that ties are everywhere."""
    return CountModel.fit([dna], order=1)


def texts() -> st.SearchStrategy[str]:
    """DNA with and without N, of any length; a part of it reads the same on both strands."""
    plain = st.one_of(st.text("ACGTN", max_size=90), st.text("AC", max_size=90))
    turned = plain.map(lambda text: text[:40] + reversed_text(text[:40]))
    return st.one_of(plain, turned, turned.flatmap(lambda text: st.sampled_from([text[:1], text + text, "A" + text])))


def reversed_text(text: str) -> str:
    return text[::-1].translate(str.maketrans("ACGT", "TGCA"))


def assert_mirrored(patcher: Patcher, ids: np.ndarray) -> None:
    starts = patcher.segment(ids).tolist()
    turned = patcher.segment(reverse_complement_ids(ids)).tolist()
    assert tuple(turned) == (mirrored(tuple(starts), len(ids)) if len(ids) else ())


@given(st.sampled_from(NAMES), texts(), st.sampled_from([7, 16, 1 << 16]))
def test_r7_both_strands_are_cut_alike(symmetric, name: str, text: str, anchor: int) -> None:
    with anchors_every(anchor):
        assert_mirrored(symmetric[name], encode(text))


@given(st.sampled_from(["entropy", "optimal"]), texts(), st.integers(0, 3), st.data())
def test_r7_both_strands_are_cut_alike_where_scores_are_tied(coarse, mode: str, text: str, level: int, data) -> None:
    # thresholds on a score itself, so that it decides whether equal scores start a patch
    scores = np.unique(np.add.outer(coarse._entropies, coarse._entropies))
    limit = data.draw(st.integers(1, 12))
    config = PatcherConfig(
        mode=mode,
        threshold=float(scores[level * (len(scores) - 1) // 3]),
        min=data.draw(st.integers(1, limit)),
        max=limit,
        alpha=data.draw(st.sampled_from([0.0, 0.01])),
        target=data.draw(st.integers(1, 12)),
        order=1,
        symmetric=True,
    )
    with anchors_every(data.draw(st.sampled_from([16, 1 << 16]))):
        assert_mirrored(Patcher(config, coarse), encode(text))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("length", [0, 1, 2, 3, 131_072, 150_001])
def test_r7_short_records_and_contigs_beyond_the_anchors(symmetric, dna: np.ndarray, name: str, length: int) -> None:
    ids = np.resize(dna, length)
    ids[length // 3 : length // 2] = encode("N")
    assert_mirrored(symmetric[name], ids)


def test_r7_the_patches_of_a_palindrome_are_its_own_mirror(symmetric, dna: np.ndarray) -> None:
    ids = np.concatenate([dna[:500], reverse_complement_ids(dna[:500])])
    for name in NAMES:
        starts = tuple(symmetric[name].segment(ids).tolist())
        assert len(starts) > 50
        assert starts == mirrored(starts, 1000)


def test_scores_of_one_strand_patch_each_strand_from_its_own_start(patchers, dna: np.ndarray) -> None:
    ids = dna[:500]
    for mode in ("entropy", "greedy", "monotonic", "dual_threshold", "length_constrained", "optimal"):
        forwards = tuple(patchers[mode].segment(ids).tolist())
        assert patchers[mode].segment(reverse_complement_ids(ids))[0] == 0
        assert tuple(patchers[mode].segment(reverse_complement_ids(ids)).tolist()) != mirrored(forwards, 500)


def test_symmetric_scores_are_refused_where_they_cannot_mirror(patchers) -> None:
    for mode in ("greedy", "monotonic", "dual_threshold", "length_constrained", "fixed_stride", "byte", "given"):
        with pytest.raises(UsageError, match="read each strand from its own start"):
            PatcherConfig(mode=mode, symmetric=True)
    with pytest.raises(UsageError, match="of dna with source track"):
        PatcherConfig(symmetric=True, source="track")
    with pytest.raises(UsageError, match="of protein with source count"):
        PatcherConfig(symmetric=True, alphabet="protein")
    with pytest.raises(UsageError, match="one byte after the edges of runs.*set edges to at"):
        PatcherConfig(symmetric=True, isolate=("n",), edges="after")
    with pytest.raises(UsageError, match="in multiples of 3 bytes cannot begin at both ends"):
        dataclasses.replace(patchers["optimal"].config, symmetric=True, multiple=3)
