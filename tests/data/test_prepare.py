"""Preparing: bgzip and indexes that agree with the published bytes, and refusals that leave nothing."""

import gzip
import random
import zipfile

import pysam
import pytest

from genomelm.data.prepare import check_published, prepare
from genomelm.errors import InputError, ResourceError
from genomelm.seq.bgzf import compression_of

SEQUENCE = "".join(random.Random(0).choices("ACGT", k=150_000))
FASTA = ">c1 a contig\n" + "\n".join(SEQUENCE[i : i + 80] for i in range(0, len(SEQUENCE), 80)) + "\n>c2\nACGT\n"
VCF = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n" + "".join(
    f"c1\t{position}\t.\tA\tC\t29.123456\t.\t.\n" for position in range(1, 5000)
)


@pytest.mark.parametrize("packed", [True, False])
def test_a_genome_becomes_indexed_bgzip_with_the_same_bases(tmp_path, packed):
    published = tmp_path / "raw"
    published.write_bytes(gzip.compress(FASTA.encode()) if packed else FASTA.encode())
    written = prepare(published, tmp_path / "out" / "g.fa.gz", "genome")
    assert [path.name for path in written] == ["g.fa.gz", "g.fa.gz.fai", "g.fa.gz.gzi"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [path.name for path in written]
    assert compression_of(written[0]) == "bgzf"
    assert gzip.decompress(written[0].read_bytes()) == FASTA.encode()
    with pysam.FastaFile(str(written[0])) as genome:
        assert list(genome.references) == ["c1", "c2"]
        assert genome.fetch("c1", 99_990, 100_010) == SEQUENCE[99_990:100_010]


def test_variants_become_indexed_bgzip(tmp_path):
    published = tmp_path / "raw"
    published.write_bytes(gzip.compress(VCF.encode()))
    written = prepare(published, tmp_path / "v.vcf.gz", "variants")
    assert gzip.decompress(written[0].read_bytes()) == VCF.encode()
    with pysam.TabixFile(str(written[0])) as table:
        assert [int(line.split("\t")[1]) for line in table.fetch("c1", 999, 1002)] == [1000, 1001, 1002]


def test_bgzip_input_keeps_its_bytes(tmp_path):
    with pysam.BGZFile(str(tmp_path / "raw"), "wb") as stream:
        stream.write(VCF.encode())
    written = prepare(tmp_path / "raw", tmp_path / "v.vcf.gz", "variants")
    assert written[0].read_bytes() == (tmp_path / "raw").read_bytes()


def test_other_kinds_are_copied_as_they_are(tmp_path):
    (tmp_path / "raw").write_bytes(gzip.compress(b"##gff-version 3\n"))
    assert prepare(tmp_path / "raw", tmp_path / "a.gff.gz", "annotation") == [tmp_path / "a.gff.gz"]
    assert (tmp_path / "a.gff.gz").read_bytes() == (tmp_path / "raw").read_bytes()


def test_truncated_files_are_refused_and_leave_nothing(tmp_path):
    with pysam.BGZFile(str(tmp_path / "blocks"), "wb") as stream:
        stream.write(VCF.encode())
    for name, content in {
        "gzip": gzip.compress(VCF.encode())[:-200],
        "bgzip": (tmp_path / "blocks").read_bytes()[:-28],
    }.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match="truncated"):
            prepare(tmp_path / name, tmp_path / "out" / "v.vcf.gz", "variants")
        assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("content", [b"<!DOCTYPE html><html>", b"", VCF.encode()])
def test_what_is_no_fasta_is_refused(tmp_path, content):
    (tmp_path / "raw").write_bytes(content)
    with pytest.raises(InputError, match=r"not a FASTA file|is empty"):
        prepare(tmp_path / "raw", tmp_path / "g.fa.gz", "genome")


def test_unsorted_variants_are_refused(tmp_path):
    head, *lines = VCF.split("\nc1")
    (tmp_path / "raw").write_text(head + "".join("\nc1" + line.rstrip("\n") for line in reversed(lines)) + "\n")
    with pytest.raises(InputError, match="cannot be indexed"):
        prepare(tmp_path / "raw", tmp_path / "v.vcf.gz", "variants")


def test_an_old_index_never_stays_beside_new_data(tmp_path):
    (tmp_path / "raw").write_text(FASTA)
    (tmp_path / "g.fa.gz.fai").write_text("stale\t1\t1\t1\t1\n")
    prepare(tmp_path / "raw", tmp_path / "g.fa.gz", "genome")
    assert (tmp_path / "g.fa.gz.fai").read_text().startswith("c1\t150000\t")


def test_gzip_within_gzip_is_undone(tmp_path):
    published = tmp_path / "raw"
    published.write_bytes(gzip.compress(gzip.compress(VCF.encode())))
    prepare(published, tmp_path / "v.vcf.gz", "variants")
    assert gzip.decompress((tmp_path / "v.vcf.gz").read_bytes()) == VCF.encode()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["raw", "v.vcf.gz", "v.vcf.gz.tbi"]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (">c1\nACGT\n>c2\nACGTACGT\n>c1\nACGTACGT\n", "twice"),
        (">p\n" + "MKVLAAGIVGLCAKELTEFWRHNPQ\n" * 50, "does not hold nucleotides"),
    ],
)
def test_genomes_that_nothing_could_read_are_refused(tmp_path, content, text):
    published = tmp_path / "raw"
    published.write_text(content)
    with pytest.raises(InputError, match=text) as caught:
        prepare(published, tmp_path / "g.fa.gz", "genome")
    assert str(published) in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


@pytest.mark.parametrize(
    ("kind", "name", "content", "text"),
    [
        ("track", "t.bw", b"<html>sorry</html>", "HTML page"),
        ("track", "t.bw", b"chr1\t0\t1\t0.5\n", "not a bigWig"),
        ("motifs", "m.meme", b"AC M1\n", "not a MEME"),
        ("annotation", "a.gff3.gz", gzip.compress(b"##gff-version 3\n" * 9000)[:-20], "truncated"),
        ("assay", "a.csv", b"", "empty"),
    ],
)
def test_other_kinds_are_looked_at_too(tmp_path, kind, name, content, text):
    published = tmp_path / "raw"
    published.write_bytes(content)
    with pytest.raises(InputError, match=text):
        prepare(published, tmp_path / name, kind)
    with pytest.raises(InputError, match=text):
        check_published(published, kind, name, None)
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


def test_a_member_of_an_archive_becomes_the_file(tmp_path):
    published = tmp_path / "raw"
    with zipfile.ZipFile(published, "w") as archive:
        archive.writestr("set/genome.fa", FASTA)
        archive.writestr("set/notes.txt", "x")
    written = prepare(published, tmp_path / "out" / "g.fa.gz", "genome", "genome.fa")
    assert gzip.decompress(written[0].read_bytes()) == FASTA.encode()
    prepare(published, tmp_path / "out" / "notes.txt", "assay", "notes.txt", consume=True)
    assert (tmp_path / "out" / "notes.txt").read_text() == "x"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        *("g.fa.gz", "g.fa.gz.fai", "g.fa.gz.gzi", "notes.txt")
    ]


def test_a_full_disk_is_told_before_the_genome_is_written(tmp_path, monkeypatch):
    from genomelm.data import download

    class Usage:
        free = 3

    (tmp_path / "raw").write_text(FASTA)
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: Usage)
    with pytest.raises(ResourceError, match="3 are free"):
        prepare(tmp_path / "raw", tmp_path / "g.fa.gz", "genome")
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]
