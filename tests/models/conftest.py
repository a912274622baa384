from collections.abc import Callable

import numpy as np
import pytest
import torch

from genomelm.models import (
    GenomeModel,
    HyenaGLTConfig,
    HyenaGLTForCausalLM,
    HyenaGLTForRegression,
    HyenaGLTForSequenceClassification,
)
from genomelm.patching.config import PatcherConfig
from genomelm.patching.patcher import Patcher

SHELL = {"local_width": 32, "local_heads": 2, "local_taps": 5, "width": 48, "target_length": 128}
BACKBONE = {"layers": 2, "hidden": 64}
CLASSES = {
    "causal_lm": HyenaGLTForCausalLM,
    "sequence_classification": HyenaGLTForSequenceClassification,
    "regression": HyenaGLTForRegression,
}
LETTERS = np.frombuffer(b"ACGT", np.uint8).astype(np.int64)


@pytest.fixture(scope="session")
def patcher() -> Patcher:
    """Entropy patches of five bases on average, fitted on DNA in which motifs recur."""
    random = np.random.default_rng(1)
    motifs = [random.integers(0, 4, size) for size in (7, 12, 19)]
    parts = [
        motifs[random.integers(3)] if i % 2 else random.integers(0, 4, random.integers(1, 15)) for i in range(2000)
    ]
    dna = LETTERS[np.concatenate(parts)]
    return Patcher.fit(PatcherConfig(order=4), lambda: [dna], mean=5, training=("c:1-20000",))


@pytest.fixture
def records() -> Callable[..., list[np.ndarray]]:
    """Random ids (l,) of each length asked for, an N here and there."""

    def make(*lengths: int, seed: int = 0) -> list[np.ndarray]:
        random = np.random.default_rng(seed)
        return [np.where(random.random(n) < 0.03, ord("N"), random.choice(LETTERS, n)) for n in lengths]

    return make


@pytest.fixture
def make_model(patcher: Patcher) -> Callable[..., GenomeModel]:
    """A small model with the patcher, in eval mode."""

    def make(
        kind: str = "causal_lm", head: dict | None = None, seed: int = 0, loud: bool = True, **shell
    ) -> GenomeModel:
        torch.manual_seed(seed)
        config = HyenaGLTConfig(shell={**SHELL, **shell}, backbone=BACKBONE, head={"queries": 4, **(head or {})})
        model = CLASSES[kind](config, patcher).eval()
        if loud:
            # Fresh embeddings, biases and null patch are near zero, and would hide what goes through them.
            for name, parameter in model.named_parameters():
                if parameter.std(correction=0) < 0.05 or "bias" in name:
                    torch.nn.init.normal_(parameter, std=0.3)
        return model

    return make
