"""Nothing after byte i reaches the logits of row i: shown by substitution, with new patches each time."""

import dataclasses

import numpy as np
import pytest
import torch
from leaks import TOLERANCE, largest_leak
from small_batches import each_family, logits_of

from genomelm.models import model as model_module
from genomelm.models.encoding import make_batch
from genomelm.models.geometry import Patches


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


@each_family
@pytest.mark.parametrize("seed", range(3))
def test_no_logit_depends_on_a_later_byte_patches_included(make_model, records, family: str, seed: int) -> None:
    record = records(150, seed=seed)[0]
    positions = [-1, 0, 1, 17, 40, 63, 64, 100, 147, 148]
    assert largest_leak(make_model(seed=seed, family=family), record, positions, rng(seed)) < TOLERANCE


@each_family
@pytest.mark.parametrize("shell", [{"kmers": [1]}, {"encoder_layers": 0, "decoder_layers": 0}, {"window": 7}])
def test_causality_holds_in_other_shapes(make_model, records, family: str, shell: dict) -> None:
    record = records(90, seed=5)[0]
    assert largest_leak(make_model(family=family, **shell), record, list(range(0, 89, 4)), rng(0)) < TOLERANCE


@pytest.mark.parametrize("blocks", [(2, 0), (0, 2), (1, 1)], ids=["S5", "BigBird", "both"])
def test_causality_holds_over_many_blocks_of_either_kind(make_model, records, blocks: tuple[int, int]) -> None:
    """About 80 patches are 20 blocks, of which a block reads four and the means of up to four groups."""
    model = make_model(
        family="gryphon", backbone={"s5_blocks_per_layer": blocks[0], "bigbird_blocks_per_layer": blocks[1]}
    )
    record = records(400, seed=6)[0]
    assert model.patcher.marks(record).sum() > 16 * model.config.backbone["block"]
    assert largest_leak(model, record, list(range(3, 399, 36)), rng(0)) < TOLERANCE


def test_attention_that_reads_later_blocks_fails_this_check(make_model, records) -> None:
    model, record = make_model(family="gryphon"), records(150)[0]
    attention = model.shell.backbone.blocks[-1].mixer
    attention.pattern = dataclasses.replace(attention.pattern, bidirectional=True)
    assert largest_leak(model, record, list(range(0, 140, 7)), rng(0)) > 100 * TOLERANCE


def test_a_decoder_that_reads_the_open_patch_fails_this_check(make_model, records, monkeypatch) -> None:
    class Leaky(Patches):
        @classmethod
        def from_starts(cls, *given: torch.Tensor | int | None) -> Patches:
            patches = Patches.from_starts(*given)
            return dataclasses.replace(patches, newest=patches.ids)  # patch_id(i) in place of patch_id(i+1) - 1

    model, record = make_model(), records(150)[0]
    positions = list(range(0, 140, 7))
    assert largest_leak(model, record, positions, rng(0)) < TOLERANCE
    monkeypatch.setattr(model_module, "Patches", Leaky)
    assert largest_leak(model, record, positions, rng(0)) > 100 * TOLERANCE


def test_a_length_feature_on_bytes_fails_this_check(make_model, records, monkeypatch) -> None:
    """The length of an open patch tells where the next one starts, which depends on bytes to come."""
    plain = Patches.distance

    def leaky(patches: Patches) -> torch.Tensor:
        lengths = torch.gather(patches.lengths(), 1, patches.ids.clamp_min(0))
        return torch.where(patches.ids >= 0, lengths - plain(patches), 0)  # distance to the patch's end

    monkeypatch.setattr(Patches, "distance", leaky)
    model, record = make_model(), records(150)[0]
    assert largest_leak(model, record, list(range(0, 140, 7)), rng(0)) > 100 * TOLERANCE


@each_family
def test_causality_holds_with_every_branch_and_position(make_model, records, family: str) -> None:
    sections = {"positions": {"codon": True, "sinusoidal": True}, "branches": {"motif": 2, "structure": True}}
    model, record = make_model(family=family, sections=sections), records(150)[0]
    assert largest_leak(model, record, list(range(0, 150, 6)), rng(0)) < TOLERANCE


@each_family
def test_gradients_of_a_logit_stop_at_its_byte(make_model, records, family: str) -> None:
    model, record = make_model(family=family), records(80)[0]
    batch = make_batch([record], [model.patcher.marks(record)])
    for row in (0, 1, 40, 80):
        letters = torch.full((1, 81, 5), 0.2, requires_grad=True)
        model(**batch.inputs(), letters=letters).logits[0, row].square().sum().backward()
        reach = letters.grad[0].abs().amax(-1)
        assert reach[row] > 1e-3 or not row  # BOS is no letter
        assert reach[row + 1 :].sum() < 1e-4 * reach[row] + 1e-7


@each_family
def test_a_prefix_has_the_rows_of_the_whole(make_model, records, family: str) -> None:
    model, record = make_model(family=family), records(250)[0]
    whole = logits_of(model, [record])[0]
    for length in (0, 1, 2, 31, 64, 119, 180, 249):
        part = logits_of(model, [record[:length]])[0]
        torch.testing.assert_close(part, whole[: length + 1], atol=TOLERANCE, rtol=0)
