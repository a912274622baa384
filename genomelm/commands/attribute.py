"""`genomelm attribute`: per-base attributions of one interval or of many regions, with the checks on them."""

from pathlib import Path
from typing import Annotated

import typer

from genomelm.commands.options import Device, RequireGpu, TorchThreads


def attribute(
    models: Annotated[list[Path], typer.Argument(metavar="MODEL...", help="Model directories, one a seed.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the maps, tables, checks and summary.json.")],
    reference: Annotated[
        Path | None, typer.Option("-r", "--reference", help="Reference FASTA: plain, gzip or bgzip.")
    ] = None,
    interval: Annotated[
        str | None,
        typer.Option(
            "--interval",
            help="One interval C:a-b[:-] to explain, read along its strand; a and b count from 1, ends included.",
        ),
    ] = None,
    regions: Annotated[Path | None, typer.Option("--regions", help="BED file of regions to explain.")] = None,
    fasta: Annotated[Path | None, typer.Option("--fasta", help="FASTA file of sequences to explain.")] = None,
    vcf: Annotated[
        Path | None, typer.Option("--vcf", help="VCF of variants to explain: both alleles, on one scale.")
    ] = None,
    width: Annotated[
        int | None, typer.Option("--width", min=1, help="Bases of each region or variant, around its middle.")
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(
            "--method",
            help="ism (always), deletion, ixg, ig or attention; may be repeated (default: all but deletion).",
        ),
    ] = None,
    output: Annotated[
        str | None, typer.Option("--output", help="Name or number of the output to explain, of models with several.")
    ] = None,
    sites: Annotated[
        Path | None,
        typer.Option("--sites", help="TSV of known sites: name, start, end (0-based), sequence; regions: contig too."),
    ] = None,
    motif_db: Annotated[
        list[Path] | None, typer.Option("--motif-db", help="MEME file to match motifs to; may be repeated.")
    ] = None,
    jaspar: Annotated[
        str | None, typer.Option("--jaspar", help="Match motifs to a group of JASPAR, such as vertebrates.")
    ] = None,
    truth: Annotated[
        Path | None, typer.Option("--truth", help="MEME file of planted motifs that must be found again.")
    ] = None,
    modisco: Annotated[
        str | None, typer.Option("--modisco", help="The modisco program (modisco-lite), run for motifs as well.")
    ] = None,
    motifs: Annotated[bool, typer.Option("--motifs/--no-motifs", help="Look for motifs in the regions' maps.")] = True,
    control: Annotated[
        list[str] | None,
        typer.Option("--control", help="NAME=DIR of a model that must not show the pattern; may be repeated."),
    ] = None,
    task: Annotated[str | None, typer.Option("--task", help="Task of models that have several.")] = None,
    two_stranded: Annotated[
        bool, typer.Option("--two-stranded", help="Check that the reverse complement gives the flipped map.")
    ] = False,
    steps: Annotated[int, typer.Option("--steps", min=1, help="Steps of integrated gradients.")] = 256,
    shuffles: Annotated[
        int | None,
        typer.Option(
            "--shuffles", min=0, help="Dinucleotide shuffles to score (default: 100; of each of many regions 10)."
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the random controls.")] = 0,
    batch_size: Annotated[
        int | None, typer.Option("--batch-size", min=1, help="--interval: substitutions a step (default: 128).")
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Many regions: stop where OUT.parts holds parts of a run with other options or files, instead of "
            "setting them aside. A stopped run of the same is always taken up.",
        ),
    ] = False,
    device: Device = "auto",
    require_gpu: RequireGpu = False,
    threads: TorchThreads = None,
) -> None:
    """Attribute sequences: saturation mutagenesis, gradients, motifs, and how far to trust them.

    One interval gives the folder of a locus; --regions, --fasta and --vcf give that of many regions, with motifs.
    Several models are averaged and compared with each other. Models with random weights always run as a control;
    --control shuffled_labels=DIR adds one that was trained on shuffled labels.
    """
    import contextlib

    from genomelm.commands.attribute_locus import attribute_locus
    from genomelm.commands.attribute_models import open_models
    from genomelm.commands.attribute_regions import Settings, attribute_regions, read_regions, read_vcf
    from genomelm.interpret.attribution import DEFAULT_METHODS, AttributionSettings
    from genomelm.interpret.locus import LocusSettings
    from genomelm.interpret.motif_stage import MotifSettings, check_inputs
    from genomelm.interpret.trust import TrustSettings
    from genomelm.scoring.output import check_output
    from genomelm.seq.genome import Genome

    _check_input(reference, {"--interval": interval, "--regions": regions, "--fasta": fasta, "--vcf": vcf})
    if interval is not None:
        _refuse(
            "--interval",
            {
                "--width": width,
                "--method": method,
                "--motif-db": motif_db,
                "--jaspar": jaspar,
                "--truth": truth,
                "--modisco": modisco,
                "--resume": resume,
                "--no-motifs": not motifs,
            },
        )
    else:
        _refuse("many regions", {"--batch-size": batch_size})
    if not motifs:
        _refuse(
            "--no-motifs",
            {"--sites": sites, "--motif-db": motif_db, "--jaspar": jaspar, "--truth": truth, "--modisco": modisco},
        )
    check_output(out, "output", folder=True)
    attribution = AttributionSettings(methods=tuple(method or DEFAULT_METHODS), integration_steps=steps)
    wanted = None
    if motifs and interval is None:
        wanted = MotifSettings(
            sites=None if sites is None else str(sites),
            databases=tuple(map(str, motif_db or ())),
            jaspar=jaspar or "",
            truth=None if truth is None else str(truth),
            modisco=modisco or "",
            seed=seed,
        )
        check_inputs(wanted)
    with contextlib.ExitStack() as stack:
        genome = None if reference is None else stack.enter_context(Genome(reference))
        found, listed = read_regions(genome, regions, fasta, width), None
        opened = open_models(models, control or [], task, device, require_gpu, threads)
        if interval is not None:
            locus = LocusSettings(
                batch_size=batch_size or 128,
                integration_steps=steps,
                shuffles=100 if shuffles is None else shuffles,
                seed=seed,
                two_stranded=two_stranded,
            )
            typer.echo(attribute_locus(genome, interval, opened, out, sites, locus, output))
            return
        if vcf is not None:
            listed = read_vcf(genome, vcf, width, opened.first)
            found = listed.regions
        trusted = TrustSettings(shuffles=10 if shuffles is None else shuffles, two_stranded=two_stranded, seed=seed)
        settings = Settings(attribution, trusted, wanted, output, resume)
        typer.echo(attribute_regions(found, listed, opened, out, settings, None if fasta else genome.digest))


def _check_input(reference: Path | None, inputs: dict[str, object]) -> None:
    """Hold the input options against each other.

    Raises:
        UsageError: none or several of them, or no reference where one is needed, or one where it is not read.
    """
    from genomelm.errors import UsageError

    given = [name for name, value in inputs.items() if value is not None]
    if len(given) != 1:
        said = f"{' and '.join(given)} were given" if given else "none was given"
        raise UsageError(f"what is to be explained comes from one of {', '.join(inputs)}; {said}")
    if reference is None and given != ["--fasta"]:
        raise UsageError(f"{given[0]} needs the reference: -r REF.fa")
    if reference is not None and given == ["--fasta"]:
        raise UsageError("--fasta holds the sequences themselves: leave -r out, or give --regions of the reference")


def _refuse(option: str, others: dict[str, object]) -> None:
    """Refuse options that another one leaves without a meaning.

    Raises:
        UsageError: naming the first.
    """
    from genomelm.errors import UsageError

    for name, value in others.items():
        if value not in (None, False):
            raise UsageError(f"{name} says nothing to {option}: leave one of them out")
