from collections.abc import Callable

import numpy as np
import pytest
import torch

from genomelm.models import GenomeModel
from genomelm.models.classes import CLASSES
from genomelm.models.config import LANGUAGE_HEADS
from genomelm.models.families import CONFIGS
from genomelm.patching.config import PatcherConfig
from genomelm.patching.patcher import Patcher

SHELL = {"local_width": 32, "local_heads": 2, "local_taps": 5, "width": 48, "target_length": 128}
BACKBONES = {
    "hyena_glt": {"layers": 2, "hidden": 64},
    # Of 30 patches most pairs are out of a block's sight, and only the summaries or the state carry them.
    "gryphon": {
        **{"layers": 1, "s5_blocks_per_layer": 2, "state": 16, "heads": 2, "hidden": 64},
        **{"block": 4, "window": 2, "global_blocks": 1, "random_blocks": 1},
    },
    "transformer": {"layers": 2, "hidden": 64, "heads": 2},
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
    """A small model in eval mode: causal ones with the entropy patcher, masked ones with patches of five bases."""

    def make(
        kind: str = "language",
        head: dict | None = None,
        seed: int = 0,
        loud: bool = True,
        family: str = "hyena_glt",
        objective: str = "causal",
        backbone: dict | None = None,
        sections: dict[str, dict] | None = None,
        **shell,
    ) -> GenomeModel:
        torch.manual_seed(seed)
        masked = objective == "masked"
        kind = LANGUAGE_HEADS[objective] if kind == "language" else kind
        settings = {"kind": kind, **({} if kind == "multi_task" else {"queries": 4}), **(head or {})}
        config = CONFIGS[f"genomelm_{family}"](
            shell={**SHELL, "objective": objective, "window": 3 if masked else 2, **shell},
            backbone={**BACKBONES[family], **(backbone or {})},
            head=settings,
            **(sections or {}),
        )
        cut = Patcher(PatcherConfig("fixed_stride", stride=5)) if masked else patcher
        model = CLASSES[config.model_type, kind](config, cut).eval()
        if loud:
            # Fresh embeddings, biases and null patch are near zero, and would hide what goes through them.
            for name, parameter in model.named_parameters():
                if parameter.std(correction=0) < 0.05 or "bias" in name:
                    torch.nn.init.normal_(parameter, std=0.3)
        return model

    return make
