import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from genomelm.models.encoding import make_batch, starts_of_rows
from genomelm.models.geometry import Patches
from genomelm.patching.geometry import PatchBatch, pad_starts
from genomelm.patching.patcher import Patcher
from genomelm.seq.alphabet import BOS, PAD


@st.composite
def batches(draw: st.DrawFn) -> PatchBatch:
    lengths = draw(st.lists(st.integers(1, 20), min_size=1, max_size=4))
    starts, opens = [], []
    for length in lengths:
        marks = np.array(draw(st.lists(st.booleans(), min_size=length + 1, max_size=length + 1)))
        marks[0] = True
        starts.append(np.flatnonzero(marks[:-1]))
        opens.append(bool(marks[-1]))
    return pad_starts(starts, lengths, next_opens=opens)


def as_tensors(batch: PatchBatch) -> tuple[torch.Tensor, torch.Tensor]:
    """Return starts (b, l+1) and mask (b, l) as the model takes them."""
    flags = np.concatenate([batch.starts_mask, np.zeros((len(batch.lengths), 1), bool)], 1)
    flags[np.arange(len(flags)), batch.lengths] = batch.next_opens
    return torch.from_numpy(flags), torch.from_numpy(batch.byte_mask)


@given(batches())
def test_tensors_and_numpy_agree_on_every_byte_and_patch(batch: PatchBatch) -> None:
    starts, mask = as_tensors(batch)
    patches, real = Patches.from_starts(starts, mask), batch.byte_mask
    assert patches.count == batch.patch_counts.max()
    assert (patches.ids.numpy()[real] == batch.patch_ids()[real]).all()
    assert (patches.ids.numpy()[~real] == -1).all()
    assert (patches.newest.numpy()[real] == batch.decoder_ids()[real]).all()
    assert (patches.lengths().numpy() == batch.patch_lengths()).all()
    for row, begins in enumerate(batch.starts()):
        assert patches.first_byte()[row, : len(begins)].tolist() == begins.tolist()


@given(batches())
def test_byte_to_patch_to_byte_gives_back_every_coordinate(batch: PatchBatch) -> None:
    starts, mask = as_tensors(batch)
    patches, length = Patches.from_starts(starts, mask), mask.shape[1]
    first = torch.gather(patches.first_byte(), 1, patches.ids.clamp_min(0))
    here = torch.arange(length).expand_as(patches.ids)
    assert torch.equal((first + patches.distance())[mask], here[mask])


@given(batches())
def test_no_byte_reads_a_patch_that_is_open_or_to_come(batch: PatchBatch) -> None:
    starts, mask = as_tensors(batch)
    patches = Patches.from_starts(starts, mask)
    ends = patches.first_byte() + patches.lengths()  # one past each patch's last byte
    for row, i in mask.nonzero().tolist():
        newest = int(patches.newest[row, i])
        assert newest < 0 or ends[row, newest] <= i + 1
        assert newest < patches.ids[row][mask[row]].max() + 1


@given(batches(), st.integers(0, 3))
def test_a_masked_byte_reads_up_to_so_many_patches_past_its_own(batch: PatchBatch, ahead: int) -> None:
    starts, mask = as_tensors(batch)
    patches = Patches.from_starts(starts, mask, ahead)
    for row, i in mask.nonzero().tolist():
        last = patches.ids[row][mask[row]].max()  # of the row, not of the batch
        assert patches.newest[row, i] == min(patches.ids[row, i] + ahead, last)
    alone = [Patches.from_starts(starts[row : row + 1, : n + 1], None, ahead) for row, n in enumerate(mask.sum(1))]
    for row, other in enumerate(alone):
        assert torch.equal(patches.newest[row][mask[row]], other.newest[0])


@given(batches())
def test_sums_over_patches_are_those_of_a_loop(batch: PatchBatch) -> None:
    starts, mask = as_tensors(batch)
    patches = Patches.from_starts(starts, mask)
    x = torch.randn(*mask.shape, 2)
    expected = torch.zeros(len(mask), patches.count, 2)
    for row, i in mask.nonzero().tolist():
        expected[row, patches.ids[row, i]] += x[row, i]
    torch.testing.assert_close(patches.sum_bytes(x), expected)


def test_without_a_mask_every_byte_is_real() -> None:
    starts = torch.tensor([[True, False, True, True]])
    unmasked = Patches.from_starts(starts)
    masked = Patches.from_starts(starts, torch.ones(1, 3, dtype=torch.bool))
    assert torch.equal(unmasked.ids, masked.ids)
    assert unmasked.newest.tolist() == [[-1, 0, 1]]


@pytest.mark.parametrize("lengths", [(0,), (1,), (2, 0, 40), (33, 32, 31)])
def test_a_batch_holds_bos_ids_padding_and_the_patchers_marks(patcher: Patcher, records, lengths) -> None:
    made = records(*lengths)
    batch = make_batch(made, [patcher.marks(record) for record in made])
    assert torch.equal(starts_of_rows(patcher, batch.ids, batch.mask), batch.starts)
    for row, record in enumerate(made):
        end = 1 + len(record)
        assert batch.ids[row].tolist() == [BOS, *record, *[PAD] * (max(lengths) - len(record))]
        assert batch.mask[row].tolist() == [i < end for i in range(1 + max(lengths))]
        assert batch.starts[row, 0]
        assert batch.starts[row, 1]
        assert batch.starts[row, 2 : end + 1].tolist() == patcher.marks(record)[1:].tolist()
        assert not batch.starts[row, end + 1 :].any()


def test_rows_without_bos_are_cut_from_their_first_byte(patcher: Patcher, records) -> None:
    record = records(50)[0]
    starts = starts_of_rows(patcher, torch.from_numpy(record)[None], None)
    assert starts[0].tolist() == patcher.marks(record).tolist()
