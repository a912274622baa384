"""The patching grid's results as one JSON value and as a Markdown table, from the cells' rows."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from genomelm.bench.markdown import table as markdown
from genomelm.bench.patching_grid import GridConfig, cells
from genomelm.errors import InputError
from genomelm.files import read_json
from genomelm.tasks.metrics import bootstrap_ratio

KEYS = ("genome", "way", "mean", "seed")
"""What names a row."""

BEGIN, END = "<!-- patching: begin -->", "<!-- patching: end -->"

CONTROLS = ("fixed_stride", "random")
"""What every other way of the same mean is compared with, window by window."""

HEADINGS = {
    "fixed_stride": "fixed stride",
    "entropy": "entropy",
    "dual_threshold": "dual threshold",
    "optimal": "optimal (reads ahead: side information)",
    "random": "random, entropy's lengths",
    "shifted": "entropy, shifted",
}


def results(config: GridConfig, prepared: Path, rows: dict[tuple, dict]) -> dict:
    """Return genomes' facts and one row a cell, in the grid's order, compared with the controls of its mean.

    Cells that were not run are listed under `missing`; they are no error.

    Raises:
        InputError: a row is of a cell that the grid does not have, or holds a speed and no result.
    """
    order = {(c.genome, c.way, c.mean, c.seed): str(c) for c in cells(config)}
    if strange := [key for key in rows if key not in order]:
        raise InputError(f"the grid has no cell {strange[0]}: give the config that these results were made with")
    rows = {key: row for key in order if "bits_per_base" in (row := rows.get(key, {}))}
    if not rows:
        raise InputError("no cell has a result: give the files that `cell` wrote")
    return {
        "genomes": [read_json(Path(prepared) / genome.name / "facts.json") for genome in config.genomes],
        "cells": [compared(row, rows) for row in rows.values()],
        "missing": [name for key, name in order.items() if key not in rows],
    }


def compared(row: dict, rows: dict[tuple, dict]) -> dict:
    """Return a row without its windows, and with its bits per base less each control's (bootstrap over windows)."""
    found = {key: value for key, value in row.items() if key not in ("window_bits", "window_bases")}
    counts, ours = np.array(row["window_bases"], float), np.array(row["window_bits"])
    for control in CONTROLS:
        other = rows.get((row["genome"], control, row["mean"], row["seed"]))
        if other is not None and other is not row:
            found[f"less_{control}"] = bootstrap_ratio(ours - np.array(other["window_bits"]), counts)
    return found


def table(config: GridConfig, found: dict) -> str:
    """Return the Markdown table: a line a genome and mean, a column a way; several seeds are averaged.

    At mean 1 all ways are one, and its figure stands under the stride. A cell that was not run is empty.
    """
    ways = [way for way in HEADINGS if way in config.ways]
    heading = ["genome", "mean patch", "Mb read", *(HEADINGS[way] for way in ways), "entropy less random", "Mb/s"]
    lines = [heading]
    for facts in found["genomes"]:
        count_model = f"{facts['name']} (count model {facts['count_model']['bits_per_base']:.4f})"
        for number, mean in enumerate(config.means):
            here = [row for row in found["cells"] if (row["genome"], row["mean"]) == (facts["name"], mean)]
            named = {way: [row for row in here if row["way"] == way] for way in ways}
            if mean == 1:
                named["fixed_stride"] = here
            bits = [_mean(row["bits_per_base"] for row in named[way]) for way in ways]
            lines.append(
                [
                    count_model if number == 0 else "",
                    "1 (every base)" if mean == 1 else str(mean),
                    _range((row["bytes"] / 1e6 for row in here), ".1f"),
                    *("" if value is None else f"{value:.4f}" for value in bits),
                    _interval([row["less_random"] for row in named.get("entropy", []) if "less_random" in row]),
                    _range((row["speed"]["bytes_per_second"] / 1e6 for row in here if "speed" in row), ".2f"),
                ]
            )
    return markdown(lines)


def _mean(values: Iterable[float]) -> float | None:
    found = list(values)
    return float(np.mean(found)) if found else None


def _range(values: Iterable[float], form: str) -> str:
    """Return the smallest and the largest value, or one where they read the same."""
    found = sorted(values)
    ends = dict.fromkeys(format(value, form) for value in found[:1] + found[-1:])
    return " to ".join(ends)


def _interval(found: list[dict]) -> str:
    """Return a difference with its interval; several seeds' one by one."""
    return "; ".join(f"{each['value']:+.4f} ({each['low']:+.4f} to {each['high']:+.4f})" for each in found)
