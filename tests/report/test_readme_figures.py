"""README's table comes from the kept summary of a real run, and from nothing else."""

import json
from pathlib import Path

import pytest

from genomelm.errors import UsageError
from genomelm.report import comparison, readme

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def compared(models, tmp_path_factory):
    return comparison.gather(models, tmp_path_factory.mktemp("page") / "report.html")


def test_the_table_holds_the_models_numbers(compared):
    rows = readme.table(compared).splitlines()
    assert rows[2].startswith("| hyena_glt | held-out bits per base | 1.9134 | 1.9113 to 1.9155 | count model 1.947; ")
    named = [row.split(" | ")[0].strip("| ") for row in rows[2:]]
    assert [name for name in named if name] == ["hyena_glt", "gryphon", "masked", "rna", "protein"]
    assert len(rows) <= 32
    assert all(row.count(" | ") == 4 for row in rows)
    text = "\n".join(rows)
    for shown in (
        "without s5 +0.0213 (0.0194 to 0.0232)",
        "windows of 8,192 bases | 1.9077 | 1.9025 to 1.9129 | 17 attention blocks; true sparsity 0.627; "
        "without s5 +0.0199 (0.0178 to 0.0220); without bigbird +0.0041 (0.0029 to 0.0053)",
        "| masked | held-out bits per masked base | 1.8911 | 1.8887 to 1.8935 | uniform bases 2 |",
        "| genes: auroc, mean of 3 seeds | 0.8710 | 0.8630 to 0.8790 | kmer_1_6 0.702; gc_content 0.402; target 0.702",
    ):
        assert shown in text
    for task in compared["tasks"]:
        assert text.count(f"| {task['name']}: {task['metric']}") == len(task["models"])


def test_an_update_changes_the_block_only_and_needs_its_markers(compared, tmp_path):
    page = tmp_path / "README.md"
    page.write_text(f"before\n{readme.BEGIN}\nold\n{readme.END}\nafter\n")
    readme.update(page, compared)
    once = page.read_text()
    assert once.startswith("before\n")
    assert once.endswith("after\n")
    assert "old" not in once
    readme.update(page, compared)
    assert page.read_text() == once
    page.write_text("no markers")
    with pytest.raises(UsageError, match="figures: begin"):
        readme.update(page, compared)


def test_the_repository_s_readme_shows_the_kept_run():
    kept = json.loads((ROOT / "tests/benchmarks/results/demo.json").read_text())
    block = (ROOT / "README.md").read_text().split(readme.BEGIN)[1].split(readme.END)[0].strip()
    assert block == readme.table(kept)
