"""Alternative windows and normalised indels, held against what bcftools makes of the same variants."""

import os
import random
import shutil
import subprocess
from pathlib import Path

import pysam
import pytest

from genomelm.seq.genome import Genome
from genomelm.seq.variant import Variant
from genomelm.seq.window import SCORED, AllelePair, Grid, allele_pair, grid_pair

pytestmark = pytest.mark.skipif(
    not shutil.which("bcftools") and (os.geteuid() != 0 or not shutil.which("apt-get")),
    reason="bcftools is not installed, and there is no root with apt-get to install it",
)

COUNT, LENGTH = 120, 240


def bcftools(*arguments: object) -> str:
    return subprocess.run(["bcftools", *map(str, arguments)], capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def contigs() -> dict[str, str]:
    """A contig for each variant, full of repeats, so that indels have many placements."""
    draw = random.Random(7)
    words = ["A", "C", "CA", "GGA", "T", "ACAC", "TTTTTT", "GATC"]
    return {f"c{i}": "".join(draw.choice(words) for _ in range(LENGTH))[:LENGTH] for i in range(COUNT)}


@pytest.fixture(scope="module")
def variants(contigs) -> list[Variant]:
    """Substitutions, insertions, deletions and both at once, written with up to three shared bases on either side."""
    draw, found = random.Random(8), []
    for contig, sequence in contigs.items():
        while True:
            first = draw.randrange(20, LENGTH - 30)
            last = first + draw.randrange(0, 8)
            random_bases = "".join(draw.choice("ACGT") for _ in range(draw.randrange(0, 8)))
            alt = draw.choice([random_bases, "", 2 * sequence[first:last]])  # lost or doubled bases can move furthest
            left, right = draw.randrange(1, 4), draw.randrange(0, 4)
            ref = sequence[first - left : last + right]
            changed = sequence[first - left : first] + alt + sequence[last : last + right]
            if ref != changed:
                break
        found.append(Variant(contig, first - left + 1, ref, changed))
    return found


@pytest.fixture(scope="module")
def files(contigs, variants, tmp_path_factory) -> tuple[Path, Path]:
    """Return the FASTA and the indexed VCF."""
    folder = tmp_path_factory.mktemp("oracle")
    (folder / "ref.fa").write_text("".join(f">{name}\n{sequence}\n" for name, sequence in contigs.items()))
    lines = ["##fileformat=VCFv4.2", *(f"##contig=<ID={name},length={LENGTH}>" for name in contigs)]
    lines.append("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO")
    lines += [f"{v.contig}\t{v.pos}\t.\t{v.ref}\t{v.alt}\t.\t.\t." for v in variants]
    (folder / "in.vcf").write_text("\n".join(lines) + "\n")
    return folder / "ref.fa", Path(pysam.tabix_index(str(folder / "in.vcf"), preset="vcf"))


@pytest.fixture(scope="module")
def pairs(files, variants) -> list[tuple[AllelePair, ...]]:
    """Return each variant's windows: on a grid, on one whose windows hold the contig, and around the variant."""
    grids = Grid(32, 24, 32), Grid(LENGTH, LENGTH, LENGTH)
    with Genome(files[0]) as genome:
        found = [(*(grid_pair(genome, v, grid) for grid in grids), allele_pair(genome, v, 64)) for v in variants]
    assert {pair.status for three in found for pair in three} <= SCORED
    return found


def test_alternative_windows_are_those_of_bcftools_consensus(files, contigs, pairs):
    text = bcftools("consensus", "-f", files[0], files[1])
    made = {part.split("\n", 1)[0]: part.split("\n", 1)[1].replace("\n", "") for part in text.split(">")[1:]}
    assert len(made) == COUNT
    assert sum(made[name] != sequence for name, sequence in contigs.items()) == COUNT
    for three in pairs:
        for pair in three:
            name, window = pair.variant.contig, pair.window
            assert contigs[name][: window.start] + pair.alt + contigs[name][window.end :] == made[name]


def test_normalised_places_are_those_of_bcftools_norm(files, variants, pairs):
    lines = [line.split("\t") for line in bcftools("norm", "-f", files[0], files[1]).splitlines() if line[0] != "#"]
    normal = {line[0]: (int(line[1]) - 1, line[3], line[4]) for line in lines}
    moved = 0
    for variant, three in zip(variants, pairs, strict=True):
        start, ref, alt = normal[variant.contig]
        if len(ref) != len(alt) and ref[0] == alt[0]:  # the base before an indel, which VCF wants
            start, ref, alt = start + 1, ref[1:], alt[1:]
        for pair in three:
            assert pair.window.start + pair.offset == start
            assert pair.ref[pair.offset : pair.offset + pair.ref_length] == ref
            assert pair.alt[pair.offset : pair.offset + pair.alt_length] == alt
        moved += start < variant.pos - 1
    assert moved > COUNT // 20
