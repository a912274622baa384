import pytest
import torch
from small_batches import FAMILIES, batch_of, labels_for, logits_of, states_of

from genomelm.models.config import HeadConfig, ShellConfig
from genomelm.models.heads import IGNORED, TokenHead
from genomelm.seq.alphabet import BOS, PAD

LABELS = torch.tensor([[IGNORED, 0, 1, 1, 0, IGNORED, 1], [IGNORED, 1, 0, 0, *[IGNORED] * 3]])


def head(**settings) -> TokenHead:
    torch.manual_seed(1)
    return TokenHead(ShellConfig(local_width=16), HeadConfig(kind="token_classification", **settings)).eval()


@pytest.mark.parametrize("outputs", [1, 3])
def test_each_byte_has_its_own_logits_from_its_own_state(outputs: int) -> None:
    states, ids, mask = states_of("ACGTAC", "ACG")
    made = head(outputs=outputs)
    logits = made(states, ids, mask)
    assert logits.shape == (2, 7, outputs)
    assert logits.dtype == torch.float32
    other = states.clone()
    other[0, 3] += 1
    moved = (made(other, ids, mask) - logits).abs().amax(-1)
    assert moved[0, 3] > 1e-3
    assert moved.count_nonzero() == 1


def test_the_loss_of_one_output_is_the_binary_one_over_the_labelled_bytes() -> None:
    states, ids, mask = states_of("ACGTAC", "ACG")
    made = head(outputs=1)
    p = made(states, ids, mask)[..., 0].double().sigmoid()
    known = LABELS != IGNORED
    assert known.sum() == 8
    expected = -torch.where(LABELS == 1, p, 1 - p).log()[known].mean()
    for labels in (LABELS, LABELS.float()):
        torch.testing.assert_close(made.loss(states, ids, mask, labels).double(), expected, atol=1e-6, rtol=0)


def test_the_loss_of_several_outputs_is_the_cross_entropy_over_the_labelled_bytes() -> None:
    states, ids, mask = states_of("ACGTAC", "ACG")
    made, labels = head(outputs=3), LABELS.clone()
    labels[0, 4] = 2
    log_p = made(states, ids, mask).double().log_softmax(-1)
    picked = [-log_p[n, i, labels[n, i]] for n, i in (labels != IGNORED).nonzero().tolist()]
    expected = torch.stack(picked).mean()
    torch.testing.assert_close(made.loss(states, ids, mask, labels).double(), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("outputs", [1, 3])
def test_bytes_without_a_label_have_no_part_in_loss_or_gradient(outputs: int) -> None:
    states, ids, mask = states_of("ACGTAC", "ACG")
    made = head(outputs=outputs)
    before = made.loss(states, ids, mask, LABELS)
    other = torch.where((LABELS == IGNORED)[..., None], 1e3, states).requires_grad_()
    loss = made.loss(other, ids, mask, LABELS)
    torch.testing.assert_close(loss, before)
    loss.backward()
    assert torch.equal(other.grad.abs().amax(-1) > 0, LABELS != IGNORED)
    assert made.loss(states, ids, mask, torch.full_like(LABELS, IGNORED)) == 0


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_gives_every_byte_of_a_batch_its_logits(make_model, records, family: str) -> None:
    model = make_model("token_classification", {"outputs": 2}, family=family)
    batch = batch_of(model, records(40, 25))
    labels = labels_for(model, batch)
    assert (labels[(batch.ids == BOS) | (batch.ids == PAD)] == IGNORED).all()
    found = model(**batch.inputs(), labels=labels)
    assert found.logits.shape == (2, 41, 2)
    known = labels != IGNORED
    assert known.sum() == 65
    expected = torch.nn.functional.cross_entropy(found.logits[known], labels[known])
    torch.testing.assert_close(found.loss, expected)


def test_causal_token_logits_read_no_later_byte_and_masked_ones_do(make_model, records) -> None:
    record = records(60)[0]
    other = record.copy()
    other[32] = 65 if record[32] != 65 else 67
    for objective, earlier in (("causal", False), ("masked", True)):
        model = make_model("token_classification", objective=objective)
        moved = (logits_of(model, [other]) - logits_of(model, [record])).abs()[0, :, 0]
        assert moved[33] > 1e-3
        assert (moved[:33].max() > 1e-3) == earlier
