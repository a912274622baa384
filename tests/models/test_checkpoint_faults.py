"""A checkpoint that is not what it says is refused, with the name of what is wrong."""

import json
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from small_batches import FAMILIES
from transformers import AutoModelForCausalLM

from genomelm.errors import IntegrityError, UsageError
from genomelm.models import GenomeModel, load_model


@pytest.fixture(params=FAMILIES)
def saved(make_model, tmp_path: Path, request) -> Path:
    make_model(family=request.param).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def edit_config(path: Path, **changes: object) -> None:
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps({**config, **changes}))


def edit_weights(path: Path, change) -> None:
    weights = load_file(path / "model.safetensors")
    change(weights)
    save_file(weights, path / "model.safetensors")


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "x.ckpt", "a.pkl"])
def test_a_pickle_is_never_opened(saved: Path, name: str) -> None:
    (saved / name).write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    for load in (load_model, GenomeModel.from_pretrained, AutoModelForCausalLM.from_pretrained):
        with pytest.raises(IntegrityError, match=re.escape(name)) as caught:
            load(saved)
        assert caught.value.exit_code == 6


def test_a_pickle_alone_is_refused(saved: Path) -> None:
    (saved / "model.safetensors").rename(saved / "pytorch_model.bin")
    with pytest.raises(IntegrityError, match="never loaded"):
        load_model(saved)


def test_weights_that_do_not_fit_are_named(saved: Path) -> None:
    whole = load_file(saved / "model.safetensors")
    name = next(name for name in whole if name.endswith("mixer.into.weight"))
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
        ({"positions": {**whole["positions"], "rotry": True}}, "rotry: unknown key; did you mean 'rotary'"),
        ({"branches": {**whole["branches"], "motifs": 2}}, "motifs: unknown key; did you mean 'motif'"),
        ({"merge": {**whole["merge"], "were": "each"}}, "were: unknown key; did you mean 'where'"),
        ({"head": {**whole["head"], "per_bas": True}}, "per_bas: unknown key; did you mean 'per_base'"),
        ({"head": {"tasks": {"a": {"kindd": "regression"}}}}, "tasks.a.kindd: unknown key; did you mean 'kind'"),
        ({"head": {"kind": "multi_task"}}, "a multi-task head has no tasks"),
        ({"model_type": "caduceus"}, "model_type 'caduceus' is unknown"),
        ({"model_type": []}, "is unknown"),
        ({"head": {**whole["head"], "kind": "masked_lm"}}, "a causal shell has the head causal_lm"),
        ({"format_version": 2}, "upgrade genomelm"),
    ):
        edit_config(saved, **{**whole, **changes})
        with pytest.raises(UsageError, match=message) as caught:
            load_model(saved)
        assert caught.value.exit_code == 2
        (saved / "config.json").write_text(json.dumps(whole))
    load_model(saved)


@pytest.mark.parametrize(
    ("key", "value"),
    [("shell", None), ("backbone", "a"), ("head", []), ("format_version", "2"), ("format_version", None)],
)
def test_a_part_of_a_config_of_another_kind_is_refused(saved: Path, key: str, value: object) -> None:
    edit_config(saved, **{key: value})
    with pytest.raises(IntegrityError, match=f"'{key}' holds") as caught:
        load_model(saved)
    assert caught.value.exit_code == 6


@pytest.mark.parametrize("key", ["shell", "positions", "branches", "merge", "backbone", "head", "format_version"])
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
