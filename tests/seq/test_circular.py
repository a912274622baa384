"""Windows and features of circular contigs: a contig reads the same wherever its first base was put."""

import pickle

import numpy as np
import pytest

from genomelm.errors import InputError
from genomelm.seq.annotation import circular_contigs, on_contig, read_gff
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.seq.variant import Variant
from genomelm.seq.window import Grid, allele_pair, grid_pair

BASES = "".join(np.random.default_rng(8).choice(list("ACGT"), 400))
TURN = 150


def genome_of(tmp_path, bases: str, name: str, circular: bool = True) -> Genome:
    path = tmp_path / f"{name}.fa"
    path.write_text(f">c\n{bases}\n")
    return Genome(path, circular=["c"] if circular else [])


def test_an_interval_runs_on_past_the_end_by_less_than_a_turn(tmp_path):
    genome = genome_of(tmp_path, BASES, "a")
    assert genome.fetch(Interval("c", 390, 430)) == BASES[390:] + BASES[:30]
    assert pickle.loads(pickle.dumps(genome)).fetch(Interval("c", 390, 430)) == BASES[390:] + BASES[:30]
    for outside in (Interval("c", 390, 791), Interval("c", 400, 410)):
        with pytest.raises(InputError, match="passes the end"):
            genome.fetch(outside)
    with pytest.raises(InputError, match="passes the end"):
        genome_of(tmp_path, BASES, "b", circular=False).fetch(Interval("c", 390, 430))
    with pytest.raises(InputError, match="contig 'plasmid' is not in"):
        Genome(genome.path, circular=["plasmid"])


@pytest.mark.parametrize("width", [64, 101, 399, 400, 1000])
def test_centred_windows_do_not_depend_on_where_the_contig_begins(tmp_path, width):
    genome = genome_of(tmp_path, BASES, "a")
    turned = genome_of(tmp_path, BASES[TURN:] + BASES[:TURN], "turned")
    other = {"A": "C", "C": "G", "G": "T", "T": "A"}
    for at in (0, 1, 20, 149, 150, 170, 399):
        there = (at - TURN) % len(BASES)
        alts = [other[BASES[at]], BASES[at] + "ACGTA"]
        for alt in alts:
            pair = allele_pair(genome, Variant("c", at + 1, BASES[at], alt), width)
            same = allele_pair(turned, Variant("c", there + 1, BASES[at], alt), width)
            assert pair.status == same.status == "OK"
            assert (pair.ref, pair.alt, pair.offset) == (same.ref, same.alt, same.offset)
            assert len(pair.ref) == min(width, len(BASES))
            assert pair.ref == genome.fetch(pair.window)


def test_an_indel_moves_left_across_the_origin(tmp_path):
    repeat = "CACACACACA"
    core = "G" + BASES[:120].replace("CA", "GT") + "G"
    begun_inside = repeat[5:] + core + repeat[:5]
    genome = genome_of(tmp_path, begun_inside, "inside")
    whole = genome_of(tmp_path, repeat + core, "whole")
    length = len(begun_inside)
    one = allele_pair(genome, Variant("c", 2, begun_inside[1:4], begun_inside[1]), 60)
    two = allele_pair(genome, Variant("c", length - 3, begun_inside[-4:-1], begun_inside[-4]), 60)
    three = allele_pair(whole, Variant("c", 1, repeat[:3], repeat[0]), 60)
    across = allele_pair(genome, Variant("c", length, begun_inside[-1] + begun_inside[:2], begun_inside[-1]), 60)
    assert one.status == two.status == three.status == across.status == "OK"
    assert {(pair.ref, pair.alt, pair.offset) for pair in (one, two, across)} == {(three.ref, three.alt, three.offset)}
    on_grid = [grid_pair(genome, pair.variant, Grid(16, 24, 64)) for pair in (one, two, across)]
    assert {pair.window for pair in on_grid} == {on_grid[0].window}
    assert {pair.alt for pair in on_grid} == {on_grid[0].alt}


def test_an_insertion_into_one_letter_all_around_ends(tmp_path):
    genome = genome_of(tmp_path, "A" * 50, "homopolymer")
    assert allele_pair(genome, Variant("c", 10, "A", "AA"), 20).status == "OK"


def test_grid_windows_wrap_and_are_shared(tmp_path):
    genome, linear = genome_of(tmp_path, BASES, "a"), genome_of(tmp_path, BASES, "l", circular=False)
    grid = Grid(16, 24, 64)
    other = {"A": "C", "C": "G", "G": "T", "T": "A"}
    for at in range(0, 400, 7):
        variant = Variant("c", at + 1, BASES[at], other[BASES[at]])
        pair, flat = grid_pair(genome, variant, grid), grid_pair(linear, variant, grid)
        assert pair.status == "OK"
        assert len(pair.ref) == 64
        assert pair.ref[pair.offset] == BASES[at]
        if flat.status == "OK":
            assert pair == flat
        else:
            assert flat.status == "EDGE_PADDED"
            assert flat.ref in pair.ref
    first, last = (grid_pair(genome, Variant("c", at, BASES[at - 1], other[BASES[at - 1]]), grid) for at in (1, 16))
    assert first.window == last.window


def test_what_passes_the_end_is_out_of_range_unless_the_contig_is_circular(tmp_path):
    deletion = Variant("c", 399, BASES[398:] + BASES[:3], BASES[398])
    assert allele_pair(genome_of(tmp_path, BASES, "l", circular=False), deletion, 40).status == "POS_OUT_OF_RANGE"
    pair = allele_pair(genome_of(tmp_path, BASES, "a"), deletion, 40)
    assert pair.status == "OK"
    assert len(pair.ref) - len(pair.alt) == 4
    behind = Variant("c", 401, BASES[0], "A" if BASES[0] != "A" else "C")
    assert allele_pair(genome_of(tmp_path, BASES, "b"), behind, 40).status == "POS_OUT_OF_RANGE"


def test_features_wrap_and_gff_says_which_contigs_are_circular(tmp_path):
    path = tmp_path / "a.gff"
    path.write_text(
        "c\tx\tregion\t1\t400\t.\t+\t.\tID=c;Is_circular=true\nd\tx\tregion\t1\t90\t.\t+\t.\tID=d\n"
        "c\tx\tCDS\t380\t420\t.\t-\t0\tID=g\n"
    )
    assert circular_contigs(path) == ["c"]
    *_, gene = read_gff(path)
    assert on_contig(gene, "c", 400) == [Interval("c", 379, 400, "-"), Interval("c", 0, 20, "-")]


def test_a_bed_or_commas_in_place_of_a_gff_are_named(tmp_path):
    (tmp_path / "a.gff").write_text("chr1\t10\t20\tname\n")
    with pytest.raises(InputError, match="this line is BED"):
        list(read_gff(tmp_path / "a.gff"))
    (tmp_path / "b.gff").write_text("chr1,x,gene,1,20,.,+,.,ID=a\n")
    with pytest.raises(InputError, match="separated by commas"):
        list(read_gff(tmp_path / "b.gff"))
