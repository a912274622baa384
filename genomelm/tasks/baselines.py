"""Plain opponents: linear models on k-mer frequencies and on one-hot positions."""

from collections.abc import Callable, Sequence

import numpy as np
from scipy import sparse
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import MaxAbsScaler

from genomelm.runtime import counter_seed
from genomelm.tasks.config import TaskConfig
from genomelm.tasks.examples import Examples
from genomelm.tasks.features import kmer_frequencies, one_hot
from genomelm.tasks.metrics import measured

STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Inverse penalties of the logistic regression; a ridge takes the penalties of RIDGES."""
RIDGES = (1.0, 10.0, 100.0, 1000.0)
TOKEN_REACH = 50
"""Bases on each side of a judged base that its k-mers are counted in."""
TOKEN_BASES = 60_000
"""Most training bases of a token task's baseline, drawn by a counter hash: seconds of one core."""

Features = Callable[[Sequence[str]], sparse.csr_matrix]


def baseline_predictions(task: TaskConfig, examples: Examples) -> dict[str, np.ndarray]:
    """Fit each baseline on the training split and predict the test split.

    The penalty is chosen on the validation split. Where a sequence and its reverse complement
    share their label, the features are sums over both strands. Variant effects are read from
    the features' difference between mutant and wild type. A base of a token task is judged by
    the k-mers of the 101 bases around it, as far as they lie in its window.

    Returns:
        name -> predictions of the test split, as the head of the task has them: (n,), or (n, outputs); where bases
        have labels, (n, k) or (n, k, outputs) at the k judged ones.
    """
    largest = task.largest_k

    def kmers(sequences: Sequence[str]) -> sparse.csr_matrix:
        return kmer_frequencies(sequences, largest, task.alphabet, task.two_strands)

    def positions(sequences: Sequence[str]) -> sparse.csr_matrix:
        return one_hot(sequences, task.alphabet, task.two_strands)

    features = {task.kmer_baseline: kmers}
    if (
        not task.kind.endswith("_classification")
        and not task.of_bases
        and len({len(s) for s in examples.sequences}) == 1
    ):
        features["additive_one_hot"] = positions
    read = _token_part if task.of_bases else _part
    return {name: _fit_predict(task, examples, make, read) for name, make in features.items()}


def _part(task: TaskConfig, part: Examples, make: Features) -> tuple[sparse.csr_matrix, np.ndarray]:
    """Return features and labels of the examples of one split."""
    x = make(part.sequences)
    if part.references:
        kinds, which = np.unique(part.references, return_inverse=True)
        x = (x - make(kinds.tolist())[which]).tocsr()
    return x, part.labels


def _token_part(task: TaskConfig, part: Examples, make: Features) -> tuple[sparse.csr_matrix, np.ndarray]:
    """Return features and labels of the judged bases of one split, of training a bounded number."""
    labels = task.judged(part.labels)
    places = task.judged(np.arange(part.labels.shape[1])[None])[0]
    rows, columns = np.indices(labels.shape).reshape(2, -1)
    if part.splits[0] == "train" and len(rows) > TOKEN_BASES:
        drawn = np.random.default_rng(counter_seed("token baseline")).permutation(len(rows))[:TOKEN_BASES]
        rows, columns = rows[drawn], columns[drawn]
    starts, ends = np.maximum(places - TOKEN_REACH, 0), places + TOKEN_REACH + 1
    known = ~np.isnan(labels[rows, columns]) if part.splits[0] != "test" else np.ones(len(rows), bool)
    rows, columns = rows[known], columns[known]
    around = [part.sequences[row][starts[column] : ends[column]] for row, column in zip(rows, columns, strict=True)]
    return make(around), labels[rows, columns]


def _fit_predict(task: TaskConfig, examples: Examples, make: Features, read: Callable) -> np.ndarray:
    train, validation, test = (examples.where(split) for split in ("train", "validation", "test"))
    (x, labels), (checked, truth), (asked, _) = (read(task, part, make) for part in (train, validation, test))
    scaler = MaxAbsScaler()
    x, checked, asked = scaler.fit_transform(x), scaler.transform(checked), scaler.transform(asked)
    best, chosen = -np.inf, None
    classifies = task.kind.endswith("_classification")
    for strength in STRENGTHS if classifies else RIDGES:
        if classifies:
            model = _Classes(strength, task.outputs).fit(x, labels)
        else:
            model = Ridge(alpha=strength, solver="sparse_cg").fit(x, labels)
        value = measured(task.metric, truth, model.predict(checked))
        if value > best:
            best, chosen = value, model
    shape = task.judged(test.labels).shape if task.of_bases else (len(test),)
    return chosen.predict(asked).reshape(shape if task.outputs == 1 else (*shape, task.outputs))


class _Classes:
    """Logistic regression of two classes, of several, or of several labels beside each other."""

    def __init__(self, strength: float, outputs: int) -> None:
        self.strength, self.outputs = strength, outputs

    def fit(self, x: sparse.csr_matrix, labels: np.ndarray) -> "_Classes":
        self.models = [
            LogisticRegression(C=self.strength, max_iter=300).fit(x, column) for column in np.atleast_2d(labels.T)
        ]
        return self

    def predict(self, x: sparse.csr_matrix) -> np.ndarray:
        """Return logits (n,), or (n, outputs)."""
        found = [model.decision_function(x) for model in self.models]
        return np.stack(found, axis=1) if len(found) > 1 else found[0]
