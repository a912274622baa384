"""Laws of the whole model, in every form of Hyena-GLT and of the transformer."""

import numpy as np
import torch
from layouts import FORMS, each_form, each_objective
from leaks import TOLERANCE, largest_leak
from small_batches import batch_of, bits_of, labels_for, logits_of

from genomelm.models import GenomeModel
from genomelm.nn.merge import AdaptiveTokenMerger
from genomelm.training.config import TrainConfig
from genomelm.training.optimizer import parameter_groups
from genomelm.training.removals import as_mean

STEPS = 300


def told(model: GenomeModel, batch) -> dict:
    """Return inputs with codon phases and a track where the model reads them."""
    random, given = torch.Generator().manual_seed(5), batch.inputs()
    if model.config.positions["codon"]:
        given["codon_phase"] = torch.randint(0, 4, batch.ids.shape, generator=random)
    if model.config.branches["conservation"]:
        given["conservation"] = torch.randn(batch.ids.shape, generator=random)
    return given


@each_form
def test_no_logit_depends_on_a_later_byte(make_model, records, form: str) -> None:
    """Through patcher, merger and head: patches and merged rows are cut anew for each substitution."""
    model, record = make_model(**FORMS[form]), records(220)[0]
    assert largest_leak(model, record, list(range(-1, 219, 11)), np.random.default_rng(0)) < TOLERANCE


def test_a_merger_that_looks_ahead_fails_this_check(make_model, records, monkeypatch) -> None:
    plain = AdaptiveTokenMerger.forward

    def ahead(merger: AdaptiveTokenMerger, x: torch.Tensor, *rest: object) -> torch.Tensor:
        return plain(merger, x.roll(-1, 1), *rest)

    monkeypatch.setattr(AdaptiveTokenMerger, "forward", ahead)
    model, record = make_model(**FORMS["merged span"]), records(220)[0]
    assert largest_leak(model, record, list(range(0, 219, 20)), np.random.default_rng(0)) > 20 * TOLERANCE


@each_objective
@each_form
def test_a_row_of_a_batch_is_the_row_alone(make_model, records, form: str, objective: str) -> None:
    model, made = make_model(objective=objective, **FORMS[form]), records(60, 7, 161, 33)
    together = logits_of(model, made)
    for record, found in zip(made, together, strict=True):
        torch.testing.assert_close(found[: len(record) + 1], logits_of(model, [record])[0], atol=2e-5, rtol=1e-5)


@each_objective
@each_form
@torch.no_grad()
def test_padding_and_what_lies_under_it_do_not_matter(make_model, records, form: str, objective: str) -> None:
    model, record = make_model(objective=objective, **FORMS[form]), records(75)[0]
    batch = batch_of(model, [record])
    plain = model(**batch.inputs()).logits[0]
    for columns in (1, 3, 130):
        wide = batch_of(model, [record, np.resize(record, 75 + columns)])
        ids = torch.where(wide.mask, wide.ids, ord("A"))
        found = model(ids, wide.mask, patch_starts=wide.starts).logits[0, :76]
        torch.testing.assert_close(found, plain, atol=2e-5, rtol=1e-5)


@each_objective
@each_form
def test_nothing_is_kept_from_the_first_length_seen(make_model, records, form: str, objective: str) -> None:
    model = make_model(objective=objective, **FORMS[form])
    fresh = make_model(objective=objective, **FORMS[form])
    logits_of(model, records(9))
    for length in (1, 500, 60):
        record = records(length, seed=length)
        found = logits_of(model, record)
        assert found.isfinite().all()
        assert torch.equal(logits_of(model, record), found)
    assert torch.equal(logits_of(fresh, records(60, seed=60)), found)


@each_objective
@each_form
@torch.no_grad()
def test_bf16_autocast_stays_within_three_percent_of_float32(make_model, records, form: str, objective: str) -> None:
    """Tolerance: root mean square of the difference at most 3 % of the logits' own, patches and merged rows alike."""
    model = make_model(objective=objective, **FORMS[form])
    batch = batch_of(model, records(180, 100))
    exact = model(**told(model, batch)).logits
    with torch.autocast("cpu", torch.bfloat16):
        rough = model(**told(model, batch)).logits
    error = (rough.float() - exact).pow(2).mean().sqrt()
    assert 0 < error <= 0.03 * exact.pow(2).mean().sqrt()


@each_objective
@each_form
def test_every_parameter_is_in_one_group_and_gets_a_gradient(make_model, records, form: str, objective: str) -> None:
    model = make_model(objective=objective, **FORMS[form]).train()
    groups = parameter_groups(model, TrainConfig(steps=1))
    found = [id(p) for group in groups for p in group["params"]]
    assert sorted(found) == sorted(id(p) for p in model.parameters())
    batch = batch_of(model, records(150, 120, 90))
    model(**told(model, batch), labels=labels_for(model, batch)).loss.backward()
    still = [name for name, p in model.named_parameters() if p.grad is None or p.grad.abs().max() == 0]
    assert still == []


@each_objective
@each_form
@torch.no_grad()
def test_each_removal_changes_the_output(make_model, records, form: str, objective: str) -> None:
    model = make_model(objective=objective, loud=False, **FORMS[form])
    for block in model.shell.backbone.blocks:
        for scale in (block.mixer_scale, block.mlp_scale):
            if scale is not None:
                scale.fill_(1.0)  # they start at 0: a fresh block adds nothing
    batch = batch_of(model, records(160, 120))
    before = model(**told(model, batch)).logits
    backbone = model.shell.backbone
    parts = {
        f"block {n} {kind}": getattr(block, kind)
        for n, block in enumerate(backbone.blocks)
        for kind in ("mixer", "mlp")
    }
    parts |= {"backbone": backbone, "pooling": model.shell.pooling, "reading": model.shell.reading}
    parts |= {name: getattr(model.shell, name) for name in ("motif", "structure", "conservation", "codon", "distance")}
    for name, part in parts.items():
        if part is not None:
            with as_mean([part]):
                assert (model(**told(model, batch)).logits - before).abs().max() > 1e-4, f"{name} is decoration"
    random = torch.Generator().manual_seed(0)
    other = torch.rand(batch.starts.shape, generator=random) < batch.starts.float().mean()
    other[:, :2] = True
    assert (model(**{**told(model, batch), "patch_starts": other}).logits - before).abs().max() > 1e-3
    assert torch.equal(model(**told(model, batch)).logits, before)


@each_objective
@each_form
def test_one_batch_overfits_to_a_twentieth_of_a_bit_per_base(make_model, records, form: str, objective: str) -> None:
    model = make_model(objective=objective, loud=False, kmers=[], **FORMS[form]).train()
    batch = batch_of(model, records(96, 80))
    labels = labels_for(model, batch)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=0.0)
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = bits_of(model, batch, labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if loss <= 0.03:
            break
    assert bits_of(model.eval(), batch, labels) <= 0.05
