import gzip
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genomelm.errors import InputError
from genomelm.seq.annotation import complement, merge, read_gff
from genomelm.seq.interval import Interval, read_bed

BOUNDS = st.tuples(st.integers(0, 60), st.integers(0, 20)).map(lambda t: (t[0], t[0] + t[1]))


@given(st.sampled_from(["chr1", "HLA-A*01:01", "a b"]), BOUNDS, st.sampled_from("+-"))
def test_text_is_the_inverse_of_parse(contig, bounds, strand):
    interval = Interval(contig, *bounds, strand)
    assert Interval.parse(str(interval)) == interval


def test_parse_reads_what_people_type():
    assert Interval.parse("chr1:1,001-2,000") == Interval("chr1", 1000, 2000)
    assert Interval.parse("chr1:101-200:-") == Interval("chr1", 100, 200, "-")


@pytest.mark.parametrize("text", ["chr1", "chr1:0-5", "chr1:9-5", "chr1:a-b", "chr1:1-5:*", ""])
def test_other_text_is_refused(text):
    with pytest.raises(InputError):
        Interval.parse(text)


@given(BOUNDS, BOUNDS, st.sampled_from("+-"))
def test_intervals_overlap_where_they_share_a_base(first, second, strand):
    shared = bool(set(range(*first)) & set(range(*second)))
    assert Interval("c", *first).overlaps(Interval("c", *second, strand)) == shared
    assert not Interval("c", *first).overlaps(Interval("d", *first))


def test_an_empty_interval_overlaps_nothing():
    for place in (0, 3, 9):
        empty, around = Interval("c", place, place), Interval("c", 0, 9)
        for one, other in ((empty, around), (around, empty), (empty, empty)):
            assert not one.overlaps(other)


def test_bed_errors_carry_the_line(tmp_path):
    bed = tmp_path / "a.bed"
    bed.write_text("track x\n#c\nchr1\t0\t5\nchr1\t5\t9\tn\t0\t-\n\n")
    assert read_bed(bed) == [Interval("chr1", 0, 5), Interval("chr1", 5, 9, "-")]
    bed.write_text("chr1\t0\t5\nchr1\t9\t5\n")
    with pytest.raises(InputError, match=r"a\.bed:2 has start 9 and end 5"):
        read_bed(bed)
    bed.write_text("chr1\t0\n")
    with pytest.raises(InputError, match=r"a\.bed:1 has 2 columns"):
        read_bed(bed)
    with gzip.open(tmp_path / "b.bed.gz", "wt") as stream:
        stream.write("chr1 3 4\n")
    assert read_bed(tmp_path / "b.bed.gz") == [Interval("chr1", 3, 4)]


@given(st.lists(BOUNDS, min_size=1))
def test_merge_and_complement_cover_each_base_once(bounds):
    intervals = [Interval("c", *b) for b in bounds]
    covered = {base for start, end in bounds for base in range(start, end)}
    merged = merge(intervals)
    assert [base for m in merged for base in range(m.start, m.end)] == sorted(covered)
    assert all(a.end < b.start for a, b in itertools.pairwise(merged))
    if covered:
        rest = complement(intervals, 100)
        assert sorted(base for m in rest for base in range(m.start, m.end)) == sorted(set(range(100)) - covered)


def test_gff_attributes_are_decoded_and_sequence_is_left(tmp_path):
    gff = tmp_path / "a.gff"
    gff.write_text(
        "##gff-version 3\nc\tx\tCDS\t1\t9\t.\t-\t2\tID=a%3Bb;Note=one,two\n"
        'c\tx\texon\t4\t4\t.\t.\t.\tgene_id "g;1"; level 2;\n##FASTA\n>c\nACGT\n'
    )
    cds, exon = read_gff(gff)
    assert (cds.start, cds.end, cds.strand, cds.frame, cds.kind) == (0, 9, "-", 2, "CDS")
    assert cds.attributes == {"ID": "a;b", "Note": "one,two"}
    assert (exon.start, exon.strand, exon.frame) == (3, ".", None)
    assert exon.attributes == {"gene_id": "g;1", "level": "2"}
    assert exon.interval == Interval("c", 3, 4)
    gff.write_text("c\tx\tCDS\t9\t1\t.\t-\t0\tID=a\n")
    with pytest.raises(InputError, match=r"a\.gff:1"):
        list(read_gff(gff))
