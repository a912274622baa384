"""`genomelm finetune`: several tasks in one run, what is tuned, and files and rows that do not fit."""

import json
from pathlib import Path

import pytest
from source_files import TASKS, finetuned, given, read, write_sources
from training_files import ON_CPU, run

from genomelm.models import load_model


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    return write_sources(tmp_path_factory.mktemp("sources"))


def test_several_tasks_are_trained_in_one_run_and_measured_one_by_one(site, tmp_path):
    names = ("pairs", "types", "bases", "alleles")
    arguments = [part for name in names for part in given(site, name)[:4]]
    metrics = finetuned(site, tmp_path / "run", *arguments, "--genome", site / "g.fa")
    assert list(metrics["tasks"]) == list(names)
    assert set(metrics["provenance"]["sources"]) == {
        "model", "pairs.data", "types.data", "bases.data", "bases.genome", "alleles.data", "alleles.genome"
    }  # fmt: skip
    for name in names:
        assert metrics["tasks"][name]["metrics"].keys() == set(TASKS[name].metrics)
        code, said = run("evaluate", *given(site, name), tmp_path / "run", "-o", tmp_path / "task.json", "--threads", 1)
        assert code == 0, said
        result = json.loads((tmp_path / "task.json").read_text())
        assert result["model"]["seeds"] == pytest.approx([metrics["tasks"][name]["test"]], abs=1e-4)
    assert set(load_model(tmp_path / "run" / "model").tasks) == set(names)
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert {"types_validation_macro_auroc", "validation_mean"} <= set(log[-1])
    (tmp_path / "q.fa").write_text(">q\n" + "ACGGTTACAT" * 4 + "\n")
    code, said = run(
        "predict",
        tmp_path / "q.fa",
        "-m",
        tmp_path / "run" / "model",
        "--task",
        "types",
        "-o",
        tmp_path / "q.tsv",
        "--device",
        "cpu",
    )
    assert code == 0, said
    assert list(read(tmp_path / "q.tsv")[0])[2:5] == ["logit_at", "logit_gc", "logit_mixed"]


@pytest.mark.parametrize(("kind", "more"), [("frozen", ""), ("lora", "lora_rank: 2\n")])
def test_the_training_file_says_what_is_tuned_and_metrics_json_how_much(site, tmp_path, kind, more):
    (site / f"{kind}.yaml").write_text((site / "train.yaml").read_text() + f"tune: {kind}\n{more}")
    tuning = finetuned(site, tmp_path / "run", *given(site, "two"), train=f"{kind}.yaml")["tuning"]
    model = load_model(tmp_path / "run" / "model")
    head = sum(p.numel() for p in model.head.parameters())
    assert tuning["tune"] == kind
    assert tuning["trained_parameters"] == head + tuning.get("adapter_parameters", 0)
    assert ("adapter_bytes" in tuning) == (kind == "lora")
    plain = {name for name, _ in model.named_parameters()}
    assert not any("lora" in name for name in plain)


def test_strict_stops_at_windows_that_overlap_training(site, tmp_path):
    task = tmp_path / "near.yaml"
    task.write_text(
        "name: near\nkind: variant_effect\nsource: vcf\nlabel_column: EFF\nwindow: 300\nsplit: {by: sequence}\n"
    )
    arguments = ("--task", task, "--data", site / "v.vcf", "--genome", site / "g.fa", "--strict")
    code, said = run(
        "finetune",
        "--model",
        site / "m.yaml",
        "--train",
        site / "train.yaml",
        *arguments,
        "-o",
        tmp_path / "x",
        *ON_CPU,
    )
    assert code == 3
    assert "overlapping; remove them or drop --strict" in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("pairs", "types"), None),
        (("pairs", "--data", "x.bed"), "1 --task and 2 --data: give one --data for each"),
        (("pairs", "--genome", "g.fa"), "--genome is given 1 times, and 0 of the tasks read such a file"),
        (("mean", "--genome", "g.fa"), "--genome is given 2 times, and 1 of the tasks"),
        (("pairs", "--labels", "pairs.tsv"), "--labels is given 1 times, and 0 of the tasks"),
        (("pairs", "--split", "pairs.tsv"), "--split is given 1 times, and 0 of the tasks"),
    ],
)
def test_files_that_fit_no_task_exit_2(site, tmp_path, arguments, words):
    parts = []
    for part in arguments:
        parts += given(site, part) if part in TASKS else [part if part.startswith("--") else site / part]
    start = ("--model", site / "m.yaml", "--train", site / "train.yaml")
    code, said = run("finetune", *start, *parts, "-o", tmp_path / "x", *ON_CPU)
    assert code == (0 if words is None else 2), said
    assert words is None or words in said


def test_faults_of_a_source_exit_3_and_are_told_at_once(site, tmp_path):
    bed = tmp_path / "bad.bed"
    bed.write_text((site / "x.bed").read_text() + "a\t5990\t6010\tyes\nq\t1\t9\tno\na\t7\t3\tno\n")
    arguments = [bed if part == site / "x.bed" else part for part in given(site, "places")]
    start = ("--model", site / "m.yaml", "--train", site / "train.yaml")
    code, said = run("finetune", *start, *arguments, "-o", tmp_path / "x", *ON_CPU)
    assert code == 3
    assert "3 faults" in said
    for line in ("line 175", "line 176", "line 177"):
        assert line in said
    assert not (tmp_path / "x").exists()


def test_rows_that_do_not_fit_are_named_for_all_tasks_at_once(site, tmp_path):
    table = (site / "pairs.tsv").read_text().splitlines()
    header, first, *rest = table
    number, kind = (header.split("\t").index(name) for name in ("y", "type"))
    files = []
    for column, text in ((number, "high"), (kind, "purple")):
        cells = first.split("\t")
        cells[column] = text
        files.append(tmp_path / f"{text}.tsv")
        files[-1].write_text("\n".join([header, "\t".join(cells), *rest]) + "\n")
    tasks = [part for name, file in zip(("pairs", "types"), files, strict=True)
             for part in ("--task", site / f"{name}.yaml", "--data", file)]  # fmt: skip
    start = ("--model", site / "m.yaml", "--train", site / "train.yaml")
    code, said = run("finetune", *start, *tasks, "-o", tmp_path / "run", *ON_CPU)
    assert code == 3
    for file, text in zip(files, ("high", "purple"), strict=True):
        assert f"{file.name}: " in said.replace("\n", "")
        assert f"row 2 ('{text}')" in said
