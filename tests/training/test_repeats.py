"""Bases in lower case, soft-masked repeats: measured apart, and weighed by themselves in the loss."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from small_runs import CPU, QUICK, patched, run, settings_of

from genomelm.errors import UsageError
from genomelm.models.encoding import make_batch
from genomelm.models.heads import BITS
from genomelm.patching.patcher import Patcher, PatcherConfig
from genomelm.seq.alphabet import encode
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.training.data_config import DataConfig, SourceConfig
from genomelm.training.evaluation import bits_by_case, window_bits
from genomelm.training.measure import measure
from genomelm.training.parts import count_letters
from genomelm.training.pretrain import new_model, pretrain_on
from genomelm.training.sources import opened
from genomelm.training.windows import GenomeWindows, label_ids

LOWER = {"mixed": slice(300, 1700), "none": slice(0, 0), "all": slice(None)}


@pytest.fixture(scope="module")
def sites(tmp_path_factory):
    """By which bases are in lower case: 2,000 random bases, the first 1,400 to train on."""
    letters = np.random.default_rng(3).choice(list("ACGTN"), 2000, p=[0.24, 0.24, 0.24, 0.24, 0.04])
    found = {}
    for name, where in LOWER.items():
        folder, cased = tmp_path_factory.mktemp(name), letters.copy()
        cased[where] = np.char.lower(cased[where])
        text = "".join(cased)
        (folder / "g.fa").write_text(f">c\n{text}\n")
        found[name] = SimpleNamespace(
            genome=Genome(folder / "g.fa"),
            train=[Interval("c", 0, 1400)],
            test=[Interval("c", 1400, 2000)],
            text=text,
            **patched(folder / "patches", Patcher(PatcherConfig("fixed_stride", stride=6)), encode(text)),
        )
    return found


def windows_of(site, window=60, regions="test"):
    return GenomeWindows(site.genome, site.store, site.patcher, getattr(site, regions), window)


@pytest.mark.parametrize("objective", ["causal", "masked"])
def test_repeats_and_the_rest_are_plain_sums_over_their_bases(sites, objective):
    site = sites["mixed"]
    windows = windows_of(site)
    model = new_model(settings_of("hyena_glt", objective), site.patcher, 1).eval()
    tiles = windows.tiles()
    found = bits_by_case(model, windows, tiles, CPU)
    for ours, theirs in zip(found[:2], window_bits(model, windows, tiles, CPU), strict=True):
        assert np.array_equal(ours, theirs)
    for number, tile in enumerate(tiles):
        text, (ids, marks) = site.text[tile.start : tile.end], windows.record(tile)
        hidden = range((tile.start // 60) % 7, 60, 7) if objective == "masked" else range(60)
        batch = make_batch([ids], [marks])
        if objective == "masked":
            batch = batch.hidden(torch.isin(torch.arange(61), torch.tensor([1 + place for place in hidden])))
        with torch.no_grad():
            chances = model(**batch.inputs()).logits[0][:, [65, 67, 71, 84]].double().log_softmax(-1)
        bits = {"acgt": [0.0], "ACGT": [0.0]}
        for place in hidden:
            for letters, values in bits.items():
                if text[place] in letters:
                    row = place + (objective == "masked")
                    values.append(-float(chances[row, letters.index(text[place])]) * BITS)
        assert found.repeat_counts[number] == len(bits["acgt"]) - 1
        assert found.counts[number] == len(bits["acgt"]) + len(bits["ACGT"]) - 2
        assert found.repeat_bits[number] == pytest.approx(sum(bits["acgt"]), rel=1e-5)
        assert found.bits[number] == pytest.approx(sum(bits["acgt"]) + sum(bits["ACGT"]), rel=1e-5)


def test_they_are_told_where_there_are_both_and_only_there(sites):
    model = new_model(settings_of("hyena_glt"), sites["none"].patcher, 1).eval()
    found = {name: measure(model, windows_of(site), CPU) for name, site in sites.items()}
    keys = {"bits_per_base_repeats", "bits_per_base_unique"}
    assert not (found["none"].keys() | found["all"].keys()) & keys
    assert keys <= found["mixed"].keys()
    repeats, unique = found["mixed"]["bits_per_base_repeats"], found["mixed"]["bits_per_base_unique"]
    assert repeats["bases"] + unique["bases"] == found["mixed"]["bases"]
    assert (repeats["windows"], unique["windows"]) == (5, 5)
    both = repeats["value"] * repeats["bases"] + unique["value"] * unique["bases"]
    assert both / found["mixed"]["bases"] == pytest.approx(found["mixed"]["bits_per_base"]["value"])
    for part in (repeats, unique):
        assert part["low"] <= part["value"] <= part["high"]
    assert {found[name]["bits_per_base"]["value"] for name in LOWER} == {found["mixed"]["bits_per_base"]["value"]}


def test_readings_in_the_log_have_both(sites, tmp_path):
    steps = dataclasses.replace(QUICK, steps=2, evaluate_every=2)
    logs = {name: run(site, tmp_path / name, steps)[1] for name, site in sites.items()}
    assert {"test_bits", "test_bits_repeats", "test_bits_unique"} <= logs["mixed"][-1].keys()
    for name in ("none", "all"):
        assert not [key for key in logs[name][-1] if key.endswith(("repeats", "unique"))]


@pytest.mark.parametrize("strand", "+-")
def test_the_weight_is_that_of_the_bases_in_lower_case_on_either_strand(sites, strand):
    site = sites["mixed"]
    windows = windows_of(site)
    windows.repeat_weight = 0.25
    batch = windows.batch([Interval("c", 280, 320, strand)], conjoined=False)
    lower = [letter.islower() for letter in site.genome.fetch(Interval("c", 280, 320, strand))]
    assert sum(lower) == 20
    assert batch.weights[0, 1:].tolist() == [0.25 if flag else 1.0 for flag in lower]
    assert windows_of(site).batch([Interval("c", 280, 320)], conjoined=False).weights is None


def test_a_part_of_a_step_counts_what_its_targets_weigh(sites):
    windows = windows_of(sites["mixed"], regions="train")
    windows.repeat_weight = 0.5
    batch = windows.batch(windows.tiles()[3:7], conjoined=False)
    labels = label_ids(batch)
    model = new_model(settings_of("hyena_glt"), sites["mixed"].patcher, 1).eval()
    nats = model.head.nats(model(**batch.inputs()).hidden_states, labels)
    heavy = batch.weights[:, 1:] * (model.head.targets(labels) >= 0)
    assert count_letters(batch, labels, "dna", 1) == float(heavy.sum())
    loss = model(**batch.inputs(), labels=labels).loss
    torch.testing.assert_close(loss * count_letters(batch, labels, "dna", 1), (nats * heavy).sum())
    plain = dataclasses.replace(batch, weights=None)
    assert count_letters(plain, labels, "dna", 1) == int((model.head.targets(labels) >= 0).sum())


def test_parts_of_weighted_steps_are_one_step(sites, tmp_path):
    half = dataclasses.replace(QUICK, steps=3, evaluate_every=1, batch_size=4, repeat_weight=0.2)
    logs = [
        run(sites["mixed"], tmp_path / name, dataclasses.replace(half, **more))[1]
        for name, more in (("whole", {}), ("parts", {"accumulate": 4}), ("even", {"repeat_weight": 1.0}))
    ]
    whole, parts, even = ([row["train_bits"] for row in log] for log in logs)
    assert whole == pytest.approx(parts, rel=1e-5)
    assert whole != pytest.approx(even, rel=1e-5)


def test_bases_of_weight_0_teach_nothing(sites, tmp_path):
    none = dataclasses.replace(QUICK, steps=2, evaluate_every=2, repeat_weight=0.0, weight_decay=0.0)
    model, _ = run(sites["all"], tmp_path / "all", none)
    fresh = new_model(settings_of("hyena_glt"), sites["all"].patcher, none.seed)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), fresh.parameters(), strict=True))


def test_records_have_no_case_to_weigh(tmp_path, monkeypatch):
    monkeypatch.setenv("GENOMELM_CACHE", str(tmp_path / "cache"))
    (tmp_path / "r.fa").write_text("".join(f">r{n}\n{'acgtACGT' * 9}\n" for n in range(30)))
    source = SourceConfig(name="reads", modality="dna", fasta=str(tmp_path / "r.fa"), test_share=0.3)
    data = DataConfig(sources=(source,))
    config = dataclasses.replace(QUICK, repeat_weight=0.5)
    with opened(data, False, False, CPU) as sources, pytest.raises(UsageError, match="all sources are records"):
        pretrain_on(sources, settings_of("hyena_glt"), config, tmp_path / "state", CPU)
