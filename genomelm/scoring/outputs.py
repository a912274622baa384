"""Several outputs of one head, such as one a tissue: which of them are scored, and their numbers."""

from collections.abc import Sequence

import numpy as np
from scipy.special import logsumexp

from genomelm.errors import UsageError
from genomelm.models.model import GenomeModel
from genomelm.scoring.allele_scorer import Output
from genomelm.scoring.forward import check_single
from genomelm.scoring.tags import tag_parts


def is_exclusive(model: GenomeModel) -> bool:
    """Return whether a head's outputs are the logits of classes of which one holds."""
    head = model.config.head
    return model.head_kind == "sequence_classification" and head["outputs"] > 1 and not head["multi_label"]


def choose_outputs(model: GenomeModel, wanted: Sequence[str] = ()) -> tuple[Output, ...]:
    """Return the outputs of a task head that are scored, in the head's order; none of a head with a single score.

    A single output and two classes are a single score.

    Args:
        wanted: names, or numbers from 0; empty: all.

    Raises:
        UsageError: there is no such output, or none to choose; the head labels bases, or there are several tasks.
    """
    count = model.config.head.get("outputs", 1)
    if model.tasks or model.gives_bases or count <= (2 if is_exclusive(model) else 1):
        check_single(model)
        if wanted:
            raise UsageError(f"--output {wanted[0]}: the model gives a variant a single score; leave it out")
        return ()
    names = list(model.config.head["names"]) or [str(number) for number in range(count)]
    columns = {_column(name, names) for name in wanted} or set(range(count))
    parts = tag_parts(names)
    return tuple(Output(names[column], parts[column], column) for column in sorted(columns))


def _column(wanted: str, names: Sequence[str]) -> int:
    if wanted in names:
        return names.index(wanted)
    if wanted.isascii() and wanted.isdecimal() and int(wanted) < len(names):
        return int(wanted)
    listed = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    raise UsageError(f"--output {wanted}: the model has no such output; it has {listed}, or a number from 0 on")


def chosen_values(values: np.ndarray, outputs: Sequence[Output], exclusive: bool) -> np.ndarray:
    """Return float64 (k,), the chosen numbers of a head's output (m,).

    Args:
        exclusive: the outputs are logits of classes of which one holds: each becomes the log-odds of its class against
            all others.
    """
    columns = [output.column for output in outputs]
    values = np.asarray(values, np.float64)
    if not exclusive:
        return values[columns]
    return np.array([values[column] - logsumexp(np.delete(values, column)) for column in columns])
