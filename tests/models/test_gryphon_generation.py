"""Gryphon generates from a state: the same as from recomputation, with a constant read."""

import numpy as np
import pytest
import torch
from layouts import GRYPHON_FORMS

from genomelm.errors import UsageError
from genomelm.models import generation
from genomelm.models.backbone import Backbone
from genomelm.models.generation import Rereading, generate
from genomelm.models.sampling import Sampling
from genomelm.models.stream import Stream, why_not_streamed
from genomelm.nn.rows import Rows
from genomelm.seq.alphabet import encode


@pytest.fixture
def make(make_model):
    def made(form: str, objective: str = "causal"):
        return make_model(family="gryphon", objective=objective, backbone=GRYPHON_FORMS[form])

    return made


@pytest.mark.parametrize("form", GRYPHON_FORMS)
@torch.no_grad()
def test_the_backbone_in_any_pieces_is_the_backbone_at_once(make, form: str) -> None:
    backbone: Backbone = make(form).shell.backbone
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(1, 30, (2, 120), generator=generator)
    x, rows = torch.randn(2, 120, 48, generator=generator), Rows(lengths.cumsum(1) - lengths, lengths)
    whole = backbone(x, rows)
    for cuts in ([], [1, 2, 3, 70, 71], list(range(1, 120))):
        state, found = backbone.initial_state(2), []
        for first, end in zip([0, *cuts], [*cuts, 120], strict=True):
            part = Rows(rows.places[:, first:end], rows.lengths[:, first:end])
            y, state = backbone.extend(x[:, first:end], part, state)
            found.append(y)
        assert (torch.cat(found, 1) - whole).abs().max() <= 1e-5 * whole.square().mean().sqrt()
    assert backbone.constant_state == (form == "states alone")


@pytest.mark.parametrize("form", ["a", "b", "irregular", "states alone"])
def test_streamed_generation_is_that_of_recomputation_for_200_letters(make, monkeypatch, form: str) -> None:
    model = make(form)
    assert why_not_streamed(model) == ""
    seen, prompt = {}, encode("ACGTNNNNACGGTACCA" * 4)
    for kind in (Stream, Rereading):
        rows = seen[kind] = []

        def noted(self, rows=rows, logits=kind.logits) -> torch.Tensor:
            rows.append(logits(self))
            return rows[-1]

        monkeypatch.setattr(kind, "logits", noted)
    streamed = generate(model, prompt, 200, Sampling(temperature=0))
    monkeypatch.setattr(generation, "why_not_streamed", lambda model: "by order")
    assert np.array_equal(streamed, generate(model, prompt, 200, Sampling(temperature=0)))
    assert len(seen[Stream]) == len(seen[Rereading]) == 200
    assert (torch.cat(seen[Stream]) - torch.cat(seen[Rereading])).abs().max() < 1e-4


def test_sequences_side_by_side_are_those_alone(make) -> None:
    model, prompt = make("a"), encode("ACGGT" * 9)
    together = generate(model, prompt, 40, count=3, seed=5)
    assert len({row.tobytes() for row in together}) == 3
    assert np.array_equal(generate(model, prompt, 40, count=3, seed=5, rows=1), together)


def test_masked_models_have_no_next_letter(make) -> None:
    model = make("a", "masked")
    with pytest.raises(UsageError, match="guesses hidden bases from both sides"):
        generate(model, encode("ACGT"), 5)
    with pytest.raises(UsageError, match="bidirectional"):
        model.shell.backbone.initial_state(1)
    with pytest.raises(UsageError, match="BigBird attention is bidirectional"):
        make("attention alone", "masked").shell.backbone.initial_state(1)
