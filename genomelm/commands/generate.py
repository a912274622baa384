"""`genomelm generate`: sequences that a causal language model writes, as FASTA."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genomelm.commands.options import Alphabet, Device, RequireGpu, TorchThreads

if TYPE_CHECKING:
    from genomelm.seq.genome import Genome

LINE = 60
"""Letters of a FASTA line."""

PIECE = 1 << 20
"""Letters of a prompt's record that are read at a time."""


def generate(
    model: Annotated[Path, typer.Argument(help="Model directory.")],
    bases: Annotated[int, typer.Option("-n", "--bases", min=1, help="Letters to write, each sequence.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="FASTA to write; - for standard output.")],
    prompt: Annotated[
        str | None, typer.Option("--prompt", help="Letters to go on from (default: a record's start).")
    ] = None,
    prompt_fasta: Annotated[
        Path | None, typer.Option("--prompt-fasta", help="FASTA: go on from the end of each of its records.")
    ] = None,
    count: Annotated[int, typer.Option("--count", min=1, help="Sequences, each prompt.")] = 1,
    temperature: Annotated[
        float, typer.Option("--temperature", min=0, help="Divides the logits; 0: always the most probable letter.")
    ] = 1.0,
    top_k: Annotated[int, typer.Option("--top-k", min=0, help="Draw from so many most probable letters; 0: all.")] = 0,
    top_p: Annotated[
        float,
        typer.Option("--top-p", min=0, max=1, help="Draw from the fewest most probable letters that reach this sum."),
    ] = 1.0,
    repeat_penalty: Annotated[
        float,
        typer.Option("--repeat-penalty", min=0, help="Nats off letters that would repeat a k-mer of the sequence."),
    ] = 0.0,
    repeat_k: Annotated[int, typer.Option("--repeat-k", min=1, help="k of these k-mers.")] = 12,
    seed: Annotated[int, typer.Option("--seed", help="Seed; sequence i of a prompt depends on it and on i.")] = 0,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Sequences written side by side.")] = 64,
    alphabet: Alphabet = None,
    device: Device = "auto",
    require_gpu: RequireGpu = False,
    threads: TorchThreads = None,
) -> None:
    """Write sequences drawn from a causal language model: new letters only, without the prompt.

    Only letters of the model's alphabet are drawn, never the unknown one. The controls apply in this order:
    --repeat-penalty, --temperature, --top-k, --top-p. A prompt of any length is read in chunks.
    """
    import contextlib
    import dataclasses

    from genomelm.commands.model_input import open_model
    from genomelm.commands.progress import progress
    from genomelm.errors import UsageError
    from genomelm.files import output_lock, provenance, sha256, write_json, write_text
    from genomelm.models.generation import check_generates
    from genomelm.models.generation import generate as continued
    from genomelm.models.sampling import Sampling
    from genomelm.scoring.output import check_output
    from genomelm.seq.alphabet import check_letters, decode, encode
    from genomelm.seq.genome import Genome

    to_file = str(out) != "-"
    if prompt is not None and prompt_fasta is not None:
        raise UsageError("--prompt and --prompt-fasta were both given: choose one")
    if to_file:
        check_output(out, "output")
    loaded, digest = open_model(model, device, require_gpu, threads, alphabet)
    check_generates(loaded)
    sampling = Sampling(temperature, top_k, top_p, repeat_penalty, repeat_k)

    def written(name: str, pieces: Iterator[str], number: int) -> Iterator[str]:
        ids = (encode(piece, loaded.alphabet) for piece in pieces)
        with progress(f"letters of {name}") as update:
            found = continued(
                loaded, ids, bases, sampling, count=count, seed=seed, number=number, rows=batch_size, update=update
            )
        for i, row in enumerate(found):
            text = decode(row)
            lines = (text[at : at + LINE] for at in range(0, bases, LINE))
            yield "\n".join([f">{name}_{i + 1} bases={bases} seed={seed}", *lines]) + "\n"

    with contextlib.ExitStack() as stack:
        if prompt_fasta is None:
            check_letters([prompt or ""], loaded.alphabet, "--prompt")
            parts = [written("generated", iter([prompt or ""]), 0)]
        else:
            records = stack.enter_context(Genome(prompt_fasta, any_letters=True))
            for name in records.contigs:
                check_letters(_pieces(records, name), loaded.alphabet, f"{prompt_fasta}: {name}")
            parts = [written(name, _pieces(records, name), i) for i, name in enumerate(records.contigs)]
        if to_file:
            stack.enter_context(output_lock(out))
        text = "".join(record for part in parts for record in part)
        if not to_file:
            typer.echo(text, nl=False)
            return
        write_text(out, text)
        facts = {
            "model": digest,
            "patching": loaded.patcher.fingerprint,
            "prompt": prompt_fasta.name if prompt_fasta else prompt or "",
            "prompt_sha256": sha256(prompt_fasta) if prompt_fasta else None,
            "bases": bases,
            "count": count,
            "seed": seed,
            "sampling": dataclasses.asdict(sampling),
            "device": str(loaded.device),
        }
        write_json(Path(f"{out}.json"), provenance(**facts))
        typer.echo(f"{out}: {len(parts) * count:,} sequences of {bases:,} letters")


def _pieces(records: "Genome", name: str) -> Iterator[str]:
    """Yield the letters of a record."""
    from genomelm.seq.interval import Interval

    length = records.contigs[name]
    for at in range(0, length, PIECE):
        yield records.fetch(Interval(name, at, min(at + PIECE, length)))
