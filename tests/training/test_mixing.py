"""The rows of a step: whose they are, in which shares, and that any share of a step is a part of it."""

import dataclasses

import numpy as np
import pytest
import torch
from small_runs import QUICK, SETTINGS, settings_of

from genomelm.runtime import counter_seed
from genomelm.seq.alphabet import BOS, encode, reverse_complement
from genomelm.seq.interval import Interval
from genomelm.seq.records import Records
from genomelm.training.curriculum import stages_of
from genomelm.training.data_config import SourceConfig
from genomelm.training.mixing import DECK, Mixture
from genomelm.training.pretrain import Steps, new_model
from genomelm.training.sources import Data, GenomeSource, RecordSource
from genomelm.training.windows import GenomeWindows

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data(masked_site, tmp_path_factory):
    """The genome of the site, and records of it, one in ten held out."""
    folder = tmp_path_factory.mktemp("mixed")
    random = np.random.default_rng(2)
    places = [
        (int(s), int(n)) for s, n in zip(random.integers(0, 8000, 400), random.integers(5, 300, 400), strict=True)
    ]
    (folder / "r.fa").write_text("".join(f">r{s}_{n}\n{masked_site.text[s : s + n]}\n" for s, n in places))
    config = SourceConfig("reads", fasta=str(folder / "r.fa"), test_share=0.1)
    regions = {"train": masked_site.train, "test": masked_site.test}
    genome = GenomeSource(masked_site.genome, masked_site.patches, regions, None, CPU, weight=3.0)
    return Data([genome, RecordSource(config, Records(folder / "r.fa", "dna", None, folder / "cache"))])


def steps_of(data, objective="causal", **changes):
    config = dataclasses.replace(QUICK, batch_size=8, **changes)
    settings = settings_of("hyena_glt", objective)
    data.prepare(settings)
    return Steps(data, config, stages_of(config, 8), new_model(settings, data.patcher, 1))


@pytest.mark.parametrize("order", ["random", "epoch"])
@pytest.mark.parametrize("records", ["pad", "pack"])
@pytest.mark.parametrize("objective", ["causal", "masked"])
@pytest.mark.parametrize("curriculum", [(), (32, 64)])
def test_parts_of_a_step_are_its_rows_in_order(data, order, records, objective, curriculum):
    steps = steps_of(data, objective, order=order, records=records, curriculum=curriculum, window=64)
    for step in (0, 5, 6, 11):
        batch, labels = steps(step, 0, 1)
        parts = [steps(step, part, 4) for part in range(4)]
        begin = 0
        for part, theirs in parts:
            width, rows = part.ids.shape[1], slice(begin, begin + len(part.ids))
            begin += len(part.ids)
            assert torch.equal(part.ids, batch.ids[rows, :width])
            assert torch.equal(part.mask, batch.mask[rows, :width])
            assert torch.equal(part.starts[:, :width], batch.starts[rows, :width])
            assert torch.equal(theirs, labels[rows, :width])
            assert not batch.mask[rows, width:].any()
            if part.records is not None:  # None: this part has windows alone
                assert torch.equal(part.records >= 0, batch.records[rows, :width] >= 0)
        assert begin == len(batch.ids)
        again, _ = steps(step, 0, 1)
        assert torch.equal(again.ids, batch.ids)
    assert not torch.equal(steps(0)[0].ids, steps(1)[0].ids[:, : steps(0)[0].ids.shape[1]])


def test_one_genome_is_drawn_as_ever(site):
    """The plain form of the rule, so that runs of before are the runs of now: (seed, step) -> places and strands."""
    data = Data.of_genome(site.genome, site.patches, site.train, site.test, None, CPU)
    config = dataclasses.replace(QUICK, batch_size=4)
    steps = Steps(data, config, stages_of(config, 8), new_model(SETTINGS["hyena_glt"], site.patcher, 1))
    for step in range(3):
        generator = np.random.default_rng(counter_seed("windows", 1, step))
        places, strands = generator.integers(0, 9000 - 64 + 1, 4), generator.integers(0, 2, 4)
        batch, labels = steps(step)
        for row, place, strand in zip(range(4), places, strands, strict=True):
            text = site.text[place : place + 64]
            ids = encode(reverse_complement(text) if strand else text)
            marks = site.patcher.marks(ids) if strand else site.store.window_marks(Interval("c", place, place + 64))
            assert batch.ids[row].tolist() == [BOS, *ids]
            assert batch.starts[row].tolist() == [True, True, *marks[1:]]
        assert torch.equal(labels, batch.ids)


def test_what_is_hidden_in_windows_of_one_genome_is_drawn_as_ever(masked_site):
    place = masked_site
    steps = steps_of(Data.of_genome(place.genome, place.patches, place.train, place.test, None, CPU), "masked")
    _, labels = steps(3)
    drawn = np.random.default_rng(counter_seed("hidden", 1, 3)).random((8, 65)) < 0.15
    drawn[:, 0] = False
    assert np.array_equal((labels >= 0).numpy(), drawn)


class Fake:
    """Rows that only say how many are asked for."""

    window = 64


def mixture(order, weights, seed=1):
    return Mixture([Fake()] * len(weights), [str(n) for n in range(len(weights))], weights, order, seed)


@pytest.mark.parametrize("weights", [(3, 1), (1, 1, 1), (0.7, 0.01, 0.29), (5, 0, 1)])
def test_random_sources_have_their_expected_shares(weights):
    made = mixture("random", weights)
    counts = sum(np.bincount(made.owners(step, 64, 0)[0], minlength=len(weights)) for step in range(1500))
    shares = np.array(weights) / sum(weights)
    assert np.abs(counts / counts.sum() - shares).max() < 4 * np.sqrt(0.25 / counts.sum())
    assert counts[np.array(weights) == 0].sum() == 0
    steps = np.array([np.bincount(made.owners(s, 64, 0)[0], minlength=len(weights))[0] for s in range(1500)])
    assert steps.var() == pytest.approx(64 * shares[0] * (1 - shares[0]), rel=0.2)  # that of a multinomial


@pytest.mark.parametrize("weights", [(3, 1), (0.7, 0.01, 0.29), (1, 1, 1), (1e-9, 1)])
def test_epochs_of_several_sources_go_on_without_gaps_in_exact_shares(weights):
    made, size = mixture("epoch", weights), 4099
    seen = np.zeros(len(weights), np.int64)
    for step in range(2 * DECK // size + 2):
        owners, begins = made.owners(step, size, step * size)
        assert np.array_equal(begins, seen)
        seen += np.bincount(owners, minlength=len(weights))
        if (step + 1) * size >= DECK > step * size:
            first = np.bincount(np.concatenate([made.owners(0, DECK, 0)[0]]), minlength=len(weights))
            assert first.sum() == DECK
            assert np.abs(first - DECK * np.array(weights) / sum(weights)).max() <= 1.5
    assert (seen > 0).all()


def test_seeds_and_steps_choose_other_sources():
    assert not np.array_equal(
        mixture("random", (1, 1)).owners(0, 64, 0)[0], mixture("random", (1, 1)).owners(1, 64, 0)[0]
    )
    for order in ("random", "epoch"):
        one, other = (mixture(order, (1, 1), seed).owners(0, 64, 0)[0] for seed in (1, 2))
        assert not np.array_equal(one, other)


def test_an_epoch_of_windows_has_each_tile_once_on_a_strand_that_changes(masked_site):
    regions = [Interval("c", 0, 1000), Interval("c", 2000, 2064), Interval("c", 3000, 3200)]
    windows = GenomeWindows(masked_site.genome, masked_site.store, masked_site.patcher, regions, 64)
    seen = []
    windows.batch = lambda intervals, conjoined: seen.extend(intervals)
    assert windows.rows == 16 + 1 + 4
    for step in range(21):
        windows.epoch_batch(step * 4, 4, "x")
    for epoch in range(4):
        mine = seen[epoch * 21 : epoch * 21 + 21]
        starts = {*range(0, 936, 64), 936, 2000, *range(3000, 3136, 64), 3136}
        assert sorted(interval.start for interval in mine) == sorted(starts)
    first, second = ({i.start: i.strand for i in seen[k : k + 21]} for k in (0, 21))
    assert all(first[start] != second[start] for start in first)
    assert set(first.values()) == {"+", "-"}
    one_strand = GenomeWindows(
        *(masked_site.genome, masked_site.store, masked_site.patcher, regions, 64), both_strands=False
    )
    one_strand.batch = lambda intervals, conjoined: seen.extend(intervals)
    seen.clear()
    one_strand.epoch_batch(0, 21, "x")
    one_strand.random_batch(50, "x")
    assert {interval.strand for interval in seen} == {"+"}


def test_padding_is_told(data):
    assert 0.0 < steps_of(data, records="pack", window=256).padding() < 0.6
    alone = Data(data.sources[:1])
    assert steps_of(alone).padding() == 0.0
