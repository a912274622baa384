"""Any length runs, nothing is kept from the first one seen, and bf16 stays near float32."""

import numpy as np
import pytest
import torch
from small_batches import batch_of, each_kind, each_model, labels_for, logits_of


@each_model
@pytest.mark.parametrize("length", [0, 1, 2, 127, 128, 129, 1500])
def test_any_length_runs_and_nothing_is_kept_from_the_first_one(
    make_model, records, family, objective, length: int
) -> None:
    model = make_model(family=family, objective=objective)  # its target length is 128
    record = records(length)[0]
    before = logits_of(model, [record])
    logits_of(model, records(333))
    assert before.shape == (1, 1 + length, 260)
    assert before.isfinite().all()
    assert torch.equal(logits_of(model, [record]), before)


@each_kind
@each_model
@torch.no_grad()
def test_bf16_autocast_stays_within_three_percent_of_float32(make_model, records, family, objective, kind) -> None:
    """Tolerance: root mean square of the difference at most 3 % of the logits' own."""
    model = make_model(kind, {"outputs": 3}, family=family, objective=objective)
    made = records(100, 180)
    batch = batch_of(model, [*made, *(np.r_[record[:40], record[43:]] for record in made)])  # alleles with a deletion
    labels = labels_for(model, batch)
    exact = model(**batch.inputs(), labels=labels)
    with torch.autocast("cpu", torch.bfloat16):
        rough = model(**batch.inputs(), labels=labels)
    error = (rough.logits.float() - exact.logits).pow(2).mean().sqrt()
    assert 0 < error <= 0.03 * exact.logits.pow(2).mean().sqrt()
    assert abs(rough.loss - exact.loss) <= 0.03 * exact.loss
