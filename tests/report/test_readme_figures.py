"""README's table comes from the kept summary of a real run, and from nothing else."""

import json
from pathlib import Path

import pytest
from example_run import write_run

from genomelm.errors import UsageError
from genomelm.report import build, readme, summary

ROOT = Path(__file__).parents[2]


def test_the_table_holds_the_run_s_numbers(tmp_path):
    write_run(tmp_path)
    short = summary.shorten(build.gather(tmp_path))
    text = readme.table(short)
    model = short["language_model"]["rows"][0]
    assert f"| held-out bits per base | {model['value']:.4f} | {model['low']:.4f} to {model['high']:.4f} |" in text
    for task in short["tasks"]:
        assert f"{task['name']}: {task['metric']}" in text


def test_an_update_changes_the_block_only_and_needs_its_markers(tmp_path):
    write_run(tmp_path / "run")
    short = summary.shorten(build.gather(tmp_path / "run"))
    page = tmp_path / "README.md"
    page.write_text(f"before\n{readme.BEGIN}\nold\n{readme.END}\nafter\n")
    readme.update(page, short)
    once = page.read_text()
    assert once.startswith("before\n")
    assert once.endswith("after\n")
    assert "old" not in once
    readme.update(page, short)
    assert page.read_text() == once
    page.write_text("no markers")
    with pytest.raises(UsageError, match="figures: begin"):
        readme.update(page, short)


def test_the_repository_s_readme_shows_the_kept_run():
    kept = json.loads((ROOT / "tests/benchmarks/results/demo.json").read_text())
    block = (ROOT / "README.md").read_text().split(readme.BEGIN)[1].split(readme.END)[0].strip()
    assert block == readme.table(kept)
