import json
import pickle
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mode_cases import MODES, Track

from genomelm.errors import InputError, IntegrityError, UsageError
from genomelm.files import sha256
from genomelm.patching.breaks import Breaks
from genomelm.patching.config import PatcherConfig
from genomelm.patching.parameters import SCORED
from genomelm.patching.patcher import Patcher
from genomelm.patching.store import PatchStore, write_store
from genomelm.seq.alphabet import encode


@pytest.fixture(scope="module")
def genome(dna: np.ndarray) -> dict[str, np.ndarray]:
    gap = np.concatenate([dna[:900], encode("N" * 50), dna[900:2005]])
    return {"one": dna[:5003], "gap": gap, "tiny": dna[:1], "none": dna[:0]}


@pytest.fixture(scope="module")
def stores(patchers, genome, tmp_path_factory) -> dict[str, PatchStore]:
    root = tmp_path_factory.mktemp("stores")
    for mode, patcher in patchers.items():
        write(root / mode, patcher, genome)
    return {mode: PatchStore(root / mode) for mode in patchers}


ALONE = [mode for mode in MODES if mode != "given"]  # a bare sequence is enough for them


def write(path, patcher, genome, chunk: int = 1 << 22, breaks=None) -> dict:
    contigs = {name: len(ids) for name, ids in genome.items()}
    fetch = lambda contig, start, end: genome[contig][start:end]
    return write_store(path, patcher, contigs, fetch, {"genome": "x"}, chunk, breaks)


def digests(directory) -> dict[str, str]:
    return {file.name: sha256(file) for file in directory.iterdir()}


@pytest.mark.parametrize("mode", ALONE)
def test_stored_starts_are_those_made_on_the_fly(stores, patchers, genome, mode: str) -> None:
    for name, ids in genome.items():
        marks = patchers[mode].marks(ids)
        assert (stores[mode].marks(name, 0, len(ids)) == marks).all()
        assert (stores[mode].starts(name, 0, len(ids)) == patchers[mode].segment(ids)).all()


@given(st.sampled_from(ALONE), st.integers(0, 5003), st.integers(0, 5003))
def test_a_window_holds_the_contigs_starts_counted_from_its_own(stores, patchers, genome, mode, a, b) -> None:
    start, end = sorted((a, b))
    whole = patchers[mode].segment(genome["one"])
    inside = whole[(whole >= start) & (whole < end)] - start
    expected = sorted({0, *inside.tolist()}) if end > start else []
    assert stores[mode].starts("one", start, end).tolist() == expected


def test_stored_scores_are_the_models_within_half_a_code(stores, patchers, genome) -> None:
    store, patcher = stores["entropy"], patchers["entropy"]
    scores = patcher.model.scores(genome["one"])
    assert np.abs(store.scores("one", 0, 5003) - scores).max() <= store.scale.step
    assert (store.scores("one", 100, 200) == store.scores("one", 0, 5003)[100:201]).all()
    with pytest.raises(UsageError, match="holds no scores"):
        stores["byte"].scores("one", 0, 10)


@pytest.mark.parametrize("mode", ALONE)
@pytest.mark.parametrize("chunk", [8, 1000, 4096])
def test_r4_the_store_does_not_depend_on_chunks(stores, patchers, genome, tmp_path, mode: str, chunk: int) -> None:
    small = {name: ids for name, ids in genome.items() if chunk > 8 or name != "one"}
    write(tmp_path / "a", patchers[mode], small, chunk)
    write(tmp_path / "b", patchers[mode], small)
    assert digests(tmp_path / "a") == digests(tmp_path / "b")


@pytest.mark.parametrize("mode", ALONE)
def test_r9_the_store_is_the_same_for_any_number_of_threads(patchers, genome, tmp_path, mode: str) -> None:
    most = numba.get_num_threads()
    try:
        for threads in (1, most):
            numba.set_num_threads(threads)
            write(tmp_path / f"numba{threads}", patchers[mode], genome, 1000)
    finally:
        numba.set_num_threads(most)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: write(tmp_path / f"pool{n}", patchers[mode], genome, 1000), range(4)))
    first, *others = [digests(directory) for directory in tmp_path.iterdir()]
    assert all(other == first for other in others)


def test_r4_r9_stores_of_a_track_and_of_codons_hold_what_is_streamed(genome, tmp_path) -> None:
    """Starts by coordinate: a track's scores, codon frames and given patches, in two chunkings."""
    values = np.random.default_rng(0).random(5003).astype(np.float32)
    tracked = PatcherConfig(mode="greedy", source="track", threshold=3.0)
    one = {"one": genome["one"]}
    breaks = lambda contig: Breaks(np.array([7, 1000, 2000, 2003]), np.array([1, -1, 2, 0]))
    for name, patcher in {
        "track": Patcher(tracked, Track(values)),
        "codons": Patcher(PatcherConfig(mode="fixed_stride", stride=3), side={"annotation": "x"}),
        "given": Patcher(PatcherConfig(mode="given"), side={"given": "x"}),
    }.items():
        for chunk in (512, 1 << 22):
            write(tmp_path / f"{name}{chunk}", patcher, one, chunk, breaks)
        assert digests(tmp_path / f"{name}512") == digests(tmp_path / f"{name}{1 << 22}")
        stored = PatchStore(tmp_path / f"{name}512", patcher.fingerprint).marks("one", 0, 5003)
        streamed = patcher.stream(lambda start, end: one["one"][start:end], 5003, "one", breaks("one"))
        assert stored.tolist() == np.concatenate([marks for _, marks in streamed]).tolist()
        assert stored[[7, 1000, 2000, 2003]].all()
    starts = PatchStore(tmp_path / "codons512").starts("one", 0, 5003)
    assert set((starts[(starts >= 7) & (starts < 2000) & (starts != 1000)] % 3).tolist()) == {1}
    assert set((starts[starts > 2003] % 3).tolist()) == {0}
    assert PatchStore(tmp_path / "given512").starts("one", 0, 5003).tolist() == [0, 7, 1000, 2000, 2003]


@pytest.mark.parametrize("mode", ALONE)
def test_the_summary_counts_every_patch_once(stores, patchers, genome, mode: str) -> None:
    for name, ids in genome.items():
        starts, summary = patchers[mode].segment(ids), stores[mode].summary["contigs"][name]
        lengths = np.diff(starts, append=len(ids)) if len(ids) else []
        told = {str(n): int((lengths == n).sum()) for n in sorted(set(lengths))}
        assert summary["lengths"] == told
        assert (summary["bases"], summary["patches"]) == (len(ids), len(starts))
    total = stores[mode].summary
    assert total["mean"] == total["bases"] / total["patches"]
    assert (total["score_caused"] > 0.5) == (mode in SCORED)


def test_r11_another_fingerprint_is_refused_unless_allowed(stores, patchers) -> None:
    directory = stores["entropy"].directory
    assert PatchStore(directory, patchers["entropy"].fingerprint).fingerprint == patchers["entropy"].fingerprint
    with pytest.raises(IntegrityError, match="was segmented by patcher"):
        PatchStore(directory, patchers["byte"].fingerprint)
    other = PatchStore(directory, patchers["byte"].fingerprint, allow_mismatch=True)
    assert other.fingerprint == patchers["entropy"].fingerprint  # it says whose patches it holds
    assert (other.starts("one", 0, 900) == stores["entropy"].starts("one", 0, 900)).all()


@pytest.mark.parametrize("name", ["starts.bin", "scores.bin", "store.json"])
def test_a_store_cut_short_is_refused(patchers, genome, tmp_path, name: str) -> None:
    write(tmp_path / "s", patchers["entropy"], genome)
    file = tmp_path / "s" / name
    file.write_bytes(file.read_bytes()[:-7])
    with pytest.raises(IntegrityError, match=r"bytes: run|not a whole patch store"):
        PatchStore(tmp_path / "s")
    file.unlink()
    with pytest.raises(IntegrityError, match="not a whole patch store"):
        PatchStore(tmp_path / "s")


def test_a_newer_format_is_refused(patchers, genome, tmp_path) -> None:
    write(tmp_path / "s", patchers["byte"], genome)
    header = json.loads((tmp_path / "s" / "store.json").read_text())
    (tmp_path / "s" / "store.json").write_text(json.dumps({**header, "format": 99}))
    with pytest.raises(UsageError, match="update genomelm"):
        PatchStore(tmp_path / "s")


def test_a_failed_write_leaves_the_old_store(patchers, genome, tmp_path) -> None:
    write(tmp_path / "s", patchers["entropy"], genome)

    def fails(contig: str, start: int, end: int) -> np.ndarray:
        raise InputError("the file changed")

    with pytest.raises(InputError):
        write_store(tmp_path / "s", patchers["greedy"], {"one": 5003}, fails)
    assert PatchStore(tmp_path / "s").fingerprint == patchers["entropy"].fingerprint
    assert [f.name for f in tmp_path.iterdir()] == ["s"]


def test_windows_outside_and_unknown_contigs_are_named(stores) -> None:
    with pytest.raises(InputError, match=r"window one \[5000, 5004\) does not lie in its 5003 bases"):
        stores["byte"].starts("one", 5000, 5004)
    with pytest.raises(InputError, match="no contig 'onee'; did you mean 'one'"):
        stores["byte"].starts("onee", 0, 1)


def test_a_pickled_store_maps_the_files_again(stores) -> None:
    copy = pickle.loads(pickle.dumps(stores["entropy"]))
    assert len(pickle.dumps(stores["entropy"])) < 1000
    assert (copy.starts("one", 7, 900) == stores["entropy"].starts("one", 7, 900)).all()
