"""The comparison's table: differences seed by seed, verdicts by intervals, and sentences that follow the numbers."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from typer.testing import CliRunner

from genomelm.bench import compare_text
from genomelm.bench.compare_controls import control_text
from genomelm.bench.compare_grid import KEYS, CompareCell, CompareConfig, CompareModel, cells
from genomelm.bench.compare_table import results
from genomelm.bench.paired import paired_auroc
from genomelm.commands.bench_compare import app
from genomelm.errors import InputError
from genomelm.runtime import counter_seed
from genomelm.settings import from_mapping, to_mapping

ROOT = Path(__file__).parents[2]
BITS = {"Gryphon": 1.90, "transformer": 1.88, "CNN": 1.95}
RECALLED = {"Gryphon": 0.4, "transformer": 0.9, "CNN": 0.25}
SIGNAL = {"Gryphon": 2.0, "transformer": 2.0, "CNN": 0.0}


@pytest.fixture(scope="module")
def config() -> CompareConfig:
    models = (("Gryphon", "gryphon_tiny"), ("transformer", "transformer_tiny"), ("CNN", "cnn_small"))
    value = {
        "genome": {"name": "one", "fasta": "one.fa", "train": ["a:1-9"], "test": ["a:10-19"]},
        "models": [to_mapping(CompareModel(name, str(ROOT / f"configs/models/{file}.yaml"))) for name, file in models],
        "language": {"flops": 1.0, "windows": [1024]},
        "recall": {"flops": [1.0], "means": [1], "lengths": [1024]},
        "enhancer": {"flops": 1.0, "lengths": [16384]},
        "control": {"model": str(ROOT / "configs/models/transformer_tiny.yaml"), "lengths": [4096, 8192]},
    }
    return from_mapping(CompareConfig, value)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    (folder / "one").mkdir()
    (folder / "one" / "facts.json").write_text('{"name": "one"}')
    return folder


@pytest.fixture
def rows(config: CompareConfig) -> dict[tuple, dict]:
    """What cells would give: the transformer ahead in bits and recall, the CNN at chance in both tasks."""
    return {(c.part, c.model, c.size, c.seed): made(c) for c in cells(config)}


def made(cell: CompareCell) -> dict:
    generator = np.random.default_rng(counter_seed(cell.part, cell.model, cell.seed))
    row = {**vars(cell), "steps": 7, "parameters": 100, "tables": 10, "layers": 48}
    if cell.part in ("language", "control", "depth"):
        level = BITS.get(cell.model, 1.9)
        bits = generator.normal(level, 0.005, 60) * 100
        row |= {"bits_per_base": bits.mean() / 100, "window_bits": bits.tolist(), "window_bases": [100] * 60}
        row |= {"flops_per_base": 2e6, "bytes": 700, "first_bits_per_base": 2.0, "train_bits_per_base": level}
        row["backbone_mean"] = (bits + 5).tolist()
    if cell.part == "recall":
        tests = {
            n: {"correct": generator.binomial(40, RECALLED[cell.model], 60).tolist(), "asked": 40} for n in ("1024",)
        }
    if cell.part == "enhancer":
        labels = np.random.default_rng(1).integers(0, 2, (80, 4))
        scores = SIGNAL[cell.model] * labels + generator.normal(size=labels.shape)
        test = {"scores": scores.tolist(), "labels": labels.tolist(), "distances": [10_000, 16_000]}
        tests = {"16384": test}
    if cell.part in ("recall", "enhancer"):
        row |= {"tests": tests, "bases": dict.fromkeys(tests, 9), "flops_per_base": dict.fromkeys(tests, 2e6)}
    if "speed" in cell.part:
        fast = 3.0 if cell.model == "transformer" else 1.0
        row["speeds"] = [
            {"name": name, "checkpointing": saving, "positions_per_s": 1e6 * fast, "peak_bytes": peak << 30}
            for name, saving, peak in (("training", False, 4), ("forward", False, 1), ("training", True, 3))
        ]
    return row


def test_a_figure_is_the_mean_over_seeds_and_a_difference_is_the_others_less_the_first_ones(
    config: CompareConfig, prepared: Path, rows: dict
) -> None:
    found = results(config, prepared, rows)
    first, transformer, local = found["language"]
    both = [
        [rows["language", name, 1024, seed]["bits_per_base"] for seed in (1, 2)] for name in ("Gryphon", "transformer")
    ]
    assert first["value"] == pytest.approx(np.mean(both[0]))
    assert first["spread"] == sorted(both[0])
    assert "less_first" not in first
    assert transformer["less_first"]["value"] == pytest.approx(np.mean(both[1]) - np.mean(both[0]))
    assert [compare_text.verdict_of("language", row) for row in (first, transformer, local)] == [
        *(None, "behind", "ahead of"),
    ]
    correct = [rows["recall", "transformer", 1, seed]["tests"]["1024"]["correct"] for seed in (1, 2)]
    assert found["recall"][1]["value"] == pytest.approx(np.mean(correct) / 40)
    assert compare_text.verdict_of("recall", found["recall"][1]) == "behind"
    assert compare_text.verdict_of("recall", found["recall"][2]) == "ahead of"
    area = np.mean([
        roc_auc_score(np.ravel(test["labels"]), np.ravel(test["scores"]))
        for test in (rows["enhancer", "Gryphon", 16384, seed]["tests"]["16384"] for seed in (1, 2))
    ])  # fmt: skip
    assert found["enhancer"][0]["value"] == pytest.approx(area)
    assert compare_text.verdict_of("enhancer", found["enhancer"][1]) == "level with"
    assert found["missing"] == []
    assert not any("window_bits" in run or "tests" in run for run in found["runs"])


def test_the_text_says_where_the_first_model_does_not_win(config: CompareConfig, prepared: Path, rows: dict) -> None:
    found = results(config, prepared, rows)
    text = compare_text.text(found)
    assert "Gryphon wins 3 of 6 comparisons" in text
    lost = text.split("It does not win here: ")[1].split("\n")[0]
    assert lost == (
        "language: behind transformer (windows of 1,024 bases). "
        "recall: behind transformer (1,024 bases, patches of 1). enhancer: level with transformer (16,384 bases)."
    )
    assert "1,024 bases, patches of 1: Gryphon is ahead of CNN (-0.1" in text
    assert text.count("Their intervals reach down to chance there: CNN.") == 2


def test_a_comparison_of_one_seed_says_so_and_is_not_counted(config: CompareConfig, prepared: Path, rows: dict) -> None:
    left = {key: row for key, row in rows.items() if key[1] != "transformer" or key[0] != "recall" or key[3] == 1}
    text = compare_text.text(results(config, prepared, left))
    assert "Gryphon wins 3 of 5 comparisons" in text
    assert "1 more have one seed and are not counted." in text
    assert "recall: behind transformer" not in text
    assert "(one seed)" in text
    assert "recall transformer 1 seed 2" in text.split("Not run: ")[1]
    turned = copy.deepcopy(rows)
    for seed in (1, 2):
        pair = [("language", name, 1024, seed) for name in ("Gryphon", "transformer")]
        for ours, theirs in (pair, pair[::-1]):
            turned[ours] = {**rows[theirs], **dict(zip(KEYS, ours, strict=True))}
    assert "language: behind" not in compare_text.text(results(config, prepared, turned))


def test_models_are_compared_on_the_seeds_that_both_have(config: CompareConfig, prepared: Path, rows: dict) -> None:
    del rows["language", "Gryphon", 1024, 2], rows["language", "CNN", 1024, 1]
    first, transformer, local = results(config, prepared, rows)["language"]
    expected = rows["language", "transformer", 1024, 1]["bits_per_base"] - first["value"]
    assert transformer["less_first"]["value"] == pytest.approx(expected)
    assert "less_first" not in local


def test_the_controls_are_held_against_what_was_wanted(config: CompareConfig, prepared: Path, rows: dict) -> None:
    found = results(config, prepared, rows)["control"]
    table, said = control_text(found)
    assert len(table.splitlines()) == 2 + 4
    assert (
        "Forward the transformer is 3.00 times as fast as its classic form; 1.9 times was wanted, and is reached."
        in said
    )
    assert "Gradient checkpointing takes off 25% of its training memory; 30% was wanted, and is not reached." in said
    assert "48 layers after 7 steps: the transformer one goes from 2.000 to 1.880 bits" in said
    assert "its blocks are worth 0.0500 bits (0.0500 to 0.0500)" in said
    assert "a perplexity 1." in said
    for row in (rows["depth", "classic", 2048, 1], rows["control", "classic", 2048, 1]):
        row |= {"bits_per_base": None, "train_bits_per_base": None, "window_bits": [None] * 60}
    said = control_text(results(config, prepared, rows)["control"])[1]
    assert "the classic one's loss is not finite" in said
    assert "perplexity" not in said


def test_areas_of_resamples_are_those_of_the_examples_drawn() -> None:
    generator = np.random.default_rng(3)
    labels = generator.integers(0, 2, (30, 2))
    runs = [labels + generator.normal(size=(2, 30, 2)), generator.normal(size=(2, 30, 2))]
    good, blind = paired_auroc(labels, runs)
    assert good[0] == pytest.approx(np.mean([roc_auc_score(labels.ravel(), run.ravel()) for run in runs[0]]))
    assert np.quantile(good[1:], 0.025) < good[0] < np.quantile(good[1:], 0.975)
    assert np.quantile(blind[1:], 0.025) < 0.5 < np.quantile(blind[1:], 0.975)
    assert 0.02 < good[1:].std() < 0.1


def test_results_of_another_grid_are_refused(config: CompareConfig, prepared: Path, rows: dict) -> None:
    with pytest.raises(InputError, match="the grid has no cell"):
        results(config, prepared, {**rows, ("language", "RNN", 1024, 1): {}})
    with pytest.raises(InputError, match="no cell has a result"):
        results(config, prepared, {})


def test_the_command_writes_the_results_and_the_markdown_and_names_what_is_missing(
    config: CompareConfig, prepared: Path, rows: dict, tmp_path: Path
) -> None:
    file, cells_file, readme = tmp_path / "grid.yaml", tmp_path / "cells.jsonl", tmp_path / "README.md"
    file.write_text(json.dumps(to_mapping(config)))
    kept = [row for key, row in rows.items() if key[0] != "recall"]
    cells_file.write_text("".join(json.dumps(row) + "\n" for row in kept))
    readme.write_text("before\n<!-- compare: begin -->\nold\n<!-- compare: end -->\nafter\n")
    call = ["table", cells_file, "--config", file, "--prepared", prepared, "-o", tmp_path / "out.json"]
    done = CliRunner().invoke(app, list(map(str, [*call, "--markdown", readme])))
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "out.json").read_text())
    assert found["missing"][0] == "recall Gryphon 1 seed 1"
    assert found["recall"] == []
    text = compare_text.text(found)
    assert readme.read_text() == f"before\n<!-- compare: begin -->\n{text}\n<!-- compare: end -->\nafter\n"
    assert "6 cells were not run" in done.output
