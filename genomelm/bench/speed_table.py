"""Runs of `genomelm bench model` and `genomelm bench operators` as one JSON value and as Markdown tables."""

from collections.abc import Sequence
from pathlib import Path

from genomelm.errors import InputError
from genomelm.files import read_json

BEGIN, END = "<!-- speeds: begin -->", "<!-- speeds: end -->"
KINDS = ("model speed", "operator speed")


def read_runs(paths: Sequence[Path]) -> list[dict]:
    """Return the runs, with each file's rows and provenance.

    Raises:
        InputError: a file is not of these benchmarks.
    """
    runs = [read_json(path) for path in paths]
    for path, run in zip(paths, runs, strict=True):
        if not isinstance(run, dict) or run.get("kind") not in KINDS or not run.get("rows"):
            raise InputError(f"{path} holds no rows of `genomelm bench model` or `genomelm bench operators`")
    return runs


def table(runs: Sequence[dict]) -> str:
    """Return the tables of models and of operators, where there are such runs."""
    models = [(run, row) for run in runs if run["kind"] == KINDS[0] for row in run["rows"]]
    operators = [row for run in runs if run["kind"] == KINDS[1] for row in run["rows"]]
    lines = []
    if models:
        lines += [
            "| model | windows | mean patch | | work | Mb/s | GiB | GiB foretold |",
            "|---|---|---|---|---|---|---|---|",
            *(_model_line(run, row) for run, row in models),
        ]
    if operators:
        lines += [
            *([""] if lines else []),
            "| operator | rows | | path | work | ms | M rows/s | GiB | error |",
            "|---|---|---|---|---|---|---|---|---|",
            *map(_operator_line, operators),
        ]
    where = dict.fromkeys(f"{run['rows'][0]['device']}, torch {run['rows'][0]['torch']}" for run in runs)
    return "\n".join([*lines, "", "; ".join(where) + "; medians of " + _timings(runs) + "."])


def _model_line(run: dict, row: dict) -> str:
    name = run["model"].removesuffix(".yaml") if row["model"] == "model" else row["model"]
    facts = [name, f"{row['batch']} x {row['length']:,}", f"{row['mean_patch']}", _how(row)]
    if "out_of_memory" in row:
        return _line([*facts, "does not fit", "", "", ""])
    foretold = row["estimate"].get("peak_bytes")
    gib = [f"{x / 2**30:.1f}" if x else "" for x in (row["peak_bytes"], foretold)]
    return _line([*facts, row["name"], f"{row['positions_per_s'] / 1e6:.2f}", *gib])


def _operator_line(row: dict) -> str:
    gib = f"{row['peak_bytes'] / 2**30:.1f}" if row["peak_bytes"] else ""
    speeds = [f"{1e3 * row['median_s']:.2f}", f"{row['positions_per_s'] / 1e6:.1f}", gib, f"{row['error']:.0e}"]
    return _line([row["operator"], f"{row['positions']:,}", _how(row), row["path"], row["name"], *speeds])


def _how(row: dict) -> str:
    return f"{row['dtype']}{', compiled' if row['compiled'] else ''}"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _timings(runs: Sequence[dict]) -> str:
    counts = sorted({row["timings"] for run in runs for row in run["rows"] if "timings" in row})
    return " or ".join(map(str, counts))
