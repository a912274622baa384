"""Patching is fast beside a plain reading of the published rule in the same run, and what is timed is checked.

The least ratios are far below what is measured on an idle core, and far above what a loop over bytes in Python gives.
"""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from genomelm.bench import patch_speed as speeds
from genomelm.bench.patch_speed import patch_speed, random_dna
from genomelm.commands.bench import bench
from genomelm.errors import InputError, IntegrityError, UsageError

RUN = CliRunner()
VECTORS = "plain published rule: entropy"
LOOP = "plain published rule: length_constrained"


@pytest.fixture(scope="module")
def found():
    return patch_speed(random_dna(1 << 20), order=7, repeats=5)


@pytest.mark.parametrize(
    ("name", "plain", "least"),
    [
        ("entropy", VECTORS, 2),
        ("monotonic", VECTORS, 0.4),
        ("dual_threshold", VECTORS, 0.4),
        ("published rule in genomelm: length_constrained", LOOP, 2),
        ("length_constrained", LOOP, 2),
        ("greedy", LOOP, 2),
        ("optimal, alpha 0", LOOP, 0.4),
        ("optimal, alpha > 0", LOOP, 0.06),
        ("from a store: length_constrained", LOOP, 0.8),
        ("count model, scores, threads 1", LOOP, 0.12),
        ("count model, fit, threads 1", LOOP, 0.01),
        ("patch ids", VECTORS, 0.4),
    ],
)
def test_speed_beside_the_plain_rule(found, name, plain, least):
    speed = {row["name"]: row["positions_per_s"] for row in found["speeds"]}
    assert speed[name] / speed[plain] > least


def test_a_million_patch_ids_take_under_50_ms_and_100_mb(found):
    row = next(row for row in found["speeds"] if row["name"] == "patch ids")
    assert row["positions"] == 1_000_000
    assert row["median_s"] < 0.05
    assert 8e6 <= row["peak_bytes"] < 100e6


def test_every_mode_is_timed_at_one_mean_and_checked(found):
    rows = {row["name"]: row for row in found["speeds"]}
    for name in speeds.CONFIGS:
        assert rows[name]["mean_patch"] == pytest.approx(speeds.MEAN, rel=0.02)
        assert any(check.startswith(name) for check in found["checks"])
    assert all(row["timings"] == 5 and row["median_s"] > 0 for row in rows.values())


def test_cutting_the_optimum_at_anchors_costs_little(found):
    assert found["anchors"]["anchors"] == 15
    for name in ("optimal, alpha 0", "optimal, alpha > 0"):
        assert abs(found["anchors"][name]["nats"]) < 15 * 0.1
        assert found["anchors"][name]["share"] < 0.01


def test_seconds_for_a_genome_follow_from_the_speed_of_reading_a_store(found):
    row = next(row for row in found["speeds"] if row["name"] == "from a store: entropy")
    assert found["genome"]["extrapolated"]
    assert found["genome"]["seconds"]["from a store: entropy"] == pytest.approx(3.1e9 / row["positions_per_s"])


@pytest.mark.parametrize("mode", ["entropy", "monotonic", "length_constrained", "greedy", "optimal"])
def test_starts_unlike_the_plain_rule_stop_the_run(monkeypatch, mode):
    fast = speeds.mark

    def late(g, rule, *rest):
        marks, state = fast(g, rule, *rest)
        if rule.mode == mode:
            marks[7:] = marks[6:-1].copy()
        return marks, state

    monkeypatch.setattr(speeds, "mark", late)
    with pytest.raises(IntegrityError, match=mode):
        patch_speed(random_dna(20_000), order=7, repeats=1)


def test_too_short_a_sequence_is_refused():
    with pytest.raises(InputError, match="100 bases are too few"):
        patch_speed(random_dna(100))


def test_random_dna_is_a_function_of_its_seed_and_uses_all_letters():
    assert np.array_equal(random_dna(5000, 1), random_dna(5000, 1))
    assert not np.array_equal(random_dna(5000, 1), random_dna(5000, 2))
    assert set(random_dna(5000).tolist()) == set(b"ACGT")
    assert len(random_dna(4001)) == 4001


def test_the_command_writes_where_and_with_what_it_ran(tmp_path):
    fasta, out = tmp_path / "g.fa", tmp_path / "speed.json"
    fasta.write_text(f">c\n{random_dna(22_000).tobytes().decode()}\n")
    arguments = ["--fasta", fasta, "--train-region", "c:1-19000", "--order", "7", "-o", out]
    done = RUN.invoke(bench, ["patch", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    written = json.loads(out.read_text())
    assert written["shapes"]["bases"] == 19000
    assert written["provenance"]["sequence"] == ["c:1-19000"]
    assert {"date", "versions", "device", "cpus", "command", "genome_sha256"} <= set(written["provenance"])
    for row in written["speeds"]:
        assert row["name"] in done.output


def test_the_command_refuses_regions_of_no_genome():
    done = RUN.invoke(bench, ["patch", "--train-region", "c:1-19000"])
    assert isinstance(done.exception, UsageError)
