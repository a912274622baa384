"""Regions that make no sense, through `genomelm score --regions`."""

import gzip

import pysam
import pytest

GZIPPED = gzip.compress(b"".join(b"c1\t%d\t%d\n" % (i, i + i % 7) for i in range(999)))


@pytest.mark.parametrize(
    ("bed", "message"),
    [
        ("c1\t0\t50\nc1\t90\t80\n", "r.bed:2 has start 90 and end 80"),
        ("c1\t-5\t80\n", "r.bed:1 has start -5"),
        ("c1\tx\t80\n", "start 'x'"),
        ("c1\t5\n", "has 2 columns"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (GZIPPED[:40], "truncated or corrupt"),
        (GZIPPED[:20] + b"\xff" * 10 + GZIPPED[30:], "truncated or corrupt"),
        (None, "is a folder"),
    ],
)
def test_a_bed_that_makes_no_sense_exits_with_3(score, snv, write_vcf, tmp_path, bed, message):
    path = tmp_path / "r.bed"
    if bed is None:
        path.mkdir()
    else:
        path.write_bytes(bed if isinstance(bed, bytes) else bed.encode())
    code, stderr = score(write_vcf(snv(30)), "--regions", path)
    assert code == 3
    assert message in stderr
    assert not (tmp_path / "out").exists()


def test_regions_past_a_contig_or_on_none_are_dropped_with_a_count(score, snv, write_vcf, tmp_path):
    bed = tmp_path / "r.bed"
    bed.write_text("c1\t0\t150\nc1\t190\t9000\nc1\t8000\t8100\nc9\t0\t5\n")
    code, stderr = score(write_vcf(snv(100), snv(200)), "--regions", bed)
    assert code == 0
    assert "1 of 4 regions dropped: the reference does not have their contigs (c9)" in stderr
    assert "2 of 4 regions dropped: they pass the end of their contig (first: c1:191-9000" in stderr
    with pysam.BGZFile(str(tmp_path / "out" / "out.vcf.gz"), "rb") as stream:
        records = [line for line in stream.read().decode().splitlines() if line[0] != "#"]
    assert [record.rpartition("=")[2] for record in records] == ["OK", "NOT_SELECTED"]
    bed.write_text("#nothing\n")
    code, stderr = score(write_vcf(snv(30)), "--regions", bed)
    assert code == 0
    assert "no region is left" in stderr
