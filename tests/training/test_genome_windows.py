"""Windows of a genome: where they come from, their patches, and which of their bases are hidden."""

import numpy as np
import pytest
import torch

from genomelm.errors import UsageError
from genomelm.models.encoding import make_batch
from genomelm.seq.alphabet import BOS, MASK, PAD, encode, reverse_complement
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.training.windows import GenomeWindows, hide, hide_some, hide_strided, label_ids


def test_forward_windows_take_the_stored_boundaries_and_reverse_ones_their_own(site):
    windows = GenomeWindows(site.genome, site.store, site.patcher, site.train, 64)
    ids, flags = windows.record(Interval("c", 500, 564))
    assert np.array_equal(ids, encode(site.text[500:564]))
    whole = site.patcher.marks(encode(site.text))
    expected = whole[500:565].copy()
    expected[0] = True
    assert np.array_equal(flags, expected)
    ids, flags = windows.record(Interval("c", 500, 564, "-"))
    assert np.array_equal(ids, encode(reverse_complement(site.text[500:564])))
    assert np.array_equal(flags, site.patcher.marks(ids))


def test_random_windows_stay_inside_their_regions(site):
    regions = [Interval("c", 100, 164), Interval("c", 300, 370)]
    windows = GenomeWindows(site.genome, site.store, site.patcher, regions, 64)
    seen = []
    windows.batch = lambda intervals, conjoined: seen.extend(intervals)
    for step in range(60):
        windows.random_batch(4, "x", step)
    starts = {interval.start for interval in seen}
    assert starts == {100, *range(300, 307)}
    assert {interval.strand for interval in seen} == {"+", "-"}


def test_patches_of_another_genome_are_refused(site, tmp_path):
    (tmp_path / "other.fa").write_text(f">c\n{site.text}ACGT\n")
    with Genome(tmp_path / "other.fa") as other, pytest.raises(UsageError, match="run `genomelm patch` on this genome"):
        GenomeWindows(other, site.store, site.patcher, site.train, 64)


def batch_of_texts(*texts):
    return make_batch([encode(text) for text in texts], [np.ones(len(text) + 1, bool) for text in texts])


def test_labels_stand_at_hidden_bytes_only_and_never_at_bos_or_padding():
    batch = batch_of_texts("ACGTNACGT", "GAT")
    hidden, labels = hide(batch, torch.ones_like(batch.mask))
    letters = batch.mask & (batch.ids != BOS)
    assert torch.equal(labels >= 0, letters)
    assert torch.equal(labels[letters], batch.ids[letters])
    assert (hidden.ids[letters] == MASK).all()
    assert (hidden.ids[:, 0] == BOS).all()
    assert (hidden.ids[~batch.mask] == PAD).all()
    assert torch.equal(hidden.starts, batch.starts)
    shown, none = hide(batch, torch.zeros_like(batch.mask))
    assert torch.equal(shown.ids, batch.ids)
    assert (none < 0).all()


def test_a_random_share_is_hidden_as_a_function_of_its_counters():
    batch = batch_of_texts(*["ACGT" * 250] * 20)
    hidden, labels = hide_some(batch, 0.15, "hidden", 1, 7)
    assert (labels >= 0).sum() / 20_000 == pytest.approx(0.15, abs=0.01)
    assert torch.equal(hidden.ids == MASK, labels >= 0)
    again, other = hide_some(batch, 0.15, "hidden", 1, 7)[1], hide_some(batch, 0.15, "hidden", 1, 8)[1]
    assert torch.equal(labels, again)
    assert not torch.equal(labels, other)
    assert not torch.equal(labels[0], labels[1])
    state = torch.random.get_rng_state()
    hide_some(batch, 0.15, "hidden", 2)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert (hide_some(batch, 0.5, "hidden", 1, 7)[1] >= 0).sum() / 20_000 == pytest.approx(0.5, abs=0.02)


def test_what_is_hidden_does_not_depend_on_the_letters():
    first, second = (hide_some(batch_of_texts(text), 0.3, "x", 1)[1] for text in ("ACGT" * 50, "TTAG" * 50))
    assert torch.equal(first >= 0, second >= 0)


@pytest.mark.parametrize("stride", [1, 2, 7])
def test_strided_masks_hide_each_base_once(stride):
    batch = batch_of_texts("ACGTNACGTACG", "GATTA", "")
    letters = batch.mask & (batch.ids != BOS)
    times = torch.zeros_like(batch.ids)
    for offset in range(stride):
        hidden, labels = hide_strided(batch, torch.full((3, 1), offset), stride)
        assert torch.equal(hidden.ids == MASK, labels >= 0)
        assert (labels[0] >= 0).nonzero().flatten().tolist() == list(range(1 + offset, 13, stride))
        times += labels >= 0
    assert torch.equal(times, letters.long())


def test_each_row_has_an_offset_of_its_own():
    batch = batch_of_texts("ACGTACGTACG", "ACGTACGTACG", "ACGTACGTACG")
    _, labels = hide_strided(batch, torch.tensor([[0], [3], [9]]), 7)
    first = [row.nonzero().flatten().tolist() for row in labels >= 0]
    assert first == [[1, 8], [4, 11], [3, 10]]


def test_causal_labels_are_the_ids_without_padding():
    batch = batch_of_texts("ACGT", "GA")
    assert label_ids(batch).tolist() == [[BOS, *b"ACGT"], [BOS, *b"GA", -100, -100]]
