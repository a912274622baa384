import dataclasses

import numpy as np
import pytest
from hypothesis import settings

from genomelm.patching.config import PatcherConfig
from genomelm.patching.count_model import CountModel
from genomelm.patching.patcher import Patcher

# The first call of a compiled rule takes seconds.
settings.register_profile("compiled", deadline=None)
settings.load_profile("compiled")


def repetitive_dna(length: int, seed: int) -> np.ndarray:
    """Random DNA in which motifs recur, so that entropies differ."""
    random = np.random.default_rng(seed)
    motifs = [random.integers(0, 4, size) for size in (7, 12, 19)]
    parts, made = [], 0
    while made < length:
        part = random.integers(0, 4, random.integers(1, 15)) if random.random() < 0.5 else motifs[random.integers(3)]
        parts.append(part)
        made += len(part)
    return np.frombuffer(b"ACGT", np.uint8).astype(np.int64)[np.concatenate(parts)[:length]]


@pytest.fixture(scope="session")
def dna() -> np.ndarray:
    return repetitive_dna(30_000, seed=1)


@pytest.fixture(scope="session")
def model(dna: np.ndarray) -> CountModel:
    return CountModel.fit([dna], order=5, training=("c:1-30000",))


@pytest.fixture(scope="session")
def patchers(dna: np.ndarray, model: CountModel) -> dict[str, Patcher]:
    """Return a patcher of each mode but `given`, by its name."""
    wanted = {
        "entropy": (4, {}),
        "greedy": (6, {"max": 16}),
        "monotonic": (4, {}),
        "dual_threshold": (4, {"delta": 0.01}),
        "length_constrained": (6, {"min": 2, "max": 12, "multiple": 2}),
        "optimal": (6, {"min": 2, "max": 12, "alpha": 0.01, "target": 6}),
        "fixed_stride": (5, {}),
        "byte": (1, {}),
    }
    return {
        mode: Patcher.fit(PatcherConfig(mode=mode, order=5, **limits), lambda: [dna], mean, source=model)
        for mode, (mean, limits) in wanted.items()
    }


@pytest.fixture(scope="session")
def symmetric(patchers: dict[str, Patcher]) -> dict[str, Patcher]:
    """Return patchers that cut both strands alike, with runs of N apart and without."""
    found = {}
    for mode in ("entropy", "optimal"):
        for name, isolate in ((mode, ()), (f"{mode}, N apart", ("n",))):
            config = dataclasses.replace(patchers[mode].config, symmetric=True, isolate=isolate, edges="at")
            config = dataclasses.replace(config, threshold=2 * config.threshold)
            found[name] = Patcher(config, patchers[mode].source)
    return found
