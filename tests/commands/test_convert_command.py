"""`genomelm convert hyenadna`, and what the other commands do with a converted model."""

import csv
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from training_files import ON_CPU, write_table
from typer.testing import CliRunner

import genomelm
from genomelm import cli
from genomelm.files import sha256
from genomelm.models import load_model

GOLDEN = Path(__file__).parents[1] / "models" / "golden" / "hyenadna_tiny"
TRAIN = "steps: 2\nbatch_size: 4\nevaluate_every: 2\ncheckpoint_minutes: 0\n"


def run(*arguments) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli.app, ["-q", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(scope="module")
def converted(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("converted") / "model"
    code, said, errors = run("convert", "hyenadna", GOLDEN, "-o", out)
    assert code == 0, errors
    assert "3 blocks, 32 wide, made for sequences of up to 258 bases; window floor 0.05" in said.replace("\n", " ")
    return out


def test_the_folder_is_a_model_with_byte_patches_and_says_where_it_is_from(converted):
    assert {f.name for f in converted.iterdir()} == {"config.json", "model.safetensors", "patcher", "conversion.json"}
    assert type(load_model(converted)).__name__ == "HyenaDNAForCausalLM"
    facts = json.loads((converted / "conversion.json").read_text())
    assert (facts["family"], facts["longest"], facts["shift"]) == ("hyenadna", 258, 0.05)
    assert facts["provenance"]["checkpoint"] == sha256(GOLDEN / "model.safetensors")
    assert facts["provenance"]["model"] == sha256(converted / "model.safetensors")


def test_converting_again_replaces_the_folder_and_nothing_else(converted, tmp_path):
    shutil.copytree(converted, tmp_path / "m")
    assert run("convert", "hyenadna", GOLDEN, "-o", tmp_path / "m", "--shift", 0)[0] == 0
    assert load_model(tmp_path / "m").config.backbone["shift"] == 0
    (tmp_path / "m" / "thesis.txt").write_text("mine")
    code, _, errors = run("convert", "hyenadna", GOLDEN, "-o", tmp_path / "m")
    assert code == 2
    assert "holds other files (thesis.txt)" in errors
    assert (tmp_path / "m" / "thesis.txt").exists()


@pytest.mark.parametrize(
    ("spoil", "out", "code", "message"),
    [
        (lambda c: shutil.rmtree(c), "m", 2, "does not exist"),
        (lambda c: None, "c", 2, "is the checkpoint itself"),
        (lambda c: (c.parent / "m").write_text(""), "m", 2, "is a file"),
        (lambda c: (c / "model.safetensors").rename(c / "weights.ckpt"), "m", 6, "weights.ckpt: pickles can run code"),
        (lambda c: (c / "model.safetensors").rename(c / "model-00001-of-00002.safetensors"), "m", 6, "max_shard_size"),
        (lambda c: (c / "config.json").write_text('{"d_modle": 3}'), "m", 2, "did you mean 'd_model'"),
        (lambda c: (c / "config.json").unlink(), "m", 2, "has no config.json"),
    ],
)
def test_what_cannot_be_converted_is_named_and_nothing_is_written(tmp_path, spoil, out, code, message):
    shutil.copytree(GOLDEN, tmp_path / "c")
    spoil(tmp_path / "c")
    before = sorted(tmp_path.rglob("*"))
    found, _, errors = run("convert", "hyenadna", tmp_path / "c", "-o", tmp_path / out)
    assert found == code
    assert message in errors
    assert sorted(tmp_path.rglob("*")) == before


def test_a_shift_that_is_no_number_is_refused(tmp_path):
    code, _, errors = run("convert", "hyenadna", GOLDEN, "-o", tmp_path / "m", "--shift", "nan")
    assert code == 2
    assert "--shift nan is not a finite number" in errors


def test_a_vcf_gets_the_likelihood_ratios_of_the_published_logits(
    converted, tiny_fasta, bases, write_vcf, snv, tmp_path
):
    table = tmp_path / "out.tsv"
    arguments = [write_vcf(snv(300), snv(1000)), "-r", tiny_fasta, "-m", converted, "-o", tmp_path / "out.vcf.gz"]
    code, _, errors = run("score", *arguments, "--table", table, "--width", 64, "--forward-only", *ON_CPU)
    assert (code, errors) == (0, "")
    rows = list(csv.DictReader(table.read_text().splitlines(), delimiter="\t"))
    assert [row["status"] for row in rows] == ["OK", "OK"]
    model = load_model(converted)

    def likelihood(text: str) -> float:
        logits = genomelm.base_logits(model, [text])[0][:, :4].astype(float)
        chances = logits - np.log(np.exp(logits).sum(1, keepdims=True))
        return -math.log(4) + sum(row["ACGT".index(letter)] for row, letter in zip(chances, text[1:], strict=False))

    found = genomelm.score_variants(model, tiny_fasta, tmp_path / "in.vcf", width=64, strands="forward")
    for row, pos in zip(found.itertuples(), (300, 1000), strict=True):
        first = (pos - 1) // 16 * 16 - 48  # of the window: cells of 16 bases, 48 on either side
        offset = pos - 1 - first
        reference = bases[first : first + offset + 17]  # the change and 16 bases behind it are compared
        alternate = reference[:offset] + row.alt + reference[offset + 1 :]
        assert row.score == pytest.approx(likelihood(alternate) - likelihood(reference), abs=1e-4)
    assert [float(row["score"]) for row in rows] == pytest.approx(list(found.score), abs=1e-4)


def test_windows_longer_than_the_filters_are_noticed_and_scored(converted, tiny_fasta, write_vcf, snv, tmp_path):
    arguments = [write_vcf(snv(2000)), "-r", tiny_fasta, "-m", converted, "-o", tmp_path / "out.vcf.gz"]
    result = CliRunner().invoke(cli.app, ["-q", "score", *map(str, arguments), "--width", "512", *map(str, ON_CPU)])
    assert result.exit_code == 0
    assert result.stderr.count("longer than the 258 that this HyenaDNA was made for") == 1


def test_predict_writes_likelihoods(converted, tmp_path):
    (tmp_path / "s.fa").write_text(">a\nACGTACGTNNACGT\n>b\nA\n")
    code, said, _ = run("predict", tmp_path / "s.fa", "-m", converted, *ON_CPU)
    rows = list(csv.DictReader(said.splitlines(), delimiter="\t"))
    assert code == 0
    assert len(rows) == 2
    assert float(list(rows[1].values())[2]) == pytest.approx(-math.log(4), abs=1e-5)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    random = np.random.default_rng(3)
    sequences = ["".join(random.choice(list("ACGT"), 30)) for _ in range(60)]
    write_table(folder, {s: int(s.count("G") + s.count("C") > 15) for s in sequences}, test=16, validation=10)
    (folder / "train.yaml").write_text(TRAIN)
    return folder


@pytest.mark.parametrize("kind", ["sequence_classification", "regression", "variant_effect"])
def test_task_heads_are_trained_on_it_and_explained(converted, site, tiny_fasta, bases, tmp_path, kind: str):
    wild = bases[300:330]
    lines = {"name": "gc", "kind": kind, "source": "table", "label_column": "y", "target_over_baseline": 0.0}
    if kind == "variant_effect":
        lines["reference"] = wild
        text = (site / "data.tsv").read_text()
        (tmp_path / "data.tsv").write_text(text + f"{wild}\t0\n")
    else:
        shutil.copy(site / "data.tsv", tmp_path)
    (tmp_path / "task.yaml").write_text("".join(f"{key}: {json.dumps(value)}\n" for key, value in lines.items()))
    tuned, toy = tmp_path / "tuned", tmp_path / "toy"
    files = ["--task", tmp_path / "task.yaml", "--data", tmp_path / "data.tsv", "--split", site / "split.tsv"]
    code, _, errors = run(
        "finetune", "--model", converted, *files, "--train", site / "train.yaml", "-o", tuned, *ON_CPU
    )
    assert code == 0, errors
    model = load_model(tuned / "model")
    assert type(model).__name__.startswith("HyenaDNAFor")
    before = load_model(converted).shell.state_dict()
    moved = {name for name, weight in model.shell.state_dict().items() if not np.array_equal(weight, before[name])}
    assert {"bytes.weight", "backbone.blocks.0.mixer.filter.frequency", "backbone.blocks.2.up.weight"} <= moved
    code, _, errors = run(
        *("attribute", tuned / "model", "-r", tiny_fasta, "--interval", "c1:301-330", "-o", toy),
        *("--steps", 16, "--shuffles", 2, *ON_CPU),
    )
    assert code == 0, errors
    summary = json.loads((toy / "summary.json").read_text())
    assert summary["ism_brute_force"]["max_abs_difference"] < 1e-5
    with np.load(toy / "attributions.npz", allow_pickle=False) as stored:
        assert np.abs(stored["ism"]).max() > 0
        if kind != "variant_effect":
            assert summary["integrated_gradients"]["completeness_error"] < 0.05


def test_labels_of_every_base_are_trained_on_it(converted, site, tmp_path):
    random = np.random.default_rng(4)
    (tmp_path / "g.fa").write_text(f">c\n{''.join(random.choice(list('ACGT'), 6000))}\n")
    genes = [
        f"c\tx\tCDS\t{start}\t{start + 299}\t.\t{'+-'[i % 2]}\t0\tID=g{i}"
        for i, start in enumerate(range(100, 5600, 600))
    ]
    (tmp_path / "g.gff").write_text("##gff-version 3\n" + "\n".join(genes) + "\n")
    (tmp_path / "task.yaml").write_text(
        "name: genes\nkind: token_classification\nsource: gff_tokens\nwindow: 60\ntwo_strands: true\n"
        "target_over_baseline: 0.0\n"
    )
    files = ["--task", tmp_path / "task.yaml", "--data", tmp_path / "g.gff", "--genome", tmp_path / "g.fa"]
    arguments = ["--model", converted, *files, "--train", site / "train.yaml", "-o", tmp_path / "tuned", *ON_CPU]
    code, _, errors = run("finetune", *arguments)
    assert code == 0, errors
    found = genomelm.predict(load_model(tmp_path / "tuned" / "model"), ["ACGTACGTAC"])
    assert found[0].shape == (10, 1)
