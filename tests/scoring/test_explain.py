"""An explanation shows how a score came about, and ends in the score that `genomelm score` writes."""

import json

import numpy as np
import pytest

from genomelm.errors import UsageError
from genomelm.scoring.alleles import other_strand, read_pair
from genomelm.scoring.explain import as_text, explain, parse_variant
from genomelm.scoring.scorer import scorer_for
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.seq.variant import Variant


@pytest.fixture(scope="module")
def genome(tiny_fasta):
    with Genome(tiny_fasta) as opened:
        yield opened


@pytest.fixture(scope="module")
def variants(genome):
    ref = genome.fetch(Interval("c1", 500, 504)).upper()
    other = {"A": "C", "C": "G", "G": "T", "T": "A"}[ref[0]]
    return [Variant("c1", 501, *alleles) for alleles in ((ref[0], other), (ref[0], ref[0] + "GATTA"), (ref, ref[0]))]


def test_a_causal_score_is_the_sum_of_what_is_shown(language_model, genome, variants):
    scorer = scorer_for(language_model, 64)
    for variant in variants:
        found = json.loads(json.dumps(explain(scorer, genome, variant)))
        pair = scorer.pair(genome, variant)
        assert found["score"] == pytest.approx(scorer.score([pair])[0], abs=1e-9)
        sums = []
        for strand, shown in zip((pair, other_strand(pair)), found["strands"], strict=True):
            assert (shown["ref"]["sequence"], shown["alt"]["sequence"]) == (strand.ref, strand.alt)
            for allele, window in zip(("ref", "alt"), read_pair(language_model, strand), strict=True):
                assert shown[allele]["patch_starts"] == np.flatnonzero(window.marks[:-1]).tolist()
            first, end = shown["compared"]
            sums.append(sum(shown["alt"]["log_p"][first:end]) - sum(shown["ref"]["log_p"][first:end]))
            assert shown["score"] == pytest.approx(sums[-1], abs=1e-4)
        assert found["score"] == pytest.approx(np.mean(sums), abs=1e-4)


def test_every_kind_of_model_is_explained(masked_model, effect_model, task_models, genome, variants):
    for model, shown in ((masked_model, "log_p"), (effect_model, "output"), (task_models[0], "output")):
        scorer = scorer_for(model, 64)
        found = explain(scorer, genome, variants[1])
        assert found["score"] == pytest.approx(scorer.score([scorer.pair(genome, variants[1])])[0], abs=1e-6)
        assert all(shown in strand[allele] for strand in found["strands"] for allele in ("ref", "alt"))
        text = as_text(found)
        assert f"{found['tag']}={found['score']:.7g}" in text
        assert text.count("|") > 2
        json.dumps(found)


def test_the_text_names_both_alleles_and_the_sum(language_model, genome, variants):
    text = as_text(explain(scorer_for(language_model, 64), genome, variants[2]))
    assert "of the alternative minus" in text
    assert "mean of 2 strands" in text
    assert f"c1:501:{variants[2].ref}>{variants[2].alt}  OK" in text


def test_a_variant_without_a_score_has_its_reason(language_model, genome):
    found = explain(scorer_for(language_model, 64), genome, Variant("c1", 501, "A", "<DEL>"))
    assert (found["status"], found["score"], found["strands"]) == ("SYMBOLIC", None, [])
    assert "SYMBOLIC  GLM_LLR=." in as_text(found)


def test_variants_are_read_from_the_right():
    assert parse_variant("HLA:A*01:77:a:GT") == Variant("HLA:A*01", 77, "a", "GT")
    for text in ("chr1:12:A", "chr1:x:A:C", "chr1:1:A:", ":1:A:C"):
        with pytest.raises(UsageError, match="is no variant"):
            parse_variant(text)
