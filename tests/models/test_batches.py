import numpy as np
import pytest
import torch

from genomelm.errors import InputError, UsageError
from genomelm.models import GenomeModel, HyenaGLTConfig, HyenaGLTForCausalLM
from genomelm.models.encoding import make_batch, segment_records
from genomelm.seq.alphabet import BOS, EOS, MASK, PAD

KINDS = ["causal_lm", "sequence_classification", "regression"]


def run(model: GenomeModel, records: list[np.ndarray]) -> torch.Tensor:
    with torch.no_grad():
        return model(**make_batch(records, segment_records(model.patcher, records)).inputs()).logits


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lengths", [(1, 100), (60, 7, 61, 33), (64, 64)])
def test_a_row_of_a_batch_is_the_row_alone(make_model, records, kind: str, lengths: tuple[int, ...]) -> None:
    model, made = make_model(kind, {"outputs": 2}), records(*lengths)
    together = run(model, made)
    for row, record in enumerate(made):
        alone = run(model, [record])[0]
        torch.testing.assert_close(together[row][: len(alone)], alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_what_lies_under_the_padding_does_not_matter(make_model, records, kind: str) -> None:
    model, made = make_model(kind), records(20, 75)
    batch = make_batch(made, segment_records(model.patcher, made))
    real = (lambda x: x[batch.mask]) if kind == "causal_lm" else (lambda x: x)
    logits = real(model(**batch.inputs()).logits)
    for filler in (ord("A"), BOS, MASK):
        ids = torch.where(batch.mask, batch.ids, filler)
        starts = batch.starts.clone()
        starts[:, 22:] |= ~batch.mask[:, 21:]  # column 21 is the decision for the byte after the first row
        other = model(input_ids=ids, attention_mask=batch.mask.long(), patch_starts=starts).logits
        torch.testing.assert_close(real(other), logits, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_without_patch_starts_the_models_patcher_makes_them(make_model, records, kind: str) -> None:
    model, made = make_model(kind), records(31, 80, 1)
    batch = make_batch(made, segment_records(model.patcher, made))
    given = model(**batch.inputs()).logits
    assert torch.equal(model(input_ids=batch.ids, attention_mask=batch.mask).logits, given)
    alone = batch.ids[1:2]  # the longest row has no padding, and needs no mask
    assert torch.equal(model(input_ids=alone).logits, model(alone, patch_starts=batch.starts[1:2]).logits)


def test_special_ids_are_read_like_unknown_letters(make_model) -> None:
    ids = torch.tensor([[BOS, 65, MASK, 67, EOS, 71, PAD]])
    assert make_model()(ids).logits.isfinite().all()


def test_padding_on_the_left_is_refused(make_model) -> None:
    ids = torch.tensor([[PAD, BOS, 65, 67]])
    with pytest.raises(InputError, match="pad on the right"):
        make_model()(ids, attention_mask=ids != PAD)


def test_a_model_without_patcher_asks_for_starts(records) -> None:
    model = HyenaGLTForCausalLM(HyenaGLTConfig.tiny())
    with pytest.raises(UsageError, match="has no patcher"):
        model(torch.tensor([[BOS, 65]]))


def test_heads_of_odd_or_broken_width_are_refused() -> None:
    for width, heads in ((30, 4), (12, 4), (24, 8)):
        with pytest.raises(UsageError, match=f"local_width is {width}.*multiple of {2 * heads}"):
            HyenaGLTForCausalLM(HyenaGLTConfig(shell={"local_width": width, "local_heads": heads}))


@pytest.mark.parametrize("length", [0, 1, 2, 127, 128, 129, 1500])
def test_any_length_runs_and_nothing_is_kept_from_the_first_one(make_model, records, length: int) -> None:
    model, record = make_model(), records(length)[0]  # its target length is 128
    before = run(model, [record])
    run(model, records(333))
    assert before.shape == (1, 1 + length, 260)
    assert before.isfinite().all()
    assert torch.equal(run(model, [record]), before)


@pytest.mark.parametrize("kind", KINDS)
def test_bf16_autocast_stays_within_three_percent_of_float32(make_model, records, kind: str) -> None:
    """Tolerance: root mean square of the difference at most 3 % of the logits' own."""
    model, made = make_model(kind, {"outputs": 3}), records(100, 180)
    batch = make_batch(made, segment_records(model.patcher, made))
    labels = {"causal_lm": batch.ids, "sequence_classification": torch.tensor([0, 2])}
    labels = labels.get(kind, torch.randn(2, 3))
    with torch.no_grad():
        exact = model(**batch.inputs(), labels=labels)
        with torch.autocast("cpu", torch.bfloat16):
            rough = model(**batch.inputs(), labels=labels)
    error = (rough.logits.float() - exact.logits).pow(2).mean().sqrt()
    assert 0 < error <= 0.03 * exact.logits.pow(2).mean().sqrt()
    assert abs(rough.loss - exact.loss) <= 0.03 * exact.loss


def test_offsets_to_the_embedding_have_the_effect_of_other_bytes(make_model, records) -> None:
    model = make_model(kmers=[])
    first, second = (torch.from_numpy(r)[None] for r in records(40, 40))
    starts = torch.zeros(1, 41, dtype=torch.bool)
    starts[:, ::4] = True
    offset = model.shell.bytes(second) - model.shell.bytes(first)
    moved = model(first, patch_starts=starts, embedding_offset=offset).logits
    torch.testing.assert_close(moved, model(second, patch_starts=starts).logits, atol=1e-5, rtol=1e-5)
