"""Regions: named as the genome spells them, of one length, whole."""

import logging

import pytest

from genomelm.errors import InputError, UsageError
from genomelm.interpret import regions as room
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval

CONTIG = "ACGTTGACAtataatGCANNTGATTACA"


@pytest.fixture(scope="module")
def genome(tmp_path_factory):
    path = tmp_path_factory.mktemp("genome") / "g.fa"
    path.write_text(f">chr1\n{CONTIG}\n>chr2\n{CONTIG[::-1]}\n>chrS\nACGT\n")
    with Genome(path) as opened:
        yield opened


def bed(tmp_path, text):
    path = tmp_path / "r.bed"
    path.write_text(text)
    return path


def test_a_bed_file_of_another_spelling_is_read_by_the_genomes_names(genome, tmp_path):
    found = room.from_bed(genome, bed(tmp_path, "track x\n1\t2\t8\tpeak one\t0\t-\nchr2\t0\t6\n"))
    assert [row.contig for row in found.rows] == ["chr1", "chr2"]
    assert [row.id for row in found.rows] == ["r0001", "r0002"]
    assert [row.name for row in found.rows] == ["peak one", ""]
    assert found.sequences == ("GTCAAC", "ACATTA")
    assert found.contigs == {"chr1": 28, "chr2": 28, "chrS": 4}


def test_lower_case_and_n_are_read_as_letters_and_n(genome):
    found = room.from_intervals(genome, [Interval("chr1", 8, 20)])
    assert found.sequences == ("ATATAATGCANN",)


def test_regions_are_cut_around_their_middle_and_moved_off_a_contigs_end(genome, caplog):
    places = [Interval("chr1", 10, 13), Interval("chr1", 0, 2), Interval("chr1", 25, 27), Interval("chr1", 4, 20)]
    with caplog.at_level(logging.WARNING):
        found = room.from_intervals(genome, places, width=6)
    assert [(row.start, row.end) for row in found.rows] == [(8, 14), (0, 6), (22, 28), (9, 15)]
    assert "2 of 4 regions lie near a contig's end" in caplog.text


def test_some_regions_keep_their_ids(genome):
    found = room.from_intervals(genome, [Interval("chr1", i, i + 4) for i in range(5)]).take([4, 1])
    assert [row.id for row in found.rows] == ["r0005", "r0002"]
    assert (len(found), found.length) == (2, 4)


@pytest.mark.parametrize(
    ("text", "width", "message"),
    [
        ("chr1\t20\t29\n", None, "chr1:21-29 passes the end of chr1 (28 bases)"),
        ("scaffold\t0\t5\n", None, "contig 'scaffold' is not in"),
        ("chr1\t0\t5\nchr1\t0\t6\tb\n", None, "chr1:1-5 has 5 bases and chr1:1-6 (b) has 6"),
        ("chr1\t3\t3\n", None, "chr1 at 3 holds no bases"),
        ("\n", None, "holds no regions"),
        ("chrS\t1\t2\n", 5, "chrS has 4 bases, fewer than --width 5"),
    ],
)
def test_regions_that_do_not_fit_the_genome_are_named(genome, tmp_path, text, width, message):
    with pytest.raises(InputError) as error:
        room.from_bed(genome, bed(tmp_path, text), width)
    assert message in str(error.value)


def test_records_of_a_fasta_file_are_regions_of_no_genome(tmp_path):
    path = tmp_path / "s.fa"
    path.write_text(">a note\nACGTACGT\n>b\nTTTTNacg\n")
    found = room.from_fasta(path, width=4)
    assert [(row.contig, row.start, row.end, row.name) for row in found.rows] == [("a", 2, 6, "a"), ("b", 2, 6, "b")]
    assert found.sequences == ("GTAC", "TTNA")
    assert found.contigs is None
    with pytest.raises(InputError, match="record a has 8 bases, fewer than --width 9"):
        room.from_fasta(path, width=9)


def test_two_records_of_one_name_are_refused(tmp_path):
    path = tmp_path / "s.fa"
    path.write_text(">a\nACGT\n>a\nACGA\n")
    with pytest.raises(InputError, match="'?a'?.*(twice|2 times|more than once)"):
        room.from_fasta(path)


def test_of_regions_that_overlap_as_many_as_can_be_stand_apart():
    spans = [(5, 15), (0, 10), (10, 20), (12, 22), (20, 30)]
    rows = [room.Region(str(n), "c", a, b, "+-"[n % 2]) for n, (a, b) in enumerate(spans)]
    rows.append(room.Region("5", "d", 0, 10))
    letters = [f"{'A' * 9}C", f"{'A' * 8}CG", f"{'A' * 7}CGC", "CCCCCCCCTA", "ACACACACAC", "ACATACACAC"]
    assert room.apart(rows, letters) == [1, 2, 4, 5]
    assert room.apart(rows[:1], letters[:1]) == [0]
    assert room.apart([], []) == []


def test_sequences_that_read_alike_on_either_strand_count_once():
    found = room.from_sequences(["ACGTTT", "AAACGT", "ACGTTT", "ACGTTA"])
    assert room.apart(found.rows, found.sequences) == [0, 3]


def test_strings_are_regions_of_no_genome():
    found = room.from_sequences(["acgt", "TTTT"])
    assert found.sequences == ("ACGT", "TTTT")
    assert found.rows[1].id == "r0002"
    with pytest.raises(UsageError, match="no sequence"):
        room.from_sequences([])
