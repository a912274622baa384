"""The ablation grid's results as one JSON value and as Markdown tables, from the cells' rows."""

from pathlib import Path

import numpy as np

from genomelm.bench.ablate_grid import BASE, AblateConfig, cells, change_of
from genomelm.bench.markdown import table as markdown
from genomelm.bench.paired import paired
from genomelm.errors import InputError
from genomelm.files import read_json

BEGIN, END = "<!-- ablate: begin -->", "<!-- ablate: end -->"
KEYS = ("name", "seed")
"""What names a row."""


def results(config: AblateConfig, prepared: Path, rows: dict[tuple, dict]) -> dict:
    """Return one row a model, in the grid's order, compared with the base seed by seed and window by window.

    Cells that were not run are listed under `missing`; they are no error.

    Raises:
        InputError: a row is of a cell that the grid does not have, or none holds a result.
    """
    order = {(cell.name, cell.seed): str(cell) for cell in cells(config)}
    if strange := [key for key in rows if key not in order]:
        raise InputError(f"the grid has no cell {strange[0]}: give the config that these results were made with")
    found = {key: rows[key] for key in order if "bits_per_base" in rows.get(key, {})}
    if not found:
        raise InputError("no cell has a result: give the files that `cell` wrote")
    base = {seed: row for (name, seed), row in found.items() if name == BASE}
    names = dict.fromkeys(name for name, _ in order)
    models = {name: {seed: row for (other, seed), row in found.items() if other == name} for name in names}
    return {
        "genome": read_json(Path(prepared) / config.genome.name / "facts.json"),
        "models": [model_row(config, name, runs, base) for name, runs in models.items() if runs],
        "missing": [name for key, name in order.items() if key not in found],
    }


def model_row(config: AblateConfig, name: str, runs: dict[int, dict], base: dict[int, dict]) -> dict:
    """Return a model's row: the mean over its seeds and their spread, what it cost, and its differences.

    Args:
        config: the grid.
        name: the model's.
        runs: its rows by seed.
        base: the base model's rows by seed.
    """
    bits = [run["bits_per_base"] for run in runs.values()]
    change = change_of(config, name)
    any_run = next(iter(runs.values()))
    speeds = [run["speed"] for run in runs.values() if "speed" in run]
    row = {
        "name": name,
        "part": change.part,
        "set": change.set,
        "seeds": list(runs),
        "bits_per_base": float(np.mean(bits)),
        "spread": [min(bits), max(bits)],
        "runs": [
            {key: value for key, value in run.items() if key not in ("window_bits", "window_bases", "removals")}
            for run in runs.values()
        ],
        "parameters": any_run["parameters"],
        "mean_train": any_run["mean_train"],
        "bytes_per_second": float(np.median([s["bytes_per_second"] for s in speeds])) if speeds else None,
        "peak_memory_bytes": speeds[0]["peak_memory_bytes"] if speeds else None,
    }
    if name != BASE and (seeds := [seed for seed in runs if seed in base]):
        row["less_base"] = paired(
            [runs[s]["window_bits"] for s in seeds], [base[s]["window_bits"] for s in seeds], any_run["window_bases"]
        )
    whole = [run["window_bits"] for run in runs.values()]
    row["removals"] = {
        kind: paired([run["removals"][kind] for run in runs.values()], whole, any_run["window_bases"])
        for kind in any_run["removals"]
    }
    return row


def table(found: dict) -> str:
    """Return two Markdown tables: a line a model, then a line a model whose parts were taken out at evaluation."""
    heading = [
        *("part", "model", "parameters", "mean patch", "bits per base (seeds)", "less the base (95 %)", "Mb/s", "GiB"),
    ]
    lines = [heading]
    part = None
    for row in found["models"]:
        bits = f"{row['bits_per_base']:.4f} ({row['spread'][0]:.4f} to {row['spread'][1]:.4f})"
        speed, memory = row["bytes_per_second"], row["peak_memory_bytes"]
        lines.append(
            [
                row["part"] if row["part"] != part else "",
                row["name"],
                f"{row['parameters'] / 1e6:.2f} M",
                f"{row['mean_train']:.1f}",
                bits,
                _difference(row["less_base"]) if "less_base" in row else "",
                "" if speed is None else f"{speed / 1e6:.2f}",
                "" if memory is None else f"{memory / 2**30:.2f}",
            ]
        )
        part = row["part"]
    taken = [row for row in found["models"] if row["removals"]]
    kinds = list(dict.fromkeys(kind for row in taken for kind in row["removals"]))
    heading = ["bits per base added at evaluation by", *(row["name"] for row in taken)]
    removed = [heading]
    for kind in kinds:
        cells_of = [_difference(row["removals"][kind]) if kind in row["removals"] else "" for row in taken]
        removed.append([kind.replace("_", " "), *cells_of])
    blocks = [lines, removed] if taken else [lines]
    return "\n\n".join(markdown(block) for block in blocks)


def _difference(found: dict[str, float]) -> str:
    return f"{found['value']:+.4f} ({found['low']:+.4f} to {found['high']:+.4f})"
