"""`genomelm bench patch`: how fast patching is, beside a plain reading of the published rule."""

from pathlib import Path
from typing import Annotated

import typer


def patch(
    out: Annotated[Path | None, typer.Option("-o", "--out", help="JSON file to write.")] = None,
    bases: Annotated[int, typer.Option("--bases", min=4000, help="Bases that are timed.")] = 10_000_000,
    fasta: Annotated[
        Path | None, typer.Option("--fasta", help="Genome to take them from, instead of random bases.")
    ] = None,
    train_region: Annotated[
        list[str] | None,
        typer.Option("--train-region", help="Interval C:a-b of the FASTA (default: its longest contig); repeatable."),
    ] = None,
    order: Annotated[int, typer.Option("--order", min=0, max=12, help="Context length of the count model.")] = 11,
    repeats: Annotated[int, typer.Option("--repeats", min=5, help="Timings of each, of which the median counts.")] = 5,
) -> None:
    """Time every patching mode on one core and check what it gives; stop (exit 6) if a check fails."""
    import numpy as np

    from genomelm.bench.machine import machine
    from genomelm.bench.patch_speed import patch_speed, random_dna
    from genomelm.commands.model_input import located
    from genomelm.errors import UsageError
    from genomelm.files import write_json
    from genomelm.seq.alphabet import encode
    from genomelm.seq.genome import Genome
    from genomelm.seq.interval import Interval

    if fasta is None:
        if train_region:
            raise UsageError("--train-region needs the --fasta that it lies in")
        ids, facts = random_dna(bases), {"sequence": "random"}
    else:
        with Genome(fasta) as genome:
            longest = max(genome.contigs, key=genome.contigs.get)
            whole = [Interval(longest, 0, genome.contigs[longest])]
            regions = [located(genome, text, "--train-region") for text in train_region or []] or whole
            ids = np.concatenate([encode(genome.fetch(region)) for region in regions])[:bases]
            facts = {"sequence": list(map(str, regions)), "genome": fasta.name, "genome_sha256": genome.digest}
    found = patch_speed(ids.astype(np.uint8), order, repeats)
    if out is not None:
        write_json(out, {"kind": "patch speed", **found, "provenance": machine(**facts)})
    for line in _table(found):
        print(line)


def _table(found: dict) -> list[str]:
    lines = [f"{found['shapes']['bases']:,} bases, medians; M is a million positions a second"]
    for speed in found["speeds"]:
        target = speed["target_per_s"]
        verdict = ""
        if target is not None:
            reached = "reached" if speed["positions_per_s"] >= target else "not reached"
            verdict = f"  wanted {target / 1e6:6.0f} M: {reached}"
        peak = f"  peak {speed['peak_bytes'] / 1e6:.0f} MB" if "peak_bytes" in speed else ""
        lines.append(f"{speed['name']:44}{speed['positions_per_s'] / 1e6:9.1f} M{verdict}{peak}")
    genome = found["genome"]
    for name, seconds in genome["seconds"].items():
        lines.append(f"{genome['bases'] / 1e9:.1f} Gb {name}: {seconds:.1f} s, extrapolated")
    for name, loss in found["anchors"].items():
        if isinstance(loss, dict):
            cost = f"{loss['nats']:.3g} nats ({loss['share']:.2%} of its value)"
            lines.append(f"{name}: cutting at {found['anchors']['anchors']} anchors costs {cost}")
    lines += [f"checked: {check}" for check in found["checks"]]
    return lines
