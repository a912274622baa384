"""Configs as frozen dataclasses: one source for defaults, help texts, checks and JSON Schema.

A config class is a frozen dataclass whose fields are str, int, float, bool, `T | None`, tuples
of these, dictionaries of str to these (or to Any: plain values), or other config classes. A field's metadata, made by
`setting`, holds its help text and its limits.
"""

import dataclasses
import difflib
import math
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from genomelm.errors import UsageError


def setting(
    default: Any = dataclasses.MISSING,
    help: str = "",
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple = (),
    factory: Any = None,
) -> Any:
    """Return a dataclass field with a help text and limits (both ends allowed)."""
    limits = {"help": help, "minimum": minimum, "maximum": maximum, "choices": choices}
    if factory is not None:
        return dataclasses.field(default_factory=factory, metadata=limits)
    return dataclasses.field(default=default, metadata=limits)


def json_schema(cls: type) -> dict:
    """Return the JSON Schema (draft 2020-12) of a config class."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_class_schema(cls)}


def _class_schema(cls: type) -> dict:
    hints = typing.get_type_hints(cls)
    properties, required = {}, []
    for field in dataclasses.fields(cls):
        schema = _type_schema(hints[field.name])
        for key in ("minimum", "maximum"):
            if field.metadata.get(key) is not None:
                schema[key] = field.metadata[key]
        if field.metadata.get("choices"):
            (schema["items"] if schema["type"] == "array" else schema)["enum"] = list(field.metadata["choices"])
        if field.metadata.get("help"):
            schema["description"] = field.metadata["help"]
        if field.default is not dataclasses.MISSING:
            schema["default"] = list(field.default) if isinstance(field.default, tuple) else field.default
        elif field.default_factory is dataclasses.MISSING:
            required.append(field.name)
        properties[field.name] = schema
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _type_schema(hint: Any) -> dict:
    if hint is Any:
        return {}
    if dataclasses.is_dataclass(hint):
        return _class_schema(hint)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        schema = _type_schema(next(a for a in arguments if a is not type(None)))
        return (
            {"anyOf": [schema, {"type": "null"}]}
            if "type" not in schema or schema["type"] == "object"
            else {**schema, "type": [schema["type"], "null"]}
        )
    if origin is tuple:
        return {"type": "array", "items": _type_schema(arguments[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": _type_schema(arguments[1])}
    return {"type": {str: "string", int: "integer", float: "number", bool: "boolean"}[hint]}


def problems_in(value: Any, cls: type) -> list[str]:
    """Return every fault of a config mapping as one line each; an empty list means none.

    Unknown keys come with the nearest known one.
    """
    import jsonschema

    found = list(_non_finite(value))
    for error in sorted(
        jsonschema.Draft202012Validator(json_schema(cls)).iter_errors(value),
        key=lambda e: list(map(str, e.absolute_path)),
    ):
        where = ".".join(map(str, error.absolute_path))
        if error.validator == "additionalProperties":
            known = list(error.schema["properties"])
            for key in sorted(set(error.instance) - set(known), key=str):
                near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.5)
                hint = f"did you mean '{near[0]}'?" if near else f"known keys: {', '.join(known)}"
                found.append(f"{f'{where}.' if where else ''}{key}: unknown key; {hint}")
        else:
            hint = "; write numbers like 1.0e-3, with a point" if _looks_like_number(error.instance) else ""
            found.append(f"{where or 'config'}: {error.message}{hint}")
    return found


def without_unknown(value: Any, cls: type) -> Any:
    """Return a config mapping without the keys that its class does not know, at any depth."""
    return _known_part(value, json_schema(cls))


def _known_part(value: Any, schema: dict) -> Any:
    schema = schema["anyOf"][0] if "anyOf" in schema else schema
    if not isinstance(value, dict):
        return value
    properties, others = schema.get("properties"), schema.get("additionalProperties")
    if properties is not None:
        return {key: _known_part(item, properties[key]) for key, item in value.items() if key in properties}
    return {key: _known_part(item, others) for key, item in value.items()} if isinstance(others, dict) else value


def _looks_like_number(value: Any) -> bool:
    """Tell whether YAML read a number such as 1e-3 as text."""
    try:
        return isinstance(value, str) and math.isfinite(float(value))
    except ValueError:
        return False


def _non_finite(value: Any, where: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _non_finite(item, f"{where}.{key}" if where else str(key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _non_finite(item, f"{where}.{index}")
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"{where}: {value} is not a finite number"


def from_mapping(cls: type, value: Any, source: str = "config") -> Any:
    """Build a config object from a mapping.

    Raises:
        UsageError: with all faults at once.
    """
    found = problems_in(value, cls)
    if found:
        raise UsageError(f"{source}: {len(found)} {'fault' if len(found) == 1 else 'faults'}\n  " + "\n  ".join(found))
    return _build(cls, value)


def _build(hint: Any, value: Any) -> Any:
    if dataclasses.is_dataclass(hint):
        hints = typing.get_type_hints(hint)
        return hint(**{key: _build(hints[key], item) for key, item in value.items()})
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return None if value is None else _build(next(a for a in arguments if a is not type(None)), value)
    if origin is tuple:
        return tuple(_build(arguments[0], item) for item in value)
    if origin is dict:
        return {key: _build(arguments[1], item) for key, item in value.items()}
    return hint(value) if hint in (int, float) else value


def to_mapping(config: Any) -> dict:
    """Return a config object as plain JSON values, the inverse of `from_mapping`."""
    return {f.name: _plain(getattr(config, f.name)) for f in dataclasses.fields(config)}


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return to_mapping(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


def read_config(cls: type, path: str | Path) -> Any:
    """Read a YAML config file into an object of `cls`.

    Raises:
        UsageError: the file is missing, is not YAML, or has faults (all named at once).
    """
    return from_mapping(cls, read_yaml(path), source=str(path))


def read_yaml(path: str | Path) -> Any:
    """Read a YAML file; an empty one is an empty mapping.

    Raises:
        UsageError: the file is missing or is not YAML.
    """
    import yaml

    path = Path(path)
    if not path.is_file():
        raise UsageError(f"config {path} does not exist")
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"config {path} is not valid YAML: {error}") from None
    return {} if value is None else value
