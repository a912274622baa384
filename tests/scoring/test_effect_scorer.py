"""Heads that read both alleles, and heads that label bases: what they score, and what they refuse."""

import copy

import numpy as np
import pytest
import torch

import genomelm
from genomelm.errors import UsageError
from genomelm.models.encoding import make_batch
from genomelm.scoring.alleles import WindowPair, other_strand, read_alone, read_pair
from genomelm.scoring.forward import pair_outputs, read_windows
from genomelm.scoring.scorer import EffectScorer, HeadScorer, scorer_for
from genomelm.seq.alphabet import reverse_complement
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.seq.variant import Variant
from genomelm.seq.window import allele_pair

WINDOW = Interval("c1", 300, 340, "-")
OTHER = {"A": "C", "C": "G", "G": "T", "T": "A"}
SEQUENCES = ["ACGTTGACATATAATGCAGG", "GATTACANNGATTACA", "A", ""]


@pytest.fixture(scope="module")
def genome(tiny_fasta):
    with Genome(tiny_fasta) as opened:
        yield opened


@pytest.fixture(scope="module")
def scorer(effect_model):
    return scorer_for(effect_model, width=40)


@pytest.fixture(scope="module")
def pairs(scorer, genome):
    found = []
    for place in (0, 500, 1200):
        ref = genome.fetch(Interval("c1", place, place + 4)).upper()
        alts = (
            (ref[0], OTHER[ref[0]]),
            (ref[:2], OTHER[ref[0]] + OTHER[ref[1]]),
            (ref[0], ref[0] + "GAT"),
            (ref, ref[0]),
        )
        found += [Variant("c1", place + 1, *alleles) for alleles in alts]
    return [scorer.pair(genome, variant) for variant in found]


def with_head(model, **head):
    """Return the same weights with other settings of the head."""
    model = copy.copy(model)
    model.config = copy.deepcopy(model.config)
    model.config.head |= head
    return model


def output(model, ref, alt) -> float:
    with torch.no_grad():
        batch = make_batch([ref.ids, alt.ids], [ref.marks, alt.marks], references=1)
        return model(**batch.inputs()).logits.item()


def test_the_score_is_the_output_for_the_reference_and_alternative_rows(effect_model, scorer, pairs):
    assert isinstance(scorer, EffectScorer)
    assert scorer.tag == "GLM_PAIR"
    for pair, score in zip(pairs, scorer.score(pairs), strict=True):
        assert score == pytest.approx(output(effect_model, *read_pair(effect_model, pair)), abs=1e-5)
        assert abs(score) > 1e-3


def test_a_head_that_learned_windows_of_a_length_reads_those(effect_model, genome):
    learned = with_head(effect_model, window=48)
    scorer = scorer_for(learned)
    base = genome.fetch(Interval("c1", 700, 701)).upper()
    variant = Variant("c1", 701, base, OTHER[base])
    pair = scorer.pair(genome, variant)
    assert pair == allele_pair(genome, variant, 48)
    assert scorer.provenance["window"] == "48 bases"
    assert scorer_for(effect_model).pair(genome, variant) != pair
    with pytest.raises(UsageError, match="learned variants in windows of 48 bases, not of 64"):
        scorer_for(learned, width=64)


def test_exchanging_the_alleles_changes_the_sign_and_no_change_scores_zero(effect_model, pairs):
    read = [read_pair(effect_model, pair) for pair in pairs]

    def scores(windows) -> np.ndarray:
        return np.concatenate(read_windows(effect_model, [WindowPair(*both) for both in windows], pair_outputs))

    assert np.abs(scores(read) + scores([(alt, ref) for ref, alt in read])).max() < 1e-5
    assert (scores([(ref, ref) for ref, _ in read]) == 0).all()
    for size in range(2, 30):
        alone = read_alone(effect_model, ("ACGTTGACATATAATGCAGG" * 2)[:size])
        assert scores([(alone, alone)]) == 0


def test_scores_do_not_depend_on_the_batch_or_on_a_shared_reference(scorer, genome, pairs):
    base = genome.fetch(Interval("c1", 700, 701))
    shared = [scorer.pair(genome, Variant("c1", 701, base, alt)) for alt in "ACGT" if alt != base]
    together = scorer.score([*pairs, *shared])
    alone = np.concatenate([scorer.score([pair]) for pair in [*pairs, *shared]])
    assert np.abs(together - alone).max() < 1e-5
    assert np.abs(scorer.score(shared) - alone[len(pairs) :]).max() < 1e-5


def test_both_strands_are_read_where_the_labels_hold_for_both(effect_model, genome, pairs):
    assert not scorer_for(effect_model, width=40).both_strands
    model = with_head(effect_model, two_strands=True)
    both = scorer_for(model, width=40)
    one = scorer_for(model, width=40, strands="forward")
    mean = (one.score(pairs) + one.score([other_strand(pair) for pair in pairs])) / 2
    assert np.abs(both.score(pairs) - mean).max() < 1e-5
    assert not scorer_for(model, window=WINDOW).both_strands


def test_saturation_and_attribution_of_a_fixed_window_agree(effect_model, genome, tiny_fasta):
    saturated = genomelm.saturate(effect_model, tiny_fasta, WINDOW, window=WINDOW)
    attributed = genomelm.attribute(effect_model, [genome.fetch(WINDOW)])[0]
    assert np.abs(saturated - attributed).max() < 1e-5
    assert ((saturated == 0).sum(1) == 1).all()


def test_a_sequence_is_compared_with_the_tasks_reference(effect_model):
    with pytest.raises(UsageError, match="no reference to compare"):
        genomelm.predict(effect_model, SEQUENCES[:1])
    model = with_head(effect_model, reference=SEQUENCES[0])
    found = genomelm.predict(model, [SEQUENCES[0], "T" + SEQUENCES[0][1:], SEQUENCES[1]])
    assert found.shape == (3, 1)
    assert found[0, 0] == 0
    reference, changed = (read_alone(model, sequence) for sequence in (SEQUENCES[0], "T" + SEQUENCES[0][1:]))
    assert found[1, 0] == pytest.approx(output(model, reference, changed), abs=1e-5)


def test_a_sequence_of_another_length_is_read_as_score_reads_it(effect_model, genome):
    """One segmentation for both alleles: an insertion or a deletion moves no boundary that it does not touch."""
    scorer = scorer_for(effect_model, width=40)
    base = genome.fetch(Interval("c1", 520, 521))
    repeat = genome.fetch(Interval("c1", 2000, 2001))  # CACACA... begins here
    variants = [Variant("c1", 521, base, base + "GATTA"), Variant("c1", 2001, repeat, repeat + "AC")]
    ref = genome.fetch(Interval("c1", 520, 527))
    variants.append(Variant("c1", 521, ref, ref[0]))
    for two_strands in (False, True):
        for pair in [scorer.pair(genome, variant) for variant in variants]:
            model = with_head(effect_model, reference=pair.ref, two_strands=two_strands)
            found = genomelm.predict(model, [pair.alt])[0, 0]
            assert found == pytest.approx(scorer_for(model, width=40).score([pair])[0], abs=1e-5)
            own = output(model, read_alone(model, pair.ref), read_alone(model, pair.alt))
            assert abs(found - own) > 1e-4  # patches of its own would say something else


def test_predictions_of_two_strand_heads_are_the_mean_of_both_readings(task_models, token_model):
    sequences = SEQUENCES[:3]
    others = [reverse_complement(sequence) for sequence in sequences]
    for model in task_models:
        mean = (genomelm.predict(model, sequences) + genomelm.predict(model, others)) / 2
        assert genomelm.predict(with_head(model, two_strands=True), sequences) == pytest.approx(mean, abs=1e-5)
        assert genomelm.predict(with_head(model, two_strands=True), others) == pytest.approx(mean, abs=1e-5)
        assert mean != pytest.approx(genomelm.predict(model, sequences), abs=1e-3)
    both = genomelm.predict(with_head(token_model, two_strands=True), sequences)
    readings = (genomelm.predict(token_model, read) for read in (sequences, others))
    for found, one, other in zip(both, *readings, strict=True):
        assert np.abs(found - (one + other[::-1]) / 2).max() < 1e-5
        assert np.abs(found - one).max() > 1e-3


def test_a_head_that_labels_bases_predicts_them_and_scores_nothing(token_model, tiny_fasta):
    found = genomelm.predict(token_model, SEQUENCES)
    assert [f.shape for f in found] == [(len(sequence), 3) for sequence in SEQUENCES]
    for sequence, values in zip(SEQUENCES, found, strict=True):
        window = read_alone(token_model, sequence)
        with torch.no_grad():
            expected = token_model(**make_batch([window.ids], [window.marks]).inputs()).logits[0, 1:]
        assert np.abs(values - expected.numpy()).max(initial=0) < 1e-5
    for refused in (
        lambda: scorer_for(token_model),
        lambda: genomelm.attribute(token_model, SEQUENCES),
        lambda: genomelm.saturate(token_model, tiny_fasta, "c1:1-9"),
    ):
        with pytest.raises(UsageError, match="labels bases.*genomelm predict"):
            refused()


def test_a_language_model_has_no_task_scorer(masked_model, language_model):
    for model in (masked_model, language_model):
        for kind in (HeadScorer, EffectScorer):
            with pytest.raises(UsageError, match="without a task head"):
                kind(model)
