"""Tables of variants in shares: joined they are the whole run's table, and nothing may be missing or there twice."""

import json
import os

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from genomelm import cli
from genomelm.errors import UsageError
from genomelm.files import output_lock, sha256
from genomelm.models import HyenaGLTConfig, HyenaGLTForCausalLM
from genomelm.models.loading import save_model
from genomelm.patching.config import PatcherConfig
from genomelm.patching.patcher import Patcher
from genomelm.scoring.likelihood import LikelihoodScorer

RNA = "".join(np.random.default_rng(4).choice(list("ACGU"), 90))
ROWS = 7


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rna")
    shell = {"local_width": 16, "local_heads": 2, "width": 16, "encoder_layers": 1, "decoder_layers": 1}
    config = HyenaGLTConfig(shell={**shell, "kmers": [2], "alphabet": "rna"}, backbone={"layers": 1, "hidden": 16})
    patcher = Patcher(PatcherConfig("fixed_stride", stride=4, alphabet="rna"))
    save_model(HyenaGLTForCausalLM(config, patcher).eval(), folder / "m")
    (folder / "r.fa").write_text(f">t\n{RNA}\n")
    names = [f"{RNA[at]}{at + 1}{'A' if RNA[at] != 'A' else 'C'}" for at in range(20, 20 + ROWS - 1)]
    lines = ["variant\tnote", *(f"{name}\tn{number}" for number, name in enumerate(names)), 'nonsense\t"two\nlines"']
    (folder / "v.tsv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def run(made, tmp_path):
    def command(*arguments):
        result = CliRunner().invoke(cli.app, ["-q", *map(str, arguments)])
        return result.exit_code, result.stdout + result.stderr

    def score(out, *more, source=made / "v.tsv"):
        common = ["-r", made / "r.fa", "-m", made / "m", "--width", 32, "--device", "cpu"]
        return command("score", source, "-o", tmp_path / out, *common, *more)

    def merge(out, *parts):
        return command("merge", *(tmp_path / part for part in parts), "-o", tmp_path / out)

    return score, merge


def state_again(path):
    """Make PATH.json tell the digest that the table has now."""
    beside = path.with_name(f"{path.name}.json")
    beside.write_text(json.dumps({**json.loads(beside.read_text()), "sha256": sha256(path)}))


@pytest.mark.parametrize("ending", ["tsv", "parquet"])
def test_joined_shares_are_the_table_of_one_run(run, tmp_path, ending):
    score, merge = run
    assert score(f"whole.{ending}")[0] == 0
    for number in (1, 2, 3):
        assert score(f"{number}.{ending}", "--shard", f"{number}/3")[0] == 0
    code, said = merge(f"joined.{ending}", f"3.{ending}", f"1.{ending}", f"2.{ending}")
    assert code == 0, said
    read = pd.read_parquet if ending == "parquet" else lambda path: pd.read_csv(path, sep="\t", dtype=str)
    whole, joined = (read(tmp_path / f"{name}.{ending}") for name in ("whole", "joined"))
    assert list(joined.columns) == list(whole.columns)
    assert joined.drop(columns="GLM_LLR").equals(whole.drop(columns="GLM_LLR"))
    scores = [pd.to_numeric(table.GLM_LLR, errors="coerce").to_numpy() for table in (whole, joined)]
    np.testing.assert_allclose(*scores, atol=1e-5)
    facts, before = (json.loads((tmp_path / f"{name}.{ending}.json").read_text()) for name in ("joined", "whole"))
    assert "shard" not in facts
    assert (facts["columns"], facts["score"]) == (before["columns"], before["score"])
    assert facts["sha256"] == sha256(tmp_path / f"joined.{ending}")
    assert before["sha256"] == sha256(tmp_path / f"whole.{ending}")


def test_a_share_that_is_missing_twice_or_of_another_run_is_told(run, tmp_path):
    score, merge = run
    for number in (1, 2, 3):
        assert score(f"{number}.tsv", "--shard", f"{number}/3")[0] == 0
    for parts, words in (
        (["1.tsv", "3.tsv"], "2 of 3 shards, 5 of 7 rec"),
        (["1.tsv", "2.tsv", "3.tsv", "2.tsv"], "1 there more than once: 2"),
    ):
        code, said = merge("o.tsv", *parts)
        assert (code, words in said) == (3, True), said
    assert score("other.tsv", "--shard", "3/3", "--strands", "forward", "--prefix", "MY")[0] == 0
    code, said = merge("o.tsv", "1.tsv", "2.tsv", "other.tsv")
    assert (code, "is of another" in said) == (3, True)
    text = (tmp_path / "2.tsv").read_text()
    (tmp_path / "2.tsv").write_text(text[: text.rindex("\n", 0, -1) + 1])
    state_again(tmp_path / "2.tsv")
    code, said = merge("o.tsv", "1.tsv", "2.tsv", "3.tsv")
    assert (code, "2.tsv (shard 2/3) holds 1 of its 2 rows" in said) == (3, True)
    assert score("whole.tsv")[0] == 0
    assert merge("o.tsv", "whole.tsv")[0] == 3
    assert merge("o.parquet", "1.tsv", "2.tsv", "3.tsv")[0] == 2
    assert not (tmp_path / "o.tsv").exists()


def test_a_share_that_is_not_the_table_of_its_statement_is_told(run, tmp_path):
    score, merge = run
    for number in (1, 2):
        assert score(f"{number}.tsv", "--shard", f"{number}/2")[0] == 0
    assert score("other.tsv", "--shard", "2/2", "--width", 16)[0] == 0
    os.replace(tmp_path / "other.tsv", tmp_path / "2.tsv")
    code, said = merge("o.tsv", "1.tsv", "2.tsv")
    assert (code, "2.tsv (shard 2/2) is not the table that" in said, "score the shard again" in said) == (3, True, True)
    assert not (tmp_path / "o.tsv").exists()


@pytest.mark.parametrize("ending", ["tsv", "parquet"])
def test_a_run_that_is_killed_before_its_statement_leaves_no_older_one(run, tmp_path, monkeypatch, ending):
    score, merge = run
    for number in (1, 2):
        assert score(f"{number}.{ending}", "--shard", f"{number}/2")[0] == 0
    assert merge(f"o.{ending}", f"1.{ending}", f"2.{ending}")[0] == 0
    plain = os.replace

    def killed(source, target):
        if str(target).endswith(".json"):
            raise KeyboardInterrupt
        plain(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", killed)
        assert score(f"2.{ending}", "--shard", "2/2", "--width", 16)[0] != 0
        assert merge(f"o.{ending}", f"1.{ending}", f"1.{ending}")[0] == 3
        assert (tmp_path / f"o.{ending}.json").exists()
    assert (tmp_path / f"2.{ending}").exists()
    assert not (tmp_path / f"2.{ending}.json").exists()
    assert merge(f"o.{ending}", f"1.{ending}", f"2.{ending}")[0] == 3
    assert score(f"2.{ending}", "--shard", "2/2")[0] == 0
    monkeypatch.setattr(os, "replace", killed)
    assert merge(f"o.{ending}", f"1.{ending}", f"2.{ending}")[0] != 0
    assert not (tmp_path / f"o.{ending}.json").exists()


def test_a_share_or_statement_that_cannot_be_read_is_told(run, tmp_path):
    score, merge = run
    for ending in ("tsv", "parquet"):
        for number in (1, 2):
            assert score(f"{number}.{ending}", "--shard", f"{number}/2")[0] == 0
        path, parts = tmp_path / f"2.{ending}", (f"1.{ending}", f"2.{ending}")
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2] if ending == "parquet" else whole + b"\xff\n")
        for words in ("is not the table that", "cannot be read as a table"):
            code, said = merge(f"o.{ending}", *parts)
            assert (code, f"2.{ending} " in said, words in said, "again" in said) == (3, True, True, True), said
            state_again(path)
        beside = tmp_path / f"2.{ending}.json"
        text = beside.read_bytes()
        for left in (text[: len(text) // 2], b"", b"\xff", b"7", b"[]"):
            beside.write_bytes(left)
            code, said = merge(f"o.{ending}", *parts)
            assert (code, f"2.{ending}.json is damaged" in said, "score the shard again" in said) == (3, True, True)


def test_the_lock_is_held_from_the_start(run, tmp_path, monkeypatch):
    score, merge = run
    seen = []
    plain = LikelihoodScorer.strand_scores

    def while_scoring(self, pairs):
        with pytest.raises(UsageError, match="being written by another"), output_lock(tmp_path / "1.tsv"):
            pass
        seen.extend(pairs)
        return plain(self, pairs)

    monkeypatch.setattr(LikelihoodScorer, "strand_scores", while_scoring)
    code, said = score("1.tsv", "--shard", "1/2")
    assert (code, bool(seen)) == (0, True), said
    seen.clear()
    with output_lock(tmp_path / "1.tsv"), output_lock(tmp_path / "o.tsv"):
        code, said = score("1.tsv", "--shard", "1/2")
        assert (code, "being written by another" in said, seen) == (2, True, [])
        code, said = merge("o.tsv", "1.tsv", "absent.tsv")
        assert (code, "being written by another" in said) == (2, True)


def test_a_cache_gives_the_scores_that_an_earlier_run_kept(run, tmp_path, monkeypatch):
    score, _ = run
    cache = ["--cache", tmp_path / "cache"]
    assert score("a.tsv", *cache)[0] == 0
    computed = []
    plain = LikelihoodScorer.strand_scores
    monkeypatch.setattr(
        LikelihoodScorer, "strand_scores", lambda self, pairs: computed.extend(pairs) or plain(self, pairs)
    )
    assert score("b.tsv", *cache, "--prefix", "MY")[0] == 0
    assert not computed
    first, second = (pd.read_csv(tmp_path / f"{name}.tsv", sep="\t") for name in "ab")
    assert list(second.columns)[-1] == "MY_LLR"
    assert second.MY_LLR.tolist() == first.GLM_LLR.tolist()


@pytest.mark.parametrize("option", [["--shard", "1/2"], ["--resume"], ["--cache", "x"], ["--table", "x.tsv"]])
def test_an_explanation_refuses_what_is_of_a_run(made, option):
    command = ["score", "--explain", "t:30:A:C", "-r", made / "r.fa", "-m", made / "m", *option]
    result = CliRunner().invoke(cli.app, list(map(str, command)))
    assert (result.exit_code, f"{option[0]} is for a run" in result.stderr) == (2, True)
