"""Scores that are kept between runs: the same numbers, only what decides them, and nothing about samples."""

import copy
import random
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata

import numpy as np
import pytest

from genomelm.errors import IntegrityError, UsageError
from genomelm.scoring.annotate import annotate
from genomelm.scoring.cache import pair_key, score_cache
from genomelm.scoring.scorer import scorer_for
from genomelm.seq.variant import Variant
from genomelm.seq.window import allele_pair

BASES = "".join(random.Random(4).choices("ACGT", k=900))
OTHER = {"A": "C", "C": "G", "G": "T", "T": "A"}


@pytest.fixture
def genome(make_genome):
    return make_genome(c=BASES)


@pytest.fixture
def run(genome, make_vcf, scorer, tmp_path):
    """Annotate substitutions at some positions; return the output's bytes."""

    def annotated(positions, name: str, cache=None, **options) -> bytes:
        source = make_vcf(*[f"c {p} . {BASES[p - 1]} {OTHER[BASES[p - 1]]} . . ." for p in positions])
        annotate(source, genome, scorer, tmp_path / name, cache=cache, **options)
        return (tmp_path / name).read_bytes()

    return annotated


def test_what_was_scored_is_not_scored_again_and_gives_the_same_output(run, scorer, tmp_path):
    plain = run(range(1, 300), "plain.vcf.gz")
    scorer.calls.clear()
    assert run(range(1, 300), "first.vcf.gz", tmp_path / "cache") == plain
    assert sum(scorer.calls) == 299
    assert run(range(1, 300), "second.vcf.gz", tmp_path / "cache") == plain
    assert sum(scorer.calls) == 299
    run(range(200, 400), "third.vcf.gz", tmp_path / "cache")
    assert sum(scorer.calls) == 399


def test_another_model_reference_or_setting_finds_nothing(run, scorer, tmp_path):
    run(range(1, 50), "a.vcf.gz", tmp_path / "cache")
    for changed in ({"model": "1" * 64}, {"model": "0" * 64, "window": "64 bases"}):
        scorer.calls.clear()
        scorer.provenance = changed
        run(range(1, 50), "b.vcf.gz", tmp_path / "cache")
        assert sum(scorer.calls) == 49
    assert len(list((tmp_path / "cache").glob("*.sqlite"))) == 3


def test_another_version_of_the_code_finds_nothing(run, scorer, tmp_path, monkeypatch):
    run(range(1, 50), "a.vcf.gz", tmp_path / "cache")
    scorer.calls.clear()
    monkeypatch.setattr(metadata, "version", lambda name: "0.0.0.other")
    run(range(1, 50), "b.vcf.gz", tmp_path / "cache")
    assert sum(scorer.calls) == 49


def test_tasks_that_share_a_tag_share_no_scores(task_models, genome, tmp_path):
    scorers = []
    for task in ("a-b", "a_b", "A_b"):
        model = copy.copy(task_models[0])
        model.config = copy.deepcopy(model.config)
        model.config.head["task"] = task
        scorers.append(scorer_for(model, width=32, digest="0" * 64))
    assert {scorer.tag for scorer in scorers} == {"GLM_A_B"}
    pair = scorers[0].pair(genome, Variant("c", 100, BASES[99], OTHER[BASES[99]]))
    for number, scorer in enumerate(scorers):
        with score_cache(tmp_path / "cache", scorer, genome) as cache:
            assert cache.scores([pair], lambda pairs, score=float(number): [score]) == [number]


def test_scores_that_are_not_finite_are_not_kept(run, scorer, tmp_path):
    scorer.score = lambda pairs: np.full(len(pairs), np.nan)
    run([100, 101], "a.vcf.gz", tmp_path / "cache")
    (file,) = (tmp_path / "cache").iterdir()
    assert sqlite3.connect(file).execute("SELECT count(*) FROM scores").fetchone() == (0,)


def test_a_key_tells_apart_whatever_a_scorer_reads(genome):
    base = BASES[99]
    variants = [Variant("c", 100, base, alt) for alt in ("A", "C", "G", "T", base + "A", base + "AA") if alt != base]
    pairs = [allele_pair(genome, v, width) for v in variants for width in (32, 34)]
    pairs += [allele_pair(genome, Variant("c", 100, BASES[99:101], base), 32)]
    assert len({pair_key(pair) for pair in pairs}) == len(pairs)
    lower = allele_pair(genome, Variant("c", 100, base.lower(), variants[0].alt.lower()), 32)
    assert pair_key(lower) == pair_key(pairs[0])


def test_several_writers_share_a_folder(genome, scorer, tmp_path):
    pairs = [allele_pair(genome, Variant("c", p, BASES[p - 1], OTHER[BASES[p - 1]]), 32) for p in range(1, 400)]

    def work(start: int) -> list[float]:
        found = []
        with score_cache(tmp_path / "cache", scorer, genome) as cache:
            for at in range(start, 399, 20):
                found += cache.scores(pairs[at : at + 40], lambda some: scorer.score(some).tolist())
        return found

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(work, [0, 0, 0, 0]))
    assert results[0] == results[1] == results[2] == results[3]
    (file,) = [path for path in (tmp_path / "cache").iterdir() if path.suffix == ".sqlite"]
    connection = sqlite3.connect(file)
    assert connection.execute("SELECT count(*) FROM scores").fetchone() == (399,)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_damaged_file_and_a_file_for_a_folder_are_named(run, tmp_path):
    run([100], "a.vcf.gz", tmp_path / "cache")
    (file,) = (tmp_path / "cache").iterdir()
    file.write_bytes(b"no database at all" * 100)
    with pytest.raises(IntegrityError, match=r"\.sqlite is damaged .*remove the file"):
        run([100], "a.vcf.gz", tmp_path / "cache")
    with pytest.raises(UsageError, match="name another folder"):
        run([100], "a.vcf.gz", file)
