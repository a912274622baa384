"""genomelm fetch: one row of a data manifest becomes one checked, indexed file."""

import logging
from pathlib import Path
from typing import Annotated

import typer

logger = logging.getLogger(__name__)


def fetch(
    name: Annotated[str, typer.Argument(help="Name of the file in the manifest.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write.")],
    manifest: Annotated[Path, typer.Option(help="The manifest (TSV).")] = Path("data_manifests/bundled.tsv"),
    offline: Annotated[bool, typer.Option("--offline", help="Never use the network.")] = False,
    mirror: Annotated[
        str | None, typer.Option(envvar="GENOMELM_MIRROR", help="Base address instead of each address's host.")
    ] = None,
    as_published: Annotated[
        bool, typer.Option("--as-published", help="The published bytes only: no bgzip, index or provenance.")
    ] = False,
    source: Annotated[
        Path | None, typer.Option(help="The published file, fetched before with --as-published: no network.")
    ] = None,
) -> None:
    """Fetch one file of a data manifest.

    The bundled copy is used when there is one; otherwise the file is downloaded (resumed, tried
    three times) and compared with the manifest's digest. Genomes are written as bgzip with .fai
    and .gzi, variants as bgzip with .tbi; FILE.provenance.json says where the file is from.
    """
    from genomelm.data.checksum import pin, read_pins
    from genomelm.data.fetch import fetch as fetch_published
    from genomelm.data.manifest import SUFFIXES, read_manifest
    from genomelm.data.prepare import prepare
    from genomelm.errors import InputError, IntegrityError, UsageError
    from genomelm.files import provenance, sha256, write_json

    table = read_manifest(manifest)
    row = table.row(name)
    if output.is_dir():
        raise UsageError(f"--output {output} is a folder; give a file name, such as {output / name}")
    if not as_published and not output.name.endswith(SUFFIXES.get(row.kind, "")):
        raise UsageError(f"--output {output} must end with {SUFFIXES[row.kind]}: {row.kind} is written as bgzip")
    pinned = read_pins(table.lock_path).get(name)

    def published(target: Path) -> None:
        digest = fetch_published(row, target, mirror=mirror, offline=offline, pinned=pinned)
        if row.sha256 is None:
            pin(table.lock_path, name, digest)

    if source is not None:
        if not source.is_file():
            raise InputError(f"--source {source} does not exist")
        expected = row.sha256 or pinned
        if expected is not None and sha256(source) != expected:
            raise IntegrityError(f"{source} is not the published {name}: its sha256 is not {expected}; fetch it again")
        written = prepare(source, output, row.kind)
    elif as_published or row.kind not in SUFFIXES:
        published(output)
        written = [output]
    else:
        raw = output.parent / f".{output.name}.published"  # a fixed name: a broken download goes on next time
        published(raw)
        try:
            written = prepare(raw, output, row.kind)
        finally:
            raw.unlink()
    if not as_published:
        facts = {"name": name, "file": output.name, "sha256": sha256(output), "bytes": output.stat().st_size}
        facts |= {"licence": row.licence, "citation": row.citation, "url": " ".join(row.urls), "notes": row.notes}
        facts["provenance"] = provenance(manifest=str(manifest), published_sha256=row.sha256 or pinned)
        written.append(Path(f"{output}.provenance.json"))
        write_json(written[-1], facts)
    logger.info("%s: wrote %s (%s; %s)", name, ", ".join(map(str, written)), row.licence, row.citation)
