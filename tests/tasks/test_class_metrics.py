"""Metrics of several classes, labels and outputs, against scikit-learn and counts by hand; their baselines."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import accuracy_score, matthews_corrcoef, roc_auc_score

from genomelm.tasks.baselines import baseline_predictions
from genomelm.tasks.config import TaskConfig
from genomelm.tasks.examples import Examples
from genomelm.tasks.judge import judge, measures
from genomelm.tasks.metrics import METRICS, RESAMPLED, compare, entries, measured

GENERATOR = np.random.default_rng(0)
LABELS = GENERATOR.integers(0, 4, 200).astype(float)
LOGITS = np.round(GENERATOR.normal(size=(200, 4)) + 1.5 * np.eye(4)[LABELS.astype(int)], 1)
MANY = GENERATOR.integers(0, 2, (200, 3)).astype(float)
MANY_LOGITS = np.round(MANY * [2.0, 1.0, 0.0] + GENERATOR.normal(size=(200, 3)), 1)


def test_metrics_of_classes_are_those_of_scikit_learn():
    expected = roc_auc_score(LABELS, softmax(LOGITS, 1), multi_class="ovr", average="macro")
    assert METRICS["macro_auroc"](LABELS, LOGITS) == pytest.approx(expected)
    assert METRICS["accuracy"](LABELS, LOGITS) == pytest.approx(accuracy_score(LABELS, LOGITS.argmax(1)))
    assert METRICS["mcc"](LABELS, LOGITS) == pytest.approx(matthews_corrcoef(LABELS, LOGITS.argmax(1)))
    two, logit = MANY[:, 0], MANY_LOGITS[:, 0]
    assert METRICS["accuracy"](two, logit) == pytest.approx(accuracy_score(two, logit > 0))
    assert METRICS["mcc"](two, logit) == pytest.approx(matthews_corrcoef(two, logit > 0))
    assert METRICS["macro_auroc"](MANY, MANY_LOGITS) == pytest.approx(roc_auc_score(MANY, MANY_LOGITS, average="macro"))


def test_several_numbers_are_measured_column_by_column():
    numbers = GENERATOR.normal(size=(100, 2))
    found = numbers + GENERATOR.normal(size=(100, 2)) * [0.1, 5.0] + [0, 100]
    columns = [np.corrcoef(numbers[:, k], found[:, k])[0, 1] for k in range(2)]
    assert METRICS["mean_pearson"](numbers, found) == pytest.approx(np.mean(columns))
    assert measured("mean_pearson", numbers, found) == pytest.approx(np.mean(columns))


def test_labels_that_are_nan_are_left_out_of_a_correlation():
    numbers, found = GENERATOR.normal(size=(2, 50))
    some = np.where(np.arange(50) % 3 == 0, np.nan, numbers)
    kept = np.arange(50) % 3 != 0
    assert METRICS["pearson"](some, found) == pytest.approx(np.corrcoef(numbers[kept], found[kept])[0, 1])


@pytest.mark.parametrize(
    ("metric", "labels", "predictions"),
    [("macro_auroc", LABELS, LOGITS), ("macro_auroc", MANY, MANY_LOGITS), ("accuracy", LABELS, LOGITS),
     ("mcc", LABELS, LOGITS), ("mcc", MANY[:, 0], MANY_LOGITS[:, 0]), ("accuracy", MANY[:, 0], MANY_LOGITS[:, 0]),
     ("mean_pearson", MANY, MANY_LOGITS)],
)  # fmt: skip
def test_a_resampled_metric_is_the_metric_of_the_drawn_rows(metric, labels, predictions):
    measure = RESAMPLED[metric](labels, predictions)
    for seed in range(10):
        rows = np.random.default_rng(seed).integers(0, 200, 200)
        expected = METRICS[metric](labels[rows], predictions[rows])
        assert measure(np.bincount(rows, minlength=200)) == pytest.approx(expected)


def test_a_class_that_was_not_drawn_is_left_out_of_the_mean():
    counts = (LABELS != 3).astype(int)
    chances, kept = softmax(LOGITS, 1), LABELS != 3
    expected = np.mean([roc_auc_score(LABELS[kept] == k, chances[kept, k]) for k in range(3)])
    assert RESAMPLED["macro_auroc"](LABELS, LOGITS)(counts) == pytest.approx(expected)


def test_entries_are_rows_for_metrics_of_columns_and_labels_for_others():
    bases, of_bases = np.zeros((5, 7)), np.zeros((5, 7, 3))
    assert [x.shape for x in entries("macro_auroc", bases, of_bases)] == [(35,), (35, 3)]
    assert [x.shape for x in entries("macro_auroc", MANY, MANY_LOGITS)] == [(200, 3), (200, 3)]
    assert [x.shape for x in entries("accuracy", MANY, MANY_LOGITS)] == [(600,), (600,)]
    assert [x.shape for x in entries("mean_pearson", MANY, MANY_LOGITS)] == [(200, 3), (200, 3)]


def test_intervals_hold_the_value_and_a_better_model_is_told_from_noise():
    noise = np.random.default_rng(1).normal(size=LOGITS.shape)
    compared = compare("macro_auroc", LABELS, np.stack([LOGITS]), {"noise": noise})
    assert compared["model"]["low"] < compared["model"]["value"] < compared["model"]["high"]
    assert compared["differences"]["noise"]["low"] > 0
    bases = LABELS.reshape(40, 5)
    same = compare("macro_auroc", bases, LOGITS.reshape(1, 40, 5, 4), {})["model"]
    assert same["value"] == pytest.approx(compared["model"]["value"])


def parts(count, texts, labels):
    splits = np.array((["train"] * 5 + ["validation", "test"]) * (count // 7))
    return Examples(tuple(map(str, range(count))), tuple(texts), np.asarray(labels, float), splits)


def drawn(count, length=20, seed=3):
    generator = np.random.default_rng(seed)
    return ["".join(generator.choice(list("ACGT"), length)) for _ in range(count)]


CLASSES = TaskConfig("c", "sequence_classification", label_column="y", classes=("a", "g", "t"))
LABELLED = TaskConfig("l", "sequence_classification", label_columns=("g", "t"))
NUMBERS = TaskConfig("n", label_columns=("g", "t"))


@pytest.mark.parametrize("task", [CLASSES, LABELLED, NUMBERS], ids=lambda task: task.name)
def test_baselines_learn_classes_labels_and_several_numbers(task):
    texts = drawn(700)
    g, t, a = (np.array([text.count(letter) for text in texts]) for letter in "GTA")
    labels = {"c": np.argmax([a, g, t], 0), "l": np.stack([g > 5, t > 5], 1), "n": np.stack([g - 3.0, 10.0 * t], 1)}
    examples = parts(700, texts, labels[task.name])
    test = examples.where("test")
    found = baseline_predictions(task, examples)
    for values in found.values():
        assert values.shape == (100, task.outputs)
        assert measured(task.metric, test.labels, values) > 0.85
    assert ("additive_one_hot" in found) == (task.kind == "regression")
    judged = judge(task, examples, found[task.kmer_baseline][None])
    assert judged["metrics"].keys() == set(task.metrics)
    assert judged["difference"]["value"] == pytest.approx(0) or judged["difference"]["baseline"] == "additive_one_hot"
    alone = measures(task, test.labels, found[task.kmer_baseline])
    assert {name: entry["value"] for name, entry in alone.items()} == pytest.approx(
        {name: entry["model"]["value"] for name, entry in judged["metrics"].items()}
    )


def test_a_track_s_baseline_leaves_bases_without_a_value_out():
    texts = drawn(140, 60)
    labels = np.array([[2.0 * (c == "G") - (c == "A") for c in text] for text in texts])
    labels[::9, :30] = np.nan
    task = TaskConfig("t", source="bigwig", per_base=True, window=60, token_step=3)
    examples = parts(140, texts, labels)
    found = baseline_predictions(task, examples)
    assert found.keys() == {"kmer_1_6"}
    assert found["kmer_1_6"].shape == (20, 20)
    assert np.isfinite(found["kmer_1_6"]).all()
