import gzip
import os
import pickle
import random
import time

import pysam
import pytest

from genomelm.errors import InputError
from genomelm.files import sha256
from genomelm.seq.alphabet import reverse_complement
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval


def random_bases(length: int, seed: int = 0) -> str:
    return "".join(random.Random(seed).choices("ACGTacgtNR", k=length))


def write_bgzf(path, text: str) -> None:
    with pysam.BGZFile(str(path), "wb") as stream:
        stream.write(text.encode())


def fasta(width: int = 61, **contigs: str) -> str:
    return "".join(
        f">{name}\n" + "".join(seq[i : i + width] + "\n" for i in range(0, len(seq), width))
        for name, seq in contigs.items()
    )


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GENOMELM_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("form", ["plain", "gzip", "bgzf", "crlf"])
def test_every_form_of_file_gives_the_same_bases(tmp_path, form):
    contigs = {"a": random_bases(200_001), "b": "", "c": random_bases(61 * 5, 1), "d": "A"}
    text = fasta(**contigs)
    path = tmp_path / ("ref.fa" if form in ("plain", "crlf") else "ref.fa.gz")
    if form == "gzip":
        path.write_bytes(gzip.compress(text.encode()))
    elif form == "bgzf":
        write_bgzf(path, text)
    else:
        path.write_bytes(text.replace("\n", "\r\n" if form == "crlf" else "\n").encode())
    with Genome(path) as genome:
        assert genome.contigs == {name: len(sequence) for name, sequence in contigs.items()}
        places = random.Random(2)
        for _ in range(300):
            name = places.choice(["a", "a", "c", "d"])
            start = places.randint(0, len(contigs[name]))
            end = min(len(contigs[name]), start + places.choice([0, 1, 61, 1000, 140_000]))
            expected = contigs[name][start:end]
            assert genome.fetch(Interval(name, start, end)) == expected
            assert genome.fetch(Interval(name, start, end, "-")) == reverse_complement(expected)
        assert genome.digest == sha256(path)
        assert pickle.loads(pickle.dumps(genome)).contigs == genome.contigs


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("keep_time", [False, True])
def test_a_file_edited_after_indexing_never_gives_old_coordinates(tmp_path, compressed, keep_time):
    path = tmp_path / ("ref.fa.gz" if compressed else "ref.fa")

    def write(text):
        write_bgzf(path, text) if compressed else path.write_text(text)

    first = random_bases(300_000)
    write(fasta(a=first, b="ACGT" * 30))
    assert Genome(path).contigs == {"a": 300_000, "b": 120}
    index_time = os.stat(f"{path}.fai").st_mtime
    edited = random_bases(299_000, 5)
    write(fasta(a=edited, b="TTTT" * 30))
    if keep_time:
        os.utime(path, (index_time - 10, index_time - 10))
    genome = Genome(path)
    assert genome.fetch(Interval("a", 250_000, 250_100)) == edited[250_000:250_100]
    assert genome.fetch(Interval("b", 0, 120)) == "TTTT" * 30


def test_a_foreign_index_that_hides_a_second_contig_of_one_name_is_not_trusted(tmp_path):
    path = tmp_path / "ref.fa"
    path.write_text(">a\nACGT\n>a\nGGGG\n>b\nTTTT\n")
    (tmp_path / "ref.fa.fai").write_text("a\t4\t3\t4\t5\nb\t4\t19\t4\t5\n")
    with pytest.raises(InputError, match="twice"):
        Genome(path)


def test_the_index_goes_to_the_cache_when_the_folder_cannot_be_written(tmp_path, monkeypatch):
    folder = tmp_path / "folder"
    folder.mkdir()
    path = folder / "ref.fa"
    path.write_text(">a\nACGT\n")
    from genomelm.seq import fasta_index

    build = fasta_index._build

    def refuse(names):
        if names.fai.parent == folder:
            raise PermissionError(13, "read-only")
        return build(names)

    monkeypatch.setattr(fasta_index, "_build", refuse)
    genome = Genome(path)
    assert genome.fetch(Interval("a", 1, 3)) == "CG"
    assert [p.name for p in folder.iterdir()] == ["ref.fa"]
    monkeypatch.setattr(fasta_index, "_build", None)
    assert Genome(path).contigs == {"a": 4}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html>404</html>", "HTML"),
        (b">p\nMKVLAAGIVGLPNVGKSTLFNALTEQ\n", "protein"),
        (b">a\nACGT\n>a\nACGT\n", "twice"),
        (b"ACGT\n", "not FASTA"),
        (b"@r\nACGT\n+\nIIII\n", "FASTQ"),
        (b">a\nACGT\nAC\nACGT\n", "cannot be indexed"),
        (gzip.compress(b">a\n" + b"ACGT" * 9000)[:-20], "truncated"),
    ],
)
def test_what_is_no_genome_is_refused_with_a_reason(tmp_path, content, message):
    path = tmp_path / "ref.fa"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        Genome(path)


def test_proteins_are_read_where_any_letters_are_asked_for(tmp_path):
    path = tmp_path / "ref.fa"
    path.write_text(">p\nMKVLAAGIVGLPNVGKSTLFNALTEQ*\n")
    with Genome(path, any_letters=True) as genome:
        assert genome.fetch(Interval("p", 0, 27)) == "MKVLAAGIVGLPNVGKSTLFNALTEQ*"
        assert pickle.loads(pickle.dumps(genome)).contigs == {"p": 27}
    path.write_text("<html></html>")
    with pytest.raises(InputError, match="HTML"):
        Genome(path, any_letters=True)


def test_a_bgzf_file_without_its_end_is_truncated(tmp_path):
    path = tmp_path / "ref.fa.gz"
    write_bgzf(path, fasta(a=random_bases(100_000)))
    path.write_bytes(path.read_bytes()[:-28])
    with pytest.raises(InputError, match="truncated"):
        Genome(path)


def test_aliases_count_only_when_lengths_agree(tmp_path):
    path = tmp_path / "ref.fa"
    path.write_text(">chr1\nACGT\n>chrM\nACG\n>scaffold_9\nAA\n")
    genome = Genome(path)
    assert genome.resolve("1") == genome.resolve("chr1") == genome.resolve("NC_000001.11") == "chr1"
    assert genome.resolve("1", length=4) == "chr1"
    assert genome.resolve("1", length=5) is None
    assert genome.resolve("MT") == genome.resolve("M") == "chrM"
    assert genome.resolve("2") is None
    assert genome.resolve("scaffold_9") == "scaffold_9"


def test_faults_of_a_fetch_name_contig_and_length(tmp_path):
    path = tmp_path / "ref.fa"
    path.write_text(">chr1\nACGT\n")
    genome = Genome(path)
    with pytest.raises(InputError, match="did you mean 'chr1'"):
        genome.fetch(Interval("1", 0, 1))
    with pytest.raises(InputError, match="passes the end of chr1 \\(4 bases\\)"):
        genome.fetch(Interval("chr1", 2, 5))


def test_random_windows_are_quick(tmp_path):
    path = tmp_path / "ref.fa.gz"
    write_bgzf(path, fasta(a="ACGTTGCA" * 125_000))
    genome = Genome(path)
    places = [random.Random(3).randrange(999_000) for _ in range(2000)]
    started = time.process_time()
    for start in places:
        genome.fetch(Interval("a", start, start + 1000))
    assert (time.process_time() - started) / len(places) < 0.0002
