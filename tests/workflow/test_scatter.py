"""Variants that are scored in parts, side by side: how many parts there are, and that they give one job's results."""

import dataclasses
import gzip
import json
import random
import re
import subprocess
import sys
from pathlib import Path

import pysam
import pysam.bcftools
import pytest
from small_repository import RESULTS, environment

from genomelm.commands import workflow_records
from genomelm.commands.workflow_config import WorkflowConfig, is_unordered
from genomelm.commands.workflow_parts import BackgroundConfig, ModelUse, ScoreConfig
from genomelm.commands.workflow_records import records_in
from genomelm.commands.workflow_resources import megabytes, minutes, size_mb
from genomelm.commands.workflow_shards import RECORD_BYTES, record_faults, records_of, shard_count
from genomelm.data.manifest import Manifest, Row

NOTHING = Manifest(Path("absent"), {})


def records(path):
    """Return each record of a scored VCF without its score, and the scores; shares of few records round differently."""
    lines = [line.rstrip() for line in gzip.decompress(path.read_bytes()).decode().splitlines() if line[0] != "#"]
    return [re.sub(r"GLM_LLR=[^;]*", "", line) for line in lines], [
        float(re.search(r"GLM_LLR=([^;]*)", line)[1]) for line in lines
    ]


def test_scores_in_parts_are_those_of_one_job(local_run, tmp_path):
    made = local_run / RESULTS / "models" / "tiny" / "score"
    out, table, summary = (tmp_path / f"whole.{end}" for end in ("vcf.gz", "tsv", "json"))
    command = [sys.executable, "-m", "genomelm", "score", f"{RESULTS}/data/some.vcf.gz"]
    command += ["-r", f"{RESULTS}/data/genome.fa.gz", "-m", f"{RESULTS}/models/tiny/pretrain/model", "-o", out]
    command += ["--background", f"{RESULTS}/models/tiny/background/random/language_model", "--width", "256"]
    command += ["--table", table, "--summary", summary, "--device", "cpu", "--threads", "1"]
    done = subprocess.run(command, cwd=local_run, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (lines, scores), (others, same) = records(made / "parted.vcf.gz"), records(out)
    assert lines == others
    assert scores == pytest.approx(same, abs=1e-5)
    assert "GLM_PCTL=" in lines[-1]
    assert len((made / "parted.tsv").read_text().splitlines()) == len(table.read_text().splitlines()) == len(lines) + 1
    counted = ("records_in", "records_out", "dropped", "alleles", "scored", "statuses")
    ours, theirs = (json.loads(path.read_text()) for path in (made / "parted.summary.json", summary))
    assert {key: ours[key] for key in counted} == {key: theirs[key] for key in counted}
    assert not list(made.glob("parted.shards/*"))


def config(**values):
    use = {"model": "m", "genome": "./a.fa", "variants": "./v.vcf.gz"} | values
    return WorkflowConfig("results", {"m": ModelUse("m.yaml")}, scores={"a": ScoreConfig(**use)}, shard_size=100)


@pytest.mark.parametrize(("records", "parts"), [(1, 1), (100, 1), (101, 2), (1000, 10), (1001, 11)])
def test_the_number_of_parts_follows_the_number_of_records(records, parts):
    assert shard_count(config(records=records), "a", NOTHING) == parts


def test_an_entry_may_have_parts_of_its_own_size():
    assert shard_count(config(records=1000, shard_size=500), "a", NOTHING) == 2


def write(path, records, samples=0):
    """Write a VCF, as its name says: plain, gzip, bgzip or BCF."""
    names = "".join(f"\ts{i}" for i in range(samples))
    lines = ["##fileformat=VCFv4.2", "##contig=<ID=c,length=999999>"]
    lines += ['##FORMAT=<ID=GT,Number=1,Type=String,Description="g">']
    lines += [f"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO{chr(9) + 'FORMAT' if samples else ''}{names}"]
    chance = random.Random(1)
    for pos in range(1, records + 1):
        calls = "".join(f"\t{chance.choice(('0/0', '0/1', '1/1'))}" for _ in range(samples))
        lines.append(f"c\t{pos}\t.\tA\tC\t{chance.random():.9f}\t.\t.{chr(9) + 'GT' if samples else ''}{calls}")
    text = "\n".join(lines) + "\n"
    plain = path.with_name("plain.vcf")
    plain.write_text(text)
    if path.name.endswith("bcf"):
        pysam.bcftools.view("-Ob", "-o", str(path), str(plain), catch_stdout=False)
    elif path.name.endswith("bgz"):
        pysam.tabix_compress(str(plain), str(path), force=True)
    else:
        path.write_bytes(gzip.compress(text.encode(), 1, mtime=0) if path.name.endswith("gz") else text.encode())
    return path


@pytest.mark.parametrize("name", ["v.vcf", "v.vcf.gz", "v.vcf.bgz", "v.bcf"])
def test_records_of_a_small_file_are_counted(tmp_path, name):
    path = write(tmp_path / name, 301)
    flow = config(variants=str(path))
    assert (records_of(flow, "a", NOTHING), shard_count(flow, "a", NOTHING)) == (301, 4)
    plain = tmp_path / "plain.vcf"
    plain.write_text(plain.read_text().rstrip("\n"))
    assert records_in(plain) == 301
    assert records_in(write(tmp_path / f"none.{name}", 0)) == 0


@pytest.mark.parametrize("name", ["v.vcf", "v.vcf.gz", "v.vcf.bgz", "v.bcf"])
@pytest.mark.parametrize("samples", [0, 300])
def test_records_of_a_larger_file_are_guessed_from_its_beginning(tmp_path, monkeypatch, name, samples):
    path = write(tmp_path / name, 4000 if samples else 60_000, samples)
    monkeypatch.setattr(workflow_records, "SAMPLE", path.stat().st_size // 4)
    monkeypatch.setattr(workflow_records, "CHUNK", 10_000)
    found = records_in(path)
    assert found == pytest.approx(4000 if samples else 60_000, rel=0.1)


def test_an_index_that_appears_during_a_run_changes_no_count(tmp_path):
    path = write(tmp_path / "v.vcf.bgz", 300)
    before = shard_count(config(variants=str(path)), "a", NOTHING)
    assert is_unordered(str(path))
    pysam.tabix_index(str(path), preset="vcf")
    assert not is_unordered(str(path))
    assert shard_count(config(variants=str(path)), "a", NOTHING) == before == 3


def test_a_file_of_unknown_size_needs_records():
    row = Row("v.vcf.gz", "variants", "", ("u",), None, "0", None, "", "", None, False, "")
    manifest = Manifest(Path("m.tsv"), {"v.vcf.gz": row})
    (told,) = record_faults(config(variants="v.vcf.gz"), manifest)
    assert told.startswith("scores.a.records: the manifest has no size of 'v.vcf.gz'")
    assert record_faults(config(variants="v.vcf.gz", records=7), manifest) == []
    assert record_faults(config(variants="v.vcf.gz"), manifest, ["a"]) == []
    sized = Manifest(Path("m.tsv"), {"v.vcf.gz": dataclasses.replace(row, bytes=1001)})
    assert record_faults(config(variants="v.vcf.gz"), sized) == []
    assert records_of(config(variants="v.vcf.gz"), "a", sized) == -(-1001 // RECORD_BYTES)


def test_an_interval_is_never_parted():
    assert shard_count(config(variants=None, saturate="c:1-9"), "a", NOTHING) == 1


def test_memory_and_time_grow_with_retries():
    assert [megabytes(4000, attempt) for attempt in (1, 2, 3)] == [4000, 6000, 8000]
    assert [minutes(60.4, attempt) for attempt in (1, 2)] == [60, 121]


def test_a_plain_genome_counts_as_a_compressed_one_does(tmp_path):
    for name, size in (("a.fa.gz", 1_000_000), ("a.fa", 3_300_000)):
        (tmp_path / name).write_bytes(b"")
        with open(tmp_path / name, "r+b") as file:
            file.truncate(size)
        assert size_mb(str(tmp_path / name)) == pytest.approx(1)


def test_a_background_must_fit_what_it_is_for():
    from genomelm.commands.workflow_checks import _score_faults

    def told(**values):
        flow = config(background="b", **values)
        return _score_faults(WorkflowConfig(**{**vars(flow), "backgrounds": {"b": BackgroundConfig("./a.fa")}}))

    assert told() == []
    assert "'b' is of ./a.fa, and these variants of ./b.fa" in told(genome="./b.fa")[0]
    assert "'b' has a width of 1024, and this one 4096" in told(width=4096)[0]
    assert "has no fixed window" in told(window="c:1-9")[0]
    assert "records: it is for variants of a VCF" in told(variants=None, saturate="c:1-9", records=5)[0]
