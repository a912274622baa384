"""Other people's programs read what is written: bcftools, tabix, pysam and cyvcf2."""

import os
import random
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import cyvcf2
import pysam
import pytest

from genomelm.scoring.annotate import annotate
from genomelm.seq.genome import Genome

pytestmark = pytest.mark.skipif(
    not (shutil.which("bcftools") and shutil.which("tabix")) and (os.geteuid() != 0 or not shutil.which("apt-get")),
    reason="bcftools and tabix are not installed, and there is no root with apt-get to install them",
)

BASES = "".join(random.Random(4).choices("ACGT", k=900))
OTHER = {"A": "C", "C": "G", "G": "T", "T": "A"}
REAL = Path(__file__).parents[2] / "data_manifests" / "bundled"
HEADER = [
    "##contig=<ID=c,length=900>",
    '##INFO=<ID=K,Number=.,Type=String,Description="a, \\"quoted\\" text; with = signs">',
    '##INFO=<ID=END,Number=1,Type=Integer,Description="e">',
    '##INFO=<ID=DB,Number=0,Type=Flag,Description="d">',
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="g">',
    '##FORMAT=<ID=PS,Number=1,Type=Integer,Description="p">',
]


def call(*arguments: object) -> str:
    done = subprocess.run(list(map(str, arguments)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def body(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith("#")]


@pytest.fixture
def scored(make_genome, make_vcf, scorer, tmp_path):
    """Score every kind of record with some samples; return the output."""
    genome = make_genome(c=BASES, d=BASES[:300])

    def make(*samples: str, name: str = "o.vcf.gz") -> Path:
        columns = "\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *samples])
        lines = []
        for pos in range(20, 200):
            base = BASES[pos - 1]
            alts = [OTHER[base], f"{base}A", "<DEL>", "*", f"{OTHER[base]},<NON_REF>", f"{base}[c:300[", "."][pos % 7]
            info = [".", "K=a%3Bb,c", "END=210", "K=<script>", "K=1;DB"][pos % 5]
            calls = [
                ["0|1:7" if alts != "." else "0|0:7", "0:.", "./.:.", "0/0:3"][(pos + n) % 4]
                for n in range(len(samples))
            ]
            lines.append(f"c {pos} id{pos} {base} {alts} 29.5 . {info} GT:PS {' '.join(calls)}")
            lines += lines[-1:] if pos % 30 == 0 else []  # a duplicate
        lines += [
            f"d {pos} . {BASES[pos - 1]} {OTHER[BASES[pos - 1]]} . . . GT 0/1" + " ./." * (len(samples) - 1)
            for pos in (5, 9)
        ]
        annotate(make_vcf(*lines, header=HEADER, columns=columns), genome, scorer, tmp_path / name)
        return tmp_path / name

    return make


def test_bcftools_views_the_whole_file_and_its_regions(scored):
    out = scored("s1", "s2")
    with pysam.BGZFile(str(out), "rb") as stream:
        lines = body(stream.read().decode())
    viewed = body(call("bcftools", "view", out))
    assert [line.split("\t")[:5] for line in viewed] == [line.split("\t")[:5] for line in lines]
    assert [x.split("\t")[9:] for x in viewed] == [x.split("\t")[9:] for x in lines]
    inside = [line for line in lines if line.startswith("c\t") and 60 <= int(line.split("\t")[1]) <= 90]
    assert len(body(call("bcftools", "view", "-t", "c:60-90", out))) == len(inside)
    assert body(call("tabix", out, "c:60-90")) == [
        line for line in lines if line.startswith("c\t") and overlaps(line, 60, 90)
    ]
    assert call("tabix", "--list-chroms", out).split() == ["c", "d"]


def overlaps(line: str, first: int, last: int) -> bool:
    columns = line.split("\t")
    start = int(columns[1])
    end = 210 if "END=210" in columns[7] else start
    return start <= last and end >= first


def test_bcftools_index_counts_the_records_of_each_contig(scored):
    out = scored("s1")
    with pysam.BGZFile(str(out), "rb") as stream:
        found = Counter(line.split("\t")[0] for line in body(stream.read().decode()))
    stats = [line.split("\t") for line in call("bcftools", "index", "-s", out).splitlines()]
    assert {name: int(count) for name, _, count in stats} == found
    call("bcftools", "index", "-f", "-c", out)


def test_bcftools_merges_the_samples_of_two_outputs(scored, tmp_path):
    merged = tmp_path / "m.vcf.gz"
    call("bcftools", "merge", "-Oz", "-o", merged, scored("s1", "s2", name="a.vcf.gz"), scored("s3", name="b.vcf.gz"))
    with pysam.VariantFile(str(merged)) as variants:
        assert list(variants.header.samples) == ["s1", "s2", "s3"]
        records = [record for record in variants if record.alts]
    statuses = {status for record in records for status in record.info["GLM_STATUS"] if status}
    assert {"OK", "SYMBOLIC", "STAR", "NON_REF", "BREAKEND"} <= statuses
    assert all(len(record.info["GLM_LLR"]) == len(record.alts) for record in records)


def test_pysam_and_cyvcf2_read_one_score_an_allele(scored):
    out = scored("s1", "s2")
    with pysam.VariantFile(str(out)) as variants:
        ours = [(r.pos, r.info.get("GLM_LLR"), r.info.get("GLM_STATUS"), r.info.get("GLM_SITE")) for r in variants]
    theirs = list(cyvcf2.VCF(str(out)))
    assert len(ours) == len(theirs) == 188
    for (pos, scores, statuses, site), record in zip(ours, theirs, strict=True):
        assert pos == record.POS
        assert record.INFO.get("GLM_SITE") == site
        if statuses is None:
            assert site == "NO_ALT"
            continue
        assert record.INFO.get("GLM_STATUS") == ",".join(statuses)
        found = record.INFO.get("GLM_LLR")
        found = found if isinstance(found, tuple) else (found,)
        assert len(scores) == len(found) == len(record.ALT)
        assert [s for s in scores if s is not None] == pytest.approx([f for f in found if f is not None])


def test_the_bundled_vcf_comes_through_all_of_them(tmp_path, monkeypatch, scorer):
    monkeypatch.setenv("GENOMELM_CACHE", str(tmp_path / "cache"))
    source, out = REAL / "kgp_1mb_z.vcf.gz", tmp_path / "o.vcf.gz"
    with Genome(REAL / "kgp_1mb_z.fa.gz") as genome:
        annotate(source, genome, scorer, out)
    drop = ("-x", "INFO/GLM_LLR,INFO/GLM_STATUS,INFO/GLM_SITE")
    assert body(call("bcftools", "annotate", *drop, out)) == body(call("bcftools", "view", source))
    assert call("bcftools", "index", "-s", out).split() == ["z", "1000000", "28998"]
    assert sum(1 for _ in cyvcf2.VCF(str(out))) == 28_998
    assert len(body(call("tabix", out, "z:1-10000"))) == len(body(call("bcftools", "view", "-r", "z:1-10000", out)))
