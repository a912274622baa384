"""`genomelm patch`: fit a patcher on a training region and store the patch boundaries of a genome."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from genomelm.patching.patcher import Patcher
    from genomelm.seq.genome import Genome
    from genomelm.seq.interval import Interval

CHUNK = 1 << 22


def patch(
    fasta: Annotated[Path, typer.Argument(help="Genome FASTA, plain, gzip or bgzip.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for patcher/, store/ and summary.json.")],
    train_region: Annotated[
        list[str],
        typer.Option("--train-region", help="Interval C:a-b (1-based, inclusive) to fit on; may be repeated."),
    ],
    test_region: Annotated[
        list[str] | None,
        typer.Option("--test-region", help="Interval C:a-b to measure the count model on; may be repeated."),
    ] = None,
    mean: Annotated[float, typer.Option("--mean", min=1, help="Mean bases a patch on the training region.")] = 8,
    mode: Annotated[
        str, typer.Option("--mode", help="entropy, length_constrained, fixed_stride or byte (mean 1).")
    ] = "entropy",
    order: Annotated[int, typer.Option("--order", min=0, max=12, help="Context length of the count model.")] = 11,
    both_strands: Annotated[
        bool, typer.Option("--both-strands/--forward-only", help="Count the reverse complement too.")
    ] = True,
    shortest: Annotated[int, typer.Option("--min", min=1, help="Fewest bases a patch (length_constrained).")] = 1,
    longest: Annotated[int, typer.Option("--max", min=1, help="Most bases a patch (length_constrained).")] = 64,
    multiple: Annotated[int, typer.Option("--multiple", min=1, help="Length unit (length_constrained).")] = 1,
) -> None:
    """Fit a patcher on a genome and store its patch boundaries."""
    from genomelm.files import output_lock, provenance, write_json
    from genomelm.patching.config import PatcherConfig
    from genomelm.patching.patcher import Patcher
    from genomelm.patching.store import write_store
    from genomelm.seq.alphabet import encode
    from genomelm.seq.genome import Genome
    from genomelm.seq.interval import Interval, check_apart
    from genomelm.settings import to_mapping

    config = PatcherConfig(
        mode=mode, min=shortest, max=longest, multiple=multiple, order=order, both_strands=both_strands
    )
    training = [Interval.parse(text) for text in train_region]
    testing = [Interval.parse(text) for text in test_region or []]
    check_apart(testing, training)
    with Genome(fasta) as genome, output_lock(out):
        names = tuple(map(str, training))
        patcher = Patcher.fit(config, lambda: (encode(genome.fetch(region)) for region in training), mean, names)
        count_model = _count_model(patcher, genome, testing)
        patcher.save(out / "patcher")
        segmentation = write_store(
            out / "store",
            patcher,
            genome.contigs,
            lambda contig, start, end: encode(genome.fetch(Interval(contig, start, end))),
            {"genome": fasta.name, "genome_sha256": genome.digest},
            CHUNK,
        )
        trained = _training(patcher, genome, training)
        summary = {
            "fingerprint": patcher.fingerprint,
            "config": to_mapping(patcher.config),
            "training": {"regions": list(names), "wanted_mean": mean, **trained},
            "count_model": count_model,
            "segmentation": segmentation,
            "provenance": provenance(genome_sha256=genome.digest, patching=patcher.fingerprint),
        }
        write_json(out / "summary.json", summary)
    typer.echo(
        f"patcher {patcher.fingerprint[:12]}: mean patch {trained['mean']:.3f} bases on the training region, "
        f"{segmentation['mean']:.3f} on all {segmentation['bases']:,} bases"
    )


def _training(patcher: "Patcher", genome: "Genome", regions: "list[Interval]") -> dict:
    """Return the summary of the training regions, each cut as a record of its own, as in calibration."""
    from genomelm.patching.summary import Tally, total
    from genomelm.seq.alphabet import encode

    tallies = []
    for region in regions:
        ids = encode(genome.fetch(region))
        tallies.append(Tally(len(ids), patcher.code_threshold))
        for codes, marks in patcher.stream(lambda start, end, ids=ids: ids[start:end], len(ids), CHUNK):
            tallies[-1].add(codes, marks)
    return total(tallies)


def _count_model(patcher: "Patcher", genome: "Genome", regions: "list[Interval]") -> dict | None:
    """Return the count model's order, digest, and bits per base on the test regions; None without a model."""
    from genomelm.seq.alphabet import encode

    if patcher.model is None:
        return None
    measured = [patcher.model.bits_per_base(encode(genome.fetch(region))) for region in regions]
    bases = sum(count for _, count in measured)
    return {
        "order": patcher.model.order,
        "both_strands": patcher.model.both_strands,
        "digest": patcher.model.digest,
        "test_regions": list(map(str, regions)),
        "test_bases": bases,
        "bits_per_base": sum(bits * count for bits, count in measured) / bases if bases else None,
    }
