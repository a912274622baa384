"""Options that several commands have, in the same words."""

from typing import Annotated

import typer

Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or tpu.")]
RequireGpu = Annotated[bool, typer.Option("--require-gpu", help="Stop (exit 5) when there is no GPU.")]
Threads = Annotated[int, typer.Option("--threads", min=1, help="CPU threads.")]
TorchThreads = Annotated[int | None, typer.Option("--threads", min=1, help="CPU threads (default: torch's).")]
Alphabet = Annotated[
    str | None,
    typer.Option("--alphabet", help="dna, rna or protein: what a model of several reads (default: its patcher's)."),
]
Circular = Annotated[
    list[str] | None,
    typer.Option("--circular", help="Contig whose last base is followed by its first, repeatable: windows wrap there."),
]
MaxMinutes = Annotated[
    float | None,
    typer.Option("--max-minutes", min=0, help="Checkpoint and stop with exit 75 after so many minutes."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, for a machine.")]
