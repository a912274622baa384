"""The mean that was asked for is that of the letters in the segmentation, wherever N lies between them."""

import numpy as np
import pytest

from genomelm.patching.config import PatcherConfig
from genomelm.patching.count_model import CountModel
from genomelm.patching.patcher import Patcher

N = ord("N")
MODES = {
    "entropy": {},
    "greedy": {"max": 32},
    "monotonic": {},
    "dual_threshold": {"delta": 0.01},
    "length_constrained": {"min": 2, "max": 32},
    "optimal": {"min": 2, "max": 32},
}


def none(dna: np.ndarray) -> np.ndarray:
    return dna


def single(dna: np.ndarray) -> np.ndarray:
    return np.where(np.random.default_rng(2).random(len(dna)) < 0.02, N, dna)


def one_block(dna: np.ndarray) -> np.ndarray:
    return np.insert(dna, len(dna) // 3, np.full(int(len(dna) * 0.15 / 0.85), N))


def many_blocks(dna: np.ndarray) -> np.ndarray:
    return np.insert(dna, np.repeat(np.arange(0, len(dna), 500), 200), N)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("with_n", [none, single, one_block, many_blocks])
def test_the_segmentation_has_the_wanted_mean_of_letters(dna: np.ndarray, mode: str, with_n) -> None:
    ids = with_n(dna)
    letters = ids != N
    model = CountModel.fit([ids], order=5)
    patcher = Patcher.fit(PatcherConfig(mode=mode, order=5, **MODES[mode]), lambda: [ids], 8, source=model)
    marks = patcher.marks(ids)[:-1]
    assert letters.sum() / marks[letters].sum() == pytest.approx(8, rel=0.01)


@pytest.mark.parametrize("mode", MODES)
def test_single_n_leave_the_mean_of_all_bytes_within_one_percent(dna: np.ndarray, mode: str) -> None:
    ids = single(dna)
    patcher = Patcher.fit(PatcherConfig(mode=mode, order=5, **MODES[mode]), lambda: [ids], 8)
    assert len(ids) / len(patcher.segment(ids)) == pytest.approx(8, rel=0.01)


def test_records_that_begin_with_n_have_no_start_on_a_letter_for_nothing() -> None:
    random = np.random.default_rng(3)
    records = [np.append(np.full(300, N), random.choice(list(b"ACGT"), 40, p=[0.7, 0.1, 0.1, 0.1])) for _ in range(200)]
    patcher = Patcher.fit(PatcherConfig(mode="monotonic", order=2), lambda: records, 8)
    starts = sum(int(patcher.marks(ids)[:-1][ids != N].sum()) for ids in records)
    assert 200 * 40 / starts == pytest.approx(8, rel=0.01)
