"""Examples as model inputs: strands, the segmentation of a reference, reference rows and labels."""

import numpy as np
import pytest

from genomelm.models.heads import IGNORED
from genomelm.patching.config import PatcherConfig
from genomelm.patching.patcher import Patcher
from genomelm.seq.alphabet import BOS, PAD, encode, reverse_complement
from genomelm.tasks.config import TaskConfig
from genomelm.tasks.examples import Examples
from genomelm.training.task_batches import TaskBatches

STRIDE = Patcher(PatcherConfig("fixed_stride", stride=3))


def examples(*texts, labels=None, references=()):
    labels = np.zeros(len(texts)) if labels is None else np.array(labels, float)
    splits = np.array(["train"] * len(texts))
    return Examples(tuple(map(str, range(len(texts)))), texts, labels, splits, references=references)


def test_examples_of_the_reference_s_length_take_its_patches(tiny_patcher, tiny_sequence):
    reference, mutant, longer = tiny_sequence[:60], "A" + tiny_sequence[100:159], tiny_sequence[:70]
    batches = TaskBatches(TaskConfig("t", reference=reference), tiny_patcher)
    starts = batches.batch(examples(mutant, longer), np.array([0, 1])).starts.numpy()
    assert np.array_equal(starts[0, 1:62], tiny_patcher.marks(encode(reference)))
    assert np.array_equal(starts[1, 1:72], tiny_patcher.marks(encode(longer)))


def test_rows_flagged_for_the_other_strand_are_reverse_complemented(tiny_patcher, tiny_sequence):
    batches = TaskBatches(TaskConfig("t", two_strands=True), tiny_patcher)
    given = examples("ACGTT", tiny_sequence[:40], tiny_sequence[50:80])
    batch = batches.batch(given, np.array([1, 1, 2]), np.array([False, True, True]))
    for row, text in enumerate((given.sequences[1], *map(reverse_complement, given.sequences[1:]))):
        assert np.array_equal(batch.ids[row, 1 : 1 + len(text)], encode(text))
        assert np.array_equal(batch.starts[row, 1 : 2 + len(text)], tiny_patcher.marks(encode(text)))
    assert batch.references == 0
    both = batches.batch(given, np.array([1, 2]), True)
    assert np.array_equal(both.ids, batch.ids[1:])


def test_sequences_are_read_in_the_task_s_alphabet():
    batches = TaskBatches(TaskConfig("t", alphabet="protein"), STRIDE)
    assert batches.batch(examples("MKXW"), np.array([0])).ids.tolist() == [[BOS, *b"MKXW"]]
    batches = TaskBatches(TaskConfig("t", alphabet="rna"), STRIDE)
    assert batches.batch(examples("ACGU"), np.array([0])).ids.tolist() == [[BOS, *b"ACGU"]]


def effects(**settings) -> TaskBatches:
    return TaskBatches(TaskConfig("t", kind="variant_effect", **settings), STRIDE)


def test_a_reference_that_all_share_stands_first_and_once():
    given = examples("ACGTA", "ACGTC", "ACCTA", references=("ACGTT",) * 3)
    batch = effects(reference="ACGTT").batch(given, np.array([2, 0]))
    assert batch.references == 1
    assert [bytes(row[1:].tolist()) for row in batch.ids] == [b"ACGTT", b"ACCTA", b"ACGTA"]
    assert batch.starts.any(1).all()


def test_references_that_differ_stand_first_in_the_order_of_their_alternates():
    given = examples("ACGTA", "AC", "ACCTA", references=("ACGTT", "ACG", "ACGTT"))
    batch = effects(reference="ACGTT").batch(given, np.array([1, 0]))
    assert batch.references == 2
    assert batch.ids[:, 1:4].tolist() == [[*b"ACG"], [*b"ACG"], [*b"AC", PAD], [*b"ACG"]]
    assert effects(reference="ACGTT").batch(given, np.array([0, 2])).references == 1


def test_alleles_of_the_reference_s_length_are_cut_like_it(tiny_patcher, tiny_sequence):
    wild = tiny_sequence[:60]
    mutant = wild[:30] + ("A" if wild[30] != "A" else "C") + wild[31:]
    assert not np.array_equal(tiny_patcher.marks(encode(mutant)), tiny_patcher.marks(encode(wild)))
    task = TaskConfig("t", kind="variant_effect", reference=wild)
    batch = TaskBatches(task, tiny_patcher).batch(examples(mutant, references=(wild,)), np.array([0]))
    assert np.array_equal(batch.starts[0], batch.starts[1])


def test_alleles_of_another_length_keep_the_patches_that_they_share_with_the_reference(tiny_patcher, tiny_sequence):
    wilds = tiny_sequence[:60], tiny_sequence[200:260]
    shorter, longer = wilds[0][:30] + wilds[0][37:], wilds[1][:30] + "GATC" + wilds[1][30:]
    task = TaskConfig("t", kind="variant_effect", reference=wilds[0])
    given = examples(shorter, longer, references=wilds)
    starts = TaskBatches(task, tiny_patcher).batch(given, np.array([0, 1])).starts.numpy()[:, 1:]
    assert np.array_equal(starts[2, :25], starts[0, :25])
    assert np.array_equal(starts[2, 35:54], starts[0, 42:61])
    assert np.array_equal(starts[3, :25], starts[1, :25])
    assert np.array_equal(starts[3, 38:65], starts[1, 34:61])
    assert not np.array_equal(starts[2, :54], tiny_patcher.marks(encode(shorter)))


def test_labels_of_bases_are_turned_with_their_row_and_leave_bos_out():
    task = TaskConfig("t", kind="token_classification", source="gff_tokens", two_strands=True, window=4, token_step=1)
    given = examples("ACGT", "TTGA", labels=[[1, 0, 0, 0], [0, 0, 1, 1]])
    labels = TaskBatches(task, STRIDE).labels(given, np.array([0, 1, 1]), np.array([True, False, True]))
    assert not labels.is_floating_point()  # by which IGNORED is told from a number
    assert labels.tolist() == [[IGNORED, 0, 0, 0, 1], [IGNORED, 0, 0, 1, 1], [IGNORED, 1, 1, 0, 0]]


@pytest.mark.parametrize("kind", ["sequence_classification", "regression"])
def test_labels_of_sequences_do_not_depend_on_the_strand(kind):
    batches = TaskBatches(TaskConfig("t", kind=kind, two_strands=True), STRIDE)
    given = examples("ACGT", "TTGA", "C", labels=[1, 0, 2.5])
    assert batches.labels(given, np.array([2, 0]), np.array([True, False])).tolist() == [2.5, 1]
