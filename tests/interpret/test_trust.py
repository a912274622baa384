"""The checks over regions, on models whose maps are known."""

import dataclasses

import numpy as np
import pytest
from filter_models import LENGTH, WORD, filter_model, filters_of, random_model, with_word

from genomelm.interpret import faithfulness, ism
from genomelm.interpret.null import counter_rng
from genomelm.interpret.regions import Region, Regions
from genomelm.interpret.trust import TrustSettings, checks
from genomelm.seq.alphabet import reverse_complement

QUICK = TrustSettings(regions=14, null_regions=8, shuffles=3, points=9)
ONE_STRAND = filter_model("one", filters_of(WORD), threshold=4.0)
BOTH_STRANDS = filter_model("both", filters_of(WORD, reverse_complement(WORD)), threshold=4.0)


def regions_of(sequences):
    rows = tuple(Region(f"r{i}", f"s{i}", 0, LENGTH) for i in range(len(sequences)))
    return Regions(rows, tuple(sequences))


def run(models, sequences, settings=QUICK, keep=lambda name, make: make(), **controls):
    maps = np.stack([model.saturate(sequences) for model in models])
    controls = {"random_weights": [random_model(draw) for draw in range(4)], **controls}
    return checks(
        regions_of(sequences),
        {"ism": maps.mean(0), "ism_models": maps},
        models,
        controls=controls,
        settings=settings,
        keep=keep,
        say=lambda text: None,
    )


@pytest.fixture(scope="module")
def sound():
    settings = dataclasses.replace(QUICK, two_stranded=True)
    return run([BOTH_STRANDS, BOTH_STRANDS], with_word(16), settings, shuffled_labels=[random_model(50)])


def test_a_sound_model_passes_every_check(sound):
    assert sound["strand"]["median_pearson"] == pytest.approx(1)
    assert sound["seeds"]["median_correlation"] == pytest.approx(1)
    assert sound["seeds"]["pairs"] == [{"first": "both", "second": "both", "median": pytest.approx(1)}]
    assert sound["random_weights"]["median_spearman"] < 0.3
    assert len(sound["random_weights"]["draws"]) == 4
    assert sound["shuffled_labels"]["n"] == 8
    for kind in ("deletion", "insertion"):
        assert sound[kind]["p"] < 0.01
        assert sound[kind]["p_gc"] < 0.01
        assert sound[kind]["effect_size"] > 0.5
        assert sound[kind]["n"] == 14
        assert len(sound[kind]["positions"]) == len(sound[kind]["gc_matched"]) == 9
    assert sound["shuffled_sequence"]["real_mean"] > sound["shuffled_sequence"]["shuffled_mean"]
    assert sound["shuffled_sequence"]["p"] < 0.01
    assert (len(sound["shuffled_sequence"]["real"]), len(sound["shuffled_sequence"]["shuffled"])) == (14, 42)
    assert sound["signal"]["against"].endswith("5 null models: random_weights (4), shuffled_labels")


def test_a_model_that_reads_one_strand_fails_the_strand_check():
    found = run([ONE_STRAND], with_word(14), dataclasses.replace(QUICK, two_stranded=True))["strand"]
    assert found["median_pearson"] < 0.95
    assert found["equivariant"] is False


def test_a_control_that_shows_the_pattern_is_seen():
    found = run([ONE_STRAND], with_word(14), shuffled_labels=[ONE_STRAND])
    assert found["shuffled_labels"]["median_spearman"] == pytest.approx(1)


def test_seeds_that_learned_different_words_do_not_agree():
    other = filter_model("other", filters_of("GGTACATC"), threshold=4.0)
    assert run([ONE_STRAND, other], with_word(14))["seeds"]["median_correlation"] < 0.5


def test_what_cannot_run_says_why():
    found = run([ONE_STRAND], with_word(6), dataclasses.replace(QUICK, shuffles=0))
    assert found["strand"]["reason"].startswith("not run: the models read one strand")
    assert found["seeds"]["reason"].startswith("not run: one model")
    assert found["deletion"]["reason"] == found["insertion"]["reason"]
    assert "6 regions cannot give p under 0.01" in found["deletion"]["reason"]
    assert found["signal"]["reason"] == found["shuffled_sequence"]["reason"] == "not run: no shuffles were asked for"
    effects = filter_model("effects", filters_of(WORD))
    effects.relative = True
    assert "against a reference only" in run([effects], with_word(8))["shuffled_sequence"]["reason"]


def test_regions_that_share_bases_count_once_in_every_test():
    sequences = with_word(14)
    rows = [Region(f"r{i}", f"s{i // 2}", 0, LENGTH, "+-"[i % 2]) for i in range(28)]
    letters = [s for sequence in sequences for s in (sequence, reverse_complement(sequence))]
    maps = np.stack([model.saturate(letters) for model in (ONE_STRAND, BOTH_STRANDS)])
    found = checks(
        Regions(tuple(rows), tuple(letters)),
        {"ism": maps.mean(0), "ism_models": maps},
        [ONE_STRAND, BOTH_STRANDS],
        controls={"random_weights": [random_model(draw) for draw in range(4)]},
        settings=dataclasses.replace(QUICK, regions=32),
        keep=lambda name, make: make(),
        say=lambda text: None,
    )
    assert {found[name]["n"] for name in ("seeds", "deletion", "insertion", "shuffled_sequence", "signal")} == {14}
    assert found["signal"]["regions_left_out"] == 14
    few = run([ONE_STRAND], with_word(4) * 2)["signal"]
    assert few["reason"].startswith("not run: 4 regions")
    assert few["regions_left_out"] == 4


def test_what_was_kept_is_not_run_again():
    stored = {}

    def keep(name, make):
        if name not in stored:
            stored[name] = make()
        return stored[name]

    first = run([BOTH_STRANDS], with_word(14), keep=keep)

    def broken(name, make):
        return stored[name]

    assert run([BOTH_STRANDS], with_word(14), keep=broken) == first
    assert len({*stored}) == 4 + 4 + 3  # maps of four null models, of their shuffles; shuffles, curves, scores


def test_a_wrong_order_gains_nothing_over_regions():
    sequences = with_word(14)
    right = ism.support(ONE_STRAND.saturate(sequences))
    wrong = np.stack([counter_rng(1, i).permutation(row) for i, row in enumerate(right)])
    counts = faithfulness.step_counts(LENGTH, 9)
    for order, holds in ((right, True), (wrong, False), (-right, False)):
        scores = faithfulness.over_regions(ONE_STRAND.predict_pairs, sequences, order, points=9)
        assert scores.shape == (14, 2, 5, 9)
        found = faithfulness.pooled(scores, counts, 2)
        for kind in ("deletion", "insertion"):
            assert (found[kind]["p"] < 0.01) is holds
            assert (found[kind]["p_gc"] < 0.01) is holds


def test_a_gc_matched_order_takes_the_same_class_at_every_step():
    sequence = with_word(1)[0]
    order = counter_rng(4).permutation(LENGTH)
    found = faithfulness.gc_matched(sequence, order, counter_rng(5))
    assert sorted(found) == list(range(LENGTH))
    assert [sequence[i] in "GC" for i in found] == [sequence[i] in "GC" for i in order]
    assert (found != order).any()
