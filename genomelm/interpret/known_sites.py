"""Known sites on many regions: read, found again by their letters, and whether attribution is concentrated in them.

Tables of sites often count on another release of a genome. So a site is looked for near its coordinates by its letters,
on either strand; one whose letters are not there is counted, and never marked where its coordinates say.
"""

import dataclasses
import logging
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from genomelm.errors import InputError
from genomelm.interpret import sites
from genomelm.interpret.null import counter_rng
from genomelm.interpret.regions import Region
from genomelm.interpret.sites import Site
from genomelm.seq.alphabet import reverse_complement
from genomelm.seq.assemblies import plain_name

log = logging.getLogger(__name__)

COLUMNS = ("contig", "start", "end", "strand", "name", "sequence")
NEAR = 50
"""Bases around its coordinates within which a site's letters are looked for."""
SHORTEST = 10
"""Letters that a site without coordinates needs: shorter ones stand in many places by chance."""
DRAWS = 2000


@dataclasses.dataclass(frozen=True)
class KnownSite:
    """A site as its source states it: 0-based half-open on a contig; contig "" has no coordinates (FASTA).

    `sequence` is along its strand, or empty: then the coordinates are taken as they are.
    """

    name: str
    contig: str
    start: int
    end: int
    strand: str
    sequence: str


@dataclasses.dataclass(frozen=True)
class Located:
    """Sites on regions.

    Attributes:
        by_region: for each region its sites, in offsets along the region's strand, without repeats of a name.
        counts: {"given", "at_place" (where they say), "nearby" (elsewhere, by their letters), "not_found" (in a region,
            but not its letters), "partly" (over a region's end; not marked), "outside" (in no region), "short" (FASTA,
            under 10 letters)}: each site counts once.
        foreign: why no site can lie in a region, as far as the contigs' names say; empty otherwise.
    """

    by_region: tuple[tuple[Site, ...], ...]
    counts: dict[str, int]
    foreign: str = ""

    def of(self, numbers: Iterable[int]) -> "Located":
        """Return the sites of some of the regions, with the counts of all."""
        return dataclasses.replace(self, by_region=tuple(self.by_region[i] for i in numbers))


def read_known_sites(path: str | Path) -> list[KnownSite]:
    """Read a table of sites or a FASTA file of them.

    Args:
        path: tab-separated with a header line of contig, start, end, strand, name, sequence in any order (start and end
            0-based half-open; others are ignored; # comments), or FASTA: a name and the letters of each site. Where
            letters are of both cases, the site is the capital part and the rest its surroundings. Plain or gzip.

    Raises:
        InputError: the file cannot be read, holds no site, misses a column, or a row is wrong.
    """
    path = Path(path)
    lines = sites.site_lines(path)
    if not lines:
        raise InputError(f"{path} holds no site")
    if lines[0][1].startswith(">"):
        return _fasta(path, [line for _, line in lines])
    found = [_row(row, where) for where, row in sites.table_rows(path, lines, COLUMNS)]
    if not found:
        raise InputError(f"{path} holds a header and no site")
    return found


def _row(row: dict[str, str], where: str) -> KnownSite:
    try:
        start, end = int(row["start"]), int(row["end"])
    except ValueError:
        raise InputError(f"{where}: start {row['start']!r} and end {row['end']!r} must be whole numbers") from None
    if not 0 <= start < end:
        raise InputError(f"{where}: {row['name']} {start}-{end} is empty or negative; give 0-based half-open positions")
    if row["strand"] not in ("+", "-", "."):
        raise InputError(f"{where}: strand {row['strand']!r} is unknown; use +, - or .")
    return KnownSite(row["name"], row["contig"], start, end, row["strand"], _core(row["sequence"]))


def _core(text: str) -> str:
    """Return the longest run of capitals in capitals; all letters where none is a capital."""
    runs = re.findall(r"[A-Z]+", text)
    return max(runs, key=len) if runs else text.strip().upper()


def _fasta(path: Path, lines: list[str]) -> list[KnownSite]:
    found: list[list[str]] = []
    for line in lines:
        if line.startswith(">"):
            found.append([(line[1:].split() or [f"site_{len(found) + 1}"])[0], ""])
        else:
            found[-1][1] += line.strip()
    empty = [name for name, text in found if not text]
    if empty:
        raise InputError(f"{path}: site {empty[0]} has no letters")
    return [KnownSite(name, "", 0, 0, ".", _core(text)) for name, text in found]


def locate(known: Sequence[KnownSite], regions: Sequence[Region], sequences: Sequence[str]) -> Located:
    """Find sites on regions. A site's contig may be spelt otherwise than the regions' (1 for chr1).

    Args:
        regions: where each lies. sequences: its letters (l,), upper case, along its strand.
    """
    ahead = [
        text if region.strand == "+" else reverse_complement(text)
        for region, text in zip(regions, sequences, strict=True)
    ]
    by_contig: dict[str, list[int]] = {}
    for number, region in enumerate(regions):
        by_contig.setdefault(region.contig, []).append(number)
    spelt = _spellings(known, by_contig)
    found: list[dict[tuple[int, int, str], Site]] = [{} for _ in regions]
    counts = dict.fromkeys(("at_place", "nearby", "not_found", "partly", "outside", "short"), 0)
    for site in known:
        outcome = "outside"
        if not site.contig:
            outcome, places = _anywhere(site, ahead)
        else:
            places = []
            for number in by_contig.get(spelt[site.contig], []):
                region = regions[number]
                if site.end + NEAR <= region.start or site.start - NEAR >= region.end:
                    continue
                start = _near(site, ahead[number], region.start)
                if start is None:
                    missed = _missed(site, region)
                    outcome = missed if _RANKS.index(missed) > _RANKS.index(outcome) else outcome
                    continue
                at_place = start + region.start == site.start
                outcome = "at_place" if at_place or outcome == "at_place" else "nearby"
                places.append((number, start))
        counts[outcome] += 1
        for number, start in places:
            width = len(site.sequence) or site.end - site.start
            length = len(ahead[number])
            first = start if regions[number].strand == "+" else length - start - width
            text = sequences[number][first : first + width]
            found[number].setdefault((first, first + width, site.name), Site(site.name, first, first + width, text))
    by_region = tuple(tuple(row[key] for key in sorted(row)) for row in found)
    foreign = _foreign(spelt, by_contig)
    if foreign:
        log.warning("known sites: %s", foreign)
    return Located(by_region, {"given": len(known), **counts}, foreign)


_RANKS = ("outside", "partly", "not_found", "nearby", "at_place")
"""Outcomes of a site in one region; of several regions the last of them counts."""


def _missed(site: KnownSite, region: Region) -> str:
    """Return what became of a site that was not found in a region near it."""
    if region.start <= site.start and site.end <= region.end:
        return "not_found"
    return "partly" if site.start < region.end and region.start < site.end else "outside"


def _spellings(known: Sequence[KnownSite], contigs: Iterable[str]) -> dict[str, str | None]:
    """Return the regions' name of every contig that sites name, or None."""
    own: dict[str, list[str]] = {}
    for contig in contigs:
        own.setdefault(plain_name(contig), []).append(contig)
    found: dict[str, str | None] = {}
    for name in {site.contig for site in known}:
        alike = own.get(plain_name(name), [])
        found[name] = name if name in alike else alike[0] if len(alike) == 1 else None
    return found


def _foreign(spelt: dict[str, str | None], contigs: Iterable[str]) -> str:
    if any(name == "" or own is not None for name, own in spelt.items()):
        return ""
    return f"no site's contig ({_few(spelt)}) is one that regions lie on ({_few(contigs)}): is it another genome?"


def _few(names: Iterable[str]) -> str:
    chosen = sorted(names)
    return ", ".join(chosen[:3]) + (", ..." if len(chosen) > 3 else "")


def _near(site: KnownSite, letters: str, start: int) -> int | None:
    """Return the offset in a region's forward letters where the site stands, nearest to its coordinates, or None."""
    width = len(site.sequence)
    stated = site.start - start
    if not width:
        return stated if stated >= 0 and site.end - start <= len(letters) else None
    low, high = max(stated - NEAR, 0), min(stated + NEAR, len(letters) - width)
    texts = {site.sequence, reverse_complement(site.sequence)}
    places = [at for at in range(low, high + 1) if letters[at : at + width] in texts]
    return min(places, key=lambda at: (abs(at - stated), at), default=None)


def _anywhere(site: KnownSite, ahead: Sequence[str]) -> tuple[str, list[tuple[int, int]]]:
    if len(site.sequence) < SHORTEST:
        return "short", []
    texts = {site.sequence, reverse_complement(site.sequence)}
    places = [
        (number, match.start())
        for number, letters in enumerate(ahead)
        for text in sorted(texts)
        for match in re.finditer(f"(?={re.escape(text)})", letters)
    ]
    return ("nearby" if places else "outside"), places


def check(located: Located, importance: np.ndarray, permutations: int = 9999, seed: int = 0) -> dict:
    """Ask whether importance is concentrated in the sites: the check `known_sites`.

    The p-value is of circular shifts of each region's sites along its own importance, drawn apart and pooled; the
    interval is of a bootstrap over regions.

    Args:
        importance: (N, l) of each region, 0 or more.

    Returns:
        {"loci", "sites", "inside_over_outside", "low", "high", "p", "smallest_p", "illustration", "auprc", "auroc",
        "share_inside" (what the AUPRC would be by chance), "located" (counts)}, or {"reason", "located"}.
    """
    length = importance.shape[1]
    loci = []
    for values, row in zip(importance, located.by_region, strict=True):
        inside = sites.mask(row, length)
        if inside.any() and not inside.all() and values.sum() > 0:
            loci.append((values / values.mean(), inside))
    if not loci:
        return {
            "reason": f"not run: {located.foreign or 'no region holds a known site and a base outside of sites'}",
            "located": located.counts,
        }
    found = sites.enrichment(loci, permutations, seed)
    ratios = np.array([v[inside].mean() / max(v[~inside].mean(), 1e-300) for v, inside in loci])
    rng = counter_rng(seed, 0x517E5)
    means = ratios[rng.integers(len(ratios), size=(DRAWS, len(ratios)))].mean(axis=1)
    values, inside = (np.concatenate(parts) for parts in zip(*loci, strict=True))
    return {
        "loci": len(loci),
        "sites": sum(len(row) for row in located.by_region),
        "inside_over_outside": found["inside_over_outside"],
        "low": float(np.quantile(means, 0.025)),
        "high": float(np.quantile(means, 0.975)),
        "p": found["p"],
        "smallest_p": found["smallest_p"],
        "illustration": found["illustration"],
        "auprc": sites.auprc(values, inside),
        "auroc": sites.auroc(values, inside),
        "share_inside": float(inside.mean()),
        "located": located.counts,
    }
