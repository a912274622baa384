"""Models and training on an XLA device, held against the CPU: torch 2.9 and torch_xla 2.9 on PJRT_DEVICE=CPU."""

import copy
import dataclasses
import json
import math
import os

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from genomelm import cli
from genomelm.models.config import (
    GryphonBackboneConfig,
    GryphonSettings,
    HyenaConfig,
    HyenaGLTSettings,
    MergeConfig,
    ShellConfig,
)
from genomelm.models.encoding import Batch, make_batch
from genomelm.nn import rows
from genomelm.nn.bigbird.pattern import BlockPattern, splitmix64
from genomelm.nn.frames import frames
from genomelm.nn.hashed_kmers import HashedKmers
from genomelm.patching.patcher import Patcher, PatcherConfig
from genomelm.runtime import choose_device, work_off
from genomelm.training.ahead import Part
from genomelm.training.config import TrainConfig
from genomelm.training.learner import Learner
from genomelm.training.parts import count_targets
from genomelm.training.pretrain import new_model
from genomelm.training.team import Team
from genomelm.training.windows import hide_some, label_ids

pytestmark = pytest.mark.tpu

CPU = torch.device("cpu")
LOSS, GRADIENT = 2e-6, 5e-5
"""Largest difference of losses, and of a parameter's gradient: its root mean square over the gradient's own."""

SHELL = ShellConfig(
    local_width=16, local_heads=2, local_taps=3, encoder_layers=1, decoder_layers=1, kmers=(2, 3), width=16, window=2
)
HYENA = HyenaConfig(layers=1, hidden=16, heads=2, window=8)
GRYPHON = GryphonBackboneConfig(
    layers=1, state=8, heads=2, block=4, window=2, global_blocks=1, random_blocks=1, hidden=16
)
SMLA = dataclasses.replace(HYENA, layers=4, layout="SMLA")
MODELS = {
    "hyena_glt": HyenaGLTSettings(shell=SHELL, backbone=HYENA),
    "modal": HyenaGLTSettings(shell=SHELL, backbone=dataclasses.replace(HYENA, long="modal")),
    "SMLA": HyenaGLTSettings(shell=SHELL, backbone=dataclasses.replace(SMLA, base_distance=True)),
    "merged": HyenaGLTSettings(shell=SHELL, backbone=HYENA, merge=MergeConfig(where="each")),
    "gryphon": GryphonSettings(shell=SHELL, backbone=GRYPHON),
    "irregular": GryphonSettings(shell=SHELL, backbone=dataclasses.replace(GRYPHON, irregular=True)),
}
PATCHER = Patcher(PatcherConfig("fixed_stride", stride=5))


@pytest.fixture(scope="module")
def xla() -> torch.device:
    os.environ.setdefault("PJRT_DEVICE", "CPU")
    return choose_device("tpu")


def batch_of(lengths: list[int], mean_patch: int = 3) -> Batch:
    """Return records of random letters, cut at random."""
    generator = np.random.default_rng(lengths)
    records = [generator.choice(np.frombuffer(b"ACGT", np.uint8), length).astype(np.int64) for length in lengths]
    return make_batch(records, [generator.random(len(record) + 1) < 1 / mean_patch for record in records])


def example(settings) -> tuple[Batch, torch.Tensor]:
    batch = batch_of([90, 60])
    if settings.shell.objective == "causal":
        return batch, label_ids(batch)
    return hide_some(batch, 0.3, "hidden", 1, 0)


def loss_and_gradients(model, batch, labels, device) -> tuple[float, dict[str, torch.Tensor]]:
    loss = model(**batch.to(device).inputs(), labels=labels.to(device), return_logits=False).loss
    loss.backward()
    work_off(device)
    found = {name: p.grad.cpu() for name, p in model.named_parameters() if p.grad is not None}
    return loss.item(), found


def rms(x: torch.Tensor) -> float:
    return x.double().square().mean().sqrt().item()


@pytest.mark.parametrize("objective", ["causal", "masked"])
@pytest.mark.parametrize("name", MODELS)
def test_losses_and_gradients_are_those_of_the_cpu(xla, name, objective) -> None:
    settings = MODELS[name]
    if objective == "masked":
        settings = dataclasses.replace(settings, shell=dataclasses.replace(SHELL, objective="masked", window=3))
    model = new_model(settings, PATCHER, 1).train()
    there = copy.deepcopy(model).to(xla)
    batch, labels = example(settings)
    loss, gradients = loss_and_gradients(model, batch, labels, CPU)
    other_loss, others = loss_and_gradients(there, batch, labels, xla)
    assert other_loss == pytest.approx(loss, abs=LOSS)
    assert others.keys() == gradients.keys()
    off = {name: rms(others[name] - value) / max(rms(value), 1e-12) for name, value in gradients.items()}
    assert max(off.values()) <= GRADIENT, max(off, key=off.get)


def test_hashes_and_random_blocks_are_those_of_the_cpu(xla) -> None:
    generator = torch.Generator().manual_seed(0)
    streams = torch.randint(-(2**63), 2**63 - 1, (5, 1), generator=generator)
    counters = torch.arange(1000)
    assert torch.equal(splitmix64(streams.to(xla), counters.to(xla)).cpu(), splitmix64(streams, counters))
    counts = torch.tensor([7, 5])
    for bidirectional in (False, True):
        here, there = (BlockPattern(2, 0, 3, bidirectional=bidirectional) for _ in range(2))
        for mine, theirs in zip(here.key_blocks(7, counts), there.key_blocks(7, counts.to(xla)), strict=True):
            assert torch.equal(theirs.cpu(), mine)
    kmers = HashedKmers(8, (9, 12), 64)
    digits = torch.randint(0, 4, (2, 50), generator=generator)
    for mine, theirs in zip(kmers.rows(digits, 4), kmers.rows(digits.to(xla), 4), strict=True):
        assert torch.equal(theirs.cpu(), mine)


@pytest.mark.parametrize(("dim", "size", "step"), [(1, 3, 2), (-1, 5, 1), (0, 2, 1)])
def test_frames_are_those_of_the_cpu(xla, dim: int, size: int, step: int) -> None:
    x = torch.randn(3, 10, 5)
    assert torch.equal(frames(x.to(xla), dim, size, step).cpu(), frames(x, dim, size, step))


def test_steps_are_compiled_once_for_each_bucket_of_patch_counts(xla) -> None:
    """A batch is one of two buckets; what is compiled besides is for the first two of the optimizer's steps."""
    from torch_xla.debug import metrics

    def compiled() -> int:
        return (metrics.metric_data("CompileTime") or (0,))[0]

    learner = Learner(new_model(MODELS["gryphon"], PATCHER, 1), TrainConfig(steps=9, batch_size=2), Team(xla))
    counts, made = [], []
    for step, patches in enumerate([30, 39, 25, 38, 20]):
        record = np.full(120, ord("A"))
        starts = np.arange(121) < patches - 1  # and BOS is a patch
        batch = make_batch([record, record], [starts, starts])
        before = compiled()
        learner.backward([Part.of(batch, label_ids(batch), count_targets)], 1, step)
        learner.apply(1e-3 * (step + 1))
        counts.append(rows.bucket(patches))
        made.append(compiled() - before)
    assert sorted(set(counts)) == [32, 40]
    assert made[2:] == [0, 0, 0], made
    assert sum(made) <= 6, made


def test_a_run_on_the_device_is_that_on_the_cpu(xla, tmp_path) -> None:
    """Three steps of `genomelm pretrain`, with checkpoints and a reading."""
    generator = np.random.default_rng(5)
    (tmp_path / "g.fa").write_text(">c\n" + "".join(generator.choice(list("ACGT"), 4000)) + "\n")
    (tmp_path / "model.yaml").write_text(
        "family: gryphon\nshell: {local_width: 16, local_heads: 2, encoder_layers: 1, decoder_layers: 1, kmers: [2], "
        "width: 16}\nbackbone: {layers: 1, state: 8, heads: 2, block: 4, hidden: 16}\n"
    )
    (tmp_path / "train.yaml").write_text(
        "steps: 3\nbatch_size: 2\nwindow: 64\nevaluate_every: 3\ncheckpoint_minutes: 0\n"
    )
    regions = ["--train-region", "c:1-3000", "--test-region", "c:3001-4000"]
    run = CliRunner().invoke
    patch = ["patch", str(tmp_path / "g.fa"), "-o", str(tmp_path / "patch"), "--mode", "fixed_stride", "--mean", "6"]
    assert run(cli.app, [*patch, *regions]).exit_code == 0
    logs = []
    for device in ("cpu", "tpu"):
        files = {"genome": "g.fa", "patches": "patch", "model": "model.yaml", "train": "train.yaml"}
        given = [part for name, file in files.items() for part in (f"--{name}", str(tmp_path / file))]
        done = run(cli.app, ["pretrain", *given, *regions, "-o", str(tmp_path / device), "--device", device])
        assert done.exit_code == 0, done.stderr
        logs.append(json.loads((tmp_path / device / "log.jsonl").read_text().splitlines()[-1]))
    for name in ("train_bits", "test_bits", "gradient_norm"):
        assert math.isclose(logs[1][name], logs[0][name], rel_tol=1e-4), name
