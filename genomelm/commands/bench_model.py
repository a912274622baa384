"""`genomelm bench model`: speed and memory of a model on the device at hand, beside the estimate and its opponents."""

from pathlib import Path
from typing import Annotated

import typer


def model(
    file: Annotated[Path, typer.Argument(metavar="MODEL", help="Model file of family hyena_glt.")],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="JSON file to write.")] = None,
    length: Annotated[
        list[int] | None, typer.Option("--length", min=8, help="Bases of a window; repeatable. Default: 8192.")
    ] = None,
    bases: Annotated[int, typer.Option("--bases", min=1, help="Bases a step: that many windows.")] = 131_072,
    mean_patch: Annotated[int, typer.Option("--mean-patch", min=1, help="Bases of a patch.")] = 8,
    dtype: Annotated[str, typer.Option("--dtype", help="float32, or bfloat16 (autocast).")] = "bfloat16",
    part: Annotated[
        list[str] | None,
        typer.Option("--part", help="lengths, positions, bytes, peer or scaling; repeatable. Default: lengths."),
    ] = None,
    fasta: Annotated[
        Path | None, typer.Option("--fasta", help="Genome whose longest contig is read, instead of random bases.")
    ] = None,
    device: Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")] = "auto",
    require_gpu: Annotated[bool, typer.Option("--require-gpu", help="Stop (exit 5) when there is no GPU.")] = False,
    threads: Annotated[int, typer.Option("--threads", min=1, help="CPU threads.")] = 2,
    compiled: Annotated[bool, typer.Option("--compile", help="Run through torch.compile.")] = False,
    repeats: Annotated[int, typer.Option("--repeats", min=5, help="Timings of each, of which the median counts.")] = 5,
) -> None:
    """Time training steps and forward passes; nothing else should run on the device meanwhile."""
    import numpy as np

    from genomelm.bench.machine import machine
    from genomelm.bench.model_shapes import PARTS, ratios, shapes
    from genomelm.bench.model_speed import measure_all
    from genomelm.errors import UsageError
    from genomelm.files import write_json
    from genomelm.models.config import read_model_file
    from genomelm.models.families import config_of
    from genomelm.runtime import choose_device, set_threads
    from genomelm.seq.alphabet import encode

    if unknown := sorted(set(part or ()) - set(PARTS)):
        raise UsageError(f"--part {unknown[0]} is unknown; choose {', '.join(PARTS)}")
    settings, kind = read_model_file(file), _dtype(dtype)
    if settings.family != "hyena_glt":
        raise UsageError(f"{file}: family {settings.family}; give a model file of Hyena-GLT")
    set_threads(threads)
    chosen = choose_device(device, require_gpu)
    lengths = length or [8192]
    if fasta is None:
        ids, facts = encode("".join(np.random.default_rng(0).choice(list("ACGT"), bases))), {"sequence": "random"}
    else:
        ids, facts = _longest_contig(fasta)
    plan = shapes(config_of(settings), part or ["lengths"], lengths, bases, mean_patch)
    rows = []
    for row in measure_all(plan, ids, chosen, kind, repeats, compiled):
        rows.append(row)
        typer.echo(line(row))
    if out is not None:
        result = {"kind": "model speed", "model": file.name, "rows": rows, "ratios": ratios(rows)}
        write_json(out, {**result, "provenance": machine(**facts)})


def line(row: dict) -> str:
    """Return a row as a line of text."""
    name = f"{row['part']:10}{row['model']:22}{row['batch']:4} x {row['length']:<9,}patch {row['mean_patch']:<4}"
    if "out_of_memory" in row:
        return f"{name}does not fit"
    peak = f"{row['peak_bytes'] / 2**30:8.2f} GiB" if row["peak_bytes"] else ""
    foretold = row["estimate"].get("peak_bytes")
    beside = f" (estimate {foretold / 2**30:.2f})" if foretold else ""
    return f"{name}{row['name']:10}{row['positions_per_s'] / 1e6:9.3f} Mb/s{peak}{beside}"


def _dtype(name: str):
    import torch

    from genomelm.errors import UsageError

    if name not in ("float32", "bfloat16"):
        raise UsageError(f"--dtype {name} is unknown; choose float32 or bfloat16")
    return getattr(torch, name)


def _longest_contig(fasta: Path):
    from genomelm.seq.alphabet import encode
    from genomelm.seq.genome import Genome
    from genomelm.seq.interval import Interval

    with Genome(fasta) as genome:
        name = max(genome.contigs, key=genome.contigs.get)
        ids = encode(genome.fetch(Interval(name, 0, genome.contigs[name])))
        return ids, {"sequence": name, "genome": fasta.name, "genome_sha256": genome.digest}
