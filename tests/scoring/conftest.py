from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pysam
import pytest

from genomelm.seq.genome import Genome
from genomelm.seq.variant import Variant
from genomelm.seq.window import AllelePair, allele_pair

COLUMNS = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"


class NullScorer:
    """No model: the score is a fixed function of the two windows."""

    tag = "GLM_LLR"
    description = 'a "null" score'

    def __init__(self) -> None:
        self.provenance = {"model": "0" * 64, "patching": "none"}
        self.calls: list[int] = []

    def pair(self, genome: Genome, variant: Variant) -> AllelePair:
        return allele_pair(genome, variant, 32)

    def score(self, pairs: Sequence[AllelePair]) -> np.ndarray:
        self.calls.append(len(pairs))
        return np.array([(sum(p.alt.encode()) - sum(p.ref.encode())) / 8 for p in pairs])


@pytest.fixture
def scorer() -> NullScorer:
    return NullScorer()


@pytest.fixture
def make_genome(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Genome]:
    """Write contigs to a FASTA file and open it."""
    monkeypatch.setenv("GENOMELM_CACHE", str(tmp_path / "cache"))

    def make(**contigs: str) -> Genome:
        path = tmp_path / "ref.fa"
        path.write_text("".join(f">{name}\n{sequence}\n" for name, sequence in contigs.items()))
        return Genome(path)

    return make


@pytest.fixture
def make_vcf(tmp_path: Path) -> Callable[..., Path]:
    """Write a bgzipped VCF from header lines and records (lists of columns, or lines)."""

    def make(*records: str, header: Sequence[str] = (), columns: str = COLUMNS, name: str = "in.vcf.gz") -> Path:
        lines = ["##fileformat=VCFv4.2", *header, columns, *(r.replace(" ", "\t") for r in records)]
        path = tmp_path / name
        opener = pysam.BGZFile if name.endswith("gz") else open
        with opener(str(path), "wb") as stream:
            stream.write("".join(line + "\n" for line in lines).encode())
        return path

    return make


@pytest.fixture
def read_vcf() -> Callable[[Path], tuple[list[bytes], list[list[bytes]]]]:
    """Return the header lines and the columns of the records of a bgzipped VCF."""

    def read(path: Path) -> tuple[list[bytes], list[list[bytes]]]:
        with pysam.BGZFile(str(path), "rb") as stream:
            lines = stream.read().split(b"\n")
        assert lines.pop() == b""
        header = [line for line in lines if line.startswith(b"#")]
        return header, [line.split(b"\t") for line in lines[len(header) :]]

    return read
