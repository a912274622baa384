"""Models on sets of variants as rows with intervals, as tables, and as sentences that say what they do not reach."""

from collections.abc import Sequence

import numpy as np

from genomelm.bench.markdown import table as markdown
from genomelm.bench.variant_metrics import metric_of, resampled
from genomelm.bench.variant_runs import Runs
from genomelm.bench.variant_sets import VariantSet
from genomelm.tasks.examples import leakage
from genomelm.tasks.metrics import interval

BEGIN, END = "<!-- variants: begin -->", "<!-- variants: end -->"

CHANCE = {"auroc": 0.5}
"""What guessing gives; 0 of a correlation."""
TITLES = {
    "auroc": "AUROC",
    "pearson": "Pearson's r",
    "spearman": "Spearman's r",
    "mean_pearson": "mean Pearson's r of the units",
    "mean_spearman": "mean Spearman's r of the units",
}


def results(read: VariantSet, found: Sequence[Runs], opponents: Sequence[str]) -> dict:
    """Return a set's rows, one a model.

    Args:
        found: predictions of each model on the test.
        opponents: names of those that every other row is held against, besides the columns.

    Returns:
        What was held out, and `models`: each with its `metrics` (value, low, high, and the value of each seed), the
        `differences` from each opponent in the deciding metric, over the same resamples, and both correlations (and
        the AUROC) in each unit of the test.
    """
    config, rows = read.config, read.tested
    labels, units = read.examples.labels[rows], read.units[rows]
    harmful = None if read.harmful is None else read.harmful[rows]
    predictions = [one.predictions for one in found]
    values, points = {}, {}
    for name in config.metrics:
        metric = metric_of(name, harmful, units)
        values[name] = resampled(metric, labels, read.clusters[rows], predictions)
        ones = np.ones(len(labels), np.int64)
        points[name] = [[metric(labels, run)(ones) for run in runs] for runs in predictions]
    against = [n for n, one in enumerate(found) if one.name in opponents or one.how == "column"]
    decides = values[config.metric]
    models = []
    for number, one in enumerate(found):
        models.append(
            {
                "name": one.name,
                "how": one.how,
                "opponent": number in against,
                "metrics": {
                    name: {**interval(drawn[number][1:], drawn[number][0]), "seeds": points[name][number]}
                    for name, drawn in values.items()
                },
                "differences": {
                    found[other].name: interval((mine := decides[number] - decides[other])[1:], mine[0])
                    for other in against
                    if other != number
                },
                "units": _by_unit(read, one.predictions),
            }
        )
    splits = read.examples.splits.tolist()
    return {
        "name": config.name,
        "metric": config.metric,
        "held_out": {"column": config.unit, "validation": list(config.validation), "test": list(config.test)},
        "variants": {split: splits.count(split) for split in ("train", "validation", "test")},
        "drawn_together": {"columns": list(config.together), "test": len(set(read.clusters[rows].tolist()))},
        "left_out": read.left_out,
        "leakage": leakage(read.examples),
        "models": models,
    }


def _by_unit(read: VariantSet, predictions: np.ndarray) -> dict[str, dict[str, float]]:
    """Return the mean over seeds of each metric in each unit of the test, with its variants."""
    rows, found = read.tested, {}
    for unit in read.config.test:
        here = read.units[rows] == unit
        labels, ones = read.examples.labels[rows][here], np.ones(here.sum(), np.int64)
        found[unit] = {"variants": int(here.sum())}
        harmful = None if read.harmful is None else read.harmful[rows][here]
        names = ["pearson", "spearman"]
        if harmful is not None and harmful.any() and not harmful.all():
            names.insert(0, "auroc")
        for name in names:
            metric = metric_of(name, harmful, read.units[rows][here])
            found[unit][name] = float(np.mean([metric(labels, run[here])(ones) for run in predictions]))
    return found


def text(found: dict) -> str:
    """Return a table and the sentences of each set, and last what holds over all sets."""
    blocks = [block for one in found["sets"] for block in (set_table(one), sentences(one))]
    return "\n\n".join([*blocks, overall(found["sets"])])


def set_table(found: dict) -> str:
    """Return a set's table: a row a model, with its metrics and its differences from the opponents."""
    counts, others = found["variants"], [row["name"] for row in found["models"] if row["opponent"]]
    names = list(found["models"][0]["metrics"])
    head = f"{found['name']}: {counts['test']:,} variants, {counts['train']:,} trained on"
    lines = [[head, *(TITLES[name] for name in names), *(f"less {name}" for name in others)]]
    for row in found["models"]:
        first, *rest = (row["metrics"][name] for name in names)
        seeds = f", {len(first['seeds'])} seeds" if len(first["seeds"]) > 1 else ""
        how = "column of the table" if row["how"] == "column" else row["how"]
        cells = [f"{row['name']} ({how}{seeds})", _whole(first, ".3f"), *(f"{one['value']:.3f}" for one in rest)]
        apart = (row["differences"].get(name) for name in others)
        lines.append([*cells, *("" if one is None else _whole(one, "+.3f") for one in apart)])
    return markdown(lines)


def sentences(found: dict) -> str:
    """Return which models are above chance, and which are ahead of or behind each opponent, by their intervals."""
    chance = CHANCE.get(found["metric"], 0.0)
    rows = [row for row in found["models"] if row["how"] != "column"]
    told = []
    groups = {"above chance": [], "not told from chance": [], "below chance": []}
    for row in rows:
        value = row["metrics"][found["metric"]]
        where = "above chance" if value["low"] > chance else "below chance" if value["high"] < chance else None
        groups[where or "not told from chance"].append(_name(row))
    told.append("; ".join(f"{where}: {', '.join(names)}" for where, names in groups.items() if names))
    for other in (row["name"] for row in found["models"] if row["opponent"]):
        apart = [(_name(row), row["differences"][other]) for row in rows if other in row["differences"]]
        ahead = [name for name, value in apart if value["low"] > 0]
        behind = [name for name, value in apart if value["high"] < 0]
        told.append(
            f"ahead of {other}: {', '.join(ahead) or 'none'}" + (f", behind: {', '.join(behind)}" if behind else "")
        )
    if met := sum(found["leakage"].values()):
        told.append(f"{met} test variants have windows that training has too")
    drawn = found["drawn_together"]
    what = f"{TITLES[found['metric']]}; test {found['held_out']['column']} {', '.join(found['held_out']['test'])}; "
    what += f"{drawn['test']:,} groups, drawn together, of {' and '.join(drawn['columns'])}"
    return f"{what}. {'. '.join(map(_upper, told))}."


def overall(sets: Sequence[dict]) -> str:
    """Return, for each opponent, the sets on which some model of sequence is ahead of it, and which models."""
    told = []
    for other in dict.fromkeys(row["name"] for one in sets for row in one["models"] if row["opponent"]):
        having, won = [], {}
        for one in sets:
            apart = [row for row in one["models"] if other in row["differences"] and row["how"] != "column"]
            if apart:
                having.append(one["name"])
                if names := [_name(row) for row in apart if row["differences"][other]["low"] > 0]:
                    won[one["name"]] = names
        if not having:
            continue
        beaten = "; ".join(f"{name}: {', '.join(who)}" for name, who in won.items())
        nowhere = [name for name in having if name not in won]
        said = [f"ahead of {other} on {beaten}"] if won else []
        if nowhere:
            said.append(f"no model of sequence is ahead of {other} on {', '.join(nowhere)}")
        told.append(_upper("; ".join(said)) + ".")
    return " ".join(told)


def _name(row: dict) -> str:
    return f"{row['name']} ({row['how']})"


def _upper(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _whole(value: dict, form: str) -> str:
    return f"{value['value']:{form}} ({value['low']:{form}} to {value['high']:{form}})"
