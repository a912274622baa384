"""One model's folder -> report, page and summaries on disk."""

from pathlib import Path

from genomelm import files
from genomelm.report import figures, inputs, language, loci, render, sections, strip, summary
from genomelm.report.attribution import sets
from genomelm.report.attribution.folder import open_folder
from genomelm.report.checks import in_sum

KIND = "model report"
"""What a model's JSON says that it is: the comparison reads no other."""
SECTIONS = (  # id, name, templates in their order
    ("verdict", "Verdict", ("verdict.html.j2",)),
    ("provenance", "Provenance", ("provenance.html.j2",)),
    ("held-out", "Held-out figures", ("model_held_out.html.j2",)),
    ("training", "Training", ("model_training.html.j2",)),
    ("loci", "Loci", ("model_loci.html.j2", "set_loci.html.j2")),
    ("variants", "Variants", ("model_variants.html.j2", "set_variants.html.j2")),
    ("motifs", "Motifs", ("set_motifs.html.j2",)),
    ("sites", "Known sites", ("model_sites.html.j2", "set_sites.html.j2")),
    ("faithfulness", "Faithfulness", ("model_faithfulness.html.j2", "set_faithfulness.html.j2")),
    ("filters", "Learned filters", ("set_filters.html.j2",)),
    ("files", "Files", ("files.html.j2",)),
)
OF_SETS = ("motifs", "filters")
"""Sections that only attribution sets fill."""


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
    tables = sorted(results.root.glob("score/*.tsv"))
    attributed = [
        sets.gather(open_folder(results.root / "interpret" / name, name, f"interpret/{name}/"), tables)
        for name in results.sets
    ]
    return {
        "kind": KIND,
        "title": title or f"genomelm report: {results.name}",
        "family": results.family,
        **in_sum(checks),
        "notices": sets.notices(attributed),
        "provenance": sections.provenance(results),
        "data": sections.data(results),
        "language_model": language.language_model(results),
        "tasks": sections.tasks(results),
        "patching": sections.patching(results),
        "training": sections.training(results),
        "loci": loci.loci(results),
        "sets": attributed,
        "variants": sections.variants(results, top),
        "timings": sections.timings(results),
        "files": sections.file_list(results.root, skip),
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
        files.write_text(json_path, render.json_text(report))
        files.write_json(outputs[2], short)
        files.write_text(outputs[3], summary.text(short))
        shown = [section for section in SECTIONS if report["sets"] or section[0] not in OF_SETS]
        files.write_text(page, render.page("report.html.j2", report, figures.of_model(report), shown))
    return report
