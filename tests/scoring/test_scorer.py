"""Scores of variants: laws that hold for any model, on one with random weights."""

import copy
import dataclasses

import numpy as np
import pytest
import torch

from genomelm.errors import ResourceError, UsageError
from genomelm.models import HyenaGLTForSequenceClassification
from genomelm.models.encoding import make_batch
from genomelm.models.model import GenomeModel
from genomelm.models.prefix import PrefixPass
from genomelm.patching.config import PatcherConfig
from genomelm.patching.patcher import Patcher
from genomelm.scoring import forward
from genomelm.scoring import scorer as scorer_room
from genomelm.scoring.alleles import lifted, other_strand, read_alone, read_pair
from genomelm.scoring.assay_window import check_assay_window
from genomelm.scoring.forward import byte_log_probabilities, read_windows
from genomelm.scoring.likelihood import Change, plain_ratios, shared_ratios
from genomelm.scoring.scorer import HeadScorer, LikelihoodScorer, scorer_for
from genomelm.seq.alphabet import encode, reverse_complement
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.seq.variant import Variant
from genomelm.seq.window import AllelePair

WINDOW = Interval("c1", 300, 375, "-")


@pytest.fixture(scope="module")
def genome(tiny_fasta):
    with Genome(tiny_fasta) as opened:
        yield opened


@pytest.fixture(scope="module")
def variants(genome):
    """SNVs, an MNV, insertions, deletions, and both ends of a contig."""
    found = []
    for place in (0, 1, 40, 500, 777, 1200, 2003, 3950):
        ref = genome.fetch(Interval("c1", place, place + 4)).upper()
        other = {"A": "C", "C": "G", "G": "T", "T": "A"}
        found.append(Variant("c1", place + 1, ref[0], other[ref[0]]))
        found.append(Variant("c1", place + 1, ref[:2], other[ref[0]] + other[ref[1]]))
        found.append(Variant("c1", place + 1, ref[0], ref[0] + "GATTA"))
        found.append(Variant("c1", place + 1, ref, ref[0]))
    return found


@pytest.fixture(scope="module")
def scorer(language_model):
    return LikelihoodScorer(language_model, width=64)


@pytest.fixture(scope="module")
def pairs(scorer, genome, variants):
    made = [scorer.pair(genome, variant) for variant in variants]
    assert {pair.status for pair in made} == {"OK", "EDGE_PADDED"}
    return made


def naive_log_likelihood(model, sequence, marks) -> float:
    """One window alone through the whole model, its full logits cut to the four letters."""
    ids = encode(sequence)
    with torch.no_grad():
        logits = model(**make_batch([ids], [marks]).inputs()).logits[0, :-1].double().numpy()
    logits = logits[:, encode("ACGT")]
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    return sum(log_p[i, "ACGT".index(base)] for i, base in enumerate(sequence) if base in "ACGT")


def test_score_equals_two_naive_passes_of_each_strand(language_model, scorer, pairs):
    assert scorer.shared
    for pair, score in zip(pairs, scorer.score(pairs), strict=True):
        expected = []
        for strand in (pair, other_strand(pair)):
            ref, alt = read_pair(language_model, strand)
            same = min(len(strand.ref), len(strand.alt))  # equally many bases of both, 16 behind the change
            same = min(same, strand.offset + max(strand.ref_length, strand.alt_length) + 16)
            expected.append(
                naive_log_likelihood(language_model, strand.alt[:same], alt.marks[: same + 1])
                - naive_log_likelihood(language_model, strand.ref[:same], ref.marks[: same + 1])
            )
        assert score == pytest.approx(np.mean(expected), abs=1e-4)
        assert abs(score) > 1e-3


def test_exchanging_the_alleles_in_one_segmentation_changes_the_sign(language_model, scorer, pairs):
    turned = 0
    for pair, change in zip(pairs, scorer.changes(pairs), strict=True):
        back = lifted(change.alt, pair.ref, pair.offset, pair.alt_length, pair.ref_length)
        if (back.marks != change.ref.marks).any():
            assert pair.alt_length < pair.ref_length  # a patch began on a deleted base
            continue
        turned += 1
        other = dataclasses.replace(change, ref=change.alt, alt=back)
        one, other = (shared_ratios(language_model, [change])[0] for change in (change, other))
        assert one == pytest.approx(-other, abs=1e-5)
    assert turned > len(pairs) * 0.8


def test_a_change_to_the_same_sequence_scores_zero(scorer, task_models, genome, variants, pairs):
    same = [AllelePair(p.variant, "OK", p.window, p.ref, p.ref, p.offset, p.ref_length, p.ref_length) for p in pairs]
    assert (scorer.score(same) == 0).all()
    assert (HeadScorer(task_models[0], width=64).score(same) == 0).all()


def test_equal_bases_score_zero_though_a_patch_start_moved(language_model):
    ref = read_alone(language_model, "GATTACATATAATGCAGGCTCCCC")
    marks = ref.marks.copy()
    marks[:-1] = False
    marks[[0, 8, 22]] = True
    ref = dataclasses.replace(ref, marks=marks)
    change = Change(ref, lifted(ref, "GATTACATATAATGCAGGCTCCC", 20, 2, 1), 20, 2, 3)
    assert (change.alt.marks[:23] != ref.marks[:23]).any()
    assert plain_ratios(language_model, [change]) == shared_ratios(language_model, [change]) == [0.0]


@pytest.mark.parametrize("kind", ["language", "task"])
def test_scores_do_not_depend_on_the_batch(kind, scorer, task_models, pairs):
    tested = scorer if kind == "language" else HeadScorer(task_models[0], width=64)
    together = tested.score(pairs)
    alone = np.concatenate([tested.score([pair]) for pair in pairs])
    assert np.abs(together - alone).max() < 1e-5
    order = np.random.default_rng(0).permutation(len(pairs))
    assert np.abs(tested.score([pairs[i] for i in order]) - together[order]).max() < 1e-5


def test_a_substitution_keeps_the_segmentation(language_model, pairs):
    for pair in pairs:
        if pair.ref_length == pair.alt_length:
            ref, alt = read_pair(language_model, pair)
            assert (ref.marks == alt.marks).all()
            assert (ref.ids != alt.ids).any()


def test_both_strands_are_the_mean_of_forward_and_reverse_complement(language_model, scorer, pairs):
    one = LikelihoodScorer(language_model, width=64, strands="forward")
    flipped = [other_strand(pair) for pair in pairs]
    for pair in flipped:  # the change stands where it says
        changed = pair.ref[: pair.offset] + pair.alt[pair.offset : pair.offset + pair.alt_length]
        assert changed + pair.ref[pair.offset + pair.ref_length :] == pair.alt
    mean = (one.score(pairs) + one.score(flipped)) / 2
    assert np.abs(mean - scorer.score(pairs)).max() < 1e-5


def test_every_way_to_write_an_indel_in_a_repeat_scores_the_same(scorer, genome):
    written = [Variant("c1", 2001 + shift, *alleles) for shift in (0, 2, 4) for alleles in [("CAC", "C")]]
    written += [Variant("c1", 2002 + shift, "ACA", "A") for shift in (0, 2)]
    scores = scorer.score([scorer.pair(genome, variant) for variant in written])
    assert np.ptp(scores) == 0
    inserted = [Variant("c1", 2001 + shift, "C", "CAC") for shift in (0, 2, 6)]
    scores = scorer.score([scorer.pair(genome, variant) for variant in inserted])
    assert np.ptp(scores) == 0


def test_unknown_bases_have_no_probability_and_do_no_harm(language_model, scorer, genome):
    window = read_alone(language_model, "ACGTNNACGT")
    values = read_windows(language_model, [window], byte_log_probabilities)[0]
    assert (values[4:6] == 0).all()
    assert (values[[0, 1, 2, 3, 6, 7, 8, 9]] < 0).all()
    base = genome.fetch(Interval("c1", 3964, 3965))
    near = scorer.pair(genome, Variant("c1", 3965, base, "A" if base != "A" else "C"))
    assert near.status == "OK"
    assert "N" in near.ref
    assert np.isfinite(scorer.score([near])).all()


def test_equal_windows_are_read_once(task_models, genome, monkeypatch):
    rows = []
    read = scorer_room.head_outputs
    monkeypatch.setattr(scorer_room, "head_outputs", lambda m, w: rows.append(len(w)) or read(m, w))
    scorer = HeadScorer(task_models[0], window=WINDOW)
    base = genome.fetch(Interval("c1", 310, 311))
    scorer.score([scorer.pair(genome, Variant("c1", 311, base, alt)) for alt in "ACGT" if alt != base])
    assert sum(rows) == 4


def test_a_fixed_minus_window_is_read_on_its_strand(task_models, genome):
    model, base = task_models[0], genome.fetch(Interval("c1", 310, 311))
    scorer = HeadScorer(model, window=WINDOW)
    alt = "A" if base != "A" else "C"
    pair = scorer.pair(genome, Variant("c1", 311, base, alt))
    sequence = genome.fetch(WINDOW)
    position = 75 - 1 - 10
    mutated = sequence[:position] + reverse_complement(alt) + sequence[position + 1 :]
    marks = model.patcher.marks(encode(sequence))
    with torch.no_grad():
        ref, changed = (model(**make_batch([encode(s)], [marks]).inputs()).logits.item() for s in (sequence, mutated))
    assert scorer.score([pair])[0] == pytest.approx(changed - ref, abs=1e-5)
    assert scorer.tag == "GLM_TOY"
    outside = genome.fetch(Interval("c1", 500, 501))
    assert scorer.pair(genome, Variant("c1", 501, outside, "A" if outside != "A" else "C")).status == "POS_OUT_OF_RANGE"


def test_a_task_with_a_reference_reads_every_input_of_its_length_in_its_patches(task_models, genome):
    model = copy.deepcopy(task_models[0])
    model.config.head = {**model.config.head, "reference": genome.fetch(WINDOW)}
    expected = model.patcher.marks(encode(genome.fetch(WINDOW)))
    assert (read_alone(model, "ACGTA" * 15).marks[1:] == expected[1:]).all()
    assert (read_alone(model, "ACGTA" * 14).marks[1:] == model.patcher.marks(encode("ACGTA" * 14))[1:]).all()
    check_assay_window(model, genome, WINDOW, 512)
    check_assay_window(task_models[0], genome, None, 512)
    for window, message in (
        (Interval("c1", 300, 375), "wrong strand.*c1:301-375:-"),
        (Interval("c1", 300, 376, "-"), "76 bases"),
        (Interval("c1", 1000, 1075, "-"), "differs"),
        (None, "--window"),
    ):
        with pytest.raises(UsageError, match=message):
            check_assay_window(model, genome, window, 512)


def test_two_classes_score_the_second_against_the_first(task_models, genome, variants):
    config = copy.deepcopy(task_models[0].config)
    config.head = {**config.head, "outputs": 2}
    model = HyenaGLTForSequenceClassification(config, task_models[0].patcher).eval()
    scorer = HeadScorer(model, width=64, strands="forward")
    pair = scorer.pair(genome, variants[0])
    windows = read_pair(model, pair)
    with torch.no_grad():
        ref, alt = (model(**make_batch([w.ids], [w.marks]).inputs()).logits[0].double() for w in windows)
    assert scorer.score([pair])[0] == pytest.approx(float((alt[1] - alt[0]) - (ref[1] - ref[0])), abs=1e-5)


def test_several_classes_score_each_against_all_others(task_models, genome, variants):
    config = copy.deepcopy(task_models[0].config)
    config.head = {**config.head, "outputs": 3}
    model = HyenaGLTForSequenceClassification(config, task_models[0].patcher).eval()
    scorer = HeadScorer(model, width=64, strands="forward")
    pair = scorer.pair(genome, variants[0])
    with torch.no_grad():
        chances = [
            model(**make_batch([w.ids], [w.marks]).inputs()).logits[0].double().softmax(0)
            for w in read_pair(model, pair)
        ]
    ref, alt = (torch.log(chance / (1 - chance)) for chance in chances)
    assert scorer.score([pair])[0] == pytest.approx((alt - ref).numpy(), abs=1e-5)


def test_a_segmentation_that_reads_nothing_is_shared_by_both_strands(language_model, genome, variants):
    model = copy.copy(language_model)
    model.patcher = Patcher(PatcherConfig(mode="fixed_stride", stride=5))
    pair = LikelihoodScorer(model, width=64).pair(genome, variants[8])
    for strand in (pair, other_strand(pair)):
        ref, _ = read_pair(model, strand)
        assert np.flatnonzero(ref.marks[:-1]).tolist() == list(range(0, len(strand.ref), 5))


def test_the_head_decides_the_scorer_and_a_wrong_one_is_refused(language_model, task_models):
    assert isinstance(scorer_for(language_model), LikelihoodScorer)
    assert isinstance(scorer_for(task_models[0]), HeadScorer)
    with pytest.raises(UsageError, match="language model"):
        LikelihoodScorer(task_models[0])
    with pytest.raises(UsageError, match="without a task head"):
        HeadScorer(language_model)
    bare = copy.copy(language_model)
    bare.patcher = None
    with pytest.raises(UsageError, match="no patcher"):
        LikelihoodScorer(bare)


def test_out_of_memory_halves_the_rows_and_keeps_the_scores(language_model, task_models, scorer, pairs, monkeypatch):
    tested = (scorer, HeadScorer(task_models[0], width=64))
    expected = [one.score(pairs) for one in tested]
    rows = []

    def fitting(least: int):
        forward = GenomeModel.forward

        def run(model, input_ids, **more):
            if type(input_ids) is not torch.Tensor or input_ids.device.type != "cpu":  # shapes alone, for the estimate
                return forward(model, input_ids, **more)
            rows.append(len(input_ids))
            if len(input_ids) > least:
                raise torch.OutOfMemoryError("too much")
            return forward(model, input_ids, **more)

        ends = PrefixPass.ends

        def run_ends(self, of, *more):
            rows.append(len(of))
            if len(of) > least:
                raise torch.OutOfMemoryError("too much")
            return ends(self, of, *more)

        monkeypatch.setattr(GenomeModel, "forward", run)
        monkeypatch.setattr(PrefixPass, "ends", run_ends)

    fitting(3)
    for one, scores in zip(tested, expected, strict=True):
        rows.clear()
        assert np.abs(one.score(pairs) - scores).max() < 1e-5
        assert max(rows) > 3 >= rows[-1]
    monkeypatch.undo()
    fitting(0)
    for one in tested:
        with pytest.raises(ResourceError, match=r"does not fit.* up to \d+ MiB"):
            one.score(pairs)


def test_chunks_do_not_change_scores(scorer, pairs, monkeypatch):
    expected = scorer.score(pairs)
    monkeypatch.setitem(forward.BYTES_AT_ONCE, "cpu", 130)
    assert np.abs(scorer.score(pairs) - expected).max() < 1e-5
    assert scorer.score([]).shape == (0,)
