"""Reading and writing VCF files: what is timed is checked, and memory does not grow with the file."""

import json

import pysam
import pytest
from typer.testing import CliRunner

from genomelm.bench import vcf_speed as room
from genomelm.bench.vcf_speed import peak_memory, vcf_speed, write_example
from genomelm.commands.bench import bench
from genomelm.errors import IntegrityError


def test_the_example_is_a_sorted_vcf_whose_ref_alleles_match(tmp_path):
    fasta, vcf = write_example(tmp_path, 50, 3)
    with pysam.VariantFile(str(vcf)) as variants, pysam.FastaFile(str(fasta)) as genome:
        records = list(variants)
        assert [record.pos for record in records] == sorted(record.pos for record in records)
        assert all(genome.fetch("c", r.pos - 1, r.pos) == r.ref for r in records)
        assert len(records) == 50
        assert len(records[0].samples) == 3


def test_the_command_writes_speeds_and_a_table(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("a\n<!-- bench vcf: begin -->\nold\n<!-- bench vcf: end -->\nb\n")
    options = ["--records", "400", "--repeats", "3", "--readme", str(readme), "-o", str(tmp_path / "v.json")]
    done = CliRunner().invoke(bench, ["vcf", *options])
    assert done.exit_code == 0, done.output
    written = json.loads((tmp_path / "v.json").read_text())
    assert [row["target_per_s"] for row in written["speeds"]] == [50_000, None, None]
    assert all(row["positions_per_s"] > 0 and row["timings"] == 3 for row in written["speeds"])
    assert {"device", "date", "versions"} <= set(written["provenance"])
    assert "| nothing to score |" in readme.read_text()
    assert "old" not in readme.read_text()


def test_an_output_that_is_not_its_input_is_no_speed(tmp_path, monkeypatch):
    def careless(vcf, genome, scorer, out, **_options):
        with pysam.BGZFile(str(vcf), "rb") as stream:
            text = stream.read().replace(b"29.123456", b"29.1235")
        with pysam.BGZFile(str(out), "wb") as stream:
            stream.write(text)

    monkeypatch.setattr(room, "annotate", careless)
    with pytest.raises(IntegrityError, match="is not what it was"):
        vcf_speed(tmp_path, 100, 2, 3)


def test_memory_does_not_grow_with_the_file(tmp_path):
    # Both fill every buffer; a file of 2,000 records does not, and its peak is 4 to 8 MB lower.
    small, large = (peak_memory(tmp_path, records, 500) for records in (5_000, 12_000))
    assert large - small < 8e6  # the larger file has 63 MB more text


@pytest.mark.long
def test_memory_is_the_same_at_ten_thousand_and_a_hundred_thousand_records(tmp_path):
    small, large = (peak_memory(tmp_path, records, 500) for records in (10_000, 100_000))
    assert large - small < 8e6  # 800 MB more text
