"""Examples of a task as model inputs: ids, patch starts, strands, reference rows and labels."""

import numpy as np
import torch

from genomelm.models.encoding import Batch, make_batch
from genomelm.models.heads import IGNORED
from genomelm.patching.patcher import Patcher
from genomelm.seq.alphabet import encode, reverse_complement_ids
from genomelm.tasks.config import TaskConfig
from genomelm.tasks.examples import Examples


class TaskBatches:
    """Cuts the examples of one task into patches and pads them to batches."""

    def __init__(self, task: TaskConfig, patcher: Patcher) -> None:
        self.task, self.patcher = task, patcher
        self.reference = None if task.reference is None else patcher.marks(encode(task.reference, task.alphabet))

    def marks(self, ids: np.ndarray) -> np.ndarray:
        """Return start flags (l+1,): the task's reference segmentation, or the record's own."""
        if self.reference is not None and len(self.reference) == len(ids) + 1:
            return self.reference
        return self.patcher.marks(ids)

    def batch(self, examples: Examples, rows: np.ndarray, reverse: np.ndarray | bool = False) -> Batch:
        """Return the examples `rows` (n,); those flagged in `reverse` (n,) are read from the other strand.

        For variant effects their reference alleles come first, once where all have the same.
        """
        flags = np.broadcast_to(reverse, len(rows))
        texts = [examples.sequences[row] for row in rows]
        references = [examples.references[row] for row in rows] if self.task.kind == "variant_effect" else []
        if len(set(references)) == 1:
            references = references[:1]
        records = [encode(text, self.task.alphabet) for text in references + texts]
        turned = np.concatenate([np.broadcast_to(False, len(references)), flags])
        read = [reverse_complement_ids(r) if turn else r for r, turn in zip(records, turned, strict=True)]
        return make_batch(read, [self.marks(r) for r in read], len(references))

    def labels(self, examples: Examples, rows: np.ndarray, reverse: np.ndarray) -> torch.Tensor:
        """Return the labels of the examples `rows`: float32 (n,), for token tasks (n, l+1) with BOS left out."""
        labels = examples.labels[rows]
        if self.task.kind != "token_classification":
            return torch.from_numpy(labels).float()
        read = np.where(reverse[:, None], labels[:, ::-1], labels)
        return torch.from_numpy(np.pad(read, ((0, 0), (1, 0)), constant_values=IGNORED)).float()
