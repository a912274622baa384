import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small_batches import batch_of, each_kind, each_model, logits_of

from genomelm.errors import InputError, UsageError
from genomelm.models import HyenaGLTConfig, HyenaGLTForCausalLM
from genomelm.models.encoding import make_batch
from genomelm.nn.rows import Rows
from genomelm.seq.alphabet import BOS, EOS, MASK, PAD


@each_kind
@each_model
@pytest.mark.parametrize("lengths", [(1, 100), (60, 7, 61, 33), (64, 64)])
def test_a_row_of_a_batch_is_the_row_alone(make_model, records, family, objective, kind, lengths) -> None:
    model = make_model(kind, {"outputs": 2}, family=family, objective=objective)
    rows = [[record] for record in records(*lengths)]
    if kind == "variant_effect":  # a row is an allele and its reference, here of another length
        rows = [[*row, other] for row, other in zip(rows, records(*lengths[::-1], seed=1), strict=True)]
    together = logits_of(model, [record for group in zip(*rows, strict=True) for record in group])
    for row, result in zip(rows, together, strict=True):
        alone = logits_of(model, row)[0]
        torch.testing.assert_close(result[: len(alone)], alone, atol=1e-5, rtol=1e-5)


@each_kind
@each_model
@torch.no_grad()
def test_what_lies_under_the_padding_does_not_matter(make_model, records, family, objective, kind) -> None:
    model, made = make_model(kind, family=family, objective=objective), records(20, 75)
    batch, per_byte = batch_of(model, made), kind in ("language", "token_classification")
    more = 130  # columns, and as many patches

    def real(logits: torch.Tensor) -> torch.Tensor:
        return logits[:, : batch.ids.shape[1]][batch.mask] if per_byte else logits

    logits = real(model(**batch.inputs()).logits)
    mask, starts = F.pad(batch.mask, (0, more)), F.pad(batch.starts, (0, more))
    starts[:, 22:] |= ~F.pad(mask, (0, 1))[:, 22:] & ~F.pad(mask, (1, 0))[:, 22:]
    assert starts[0, 22:].all()  # column 21 is the decision for the byte after the first row
    for filler in (PAD, ord("A"), BOS, MASK):
        ids = torch.where(mask, F.pad(batch.ids, (0, more)), filler)
        other = model(input_ids=ids, attention_mask=mask.long(), patch_starts=starts, references=batch.references)
        torch.testing.assert_close(real(other.logits), logits, atol=1e-5, rtol=1e-5)


@each_kind
@each_model
def test_without_patch_starts_the_models_patcher_makes_them(make_model, records, family, objective, kind) -> None:
    model = make_model(kind, family=family, objective=objective)
    batch = batch_of(model, records(31, 80, 1, 79))
    given = model(**batch.inputs()).logits
    assert torch.equal(model(input_ids=batch.ids, attention_mask=batch.mask).logits, given)
    alone = batch.ids[[1, 1]]  # the longest row has no padding, and needs no mask
    assert torch.equal(model(input_ids=alone).logits, model(alone, patch_starts=batch.starts[[1, 1]]).logits)


@each_model
def test_special_ids_are_read_like_unknown_letters(make_model, family, objective) -> None:
    ids = torch.tensor([[BOS, 65, MASK, 67, EOS, 71, PAD]])
    assert make_model(family=family, objective=objective)(ids).logits.isfinite().all()


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


@each_model
def test_the_backbone_is_told_where_each_patch_begins_and_which_are_real(make_model, family, objective) -> None:
    model, told = make_model(family=family, objective=objective), []
    model.shell.backbone.register_forward_pre_hook(lambda _, inputs: told.append(inputs[1:]))
    starts = torch.zeros(2, 31, dtype=torch.bool)
    starts[0, [0, 1, 4, 9, 16, 25]] = starts[1, [0, 1, 11]] = True
    model(torch.full((2, 30), 65), torch.arange(30) < torch.tensor([[30], [14]]), patch_starts=starts)
    rows = told[0][0]
    places, present = rows.places, rows.present
    assert present.tolist() == [[True] * 6, [True] * 3 + [False] * 3]
    assert places[0].tolist() == [0, 1, 4, 9, 16, 25]
    assert places[1, :3].tolist() == [0, 1, 11]


@torch.no_grad()
def test_attention_reads_distances_in_bases_and_filters_do_not(make_model) -> None:
    x, ones = torch.randn(1, 12, 48), torch.ones(1, 12, dtype=torch.int64)
    near, far, shifted = (torch.arange(12)[None] * step + first for step, first in ((1, 0), (9, 0), (1, 500)))
    for family, reads in (("hyena_glt", False), ("gryphon", True)):
        backbone = make_model(family=family).shell.backbone
        before = backbone(x, Rows(near, ones))
        assert torch.allclose(backbone(x, Rows(far, ones)), before, atol=1e-3) != reads
        torch.testing.assert_close(backbone(x, Rows(shifted, ones)), before, atol=1e-4, rtol=1e-4)


@each_model
def test_one_hot_letters_have_the_effect_of_those_bytes(make_model, records, family, objective) -> None:
    model = make_model(family=family, objective=objective)
    first, second = (torch.from_numpy(r)[None] for r in records(40, 40))
    starts = torch.zeros(1, 41, dtype=torch.bool)
    starts[:, ::4] = True
    letters = (second[..., None] == model.shell.columns).float()
    moved = model(first, patch_starts=starts, letters=letters).logits
    torch.testing.assert_close(moved, model(second, patch_starts=starts).logits, atol=1e-5, rtol=1e-5)


def test_hidden_bytes_and_references_go_with_the_batch(patcher, records) -> None:
    made = records(9, 4, 6)
    batch = make_batch(made, [patcher.marks(record) for record in made], references=1)
    assert batch.inputs()["references"] == batch.to(torch.device("cpu")).references == 1
    everywhere = batch.hidden(torch.ones_like(batch.mask))
    assert np.array_equal(everywhere.ids == MASK, batch.mask)  # padding stays padding
    assert everywhere.references == 1
    assert "references" not in make_batch(made, [patcher.marks(record) for record in made]).inputs()
