import math

import numpy as np
import pytest
import torch

from genomelm.models import GenomeModel
from genomelm.models.encoding import Batch, make_batch, segment_records

STEPS, LEARNING_RATE = 300, 5e-3


def batch_of(model: GenomeModel, made: list[np.ndarray]) -> Batch:
    return make_batch(made, segment_records(model.patcher, made))


def bits(model: GenomeModel, batch: Batch) -> torch.Tensor:
    return model(**batch.inputs(), labels=batch.ids, return_logits=False).loss / math.log(2)


def train(model: GenomeModel, batch: Batch, steps: int) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=0.0)
    for _ in range(steps):
        optimizer.zero_grad()
        bits(model, batch).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()


@pytest.mark.parametrize("kmers", [[3, 4, 5], []], ids=["with k-mers", "without k-mers"])
def test_one_batch_overfits_to_a_twentieth_of_a_bit_per_base(make_model, records, kmers: list[int]) -> None:
    model = make_model(loud=False, kmers=kmers).train()
    batch = batch_of(model, records(96, 80))
    assert bits(model, batch) > 1.8
    train(model, batch, STEPS)
    assert bits(model.eval(), batch) <= 0.05


def recall(model: GenomeModel, random: np.random.Generator, count: int) -> tuple[Batch, torch.Tensor]:
    """Return records of eight equal letters, 40 other bases and that letter again, with labels at the last one only.

    The local layers see ten bases, so only the backbone can carry the letter so far.
    """
    filler = np.random.default_rng(7).choice(np.array([65, 67, 71, 84]), 40)
    made = [np.r_[[letter] * 8, filler, letter] for letter in random.choice(np.array([65, 67, 71, 84]), count)]
    batch = batch_of(model, made)
    labels = torch.full_like(batch.ids, -100)
    labels[:, 49] = batch.ids[:, 49]
    return batch, labels


def test_long_memory_is_the_backbones_and_boundaries_matter(make_model, monkeypatch) -> None:
    model, random = make_model(loud=False, kmers=[], encoder_layers=1, decoder_layers=1), np.random.default_rng(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.0)
    for _ in range(150):
        batch, labels = recall(model, random, 16)
        optimizer.zero_grad()
        model(**batch.inputs(), labels=labels, return_logits=False).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    batch, labels = recall(model, random, 32)

    def loss(starts: torch.Tensor) -> float:
        with torch.no_grad():
            return model(batch.ids, batch.mask, labels, starts, return_logits=False).loss.item() / math.log(2)

    other = torch.rand(batch.starts.shape, generator=torch.Generator().manual_seed(0)) < batch.starts.float().mean()
    other[:, :2] = True
    whole, elsewhere = loss(batch.starts), loss(other)
    backbone = model.shell.backbone.forward
    monkeypatch.setattr(model.shell.backbone, "forward", lambda x: backbone(x).mean((0, 1)).expand_as(x))
    without = loss(batch.starts)
    assert whole < 0.5
    assert elsewhere > whole + 0.1
    assert without > 1.5


@torch.no_grad()
def test_a_fresh_model_hears_a_letter_from_forty_bases_ago(make_model) -> None:
    model = make_model(loud=False, kmers=[], encoder_layers=1, decoder_layers=1)
    batch, _ = recall(model, np.random.default_rng(0), 8)
    states = model(**batch.inputs()).hidden_states[:, 48]
    assert states.std(0).mean() > 0.02 * states.abs().mean()


@torch.no_grad()
def test_every_part_moves_the_output_of_a_fresh_model(make_model, records) -> None:
    model = make_model(loud=False)
    batch = batch_of(model, records(120, 90))
    before = model(**batch.inputs()).logits
    parts = {"kmers": model.shell.kmers, "distance": model.shell.distance, "phase": model.shell.phase}
    parts |= {"encoder": model.shell.encoder[1].down, "decoder": model.shell.decoder[-1].down}
    parts |= {"length": model.shell.pooling.length, "reading": model.shell.reading.out}
    parts |= {f"mixer {n}": block.mixer.out for n, block in enumerate(model.shell.backbone.blocks)}
    parts |= {f"mlp {n}": block.mlp.down for n, block in enumerate(model.shell.backbone.blocks)}
    for name, part in parts.items():
        kept = {key: value.clone() for key, value in part.state_dict().items()}
        for parameter in part.parameters():
            parameter.zero_()
        moved = (model(**batch.inputs()).logits - before).abs().max()
        part.load_state_dict(kept)
        assert moved > 1e-3, f"{name} is decoration"
    assert torch.equal(model(**batch.inputs()).logits, before)


def test_every_parameter_gets_a_gradient(make_model, records) -> None:
    for kind, labels in (("causal_lm", None), ("sequence_classification", [0, 1]), ("regression", [0.5, -1.0])):
        model = make_model(kind)
        batch = batch_of(model, records(120, 90))
        given = batch.ids if labels is None else torch.tensor(labels)
        model(**batch.inputs(), labels=given).loss.backward()
        still = [name for name, p in model.named_parameters() if p.grad is None or p.grad.abs().max() == 0]
        assert still == []
