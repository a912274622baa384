"""Blocks that run again in the backward pass: the same gradients from less memory."""

import pytest
import torch
from small_batches import batch_of, labels_for

from genomelm.models import GenomeModel

MODELS = {
    "hyena_glt": {"family": "hyena_glt"},
    "gryphon": {"family": "gryphon"},
    "irregular": {"family": "gryphon", "backbone": {"irregular": True}},
    "transformer": {"family": "transformer"},
    "masked": {"family": "gryphon", "objective": "masked"},
    "merged span": {"sections": {"merge": {"where": "span", "mean": 2.0, "max": 4}}},
    "merged each": {"sections": {"merge": {"where": "each", "mean": 2.0, "max": 4}}},
}


def step(model: GenomeModel, batch) -> tuple[torch.Tensor, dict[str, torch.Tensor], int]:
    """Return the loss, each parameter's gradient, and the bytes that the forward pass keeps for them."""
    ours = {p.untyped_storage().data_ptr() for p in model.parameters()}
    saved: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in ours:
            saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    model.zero_grad()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = model(**batch.inputs(), labels=labels_for(model, batch), return_logits=False).loss
    loss.backward()
    return loss.detach(), {name: p.grad.clone() for name, p in model.named_parameters()}, sum(saved.values())


@pytest.mark.parametrize("name", MODELS)
def test_gradients_are_the_same_and_less_is_kept_for_them(make_model, records, name: str) -> None:
    model = make_model(**MODELS[name]).train()
    batch = batch_of(model, records(300, 211))
    loss, gradients, kept = step(model, batch)
    model.gradient_checkpointing_enable()
    assert model.is_gradient_checkpointing
    again, others, less = step(model, batch)
    assert torch.equal(again, loss)
    assert less < 0.8 * kept
    for parameter, gradient in gradients.items():
        torch.testing.assert_close(others[parameter], gradient, rtol=1e-5, atol=1e-7, msg=parameter)
    model.gradient_checkpointing_disable()
    assert step(model, batch)[2] == kept


def test_a_reentrant_run_is_not_what_is_done(make_model, records) -> None:
    """Its first pass has no gradients, and the losses of merging would have none."""
    model = make_model(**MODELS["merged each"]).train()
    batch = batch_of(model, records(120))
    gradients = step(model, batch)[1]
    model.gradient_checkpointing_enable({"use_reentrant": True})
    others = step(model, batch)[1]
    for parameter, gradient in gradients.items():
        torch.testing.assert_close(others[parameter], gradient, rtol=1e-5, atol=1e-7, msg=parameter)
