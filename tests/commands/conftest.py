"""A VCF of the small genome, and `genomelm score` run on it."""

from collections.abc import Callable
from pathlib import Path

import pysam
import pytest
from typer.testing import CliRunner

from genomelm import cli
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval

FILEFORMAT = "##fileformat=VCFv4.2\n"
COLUMNS = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"
OTHER = {"A": "C", "C": "G", "G": "T", "T": "A"}


@pytest.fixture(scope="session")
def bases(tiny_fasta: Path) -> str:
    with Genome(tiny_fasta) as genome:
        return genome.fetch(Interval("c1", 0, genome.contigs["c1"]))


@pytest.fixture
def snv(bases: str) -> Callable[..., str]:
    """Return a function that writes the record of a substitution at a 1-based position of c1."""

    def write(pos: int, contig: str = "c1", info: str = ".") -> str:
        base = bases[pos - 1]
        return f"{contig}\t{pos}\t.\t{base}\t{OTHER[base]}\t.\t.\t{info}"

    return write


@pytest.fixture
def write_vcf(tmp_path: Path) -> Callable[..., Path]:
    """Write a VCF into the test's folder; a name that ends in gz is bgzipped."""

    def write(*records: str, header: str = "", columns: str = COLUMNS, name: str = "in.vcf"):
        text = FILEFORMAT + header + columns + "\n" + "".join(record + "\n" for record in records)
        path = tmp_path / name
        if name.endswith("gz"):
            with pysam.BGZFile(str(path), "wb") as stream:
                stream.write(text.encode())
        else:
            path.write_bytes(text.encode())
        return path

    return write


@pytest.fixture
def score(tiny_fasta: Path, language_model_dir: Path, tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """Run `genomelm score` into an empty folder; return the exit code and stderr."""

    def run(vcf, *options, out="out.vcf.gz", model=language_model_dir) -> tuple[int, str]:
        fixed = ["-r", tiny_fasta, "-m", model, "-o", tmp_path / "out" / out, "--width", 32]
        common = [*fixed, "--device", "cpu", "--threads", 1]
        result = CliRunner().invoke(cli.app, ["-q", "score", *map(str, [vcf, *common, *options])])
        return result.exit_code, result.stderr

    return run
