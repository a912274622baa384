"""`genomelm bench patch-variants`: what substitutions do to patch boundaries, and boundaries to their scores."""

from pathlib import Path
from typing import Annotated

import typer

from genomelm.commands.options import Device, TorchThreads


def patch_variants(
    fasta: Annotated[Path, typer.Argument(help="Genome FASTA, plain, gzip or bgzip.")],
    patches: Annotated[Path, typer.Option("--patches", help="Folder that `genomelm patch` wrote for this genome.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="JSON file to write.")],
    model: Annotated[
        Path | None, typer.Option("--model", help="Causal language model that scores the substitutions.")
    ] = None,
    gff: Annotated[
        Path | None, typer.Option("--gff", help="Annotation: boundaries at gene starts are counted.")
    ] = None,
    variants: Annotated[int, typer.Option("-n", "--variants", min=1, help="Random substitutions.")] = 2000,
    width: Annotated[int, typer.Option("--width", min=2, help="Bases that the model reads of each.")] = 512,
    seed: Annotated[int, typer.Option("--seed", help="Which substitutions are drawn.")] = 0,
    device: Device = "auto",
    threads: TorchThreads = None,
) -> None:
    """Count the boundaries that substitutions move when alleles are cut apart, for every mode at the folder's mean."""
    from genomelm.bench.machine import machine
    from genomelm.bench.patch_variants import patch_variants
    from genomelm.commands.model_input import open_model
    from genomelm.files import write_json
    from genomelm.models.loading import load_patcher
    from genomelm.seq.genome import Genome

    loaded, digest = (None, None) if model is None else open_model(model, device, False, threads)
    with Genome(fasta) as genome:
        found = patch_variants(genome, patches, loaded, gff, variants, width, seed)
        facts = {"genome": fasta.name, "genome_sha256": genome.digest, "model": digest}
        facts["patching"] = load_patcher(patches / "patcher").fingerprint
    write_json(out, {"kind": "patch variants", **found, "provenance": machine(**facts)})
    for row in found["modes"]:
        down = row["downstream"]
        far = f"farthest {down['median']:.0f} (median), {down['max']} (most) bases downstream" if down else ""
        moved = f"moved by {row['moved']['value']:6.1%} of substitutions"
        print(f"{row['mode']:20} {moved}  {far}".rstrip())
    for name, bias in found["reference_bias"].items() if found["reference_bias"] else ():
        if name.startswith("reference_minus"):
            print(f"{name}: {bias['value']:+.4f} nats [{bias['low']:+.4f}, {bias['high']:+.4f}]")
