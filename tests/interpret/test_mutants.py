"""Saturation by a loaded model: what mutants share is read once, and each effect is that of passes of its own."""

import copy

import numpy as np
import pytest
import torch

from genomelm.errors import NumericalError
from genomelm.interpret import ism
from genomelm.interpret import mutants as mutants_room
from genomelm.interpret.attribution import deletions
from genomelm.interpret.region_model import region_model
from genomelm.models import (
    CNNConfig,
    CNNForRegression,
    GryphonConfig,
    GryphonForRegression,
    HyenaGLTConfig,
    HyenaGLTForRegression,
    HyenaGLTForSequenceClassification,
)
from genomelm.models.encoding import make_batch
from genomelm.scoring import forward as forward_room
from genomelm.scoring.alleles import read_alone
from genomelm.seq.alphabet import encode, reverse_complement

SEQUENCE = "ACGTTGACANNTATAATGCAGGTGATTACACCGT"
SHORT = SEQUENCE[2:15]


def made(kind, config, patcher):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        model = kind(config, patcher).eval()
    with torch.no_grad():
        for name, weight in model.shell.named_parameters():
            if name.startswith(("bytes", "kmers", "distance")):
                weight.mul_(20)
    return model


def conjoined(shell):
    return {**shell, "conjoined": True}


@pytest.fixture(scope="module")
def models(task_models, stride_patcher, tiny_patcher):
    shell, backbone = task_models[0].config.shell, task_models[0].config.backbone
    masked = {**shell, "objective": "masked", "window": 3}
    head, classes = {"task": "toy", "queries": 4}, {"task": "kind", "queries": 4, "outputs": 3}
    strands = {**head, "two_strands": True}
    return {
        "causal": task_models[0],
        "two strands": made(
            HyenaGLTForRegression, HyenaGLTConfig(shell=shell, backbone=backbone, head=strands), tiny_patcher
        ),
        "masked": made(
            HyenaGLTForRegression, HyenaGLTConfig(shell=masked, backbone=backbone, head=head), stride_patcher
        ),
        "conjoined": made(
            HyenaGLTForRegression,
            HyenaGLTConfig(shell=conjoined(masked), backbone=backbone, head=head),
            stride_patcher,
        ),
        "gryphon": made(
            GryphonForRegression,
            GryphonConfig(shell=shell, backbone={"layers": 1, "hidden": 16}, head=head),
            tiny_patcher,
        ),
        "classes": made(
            HyenaGLTForSequenceClassification,
            HyenaGLTConfig(shell=shell, backbone=backbone, head=classes),
            tiny_patcher,
        ),
        "cnn": made(
            CNNForRegression, CNNConfig(shell={"local_width": 16}, backbone={"taps": [5, 3]}, head=head), stride_patcher
        ),
    }


def one_pass(model, sequence: str, marks: np.ndarray, reverse: np.ndarray | None = None) -> np.ndarray:
    batch = make_batch([encode(sequence)], [marks], reverse=None if reverse is None else [reverse])
    with torch.no_grad():
        return model(**batch.inputs()).logits[0].double().numpy()


def brute_force(model, sequence: str, number) -> np.ndarray:
    """A forward pass for the sequence and for each mutant on each strand, in the sequence's patches."""
    readings = (str, reverse_complement) if model.config.head["two_strands"] else (str,)
    windows = [read_alone(model, read(sequence)) for read in readings]

    def score(text: str) -> float:
        outputs = [
            number(one_pass(model, read(text), w.marks, w.reverse)) for read, w in zip(readings, windows, strict=True)
        ]
        return float(np.mean(outputs))

    effects = np.zeros((len(sequence), 4))
    for base, column, mutant in ism.substitutions(sequence):
        effects[base, column] = score(mutant) - score(sequence)
    return effects


@pytest.mark.parametrize("name", ["causal", "two strands", "masked", "conjoined", "gryphon", "cnn"])
def test_every_effect_on_a_task_head_is_that_of_two_passes(models, name):
    model, sequence = models[name], SEQUENCE[:20]
    found = region_model("m", model).saturate([sequence])[0]
    expected = brute_force(model, sequence, lambda output: output[0])
    assert np.abs(expected).max() > 1e-3
    assert np.abs(found - expected).max() < 1e-5
    assert not found[9:11].any()  # N


def test_every_effect_on_a_class_is_that_on_its_log_odds(models):
    def log_odds(output):
        return output[1] - np.log(np.exp(output[0]) + np.exp(output[2]))

    found = region_model("m", models["classes"], "1").saturate([SHORT])[0]
    expected = brute_force(models["classes"], SHORT, log_odds)
    assert np.abs(expected).max() > 1e-3
    assert np.abs(found - expected).max() < 1e-5


def by_plain_passes(model, sequence: str) -> np.ndarray:
    return ism.saturation(region_model("m", model).predict_pairs, sequence, batch_size=1)


def test_a_causal_language_models_effects_are_those_of_whole_passes(language_model):
    found = region_model("m", language_model).saturate([SHORT])[0]
    assert np.abs(found).max() > 1
    assert np.abs(found - by_plain_passes(language_model, SHORT)).max() < 1e-5


def test_a_masked_language_models_effects_are_ratios_at_the_hidden_base(masked_model):
    found = region_model("m", masked_model).saturate([SHORT])[0]
    assert np.abs(found).max() > 1
    assert np.abs(found - by_plain_passes(masked_model, SHORT)).max() < 1e-5


def test_a_variant_effect_heads_effects_are_its_outputs_for_pairs(effect_model):
    found = region_model("m", effect_model).saturate([SHORT])[0]
    assert np.abs(found).max() > 1e-3
    assert np.abs(found - by_plain_passes(effect_model, SHORT)).max() < 1e-5


@pytest.mark.parametrize("name", ["causal", "two strands", "masked"])
@pytest.mark.parametrize("sequence", ["A", "GT", "ACNGT", "NNN"])
def test_sequences_shorter_than_a_patch_are_explained(models, name, sequence):
    found = region_model("m", models[name]).saturate([sequence])
    assert found.shape == (1, len(sequence), 4)
    assert np.abs(found[0] - brute_force(models[name], sequence, lambda output: output[0])).max() < 1e-5


def test_how_much_is_read_at_once_does_not_change_an_effect(models, language_model, monkeypatch):
    for model in (models["causal"], models["masked"], language_model):
        together = region_model("m", model).saturate([SHORT, SHORT[::-1]])
        with monkeypatch.context() as patch:
            patch.setitem(forward_room.BYTES_AT_ONCE, "cpu", 50)
            patch.setattr(mutants_room, "HELD", 100)
            apart = np.concatenate([region_model("m", model).saturate([s]) for s in (SHORT, SHORT[::-1])])
        assert np.abs(together - apart).max() < 1e-5


def test_a_causal_model_reads_fewer_bytes_than_a_pass_for_each_mutant(models, monkeypatch):
    read = []
    original = mutants_room.PrefixPass.ends

    def noted(self, rows, begins, ids, starts, fresh):
        read.append(sum(map(len, ids)))
        return original(self, rows, begins, ids, starts, fresh)

    monkeypatch.setattr(mutants_room.PrefixPass, "ends", noted)
    long = SEQUENCE.replace("N", "A") * 6
    region_model("m", models["causal"]).saturate([long])
    assert 0 < sum(read) < 0.6 * 3 * len(long) ** 2


def test_a_masked_language_model_hides_each_base_once(masked_model, monkeypatch):
    passes = []
    original = mutants_room.read_windows

    def noted(model, windows, read):
        passes.append(len(windows))
        return original(model, windows, read)

    monkeypatch.setattr(mutants_room, "read_windows", noted)
    region_model("m", masked_model).saturate([SEQUENCE])
    assert sum(passes) == len(SEQUENCE) - 2  # N is not hidden


def test_a_model_that_gives_nan_is_named_by_the_offset(task_models):
    broken = copy.deepcopy(task_models[0])
    with torch.no_grad():
        broken.head.out.bias.fill_(float("nan"))
    with pytest.raises(NumericalError, match="offset 0"):
        region_model("m", broken).saturate(["ACGT"])


def test_leaving_out_a_base_is_scored_like_a_pass_over_what_is_left(models):
    model = models["masked"]
    sequence = "ACGTTTGACANTA"
    found = deletions(region_model("m", model), [sequence])[0]
    ref = read_alone(model, sequence)
    whole = one_pass(model, sequence, ref.marks)[0]
    for base in (0, 3, 7, 12):
        left = sequence[:base] + sequence[base + 1 :]
        starts = [start - (start > base) for start in np.flatnonzero(ref.marks[:-1])]
        marks = np.zeros(len(left) + 1, bool)
        marks[[start for start in starts if start < len(left)]] = True
        marks[-1] = ref.marks[-1]
        assert found[base] == pytest.approx(one_pass(model, left, marks)[0] - whole, abs=1e-5)
    assert found[3] == found[4] == found[5]  # one of three T
    assert found[10] == 0  # N
