"""The reports of several models -> one plain JSON: what each found, side by side, and no winner.

An interval beside a figure is of one model by itself. Only paired intervals, made on the same resamples, say that
two figures differ; the results hold them for a model against its baselines and against itself with a part taken
out, and those alone are called differences here.
"""

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import quote

from genomelm import files
from genomelm.errors import InputError, UsageError
from genomelm.report.build import KIND as MODEL_KIND

KIND = "comparison"
STATUSES = ("pass", "warn", "fail")


def gather(folders: Sequence[str | Path], page: str | Path, *, title: str | None = None) -> dict:
    """Return the comparison as plain JSON: the page shows nothing that is not in it.

    Args:
        folders: folders of models, each with report/report.json and report/report.html.
        page: where the page will stand; links to the models' own pages are relative to its folder.

    Raises:
        UsageError: two folders have one name. InputError: a folder has no finished report.
    """
    reports, pages = {}, {}
    for folder in map(Path, folders):
        name = folder.resolve().name
        if name in reports:
            raise UsageError(f"two folders are called {name}: models are told apart by the names of their folders")
        reports[name] = read(folder)
        target = (folder / "report/report.html").resolve()
        pages[name] = quote(os.path.relpath(target, Path(page).resolve().parent))
    models = [model(name, report) for name, report in reports.items()]
    languages = [language_row(name, report) for name, report in reports.items() if report["language_model"]["planned"]]
    return {
        "kind": KIND,
        "title": title or "genomelm report: models side by side",
        "verdict": next((s for s in ("fail", "warn") if any(m["verdict"] == s for m in models)), "pass"),
        "counts": {status: sum(m["counts"][status] for m in models) for status in STATUSES},
        "total": sum(m["total"] for m in models),
        "not_run": sum(m["not_run"] for m in models),
        "pages": pages,
        "models": models,
        "language_models": {
            objective: language_group([row for row in languages if row["objective"] == objective])
            for objective in ("causal", "masked")
        },
        "tasks": tasks(reports),
        "variants": [
            {"model": name, "name": entry["name"], "statuses": entry["statuses"]}
            for name, report in reports.items()
            for entry in report["variants"]
        ],
        "loci": [
            {"model": name, "name": entry["name"], "interval": entry["interval"], "unit": entry["unit"]}
            for name, report in reports.items()
            for entry in report["loci"]
        ],
        "made_by": files.provenance(),
    }


def read(folder: Path) -> dict:
    """Return a model's report.

    Raises:
        InputError: it is not there, cannot be read, or is not what this version writes.
    """
    path, page = folder / "report/report.json", folder / "report/report.html"
    fix = f"run `genomelm report {folder} -o {page}` first"
    for file in (path, page):
        if not file.is_file():
            raise InputError(f"{folder} has no finished report, {file} is missing: {fix}")
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise InputError(f"{path} cannot be read ({error}): {fix}") from error
    if not isinstance(report, dict) or report.get("kind") != MODEL_KIND:
        raise InputError(f"{path} is not the report of one model as this version writes it: {fix}")
    return report


def model(name: str, report: dict) -> dict:
    """Return a model's verdict and all its checks."""
    language = report["language_model"]
    kept = {key: report[key] for key in ("verdict", "counts", "total", "not_run", "checks")}
    made = {"made": report["made_by"]["date"], "genomelm": report["made_by"]["genomelm"]}
    return {"name": name, "family": report["family"], "objective": language["objective"], **kept, **made}


def language_row(name: str, report: dict) -> dict:
    """Return what the tables of language models show of one."""
    language, metrics = report["language_model"], report["training"]["metrics"]
    rows = [row for row in language["rows"] if row["name"] == "this model"]
    beside = [row for row in language["rows"] if row["name"] != "this model"]
    kept = ("objective", "unit", "parameters", "parameters_without_tables", "bases")
    return {
        "name": name,
        "family": report["family"],
        **{key: language[key] for key in kept},
        "bits": rows[0] if rows else None,
        "beside": beside,
        **{key: language[key] for key in ("difference", "ablations", "long", "held_out")},
        "training": {key: metrics.get(key) for key in ("bases", "steps", "seconds", "kbases_per_second")},
    }


def language_group(rows: list[dict]) -> dict:
    """Return the models of one objective with what all of them stand beside."""
    measured = [row for row in rows if row["bits"]]
    corpora = {
        json.dumps([row["bases"], row["held_out"].get("reference"), row["held_out"].get("regions")]) for row in measured
    }
    return {"models": rows, "beside": merged((r["name"], r["beside"]) for r in rows), "one_corpus": len(corpora) <= 1}


def tasks(reports: dict[str, dict]) -> list[dict]:
    """Return one entry a task and metric: every model that did it, with the baselines of all of them."""
    found: dict[tuple, dict] = {}
    for name, report in reports.items():
        for task in report["tasks"]:
            facts = {key: task[key] for key in ("name", "kind", "alphabet", "metric")}
            entry = found.setdefault((task["name"], task["metric"]), {**facts, "models": []})
            rows = [row for row in task["rows"] if row["name"] == "this model"]
            entry["models"].append(
                {
                    "name": name,
                    "result": rows[0] if rows else None,
                    "baselines": [row for row in task["rows"] if row["name"] != "this model"],
                    **{key: task[key] for key in ("seeds", "difference", "target", "n_train", "n_test")},
                }
            )
    for entry in found.values():
        measured = [row for row in entry["models"] if row["result"]]
        tested = {
            json.dumps([row["n_test"], sorted((b["name"], round(b["value"], 6)) for b in row["baselines"])])
            for row in measured
        }
        entry["one_test"] = len(tested) <= 1  # the same baselines reach the same figure on the same examples only
        entry["baselines"] = merged((row["name"], row["baselines"]) for row in measured)
    return list(found.values())


def merged(groups: Iterable[tuple[str, list[dict]]]) -> list[dict]:
    """Return rows of (model, rows) groups once for each name and value, with the models that they stand beside."""
    found: dict[tuple, dict] = {}
    for name, rows in groups:
        for row in rows:
            entry = found.setdefault((row["name"], round(row["value"], 6)), {**row, "models": []})
            entry["models"].append(name)
    return list(found.values())
