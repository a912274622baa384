"""The mean that was asked for is that of the letters in the segmentation, wherever N lies between them."""

import numpy as np
import pytest

from genomelm.errors import InputError
from genomelm.patching.calibrate import calibrate
from genomelm.patching.codes import Scale
from genomelm.patching.config import PatcherConfig
from genomelm.patching.count_model import CountModel
from genomelm.patching.patcher import Patcher
from genomelm.patching.rule import Rule

N = ord("N")
MODES = {
    "entropy": {},
    "greedy": {"max": 32},
    "monotonic": {},
    "dual_threshold": {"delta": 0.01},
    "length_constrained": {"min": 2, "max": 32},
    "optimal": {"min": 2, "max": 32},
}


@pytest.fixture(scope="module")
def dna() -> np.ndarray:
    """Return bases that depend on the four before them, so that few scores are tied."""
    random = np.random.default_rng(6)
    cumulated = random.dirichlet([1] * 4, 256)[:, :3].cumsum(axis=1)
    drawn, context, bases = random.random(100_000), 0, []
    for number in drawn:
        bases.append(int(np.searchsorted(cumulated[context], number)))
        context = (4 * context + bases[-1]) % 256
    return np.frombuffer(b"ACGT", np.uint8).astype(np.int64)[bases]


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
    model = CountModel.fit([ids], order=6)
    patcher = Patcher.fit(PatcherConfig(mode=mode, order=6, **MODES[mode]), lambda: [ids], 8, source=model)
    marks = patcher.marks(ids)[:-1]
    assert letters.sum() / marks[letters].sum() == pytest.approx(8, rel=0.01)


@pytest.mark.parametrize("mode", MODES)
def test_single_n_leave_the_mean_of_all_bytes_within_one_percent(dna: np.ndarray, mode: str) -> None:
    ids = single(dna)
    patcher = Patcher.fit(PatcherConfig(mode=mode, order=6, **MODES[mode]), lambda: [ids], 8)
    assert len(ids) / len(patcher.segment(ids)) == pytest.approx(8, rel=0.01)


def test_the_start_of_a_record_that_begins_with_n_does_not_count(dna: np.ndarray) -> None:
    records = [np.append(np.full(300, N), part) for part in np.split(dna, 2_000)]
    patcher = Patcher.fit(PatcherConfig(mode="monotonic", order=6), lambda: records, 8)
    starts = sum(int(patcher.marks(ids)[:-1][ids != N].sum()) for ids in records)
    assert len(dna) / starts == pytest.approx(8, rel=0.01)


def test_a_threshold_without_any_counted_start_is_no_mean() -> None:
    scale, rule = Scale(0, 1), Rule("entropy")
    codes, counted = np.arange(9, dtype=np.uint16), np.arange(8) == 7
    assert calibrate([codes], 1, scale, rule, counted=[counted]) < scale.decode(codes)[7]
    with pytest.raises(InputError, match="means of 1 and inf bytes"):
        calibrate([codes], 3, scale, rule, counted=[counted])
