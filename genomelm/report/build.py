"""Results directory -> report, page and summaries on disk."""

import dataclasses
from pathlib import Path

from genomelm import files
from genomelm.report import inputs, loci, render, sections, strip, summary
from genomelm.report.checks import verdict


def gather(
    results_dir: str | Path,
    *,
    title: str = "genomelm report",
    top: int = 200,
    expected: tuple[str, ...] = (),
    skip: tuple[Path, ...] = (),
) -> dict:
    """Return the whole report as plain JSON: the page shows nothing that is not in it.

    Args:
        top: variants listed a scored file, by |score|.
        expected: files whose absence is a warning of its own, relative to the results directory.
        skip: paths left out of the file list (the report's own outputs).
    """
    results = inputs.read(results_dir)
    checks = strip.run(results, expected)
    return {
        "title": title,
        "verdict": verdict(checks),
        "counts": {status: sum(c.status == status for c in checks) for status in ("pass", "warn", "fail")},
        "total": len(checks),
        "not_run": sum(c.value is None for c in checks),
        "checks": [dataclasses.asdict(c) for c in checks],
        "provenance": sections.provenance(results),
        "data": sections.data(results),
        "language_model": sections.language_model(results),
        "tasks": sections.tasks(results),
        "patching": sections.patching(results),
        "training": sections.training(results),
        "loci": loci.loci(results),
        "variants": sections.variants(results, top),
        "timings": sections.timings(results),
        "files": sections.file_list(results, skip),
        "made_by": files.provenance(),
    }


def write(
    results_dir: str | Path,
    page: str | Path,
    *,
    json_path: str | Path | None = None,
    summary_dir: str | Path | None = None,
    title: str = "genomelm report",
    top: int = 200,
    expected: tuple[str, ...] = (),
) -> dict:
    """Write the page, its JSON, summary.json and summary.txt; return the report.

    Args:
        page: HTML file. json_path: defaults to the page's name with .json. summary_dir: defaults to results_dir.
    """
    page = Path(page)
    json_path = Path(json_path) if json_path else page.with_suffix(".json")
    directory = Path(summary_dir) if summary_dir else Path(results_dir)
    outputs = (page, json_path, directory / "summary.json", directory / "summary.txt")
    with files.output_lock(page):
        report = gather(results_dir, title=title, top=top, expected=expected, skip=outputs)
        short = summary.shorten(report)
        files.write_json(json_path, report)
        files.write_json(outputs[2], short)
        files.write_text(outputs[3], summary.text(short))
        files.write_text(page, render.html(report))
    return report
