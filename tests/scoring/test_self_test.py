"""The test before a run on a GPU: its variants, and that a device which scores otherwise is found out."""

import copy

import numpy as np
import pytest
import torch

from genomelm.errors import NumericalError
from genomelm.scoring.scorer import scorer_for
from genomelm.scoring.self_test import COUNT, compare, on_cpu, sample, self_test
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval


@pytest.fixture(scope="module")
def genome(tiny_fasta):
    with Genome(tiny_fasta) as opened:
        yield opened


def test_the_sample_has_substitutions_and_indels_and_is_always_the_same(language_model, task_models, genome):
    scorer = scorer_for(language_model, 64)
    pairs = sample(scorer, genome)
    assert len(pairs) == COUNT
    assert pairs == sample(scorer, genome)
    kinds = [np.sign(pair.alt_length - pair.ref_length) for pair in pairs]
    assert {kind: kinds.count(kind) for kind in (-1, 0, 1)} == {-1: COUNT // 4, 0: COUNT // 2, 1: COUNT // 4}
    fixed = scorer_for(task_models[0], window=Interval("c1", 300, 340))
    assert len(sample(fixed, genome)) == 40


def test_a_copy_on_the_cpu_scores_the_same_and_a_changed_one_is_found_out(language_model, genome):
    scorer = scorer_for(language_model, 64)
    pairs = sample(scorer, genome)
    twin = on_cpu(scorer)
    assert twin.model is not scorer.model
    assert scorer.model.patcher is twin.model.patcher is not None
    compare(scorer, twin, pairs)
    with torch.no_grad():
        twin.model.head.out.weight[ord("A")] += 0.5
    with pytest.raises(NumericalError, match="of 64 random variants differ.*--device cpu"):
        compare(scorer, twin, pairs)


def test_no_number_on_one_device_alone_is_found_out(language_model, genome):
    scorer, broken = scorer_for(language_model, 64), scorer_for(copy.deepcopy(language_model), 64)
    with torch.no_grad():
        broken.model.head.out.weight.fill_(torch.nan)
    with pytest.raises(NumericalError, match="scores nan"):
        compare(broken, scorer, sample(scorer, genome))


def test_on_a_cpu_nothing_is_compared(language_model, genome, monkeypatch):
    scorer = scorer_for(language_model, 64)
    scored = []
    monkeypatch.setattr(scorer, "score", scored.append)
    self_test(scorer, genome)
    assert scored == []
