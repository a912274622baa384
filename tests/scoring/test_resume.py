"""A run that was killed goes on where it stopped, and ends as if it had not been."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pysam
import pytest

from genomelm.errors import AssemblyError, IntegrityError, UsageError
from genomelm.scoring import parts as parts_room
from genomelm.scoring import pools
from genomelm.scoring.annotate import annotate
from genomelm.scoring.shard import Shard

BASES = "".join(random.Random(4).choices("ACGT", k=900))
OTHER = {"A": "C", "C": "G", "G": "T", "T": "A"}


class Stop(Exception):
    """Stands for whatever ends a run."""


def content(path: Path) -> bytes:
    with pysam.BGZFile(str(path), "rb") as stream:
        return stream.read()


@pytest.fixture
def source(make_vcf):
    wrong = f"c 400 . {next(b for b in 'ACGT' if b not in (BASES[399], OTHER[BASES[399]]))} {OTHER[BASES[399]]} . . ."
    lines = [f"c {pos} . {BASES[pos - 1]} {OTHER[BASES[pos - 1]]},<DEL> . . ." for pos in range(1, 400)]
    return make_vcf(*lines, wrong, f"c 401 . {BASES[400]} . . . .")


@pytest.fixture
def genome(make_genome):
    return make_genome(c=BASES)


@pytest.fixture
def fragile(scorer, monkeypatch):
    """Make every pool a part, and let the scorer stop at its n-th call."""
    monkeypatch.setattr(parts_room, "SECONDS", 0)
    score = scorer.score

    def stop_at(call: int) -> None:
        def fail(pairs):
            if len(scorer.calls) == call:
                raise Stop
            return score(pairs)

        scorer.calls.clear()
        scorer.score = fail

    return stop_at


@pytest.mark.parametrize("stops", [[0], [1], [7, 1, 3], [38]])
@pytest.mark.parametrize("shard", [None, Shard(2, 3)])
def test_a_stopped_run_goes_on_and_equals_the_uninterrupted_one(
    genome, source, scorer, fragile, tmp_path, monkeypatch, stops, shard
):
    monkeypatch.setattr(pools, "BLOCK", 16)
    options = {"batch_size": 10, "on_ref_mismatch": "drop", "shard": shard}
    whole, out = tmp_path / "whole.vcf.gz", tmp_path / "out.vcf.gz"
    expected = annotate(source, genome, scorer, whole, table=tmp_path / "whole.tsv", **options)
    pooled = list(scorer.calls)
    calls = len(pooled)
    for call in stops if shard is None else stops[:1]:
        fragile(call if shard is None else min(call, calls - 1))
        with pytest.raises(Stop):
            annotate(source, genome, scorer, out, resume=True, table=tmp_path / "out.tsv", **options)
        assert not out.exists()
        assert not (tmp_path / "out.tsv").exists()
    fragile(-1)
    found = annotate(source, genome, scorer, out, resume=True, table=tmp_path / "out.tsv", **options)
    assert len(scorer.calls) < calls or stops == [0]
    assert scorer.calls == pooled[calls - len(scorer.calls) :]  # the same alleles are scored together
    assert content(out) == content(whole)
    assert (tmp_path / "out.tsv").read_bytes() == (tmp_path / "whole.tsv").read_bytes()
    for name in ("records_in", "records_out", "dropped", "statuses", "sites", "alleles", "scored"):
        assert getattr(found, name) == getattr(expected, name)
    assert not (tmp_path / "out.vcf.gz.parts").exists()


def test_mismatches_before_and_behind_the_stop_count_together(genome, make_vcf, scorer, fragile, tmp_path):
    wrong = [next(b for b in "ACGT" if b not in (BASES[p - 1], OTHER[BASES[p - 1]])) for p in range(1, 25)]
    lines = [f"c {p} . {ref} {OTHER[BASES[p - 1]]} . . ." for p, ref in enumerate(wrong, 1)]
    right = [f"c {p} . {BASES[p - 1]} {OTHER[BASES[p - 1]]} . . ." for p in range(1, 200)]
    source = make_vcf(*lines[:12], *right, *lines[12:])
    fragile(5)
    with pytest.raises(Stop):
        annotate(source, genome, scorer, tmp_path / "o.vcf.gz", resume=True, batch_size=20)
    fragile(-1)
    with pytest.raises(AssemblyError, match="20 of 219"):
        annotate(source, genome, scorer, tmp_path / "o.vcf.gz", resume=True, batch_size=20)


def test_parts_of_another_run_are_refused_by_name(genome, source, scorer, fragile, tmp_path):
    out = tmp_path / "out.vcf.gz"
    fragile(3)
    with pytest.raises(Stop):
        annotate(source, genome, scorer, out, resume=True, batch_size=10)
    scorer.provenance = {"model": "1" * 64, "patching": "none"}
    with pytest.raises(UsageError, match=r"out\.vcf\.gz\.parts holds parts of a run with another batch-size, model:"):
        annotate(source, genome, scorer, out, resume=True, batch_size=11)


def test_a_damaged_part_is_no_result(genome, source, scorer, fragile, tmp_path):
    out = tmp_path / "out.vcf.gz"
    fragile(3)
    with pytest.raises(Stop):
        annotate(source, genome, scorer, out, resume=True, batch_size=10)
    record = tmp_path / "out.vcf.gz.parts" / "000001.json"
    facts = json.loads(record.read_text())
    fragile(-1)
    record.write_text(json.dumps({**facts, "lines": facts["lines"] + 1}))
    with pytest.raises(IntegrityError, match=r"000001\.gz holds \d+ of \d+ lines"):
        annotate(source, genome, scorer, out, resume=True, batch_size=10)
    assert not out.exists()


KILLED = """
import sys, time
import numpy as np
from genomelm.scoring import parts
from genomelm.scoring.annotate import annotate
from genomelm.seq.genome import Genome
from genomelm.seq.window import allele_pair

class Slow:
    tag, description, provenance = "GLM_LLR", "null", {"model": "0"}
    def pair(self, genome, variant):
        return allele_pair(genome, variant, 32)
    def score(self, pairs):
        time.sleep(0.02)
        return np.arange(len(pairs)) / 8

parts.SECONDS = 0
with Genome(sys.argv[1]) as genome:
    annotate(sys.argv[2], genome, Slow(), sys.argv[3], resume=True, batch_size=10, table=sys.argv[3] + ".tsv")
"""


def test_kill_9_at_any_moment_and_the_same_command_goes_on(genome, source, tmp_path):
    out = tmp_path / "out" / "o.vcf.gz"
    arguments = [sys.executable, "-c", KILLED, str(genome.path), str(source)]
    assert subprocess.run([*arguments, str(tmp_path / "whole.vcf.gz")], check=False).returncode == 0
    moments = random.Random(3)
    for parts in (1, 12, 30):
        running = subprocess.Popen([*arguments, str(out)])
        while len(list(out.parent.glob("o.vcf.gz.parts/*.json"))) <= parts and running.poll() is None:
            time.sleep(0.005)
        time.sleep(moments.random() * 0.04)
        running.send_signal(signal.SIGKILL)
        assert running.wait() == -signal.SIGKILL
    assert subprocess.run([*arguments, str(out)], check=False).returncode == 0
    assert content(out).split(b"\n##genomelm")[0] == content(tmp_path / "whole.vcf.gz").split(b"\n##genomelm")[0]
    assert [x for x in content(out).split(b"\n") if x[:1] != b"#"] == [
        x for x in content(tmp_path / "whole.vcf.gz").split(b"\n") if x[:1] != b"#"
    ]
    left = ["o.vcf.gz", "o.vcf.gz.tbi", "o.vcf.gz.tsv", "o.vcf.gz.tsv.json"]
    assert sorted(path.name for path in out.parent.iterdir() if not path.name.endswith(".lock")) == left


def test_standard_output_has_no_place_for_parts(genome, source, scorer):
    with pytest.raises(UsageError, match="name a file"):
        annotate(source, genome, scorer, "-", resume=True)
