"""What two runs of one config must have in common: everything but where, when and how fast it was made."""

import gzip
import json
from pathlib import Path

from genomelm.training.log_files import TIMES

LEFT_OUT = {"provenance", "made_by", "made", "kbases_per_second", "rate", "timings", "files", "date", *TIMES}
"""Keys of JSON files; `files` is the report's list of the others with their digests."""

NAMES_ONLY = ("*.html", "summary.txt", "*.tbi", "run.json")
"""Pages and texts are made from the JSON beside them; an index counts the bytes of a header with provenance; and the
record of a run holds the digests of all of them."""


def content(path: Path) -> object:
    """Return what must be equal of a file; None where its name is enough."""
    if any(path.match(pattern) for pattern in NAMES_ONLY):
        return None
    if path.suffix == ".json":
        return without(json.loads(path.read_text()))
    if path.suffix == ".jsonl":
        return [without(json.loads(line)) for line in path.read_text().splitlines()]
    if path.name.endswith(".vcf.gz"):
        return [line for line in gzip.open(path, "rt").read().splitlines() if not line.startswith("##genomelm")]
    return path.read_bytes()


def without(value: object) -> object:
    """Return a JSON value without the keys that are left out."""
    if isinstance(value, dict):
        return {key: without(item) for key, item in value.items() if key not in LEFT_OUT}
    return [without(item) for item in value] if isinstance(value, list) else value


def names(results: Path) -> set[str]:
    """Return the files of a results folder, logs and benchmarks with them."""
    return {str(path.relative_to(results)) for path in results.rglob("*") if path.is_file()}


def differences(one: Path, other: Path) -> list[str]:
    """Return the files of two results folders that differ or stand in one only; logs and benchmarks may differ."""
    differ = names(one) ^ names(other)
    for name in names(one) & names(other):
        if not name.startswith(("logs/", "benchmarks/")) and content(one / name) != content(other / name):
            differ.add(name)
    return sorted(differ)
