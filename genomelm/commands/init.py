"""`genomelm init`: a directory of one's own from which the workflow runs."""

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Directory to write into; made where it is missing.")],
    start: Annotated[
        str | None, typer.Option("--from", help="A shipped config to start from, such as demo or human_clinvar.")
    ] = None,
    reference: Annotated[
        Path | None, typer.Option("-r", "--reference", help="Your genome (FASTA): to train on, or to score against.")
    ] = None,
    model: Annotated[
        Path | None, typer.Option("-m", "--model", help="Folder of a trained model: nothing is trained then.")
    ] = None,
    vcf: Annotated[list[Path] | None, typer.Option("--vcf", help="Your variants to score; repeatable.")] = None,
    device: Annotated[
        str | None,
        typer.Option(
            "--device", help="auto, cpu, cuda or tpu. Default: cuda where a GPU partition is known, else auto."
        ),
    ] = None,
    slurm: Annotated[
        bool | None, typer.Option("--slurm/--no-slurm", help="Write a Slurm profile. Default: where sinfo answers.")
    ] = None,
    account: Annotated[str | None, typer.Option("--account", help="Slurm account. Default: your only one.")] = None,
    partition: Annotated[
        str | None, typer.Option("--partition", help="Partition of jobs without a GPU. Default: Slurm's.")
    ] = None,
    gpu_partition: Annotated[
        str | None, typer.Option("--gpu-partition", help="Partition of jobs with a GPU. Default: the first with one.")
    ] = None,
    gpu_model: Annotated[
        str | None, typer.Option("--gpu-model", help="GPU to ask for, as Slurm calls it. Default: that partition's.")
    ] = None,
    scratch: Annotated[
        str | None, typer.Option("--scratch", help="Folder for temporary files on the nodes, such as /scratch.")
    ] = None,
) -> None:
    """Write config.yaml, samples.tsv, a Snakefile that imports the installed workflow, and profiles.

    With -r, -m and --vcf: score variants with a trained model. With -r alone, or with --vcf: train a model on that
    genome, and score with it. Else: a shipped config (--from; default demo). Nothing is overwritten (exit 2), nothing
    is asked for. Then, in DIR: snakemake --profile local, or --profile slurm.
    """
    from genomelm.commands.workflow_directory import SNAKEFILE, profile_texts, sheet_text, write_directory
    from genomelm.errors import UsageError

    facts = {"account": account, "partition": partition, "gpu_partition": gpu_partition, "gpu_model": gpu_model}
    facts = {key: value for key, value in {**facts, "scratch": scratch}.items() if value is not None}
    if facts and slurm is False:
        raise UsageError(f"--{next(iter(facts)).replace('_', '-')} is a fact of a Slurm cluster; drop --no-slurm")
    if start is not None and (reference or model or vcf):
        raise UsageError("--from takes a whole config; drop -r, -m and --vcf, and edit config.yaml")
    if reference is None and (model or vcf):
        raise UsageError("give the reference too: -r REF.fa.gz")
    if model is not None and not vcf:
        raise UsageError("-m scores variants: give them with --vcf")
    site = _site(slurm, bool(facts), facts)
    chosen = device is None
    device = device or ("cuda" if site is not None and (site.gpu_partition or site.gpu_model) else "auto")
    if reference is None:
        config, rows = _shipped(start or "demo", device), []
    elif model is None:
        config, rows = _training(reference, vcf or [], device)
    else:
        config, rows = _scoring(reference, model, vcf or [], device)
    files = {"config.yaml": config, "Snakefile": SNAKEFILE, "samples.tsv": sheet_text(rows)}
    files |= profile_texts(site, device == "cuda")
    _check(files)
    write_directory(folder, files)
    typer.echo(f"{folder}: {', '.join(files)}")
    for note in site.notes if site else ():
        typer.echo(f"  {note}")
    if chosen and device == "cuda":
        typer.echo("  device: cuda, because Slurm has a GPU partition (config.yaml; --device chooses another)")
    typer.echo(f"next: cd {shlex.quote(str(folder))} && snakemake --profile {'slurm' if site else 'local'} --dry-run")


def _site(wanted: bool | None, told: bool, facts: dict[str, str]) -> Any:
    """Return the cluster's facts, those of the options before those that Slurm tells; None without a Slurm profile."""
    import dataclasses

    from genomelm.commands.workflow_site import Site, discover

    if wanted is False:
        return None
    found = discover()
    if found is None and not (wanted or told):
        return None
    return dataclasses.replace(found or Site(), **facts)


def _shipped(name: str, device: str) -> str:
    """Return a shipped config with a sample sheet; its own device stands unless a GPU is wanted."""
    import re

    from genomelm.commands.workflow_source import workflow_folder
    from genomelm.errors import UsageError

    folder = workflow_folder() / "configs"
    path = folder / f"{name}.yaml"
    known = sorted(file.stem for file in folder.glob("*.yaml"))
    if name not in known:
        raise UsageError(f"--from {name} is not a shipped config; choose {', '.join(known)}")
    text = path.read_text()
    if device == "cuda":
        text = re.sub(r"^device: \w+", "device: cuda", text, flags=re.MULTILINE)
    return text if re.search(r"^sheet:", text, re.MULTILINE) else f"{text}\nsheet: samples.tsv\n"


def _scoring(reference: Path, model: Path, variants: list[Path], device: str) -> tuple[str, list[dict[str, str]]]:
    from genomelm.commands.workflow_directory import config_text, score_rows

    genome = str(reference.resolve())
    config = {"results": "results", "device": device, "sheet": "samples.tsv"}
    config["models"] = {"model": {"folder": str(model.resolve())}}
    return config_text(config, "Scores of your variants by a trained model."), score_rows(
        [path.resolve() for path in variants], genome, "model"
    )


def _training(reference: Path, variants: list[Path], device: str) -> tuple[str, list[dict[str, str]]]:
    from genomelm.commands.workflow_directory import config_text, score_rows, split_regions
    from genomelm.seq.genome import Genome

    with Genome(reference) as genome:
        train, test = split_regions(genome.contigs)
    path = str(reference.resolve())
    size = "small" if device == "cuda" else "tiny"
    config = {"results": "results", "device": device, "sheet": "samples.tsv"}
    config |= {"genome": path, "train_regions": train, "test_regions": test}
    config["patches"] = {"stride": {"mode": "fixed_stride", "mean": 8}}
    use = {"model": f"configs/models/hyena_glt_{size}.yaml", "patches": "stride"}
    config["models"] = {"hyena_glt": {**use, "train": "configs/train/pretrain_full.yaml"}}
    rows = score_rows([path.resolve() for path in variants], path, "hyena_glt")
    title = "A model of your genome; model and training files lie beside the workflow, or in this directory."
    return config_text(config, title), rows


def _check(files: dict[str, str]) -> None:
    """Read the config as the workflow will, from where it will lie.

    Raises:
        UsageError: with all its faults at once.
    """
    import contextlib
    import tempfile

    from genomelm.commands.workflow_checks import read_workflow_config
    from genomelm.commands.workflow_source import workflow_folder
    from genomelm.settings import read_yaml

    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        for file in ("config.yaml", "samples.tsv"):
            Path(file).write_text(files[file])
        read_workflow_config(read_yaml("config.yaml"), workflow_folder())
