"""Models whose blocks run on merged patches."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from small_batches import batch_of, each_family, each_model, labels_for, logits_of

from genomelm.errors import UsageError
from genomelm.models import GenomeModel
from genomelm.models.backbone import Backbone
from genomelm.models.classes import CLASSES
from genomelm.models.config import MergeConfig
from genomelm.models.families import HyenaGLTConfig
from genomelm.nn.rows import Rows
from genomelm.training.config import TrainConfig
from genomelm.training.optimizer import make_optimizer, parameter_groups

each_place = pytest.mark.parametrize("where", ["span", "each"])


@pytest.fixture
def merging(make_model) -> Callable[..., GenomeModel]:
    """A small model with merging, otherwise that of `make_model`: same weights, same patcher."""

    def make(where: str, family: str = "hyena_glt", objective: str = "causal", **merge) -> GenomeModel:
        plain = make_model(family=family, objective=objective)
        config = type(plain.config)(
            shell=plain.config.shell, backbone=plain.config.backbone, merge={"where": where, **merge}
        )
        torch.manual_seed(3)
        model = type(plain)(config, plain.patcher).eval()
        missing, unknown = model.load_state_dict(plain.state_dict(), strict=False)
        assert not unknown
        assert missing
        assert all(".backbone.mergers." in name for name in missing)
        for merger in model.shell.backbone.mergers:
            torch.nn.init.normal_(merger.key.weight, std=0.2)
            torch.nn.init.normal_(merger.taps, std=0.2)
        return model

    return make


class Told:
    """The boundaries that mergers decided, as places (b, m) of merged rows."""

    def __init__(self, model: GenomeModel) -> None:
        self.places: list[torch.Tensor] = []
        for merger in model.shell.backbone.mergers:
            merger.register_forward_pre_hook(self._listen)

    def _listen(self, _module: torch.nn.Module, inputs: tuple) -> tuple:
        x, rows, inner = inputs

        def heard(z: torch.Tensor, merged: Rows) -> torch.Tensor:
            self.places.append(merged.places.masked_fill(~merged.present, -1))
            return inner(z, merged)

        return x, rows, heard


def held(model: GenomeModel) -> GenomeModel:
    """Let the places of patches decide boundaries, so that rounding cannot."""

    def hold(_module: torch.nn.Module, inputs: tuple) -> tuple:
        return (*inputs, inputs[1].places * 7919 % 5 < 2)

    for merger in model.shell.backbone.mergers:
        merger.register_forward_pre_hook(hold)
    return model


@each_place
@each_family
def test_no_logit_moves_when_every_later_base_changes(merging, records, family: str, where: str) -> None:
    model = merging(where, family)
    told = Told(model)
    (record,) = records(120)
    whole, first = logits_of(model, [record]), len(model.shell.backbone.mergers)
    for cut in (1, 40, 77, 119):
        told.places[first:] = []
        other = record.copy()
        other[cut:] = np.array([84, 71, 67, 65, 78])[np.searchsorted([65, 67, 71, 84, 78], record[cut:]) % 5]
        changed = logits_of(model, [other])
        torch.testing.assert_close(changed[:, : cut + 1], whole[:, : cut + 1], rtol=1e-4, atol=1e-4)
        assert (changed[:, cut + 1 :] - whole[:, cut + 1 :]).abs().max() > 0.01
        if cut < 100:
            assert told.places[0].tolist() != told.places[first].tolist()  # later boundaries moved with the bases


@each_place
@each_model
def test_a_row_of_a_batch_is_the_row_alone(merging, records, family: str, objective: str, where: str) -> None:
    model = held(merging(where, family, objective))
    made = records(90, 31, 66)
    whole = logits_of(model, made)
    for n, record in enumerate(made):
        alone = logits_of(model, [record])[0]
        torch.testing.assert_close(whole[n, : len(record) + 1], alone, rtol=1e-3, atol=1e-4)


@each_place
@each_family
def test_every_patch_a_boundary_is_the_model_without_merging(make_model, merging, records, family, where) -> None:
    plain, model = make_model(family=family), merging(where, family, taps=4)
    for merger in model.shell.backbone.mergers:
        torch.nn.init.zeros_(merger.taps)
        torch.nn.init.constant_(merger.bias, 1.0)  # every probability is 1
    made = records(90, 31)
    torch.testing.assert_close(logits_of(model, made), logits_of(plain, made), rtol=1e-3, atol=1e-4)


def test_without_merging_nothing_is_made_and_blocks_run_as_they_did(make_model) -> None:
    model = make_model()
    backbone, rows = model.shell.backbone, Rows(torch.arange(20)[None] * 5, torch.full((1, 20), 5))
    x = torch.randn(1, 20, model.config.shell["width"])
    y = x
    for block in backbone.blocks:
        y = y + block.mixer(block.mixer_norm(y), rows)
        y = y + block.mlp(block.mlp_norm(y))
    assert torch.equal(backbone(x, rows), backbone.norm(y))
    assert not any("merger" in name for name, _ in model.named_parameters())
    assert not rows.losses


def test_a_span_leaves_the_other_blocks_all_rows(make_model) -> None:
    """Blocks before and after a span of no effect run as without merging."""
    blocks = make_model(backbone={"layers": 3}).shell.backbone.blocks
    rows = Rows(torch.arange(30)[None] * 5, torch.full((1, 30), 5))
    width = blocks[0].mlp_norm.weight.shape[0]
    x, seen = torch.randn(1, 30, width), []
    for block in blocks:
        block.register_forward_pre_hook(lambda _, inputs: seen.append(int(inputs[1].present.sum())))
    backbone = Backbone(width, blocks, MergeConfig("span", first=1, last=2, mean=3)).eval()
    backbone(x, rows)
    assert seen[0] == seen[2] == 30
    assert seen[1] < 30


@each_place
def test_the_ratio_losses_join_the_training_loss_alone(merging, records, where: str) -> None:
    model = merging(where, weight=0.5)
    batch = batch_of(model, records(60, 50))
    labels, losses = labels_for(model, batch), {}
    for training in (True, False):
        losses[training] = model.train(training)(**batch.inputs(), labels=labels).loss
    assert (losses[True] - losses[False]).abs() > 1e-3
    losses[True].backward()
    assert all(merger.bias.grad.abs() > 0 for merger in model.shell.backbone.mergers)


@each_place
def test_every_parameter_has_a_gradient_and_one_group(merging, records, where: str) -> None:
    model = merging(where).train()
    batch = batch_of(model, records(60, 50))
    model(**batch.inputs(), labels=labels_for(model, batch)).loss.backward()
    mergers = {name: p for name, p in model.named_parameters() if ".mergers." in name}
    assert len(mergers) == 4 * len(model.shell.backbone.mergers)
    assert all(parameter.grad.abs().max() > 0 for parameter in mergers.values())
    groups = parameter_groups(model, TrainConfig())
    assert sorted(id(p) for group in groups for p in group["params"]) == sorted(id(p) for p in model.parameters())
    of = {id(p): group["name"] for group in groups for p in group["params"]}
    for name, parameter in mergers.items():
        assert of[id(parameter)] == ("latent" if name.endswith("weight") else "latent, no decay")


@each_place
def test_the_mean_of_a_model_comes_within_a_tenth_of_its_target(make_model, patcher, where: str) -> None:
    plain = make_model()
    torch.manual_seed(0)
    config = HyenaGLTConfig(shell=plain.config.shell, backbone=plain.config.backbone, merge={"where": where, "mean": 3})
    model = CLASSES["genomelm_hyena_glt", "causal_lm"](config, patcher).train()
    optimizer, told, random = make_optimizer(model, TrainConfig()), Told(model), np.random.default_rng(0)
    for group in optimizer.param_groups:
        group["lr"] = TrainConfig().learning_rate * group["share"]
    ratios = []
    for _ in range(40):
        made = [random.choice(np.array([65, 67, 71, 84]), 120) for _ in range(3)]
        batch = batch_of(model, made)
        told.places.clear()
        loss = model(**batch.inputs(), labels=labels_for(model, batch), return_logits=False).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        patches = int(batch.starts[:, :-1].sum())
        ratios.append([patches / int((places >= 0).sum()) for places in told.places])
    for ratio in np.array(ratios)[-15:].mean(0):
        assert ratio == pytest.approx(3, rel=0.1)


def test_merged_models_are_not_decoded_row_by_row(make_model) -> None:
    blocks = make_model(backbone={"layout": "S"}).shell.backbone.blocks
    assert Backbone(48, blocks).constant_state
    backbone = Backbone(48, blocks, MergeConfig("each"))
    assert not backbone.constant_state
    with pytest.raises(UsageError, match=r"merge\.where"):
        backbone.initial_state(1)


def test_settings_that_cannot_be_met_are_refused(make_model) -> None:
    with pytest.raises(UsageError, match=r"merge\.mean is 2\.0.*merge\.min 3"):
        MergeConfig(min=3)
    blocks = make_model().shell.backbone.blocks
    for span in ({"first": 2}, {"last": 3}, {"first": 1, "last": 1}):
        with pytest.raises(UsageError, match=r"merge\.first is .* has 2 blocks"):
            Backbone(48, blocks, MergeConfig("span", **span))
