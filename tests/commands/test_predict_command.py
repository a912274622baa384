"""`genomelm predict`: a table for a FASTA file."""

import csv
import json
import math

import numpy as np
import pytest
from typer.testing import CliRunner

import genomelm
from genomelm import cli

SEQUENCES = {"one": "ACGTTGACATATAATGCAGG" * 4, "two": "GATTACANNGATTACA" * 3, "none": "N" * 30, "lower": "acgtac" * 9}


@pytest.fixture
def fasta(tmp_path):
    path = tmp_path / "in.fa"
    path.write_text("".join(f">{name} text\n{sequence}\n" for name, sequence in SEQUENCES.items()))
    return path


def run(*arguments):
    return CliRunner().invoke(cli.app, ["-q", "predict", "--device", "cpu", "--threads", "1", *map(str, arguments)])


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines(), delimiter="\t"))


def test_a_task_model_gives_its_output_for_each_record(fasta, task_model_dirs, tmp_path):
    out = tmp_path / "out.tsv"
    result = run(fasta, "-m", task_model_dirs[0], "-o", out)
    assert result.exit_code == 0, result.output
    rows = rows_of(out.read_text())
    assert [row["name"] for row in rows] == list(SEQUENCES)
    expected = genomelm.predict(genomelm.load_model(task_model_dirs[0], "cpu"), list(SEQUENCES.values()))[:, 0]
    assert np.allclose([float(row["value"]) for row in rows], expected, atol=1e-5)
    facts = json.loads((tmp_path / "out.tsv.json").read_text())
    assert facts["columns"] == ["name", "bases", "value"]
    assert len(facts["model"]) == 64


def test_a_language_model_gives_log_likelihood_and_bits_a_base(fasta, language_model_dir):
    result = run(fasta, "-m", language_model_dir)
    assert result.exit_code == 0, result.output
    rows = rows_of(result.stdout)
    expected = genomelm.log_likelihood(genomelm.load_model(language_model_dir, "cpu"), list(SEQUENCES.values()))
    for row, nats, sequence in zip(rows, expected, SEQUENCES.values(), strict=True):
        known = len(sequence) - sequence.count("N")
        assert float(row["log_likelihood"]) == pytest.approx(nats, rel=1e-5, abs=1e-6)
        assert row["bits_per_base"] == "." if known == 0 else True
        if known:
            assert float(row["bits_per_base"]) == pytest.approx(-nats / known / math.log(2), rel=1e-4)


def test_a_long_record_is_read_in_pieces_by_a_language_model_only(fasta, language_model_dir, task_model_dirs):
    result = run(fasta, "-m", language_model_dir, "--longest", 20, "--batch-size", 3)
    assert result.exit_code == 0, result.output
    model = genomelm.load_model(language_model_dir, "cpu")
    for row, sequence in zip(rows_of(result.stdout), SEQUENCES.values(), strict=True):
        pieces = [sequence[i : i + 20] for i in range(0, len(sequence), 20)]
        assert int(row["bases"]) == len(sequence)
        assert float(row["log_likelihood"]) == pytest.approx(genomelm.log_likelihood(model, pieces).sum(), abs=1e-3)
    refused = run(fasta, "-m", task_model_dirs[0], "--longest", 20)
    assert refused.exit_code == 3
    assert "--longest" in refused.stderr


def test_a_missing_model_or_file_is_one_line(fasta, language_model_dir, tmp_path):
    assert run(fasta, "-m", tmp_path / "no").exit_code == 2
    result = run(tmp_path / "no.fa", "-m", language_model_dir)
    assert result.exit_code == 3
    assert result.stderr.count("\n") == 1
