"""Small tables, their split files, and an annotated genome."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from genomelm.tasks.splits import sequence_key


class Folder:
    """Writes a table and a split file into one folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def table(self, rows, columns="x,y", name="data.csv.gz"):
        path = self.path / name
        with gzip.open(path, "wt") as stream:
            stream.write("".join(f"{line}\n" for line in (columns, *rows)))
        return path

    def split(self, chosen):
        path = self.path / "split.tsv"
        lines = [f"{sequence_key(sequence)}\t{split}" for sequence, split in chosen.items()]
        path.write_text("".join(f"{line}\n" for line in ("sequence_sha256\tsplit", *lines)))
        return path

    def sequences(self, count, length=12, seed=0, letters="ACGT"):
        generator = np.random.default_rng(seed)
        return ["".join(generator.choice(list(letters), length)) for _ in range(count)]

    def halves(self, texts):
        """Split texts: numbers 0 and 4 test, 1 and 5 validation, the rest training."""
        return self.split({texts[0]: "test", texts[4]: "test", texts[1]: "validation", texts[5]: "validation"})


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


@pytest.fixture
def annotated(tmp_path):
    """Return a FASTA of 20,000 bases and a GFF with a CDS in the first half of every kilobase."""
    generator = np.random.default_rng(3)
    length = 20000
    fasta = tmp_path / "g.fa"
    fasta.write_text(">c\n" + "".join(generator.choice(list("ACGT"), length)) + "\n")
    lines = ["##gff-version 3", f"c\tx\tregion\t1\t{length}\t.\t+\t.\tID=c"]
    for start in range(0, length, 1000):
        lines.append(f"c\tx\tCDS\t{start + 1}\t{start + 500}\t.\t{'+-'[start // 1000 % 2]}\t0\tID=cds{start}")
        lines.append(f"c\tx\ttRNA\t{start + 601}\t{start + 650}\t.\t+\t.\tID=t{start}")
    gff = tmp_path / "g.gff"
    gff.write_text("\n".join(lines) + "\n")
    return fasta, gff
