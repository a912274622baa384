"""`genomelm byte-lm`, from a FASTA to a model's folder."""

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from genomelm.commands.byte_lm import byte_lm
from genomelm.errors import InputError, Interrupted, UsageError
from genomelm.models.byte_lm import ByteLM
from genomelm.seq.alphabet import encode
from genomelm.training import byte_lm as training
from genomelm.training.byte_lm import Pieces

TRAIN, TEST = ["c1:1-1500"], ["c1:1501-2000", "c2:1-404"]
QUICK = {"steps": 3, "device": "cpu", "threads": 1}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch):
    before = torch.get_num_threads()
    monkeypatch.setattr(training, "COUNT_ORDER", {"dna": 4, "rna": 4, "protein": 1})
    yield
    torch.set_num_threads(before)


@pytest.fixture
def fasta(tmp_path: Path) -> Path:
    letters = np.random.default_rng(4).choice(list("ACGT"), 2400, p=[0.5, 0.2, 0.2, 0.1])
    text = "".join(letters)
    (tmp_path / "g.fa").write_text(f">c1\n{text[:2000]}\n>c2\n{text[2000:]}NNNN\n")
    return tmp_path / "g.fa"


def test_the_command_leaves_a_model_a_log_and_metrics_twice_the_same(fasta, tmp_path, capsys) -> None:
    for out in ("a", "b"):
        byte_lm(fasta, tmp_path / out, TRAIN, TEST, **QUICK)
    for name in ("config.json", "model.safetensors"):
        assert (tmp_path / "a" / "model" / name).read_bytes() == (tmp_path / "b" / "model" / name).read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "g.fa", "g.fa.fai"]
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["log.jsonl", "metrics.json", "model"]
    model = ByteLM.load(tmp_path / "a" / "model")
    metrics = json.loads((tmp_path / "a" / "metrics.json").read_text())
    log = [json.loads(line) for line in (tmp_path / "a" / "log.jsonl").read_text().splitlines()]
    assert model.training == tuple(TRAIN) == tuple(metrics["provenance"]["train_regions"])
    assert metrics["provenance"]["model"] == model.digest
    assert (metrics["parameters"], metrics["reach"], metrics["steps"]) == (model.parameters, model.reach, 3)
    assert log[-1]["step"] == 3
    assert metrics["bases"] == log[-1]["bases"]
    test = metrics["test"]
    assert (test["test_bases"], test["uniform"], test["count_model_order"]) == (900, 2.0, 4)
    lines = fasta.read_text().split("\n")
    bits = [model.bits_per_base(encode(text)) for text in (lines[1][1500:], lines[3])]
    assert test["bits_per_base"] == pytest.approx(sum(mean * count for mean, count in bits) / 900)
    said = capsys.readouterr().out
    assert f"{model.digest[:12]}: {test['bits_per_base']:.4f} bits per base on 900 held-out bases" in said
    assert f"order-4 count model {test['count_model']:.4f}, uniform 2.0000" in said


def test_without_test_regions_nothing_is_measured(fasta, tmp_path, capsys) -> None:
    byte_lm(fasta, tmp_path / "a", TRAIN, **QUICK)
    metrics = json.loads((tmp_path / "a" / "metrics.json").read_text())
    assert metrics["test"] is None
    assert f"trained on {metrics['bases']:,} bases" in capsys.readouterr().out


def test_only_the_training_region_decides_the_model(fasta, tmp_path) -> None:
    byte_lm(fasta, tmp_path / "a", TRAIN, TEST, **QUICK)
    lines = fasta.read_text().split("\n")
    changed = tmp_path / "changed.fa"
    changed.write_text("\n".join([lines[0], lines[1][:1500] + "A" * 500, *lines[2:]]))
    byte_lm(changed, tmp_path / "b", TRAIN, TEST, **QUICK)
    assert ByteLM.load(tmp_path / "a" / "model").digest == ByteLM.load(tmp_path / "b" / "model").digest


def test_strands_default_to_both_for_dna_and_to_one_otherwise(fasta, tmp_path) -> None:
    byte_lm(fasta, tmp_path / "both", TRAIN, **QUICK)
    byte_lm(fasta, tmp_path / "one", TRAIN, both_strands=False, **QUICK)
    (tmp_path / "p.fa").write_text(">p\n" + "MKVLAAGIVGWDE" * 20 + "\n")
    byte_lm(tmp_path / "p.fa", tmp_path / "protein", ["p:1-200"], ["p:201-260"], alphabet="protein", **QUICK)
    models = {name: ByteLM.load(tmp_path / name / "model") for name in ("both", "one", "protein")}
    assert [model.config.both_strands for model in models.values()] == [True, False, False]
    assert models["both"].digest != models["one"].digest
    assert models["protein"].letters == 20
    assert json.loads((tmp_path / "protein" / "metrics.json").read_text())["test"]["uniform"] == np.log2(20)


def test_a_stopped_command_is_finished_by_the_same_command(fasta, tmp_path, monkeypatch) -> None:
    byte_lm(fasta, tmp_path / "whole", TRAIN, **QUICK)
    original = Pieces.random_batch

    def killed(self: Pieces, *arguments: object, **options: object):
        if arguments[-1] == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(self, *arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(Pieces, "random_batch", killed)
        with pytest.raises(Interrupted, match="the same command continues"):
            byte_lm(fasta, tmp_path / "cut", TRAIN, **QUICK)
    assert not (tmp_path / "cut").exists()
    assert list((tmp_path / "cut.state").glob("step-*"))
    byte_lm(fasta, tmp_path / "cut", TRAIN, **QUICK)
    assert not (tmp_path / "cut.state").exists()
    assert ByteLM.load(tmp_path / "cut" / "model").digest == ByteLM.load(tmp_path / "whole" / "model").digest


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"test_region": ["c1:1500-1600"]}, UsageError, "held-out c1:1500-1600 shares bases with --train-region"),
        ({"train_region": ["c1:1-2001"]}, InputError, "passes the end of c1"),
        ({"train_region": ["c3:1-100"]}, InputError, "contig 'c3' is not in"),
        ({"train_region": ["c1"]}, InputError, "is not an interval"),
        ({"test_region": ["c2:401-404"]}, InputError, "test regions hold no letter of dna"),
        ({"alphabet": "dan"}, UsageError, "alphabet 'dan' is unknown: choose dna, rna, protein"),
        ({"alphabet": "rna", "both_strands": True}, UsageError, "alphabet is rna: set both_strands to False"),
        ({"alphabet": "protein"}, InputError, "all 1,500 letters are nucleotides"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_written(fasta, tmp_path, changes, error, message) -> None:
    arguments = {"train_region": TRAIN, "test_region": [], **QUICK, **changes}
    with pytest.raises(error, match=message):
        byte_lm(fasta, tmp_path / "a", **arguments)
    assert {path.name for path in tmp_path.iterdir()} <= {"g.fa", "g.fa.fai"}
