"""The README's table of figures, rendered from the comparison's summary.json: nobody types those numbers."""

import re
from pathlib import Path

from genomelm.errors import UsageError
from genomelm.files import write_text

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


def table(summary: dict) -> str:
    """Return a Markdown table of each model's main figures with their bootstrap intervals, grouped by model."""
    rows = [("model", "figure", "value", "95 % interval", "beside it"), ("---",) * 5]
    languages = {row["name"]: row for group in summary["language_models"].values() for row in group["models"]}
    for model in summary["models"]:
        name = model["name"]
        found = language_rows(languages[name]) if name in languages else []
        for task in summary["tasks"]:
            found += [task_row(task, row) for row in task["models"] if row["name"] == name and row["result"]]
        rows += [(name if i == 0 else "", *row) for i, row in enumerate(found)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)


def language_rows(language: dict) -> list[tuple[str, str, str, str]]:
    """Return the rows of a language model: its bits, what its parts are worth, and one long window."""
    rows = []
    if language["bits"]:
        beside = "; ".join(f"{other['name']} {other['value']:.4g}" for other in language["beside"])
        rows.append(figure(f"held-out {language['unit']}", language["bits"], beside))
    if language["ablations"]:
        rows.append(("bits added when a part is taken out", "", "", "; ".join(worths(language["ablations"]))))
    long = language["long"]
    if long and long["bits"]:
        parts = [f"{long['blocks']:,} attention blocks"] if long["blocks"] else []
        parts += [f"true sparsity {long['sparsity']:.3f}"] if long["sparsity"] is not None else []
        parts += worths(long["ablations"])
        rows.append(figure(f"{language['unit']}, windows of {long['window']:,} bases", long["bits"], "; ".join(parts)))
    return rows


def task_row(task: dict, row: dict) -> tuple[str, str, str, str]:
    """Return the row of a model's figure on a task."""
    beside = [f"{other['name']} {other['value']:.3f}" for other in row["baselines"]]
    beside += [f"target {row['target']['value']:.3f}"] if row["target"] else []
    seeds = len(row["seeds"])
    name = f"{task['name']}: {task['metric']}, " + (f"mean of {seeds} seeds" if seeds > 1 else "one seed")
    return figure(name, row["result"], "; ".join(beside))


def worths(ablations: list[dict]) -> list[str]:
    """Return the bits that each measured ablation adds, with their paired intervals."""
    return [
        f"{cut['name'].replace('_', ' ')} {cut['delta']:+.4f} ({cut['low']:.4f} to {cut['high']:.4f})"
        for cut in ablations
        if None not in (cut["delta"], cut["low"], cut["high"])
    ]


def figure(name: str, item: dict, beside: str) -> tuple[str, str, str, str]:
    """Return the cells of one figure: name, value, interval, what it stands beside."""
    return name, f"{item['value']:.4f}", f"{item['low']:.4f} to {item['high']:.4f}", beside


def update(readme: str | Path, summary: dict) -> None:
    """Replace the figures that stand between the markers of `readme`.

    Raises:
        UsageError: the markers are not there.
    """
    replace_block(readme, BEGIN, END, table(summary))


def replace_block(path: str | Path, begin: str, end: str, text: str) -> None:
    """Replace what stands between two markers of a Markdown file, atomically.

    Raises:
        UsageError: the file or its markers are not there.
    """
    path = Path(path)
    if not path.is_file():
        raise UsageError(f"{path} does not exist: give the Markdown file that holds the table")
    old = path.read_text(encoding="utf-8")
    if begin not in old or end not in old:
        raise UsageError(f"{path} has no lines '{begin}' and '{end}' to write the figures between")
    pattern = re.escape(begin) + ".*?" + re.escape(end)
    write_text(path, re.sub(pattern, lambda _match: f"{begin}\n{text}\n{end}", old, flags=re.DOTALL))
