"""What the charts of a training report show, and which of them a run's log has the numbers for."""

import dataclasses
import re
from collections.abc import Callable, Iterable, Sequence

from markupsafe import Markup

from genomelm.report import curves
from genomelm.report.training_logs import TrainingRun

GIB = 2**30
HELD_OUT = re.compile(r"(?:test|validation)_(?P<start>.+)|(?P<task>.+)_validation_(?P<metric>.+)")
"""Keys of held-out figures: test_bits, test_bits_repeats, validation_auroc, TASK_validation_auroc."""

Values = Sequence[float | None]


@dataclasses.dataclass(frozen=True)
class Chart:
    """One chart.

    Attributes:
        section: of the page. name: what it shows, in words. y_label: with its unit.
        kinds: what a curve shows -> the numbers of a run for it; empty where its log has none.
        keys: of the log, for what is said where they are missing.
        log: y is logarithmic. over_time: x is time and not steps. alarms: readings with alarms are marked.
        caption: what a reader must know.
    """

    section: str
    name: str
    y_label: str
    kinds: dict[str, Callable[[TrainingRun], Values]]
    keys: str
    log: bool = False
    over_time: bool = False
    alarms: bool = False
    caption: str = ""

    def draw(self, runs: Sequence[TrainingRun]) -> Markup | None:
        """Draw the curves of all runs; None where no run has the numbers."""
        lacking = self.lacking(runs)
        drawn = [run for run in runs if run.letter not in lacking]
        factor, unit = time_unit(drawn) if self.over_time else (1.0, "step")
        found, crosses = [], []
        for kind, values_of in self.kinds.items():
            for number, run in enumerate(runs):
                xs = run.columns.get("seconds", []) if self.over_time else run.columns["step"]
                points = pairs([None if x is None else x / factor for x in xs], values_of(run))
                found.append(curves.Curve(number, run.letter, kind, points))
        if self.alarms:
            for run in runs:
                norms = run.columns.get("gradient_norm", [])
                alarmed = [n if n else None for n in run.columns.get("gradient_alarms", [])]
                crosses += [(x, y) for (x, y), n in zip_known(run.columns["step"], norms, alarmed) if n]
        title = f"{self.name} by {'time' if self.over_time else 'step'}"
        options = {"several": len(runs) > 1, "log": self.log, "crosses": crosses, "cross": "stretch with alarms"}
        return curves.overlay(found, title, unit, self.y_label, **options)

    def lacking(self, runs: Iterable[TrainingRun]) -> list[str]:
        """Return the letters of runs whose log has none of the numbers."""
        return [run.letter for run in runs if not any(has(values_of(run)) for values_of in self.kinds.values())]


def charts_of(runs: Sequence[TrainingRun]) -> list[Chart]:
    """Return the charts of a page in reading order."""
    found = []
    for chart in [*_losses(runs), *_held_out(runs)]:
        found += [chart, dataclasses.replace(chart, over_time=True)]
    return [*found, *FIXED]


def time_unit(runs: Sequence[TrainingRun]) -> tuple[float, str]:
    """Return the seconds of the unit of time that suits the longest run, and its name."""
    longest = max((value or 0.0 for run in runs for value in run.columns.get("seconds", [])), default=0.0)
    return next(((s, name) for s, name in ((3600.0, "hours"), (60.0, "minutes")) if longest >= 3 * s), (1.0, "seconds"))


def held_out_keys(run: TrainingRun) -> list[str]:
    """Return the keys of held-out figures."""
    return [key for key in run.columns if HELD_OUT.fullmatch(key)]


def has(values: Values) -> bool:
    """Return whether there is a number at all."""
    return any(value is not None for value in values)


def pairs(xs: Values, ys: Values) -> list[tuple[float, float]]:
    """Return the points both of whose numbers are known."""
    return [(x, y) for x, y in zip(xs, ys, strict=False) if x is not None and y is not None]


def zip_known(xs: Values, ys: Values, marks: Values) -> list[tuple[tuple[float, float], float]]:
    """Return known points with their marks."""
    return [((x, y), n) for x, y, n in zip(xs, ys, marks, strict=False) if None not in (x, y, n)]


def column(key: str, factor: float = 1.0) -> Callable[[TrainingRun], Values]:
    """Return what takes a key's numbers from a run, times a factor."""
    return lambda run: [None if value is None else value * factor for value in run.columns.get(key, [])]


def over_spaces(key: str, pick: Callable = max) -> Callable[[TrainingRun], Values]:
    """Return what takes the largest (or smallest) of a quantity over a run's state spaces, a reading each."""

    def values(run: TrainingRun) -> Values:
        columns = [space[key] for space in run.spaces.values() if key in space]
        return [pick((v for v in row if v is not None), default=None) for row in zip(*columns, strict=True)]

    return values


def _losses(runs: Sequence[TrainingRun]) -> list[Chart]:
    """Return a chart a unit of loss, with what is held out in the same unit."""
    names = dict.fromkeys(key.removeprefix("train_") for run in runs for key in run.columns if key.startswith("train_"))
    found = []
    for unit in names or ["loss"]:
        splits = [split for split in ("test", "validation") if any(f"{split}_{unit}" in run.columns for run in runs)]
        kinds = {("held out" if split == "test" else split): column(f"{split}_{unit}") for split in splits}
        kinds["training"] = column(f"train_{unit}")
        of_training = "the training loss is the mean since the reading before"
        name = "Loss" if unit == "loss" else f"Loss in {unit}"
        found.append(Chart("loss", name, unit, kinds, f"train_{unit}", caption=of_training))
    return found


def _held_out(runs: Sequence[TrainingRun]) -> list[Chart]:
    """Return a chart a held-out metric that is not beside its loss already: bits of parts, metrics of tasks."""
    units = {key.removeprefix("train_") for run in runs for key in run.columns if key.startswith("train_")}
    groups: dict[str, dict[str, Callable]] = {}
    for key in dict.fromkeys(key for run in runs for key in held_out_keys(run)):
        match = HELD_OUT.fullmatch(key)
        metric = match["metric"] or match["start"]
        if metric in units:
            continue
        part_of = next((unit for unit in units if metric.startswith(f"{unit}_")), None)
        if part_of:
            groups.setdefault(f"{part_of} of parts", {})[metric.removeprefix(f"{part_of}_")] = column(key)
        else:
            groups.setdefault(metric, {})[match["task"] or metric] = column(key)
    return [Chart("loss", f"Held-out {name}", name, kinds, name) for name, kinds in groups.items()]


FIXED = (
    Chart("gradients", "Learning rate", "learning rate", {"rate": column("lr")}, "lr"),
    Chart(
        "gradients",
        "Norm of the gradient",
        "norm",
        {"norm": column("gradient_norm")},
        "gradient_norm",
        log=True,
        alarms=True,
        caption="the largest since the reading before, ahead of clipping; an alarm is a step whose norm is over five "
        "times the clip",
    ),
    Chart(
        "gradients",
        "Alarms of the gradient",
        "steps",
        {"alarms": column("gradient_alarms")},
        "gradient_alarms",
        caption="since the reading before",
    ),
    Chart(
        "gradients",
        "Steps skipped",
        "steps",
        {"skipped": column("skipped")},
        "skipped",
        caption="since the reading before, because their loss or gradient was not finite",
    ),
    Chart(
        "states",
        "Pole radius",
        "radius",
        {"radius": over_spaces("pole_radius")},
        "poles",
        caption="the largest of all state spaces; below 1 states fade",
    ),
    Chart(
        "states",
        "Time steps of state spaces",
        "time step",
        {"longest": over_spaces("longest_step"), "shortest": over_spaces("shortest_step", min)},
        "poles",
        log=True,
        caption="over all state spaces",
    ),
    Chart(
        "states",
        "Largest turn a step",
        "radians",
        {"turn": over_spaces("largest_turn")},
        "poles",
        caption="the largest of all state spaces; frequencies alias from pi on",
    ),
    Chart(
        "states",
        "Norm of the state",
        "root mean square",
        {"norm": column("state_norm")},
        "state_norm",
        caption="the largest of the state spaces",
    ),
    Chart(
        "speed",
        "Bases a second",
        "bases/s",
        {"speed": column("bytes_per_second")},
        "bytes_per_second",
        caption="since the reading before",
    ),
    Chart(
        "speed",
        "Time not spent on steps",
        "per cent of the time",
        {"waiting for data": column("waited", 100.0), "writing checkpoints": column("saving", 100.0)},
        "waited",
        caption="since the reading before",
    ),
    Chart(
        "speed",
        "Memory",
        "GiB",
        {"memory": column("memory", 1 / GIB)},
        "memory",
        caption="the most so far: of tensors on a GPU, of the whole process elsewhere",
    ),
)
"""The charts whose keys do not depend on the task."""
