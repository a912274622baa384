"""Models can learn what is there to learn, and each part of them has a hand in it."""

import numpy as np
import pytest
import torch
from small_batches import batch_of, bits_of, each_family, each_kind, each_model, labels_for

from genomelm.models import GenomeModel
from genomelm.models.encoding import Batch
from genomelm.models.heads import BITS
from genomelm.training.evaluation import mixers_of
from genomelm.training.removals import as_mean

STEPS = 300


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def step(model: GenomeModel, optimizer: torch.optim.Optimizer, batch: Batch, labels: torch.Tensor) -> float:
    optimizer.zero_grad()
    loss = bits_of(model, batch, labels)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return loss.item()


@pytest.mark.parametrize(
    ("family", "objective", "kmers"),
    [
        ("hyena_glt", "causal", [3, 4, 5]),
        ("hyena_glt", "causal", []),
        ("hyena_glt", "masked", []),
        ("gryphon", "causal", []),
        ("gryphon", "masked", []),
        ("transformer", "causal", []),
        ("transformer", "masked", []),
    ],
)
def test_one_batch_overfits_to_a_twentieth_of_a_bit_per_base(make_model, records, family, objective, kmers) -> None:
    model = make_model(family=family, objective=objective, loud=False, kmers=kmers).train()
    batch = batch_of(model, records(96, 80))
    labels = labels_for(model, batch)
    assert bits_of(model, batch, labels) > 1.8
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=0.0)
    losses = (step(model, optimizer, batch, labels) for _ in range(STEPS))
    assert any(loss <= 0.03 for loss in losses)
    assert bits_of(model.eval(), batch, labels) <= 0.05


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


@pytest.mark.parametrize(
    ("family", "backbone"),
    [
        ("hyena_glt", {}),
        ("gryphon", {"bigbird_blocks_per_layer": 0}),
        ("gryphon", {"s5_blocks_per_layer": 0}),
        ("transformer", {}),
        ("transformer", {"classic": True}),
    ],
    ids=["Hyena", "S5", "BigBird", "attention", "classic"],
)
def test_long_memory_is_the_mixers_and_boundaries_matter(make_model, family: str, backbone: dict) -> None:
    local = {"kmers": [], "encoder_layers": 1, "decoder_layers": 1}
    model, random = make_model(family=family, backbone=backbone, loud=False, **local), rng(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.0)
    losses = (step(model, optimizer, *recall(model, random, 16)) for _ in range(150))
    assert any(loss < 0.15 for loss in losses)
    batch, labels = recall(model, random, 32)

    def loss(starts: torch.Tensor) -> float:
        with torch.no_grad():
            return model(batch.ids, batch.mask, labels, starts, return_logits=False).loss.item() * BITS

    other = torch.rand(batch.starts.shape, generator=torch.Generator().manual_seed(0)) < batch.starts.float().mean()
    other[:, :2] = True
    whole = loss(batch.starts)
    assert whole < 0.5
    assert loss(other) > whole + 0.1
    (mixers,) = mixers_of(model).values()
    for removed in (mixers, [model.shell.backbone]):
        with as_mean(removed):
            assert loss(batch.starts) > 1.5
    assert loss(batch.starts) == whole


@each_family
@torch.no_grad()
def test_a_fresh_model_hears_a_letter_from_forty_bases_ago(make_model, family: str) -> None:
    model = make_model(family=family, loud=False, kmers=[], encoder_layers=1, decoder_layers=1)
    batch, _ = recall(model, rng(0), 8)
    states = model(**batch.inputs()).hidden_states[:, 48]
    assert states.std(0).mean() > 0.02 * states.abs().mean()


@each_model
@torch.no_grad()
def test_every_part_moves_the_output_of_a_fresh_model(make_model, records, family: str, objective: str) -> None:
    model = make_model(family=family, objective=objective, loud=False)
    batch = batch_of(model, records(120, 90))
    before = model(**batch.inputs()).logits
    parts = {"kmers": model.shell.kmers, "distance": model.shell.distance, "phase": model.shell.phase}
    parts |= {"encoder": model.shell.encoder[1].down, "decoder": model.shell.decoder[-1].down}
    parts |= {"length": model.shell.pooling.length, "reading": model.shell.reading.out}
    for number, block in enumerate(model.shell.backbone.blocks):
        mixer = block.mixer
        parts |= {f"mixer {number}": getattr(mixer, "ssm", None) or mixer.out, f"mlp {number}": block.mlp.down}
        if objective == "masked" and family == "hyena_glt":
            parts[f"filter ahead {number}"] = mixer.ahead["filter"].out
    for name, part in parts.items():
        kept = {key: value.clone() for key, value in part.state_dict().items()}
        for parameter in part.parameters():
            parameter.zero_()
        moved = (model(**batch.inputs()).logits - before).abs().max()
        part.load_state_dict(kept)
        assert moved > 1e-3, f"{name} is decoration"
    assert torch.equal(model(**batch.inputs()).logits, before)


@each_kind
@each_model
def test_every_parameter_gets_a_gradient(make_model, records, family: str, objective: str, kind: str) -> None:
    model = make_model(kind, {"outputs": 2}, family=family, objective=objective)
    batch = batch_of(model, records(120, 90, 90, 120))
    model(**batch.inputs(), labels=labels_for(model, batch)).loss.backward()
    still = [name for name, p in model.named_parameters() if p.grad is None or p.grad.abs().max() == 0]
    assert still == []
