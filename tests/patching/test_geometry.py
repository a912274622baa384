import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genomelm.errors import InputError
from genomelm.patching import geometry as geo


@st.composite
def segmentations(draw, most: int = 40) -> tuple[np.ndarray, int]:
    length = draw(st.integers(0, most))
    inner = draw(st.sets(st.integers(1, max(1, length - 1)))) if length > 1 else set()
    return np.array(sorted({0} | inner) if length else [], np.int64), length


batches = st.lists(st.tuples(segmentations(), st.booleans()), max_size=6)


def padded(batch: list, width: int | None = None) -> geo.PatchBatch:
    return geo.pad_starts([s for (s, _), _ in batch], [n for (_, n), _ in batch], width, [o for _, o in batch])


@given(segmentations())
def test_starts_lengths_and_masks_round_trip(segmentation: tuple[np.ndarray, int]) -> None:
    starts, length = segmentation
    lengths, mask = geo.starts_to_lengths(starts, length), geo.starts_to_mask(starts, length)
    assert lengths.sum() == length
    assert (geo.lengths_to_starts(lengths) == starts).all()
    assert (geo.lengths_to_starts(np.append(lengths, [0, 0])) == starts).all()
    assert (geo.mask_to_starts(mask) == starts).all()
    assert (np.repeat(np.arange(len(starts)), lengths) == geo.patch_ids(mask)).all()


@pytest.mark.parametrize(("starts", "length"), [([], 0), ([0], 1), ([0], 2), ([0, 1], 2)])
def test_shortest_records_have_a_geometry(starts: list[int], length: int) -> None:
    batch = geo.pad_starts([np.array(starts, np.int64)], [length])
    assert batch.patch_lengths().shape == (1, len(starts))
    assert batch.patch_ids().shape == batch.decoder_ids().shape == (1, length)
    assert batch.starts()[0].tolist() == starts


@given(batches, st.integers(0, 9))
def test_r3_padding_and_neighbours_change_no_row(batch: list, extra: int) -> None:
    longest = max((n for (_, n), _ in batch), default=0)
    together = padded(batch, longest + extra)
    assert together.starts_mask.shape == (len(batch), longest + extra)
    for row, record in enumerate(batch):
        alone, length = padded([record]), record[0][1]
        count = int(alone.patch_counts[0])
        assert together.patch_counts[row] == count
        assert (together.starts()[row] == record[0][0]).all()
        assert (together.patch_ids()[row, :length] == alone.patch_ids()[0]).all()
        assert (together.decoder_ids()[row, :length] == alone.decoder_ids()[0]).all()
        assert (together.patch_lengths()[row, :count] == alone.patch_lengths()[0]).all()
        assert (together.patch_lengths()[row, count:] == 0).all()
        assert together.byte_mask[row].sum() == length


@given(segmentations(), st.booleans())
def test_decoder_ids_name_the_newest_patch_that_ends_before_the_next_byte(segmentation, opens: bool) -> None:
    starts, length = segmentation
    batch = geo.pad_starts([starts], [length], next_opens=[opens])
    ends = np.append(starts[1:], length) if length else np.zeros(0, np.int64)
    for i, d in enumerate(batch.decoder_ids()[0]):
        following = i + 1 if i + 1 < length else None
        owner = np.searchsorted(starts, following, "right") - 1 if following else len(starts) - 1 + opens
        assert d == owner - 1
        assert -1 <= d < len(starts)
        assert d == -1 or ends[d] <= i + 1


def test_starts_that_do_not_fit_are_refused() -> None:
    for starts, length in [([1, 2], 4), ([0, 2, 2], 4), ([0, 4], 4), ([], 3), ([0], 0), ([0, 3, 1], 4)]:
        with pytest.raises(InputError, match="starts"):
            geo.pad_starts([np.array(starts)], [length])
    with pytest.raises(InputError, match="does not fit into a batch of width 3"):
        geo.pad_starts([np.array([0])], [4], width=3)
    with pytest.raises(InputError, match="2 lists of starts came with 1 lengths"):
        geo.pad_starts([np.array([0]), np.array([0])], [4])
    with pytest.raises(InputError, match="must be 1 or more"):
        geo.lengths_to_starts(np.array([3, 0, 2]))


def test_r10_a_million_bytes_need_less_than_100_megabytes() -> None:
    starts = np.flatnonzero(np.random.default_rng(0).random(1_000_000) < 0.125)
    starts[0] = 0
    tracemalloc.start()
    batch = geo.pad_starts([starts], [1_000_000])
    for made in (batch.patch_ids, batch.decoder_ids, batch.patch_lengths):
        made()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6
