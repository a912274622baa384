"""The effect of an alternate against its reference: odd, 0 for equal alleles, and in the labels' units."""

import pytest
import torch
from small_batches import each_model, states_of

from genomelm.errors import UsageError
from genomelm.models import GenomeModel
from genomelm.models.config import HeadConfig, ShellConfig
from genomelm.models.encoding import make_batch
from genomelm.models.heads import VariantEffectHead
from genomelm.models.variant_head import changed
from genomelm.seq.alphabet import encode

WILD = "GATTACAGATTACATTAGGACCATGCAT"
ALLELES = {
    "substitution": "GATTACAGATTCCATTAGGACCATGCAT",
    "several": "GATTACTCATTACATTAGGTCCATGCAT",
    "insertion": "GATTACAGATTACATTTTAGGACCATGCAT",
    "deletion": "GATTACAGATTACAGGACCATGCAT",
    "first base": "CATTACAGATTACATTAGGACCATGCAT",
    "last base": "GATTACAGATTACATTAGGACCATGCAA",
}


def head(**settings) -> VariantEffectHead:
    torch.manual_seed(1)
    config = HeadConfig(kind="variant_effect", queries=4, **settings)
    return VariantEffectHead(ShellConfig(local_width=16), config).eval()


@torch.no_grad()
def effects(model: GenomeModel, references: list[str], alternates: list[str]) -> torch.Tensor:
    made = [encode(text) for text in (*references, *alternates)]
    return model(**make_batch(made, [model.patcher.marks(record) for record in made], len(references)).inputs()).logits


@each_model
def test_exchanging_the_alleles_turns_the_sign(make_model, family: str, objective: str) -> None:
    model = make_model("variant_effect", {"outputs": 2, "scale": 3.0}, family=family, objective=objective)
    wild, mutants = [WILD] * len(ALLELES), list(ALLELES.values())
    there, back = effects(model, wild, mutants), effects(model, mutants, wild)
    assert there.shape == (len(ALLELES), 2)
    assert there.abs().amin() > 1e-3
    torch.testing.assert_close(back, -there, atol=1e-6, rtol=1e-5)


@each_model
def test_equal_alleles_have_no_effect_at_all(make_model, family: str, objective: str) -> None:
    model = make_model("variant_effect", {"outputs": 2}, family=family, objective=objective)
    same = [WILD, WILD[:9], "A", ""]
    assert (effects(model, same, same) == 0).all()
    assert (effects(model, [WILD], [WILD, WILD]) == 0).all()


@each_model
def test_a_shared_reference_equals_one_for_each(make_model, family: str, objective: str) -> None:
    model = make_model("variant_effect", family=family, objective=objective)
    mutants = list(ALLELES.values())
    shared = effects(model, [WILD], mutants)
    torch.testing.assert_close(shared, effects(model, [WILD] * len(mutants), mutants), atol=1e-6, rtol=1e-5)
    for mutant, effect in zip(mutants, shared, strict=True):
        torch.testing.assert_close(effects(model, [WILD], [mutant])[0], effect, atol=1e-6, rtol=1e-5)


def test_without_a_number_half_of_the_rows_are_references(make_model) -> None:
    model = make_model("variant_effect")
    made = [encode(text) for text in (WILD, ALLELES["deletion"], ALLELES["several"], WILD)]
    inputs = make_batch(made, [model.patcher.marks(record) for record in made]).inputs()
    assert torch.equal(model(**inputs).logits, model(**inputs, references=2).logits)


@pytest.mark.parametrize(("references", "rows"), [(2, 5), (2, 3), (3, 4), (5, 6)])
def test_other_numbers_of_references_are_refused(make_model, references: int, rows: int) -> None:
    model = make_model("variant_effect")
    message = f"{references} reference rows for {rows - references} alternates: give one for all, or one each"
    with pytest.raises(UsageError, match=message):
        effects(model, [WILD] * references, [WILD] * (rows - references))


def changed_text(ref: str, alt: str, pad: int) -> tuple[str, str]:
    """Return the letters that `changed` flags in each row; ^ stands for BOS."""
    _, ids, mask = states_of(ref, alt, "A" * (max(len(ref), len(alt)) + pad))
    flags = changed(ids[:1], mask[:1], ids[1:2], mask[1:2])
    assert all(flag.shape == ids[:1].shape for flag in flags)
    return tuple(
        "".join(letter if flag else "." for letter, flag in zip(f"^{text}", row[0].tolist(), strict=False))
        for text, row in zip((ref, alt), flags, strict=True)
    )


@pytest.mark.parametrize("pad", [0, 1, 40])
@pytest.mark.parametrize(
    ("ref", "alt", "at_ref", "at_alt"),
    [
        ("GATTACA", "GATCACA", "....T...", "....C..."),  # SNV
        ("GATTACA", "CATTACA", ".G......", ".C......"),
        ("GATTACA", "GATTACG", ".......A", ".......G"),
        ("GATTACA", "GACGACA", "...TT...", "...CG..."),  # MNV
        ("GATTACA", "GCTTAGA", "..ATTAC.", "..CTTAG."),  # two SNVs and what lies between
        ("GATCA", "GATGGCA", "...T..", "....GG.."),  # insertion: in the reference the byte before it
        ("GATGGCA", "GATCA", "....GG..", "...T.."),  # deletion
        ("CAAAG", "CAAAAG", "....A.", ".....A."),  # in a repeat: its last unit
        ("CAAAAG", "CAAAG", ".....A.", "....A."),
        ("GAT", "GATC", "...T", "....C"),
        ("GAT", "CGAT", "^...", ".C..."),
        ("GATTACA", "GAGCCTCA", "...TTA..", "...GCCT.."),  # of another length
        ("GATTACA", "GATTACA", ".......A", ".......A"),  # equal: the last byte
        ("A", "A", ".A", ".A"),
        ("", "", "^", "^"),
    ],
)
def test_the_changed_bytes_lie_between_common_start_and_end(ref, alt, at_ref, at_alt, pad: int) -> None:
    assert changed_text(ref, alt, pad) == (at_ref, at_alt)
    assert changed_text(alt, ref, pad) == (at_alt, at_ref)


def test_the_effect_is_that_of_the_changed_bytes_and_of_the_pooled_rows() -> None:
    made = head(outputs=2)
    states, ids, mask = states_of("GATCAT", "GATGGCAT")
    site = states[1, 4:6].mean(0) - states[0, 3]
    pooled = made.pooled(states, ids, mask)
    expected = made.out(torch.tanh(made.pool(torch.cat([site, pooled[1] - pooled[0]]))))
    torch.testing.assert_close(made(states, ids, mask, references=1)[0], expected, atol=1e-6, rtol=1e-5)


def test_padding_has_no_part_in_the_effect() -> None:
    made = head()
    states, ids, mask = states_of("GATCAT", "GATGGCAT", "A" * 30)
    before = made(states[:2], ids[:2], mask[:2], references=1)
    other = torch.where(mask[..., None], states, 1e3)
    assert torch.equal(made(other[:2], ids[:2], mask[:2], references=1), before)
    torch.testing.assert_close(made(states[:2, :9], ids[:2, :9], mask[:2, :9], references=1), before)


def test_answers_are_in_the_labels_units_and_the_loss_in_their_deviations() -> None:
    states, ids, mask = states_of("GATTACA", "GATCACA", "GATTAC")
    plain, scaled = head(outputs=2), head(outputs=2, scale=4.0, mean=7.0)
    found = scaled(states, ids, mask, references=1)
    torch.testing.assert_close(
        found, plain(states, ids, mask, references=1) * 4
    )  # no mean: equal alleles have no effect
    labels = torch.tensor([[1.0, -2.0], [0.5, 3.0]])
    expected = ((found - labels) / 4).square().mean()
    torch.testing.assert_close(scaled.loss(states, ids, mask, labels, references=1), expected)
    single = head(scale=4.0)
    flat = ((single(states, ids, mask, references=1)[:, 0] - labels[:, 0]) / 4).square().mean()
    torch.testing.assert_close(single.loss(states, ids, mask, labels[:, 0], references=1), flat)


def test_rows_without_padding_need_no_mask() -> None:
    made = head()
    states, ids, mask = states_of("GATTACA", "GATCACA")
    assert torch.equal(made(states, ids, None, references=1), made(states, ids, mask, references=1))


def test_dropout_acts_in_training_only() -> None:
    made = head(dropout=0.5)
    inputs = states_of("GATTACA", "GATCACA")
    assert torch.equal(made(*inputs, references=1), made(*inputs, references=1))
    assert not torch.equal(made.train()(*inputs, references=1), made(*inputs, references=1))
