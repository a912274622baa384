"""Tasks that label bases are judged at every so many-th base, windows resampled whole."""

import dataclasses

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from genomelm.tasks.config import TaskConfig
from genomelm.tasks.examples import Examples
from genomelm.tasks.judge import judge

TASK = TaskConfig("genes", "token_classification", "gff_tokens", window=40, token_step=8, target_over_baseline=0.02)


@pytest.fixture(scope="module")
def examples() -> Examples:
    """Windows of 40 bases; the labelled half of each is rich in G and C."""
    random = np.random.default_rng(0)
    labels = np.repeat(random.integers(0, 2, (64, 2)), 20, axis=1).astype(float)
    labels[:, 5] = 1 - labels[:, 5]  # no judged base: it must have no part
    rich = random.random(labels.shape) < np.where(labels == 1, 0.7, 0.3)
    letters = np.where(rich, random.choice(list("GC"), labels.shape), random.choice(list("AT"), labels.shape))
    splits = np.array((["train"] * 5 + ["validation", "test", "test"]) * 8)
    return Examples(tuple(map(str, range(64))), tuple(map("".join, letters)), labels, splits)


def test_the_metric_reads_the_judged_bases_of_all_windows(examples):
    truth = examples.where("test").labels[:, ::8]
    predictions = truth + np.random.default_rng(1).normal(0, 1, (3, *truth.shape))
    found = judge(TASK, examples, predictions)
    seeds = [roc_auc_score(truth.ravel(), run.ravel()) for run in predictions]
    assert found["model"]["seeds"] == pytest.approx(seeds)
    assert found["model"]["value"] == pytest.approx(np.mean(seeds))
    assert found["model"]["low"] < found["model"]["value"] < found["model"]["high"]
    assert (found["task"], found["kind"], found["metric"]) == ("genes", "token_classification", "auroc")
    assert (found["alphabet"], found["n_train"], found["n_test"]) == ("dna", 40, 16)


def test_it_stands_beside_the_k_mers_around_each_base(examples):
    truth = examples.where("test").labels[:, ::8]
    found = judge(TASK, examples, truth[None])
    assert found["model"]["value"] == 1
    assert set(found["baselines"]) == {"kmer_1_6"}
    baseline = found["baselines"]["kmer_1_6"]["value"]
    assert 0.6 < baseline < 1
    assert found["difference"]["baseline"] == "kmer_1_6"
    assert found["difference"]["value"] == pytest.approx(1 - baseline)
    assert found["target"] == {"text": "auroc >= kmer_1_6 + 0.02", "value": pytest.approx(baseline + 0.02)}
    fixed = judge(dataclasses.replace(TASK, target=0.9, target_over_baseline=None), examples, truth[None])
    assert fixed["target"] == {"text": "auroc >= 0.9", "value": 0.9}


def test_windows_are_resampled_whole(examples):
    """Where a window's bases are right or wrong together, its interval is wider than one of single bases."""
    truth = examples.where("test").labels[:, ::8]
    wrong = np.zeros(truth.shape, bool)
    wrong[::4] = True
    spread = np.random.default_rng(2).permutation(wrong.ravel()).reshape(truth.shape)
    widths = []
    for flipped in (wrong, spread):
        model = judge(TASK, examples, np.where(flipped, 1 - truth, truth)[None])["model"]
        widths.append(model["high"] - model["low"])
    assert widths[0] > 1.3 * widths[1]
