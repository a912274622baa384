"""Windows on a sample's haplotypes, held against the haplotypes that bcftools consensus makes."""

import os
import random
import shutil
import subprocess
from pathlib import Path

import pysam
import pytest

from genomelm.scoring.annotate import annotate
from genomelm.scoring.haplotypes import HaplotypePairs, HaplotypeScorer
from genomelm.seq.genome import Genome
from genomelm.seq.window import allele_pair

pytestmark = pytest.mark.skipif(
    not shutil.which("bcftools") and (os.geteuid() != 0 or not shutil.which("apt-get")),
    reason="bcftools is not installed, and there is no root with apt-get to install it",
)

COUNT, LENGTH, WIDTH = 80, 200, 48
COLUMNS = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tother\tS"


def bcftools(*arguments: object) -> str:
    return subprocess.run(["bcftools", *map(str, arguments)], capture_output=True, text=True, check=True).stdout


def contigs() -> dict[str, str]:
    draw = random.Random(17)
    words = ["A", "C", "CA", "GGA", "T", "ACAC", "TTTTTT", "GATC"]
    return {f"c{i}": "".join(draw.choice(words) for _ in range(LENGTH))[:LENGTH] for i in range(COUNT)}


def records(sequences: dict[str, str]) -> list[tuple[str, str, bool]]:
    """Return (line, the line for bcftools, whether it is the variant that is compared): one a contig."""
    draw, found = random.Random(18), []
    for name, bases in sequences.items():
        place, middle = draw.randrange(3, 14), draw.randrange(80, 120)
        seen = False
        while place < LENGTH - 16:
            target = place >= middle and not seen
            size = draw.choice([0, 0, 0, 1, 2, 6])
            ref = bases[place : place + 1 + size]
            alts = []
            while len(alts) < draw.choice([1, 1, 2]):
                alt = ref[0] + "".join(draw.choices("ACGT", k=draw.choice([0, 0, 1, 5])))
                if len(ref) == len(alt) == 1:
                    alt = draw.choice("ACGT")
                if alt != ref and alt not in alts:
                    alts.append(alt)
            last = len(alts)
            carried = ["1|0", "0|1", "1|1", "1/1", f"0|{last}", f"{last}|1"]
            call = draw.choice(carried[:4] if target else [*carried, "0/1", "./.", ".|1", "0|0"])
            shown = "./." if call == "0/1" else call  # bcftools would take one of its alleles
            columns = [name, str(place + 1), ".", ref, ",".join(alts), ".", ".", ".", "GT", "0/1"]
            found.append(("\t".join([*columns, call]), "\t".join([*columns, shown]), target))
            seen = seen or target
            place += size + draw.randrange(2, 12)
    return found


def consensus(fasta: Path, lines: list[str], haplotype: int, folder: Path) -> dict[str, str]:
    path = folder / f"{haplotype}.vcf.gz"
    header = ["##fileformat=VCFv4.2", *(f"##contig=<ID=c{i},length={LENGTH}>" for i in range(COUNT))]
    header.append('##FORMAT=<ID=GT,Number=1,Type=String,Description="g">')
    with pysam.BGZFile(str(path), "wb") as stream:
        stream.write("".join(line + "\n" for line in [*header, COLUMNS, *lines]).encode())
    pysam.tabix_index(str(path), preset="vcf", force=True)
    text = bcftools("consensus", "-s", "S", "-H", haplotype, "-f", fasta, path)
    return {part.split("\n", 1)[0]: part.split("\n", 1)[1].replace("\n", "") for part in text.split(">")[1:]}


def common(one: str, other: str) -> int:
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def cut(ref: str, alt: str, before: int, behind: int) -> tuple[str, str]:
    """Return both windows of sequences that differ by one change, at the leftmost of its places."""
    tail = common(ref[::-1], alt[::-1])
    place = min(common(ref, alt), min(len(ref), len(alt)) - tail)
    tail = min(tail, len(ref) - place, len(alt) - place)
    first = max(place - before, 0)
    return tuple(text[first : len(text) - tail + behind] for text in (ref, alt))


def test_both_windows_are_those_of_bcftools_consensus(tmp_path, monkeypatch, scorer, make_vcf):
    monkeypatch.setenv("GENOMELM_CACHE", str(tmp_path / "cache"))
    sequences = contigs()
    made = records(sequences)
    fasta = tmp_path / "ref.fa"
    fasta.write_text("".join(f">{name}\n{bases}\n" for name, bases in sequences.items()))
    without = [shown for _, shown, target in made if not target]
    expected = {}
    for haplotype in (1, 2):
        alone = consensus(fasta, without, haplotype, tmp_path)
        with_it = consensus(fasta, [shown for _, shown, _ in made], haplotype, tmp_path)
        expected[haplotype] = {name: (alone[name], with_it[name]) for name in sequences}
    seen = {}
    score = HaplotypeScorer.score

    def keep(self, pairs):
        seen.update({(pair.variant.contig, pair.variant.pos, pair.variant.alt): pair for pair in pairs})
        return score(self, pairs)

    monkeypatch.setattr(HaplotypeScorer, "score", keep)
    monkeypatch.setattr(scorer, "pair", lambda genome, variant: allele_pair(genome, variant, WIDTH))
    source = make_vcf(*(line for line, _, _ in made), columns=COLUMNS)
    with Genome(fasta) as genome:
        annotate(source, genome, scorer, tmp_path / "o.vcf.gz", haplotypes="S")
        plain = {key: allele_pair(genome, pair.variant, WIDTH) for key, pair in seen.items()}
    compared = changed = 0
    for line in (line for line, _, target in made if target):
        name, pos, _, _, alts, *_, call = line.split("\t")
        key = (name, int(pos), alts.split(",")[0])
        pair, reference = seen[key], plain[key]
        on = [n + 1 for n, held in enumerate(call.replace("/", "|").split("|")) if held == "1"]
        found = pair.haplotypes if isinstance(pair, HaplotypePairs) else (pair,) * len(on)
        assert len(found) == len(on)
        for haplotype, one in zip(on, found, strict=True):
            ref, alt = expected[haplotype][name]
            behind = len(reference.ref) - reference.offset - reference.ref_length
            if ref == alt:
                continue
            assert (one.ref, one.alt) == cut(ref, alt, reference.offset, behind), line
            assert len(one.ref) == len(reference.ref)
            compared += 1
            changed += one.ref != reference.ref
    assert compared >= COUNT
    assert changed > COUNT // 2
