"""genomelm fetch: rows of a data manifest become checked, indexed files."""

import logging
from pathlib import Path
from typing import Annotated, Any

import typer

logger = logging.getLogger(__name__)


def fetch(
    names: Annotated[list[str] | None, typer.Argument(help="Names of files in the manifest.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write, or a folder to write the names into.")
    ] = None,
    manifest: Annotated[
        Path | None,
        typer.Option(
            help="The manifest: a table (TSV), or a folder of tables. Default: the folder data_manifests here, "
            "or else the tables that come with genomelm.",
            show_default=False,
        ),
    ] = None,
    list_names: Annotated[bool, typer.Option("--list", help="Print the manifest's files and end.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print sources, bytes and licences, and write nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --list or --dry-run: print one JSON object.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Never use the network.")] = False,
    mirror: Annotated[
        list[str] | None,
        typer.Option(
            envvar="GENOMELM_MIRROR",
            help="Base address instead of each address's scheme and host, or HOST=BASE for one host. Repeatable; "
            "parted by blanks in the variable.",
        ),
    ] = None,
    timeout: Annotated[float, typer.Option(help="Seconds without a byte before an attempt is given up.")] = 60.0,
    as_published: Annotated[
        bool, typer.Option("--as-published", help="The published bytes only: no bgzip, index or provenance.")
    ] = False,
    unpack: Annotated[
        bool, typer.Option("--unpack", help="Unpack the published archive (tar or zip) into the folder --output.")
    ] = False,
    source: Annotated[
        Path | None, typer.Option(help="The published file, fetched before with --as-published: no network.")
    ] = None,
) -> None:
    """Fetch files of a data manifest.

    The bundled copy is used when there is one; otherwise the file is downloaded (resumed, tried three times) and
    compared with the manifest's digest, the publisher's checksum file, or the digest of its first use (lock.tsv).
    Genomes are written as bgzip with .fai and .gzi, variants as bgzip with .tbi; FILE.provenance.json says where the
    file is from.
    """
    import dataclasses

    from genomelm.data.fetch import mirror_bases
    from genomelm.data.manifest import read_manifest
    from genomelm.data.plan import free_bytes, plan
    from genomelm.errors import ResourceError, UsageError

    mirror_bases(mirror or ())
    manifest, lock = _tables(manifest)
    table = read_manifest(manifest)
    lock = lock or table.lock_path
    if list_names:
        _print_rows(table.rows.values(), as_json)
        return
    if not names:
        raise UsageError("give the name of a file; `genomelm fetch --list` prints them")
    if output is None and not dry_run:
        raise UsageError("give --output: a file, or a folder")
    if as_json and not dry_run:
        raise UsageError("--json goes with --list or --dry-run")
    if timeout <= 0:
        raise UsageError(f"--timeout {timeout:g} must be more than 0 seconds")
    rows = [table.row(name) for name in names]
    targets = _targets(rows, output or Path(), as_published, unpack, source)
    if dry_run:
        steps = [
            plan(row, target, mirrors=mirror or (), offline=offline, lock=lock)
            for row, target in zip(rows, targets, strict=True)
        ]
        needed, free = sum(step.bytes or 0 for step in steps), free_bytes(targets[0].absolute().parent)
        _print_plan([dataclasses.asdict(step) for step in steps], needed, free, as_json)
        if needed > free:
            raise ResourceError(f"{needed:,} bytes are needed below {targets[0].parent}, where {free:,} are free")
        return
    for row, target in zip(rows, targets, strict=True):
        how = {"mirrors": mirror or (), "offline": offline, "timeout": timeout, "lock": lock}
        logger.info("%s: licence: %s; to cite: %s", row.name, row.licence, row.citation)
        written = _fetch_one(row, target, manifest, how, as_published, unpack, source)
        told = [*map(str, written[:3]), *([f"{len(written) - 3:,} more"] if len(written) > 3 else [])]
        logger.info("%s: wrote %s", row.name, ", ".join(told))


def _tables(manifest: Path | None) -> tuple[Path, Path | None]:
    """Return the manifest, and where it pins digests if that is not beside its tables.

    An installation's own tables pin in the cache: many projects share them, and they may not be writable.
    """
    from genomelm.commands.workflow_source import workflow_folder
    from genomelm.data.manifest import LOCK
    from genomelm.seq.fasta_index import cache_folder

    here = manifest or Path("data_manifests")
    if manifest is not None or here.exists():
        return here, None
    return workflow_folder() / here, cache_folder(None) / LOCK


def _targets(rows: list, output: Path, as_published: bool, unpack: bool, source: Path | None) -> list[Path]:
    """Return the file of each row, or raise UsageError."""
    from genomelm.data.manifest import SUFFIXES
    from genomelm.errors import InputError, UsageError

    if (unpack or source) and len(rows) > 1:
        raise UsageError(f"--{'unpack' if unpack else 'source'} takes one name, not {len(rows)}")
    if as_published and (unpack or source):
        other = "--unpack" if unpack else "--source"
        raise UsageError(f"{other} and --as-published exclude each other; give one of them")
    if source is not None and not source.is_file():
        raise InputError(f"--source {source} does not exist")
    if unpack:
        return [output]
    if len(rows) > 1 and output.exists() and not output.is_dir():
        raise UsageError(f"--output {output} is a file, but {len(rows)} names are given; give a folder")
    targets = [output / row.name if len(rows) > 1 or output.is_dir() else output for row in rows]
    for row, target in zip(rows, targets, strict=True):
        suffix = SUFFIXES.get(row.kind, "")
        if not as_published and not target.name.endswith(suffix):
            raise UsageError(f"--output {target} must end with {suffix}: {row.kind} is written as bgzip")
    return targets


def _fetch_one(
    row: Any, target: Path, manifest: Path, how: dict[str, Any], as_published: bool, unpack: bool, source: Path | None
) -> list[Path]:
    """Fetch a row, or take `source` for it; return the files written."""
    from genomelm.data.fetch import fetch as fetch_published
    from genomelm.files import output_lock, provenance, sha256, write_json

    if as_published:
        fetch_published(row, target, **how)
        return [target]
    told = target.with_name(f"{target.name}.provenance.json")
    with output_lock(told):  # from the first byte to the last: another fetch of this file would take its download away
        written, found = _download_and_prepare(row, target, how, unpack, source)
        facts: dict[str, Any] = {"name": row.name, "file": target.name}
        if not unpack:
            facts |= {"sha256": sha256(target), "bytes": target.stat().st_size}
        facts |= {"licence": row.licence, "citation": row.citation, "url": " ".join(row.urls), "notes": row.notes}
        facts["provenance"] = provenance(manifest=str(manifest), **found)
        write_json(told, facts)
    return [*written, told]


def _download_and_prepare(
    row: Any, target: Path, how: dict[str, Any], unpack: bool, source: Path | None
) -> tuple[list[Path], dict[str, str]]:
    """Return the files written, and the facts of the published file."""
    from genomelm.data.archive import unpack as unpack_archive
    from genomelm.data.fetch import fetch as fetch_published
    from genomelm.data.fetch import take_source
    from genomelm.data.prepare import prepare
    from genomelm.errors import InputError, IntegrityError

    if source is not None:
        digest, against = take_source(row, source, how["lock"])
        raw, found = source, {"published_sha256": digest, "source": str(source), "held_against": against}
    else:
        raw = target.parent / f".{target.name}.published"  # a fixed name: a broken download goes on next time
        found = {"published_sha256": fetch_published(row, raw, **how)}
    try:
        if unpack:
            written = unpack_archive(raw, target)
        else:
            written = prepare(raw, target, row.kind, row.member, consume=source is None)
    except (InputError, IntegrityError):  # the same bytes would be refused again
        if source is None:
            raw.unlink(missing_ok=True)
        raise
    if source is None:  # and not before: where the disk was full, the same command goes on from the whole download
        raw.unlink(missing_ok=True)
    return written, found


def _size(count: int | None) -> str:
    return "unknown" if count is None else f"{count:,}"


def _print_rows(rows: Any, as_json: bool) -> None:
    import json

    if as_json:
        keys = ("name", "kind", "assembly", "bytes", "licence", "citation", "verified", "notes")
        print(json.dumps({"files": [{key: getattr(row, key) for key in keys} for row in rows]}, indent=2))
        return
    print("name\tkind\tassembly\tbytes\tverified\tlicence")
    for row in rows:
        verified = "yes" if row.verified else "no"
        print("\t".join((row.name, row.kind, row.assembly, _size(row.bytes), verified, row.licence)))


def _print_plan(steps: list[dict[str, Any]], needed: int, free: int, as_json: bool) -> None:
    import json

    if as_json:
        print(json.dumps({"files": steps, "bytes": needed, "free": free}, indent=2))
        return
    for step in steps:
        print(f"{step['name']}\t{_size(step['bytes'])} bytes\t{step['source']}")
        print(f"  digest: {step['digest']}; licence: {step['licence']}; to cite: {step['citation']}")
    unknown = sum(step["bytes"] is None for step in steps)
    more = f", and {unknown} of unknown size" if unknown else ""
    print(f"{needed:,} bytes in all{more}; {free:,} are free")
