"""Settings of runs that take seconds, and what their results are compared by."""

import dataclasses

import torch

from genomelm.models.config import (
    GryphonBackboneConfig,
    GryphonSettings,
    HyenaConfig,
    HyenaGLTSettings,
    ShellConfig,
    TransformerSettings,
)
from genomelm.models.transformer_config import TransformerBackboneConfig
from genomelm.patching.store import PatchStore, write_store
from genomelm.training.config import TrainConfig
from genomelm.training.log_files import TIMES
from genomelm.training.pretrain import pretrain

CPU = torch.device("cpu")
SHELL = ShellConfig(
    local_width=16, local_heads=2, local_taps=3, encoder_layers=1, decoder_layers=1, kmers=(2, 3), width=16
)
GRYPHON = GryphonBackboneConfig(
    layers=1, state=8, heads=2, block=4, window=2, global_blocks=1, random_blocks=1, hidden=16
)
SETTINGS = {
    "hyena_glt": HyenaGLTSettings(shell=SHELL, backbone=HyenaConfig(layers=1, hidden=16)),
    "gryphon": GryphonSettings(shell=SHELL, backbone=GRYPHON),
    "transformer": TransformerSettings(shell=SHELL, backbone=TransformerBackboneConfig(layers=1, heads=2, hidden=16)),
}
QUICK = TrainConfig(steps=12, batch_size=2, window=64, evaluate_every=4, checkpoint_minutes=0.0, prefetch=0)
"""Without a thread, what happens while data are made happens at a known step."""
LEARNS = TrainConfig(steps=150, batch_size=8, window=120, learning_rate=1e-2, latent_rate=1.0, evaluate_every=150)
"""Enough to learn what the site repeats."""


def settings_of(family: str, objective: str = "causal", **shell):
    changes = {"objective": objective, "window": 2 if objective == "causal" else 3, **shell}
    return dataclasses.replace(SETTINGS[family], shell=dataclasses.replace(SHELL, **changes))


def run(site, state, config=QUICK, settings=SETTINGS["hyena_glt"], **more):
    return pretrain(site.genome, site.patches, settings, config, site.train, site.test, state, CPU, **more)


def numbers(log):
    """Return a log without what differs from run to run."""
    return [{key: value for key, value in row.items() if key not in TIMES} for row in log]


def weights(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(first, second):
    return all(torch.equal(first[name], second[name]) for name in first)


def patched(folder, patcher, ids):
    patcher.save(folder / "patcher")
    write_store(folder / "store", patcher, {"c": len(ids)}, lambda _contig, start, end: ids[start:end])
    return {"patches": folder, "patcher": patcher, "store": PatchStore(folder / "store")}
