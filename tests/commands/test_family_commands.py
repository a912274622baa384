"""Gryphon and masked models through `genomelm pretrain` and `evaluate`, and model files with faults."""

import json
from pathlib import Path

import pytest
from training_files import (
    ON_CPU,
    SHELL,
    finetune_arguments,
    make_site,
    patch_arguments,
    pretrain_arguments,
    replaced,
    run,
)

import genomelm.models
from genomelm.models import load_model

GRYPHON = "backbone: {layers: 1, state: 8, heads: 2, block: 4, window: 2, global_blocks: 1, random_blocks: 1}\n"


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """Beside the entropy patches, those of six bases; model files of Gryphon and of masked models."""
    folder = make_site(tmp_path_factory.mktemp("families"))
    code, said = run("patch", *patch_arguments(folder, folder / "stride"), "--mode", "fixed_stride")
    assert code == 0, said
    masked = f"{SHELL}, objective: masked, window: 3"
    files = {
        "gryphon": f"family: gryphon\nshell: {{{SHELL}}}\n{GRYPHON}",
        "gryphon_masked": f"family: gryphon\nshell: {{{masked}}}\n{GRYPHON}",
        "hyena_masked": f"family: hyena_glt\nshell: {{{masked}}}\nbackbone: {{layers: 1, hidden: 16}}\n",
        "transformer_masked": f"family: transformer\nshell: {{{masked}}}\nbackbone: {{layers: 1, heads: 2}}\n",
        "cnn_masked": "family: cnn\nshell: {objective: masked, local_width: 16}\n",
    }
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder


def trained(site: Path, name: str, patches: str) -> Path:
    out = site / name
    arguments = replaced(pretrain_arguments(site, out), model=site / f"{name}.yaml", patches=site / patches)
    code, said = run("pretrain", *arguments)
    assert code == 0, said
    return out


@pytest.fixture(scope="module")
def gryphon(site) -> Path:
    return trained(site, "gryphon", "patch")


def evaluated(site: Path, model: Path, patches: str, out: Path, *more) -> tuple[int, str]:
    return run(
        *("evaluate", model / "model", "--genome", site / "g.fa", "--patches", site / patches),
        *("--region", "c:9001-12000", "--window", 100, "-o", out, *ON_CPU, *more),
    )


def test_a_gryphon_is_trained_and_measured_in_long_windows(site, gryphon, tmp_path):
    metrics = json.loads((gryphon / "metrics.json").read_text())
    assert (metrics["family"], metrics["objective"], metrics["steps"]) == ("gryphon", "causal", 20)
    assert type(load_model(gryphon / "model")) is genomelm.models.GryphonForCausalLM
    code, said = evaluated(site, gryphon, "patch", tmp_path / "lm.json", "--long-window", 1000)
    assert code == 0, said
    result = json.loads((tmp_path / "lm.json").read_text())
    assert (result["family"], result["objective"], result["bases"]) == ("gryphon", "causal", 3000)
    names = {"backbone_mean", "random_boundaries", "without_s5", "without_bigbird"}
    assert set(result["ablations"]) == names
    assert "count_model" in result
    long = result["long"]
    assert (long["window"], long["windows"]) == (1000, 3)
    assert set(long["bits_per_base"]) == {"value", "low", "high"}
    assert set(long["without_bigbird"]) == {"value", "delta", "low", "high"}
    assert 100 < long["patches"] < 300
    assert long["blocks"] == -(-long["patches"] // 4)
    assert 0.5 < long["sparsity"] < 1


def test_a_long_window_that_no_region_holds_is_told(site, gryphon, tmp_path):
    code, said = evaluated(site, gryphon, "patch", tmp_path / "lm.json", "--long-window", 3001)
    assert code == 3
    assert "no region is as long as the window of 3001 bases" in said
    assert not (tmp_path / "lm.json").exists()


@pytest.mark.parametrize(
    ("name", "mixers"),
    [
        ("hyena_masked", {"hyena"}),
        ("gryphon_masked", {"s5", "bigbird"}),
        ("transformer_masked", {"attention"}),
        ("cnn_masked", set()),
    ],
)
def test_a_masked_model_is_trained_and_measured_without_the_count_model(site, tmp_path, name, mixers):
    out = trained(site, name, "stride")
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["objective"] == "masked"
    model = load_model(out / "model")
    assert (model.objective, model.head_kind, model.patcher.config.mode) == ("masked", "masked_lm", "fixed_stride")
    code, said = evaluated(site, out, "stride", tmp_path / "lm.json")
    assert code == 0, said
    result = json.loads((tmp_path / "lm.json").read_text())
    assert (result["objective"], result["windows"]) == ("masked", 30)
    assert set(result["ablations"]) == {"backbone_mean", *(f"without_{mixer}" for mixer in mixers)}
    assert not result.keys() & {"count_model", "difference", "published", "long"}
    assert 1 < result["bits_per_base"]["value"] < 3


def test_a_masked_model_with_entropy_patches_exits_2(site, tmp_path):
    arguments = replaced(pretrain_arguments(site, tmp_path / "x"), model=site / "gryphon_masked.yaml")
    code, said = run("pretrain", *arguments)
    assert code == 2
    assert "patches of mode entropy" in said
    assert "fixed_stride or byte" in said
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("family: grifon\n", "family: 'grifon' is unknown; did you mean 'gryphon'?"),
        ("family: mamba\n", "family: 'mamba' is unknown; choose hyena_glt or gryphon or transformer or cnn"),
        ("shell: {}\n", "family: None is unknown"),
        ("family: gryphon\nbackbone: {globl_blocks: 1}\n", "did you mean 'global_blocks'?"),
        ("family: gryphon\nshell: {objectiv: masked}\n", "did you mean 'objective'?"),
        ("family: gryphon\nshell: {width: 20}\nbackbone: {heads: 4}\n", "choose a multiple of 8"),
    ],
)
@pytest.mark.parametrize("verb", ["pretrain", "finetune"])
def test_a_faulty_model_file_exits_2_with_the_nearest_name(site, tmp_path, verb, text, said):
    (tmp_path / "bad.yaml").write_text(text)
    arguments = {"pretrain": pretrain_arguments(site, tmp_path / "x")}
    arguments["finetune"] = finetune_arguments(site, tmp_path / "bad.yaml", tmp_path / "x")
    code, message = run(verb, *replaced(arguments[verb], model=tmp_path / "bad.yaml"))
    assert code == 2
    assert said in message
    assert not (tmp_path / "x" / "model").exists()


def test_a_model_file_that_does_not_exist_exits_2(site, tmp_path):
    code, said = run("finetune", *finetune_arguments(site, tmp_path / "absent.yaml", tmp_path / "x"))
    assert code == 2
    assert "absent.yaml does not exist" in said


@pytest.mark.parametrize("name", ["transformer_masked", "cnn_masked"])
def test_a_baseline_is_trained_on_a_task_from_scratch(site, tmp_path, name):
    out = tmp_path / "task"
    code, said = run("finetune", *finetune_arguments(site, site / f"{name}.yaml", out))
    assert code == 0, said
    model = load_model(out / "model")
    assert model.config.model_type == f"genomelm_{name.removesuffix('_masked')}"
    assert not model.is_language_model
