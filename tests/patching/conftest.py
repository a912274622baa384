import numpy as np
import pytest

from genomelm.patching.config import PatcherConfig
from genomelm.patching.count_model import CountModel
from genomelm.patching.patcher import Patcher


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
    entropy = Patcher.fit(PatcherConfig(order=5), lambda: [dna], mean=4, training=("c:1-30000",))
    limits = PatcherConfig(mode="length_constrained", min=2, max=12, multiple=2, order=5)
    return {
        "entropy": entropy,
        "length_constrained": Patcher.fit(limits, lambda: [dna], mean=6, training=("c:1-30000",)),
        "fixed_stride": Patcher(PatcherConfig(mode="fixed_stride", stride=5)),
        "byte": Patcher(PatcherConfig(mode="byte")),
    }
