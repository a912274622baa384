"""A folder of attributions by itself -> page and JSON: of many regions, or of one locus."""

from pathlib import Path

from genomelm import files
from genomelm.report import figures, loci, locus_checks, render, sections
from genomelm.report.attribution import sets, verdicts
from genomelm.report.attribution.folder import open_folder
from genomelm.report.build import SECTIONS
from genomelm.report.checks import in_sum
from genomelm.report.inputs import is_set, read_part

KIND = "attribution report"
LEFT_OUT = ("held-out", "training")
"""Sections that only a model fills."""


def is_attribution(folder: Path) -> bool:
    """Say whether a folder is one that `genomelm attribute` wrote, of many regions or of one locus."""
    return is_set(read_part(folder / "summary.json", "summary.json")) or (folder / "elements.json").is_file()


def gather(folder: Path, *, title: str | None = None, skip: tuple[Path, ...] = ()) -> dict:
    """Return the whole report as plain JSON: the page shows nothing that is not in it.

    Args:
        skip: paths left out of the file list (the report's own outputs).
    """
    name = folder.resolve().name
    opened = open_folder(folder, "", "")
    many = is_set(opened.summary)
    checks = verdicts.of_set("", opened.summary) if many else locus_checks.locus(name, opened.summary)
    found = [sets.gather(opened, [])] if many else []
    return {
        "kind": KIND,
        "title": title or f"genomelm attributions: {name}",
        **in_sum(checks),
        "notices": sets.notices(found),
        "provenance": sections.facts_of([opened.summary, opened.part("params.json")]),
        "sets": found,
        "loci": [] if many else [loci.locus(folder, "", name, opened.summary)],
        "files": sections.file_list(folder, skip),
        "made_by": files.provenance(),
    }


def write(
    folder: str | Path, page: str | Path, *, json_path: str | Path | None = None, title: str | None = None
) -> dict:
    """Write the page and its JSON; return the report.

    Args:
        page: HTML file. json_path: defaults to the page's name with .json.
    """
    page = Path(page)
    json_path = Path(json_path) if json_path else page.with_suffix(".json")
    with files.output_lock(page):
        report = gather(Path(folder), title=title, skip=(page, json_path))
        shown = _sections(report["sets"])
        files.write_text(json_path, render.json_text(report))
        files.write_text(page, render.page("report.html.j2", report, figures.of_attribution(report), shown))
    return report


def _sections(found: list[dict]) -> list[tuple[str, str, tuple[str, ...]]]:
    """Return the sections that sets fill, or without sets those that a locus fills, each with its templates alone."""
    wanted = "set_" if found else "model_"
    left_out = LEFT_OUT if any(entry["variants"]["total"] for entry in found) else (*LEFT_OUT, "variants")
    shown = []
    for id, name, templates in SECTIONS:
        own = tuple(file for file in templates if not file.startswith(("set_", "model_")) or file.startswith(wanted))
        if own and id not in left_out:
            shown.append((id, name, own))
    return shown
