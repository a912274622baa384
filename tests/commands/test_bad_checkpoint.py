"""Checkpoints that must not be used, through `genomelm predict`: exit code, the name of what is wrong, no output."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from genomelm import cli

WEIGHT = "shell.backbone.blocks.0.mixer.into.weight"


@pytest.fixture
def model(language_model_dir, tmp_path):
    return shutil.copytree(language_model_dir, tmp_path / "model")


@pytest.fixture
def predict(tiny_fasta, tmp_path):
    """Run `genomelm predict` with a model; return the exit code and stderr, and hold that nothing was written."""

    def run(model) -> tuple[int, str]:
        fixed = ["-o", tmp_path / "out.tsv", "--device", "cpu", "--threads", 1]
        result = CliRunner().invoke(cli.app, ["-q", "predict", *map(str, [tiny_fasta, "-m", model, *fixed])])
        assert (tmp_path / "out.tsv").exists() == (result.exit_code == 0)
        return result.exit_code, result.stderr

    return run


def edit_weights(change):
    def edit(model):
        weights = load_file(model / "model.safetensors")
        change(weights)
        save_file(weights, model / "model.safetensors")

    return edit


def edit_config(change):
    def edit(model):
        config = json.loads((model / "config.json").read_text())
        change(config)
        (model / "config.json").write_text(json.dumps(config))

    return edit


def cut(name: str, share: float):
    def edit(model):
        whole = (model / name).read_bytes()
        (model / name).write_bytes(whole[: int(share * len(whole))])

    return edit


def remove(name: str):
    return lambda model: (model / name).unlink()


@pytest.mark.parametrize(
    ("edit", "code", "message"),
    [
        (lambda m: (m / "pytorch_model.bin").write_bytes(b"\x80\x04."), 6, "pytorch_model.bin: pickles can run code"),
        (edit_weights(lambda w: w.pop(WEIGHT)), 6, f"missing ['{WEIGHT}']"),
        (edit_weights(lambda w: w.update(spare=torch.zeros(1))), 6, "not known ['spare']"),
        (edit_weights(lambda w: w.update({WEIGHT: torch.zeros(3, 4)})), 6, f"'{WEIGHT}' has shape (3, 4)"),
        (cut("model.safetensors", 0.9), 6, "the copy may be incomplete"),
        (cut("model.safetensors", 0), 6, "the copy may be incomplete"),
        (remove("model.safetensors"), 6, "model.safetensors does not exist"),
        (cut("config.json", 0.5), 6, "config.json is not valid JSON"),
        (cut("patcher/patcher.json", 0.5), 6, "patcher is not a whole patcher"),
        (remove("config.json"), 2, "no config.json"),
        (edit_config(lambda c: c.update(format_version=99)), 2, "has format 99"),
        (edit_config(lambda c: c.update(hed={})), 2, "unknown key 'hed'; did you mean 'head'?"),
        (edit_config(lambda c: c["shell"].update(widht=3, local_width="wide", window=-1)), 2, "did you mean 'width'?"),
        (edit_config(lambda c: c.update(model_type="caduceus")), 2, "model_type 'caduceus' is unknown"),
        (shutil.rmtree, 2, "does not exist"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused_by_name(model, predict, edit, code, message):
    assert predict(model)[0] == 0
    (model.parent / "out.tsv").unlink()
    edit(model)
    found, stderr = predict(model)
    assert (found, message in stderr) == (code, True), stderr
    assert "unexpected" not in stderr


def test_all_faults_of_a_config_are_named_at_once(model, predict):
    edit_config(lambda c: c["shell"].update(widht=3, local_width="wide", window=-1))(model)
    code, stderr = predict(model)
    assert code == 2
    assert all(name in stderr for name in ("3 faults", "widht", "local_width", "window"))


def test_a_newer_format_says_the_way_out(model, predict):
    edit_config(lambda c: c.update(format_version=99))(model)
    assert "upgrade genomelm" in predict(model)[1]


def test_a_pickle_alone_is_never_opened(predict, tmp_path):
    pickle = tmp_path / "model.pt"
    pickle.write_bytes(b"cos\nsystem\n(S'touch hacked'\ntR.")
    code, stderr = predict(pickle)
    assert code == 6
    assert "model.pt is a pickle" in stderr
    assert not (tmp_path / "hacked").exists()
