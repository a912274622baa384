"""Scores that are asked for by name: pseudo-likelihoods and distances of what a model makes of the bases."""

import numpy as np
import pytest
import torch

import genomelm
from genomelm.errors import UsageError
from genomelm.models.encoding import HIDDEN_STRIDE, make_batch
from genomelm.scoring.alleles import other_strand, read_pair
from genomelm.scoring.embedding import AROUND
from genomelm.scoring.scorer import EFFECTS, scorer_for
from genomelm.seq.alphabet import MASK, encode
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.seq.variant import Variant

OTHER = {"A": "C", "C": "G", "G": "T", "T": "A"}


@pytest.fixture(scope="module")
def pairs(masked_model, tiny_fasta):
    """An SNV, an insertion and a deletion at each of two places."""
    with Genome(tiny_fasta) as genome:
        scorer, found = scorer_for(masked_model, width=200), []
        for place in (500, 777):
            ref = genome.fetch(Interval("c1", place, place + 4)).upper()
            for alleles in ((ref[0], OTHER[ref[0]]), (ref[0], ref[0] + "GATTA"), (ref, ref[0])):
                found.append(scorer.pair(genome, Variant("c1", place + 1, *alleles)))
        return found


def states(model, window) -> np.ndarray:
    with torch.no_grad():
        return model(**make_batch([window.ids], [window.marks]).inputs()).hidden_states[0, 1:].double().numpy()


def test_distances_are_those_of_the_mean_states_around_the_change(masked_model, language_model, task_models, pairs):
    for model in (masked_model, language_model, task_models[0]):
        cosine, euclidean = (
            scorer_for(model, 200, strands="forward", effect=name).score(pairs)
            for name in ("embedding", "embedding_l2")
        )
        for number, pair in enumerate(pairs):
            means = [
                states(model, window)[pair.offset - AROUND : pair.offset + length + AROUND].mean(0)
                for window, length in zip(read_pair(model, pair), (pair.ref_length, pair.alt_length), strict=True)
            ]
            assert euclidean[number] == pytest.approx(np.linalg.norm(means[0] - means[1]), abs=1e-5)
            angle = means[0] @ means[1] / np.linalg.norm(means[0]) / np.linalg.norm(means[1])
            assert cosine[number] == pytest.approx(1 - angle, abs=1e-6)
            assert euclidean[number] > 1e-3


def test_a_reference_is_read_once_for_all_changes_in_its_window(masked_model, pairs, monkeypatch):
    rows = []
    forward = type(masked_model).forward
    monkeypatch.setattr(
        type(masked_model), "forward", lambda m, **b: rows.append(len(b["input_ids"])) or forward(m, **b)
    )
    scorer_for(masked_model, 200, strands="forward", effect="embedding").score(pairs)
    assert sum(rows) == len({pair.window for pair in pairs}) + len(pairs)


def test_pseudo_likelihoods_hide_every_base_of_both_windows_once(masked_model, pairs):
    scorer = scorer_for(masked_model, 200, effect="pseudo_likelihood")
    assert scorer.tag == "GLM_PLLR"
    for pair, score in zip(pairs[:3], scorer.score(pairs[:3]), strict=True):
        ratios = []
        for strand in (pair, other_strand(pair)):
            sums, same = [], min(len(strand.ref), len(strand.alt))
            for window in read_pair(masked_model, strand):
                total = 0.0
                for first in range(HIDDEN_STRIDE):
                    ids = window.ids.copy()
                    ids[first::HIDDEN_STRIDE] = MASK
                    with torch.no_grad():
                        logits = masked_model(**make_batch([ids], [window.marks]).inputs()).logits[
                            0, 1:, encode("ACGT")
                        ]
                    log_p = torch.log_softmax(logits.double(), -1).numpy()
                    for place in range(first, same, HIDDEN_STRIDE):
                        total += log_p[place, "ACGT".index(chr(window.ids[place]))]
                sums.append(total)
            ratios.append(sums[1] - sums[0])
        assert score == pytest.approx(np.mean(ratios), abs=1e-4)
        assert abs(score) > 1e-3


def test_an_effect_that_is_unknown_or_of_another_model_is_refused(language_model, masked_model):
    with pytest.raises(UsageError, match="'loss' is unknown; choose model, "):
        scorer_for(language_model, effect="loss")
    with pytest.raises(UsageError, match="needs a masked language model"):
        scorer_for(language_model, effect="pseudo_likelihood")
    assert len({scorer_for(masked_model, effect=name).tag for name in EFFECTS}) == len(EFFECTS)


def test_the_interface_takes_an_effect(language_model, tiny_fasta):
    with Genome(tiny_fasta) as genome:
        base = genome.fetch(Interval("c1", 500, 501)).upper()
        variants = [Variant("c1", 501, base, OTHER[base])]
        scorer = scorer_for(language_model, 64, effect="embedding")
        expected = scorer.score([scorer.pair(genome, variants[0])])
    found = genomelm.score_variants(language_model, tiny_fasta, variants, width=64, effect="embedding")
    assert found.score.to_numpy() == pytest.approx(expected)
