"""Percentiles: where a score stands among random variants of its class, for the model and reference they are of."""

import json

import numpy as np
import pytest

from genomelm.errors import IntegrityError, UsageError
from genomelm.scoring.alleles import other_strand
from genomelm.scoring.background import (
    ScoreBackground,
    all_classes,
    make_background,
    random_variants,
    variant_class,
)
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.seq.variant import Variant
from genomelm.seq.window import SCORED, allele_pair

OTHER = {"A": "C", "C": "G", "G": "T", "T": "A"}


@pytest.fixture(scope="module")
def genome(tiny_fasta):
    with Genome(tiny_fasta) as opened:
        yield opened


def windows(genome):
    return lambda variant: allele_pair(genome, variant, 32)


def test_classes_are_the_same_on_both_strands_and_are_all_known(genome):
    pairs = random_variants(genome, 3, 0, windows(genome))
    names = [variant_class(pair) for pair in pairs]
    assert names == [variant_class(other_strand(pair)) for pair in pairs]
    assert set(names) <= set(all_classes())
    assert len(all_classes()) == 96 + 6 + 6 + 5
    assert (
        variant_class(
            allele_pair(
                genome,
                Variant("c1", 1, genome.fetch(Interval("c1", 0, 1)), OTHER[genome.fetch(Interval("c1", 0, 1))]),
                32,
            )
        )
        is None
    )


def test_draws_are_a_pure_function_of_the_seed_and_fill_each_class(genome):
    pairs = random_variants(genome, 3, 0, windows(genome))
    counts = {name: sum(variant_class(pair) == name for pair in pairs) for name in all_classes()}
    assert set(counts.values()) <= {0, 1, 2, 3}
    assert sum(count == 3 for count in counts.values()) > 90
    assert pairs == random_variants(genome, 3, 0, windows(genome))
    assert pairs != random_variants(genome, 3, 1, windows(genome))
    assert all(pair.status in SCORED for pair in pairs)
    places = [(pair.variant.contig, pair.variant.pos) for pair in pairs]
    assert places == sorted(places)


def test_a_percentile_is_the_share_of_the_class_below_with_ties_by_half(genome, scorer, tmp_path):
    make_background(genome, scorer, tmp_path / "back", 5, 0)
    background = ScoreBackground.load(tmp_path / "back", scorer, genome)
    pairs = random_variants(genome, 5, 0, windows(genome))
    scores = scorer.score(pairs)
    given = scores.copy()
    given[::7] = np.nan
    found = background.percentiles(pairs, given)
    names = np.array([variant_class(pair) for pair in pairs])
    for number, (name, score) in enumerate(zip(names, given, strict=True)):
        same = scores[names == name]
        if np.isnan(score):
            assert np.isnan(found[number])
        else:
            expected = 100 * ((same < score).sum() + (same == score).sum() / 2) / len(same)
            assert found[number] == pytest.approx(expected)
    base = genome.fetch(Interval("c1", 499, 500)).upper()
    long = allele_pair(genome, Variant("c1", 500, base, base * 41), 64)
    assert long.status in SCORED
    assert np.isnan(background.percentiles([long], np.array([0.0])))


def test_a_background_does_not_take_the_place_of_other_files(genome, scorer, tmp_path):
    (tmp_path / "back").mkdir()
    (tmp_path / "back" / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"holds other files \(notes\.txt\)"):
        make_background(genome, scorer, tmp_path / "back", 1, 0)
    assert (tmp_path / "back" / "notes.txt").read_text() == "mine"


def test_a_background_of_something_else_or_a_broken_one_is_refused(genome, scorer, tmp_path, make_genome):
    folder = tmp_path / "back"
    with pytest.raises(UsageError, match="holds no background"):
        ScoreBackground.load(folder, scorer, genome)
    make_background(genome, scorer, folder, 2, 0)
    scorer.provenance = {**scorer.provenance, "model": "1" * 64}
    with pytest.raises(UsageError, match="another model"):
        ScoreBackground.load(folder, scorer, genome)
    scorer.provenance = {**scorer.provenance, "model": "0" * 64, "device": "cuda"}
    ScoreBackground.load(folder, scorer, genome)
    with pytest.raises(UsageError, match="another reference"):
        ScoreBackground.load(folder, scorer, make_genome(c1="ACGT" * 100))
    facts = json.loads((folder / "background.json").read_text())
    facts["classes"]["del_1"] += 1
    (folder / "background.json").write_text(json.dumps(facts))
    with pytest.raises(IntegrityError, match="make it again"):
        ScoreBackground.load(folder, scorer, genome)
