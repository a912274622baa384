"""The results layout and its JSON formats: the one place that knows which file holds what.

Under the results directory (every file may be absent; each absence is a warning in the report):

patch/summary.json               {"training": {"mean", "wanted_mean", ...}, "segmentation", ..., "provenance"}
pretrain/metrics.json            any numbers, "provenance"
pretrain/log.jsonl               one object a line: step, bases, train_bits, test_bits (sometimes), seconds, lr
evaluate/language_model.json     {"bases", "bits_per_base": INTERVAL, "count_model": INTERVAL, "uniform": 2.0,
                                  "published": {"name", "value"}, "difference": INTERVAL (model minus count model),
                                  (difference is optional)
                                  "ablations": {name: {"value", "delta", "low", "high"}}, "provenance"}
evaluate/{task}.json             {"task", "metric", "target": {"text", "value"}, "model": INTERVAL + "seeds",
                                  "baselines": {name: INTERVAL}, "difference": {"baseline"} + INTERVAL,
                                  "n_train", "n_test", "provenance"}
score/{name}.summary.json        {"records_in", "records_out", "dropped", "statuses": {status: alleles}, "scored",
                                  "seconds", "rate", "warnings", "provenance"}: genomelm.scoring.summary
score/{name}.tsv                 contig, pos, id, ref, alt, status, score ("." for none)
interpret/{name}/                as genomelm.interpret.results.write leaves it
data/{file}.provenance.json      {"name", "file", "bytes", "sha256", "licence", "citation", "url", "notes",
                                  "provenance"}: `genomelm fetch`
benchmarks/**/*.tsv              Snakemake's benchmark files
INTERVAL is {"value", "low", "high"}: a bootstrap confidence interval.
"""

import csv
import dataclasses
import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from genomelm.errors import InputError


class Missing(Exception):
    """A number that a check needs is not there; the text says which and where."""


@dataclasses.dataclass(frozen=True)
class Part:
    """One JSON file of the results: its content, or the reason why there is none."""

    path: str
    data: dict | None
    reason: str = ""

    def get(self, *keys: str) -> object:
        """Return what stands under `keys`.

        Raises:
            Missing: the file or a key is missing or null.
        """
        if self.data is None:
            raise Missing(self.reason)
        value: object = self.data
        for depth, key in enumerate(keys):
            value = value.get(key) if isinstance(value, dict) else None
            if value is None:
                raise Missing(f"{self.path} has no {'.'.join(keys[: depth + 1])}")
        return value

    def number(self, *keys: str) -> float:
        """Return the finite number under `keys`, or raise Missing."""
        value = self.get(*keys)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise Missing(f"{self.path}: {'.'.join(keys)} is {value!r}, not a finite number")
        return value

    def interval(self, *keys: str) -> tuple[float, float, float]:
        """Return (value, low, high) under `keys`, or raise Missing."""
        return self.number(*keys, "value"), self.number(*keys, "low"), self.number(*keys, "high")

    def mapping(self, *keys: str) -> dict:
        """Return the mapping under `keys`; empty when it is missing."""
        try:
            value = self.get(*keys)
        except Missing:
            return {}
        return value if isinstance(value, dict) else {}

    def optional(self, *keys: str) -> object:
        """Return what stands under `keys`, or None."""
        try:
            return self.get(*keys)
        except Missing:
            return None


@dataclasses.dataclass(frozen=True)
class Results:
    """Everything that the report reads, each part present or with its reason."""

    root: Path
    patching: Part
    pretraining: Part
    language_model: Part
    ablation: Part
    log: list[dict]
    tasks: dict[str, Part]
    scores: dict[str, Part]
    loci: dict[str, Part]
    data: list[Part]


def read_part(root: Path, relative: str) -> Part:
    """Read one JSON object; a missing or broken file becomes a reason."""
    path = root / relative
    if not path.is_file():
        return Part(relative, None, f"{relative} is missing")
    try:
        value = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_number, parse_float=_finite)
    except (ValueError, OSError) as error:
        return Part(relative, None, f"{relative} cannot be read: {error}")
    if not isinstance(value, dict):
        return Part(relative, None, f"{relative} is not a JSON object")
    return Part(relative, value)


def _no_number(text: str) -> None:
    """Read NaN and Infinity as null: a check that needs the number then says that it is missing."""


def _finite(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None


def read(root: str | Path) -> Results:
    """Read a results directory.

    Raises:
        InputError: the directory does not exist.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(
            f"results directory {root} does not exist; run the workflow first or name its results directory"
        )
    evaluated = {path.stem for path in root.glob("evaluate/*.json")} - {"language_model", "ablation"}
    tasks = sorted(evaluated | {path.name for path in root.glob("finetune/*") if path.is_dir()})
    scored = {path.name.removesuffix(".summary.json") for path in root.glob("score/*.summary.json")}
    scored |= {path.name.removesuffix(".vcf.gz") for path in root.glob("score/*.vcf.gz")}
    loci = sorted(path.name for path in root.glob("interpret/*") if path.is_dir())
    return Results(
        root=root,
        patching=read_part(root, "patch/summary.json"),
        pretraining=read_part(root, "pretrain/metrics.json"),
        language_model=read_part(root, "evaluate/language_model.json"),
        ablation=read_part(root, "evaluate/ablation.json"),
        log=read_log(root / "pretrain/log.jsonl"),
        tasks={name: read_part(root, f"evaluate/{name}.json") for name in tasks},
        scores={name: read_part(root, f"score/{name}.summary.json") for name in sorted(scored)},
        loci={name: read_part(root, f"interpret/{name}/summary.json") for name in loci},
        data=[read_part(root, str(path.relative_to(root))) for path in sorted(root.glob("data/*.provenance.json"))],
    )


def read_log(path: Path) -> list[dict]:
    """Read a log of one JSON object a line; a line cut off by a kill is left out."""
    rows = []
    if path.is_file():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                row = json.loads(line, parse_constant=_no_number, parse_float=_finite)
            except ValueError:
                continue
            if isinstance(row, dict):
                rows.append(row)
    return rows


def read_table(path: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of a tab-separated table with a header; lines that start with ## are comments."""
    with open(path, encoding="utf-8", errors="replace", newline="") as stream:
        lines = (line for line in stream if not line.startswith("##"))
        yield from csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)


def read_arrays(root: Path, name: str) -> dict[str, np.ndarray]:
    """Read interpret/{name}/attributions.npz (pickled content is refused); empty when it is missing or broken."""
    path = root / "interpret" / name / "attributions.npz"
    if not path.is_file():
        return {}
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {key: stored[key] for key in stored.files}
    except (ValueError, OSError):
        return {}
