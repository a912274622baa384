"""`genomelm patch`: cut a genome into patches and store the boundaries, with what they look like."""

import logging
import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from genomelm.commands.patch_inputs import Inputs
    from genomelm.patching.patcher import Patcher
    from genomelm.patching.store import PatchStore
    from genomelm.seq.interval import Interval

logger = logging.getLogger(__name__)

CHUNK = 1 << 22
FAR = 1.25
"""Ratio of the mean patches inside and outside the training region from which it is told."""


def patch(
    fasta: Annotated[Path, typer.Argument(help="Genome FASTA, plain, gzip or bgzip; proteins with --alphabet.")],
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Folder for patcher/, store/, patches.bed.gz and summaries.")
    ],
    train_region: Annotated[
        list[str] | None,
        typer.Option("--train-region", help="Interval C:a-b (1-based, inclusive) to fit on; may be repeated."),
    ] = None,
    test_region: Annotated[
        list[str] | None,
        typer.Option("--test-region", help="Interval C:a-b to measure the score source on; may be repeated."),
    ] = None,
    mean: Annotated[
        float | None,
        typer.Option("--mean", min=1, help="Mean bases a patch on the training region; by default 8, in mode byte 1."),
    ] = None,
    mode: Annotated[
        str,
        typer.Option(
            "--mode",
            help="entropy, greedy, monotonic, dual_threshold, length_constrained, optimal, fixed_stride or byte.",
        ),
    ] = "entropy",
    source: Annotated[
        str, typer.Option("--source", help="What scores: count (a context model), neural (--byte-lm), track (--track).")
    ] = "count",
    order: Annotated[int, typer.Option("--order", min=0, max=12, help="Context length of the count model.")] = 11,
    both_strands: Annotated[
        bool | None,
        typer.Option("--both-strands/--forward-only", help="Count the reverse complement too; by default for DNA."),
    ] = None,
    alphabet: Annotated[str, typer.Option("--alphabet", help="dna, rna or protein.")] = "dna",
    shortest: Annotated[
        int, typer.Option("--min", min=1, help="Fewest bases a patch (length_constrained, optimal).")
    ] = 1,
    longest: Annotated[
        int, typer.Option("--max", min=1, help="Most bases a patch (greedy, length_constrained, optimal).")
    ] = 64,
    multiple: Annotated[
        int, typer.Option("--multiple", min=1, help="Unit of length (length_constrained, optimal).")
    ] = 1,
    delta: Annotated[float, typer.Option("--delta", help="Rise that a score must exceed (dual_threshold).")] = 0.0,
    alpha: Annotated[
        float, typer.Option("--alpha", min=0, help="Price of a squared base off --target (optimal).")
    ] = 0.0,
    target: Annotated[float, typer.Option("--target", min=1, help="Length that --alpha pulls to (optimal).")] = 8.0,
    symmetric: Annotated[
        bool, typer.Option("--symmetric", help="Add the other strand's scores: both are cut alike (entropy, optimal).")
    ] = False,
    isolate: Annotated[
        list[str] | None,
        typer.Option("--isolate", help="Runs that are patches of their own: n (no letters) or case; may be repeated."),
    ] = None,
    edges: Annotated[
        str,
        typer.Option(
            "--edges", help="An isolated run starts a patch one base after its edge, or at it (tells what it is)."
        ),
    ] = "after",
    codon_frame: Annotated[
        Path | None,
        typer.Option("--codon-frame", help="GFF: patches of --multiple 3 (6, ...) bases keep to the frame of its CDS."),
    ] = None,
    track: Annotated[
        Path | None, typer.Option("--track", help="bigWig, bedGraph or BED of scores, for --source track.")
    ] = None,
    missing: Annotated[
        str, typer.Option("--missing", help="A base without a value on --track: error, min, or a number that it gets.")
    ] = "error",
    byte_lm: Annotated[
        Path | None, typer.Option("--byte-lm", help="Model folder of `genomelm byte-lm`, for --source neural.")
    ] = None,
    device: Annotated[str, typer.Option("--device", help="Where --byte-lm runs: auto, cpu, cuda or tpu.")] = "auto",
    given: Annotated[
        Path | None, typer.Option("--given", help="BED of another patcher's patches, which cover every base once.")
    ] = None,
    fitted: Annotated[
        Path | None,
        typer.Option("--fitted", help="Folder of `genomelm patch` on another genome: its patcher is applied as it is."),
    ] = None,
    annotation: Annotated[
        list[Path] | None,
        typer.Option("--annotation", help="GFF or BED whose features are compared with boundaries; may be repeated."),
    ] = None,
    bed: Annotated[bool, typer.Option("--bed/--no-bed", help="Write patches.bed.gz with its index.")] = True,
) -> None:
    """Cut a genome into patches: fit a score source, calibrate to a mean length, store every boundary."""
    from genomelm.commands.patch_inputs import Inputs
    from genomelm.commands.patch_outputs import OURS, enrichment, write_bed, write_plot
    from genomelm.errors import UsageError
    from genomelm.files import atomic_directory, check_folder, output_lock, provenance, write_json
    from genomelm.patching.config import PatcherConfig
    from genomelm.patching.store import PatchStore, write_store
    from genomelm.settings import to_mapping

    if mean is None:
        mean = 1.0 if mode == "byte" else 8.0
    if not math.isfinite(mean):
        raise UsageError(f"--mean {mean}: give a number")
    config = PatcherConfig(
        mode="given" if given else mode,
        stride=int(mean),
        min=shortest,
        max=longest,
        multiple=multiple,
        delta=delta,
        alpha=alpha,
        target=target,
        source=source,
        symmetric=symmetric,
        isolate=tuple(isolate or ()),
        edges=edges,
        alphabet=alphabet,
        order=order,
        both_strands=alphabet == "dna" if both_strands is None else both_strands,
    )
    files = {"codon_frame": codon_frame, "track": track, "byte_lm": byte_lm, "given": given, "fitted": fitted}
    regions = (train_region or [], test_region or [])
    check_folder(out, OURS)
    with output_lock(out), Inputs(fasta, config, files, regions, missing, device) as inputs:
        classes = inputs.classes(annotation or [])
        patcher = inputs.patcher(mean)
        measured = inputs.measure(patcher)
        with atomic_directory(out) as made:
            patcher.save(made / "patcher")
            genome = inputs.genome
            segmentation = write_store(
                made / "store",
                patcher,
                genome.contigs,
                inputs.fetch,
                inputs.facts(patcher),
                CHUNK,
                inputs.breaks,
            )
            store = PatchStore(made / "store")
            trained = _tallied(store, patcher, inputs, inputs.training)
            elsewhere = _tallied(store, patcher, inputs, _elsewhere(inputs) if trained else [])
            summary = {
                "fingerprint": patcher.fingerprint,
                "config": to_mapping(patcher.config),
                "side_information": list(patcher.side_information),
                "reads_ahead": patcher.reads_ahead,
                "training": {"regions": list(map(str, inputs.training)), "wanted_mean": mean, **trained},
                "elsewhere": elsewhere,
                "score_source": measured,
                "anchor_loss": inputs.anchor_loss(patcher),
                "segmentation": segmentation,
                "enrichment": enrichment(store, classes),
                "provenance": provenance(genome_sha256=genome.digest, patching=patcher.fingerprint),
            }
            if bed:
                write_bed(made / "patches.bed.gz", store)
            write_plot(made / "patches.png", summary)
            write_json(made / "summary.json", summary)
    where = f"{trained['mean']:.3f} bases on the training region, " if trained.get("mean") else ""
    typer.echo(
        f"patcher {patcher.fingerprint[:12]}: mean patch {where}{segmentation['mean']:.3f} on all "
        f"{segmentation['bases']:,} bases"
    )
    inside, outside = trained.get("mean"), elsewhere.get("mean")
    if patcher.config.needs_scores and inside and outside and not 1 / FAR <= outside / inside <= FAR:
        logger.warning(
            "outside the training region patches have %.3g letters on average, inside %.3g: a model will read more or "
            "fewer of them there than was asked for. Fit on a region that is more like the rest (--train-region), or "
            "cut by --mode fixed_stride",
            *(outside, inside),
        )


def _elsewhere(inputs: "Inputs") -> "list[Interval]":
    """Return what lies in no training region."""
    from genomelm.seq.annotation import complement
    from genomelm.seq.interval import Interval

    parts = []
    for contig, length in inputs.genome.contigs.items():
        inside = [region for region in inputs.training if region.contig == contig]
        parts += complement(inside, length) if inside else [Interval(contig, 0, length)]
    return parts


def _tallied(store: "PatchStore", patcher: "Patcher", inputs: "Inputs", regions: "Iterable[Interval]") -> dict:
    """Return the summary of the patches that start on bases of the regions which count in the mean."""
    from genomelm.patching.summary import Tally, total

    tallies = []
    for region in regions:
        forced = patcher.forced(inputs.genome.contigs[region.contig], inputs.breaks(region.contig))
        tallies.append(Tally(len(region), patcher.rule, forced.positions - region.start))
        for start in range(region.start, region.end + 1, CHUNK):
            end = min(start + CHUNK - 1, region.end)
            counted = inputs.counted(patcher, region.contig, start, min(end + 1, region.end))
            tallies[-1].add(store.codes(region.contig, start, end), store.marks(region.contig, start, end), counted)
    return total(tallies) if tallies else {}
