"""A folder of transformers' own: which class it is of, and whether it may be loaded.

Only classes that transformers itself holds are loaded, from safetensors: a folder that asks for code of its own is
refused, and so are pickles.
"""

from pathlib import Path

from genomelm.errors import IntegrityError, UsageError
from genomelm.models.families import CONFIGS
from genomelm.models.folder import check_folder, read_config_file

WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
_ATTENTION = ("attn_implementation", "_attn_implementation", "_attn_implementation_internal", "experts_implementation")


def is_published(path: str | Path) -> bool:
    """Whether a folder is of a model of transformers' own, not of genomelm's."""
    path = Path(path)
    if not (path / "config.json").is_file():
        return False
    kind = read_config_file(path).get("model_type")
    return isinstance(kind, str) and kind not in CONFIGS and kind in _known_types()


def class_of(path: Path) -> tuple[str, str]:
    """Return the class of transformers that a folder is of, and its objective, causal or masked.

    Raises:
        UsageError: no folder, or a model that gives no likelihoods.
        IntegrityError: it asks for code of its own, or holds pickles.
    """
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    )

    check_folder(path)
    config = read_config_file(path)
    for file in ("config.json", "tokenizer_config.json"):
        if (path / file).is_file() and "auto_map" in read_config_file(path, file):
            raise IntegrityError(
                f"{path / file} asks for code of its own (auto_map): code that comes with a model is never run; give "
                "a model of a class that transformers holds"
            )
    for key in _ATTENTION:
        if "/" in str(config.get(key, "")):
            raise IntegrityError(
                f"{path}/config.json asks for a kernel to be fetched ({key}: {config[key]}): remove it"
            )
    kind = config["model_type"]
    known = {
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.get(kind): "causal",
        MODEL_FOR_MASKED_LM_MAPPING_NAMES.get(kind): "masked",
    }
    listed = config.get("architectures") or []
    for name in listed:
        if name in known and name is not None:
            return name, known[name]
    raise UsageError(
        f"{path} is of {', '.join(listed) or kind}, which gives no likelihood of letters: give a causal or a masked "
        f"language model ({', '.join(name for name in known if name) or f'transformers has none of type {kind}'})"
    )


def weight_files(path: Path) -> list[Path]:
    """Return the safetensors files of a folder, one or several, in order.

    Raises:
        IntegrityError: there are none.
    """
    found = sorted(path.glob("*.safetensors"))
    if not found or not any((path / name).is_file() for name in WEIGHTS):
        raise IntegrityError(
            f"{path} has no {WEIGHTS[0]}: the model is incomplete, or its weights are of another format"
        )
    return found


def _known_types() -> frozenset[str]:
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    return frozenset(CONFIG_MAPPING_NAMES)
