"""Which strands are read: the mean of both does not depend on the strand that was handed in."""

import copy

import numpy as np
import pytest

import genomelm
from genomelm.errors import UsageError
from genomelm.models import HyenaGLTConfig, HyenaGLTForCausalLM
from genomelm.scoring.alleles import other_strand, read_pair
from genomelm.scoring.scorer import scorer_for
from genomelm.scoring.strands import STRANDS
from genomelm.seq.alphabet import encode, reverse_complement
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.seq.variant import Variant

WINDOW, TURNED = Interval("c1", 700, 775), Interval("c1", 700, 775, "-")
SEQUENCES = ["ACGTTGACATATAATGCAGGTGATTACAGG", "GATTACANNGATTACAC", "A", ""]
OTHER = {"A": "C", "C": "G", "G": "T", "T": "A"}


@pytest.fixture
def language_models(language_model, masked_model):
    return [language_model, masked_model]


@pytest.fixture
def task_heads(task_models, effect_model):
    return [task_models[0], effect_model]


@pytest.fixture(scope="module")
def variants(tiny_fasta):
    """Substitutions, an insertion and a deletion inside the window."""
    with Genome(tiny_fasta) as genome:
        refs = {place: genome.fetch(Interval("c1", place, place + 4)).upper() for place in (701, 733, 760)}
    return [
        Variant("c1", place + 1, *alleles)
        for place, ref in refs.items()
        for alleles in ((ref[0], OTHER[ref[0]]), (ref[0], ref[0] + "GATTA"), (ref, ref[0]))
    ]


def scores(model, fasta, variants, window, strands) -> np.ndarray:
    return genomelm.score_variants(model, fasta, variants, window=window, strands=strands).score.to_numpy()


def with_head(model, **settings):
    found = copy.copy(model)
    found.config = copy.deepcopy(model.config)
    found.config.head = {**model.config.head, **settings}
    return found


def test_the_score_on_both_strands_is_that_of_the_reverse_complement_of_the_window(
    language_models, task_heads, tiny_fasta, variants
):
    for model in [*language_models, *task_heads]:
        both = scores(model, tiny_fasta, variants, WINDOW, "both")
        assert both == pytest.approx(scores(model, tiny_fasta, variants, TURNED, "both"), abs=1e-5)
        forward, reverse = (scores(model, tiny_fasta, variants, window, "forward") for window in (WINDOW, TURNED))
        assert both == pytest.approx((forward + reverse) / 2, abs=1e-5)
        assert np.abs(forward - reverse).max() > 1e-3


def test_a_sequence_and_its_reverse_complement_have_one_likelihood_on_both_strands(language_models, task_models):
    others = [reverse_complement(sequence) for sequence in SEQUENCES]
    for model in language_models:
        both = genomelm.log_likelihood(model, SEQUENCES, "both")
        assert both == pytest.approx(genomelm.log_likelihood(model, others, "both"), abs=1e-4)
        forward, reverse = (genomelm.log_likelihood(model, read) for read in (SEQUENCES, others))
        assert both == pytest.approx((forward + reverse) / 2, abs=1e-4)
        assert forward == pytest.approx(genomelm.log_likelihood(model, SEQUENCES, "forward"), abs=1e-4)
        assert abs(forward[0] - reverse[0]) > 1e-3
        assert genomelm.log_likelihood(model, [], "both").shape == (0,)
    with pytest.raises(UsageError, match="needs a language model"):
        genomelm.log_likelihood(task_models[0], SEQUENCES, "both")


def test_a_sequence_and_its_reverse_complement_have_one_prediction_on_both_strands(
    task_models, effect_model, token_model
):
    others = [reverse_complement(sequence) for sequence in SEQUENCES]
    one = task_models[0]
    assert genomelm.predict(one, SEQUENCES, "both") == pytest.approx(genomelm.predict(one, others, "both"), abs=1e-5)
    assert np.abs(genomelm.predict(one, SEQUENCES, "both") - genomelm.predict(one, SEQUENCES)).max() > 1e-3
    labelled = (genomelm.predict(token_model, read, "both") for read in (SEQUENCES, others))
    for sequence, found, turned in zip(SEQUENCES, *labelled, strict=True):
        assert found.shape == turned.shape == (len(sequence), 3)
        assert np.abs(found - turned[::-1]).max(initial=0) < 1e-5
    texts = SEQUENCES[1:3]
    pairs = (with_head(effect_model, reference=read(SEQUENCES[0])) for read in (str, reverse_complement))
    found, turned = (
        genomelm.predict(model, [read(text) for text in texts], "both")
        for model, read in zip(pairs, (str, reverse_complement), strict=True)
    )
    assert found == pytest.approx(turned, abs=1e-5)


def test_one_strand_can_be_asked_of_a_task_whose_labels_hold_for_both(task_models):
    model = with_head(task_models[0], two_strands=True)
    assert genomelm.predict(model, SEQUENCES, "forward") == pytest.approx(
        genomelm.predict(task_models[0], SEQUENCES), abs=1e-6
    )
    assert genomelm.predict(model, SEQUENCES) == pytest.approx(genomelm.predict(model, SEQUENCES, "both"), abs=1e-6)


def test_what_was_read_stands_in_the_provenance(language_models, task_heads):
    for model in [*language_models, *task_heads]:
        by_default = "both" if model.is_language_model else "forward"
        for window, strands, expected in (
            (None, "model", by_default),
            (None, "forward", "forward"),
            (None, "both", "both"),
            (WINDOW, "model", by_default),
            (TURNED, "forward", "reverse"),
            (TURNED, "both", "both"),
        ):
            assert scorer_for(model, window=window, strands=strands).provenance["strands"] == expected
    turned = with_head(task_heads[0], two_strands=True)
    assert scorer_for(turned).provenance["strands"] == "both"
    assert scorer_for(turned, window=TURNED).provenance["strands"] == "reverse"


def test_the_other_strand_is_cut_from_its_own_start(language_model, tiny_fasta, variants):
    with Genome(tiny_fasta) as genome:
        pair = scorer_for(language_model, window=WINDOW).pair(genome, variants[0])
    forward, turned = (read_pair(language_model, read)[0] for read in (pair, other_strand(pair)))
    assert (turned.ids == encode(reverse_complement(pair.ref))).all()
    assert (turned.marks == language_model.patcher.marks(turned.ids)).all()
    assert (turned.marks[1:-1] != forward.marks[1:-1][::-1]).any()


def test_the_patches_of_a_tasks_reference_are_turned_with_it(task_models, tiny_fasta, variants):
    with Genome(tiny_fasta) as genome:
        model = with_head(task_models[0], reference=genome.fetch(WINDOW).upper())
        pair = scorer_for(model, window=WINDOW).pair(genome, variants[0])
    expected = [model.patcher.marks(encode(read(pair.ref))) for read in (str, reverse_complement)]
    twice = other_strand(other_strand(pair))
    for read, marks in ((pair, expected[0]), (other_strand(pair), expected[1]), (twice, expected[0])):
        assert (read_pair(model, read)[0].marks == marks).all()
    assert twice == pair


def test_a_conjoined_model_is_read_once_and_has_no_single_strand(masked_model, tiny_fasta, variants):
    model = copy.copy(masked_model)
    model.config = copy.deepcopy(masked_model.config)
    model.config.shell = {**model.config.shell, "conjoined": True}
    for strands in ("model", "both"):
        scorer = scorer_for(model, window=WINDOW, strands=strands)
        assert not scorer.both_strands
        assert scorer.provenance["strands"] == "both (conjoined)"
    with pytest.raises(UsageError, match="the model is conjoined"):
        scorer_for(model, strands="forward")


def test_unknown_strands_and_letters_without_another_strand_are_refused(language_model, stride_patcher):
    assert STRANDS == ("model", "both", "forward")
    with pytest.raises(UsageError, match="strands 'reverse' is unknown; choose model, both or forward"):
        scorer_for(language_model, strands="reverse")
    with pytest.raises(UsageError, match="strands 'one' is unknown"):
        genomelm.log_likelihood(language_model, SEQUENCES, "one")
    shell = {"alphabet": "protein", "local_width": 16, "local_heads": 2, "width": 16, "kmers": [2]}
    protein = HyenaGLTForCausalLM(HyenaGLTConfig(shell=shell, backbone={"layers": 1, "hidden": 16}), stride_patcher)
    with pytest.raises(UsageError, match="reads protein, which has no other strand"):
        genomelm.log_likelihood(protein.eval(), ["MKVL"], "both")
