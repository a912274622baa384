"""Many pieces laid out at once are the batch that make_batch and pack make of them one by one."""

import dataclasses

import numpy as np
import pytest
import torch

from genomelm.models.encoding import make_batch, pack
from genomelm.patching.config import PatcherConfig
from genomelm.patching.count_model import CountModel
from genomelm.patching.patcher import Patcher
from genomelm.seq.alphabet import encode, reverse_complement_ids
from genomelm.training.record_layout import columns_of, laid_out

SIZES = (1, 7, 8, 30, 31, 32, 64, 2, 100, 50)
HELD = (4, 1, 5)


@pytest.fixture(scope="module")
def letters():
    return encode("".join(np.random.default_rng(2).choice(list("ACGTN"), 1000))).astype(np.uint8)


@pytest.fixture(params=["fixed_stride", "greedy", "monotonic"])
def patcher(request, letters):
    if request.param == "fixed_stride":
        return Patcher(PatcherConfig("fixed_stride", stride=5))
    config = PatcherConfig(request.param, order=3, threshold=6.0 if request.param == "greedy" else 0.01)
    return Patcher(config, CountModel.fit([letters.astype(np.int64)], 3))


@pytest.fixture
def pieces(letters):
    """Starts, sizes and strands of pieces, and each one's ids."""
    starts = np.random.default_rng(3).integers(0, 900, len(SIZES))
    turned = np.arange(len(SIZES)) % 3 == 1
    ids = [letters[start : start + size].astype(np.int64) for start, size in zip(starts, SIZES, strict=True)]
    ids = [reverse_complement_ids(one) if turn else one for one, turn in zip(ids, turned, strict=True)]
    return starts, np.array(SIZES), turned, ids


def same(found, expected):
    for field in dataclasses.fields(expected):
        ours, theirs = getattr(found, field.name), getattr(expected, field.name)
        assert type(ours) is type(theirs), field.name
        if isinstance(theirs, torch.Tensor):
            assert ours.dtype == theirs.dtype, field.name
            assert torch.equal(ours, theirs), field.name


def test_padded_rows_are_those_of_make_batch(letters, patcher, pieces):
    starts, sizes, turned, ids = pieces
    numbers, shape = np.arange(len(SIZES)), (len(SIZES), 1 + max(SIZES))
    found = laid_out(letters, starts, sizes, turned, patcher, numbers, 0 * numbers, shape, conjoined=True)
    reverse = [patcher.marks(reverse_complement_ids(one)) for one in ids]
    expected = make_batch(ids, [patcher.marks(one) for one in ids], reverse=reverse)
    assert torch.equal(found.records, torch.where(expected.mask, torch.from_numpy(numbers)[:, None], -1))
    same(dataclasses.replace(found, records=None), expected)


@pytest.mark.parametrize("reach", [0, 9, 32])
def test_packed_rows_are_those_of_pack(letters, patcher, pieces, reach):
    starts, sizes, turned, ids = pieces
    rows = np.repeat(np.arange(len(HELD)), HELD)
    columns = columns_of(sizes, np.array(HELD), reach)
    found = laid_out(letters, starts, sizes, turned, patcher, rows, columns, (len(HELD), 480))
    same(found, pack(ids, [patcher.marks(one) for one in ids], 480, reach, rows=rows.tolist()))


def test_no_pieces_make_no_rows(letters, patcher):
    none = np.zeros(0, np.int64)
    found = laid_out(letters, none, none, none.astype(bool), patcher, none, none, (0, 1))
    assert found.ids.shape == (0, 1)
    assert found.starts.shape == (0, 2)
