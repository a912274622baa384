"""Logs of training runs -> one page with their curves, and its numbers as JSON."""

from collections.abc import Sequence
from pathlib import Path

from genomelm import files
from genomelm.report import layer_map, render
from genomelm.report.training_charts import Chart, charts_of
from genomelm.report.training_figures import final_figures, layer_rows, settings, space_rows
from genomelm.report.training_logs import TrainingRun, read_runs

KIND = "training report"
SECTIONS = (
    ("runs", "Runs"),
    ("final", "Final figures"),
    ("loss", "Loss and held-out figures"),
    ("gradients", "Learning rate and gradients"),
    ("states", "State spaces"),
    ("speed", "Throughput"),
    ("json", "JSON"),
)


def gather(folders: Sequence[str | Path], *, title: str | None = None) -> dict:
    """Return the whole report as plain JSON: the page shows nothing that is not in it.

    Args:
        folders: of runs, as `training_logs.read_runs` takes them.
    """
    return _report(read_runs(folders), title)


def write(
    folders: Sequence[str | Path], page: str | Path, *, json_path: str | Path | None = None, title: str | None = None
) -> dict:
    """Write the page and its JSON; return the report.

    Args:
        page: HTML file. json_path: defaults to the page's name with .json.
    """
    page = Path(page)
    with files.output_lock(page):
        runs = read_runs(folders)
        report = _report(runs, title)
        files.write_json(Path(json_path) if json_path else page.with_suffix(".json"), report)
        files.write_text(page, render.page("training.html.j2", report, drawings(runs), SECTIONS))
    return report


def drawings(runs: Sequence[TrainingRun]) -> dict:
    """Return every drawing of the page: charts in the order of the report's, the layers of each run."""
    return {
        "charts": [chart.draw(runs) for chart in charts_of(runs)],
        "layers": [
            layer_map.draw(run.columns["step"], run.layers, f"Norm of the gradient by layer and step, run {run.letter}")
            for run in runs
        ],
    }


def _report(runs: Sequence[TrainingRun], title: str | None) -> dict:
    return {
        "kind": KIND,
        "title": title or ("genomelm training: " + (runs[0].name if len(runs) == 1 else f"{len(runs)} runs")),
        "warning": _warning(runs),
        "runs": [_run(run) for run in runs],
        "figures": final_figures(runs),
        "settings": settings(runs),
        "charts": [_chart(chart, runs) for chart in charts_of(runs)],
        "made_by": files.provenance(),
    }


def _warning(runs: Sequence[TrainingRun]) -> str:
    """Return what a reader of all runs together must know; empty where there is nothing."""
    objectives = {run.metrics.optional("objective") for run in runs}
    if not {"causal", "masked"} <= objectives:
        return ""
    return "the bits of masked and of causal models are different quantities: their curves cannot be compared"


def _run(run: TrainingRun) -> dict:
    return {
        "letter": run.letter,
        "name": run.name,
        "log": str(run.log),
        "finished": run.finished,
        "readings": run.readings,
        "last_step": run.columns["step"][-1] if run.readings else None,
        "notes": run.notes,
        "columns": run.columns,
        "gradient_norms": run.layers,
        "poles": run.spaces,
        "layers": layer_rows(run),
        "spaces": space_rows(run),
    }


def _chart(chart: Chart, runs: Sequence[TrainingRun]) -> dict:
    lacking = chart.lacking(runs)
    return {
        "section": chart.section,
        "name": chart.name,
        "by": "time" if chart.over_time else "step",
        "caption": chart.caption,
        "keys": chart.keys,
        "lacking": lacking,
        "left_out": len(lacking) == len(runs),
    }
