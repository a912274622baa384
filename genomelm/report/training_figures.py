"""The final figures and settings of training runs, a row a quantity."""

from collections.abc import Callable, Iterator, Sequence

from genomelm.report.training_charts import GIB, Values, has, held_out_keys
from genomelm.report.training_logs import TrainingRun
from genomelm.report.values import finite

FALLING = ("bits", "loss")
"""Held-out figures of which less is better; of task metrics more is."""
QUANTITIES = ("pole_radius", "shortest_step", "longest_step", "largest_turn")


def final_figures(runs: Sequence[TrainingRun]) -> list[dict]:
    """Return {"name", "values": one a run, None where its files do not say} rows of where each run stands."""
    found = [dict(_figures(run)) for run in runs]
    return _rows(found)


def settings(runs: Sequence[TrainingRun]) -> list[dict]:
    """Return rows as `final_figures` does of what metrics.json says that was run."""
    found = []
    for run in runs:
        own = {key: run.metrics.optional(key) for key in ("family", "objective", "task", "kind")}
        own |= {"tuned": run.metrics.optional("tuning", "tune")}
        keys = ("seed", "device", "processes", "threads", "dtype", "genomelm", "date", "command")
        own |= {key: run.metrics.optional("provenance", key) for key in keys}
        found.append({key: value for key, value in own.items() if isinstance(value, str | int | float)})
    return _rows(found)


def layer_rows(run: TrainingRun) -> list[dict]:
    """Return the first, last and largest norm of the gradient in each layer."""
    return [
        {"name": layer, "first": known[0], "last": known[-1], "largest": max(known)}
        for layer, values in run.layers.items()
        if (known := _known(values))
    ]


def space_rows(run: TrainingRun) -> list[dict]:
    """Return the last poles and steps of each state space."""
    return [
        {"name": space, **{key: (_known(found.get(key, [])) or [None])[-1] for key in QUANTITIES}}
        for space, found in run.spaces.items()
    ]


def _rows(found: Sequence[dict]) -> list[dict]:
    """Return the keys of all runs in an order that agrees with each run's own, with their values."""
    names: list[str] = []
    for one in found:
        at = 0
        for name in one:
            if name not in names:
                names.insert(at, name)
            at = names.index(name) + 1
    return [{"name": name, "values": [one.get(name) for one in found]} for name in names]


def _figures(run: TrainingRun) -> Iterator[tuple[str, object]]:
    """Yield what the page's table of final figures says of a run."""
    columns = run.columns
    last = {key: known[-1] for key, values in columns.items() if (known := _known(values))}
    yield "state", "finished" if run.finished else "not finished"
    yield "readings", run.readings
    yield from (
        (name, last[key])
        for name, key in (("steps", "step"), ("bases", "bases"), ("seconds", "seconds"))
        if key in last
    )
    if last.get("seconds") and "bases" in last:
        yield "bases a second, over the whole run", last["bases"] / last["seconds"]
    if finite(run.metrics.optional("parameters")) is not None:
        yield "parameters", run.metrics.optional("parameters")
    for key in columns:
        if key.startswith("train_"):
            yield f"{key}, last", last[key]
    for key in held_out_keys(run):
        yield f"{key}, last", last[key]
        falls = any(word in key.split("_") for word in FALLING)
        best, step = _best(columns[key], columns["step"], min if falls else max)
        yield f"{key}, {'lowest' if falls else 'highest'}", best
        yield f"{key}, its step", step
    yield from _tests(run)
    yield from _health(run, last)


def _tests(run: TrainingRun) -> Iterator[tuple[str, float]]:
    """Yield the test figures of metrics.json: of one task, or of several."""
    tasks = run.metrics.mapping("tasks") or {"": run.metrics.data or {}}
    for name, task in tasks.items():
        value = finite(task.get("test")) if isinstance(task, dict) else None
        if value is not None:
            yield f"{name} test {task.get('metric', 'figure')}".strip(), value


def _health(run: TrainingRun, last: dict[str, float]) -> Iterator[tuple[str, float]]:
    """Yield what tells how a run went."""
    columns = run.columns
    for name, key, over in (
        ("largest norm of the gradient", "gradient_norm", max),
        ("alarms of the gradient", "gradient_alarms", sum),
        ("steps skipped", "skipped", sum),
    ):
        if has(columns.get(key, [])):
            yield name, over(_known(columns[key]))
    if "resumes" in last:
        yield "times gone on from a checkpoint", last["resumes"]
    for name, key in (("waiting for data", "waited"), ("writing checkpoints", "saving")):
        share = _share(columns.get(key, []), columns.get("seconds", []))
        if share is not None:
            yield f"{name}, per cent of the time", 100 * share
    if "memory" in last:
        yield "most memory, GiB", max(_known(columns["memory"])) / GIB
    for key, pick in (("pole_radius", max), ("shortest_step", min), ("longest_step", max), ("largest_turn", max)):
        found = [row[key] for row in space_rows(run) if row[key] is not None]
        if found:
            yield f"{key.replace('_', ' ')} of S5, last", pick(found)


def _best(values: Values, steps: Values, pick: Callable) -> tuple[float, float]:
    """Return the lowest or highest number, and the first step at which it was read."""
    best = pick(_known(values))
    return best, steps[list(values).index(best)]


def _share(shares: Values, seconds: Values) -> float | None:
    """Return the mean of shares of the time between readings, weighted by that time."""
    before, spent, whole = 0.0, 0.0, 0.0
    for share, second in zip(shares, seconds, strict=False):
        if share is not None and second is not None and second > before:
            spent, whole, before = spent + share * (second - before), whole + second - before, second
    return spent / whole if whole else None


def _known(values: Values) -> list[float]:
    return [value for value in values if value is not None]
