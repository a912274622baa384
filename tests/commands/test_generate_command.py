"""`genomelm generate`: FASTA of new letters, and what it refuses."""

import json

import pytest
from typer.testing import CliRunner

import genomelm
from genomelm import cli
from genomelm.errors import InputError, UsageError
from genomelm.files import output_lock


def run(*arguments):
    return CliRunner().invoke(cli.app, ["-q", "generate", "--device", "cpu", "--threads", "1", *map(str, arguments)])


def records_of(text: str) -> dict[str, str]:
    parts = [record.split("\n", 1) for record in text.split(">")[1:]]
    assert all(len(line) <= 60 for _, body in parts for line in body.splitlines())
    return {head.split()[0]: body.replace("\n", "") for head, body in parts}


@pytest.fixture(scope="module")
def model(language_model_dir):
    return genomelm.load_model(language_model_dir, "cpu")


def test_a_file_holds_the_letters_that_the_interface_gives(model, language_model_dir, tmp_path):
    out = tmp_path / "out.fa"
    result = run(language_model_dir, "-n", 130, "--prompt", "ACGTT", "--count", 3, "--top-k", 3, "--seed", 5, "-o", out)
    assert result.exit_code == 0, result.output
    expected = genomelm.generate(model, "ACGTT", 130, count=3, top_k=3, seed=5)
    assert records_of(out.read_text()) == {f"generated_{i + 1}": text for i, text in enumerate(expected)}
    assert all(len(text) == 130 and set(text) <= set("ACGT") for text in expected)
    facts = json.loads((tmp_path / "out.fa.json").read_text())
    assert (facts["seed"], facts["sampling"]["top_k"], facts["prompt"], len(facts["model"])) == (5, 3, "ACGTT", 64)
    assert genomelm.generate(model, "ACGTT", 130, top_k=3, seed=5) == expected[0]


def test_a_second_writer_of_one_output_stops(language_model_dir, tmp_path):
    out = tmp_path / "out.fa"
    with output_lock(out):
        result = run(language_model_dir, "-n", 5, "-o", out)
    assert result.exit_code == 2
    assert "being written by another" in result.stderr
    assert not out.exists()


def test_every_record_of_a_fasta_is_continued(model, language_model_dir, tmp_path):
    fasta = tmp_path / "prompts.fa"
    fasta.write_text(">one text\nACGTACGTAC\nGGT\n>two\nTTTTGCA\n")
    result = run(language_model_dir, "-n", 20, "--prompt-fasta", fasta, "--temperature", 0, "-o", "-")
    assert result.exit_code == 0, result.output
    expected = {f"{name}_1": genomelm.generate(model, text, 20, temperature=0)
                for name, text in (("one", "ACGTACGTACGGT"), ("two", "TTTTGCA"))}  # fmt: skip
    assert records_of(result.stdout) == expected
    assert not list(tmp_path.glob("*.json"))


def test_an_empty_prompt_is_a_records_start(model, language_model_dir):
    result = run(language_model_dir, "-n", 20, "-o", "-")
    assert records_of(result.stdout) == {"generated_1": genomelm.generate(model, "", 20)}


def test_records_draw_numbers_of_their_own(language_model_dir, tmp_path):
    fasta = tmp_path / "prompts.fa"
    fasta.write_text(">one\nACGTACGTAC\n>two\nACGTACGTAC\n")
    found = records_of(run(language_model_dir, "-n", 40, "--prompt-fasta", fasta, "-o", "-").stdout)
    assert found["one_1"] != found["two_1"]


def test_errors_are_one_line_and_nothing_is_written(language_model_dir, task_model_dirs, tmp_path):
    out, fasta = tmp_path / "new" / "out.fa", tmp_path / "prompts.fa"
    fasta.write_text(">protein\nMKVLEEFWPQ\n")
    for arguments, code, words in (
        ([tmp_path / "no", "-n", 5], 2, "does not exist"),
        ([task_model_dirs[0], "-n", 5], 2, "head is regression"),
        ([language_model_dir, "-n", 5, "--prompt", "MKVLEEFWPQ"], 3, "is it protein"),
        ([language_model_dir, "-n", 5, "--prompt-fasta", fasta], 3, "is it protein"),
        ([language_model_dir, "-n", 5, "--prompt-fasta", tmp_path / "no.fa"], 3, "no.fa"),
        ([language_model_dir, "-n", 5, "--prompt", "A", "--prompt-fasta", fasta], 2, "choose one"),
    ):
        result = run(*arguments, "-o", out)
        assert (result.exit_code, result.stderr.count("\n")) == (code, 1), result.stderr
        assert words in result.stderr
        assert not out.parent.exists()
    refused = run(language_model_dir, "-n", 5, "-o", tmp_path)
    assert (refused.exit_code, "is a folder" in refused.stderr) == (2, True)
    for wrong in (["-n", 0], ["-n", 5, "--temperature", -1], ["-n", 5, "--top-p", 2], ["-n", 5, "--count", 0]):
        assert run(language_model_dir, *wrong, "-o", out).exit_code == 2


def test_the_interface_checks_prompts_and_controls(model):
    with pytest.raises(InputError, match="prompt: .* letters are not dna"):
        genomelm.generate(model, "MKVLEEFWPQ", 5)
    with pytest.raises(UsageError, match="temperature"):
        genomelm.generate(model, "A", 5, temperature=-1)
    with pytest.raises(UsageError, match="count is 0"):
        genomelm.generate(model, "A", 5, count=0)


def test_masked_models_are_refused(masked_model):
    with pytest.raises(UsageError, match="generate with a causal model"):
        genomelm.generate(masked_model, "ACGT", 5)
