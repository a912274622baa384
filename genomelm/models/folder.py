"""What every model folder has to be, whoever wrote it: no pickles, a config that is JSON, weights that fit it."""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from genomelm.errors import IntegrityError, UsageError

PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt")


def check_folder(path: Path) -> None:
    """Refuse a folder that is not there, or that holds pickles.

    Raises:
        UsageError: no such directory.
        IntegrityError: a pickle.
    """
    if path.is_file():
        raise UsageError(f"model {path} is a file; give the folder that it lies in")
    if not path.is_dir():
        raise UsageError(f"model directory {path} does not exist")
    if pickles := sorted(f.name for f in path.iterdir() if f.suffix in PICKLES):
        raise IntegrityError(
            f"{path} holds {', '.join(pickles)}: pickles can run code and are never loaded; "
            "ask for safetensors, or remove the file if model.safetensors is beside it"
        )


def read_config_file(path: Path, name: str = "config.json") -> dict:
    """Return the object in a JSON file of the folder `path`.

    Raises:
        UsageError: there is no such file.
        IntegrityError: it is not a JSON object.
    """
    file = path / name
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{path} has no {name}: it is not a model directory") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise IntegrityError(f"{file} is not valid JSON ({error}): the copy may be incomplete") from None
    if not isinstance(value, dict):
        raise IntegrityError(f"{file} holds a {type(value).__name__}, not an object: it is not a model's config")
    return value


def read_weights(file: Path, expected: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the tensors of a safetensors file; they must have the names and shapes of `expected`.

    Raises:
        IntegrityError: the file is missing or cut short, or does not fit.
    """
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
