"""Fine-tuning: the order of examples, strands, and the segmentation of a reference."""

import numpy as np
import pytest
import torch

from genomelm.seq.alphabet import encode, reverse_complement
from genomelm.tasks.config import TaskConfig
from genomelm.tasks.examples import Examples
from genomelm.training.config import TrainConfig
from genomelm.training.finetune import TaskBatches, _rows, finetune, predict_task, task_model

CPU = torch.device("cpu")


@pytest.mark.parametrize(("count", "size"), [(10, 3), (7, 7), (5, 12), (1, 4)])
def test_each_epoch_sees_every_example_once(count, size):
    steps = 3 * count
    seen = np.concatenate([_rows(step, size, count, seed=1) for step in range(steps)])
    assert len(seen) == steps * size
    for epoch in range(len(seen) // count):
        assert sorted(seen[epoch * count : (epoch + 1) * count]) == list(range(count))


def test_the_order_is_a_function_of_seed_and_step():
    assert np.array_equal(_rows(5, 4, 50, seed=1), _rows(5, 4, 50, seed=1))
    assert not np.array_equal(_rows(5, 4, 50, seed=1), _rows(5, 4, 50, seed=2))


def test_examples_of_the_reference_s_length_take_its_patches(tiny_patcher, tiny_sequence):
    reference, mutant, longer = tiny_sequence[:60], "A" + tiny_sequence[100:159], tiny_sequence[:70]
    batches = TaskBatches(TaskConfig("t", reference=reference), tiny_patcher)
    assert np.array_equal(batches.marks(encode(mutant)), tiny_patcher.marks(encode(reference)))
    assert np.array_equal(batches.marks(encode(longer)), tiny_patcher.marks(encode(longer)))


def test_rows_flagged_for_the_other_strand_are_reverse_complemented(tiny_patcher, tiny_sequence):
    batches = TaskBatches(TaskConfig("t", two_strands=True), tiny_patcher)
    record = encode(tiny_sequence[:40])
    batch = batches.batch([record, record], np.array([False, True]))
    assert np.array_equal(batch.ids[0, 1:], record)
    assert np.array_equal(batch.ids[1, 1:], encode(reverse_complement(tiny_sequence[:40])))


def examples(generator, count=160):
    texts = tuple("".join(generator.choice(list("ACGT"), 24)) for _ in range(count))
    labels = np.array([t.count("G") - t.count("A") for t in texts], float) * 3 + 50
    splits = np.array((["train"] * 5 + ["validation", "test", "test"]) * (count // 8))
    return Examples(tuple(map(str, range(count))), texts, labels, splits)


def test_two_strand_predictions_are_the_mean_of_both_readings(language_model, tiny_sequence):
    task = TaskConfig("t", kind="sequence_classification", two_strands=True)
    model = task_model(language_model, task, np.array([0.0, 1.0]), seed=1).eval()
    batches = TaskBatches(task, model.patcher)
    texts = [tiny_sequence[i : i + 30] for i in (0, 500)]
    both = predict_task(model, batches, [encode(t) for t in texts], CPU)
    flipped = predict_task(model, batches, [encode(reverse_complement(t)) for t in texts], CPU)
    assert both == pytest.approx(flipped, abs=1e-6)
    one = predict_task(model, TaskBatches(TaskConfig("t"), model.patcher), [encode(t) for t in texts], CPU)
    assert one != pytest.approx(both, abs=1e-6)


def test_a_regression_is_learned_in_the_labels_units_and_shuffled_labels_are_not(language_model, tmp_path):
    generator = np.random.default_rng(0)
    data = examples(generator)
    config = TrainConfig(steps=120, batch_size=16, learning_rate=5e-3, latent_rate=1.0, evaluate_every=60)
    task = TaskConfig("t")
    model, log, predicted = finetune(language_model, task, data, config, 1, tmp_path / "a", CPU, "x")
    truth = data.where("test").labels
    assert np.corrcoef(predicted, truth)[0, 1] > 0.6
    assert abs(predicted.mean() - truth.mean()) < truth.std()
    assert [row["step"] for row in log] == [60, 120]
    shuffled = Examples(data.names, data.sequences, generator.permutation(data.labels), data.splits)
    _, _, noise = finetune(language_model, task, shuffled, config, 1, tmp_path / "b", CPU, "x")
    assert abs(np.corrcoef(noise, truth)[0, 1]) < 0.5
    assert model.config.head["mean"] == pytest.approx(data.where("train").labels.mean())
