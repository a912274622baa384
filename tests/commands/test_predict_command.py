"""`genomelm predict`: a table for a FASTA file."""

import copy
import csv
import json
import math

import numpy as np
import pytest
from typer.testing import CliRunner

import genomelm
from genomelm import cli
from genomelm.models import HyenaGLTConfig, HyenaGLTForCausalLM

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


def test_a_record_read_on_both_strands_says_so(fasta, language_model_dir, task_model_dirs, tmp_path):
    sequences = list(SEQUENCES.values())
    for folder, column in ((language_model_dir, "log_likelihood"), (task_model_dirs[0], "value")):
        model, out = genomelm.load_model(folder, "cpu"), tmp_path / f"{column}.tsv"
        assert run(fasta, "-m", folder, "-o", out, "--strands", "both").exit_code == 0
        function = genomelm.log_likelihood if model.is_language_model else genomelm.predict
        expected, one = (np.ravel(function(model, sequences, strands)) for strands in ("both", "forward"))
        found = [float(row[column]) for row in rows_of(out.read_text())]
        assert found == pytest.approx(expected, rel=1e-5, abs=1e-5)
        assert found != pytest.approx(one, abs=1e-3)
        assert json.loads((tmp_path / f"{column}.tsv.json").read_text())["strands"] == "both"
    refused = run(fasta, "-m", language_model_dir, "--strands", "reverse")
    assert refused.exit_code == 2
    assert "strands 'reverse' is unknown" in refused.stderr


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


def saved(model, path):
    model.save_pretrained(path)
    return path


def test_a_masked_model_gives_its_pseudo_likelihood_and_says_so(fasta, masked_model, tmp_path):
    result = run(fasta, "-m", saved(masked_model, tmp_path / "m"))
    assert result.exit_code == 0, result.output
    expected = genomelm.log_likelihood(masked_model, list(SEQUENCES.values()))
    found = [float(row["pseudo_log_likelihood"]) for row in rows_of(result.stdout)]
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_a_head_that_labels_bases_gives_a_row_a_base(fasta, token_model, tmp_path):
    result = run(fasta, "-m", saved(token_model, tmp_path / "m"), "-o", tmp_path / "out.tsv")
    assert result.exit_code == 0, result.output
    assert "4 sequences" in result.stdout
    rows = rows_of((tmp_path / "out.tsv").read_text())
    assert "".join(row["base"] for row in rows) == "".join(SEQUENCES.values()).upper()
    assert [int(row["position"]) for row in rows if row["name"] == "none"] == list(range(1, 31))
    expected = np.concatenate(genomelm.predict(token_model, list(SEQUENCES.values())))
    found = np.array([[float(row[f"logit_{i}"]) for i in range(3)] for row in rows])
    assert np.abs(found - expected).max() < 1e-5
    assert [sum(float(row[f"probability_{i}"]) for i in range(3)) for row in rows] == pytest.approx([1] * len(rows))


def test_a_pair_model_compares_sequences_with_its_tasks_reference(fasta, effect_model, tmp_path):
    refused = run(fasta, "-m", saved(effect_model, tmp_path / "m"))
    assert refused.exit_code == 2
    assert "no reference to compare a sequence with" in refused.stderr
    model = copy.copy(effect_model)
    model.config = copy.deepcopy(effect_model.config)
    model.config.head["reference"] = SEQUENCES["one"]
    result = run(fasta, "-m", saved(model, tmp_path / "with"))
    assert result.exit_code == 0, result.output
    effects = [float(row["effect"]) for row in rows_of(result.stdout)]
    assert effects[0] == 0
    assert effects == pytest.approx(genomelm.predict(model, list(SEQUENCES.values()))[:, 0], abs=1e-5)


@pytest.mark.parametrize("which", ["task_models", "token_model"])
def test_a_two_strand_model_is_read_on_both(fasta, which, request, tmp_path):
    found = request.getfixturevalue(which)
    model = copy.copy(found[0] if which == "task_models" else found)
    model.config = copy.deepcopy(model.config)
    one = np.concatenate(genomelm.predict(model, list(SEQUENCES.values())))
    model.config.head["two_strands"] = True
    both = np.concatenate(genomelm.predict(model, list(SEQUENCES.values())))
    result = run(fasta, "-m", saved(model, tmp_path / "m"))
    assert result.exit_code == 0, result.output
    column = "value" if which == "task_models" else "logit_0"
    written = np.array([float(row[column]) for row in rows_of(result.stdout)])
    assert written == pytest.approx(both.reshape(len(written), -1)[:, 0], abs=1e-5)
    assert written != pytest.approx(one.reshape(len(written), -1)[:, 0], abs=1e-3)


@pytest.mark.parametrize(
    ("alphabet", "text", "foreign"),
    [
        ("rna", ">a\nGGCUAAGCUU\n>b\nggctaagctt\n", ">a\nGGCUAAGCUU\n>p\nGGCUMKVLEF\n"),
        ("protein", ">a\nMKVLAAGIVGLPNVGKSTLFX*\n>b\nmkvl\n", ">a\nMKVLAAGIVG\n>n\nACGTTGACATATAATGCAGG\n"),
    ],
)
def test_rna_and_protein_records_go_to_models_of_their_alphabet(alphabet, text, foreign, stride_patcher, tmp_path):
    shell = {"alphabet": alphabet, "local_width": 16, "local_heads": 2, "width": 16, "kmers": [2]}
    model = HyenaGLTForCausalLM(
        HyenaGLTConfig(shell=shell, backbone={"layers": 1, "hidden": 16}), stride_patcher
    ).eval()
    (tmp_path / "in.fa").write_text(text)
    result = run(tmp_path / "in.fa", "-m", saved(model, tmp_path / "m"))
    assert result.exit_code == 0, result.output
    found = [float(row["log_likelihood"]) for row in rows_of(result.stdout)]
    sequences = text.split("\n")[1::2]
    assert found == pytest.approx(genomelm.log_likelihood(model, sequences), rel=1e-5)
    if alphabet == "rna":
        assert found[0] == found[1]
    (tmp_path / "other.fa").write_text(foreign)
    refused = run(tmp_path / "other.fa", "-m", tmp_path / "m", "-o", tmp_path / "out.tsv")
    assert refused.exit_code == 3
    assert f"other.fa: {foreign.split('>')[2][0]}: " in refused.stderr
    assert not (tmp_path / "out.tsv").exists()
