"""predictions.tsv: the test examples of a run, their labels, and what the model says."""

from pathlib import Path

import numpy as np

from genomelm.errors import InputError, UsageError
from genomelm.files import write_text
from genomelm.tasks.config import TaskConfig
from genomelm.tasks.examples import Examples


def predictions_file(run: Path, task: TaskConfig) -> Path:
    """Return where a run keeps a task's predictions: a file for its only task, or one of several in a folder."""
    several = run / "predictions" / f"{task.name}.tsv"
    return several if several.is_file() else run / "predictions.tsv"


def write_predictions(path: Path, task: TaskConfig, test: Examples, predictions: np.ndarray) -> None:
    """Write a row an example, or a row a judged base: name, label, prediction.

    Several label columns have a column each, and several outputs too: label_NAME and prediction_NAME. Predictions of
    classes are logits, and labels their names. Where bases have labels, `offset` is the base's place in the example,
    from 0.

    Args:
        predictions: (n,) or (n, k); with an axis of outputs behind it where there are several.
    """
    labels = task.judged(test.labels)
    ends = [f"_{name}" for name in task.output_names] or [""]
    beside = ends if task.label_columns else [""]
    rows = labels.size // len(beside)
    texts = [_texts(task, row) for row in labels.reshape(rows, -1)]
    values = [[f"{value:.9g}" for value in row] for row in predictions.reshape(rows, -1)]
    names = np.repeat(test.names, rows // len(test))
    places = [[]] * rows
    if task.of_bases:
        places = [[str(number * task.token_step)] for number in range(rows // len(test))] * len(test)
    header = ["name", *["offset"] * task.of_bases, *(f"label{end}" for end in beside)]
    header += [f"prediction{end}" for end in ends]
    columns = zip(names, places, texts, values, strict=True)
    lines = ("\t".join([name, *place, *text, *value]) for name, place, text, value in columns)
    write_text(path, "".join(f"{line}\n" for line in ("\t".join(header), *lines)))


def read_predictions(path: Path, task: TaskConfig, test: Examples, data: Path) -> np.ndarray:
    """Return the predictions in a file that `write_predictions` wrote, in the shape that it was given.

    Raises:
        UsageError: there is no such file.
        InputError: it holds other examples.
    """
    import pandas as pd

    if not path.is_file():
        raise UsageError(f"{path} does not exist: finish this run with `genomelm finetune` first")
    labels = task.judged(test.labels)
    shape = labels.shape if task.of_bases else (len(test),)
    names = np.repeat(test.names, int(np.prod(shape)) // len(test))
    wanted = [f"prediction_{name}" for name in task.output_names] or ["prediction"]
    table = pd.read_csv(path, sep="\t", dtype={"name": str}, keep_default_na=False)
    if list(table["name"]) != list(names) or not {*wanted} <= {*table.columns}:
        raise InputError(f"{path} does not hold the test examples of {data}: run `genomelm finetune` again")
    values = table[wanted].to_numpy(np.float64)
    return values.reshape(shape if len(wanted) == 1 else (*shape, len(wanted)))


def _texts(task: TaskConfig, labels: np.ndarray) -> list[str]:
    if task.class_names:
        return [task.class_names[int(label)] for label in labels]
    return [f"{label:.9g}" for label in labels]
