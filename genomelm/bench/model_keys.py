"""Models of a grid: a model file with keys that the grid sets."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from genomelm.errors import UsageError
from genomelm.models.config import FAMILIES, Settings, read_model_file
from genomelm.settings import from_mapping, to_mapping


def changed(file: str, changes: Sequence[Mapping[str, Any]], source: str, other: Sequence[str] = ()) -> Settings:
    """Return a model file's settings with dotted keys set, one mapping after the other.

    Args:
        file: of configs/models.
        changes: dotted key -> value.
        source: what errors call the result.
        other: keys that are not the model file's, and are left alone.

    Raises:
        UsageError: a key is unknown or has a value that it cannot have.
    """
    settings = read_model_file(file)
    value = to_mapping(settings)
    for keys in changes:
        for key, wanted in keys.items():
            if key not in other:
                set_key(value, key, wanted, other)
    return from_mapping(FAMILIES[settings.family], value, source)


def with_target(settings: Settings, length: int) -> Settings:
    """Return the settings with the shell's target length; a CNN has none and stays as it is."""
    if not hasattr(settings.shell, "target_length"):
        return settings
    return dataclasses.replace(settings, shell=dataclasses.replace(settings.shell, target_length=length))


def set_key(value: dict, key: str, wanted: Any, other: Sequence[str] = ()) -> None:
    """Set a dotted key of nested mappings.

    Raises:
        UsageError: the key is not there.
    """
    *sections, last = key.split(".")
    for section in sections:
        value = value.get(section) if isinstance(value, dict) else None
    if not isinstance(value, dict) or last not in value:
        raise UsageError(
            f"{key} is no key of a model file: give one such as " + " or ".join(("backbone.layout", *other))
        )
    value[last] = wanted
