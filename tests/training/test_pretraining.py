"""Training runs: reproducible, resumable, and learning what is there."""

import dataclasses
import itertools
import logging
import os
import signal

import numpy as np
import pytest
import torch

from genomelm.errors import Interrupted, NumericalError, UsageError
from genomelm.models.config import HyenaConfig, HyenaGLTSettings, ShellConfig
from genomelm.models.heads import BITS
from genomelm.training import loop
from genomelm.training.checkpoint import load_state, save_state
from genomelm.training.config import TrainConfig
from genomelm.training.evaluation import backbone_as_mean, random_boundaries, window_bits
from genomelm.training.optimizer import make_optimizer, parameter_groups, rate_at
from genomelm.training.pretrain import new_model, pretrain
from genomelm.training.windows import GenomeWindows

CPU = torch.device("cpu")
SETTINGS = HyenaGLTSettings(
    shell=ShellConfig(
        local_width=16, local_heads=2, local_taps=3, encoder_layers=1, decoder_layers=1, kmers=(2, 3), width=16
    ),
    backbone=HyenaConfig(layers=1, hidden=16),
)
QUICK = TrainConfig(steps=12, batch_size=2, window=64, evaluate_every=4, checkpoint_minutes=0.0)


def weights(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(first, second):
    return all(torch.equal(first[name], second[name]) for name in first)


def run(site, state, config=QUICK, **more):
    return pretrain(site.genome, site.patches, SETTINGS, config, site.train, site.test, state, CPU, **more)


def test_a_run_is_a_function_of_its_settings(site, tmp_path):
    first, log = run(site, tmp_path / "a")
    second, _ = run(site, tmp_path / "b")
    other, _ = run(site, tmp_path / "c", dataclasses.replace(QUICK, seed=2))
    assert same(weights(first), weights(second))
    assert not same(weights(first), weights(other))
    assert [row["step"] for row in log] == [4, 8, 12]
    assert log[-1]["bases"] == 12 * 2 * 64


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
@pytest.mark.parametrize("at", [1, 7])
def test_an_interrupted_run_ends_with_the_same_weights_bit_for_bit(site, tmp_path, monkeypatch, number, at):
    whole, log = run(site, tmp_path / "whole")
    original, calls = GenomeWindows.random_batch, []

    def interrupted(self, *arguments):
        calls.append(arguments)
        if len(calls) == at:
            os.kill(os.getpid(), number)
        return original(self, *arguments)

    monkeypatch.setattr(GenomeWindows, "random_batch", interrupted)
    with pytest.raises(Interrupted, match=signal.Signals(number).name) as caught:
        run(site, tmp_path / "cut", dataclasses.replace(QUICK, checkpoint_minutes=60.0))
    assert caught.value.exit_code == 75
    monkeypatch.setattr(GenomeWindows, "random_batch", original)
    resumed, resumed_log = run(site, tmp_path / "cut", dataclasses.replace(QUICK, checkpoint_minutes=60.0))
    assert same(weights(whole), weights(resumed))
    numbers = [{k: v for k, v in row.items() if k != "seconds"} for row in log]
    assert numbers == [{k: v for k, v in row.items() if k != "seconds"} for row in resumed_log]


def test_the_time_budget_stops_a_run_with_a_checkpoint(site, tmp_path):
    with pytest.raises(Interrupted, match="time budget"):
        run(site, tmp_path / "state", max_minutes=0.0)
    assert list((tmp_path / "state").glob("step-*"))


def test_a_broken_newest_checkpoint_gives_way_to_the_one_before(site, tmp_path, caplog):
    whole, _ = run(site, tmp_path / "state")
    kept = sorted((tmp_path / "state").glob("step-*"))
    assert len(kept) == 2  # bounded in number
    file = kept[-1] / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-10])
    with caplog.at_level(logging.WARNING):
        again, _ = run(site, tmp_path / "state")
    assert "not whole" in caplog.text
    assert same(weights(whole), weights(again))


def test_a_checkpoint_of_other_settings_is_not_used(site, tmp_path, caplog):
    run(site, tmp_path / "state")
    with caplog.at_level(logging.WARNING):
        changed, _ = run(site, tmp_path / "state", dataclasses.replace(QUICK, learning_rate=1e-3))
    fresh, _ = run(site, tmp_path / "fresh", dataclasses.replace(QUICK, learning_rate=1e-3))
    assert "starts anew" in caplog.text
    assert same(weights(changed), weights(fresh))


def test_checkpoints_hold_the_optimizer_exactly(site, tmp_path):
    model = new_model(SETTINGS, site.patcher, 1)
    optimizer = make_optimizer(model, QUICK)
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter)
    optimizer.step()
    save_state(tmp_path, 1, model, optimizer, {"fingerprint": "x", "log": []})
    other = new_model(SETTINGS, site.patcher, 2)
    restored = make_optimizer(other, QUICK)
    assert load_state(tmp_path, other, restored, "x")["step"] == 1
    mine, theirs = optimizer.state_dict()["state"], restored.state_dict()["state"]
    assert mine.keys() == theirs.keys()
    for index in mine:
        assert all(torch.equal(mine[index][name], theirs[index][name]) for name in mine[index])
    assert load_state(tmp_path, other, restored, "y") is None


def test_losses_that_are_not_finite_end_the_run_after_a_few(site, tmp_path, monkeypatch):
    def broken(settings, patcher, seed):
        model = new_model(settings, patcher, seed)
        with torch.no_grad():
            model.head.out.bias.fill_(float("nan"))
        return model

    monkeypatch.setattr("genomelm.training.pretrain.new_model", broken)
    with pytest.raises(NumericalError, match=f"{loop.MOST_SKIPPED} steps in a row") as caught:
        run(site, tmp_path / "state")
    assert caught.value.exit_code == 7


def test_pretraining_without_steps_is_refused(site, tmp_path):
    with pytest.raises(UsageError, match="'steps'"):
        run(site, tmp_path / "state", TrainConfig(window=64))


def test_every_parameter_is_in_exactly_one_group(site):
    model = new_model(SETTINGS, site.patcher, 1)
    groups = parameter_groups(model, QUICK)
    found = [id(p) for group in groups for p in group["params"]]
    assert sorted(found) == sorted(id(p) for p in model.parameters())
    by_name = {group["name"]: {id(p) for p in group["params"]} for group in groups}
    names = dict(model.named_parameters())
    assert id(names["shell.kmers.tables.0.weight"]) in by_name["bytes, no decay"]
    assert id(names["shell.backbone.blocks.0.mixer.filter.out.weight"]) in by_name["filters, no decay"]
    assert id(names["shell.backbone.blocks.0.mixer.into.weight"]) in by_name["latent"]


def test_the_rate_rises_then_falls_to_its_share():
    config = TrainConfig(steps=100, learning_rate=1.0, warmup=0.1, final_rate=0.1)
    rates = [rate_at(step, 100, config) for step in range(100)]
    assert max(rates) == pytest.approx(1.0)
    assert rates.index(max(rates)) == 9
    assert all(a < b for a, b in itertools.pairwise(rates[:10]))
    assert all(a > b for a, b in itertools.pairwise(rates[9:]))
    assert rates[-1] == pytest.approx(0.1)


def test_forward_windows_take_the_stored_boundaries_and_reverse_ones_their_own(site):
    from genomelm.seq.alphabet import encode, reverse_complement
    from genomelm.seq.interval import Interval

    windows = GenomeWindows(site.genome, site.store, site.patcher, site.train, 64)
    ids, flags = windows.record(Interval("c", 500, 564))
    assert np.array_equal(ids, encode(site.text[500:564]))
    whole = site.patcher.marks(encode(site.text))
    expected = whole[500:565].copy()
    expected[0] = True
    assert np.array_equal(flags, expected)
    ids, flags = windows.record(Interval("c", 500, 564, "-"))
    assert np.array_equal(ids, encode(reverse_complement(site.text[500:564])))
    assert np.array_equal(flags, site.patcher.marks(ids))


def test_random_windows_stay_inside_their_regions(site):
    from genomelm.seq.interval import Interval

    regions = [Interval("c", 100, 164), Interval("c", 300, 370)]
    windows = GenomeWindows(site.genome, site.store, site.patcher, regions, 64)
    seen = []
    windows.record = lambda interval: seen.append(interval) or (np.zeros(64, np.int64), np.ones(65, bool))
    for step in range(60):
        windows.random_batch(4, "x", step)
    starts = {interval.start for interval in seen}
    assert starts == {100, *range(300, 307)}
    assert {interval.strand for interval in seen} == {"+", "-"}


def test_held_out_bits_equal_a_plain_sum_and_scores_every_base(site):
    model = new_model(SETTINGS, site.patcher, 1).eval()
    windows = GenomeWindows(site.genome, site.store, site.patcher, site.test, 64)
    tiles = windows.tiles()
    assert sum(len(tile) for tile in tiles) == 3000
    bits, counts = window_bits(model, windows, tiles, CPU)
    assert counts.sum() == 3000
    from genomelm.models.encoding import make_batch

    ids, flags = windows.record(tiles[5])
    batch = make_batch([ids], [flags])
    with torch.inference_mode():
        logits = model(**batch.inputs()).logits[0, :-1].double()
    letters = torch.tensor([ord(letter) for letter in "ACGT"])
    log_probabilities = torch.log_softmax(logits[:, letters], -1)
    picked = [log_probabilities[i, "ACGT".index(chr(base))].item() for i, base in enumerate(ids)]
    assert bits[5] == pytest.approx(-sum(picked) * BITS, rel=1e-5)


def test_a_trained_backbone_is_no_decoration(site, tmp_path):
    """Repeats of 30 bases can only be told by context: its removal must cost bits, and a fresh one's must not."""
    config = TrainConfig(steps=250, batch_size=8, window=120, learning_rate=1e-2, evaluate_every=250)
    model, _log = run(site, tmp_path / "state", config)
    windows = GenomeWindows(site.genome, site.store, site.patcher, site.test, 120)
    tiles = windows.tiles()
    bits, counts = window_bits(model, windows, tiles, CPU)
    assert bits.sum() / counts.sum() < 1.0 < 2.0
    with backbone_as_mean(model):
        ablated = window_bits(model, windows, tiles, CPU)[0]
    assert (ablated - bits).sum() / counts.sum() > 0.02
    again = window_bits(model, windows, tiles, CPU)[0]
    assert np.array_equal(again, bits)  # the ablation leaves nothing behind


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


def test_a_stopped_run_is_not_crowded_out_by_another_run_s_checkpoints(site, tmp_path, monkeypatch):
    """Old checkpoints of other settings have later step numbers; the new run must still resume from its own."""
    run(site, tmp_path / "state")
    changed = dataclasses.replace(QUICK, learning_rate=1e-3)
    whole, _ = run(site, tmp_path / "whole", changed)
    original, calls = GenomeWindows.random_batch, []

    def interrupted(self, *arguments):
        calls.append(arguments)
        if len(calls) == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(self, *arguments)

    monkeypatch.setattr(GenomeWindows, "random_batch", interrupted)
    with pytest.raises(Interrupted, match="step 3"):
        run(site, tmp_path / "state", changed)
    monkeypatch.setattr(GenomeWindows, "random_batch", original)
    resumed, _ = run(site, tmp_path / "state", changed)
    assert same(weights(whole), weights(resumed))


@pytest.mark.parametrize("often", [1, 5])
def test_a_gradient_that_is_not_finite_never_reaches_the_weights(site, tmp_path, monkeypatch, caplog, often):
    """One bad batch is skipped; several in a row send the run back once and then end it."""
    original, calls = GenomeWindows.random_batch, []
    broken = range(6, 6 + often)

    def counted(self, *arguments):
        calls.append(arguments)
        return original(self, *arguments)

    clip = torch.nn.utils.clip_grad_norm_

    def clipped(parameters, limit):
        parameters = list(parameters)
        if calls[-1][-1] in broken:
            parameters[0].grad.fill_(float("inf"))
        return clip(parameters, limit)

    monkeypatch.setattr(GenomeWindows, "random_batch", counted)
    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", clipped)
    if often == 1:
        model, _ = run(site, tmp_path / "state")
        assert all(torch.isfinite(value).all() for value in weights(model).values())
        return
    with caplog.at_level(logging.WARNING), pytest.raises(NumericalError, match="step 8"):
        run(site, tmp_path / "state")
    assert "going back to the checkpoint of step 6, once" in caplog.text


def test_patches_of_another_genome_are_refused(site, tmp_path):
    from genomelm.seq.genome import Genome

    (tmp_path / "other.fa").write_text(f">c\n{site.text}ACGT\n")
    with Genome(tmp_path / "other.fa") as other, pytest.raises(UsageError, match="run `genomelm patch` on this genome"):
        GenomeWindows(other, site.store, site.patcher, site.train, 64)


def test_held_out_regions_that_the_count_model_was_fitted_on_are_refused(site, tmp_path):
    from genomelm.seq.interval import Interval

    with pytest.raises(UsageError, match="count model's training region"):
        pretrain(
            site.genome, site.patches, SETTINGS, QUICK, site.train, [Interval("c", 8000, 9500)], tmp_path / "x", CPU
        )
