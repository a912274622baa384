"""A recorded run, made ready to be run again: its inputs found, compared and put in their places."""

import os
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from genomelm.commands.workflow_source import workflow_folder
from genomelm.errors import InputError, IntegrityError
from genomelm.files import sha256


def located_inputs(run: dict, directory: Path) -> tuple[dict[str, str], dict[str, Path]]:
    """Find the inputs of a run.

    Args:
        run: the record.
        directory: where inputs lie that lay in the run's working directory.

    Returns:
        texts to write and files to link to, each by its path in the new directory. Inputs with absolute paths are
        compared, and stay where they are.

    Raises:
        InputError: some are missing.
        IntegrityError: some are not what they were.
    """
    texts, links, missing, differ = {}, {}, [], []
    for item in run["inputs"]:
        name, inside = item["path"], item["in"] != "elsewhere"
        if inside and (Path(name).is_absolute() or ".." in Path(name).parts):
            raise IntegrityError(f"the record names the input {name}, which lies outside of its directory")
        if inside and "text" in item:
            texts[name] = item["text"]
            continue
        path = {"directory": directory, "workflow": workflow_folder(), "elsewhere": Path()}[item["in"]] / name
        if not path.is_file():
            missing.append(str(path))
        elif path.stat().st_size != item["bytes"] or sha256(path) != item["sha256"]:
            differ.append(str(path))
        elif inside:
            links[name] = path.resolve()
    if missing:
        raise InputError(
            f"{len(missing)} inputs of the run are missing, such as {', '.join(missing[:5])}; say with --inputs below "
            "which directory they lie"
        )
    if differ:
        raise IntegrityError(f"{len(differ)} inputs are not those of the run: {', '.join(differ[:5])}")
    return texts, links


def place_links(folder: Path, links: dict[str, Path]) -> None:
    """Link to inputs from their places in a directory; a link that leads there already is left."""
    for name, path in links.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if not (place.exists() and os.path.samefile(place, path)):
            place.symlink_to(path)


def differing_versions(run: dict) -> Iterator[tuple[str, str, str]]:
    """Yield the packages whose versions are not those of the run: name, version then, version now."""
    facts = run["provenance"]
    recorded = {"genomelm": facts["genomelm"], "snakemake": facts["snakemake"], **facts["versions"]}
    for name, before in recorded.items():
        now = metadata.version(name)
        if now != before:
            yield name, before, now
