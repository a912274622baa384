"""Metrics with intervals, and the plain opponents."""

import numpy as np
import pytest

from genomelm.seq.alphabet import reverse_complement
from genomelm.tasks.baselines import baseline_predictions, kmer_frequencies, one_hot
from genomelm.tasks.config import TaskConfig
from genomelm.tasks.examples import Examples
from genomelm.tasks.metrics import METRICS, bootstrap_ratio, compare


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


def test_bootstrap_ratio_is_the_pooled_ratio():
    totals, counts = np.array([3.0, 1.0, 8.0]), np.array([2.0, 1.0, 4.0])
    result = bootstrap_ratio(totals, counts)
    assert result["value"] == pytest.approx(12 / 7)
    assert result["low"] <= result["value"] <= result["high"]


def test_kmer_frequencies_agree_with_a_count_by_hand():
    sequences = ("ACGTACGN", "TTTTTTTT", "AC")
    features = kmer_frequencies(sequences, 3).toarray()
    letters = "ACGT"
    offset = 0
    for k in range(1, 4):
        for code in range(4**k):
            kmer = "".join(letters[code // 4 ** (k - 1 - j) % 4] for j in range(k))
            for row, sequence in enumerate(sequences):
                places = len(sequence) - k + 1
                expected = sum(sequence[i : i + k] == kmer for i in range(places)) / max(places, 1)
                assert features[row, offset + code] == pytest.approx(expected, abs=1e-6)
        offset += 4**k


def test_one_hot_has_one_column_a_letter_and_position():
    assert one_hot(("AC", "NT")).toarray().tolist() == [[1, 0, 0, 0, 0, 1, 0, 0], [0, 0, 0, 0, 0, 0, 0, 1]]


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
