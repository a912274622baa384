"""Measured rates, from the JSON files of `genomelm bench`, and what follows from them for what was not measured."""

import dataclasses
import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from genomelm.errors import InputError, UsageError

CPU = "cpu"
STRANDS, ALLELES = 2, 2
TAIL, CELLS, WHOLE = 256, 2, "whole run"
"""How a causal model scores: an alternative is read for so many bases from its change on (a quarter of a short window),
and a reference window is shared by the variants of one of its cells. WHOLE: the row of a run that reads and writes."""
SMALLER = 0.65
"""Small models use a processor less well: rates grow with this power of how many fewer operations they have. The demo's
Hyena-GLT, of 7.5 times fewer operations a base than hyena_glt_small, trained 3.7 times as fast on a CPU."""


@dataclasses.dataclass(frozen=True)
class Rate:
    """How fast work is done.

    Attributes:
        per_s: bases or variants a second, of one GPU or one job on CPU cores.
        measured: whether just this was measured, and nothing was scaled.
        basis: what was measured where, and how the rate follows from it.
    """

    per_s: float
    measured: bool
    basis: str


@dataclasses.dataclass(frozen=True)
class Load:
    """A model as a load.

    Attributes:
        name: of its model file or folder, without suffix.
        family: such as hyena_glt, and objective: causal or masked.
        forward, step: operations a base: of a forward pass, of a training step.
    """

    name: str
    family: str
    objective: str
    forward: float
    step: float


class Rates:
    """The rows of benchmark files.

    Args:
        paths: JSON files of `genomelm bench model`, `score`, `patch` and `vcf`, or of `bench speeds`; of two that
            measured the same, the later one holds.

    Raises:
        InputError: a file is not one of these.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self.models: list[dict[str, Any]] = []
        self.scores: list[dict[str, Any]] = []
        self.speeds: dict[tuple[str, str], tuple[float, str]] = {}
        for path in paths:
            try:
                value = json.loads(path.read_text(encoding="utf-8"))
                for run in value.get("runs", [value]):
                    self._add(run, path.name)
            except (OSError, ValueError, KeyError, AttributeError, TypeError):
                raise InputError(f"{path} is not a file of `genomelm bench model`, `score`, `patch` or `vcf`") from None

    def _add(self, run: dict[str, Any], file: str) -> None:
        facts = run["provenance"]
        told = f"{file}, {facts['date'][:10]}"
        if run["kind"] == "model speed":
            rows = [row for row in run["rows"] if row["part"] == "lengths" and "positions_per_s" in row]
            self.models[:0] = [{**row, "file": Path(run["model"]).stem, "told": told} for row in rows]
        elif run["kind"] == "score speed":
            same = {key: facts[key] for key in ("family", "objective", "model_device", "threads")}
            gpu = facts.get("gpu", facts["device"])
            same |= {"device": gpu, "told": told, "file": facts.get("file")}
            self.scores[:0] = [{**same, **row} for row in run["results"]]
        elif run["kind"] in ("patch speed", "vcf speed"):
            place = f"{told}, {facts['device']}"
            for row in run["speeds"]:
                self.speeds[run["kind"], row["name"]] = (row["positions_per_s"], place)

    def plain(self, kind: str, name: str) -> Rate:
        """Return a rate that depends on no model: of patching, or of reading and writing VCF."""
        if (kind, name) not in self.speeds:
            raise UsageError(
                f"--rates: no file has '{name}' of kind '{kind}'; add one of genomelm bench {kind.split()[0]}"
            )
        per_s, told = self.speeds[kind, name]
        return Rate(per_s, True, f"measured ({told})")

    def model(self, work: str, load: Load, device: str, bases: int, compiled: bool = False) -> Rate:
        """Return bases a second of a model.

        Args:
            work: training or forward.
            device: cpu, or part of a GPU's name.
            bases: of a step; the row measured at the nearest number is taken.
        """
        rows = [row for row in self.models if row["name"] == work and _is_on(row["device"], device)]
        if not rows:
            known = sorted({row["device"] for row in self.models})
            raise UsageError(
                f"no rate of {work} was measured on a device called '{device}' (measured: {', '.join(known)}); run "
                "genomelm bench model there and give its file with --rates, or name one of these with --gpu"
            )
        own = [row for row in rows if row["file"] == load.name] or rows
        same = [row for row in own if bool(row["compiled"]) == compiled] or own
        row = min(same, key=lambda row: abs(math.log(row["positions"] / bases)))
        flops = load.step if work == "training" else load.forward
        fewer = (row["flops"] / row["positions"]) / flops
        scale = fewer**SMALLER if fewer > 1 else fewer
        where = f"{row['file']}, {row['batch']} x {row['length']:,} bases, {row['dtype']}"
        where += f"{', compiled' * bool(row['compiled'])}, on {row['device']} ({row['told']})"
        if row["file"] == load.name and bool(row["compiled"]) == compiled and row["positions"] == bases:
            return Rate(row["positions_per_s"], True, f"measured: {where}")
        how = "" if row["file"] == load.name else f" x {scale:.3g} (operations a base)"
        per_s = row["positions_per_s"] * (1 if row["file"] == load.name else scale)
        return Rate(per_s, False, f"extrapolated: {where}{how}")

    def scoring(self, load: Load, device: str, apart: float, width: int) -> Rate:
        """Return variants a second when one stands every `apart` bases, windows of `width` bases, both strands.

        They are those of a whole run where the model's was measured on the device.
        """
        own = [
            (row, speed["positions_per_s"])
            for row in self.scores
            if (row["file"], row["objective"]) == (load.name, load.objective) and _is_on(row["device"], device)
            for speed in row["rows"]
            if speed["name"] == WHOLE
        ]
        if own:
            row, per_s = min(own, key=lambda one: _apart(one[0], apart, width))
            same = (row["apart"], row["width"]) == (apart, width)
            scale = _read(row["path"], row["apart"], row["width"]) / _read(row["path"], apart, width)
            told = f"{row['apart']} bases apart in windows of {row['width']:,} on {row['device']}, {row['told']}"
            return Rate(per_s * scale, same, f"measured: {told}" if same else f"extrapolated: x {scale:.3g} of {told}")
        rows = [row for row in self.scores if row["objective"] == load.objective]
        rows = [row for row in rows if row["family"].endswith(load.family)] or rows or self.scores
        if not rows:
            raise UsageError("--rates: no file has a rate of scoring; add one of genomelm bench score")
        row = min(rows, key=lambda row: abs(math.log(row["apart"] / max(1.0, apart))))
        way, reference = row["path"], (row["apart"], row["width"])
        measured = STRANDS * ALLELES * row["width"] / row["ratio"]  # bases of forward passes, by the time they took
        passes = measured * _read(way, apart, width) / _read(way, *reference)
        forward = self.model("forward", load, device, 1)
        told = (
            f"forward passes over as many bases as their windows share (measured: {measured:,.0f} bases a variant, "
            f"{row['apart']} bases apart in windows of {row['width']:,}, {way}, {row['told']}); {forward.basis}"
        )
        return Rate(forward.per_s / passes, False, f"extrapolated: {told}")


def _read(path: str, apart: float, width: int) -> float:
    """Return the bases that a way of scoring reads for a variant, strands and alleles left out."""
    return min(CELLS * apart, width) + min(TAIL, width / 4) if path == "shared state" else width


def _apart(row: dict[str, Any], apart: float, width: int) -> tuple[float, float]:
    """Return how far a row's windows, and its distances, are from those that are wanted."""
    return abs(math.log(row["width"] / width)), abs(math.log(row["apart"] / max(1.0, apart)))


def _is_on(name: str, device: str) -> bool:
    return name.lower().startswith(CPU) if device == CPU else device.lower() in name.lower()
