"""A small genome and randomly initialised models, for every room that runs a whole model."""

import logging
from pathlib import Path

import numpy as np
import pytest
import torch

from genomelm.models import (
    GenomeModel,
    GryphonConfig,
    GryphonForMaskedLM,
    GryphonForVariantEffect,
    HyenaGLTConfig,
    HyenaGLTForCausalLM,
    HyenaGLTForMaskedLM,
    HyenaGLTForRegression,
    HyenaGLTForTokenClassification,
    HyenaGLTForVariantEffect,
)
from genomelm.patching.config import PatcherConfig
from genomelm.patching.patcher import Patcher
from genomelm.runtime import counter_seed
from genomelm.seq.alphabet import encode

SHELL = {"local_width": 16, "local_heads": 2, "width": 16, "kmers": [2, 3], "encoder_layers": 1, "decoder_layers": 1}
BACKBONE = {"layers": 1, "hidden": 16}
MASKED = {**SHELL, "objective": "masked", "window": 3}


@pytest.fixture(autouse=True)
def log_lines_reach_the_test() -> None:
    """Undo what a command that ran in this process did to the package's logger."""
    logger = logging.getLogger("genomelm")
    logger.handlers, logger.propagate = [], True
    logger.setLevel(logging.NOTSET)


@pytest.fixture(scope="session")
def tiny_sequence() -> str:
    """Return 6,000 bases in which words recur, so that a count model has something to say."""
    random = np.random.default_rng(11)
    words = ["".join(random.choice(list("ACGT"), size)) for size in (5, 9, 14)]
    parts = [
        words[random.integers(3)] if random.random() < 0.4 else "".join(random.choice(list("ACGT"), 6))
        for _ in range(1200)
    ]
    return "".join(parts)[:6000]


@pytest.fixture(scope="session")
def tiny_fasta(tiny_sequence: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write contigs c1 (with a repeat and a run of N) and c2."""
    path = tmp_path_factory.mktemp("genome") / "tiny.fa"
    first = tiny_sequence[:2000] + "CACACACACACACA" + tiny_sequence[2000:4000] + "N" * 200
    path.write_text(f">c1\n{first}\n>c2\n{tiny_sequence[4000:]}\n")
    return path


@pytest.fixture(scope="session")
def tiny_patcher(tiny_sequence: str) -> Patcher:
    return Patcher.fit(PatcherConfig("entropy", order=4), lambda: [encode(tiny_sequence)], 6)


@pytest.fixture(scope="session")
def stride_patcher() -> Patcher:
    """Patches that do not depend on the letters, as masked models need them."""
    return Patcher(PatcherConfig("fixed_stride", stride=5))


def seeded(kind: type[GenomeModel], config: HyenaGLTConfig | GryphonConfig, patcher: Patcher, seed: int) -> GenomeModel:
    """Return a model with weights large enough that a base's effect stands out of float32 rounding."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(counter_seed("test", seed))
        model = kind(config, patcher).eval()
    with torch.no_grad():
        for table in [model.shell.bytes, model.shell.distance, *model.shell.kmers.tables]:
            table.weight.mul_(20)
        if model.is_language_model:
            model.head.out.weight.mul_(20)
    return model


@pytest.fixture(scope="session")
def language_model(tiny_patcher: Patcher) -> GenomeModel:
    return seeded(HyenaGLTForCausalLM, HyenaGLTConfig(shell=SHELL, backbone=BACKBONE), tiny_patcher, 0)


@pytest.fixture(scope="session")
def task_models(tiny_patcher: Patcher) -> list[GenomeModel]:
    """Return two seeds of a regression task named toy."""
    head = {"task": "toy", "mean": 4.0, "scale": 2.0, "queries": 4}
    config = HyenaGLTConfig(shell=SHELL, backbone=BACKBONE, head=head)
    return [seeded(HyenaGLTForRegression, config, tiny_patcher, seed) for seed in (1, 2)]


@pytest.fixture(scope="session", params=["hyena_glt", "gryphon"])
def masked_model(request: pytest.FixtureRequest, stride_patcher: Patcher) -> GenomeModel:
    """Return a masked language model of each family."""
    kind, config = {
        "hyena_glt": (HyenaGLTForMaskedLM, HyenaGLTConfig),
        "gryphon": (GryphonForMaskedLM, GryphonConfig),
    }[request.param]
    return seeded(kind, config(shell=MASKED, backbone=BACKBONE), stride_patcher, 3)


@pytest.fixture(scope="session", params=["hyena_glt", "gryphon"])
def effect_model(request: pytest.FixtureRequest, stride_patcher: Patcher) -> GenomeModel:
    """Return a variant-effect model of a task named pair: Hyena-GLT with a causal shell, Gryphon with a masked one."""
    head = {"task": "pair", "scale": 2.0, "queries": 4}
    kind, config, shell = {
        "hyena_glt": (HyenaGLTForVariantEffect, HyenaGLTConfig, SHELL),
        "gryphon": (GryphonForVariantEffect, GryphonConfig, MASKED),
    }[request.param]
    return seeded(kind, config(shell=shell, backbone=BACKBONE, head=head), stride_patcher, 4)


@pytest.fixture(scope="session")
def token_model(stride_patcher: Patcher) -> GenomeModel:
    """Return a model that gives each base one of three classes."""
    head = {"task": "frame", "outputs": 3}
    return seeded(
        HyenaGLTForTokenClassification, HyenaGLTConfig(shell=SHELL, backbone=BACKBONE, head=head), stride_patcher, 5
    )


@pytest.fixture(scope="session")
def language_model_dir(language_model: GenomeModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("language") / "model"
    language_model.save_pretrained(path)
    return path


@pytest.fixture(scope="session")
def task_model_dirs(task_models: list[GenomeModel], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    paths = [tmp_path_factory.mktemp("toy") / f"seed{seed}" / "model" for seed in range(len(task_models))]
    for model, path in zip(task_models, paths, strict=True):
        model.save_pretrained(path)
    return paths
