"""From a checkpoint directory to a model and back: keys, shapes, format and patcher are checked first."""

import difflib
import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from genomelm.errors import IntegrityError, UsageError
from genomelm.files import atomic_directory
from genomelm.models.classes import CLASSES
from genomelm.models.config import FORMAT_VERSION
from genomelm.models.families import CONFIGS, GenomeConfig
from genomelm.models.model import GenomeModel
from genomelm.patching.patcher import Patcher

OURS = {"shell", "backbone", "head", "format_version"}
TRANSFORMERS = {"architectures", "dtype", "model_type", "transformers_version", "torch_dtype"}
"""Keys that transformers writes into config.json by itself."""
PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt")


def load_model(path: str | Path, device: torch.device | str = "cpu") -> GenomeModel:
    """Load a model that `save_pretrained` wrote, in eval mode, with its patcher.

    Args:
        path: directory with config.json, model.safetensors and patcher/.
        device: where the weights go.

    Raises:
        UsageError: no such directory, an unknown config key, or a newer format.
        IntegrityError: a pickle, a truncated or incomplete file, or weights that do not fit the config.
    """
    path = Path(path)
    if not path.is_dir():
        raise UsageError(f"model directory {path} does not exist")
    if pickles := sorted(f.name for f in path.iterdir() if f.suffix in PICKLES):
        raise IntegrityError(
            f"{path} holds {', '.join(pickles)}: pickles can run code and are never loaded; "
            "ask for safetensors, or remove the file if model.safetensors is beside it"
        )
    config = _read_config(path)
    patcher = Patcher.load(path / "patcher") if (path / "patcher").is_dir() else None
    model = CLASSES[config.model_type, config.head["kind"]](config, patcher)
    model.load_state_dict(_read_weights(path / "model.safetensors", model.state_dict()))
    return model.to(device).eval()


def save_model(model: GenomeModel, path: str | Path) -> None:
    """Write a model directory whole or not at all: `save_pretrained` into a temporary name, then a rename."""
    with atomic_directory(path) as temporary:
        model.save_pretrained(temporary)


def _read_config(path: Path) -> GenomeConfig:
    file = path / "config.json"
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{path} has no config.json: it is not a model directory") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise IntegrityError(f"{file} is not valid JSON ({error}): the copy may be incomplete") from None
    if not isinstance(value, dict):
        raise IntegrityError(f"{file} holds a {type(value).__name__}, not an object: it is not a model's config")
    family = value.get("model_type")
    if not isinstance(family, str) or family not in CONFIGS:
        raise UsageError(f"{file}: model_type '{family}' is unknown; known: {', '.join(CONFIGS)}")
    for key in sorted(OURS & set(value)):
        if not isinstance(value[key], int if key == "format_version" else dict):
            raise IntegrityError(f"{file}: '{key}' holds {value[key]!r}: it is not a model's config")
    if value.get("format_version", 0) > FORMAT_VERSION:
        raise UsageError(
            f"{file} has format {value['format_version']}, this genomelm reads up to {FORMAT_VERSION}: upgrade genomelm"
        )
    for key in sorted(set(value) - OURS - TRANSFORMERS):
        near = difflib.get_close_matches(key, sorted(OURS | TRANSFORMERS), n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"known keys: {', '.join(sorted(OURS))}"
        raise UsageError(f"{file}: unknown key '{key}'; {hint}")
    if missing := sorted(OURS - set(value)):
        raise IntegrityError(f"{file} has no '{missing[0]}', which every saved model has: save the model again")
    return CONFIGS[family](**{key: value[key] for key in OURS})


def _read_weights(file: Path, expected: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    if not file.is_file():
        raise IntegrityError(f"{file} does not exist: the checkpoint is incomplete")
    try:
        with safe_open(file, framework="pt") as stored:
            names = set(stored.keys())
            missing, surplus = sorted(set(expected) - names), sorted(names - set(expected))
            if missing or surplus:
                raise IntegrityError(
                    f"{file} does not fit its config: missing {missing or 'none'}, not known {surplus or 'none'}"
                )
            weights = {name: stored.get_tensor(name) for name in sorted(names)}
    except SafetensorError as error:
        raise IntegrityError(f"{file} cannot be read ({error}): the copy may be incomplete") from None
    for name, weight in weights.items():
        if weight.shape != expected[name].shape:
            raise IntegrityError(
                f"{file}: '{name}' has shape {tuple(weight.shape)}, the config asks for {tuple(expected[name].shape)}"
            )
    return weights
