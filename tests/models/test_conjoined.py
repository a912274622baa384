"""A conjoined model says the same of both strands of a window, from the patcher to the head."""

import numpy as np
import pytest
import torch
from small_batches import TASKS, batch_of, each_family, labels_for

from genomelm.errors import UsageError
from genomelm.models import GenomeModel, HyenaGLTConfig, HyenaGLTForCausalLM
from genomelm.models.encoding import Batch, make_batch
from genomelm.models.strands import complements, other_places
from genomelm.seq.alphabet import BOS, MASK, PAD, encode, reverse_complement

TOLERANCE = 1e-4
"""Of logits of about 1: two rows of one batch may be added up in another order."""

TOLD = {"branches": {"conservation": True, "motif": 2, "structure": True}}
FLIPPED = {ord("A"): ord("T"), ord("C"): ord("G"), ord("G"): ord("C"), ord("T"): ord("A")}
LENGTHS = (61, 48, 33, 40)
"""By fives, the first, second and third leave a short last patch: those of the two strands do not mirror."""


def turned(record: np.ndarray) -> np.ndarray:
    """Return the other strand of ids (l,) with N and MASK in them."""
    return np.array([FLIPPED.get(i, i) for i in record[::-1].tolist()], np.int64)


def hidden(records: list[np.ndarray], every: int = 6) -> list[np.ndarray]:
    return [np.where(np.arange(len(r)) % every == 2, MASK, r) for r in records]


def turned_rows(values: torch.Tensor, lengths: tuple[int, ...]) -> torch.Tensor:
    """Return per-byte values (b, l, ...) in the order of the other strand; BOS and padding stay."""
    out = values.clone()
    for row, length in enumerate(lengths):
        out[row, 1 : 1 + length] = values[row, 1 : 1 + length].flip(0)
    return out


def output(model: GenomeModel, records: list[np.ndarray], **given: torch.Tensor) -> torch.Tensor:
    """Return the logits of records that the model cuts itself."""
    batch = make_batch(records, [np.zeros(len(r) + 1, bool) for r in records])
    references = {"references": len(records) // 2} if model.head_kind == "variant_effect" else {}
    with torch.no_grad():
        return model(input_ids=batch.ids, attention_mask=batch.mask, **references, **given).logits


def make(make_model, kind: str = "language", family: str = "hyena_glt", **options) -> GenomeModel:
    return make_model(kind, {"outputs": 2, **options}, family=family, objective="masked", conjoined=True)


@each_family
def test_letters_of_one_strand_are_the_complements_of_the_other(make_model, records, family: str) -> None:
    model, made = make(make_model, family=family), hidden(records(*LENGTHS))
    here, there = output(model, made), output(model, [turned(r) for r in made])
    expected = turned_rows(here, LENGTHS)[..., complements()]
    torch.testing.assert_close(there, expected, atol=TOLERANCE, rtol=0)
    assert (here - turned_rows(here, LENGTHS)).abs().amax() > 0.1


def test_complements_pair_the_bases_and_leave_the_rest() -> None:
    table = complements()
    assert (table[table] == np.arange(260)).all()
    assert [table[ord(a)] for a in "ACGTN"] == [ord(b) for b in "TGCAN"]
    assert all(table[i] == i for i in (PAD, BOS, MASK, 258))


@each_family
@pytest.mark.parametrize("kind", TASKS)
def test_task_heads_say_the_same_of_both_strands(make_model, records, kind: str, family: str) -> None:
    model, made = make(make_model, kind, family), records(*LENGTHS)
    here, there = output(model, made), output(model, [turned(r) for r in made])
    expected = turned_rows(here, LENGTHS) if kind == "token_classification" else here
    torch.testing.assert_close(there, expected, atol=TOLERANCE, rtol=0)
    assert here.std() > 20 * TOLERANCE


def test_a_track_is_that_of_the_bases_whichever_strand_is_read(make_model, records) -> None:
    model = make(make_model, "regression", per_base=True, mean=3.0, scale=2.0)
    made = records(*LENGTHS)
    here = output(model, made)
    assert here.shape == (4, 62, 2)
    there = output(model, [turned(r) for r in made])
    torch.testing.assert_close(there, turned_rows(here, LENGTHS), atol=TOLERANCE, rtol=0)


def test_a_model_of_one_strand_breaks_this_law(make_model, records) -> None:
    made = records(*LENGTHS)
    for kind in ("language", *TASKS):
        model = make_model(kind, {"outputs": 2}, objective="masked")
        here, there = output(model, made), output(model, [turned(r) for r in made])
        if kind == "language":
            here = here[..., complements()]
        expected = turned_rows(here, LENGTHS) if here.ndim == 3 else here
        assert (there - expected).abs().max() > 100 * TOLERANCE


@pytest.mark.parametrize(
    ("ref", "alt"),
    [("ACGTTTTTTGCATGCA", "ACGTTTTTGCATGCA"), ("ACACACACACGT", "ACACACACACACGT"), ("ACGTACGT", "TCGTACGA")],
    ids=["deletion in a run", "insertion in a repeat", "two changes"],
)
def test_effects_of_ambiguous_changes_are_those_of_the_other_strand(make_model, ref: str, alt: str) -> None:
    model = make(make_model, "variant_effect")
    pairs = [[encode(s) for s in (ref, alt)], [encode(reverse_complement(s)) for s in (ref, alt)]]
    here, there = (output(model, pair) for pair in pairs)
    torch.testing.assert_close(there, here, atol=TOLERANCE, rtol=0)
    assert here.abs().max() > 1e-3
    assert torch.equal(output(model, [pairs[0][0]] * 2), torch.zeros(1, 2))


def test_the_output_is_half_of_each_strand_by_itself(make_model, records) -> None:
    """The one-strand model of the same weights, run by hand on the window and on its reverse complement."""
    both, made = make(make_model), hidden(records(*LENGTHS))
    one = make_model(objective="masked")
    one.load_state_dict(both.state_dict())
    back = turned_rows(output(one, [turned(r) for r in made]), LENGTHS)[..., complements()]
    torch.testing.assert_close(output(both, made), (output(one, made) + back) / 2, atol=TOLERANCE, rtol=0)


def test_each_strand_is_cut_from_its_own_start(make_model, records) -> None:
    model, made = make(make_model), hidden(records(61, 48))
    marks = [model.patcher.marks(r) for r in made]
    assert (marks[0] != np.r_[True, marks[0][-2:0:-1], True]).any()  # mirrored ones would be others
    batch = make_batch(made, marks, reverse=[model.patcher.marks(turned(r)) for r in made])
    found = model(**batch.inputs()).logits
    torch.testing.assert_close(found, output(model, made))
    mirrored = make_batch(made, marks, reverse=[np.r_[True, m[-2:0:-1], True] for m in marks])
    assert (model(**mirrored.inputs()).logits - found).abs().max() > 1e-3


def test_what_is_told_of_the_bytes_is_told_on_both_strands(make_model, records) -> None:
    model = make_model(objective="masked", conjoined=True, sections=TOLD)
    lengths, random = (40, 31), torch.Generator().manual_seed(3)
    made = records(*lengths)
    letters = torch.rand(2, 41, 5, generator=random)
    track = torch.randn(2, 41, generator=random)
    here = output(model, made, letters=letters, conservation=track)
    there = output(
        model,
        [turned(r) for r in made],
        letters=turned_rows(letters, lengths)[..., [3, 2, 1, 0, 4]],
        conservation=turned_rows(track, lengths),
    )
    expected = turned_rows(here, lengths)[..., complements()]
    torch.testing.assert_close(there, expected, atol=TOLERANCE, rtol=0)
    for name, value in (("letters", letters), ("conservation", track)):
        alone = output(model, made, **{name: value})
        assert (alone - output(model, made)).abs().max() > 1e-3, name


@pytest.mark.parametrize("kind", ["language", *TASKS])
def test_the_loss_is_that_of_the_mean_and_its_gradient_that_of_both_strands(make_model, records, kind: str) -> None:
    model = make(make_model, kind)
    made = records(40, 40, 40, 40)
    batch = batch_of(model, made)
    labels = labels_for(model, batch)
    found = model(**batch.inputs(), labels=labels)
    other = labels
    if labels.shape == batch.ids.shape:
        other = turned_rows(labels, (40,) * 4)
        if kind == "language":
            other = torch.where(other < 0, other, torch.from_numpy(complements())[other])
    ids = torch.from_numpy(np.stack([np.r_[BOS, turned(row[1:])] for row in batch.ids.numpy()]))
    turned_batch = Batch(ids, batch.mask, batch.reverse, batch.references, batch.starts)
    same = model(**turned_batch.inputs(), labels=other)
    torch.testing.assert_close(same.loss, found.loss, atol=1e-5, rtol=1e-5)
    gradients = []
    for loss in (found.loss, same.loss):
        model.zero_grad()
        loss.backward()
        gradients.append({name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None})
    for name, gradient in gradients[0].items():
        assert (gradients[1][name] - gradient).norm() <= 1e-3 * gradient.norm() + 1e-7, name
    assert gradients[0].keys() == gradients[1].keys()


def test_places_on_the_other_strand_undo_themselves() -> None:
    ids = torch.tensor([[BOS, 65, 67, 71, 84, PAD], [65, 67, 71, 84, 65, 67]])
    mask = ids != PAD
    places = other_places(ids, mask)
    assert places.tolist() == [[0, 4, 3, 2, 1, 5], [5, 4, 3, 2, 1, 0]]
    assert torch.equal(places.gather(1, places), torch.arange(6).expand(2, 6))
    assert torch.equal(other_places(ids[1:], None), places[1:])


def test_patches_of_one_strand_only_are_refused(make_model, records) -> None:
    model, made = make(make_model), records(20)
    batch = make_batch(made, [model.patcher.marks(made[0])])
    with pytest.raises(UsageError, match="patch_starts and patch_starts_reverse, or neither"):
        model(**batch.inputs())
    plain = make_model(objective="masked")
    with pytest.raises(UsageError, match="this one reads one strand"):
        plain(**batch.inputs(), patch_starts_reverse=batch.starts)


@pytest.mark.parametrize("shell", [{"objective": "causal"}, {"objective": "masked", "alphabet": "rna", "window": 3}])
def test_models_that_have_no_other_strand_are_refused(shell: dict) -> None:
    with pytest.raises(UsageError, match="shell.conjoined reads both strands"):
        HyenaGLTForCausalLM(HyenaGLTConfig(shell={**shell, "conjoined": True}))


def test_codon_phases_of_one_strand_are_refused(make_model) -> None:
    with pytest.raises(UsageError, match="positions.codon tells.*shell.conjoined reads both"):
        make_model(objective="masked", conjoined=True, sections={"positions": {"codon": True}})


def test_a_conjoined_model_comes_back_as_one(make_model, records, tmp_path) -> None:
    model, made = make(make_model), records(30, 21)
    model.save_pretrained(tmp_path / "m")
    loaded = GenomeModel.from_pretrained(tmp_path / "m")
    assert loaded.is_conjoined
    assert torch.equal(output(loaded, made), output(model, made))
