"""Laws of the whole model, in every form of Gryphon."""

import numpy as np
import pytest
import torch
from layouts import GRYPHON_FORMS, each_objective
from leaks import TOLERANCE, largest_leak
from small_batches import batch_of, bits_of, labels_for

from genomelm.errors import UsageError
from genomelm.models.families import GryphonConfig
from genomelm.models.gryphon import StateBlock
from genomelm.nn.bigbird import BigBirdAttention
from genomelm.nn.rows import Rows
from genomelm.nn.s5 import GatedStateSpace, S5Operator, StateSpace
from genomelm.training.config import TrainConfig
from genomelm.training.evaluation import mixers_of
from genomelm.training.optimizer import parameter_groups
from genomelm.training.removals import as_mean

each_form = pytest.mark.parametrize("form", GRYPHON_FORMS)


@pytest.fixture
def make(make_model):
    def made(form: str, objective: str = "causal", **more):
        return make_model(family="gryphon", objective=objective, backbone=GRYPHON_FORMS[form], **more)

    return made


@each_form
def test_no_logit_depends_on_a_later_byte(make, records, form: str) -> None:
    model, record = make(form), records(220)[0]
    assert largest_leak(model, record, list(range(-1, 219, 20)), np.random.default_rng(0)) < TOLERANCE


@each_objective
@each_form
@torch.no_grad()
def test_a_row_of_a_padded_batch_is_the_row_alone_down_to_its_states(make, records, form: str, objective: str) -> None:
    model, made = make(form, objective), records(60, 7, 161, 33)
    batch = batch_of(model, made)
    together = model(**batch.inputs())
    for row, record in enumerate(made):
        alone = model(**batch_of(model, [record]).inputs())
        for found, exact in ((together.hidden_states, alone.hidden_states), (together.logits, alone.logits)):
            torch.testing.assert_close(found[row, : len(record) + 1], exact[0], atol=2e-5, rtol=1e-5)


@each_objective
@each_form
@torch.no_grad()
def test_bf16_autocast_stays_within_three_percent_and_keeps_states_in_float32(
    make, records, form: str, objective: str
) -> None:
    model = make(form, objective)
    batch, kinds = batch_of(model, records(180, 100)), set()
    for space in (m for m in model.modules() if isinstance(m, StateSpace)):
        space.register_forward_hook(lambda _m, given, found: kinds.update(x.dtype for x in (given[0], *found)))
    exact = model(**batch.inputs()).logits
    with torch.autocast("cpu", torch.bfloat16):
        rough = model(**batch.inputs()).logits
    assert 0 < (rough.float() - exact).pow(2).mean().sqrt() <= 0.03 * exact.pow(2).mean().sqrt()
    assert kinds <= {torch.float32}


@each_objective
@each_form
def test_training_and_evaluation_are_the_same_function(make, records, form: str, objective: str) -> None:
    model = make(form, objective)
    batch = batch_of(model, records(180, 100))
    labels = labels_for(model, batch)
    found = [model.train(mode)(**batch.inputs(), labels=labels) for mode in (True, False)]
    assert torch.equal(found[0].logits, found[1].logits)
    assert torch.equal(found[0].loss, found[1].loss)


@each_objective
@each_form
def test_every_parameter_is_in_one_group_and_gets_a_gradient(make, records, form: str, objective: str) -> None:
    model = make(form, objective).train()
    groups = parameter_groups(model, TrainConfig(steps=1))
    assert sorted(id(p) for g in groups for p in g["params"]) == sorted(id(p) for p in model.parameters())
    slow = {id(p) for g in groups if g["name"].startswith("state space") for p in g["params"]}
    assert slow == {id(p) for m in model.modules() if isinstance(m, StateSpace) for p in m.parameters()}
    assert all(g["weight_decay"] == 0 for g in groups if g["name"].startswith("state space"))
    batch = batch_of(model, records(150, 120, 90))
    bits_of(model, batch, labels_for(model, batch)).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or p.grad.abs().max() == 0] == []


@each_form
@torch.no_grad()
def test_each_operator_has_a_say(make, records, form: str) -> None:
    model = make(form, loud=False)
    batch = batch_of(model, records(160, 120))
    before, mixers = model(**batch.inputs()).logits, mixers_of(model)
    names = {"attention alone": {"bigbird"}, "states alone": {"s5"}}.get(form, {"s5", "bigbird"})
    assert set(mixers) == names
    for modules in mixers.values():
        for module in modules:
            with as_mean([module]):
                assert (model(**batch.inputs()).logits - before).abs().max() > 1e-4


def test_blueprints_are_made_of_their_blocks(make) -> None:
    kinds = [type(block.mixer) for block in make("two of each").shell.backbone.blocks]
    assert kinds == 2 * [S5Operator, S5Operator, BigBirdAttention, BigBirdAttention]
    blocks = make("b").shell.backbone.blocks
    assert [(type(b), type(b.mixer), type(b.mlp)) for b in blocks] == 2 * [
        (StateBlock, BigBirdAttention, GatedStateSpace)
    ]
    attention = [m.pattern.layer for m in make("two of each").modules() if isinstance(m, BigBirdAttention)]
    assert attention == [0, 1, 2, 3]


@pytest.mark.parametrize("form", ["a", "b, irregular"])
def test_one_batch_overfits_to_a_twentieth_of_a_bit_per_base(make, records, form: str) -> None:
    model = make(form, loud=False, kmers=[]).train()
    batch = batch_of(model, records(96, 80))
    labels = labels_for(model, batch)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=0.0)
    for _ in range(300):
        optimizer.zero_grad()
        loss = bits_of(model, batch, labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if loss <= 0.03:
            break
    assert bits_of(model.eval(), batch, labels) <= 0.05


def test_irregular_steps_read_the_lengths(make) -> None:
    """Patches of other lengths, at the same places for all that attention knows."""
    x = torch.randn(1, 30, 48)
    for form in ("states alone", "irregular"):
        backbone = make(form).shell.backbone
        short, long = (backbone(x, Rows(torch.arange(30)[None] * 16, torch.full((1, 30), n))) for n in (4, 16))
        assert ((short - long).abs().max() > 1e-2) == (form == "irregular")


@pytest.mark.parametrize(
    ("backbone", "words"),
    [
        ({"s5_blocks_per_layer": 0, "bigbird_blocks_per_layer": 0}, "are both 0"),
        ({"blueprint": "b", "s5_blocks_per_layer": 2}, "leave s5_blocks_per_layer at 1"),
        ({"blueprint": "b", "bigbird_blocks_per_layer": 0}, "bigbird_blocks_per_layer to 1 or more"),
        ({"blueprint": "c"}, "'c' is not one of"),
    ],
)
def test_backbones_that_cannot_be_are_refused(backbone: dict, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        GryphonConfig(backbone=backbone)
