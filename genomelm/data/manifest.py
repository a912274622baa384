"""Data manifests: tables that say for each file where it comes from and how to know that it is right."""

import csv
import dataclasses
import difflib
import re
from pathlib import Path, PurePosixPath

from genomelm.errors import UsageError

KINDS = ("genome", "annotation", "variants", "assay", "motifs", "track")
REQUIRED = ("name", "kind", "assembly", "url", "bytes", "sha256", "checksum_url", "licence", "citation", "bundled")
COLUMNS = (*REQUIRED, "verified", "notes")
SUFFIXES = {"genome": ".gz", "variants": ".vcf.gz"}  # kinds that are kept as bgzip


@dataclasses.dataclass(frozen=True)
class Row:
    """One file of a manifest.

    Attributes:
        name: the file's local name, unique in its manifest.
        kind: one of `KINDS`; genomes and variants are bgzipped and indexed when fetched.
        urls: addresses to try in this order.
        bytes: size of the published file, None when unknown.
        sha256: digest of the published file, None when only `checksum_url` is known.
        bundled: a copy in the repository, None when there is none.
        verified: whether the address was downloaded and compared when the row was written.
    """

    name: str
    kind: str
    assembly: str
    urls: tuple[str, ...]
    bytes: int | None
    sha256: str | None
    checksum_url: str | None
    licence: str
    citation: str
    bundled: Path | None
    verified: bool
    notes: str


@dataclasses.dataclass(frozen=True)
class Manifest:
    """The rows of one manifest file by name."""

    path: Path
    rows: dict[str, Row]

    def row(self, name: str) -> Row:
        """Return the row called `name`.

        Raises:
            UsageError: there is none; the nearest names are told.
        """
        if name not in self.rows:
            near = difflib.get_close_matches(name, self.rows, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"known names: {', '.join(self.rows)}"
            raise UsageError(f"{self.path} has no file called '{name}'; {hint}")
        return self.rows[name]

    @property
    def lock_path(self) -> Path:
        """The table of digests that were pinned on first use, beside the manifest."""
        return self.path.parent / "lock.tsv"


def read_manifest(path: str | Path) -> Manifest:
    """Read and check a manifest (tab-separated, one header line).

    Raises:
        UsageError: with all faults at once, each with its line number.
    """
    path = Path(path)
    if not path.is_file():
        raise UsageError(f"manifest {path} does not exist; give one with --manifest")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise UsageError(f"manifest {path} is not UTF-8 text: {error}") from None
    found, rows = [], {}
    table = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    header = next(table, [])
    found += [f"line 1: column '{column}' is missing" for column in REQUIRED if column not in header]
    found += [f"line 1: {_unknown_column(column)}" for column in header if column not in COLUMNS]
    found += [f"line 1: column '{column}' appears twice" for column in set(header) if header.count(column) > 1]
    if not found:
        for number, cells in enumerate(table, start=2):
            if not cells:
                continue
            if len(cells) != len(header):
                found.append(f"line {number}: {len(cells)} columns where the header has {len(header)}")
                continue
            value = dict(zip(header, (cell.strip() for cell in cells), strict=True))
            faults = _faults(value, path.parent)
            if value["name"] in rows:
                faults.append(f"name '{value['name']}' appears twice")
            found += [f"line {number}: {fault}" for fault in faults]
            if not faults:
                rows[value["name"]] = _row(value, path.parent)
    if found:
        raise UsageError(f"manifest {path}: {len(found)} fault{'s'[: len(found) > 1]}\n  " + "\n  ".join(found))
    return Manifest(path, rows)


def _unknown_column(column: str) -> str:
    near = difflib.get_close_matches(column, COLUMNS, n=1)
    return f"unknown column '{column}'; " + (f"did you mean '{near[0]}'?" if near else f"known: {', '.join(COLUMNS)}")


def _faults(value: dict[str, str], folder: Path) -> list[str]:
    """Return what is wrong with one row, a line each."""
    found = []
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", value["name"]):
        found.append(f"name '{value['name']}' must be a plain file name of letters, digits, '.', '_' and '-'")
    if value["kind"] not in KINDS:
        found.append(f"kind '{value['kind']}' is not one of {', '.join(KINDS)}")
    suffix = SUFFIXES.get(value["kind"], "")
    if not value["name"].endswith(suffix):
        found.append(f"name '{value['name']}' of kind {value['kind']} must end with {suffix}: it is kept as bgzip")
    addresses = value["url"].split() + [value["checksum_url"]] * bool(value["checksum_url"])
    for address in addresses:
        if not re.match(r"https?://[^/]+/", address):
            found.append(f"address '{address}' must start with https:// or http://")
    if value["bytes"] and not value["bytes"].isdecimal():
        found.append(f"bytes '{value['bytes']}' is not a whole number")
    if value["sha256"] and not re.fullmatch(r"[0-9a-f]{64}", value["sha256"]):
        found.append(f"sha256 '{value['sha256']}' is not 64 lower-case hexadecimal digits")
    if not value["sha256"] and not value["checksum_url"]:
        found.append("neither sha256 nor checksum_url is given: the file could not be checked")
    if not value["url"] and not value["bundled"]:
        found.append("neither url nor bundled is given: there is nothing to fetch")
    found += [f"{column} is empty" for column in ("licence", "citation") if not value[column]]
    if value.get("verified", "no") not in ("yes", "no"):
        found.append(f"verified '{value['verified']}' is not yes or no")
    bundled = PurePosixPath(value["bundled"])
    if bundled.is_absolute() or ".." in bundled.parts:
        found.append(f"bundled '{value['bundled']}' must be a path below {folder}")
    return found


def _row(value: dict[str, str], folder: Path) -> Row:
    return Row(
        name=value["name"],
        kind=value["kind"],
        assembly=value["assembly"],
        urls=tuple(value["url"].split()),
        bytes=int(value["bytes"]) if value["bytes"] else None,
        sha256=value["sha256"] or None,
        checksum_url=value["checksum_url"] or None,
        licence=value["licence"],
        citation=value["citation"],
        bundled=folder / value["bundled"] if value["bundled"] else None,
        verified=value.get("verified") == "yes",
        notes=value.get("notes", ""),
    )
