"""`genomelm finetune`, `evaluate` and `predict` from the files of each source."""

import json
from pathlib import Path

import pytest
from source_files import TASKS, finetuned, given, read, write_sources
from training_files import run

from genomelm.models import load_model


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    return write_sources(tmp_path_factory.mktemp("sources"))


@pytest.mark.parametrize("name", TASKS)
def test_each_source_is_trained_evaluated_and_predicted(site, tmp_path, name):
    task = TASKS[name]
    metrics = finetuned(site, tmp_path / "run", *given(site, name))
    assert metrics["metrics"].keys() == set(task.metrics)
    for entry in metrics["metrics"].values():
        assert entry["low"] <= entry["high"]
    assert metrics["test"] == metrics["metrics"][task.metric]["value"]
    code, said = run("evaluate", *given(site, name), tmp_path / "run", "-o", tmp_path / "task.json", "--threads", 1)
    assert code == 0, said
    result = json.loads((tmp_path / "task.json").read_text())
    assert result["model"]["seeds"] == pytest.approx([metrics["test"]], abs=1e-4)  # ties of rounded text
    assert result["n_test"] == metrics["examples"]["test"] > 3
    rows = read(tmp_path / "run" / "predictions.tsv")
    ends = [f"_{end}" for end in task.output_names] or [""]
    beside = ends if task.label_columns else [""]
    if task.of_bases:
        assert [int(row["offset"]) for row in rows[:2]] == [0, task.token_step]
    place = ["offset"] * task.of_bases
    assert list(rows[0]) == ["name", *place, *(f"label{e}" for e in beside), *(f"prediction{e}" for e in ends)]
    model = load_model(tmp_path / "run" / "model")
    assert model.config.head["outputs"] == task.outputs
    if task.kind == "variant_effect":
        return
    (tmp_path / "q.fa").write_text(">q\n" + "ACGGTTACAT" * 4 + "\n")
    code, said = run(
        "predict", tmp_path / "q.fa", "-m", tmp_path / "run" / "model", "-o", tmp_path / "q.tsv", "--device", "cpu"
    )
    assert code == 0, said
    rows = read(tmp_path / "q.tsv")
    kinds = ("value",) if task.kind == "regression" else ("logit", "probability")
    assert list(rows[0])[3 if task.of_bases else 2 :] == [f"{kind}{end}" for kind in kinds for end in ends]
    assert len(rows) == (40 if task.of_bases else 1)
    if task.kind != "regression":
        chances = [float(rows[0][f"probability{end}"]) for end in ends]
        assert all(0 <= chance <= 1 for chance in chances)
        assert (sum(chances) == pytest.approx(1, abs=1e-5)) == (task.outputs > 1 and not task.multi_label)
