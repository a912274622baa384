"""Rows of records: each piece once an epoch, alike in length or packed, the same in parts as whole."""

import itertools
from collections import Counter

import numpy as np
import pytest
import torch
from small_runs import settings_of

from genomelm.errors import InputError
from genomelm.models.encoding import make_batch
from genomelm.patching.patcher import Patcher, PatcherConfig
from genomelm.seq.alphabet import BOS, decode, reverse_complement
from genomelm.seq.records import Records
from genomelm.training.pieces import GROWTH, Pieces, padded_classes
from genomelm.training.pretrain import new_model
from genomelm.training.record_rows import RecordRows

REACH = 9
WINDOW = 200


@pytest.fixture(scope="module")
def reads(tmp_path_factory):
    """300 records of 1 to 500 letters, all different."""
    folder = tmp_path_factory.mktemp("reads")
    random = np.random.default_rng(8)
    sequences = ["".join(random.choice(list("ACGT"), n)) for n in random.integers(1, 500, 300)]
    (folder / "r.fa").write_text("".join(f">r{n}\n{text}\n" for n, text in enumerate(sequences)))
    return Records(folder / "r.fa", "dna", None, folder / "cache"), sequences


def everything(groups):
    return np.ones(len(groups), bool)


@pytest.fixture
def rows(reads):
    patcher = Patcher(PatcherConfig("fixed_stride", stride=6))

    def make(reach=None, kept=everything, split="all", step_rows=8, **more):
        return RecordRows(reads[0], patcher, WINDOW, kept, split, step_rows, reach, **more)

    return make


def pieces_of(sequences):
    return [text[i : i + WINDOW] for text in sequences for i in range(0, len(text), WINDOW)]


def texts(batch):
    """Return the letters of each record of a batch."""
    found = []
    for row, mask in zip(batch.ids, batch.mask, strict=True):
        letters = row[mask].numpy()
        begins = [*np.flatnonzero(letters == BOS), len(letters)]
        found += [decode(letters[a:b]) for a, b in itertools.pairwise(begins)]
    return found


def test_pieces_cover_each_record_once_sorted_into_classes(reads, tmp_path):
    records, sequences = reads
    classes = padded_classes(WINDOW)
    pieces = Pieces(records, WINDOW, classes, everything, "pieces")
    found = [decode(records.ids(s, s + n)) for s, n in zip(pieces.starts, pieces.sizes, strict=True)]
    assert Counter(found) == Counter(pieces_of(sequences))
    for number, (low, high) in enumerate(itertools.pairwise(pieces.edges)):
        sizes = pieces.sizes[low:high]
        assert (sizes <= classes[number]).all()
        assert not number or (sizes > classes[number - 1]).all()
    assert (pieces.letters, pieces.records) == (sum(map(len, sequences)), 300)


@pytest.mark.parametrize("reach", [None, REACH])
@pytest.mark.parametrize("size", [5, 8])
def test_an_epoch_has_each_piece_once_and_the_next_one_another_order(rows, reads, reach, size):
    made = rows(reach, step_rows=size)
    found, steps = [], -(-3 * made.rows // size)
    for step in range(steps):
        batch = made.epoch_batch(step * size, size, "x", 1)
        assert len(batch.ids) == size
        found += texts(batch)
    count, expected = len(made.pieces), Counter(pieces_of(reads[1]))
    epochs = [found[i * count : (i + 1) * count] for i in range(3)]
    assert all(Counter(epoch) == expected for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    assert found != [text for step in range(steps) for text in texts(made.epoch_batch(step * size, size, "x", 2))]


def test_rows_of_a_step_are_alike_in_length(rows):
    made = rows()
    for batch in (*(made.epoch_batch(8 * n, 8, "x") for n in range(40)), *(made.random_batch(8, n) for n in range(40))):
        lengths = batch.mask.sum(1) - 1
        if lengths.max() > 40:  # those shorter make one class
            assert lengths.max() <= lengths.min() * GROWTH**2 + 2  # at most two neighbouring classes in a step
    shares = [float(batch.mask.sum() / batch.mask.numel()) for batch in (made.random_batch(8, n) for n in range(200))]
    assert np.mean(shares) > 0.9


def test_random_rows_take_every_piece_equally_often(rows):
    for made in (rows(), rows(REACH)):
        times = Counter(text for step in range(1500) for text in texts(made.random_batch(8, "x", step)))
        longest = [times[text] for text in pieces_of([*times]) if len(text) > 150]
        shortest = [times[text] for text in pieces_of([*times]) if 10 < len(text) < 60]
        assert np.mean(longest) == pytest.approx(np.mean(shortest), rel=0.12)


@pytest.mark.parametrize("reach", [None, REACH])
@pytest.mark.parametrize("draw", ["random_batch", "epoch_batch"])
def test_parts_of_a_step_are_its_rows(rows, reach, draw):
    made = rows(reach, both_strands=True)
    given = (8, "x", 3) if draw == "random_batch" else (10_000, 8, "x", 3)
    whole = texts(getattr(made, draw)(*given))
    halves = [texts(getattr(made, draw)(*given, mine=slice(*ends))) for ends in ((0, 2), (2, 4), (4, 8))]
    assert [text for half in halves for text in half] == whole


def test_strands_are_read_when_asked_for_and_change_from_epoch_to_epoch(rows, reads):
    forward, either = rows(), rows(both_strands=True)
    known = set(pieces_of(reads[1]))
    first, second = (
        {t for s in range(0, e.rows, 8) for t in texts(e.epoch_batch(s, 8, "x"))} for e in (forward, either)
    )
    assert first <= known
    turned = {text for text in second if text not in known}
    assert turned <= set(map(reverse_complement, known))
    assert len(turned) / len(second) == pytest.approx(0.5, abs=0.1)
    later = {t for s in range(either.rows, 2 * either.rows, 8) for t in texts(either.epoch_batch(s, 8, "x"))}
    assert len(turned & later) <= 16  # those of the steps that two epochs share


def test_conjoined_rows_have_the_patches_of_the_other_strand(rows):
    batch = rows().random_batch(4, "x", conjoined=True)
    assert batch.reverse.shape == batch.starts.shape
    assert batch.reverse[:, :2].all()


def test_packed_rows_are_full_and_hold_their_records_apart(rows):
    made = rows(REACH)
    for step in range(20):
        batch = made.random_batch(4, "x", step)
        assert batch.ids.shape == (4, WINDOW + 1)
        for row in batch.records:
            numbers = row[row >= 0].unique()
            assert len(numbers) >= 1
    assert max(len(batch.records[0].unique()) for batch in (made.random_batch(1, n) for n in range(50))) > 2


@pytest.mark.parametrize("objective", ["causal", "masked"])
def test_the_loss_of_packed_rows_is_that_of_the_records_alone(rows, reads, objective):
    patcher = Patcher(PatcherConfig("fixed_stride", stride=6))
    model = new_model(settings_of("hyena_glt", objective), patcher, 1).eval()
    made = rows(model.shell.reach, both_strands=True)
    batch = made.random_batch(16, "x", 0)
    labels = torch.where(batch.mask, batch.ids, -100)
    total, count = 0.0, 0
    for text in texts(batch):
        ids = np.frombuffer(text.encode(), np.uint8).astype(np.int64)
        single = make_batch([ids], [patcher.marks(ids)])
        wanted = torch.where(single.mask, single.ids, -100)
        scored = int((model.head.targets(wanted) >= 0).sum())
        total += model(**single.inputs(), labels=wanted).loss.item() * scored
        count += scored
    assert len(texts(batch)) > 16
    with torch.no_grad():
        assert float(model(**batch.inputs(), labels=labels).loss) == pytest.approx(total / count, rel=1e-5)


def test_a_split_has_its_groups_alone_and_an_empty_one_is_refused(rows, reads):
    records, sequences = reads
    half = rows(kept=lambda groups: groups % np.uint64(2) == 0, split="even")
    found = {text for start in range(0, half.rows, 8) for text in texts(half.epoch_batch(start, 8, "x"))}
    expected = [text for text, group in zip(sequences, records.groups, strict=True) if group % np.uint64(2) == 0]
    assert found == set(pieces_of(expected))
    with pytest.raises(InputError, match="none of its 300 records is in the split none"):
        rows(kept=lambda groups: np.zeros(len(groups), bool), split="none")
