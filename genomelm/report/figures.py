"""Every drawing of a model's report, from its plain JSON."""

from markupsafe import Markup

from genomelm.report import charts, locus_figure
from genomelm.report.attribution import sets
from genomelm.report.render import TOOLTIPS


def of_model(report: dict) -> dict:
    """Return every drawing of the page by name."""
    language, curve = report["language_model"], report["training"]["curve"]
    unit = language["unit"]
    marks = [(row["name"], row["value"]) for row in language["rows"] if row["name"] in ("count model", "uniform bases")]
    return {
        "bits": charts.intervals(language["rows"], f"Held-out {unit}", unit),
        "ablations": charts.intervals(
            [row | {"value": row["delta"]} for row in language["ablations"]],
            "Cost of each ablation",
            f"{unit} added",
            own=len(language["ablations"]),
            zero=True,
        ),
        "curve": charts.lines(
            [
                (name, [(row["bases"], row[key]) for row in curve if row["bases"] is not None and row[key] is not None])
                for name, key in (("training", "train_bits"), ("held out", "test_bits"))
            ],
            "Training curve",
            "bases seen",
            unit,
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
        **of_attribution(report),
    }


def of_attribution(report: dict) -> dict:
    """Return every drawing of what was attributed: loci one by one, and sets of regions."""
    return {
        "loci": {
            locus["name"]: locus_figure.draw(locus, tooltips=i < TOOLTIPS) for i, locus in enumerate(report["loci"])
        },
        "faithfulness": {locus["name"]: faithfulness(locus["summary"].get("faithfulness")) for locus in report["loci"]},
        "shuffled": {locus["name"]: shuffled(locus) for locus in report["loci"]},
        **sets.figures(report["sets"]),
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
