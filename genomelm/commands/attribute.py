"""`genomelm attribute`: per-base attributions of an interval by one or more models, with the checks on them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genomelm.commands.options import Device, RequireGpu, TorchThreads

if TYPE_CHECKING:
    from genomelm.models.model import GenomeModel

RANDOM_DRAWS = 5
"""Models with random weights that the control is the median of."""


def attribute(
    models: Annotated[list[Path], typer.Argument(metavar="MODEL...", help="Model directories, one a seed.")],
    reference: Annotated[Path, typer.Option("-r", "--reference", help="Reference FASTA: plain, gzip or bgzip.")],
    interval: Annotated[str, typer.Option("--interval", help="Interval C:a-b[:-] to explain, read along its strand.")],
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Folder for attributions.npz, elements.json, params.json, summary.json.")
    ],
    sites: Annotated[
        Path | None, typer.Option("--sites", help="TSV of known sites: name, start, end (0-based offsets), sequence.")
    ] = None,
    control: Annotated[
        list[str] | None,
        typer.Option("--control", help="NAME=DIR of a model that must not show the pattern; may be repeated."),
    ] = None,
    task: Annotated[str | None, typer.Option("--task", help="Task of models that have several.")] = None,
    two_stranded: Annotated[
        bool, typer.Option("--two-stranded", help="Check that the reverse complement gives the flipped map.")
    ] = False,
    steps: Annotated[int, typer.Option("--steps", min=1, help="Steps of integrated gradients.")] = 256,
    shuffles: Annotated[int, typer.Option("--shuffles", min=0, help="Dinucleotide shuffles to score.")] = 100,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the random controls.")] = 0,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Substitutions a step.")] = 128,
    device: Device = "auto",
    require_gpu: RequireGpu = False,
    threads: TorchThreads = None,
) -> None:
    """Attribute an interval: saturation mutagenesis, gradients, and how far to trust them.

    Several models are averaged and compared with each other. A model with random weights always runs as a control;
    --control shuffled_labels=DIR adds one that was trained on shuffled labels.
    """
    from genomelm.commands.model_input import located, open_model
    from genomelm.files import output_lock, provenance
    from genomelm.interpret import results
    from genomelm.interpret.locus import LocusSettings, explain
    from genomelm.interpret.locus_model import locus_model, pair_predictor, with_random_weights
    from genomelm.interpret.sites import read_sites
    from genomelm.scoring.assay_window import check_assay_window
    from genomelm.scoring.output import check_output
    from genomelm.seq.genome import Genome
    from genomelm.settings import to_mapping

    check_output(out, "output", folder=True)
    controls = _controls(control or [])
    with Genome(reference) as genome:
        place = located(genome, interval, "--interval")
        sequence = genome.fetch(place).upper()
        known = [] if sites is None else read_sites(sites, sequence)

        def opened_for_task(path: Path) -> tuple:
            model, digest = open_model(path, device, require_gpu, threads)
            return model.for_task(task), digest

        opened = {_name(path, models): opened_for_task(path) for path in models}
        others = {name: opened_for_task(path) for name, path in controls.items()}
        _check_alike({str(path): model for path, (model, _) in zip(models, opened.values(), strict=True)})
        first = next(iter(opened.values()))[0]
        check_assay_window(first, genome, place, len(place))
        reference_digest = genome.digest
    settings = LocusSettings(
        batch_size=batch_size, integration_steps=steps, shuffles=shuffles, seed=seed, two_stranded=two_stranded
    )
    with output_lock(out):
        arrays, summary = explain(
            sequence,
            [locus_model(name, model, sequence) for name, (model, _) in opened.items()],
            known,
            controls={
                "random_weights": [
                    pair_predictor(with_random_weights(first, seed + draw)) for draw in range(RANDOM_DRAWS)
                ],
                **{name: [pair_predictor(model)] for name, (model, _) in others.items()},
            },
            settings=settings,
        )
        facts = provenance(
            reference=reference_digest,
            models={name: digest for name, (_, digest) in opened.items()},
            controls={name: digest for name, (_, digest) in others.items()},
            patching=first.patcher.fingerprint,
            seed=seed,
            device=str(first.device),
            dtype=str(first.dtype).removeprefix("torch."),
        )
        starts, entropy = _tracks(first, sequence)
        results.write(
            out,
            arrays,
            summary,
            locus={"name": out.name, "interval": str(place), "sequence": sequence, "unit": _unit(first)},
            sites=known,
            patch_starts=starts,
            entropy=entropy,
            params={"settings": to_mapping(settings), "provenance": facts},
        )
    largest = summary["largest_effect"]
    typer.echo(
        f"{out}: {place} by {len(opened)} model(s); largest effect {largest['change']} at offset {largest['offset']}: "
        f"{largest['effect']:.4g}"
    )


def _controls(texts: list[str]) -> dict[str, Path]:
    """Read NAME=DIR options.

    Raises:
        UsageError: no '=', a name twice, or the name of the built-in control.
    """
    from genomelm.errors import UsageError

    found: dict[str, Path] = {}
    for text in texts:
        name, equals, path = text.partition("=")
        if not (name and equals and path):
            raise UsageError(f"--control '{text}' is not NAME=DIR; write it as shuffled_labels=path/to/model")
        if name in found or name == "random_weights":
            raise UsageError(f"--control {name} is there already; give each control a name of its own")
        found[name] = Path(path)
    return found


def _name(path: Path, models: list[Path]) -> str:
    """Return the shortest tail of a model's path that tells it from the others, without a last 'model'."""
    from genomelm.errors import UsageError

    whole = path.resolve()
    if [other.resolve() for other in models].count(whole) > 1:
        raise UsageError(f"model {path} is named twice; name each seed once")
    parts = {other: [part for part in other.resolve().parts if part != "model"] for other in models}
    for size in range(1, len(parts[path]) + 1):
        tails = ["/".join(names[-size:]) for names in parts.values()]
        if tails.count("/".join(parts[path][-size:])) == 1:
            return "/".join(parts[path][-size:])
    return str(whole)


def _check_alike(models: "dict[str, GenomeModel]") -> None:
    """Refuse models that cut the sequence differently or predict different things.

    Raises:
        UsageError: which model differs from the first, and in what.
    """
    from genomelm.errors import UsageError

    first, *rest = models.items()
    for path, model in models.items():
        if model.patcher is None or model.alphabet != "dna":
            raise UsageError(f"model {path} needs a patcher and the alphabet dna to explain a genome's interval")
    for path, model in rest:
        for what, of in (
            ("patching", lambda m: m.patcher.fingerprint),
            ("head", lambda m: m.head_kind),
            ("task", lambda m: m.config.head["task"]),
        ):
            if of(model) != of(first[1]):
                raise UsageError(f"model {path} has another {what} than {first[0]}; name seeds of one task")


def _tracks(model: "GenomeModel", sequence: str) -> tuple[list[int], list[float] | None]:
    """Return the patch starts, and the entropy in nats before each base where the patcher has a count model."""
    from genomelm.scoring.alleles import read_alone

    window, counts = read_alone(model, sequence), model.patcher.model
    starts = [i for i, mark in enumerate(window.marks[:-1]) if mark]
    return starts, None if counts is None else counts.scores(window.ids)[:-1].tolist()


def _unit(model: "GenomeModel") -> str:
    if model.is_language_model:
        return "nats"
    return "logit" if model.head_kind == "sequence_classification" else f"{model.config.head['task']} label".strip()
