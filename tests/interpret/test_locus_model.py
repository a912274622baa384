"""A mixture of letters through a real model: exact at letters, and its gradient is the slope."""

import copy

import numpy as np
import pytest
import torch

import genomelm
from genomelm.errors import UsageError
from genomelm.interpret import gradients, ism
from genomelm.interpret import reading as reading_room
from genomelm.interpret.locus import LocusSettings, explain
from genomelm.interpret.locus_model import locus_model, pair_predictor, with_random_weights
from genomelm.models.encoding import make_batch
from genomelm.models.soft import letters_of
from genomelm.nn.kmers import KmerEmbedding
from genomelm.scoring.alleles import read_alone
from genomelm.seq.alphabet import BOS, encode, reverse_complement

SEQUENCE = "ACGTTGACANNTATAATGCAGGTGATTACA"


def branched(model):
    """Return a model with random weights, and with motifs, structure and all positions on."""
    config = copy.deepcopy(model.config)
    config.branches = {"motif": 2, "structure": True, "conservation": True}
    config.positions = {"codon": True, "sinusoidal": True}
    made = with_random_weights(type(model)(config, model.patcher))
    for part in (made.shell.motif, made.shell.structure):
        torch.nn.init.normal_(part.out.weight, std=0.5, generator=torch.Generator().manual_seed(0))
    return made


@pytest.fixture(scope="module", params=["plain", "branched"])
def model(task_models, request):
    return task_models[0] if request.param == "plain" else branched(task_models[0])


@pytest.fixture(scope="module")
def locus(model):
    return locus_model("toy", model, SEQUENCE)


def mixture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(4), len(SEQUENCE)).astype(np.float32)


def test_at_letters_the_mixture_reads_as_those_letters(model):
    for other in (SEQUENCE, "N" + SEQUENCE[1:], SEQUENCE[::-1]):
        ids, wanted = (torch.from_numpy(np.concatenate([[BOS], encode(s)]))[None] for s in (SEQUENCE, other))
        starts = torch.arange(ids.shape[1] + 1)[None] % 3 == 0
        letters = letters_of(torch.from_numpy(ism.one_hot(other)))
        with torch.no_grad():
            found = model(ids, patch_starts=starts, letters=letters).hidden_states
            expected = model(wanted, patch_starts=starts).hidden_states
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_kmer_mixture_is_the_mean_over_all_kmers_and_passes_gradcheck():
    torch.manual_seed(0)
    kmers = KmerEmbedding(3, (1, 3), torch.tensor([ord(c) for c in "ACN"]), 260).double()
    weights = torch.rand(6, 3, dtype=torch.float64).softmax(-1).requires_grad_()
    expected = torch.zeros(6, 3, dtype=torch.float64)
    for code in range(3**6):
        digits = [code // 3**i % 3 for i in range(6)]
        chance = torch.stack([weights[i, digit] for i, digit in enumerate(digits)]).prod()
        expected += chance * kmers(torch.tensor([[ord("ACN"[digit]) for digit in digits]]))[0]
    assert (kmers.mixed(weights[None])[0] - expected).abs().max() < 1e-10
    assert torch.autograd.gradcheck(kmers.mixed, weights[None])


def test_a_model_without_kmers_has_embeddings_and_gradients(task_models):
    config = copy.deepcopy(task_models[0].config)
    config.shell = {**config.shell, "kmers": []}
    plain = with_random_weights(type(task_models[0])(config, task_models[0].patcher))
    locus, one_hot = locus_model("plain", plain, SEQUENCE), ism.one_hot(SEQUENCE)
    mutated = "TT" + SEQUENCE[2:]
    reference, (changed,) = locus.predict_pairs(SEQUENCE, [mutated])
    assert locus.score_of(one_hot) == pytest.approx(reference, abs=1e-5)
    assert locus.score_of(ism.one_hot(mutated)) == pytest.approx(changed, abs=1e-5)
    gradient, step = locus.gradient_of(one_hot), np.zeros_like(one_hot)
    step[4, 0] = 1e-2
    slope = (locus.score_of(one_hot + step) - locus.score_of(one_hot - step)) / 2e-2
    assert gradient[4, 0] == pytest.approx(slope, abs=1e-2 * float(np.abs(gradient).max()))
    assert (np.abs(gradient).max(1) > 0).all()


def test_score_of_a_letter_sequence_is_the_models(model, locus):
    one_hot = ism.one_hot(SEQUENCE)
    mutated = "TT" + SEQUENCE[2:]
    reference, (changed,) = locus.predict_pairs(SEQUENCE, [mutated])
    assert locus.score_of(one_hot) == pytest.approx(reference, abs=1e-5)
    assert locus.score_of(ism.one_hot(mutated)) == pytest.approx(changed, abs=1e-5)
    assert reference != pytest.approx(changed, abs=1e-3)


def test_gradient_is_the_slope_of_the_score(locus):
    step = 1e-2
    for x in (ism.one_hot(SEQUENCE), mixture(1)):
        gradient = locus.gradient_of(x)
        for row, column in ((0, 1), (4, 0), (10, 2), (29, 3)):
            moved = np.zeros_like(x)
            moved[row, column] = step
            slope = (locus.score_of(x + moved) - locus.score_of(x - moved)) / (2 * step)
            assert gradient[row, column] == pytest.approx(slope, abs=2e-3 * max(1.0, np.abs(gradient).max()))
        assert np.abs(gradient).max() > 1e-2


def test_integrated_gradients_are_complete(locus):
    one_hot = ism.one_hot(SEQUENCE)
    found, baseline = gradients.integrated(locus.gradient_of, one_hot, 64)
    assert gradients.completeness_error(found, locus.score_of(one_hot), locus.score_of(baseline)) < 0.01


def test_alternates_are_read_in_the_references_patches(model):
    reference, alternates = SEQUENCE, ["TTTTT" + SEQUENCE[5:], SEQUENCE[:-1] + "G"]
    marks = read_alone(model, reference).marks
    with torch.no_grad():
        expected = [model(**make_batch([encode(s)], [marks]).inputs()).logits.item() for s in [reference, *alternates]]
    first, others = pair_predictor(model)(reference, alternates)
    assert np.abs(np.array([first, *others]) - expected).max() < 1e-5


def test_a_language_model_is_attributed_by_its_log_likelihood(language_model):
    found = locus_model("language", language_model, SEQUENCE)
    assert found.gradient_of is None
    assert found.predict_pairs(SEQUENCE, [SEQUENCE])[0] < 0


def test_random_weights_are_a_function_of_the_seed_and_leave_torch_alone(model):
    before = torch.get_rng_state()
    one, same, other = (with_random_weights(model, seed) for seed in (1, 1, 2))
    assert torch.equal(before, torch.get_rng_state())
    weight = lambda m: m.head.pool.weight
    assert torch.equal(weight(one), weight(same))
    assert not torch.equal(weight(one), weight(other))
    assert one.patcher is model.patcher
    assert not one.training


@pytest.fixture(scope="module")
def two_strand_model(task_models):
    config = copy.deepcopy(task_models[0].config)
    config.head = {**config.head, "two_strands": True}
    model = type(task_models[0])(config, task_models[0].patcher)
    model.load_state_dict(task_models[0].state_dict())
    return model.eval()


def test_a_two_strand_head_is_attributed_on_both_with_the_references_patches(two_strand_model, monkeypatch):
    seen = []
    original = reading_room.read_windows

    def noted(model, windows, read):
        seen.append(windows)
        return original(model, windows, read)

    monkeypatch.setattr(reading_room, "read_windows", noted)
    reference = "ACGTTGCAAGGCTTACCGATAGCTAAGCTTGC"
    alternates = [reference[:i] + ("A" if reference[i] != "A" else "C") + reference[i + 1 :] for i in range(0, 30, 7)]
    predict = pair_predictor(two_strand_model)
    score, others = predict(reference, alternates)
    assert len(seen) == 2
    for windows in seen:
        assert all(np.array_equal(window.marks, windows[0].marks) for window in windows)
    mirrored, mirrored_others = predict(reverse_complement(reference), [reverse_complement(a) for a in alternates])
    assert mirrored == pytest.approx(score, abs=1e-5)
    assert mirrored_others == pytest.approx(others, abs=1e-5)
    locus = locus_model("x", two_strand_model, reference)
    assert locus.score_of(ism.one_hot(reference)) == pytest.approx(score, abs=1e-4)


def test_a_masked_model_gives_the_reference_its_pseudo_likelihood_and_alternates_what_hidden_letters_differ_by(
    masked_model,
):
    mutated = "TT" + SEQUENCE[2:]
    own, (same, changed, first, second) = pair_predictor(masked_model)(
        SEQUENCE, [SEQUENCE, mutated, "T" + SEQUENCE[1:], SEQUENCE[0] + "T" + SEQUENCE[2:]]
    )
    assert own == same == pytest.approx(genomelm.log_likelihood(masked_model, [SEQUENCE])[0], abs=1e-4)
    window = read_alone(masked_model, SEQUENCE)
    hidden = window.hidden(slice(0, 2))
    with torch.no_grad():
        logits = masked_model(**make_batch([hidden.ids], [hidden.marks]).inputs()).logits[0, 1:3].double()
    gained = sum(float(row[ord("T")] - row[ord(base)]) for row, base in zip(logits, SEQUENCE[:2], strict=True))
    assert changed - own == pytest.approx(gained, abs=1e-4)
    assert changed - own != pytest.approx(first + second - 2 * own, abs=1e-4)  # hidden together, not one by one
    assert locus_model("masked", masked_model, SEQUENCE).gradient_of is None


def test_a_pair_model_gives_the_reference_zero_and_has_no_score_of_shuffles(effect_model):
    found = locus_model("pair", effect_model, SEQUENCE)
    assert (found.gradient_of, found.relative) == (None, True)
    own, (same, changed) = found.predict_pairs(SEQUENCE, [SEQUENCE, "T" + SEQUENCE[1:]])
    assert own == same == 0
    assert changed == pytest.approx(-found.predict_pairs("T" + SEQUENCE[1:], [SEQUENCE])[1][0], abs=1e-5)
    assert abs(changed) > 1e-3
    settings = LocusSettings(faithfulness_seeds=2, faithfulness_points=3, shuffles=3)
    _, summary = explain(SEQUENCE, [found], settings=settings)
    assert summary["shuffled"] is None
    assert summary["reference_score"] == 0
    assert summary["ism_brute_force"]["max_abs_difference"] < 1e-5


def test_a_head_that_labels_bases_is_not_attributed(token_model):
    with pytest.raises(UsageError, match="labels bases"):
        pair_predictor(token_model)
