"""Hits of the motifs against known sites: how many lie on one, and which."""

from genomelm.report.attribution.folder import AttributionFolder, real
from genomelm.report.attribution.regions import annotations, place

LISTED = 2000


def sites(folder: AttributionFolder) -> dict:
    """Return what the page shows of hits and known sites.

    Returns:
        {"hits", "hits_on_sites", "sites", "sites_hit", "listed": hits in the table's order, at most LISTED,
        "elements": likewise of the sites}. A hit lies on a site when they share a base; without a table of sites the
        counts that need it are None.
    """
    known = annotations(folder, "known_sites.tsv")
    hit: set[tuple[str, int]] = set()
    listed: list[dict] = []
    hits = on_sites = 0
    for row in folder.rows("hits.tsv", "region", "start", "end"):
        mark = place(row)
        if mark is None:
            continue
        under = [
            (i, site["name"])
            for i, site in enumerate(known.get(row["region"], ()))
            if site["start"] < mark["end"] and mark["start"] < site["end"]
        ]
        hits, on_sites = hits + 1, on_sites + bool(under)
        hit |= {(row["region"], i) for i, _ in under}
        if len(listed) < LISTED:
            measured = {key: real(row.get(key)) for key in ("score", "p", "contribution", "concentration")}
            names = ", ".join(dict.fromkeys(name for _, name in under))
            listed.append({"region": row["region"], **mark, **measured, "sites": names})
    total = sum(map(len, known.values()))
    return {
        "hits": hits,
        "hits_on_sites": on_sites if total else None,
        "sites": total,
        "sites_hit": len(hit) if total else None,
        "listed": listed,
        "elements": elements(folder),
    }


def elements(folder: AttributionFolder) -> list[dict]:
    """Return the known sites of each region with the importance that they hold, in the table's order."""
    found = []
    for row in folder.rows("known_sites.tsv", "region", "start", "end")[:LISTED]:
        mark = place(row)
        if mark is not None:
            numbers = {key: real(row.get(key)) for key in ("mean_importance", "over_outside", "window_percentile")}
            found.append({"region": row["region"], **mark, "sequence": row.get("sequence", ""), **numbers})
    return found
