"""The results layout and its JSON formats: the one place that knows which file holds what.

Under the folder of one model (every file may be absent; each absence is a warning in the report):

pretrain/metrics.json            {"family", "objective", "parameters", "kmer_table_parameters", "bases",
                                  "kbases_per_second", ...}, "provenance"
pretrain/log.jsonl               one object a line: step, bases, train_bits, test_bits (sometimes), seconds, lr
evaluate/language_model.json     {"family", "objective": "causal" or "masked", "bases", "bits_per_base": INTERVAL,
                                  "count_model": INTERVAL, "uniform": 2.0, "published": {"name", "value"},
                                  "difference": INTERVAL (model minus count model; optional),
                                  "ablations": {name: {"value", "delta", "low", "high"}},
                                  "long": {"window", "patches", "blocks", "sparsity", "bits_per_base": INTERVAL,
                                  "windows", "without_{operator}": {"value", "delta", "low", "high"}} (optional),
                                  "provenance"}; a masked model is never held against what predicts from the left
evaluate/{task}.json             {"task", "kind", "alphabet", "metric", "target": {"text", "value"},
                                  "model": INTERVAL + "seeds", "baselines": {name: INTERVAL},
                                  "difference": {"baseline"} + INTERVAL, "n_train", "n_test", "provenance"}
finetune/{task}/seed{n}/         the runs of a task, model/config.json among them
score/{name}.summary.json        {"records_in", "records_out", "dropped", "on_ref_mismatch", "statuses":
                                  {status: alleles}, "scored", "seconds", "rate", "warnings", "provenance"}:
                                  genomelm.scoring.summary
score/{name}.tsv                 contig, pos, id, ref, alt, status, score ("." for none)
interpret/{name}/                of one locus: as genomelm.interpret.results.write leaves it; of many regions: see
                                  genomelm.report.attribution.folder

Beside it, named by options, because several models share them or they lie elsewhere:

patch summary                    {"config": {"mode"}, "training": {"mean", "wanted_mean", ...}, "provenance"}
DATA/{file}.provenance.json      {"name", "file", "bytes", "sha256", "licence", "citation", "url", "notes",
                                  "provenance"}: `genomelm fetch`
BENCHMARKS/**/*.tsv              Snakemake's benchmark files
INTERVAL is {"value", "low", "high"}: a bootstrap confidence interval.
"""

import csv
import dataclasses
import json
import math
import zipfile
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
    """Everything that the report of a model reads, each part present or with its reason."""

    root: Path
    patching: Part
    pretraining: Part
    language_model: Part
    log: list[dict]
    tasks: dict[str, Part]
    scores: dict[str, Part]
    loci: dict[str, Part]
    sets: dict[str, Part]
    data: list[Part]
    benchmarks: Path | None
    no_language_model: bool
    """Trained on its tasks from random weights, or elsewhere and used here: a language model is not missed."""

    @property
    def name(self) -> str:
        """The model's name: its folder's."""
        return self.root.resolve().name

    @property
    def family(self) -> str | None:
        """The model's family as its results name it."""
        return self._text("family") or self._configured_family()

    @property
    def masked(self) -> bool:
        """Whether the language model predicts hidden bases from both sides."""
        return self._text("objective") == "masked"

    def _text(self, key: str) -> str | None:
        found = self.language_model.optional(key) or self.pretraining.optional(key)
        return found if isinstance(found, str) else None

    def _configured_family(self) -> str | None:
        for path in sorted(self.root.glob("finetune/*/*/model/config.json")):
            kind = read_part(path, path.name).optional("model_type")
            return kind.removeprefix("genomelm_") if isinstance(kind, str) else None
        return None


def read_part(path: Path, shown: str) -> Part:
    """Read one JSON object, called `shown` in the report; a missing or broken file becomes a reason."""
    if not path.is_file():
        return Part(shown, None, f"{shown} is missing")
    try:
        value = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_number, parse_float=_finite)
    except (ValueError, OSError) as error:
        return Part(shown, None, f"{shown} cannot be read: {error}")
    if not isinstance(value, dict):
        return Part(shown, None, f"{shown} is not a JSON object")
    return Part(shown, value)


def _no_number(text: str) -> None:
    """Read NaN and Infinity as null: a check that needs the number then says that it is missing."""


def _finite(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None


def read(
    root: str | Path,
    *,
    patch_summary: Path | None = None,
    data: Path | None = None,
    benchmarks: Path | None = None,
) -> Results:
    """Read the folder of one model.

    Args:
        patch_summary: summary.json of the model's patches. data: folder of *.provenance.json files.
        benchmarks: folder of this model's benchmark files.

    A model counts as trained on its tasks alone, or elsewhere, when it has runs of tasks, scores or attributions, and
    nothing says that a language model was asked for: neither the folder pretrain/ nor evaluate/language_model.json nor
    a patch summary.

    Raises:
        InputError: the folder does not exist, or has nothing of a model's results.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(
            f"{root} does not exist; name a model's folder of a workflow's results, or what `genomelm attribute` wrote"
        )

    parts = ("pretrain", "finetune", "evaluate", "score", "interpret")
    if patch_summary is None and not any((root / part).is_dir() for part in parts):
        raise InputError(
            f"{root} holds no results: a model's folder has one of {', '.join(parts)}, and one of attributions has "
            "summary.json or elements.json"
        )

    def inside(relative: str) -> Part:
        return read_part(root / relative, relative)

    tuned = {path.name for path in root.glob("finetune/*") if path.is_dir()}
    tasks = sorted({path.stem for path in root.glob("evaluate/*.json")} - {"language_model"} | tuned)
    scored = {path.name.removesuffix(".summary.json") for path in root.glob("score/*.summary.json")}
    scored |= {path.name.removesuffix(end) for end in (".vcf.gz", ".tsv") for path in root.glob(f"score/*{end}")}
    explained = sorted(path.name for path in root.glob("interpret/*") if path.is_dir())
    found = {name: inside(f"interpret/{name}/summary.json") for name in explained}
    asked = patch_summary or (root / "pretrain").exists() or (root / "evaluate/language_model.json").exists()
    return Results(
        root=root,
        patching=read_part(Path(patch_summary), str(patch_summary))
        if patch_summary
        else Part("patch summary", None, "no --patch-summary was given"),
        pretraining=inside("pretrain/metrics.json"),
        language_model=inside("evaluate/language_model.json"),
        log=read_log(root / "pretrain/log.jsonl"),
        tasks={name: inside(f"evaluate/{name}.json") for name in tasks},
        scores={name: inside(f"score/{name}.summary.json") for name in sorted(scored)},
        loci={name: part for name, part in found.items() if not is_set(part)},
        sets={name: part for name, part in found.items() if is_set(part)},
        data=[read_part(path, str(path)) for path in sorted(data.glob("*.provenance.json"))] if data else [],
        benchmarks=benchmarks,
        no_language_model=bool(tuned or scored or explained) and not asked,
    )


def is_set(part: Part) -> bool:
    """Say whether the summary.json of a folder of attributions is one of many regions, not of one locus."""
    return part.optional("kind") == "regions"


def read_log(path: Path) -> list[dict]:
    """Read a log of one JSON object a line; a line cut off by a kill is left out."""
    return [row for row in read_lines(path) if row is not None] if path.is_file() else []


def read_lines(path: Path) -> list[dict | None]:
    """Read a file of one JSON object a line; None for a line that is not one."""
    rows = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = json.loads(line, parse_constant=_no_number, parse_float=_finite)
        except ValueError:
            row = None
        rows.append(row if isinstance(row, dict) else None)
    return rows


def read_table(path: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of a tab-separated table with a header; lines that start with ## are comments."""
    with open(path, encoding="utf-8", errors="replace", newline="") as stream:
        lines = (line for line in stream if not line.startswith("##"))
        yield from csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read the numeric arrays of a .npz file (pickled content is refused); empty when it is missing or broken."""
    if not path.is_file():
        return {}
    try:
        with np.load(path, allow_pickle=False) as stored:
            found = {key: stored[key] for key in stored.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile):
        return {}
    return {key: array for key, array in found.items() if array.dtype.kind in "bif"}
