"""Options and paths that cannot be right, before anything is computed: exit code, message, and nothing written."""

import pytest
import torch
from typer.testing import CliRunner

from genomelm import cli
from genomelm.models import GenomeModel
from genomelm.models.prefix import PrefixPass


@pytest.fixture
def run(tiny_fasta, language_model_dir, tmp_path):
    """Run a command with options that are right, and those of the test behind them."""
    out = tmp_path / "out"
    right = {
        "score": ["--saturate", "c2:1-9", "-r", tiny_fasta, "-m", language_model_dir, "-o", out / "o.vcf.gz"],
        "predict": [tiny_fasta, "-m", language_model_dir, "-o", out / "o.tsv"],
        "attribute": [language_model_dir, "-r", tiny_fasta, "--interval", "c2:1-9", "-o", out / "o"],
    }

    def call(command: str, *options):
        given = [str(tmp_path) if option == "FOLDER" else option for option in options]
        result = CliRunner().invoke(cli.app, ["-q", command, *map(str, [*right[command], *given])])
        assert not list(out.glob("*"))
        return result

    return call


@pytest.mark.parametrize(
    ("command", "options", "message"),
    [
        ("score", ["--widht", "5"], "--width"),
        ("predict", ["--longst", "5"], "--longest"),
        ("attribute", ["--step", "5"], "--steps"),
        ("score", ["--width", "wide"], "valid integer"),
        ("score", ["--width", "-5"], "greater than or equal to 2"),
        ("score", ["--batch-size", "0"], "use 1 or more, or auto"),
        ("predict", ["--longest", "-1"], "greater than or equal to 1"),
        ("attribute", ["--steps", "0"], "greater than or equal to 1"),
        ("attribute", ["--shuffles", "many"], "valid integer"),
        ("score", ["--on-ref-mismatch", "dorp"], "choose flag, error, drop"),
        ("score", ["--prefix", "1x"], "1x"),
        ("score", ["--table", "t.csv"], "name it .tsv"),
        ("score", ["-o", "out.vcf"], "name it .vcf.gz"),
        ("score", ["-m", "nowhere"], "nowhere does not exist"),
        ("predict", ["-m", "nowhere"], "nowhere does not exist"),
        ("attribute", ["--control", "x=nowhere"], "nowhere does not exist"),
        ("score", ["--table", "FOLDER"], "is a folder"),
        ("score", ["--summary", "FOLDER"], "is a folder"),
        ("predict", ["-o", "FOLDER"], "is a folder"),
    ],
)
def test_a_wrong_option_exits_with_2(run, command, options, message):
    result = run(command, *options)
    assert result.exit_code == 2, result.output
    assert message in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("command", "options", "message"),
    [
        ("score", ["--saturate", "c7:1-9"], "'c7' is not in"),
        ("score", ["--saturate", "nowhere.bed"], "nowhere.bed does not exist"),
        ("attribute", ["--interval", "c2:1-99999"], "passes the end of c2"),
        ("attribute", ["--interval", "c2:1-0"], "holds no bases"),
        ("attribute", ["--sites", "nowhere.tsv"], "nowhere.tsv does not exist"),
        ("attribute", ["--sites", "FOLDER"], "is a folder"),
        ("score", ["--regions", "nowhere.bed"], "nowhere.bed does not exist"),
    ],
)
def test_a_place_or_file_that_is_not_there_exits_with_3(run, command, options, message):
    result = run(command, *options)
    assert result.exit_code == 3, result.output
    assert message in result.stderr
    assert result.stderr.splitlines()[-1].startswith("genomelm: ")


@pytest.mark.parametrize("command", ["score", "predict", "attribute"])
def test_an_output_below_a_file_exits_with_2(run, command, tmp_path):
    (tmp_path / "file").write_text("")
    result = run(command, "-o", tmp_path / "file" / "o.vcf.gz")
    assert result.exit_code == 2, result.output
    assert "choose another folder" in result.stderr


def test_an_attribution_does_not_replace_a_file(run, tmp_path):
    (tmp_path / "file").write_text("kept")
    result = run("attribute", "-o", tmp_path / "file")
    assert result.exit_code == 2
    assert "give the name of a folder" in result.stderr
    assert (tmp_path / "file").read_text() == "kept"


@pytest.mark.parametrize("command", ["score", "predict", "attribute"])
def test_without_a_gpu_a_run_that_needs_one_exits_with_5(run, command, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    result = run(command, "--require-gpu")
    assert result.exit_code == 5
    assert "torch sees no CUDA device" in result.stderr
    assert run(command, "--device", "cuda").exit_code == 5


def test_without_a_gpu_the_cpu_is_used_with_a_notice(tiny_fasta, language_model_dir, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    result = CliRunner().invoke(cli.app, ["-q", "predict", str(tiny_fasta), "-m", str(language_model_dir)])
    assert result.exit_code == 0
    assert "no GPU found: running on the CPU" in result.stderr


def test_memory_that_is_too_small_for_one_window_exits_with_5(run, monkeypatch):
    forward = GenomeModel.forward

    def full(model, input_ids, *arguments, **options):
        if type(input_ids) is not torch.Tensor:  # shapes alone, for the estimate that the message names
            return forward(model, input_ids, *arguments, **options)
        raise torch.OutOfMemoryError("full")

    def full_ends(*arguments):
        raise torch.OutOfMemoryError("full")

    monkeypatch.setattr(GenomeModel, "forward", full)
    monkeypatch.setattr(PrefixPass, "ends", full_ends)
    for command in ("score", "predict"):
        result = run(command, "--device", "cpu")
        assert result.exit_code == 5
        assert "does not fit the device's memory" in result.stderr
