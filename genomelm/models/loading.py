"""From a checkpoint directory to a model and back: keys, shapes, format and patcher are checked first."""

import difflib
from pathlib import Path

import torch

from genomelm.errors import IntegrityError, UsageError
from genomelm.files import atomic_directory
from genomelm.models.byte_lm import ByteLM
from genomelm.models.classes import CLASSES
from genomelm.models.config import FORMAT_VERSION
from genomelm.models.families import CONFIGS, GenomeConfig
from genomelm.models.folder import check_folder, read_config_file, read_weights
from genomelm.models.model import GenomeModel
from genomelm.models.published_folder import is_published
from genomelm.patching.patcher import Patcher

TRANSFORMERS = {"architectures", "dtype", "model_type", "transformers_version", "torch_dtype"}
"""Keys that transformers writes into config.json by itself."""


def load_model(path: str | Path, device: torch.device | str = "cpu", alphabet: str | None = None) -> GenomeModel:
    """Load a model that `save_pretrained` wrote, in eval mode, with its patcher.

    Args:
        path: directory with config.json, model.safetensors and patcher/.
        device: where the weights go.
        alphabet: what a model of several alphabets is to read; None: the alphabet of its patcher.

    Raises:
        UsageError: no such directory, an unknown config key, or a newer format; or a model of another alphabet.
        IntegrityError: a pickle, a truncated or incomplete file, or weights that do not fit the config.
    """
    path = Path(path)
    check_folder(path)
    config = read_config(path)
    patcher = load_patcher(path / "patcher", device) if (path / "patcher").is_dir() else None
    model = CLASSES[config.model_type, config.head["kind"]](config, patcher)
    model.load_state_dict(read_weights(path / "model.safetensors", model.state_dict()))
    model.load_patchers(path, lambda folder: load_patcher(folder, device))
    if alphabet is not None:
        model.read(alphabet)
    return model.to(device).eval()


def load_patcher(path: str | Path, device: torch.device | str = "cpu") -> Patcher:
    """Load a patcher, with the byte language model on `device` where one gives its scores.

    Raises:
        UsageError, IntegrityError: as `Patcher.load`.
    """
    return Patcher.load(path, lambda folder: ByteLM.load(folder, device))


def save_model(model: GenomeModel, path: str | Path) -> None:
    """Write a model directory whole or not at all: `save_pretrained` into a temporary name, then a rename."""
    with atomic_directory(path) as temporary:
        model.save_pretrained(temporary)


def read_config(path: Path) -> GenomeConfig:
    """Return the config of a model folder.

    Raises:
        UsageError: no such folder or file, an unknown config key, or a newer format.
        IntegrityError: the file is not a model's config.
    """
    file, value = path / "config.json", read_config_file(path)
    family = value.get("model_type")
    if is_published(path):
        raise UsageError(
            f"{path} is a model of transformers' own ({family}): `genomelm score`, `background` and `predict` read it, "
            "this does not"
        )
    if not isinstance(family, str) or family not in CONFIGS:
        raise UsageError(f"{file}: model_type '{family}' is unknown; known: {', '.join(CONFIGS)}")
    ours = {*CONFIGS[family].sections(), "format_version"}
    for key in sorted(ours & set(value)):
        if not isinstance(value[key], int if key == "format_version" else dict):
            raise IntegrityError(f"{file}: '{key}' holds {value[key]!r}: it is not a model's config")
    if value.get("format_version", 0) > FORMAT_VERSION:
        raise UsageError(
            f"{file} has format {value['format_version']}, this genomelm reads up to {FORMAT_VERSION}: upgrade genomelm"
        )
    for key in sorted(set(value) - ours - TRANSFORMERS):
        near = difflib.get_close_matches(key, sorted(ours | TRANSFORMERS), n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"known keys: {', '.join(sorted(ours))}"
        raise UsageError(f"{file}: unknown key '{key}'; {hint}")
    if missing := sorted(ours - set(value)):
        raise IntegrityError(f"{file} has no '{missing[0]}', which every saved model has: save the model again")
    return CONFIGS[family](**{key: value[key] for key in ours})
