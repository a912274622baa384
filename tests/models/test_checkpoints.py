"""What is saved comes back: class, config, patcher and every logit."""

import json
from pathlib import Path

import pytest
import torch
from small_batches import FAMILIES, PAIRS, batch_of
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
)

import genomelm.models
from genomelm.errors import UsageError
from genomelm.models import GenomeModel, HyenaGLTForCausalLM, HyenaGLTForRegression, load_model
from genomelm.models.classes import CLASSES
from genomelm.models.config import CLASS_ENDINGS, HEAD_KINDS
from genomelm.models.families import CONFIGS

HEAD = {"outputs": 2, "task": "coding", "mean": 1.5, "scale": 0.25}
AUTO = {
    "causal_lm": AutoModelForCausalLM,
    "masked_lm": AutoModelForMaskedLM,
    "sequence_classification": AutoModelForSequenceClassification,
    "token_classification": AutoModelForTokenClassification,
}


def logits(model: GenomeModel, made: list) -> torch.Tensor:
    batch = batch_of(model, made)
    return model(input_ids=batch.ids, attention_mask=batch.mask).logits


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", HEAD_KINDS)
def test_saving_and_loading_keeps_logits_class_config_and_patcher(make_model, records, tmp_path, family, kind) -> None:
    objective = "masked" if kind == "masked_lm" else "causal"
    model, made = make_model(kind, HEAD, family=family, objective=objective).train(), records(50, 31)
    model.save_pretrained(tmp_path / "model")
    autos = [AutoModel, *([AUTO[kind]] if kind in AUTO else [])]
    for load in (type(model).from_pretrained, load_model, *(auto.from_pretrained for auto in autos)):
        loaded = load(str(tmp_path / "model"))
        assert type(loaded) is type(model)
        assert not loaded.training
        assert loaded.patcher.fingerprint == model.patcher.fingerprint
        for part in (*model.config.sections(), "format_version"):
            assert getattr(loaded.config, part) == getattr(model.config, part)
        assert torch.equal(logits(loaded, made), logits(model.eval(), made))
    assert loaded.config.head["task"] == "coding"


def test_each_family_has_a_class_for_each_head() -> None:
    assert set(CLASSES) == {(model_type, kind) for model_type in CONFIGS for kind in CLASS_ENDINGS}
    assert set(HEAD_KINDS) < set(CLASS_ENDINGS)
    for (model_type, kind), model in CLASSES.items():
        assert (model.config_class.model_type, model.head_kind) == (model_type, kind)
        assert getattr(genomelm.models, model.__name__) is model
        assert model.__name__ in genomelm.models.__all__
        ending = kind.replace("_", "").removesuffix("lm") + ("lm" if kind.endswith("lm") else "")
        assert model.__name__.lower() == f"{model_type.removeprefix('genomelm_').replace('_', '')}for{ending}"


@pytest.mark.parametrize("kind", ["sequence_classification", "token_classification", "regression", "variant_effect"])
def test_a_task_model_keeps_its_shells_objective(make_model, records, tmp_path, kind: str) -> None:
    model, made = make_model(kind, family="gryphon", objective="masked"), records(40, 40)
    model.save_pretrained(tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    assert loaded.objective == "masked"
    assert not loaded.is_language_model
    assert torch.equal(logits(loaded, made), logits(model, made))


def test_a_saved_model_saves_again_over_itself(make_model, records, tmp_path) -> None:
    make_model().save_pretrained(tmp_path / "model")
    before, made = load_model(tmp_path / "model"), records(40)
    before.save_pretrained(tmp_path / "model")
    assert torch.equal(logits(load_model(tmp_path / "model"), made), logits(before, made))


@pytest.mark.parametrize(
    ("family", "own"),
    [
        ("hyena_glt", {"order"}),
        ("gryphon", {"block", "state", "random_blocks", "seed"}),
        ("transformer", {"positions", "rezero", "classic"}),
    ],
)
def test_the_directory_holds_the_whole_config_safetensors_and_the_patcher(make_model, tmp_path, family, own) -> None:
    path = tmp_path / "model"
    make_model(family=family).save_pretrained(path)
    assert sorted(f.name for f in path.iterdir()) == ["config.json", "model.safetensors", "patcher"]
    config = json.loads((path / "config.json").read_text())
    assert config["format_version"] == 1
    assert {"alphabet", "objective", "kmers", "target_length", "window"} < set(config["shell"])
    assert {"layers", "hidden"} | own <= set(config["backbone"])


def test_a_checkpoint_of_another_class_is_refused(make_model, tmp_path) -> None:
    saved: Path = tmp_path / "model"
    make_model().save_pretrained(saved)
    with pytest.raises(UsageError, match="holds a HyenaGLTForCausalLM, not a HyenaGLTForRegression"):
        HyenaGLTForRegression.from_pretrained(saved)
    with pytest.raises(UsageError, match="not a HyenaGLTForSequenceClassification"):
        AutoModelForSequenceClassification.from_pretrained(saved)
    with pytest.raises(UsageError, match="not a HyenaGLTForMaskedLM"):
        AutoModelForMaskedLM.from_pretrained(saved)
    assert isinstance(GenomeModel.from_pretrained(saved), HyenaGLTForCausalLM)


def test_a_head_replaces_only_its_own_settings(make_model) -> None:
    model = make_model("regression", HEAD)
    assert model.config.head == {**model.config.head, **HEAD, "kind": "regression"}


@pytest.mark.parametrize(("family", "objective"), PAIRS)
def test_the_tiny_size_is_under_a_million_parameters(family: str, objective: str) -> None:
    kind = "causal_lm" if objective == "causal" else "masked_lm"
    model = CLASSES[f"genomelm_{family}", kind]
    assert sum(p.numel() for p in model(model.config_class.tiny(objective)).parameters()) < 1e6
