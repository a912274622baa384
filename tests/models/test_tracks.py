"""A regression of each base: a number a byte in the labels' units, learned where there is one."""

import math

import pytest
import torch
from small_batches import each_family, states_of

from genomelm.errors import UsageError
from genomelm.models.config import HeadConfig, ShellConfig
from genomelm.models.encoding import make_batch
from genomelm.models.heads import SequenceHead, TokenHead, make_head

NAN = math.nan
LABELS = torch.tensor([[NAN, 0.5, -1.0, -100.0, NAN, 2.0, 0.25], [NAN, 3.0, NAN, 1.0, *[NAN] * 3]])


def head(**settings) -> TokenHead:
    torch.manual_seed(1)
    return make_head(ShellConfig(local_width=16), HeadConfig(kind="regression", per_base=True, **settings)).eval()


def test_per_base_chooses_between_a_track_and_a_number_a_sequence() -> None:
    assert isinstance(head(), TokenHead)
    assert isinstance(make_head(ShellConfig(local_width=16), HeadConfig(kind="regression")), SequenceHead)
    with pytest.raises(UsageError, match="per_base is of regressions, and the kind is token_classification"):
        HeadConfig(kind="token_classification", per_base=True)


def test_the_track_is_in_the_labels_units() -> None:
    inputs = states_of("ACGTAC", "ACG")
    plain, scaled = head(outputs=2), head(outputs=2, mean=7.0, scale=0.5)
    assert plain(*inputs).shape == (2, 7, 2)
    torch.testing.assert_close(scaled(*inputs), plain(*inputs) * 0.5 + 7)


def test_the_loss_is_the_squared_error_in_deviations_over_the_bytes_that_have_a_number() -> None:
    inputs = states_of("ACGTAC", "ACG")
    made = head(mean=-2.0, scale=3.0)
    known = ~LABELS.isnan()
    assert known.sum() == 7
    expected = (((made(*inputs)[..., 0] - LABELS) / 3.0) ** 2)[known].mean()
    for labels in (LABELS, LABELS[..., None]):
        torch.testing.assert_close(made.loss(*inputs, labels), expected)


def test_outputs_are_scored_one_by_one() -> None:
    inputs = states_of("ACGTAC", "ACG")
    made, labels = head(outputs=2), torch.stack([LABELS, LABELS.flip(1)], -1)
    known = ~labels.isnan()
    expected = ((made(*inputs) - labels) ** 2)[known].mean()
    torch.testing.assert_close(made.loss(*inputs, labels), expected)


def test_bytes_without_a_number_have_no_part_in_loss_or_gradient() -> None:
    states, ids, mask = states_of("ACGTAC", "ACG")
    made = head()
    before = made.loss(states, ids, mask, LABELS)
    other = torch.where(LABELS.isnan()[..., None], 1e3, states).requires_grad_()
    loss = made.loss(other, ids, mask, LABELS)
    torch.testing.assert_close(loss, before)
    loss.backward()
    assert other.grad.isfinite().all()
    assert torch.equal(other.grad.abs().amax(-1) > 0, ~LABELS.isnan())
    assert made.loss(states, ids, mask, torch.full_like(LABELS, NAN)) == 0


@each_family
def test_a_track_is_learned(make_model, records, family: str) -> None:
    """The share of G and C among the last five bases."""
    model = make_model("regression", {"per_base": True, "mean": 0.5, "scale": 0.2}, family=family, loud=False).train()
    made = records(80, 60)
    batch = make_batch(made, [model.patcher.marks(record) for record in made])
    is_gc = torch.isin(batch.ids, torch.tensor([67, 71])).float()
    labels = torch.nn.functional.avg_pool1d(torch.nn.functional.pad(is_gc[:, None], (4, 0)), 5, 1)[:, 0]
    labels = labels.masked_fill(~batch.mask | (batch.ids > 255), NAN)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(60):
        optimizer.zero_grad()
        loss = model(**batch.inputs(), labels=labels, return_logits=False).loss
        loss.backward()
        optimizer.step()
    assert loss < 0.1
    found = model.eval()(**batch.inputs()).logits[..., 0]
    known = ~labels.isnan()
    assert (found - labels)[known].abs().mean() < 0.1
