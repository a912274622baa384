"""The models of the comparison: their settings at a length, their parameters, and the operations of a step."""

import functools
import json

import torch

from genomelm.bench.compare_grid import CONTROLS, CompareConfig, CompareModel
from genomelm.bench.model_keys import changed, with_target
from genomelm.errors import UsageError
from genomelm.models.classes import CLASSES
from genomelm.models.config import LANGUAGE_HEADS
from genomelm.models.dry_run import dry_run, model_without_data
from genomelm.models.estimate import in_tables
from genomelm.models.families import GenomeConfig, config_of
from genomelm.models.model import GenomeModel
from genomelm.nn.attention import SlidingAttention
from genomelm.runtime import seeded

FINE = 8
"""Bases of the patches that a target length is counted in."""

DENSE = 14
"""Operations of dense attention in a training step for each pair of patches and channel: 4 forward, 10 backward."""


def family_config(config: CompareConfig, name: str, length: int, mean: int) -> GenomeConfig:
    """Return the language model `name` for sequences of `length` bases in patches of `mean`.

    Operators over patches take their reach from the target length in patches of eight, so that of shorter patches is
    longer.
    """
    line = next(model for model in config.models if model.name == name)
    return _config(line, f"model '{name}'", length * FINE // mean)


def control_config(config: CompareConfig, name: str, length: int, deep: bool = False) -> GenomeConfig:
    """Return the transformer, or its classic form; `deep`: the one whose depth is tried.

    Raises:
        UsageError: the file is of another family, or the classic keys do not say so.
    """
    part, classic = config.control, name == "classic"
    changes = [part.set, part.classic if classic else {}, part.depth if deep else {}]
    changes.append(part.classic_depth if deep and classic else {})
    settings = with_target(changed(part.model, changes, f"control '{name}'"), length)
    if settings.family != "transformer" or settings.backbone.classic != classic:
        raise UsageError(
            f"{part.model}: the controls are {' and '.join(CONTROLS)} of family transformer: give such a file, and set "
            "backbone.classic to true in control.classic alone"
        )
    return config_of(settings)


def new_model(config: GenomeConfig, kind: str | None, seed: int) -> GenomeModel:
    """Return a model with weights drawn from `seed`; kind: of its head, None: a language model."""
    with seeded("weights", seed):
        return CLASSES[config.model_type, kind or LANGUAGE_HEADS[config.shell["objective"]]](config)


def parameters(config: GenomeConfig) -> dict[str, int]:
    """Return the parameters of a language model: all, and those of its k-mer tables."""
    model = model_without_data(config)
    return {"parameters": sum(p.numel() for p in model.parameters()), "tables": in_tables(model)}


@functools.lru_cache(maxsize=64)
def _counted(text: str, model_type: type[GenomeConfig], rows: int, length: int, mean: int) -> float:
    config = model_type(**json.loads(text))
    model = model_without_data(config)
    attentions = [part for part in model.modules() if isinstance(part, SlidingAttention)]
    patches = 1 + -(-length // mean)
    whole = sum(part.out.in_features for part in attentions if part.window == 0 and not part.bidirectional)
    return dry_run(config, rows, length, mean, torch.float32, "cpu").step - DENSE / 2 * rows * patches**2 * whole


def step_flops(config: GenomeConfig, rows: int, length: int, mean: int) -> float:
    """Return the operations of a training step of a language model on rows of `length` bases in patches of `mean`.

    As `models.dry_run` counts them, except that dense causal attention is charged for half of all pairs: fast kernels
    skip the others.
    """
    sections = {name: getattr(config, name) for name in config.sections() if name != "head"}
    return _counted(json.dumps(sections, sort_keys=True), type(config), rows, length, mean)


def _config(line: CompareModel, source: str, target: int) -> GenomeConfig:
    settings = with_target(changed(line.file, [line.set], source), target)
    if settings.shell.objective != "causal":
        raise UsageError(f"{source}: objective {settings.shell.objective}; the comparison is of causal models")
    return config_of(settings)
