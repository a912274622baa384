"""Plain opponents: linear models on k-mer frequencies and on one-hot positions."""

import numpy as np
from scipy import sparse
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import MaxAbsScaler

from genomelm.seq.alphabet import ALPHABETS, encode, reverse_complement
from genomelm.tasks.config import TaskConfig
from genomelm.tasks.examples import Examples
from genomelm.tasks.metrics import METRICS

LARGEST_K = 6
STRENGTHS = (1e-2, 1e-1, 1.0, 10.0)
"""Inverse penalties of the logistic regression; a ridge takes the penalties of RIDGES."""
RIDGES = (1.0, 10.0, 100.0, 1000.0)


def kmer_frequencies(sequences: tuple[str, ...], largest: int = LARGEST_K) -> sparse.csr_matrix:
    """Count every k-mer of 1..largest letters, as shares of a sequence's k-mers.

    Returns:
        (n, 4 + 16 + ... + 4^largest) float32; k-mers with a letter outside ACGT are left out.
    """
    digits = np.full(256, -1)
    digits[ALPHABETS["dna"].ids] = np.arange(4)
    blocks = []
    for k in range(1, largest + 1):
        rows, columns, values = [], [], []
        for row, sequence in enumerate(sequences):
            letters = digits[encode(sequence)]
            codes = np.zeros(max(len(letters) - k + 1, 0), np.int64)
            known = np.ones(len(codes), bool)
            for j in range(k):
                part = letters[j : j + len(codes)]
                codes, known = codes * 4 + part, known & (part >= 0)
            found, counts = np.unique(codes[known], return_counts=True)
            rows.append(np.full(len(found), row))
            columns.append(found)
            values.append(counts / max(len(codes), 1))
        flat = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
        blocks.append(sparse.csr_matrix(flat, (len(sequences), 4**k), dtype=np.float32))
    return sparse.hstack(blocks, format="csr")


def one_hot(sequences: tuple[str, ...]) -> sparse.csr_matrix:
    """Return (n, 4 l) of sequences of one length: position-wise letters, for an additive model."""
    letters = np.stack([encode(sequence) for sequence in sequences])
    return sparse.csr_matrix(
        (letters[:, :, None] == ALPHABETS["dna"].ids).reshape(len(sequences), -1), dtype=np.float32
    )


def baseline_predictions(task: TaskConfig, examples: Examples) -> dict[str, np.ndarray]:
    """Fit each baseline on the training split and predict the test split.

    The penalty is chosen on the validation split. Where a sequence and its reverse complement
    share their label, both are trained on and both are averaged in prediction.

    Returns:
        name -> (n,) of the test split.
    """
    features = {"kmer_1_6": kmer_frequencies}
    if task.kind == "regression" and len({len(s) for s in examples.sequences}) == 1:
        features["additive_one_hot"] = one_hot
    return {name: _fit_predict(task, examples, make) for name, make in features.items()}


def _fit_predict(task: TaskConfig, examples: Examples, make) -> np.ndarray:
    train, validation, test = (examples.where(split) for split in ("train", "validation", "test"))
    scaler = MaxAbsScaler()
    both = task.two_strands
    sequences = train.sequences + (tuple(map(reverse_complement, train.sequences)) if both else ())
    labels = np.concatenate([train.labels, train.labels]) if both else train.labels
    x = scaler.fit_transform(make(sequences))
    best, chosen = -np.inf, None
    views = [scaler.transform(make(validation.sequences))]
    if both:
        views.append(scaler.transform(make(tuple(map(reverse_complement, validation.sequences)))))
    for strength in RIDGES if task.kind == "regression" else STRENGTHS:
        if task.kind == "regression":
            model = Ridge(alpha=strength, solver="sparse_cg").fit(x, labels)
        else:
            model = LogisticRegression(C=strength, max_iter=300).fit(x, labels)
        value = METRICS[task.metric](validation.labels, sum(_scores(model, view) for view in views))
        if value > best:
            best, chosen = value, model
    out = _scores(chosen, scaler.transform(make(test.sequences)))
    if both:
        out = (out + _scores(chosen, scaler.transform(make(tuple(map(reverse_complement, test.sequences)))))) / 2
    return out


def _scores(model, x: sparse.csr_matrix) -> np.ndarray:
    return model.decision_function(x) if isinstance(model, LogisticRegression) else model.predict(x)
