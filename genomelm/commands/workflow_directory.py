"""The files of a directory of one's own in which the workflow runs: config, sample sheet, Snakefile, profiles."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genomelm.commands.workflow_site import Site
from genomelm.commands.workflow_source import workflow_folder
from genomelm.errors import InputError, UsageError
from genomelm.files import output_lock, write_text

SNAKEFILE = """\
# Imports the workflow of the installed genomelm. Rules of your own may stand below.
from genomelm.commands.workflow_source import workflow_folder


configfile: "config.yaml"


module genomelm:
    snakefile:
        f"{workflow_folder()}/Snakefile"
    config:
        config


use rule * from genomelm
"""
SHEET = """\
# One piece of work a row; cells parted by tabs, an empty cell where nothing is said. Columns and their meanings:
# configs/README.md of genomelm. A genome or VCF is a path (with a /) or a name of the data manifest.
"""
COLUMNS = ("work", "name", "model", "genome", "variants", "regions", "background", "task")
SMALLEST = 0.001
"""Contigs of a smaller share of the genome are neither trained on nor held out."""
HELD_OUT = 10
"""One part in so many of each contig, at its end, is held out."""


def sheet_text(rows: list[dict[str, str]]) -> str:
    """Return a sample sheet with these rows."""
    lines = ["\t".join(COLUMNS), *("\t".join(row.get(column, "") for column in COLUMNS) for row in rows)]
    return SHEET + "\n".join(lines) + "\n"


def score_rows(variants: list[Path], genome: str, model: str) -> list[dict[str, str]]:
    """Return a row for each VCF, named as its file."""
    names = [re.sub(r"[^0-9A-Za-z_.]", "_", re.sub(r"\.(vcf|bcf)(\.b?gz)?$", "", path.name)) for path in variants]
    names = [name if re.match(r"[A-Za-z_]", name) else f"v{name}" for name in names]
    if len(set(names)) < len(names):
        raise UsageError(f"--vcf: two files would be called {next(n for n in names if names.count(n) > 1)}; rename one")
    common = {"work": "score", "model": model, "genome": genome}
    return [{**common, "name": name, "variants": str(path)} for name, path in zip(names, variants, strict=True)]


def split_regions(contigs: Mapping[str, int]) -> tuple[list[str], list[str]]:
    """Return intervals to train on and to hold out: of each large contig its last tenth is held out.

    Args:
        contigs: name -> length in bases.

    Raises:
        InputError: no contig has ten bases.
    """
    whole = sum(contigs.values())
    large = {name: size for name, size in contigs.items() if size >= max(HELD_OUT, SMALLEST * whole)}
    if not large:
        raise InputError("the reference has no contig that could be parted into bases to train on and to hold out")
    ends = {name: size - size // HELD_OUT for name, size in large.items()}
    train = [f"{name}:1-{end}" for name, end in ends.items()]
    return train, [f"{name}:{end + 1}-{large[name]}" for name, end in ends.items()]


def profile_texts(site: Site | None, with_gpu: bool) -> dict[str, str]:
    """Return the profiles: `local`, and `slurm` with the facts of a cluster."""
    import yaml

    folder = workflow_folder() / "configs" / "profiles"
    _, _, local = (folder / "local" / "config.yaml").read_text().partition("\n")
    texts = {"local/config.yaml": f"# One machine: snakemake --profile local, in this directory.\n{local}"}
    if site is not None:
        shipped = yaml.safe_load((folder / "slurm" / "config.yaml").read_text())
        lines = ["# This cluster, for `snakemake --profile slurm` in this directory.", *(f"# {n}" for n in site.notes)]
        text = yaml.safe_dump(site.profile(shipped, with_gpu), sort_keys=False)
        texts["slurm/config.yaml"] = "\n".join(lines) + "\n" + text
    return texts


def config_text(config: dict[str, Any], title: str) -> str:
    """Return a config as YAML below a line that says what it is."""
    import yaml

    return f"# {title}\n{yaml.safe_dump(config, sort_keys=False, width=110)}"


def write_directory(folder: Path, files: Mapping[str, str]) -> None:
    """Write files into a directory, none over another.

    Args:
        files: path below the directory -> text.

    Raises:
        UsageError: one of them is there already, or the directory is a file.
    """
    for part in (folder, *folder.parents):
        if part.exists() and not part.is_dir():
            raise UsageError(f"{folder} cannot be a directory: {part} is a file")
    with output_lock(folder):
        there = [name for name in files if (folder / name).exists() or (folder / name).is_symlink()]
        if there:
            raise UsageError(
                f"{folder} holds {', '.join(there[:5])} already: nothing was written; give another directory"
            )
        for name, text in files.items():
            write_text(folder / name, text)
