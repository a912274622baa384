"""The page: report (plain JSON) -> one HTML file that loads nothing from outside."""

import base64
import gzip
import hashlib
import json
import math
from importlib import resources

from markupsafe import Markup

from genomelm.report import charts, locus_figure

TOOLTIPS = 12  # loci whose columns tell their effects on hover, and which stand open
STATUS_WORDS = {"pass": "PASS", "warn": "WARN", "fail": "FAIL"}


def html(report: dict) -> str:
    """Return the page. Autoescape is on: only drawings made by `report.svg` enter as markup."""
    import jinja2

    folder = resources.files("genomelm.report") / "templates"
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: (folder / name).read_text(encoding="utf-8")),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"num": number, "p": p_value, "bytes": size, "plain": plain}
    environment.globals |= {"words": STATUS_WORDS, "open_loci": TOOLTIPS}
    script = (folder / "table.js").read_text(encoding="utf-8")
    encoded = base64.b64encode(gzip.compress(json.dumps(report, allow_nan=False).encode(), mtime=0)).decode()
    return environment.get_template("report.html.j2").render(
        report=report,
        figures=figures(report),
        style=Markup((folder / "style.css").read_text(encoding="utf-8")),
        script=Markup(script),
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        report_json=encoded,
    )


def figures(report: dict) -> dict:
    """Return every drawing of the page by name."""
    language, curve = report["language_model"], report["training"]["curve"]
    marks = [(row["name"], row["value"]) for row in language["rows"] if row["name"] in ("count model", "uniform bases")]
    return {
        "bits": charts.intervals(language["rows"], "Held-out bits per base", "bits per base (lower is better)"),
        "ablations": charts.intervals(
            [row | {"value": row["delta"]} for row in language["ablations"]],
            "Cost of each ablation",
            "bits per base added",
            zero=True,
        ),
        "curve": charts.lines(
            [
                (name, [(row["bases"], row[key]) for row in curve if row["bases"] is not None and row[key] is not None])
                for name, key in (("training", "train_bits"), ("held out", "test_bits"))
            ],
            "Training curve",
            "bases seen",
            "bits per base",
            marks,
        ),
        "tasks": {
            t["name"]: charts.intervals(t["rows"], f"{t['name']}: {t['metric']}", str(t["metric"]))
            for t in report["tasks"]
        },
        "variants": {
            v["name"]: charts.histogram(
                v["distribution"]["edges"], v["distribution"]["counts"], f"Scores of {v['name']}", "score"
            )
            for v in report["variants"]
            if v["distribution"]
        },
        "loci": {
            locus["name"]: locus_figure.draw(locus, tooltips=i < TOOLTIPS) for i, locus in enumerate(report["loci"])
        },
        "faithfulness": {locus["name"]: faithfulness(locus["summary"].get("faithfulness")) for locus in report["loci"]},
        "shuffled": {locus["name"]: shuffled(locus) for locus in report["loci"]},
    }


def faithfulness(curves: object) -> list[Markup]:
    """Draw the deletion and insertion curves; an empty list when they are missing."""
    drawn = []
    for kind in ("deletion", "insertion"):
        try:
            series = [
                (name, list(zip(curves["positions"], curves[kind][key], strict=True)))
                for name, key in (("by attribution", "ordered"), ("random order", "random"))
            ]
        except (KeyError, TypeError, ValueError):
            continue
        chart = charts.lines(
            series, f"{kind} curve", "bases replaced" if kind == "deletion" else "bases restored", f"score, {kind}"
        )
        if chart:
            drawn.append(chart)
    return drawn


def shuffled(locus: dict) -> Markup | None:
    """Draw the scores of dinucleotide shuffles with the locus's own score."""
    found = locus["summary"].get("shuffled")
    scores = found.get("scores") if isinstance(found, dict) else None
    if not scores or min(scores) == max(scores):
        return None
    import numpy as np

    counts, edges = np.histogram(scores, bins=20)
    own = locus["summary"].get("reference_score")
    mark = ("this locus", own) if isinstance(own, int | float) else None
    title = f"Scores of dinucleotide shuffles of {locus['name']}"
    return charts.histogram(edges.tolist(), counts.tolist(), title, str(locus["unit"]), mark)


def number(value: object) -> str:
    """Return a number as the page shows it: four significant digits; a dash for none."""
    if value is None:
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int) or (value == int(value) and abs(value) < 1e15):
        return f"{int(value):,}"
    if not math.isfinite(value):
        return "–"
    return f"{value:.4g}" if 1e-3 <= abs(value) < 1e4 else f"{value:,.0f}" if abs(value) >= 1e4 else f"{value:.2e}"


def p_value(value: object) -> str:
    """Return a p-value with two significant digits."""
    return number(value) if not isinstance(value, float) else f"{value:.2g}"


def plain(value: object) -> str:
    """Return a JSON value as short text."""
    return (
        number(value)
        if isinstance(value, int | float) or value is None
        else value
        if isinstance(value, str)
        else json.dumps(value)
    )


def size(value: object) -> str:
    """Return a byte count with its thousands set apart."""
    return f"{value:,}" if isinstance(value, int) else "–"
