"""Sample sheets: tables with one row a piece of work, which join the entries of a workflow's config."""

import csv
import dataclasses
import typing
from pathlib import Path
from typing import Any

from genomelm.commands.workflow_files import unknown
from genomelm.commands.workflow_parts import InterpretConfig, ScoreConfig, TaskUse
from genomelm.errors import UsageError
from genomelm.settings import json_schema, problems_in

PARTS = {"score": ("scores", ScoreConfig), "interpret": ("interpret", InterpretConfig), "train": ("tasks", TaskUse)}
"""What a row's `work` says -> the part of the config that it joins, and the entries there."""


@dataclasses.dataclass(frozen=True)
class Sheet:
    """The rows of a sheet.

    Attributes:
        path: the file.
        entries: part of the config -> name -> entry, as a config has them.
        lines: "part.name" -> the lines that say so.
        faults: "line N: ..." of the header and of rows, which have no entry then.
    """

    path: str
    entries: dict[str, dict[str, dict[str, Any]]]
    lines: dict[str, list[int]]
    faults: list[str]

    def told(self, fault: str) -> str:
        """Return a fault of the config with the sheet's line before it, where it is about a row."""
        key = ".".join(fault.split(":")[0].split(".")[:2])
        if key not in self.lines:
            return fault
        return f"{self.path} line {', '.join(map(str, self.lines[key]))}: {fault}"


def columns_of(work: str) -> dict[str, Any]:
    """Return column -> type of the cells of a row; a task's `models` are one `model` a row."""
    hints = typing.get_type_hints(PARTS[work][1])
    if work == "train":
        hints = {"model": str} | {name: hint for name, hint in hints.items() if name != "models"}
    return hints


def row_schema() -> dict:
    """Return the JSON Schema of a row, with cells as config values: one alternative a kind of work."""
    rows = []
    for work, (_, cls) in PARTS.items():
        schema = json_schema(cls)
        properties, required = schema["properties"], schema["required"]
        if work == "train":
            properties["model"] = {"type": "string", "description": "name of the model that learns it"}
            del properties["models"]
            required = [name for name in required if name != "models"] + ["model"]
        first = {"work": {"const": work}, "name": {"type": "string", "description": "name of the piece of work"}}
        rows.append({**schema, "properties": first | properties, "required": ["work", "name", *required]})
        del rows[-1]["$schema"]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "oneOf": rows}


def read_sheet(path: str | Path) -> Sheet:
    """Read a sheet: tab-separated, a header line, empty cells for what is not said, comments behind `#`.

    Returns:
        the sheet, with all faults of its lines: a caller has others to tell beside them.

    Raises:
        UsageError: there is no such file, or nothing in it.
    """
    path = Path(path)
    if not path.is_file():
        raise UsageError(f"sheet {path} does not exist")
    try:
        text = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise UsageError(f"sheet {path} is not UTF-8 text: {error}") from None
    lines = [(n, line) for n, line in enumerate(text, start=1) if line.strip() and not line.startswith("#")]
    rows = csv.reader((line for _, line in lines), delimiter="\t", quoting=csv.QUOTE_NONE)
    table = [(number, [cell.strip() for cell in row]) for (number, _), row in zip(lines, rows, strict=True)]
    if not table:
        raise UsageError(f"sheet {path} is empty; its first line names columns: work, name, model, ...")
    (first, header), *body = table
    found = [f"line {first}: {fault}" for fault in _header_faults(header)]
    sheet = Sheet(str(path), {part: {} for part, _ in PARTS.values()}, {}, found)
    for number, cells in body if not found else ():
        if len(cells) > len(header):
            found.append(f"line {number}: {len(cells)} cells, and the header has {len(header)}")
            continue
        row = {name: cell for name, cell in zip(header, cells, strict=False) if cell}
        found += [f"line {number}: {fault}" for fault in _add(sheet, number, row)]
    return sheet


def _header_faults(header: list[str]) -> list[str]:
    known = {name: None for work in PARTS for name in ("work", "name", *columns_of(work))}
    found = [f"column '{name}' is missing" for name in ("work", "name", "model") if name not in header]
    found += [f"column '{name}' appears twice" for name in dict.fromkeys(header) if header.count(name) > 1]
    return found + [f"column {unknown(name, known)}" for name in header if name not in known]


def _add(sheet: Sheet, number: int, row: dict[str, str]) -> list[str]:
    """Put a row into the sheet; return its faults instead if it has any."""
    work, name = row.pop("work", ""), row.pop("name", "")
    found = [] if name else ["name is empty"]
    if work not in PARTS:
        return [*found, f"work {unknown(work, PARTS)}"]
    part, cls = PARTS[work]
    hints = columns_of(work)
    found += [f"column '{column}' is not for work '{work}'; empty its cell" for column in row if column not in hints]
    entry = {column: _value(cell, hints[column]) for column, cell in row.items() if column in hints}
    if work == "train":
        entry["models"] = [model] if (model := entry.pop("model", None)) else []
    found += problems_in(entry, cls)
    key, there = f"{part}.{name}", sheet.entries[part]
    if name in there:
        others = {k: v for k, v in there[name].items() if k != "models"} == {
            k: v for k, v in entry.items() if k != "models"
        }
        if work != "train":
            found.append(f"name '{name}' is there already, in line {sheet.lines[key][0]}")
        elif not others:
            found.append(f"task '{name}' is there already, in line {sheet.lines[key][0]}, with other cells")
        else:
            entry["models"] = there[name]["models"] + entry["models"]
    if not found:
        there[name] = entry
        sheet.lines.setdefault(key, []).append(number)
    return found


def _value(cell: str, hint: Any) -> Any:
    """Return a cell as the value that a config would hold; a text that is no number stays one, and is then refused."""
    if typing.get_origin(hint) is tuple:
        return [_value(part.strip(), typing.get_args(hint)[0]) for part in cell.split(",")]
    if int in (hint, *typing.get_args(hint)):
        try:
            return int(cell)
        except ValueError:
            return cell
    return cell
