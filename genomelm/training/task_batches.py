"""Examples of a task as model inputs: ids, patch starts, strands, reference rows and labels."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import torch

from genomelm.models.encoding import Batch, make_batch, task_marks
from genomelm.models.heads import IGNORED
from genomelm.patching.pair import difference, pair_marks
from genomelm.patching.patcher import Patcher
from genomelm.seq.alphabet import encode, reverse_complement_ids
from genomelm.tasks.config import TaskConfig
from genomelm.tasks.examples import Examples


class TaskBatches:
    """Cuts the examples of one task into patches and pads them to batches.

    Args:
        task: where the examples are from.
        patcher: the model's.
        conjoined: whether the model reads both strands at once, and wants the patches of both.
        name: of the task in a model of several; None: the model has one head.
    """

    def __init__(self, task: TaskConfig, patcher: Patcher, conjoined: bool = False, name: str | None = None) -> None:
        self.task, self.patcher, self.conjoined, self.name = task, patcher, conjoined, name

    def batch(self, examples: Examples, rows: np.ndarray, reverse: np.ndarray | bool = False) -> Batch:
        """Return the examples `rows` (n,); those flagged in `reverse` (n,) are read from the other strand.

        For variant effects their reference alleles come first, read as their alternates are, and once where all have
        the same; an alternate has the patches of its reference.
        """
        flags = np.broadcast_to(reverse, len(rows))
        texts = [examples.sequences[row] for row in rows]
        references = [examples.references[row] for row in rows] if self.task.kind == "variant_effect" else []
        if len(set(zip(references, flags.tolist(), strict=False))) == 1:
            references = references[:1]
        records = [encode(text, self.task.alphabet) for text in references + texts]
        turned = np.concatenate([flags[: len(references)], flags])
        read = [reverse_complement_ids(r) if turn else r for r, turn in zip(records, turned, strict=True)]
        there = [reverse_complement_ids(r) for r in read] if self.conjoined else None
        batch = make_batch(
            read,
            self._marks(read, len(references)),
            len(references),
            None if there is None else self._marks(there, len(references)),
        )
        return dataclasses.replace(batch, task=self.name)

    def _marks(self, read: Sequence[np.ndarray], references: int) -> list[np.ndarray]:
        """Return the start flags of records as they are read, of which the first are reference alleles."""
        marks = [task_marks(self.patcher, r, self.task.reference or "", self.task.alphabet) for r in read]
        for row in range(references, len(read)) if references else ():
            ref = 0 if references == 1 else row - references
            marks[row] = pair_marks(marks[ref], *difference(read[ref], read[row]))
        return marks

    def labels(self, examples: Examples, rows: np.ndarray, reverse: np.ndarray) -> torch.Tensor:
        """Return the labels of the examples `rows`: float32 (n,) or (n, columns); of bases (n, l+1), BOS left out.

        Classes of bases are int64, and IGNORED where there is none; other labels are numbers, and NaN.
        """
        labels = examples.labels[rows]
        if not self.task.of_bases:
            return torch.from_numpy(labels).float()
        read = np.where(reverse[:, None], labels[:, ::-1], labels)
        ignored = np.nan if self.task.per_base else IGNORED
        padded = torch.from_numpy(np.pad(read, ((0, 0), (1, 0)), constant_values=ignored))
        return padded.float() if self.task.per_base else padded.long()
