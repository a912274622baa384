"""Genes and coding sequence that run on past the origin of a circular contig."""

import pytest

from genomelm.scoring.gene_regions import GeneRegions
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.tasks.annotated import annotated_intervals


@pytest.fixture
def genome(tmp_path) -> Genome:
    (tmp_path / "g.fa").write_text(f">c\n{'ACGTTGCA' * 50}\n")
    (tmp_path / "a.gff").write_text(
        "c\tx\tregion\t1\t400\t.\t+\t.\tID=c;Is_circular=true\n"
        "c\tx\tgene\t380\t420\t.\t+\t.\tID=g;Name=across\nc\tx\tCDS\t380\t420\t.\t+\t0\tParent=g\n"
        "c\tx\tgene\t100\t150\t.\t+\t.\tID=h;Name=inside\nc\tx\tCDS\t100\t150\t.\t+\t0\tParent=h\n"
    )
    return Genome(tmp_path / "g.fa")


def test_a_gene_across_the_origin_is_found_on_both_sides(genome):
    genes = GeneRegions(genome.path.with_name("a.gff"), genome)
    assert genes.at("c", 395, 396) == genes.at("c", 0, 1) == genes.at("c", 19, 20) == ("across", "CDS")
    assert genes.at("c", 20, 21) == (".", "intergenic")
    assert genes.at("c", 120, 121) == ("inside", "CDS")


def test_coding_sequence_across_the_origin_is_both_of_its_parts(genome):
    coding, every = annotated_intervals(genome.path.with_name("a.gff"), genome)
    assert coding["c"] == [Interval("c", 0, 20), Interval("c", 99, 150), Interval("c", 379, 400)]
    assert every == coding
