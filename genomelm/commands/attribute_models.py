"""The models of `genomelm attribute`: opened for one task, told apart by name, and held against each other."""

import dataclasses
import operator
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from genomelm.models.model import GenomeModel

CHECKS = frozenset(
    (
        "brute_force completeness ig_ism strand random_weights seeds deletion insertion shuffled_sequence known_sites "
        + "truth motif_null signal"
    ).split()
)
"""Names of checks, which a control may not have."""


@dataclasses.dataclass(frozen=True)
class Opened:
    """The models that are explained and the controls, by name, with the SHA-256 of their weights."""

    models: "dict[str, tuple[GenomeModel, str]]"
    controls: "dict[str, tuple[GenomeModel, str]]"

    @property
    def first(self) -> "GenomeModel":
        """The first model that was named."""
        return next(iter(self.models.values()))[0]

    @property
    def digests(self) -> dict[str, dict[str, str]]:
        """What provenance says of them."""
        return {
            "models": {name: digest for name, (_, digest) in self.models.items()},
            "controls": {name: digest for name, (_, digest) in self.controls.items()},
        }


def open_models(
    paths: list[Path],
    controls: list[str],
    task: str | None,
    device: str,
    require_gpu: bool,
    threads: int | None,
) -> Opened:
    """Open models and controls.

    Args:
        controls: NAME=DIR each.
        task: of models that have several.

    Raises:
        UsageError: a wrong control, a model twice, or models that do not belong together.
    """
    from genomelm.commands.model_input import open_model
    from genomelm.errors import UsageError

    named = _controls(controls)

    def opened(path: Path) -> "tuple[GenomeModel, str]":
        model, digest = open_model(path, device, require_gpu, threads)
        return model.for_task(task), digest

    found = {_name(path, paths): opened(path) for path in paths}
    others = {name: opened(path) for name, path in named.items()}
    _check_alike({str(path): model for path, (model, _) in zip(paths, found.values(), strict=True)})
    made = Opened(found, others)
    for name, (model, _) in others.items():
        if model.head_kind != made.first.head_kind:
            raise UsageError(
                f"--control {name} has a head of kind {model.head_kind}, and the models have {made.first.head_kind}: a "
                "control is a model of the same kind"
            )
    return made


def measured_elsewhere(model: "GenomeModel", sequences: Sequence[str]) -> list[str]:
    """Return a warning where the model's task was measured on variants of one sequence that others are not like.

    Args:
        sequences: upper case. One is like it that has its length and at least three quarters of its bases.
    """
    expected = model.config.head.get("reference", "").upper()
    if not expected:
        return []
    far = sum(
        len(sequence) != len(expected) or sum(map(operator.ne, sequence, expected)) > len(expected) // 4
        for sequence in sequences
    )
    if not far:
        return []
    return [
        f"the task was measured on variants of one sequence of {len(expected)} bases, and {far} of {len(sequences)} "
        "regions are others: what the model says of them was never measured"
    ]


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
        if name in found or name in CHECKS:
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
