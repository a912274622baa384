"""Training of the small byte language model: what it is shown, what it learns, and that a stopped run goes on."""

import dataclasses
import os
import signal
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from small_runs import CPU, numbers, same, weights

from genomelm.errors import InputError, Interrupted, NumericalError
from genomelm.models.byte_lm import ByteLMConfig
from genomelm.patching.count_model import CountModel
from genomelm.seq.alphabet import decode, encode, reverse_complement
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.training import byte_lm
from genomelm.training.byte_lm import Pieces, measure_byte_lm, train_byte_lm
from genomelm.training.config import TrainConfig

TINY = ByteLMConfig(kmers=(1,), width=16, layers=2, taps=3)
QUICK = TrainConfig(steps=6, batch_size=2, window=64, evaluate_every=2, checkpoint_minutes=0.0, prefetch=0)


def markov_chain(length: int, seed: int) -> tuple[str, np.ndarray]:
    """DNA in which two letters decide the next one's odds, and bits (l,) of each letter under those odds."""
    random = np.random.default_rng(seed)
    odds = np.random.default_rng(0).dirichlet([0.4] * 4, 16)
    letters, bits, edges = [0, 1], [2.0, 2.0], odds.cumsum(1)
    for draw in random.random(length - 2):
        context = 4 * letters[-2] + letters[-1]
        letters.append(min(3, int(np.searchsorted(edges[context], draw, side="right"))))
        bits.append(-np.log2(odds[context, letters[-1]]))
    return "".join(np.array(list("ACGT"))[letters]), np.array(bits)


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """An order-2 Markov chain, a contig to train on and one to test on."""
    path = tmp_path_factory.mktemp("chain") / "g.fa"
    training, (testing, bits) = markov_chain(40_000, 1)[0], markov_chain(8_000, 2)
    path.write_text(f">train\n{training}\n>test\n{testing}\n")
    return SimpleNamespace(
        genome=Genome(path),
        train=[Interval("train", 0, 40_000)],
        test=[Interval("test", 0, 8_000)],
        text=training,
        true_bits=bits.mean(),
    )


def run(place: SimpleNamespace, state: Path, settings: ByteLMConfig = TINY, config: TrainConfig = QUICK, **more):
    return train_byte_lm(place.genome, settings, config, place.train, place.test, state, CPU, **more)


def test_a_checkpoint_serves_runs_of_other_test_regions_unless_they_end_a_run(chain, tmp_path, monkeypatch) -> None:
    found = []
    monkeypatch.setattr(byte_lm, "train", lambda network, run, *_: found.append(run.fingerprint) or [])
    for config in (QUICK, dataclasses.replace(QUICK, early_stopping=2)):
        for end in (8_000, 7_000):
            place = SimpleNamespace(genome=chain.genome, train=chain.train, test=[Interval("test", 0, end)])
            run(place, tmp_path / "state", TINY, config)
    assert found[0] == found[1]
    assert len(set(found)) == 3


def test_a_markov_chain_is_learned_to_near_its_true_entropy(chain, tmp_path) -> None:
    settings = dataclasses.replace(TINY, both_strands=False)
    config = TrainConfig(steps=240, batch_size=8, window=256, learning_rate=1e-2, evaluate_every=120)
    model, log = run(chain, tmp_path / "state", settings, config)
    found = measure_byte_lm(model, chain.genome, chain.train, chain.test)
    order_0 = CountModel.fit([encode(chain.text)], 0, both_strands=False)
    test = encode(chain.genome.fetch(chain.test[0]))
    assert found["bits_per_base"] < chain.true_bits + 0.02
    assert found["bits_per_base"] < order_0.bits_per_base(test)[0] - 0.3
    assert found["bits_per_base"] > chain.true_bits - 0.02  # no less than there is to know
    assert log[-1]["test_bits"] == pytest.approx(found["bits_per_base"], abs=0.02)
    # Scores are entropies in nats: on average the surprise, where the model is right about the odds.
    assert model.scores(test)[1:].mean() * byte_lm.BITS == pytest.approx(chain.true_bits, abs=0.05)
    assert model.training == ("train:1-40000",)


def test_the_model_is_measured_beside_a_count_model_of_the_same_data(chain, tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(byte_lm.COUNT_ORDER, "dna", 2)
    model, _ = run(chain, tmp_path / "state")
    regions = [Interval("test", 0, 3000), Interval("test", 3000, 8000)]
    found = measure_byte_lm(model, chain.genome, chain.train, regions)
    counted = CountModel.fit([encode(chain.text)], 2)
    texts = [encode(chain.genome.fetch(region)) for region in regions]
    for name, source in (("bits_per_base", model), ("count_model", counted)):
        means = [source.bits_per_base(ids)[0] for ids in texts]
        assert found[name] == pytest.approx(np.average(means, weights=[3000, 5000]))
    assert (found["uniform"], found["count_model_order"], found["test_bases"]) == (2.0, 2, 8000)
    assert found["test_regions"] == ["test:1-3000", "test:3001-8000"]


def test_pieces_lie_in_the_regions_on_either_strand(chain) -> None:
    regions = [Interval("train", 100, 400), Interval("train", 1000, 1030), Interval("test", 7990, 8000)]
    inside = [chain.genome.fetch(region) for region in regions]
    for both in (True, False):
        pieces = Pieces(chain.genome, regions, 50, dataclasses.replace(TINY, both_strands=both))
        forward = turned = 0
        for step in range(30):
            batch = pieces.random_batch(8, "x", step)
            for ids, mask in zip(batch.ids.numpy(), batch.mask.numpy(), strict=True):
                text = decode(ids[mask])
                assert 1 <= len(text) <= 50
                here = any(text in sequence for sequence in inside)
                there = any(reverse_complement(text) in sequence for sequence in inside)
                assert here or (both and there)
                forward, turned = forward + (here and not there), turned + (there and not here)
        assert turned == 0 if not both else abs(turned - forward) < 60  # of 240, four standard deviations


def test_every_base_is_drawn_equally_often(chain) -> None:
    regions = [
        Interval("train", 100, 190),
        Interval("train", 300, 310),
        Interval("test", 5, 5),
        Interval("test", 0, 37),
    ]
    pieces = Pieces(chain.genome, regions, 25, TINY)
    drawn = {region: np.zeros(len(region), int) for region in regions}
    for place in range(pieces.edges[-1]):
        piece = pieces.piece(place)
        assert 1 <= len(piece) <= 25
        region = next(region for region in regions if region.overlaps(piece))
        drawn[region][piece.start - region.start : piece.end - region.start] += 1
    assert all((times == 25).all() for times in drawn.values())


def test_pieces_are_a_pure_function_of_the_counters(chain) -> None:
    pieces = Pieces(chain.genome, chain.train, 64, TINY)
    first, again, other = (pieces.random_batch(4, "pieces", 1, step).ids for step in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_seed_repeats_a_run_and_another_seed_has_other_weights_and_other_data(chain, tmp_path, monkeypatch) -> None:
    seen, original = [], Pieces.batch
    monkeypatch.setattr(Pieces, "batch", lambda self, pieces: seen.append(tuple(pieces)) or original(self, pieces))
    chain = SimpleNamespace(**{**vars(chain), "test": []})
    runs = [
        run(chain, tmp_path / str(number), config=dataclasses.replace(QUICK, seed=seed))[0].network
        for number, seed in enumerate((1, 1, 2))
    ]
    assert same(weights(runs[0]), weights(runs[1]))
    assert seen[:6] == seen[6:12]
    assert not same(weights(runs[0]), weights(runs[2]))
    assert not set(seen[:6]) & set(seen[12:])


def test_a_run_stopped_by_a_signal_ends_with_the_weights_of_one_that_was_not(chain, tmp_path, monkeypatch) -> None:
    whole, log = run(chain, tmp_path / "whole")
    original = Pieces.random_batch

    def killed(self: Pieces, *arguments: object, **options: object):
        if arguments[-1] == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(self, *arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(Pieces, "random_batch", killed)
        with pytest.raises(Interrupted, match="step 4 of 6 .SIGTERM."):
            run(chain, tmp_path / "cut")
    with pytest.raises(Interrupted, match="time budget"):
        run(chain, tmp_path / "cut", max_minutes=0)
    model, goes_on = run(chain, tmp_path / "cut")
    assert same(weights(model.network), weights(whole.network))
    assert numbers(goes_on) == numbers(log)


def test_readings_need_no_test_region(chain, tmp_path) -> None:
    _, read = run(chain, tmp_path / "read")
    assert [row["step"] for row in read] == [2, 4, 6]
    assert all({"train_bits", "test_bits", "lr", "bases", "seconds"} <= row.keys() for row in read)
    chain = SimpleNamespace(**{**vars(chain), "test": []})
    _, unread = run(chain, tmp_path / "unread")
    assert all("test_bits" not in row for row in unread)


@pytest.mark.parametrize(("alphabet", "letters"), [("rna", "ACGU"), ("protein", "ACDEFGHIKLMNPQRSTVWY")])
def test_rna_and_proteins_train_too(alphabet, letters, tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(byte_lm.COUNT_ORDER, alphabet, 1)
    text = "".join(
        np.random.default_rng(1).choice(
            list(letters), 900, p=np.r_[0.5, [0.5 / (len(letters) - 1)] * (len(letters) - 1)]
        )
    )
    (tmp_path / "g.fa").write_text(f">a\n{text[:400]}\n>b\n{text[400:600]}\n>c\n{text[600:]}\n")
    genome = Genome(tmp_path / "g.fa", any_letters=True)
    place = SimpleNamespace(
        genome=genome, train=[Interval("a", 0, 400), Interval("b", 0, 200)], test=[Interval("c", 0, 300)]
    )
    settings = dataclasses.replace(TINY, alphabet=alphabet, both_strands=False)
    model, _ = run(place, tmp_path / "state", settings, dataclasses.replace(QUICK, steps=40, learning_rate=1e-2))
    found = measure_byte_lm(model, genome, place.train, place.test)
    assert found["uniform"] == pytest.approx(np.log2(len(letters)))
    assert found["bits_per_base"] < found["uniform"] - 0.1


def test_regions_of_another_alphabet_or_without_letters_are_refused(chain, tmp_path) -> None:
    (tmp_path / "g.fa").write_text(f">n\n{'N' * 300}\n>p\n{'MKVLAAGIVGW' * 30}\n>d\n{'ACGT' * 90}\n")
    place = SimpleNamespace(
        genome=Genome(tmp_path / "g.fa", any_letters=True), train=[Interval("n", 0, 300)], test=[Interval("d", 0, 90)]
    )
    with pytest.raises(InputError, match="training regions hold no letter of dna"):
        run(place, tmp_path / "state")
    place.train, place.test = place.test, place.train
    with pytest.raises(InputError, match="test regions hold no letter of dna"):
        run(place, tmp_path / "state")
    place.train = [Interval("p", 0, 300)]
    with pytest.raises(InputError, match=r"training regions: .* letters are not dna .*is it protein"):
        run(place, tmp_path / "state")
    place.train = [Interval("d", 0, 300), Interval("d", 300, 361)]
    with pytest.raises(InputError, match="passes the end"):
        run(place, tmp_path / "state")


def test_losses_that_are_not_finite_end_the_run(chain, tmp_path, monkeypatch) -> None:
    fresh = byte_lm.new_byte_network

    def broken(settings: ByteLMConfig, seed: int):
        network = fresh(settings, seed)
        torch.nn.init.constant_(network.out.bias, float("nan"))
        return network

    monkeypatch.setattr(byte_lm, "new_byte_network", broken)
    with pytest.raises(NumericalError, match="steps in a row were not finite"):
        run(chain, tmp_path / "state")
