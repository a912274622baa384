"""Runs of `genomelm bench model`, `operators`, `generate`, `score` and `ism` as one JSON value and as tables."""

from collections.abc import Sequence
from pathlib import Path

from genomelm.errors import InputError
from genomelm.files import read_json

BEGIN, END = "<!-- speeds: begin -->", "<!-- speeds: end -->"
ROWS = {
    "model speed": "rows",
    "operator speed": "rows",
    "generation speed": "rows",
    "score speed": "results",
    "ism speed": "rows",
}
"""What a kind of run calls its rows."""


def read_runs(paths: Sequence[Path]) -> list[dict]:
    """Return the runs, with each file's rows and provenance.

    Raises:
        InputError: a file is not of these benchmarks.
    """
    runs = [read_json(path) for path in paths]
    for path, run in zip(paths, runs, strict=True):
        if not isinstance(run, dict) or run.get("kind") not in ROWS or not run.get(ROWS[run["kind"]]):
            raise InputError(
                f"{path} holds no rows of `genomelm bench model`, `operators`, `generate`, `score` or `ism`"
            )
    return runs


def table(runs: Sequence[dict]) -> str:
    """Return a table of each kind of run that there is."""
    tables = []
    for kind, (head, line) in TABLES.items():
        lines = [line(run, row) for run in runs if run["kind"] == kind for row in run[ROWS[kind]]]
        tables += _ruled(head, lines)
        if kind == "model speed":
            tables += _ruled(GROWTH, [line for run in runs if run["kind"] == kind for line in _growth_lines(run)])
    where = dict.fromkeys(filter(None, map(_where, runs)))
    return "\n".join([*tables, "; ".join(where) + "."])


def _ruled(head: str, lines: Sequence[str]) -> list[str]:
    return [head, "|" + "---|" * (head.count("|") - 1), *lines, ""] if lines else []


def _growth_lines(run: dict) -> list[str]:
    where = _device(run["rows"][0]["device"])
    return [
        _line([name, where, work, ", ".join(f"{int(length):,}: {ratio:.2f}" for length, ratio in by_length.items())])
        for work, parts in run.get("ratios", {}).items()
        for name, by_length in parts.get("scaling", {}).items()
    ]


def _where(run: dict) -> str:
    row = run[ROWS[run["kind"]]][0]
    return f"{row['device']}, torch {row['torch']}" if "torch" in row else ""


def _device(name: str) -> str:
    """Return a device's name without maker and memory: H100, H200, cpu."""
    return name.removeprefix("NVIDIA ").split(",")[0].split(" ")[0]


def _model_line(run: dict, row: dict) -> str:
    name = run["model"].removesuffix(".yaml") if row["model"] == "model" else row["model"]
    facts = [name, f"{row['batch']} x {row['length']:,}", f"{row['mean_patch']}", _device(row["device"]), _how(row)]
    if "out_of_memory" in row:
        return _line([*facts, "does not fit", "", "", ""])
    foretold = row["estimate"].get("peak_bytes")
    gib = [f"{x / 2**30:.1f}" if x else "" for x in (row["peak_bytes"], foretold)]
    return _line([*facts, row["name"], f"{row['positions_per_s'] / 1e6:.2f}", *gib])


def _operator_line(_run: dict, row: dict) -> str:
    gib = f"{row['peak_bytes'] / 2**30:.1f}" if row["peak_bytes"] else ""
    speeds = [f"{1e3 * row['median_s']:.2f}", f"{row['positions_per_s'] / 1e6:.1f}", gib, f"{row['error']:.0e}"]
    where = [_device(row["device"]), _how(row)]
    return _line([row["operator"], f"{row['positions']:,}", *where, row["path"], row["name"], *speeds])


def _letter_line(_run: dict, row: dict) -> str:
    state, whole = row.get("state_bytes"), row.get("whole_s")
    facts = [row["model"], _device(row["device"]), f"{row['rows']}", f"{row['length']:,}"]
    facts.append(f"{state / 2**20:.2f}" if state else "")
    times = [f"{1e3 * row['letter_s']:.3f}", f"{1e3 * whole:.1f}" if whole else "", f"{row['ratio']:.2f}"]
    return _line([*facts, *times])


def _score_line(run: dict, row: dict) -> str:
    about = run["provenance"]
    where = _device(about["gpu"]) if about.get("gpu") else f"cpu, {about['threads']} threads"
    name = about.get("file") or about["family"]  # a model file, or a trained model's folder
    fast, slow, *whole = (timed["positions_per_s"] for timed in row["rows"])
    speeds = [f"{fast:.0f}", f"{whole[0]:.0f}" if whole else "", f"{slow:.1f}", f"{row['ratio']:.1f}"]
    return _line(
        [
            f"{name}, {about['objective']}",
            where,
            f"{row['width']:,}",
            f"{row['apart']}",
            *speeds,
            f"{row['largest_difference']:.0e}",
        ]
    )


def _ism_line(_run: dict, row: dict) -> str:
    facts = [f"{row['model']}, {row['head']}", _device(row["device"])]
    seconds = [f"{row[key]:.2f}" for key in ("map_s", "batched_s")]
    speeds = [f"{row['every_s']:.1f}", f"{row['ratio']:.1f}", f"{row['largest_difference']:.0e}"]
    return _line([*facts, f"{row['bases']:,} ({row['mutants']:,})", row["path"], *seconds, *speeds])


def _how(row: dict) -> str:
    return f"{row['dtype']}{', compiled' if row['compiled'] else ''}"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


GROWTH = "| growth | on | work | time of a sequence over that of the shortest, by bases |"
TABLES = {
    "model speed": ("| model | windows | mean patch | on | | work | Mb/s | GiB | GiB foretold |", _model_line),
    "operator speed": ("| operator | rows | on | | path | work | ms | M rows/s | GiB | error |", _operator_line),
    "generation speed": (
        "| generation | on | sequences | letters before | state, MiB | a letter, ms | a pass, ms | ratio |",
        _letter_line,
    ),
    "score speed": (
        "| scoring | on | window | bases apart | variants/s | with reading and writing | by two passes | ratio |"
        " largest difference, nats |",
        _score_line,
    ),
    "ism speed": (
        "| saturation mutagenesis | on | bases (mutants) | | s | whole windows in batches, s |"
        " a pass each, s (extrapolated) | ratio | largest difference |",
        _ism_line,
    ),
}
"""Head of each kind's table, and what makes a line of it."""
