"""Scores of mixtures of letters, by captum and by the plain loop, and which output they are of."""

import numpy as np
import pytest

from genomelm.errors import InputError, UsageError
from genomelm.interpret import gradients, ism
from genomelm.interpret import soft_score as room
from genomelm.interpret.inputs import sequences_of
from genomelm.interpret.locus_model import with_random_weights
from genomelm.interpret.region_model import region_model
from genomelm.interpret.target import choose_target, unit_of
from genomelm.interpret.tracks import tracks_of, why_no_attention
from genomelm.models import HyenaGLTConfig, HyenaGLTForRegression, HyenaGLTForSequenceClassification
from genomelm.models.geometry import Patches
from genomelm.scoring.alleles import read_alone
from genomelm.scoring.forward import batch_of

SEQUENCE = "ACGTTGACANNTATAATGCAGG"


def several(task_models, kind, **head):
    config = HyenaGLTConfig(
        shell=task_models[0].config.shell,
        backbone=task_models[0].config.backbone,
        head={"task": "toy", "queries": 4, **head},
    )
    return with_random_weights(kind(config, task_models[0].patcher))


@pytest.fixture(scope="module")
def classes(task_models):
    return several(task_models, HyenaGLTForSequenceClassification, outputs=3, names=["low", "mid", "high"])


@pytest.mark.parametrize("rows", [1, 7])
def test_captums_integral_is_that_of_the_plain_loop(task_models, monkeypatch, rows):
    monkeypatch.setitem(room.BYTES_AT_ONCE, "cpu", 2 * rows * (len(SEQUENCE) + 1))
    soft = region_model("m", task_models[0]).soft(SEQUENCE)
    one_hot = ism.one_hot(SEQUENCE)
    found, error = soft.integrated(one_hot, 24)
    expected, baseline = gradients.integrated(soft.gradient, one_hot, 24)
    assert np.abs(expected).max() > 1e-3
    assert np.abs(found - expected).max() < 1e-5
    score, start = soft.scores(np.stack([one_hot, baseline]))
    assert error == pytest.approx(gradients.completeness_error(expected, score, start), abs=1e-3)
    assert error < 0.02
    assert not found[9:11].any()  # N has no letter to come from


def test_a_class_is_explained_by_its_log_odds(classes):
    found = region_model("m", classes, "mid")
    soft, (score, (changed,)) = found.soft(SEQUENCE), found.predict_pairs(SEQUENCE, ["T" + SEQUENCE[1:]])
    scores = soft.scores(np.stack([ism.one_hot(SEQUENCE), ism.one_hot("T" + SEQUENCE[1:])]))
    assert scores == pytest.approx([score, changed], abs=1e-5)
    step = np.zeros((len(SEQUENCE), 4), np.float32)
    step[4, 0] = 1e-2
    one_hot = ism.one_hot(SEQUENCE)
    slope = np.diff(soft.scores(np.stack([one_hot - step, one_hot + step])))[0] / 2e-2
    assert soft.gradient(one_hot)[4, 0] == pytest.approx(slope, abs=2e-3)


def test_an_output_is_chosen_by_name_or_number_and_its_unit_said(classes, task_models, language_model):
    assert choose_target(classes, "high") == choose_target(classes, "2")
    assert unit_of(classes, choose_target(classes, "high")) == "log-odds"
    assert choose_target(task_models[0]).name == "toy"
    for wanted, message in (
        (None, "has 3 outputs (low, mid, high): choose one, by --output"),
        ("3", "'3'; it has low"),
    ):
        with pytest.raises(UsageError) as error:
            choose_target(classes, wanted)
        assert message in str(error.value)
    with pytest.raises(UsageError, match="a language model has one score"):
        choose_target(language_model, "high")


def test_two_classes_and_several_numbers_have_their_targets(task_models):
    two = several(task_models, HyenaGLTForSequenceClassification, outputs=2)
    outputs = [np.array([0.5, 2.0])]
    assert choose_target(two).values(outputs) == pytest.approx([1.5])
    assert choose_target(two, "0").values(outputs) == pytest.approx([-1.5])
    assert unit_of(two, choose_target(two)) == "logit"
    numbers = several(task_models, HyenaGLTForRegression, outputs=2)
    assert choose_target(numbers, "1").values(outputs) == pytest.approx([2.0])
    with pytest.raises(UsageError, match="has 2 outputs"):
        choose_target(numbers)


def test_what_has_no_gradient_says_why(language_model, effect_model):
    for model, reason in (
        (language_model, "reads the letters as targets"),
        (effect_model, "where two sequences differ"),
    ):
        found = region_model("m", model)
        assert found.soft is None
        assert reason in found.no_gradients


def test_attention_is_shared_out_over_patches_and_is_no_attribution(masked_model):
    tracks = tracks_of(masked_model, SEQUENCE)
    window = read_alone(masked_model, SEQUENCE)
    assert tracks.pop("patch_starts").nonzero()[0].tolist() == window.marks[:-1].nonzero()[0].tolist()
    if why_no_attention(masked_model):
        assert not tracks
        return
    assert tracks
    batch = batch_of(masked_model, [window])
    places = Patches.from_starts(batch.starts, batch.mask).ids[0, 1:].numpy()
    for name, track in tracks.items():
        assert name.startswith("attention_")
        assert track.shape == (len(SEQUENCE),)
        of_patches = []
        for patch in np.unique(places):
            values = track[places == patch]
            assert (values == values[0]).all()
            of_patches.append(float(values[0]))
        assert 0.5 < sum(of_patches) <= 1 + 1e-5  # the rest is BOS's


def test_the_entropy_track_is_the_patchers(task_models):
    found = tracks_of(task_models[0], SEQUENCE)["entropy"]
    ids = read_alone(task_models[0], SEQUENCE).ids
    assert found == pytest.approx(task_models[0].patcher.model.scores(ids)[:-1], abs=1e-6)


def test_sequences_come_as_strings_arrays_files_and_intervals(tiny_fasta, tmp_path):
    import torch

    one_hot = ism.one_hot(SEQUENCE)
    assert sequences_of(one_hot) == [SEQUENCE]
    assert sequences_of(torch.from_numpy(np.stack([one_hot, one_hot[::-1].copy()]))) == [SEQUENCE, SEQUENCE[::-1]]
    path = tmp_path / "s.fa"
    path.write_text(">a\nacgt\n>b\nAC\n")
    assert sequences_of(path) == sequences_of(str(path)) == ["ACGT", "AC"]
    (found,) = sequences_of(["c1:11-20:-"], fasta=tiny_fasta)
    assert len(found) == 10
    wrong = [
        (one_hot * 0.5, InputError, "not one-hot"),
        (one_hot[:, :3], InputError, r"\(22, 3\)"),
        ("ACGT", UsageError, "sequences is one string"),
        ([1], UsageError, "sequence 0 is a int"),
    ]
    for given, kind, message in wrong:
        with pytest.raises(kind, match=message):
            sequences_of(given)
    with pytest.raises(InputError, match="contig 'c7' is not in"):
        sequences_of(["c7:1-2"], fasta=tiny_fasta)
