"""What is seen of a model that is watched: maps of attention, norms of states and gradients."""

import numpy as np
import pytest
import torch
from small_batches import batch_of, each_model, labels_for

from genomelm.errors import UsageError
from genomelm.models import HyenaDNAConfig, HyenaDNAForCausalLM
from genomelm.models.hooks import ATTENTION, watching
from genomelm.nn.attention import ClassicAttention
from genomelm.nn.bigbird.reference import key_blocks
from genomelm.nn.rows import Rows
from genomelm.seq.alphabet import BOS

FORMS = {
    "rotary": {"family": "transformer"},
    "alibi": {"family": "transformer", "backbone": {"positions": "alibi"}},
    "alibi, window": {"family": "transformer", "backbone": {"positions": "alibi", "window": 3}},
    "classic": {"family": "transformer", "backbone": {"classic": True}},
    "striped": {"family": "hyena_glt", "backbone": {"layout": "LA", "window": 5}},
    "gryphon": {"family": "gryphon"},
    "merged": {"family": "transformer", "sections": {"merge": {"where": "each", "max": 4}}},
}


def values_of(operator, x: torch.Tensor) -> torch.Tensor:
    """Return the values (b, p, h, d) of an operator's input."""
    return operator.into(x).unflatten(-1, (3, operator.heads, -1))[:, :, 2]


@pytest.mark.parametrize("objective", ["causal", "masked"])
@pytest.mark.parametrize("form", FORMS)
@torch.no_grad()
def test_maps_times_values_are_what_attention_gave(make_model, records, form: str, objective: str) -> None:
    """They are its very weights then; and they sum to 1, and a causal one reads no later patch."""
    model = make_model(objective=objective, **FORMS[form])
    given: dict = {}
    for block in model.shell.backbone.blocks:
        block.mixer.register_forward_hook(lambda m, inputs, y: given.__setitem__(m, (*inputs, y)))
    batch = batch_of(model, records(230, 90))
    with watching(model, attention=True) as seen:
        model(**batch.inputs())
    names = {name: module for name, module in model.named_modules() if isinstance(module, ATTENTION)}
    assert seen.maps.keys() == names.keys()
    assert len(names) >= 1
    for name, found in seen.maps.items():
        x, rows, y = given[names[name]]
        mixed = torch.einsum("bhqk,bkhd->bqhd", found, values_of(names[name], x)).flatten(-2)
        torch.testing.assert_close(names[name].out(mixed), y, atol=2e-5, rtol=1e-5)
        total = found.sum(-1).transpose(1, 2)[rows.present]
        torch.testing.assert_close(total, torch.ones_like(total))
        assert found.transpose(1, 2)[~rows.present].abs().sum() == 0
        assert found.transpose(1, 3)[~rows.present].abs().sum() == 0
        later = torch.ones(found.shape[-2:], dtype=torch.bool).triu(1)
        assert (found[..., later].abs().sum() == 0) == (objective == "causal")


def naive(operator, x: torch.Tensor) -> torch.Tensor:
    """Return causal softmax weights in float64 of an operator that is told of no positions: (b, h, p, p)."""
    query, key, _ = operator.into(x).double().unflatten(-1, (3, operator.heads, -1)).unbind(2)
    logits = torch.einsum("bqhd,bkhd->bhqk", query, key) * query.shape[-1] ** -0.5
    return logits.masked_fill(torch.ones(logits.shape[-2:], dtype=torch.bool).triu(1), -torch.inf).softmax(-1)


@torch.no_grad()
def test_a_map_is_the_naive_softmax_and_rows_and_heads_are_chosen() -> None:
    torch.manual_seed(0)
    operator, x = ClassicAttention(12, 3), torch.randn(2, 20, 12)
    rows = Rows(torch.arange(0, 160, 8).expand(2, -1), torch.full((2, 20), 8))
    queries, heads = torch.tensor([7, 0, 19]), torch.tensor([2, 0])
    found = operator.weights(x, rows, queries, heads)
    torch.testing.assert_close(found.double(), naive(operator, x)[:, heads][:, :, queries], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("objective", ["causal", "masked"])
def test_bigbird_reads_nothing_outside_its_mask(make_model, records, objective: str) -> None:
    backbone = {"s5_blocks_per_layer": 0, "bigbird_blocks_per_layer": 1, "window": 1, "global_blocks": 1}
    model = make_model(family="gryphon", objective=objective, backbone=backbone)
    batch = batch_of(model, records(400))
    with watching(model, attention=True, rows=[61], heads=[1]) as seen:
        model(**batch.inputs())
    (found,) = seen.maps.values()
    operator = model.shell.backbone.blocks[0].mixer
    assert found.shape[:3] == (1, 1, 1)
    block, patches = operator.block, found.shape[-1]
    blocks = -(-patches // block)
    reads = key_blocks(operator.pattern, 1, 61 // block, blocks)
    summed = range((61 // block) // 2 * 2 if objective == "causal" else 0)  # the groups of 2, 4, 8 blocks before
    weights = torch.nn.functional.pad(found[0, 0, 0], (0, blocks * block - patches)).view(blocks, block).sum(-1)
    there = {n for n, weight in enumerate(weights.tolist()) if weight > 0}
    assert reads <= there <= reads | set(summed)
    assert len(there) < blocks


def test_a_map_too_large_is_refused_and_a_part_of_it_is_not(make_model, records) -> None:
    model = make_model(family="transformer")
    batch = batch_of(model, records(300))
    with watching(model, attention=True, rows=[5, 6], heads=[0], limit=500) as seen:
        model(**batch.inputs())
    assert [tuple(m.shape[:3]) for m in seen.maps.values()] == [(1, 1, 2)] * 2
    with watching(model, attention=True, limit=500), pytest.raises(UsageError, match="the limit is 500: choose fewer"):
        model(**batch.inputs())
    for wrong, said in (({"rows": [999]}, "no row 999"), ({"heads": [2]}, "no head 2 in .* choose 0 to 1")):
        with watching(model, attention=True, **wrong), pytest.raises(UsageError, match=said):
            model(**batch.inputs())


@each_model
def test_norms_are_those_of_autograd(make_model, records, family: str, objective: str) -> None:
    model = make_model(family=family, objective=objective)
    batch = batch_of(model, records(120, 60))
    kept: list = []
    blocks = model.shell.backbone.blocks

    def keep(_block, given: tuple, y: torch.Tensor) -> None:
        y.retain_grad()
        kept.append((given[1], y))

    for block in blocks:
        block.register_forward_hook(keep)
    with watching(model) as seen:
        loss = model(**batch.inputs(), labels=labels_for(model, batch)).loss
        assert [flow.gradient for flow in seen.flow()] == [None] * len(blocks)
        loss.backward()
    assert seen.maps == {}
    for flow, block, (rows, y), number in zip(seen.flow(), blocks, kept, range(len(blocks)), strict=True):
        assert flow.name == f"shell.backbone.blocks.{number}"
        parameters = torch.cat([p.grad.flatten() for p in block.parameters()]).norm()
        wanted = (y[rows.present].norm().item(), y.grad.norm().item(), parameters.item())
        assert flow[1:] == pytest.approx(wanted, rel=1e-5)
        assert min(wanted) > 0


def test_nothing_is_left_behind_and_the_numbers_are_the_same(make_model, records) -> None:
    model = make_model(family="gryphon")
    batch = batch_of(model, records(100))
    before = model(**batch.inputs()).logits
    with watching(model, attention=True):
        assert torch.equal(model(**batch.inputs()).logits, before)
    assert not any(module._forward_hooks for module in model.modules())


def test_hyenadna_is_watched_too(records) -> None:
    model = HyenaDNAForCausalLM(HyenaDNAConfig(shell={"local_width": 16}, backbone={"layers": 2, "hidden": 16}))
    ids = torch.from_numpy(np.r_[BOS, records(40)[0]])[None]
    with watching(model, attention=True) as seen:
        model(ids, patch_starts=torch.ones(1, 42, dtype=torch.bool), labels=ids).loss.backward()
    assert seen.maps == {}
    assert len(seen.flow()) == 2
    assert all(flow.gradient > 0 and flow.parameters > 0 for flow in seen.flow())
