"""Two scored files held against each other, and against the same sums done plainly."""

import random

import numpy as np
import pysam
import pytest

from genomelm.errors import InputError
from genomelm.scoring.annotate import annotate
from genomelm.scoring.compare import compare

BASES = "".join(random.Random(4).choices("ACGT", k=900))
OTHER = {"A": "C", "C": "G", "G": "T", "T": "A"}


@pytest.fixture
def scored(make_genome, make_vcf, scorer, tmp_path):
    """Score substitutions at some positions; `shift` is added to the scores in turn."""
    genome = make_genome(c=BASES)

    def make(positions, name: str, shift=(0.0,), alts: str = "", **options):
        class Shifted(type(scorer)):
            def score(self, pairs):
                steps = [shift[pair.variant.pos % len(shift)] for pair in pairs]
                return super().score(pairs) + np.array(steps)

        records = [f"c {p} . {BASES[p - 1]} {OTHER[BASES[p - 1]]}{alts} . . ." for p in positions]
        annotate(make_vcf(*records), genome, Shifted(), tmp_path / name, **options)
        return tmp_path / name

    return make


@pytest.fixture
def scratch(tmp_path):
    (tmp_path / "scratch").mkdir()
    return tmp_path / "scratch"


def test_a_file_equals_itself(scored, scratch):
    path = scored([5, 5, 9, 40], "a.vcf.gz", alts=",<DEL>")
    found = compare(path, path, scratch)
    assert found.equal
    assert (found.matched, found.alleles, found.scored, found.largest, found.top) == (4, 8, 4, 0.0, ())


def test_distances_and_correlation_are_those_of_numpy(scored, scratch):
    shift = (0.0, 0.5, -0.25, 0.00005)
    first, second = scored(range(1, 300), "a.vcf.gz"), scored(range(1, 300), "b.vcf.gz", shift)

    def values(path):
        with pysam.VariantFile(str(path)) as records:
            return np.array([record.info["GLM_LLR"][0] for record in records], float)

    found = compare(first, second, scratch, top=7)
    a, b = values(first), values(second)
    assert found.scored == 299
    assert found.differing == np.sum(np.abs(b - a) > 1e-4) == 150
    assert found.pearson == pytest.approx(np.corrcoef(a, b)[0, 1], abs=1e-6)
    assert found.mean_difference == pytest.approx((b - a).mean(), abs=1e-6)
    assert found.largest == pytest.approx(0.5)
    assert [row.pos for row in found.top] == [1, 5, 9, 13, 17, 21, 25]
    assert not found.equal
    assert found.tolerance == 1e-4


def test_missing_records_are_counted_on_either_side_whatever_the_order(scored, scratch):
    first = scored([1, 2, 3, 4, 5, 5, 6], "a.vcf.gz")
    second = scored([6, 5, 3, 8, 9, 10, 1], "b.vcf.gz")
    found = compare(first, second, scratch)
    assert (found.records, found.matched, found.only_first, found.only_second) == ((7, 7), 4, 3, 3)
    assert not found.equal


def test_statuses_that_differ_are_counted_by_kind(scored, scratch):
    first = scored([100, 101, 102], "a.vcf.gz", alts=",<DEL>")
    second = scored([100, 101, 102], "b.vcf.gz", (0.0, np.nan, 0.0), alts=",<DEL>")
    found = compare(first, second, scratch)
    assert found.statuses == {"OK -> NONFINITE": 1}  # of 100 alone, which leaves 1 when divided by 3
    assert (found.scored, found.equal) == (2, False)


def test_the_tag_must_be_clear_and_there(scored, scratch):
    first, second = scored([5], "a.vcf.gz"), scored([5], "b.vcf.gz", prefix="MY_GLM")
    with pytest.raises(InputError, match=r"GLM_LLR \(.*\) and MY_GLM_LLR \(.*\); say --tag"):
        compare(first, second, scratch)
    for name in ("first", "second"):
        (scratch / name).rmdir()
    assert compare(first, second, scratch, tag="GLM_LLR", other_tag="MY_GLM_LLR").equal
    for name in ("first", "second"):
        (scratch / name).rmdir()
    with pytest.raises(InputError, match="declares no score NO_LLR"):
        compare(first, second, scratch, tag="NO_LLR")
