"""Models of one rectified filter a motif: scores that are fast, and whose maps are known."""

from types import SimpleNamespace

import numpy as np

from genomelm.interpret import ism

WORD = "TTGACGCA"
LENGTH = 40


def filters_of(*words: str) -> np.ndarray:
    """Return filters (f, 8, 4) that answer to words: 1 a match, less at least 5 of 8."""
    return np.stack([ism.one_hot(word) for word in words])


def random_filters(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(4, 8, 4))


def filter_model(name: str, filters: np.ndarray, threshold: float = 5.0, strength: float = 1.0) -> SimpleNamespace:
    """Return what the checks ask of a model: the sum over places of what filters answer beyond a threshold."""

    def scores(sequences: list[str]) -> np.ndarray:
        letters = ism.one_hot("".join(sequences)).reshape(len(sequences), -1, 4)
        windows = np.lib.stride_tricks.sliding_window_view(letters, filters.shape[1], axis=1)  # (b, places, 4, 8)
        flat = windows.swapaxes(2, 3).reshape(*windows.shape[:2], -1)  # (b, places, 8 * 4)
        found = np.maximum(flat @ filters.reshape(len(filters), -1).T - threshold, 0)
        return strength * found.sum((1, 2))

    def pairs(reference: str, alternates: list[str]) -> tuple[float, np.ndarray]:
        found = scores([reference, *alternates])
        return float(found[0]), found[1:]

    def saturate(sequences: list[str]) -> np.ndarray:
        return np.stack([ism.saturation(pairs, sequence) for sequence in sequences])

    return SimpleNamespace(name=name, predict_pairs=pairs, saturate=saturate, relative=False, strand_symmetric=False)


def random_model(seed: int) -> SimpleNamespace:
    return filter_model(f"random{seed}", random_filters(seed), threshold=0.0)


def noise(count: int, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    return ["".join(rng.choice(list("ACGT"), LENGTH)) for _ in range(count)]


def with_word(count: int, seed: int = 0) -> list[str]:
    """Return random sequences that hold WORD once."""
    rng = np.random.default_rng([seed, 1])
    starts = rng.integers(0, LENGTH - len(WORD) + 1, count)
    return [s[:at] + WORD + s[at + len(WORD) :] for s, at in zip(noise(count, seed), starts, strict=True)]
