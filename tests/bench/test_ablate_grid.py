"""The ablation grid: what a change changes, what all cells share, what is taken out, and what the tables say."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from genomelm.bench import ablate_table
from genomelm.bench.ablate_cell import new_model, operator_names, removals, time_cell, train_cell
from genomelm.bench.ablate_data import prepare
from genomelm.bench.ablate_grid import BASE, AblateConfig, Change, cells, find_cell, settings_of
from genomelm.bench.budget_cell import batch_of, held_out_bits
from genomelm.bench.cell_rows import read_rows
from genomelm.bench.model_keys import set_key
from genomelm.bench.paired import paired
from genomelm.bench.patching_grid import Cell, GridGenome
from genomelm.bench.patching_parts import read_part
from genomelm.commands.bench_ablate import app
from genomelm.errors import InputError, UsageError
from genomelm.models.classes import CLASSES
from genomelm.models.families import config_of
from genomelm.settings import read_config, to_mapping
from genomelm.training.config import TrainConfig
from genomelm.training.removals import shuffled_patches

ROOT = Path(__file__).parents[2]
CPU = torch.device("cpu")
MODEL = """
family: hyena_glt
shell: {local_width: 16, local_heads: 2, width: 24, kmers: [2], encoder_layers: 1, decoder_layers: 1}
backbone: {layers: 1, hidden: 20, heads: 2}
"""
GFF = "##gff-version 3\na\t.\tCDS\t7001\t7600\t.\t+\t0\tID=x\na\t.\tCDS\t8101\t8700\t.\t+\t1\tID=y\n"
CHANGES = (
    Change("striped", "layout", {"backbone.layout": "SA", "backbone.layers": 3}, True),
    Change("stride 4", "patches", {"patches.way": "fixed_stride", "patches.mean": 4}),
    Change("every base", "patches", {"patches.way": "byte", "patches.mean": 1}),
    Change("codon", "positions", {"positions.codon": True}),
)


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> AblateConfig:
    folder = tmp_path_factory.mktemp("grid")
    plain = "".join(np.random.default_rng(5).choice(list("ACGT"), 7_000))
    letters = plain[:5_000] + "ACGGT" * 400 + plain[5_000:]
    (folder / "one.fa").write_text(f">a\n{letters}\n")
    (folder / "one.gff").write_text(GFF)
    (folder / "model.yaml").write_text(MODEL)
    return AblateConfig(
        genome=GridGenome("one", str(folder / "one.fa"), ("a:1-8000",), ("a:8001-9000",)),
        model=str(folder / "model.yaml"),
        base={"backbone.layers": 2},
        changes=CHANGES,
        bases=2048.0,
        seeds=(1, 2),
        annotation=str(folder / "one.gff"),
        order=6,
        speed_batch=1,
        train=TrainConfig(batch_size=2, window=256, learning_rate=0.003),
    )


@pytest.fixture(scope="module")
def prepared(grid: AblateConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("prepared")
    facts = prepare(grid, Path("/"), out)
    assert facts["bases"] == {"train": 8_000, "test": 1_000}
    return out


@pytest.fixture(scope="module")
def rows(grid: AblateConfig, prepared: Path) -> dict[tuple, dict]:
    wanted = [(BASE, 1), (BASE, 2), ("striped", 1), ("striped", 2), ("stride 4", 1)]
    found = [train_cell(grid, prepared, find_cell(grid, *cell), CPU) for cell in wanted]
    return {(row["name"], row["seed"]): row for row in found}


def test_every_model_is_run_once_a_seed_the_base_first(grid: AblateConfig) -> None:
    found = cells(grid)
    assert [cell.name for cell in found[:5]] == [BASE, "striped", "stride 4", "every base", "codon"]
    assert len(found) == len(set(found)) == 10
    assert [(cell.way, cell.mean) for cell in found[:4]] == [
        *(("entropy", 8), ("entropy", 8), ("fixed_stride", 4), ("byte", 1)),
    ]


def test_the_grid_file_of_the_repository_makes_a_model_of_every_change() -> None:
    config = read_config(AblateConfig, ROOT / "configs/bench/ablate.yaml")
    config = dataclasses.replace(config, model=str(ROOT / config.model))
    assert len(config.seeds) == 3
    base = settings_of(config, BASE)
    assert base.backbone.layers == 4
    for change in config.changes:
        settings = settings_of(config, change.name)
        assert settings.shell.target_length == config.train.window
        assert (settings == base) == all(key.startswith("patches.") for key in change.set), change.name
        family = config_of(settings)
        with torch.device("meta"):
            CLASSES[family.model_type, "causal_lm"](family)
    parts = {change.part for change in config.changes}
    assert parts >= {"layout", "filters", "merging", "patches", "branches", "positions", "operator"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"backbone.layuot": "S"}, "backbone.layuot is no key"),
        ({"backbon.layout": "S"}, "backbon.layout is no key"),
        ({"backbone.layers": 0}, "change 'bad': 1 fault\n  backbone.layers: 0 is less than"),
    ],
)
def test_a_change_that_no_model_has_is_refused_by_name(grid: AblateConfig, change: dict, message: str) -> None:
    config = dataclasses.replace(grid, changes=(Change("bad", "x", change),))
    with pytest.raises(UsageError, match=message):
        settings_of(config, "bad")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ((Change("a", "x", {}), Change("a", "y", {})), "two models of the grid are called 'a'"),
        ((Change(BASE, "x", {}),), "called 'base'"),
        ((Change("a", "x", {"patches.mean": 1}),), "a: patches of way 'entropy' at a mean of 1"),
        ((Change("a", "x", {"patches.way": "byte"}),), "way 'byte' at a mean of 8"),
        ((Change("a", "x", {"patches.way": "guess"}),), "way 'guess'"),
    ],
)
def test_a_grid_that_cannot_be_run_is_refused(grid: AblateConfig, changes: tuple, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        dataclasses.replace(grid, changes=changes)


def test_a_cell_outside_the_grid_is_refused_with_the_nearest_name(grid: AblateConfig) -> None:
    with pytest.raises(UsageError, match="did you mean 'striped'"):
        find_cell(grid, "stripd", 1)
    with pytest.raises(UsageError, match="seeds 1, 2"):
        find_cell(grid, "striped", 7)


def test_a_nested_key_is_set_in_place() -> None:
    value = {"a": {"b": 1}, "c": 2}
    set_key(value, "a.b", 3)
    set_key(value, "c", 4)
    assert value == {"a": {"b": 3}, "c": 4}
    with pytest.raises(UsageError, match="c.d is no key"):
        set_key(value, "c.d", 1)


def test_all_models_read_as_many_bases_from_the_same_places(rows: dict) -> None:
    assert {row["bytes"] for row in rows.values()} == {2048}
    assert {row["bases"] for row in rows.values()} == {1000}
    assert rows["stride 4", 1]["mean_train"] == pytest.approx(4, rel=0.05)
    assert rows[BASE, 1]["parameters"] != rows["striped", 1]["parameters"]
    assert rows[BASE, 1]["window_bits"] != rows[BASE, 2]["window_bits"]


def test_a_cell_is_the_same_when_it_is_run_again(rows: dict, grid: AblateConfig, prepared: Path) -> None:
    again = train_cell(grid, prepared, find_cell(grid, BASE, 1), CPU)
    assert again["window_bits"] == rows[BASE, 1]["window_bits"]
    assert again["removals"] == rows[BASE, 1]["removals"]


def test_each_part_is_taken_out_of_the_models_that_ask_for_it(rows: dict) -> None:
    shared = ["backbone_mean", "shuffled_patches", "random_boundaries"]
    assert list(rows[BASE, 1]["removals"]) == [*shared, "without_L"]
    assert list(rows["striped", 1]["removals"]) == [*shared, "without_S", "without_A"]
    assert rows["stride 4", 1]["removals"] == {}
    for row in (rows[BASE, 1], rows["striped", 1]):
        assert all(bits != row["window_bits"] for bits in row["removals"].values())


def test_operators_are_named_by_their_letters_and_strides_have_no_boundaries_to_move(grid: AblateConfig) -> None:
    model = new_model(grid, "striped", 1)
    assert operator_names(model) == ["S", "A", "S"]
    assert "random_boundaries" not in [name for name, *_ in removals(model, "fixed_stride")]


def test_shuffled_patches_keep_padding_in_place_and_end_with_the_block(grid: AblateConfig, prepared: Path) -> None:
    model = new_model(grid, BASE, 1).eval()
    part = read_part(prepared / "one" / "parts.npz", "test", Cell("one", "entropy", 8, 1), 0)
    batch, _ = batch_of(part, [(0, 256), (256, 300)])
    seen = []
    handle = model.shell.backbone.blocks[0].register_forward_pre_hook(lambda _m, inputs: seen.append(inputs))
    with torch.inference_mode():
        plain = model(**batch.inputs()).logits
        with shuffled_patches(model.shell.backbone):
            moved = model(**batch.inputs()).logits
        again = model(**batch.inputs()).logits
    handle.remove()
    (before, rows, *_), (after, *_) = seen[0], seen[1]
    assert torch.equal(plain, again)
    assert not torch.allclose(plain, moved)
    for row in range(2):
        count = int(rows.present[row].sum())
        assert count > 3
        assert not torch.equal(before[row, :count], after[row, :count])
        assert torch.equal(before[row, :count].sort(0).values, after[row, :count].sort(0).values)


def test_codon_phases_reach_the_model_that_reads_them(grid: AblateConfig, prepared: Path) -> None:
    with np.load(prepared / "one" / "codon.npz") as stored:
        assert stored["train"][7000:7004].tolist() == [0, 1, 2, 0]
        assert stored["test"][:104].tolist() == [3] * 100 + [2, 0, 1, 2]
        codon = stored["test"]
    model = new_model(grid, "codon", 1)
    part = read_part(prepared / "one" / "parts.npz", "test", Cell("one", "entropy", 8, 1), 0)
    told = dataclasses.replace(part, codon=codon)
    assert batch_of(told, [(0, 200)])[0].codon_phase[0, 1:].tolist() == codon[:200].tolist()
    assert not np.array_equal(held_out_bits(model, part, 256, CPU)[0], held_out_bits(model, told, 256, CPU)[0])


def test_codon_phases_that_were_not_prepared_are_asked_for(grid: AblateConfig, prepared: Path, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "parts.npz").write_bytes((prepared / "one" / "parts.npz").read_bytes())
    with pytest.raises(InputError, match=r"codon.npz has no codon phases .*annotation"):
        train_cell(grid, tmp_path, find_cell(grid, "codon", 1), CPU)


def test_the_tables_compare_seed_by_seed_and_say_what_is_missing(
    grid: AblateConfig, prepared: Path, rows: dict
) -> None:
    rows = {key: dict(row) for key, row in rows.items()}
    rows[BASE, 1] |= time_cell(grid, prepared, find_cell(grid, BASE, 1), CPU)
    found = ablate_table.results(grid, prepared, rows)
    base, striped, stride = found["models"]
    assert base["bits_per_base"] == pytest.approx(np.mean([rows[BASE, s]["bits_per_base"] for s in (1, 2)]))
    assert base["spread"] == sorted(rows[BASE, s]["bits_per_base"] for s in (1, 2))
    assert "less_base" not in base
    assert striped["less_base"]["value"] == pytest.approx(striped["bits_per_base"] - base["bits_per_base"], abs=1e-4)
    assert striped["less_base"]["low"] <= striped["less_base"]["value"] <= striped["less_base"]["high"]
    expected = rows["stride 4", 1]["bits_per_base"] - rows[BASE, 1]["bits_per_base"]  # of the seed that both have
    assert stride["less_base"]["value"] == pytest.approx(expected, abs=1e-4)
    assert found["missing"] == ["every base seed 1", "codon seed 1", "stride 4 seed 2", *found["missing"][3:]]
    text = ablate_table.table(found)
    models, taken = ([line.split(" | ") for line in block.splitlines()] for block in text.split("\n\n"))
    assert [line[1] for line in models[2:]] == [BASE, "striped", "stride 4"]
    assert models[2][6] == f"{rows[BASE, 1]['speed']['bytes_per_second'] / 1e6:.2f}"
    assert models[2][4].startswith(f"{base['bits_per_base']:.4f} (")
    assert taken[0][1:] == [BASE, "striped |"]
    assert [line[0][2:] for line in taken[2:]] == [
        *("backbone mean", "shuffled patches", "random boundaries", "without L", "without S", "without A"),
    ]
    assert "window_bits" not in json.dumps(found)


def test_an_interval_holds_the_difference_of_seeds_and_windows() -> None:
    generator = np.random.default_rng(0)
    counts = generator.integers(100, 200, 50).astype(float)
    theirs = generator.normal(1.9, 0.1, (3, 50)) * counts
    ours = theirs - (0.01 + generator.normal(0, 0.002, (3, 50))) * counts
    found = paired(ours.tolist(), theirs.tolist(), counts.tolist())
    assert found["value"] == pytest.approx(-0.01, abs=1e-3)
    assert found["low"] < found["value"] < found["high"] < 0
    assert found["high"] - found["low"] < 0.002


def test_results_of_another_grid_are_refused(grid: AblateConfig, prepared: Path, rows: dict) -> None:
    with pytest.raises(InputError, match="the grid has no cell"):
        ablate_table.results(dataclasses.replace(grid, changes=()), prepared, rows)
    with pytest.raises(InputError, match="no cell has a result"):
        ablate_table.results(grid, prepared, {})


def test_the_commands_go_from_fasta_to_the_tables_in_a_markdown_file(grid: AblateConfig, tmp_path: Path) -> None:
    def call(*arguments: object) -> str:
        done = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert done.exit_code == 0, done.output
        return done.output

    small = dataclasses.replace(grid, way="fixed_stride", changes=CHANGES[:1], bases=1000.0, annotation="", seeds=(1,))
    file, readme = tmp_path / "grid.yaml", tmp_path / "README.md"
    file.write_text(json.dumps(to_mapping(small)))
    shared = ["--config", file, "--prepared", tmp_path / "prepared"]
    call("prepare", "--config", file, "--data", tmp_path, "-o", tmp_path / "prepared")
    call("cell", *shared, "--name", BASE, "--device", "cpu", "--threads", 1, "-o", tmp_path / "cell.json")
    readme.write_text("before\n<!-- ablate: begin -->\nold\n<!-- ablate: end -->\nafter\n")
    shown = call("table", tmp_path / "cell.json", *shared, "-o", tmp_path / "out.json", "--markdown", readme)
    found = json.loads((tmp_path / "out.json").read_text())
    assert found["missing"] == ["striped seed 1"]
    text = ablate_table.table(found)
    assert readme.read_text() == f"before\n<!-- ablate: begin -->\n{text}\n<!-- ablate: end -->\nafter\n"
    assert text in shown
    assert list(read_rows([tmp_path / "cell.json"], ablate_table.KEYS)) == [(BASE, 1)]
