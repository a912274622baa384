"""Metrics with intervals, and the plain opponents."""

import numpy as np
import pytest

from genomelm.seq.alphabet import reverse_complement
from genomelm.tasks.baselines import baseline_predictions
from genomelm.tasks.config import TaskConfig
from genomelm.tasks.examples import Examples
from genomelm.tasks.metrics import METRICS, RESAMPLED, bootstrap_ratio, compare


def test_auroc_counts_ordered_pairs():
    labels = np.array([0, 0, 1, 1, 1])
    predictions = np.array([0.1, 0.6, 0.5, 0.7, 0.7])
    pairs = [(p > n) + 0.5 * (p == n) for p in predictions[labels == 1] for n in predictions[labels == 0]]
    assert METRICS["auroc"](labels, predictions) == pytest.approx(np.mean(pairs))


def test_a_better_model_has_a_paired_difference_above_zero_and_noise_has_not():
    generator = np.random.default_rng(0)
    labels = generator.normal(size=800)
    good, weak, same = (labels + generator.normal(size=(3, 800)) * s for s in (0.5, 2.0, 2.0))
    compared = compare("pearson", labels, good, {"weak": weak[0]})
    assert compared["differences"]["weak"]["low"] > 0
    assert compared["model"]["low"] < compared["model"]["value"] < compared["model"]["high"]
    level = compare("pearson", labels, same, {"weak": weak[0]})["differences"]["weak"]
    assert level["low"] < 0 < level["high"]


def test_more_labels_an_example_are_measured_flat_and_resampled_together():
    generator = np.random.default_rng(3)
    labels = (generator.random((60, 5)) < np.linspace(0, 1, 60)[:, None]).astype(float)
    run = labels + generator.normal(size=(1, 60, 5))
    compared = compare("auroc", labels, run, {"noise": generator.normal(size=(60, 5))})
    assert compared["model"]["value"] == pytest.approx(METRICS["auroc"](labels.ravel(), run[0].ravel()))
    assert compared["differences"]["noise"]["low"] > 0
    # examples whose labels are copies of one another tell no more than one label each
    one = compare("auroc", labels[:, :1], run[:, :, :1], {})["model"]
    copies = compare("auroc", np.repeat(labels[:, :1], 9, 1), np.repeat(run[:, :, :1], 9, 2), {})["model"]
    assert copies == pytest.approx(one)


@pytest.mark.parametrize("metric", ["auroc", "pearson"])
def test_a_resampled_metric_is_the_metric_of_the_drawn_entries(metric):
    generator = np.random.default_rng(4)
    labels = generator.integers(0, 2, 80).astype(float)
    predictions = np.round(labels + generator.normal(size=80), 1)  # with ties
    measure = RESAMPLED[metric](labels, predictions)
    for _ in range(20):
        rows = generator.integers(0, 80, 80)
        expected = METRICS[metric](labels[rows], predictions[rows])
        assert measure(np.bincount(rows, minlength=80)) == pytest.approx(expected, abs=1e-12)


def test_bootstrap_ratio_is_the_pooled_ratio():
    totals, counts = np.array([3.0, 1.0, 8.0]), np.array([2.0, 1.0, 4.0])
    result = bootstrap_ratio(totals, counts)
    assert result["value"] == pytest.approx(12 / 7)
    assert result["low"] <= result["value"] <= result["high"]


def planted(count, generator, kind):
    texts, labels = [], []
    for i in range(count):
        letters = generator.choice(list("ACGT"), 40)
        label = i % 2
        if label:
            letters[10:16] = list("TATAAT")
        text = "".join(letters)
        texts.append(reverse_complement(text) if kind and generator.random() < 0.5 else text)
        labels.append(label)
    return texts, labels


@pytest.mark.parametrize("two_strands", [False, True])
def test_baselines_find_a_planted_motif_and_not_shuffled_labels(two_strands):
    generator = np.random.default_rng(1)
    texts, labels = planted(900, generator, two_strands)
    splits = np.array(["train"] * 600 + ["validation"] * 100 + ["test"] * 200)
    task = TaskConfig("toy", kind="sequence_classification", two_strands=two_strands)
    names = tuple(map(str, range(900)))
    examples = Examples(names, tuple(texts), np.array(labels, float), splits)
    truth = examples.where("test").labels
    found = baseline_predictions(task, examples)["kmer_1_6"]
    assert METRICS["auroc"](truth, found) > 0.85
    shuffled = Examples(names, tuple(texts), generator.permutation(examples.labels), splits)
    assert METRICS["auroc"](truth, baseline_predictions(task, shuffled)["kmer_1_6"]) < 0.7


def test_the_additive_baseline_reads_positions():
    generator = np.random.default_rng(2)
    texts = tuple("".join(generator.choice(list("ACGT"), 20)) for _ in range(700))
    labels = np.array([(t[3] == "A") - (t[15] == "G") + 0.1 * generator.normal() for t in texts])
    splits = np.array(["train"] * 500 + ["validation"] * 100 + ["test"] * 100)
    examples = Examples(tuple(map(str, range(700))), texts, labels, splits)
    predicted = baseline_predictions(TaskConfig("toy"), examples)
    assert METRICS["pearson"](examples.where("test").labels, predicted["additive_one_hot"]) > 0.95


def parts(count, texts, labels, **fields):
    """Return the examples with 5/7 for training and 1/7 each for validation and test."""
    splits = np.array((["train"] * 5 + ["validation", "test"]) * (count // 7))
    return Examples(tuple(map(str, range(count))), tuple(texts), np.asarray(labels, float), splits, **fields)


@pytest.mark.parametrize(
    ("alphabet", "letters", "names"),
    [
        ("rna", "ACGU", {"kmer_1_6", "additive_one_hot"}),
        ("protein", "ACDEFGHIKLMNPQRSTVWY", {"kmer_1_2", "additive_one_hot"}),
    ],
)
def test_the_baselines_read_every_letter_of_their_alphabet(alphabet, letters, names):
    generator = np.random.default_rng(5)
    weight = dict(zip(letters, generator.normal(size=len(letters)), strict=True))
    texts = ["".join(generator.choice(list(letters), 9)) for _ in range(1400)]
    labels = [sum(map(weight.get, text)) for text in texts]
    examples = parts(1400, texts, labels, alphabet=alphabet)
    predicted = baseline_predictions(TaskConfig("toy", alphabet=alphabet), examples)
    assert predicted.keys() == names
    for values in predicted.values():
        assert METRICS["pearson"](examples.where("test").labels, values) > 0.9


def test_sequences_of_several_lengths_have_no_additive_baseline():
    generator = np.random.default_rng(6)
    texts = ["".join(generator.choice(list("ACGT"), 9 + i % 2)) for i in range(70)]
    examples = parts(70, texts, generator.normal(size=70))
    assert baseline_predictions(TaskConfig("toy"), examples).keys() == {"kmer_1_6"}


def test_effects_are_read_from_the_difference_to_each_wild_type():
    generator = np.random.default_rng(7)
    wild, mutants = (["".join(generator.choice(list("ACGT"), 12)) for _ in range(700)] for _ in range(2))
    labels = [m.count("G") - w.count("G") for m, w in zip(mutants, wild, strict=True)]
    task = TaskConfig("toy", kind="variant_effect", reference="A" * 12)
    examples = parts(700, mutants, labels, references=tuple(wild))
    for name, values in baseline_predictions(task, examples).items():
        assert METRICS["pearson"](examples.where("test").labels, values) > (0.99 if "hot" in name else 0.9)


@pytest.mark.parametrize("two_strands", [False, True])
def test_the_token_baseline_judges_each_step_th_base_by_what_is_around_it(two_strands, monkeypatch):
    generator = np.random.default_rng(8)
    labels = np.repeat(generator.integers(0, 2, (140, 4)), 128, axis=1)
    rich = generator.random(labels.shape) < np.where(labels == 1, 0.7, 0.3)
    letters = np.where(rich, generator.choice(list("GC"), labels.shape), generator.choice(list("AT"), labels.shape))
    examples = parts(140, ["".join(row) for row in letters], labels)
    task = TaskConfig(
        "toy",
        kind="token_classification",
        source="gff_tokens",
        window=512,
        token_step=32,
        two_strands=two_strands,
    )
    truth = examples.where("test").labels[:, ::32]
    predicted = baseline_predictions(task, examples)["kmer_1_6"]
    assert predicted.shape == truth.shape == (20, 16)
    assert METRICS["auroc"](truth.ravel(), predicted.ravel()) > 0.9
    monkeypatch.setattr("genomelm.tasks.baselines.TOKEN_BASES", 100)
    fewer = baseline_predictions(task, examples)["kmer_1_6"]
    assert not np.allclose(fewer, predicted)
    assert np.array_equal(fewer, baseline_predictions(task, examples)["kmer_1_6"])
