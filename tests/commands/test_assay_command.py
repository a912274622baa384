"""A table of measured variants becomes a VCF: every row once, in the genome's order, its measurement in INFO."""

import gzip

import pandas as pd
import pysam
import pytest
from typer.testing import CliRunner

from genomelm.cli import app

ROWS = [
    ("2", "4", "G", "T", "0.5", "b38"),
    ("chr1", "3", "T", "-", "-1.25", "b38"),
    ("chr1", "2", "C", "A", "2", "b38"),
    ("chr1", "2", "C", "G", "2", "b37"),
    ("chr1", "", "C", "G", "2", "b38"),
    ("chr9", "2", "C", "G", "2", "b38"),
    ("chr1", "2", "C", "*", "2", "b38"),
    ("chr1", "2", "C", "A", "nan", "b38"),
]
NAMES = ("Chrom", "Pos (1)", "Ref", "Alt", "y", "Release")
OPTIONS = ("--contig", "Chrom", "--pos", "Pos (1)", "--ref", "Ref", "--alt", "Alt", "--label", "y")
KEEP = ("--keep", "Release=b38")


@pytest.fixture
def run(tmp_path):
    """Run the command on a table; return the finished command and the VCF's path."""
    (tmp_path / "g.fa").write_text(">chr1\nACTGACTG\n>chr2\nACTGACTG\n")

    def go(name, *options):
        frame, table = pd.DataFrame(ROWS, columns=NAMES), tmp_path / name
        if name.endswith(".xlsx"):
            frame.to_excel(table, index=False, startrow=2)
        else:
            frame.to_csv(table, index=False, sep="," if ".csv" in name else "\t")
        out = tmp_path / "out.vcf.gz"
        command = ["assay", str(table), "-r", str(tmp_path / "g.fa"), "-o", str(out), *OPTIONS, *options]
        return CliRunner().invoke(app, command), out

    return go


@pytest.mark.parametrize(
    ("name", "options"), [("t.tsv", ()), ("t.csv.gz", ()), ("t.xlsx", ("--header", "3"))], ids=["tsv", "csv", "xlsx"]
)
def test_rows_become_sorted_records_with_their_measurements(run, name, options):
    done, out = run(name, *KEEP, *options)
    assert done.exit_code == 0, done.output
    text = gzip.decompress(out.read_bytes()).decode()
    lines = [line.split("\t") for line in text.splitlines() if not line.startswith("#")]
    assert [(r[0], r[1], r[3], r[4], r[7]) for r in lines] == [
        ("chr1", "2", "C", "A", "EFFECT=2"),
        ("chr1", "2", "CT", "C", "EFFECT=-1.25"),
        ("chr2", "4", "G", "T", "EFFECT=0.5"),
    ]
    with pysam.VariantFile(str(out)) as variants:
        assert [record.info["EFFECT"][0] for record in variants.fetch("chr2")] == [0.5]
    for reason in ("2 rows left out: no position or label", "1 rows left out: contig not in the genome"):
        assert reason in done.output
    assert "1 rows left out: alleles that are no letters" in done.output
    assert "1 rows left out: another Release" in done.output


@pytest.mark.parametrize(
    ("options", "code", "text"),
    [
        (("--keep", "Release=b99"), 3, "gives no variant"),
        (("--keep", "Release"), 2, "is not COLUMN=VALUE"),
        (("--keep", "Relase=b38"), 3, "Relase"),
        (("--header", "2"), 2, "--header is for .xlsx"),
    ],
    ids=["nothing left", "no value", "no column", "header"],
)
def test_what_cannot_be_read_is_told(run, options, code, text):
    done, out = run("t.tsv", *options)
    assert done.exit_code == code or getattr(done.exception, "exit_code", None) == code, done.output
    assert text in f"{done.output}{done.exception}"
    assert not out.exists()
