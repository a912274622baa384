"""Several records in one row: each has the outputs and gradients that it has alone."""

import math

import numpy as np
import pytest
import torch
from small_batches import each_model

from genomelm.errors import InputError, UsageError
from genomelm.models.encoding import PACK, Batch, make_batch, pack
from genomelm.models.geometry import Patches
from genomelm.models.heads import IGNORED
from genomelm.seq.alphabet import BOS, MASK, PAD

LENGTHS = (90, 31, 1, 0, 64, 150, 7, 63)
EVERYTHING = {
    "positions": {"codon": True, "sinusoidal": True},
    "branches": {"motif": 2, "structure": True, "conservation": True},
}


def tracks(records: list[np.ndarray], model) -> dict[str, list[np.ndarray]]:
    """Return random codon phases and values, some missing, for models that read them."""
    if model.shell.codon is None:
        return {}
    random = np.random.default_rng(3)
    values = [random.normal(size=len(r)).astype(np.float32) for r in records]
    return {
        "codon_phase": [random.integers(0, 4, len(r)) for r in records],
        "conservation": [np.where(random.random(len(v)) < 0.3, np.nan, v).astype(np.float32) for v in values],
    }


def packed(model, records: list[np.ndarray], length: int = 320) -> Batch:
    marks = [model.patcher.marks(record) for record in records]
    return shown(model, pack(records, marks, length, model.shell.reach, **tracks(records, model)))


def alone(model, records: list[np.ndarray]) -> list[Batch]:
    given = tracks(records, model)
    return [
        shown(model, make_batch([r], [model.patcher.marks(r)], **{name: [x[n]] for name, x in given.items()}))
        for n, r in enumerate(records)
    ]


def shown(model, batch: Batch) -> Batch:
    """Hide some bytes of a masked model's batch, the same in a record whatever its place."""
    if model.objective == "causal":
        return batch
    return batch.hidden((batch.ids != BOS) & ((batch.ids * 7 + batch.ids.roll(1, 1)) % 5 == 0))


def spans(batch: Batch, count: int) -> list[tuple[int, slice]]:
    """Return the row of each record, and where in it."""
    found = []
    for number in range(count):
        rows, places = (batch.records == number).nonzero(as_tuple=True)
        assert (rows == rows[0]).all()
        found.append((int(rows[0]), slice(int(places[0]), int(places[-1]) + 1)))
    return found


@each_model
@pytest.mark.parametrize("options", [{}, EVERYTHING], ids=["plain", "everything"])
def test_each_record_has_the_logits_that_it_has_alone(make_model, records, family, objective, options) -> None:
    model, made = make_model(family=family, objective=objective, sections=options), records(*LENGTHS)
    batch = packed(model, made)
    assert len(batch.ids) < len(made)
    with torch.no_grad():
        together = model(**batch.inputs()).logits
        for (row, span), single in zip(spans(batch, len(made)), alone(model, made), strict=True):
            torch.testing.assert_close(together[row, span], model(**single.inputs()).logits[0], atol=1e-5, rtol=1e-5)


@each_model
def test_loss_and_gradients_are_those_of_the_records_alone(make_model, records, family, objective) -> None:
    model, made = make_model(family=family, objective=objective, sections=EVERYTHING), records(*LENGTHS)

    def nats(batch: Batch) -> torch.Tensor:
        states = model(**batch.inputs(), return_logits=False).hidden_states
        letters = torch.where(batch.ids == MASK, ord("G"), batch.ids)
        return model.head.nats(states, torch.where(batch.mask, letters, IGNORED)).sum()

    def gradients(loss: torch.Tensor) -> dict[str, torch.Tensor]:
        model.zero_grad()
        loss.backward()
        return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}

    batch = packed(model, made)
    whole, single = nats(batch), sum(nats(b) for b in alone(model, made))
    assert whole.item() == pytest.approx(single.item(), rel=1e-5)
    theirs = gradients(single)
    for name, gradient in gradients(whole).items():
        atol = 2e-5 * max(float(theirs[name].abs().max()), 1e-3 * math.sqrt(gradient.numel()))
        torch.testing.assert_close(gradient, theirs[name], atol=atol, rtol=1e-4)


@each_model
def test_a_record_hears_nothing_of_its_neighbours(make_model, records, family, objective) -> None:
    model = make_model(family=family, objective=objective, sections=EVERYTHING)
    first, middle, last, other = records(60, 40, 30, 60)
    logits = []
    for made in ([first, middle, last], [other, middle, last[::-1].copy()]):
        with torch.no_grad():
            batch = packed(model, made)
            row, span = spans(batch, 3)[1]
            logits.append(model(**batch.inputs()).logits[row, span])
    torch.testing.assert_close(*logits, atol=1e-6, rtol=1e-6)


def test_records_go_to_the_first_row_with_room_and_start_at_even_places(records) -> None:
    made = records(100, 30, 200, 20, 60)
    batch = pack(made, [np.ones(len(r) + 1, bool) for r in made], 256, reach=32)
    assert spans(batch, 5) == [
        (0, slice(0, 101)),
        (0, slice(136, 167)),
        (1, slice(0, 201)),
        (0, slice(200, 221)),
        (2, slice(0, 61)),
    ]
    for number, (row, span) in enumerate(spans(batch, 5)):
        assert span.start % PACK == 0
        assert batch.ids[row, span].tolist() == [BOS, *made[number]]
    assert torch.equal(batch.mask, batch.records >= 0)
    assert (batch.ids[~batch.mask] == PAD).all()
    assert pack([], [], 256).ids.shape == (0, 256)


def test_between_records_lies_as_much_padding_as_is_asked_for(records) -> None:
    for reach in (1, 31, 63, 64, 65, 200):
        made = records(63, 64, 65, 127)
        batch = pack(made, [np.ones(len(r) + 1, bool) for r in made], 1024, reach)
        assert reach <= Patches.from_starts(batch.starts, records=batch.records).gap < reach + PACK


def test_records_go_to_the_rows_that_are_given(records) -> None:
    made = records(20, 20, 200, 30)
    flags = [np.ones(len(r) + 1, bool) for r in made]
    batch = pack(made, flags, 320, reach=32, rows=[0, 1, 2, 2])
    assert spans(batch, 2) == [(0, slice(0, 21)), (1, slice(0, 21))]
    with pytest.raises(UsageError, match="record 3 has no room in row 2 of 260 bytes"):
        pack(made, flags, 260, reach=32, rows=[0, 1, 2, 2])


def test_a_record_longer_than_a_row_is_refused(records) -> None:
    with pytest.raises(UsageError, match="record 1 has 64 letters, and a row has room for 63"):
        pack(records(10, 64), [np.ones(11, bool), np.ones(65, bool)], 64)


def test_records_closer_than_the_convolutions_reach_are_refused(make_model, records) -> None:
    model, made = make_model(), records(60, 60)
    batch = pack(made, [model.patcher.marks(record) for record in made], 256, reach=1)
    with pytest.raises(InputError, match=f"stand 3 bytes apart.*reach {model.shell.reach}"):
        model(**batch.inputs())


def test_packed_rows_need_their_starts_and_a_head_of_bytes(make_model, records) -> None:
    model = make_model()
    inputs = packed(model, records(60, 60)).inputs()
    with pytest.raises(UsageError, match="packed rows come with their patch starts"):
        model(**{**inputs, "patch_starts": None})
    with pytest.raises(UsageError, match="one output a row"):
        make_model("regression")(**inputs)


def test_without_zeroed_padding_neighbours_are_heard(make_model, records, monkeypatch) -> None:
    """The check on independence can fail: as if the layers did not zero what stands at padding."""
    model, made = make_model(), records(60, 40)
    batch, single = packed(model, made), alone(model, made)[1]
    for layer in (*model.shell.encoder, *model.shell.decoder):
        monkeypatch.setattr(layer, "forward", lambda x, real, layer=layer: type(layer).forward(layer, x, None))
    row, span = spans(batch, 2)[1]
    with torch.no_grad():
        difference = model(**batch.inputs()).logits[row, span] - model(**single.inputs()).logits[0]
    assert difference.abs().max() > 1e-3
