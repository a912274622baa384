"""One model's folder -> report, page and summaries on disk."""

import dataclasses
from pathlib import Path

from genomelm import files
from genomelm.report import figures, inputs, language, loci, render, sections, strip, summary
from genomelm.report.checks import verdict

KIND = "model report"
"""What a model's JSON says that it is: the comparison reads no other."""
SECTIONS = (
    ("verdict", "Verdict"),
    ("provenance", "Provenance"),
    ("held-out", "Held-out figures"),
    ("training", "Training"),
    ("loci", "Loci"),
    ("variants", "Variants"),
    ("sites", "Known sites"),
    ("faithfulness", "Faithfulness"),
    ("files", "Files"),
)


def gather(
    folder: str | Path,
    *,
    title: str | None = None,
    top: int = 200,
    expected: tuple[str, ...] = (),
    skip: tuple[Path, ...] = (),
    patch_summary: Path | None = None,
    data: Path | None = None,
    benchmarks: Path | None = None,
) -> dict:
    """Return the whole report as plain JSON: the page shows nothing that is not in it.

    Args:
        folder: one model's folder. patch_summary, data, benchmarks: what lies beside it, as in `inputs.read`.
        top: variants listed a scored file, by |score|.
        expected: files that were planned, relative to the folder; the absence of each is a warning.
        skip: paths left out of the file list (the report's own outputs).
    """
    results = inputs.read(folder, patch_summary=patch_summary, data=data, benchmarks=benchmarks)
    checks = strip.run(results, expected)
    return {
        "kind": KIND,
        "title": title or f"genomelm report: {results.name}",
        "family": results.family,
        "verdict": verdict(checks),
        "counts": {status: sum(c.status == status for c in checks) for status in ("pass", "warn", "fail")},
        "total": len(checks),
        "not_run": sum(c.value is None for c in checks),
        "checks": [dataclasses.asdict(c) for c in checks],
        "provenance": sections.provenance(results),
        "data": sections.data(results),
        "language_model": language.language_model(results),
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
    folder: str | Path,
    page: str | Path,
    *,
    json_path: str | Path | None = None,
    summary_dir: str | Path | None = None,
    **options: object,
) -> dict:
    """Write the page, its JSON, summary.json and summary.txt; return the report.

    Args:
        page: HTML file. json_path: defaults to the page's name with .json. summary_dir: defaults to the folder.
        options: as `gather` takes them.
    """
    page = Path(page)
    json_path = Path(json_path) if json_path else page.with_suffix(".json")
    directory = Path(summary_dir) if summary_dir else Path(folder)
    outputs = (page, json_path, directory / "summary.json", directory / "summary.txt")
    with files.output_lock(page):
        report = gather(folder, skip=outputs, **options)
        short = summary.shorten(report)
        files.write_json(json_path, report)
        files.write_json(outputs[2], short)
        files.write_text(outputs[3], summary.text(short))
        files.write_text(page, render.page("report.html.j2", report, figures.of_model(report), SECTIONS))
    return report
