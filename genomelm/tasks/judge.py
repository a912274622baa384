"""How good the runs of a task are, beside its baselines."""

import numpy as np

from genomelm.tasks.baselines import baseline_predictions
from genomelm.tasks.config import TaskConfig
from genomelm.tasks.examples import Examples, leakage
from genomelm.tasks.metrics import compare


def measures(task: TaskConfig, labels: np.ndarray, predictions: np.ndarray) -> dict[str, dict[str, float]]:
    """Return each of the task's metrics of one run, by name, with its bootstrap interval.

    Args:
        labels: the judged ones of the test split, (n,) or (n, k).
        predictions: of the same shape, or with an axis of outputs behind it.
    """
    return {name: compare(name, labels, predictions[None], {})["model"] for name in task.metrics}


def judge(task: TaskConfig, examples: Examples, predictions: np.ndarray) -> dict:
    """Compare predictions of the test split with its labels and with the baselines, with bootstrap intervals.

    Args:
        predictions: float64 (seeds, n), where bases have labels (seeds, n, k); with an axis of outputs behind it where
            there are several.
    """
    test, baselines = examples.where("test"), baseline_predictions(task, examples)
    truth = task.judged(test.labels)
    compared = compare(task.metric, truth, predictions, baselines)
    others = {name: compare(name, truth, predictions, baselines) for name in task.metrics[1:]}
    strongest = max(compared["baselines"], key=lambda name: compared["baselines"][name]["value"])
    target = {}
    if task.target is not None:
        target = {"text": f"{task.metric} >= {task.target:g}", "value": task.target}
    elif task.target_over_baseline is not None:
        value = compared["baselines"][strongest]["value"] + task.target_over_baseline
        target = {"text": f"{task.metric} >= {strongest} + {task.target_over_baseline:g}", "value": value}
    return {
        "task": task.name,
        "kind": task.kind,
        "alphabet": task.alphabet,
        "metric": task.metric,
        "target": target,
        "model": {**compared["model"], "seeds": compared["seeds"]},
        "baselines": compared["baselines"],
        "difference": {"baseline": strongest, **compared["differences"][strongest]},
        "differences": compared["differences"],
        "metrics": {
            name: {"model": found["model"], "baselines": found["baselines"]}
            for name, found in ({task.metric: compared} | others).items()
        },
        "leakage": leakage(examples),
        "n_train": len(examples.where("train")),
        "n_test": len(test),
    }
