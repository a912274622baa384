"""One attribution set as plain JSON, and the drawings that the page makes of it beforehand."""

from collections.abc import Sequence
from pathlib import Path

from genomelm.report.attribution import curves, filter_figures, logos, motifs, regions, sites, variants, verdicts
from genomelm.report.attribution.filters import filters
from genomelm.report.attribution.folder import AttributionFolder
from genomelm.report.inputs import Part
from genomelm.report.sections import flat_numbers
from genomelm.report.values import finite


def gather(folder: AttributionFolder, tables: Sequence[Path]) -> dict:
    """Return everything that the page shows of a set.

    Args:
        tables: of scores, as `variants.variants` takes them.
    """
    part = folder.summary
    unit, models, score_of = (part.optional(key) for key in ("unit", "models", "score_of"))
    return {
        "name": folder.name,
        "heading": folder.name or "Attributions",
        "missing": part.reason,
        "sentence": verdicts.sentence(folder.name, part),
        "length": finite(part.optional("length")),
        "unit": unit if isinstance(unit, str) else "score",
        "models": [name for name in models if isinstance(name, str)] if isinstance(models, list) else [],
        "score_of": score_of if isinstance(score_of, str) else "",
        "left_out": _left_out(part),
        "warnings": verdicts.warnings(part),
        "regions_left_out": verdicts.regions_left_out(part.mapping("checks", "signal")),
        "settings": flat_numbers(folder.part("params.json").mapping("settings")),
        "numbers": flat_numbers(part.mapping("checks")),
        "regions": regions.regions(folder),
        "variants": variants.variants(folder, tables),
        "motifs": motifs.lexicon(folder),
        "sites": sites.sites(folder),
        "curves": curves.curves(folder),
        "shuffled": curves.shuffled(folder),
        "arms": curves.arms(folder),
        "filters": filters(folder),
    }


def figures(sets: Sequence[dict]) -> dict:
    """Return what the page needs beside the numbers of the sets, each list in the order of the sets.

    Returns:
        {"places": region id -> its place among the drawn, "titles" of the drawn regions, "logos" of each motif,
        "curves", "filters" of each operator}
    """
    return {
        "places": [{drawn["id"]: i for i, drawn in enumerate(entry["regions"]["drawn"])} for entry in sets],
        "titles": [_titles(entry["regions"]) for entry in sets],
        "logos": [
            [logos.of_motif(motif, entry["motifs"]["background"]) for motif in entry["motifs"]["motifs"]]
            for entry in sets
        ],
        "curves": [curves.draw(entry) for entry in sets],
        "filters": [
            [[filter_figures.draw(one) for one in operator["drawings"]] for operator in entry["filters"]["operators"]]
            for entry in sets
        ],
    }


def notices(found: Sequence[dict]) -> list[str]:
    """Return what must stand on top of the page, of all sets."""
    texts = []
    for entry in found:
        before = f"{entry['name']}: " if entry["name"] else ""
        texts += [entry["sentence"]] if entry["sentence"] else []
        texts += [before + text for text in entry["warnings"]]
    return texts


def shorten(entry: dict) -> dict:
    """Return a set without tracks, matrices and rows: what a summary holds."""
    kept = {key: entry[key] for key in ("name", "sentence", "length", "unit", "models", "numbers")}
    counts = {key: entry[key]["total"] for key in ("regions", "variants", "motifs")}
    return kept | counts | {key: entry["sites"][key] for key in ("hits", "hits_on_sites", "sites_hit")}


def _left_out(part: Part) -> list[str]:
    """Return a line on each method that did not run, with its reason."""
    found = []
    for name, entry in part.mapping("methods").items():
        reason = entry.get("reason") if isinstance(entry, dict) else None
        if isinstance(reason, str):
            found.append(f"{name.replace('_', ' ')}: {reason}")
    return found


def _titles(found: dict) -> list[str]:
    """Return a line on each drawn region: id, name, place, largest effect in numbers of the table."""
    rows = {row["id"]: row for row in found["listed"]}
    titles = []
    for drawn in found["drawn"]:
        row = rows[drawn["id"]]
        place = f"{row['contig']}:{row['start']}-{row['end']} {row['strand']}"
        titles.append(" · ".join(text for text in (row["id"], row["name"], place) if text))
    return titles
