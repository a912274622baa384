import json
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

from genomelm.errors import IntegrityError, UsageError
from genomelm.models import GenomeModel, HyenaGLTForCausalLM, HyenaGLTForRegression, load_model
from genomelm.models.encoding import make_batch, segment_records

KINDS = ["causal_lm", "sequence_classification", "regression"]
HEAD = {"outputs": 2, "task": "coding", "mean": 1.5, "scale": 0.25}


@pytest.fixture
def saved(make_model, tmp_path: Path) -> Path:
    make_model().save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def edit_config(path: Path, **changes: object) -> None:
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps({**config, **changes}))


def edit_weights(path: Path, change) -> None:
    weights = load_file(path / "model.safetensors")
    change(weights)
    save_file(weights, path / "model.safetensors")


def logits(model: GenomeModel, made: list) -> torch.Tensor:
    batch = make_batch(made, segment_records(model.patcher, made))
    return model(input_ids=batch.ids, attention_mask=batch.mask).logits


@pytest.mark.parametrize("kind", KINDS)
def test_saving_and_loading_keeps_logits_class_config_and_patcher(make_model, records, tmp_path, kind: str) -> None:
    model, made = make_model(kind, HEAD).train(), records(50, 31)
    model.save_pretrained(tmp_path / "model")
    for loaded in (type(model).from_pretrained(tmp_path / "model"), load_model(str(tmp_path / "model"))):
        assert type(loaded) is type(model)
        assert not loaded.training
        assert loaded.patcher.fingerprint == model.patcher.fingerprint
        for part in ("shell", "backbone", "head", "format_version"):
            assert getattr(loaded.config, part) == getattr(model.config, part)
        assert torch.equal(logits(loaded, made), logits(model.eval(), made))
    assert loaded.config.head["task"] == "coding"


def test_a_saved_model_saves_again_over_itself(saved: Path, records) -> None:
    before, made = load_model(saved), records(40)
    before.save_pretrained(saved)
    assert torch.equal(logits(load_model(saved), made), logits(before, made))


def test_the_directory_holds_the_whole_config_safetensors_and_the_patcher(saved: Path) -> None:
    assert sorted(f.name for f in saved.iterdir()) == ["config.json", "model.safetensors", "patcher"]
    config = json.loads((saved / "config.json").read_text())
    assert config["format_version"] == 1
    assert {"alphabet", "kmers", "target_length", "window"} < set(config["shell"])
    assert {"layers", "order", "hidden"} <= set(config["backbone"])


def test_transformers_auto_classes_find_the_models(make_model, records, tmp_path) -> None:
    made = records(40)
    for kind, auto in (
        ("causal_lm", AutoModelForCausalLM),
        ("sequence_classification", AutoModelForSequenceClassification),
    ):
        model = make_model(kind)
        model.save_pretrained(tmp_path / kind)
        loaded = auto.from_pretrained(tmp_path / kind)
        assert type(loaded) is type(model)
        assert torch.equal(logits(loaded, made), logits(model, made))


def test_a_checkpoint_of_another_class_is_refused(saved: Path) -> None:
    with pytest.raises(UsageError, match="holds a HyenaGLTForCausalLM, not a HyenaGLTForRegression"):
        HyenaGLTForRegression.from_pretrained(saved)
    with pytest.raises(UsageError, match="not a HyenaGLTForSequenceClassification"):
        AutoModelForSequenceClassification.from_pretrained(saved)
    assert isinstance(GenomeModel.from_pretrained(saved), HyenaGLTForCausalLM)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "x.ckpt", "a.pkl"])
def test_a_pickle_is_never_opened(saved: Path, name: str) -> None:
    (saved / name).write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    for load in (load_model, HyenaGLTForCausalLM.from_pretrained, AutoModelForCausalLM.from_pretrained):
        with pytest.raises(IntegrityError, match=re.escape(name)) as caught:
            load(saved)
        assert caught.value.exit_code == 6


def test_a_pickle_alone_is_refused(saved: Path) -> None:
    (saved / "model.safetensors").rename(saved / "pytorch_model.bin")
    with pytest.raises(IntegrityError, match="never loaded"):
        load_model(saved)


def test_weights_that_do_not_fit_are_named(saved: Path) -> None:
    name = "shell.backbone.blocks.0.mixer.into.weight"
    whole = load_file(saved / "model.safetensors")
    for change, message in (
        (lambda w: w.pop(name), rf"missing \['{name}'\]"),
        (lambda w: w.update(spare=torch.zeros(1)), r"not known \['spare'\]"),
        (lambda w: w.update({name: torch.zeros(3, 4)}), rf"'{name}' has shape \(3, 4\).*asks for \(144, 48\)"),
    ):
        save_file(whole, saved / "model.safetensors")
        load_model(saved)
        edit_weights(saved, change)
        with pytest.raises(IntegrityError, match=message) as caught:
            load_model(saved)
        assert caught.value.exit_code == 6


@pytest.mark.parametrize("kept", [0.0, 0.001, 0.5, 0.999])
def test_truncated_weights_are_refused(saved: Path, kept: float) -> None:
    file = saved / "model.safetensors"
    file.write_bytes(file.read_bytes()[: int(kept * file.stat().st_size)])
    with pytest.raises(IntegrityError, match="copy may be incomplete"):
        load_model(saved)


def test_missing_parts_are_named(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="absent does not exist") as caught:
        load_model(tmp_path / "absent")
    assert caught.value.exit_code == 2
    (saved / "model.safetensors").rename(tmp_path / "kept")
    with pytest.raises(IntegrityError, match="model.safetensors does not exist"):
        load_model(saved)
    (saved / "config.json").unlink()
    with pytest.raises(UsageError, match="has no config.json"):
        load_model(saved)


@pytest.mark.parametrize("text", ['{"model_type": ', "\x00", "[]", "3"])
def test_a_broken_config_is_refused(saved: Path, text: str) -> None:
    (saved / "config.json").write_text(text)
    with pytest.raises(IntegrityError, match="config.json"):
        load_model(saved)


def test_unknown_config_keys_come_with_the_nearest_one(saved: Path) -> None:
    whole = json.loads((saved / "config.json").read_text())
    for changes, message in (
        ({"shel": {}}, "unknown key 'shel'; did you mean 'shell'"),
        ({"shell": {**whole["shell"], "windo": 3}}, "windo: unknown key; did you mean 'window'"),
        ({"backbone": {**whole["backbone"], "layer": 3}}, "layer: unknown key; did you mean 'layers'"),
        ({"model_type": "bert"}, "model_type 'bert' is unknown"),
        ({"format_version": 2}, "upgrade genomelm"),
    ):
        edit_config(saved, **{**whole, **changes})
        with pytest.raises(UsageError, match=message) as caught:
            load_model(saved)
        assert caught.value.exit_code == 2
        (saved / "config.json").write_text(json.dumps(whole))
    load_model(saved)


@pytest.mark.parametrize("key", ["shell", "backbone", "head", "format_version"])
def test_a_config_without_one_of_its_parts_is_refused(saved: Path, key: str) -> None:
    config = json.loads((saved / "config.json").read_text())
    del config[key]
    (saved / "config.json").write_text(json.dumps(config))
    with pytest.raises(IntegrityError, match=f"has no '{key}'"):
        load_model(saved)


def test_a_changed_patcher_is_refused(saved: Path) -> None:
    header = json.loads((saved / "patcher" / "patcher.json").read_text())
    header["config"]["threshold"] += 0.1
    (saved / "patcher" / "patcher.json").write_text(json.dumps(header))
    with pytest.raises(IntegrityError, match="fingerprint"):
        load_model(saved)


def test_a_head_replaces_only_its_own_settings(make_model) -> None:
    model = make_model("regression", HEAD)
    assert model.config.head == {**model.config.head, **HEAD, "kind": "regression"}


def test_the_tiny_size_is_under_a_million_parameters() -> None:
    from genomelm.models import HyenaGLTConfig

    assert sum(p.numel() for p in HyenaGLTForCausalLM(HyenaGLTConfig.tiny()).parameters()) < 1e6
