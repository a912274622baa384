import dataclasses
import hashlib
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genomelm.errors import IntegrityError, UsageError
from genomelm.patching.config import PatcherConfig
from genomelm.patching.count_model import CountModel
from genomelm.patching.modes import MODES
from genomelm.patching.patcher import Patcher
from genomelm.seq.alphabet import encode, reverse_complement_ids

sequences = st.text("ACGTN", max_size=80)
modes = st.sampled_from(sorted(MODES))


@given(sequences, modes, st.integers(0, 80))
def test_r2_starts_of_a_prefix_are_those_of_the_record(patchers, sequence: str, mode: str, m: int) -> None:
    ids, patcher = encode(sequence), patchers[mode]
    assert (patcher.marks(ids[:m]) == patcher.marks(ids)[: min(m, len(ids)) + 1]).all()


@given(sequences.filter(len), modes, st.data())
def test_r2_a_substitution_moves_no_start_up_to_its_byte(patchers, sequence: str, mode: str, data) -> None:
    at, letter = data.draw(st.integers(0, len(sequence) - 1)), data.draw(st.sampled_from("ACGTN"))
    before = patchers[mode].marks(encode(sequence))
    after = patchers[mode].marks(encode(sequence[:at] + letter + sequence[at + 1 :]))
    assert (before[: at + 1] == after[: at + 1]).all()


@given(st.text("ACGT", min_size=1, max_size=80), st.data())
def test_r6_in_entropy_mode_a_substitution_reaches_no_further_than_the_order(patchers, sequence: str, data) -> None:
    at, letter = data.draw(st.integers(0, len(sequence) - 1)), data.draw(st.sampled_from("ACGT"))
    patcher = patchers["entropy"]
    before = patcher.marks(encode(sequence))
    after = patcher.marks(encode(sequence[:at] + letter + sequence[at + 1 :]))
    assert (before[at + patcher.config.order + 1 :] == after[at + patcher.config.order + 1 :]).all()


@given(sequences, modes, st.integers(1, 90))
def test_r4_a_stream_in_any_chunks_marks_the_same_starts(patchers, sequence: str, mode: str, chunk: int) -> None:
    ids, patcher = encode(sequence), patchers[mode]
    streamed = [marks for _, marks in patcher.stream(lambda start, end: ids[start:end], len(ids), chunk)]
    assert (np.concatenate(streamed) == patcher.marks(ids)).all()


@pytest.mark.parametrize("mode", MODES)
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


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("sequence", ["", "A", "AC", "N", "NNNN"])
def test_shortest_records_have_starts(patchers, mode: str, sequence: str) -> None:
    starts = patchers[mode].segment(encode(sequence))
    assert starts.dtype == np.int64
    assert starts[:1].tolist() == [0][: len(sequence)]
    assert len(patchers[mode].marks(encode(sequence))) == len(sequence) + 1


def test_fit_meets_the_mean_within_one_percent(patchers, dna: np.ndarray) -> None:
    for mode, mean in (("entropy", 4), ("length_constrained", 6), ("fixed_stride", 5), ("byte", 1)):
        assert len(dna) / len(patchers[mode].segment(dna)) == pytest.approx(mean, rel=0.01)


def test_each_strand_is_patched_from_its_own_start(patchers, dna: np.ndarray) -> None:
    reverse = reverse_complement_ids(dna[:500])
    assert patchers["entropy"].segment(reverse)[0] == 0
    assert (reverse_complement_ids(reverse) == dna[:500]).all()


@pytest.mark.parametrize("mode", MODES)
def test_r11_a_saved_patcher_keeps_starts_and_fingerprint(patchers, dna: np.ndarray, tmp_path, mode: str) -> None:
    patchers[mode].save(tmp_path / "p")
    loaded = Patcher.load(tmp_path / "p")
    assert loaded.fingerprint == patchers[mode].fingerprint
    assert loaded.config == patchers[mode].config
    assert (loaded.segment(dna) == patchers[mode].segment(dna)).all()


def test_r11_the_fingerprint_covers_source_mode_parameters_and_training(patchers, dna: np.ndarray, model) -> None:
    config = patchers["entropy"].config
    other_source = CountModel.fit([dna[:20_000]], order=5, training=("c:1-30000",))
    other_training = CountModel.fit([dna], order=5, training=("d:1-30000",))
    changed = [
        Patcher(dataclasses.replace(config, threshold=config.threshold - 0.01), model),
        Patcher(dataclasses.replace(config, mode="length_constrained"), model),
        Patcher(dataclasses.replace(config, mode="length_constrained", max=32), model),
        Patcher(config, other_source),
        Patcher(config, other_training),
    ]
    prints = {p.fingerprint for p in [*patchers.values(), *changed]}
    assert len(prints) == len(patchers) + len(changed)
    assert Patcher(dataclasses.replace(config, stride=3), model).fingerprint == patchers["entropy"].fingerprint


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
    with pytest.raises(IntegrityError, match="not a whole patcher"):
        Patcher.load(tmp_path / "absent")


def test_a_patcher_without_its_parts_is_refused(model: CountModel) -> None:
    with pytest.raises(UsageError, match="has no count model"):
        Patcher(PatcherConfig(threshold=1.0))
    with pytest.raises(UsageError, match="has no threshold"):
        Patcher(PatcherConfig(order=5), model)
    with pytest.raises(UsageError, match="fit it again"):
        Patcher(PatcherConfig(threshold=1.0, order=4), model)
    with pytest.raises(UsageError, match=r"cannot have a mean of 2\.5"):
        Patcher.fit(PatcherConfig(mode="fixed_stride"), lambda: [], mean=2.5)
