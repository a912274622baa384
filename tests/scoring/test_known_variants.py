"""A background of known variants: a draw from a VCF that depends on the seed and the alleles, not on their order."""

import random

import pytest

from genomelm.errors import InputError
from genomelm.scoring import known_variants as module
from genomelm.scoring.background import variant_class
from genomelm.scoring.known_variants import known_variants
from genomelm.seq.genome import Genome
from genomelm.seq.window import SCORED, allele_pair

HEADER = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"


@pytest.fixture
def genome(tmp_path):
    bases = random.Random(1).choices("ACGT", k=2000)
    (tmp_path / "g.fa").write_text(f">chr1\n{''.join(bases)}\n")
    with Genome(tmp_path / "g.fa") as opened:
        yield opened


@pytest.fixture
def lines(genome):
    """One line a base, with all three substitutions, a deletion at every tenth, and what cannot be scored."""
    from genomelm.seq.interval import Interval

    bases = genome.fetch(Interval("chr1", 0, 2000))
    found = [f"1\t{n + 1}\t.\t{base}\t{','.join(set('ACGT') - {base})}\t.\t.\t.\n" for n, base in enumerate(bases)]
    found += [f"1\t{n + 1}\t.\t{bases[n : n + 3]}\t{bases[n]}\t.\t.\t.\n" for n in range(0, 1900, 10)]
    return [*found, "1\t50\t.\tN\t<DEL>\t.\t.\t.\n", "chrUn\t5\t.\tA\tC\t.\t.\t.\n", "1\t9999\t.\tA\tC\t.\t.\t.\n"]


def draw(tmp_path, genome, lines, per_class, seed):
    (tmp_path / "known.vcf").write_text(HEADER + "".join(lines))
    return known_variants(tmp_path / "known.vcf", genome, per_class, seed, lambda v: allele_pair(genome, v, 64))


def test_each_class_has_as_many_as_were_asked_for_and_no_allele_is_there_twice(tmp_path, genome, lines):
    pairs = draw(tmp_path, genome, lines, 3, 0)
    names = [variant_class(pair) for pair in pairs]
    assert {names.count(name) for name in names if ">" in name} == {3}
    assert names.count("del_2") == 3
    assert len({str(pair.variant) for pair in pairs}) == len(pairs)
    assert all(pair.status in SCORED for pair in pairs)


def test_the_draw_is_that_of_the_seed_whatever_the_order(tmp_path, genome, lines, monkeypatch):
    monkeypatch.setattr(module, "SPARE", 1)  # most alleles are left out
    shuffled = random.Random(2).sample(lines, len(lines))
    first, again, other = (
        [str(pair.variant) for pair in draw(tmp_path, genome, these, 2, seed)]
        for these, seed in ((lines, 0), (shuffled, 0), (lines, 1))
    )
    assert first == again != other


def test_a_vcf_of_other_contigs_is_refused(tmp_path, genome, lines):
    with pytest.raises(InputError, match="holds no variant that can be scored"):
        draw(tmp_path, genome, lines[-2:-1], 2, 0)
