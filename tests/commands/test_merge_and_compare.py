"""`genomelm score --shard`, `genomelm merge` and `genomelm compare` on files: exit codes, messages, what is printed."""

import json

import pysam
import pytest
from typer.testing import CliRunner

from genomelm import cli


def command(*arguments) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli.app, ["-q", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def source(write_vcf, snv):
    return write_vcf(
        *[snv(pos, info=f"K={pos}") for pos in range(100, 400, 3)], header="##contig=<ID=c1,length=4214>\n"
    )


@pytest.fixture
def shards(score, source, tmp_path):
    for number in (1, 2, 3):
        assert score(source, "--shard", f"{number}/3", out=f"{number}.vcf.gz") == (0, "")
    return [tmp_path / "out" / f"{number}.vcf.gz" for number in (1, 2, 3)]


def body(path) -> list[bytes]:
    with pysam.BGZFile(str(path), "rb") as stream:
        return [line for line in stream.read().split(b"\n") if not line.startswith(b"##genomelm")]


def test_shards_of_a_real_model_join_to_the_whole_run(score, shards, source, tmp_path):
    assert score(source) == (0, "")
    whole, joined = tmp_path / "out" / "out.vcf.gz", tmp_path / "joined.vcf.gz"
    code, stdout, stderr = command("merge", *reversed(shards), "-o", joined, "--json")
    assert (code, stderr) == (0, "")
    assert json.loads(stdout)["records_in"] == 100
    code, stdout, _ = command("compare", whole, joined, "--json")
    found = json.loads(stdout)
    assert (code, found["equal"], found["matched"], found["scored"]) == (0, True, 100, 100)
    strip = lambda lines: [line.split(b";GLM_LLR")[0] for line in lines]
    assert strip(body(joined)) == strip(body(whole))


def test_a_missing_and_a_doubled_shard_exit_with_3_and_counts(shards, tmp_path):
    out = tmp_path / "joined.vcf.gz"
    code, _, stderr = command("merge", shards[0], shards[2], "-o", out)
    assert code == 3
    assert "2 of 3 shards, 67 of 100 records: 1 missing: 2" in stderr
    assert stderr.count("\n") == 1
    code, _, stderr = command("merge", *shards, shards[1], "-o", out)
    assert code == 3
    assert "3 of 3 shards, 100 of 100 records: 1 there more than once: 2" in stderr
    assert not out.exists()


def test_compare_tells_what_differs_and_exits_with_3(score, source, write_vcf, snv, tmp_path):
    other = write_vcf(*[snv(pos) for pos in range(103, 400, 3)], "c1\t4100\t.\tA\tC\t.\t.\t.", name="b.vcf")
    assert score(source, out="a.vcf.gz") == (0, "")
    assert score(other, "--forward-only", out="b.vcf.gz") == (0, "")
    paths = [tmp_path / "out" / name for name in ("a.vcf.gz", "b.vcf.gz")]
    code, stdout, stderr = command("compare", *paths, "--top", 2)
    assert code == 3
    assert stderr == f"genomelm: {paths[0]} and {paths[1]} differ\n"
    lines = stdout.splitlines()
    assert "records only in A: 1" in lines
    assert "records only in B: 1" in lines
    assert any(line.startswith("Pearson correlation: 0.") for line in lines)
    assert len(lines[lines.index("contig\tpos\tref\talt\tA\tB\tB - A") :]) == 3
    assert command("compare", *paths, "--other-tag", "X")[0] == 2
    assert command("compare", paths[0], source)[0] == 3
    assert command("compare", paths[0], tmp_path / "no.vcf.gz")[0] == 3


def test_score_prints_its_summary_as_json(score, source, tiny_fasta, language_model_dir, tmp_path):
    options = ["-r", tiny_fasta, "-m", language_model_dir, "--width", 32, "--device", "cpu", "--threads", 1]
    code, stdout, _ = command("score", source, *options, "-o", tmp_path / "o.vcf.gz", "--json")
    found = json.loads(stdout)
    assert (code, found["statuses"], found["records_in"]) == (0, {"OK": 100}, 100)
    assert found["rate"] > 0
    assert command("score", source, *options, "-o", "-", "--json")[0] == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--shard", "4/3"], "write i/n"),
        (["--batch-size", "none"], "no number of alleles"),
        (["--batch-size", "0"], "no number of alleles"),
        (["--outside", "hide"], "choose flag, drop"),
        (["--gff", "x.gff"], "give --table"),
    ],
)
def test_wrong_options_of_score_exit_with_2(score, source, tmp_path, options, message):
    code, stderr = score(source, *options)
    assert code == 2
    assert message in stderr
    assert not list((tmp_path / "out").glob("*"))


def test_a_pipe_goes_in_and_out(source, tiny_fasta, language_model_dir):
    options = ["-r", tiny_fasta, "-m", language_model_dir, "--width", "32", "--device", "cpu", "--threads", "1"]
    arguments = ["-q", "score", "-", "-o", "-", *map(str, options)]
    done = CliRunner().invoke(cli.app, arguments, input=source.read_bytes())
    assert done.exit_code == 0, done.stderr
    rows = [line.split("\t") for line in done.stdout.splitlines() if not line.startswith("#")]
    assert len(rows) == 100
    assert all(";GLM_LLR=" in row[7] for row in rows)
    assert "100 of 100 alleles scored" in done.stderr
