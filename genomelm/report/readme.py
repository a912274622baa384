"""The README's table of figures, rendered from summary.json: nobody types those numbers."""

import re
from pathlib import Path

from genomelm.errors import UsageError
from genomelm.files import write_text

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


def table(summary: dict) -> str:
    """Return a Markdown table of the run's main figures with their bootstrap intervals."""
    rows = [("figure", "value", "95 % interval", "beside it"), ("---",) * 4]
    language = summary["language_model"]
    if language["rows"]:
        model, *others = language["rows"]
        beside = "; ".join(f"{other['name']} {other['value']:.4g}" for other in others)
        rows.append(_row("held-out bits per base", model, beside))
    for item in language["ablations"]:
        cost = {"value": item["delta"], "low": item["low"], "high": item["high"]}
        rows.append(
            _row(
                f"bits lost with {item['name'].replace('_', ' ')}",
                cost,
                "this trained model uses the part if the interval lies above 0",
            )
        )
    for task in summary["tasks"]:
        if task["rows"]:
            model, *others = task["rows"]
            beside = [f"{other['name']} {other['value']:.3f}" for other in others]
            beside += [f"target {task['target']['value']:.3f}"] if task["target"] else []
            name = f"{task['name']}: {task['metric']}, mean of {len(task['seeds'])} seeds"
            rows.append(_row(name, model, "; ".join(beside)))
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _row(name: str, item: dict, beside: str) -> tuple[str, str, str, str]:
    return name, f"{item['value']:.4f}", f"{item['low']:.4f} to {item['high']:.4f}", beside


def update(readme: str | Path, summary: dict) -> None:
    """Replace what stands between the markers of `readme`.

    Raises:
        UsageError: the markers are not there.
    """
    text = Path(readme).read_text(encoding="utf-8")
    if BEGIN not in text or END not in text:
        raise UsageError(f"{readme} has no lines '{BEGIN}' and '{END}' to write the figures between")
    block = f"{BEGIN}\n{table(summary)}\n{END}"
    pattern = re.escape(BEGIN) + ".*?" + re.escape(END)
    write_text(readme, re.sub(pattern, lambda _match: block, text, flags=re.DOTALL))
