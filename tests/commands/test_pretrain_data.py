"""`genomelm pretrain --data`: from a data file to a model, and what it refuses."""

import gzip
import json
from pathlib import Path

import pytest
import yaml
from training_files import ON_CPU, make_site, pretrain_arguments, run

from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval


@pytest.fixture
def site(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("GENOMELM_CACHE", str(tmp_path / "cache"))
    folder = make_site(tmp_path)
    with Genome(folder / "g.fa") as genome:
        text = genome.fetch(Interval("c", 0, 9000))
    reads = "".join(f"@r{n}\n{text[n * 20 : n * 20 + 70]}\n+\n{'F' * 70}\n" for n in range(300))
    (folder / "r.fq.gz").write_bytes(gzip.compress(reads.encode()))
    (folder / "packed.yaml").write_text(
        "steps: 6\nbatch_size: 4\nwindow: 256\nevaluate_every: 3\nrecords: pack\norder: epoch\n"
    )
    return folder


def data_file(site: Path, *more: dict) -> Path:
    genome = {"name": "genome", "genome": str(site / "g.fa"), "patches": str(site / "patch")}
    genome |= {"train": ["c:1-9000"], "test": ["c:9001-12000"], "weight": 3}
    (site / "data.yaml").write_text(yaml.safe_dump({"sources": [genome, *more]}))
    return site / "data.yaml"


def arguments(site: Path, out: Path) -> list:
    return [
        "--data",
        site / "data.yaml",
        "--model",
        site / "model.yaml",
        "--train",
        site / "packed.yaml",
        "-o",
        out,
        *ON_CPU,
    ]


def test_a_model_is_trained_on_the_sources_of_a_file(site):
    data_file(site, {"name": "reads", "fastq": str(site / "r.fq.gz"), "test_share": 0.1})
    code, said = run("pretrain", *arguments(site, site / "run"))
    assert code == 0, said
    metrics = json.loads((site / "run" / "metrics.json").read_text())
    assert metrics["provenance"]["sources"]["reads"]["records"]["records"] == 300
    assert metrics["provenance"]["train_regions"] == ["c:1-9000"]
    assert metrics["leakage"]["test"]["records"]["of"] > 10
    readings = [json.loads(line) for line in (site / "run" / "log.jsonl").read_text().splitlines()]
    assert {"test_bits", "test_bits_genome", "test_bits_reads", "padding"} <= readings[-1].keys()
    assert (site / "run" / "model" / "model.safetensors").is_file()


def test_sequences_in_training_and_test_stop_a_strict_run(site):
    text = gzip.decompress((site / "r.fq.gz").read_bytes()).decode()
    (site / "r.fq").write_text(text + text.replace("@r", "@again"))
    data_file(site, {"name": "reads", "fastq": str(site / "r.fq"), "test_share": 0.2})
    code, said = run("pretrain", *arguments(site, site / "run"), "--strict")
    assert code == 3
    assert "records" in said
    assert "are in training too (--strict)" in said
    assert not (site / "run").exists()


def test_a_data_file_and_its_short_form_exclude_each_other(site):
    data_file(site)
    code, said = run("pretrain", *pretrain_arguments(site, site / "x"), "--data", site / "data.yaml")
    assert code == 2
    assert "leave out --genome, --patches, --train-region, --test-region" in said
    code, said = run("pretrain", *arguments(site, site / "x")[2:])
    assert code == 2
    assert "pretraining needs --genome, --patches, --train-region, --test-region (or --data FILE)" in said
    code, said = run("pretrain", *arguments(site, site / "x"), "--codon-phase", site / "g.fa")
    assert code == 2
    assert "leave out --codon-phase" in said


def test_a_cut_file_of_reads_stops_with_its_record(site):
    raw = (site / "r.fq.gz").read_bytes()
    (site / "r.fq.gz").write_bytes(raw[:-200])
    data_file(site, {"name": "reads", "fastq": str(site / "r.fq.gz")})
    code, said = run("pretrain", *arguments(site, site / "run"))
    assert code == 3
    assert "truncated" in said
    assert "(read as far as record 0, line 1)" in said
    (site / "r.fq").write_text("@a\nACGT\n+\nIIII\n@b\nACGT\n")
    data_file(site, {"name": "reads", "fastq": str(site / "r.fq")})
    code, said = run("pretrain", *arguments(site, site / "run"))
    assert code == 3
    assert "line 6 is the last one, and stops in the middle of its record" in said
