"""Held-out bits of a language model, and what each of its parts is worth."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from small_runs import CPU, LEARNS, SETTINGS, run, settings_of

from genomelm.models.encoding import make_batch
from genomelm.models.heads import BITS
from genomelm.seq.alphabet import MASK
from genomelm.training.evaluation import mixers_of, window_bits
from genomelm.training.measure import measure, measure_long
from genomelm.training.pretrain import new_model
from genomelm.training.removals import as_mean, random_boundaries
from genomelm.training.windows import GenomeWindows


def test_held_out_bits_equal_a_plain_sum_and_scores_every_base(site):
    model = new_model(SETTINGS["hyena_glt"], site.patcher, 1).eval()
    windows = GenomeWindows(site.genome, site.store, site.patcher, site.test, 64)
    tiles = windows.tiles()
    assert sum(len(tile) for tile in tiles) == 3000
    bits, counts = window_bits(model, windows, tiles, CPU)
    assert counts.sum() == 3000
    ids, flags = windows.record(tiles[5])
    batch = make_batch([ids], [flags])
    with torch.inference_mode():
        logits = model(**batch.inputs()).logits[0, :-1].double()
    letters = torch.tensor([ord(letter) for letter in "ACGT"])
    log_probabilities = torch.log_softmax(logits[:, letters], -1)
    picked = [log_probabilities[i, "ACGT".index(chr(base))].item() for i, base in enumerate(ids)]
    assert bits[5] == pytest.approx(-sum(picked) * BITS, rel=1e-5)


@pytest.mark.parametrize("family", SETTINGS)
def test_masked_bits_equal_a_plain_sum_over_every_seventh_base(masked_site, family):
    model = new_model(settings_of(family, "masked"), masked_site.patcher, 1).eval()
    windows = GenomeWindows(masked_site.genome, masked_site.store, masked_site.patcher, masked_site.test, 64)
    tiles = windows.tiles()
    bits, counts = window_bits(model, windows, tiles, CPU)
    assert len(tiles) == len(bits) == len(counts)
    number = 5
    ids, flags = windows.record(tiles[number])
    places = range(number, 64, 7)  # where they begin goes from window to window
    assert counts[number] == len(places)
    shown = ids.copy()
    shown[list(places)] = MASK
    with torch.inference_mode():
        logits = model(**make_batch([shown], [flags]).inputs()).logits[0, 1:].double()
    log_p = torch.log_softmax(logits[:, [ord(letter) for letter in "ACGT"]], -1)
    picked = [log_p[place, "ACGT".index(chr(ids[place]))].item() for place in places]
    assert bits[number] == pytest.approx(-sum(picked) * BITS, rel=1e-5)


def every_second(where) -> float:
    """Return the bits per base of the windows that removals are measured on."""
    bits, counts = window_bits(where.model, where.windows, where.windows.tiles()[::2], CPU)
    return bits.sum() / counts.sum()


def cost_of(trained, modules) -> float:
    """Return what a removal costs on every second window, bits per base; afterwards the model is as it was."""
    tiles = trained.windows.tiles()[::2]
    bits, counts = window_bits(trained.model, trained.windows, tiles, CPU)
    with as_mean(modules):
        ablated = window_bits(trained.model, trained.windows, tiles, CPU)[0]
    again = window_bits(trained.model, trained.windows, tiles, CPU)[0]
    assert np.array_equal(again, bits)
    return (ablated - bits).sum() / counts.sum()


@pytest.mark.parametrize("objective", ["causal", "masked"])
@pytest.mark.parametrize(
    ("family", "backbone"),
    [
        ("hyena_glt", {}),
        ("gryphon", {"bigbird_blocks_per_layer": 0}),
        ("gryphon", {"s5_blocks_per_layer": 0}),
        ("transformer", {}),
    ],
    ids=["hyena", "s5", "bigbird", "attention"],
)
def test_a_part_that_the_task_needs_costs_far_more_than_an_untrained_one(
    recall_site, tmp_path, family, backbone, objective
):
    settings = settings_of(family, objective, kmers=())
    settings = dataclasses.replace(settings, backbone=dataclasses.replace(settings.backbone, **backbone))
    place, config = recall_site, dataclasses.replace(LEARNS, steps=300, batch_size=16, window=30, evaluate_every=300)
    fresh = new_model(settings, place.patcher, 1).eval()
    model, _ = run(place, tmp_path / "state", config, settings)
    windows = GenomeWindows(place.genome, place.store, place.patcher, place.test, 30)
    bits, counts = window_bits(model, windows, windows.tiles(), CPU)
    assert bits.sum() / counts.sum() < 0.15
    costs, controls = [], []
    for known, found in ((model, costs), (fresh, controls)):
        (mixers,) = mixers_of(known).values()
        parts = (mixers, [known.shell.backbone])
        found += [cost_of(SimpleNamespace(model=known, windows=windows), part) for part in parts]
    assert min(costs) > 0.02  # a letter that cannot be recalled costs 2 bits in 30 bases
    assert all(cost > 4 * abs(control) for cost, control in zip(costs, controls, strict=True))


def test_mixers_are_told_by_their_operators_names(causal, masked):
    expected = {
        "genomelm_hyena_glt": {"hyena"},
        "genomelm_gryphon": {"s5", "bigbird"},
        "genomelm_transformer": {"attention"},
    }
    for model in (causal.model, masked.model):
        found = mixers_of(model)
        assert found.keys() == expected[model.config.model_type]
        assert sum(map(len, found.values())) == len(model.shell.backbone.blocks)


def test_a_part_as_its_mean_says_nothing_and_an_error_leaves_nothing_behind(causal):
    part = causal.model.shell.backbone.blocks[0].mlp
    x = torch.randn(2, 9, 16)
    before = part(x)
    with as_mean([part]):
        torch.testing.assert_close(part(x), before.mean((0, 1)).expand_as(x))

    def fail() -> None:
        with as_mean([part]):
            part(x[..., :3])

    with pytest.raises(RuntimeError):
        fail()
    assert torch.equal(part(x), before)


def check_interval(found: dict) -> None:
    assert found["low"] <= found["value"] <= found["high"]


def check_cost(found: dict, whole: float) -> None:
    assert set(found) == {"value", "delta", "low", "high"}
    assert found["low"] <= found["delta"] <= found["high"]
    assert found["value"] - found["delta"] == pytest.approx(whole)


def test_a_causal_model_is_measured_beside_the_count_model(causal):
    found = measure(causal.model, causal.windows, CPU)
    mixers = {f"without_{name}" for name in mixers_of(causal.model)}
    assert set(found["ablations"]) == {"backbone_mean", "random_boundaries", *mixers}
    assert (found["objective"], found["bases"], found["windows"], found["window"]) == ("causal", 3000, 25, 120)
    check_interval(found["bits_per_base"])
    for cost in found["ablations"].values():
        check_cost(cost, every_second(causal))
    assert found["uniform"] == 2.0
    assert found["ablations"]["random_boundaries"]["delta"] > 0
    assert found["ablations"]["backbone_mean"]["delta"] == pytest.approx(cost_of(causal, [causal.model.shell.backbone]))
    check_interval(found["count_model"])
    difference = found["bits_per_base"]["value"] - found["count_model"]["value"]
    assert found["difference"]["value"] == pytest.approx(difference)


def test_a_masked_model_is_measured_alone(masked):
    found = measure(masked.model, masked.windows, CPU)
    mixers = {f"without_{name}" for name in mixers_of(masked.model)}
    assert set(found["ablations"]) == {"backbone_mean", *mixers}  # its boundaries come from no score
    assert not found.keys() & {"count_model", "difference", "published"}
    assert found["objective"] == "masked"
    assert found["bases"] == pytest.approx(3000 / 7, abs=5)
    check_interval(found["bits_per_base"])
    for cost in found["ablations"].values():
        check_cost(cost, every_second(masked))


def longer(place, trained, window: int) -> GenomeWindows:
    return GenomeWindows(place.genome, place.store, place.patcher, place.test, window)


def test_long_windows_tell_how_sparse_the_attention_is(site, causal):
    found = measure_long(causal.model, longer(site, causal, 1400), CPU)
    mixers = mixers_of(causal.model)
    assert (found["window"], found["windows"]) == (1400, 2)  # the last 200 bases are no whole window
    check_interval(found["bits_per_base"])
    for name in mixers:
        check_cost(found[f"without_{name}"], found["bits_per_base"]["value"])
    if "bigbird" not in mixers:
        assert not found.keys() & {"patches", "blocks", "sparsity"}
        return
    counts = [site.store.starts("c", start, start + 1400).size + 1 for start in (9000, 10400)]
    assert found["patches"] == min(counts)
    assert found["blocks"] == -(-found["patches"] // 4)
    assert found["sparsity"] == pytest.approx(1 - pairs_read(mixers["bigbird"][0], found["patches"]))
    assert 0.5 < found["sparsity"] < 1


def pairs_read(attention, patches: int) -> float:
    """Count key by key which share of the lower triangle the attention reads; a summary is one key."""
    blocks = -(-patches // 4)
    chosen, groups = attention.pattern.pattern_of(blocks), attention.pattern.groups_of(blocks)
    reads = 0
    for head in chosen:
        for row in range(patches):
            keys = [key for block in head[row // 4] for key in range(4 * block, min(4 * block + 4, patches))]
            reads += sum(key <= row for key in keys) + len(groups[row // 4])
    return reads / len(chosen) / (patches * (patches + 1) / 2)


def test_long_windows_of_masked_models_count_the_global_rows(masked_site, masked):
    found = measure_long(masked.model, longer(masked_site, masked, 1500), CPU)
    assert found["windows"] == 2
    if "bigbird" in mixers_of(masked.model):
        assert found["patches"] == 251
        assert found["blocks"] == 63
        blocks = 16 * 4 * 62  # four key blocks of four patches for every patch that is not global, about
        assert found["sparsity"] == pytest.approx(1 - (4 * 251 + blocks) / 251**2, abs=0.002)


def test_random_boundaries_keep_the_patch_lengths():
    generator = np.random.default_rng(0)
    flags = generator.random(201) < 0.2
    flags[0] = True
    shuffled = random_boundaries(flags, 3)
    assert shuffled[0]
    assert shuffled[-1] == flags[-1]
    assert not np.array_equal(shuffled, flags)

    def lengths(f):
        return sorted(np.diff(np.append(np.flatnonzero(f[:-1]), 200)))

    assert lengths(shuffled) == lengths(flags)
    assert np.array_equal(shuffled, random_boundaries(flags, 3))
