"""How good the runs of a task are, beside its baselines."""

import numpy as np

from genomelm.tasks.baselines import baseline_predictions
from genomelm.tasks.config import TaskConfig
from genomelm.tasks.examples import Examples, leakage
from genomelm.tasks.metrics import compare


def judge(task: TaskConfig, examples: Examples, predictions: np.ndarray) -> dict:
    """Compare predictions of the test split with its labels and with the baselines, with bootstrap intervals.

    Args:
        predictions: float64 (seeds, n), for token tasks (seeds, n, k).
    """
    test = examples.where("test")
    compared = compare(task.metric, task.judged(test.labels), predictions, baseline_predictions(task, examples))
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
        "leakage": leakage(examples),
        "n_train": len(examples.where("train")),
        "n_test": len(test),
    }
