"""The comparison's grid: equal sizes and operations, what each cell trains and tests, a local model's blindness."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from genomelm.bench.compare_cell import run_cell
from genomelm.bench.compare_data import check_equal, prepare, sizes
from genomelm.bench.compare_grid import (
    KEYS,
    PARTS,
    CompareCell,
    CompareConfig,
    CompareModel,
    ControlPart,
    EnhancerPart,
    LanguagePart,
    RecallPart,
    cells,
    find_cell,
)
from genomelm.bench.compare_models import control_config, family_config, new_model, step_flops
from genomelm.bench.compare_planted import LETTERS, enhancer, motifs
from genomelm.bench.compare_tasks import answers, batch_of, task_of
from genomelm.bench.patching_grid import GridGenome
from genomelm.commands.bench_compare import app
from genomelm.errors import InputError, UsageError
from genomelm.models.dry_run import dry_run
from genomelm.settings import read_config, to_mapping

ROOT = Path(__file__).parents[2]
CPU = torch.device("cpu")
SHELL = "{local_width: 16, local_heads: 2, width: 16, kmers: [2], encoder_layers: 1, decoder_layers: 1}"
BACKBONES = {
    "gryphon": "{layers: 1, state: 8, heads: 2, block: 4, hidden: 16}",
    "transformer": "{layers: 2, hidden: 24, heads: 2}",
}
RECALL = RecallPart(
    flops=(5e7, 1e7), means=(1, 8), lengths=(80, 160), key=4, value=2, pairs=4, queries=2, tests=6, step_bases=160
)
ENHANCER = EnhancerPart(
    flops=4e7, lengths=(512,), warm_up=(256,), near=200, far=400, motif=8, promoters=2, spacing=24, tests=6,
    step_bases=512,
)  # fmt: skip


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> CompareConfig:
    folder = tmp_path_factory.mktemp("grid")
    letters = "".join(np.random.default_rng(5).choice(list("ACGT"), 5_000))
    (folder / "one.fa").write_text(f">a\n{letters}\n")
    for family, backbone in BACKBONES.items():
        (folder / f"{family}.yaml").write_text(f"family: {family}\nshell: {SHELL}\nbackbone: {backbone}\n")
    (folder / "cnn.yaml").write_text("family: cnn\nshell: {local_width: 16}\nbackbone: {taps: [5, 3]}\n")
    models = (("Gryphon", "gryphon"), ("transformer", "transformer"), ("CNN", "cnn"))
    control = ControlPart(
        model=str(folder / "transformer.yaml"),
        classic={"backbone.classic": True},
        depth={"backbone.layers": 5},
        steps=3,
        depth_steps=3,
        window=256,
        step_bases=512,
        lengths=(64,),
        speed_bases=128,
    )
    return CompareConfig(
        genome=GridGenome("one", str(folder / "one.fa"), ("a:1-4000",), ("a:4001-5000",)),
        models=tuple(CompareModel(name, str(folder / f"{file}.yaml")) for name, file in models),
        language=LanguagePart(flops=6e7, windows=(128, 512), step_bases=512),
        recall=RECALL,
        enhancer=ENHANCER,
        control=control,
        seeds=(1, 2),
        order=4,
        precision="float32",
    )


@pytest.fixture(scope="module")
def prepared(grid: CompareConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from genomelm.bench import compare_data

    out = tmp_path_factory.mktemp("prepared")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compare_data, "EQUAL", 10.0)  # these are tiny
        facts = prepare(grid, Path("/"), out)
    assert facts["bases"] == {"train": 4_000, "test": 1_000}
    return out


def test_the_grid_file_of_the_repository_compares_four_models_of_equal_size() -> None:
    config = read_config(CompareConfig, ROOT / "configs/bench/compare.yaml")
    models = tuple(dataclasses.replace(model, file=str(ROOT / model.file)) for model in config.models)
    control = dataclasses.replace(config.control, model=str(ROOT / config.control.model))
    config = dataclasses.replace(config, models=models, control=control)
    found = sizes(config)
    check_equal(found)
    assert list(found) == ["Gryphon", "Hyena-GLT", "transformer", "CNN"]
    assert {cell.part for cell in cells(config)} == set(PARTS)
    assert len(cells(config)) == len(set(cells(config)))
    assert config.language.windows == (1024, 8192, 32768)
    assert (config.enhancer.near, config.enhancer.far) == (10_000, 100_000)
    for length in config.enhancer.lengths[1:]:
        assert length > 2 * config.enhancer.near
    deep = [control_config(config, name, 2048, deep=True).backbone for name in ("transformer", "classic")]
    assert [each["layers"] for each in deep] == [48, 48]
    assert [each["classic"] for each in deep] == [False, True]


def test_models_of_different_size_are_refused() -> None:
    found = {"a": {"parameters": 1060, "tables": 10}, "b": {"parameters": 1000, "tables": 0}}
    check_equal(found)
    with pytest.raises(UsageError, match="5% in parameters without k-mer tables: a 1,051, b 1,000"):
        check_equal({**found, "a": {"parameters": 1061, "tables": 10}})


def test_dense_causal_attention_is_charged_for_half_of_all_pairs(grid: CompareConfig) -> None:
    for name, width in (("transformer", 2 * 16), ("CNN", 0)):
        config = family_config(grid, name, 512, 8)
        whole = dry_run(config, 3, 512, 8, device="cpu").step
        assert whole - step_flops(config, 3, 512, 8) == 7 * 3 * 65**2 * width


def test_a_target_length_counts_patches(grid: CompareConfig) -> None:
    assert family_config(grid, "Gryphon", 512, 8).shell["target_length"] == 512
    assert family_config(grid, "Gryphon", 512, 1).shell["target_length"] == 4096


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"models": ()}, "models are none"),
        ({"models": (CompareModel("a", "x"), CompareModel("a", "y"))}, "models are a, a"),
        ({"seeds": ()}, "need an entry each"),
    ],
)
def test_a_grid_that_cannot_be_run_is_refused(grid: CompareConfig, change: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        dataclasses.replace(grid, **change)


def test_a_cell_outside_the_grid_is_refused_by_name(grid: CompareConfig) -> None:
    assert find_cell(grid, "recall", "CNN", 8, 2) == CompareCell("recall", "CNN", 8, 2)
    with pytest.raises(UsageError, match="did you mean 'language'"):
        find_cell(grid, "langage", "CNN", 128, 1)
    with pytest.raises(UsageError, match="models Gryphon, transformer, CNN; sizes 128, 512; seeds 1, 2"):
        find_cell(grid, "language", "CNN", 129, 1)


def test_a_classic_control_must_say_so(grid: CompareConfig) -> None:
    config = dataclasses.replace(grid, control=dataclasses.replace(grid.control, classic={}))
    control_config(config, "transformer", 64)
    with pytest.raises(UsageError, match=r"backbone.classic to true in control.classic"):
        control_config(config, "classic", 64)


def test_all_models_get_the_same_operations_and_the_cheaper_ones_more_bases(
    grid: CompareConfig, prepared: Path
) -> None:
    rows = [run_cell(grid, prepared, CompareCell("language", name, 512, 1), CPU) for name in ("Gryphon", "CNN")]
    for row in rows:
        assert grid.language.flops <= row["flops"] < grid.language.flops + row["flops_per_base"] * 512 * 1.001
        assert row["bytes"] == row["steps"] * 512
        assert sum(row["window_bases"]) == 1_000
        assert sum(row["window_bits"]) / 1_000 == pytest.approx(row["bits_per_base"], abs=1e-4)
    assert (rows[0]["bytes"] > rows[1]["bytes"]) == (rows[0]["flops_per_base"] < rows[1]["flops_per_base"])
    assert (
        run_cell(grid, prepared, CompareCell("language", "CNN", 512, 1), CPU)["window_bits"] == rows[1]["window_bits"]
    )
    json.dumps(rows, allow_nan=False)


@pytest.mark.parametrize(("part", "size"), [("recall", 1), ("recall", 8), ("enhancer", 512)])
def test_a_task_is_trained_through_its_lengths_and_tested_at_each(grid: CompareConfig, part: str, size: int) -> None:
    cell = CompareCell(part, "transformer", size, 1)
    row = run_cell(grid, Path("nowhere"), cell, CPU)
    task = task_of(grid, cell)
    assert row["flops"] >= task.flops
    assert {int(length) for length, bases in row["bases"].items() if bases} == set(task.lengths)
    assert set(row["tests"]) == {str(length) for length in task.part.lengths}
    for test in row["tests"].values():
        if part == "recall":
            assert len(test["correct"]) == 6
            assert max(test["correct"]) <= test["asked"] == 4 * 2 * 2
        else:
            assert np.shape(test["scores"]) == np.shape(test["labels"]) == (6, 2)
            assert test["distances"] == (200, 400)
    json.dumps(row, allow_nan=False)


def test_what_is_asked_for_is_what_training_calls_the_label(grid: CompareConfig) -> None:
    """A model of perfect recall: logits of the labels' own letters, at the byte before (causal)."""
    task = task_of(grid, CompareCell("recall", "CNN", 1, 1))
    planted = task.make(task.part, 80, 3, "x")
    batch, labels = batch_of(task, planted)
    asked = np.take_along_axis(labels.numpy(), planted.where + 1, 1)
    assert (asked == LETTERS[planted.answers]).all()
    assert (asked == np.take_along_axis(batch.ids.numpy(), planted.where + 1, 1)).all()
    assert int((labels >= 0).sum()) == planted.where.size + planted.told.size
    task = task_of(grid, CompareCell("enhancer", "CNN", 512, 1))
    planted = task.make(task.part, 512, 3, "x")
    labels = batch_of(task, planted)[1].numpy()
    assert (np.take_along_axis(labels, planted.where + 1, 1) == planted.answers).all()
    assert set(np.unique(labels)) == {-100, 0, 1}


@pytest.mark.parametrize(("part", "size"), [("recall", 1), ("enhancer", 512)])
def test_answers_are_the_outputs_that_the_loss_reads(grid: CompareConfig, part: str, size: int) -> None:
    task = task_of(grid, CompareCell(part, "CNN", size, 1))
    made = task.make(task.part, task.part.lengths[0], 3, "x")
    planted = dataclasses.replace(made, told=made.told[:, :0], kinds=made.kinds[:, :0])
    model = new_model(family_config(grid, "CNN", task.part.lengths[0], task.mean), task.head, 1).eval()
    batch, labels = batch_of(task, planted)
    logits = torch.from_numpy(answers(model, task, planted, CPU, torch.float32))
    wanted = torch.from_numpy(planted.answers)
    if part == "recall":
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), wanted.flatten())
    else:
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits[..., 0], wanted.float())
    with torch.no_grad():
        assert float(model(**batch.inputs(), labels=labels).loss) == pytest.approx(float(loss), rel=1e-5)


def test_a_local_model_gives_both_of_two_opposite_sequences_the_same_answer(grid: CompareConfig) -> None:
    """Twins differ in the enhancer's kind alone, and so in every label: on average a CNN is right in half of them."""
    cell = CompareCell("enhancer", "CNN", 512, 1)
    task = task_of(grid, cell)
    one = enhancer(ENHANCER, 512, 8, "twins")
    sites = LETTERS[motifs(ENHANCER)[0]]
    ids = one.ids.copy()
    for row in ids:
        text = bytes(row)
        kind, place = next((k, text.find(bytes(site))) for k, site in enumerate(sites) if bytes(site) in text[:464])
        row[place : place + 8] = sites[1 - kind]
    two = dataclasses.replace(one, ids=ids, answers=1 - one.answers)
    local, far = (new_model(family_config(grid, name, 512, 8), task.head, 1).eval() for name in ("CNN", "Gryphon"))
    assert (one.ids != two.ids).any()
    same = [answers(local, task, each, CPU, torch.float32) for each in (one, two)]
    assert np.array_equal(*same)
    assert not np.array_equal(*(answers(far, task, each, CPU, torch.float32) for each in (one, two)))


def test_the_controls_keep_losses_that_are_not_finite_as_a_result(grid: CompareConfig, prepared: Path) -> None:
    row = run_cell(grid, prepared, find_cell(grid, "depth", "classic", 256, 1), CPU)
    assert row["steps"] == 3
    assert len(row["backbone_mean"]) == len(row["window_bits"])
    wild = dataclasses.replace(grid, control=dataclasses.replace(grid.control, learning_rate=1e30))
    row = run_cell(wild, prepared, find_cell(grid, "control", "classic", 256, 1), CPU)
    assert row["bits_per_base"] is None
    json.dumps(row, allow_nan=False)


def test_speeds_of_the_controls_are_taken_with_and_without_checkpointing(grid: CompareConfig, prepared: Path) -> None:
    row = run_cell(grid, prepared, find_cell(grid, "control_speed", "transformer", 64, 1), CPU)
    assert [(speed["name"], speed["checkpointing"]) for speed in row["speeds"]] == [
        *(("training", False), ("forward", False), ("training", True), ("forward", True)),
    ]
    row = run_cell(grid, prepared, find_cell(grid, "speed", "CNN", 128, 1), CPU)
    assert [speed["name"] for speed in row["speeds"]] == ["training", "forward"]


def test_a_cell_that_is_there_is_not_run_again(grid: CompareConfig, prepared: Path, tmp_path: Path) -> None:
    file, out = tmp_path / "grid.yaml", tmp_path / "cells.jsonl"
    file.write_text(json.dumps(to_mapping(grid)))
    call = ["cell", "--config", file, "--prepared", prepared, "--part", "recall", "--model", "CNN", "--size", 8]
    call += ["--device", "cpu", "--threads", 1, "-o", out]
    for said in ("done", "has it already"):
        done = CliRunner().invoke(app, list(map(str, call)))
        assert done.exit_code == 0, done.output
        assert said in done.output
    (line,) = out.read_text().splitlines()
    assert [json.loads(line)[key] for key in KEYS] == ["recall", "CNN", 8, 1]


def test_a_genome_that_was_not_prepared_is_asked_for(grid: CompareConfig, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="parts.npz does not hold"):
        run_cell(grid, tmp_path, CompareCell("language", "CNN", 128, 1), CPU)


def test_an_unknown_key_of_the_grid_is_refused(grid: CompareConfig, tmp_path: Path) -> None:
    value = to_mapping(grid)
    value["recall"]["quries"] = 2
    (tmp_path / "grid.yaml").write_text(json.dumps(value))
    with pytest.raises(UsageError, match=r"recall.quries: unknown key; did you mean 'queries'"):
        read_config(CompareConfig, tmp_path / "grid.yaml")
