"""Codon phases by coordinate: coding sequence of either strand, read along it."""

import numpy as np
import pytest

from genomelm.errors import InputError
from genomelm.seq.codons import NO_PHASE, CodonPhases
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval


@pytest.fixture
def genome(tmp_path):
    (tmp_path / "g.fa").write_text(">chr1\n" + "ACGT" * 25 + "\n>two\n" + "A" * 30 + "\n")
    with Genome(tmp_path / "g.fa") as opened:
        yield opened


def phases_of(tmp_path, genome, *lines: str) -> CodonPhases:
    """Lines are 'contig kind start end strand phase', 1-based and inclusive as in the file."""
    rows = []
    for line in lines:
        contig, kind, start, end, strand, phase = line.split()
        rows.append("\t".join([contig, "x", kind, start, end, ".", strand, phase, "ID=a"]))
    (tmp_path / "a.gff3").write_text("##gff-version 3\n" + "\n".join(rows) + "\n")
    return CodonPhases(tmp_path / "a.gff3", genome)


def text(values: np.ndarray) -> str:
    return "".join("012."[value] for value in values)


def test_phases_count_from_the_first_whole_codon(tmp_path, genome) -> None:
    phases = phases_of(tmp_path, genome, "chr1 CDS 11 20 + 0", "chr1 CDS 31 36 + 1", "chr1 exon 1 90 + .")
    assert text(phases.values(Interval("chr1", 8, 24))) == "..0120120120...."
    assert text(phases.values(Interval("chr1", 30, 37))) == "201201."
    assert text(phases.values(Interval("chr1", 12, 15))) == "201"


def test_a_piece_on_the_other_strand_has_phases_there_only(tmp_path, genome) -> None:
    phases = phases_of(tmp_path, genome, "chr1 CDS 11 20 - 2")
    assert text(phases.values(Interval("chr1", 8, 24))) == "." * 16
    assert text(phases.values(Interval("chr1", 8, 24, "-"))) == "....1201201201.."  # from base 24 down to base 9
    assert text(phases.values(Interval("two", 0, 5, "-"))) == "....."


def test_a_window_has_the_phases_that_the_whole_contig_has_there(tmp_path, genome) -> None:
    lines = ["chr1 CDS 3 50 + 0", "chr1 CDS 10 12 + 1", "chr1 CDS 60 61 + 0", "chr1 CDS 20 90 - 1", "two CDS 1 30 + 0"]
    phases = phases_of(tmp_path, genome, *lines)
    for strand in "+-":
        whole = phases.values(Interval("chr1", 0, 100, strand))
        whole = whole if strand == "+" else whole[::-1]
        for start in range(0, 100, 7):
            for end in (start, start + 1, min(start + 13, 100)):
                part = phases.values(Interval("chr1", start, end, strand))
                assert np.array_equal(part if strand == "+" else part[::-1], whole[start:end])


def test_where_pieces_disagree_there_is_no_phase(tmp_path, genome) -> None:
    phases = phases_of(
        tmp_path, genome, "chr1 CDS 1 12 + 0", "chr1 CDS 4 9 + 1", "chr1 CDS 10 15 + 0", "chr1 CDS 7 9 + 0"
    )
    found = phases.values(Interval("chr1", 0, 16))
    assert text(found) == "012......012012."
    assert found.dtype == np.int64
    assert NO_PHASE == 3


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("chr9 CDS 1 9 + 0", "no CDS on a contig"),
        ("chr1 exon 1 9 + 0", "no CDS on a contig"),
        ("chr1 CDS 1 9 + .", r"chr1:1-9 .* no phase \(column 8\)"),
        ("chr1 CDS 1 9 . 0", r"no strand \(column 7\)"),
        ("chr1 CDS 101 109 + 0", r"begins behind the end of chr1 \(100 bases\)"),
    ],
)
def test_an_annotation_that_tells_no_codons_is_refused(tmp_path, genome, line: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        phases_of(tmp_path, genome, line)


def test_a_piece_over_the_origin_has_phases_up_to_it(tmp_path, genome) -> None:
    phases = phases_of(tmp_path, genome, "chr1 CDS 96 104 + 0", "chr1 CDS 98 104 - 0")
    assert text(phases.values(Interval("chr1", 93, 100))) == "..01201"
    assert text(phases.values(Interval("chr1", 93, 100, "-"))) == "120...."


def test_contigs_go_by_the_genomes_names(tmp_path, genome) -> None:
    assert text(phases_of(tmp_path, genome, "1 CDS 1 3 + 0").values(Interval("chr1", 0, 4))) == "012."
