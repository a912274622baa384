"""`genomelm report`: one folder, several folders, attributions, and options that belong to one of them."""

import pytest
import typer
from example_attribution import write_summary
from example_run import shared
from typer.testing import CliRunner

from genomelm.commands.report import report
from genomelm.errors import InputError, UsageError


def call(*arguments):
    app = typer.Typer()
    app.command()(report)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def written(folder):
    return {path.name for path in folder.rglob("*") if path.is_file()}


def test_one_folder_gives_the_report_of_a_model(finished_run, tmp_path):
    options = [text for key, path in shared(finished_run).items() for text in (f"--{key.replace('_', '-')}", path)]
    result = call(
        finished_run, "-o", tmp_path / "a/r.html", "--summary", tmp_path, "--expect", "nothing.json", *options
    )
    assert result.exit_code == 0, result.output
    assert "WARN" in result.output
    text = (tmp_path / "summary.txt").read_text()
    assert "Expected file nothing.json" in text
    assert "PASS  Mean patch length" in text
    assert "toy.fa.gz.licence: MIT" in text
    assert "pretrain.seconds: 183.4" in text
    assert written(tmp_path) == {"r.html", "r.json", "summary.json", "summary.txt"}


def test_several_folders_give_the_page_side_by_side_and_the_readme(models, tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("<!-- figures: begin -->\n<!-- figures: end -->\n")
    result = call(*models, "-o", tmp_path / "r.html", "--readme", readme)
    assert result.exit_code == 0, result.output
    assert written(tmp_path) == {"r.html", "r.json", "summary.json", "summary.txt", "README.md"}
    assert "| gryphon |" in readme.read_text()


def test_one_folder_can_stand_by_itself_on_the_page_side_by_side(models, tmp_path):
    result = call(models[0], "--compare", "-o", tmp_path / "r.html")
    assert result.exit_code == 0, result.output
    assert "side by side" in (tmp_path / "r.html").read_text()


def test_options_of_the_other_page_are_refused(models, tmp_path):
    wrong = call(*models, "-o", tmp_path / "r.html", "--data", tmp_path, "--patch-summary", tmp_path / "s.json")
    assert isinstance(wrong.exception, UsageError)
    assert "--patch-summary, --data" in str(wrong.exception)
    with pytest.raises(UsageError, match="--compare"):
        raise call(models[0], "-o", tmp_path / "r.html", "--readme", tmp_path / "README.md").exception
    assert written(tmp_path) == set()


def test_a_folder_without_results_is_refused_and_left_alone(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/genome.fa").write_text(">c\nA\n")
    result = call(tmp_path / "data", "-o", tmp_path / "r.html")
    assert isinstance(result.exception, InputError)
    assert "data holds no results" in str(result.exception)
    assert written(tmp_path) == {"genome.fa"}


def test_a_folder_of_attributions_gives_its_page_and_is_left_alone(attribution, tmp_path):
    write_summary(attribution, 12, 80, {"signal": {"distinguishable": False, "p": 0.4}})
    before = (attribution / "summary.json").read_bytes()
    result = call(attribution, "-o", tmp_path / "out/p.html")
    assert result.exit_code == 0, result.output
    assert "FAIL" in result.output
    assert "indistinguishable from null" in result.output
    assert written(tmp_path / "out") == {"p.html", "p.json"}
    assert (attribution / "summary.json").read_bytes() == before
    wrong = call(attribution, "-o", tmp_path / "p.html", "--summary", attribution, "--data", tmp_path)
    assert isinstance(wrong.exception, UsageError)
    assert "--data, --summary" in str(wrong.exception)
