"""What is trained: all weights, the head alone, or low-rank adapters that end as plain weights."""

import dataclasses

import numpy as np
import pytest
import torch
from small_runs import CPU, SETTINGS, settings_of

from genomelm.errors import UsageError
from genomelm.models import load_model
from genomelm.models.config import CNNSettings
from genomelm.patching.config import PatcherConfig
from genomelm.patching.patcher import Patcher
from genomelm.tasks.config import TaskConfig
from genomelm.tasks.examples import Examples
from genomelm.training.config import TrainConfig
from genomelm.training.finetune import finetune, finetune_tasks, predict_task, task_model
from genomelm.training.optimizer import parameter_groups
from genomelm.training.pretrain import new_model
from genomelm.training.task_batches import TaskBatches
from genomelm.training.tuning import Tuning

TASK = TaskConfig("gc")
CONFIG = TrainConfig(steps=12, batch_size=8, learning_rate=1e-2, latent_rate=1.0, evaluate_every=12)
PATCHES = PatcherConfig("fixed_stride", stride=3)


def fresh(family: str, objective: str = "causal"):
    return new_model(settings_of(family, objective), Patcher(PATCHES), 1)


def data(count: int = 160) -> Examples:
    random = np.random.default_rng(0)
    texts = tuple("".join(random.choice(list("ACGT"), 24)) for _ in range(count))
    splits = np.array((["train"] * 5 + ["validation", "test", "test"]) * (count // 8))
    labels = np.array([float(text.count("G")) for text in texts])
    return Examples(tuple(map(str, range(count))), texts, labels, splits)


def tuned(kind: str, family: str = "hyena_glt", **more) -> tuple:
    model = task_model(fresh(family), TASK, np.array([0.0, 1.0]), 1)
    return model, Tuning(model, dataclasses.replace(CONFIG, tune=kind, **more), 1)


def loss_of(model) -> torch.Tensor:
    batches, examples = TaskBatches(TASK, model.patcher), data()
    labels = batches.labels(examples, np.arange(8), np.zeros(8, bool))
    return model(**batches.batch(examples, np.arange(8)).inputs(), labels=labels).loss


@pytest.mark.parametrize("family", SETTINGS)
def test_a_frozen_trunk_keeps_its_weights_and_stores_no_gradients(family):
    model, tuning = tuned("frozen", family)
    saved: list = []  # what autograd keeps for the backward pass
    with torch.autograd.graph.saved_tensors_hooks(lambda x: saved.append(x.shape) or x, lambda x: x):
        loss = loss_of(model)
    loss.backward()
    assert all(p.grad is None for p in model.shell.parameters())
    assert all(p.grad is not None for p in model.head.parameters())
    width = model.config.shell["width"]
    assert len(saved) < 60
    assert not any(len(shape) == 3 and shape[-1] == 3 * width for shape in saved)  # no state of the backbone's layers
    head = sum(p.numel() for p in model.head.parameters())
    assert tuning.facts == {"tune": "frozen", "trained_parameters": head}
    grouped = [id(p) for group in parameter_groups(model, CONFIG) for p in group["params"]]
    assert sorted(grouped) == sorted(id(p) for p in model.head.parameters())


def test_a_frozen_run_changes_the_head_alone_and_learns(tmp_path):
    pretrained = fresh("hyena_glt")
    before = {name: value.clone() for name, value in pretrained.shell.state_dict().items()}
    config = dataclasses.replace(CONFIG, tune="frozen", steps=200, evaluate_every=200)
    start = task_model(pretrained, TASK, data().where("train").labels, 1).head.state_dict()
    model, _, predicted = finetune(pretrained, TASK, data(), config, 1, tmp_path / "a", CPU, "x")
    assert all(torch.equal(value, before[name]) for name, value in model.shell.state_dict().items())
    assert all(not torch.equal(value, start[name]) for name, value in model.head.state_dict().items())
    assert np.corrcoef(predicted, data().where("test").labels)[0, 1] > 0.35


@pytest.mark.parametrize("family", SETTINGS)
def test_every_linear_layer_of_the_trunk_has_an_adapter_that_learns(family):
    model, tuning = tuned("lora", family, lora_rank=3)
    linear = [m for m in fresh(family).shell.modules() if type(m) is torch.nn.Linear]
    assert tuning.facts["adapter_parameters"] == sum(3 * (m.in_features + m.out_features) for m in linear)
    assert tuning.facts["adapter_bytes"] == 4 * tuning.facts["adapter_parameters"]
    # B starts at zero: A's gradient is zero in the first step, and not in the next
    loss_of(model).backward()
    trained = {name: p for name, p in model.shell.named_parameters() if p.requires_grad}
    assert len(trained) == 2 * len(linear)
    assert all("lora_" in name for name in trained)
    still = [name for name, p in trained.items() if "lora_B" in name and not p.grad.abs().max() > 0]
    assert not still
    torch.optim.SGD(trained.values(), lr=0.02).step()
    model.zero_grad()
    loss_of(model).backward()
    assert all(p.grad.abs().max() > 0 for p in trained.values())
    assert all(p.grad is None for name, p in model.shell.named_parameters() if name not in trained)


@pytest.mark.parametrize("family", SETTINGS)
def test_adapters_change_nothing_at_first_and_are_added_to_plain_weights_at_the_end(family, tmp_path):
    plain = task_model(fresh(family), TASK, np.array([0.0, 1.0]), 1).eval()
    model, tuning = tuned("lora", family)
    model.eval()
    batches, examples = TaskBatches(TASK, model.patcher), data()
    expected = predict_task(plain, batches, examples, CPU)
    assert predict_task(model, batches, examples, CPU) == pytest.approx(expected, abs=1e-6)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, p in model.shell.named_parameters():
            if "lora_B" in name:
                p.copy_(0.05 * torch.randn(p.shape, generator=generator))
    moved = predict_task(model, batches, examples, CPU)
    assert moved != pytest.approx(expected, abs=1e-3)
    tuning.finish()
    assert model.state_dict().keys() == plain.state_dict().keys()
    assert predict_task(model, batches, examples, CPU) == pytest.approx(moved, abs=1e-5)
    model.save_pretrained(tmp_path / "m")
    assert predict_task(load_model(tmp_path / "m"), batches, examples, CPU) == pytest.approx(moved, abs=1e-5)


def test_a_lora_run_learns_and_moves_no_weight_beyond_its_rank(tmp_path):
    pretrained = fresh("hyena_glt")
    config = dataclasses.replace(CONFIG, tune="lora", lora_rank=2, steps=150, evaluate_every=150)
    found = finetune_tasks(pretrained, [(TASK, data())], config, 1, tmp_path / "a", CPU, "x")
    before, after = pretrained.shell.state_dict(), found.model.shell.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    linear = {f"{n}.weight" for n, m in pretrained.shell.named_modules() if type(m) is torch.nn.Linear}
    assert changed == linear
    for name in changed:
        ranks = torch.linalg.svdvals((after[name] - before[name]).double())
        assert (ranks[2:] < 1e-5 * ranks[0] + 1e-7).all()
    assert np.corrcoef(found.predictions["gc"], data().where("test").labels)[0, 1] > 0.35
    assert found.tuning["lora_rank"] == 2


def test_adapters_are_drawn_from_the_seed():
    drawn = []
    for seed in (1, 1, 2):
        model = task_model(fresh("hyena_glt"), TASK, np.array([0.0, 1.0]), 1)
        Tuning(model, dataclasses.replace(CONFIG, tune="lora"), seed)
        drawn.append(torch.cat([p.flatten() for n, p in model.named_parameters() if "lora_A" in n]))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_a_trunk_without_linear_layers_takes_no_adapters():
    model = task_model(new_model(CNNSettings(), Patcher(PATCHES), 1), TASK, np.array([0.0, 1.0]), 1)
    with pytest.raises(UsageError, match="trunk has no linear layers: set tune to full or frozen"):
        Tuning(model, dataclasses.replace(CONFIG, tune="lora"), 1)
