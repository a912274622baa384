"""`genomelm predict`: a model's outputs for the records of a FASTA file, as a table."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genomelm.commands.options import Alphabet, Device, RequireGpu, TorchThreads

if TYPE_CHECKING:
    from genomelm.models.model import GenomeModel
    from genomelm.seq.genome import Genome


def predict(
    fasta: Annotated[Path, typer.Argument(help="Sequences: FASTA, plain, gzip or bgzip; - is standard input.")],
    model: Annotated[
        Path, typer.Option("-m", "--model", help="Model directory, of genomelm or of transformers' own (safetensors).")
    ],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="TSV to write (default: standard output).")] = None,
    longest: Annotated[
        int, typer.Option("--longest", min=1, help="Most bases of a sequence that are read at once.")
    ] = 16_384,
    strands: Annotated[
        str,
        typer.Option(
            "--strands",
            help="both: the mean of both strands; forward: as written; model: both where the labels hold for both.",
        ),
    ] = "model",
    task: Annotated[str | None, typer.Option("--task", help="Task of a model that has several.")] = None,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Sequences a step.")] = 64,
    alphabet: Alphabet = None,
    device: Device = "auto",
    require_gpu: RequireGpu = False,
    threads: TorchThreads = None,
) -> None:
    """Write one row a sequence: a task head's outputs, or a language model's log-likelihood and bits per base.

    A masked model gives its pseudo-likelihood, a head that labels bases one row a base, and a variant-effect head the
    effect of each sequence against its task's reference. A language model reads a sequence longer than --longest in
    pieces, each from its own start; a task head needs a sequence whole, and a longer one is an error.
    """
    import itertools

    from genomelm.commands.model_input import open_any_model
    from genomelm.errors import UsageError
    from genomelm.files import provenance, refuse_inputs, write_json, write_text
    from genomelm.models.published import PublishedModel
    from genomelm.scoring.output import check_output
    from genomelm.scoring.predictions import both_strands
    from genomelm.scoring.source import is_stream
    from genomelm.scoring.strands import strands_read
    from genomelm.seq.genome import Genome

    if out is not None:
        check_output(out, "output")
        refuse_inputs(out, fasta)
    loaded, digest = open_any_model(model, device, require_gpu, threads, alphabet)
    loaded = loaded.for_task(task)
    of_genomelm = not isinstance(loaded, PublishedModel)
    if of_genomelm and loaded.patcher is None:
        raise UsageError(f"model {model} has no patcher; save it with one")
    if not of_genomelm:
        longest = min(longest, loaded.letters or longest)
    both = both_strands(loaded, strands)
    columns = _columns(loaded)
    lines = ["\t".join(columns)]
    with tempfile.TemporaryDirectory() as scratch, Genome(_file(fasta, scratch), any_letters=True) as records:
        pieces = _pieces(records, longest, loaded)
        rows = _likelihoods if loaded.is_language_model else _outputs
        batches = iter(lambda: list(itertools.islice(pieces, batch_size)), [])
        lines += ["\t".join(row) for row in rows(loaded, batches, strands)]
        count = len(records.contigs)
    text = "\n".join(lines) + "\n"
    if out is None:
        typer.echo(text, nl=False)
        return
    write_text(out, text)
    facts = {
        "fasta": "standard input" if is_stream(fasta) else fasta.name,
        "model": digest,
        **({"patching": loaded.patcher.fingerprint} if of_genomelm else loaded.provenance),
        **({} if task is None else {"task": task}),
        "strands": strands_read(loaded, both),
        "device": str(loaded.device),
    }
    write_json(Path(f"{out}.json"), {"columns": columns, "longest": longest, **provenance(**facts)})
    typer.echo(f"{out}: {count:,} sequences")


def _file(fasta: Path, scratch: str) -> Path:
    """Return the FASTA, or a copy of standard input.

    Raises:
        InputError: standard input is empty.
    """
    from genomelm.errors import InputError
    from genomelm.scoring.source import is_stream

    if not is_stream(fasta):
        return fasta
    copy = Path(scratch) / "stdin.fa"
    with open(copy, "wb") as stream:
        shutil.copyfileobj(sys.stdin.buffer, stream, 1 << 20)
    if copy.stat().st_size == 0:
        raise InputError("standard input is empty: it holds no sequences; what writes to it failed")
    return copy


def _columns(model: "GenomeModel") -> list[str]:
    if model.is_language_model:
        likelihood = "log_likelihood" if model.objective == "causal" else "pseudo_log_likelihood"
        return ["name", "bases", likelihood, "bits_per_base"]
    head = model.config.head
    count, names = head["outputs"], head["names"]
    kinds = {"regression": ["value"], "variant_effect": ["effect"]}.get(model.head_kind, ["logit", "probability"])
    ends = [""] if count == 1 else [f"_{name}" for name in names or range(count)]
    of_base = model.gives_bases
    return ["name", *(["position", "base"] if of_base else ["bases"]), *(kind + end for kind in kinds for end in ends)]


def _pieces(records: "Genome", longest: int, model: "GenomeModel") -> Iterator[tuple[str, int, str]]:
    """Yield (name, record's length, sequence) for each piece of each record, in file order.

    Raises:
        InputError: a task head cannot read a record whole, or a record is of another alphabet.
    """
    from genomelm.errors import InputError
    from genomelm.seq.alphabet import check_letters
    from genomelm.seq.interval import Interval

    for name, length in records.contigs.items():
        if length > longest and not model.is_language_model:
            raise InputError(
                f"{name} has {length:,} bases, more than --longest {longest:,}; raise it if memory allows, or cut it"
            )
        places = [Interval(name, at, min(at + longest, length)) for at in range(0, max(length, 1), longest)]
        check_letters(map(records.fetch, places), model.alphabet, f"{records.path}: {name}")
        for place in places:
            yield name, length, records.fetch(place)


def _outputs(model: "GenomeModel", batches: Iterator[list[tuple[str, int, str]]], strands: str) -> Iterator[list[str]]:
    """Yield a row a sequence, or a row a base where the head labels bases."""
    import numpy as np
    from scipy.special import expit, softmax

    from genomelm.scoring.predictions import task_outputs
    from genomelm.seq.alphabet import decode, encode

    for batch in batches:
        found = task_outputs(model, [p[2] for p in batch], strands)
        for (name, length, sequence), output in zip(batch, found, strict=True):
            values = output
            if model.head_kind.endswith("_classification"):
                apart = output.shape[-1] == 1 or model.config.head["multi_label"]
                chances = expit(output) if apart else softmax(output, -1)
                values = np.concatenate([output, chances], -1)
            texts = [[f"{value:.7g}" for value in row] for row in np.atleast_2d(values)]
            if model.gives_bases:
                bases = decode(encode(sequence, model.alphabet))
                for place, (base, row) in enumerate(zip(bases, texts, strict=True), 1):
                    yield [name, str(place), base, *row]
            else:
                yield [name, str(length), *texts[0]]


def _likelihoods(
    model: "GenomeModel", batches: Iterator[list[tuple[str, int, str]]], strands: str
) -> Iterator[list[str]]:
    """Add up the pieces of each record; N has no probability and is not counted as a base."""
    import itertools
    import math

    import numpy as np

    from genomelm.scoring.predictions import log_likelihoods
    from genomelm.seq.alphabet import ALPHABETS, encode

    letters = ALPHABETS[model.alphabet].ids

    def scored() -> Iterator[tuple[str, int, float, int]]:
        for batch in batches:
            found = log_likelihoods(model, [p[2] for p in batch], strands)
            for (name, length, sequence), nats in zip(batch, found, strict=True):
                yield name, length, float(nats), int(np.isin(encode(sequence, model.alphabet), letters).sum())

    for (name, length), parts in itertools.groupby(scored(), key=lambda part: part[:2]):
        sums = list(parts)
        nats, counted = sum(part[2] for part in sums), sum(part[3] for part in sums)
        bits = f"{-nats / counted / math.log(2):.6g}" if counted else "."
        yield [name, str(length), f"{nats:.7g}", bits]
