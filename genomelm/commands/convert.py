"""`genomelm convert ...`: published checkpoints of other codes become model folders."""

from pathlib import Path
from typing import Annotated

import typer

convert = typer.Typer(add_completion=False, no_args_is_help=True)

FILES = {"config.json", "model.safetensors", "patcher", "conversion.json"}
"""What a converted model's folder holds."""


@convert.callback()
def _convert() -> None:
    """Turn published checkpoints into model folders that every command reads."""


@convert.command("hyenadna")
def hyenadna(
    checkpoint: Annotated[
        Path, typer.Argument(help="Folder with config.json and model.safetensors, as published on Hugging Face.")
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="Model folder to write.")],
    shift: Annotated[
        float | None,
        typer.Option(
            "--shift",
            help="Floor of the filters' window, whatever the checkpoint's config says (default: its own, else 0.05, as "
            "in the published code for inference; the code for pretraining has 0).",
        ),
    ] = None,
) -> None:
    """Convert a HyenaDNA checkpoint, of the authors' layout or of the Hugging Face port (-hf).

    The new model gives every base the published logits. It is causal and reads A, C, G, T and N, a base a patch. No
    program in the checkpoint's folder is run, and pickles are not read.
    """
    import math

    from genomelm.errors import UsageError
    from genomelm.files import atomic_directory, output_lock, provenance, sha256, write_json
    from genomelm.models.convert import convert_hyenadna

    if shift is not None and not math.isfinite(shift):
        raise UsageError(f"--shift {shift} is not a finite number: give the window's floor, such as 0.05")
    _check_out(out, checkpoint)
    model = convert_hyenadna(checkpoint, shift)
    backbone = model.config.section("backbone")
    with output_lock(out), atomic_directory(out) as temporary:
        model.save_pretrained(temporary)
        facts = {
            "family": "hyenadna",
            "parameters": sum(p.numel() for p in model.parameters()),
            "longest": backbone.longest,
            "shift": backbone.shift,
            "provenance": provenance(
                checkpoint=sha256(checkpoint / "model.safetensors"), model=sha256(temporary / "model.safetensors")
            ),
        }
        write_json(temporary / "conversion.json", facts)
    typer.echo(
        f"{out}: HyenaDNA of {backbone.layers} blocks, {model.config.shell['local_width']} wide, made for sequences of "
        f"up to {backbone.longest:,} bases; window floor {backbone.shift:g}"
    )


def _check_out(out: Path, checkpoint: Path) -> None:
    """Refuse to write over anything but an earlier conversion: the new folder takes its place as a whole.

    Raises:
        UsageError: it is a file, the checkpoint itself, or holds other files.
    """
    from genomelm.errors import UsageError
    from genomelm.files import check_folder

    if out.resolve() == checkpoint.resolve():
        raise UsageError(f"--out {out} is the checkpoint itself: give another folder")
    check_folder(out, FILES)
