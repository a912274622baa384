"""Law R4: any chunking of a contig gives the same codes and starts, in bounded memory."""

import dataclasses
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mode_cases import MODES, Track, anchors_every, breaks_of

from genomelm.patching.breaks import Breaks
from genomelm.patching.config import PatcherConfig
from genomelm.patching.optimal import ANCHOR
from genomelm.patching.parameters import SCORED
from genomelm.patching.patcher import Patcher
from genomelm.seq.alphabet import encode

STREAMED = [*MODES, "optimal in codons", *(f"{mode} of a track" for mode in SCORED)]
SYMMETRIC = ["entropy", "optimal", "entropy, N apart", "optimal, N apart"]


@pytest.fixture(scope="module")
def streamed(patchers, symmetric) -> dict[str, Patcher]:
    """Return a patcher of each kind; those of a track get its values later."""
    codons = dataclasses.replace(patchers["optimal"].config, min=3, multiple=3, alpha=0.0)
    given_patches = Patcher(PatcherConfig(mode="given"), side={"given": "x"})
    found = {**patchers, "given": given_patches, "optimal in codons": Patcher(codons, patchers["optimal"].source)}
    found |= {f"symmetric {name}": patcher for name, patcher in symmetric.items()}
    for mode in SCORED:
        config = PatcherConfig(mode=mode, source="track", threshold=0.8, min=2, max=12, multiple=2, alpha=0.001)
        found[f"{mode} of a track"] = Patcher(config, Track(np.zeros(0, np.float32)))
    return found


def with_track(patcher: Patcher, length: int) -> Patcher:
    if patcher.config.source != "track" or not patcher.config.needs_scores:
        return patcher
    values = np.random.default_rng(length).random(length).astype(np.float32)
    return Patcher(patcher.config, Track(np.round(values, 1)))


def records() -> st.SearchStrategy[str]:
    """Short texts, and long ones without any pattern."""
    drawn = lambda seed: "".join(np.random.default_rng(seed).choice(list("ACGTACGTACGTN"), 100))
    return st.one_of(st.text("ACGTN", max_size=100), st.integers(0, 10**9).map(drawn))


def whole(patcher: Patcher, ids: np.ndarray, breaks: Breaks, chunk: int = 1 << 30) -> tuple[np.ndarray, np.ndarray]:
    """Return the codes and marks of all positions of a record that is read in chunks."""
    parts = list(patcher.stream(lambda start, end: ids[start:end], len(ids), "c", breaks, chunk))
    return np.concatenate([codes for codes, _ in parts]), np.concatenate([marks for _, marks in parts])


@pytest.mark.parametrize("name", [*STREAMED, *(f"symmetric {name}" for name in SYMMETRIC)])
@settings(max_examples=40)
@given(text=records(), chunk=st.integers(1, 110), data=st.data())
def test_r4_any_chunk_gives_the_same_codes_and_starts(streamed, name, text, chunk, data) -> None:
    ids, patcher = encode(text), with_track(streamed[name], len(text))
    breaks = data.draw(breaks_of(len(ids), patcher.rule.unit))
    with anchors_every(16):
        (codes, marks), (at_once, marks_at_once) = whole(patcher, ids, breaks, chunk), whole(patcher, ids, breaks)
    assert len(codes) == len(marks) == len(ids) + 1
    assert codes.dtype == np.uint16
    assert codes.tolist() == at_once.tolist()
    assert marks.tolist() == marks_at_once.tolist()
    assert marks[0]
    inside = breaks.positions[breaks.positions < len(ids)]
    assert marks[inside].all()


@pytest.mark.parametrize("name", [*MODES, "symmetric entropy", "symmetric optimal"])
@pytest.mark.parametrize("length", [3 * ANCHOR, 200_001])
def test_r4_a_contig_longer_than_the_anchors_in_chunks_of_its_own(streamed, dna, name: str, length: int) -> None:
    ids, patcher = np.resize(dna, length), streamed[name]
    breaks = Breaks(np.array([5, 70_000, 131_072, 131_080]), np.array([1, -1, 0, 1]))
    codes, marks = whole(patcher, ids, breaks)
    for chunk in (2 * ANCHOR, ANCHOR, 12_345):
        other_codes, other_marks = whole(patcher, ids, breaks, chunk)
        assert (other_codes == codes).all()
        assert (other_marks == marks).all()
    if patcher.config.mode == "optimal":
        grid = np.arange(0, length, ANCHOR)
        assert marks[grid].all()
        assert not patcher.config.symmetric or marks[length - grid[1:]].all()


@pytest.mark.parametrize("name", [*MODES, "symmetric entropy", "symmetric optimal"])
def test_r4_r10_memory_does_not_grow_with_the_contig(streamed, dna, name: str) -> None:
    patcher, fetched = streamed[name], []

    def fetch(start: int, end: int) -> np.ndarray:
        fetched.append(end - start)
        return np.resize(dna, end - start)

    def peak(length: int) -> int:
        tracemalloc.start()
        for _ in patcher.stream(fetch, length, chunk=ANCHOR):
            pass
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(1000)
    assert peak(16 * ANCHOR) < 1.2 * peak(3 * ANCHOR) + 20_000
    assert max(fetched, default=0) <= ANCHOR + 2 * (patcher.source.reach if patcher.source else 0)
