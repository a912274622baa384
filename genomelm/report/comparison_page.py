"""The comparison's drawings, and its files on disk."""

from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from genomelm import files
from genomelm.report import charts, comparison, comparison_text, render

SECTIONS = (
    ("verdict", "Verdict"),
    ("language", "Language models"),
    ("tasks", "Tasks"),
    ("variants", "Variants"),
    ("loci", "Loci"),
    ("checks", "Checks that do not pass"),
    ("json", "JSON"),
)


def write(
    folders: Sequence[str | Path],
    page: str | Path,
    *,
    json_path: str | Path | None = None,
    summary_dir: str | Path | None = None,
    title: str | None = None,
) -> dict:
    """Write the page, its JSON, summary.json (the same numbers) and summary.txt; return the comparison.

    Args:
        page: HTML file. json_path: defaults to the page's name with .json. summary_dir: defaults to the page's folder.
    """
    page = Path(page)
    json_path = Path(json_path) if json_path else page.with_suffix(".json")
    directory = Path(summary_dir) if summary_dir else page.parent
    with files.output_lock(page):
        compared = comparison.gather(folders, page, title=title)
        files.write_json(json_path, compared)
        files.write_json(directory / "summary.json", compared)
        files.write_text(directory / "summary.txt", comparison_text.text(compared))
        files.write_text(page, render.page("comparison.html.j2", compared, figures(compared), SECTIONS))
    return compared


def figures(compared: dict) -> dict:
    """Return every drawing of the page: bits and ablations by objective, tasks by their place in the list."""
    groups = compared["language_models"]
    return {
        "bits": {objective: bits(group) for objective, group in groups.items()},
        "ablations": {objective: ablations(group) for objective, group in groups.items()},
        "tasks": [task(entry) for entry in compared["tasks"]],
    }


def bits(group: dict) -> Markup | None:
    """Draw the bits of one objective's models, and below them what they stand beside."""
    own = [named(row["name"], row["bits"]) for row in group["models"] if row["bits"]]
    unit = group["models"][0]["unit"] if group["models"] else ""
    rows = own + (group["beside"] if own else [])
    return charts.intervals(rows, f"Held-out {unit}", unit, own=len(own))


def ablations(group: dict) -> Markup | None:
    """Draw what each ablation of each model adds."""
    rows = [
        {**ablation, "name": f"{row['name']}: {ablation['name']}", "value": ablation["delta"]}
        for row in group["models"]
        for ablation in row["ablations"]
    ]
    unit = group["models"][0]["unit"] if group["models"] else ""
    return charts.intervals(rows, f"Cost of each ablation, {unit}", f"{unit} added", own=len(rows), zero=True)


def task(entry: dict) -> Markup | None:
    """Draw one task: its models, its baselines, and the target when all models have one and the same."""
    own = [named(row["name"], row["result"]) for row in entry["models"] if row["result"]]
    targets = {row["target"].get("value") for row in entry["models"] if row["result"]}
    limit = targets.pop() if len(targets) == 1 else None
    mark = ("target", limit) if isinstance(limit, int | float) else None
    metric = render.plain(entry["metric"])
    rows = own + (entry["baselines"] if own else [])
    return charts.intervals(rows, f"{entry['name']}: {metric}", f"{metric} (higher is better)", own=len(own), mark=mark)


def named(name: str, row: dict) -> dict:
    """Return a row under its model's name."""
    return {**row, "name": name}
