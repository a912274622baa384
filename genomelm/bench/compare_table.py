"""The comparison's results as one JSON value, from the cells' rows: each model beside the first one of the grid."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from genomelm.bench.compare_data import sizes
from genomelm.bench.compare_grid import CONTROLS, TRAINED, CompareConfig, cells
from genomelm.bench.paired import paired, paired_auroc
from genomelm.errors import InputError
from genomelm.files import read_json
from genomelm.tasks.metrics import interval

LONG = ("window_bits", "window_bases", "backbone_mean", "tests")
"""What a row has for each window or sequence."""

Rows = dict[tuple, dict]


def results(config: CompareConfig, prepared: Path, rows: Rows) -> dict:
    """Return what each part of the grid found.

    Cells that were not run are listed under `missing`; they are no error.

    Returns:
        Facts of the genome; `models` with their parameters; `language`, `recall`, `enhancer`: a row for each model and
        length, with `less_first`, its figure less that of the first model (seeds that both have, with a 95 % interval
        over windows or sequences and seeds); `speed`; `control`: perplexity, depth and speed of the transformer and its
        classic form; `runs`: the cells' rows without their windows.

    Raises:
        InputError: a row is of a cell that the grid does not have, or there are none.
    """
    order = {(cell.part, cell.model, cell.size, cell.seed): str(cell) for cell in cells(config)}
    if strange := [key for key in rows if key not in order]:
        raise InputError(f"the grid has no cell {strange[0]}: give the config that these results were made with")
    if not rows:
        raise InputError("no cell has a result: give the files that `cell` wrote")
    found = {key: rows[key] for key in order if key in rows}
    first = config.models[0].name
    enhancers = [int(n) for n in config.enhancer.lengths]
    return {
        "genome": read_json(Path(prepared) / config.genome.name / "facts.json"),
        "first": first,
        "models": [{"name": name, **size} for name, size in sizes(config).items()],
        "language": _beside_first(config, found, "language", config.language.windows, _language),
        "recall": [
            {"mean": mean, **row}
            for mean in config.recall.means
            for row in _tests(config, found, "recall", mean, config.recall.lengths, _recall)
        ],
        "enhancer": _tests(config, found, "enhancer", max(enhancers), enhancers, _enhancer),
        "speed": [row for key, row in found.items() if key[0] == "speed"],
        "control": _control(config, found),
        "runs": [
            {name: value for name, value in row.items() if name not in LONG}
            for key, row in found.items()
            if key[0] in TRAINED
        ],
        "missing": [name for key, name in order.items() if key not in found],
    }


def _seeds(config: CompareConfig, found: Rows, part: str, model: str, size: int) -> dict[int, dict]:
    """Return a model's rows by seed."""
    return {seed: found[part, model, size, seed] for seed in config.seeds if (part, model, size, seed) in found}


def _beside_first(
    config: CompareConfig, found: Rows, part: str, sizes_of: tuple[int, ...], figure: Callable[..., dict]
) -> list[dict]:
    out = []
    for size in sizes_of:
        base = _seeds(config, found, part, config.models[0].name, size)
        for model in config.models:
            if runs := _seeds(config, found, part, model.name, size):
                both = [seed for seed in runs if seed in base] if model is not config.models[0] else []
                pairs = ([runs[seed] for seed in both], [base[seed] for seed in both])
                facts = {"model": model.name, "length": size, "seeds": list(runs), "paired_seeds": both}
                out.append(facts | figure(runs, *pairs))
    return out


def _language(runs: dict[int, dict], ours: list[dict], theirs: list[dict]) -> dict:
    bits = [row["bits_per_base"] for row in runs.values()]
    any_run = next(iter(runs.values()))
    row = {
        "value": float(np.mean(bits)),
        "spread": [min(bits), max(bits)],
        "flops_per_base": any_run["flops_per_base"],
        "bases": any_run["bytes"],
        "steps": any_run["steps"],
    }
    if ours:
        windows = [[run["window_bits"] for run in side] for side in (ours, theirs)]
        row["less_first"] = paired(*windows, any_run["window_bases"])
    return row


def _tests(
    config: CompareConfig, found: Rows, part: str, size: int, lengths: list[int], figure: Callable[..., dict]
) -> list[dict]:
    """Return rows of a part whose cells are tested at several lengths."""
    out = []
    base = _seeds(config, found, part, config.models[0].name, size)
    for length in map(str, lengths):
        for model in config.models:
            runs = _seeds(config, found, part, model.name, size)
            if not runs:
                continue
            both = [seed for seed in runs if seed in base] if model is not config.models[0] else []
            tests = {seed: row["tests"][length] for seed, row in runs.items()}
            pairs = ([runs[seed]["tests"][length] for seed in both], [base[seed]["tests"][length] for seed in both])
            any_run = next(iter(runs.values()))
            facts = {"flops_per_base": any_run["flops_per_base"][length], "bases": any_run["bases"][length]}
            row = {"model": model.name, "length": int(length), "seeds": list(runs), "paired_seeds": both, **facts}
            out.append(row | {"steps": any_run["steps"]} | figure(tests, *pairs))
    return out


def _recall(tests: dict[int, dict], ours: list[dict], theirs: list[dict]) -> dict:
    right = np.array([test["correct"] for test in tests.values()], float)  # (seeds, n)
    asked = next(iter(tests.values()))["asked"]
    counts = [asked] * right.shape[1]
    shares = (right.sum(1) / (asked * right.shape[1])).tolist()
    row = {**paired(right.tolist(), np.zeros_like(right).tolist(), counts), "spread": [min(shares), max(shares)]}
    if ours:
        row["less_first"] = paired([test["correct"] for test in ours], [test["correct"] for test in theirs], counts)
    return row


def _enhancer(tests: dict[int, dict], ours: list[dict], theirs: list[dict]) -> dict:
    any_test = next(iter(tests.values()))
    labels = np.array(any_test["labels"])
    scores = np.array([test["scores"] for test in tests.values()])
    areas = paired_auroc(labels, [scores])[0]
    alone = [float(paired_auroc(labels, [each[None]])[0][0]) for each in scores]
    row = {**interval(areas[1:], areas[0]), "spread": [min(alone), max(alone)], "distances": any_test["distances"]}
    if ours:
        mine, base = paired_auroc(labels, [np.array([test["scores"] for test in side]) for side in (ours, theirs)])
        row["less_first"] = interval((mine - base)[1:], (mine - base)[0])
    return row


def _control(config: CompareConfig, found: Rows) -> dict:
    """Return perplexity and depth of the transformer and its classic form, and their speeds and memory by length."""
    size = config.control.window
    out: dict = {}
    for part in ("control", "depth"):
        runs = {name: _seeds(config, found, part, name, size) for name in CONTROLS}
        out[part] = [_control_row(name, by_seed) for name, by_seed in runs.items() if by_seed]
        both = [seed for seed in runs["transformer"] if seed in runs["classic"]]
        sides = [[runs[name][seed] for seed in both] for name in CONTROLS]
        if both and all(None not in row["window_bits"] for side in sides for row in side):
            windows = [[row["window_bits"] for row in side] for side in sides]
            out[f"{part}_difference"] = paired(*windows, sides[0][0]["window_bases"])
    out["speed"] = [row for key, row in found.items() if key[0] == "control_speed"]
    return out


def _control_row(name: str, runs: dict[int, dict]) -> dict:
    """Return a control's figures; `worth`: bits per base that its blocks take off, None where they are not finite."""
    bits = [row["bits_per_base"] for row in runs.values()]
    ends = [[row["first_bits_per_base"], row["train_bits_per_base"]] for row in runs.values()]
    finite = None not in bits and all(None not in row["window_bits"] + row["backbone_mean"] for row in runs.values())
    worth = None
    if finite:
        counts = next(iter(runs.values()))["window_bases"]
        sides = [[row[key] for row in runs.values()] for key in ("backbone_mean", "window_bits")]
        worth = paired(*sides, counts)
    return {
        "model": name,
        "seeds": list(runs),
        "parameters": next(iter(runs.values()))["parameters"],
        "steps": next(iter(runs.values()))["steps"],
        "layers": next(iter(runs.values()))["layers"],
        "value": float(np.mean(bits)) if None not in bits else None,
        "spread": [min(bits), max(bits)] if None not in bits else None,
        "first_and_last": ends,
        "falls": all(None not in pair and pair[1] < pair[0] for pair in ends),
        "worth": worth,
    }
