import dataclasses
import hashlib
import json
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mode_cases import MODES, Track

from genomelm.errors import IntegrityError, UsageError
from genomelm.patching.breaks import Breaks
from genomelm.patching.config import PatcherConfig
from genomelm.patching.count_model import CountModel
from genomelm.patching.geometry import pad_starts
from genomelm.patching.patcher import Patcher
from genomelm.seq.alphabet import encode

ALONE = tuple(mode for mode in MODES if mode != "given")  # a bare sequence is enough for them
CAUSAL = tuple(mode for mode in ALONE if mode != "optimal")

sequences = st.text("ACGTN", max_size=80)
each_mode = pytest.mark.parametrize("mode", ALONE)


def causal(patchers: dict[str, Patcher], mode: str, apart: bool) -> Patcher:
    """Return a patcher that a causal model may have; `apart`: runs of N force starts one byte after their edges."""
    patcher = patchers[mode]
    if apart:
        patcher = Patcher(dataclasses.replace(patcher.config, isolate=("n",), edges="after"), patcher.source)
    assert not patcher.reads_ahead
    assert not patcher.side_information
    return patcher


@pytest.mark.parametrize("mode", CAUSAL)
@given(sequence=sequences, apart=st.booleans(), m=st.integers(0, 80))
def test_r2_starts_of_a_prefix_are_those_of_the_record(patchers, mode: str, sequence: str, apart: bool, m: int) -> None:
    ids, patcher = encode(sequence), causal(patchers, mode, apart)
    assert (patcher.marks(ids[:m]) == patcher.marks(ids)[: min(m, len(ids)) + 1]).all()


@pytest.mark.parametrize("mode", CAUSAL)
@given(sequence=sequences.filter(len), apart=st.booleans(), data=st.data())
def test_r2_a_substitution_moves_no_start_up_to_its_byte(patchers, mode: str, sequence: str, apart: bool, data) -> None:
    at, letter = data.draw(st.integers(0, len(sequence) - 1)), data.draw(st.sampled_from("ACGTN"))
    patcher = causal(patchers, mode, apart)
    before = patcher.marks(encode(sequence))
    after = patcher.marks(encode(sequence[:at] + letter + sequence[at + 1 :]))
    assert (before[: at + 1] == after[: at + 1]).all()


def test_r2_what_reads_ahead_or_tells_of_the_bytes_says_so(patchers, symmetric) -> None:
    ahead = {mode for mode in ALONE if patchers[mode].reads_ahead}
    assert ahead == {"optimal"}
    assert all(patcher.reads_ahead for patcher in symmetric.values())
    at = dataclasses.replace(patchers["byte"].config, isolate=("n", "case"), edges="at")
    assert Patcher(at).side_information == ("runs of N", "letter case")
    # the optimum of a track reads no bytes, but the edges behind a start decide whether it is one
    config = PatcherConfig(mode="optimal", source="track", threshold=0.5, min=4, max=6, isolate=("n",), edges="after")
    track = Patcher(config, Track(np.random.default_rng(0).random(40).astype(np.float32)))
    assert not track.reads_ahead
    assert track.side_information == ("track", "runs of N")
    # and rightly so: a start at a run's edge changes with the byte there
    told = Patcher(dataclasses.replace(patchers["fixed_stride"].config, isolate=("n",), edges="at"))
    assert told.marks(encode("ACNA")).tolist() != told.marks(encode("ACGA")).tolist()[:5]
    assert not (told.marks(encode("ACNA")) == told.marks(encode("ACGA")))[2]


@given(st.lists(sequences, max_size=5), st.sampled_from(ALONE), st.integers(0, 9), st.randoms())
def test_r3_batch_order_and_padding_change_no_start(patchers, texts: list[str], mode: str, extra: int, random) -> None:
    patcher, records = patchers[mode], [encode(text) for text in texts]
    order = random.sample(range(len(records)), len(records))
    shuffled = [records[i] for i in order]
    longest = max(map(len, records), default=0)
    batch = pad_starts(
        patcher.segment_many(shuffled),
        [len(ids) for ids in shuffled],
        longest + extra,
        [patcher.marks(ids)[-1] for ids in shuffled],
    )
    for row, ids in enumerate(shuffled):
        marks, length = patcher.marks(ids), len(ids)
        alone = pad_starts([np.flatnonzero(marks[:-1])], [length], next_opens=[marks[-1]])
        assert batch.starts_mask[row, :length].tolist() == marks[:-1].tolist()
        assert not batch.starts_mask[row, length:].any()
        assert batch.next_opens[row] == marks[-1]
        assert (batch.decoder_ids()[row, :length] == alone.decoder_ids()[0]).all()


@each_mode
def test_r3_r9_threads_and_order_change_no_start(patchers, dna: np.ndarray, mode: str) -> None:
    records = [dna[i : i + 700] for i in range(0, 14_000, 350)]

    def digest(threads: int) -> str:
        with ThreadPoolExecutor(threads) as pool:
            starts = list(pool.map(patchers[mode].segment, records))
        return hashlib.sha256(np.concatenate(starts).tobytes()).hexdigest()

    together = np.concatenate(patchers[mode].segment_many(records))
    assert digest(1) == digest(4) == hashlib.sha256(together.tobytes()).hexdigest()
    backwards = patchers[mode].segment_many(records[::-1])[::-1]
    assert (np.concatenate(backwards) == together).all()


@each_mode
@pytest.mark.parametrize("sequence", ["", "A", "AC", "N", "NNNN"])
def test_shortest_records_have_starts(patchers, mode: str, sequence: str) -> None:
    starts = patchers[mode].segment(encode(sequence))
    assert starts.dtype == np.int64
    assert starts[:1].tolist() == [0][: len(sequence)]
    marks = patchers[mode].marks(encode(sequence))
    assert len(marks) == len(sequence) + 1
    assert marks[0]


@each_mode
def test_r10_time_is_linear(patchers, dna: np.ndarray, mode: str) -> None:
    ids, patcher = np.tile(dna, 16), patchers[mode]

    def seconds(part: np.ndarray) -> float:
        times = []
        for _ in range(3):
            begin = time.process_time()
            patcher.marks(part)
            times.append(time.process_time() - begin)
        return min(times)

    patcher.marks(ids[:1000])
    assert seconds(ids) < 8 * 3 * seconds(ids[: len(ids) // 8]) + 0.01


def test_fit_meets_the_mean_within_one_percent(patchers, dna: np.ndarray) -> None:
    means = {"greedy": 6, "length_constrained": 6, "optimal": 6, "fixed_stride": 5, "byte": 1}
    for mode in ALONE:
        assert len(dna) / len(patchers[mode].segment(dna)) == pytest.approx(means.get(mode, 4), rel=0.01)


@pytest.mark.parametrize("mode", ["entropy", "monotonic", "greedy"])
def test_the_mean_is_that_of_the_letters_beside_runs_of_n(dna: np.ndarray, mode: str) -> None:
    unknown = np.repeat(encode("N"), len(dna) // 4)
    ids = np.concatenate([unknown, dna[: len(dna) // 2], unknown, dna[len(dna) // 2 :]])
    patcher = Patcher.fit(PatcherConfig(mode=mode, order=8), lambda: [ids, unknown], 8)
    assert len(dna) / len(patcher.segment(dna)) == pytest.approx(8, rel=0.01)


@each_mode
def test_r11_a_saved_patcher_keeps_starts_and_fingerprint(patchers, dna: np.ndarray, tmp_path, mode: str) -> None:
    patchers[mode].save(tmp_path / "p")
    loaded = Patcher.load(tmp_path / "p")
    assert loaded.fingerprint == patchers[mode].fingerprint
    assert loaded.config == patchers[mode].config
    assert (loaded.segment(dna) == patchers[mode].segment(dna)).all()


def test_a_changed_patcher_is_refused(patchers, tmp_path) -> None:
    patchers["entropy"].save(tmp_path / "p")
    header = json.loads((tmp_path / "p" / "patcher.json").read_text())
    header["config"]["threshold"] -= 0.1
    (tmp_path / "p" / "patcher.json").write_text(json.dumps(header))
    with pytest.raises(IntegrityError, match="fingerprint"):
        Patcher.load(tmp_path / "p")
    (tmp_path / "p" / "patcher.json").write_text(json.dumps({**header, "format": 99}))
    with pytest.raises(UsageError, match="update genomelm"):
        Patcher.load(tmp_path / "p")
    (tmp_path / "p" / "patcher.json").write_text(json.dumps({**header, "format": 1}))
    with pytest.raises(IntegrityError, match="older format 1: make it again"):
        Patcher.load(tmp_path / "p")
    with pytest.raises(IntegrityError, match="not a whole patcher"):
        Patcher.load(tmp_path / "absent")


def test_a_patcher_without_its_parts_is_refused(model: CountModel) -> None:
    with pytest.raises(UsageError, match="has no count model"):
        Patcher(PatcherConfig(threshold=1.0))
    with pytest.raises(UsageError, match="has no threshold"):
        Patcher(PatcherConfig(order=5), model)
    with pytest.raises(UsageError, match="fit it again"):
        Patcher(PatcherConfig(threshold=1.0, order=4), model)
    with pytest.raises(UsageError, match="names source neural, but got count"):
        Patcher(PatcherConfig(threshold=1.0, order=5, source="neural"), model)
    with pytest.raises(UsageError, match=r"cannot have a mean of 2\.5"):
        Patcher.fit(PatcherConfig(mode="fixed_stride"), lambda: [], mean=2.5)
    with pytest.raises(UsageError, match="read from a file, not fitted"):
        Patcher.fit(PatcherConfig(mode="given"), lambda: [], mean=2)


def test_patches_that_come_by_coordinate_are_refused_a_bare_sequence() -> None:
    for patcher in (
        Patcher(PatcherConfig(mode="given"), side={"given": "x"}),
        Patcher(PatcherConfig(mode="byte", isolate=("case",))),
        Patcher(PatcherConfig(mode="fixed_stride", stride=3), side={"annotation": "x"}),
    ):
        assert patcher.placed
        with pytest.raises(UsageError, match="give the store that `genomelm patch` wrote"):
            patcher.marks(encode("ACGT"))


def test_given_patches_start_where_they_are_given_and_at_the_record() -> None:
    patcher = Patcher(PatcherConfig(mode="given"), side={"given": "x"})
    given_at = Breaks.unframed(np.array([3, 4, 9, 10]))
    marks = [m for _, m in patcher.stream(lambda start, end: np.zeros(end - start), 10, breaks=given_at, chunk=4)]
    assert np.flatnonzero(np.concatenate(marks)).tolist() == [0, 3, 4, 9, 10]
