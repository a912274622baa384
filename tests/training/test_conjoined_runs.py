"""A conjoined model is pretrained, judged, fine-tuned, scored with and explained as any other, and keeps its law."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from small_runs import CPU, LEARNS, run, settings_of

import genomelm
from genomelm.interpret.locus_model import locus_model
from genomelm.models.loading import load_model
from genomelm.scoring.alleles import other_strand, read_pair
from genomelm.scoring.scorer import scorer_for
from genomelm.seq.alphabet import reverse_complement
from genomelm.seq.interval import Interval
from genomelm.seq.variant import Variant
from genomelm.tasks.config import TaskConfig
from genomelm.tasks.examples import Examples
from genomelm.training.config import TrainConfig
from genomelm.training.evaluation import window_bits
from genomelm.training.finetune import finetune
from genomelm.training.windows import GenomeWindows


@pytest.fixture(scope="module")
def trained(masked_site, tmp_path_factory):
    settings = settings_of("hyena_glt", "masked", conjoined=True)
    config = dataclasses.replace(LEARNS, steps=80, evaluate_every=80)
    return run(masked_site, tmp_path_factory.mktemp("conjoined"), config, settings)


@pytest.fixture(scope="module")
def model(trained):
    return trained[0]


def test_pretraining_learns_and_is_judged_by_both_strands(masked_site, trained):
    model, log = trained
    assert model.is_conjoined
    assert log[-1]["test_bits"] < 1.7
    windows = GenomeWindows(masked_site.genome, masked_site.store, masked_site.patcher, masked_site.test, 120)
    tiles = windows.tiles()[:4]
    bits, counts = window_bits(model, windows, tiles, CPU)
    assert bits.sum() / counts.sum() < 1.75
    moved = window_bits(model, windows, tiles, CPU, lambda marks, _: np.ones_like(marks))[0]
    assert np.abs(moved - bits).max() > 1e-6


def test_a_batch_of_windows_has_the_patches_of_both_strands_each_from_its_own_start(masked_site):
    windows = GenomeWindows(masked_site.genome, masked_site.store, masked_site.patcher, masked_site.test, 64)
    place = Interval("c", 9001, 9065)
    batch = windows.batch([place, place.other_strand], conjoined=True)
    assert torch.equal(batch.reverse[0], batch.starts[1])
    assert torch.equal(batch.starts[0], batch.reverse[1])
    assert windows.batch([place], conjoined=False).reverse is None
    drawn = windows.random_batch(3, "x", conjoined=True)
    assert torch.equal(drawn.ids, windows.random_batch(3, "x").ids)
    assert drawn.reverse.shape == drawn.starts.shape


def test_sequences_and_variants_score_alike_on_either_strand(masked_site, model, tmp_path):
    texts = [masked_site.text[start : start + 37] for start in (9100, 10000)]
    here, there = (genomelm.log_likelihood(model, [read(t) for t in texts]) for read in (str, reverse_complement))
    np.testing.assert_allclose(here, there, atol=1e-3)
    logits = [genomelm.base_logits(model, [read(texts[0])])[0] for read in (str, reverse_complement)]
    np.testing.assert_allclose(logits[0], logits[1][::-1, [3, 2, 1, 0, 4]], atol=1e-4)
    text = masked_site.text
    variants = [
        Variant("c", 9101, text[9100], "ACGT"[("ACGT".index(text[9100]) + 1) % 4]),
        Variant("c", 9120, text[9119], text[9119] + "GATTA"),
        Variant("c", 9130, text[9129:9134], text[9129]),
    ]
    places = (Interval("c", 9080, 9157), Interval("c", 9080, 9157, "-"))
    scores = [
        genomelm.score_variants(model, masked_site.genome.path, variants, window=place).score.to_numpy()
        for place in places
    ]
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-4)
    assert np.abs(scores[0]).min() > 1e-3


def test_an_alternate_has_its_references_patches_on_both_strands(masked_site, model):
    text = masked_site.text
    scorer = scorer_for(model, window=Interval("c", 9080, 9157))
    for ref, alt in ((text[9119], text[9119] + "GATTA"), (text[9119:9124], text[9119])):
        pair = scorer.pair(masked_site.genome, Variant("c", 9120, ref, alt))
        for here, there in zip(read_pair(model, pair), read_pair(model, other_strand(pair)), strict=True):
            assert np.array_equal(here.reverse, there.marks)
            assert np.array_equal(there.reverse, here.marks)


def test_an_embedding_is_that_of_both_strands(model):
    texts = ["ACGTTGACATAAGGC", "TTTTTTTTCA"]
    here, there = (genomelm.embed(model, [read(text) for text in texts]) for read in (str, reverse_complement))
    assert here.shape == (2, model.config.shell["local_width"])
    np.testing.assert_allclose(here, there, atol=1e-5)
    assert np.abs(here[0] - here[1]).max() > 1e-3


def test_a_task_is_learned_saved_predicted_and_explained(masked_site, model, tmp_path, caplog):
    random = np.random.default_rng(0)
    texts = tuple("".join(random.choice(list("ACGT"), 24)) for _ in range(160))
    labels = np.array([float(t.count("G") + t.count("C")) for t in texts])
    splits = np.array((["train"] * 5 + ["validation", "test", "test"]) * 20)
    data = Examples(tuple(map(str, range(160))), texts, labels, splits)
    config = TrainConfig(steps=80, batch_size=16, learning_rate=5e-3, latent_rate=1.0, evaluate_every=80)
    tuned, _, predicted = finetune(model, TaskConfig("gc"), data, config, 1, tmp_path / "a", CPU, "x")
    assert np.corrcoef(predicted, data.where("test").labels)[0, 1] > 0.8
    assert "the task's labels are those of one strand" in caplog.text
    tuned.save_pretrained(tmp_path / "m")
    loaded = load_model(tmp_path / "m")
    here, there = (genomelm.predict(loaded, [read(t) for t in texts[:9]]) for read in (str, reverse_complement))
    np.testing.assert_allclose(here, there, atol=1e-4)
    np.testing.assert_allclose(
        predicted[:1], genomelm.predict(loaded, [data.where("test").sequences[0]])[:, 0], atol=1e-4
    )
    locus = locus_model("gc", loaded, texts[0])
    one_hot = np.array([[float(letter == a) for a in "ACGT"] for letter in texts[0]])
    assert locus.score_of(one_hot) == pytest.approx(here[0, 0], abs=1e-4)
    assert np.isfinite(locus.gradient_of(one_hot)).all()
    turned = genomelm.attribute(loaded, [reverse_complement(texts[0])])[0]
    np.testing.assert_allclose(genomelm.attribute(loaded, [texts[0]])[0], turned[::-1, ::-1], atol=1e-4)
    assert math.isfinite(turned.sum())
