"""`genomelm predict`: a model's outputs for the records of a FASTA file, as a table."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from genomelm.models.model import GenomeModel
    from genomelm.scoring.alleles import Window
    from genomelm.seq.genome import Genome


def predict(
    fasta: Annotated[Path, typer.Argument(help="Sequences: FASTA, plain, gzip or bgzip.")],
    model: Annotated[Path, typer.Option("-m", "--model", help="Model directory.")],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="TSV to write (default: standard output).")] = None,
    longest: Annotated[
        int, typer.Option("--longest", min=1, help="Most bases of a sequence that are read at once.")
    ] = 16_384,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Sequences a step.")] = 64,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda or tpu.")] = "auto",
    require_gpu: Annotated[bool, typer.Option("--require-gpu", help="Stop (exit 5) when there is no GPU.")] = False,
    threads: Annotated[int | None, typer.Option("--threads", min=1, help="CPU threads (default: torch's).")] = None,
) -> None:
    """Write one row a sequence: a task head's outputs, or a language model's log-likelihood and bits per base.

    Sequences are read as they are written, on one strand. A language model reads a sequence longer than --longest in
    pieces, each from its own start; a task head needs a sequence whole, and a longer one is an error.
    """
    import itertools

    from genomelm.commands.model_input import open_model
    from genomelm.errors import UsageError
    from genomelm.files import provenance, write_json, write_text
    from genomelm.seq.genome import Genome

    loaded, digest = open_model(model, device, require_gpu, threads)
    if loaded.patcher is None:
        raise UsageError(f"model {model} has no patcher; save it with one")
    language = loaded.head_kind == "causal_lm"
    lines = ["\t".join(_columns(loaded))]
    with Genome(fasta) as records:
        pieces = _pieces(records, longest, language, loaded)
        rows = _likelihoods if language else _outputs
        batches = iter(lambda: list(itertools.islice(pieces, batch_size)), [])
        lines += ["\t".join(row) for row in rows(loaded, batches)]
    text = "\n".join(lines) + "\n"
    if out is None:
        typer.echo(text, nl=False)
        return
    write_text(out, text)
    facts = {"fasta": fasta.name, "model": digest, "patching": loaded.patcher.fingerprint, "device": str(loaded.device)}
    write_json(Path(f"{out}.json"), {"columns": _columns(loaded), "longest": longest, **provenance(**facts)})
    typer.echo(f"{out}: {len(lines) - 1:,} sequences")


def _columns(model: "GenomeModel") -> list[str]:
    if model.head_kind == "causal_lm":
        return ["name", "bases", "log_likelihood", "bits_per_base"]
    count = model.config.head["outputs"]
    kinds = ["logit", "probability"] if model.head_kind == "sequence_classification" else ["value"]
    ends = [""] if count == 1 else [f"_{i}" for i in range(count)]
    return ["name", "bases", *(kind + end for kind in kinds for end in ends)]


def _pieces(
    records: "Genome", longest: int, language: bool, model: "GenomeModel"
) -> "Iterator[tuple[str, int, Window]]":
    """Yield (name, record's length, window) for each piece of each record, in file order.

    Raises:
        InputError: a task head cannot read a record whole.
    """
    from genomelm.errors import InputError
    from genomelm.scoring.alleles import read_alone
    from genomelm.seq.interval import Interval

    for name, length in records.contigs.items():
        if length > longest and not language:
            raise InputError(
                f"{name} has {length:,} bases, more than --longest {longest:,}; raise it if memory allows, or cut it"
            )
        for start in range(0, max(length, 1), longest):
            piece = Interval(name, start, min(start + longest, length))
            yield name, length, read_alone(model, records.fetch(piece))


def _outputs(model: "GenomeModel", batches: "Iterator[list[tuple[str, int, Window]]]") -> Iterator[list[str]]:
    import numpy as np
    from scipy.special import expit, softmax

    from genomelm.scoring.forward import head_outputs, read_windows

    for batch in batches:
        for (name, length, _), output in zip(
            batch, read_windows(model, [p[2] for p in batch], head_outputs), strict=True
        ):
            values = output
            if model.head_kind == "sequence_classification":
                values = np.concatenate([output, expit(output) if len(output) == 1 else softmax(output)])
            yield [name, str(length), *(f"{value:.7g}" for value in values)]


def _likelihoods(model: "GenomeModel", batches: "Iterator[list[tuple[str, int, Window]]]") -> Iterator[list[str]]:
    """Add up the pieces of each record; N has no probability and is not counted as a base."""
    import itertools
    import math

    import numpy as np

    from genomelm.scoring.forward import byte_log_probabilities, read_windows
    from genomelm.seq.alphabet import ALPHABETS

    letters = ALPHABETS[model.alphabet].ids

    def scored() -> Iterator[tuple[str, int, float, int]]:
        for batch in batches:
            found = read_windows(model, [p[2] for p in batch], byte_log_probabilities)
            for (name, length, window), values in zip(batch, found, strict=True):
                yield name, length, float(values.sum()), int(np.isin(window.ids, letters).sum())

    for (name, length), parts in itertools.groupby(scored(), key=lambda part: part[:2]):
        sums = list(parts)
        nats, counted = sum(part[2] for part in sums), sum(part[3] for part in sums)
        bits = f"{-nats / counted / math.log(2):.6g}" if counted else "."
        yield [name, str(length), f"{nats:.7g}", bits]
