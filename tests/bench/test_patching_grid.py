"""The patching grid: what its cells share, what its controls keep, what a budget buys, and what the table says."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from typer.testing import CliRunner

from genomelm.bench import patching_table
from genomelm.bench.budget_cell import held_out_bits
from genomelm.bench.cell_rows import read_rows
from genomelm.bench.patching_cell import new_model, time_cell, train_cell
from genomelm.bench.patching_data import patcher_config, prepare
from genomelm.bench.patching_grid import Cell, GridConfig, GridGenome, cells, find_cell
from genomelm.bench.patching_parts import Part, cut, permuted, read_part
from genomelm.commands.bench_patching import app
from genomelm.errors import InputError, UsageError
from genomelm.models.encoding import make_batch
from genomelm.models.heads import BITS
from genomelm.models.operations import cost_of
from genomelm.patching.count_model import CountModel
from genomelm.patching.patcher import Patcher
from genomelm.report.readme import replace_block
from genomelm.seq.alphabet import encode
from genomelm.settings import read_config, to_mapping
from genomelm.training.config import TrainConfig

CPU = torch.device("cpu")
MODEL = """
family: hyena_glt
shell: {local_width: 16, local_heads: 2, width: 24, kmers: [2, 3], encoder_layers: 1, decoder_layers: 1}
backbone: {layers: 2, hidden: 20}
"""


@pytest.fixture(scope="module")
def letters() -> str:
    """Return 12,000 bases, 2,000 of them with only one likely next base, and some N."""
    random = np.random.default_rng(5)
    plain = "".join(random.choice(list("ACGT"), 9_000))
    return plain[:5_000] + "ACGGT" * 400 + "N" * 50 + plain[5_000:] + plain[:950]


@pytest.fixture(scope="module")
def grid(letters: str, tmp_path_factory: pytest.TempPathFactory) -> GridConfig:
    folder = tmp_path_factory.mktemp("grid")
    (folder / "one.fa").write_text(f">a\n{letters[:9000]}\n>b\n{letters[9000:]}\n")
    (folder / "model.yaml").write_text(MODEL)
    return GridConfig(
        genomes=(GridGenome("one", str(folder / "one.fa"), ("a:1-8000", "b:1-2000"), ("a:8001-9000", "b:2001-3000")),),
        model=str(folder / "model.yaml"),
        flops=6e8,
        means=(1, 4, 8),
        order=6,
        shift=100,
        speed_batch=1,
        train=TrainConfig(batch_size=2, window=256, learning_rate=0.003),
    )


@pytest.fixture(scope="module")
def prepared(grid: GridConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("prepared")
    prepare(grid, grid.genomes[0], Path("/"), out / "one")
    return out


@pytest.fixture(scope="module")
def rows(grid: GridConfig, prepared: Path) -> dict[tuple, dict]:
    """Return the results of three cells."""
    wanted = [("byte", 1), ("entropy", 8), ("random", 8)]
    found = [train_cell(grid, prepared, Cell("one", way, mean, 1), CPU) for way, mean in wanted]
    return {(row["genome"], row["way"], row["mean"], row["seed"]): row for row in found}


def test_every_way_is_run_once_at_every_mean_and_once_in_all_at_mean_1(grid: GridConfig) -> None:
    found = cells(dataclasses.replace(grid, seeds=(1, 2)))
    assert len(found) == len(set(found)) == 2 * (1 + 2 * 6)
    assert [c.way for c in found if c.mean == 1] == ["byte", "byte"]
    assert {c.way for c in found if c.mean == 8} == set(grid.ways)


def test_the_grid_file_of_the_repository_holds_three_genomes_whose_tests_are_apart() -> None:
    root = Path(__file__).parents[2]
    config = read_config(GridConfig, root / "configs/bench/patching.yaml")
    assert len(cells(config)) == 3 * (1 + 6 * 5)
    assert (root / config.model).is_file()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"means": (0, 4)}, "1 base or more"),
        ({"ways": ("fixed_stride", "random")}, "add entropy"),
        ({"genomes": ()}, "an entry each"),
    ],
)
def test_a_grid_that_cannot_be_run_is_refused(grid: GridConfig, change: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        dataclasses.replace(grid, **change)
    with pytest.raises(UsageError, match="two genomes"):
        dataclasses.replace(grid, genomes=grid.genomes * 2)


def test_a_cell_outside_the_grid_is_refused_by_name(grid: GridConfig) -> None:
    with pytest.raises(UsageError, match="no cell 'one entropy 16 seed 1'.*means 1, 4, 8"):
        find_cell(grid, "one", "entropy", 16, 1)


def test_random_boundaries_keep_every_length_and_move_them() -> None:
    marks = np.random.default_rng(0).random(5_000) < 0.1
    marks[0] = True
    moved = permuted(marks, "a", 1)
    lengths = [np.diff(np.append(np.flatnonzero(found), 5_000)) for found in (marks, moved)]
    np.testing.assert_array_equal(np.sort(lengths[0]), np.sort(lengths[1]))
    assert (marks & moved).sum() < 0.3 * marks.sum()  # a tenth fall together by chance
    np.testing.assert_array_equal(moved, permuted(marks, "a", 1))
    assert (moved != permuted(marks, "a", 2)).any()


def test_the_shifted_track_is_the_same_one_elsewhere(grid: GridConfig, prepared: Path) -> None:
    path = prepared / "one" / "parts.npz"
    for part in ("train", "test"):
        entropy, shifted = (read_part(path, part, Cell("one", way, 8, 1), 100).marks for way in ("entropy", "shifted"))
        np.testing.assert_array_equal(shifted[100:], entropy[:-100])
        np.testing.assert_array_equal(shifted[:100], entropy[-100:])


def test_strides_and_bytes_are_what_they_say() -> None:
    assert np.flatnonzero(cut(Cell("one", "fixed_stride", 8, 1), "train", 30, None, 5)).tolist() == [0, 8, 16, 24]
    assert cut(Cell("one", "byte", 1, 1), "train", 30, None, 5).all()


def test_prepared_boundaries_are_the_patchers_and_their_mean_is_met(
    grid: GridConfig, prepared: Path, letters: str
) -> None:
    train = [encode(letters[:8000]), encode(letters[9000:11000])]
    counted = CountModel.fit(train, 6, training=grid.genomes[0].train)
    known = np.concatenate(train) != ord("N")
    facts = json.loads((prepared / "one" / "facts.json").read_text())
    assert facts["bases"] == {"train": 10_000, "test": 2_000}
    means = {(found["way"], found["mean"]): found["mean_train"] for found in facts["cuts"]}
    for way in ("entropy", "dual_threshold", "optimal"):
        patcher = Patcher.fit(patcher_config(grid, way, 8), lambda: train, 8, grid.genomes[0].train, source=counted)
        found = read_part(prepared / "one" / "parts.npz", "train", Cell("one", way, 8, 1), grid.shift)
        np.testing.assert_array_equal(found.marks, np.concatenate([patcher.marks(ids)[:-1] for ids in train]))
        assert means[way, 8] == pytest.approx(len(found.marks) / found.marks.sum(), rel=0.001)
        assert known.sum() / found.marks[known].sum() == pytest.approx(8, rel=0.01)  # N is nobody's to predict
    assert means["random", 8] == pytest.approx(means["entropy", 8], rel=1e-3)
    test = read_part(prepared / "one" / "parts.npz", "test", Cell("one", "byte", 1, 1), grid.shift)
    np.testing.assert_array_equal(test.ids, np.concatenate([encode(letters[8000:9000]), encode(letters[11000:12000])]))
    bits = np.concatenate([counted.bits(test.ids[:1000].astype(int)), counted.bits(test.ids[1000:].astype(int))])
    assert facts["count_model"]["bits_per_base"] == pytest.approx(np.nanmean(bits))


def test_held_out_bases_that_were_trained_on_are_refused(grid: GridConfig, tmp_path: Path) -> None:
    genome = dataclasses.replace(grid.genomes[0], test=("a:7000-9000",))
    with pytest.raises(UsageError, match="training region"):
        prepare(grid, genome, Path("/"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_optimal_is_bounded_so_that_it_is_not_the_entropy_mode(grid: GridConfig, prepared: Path) -> None:
    part = read_part(prepared / "one" / "parts.npz", "train", Cell("one", "optimal", 8, 1), grid.shift)
    lengths = np.diff(np.flatnonzero(part.marks[:8000]))[:-1]
    assert lengths.min() >= 4
    assert lengths.max() <= 16


def test_windows_and_tiles_stay_inside_regions() -> None:
    part = Part(np.zeros(1_000, np.uint8), np.zeros(1_000, bool), (300, 20, 680))
    drawn = part.draw(500, 100, "windows", 1, 0)
    assert drawn == part.draw(500, 100, "windows", 1, 0) != part.draw(500, 100, "windows", 1, 1)
    assert all(end - start == 100 and (end <= 300 or start >= 320) and end <= 1_000 for start, end in drawn)
    assert {start < 300 for start, _ in drawn} == {True, False}
    assert part.tiles(200) == [(0, 200), (200, 300), (300, 320), (320, 520), (520, 720), (720, 920), (920, 1000)]
    with pytest.raises(InputError, match="smaller window"):
        part.draw(1, 681, "windows")


@pytest.mark.parametrize(("rows", "length", "stride"), [(1, 64, 1), (3, 96, 8), (2, 100, 7)])
def test_operations_counted_by_hand_are_those_that_torch_counts(
    grid: GridConfig, rows: int, length: int, stride: int
) -> None:
    model = new_model(grid, 1)
    part = Part(np.full(rows * length, ord("A"), np.uint8), np.arange(rows * length) % stride == 0, (rows * length,))
    records = [part.window(0, length) for _ in range(rows)]
    batch = make_batch([ids for ids, _ in records], [flags for _, flags in records])
    with FlopCounterMode(display=False) as counter:
        model(**batch.inputs(), labels=batch.ids, return_logits=False)
    patches = 1 + -(-length // stride)
    cost = cost_of(model)
    ours = cost.forward(rows, length + 1, rows * patches, patches, fft=False)
    assert ours == counter.get_total_flops()  # it does not see FFTs
    assert 0 < cost.forward(rows, length + 1, rows * patches, patches) - ours < ours


def test_equal_budgets_are_spent_and_longer_patches_see_more_bytes(rows: dict, grid: GridConfig) -> None:
    for row in rows.values():
        assert grid.flops <= row["flops"] < grid.flops * (1 + 1.2 / row["steps"])
        assert row["bytes"] == row["steps"] * 2 * 256
    byte, entropy = rows["one", "byte", 1, 1], rows["one", "entropy", 8, 1]
    assert entropy["bytes"] > 1.5 * byte["bytes"]
    assert entropy["parameters"] == byte["parameters"]
    assert byte["mean_train"] == 1
    assert entropy["mean_train"] == pytest.approx(8, rel=0.15)


def test_held_out_bits_are_minus_log2_of_the_bases_alone(grid: GridConfig, prepared: Path) -> None:
    part = read_part(prepared / "one" / "parts.npz", "train", Cell("one", "entropy", 8, 1), grid.shift)
    part = dataclasses.replace(part, ids=part.ids[6900:7400], marks=part.marks[6900:7400], regions=(500,))
    model = new_model(grid, 3)
    bits, counts = held_out_bits(model, part, 256, CPU)
    assert counts.sum() == 450  # 50 N
    total = 0.0
    for start, end in part.tiles(256):
        ids, flags = part.window(start, end)
        batch = make_batch([ids], [flags])
        with torch.inference_mode():
            logits = model(**batch.inputs()).logits[0, :-1].double()
        columns = torch.tensor([ord(letter) for letter in "ACGT"])
        log_p = torch.log_softmax(logits[:, columns], -1)
        known = [(i, "ACGT".index(chr(base))) for i, base in enumerate(ids) if chr(base) in "ACGT"]
        total -= sum(float(log_p[i, letter]) for i, letter in known) * BITS
    assert bits.sum() == pytest.approx(total, rel=1e-5)


def test_boundaries_reach_the_model(grid: GridConfig, prepared: Path) -> None:
    model = new_model(grid, 3)
    found = []
    for way in ("entropy", "random"):
        part = read_part(prepared / "one" / "parts.npz", "test", Cell("one", way, 8, 1), grid.shift)
        found.append(held_out_bits(model, part, 256, CPU)[0])
    assert (np.abs(found[0] - found[1]) > 1e-4).any()


def test_a_cell_is_the_same_when_it_is_run_again(rows: dict, grid: GridConfig, prepared: Path) -> None:
    again = train_cell(grid, prepared, Cell("one", "random", 8, 1), CPU)
    assert again["window_bits"] == rows["one", "random", 8, 1]["window_bits"]


def test_a_genome_that_was_not_prepared_for_a_cell_is_named(grid: GridConfig, prepared: Path) -> None:
    with pytest.raises(InputError, match=r"parts.npz does not hold one entropy 64 seed 1.*prepare"):
        train_cell(grid, prepared, Cell("one", "entropy", 64, 1), CPU)


def test_the_table_says_what_was_run_and_leaves_the_rest_empty(grid: GridConfig, prepared: Path, rows: dict) -> None:
    rows = {key: dict(row) for key, row in rows.items()}
    rows["one", "entropy", 8, 1] |= time_cell(grid, prepared, Cell("one", "entropy", 8, 1), CPU)
    found = patching_table.results(grid, prepared, rows)
    assert len(found["missing"]) == 10
    entropy = next(row for row in found["cells"] if row["way"] == "entropy")
    random = next(row for row in found["cells"] if row["way"] == "random")
    difference = entropy["bits_per_base"] - random["bits_per_base"]
    assert entropy["less_random"]["value"] == pytest.approx(difference, abs=1e-4)
    assert entropy["less_random"]["low"] <= entropy["less_random"]["value"] <= entropy["less_random"]["high"]
    assert "less_random" not in random
    assert "window_bits" not in entropy
    lines = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in patching_table.table(grid, found).splitlines()
    ]
    heading, _, one, four, eight = lines
    assert "reads ahead" in heading[6]
    assert one[1] == "1 (every base)"
    assert one[3] == f"{rows['one', 'byte', 1, 1]['bits_per_base']:.4f}"
    assert four[3:] == [""] * 8
    assert eight[4] == f"{entropy['bits_per_base']:.4f}"
    assert eight[7] == f"{random['bits_per_base']:.4f}"
    assert eight[3] == eight[5] == eight[6] == eight[8] == ""
    assert eight[10] == f"{rows['one', 'entropy', 8, 1]['speed']['bytes_per_second'] / 1e6:.2f}"
    assert all(row["reads_ahead"] == (row["way"] == "optimal") for row in found["cells"])


def test_results_of_one_cell_are_joined_and_two_are_refused(rows: dict, tmp_path: Path) -> None:
    row, speed = rows["one", "random", 8, 1], {"genome": "one", "way": "random", "mean": 8, "seed": 1, "speed": {}}
    first, second = tmp_path / "cells.jsonl", tmp_path / "speed.jsonl"
    first.write_text("".join(json.dumps(each) + "\n" for each in rows.values()))
    second.write_text(json.dumps(speed) + "\n")
    assert read_rows([first, second], patching_table.KEYS)["one", "random", 8, 1] == row | {"speed": {}}
    with pytest.raises(InputError, match="line 1: .*second"):
        read_rows([first, first], patching_table.KEYS)
    second.write_text('{"genome": "one"}\n')
    with pytest.raises(InputError, match="line 1 is no cell's result"):
        read_rows([second], patching_table.KEYS)


def test_results_of_another_grid_are_refused(grid: GridConfig, prepared: Path, rows: dict) -> None:
    with pytest.raises(InputError, match="no cell"):
        patching_table.results(dataclasses.replace(grid, means=(1, 4)), prepared, rows)
    with pytest.raises(InputError, match="no cell has a result"):
        patching_table.results(grid, prepared, {})


def test_the_commands_go_from_fasta_to_the_table_in_a_markdown_file(grid: GridConfig, tmp_path: Path) -> None:
    def call(*arguments: object) -> str:
        done = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert done.exit_code == 0, done.output
        return done.output

    small = dataclasses.replace(grid, means=(1, 8), ways=("fixed_stride",), flops=5e6)
    file = tmp_path / "grid.yaml"
    file.write_text(json.dumps(to_mapping(small)))
    prepared, cell, readme = tmp_path / "prepared", tmp_path / "cell.json", tmp_path / "README.md"
    call("prepare", "--config", file, "--data", tmp_path, "-o", prepared)
    named = ["--genome", "one", "--way", "fixed_stride", "--mean", 8, "--device", "cpu", "--threads", 1]
    call("cell", "--config", file, "--prepared", prepared, *named, "-o", cell)
    readme.write_text("before\n<!-- patching: begin -->\nold\n<!-- patching: end -->\nafter\n")
    out = tmp_path / "results.json"
    shown = call("table", cell, "--config", file, "--prepared", prepared, "-o", out, "--markdown", readme)
    found = json.loads(out.read_text())
    assert [row["way"] for row in found["cells"]] == ["fixed_stride"]
    assert found["missing"] == ["one byte 1 seed 1"]
    text = readme.read_text()
    assert (
        text
        == f"before\n<!-- patching: begin -->\n{patching_table.table(small, found)}\n<!-- patching: end -->\nafter\n"
    )
    assert patching_table.table(small, found) in shown


def test_a_markdown_file_without_markers_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "plain.md").write_text("nothing\n")
    with pytest.raises(UsageError, match="has no lines"):
        replace_block(tmp_path / "plain.md", patching_table.BEGIN, patching_table.END, "| a |")
    assert (tmp_path / "plain.md").read_text() == "nothing\n"
    with pytest.raises(UsageError, match="does not exist"):
        replace_block(tmp_path / "absent.md", patching_table.BEGIN, patching_table.END, "| a |")
