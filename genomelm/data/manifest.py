"""Data manifests: tables that say for each file where it comes from and how to know that it is right."""

import csv
import dataclasses
import difflib
import json
from collections.abc import Iterator
from pathlib import Path

from genomelm.errors import UsageError

SCHEMA = Path(__file__).with_name("manifest.schema.json")
SUFFIXES = {"genome": ".gz", "variants": ".vcf.gz"}  # kinds that are kept as bgzip
LOCK = "lock.tsv"
FIRST_USE = "first-use"  # in the column sha256: the publisher gives no digest


@dataclasses.dataclass(frozen=True)
class Row:
    """One file of a manifest.

    Attributes:
        name: the file's local name, unique in its manifest.
        kind: one of the schema's kinds; genomes and variants are bgzipped and indexed when fetched.
        urls: addresses of the published file, to try in this order.
        member: path of the file inside the archive that is published; None where no archive is.
        bytes: size of the published file, None when unknown.
        sha256: digest of the published file; None when it is pinned on first use.
        checksum_url: the publisher's checksum file, None when there is none.
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
    member: str | None = None


@dataclasses.dataclass(frozen=True)
class Manifest:
    """The rows of one manifest by name; `path` is a table, or a folder of tables."""

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
        """The table of digests that were pinned on first use, beside the manifest's tables."""
        return (self.path if self.path.is_dir() else self.path.parent) / LOCK


def read_manifest(path: str | Path) -> Manifest:
    """Read and check a manifest: a table (tab-separated, one header line), or all tables (*.tsv) of a folder.

    Raises:
        UsageError: with all faults at once, each with its line number.
    """
    path = Path(path)
    tables = sorted(table for table in path.glob("*.tsv") if table.name != LOCK) if path.is_dir() else [path]
    if not tables or not tables[0].is_file():
        what = "holds no table (*.tsv)" if path.is_dir() else "does not exist"
        raise UsageError(f"manifest {path} {what}; give one with --manifest")
    found: list[str] = []
    rows: dict[str, Row] = {}
    for table in tables:
        for line, faults, row in _read_table(table):
            if row is not None and row.name in rows:
                faults = [*faults, f"name '{row.name}' appears twice"]
            place = f"{table.name} line {line}" if path.is_dir() else f"line {line}"
            found += [f"{place}: {fault}" for fault in faults]
            if row is not None and not faults:
                rows[row.name] = row
    if found:
        raise UsageError(f"manifest {path}: {len(found)} fault{'s'[: len(found) > 1]}\n  " + "\n  ".join(found))
    return Manifest(path, rows)


def _read_table(path: Path) -> Iterator[tuple[int, list[str], Row | None]]:
    """Yield (line number, faults, row) for each line; the row is there where its own cells are right."""
    import jsonschema

    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        yield 1, [f"not UTF-8 text: {error}"], None
        return
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    table = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    header = next(table, [])
    faults = [f"column '{column}' is missing" for column in schema["required"] if column not in header]
    faults += [_unknown_column(column, schema) for column in header if column not in schema["properties"]]
    faults += [f"column '{column}' appears twice" for column in sorted(set(header)) if header.count(column) > 1]
    yield 1, faults, None
    if faults:
        return
    validator = jsonschema.Draft202012Validator(schema)
    for number, cells in enumerate(table, start=2):
        if not cells:
            continue
        if len(cells) != len(header):
            yield number, [f"{len(cells)} columns where the header has {len(header)}"], None
            continue
        value = dict(zip(header, (cell.strip() for cell in cells), strict=True))
        faults = [_fault(error, value) for error in validator.iter_errors(value)]
        members = {address.partition("#")[2] for address in value["url"].split()}
        if len(members) > 1:
            faults.append(f"url '{value['url']}' names several members of archives (after #)")
        yield number, faults, None if faults else _row(value, path.parent)


def _unknown_column(column: str, schema: dict) -> str:
    near = difflib.get_close_matches(column, schema["properties"], n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(schema['properties'])}"
    return f"unknown column '{column}'; {hint}"


def _fault(error, value: dict[str, str]) -> str:
    """Return a schema error as a sentence: the column and its value, then the description of what was wanted."""
    description = error.schema["description"]
    if not error.path:
        return description
    column = error.path[0]
    return f"{column} '{value[column]}' {description}" if value[column] else f"{column} is empty"


def _row(value: dict[str, str], folder: Path) -> Row:
    addresses = [address.partition("#") for address in value["url"].split()]
    return Row(
        name=value["name"],
        kind=value["kind"],
        assembly=value["assembly"],
        urls=tuple(address for address, _, _ in addresses),
        bytes=int(value["bytes"]) if value["bytes"] else None,
        sha256=value["sha256"] if value["sha256"] not in ("", FIRST_USE) else None,
        checksum_url=value["checksum_url"] or None,
        licence=value["licence"],
        citation=value["citation"],
        bundled=folder / value["bundled"] if value["bundled"] else None,
        verified=value.get("verified") == "yes",
        notes=value.get("notes", ""),
        member=(addresses[0][2] or None) if addresses else None,
    )
