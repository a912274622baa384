"""`genomelm plan` multiplies what a config asks for with measured rates, and says which were measured."""

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from genomelm import cli
from genomelm.commands.plan_cluster import Cluster, Job, cost, cpu_hours, gpu_hours, wall_hours
from genomelm.commands.plan_rates import Load, Rates
from genomelm.data.manifest import read_manifest

REPOSITORY = Path(__file__).parents[2]
SHIPPED = [REPOSITORY / f"tests/benchmarks/results/{name}.json" for name in ("speeds", "patch_speed", "vcf_speed")]
TOOK = {"pretrain": 98.29, "finetune": 59.90}
"""CPU seconds of two jobs of the demo, Hyena-GLT and its coding task, on a core of the machine of the shipped rates."""


def job(stage, jobs, hours, threads=1, gpu=False):
    return Job("rule", "name", stage, jobs, hours, threads, gpu, "", True, "")


def model_speed(**change):
    row = {"part": "lengths", "name": "training", "device": "Fast GPU", "batch": 4, "length": 1000, "dtype": "bfloat16"}
    row |= {"compiled": False, "positions": 4000, "positions_per_s": 2e6, "flops": 4e9}
    facts = {"date": "2026-01-01T00:00:00+00:00", "device": "Fast GPU"}
    return {"kind": "model speed", "model": "some.yaml", "rows": [row | change], "provenance": facts}


def rates_of(tmp_path, *runs):
    for number, run in enumerate(runs):
        (tmp_path / f"{number}.json").write_text(json.dumps(run))
    return Rates([tmp_path / f"{number}.json" for number in range(len(runs))])


def planned(*arguments):
    done = CliRunner().invoke(cli.app, ["plan", *arguments, "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch):
    monkeypatch.chdir(REPOSITORY)


@pytest.fixture(scope="module")
def human(tmp_path_factory):
    """A config that trains on a human genome and scores twelve million variants, a thousand of them a job."""
    return config(tmp_path_factory.mktemp("human") / "human.yaml", records=12_000_000)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The demo with one of its models and tasks."""
    value = yaml.safe_load((REPOSITORY / "configs" / "demo.yaml").read_text())
    value |= {"models": {"hyena_glt": value["models"]["hyena_glt"]}, "scores": {}, "interpret": {}}
    value["tasks"] = {"coding": value["tasks"]["coding"] | {"models": ["hyena_glt"]}}
    path = tmp_path_factory.mktemp("demo") / "demo.yaml"
    path.write_text(yaml.safe_dump(value))
    return str(path)


def config(path, **score):
    value = {
        **{"results": "results", "manifest": "data_manifests", "device": "cuda", "genome": "grch38.fa.gz"},
        **{"train_regions": ["chr1:1-1000000"], "test_regions": ["chr2:1-1000000"], "shard_size": 1000},
        "patches": {"entropy": {"mode": "entropy", "mean": 8, "order": 11}},
        "models": {
            "small": {
                "model": "configs/models/hyena_glt_small.yaml",
                **{"patches": "entropy", "train": "configs/train/pretrain_demo.yaml"},
            }
        },
        "scores": {"clinvar": {"model": "small", "variants": "clinvar.vcf.gz", **score}},
    }
    path.write_text(yaml.safe_dump(value))
    return str(path)


def test_a_stage_waits_for_the_one_before_and_fills_all_slots():
    jobs = [job(0, 1, 2.0), job(1, 8, 1.0, gpu=True), job(1, 1, 3.0), job(2, 40, 0.5, threads=2)]
    site = Cluster(nodes=2, cpus=4, gpus=1, gpu_hour=2.0, cpu_hour=0.5, gib_month=0.1, months=3.0)
    assert wall_hours(jobs, site) == pytest.approx(2.0 + 4.0 + 5.0)
    assert gpu_hours(jobs) == 8.0
    assert cpu_hours(jobs) == pytest.approx(2 + 8 + 3 + 40)
    parts = cost(jobs, 100.0, site)
    assert parts == pytest.approx({"gpu": 16.0, "cpu": 26.5, "storage": 30.0, "total": 72.5})


def test_a_rate_is_called_measured_only_where_nothing_was_scaled(tmp_path):
    rates = rates_of(tmp_path, model_speed())
    own = Load("some", "hyena_glt", "causal", 0.5e6, 1e6)
    found = rates.model("training", own, "fast", 4000)
    assert (found.per_s, found.measured) == (2e6, True)
    assert "Fast GPU" in found.basis
    for bases, compiled in ((8000, False), (4000, True)):
        found = rates.model("training", own, "fast", bases, compiled)
        assert (found.per_s, found.measured) == (2e6, False)
    larger = Load("other", "hyena_glt", "causal", 5e6, 10e6)
    assert rates.model("training", larger, "fast", 4000).per_s == pytest.approx(2e5)
    smaller = Load("other", "hyena_glt", "causal", 0.05e6, 1e5)
    assert 2e6 < rates.model("training", smaller, "fast", 4000).per_s < 2e7


def test_a_later_file_goes_before_the_shipped_ones(tmp_path):
    mine = tmp_path / "mine.json"
    mine.write_text(json.dumps(model_speed(device="NVIDIA H100 NVL", positions=524288, positions_per_s=1.0)))
    load = Load("some", "hyena_glt", "causal", 0.5e6, 1e6)
    assert Rates([*SHIPPED, mine]).model("training", load, "H100", 524288).per_s == 1.0


def test_training_on_a_cpu_takes_about_as_long_as_the_demo_took(demo):
    jobs = planned(demo)["jobs"]
    for rule, seconds in TOOK.items():
        (hours,) = (job["hours"] for job in jobs if job["rule"] == rule)
        assert seconds / 1.6 < hours * 3600 < seconds * 1.6


def test_hours_grow_with_the_records_and_shards_are_counted(human, tmp_path):
    site = ["--gpus", "4", "--gpu-hour", "2.5", "--gib-month", "0.02"]
    found = planned(human, *site)
    half = planned(config(tmp_path / "half.yaml"), *site, "--count", "clinvar=6,000,000")

    def scoring(plan):
        (found,) = (job for job in plan["jobs"] if job["rule"] == "score_shard")
        return found

    assert (scoring(found)["jobs"], scoring(half)["jobs"]) == (12_000, 6_000)
    assert not scoring(found)["measured"]
    assert "H100" in scoring(found)["basis"]
    assert found["gpu_hours"] > half["gpu_hours"]
    assert found["cost"]["total"] == pytest.approx(sum(found["cost"][key] for key in ("gpu", "cpu", "storage")))
    assert found["cost"]["gpu"] == pytest.approx(2.5 * found["gpu_hours"])


def test_storage_is_that_of_the_demo_s_files(demo):
    parts = planned(demo)["storage_bytes"]
    assert parts["patches entropy"] == pytest.approx(9_283_306 + 580_207 + 3_039_074, rel=0.05)
    manifest = read_manifest("data_manifests/bundled.tsv")
    assert parts["data, fetched"] == sum(manifest.row(name).bytes for name in ("ecoli.fa.gz", "ecoli.gff.gz"))


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--gpus", "1", "--gpu", "A100"], 2, "measured: "),
        ([], 2, "has no GPU"),
        (["--gpus", "1", "--count", "clinvar"], 2, "NAME=N"),
        (["--gpus", "1", "--rates", "configs/demo.yaml"], 3, "configs/demo.yaml"),
        (["--gpus", "-1"], 2, "gpus"),
    ],
)
def test_what_cannot_be_planned_is_told(human, arguments, code, said):
    done = CliRunner().invoke(cli.app, ["plan", human, *arguments])
    assert (done.exit_code, said in done.output) == (code, True), done.output


def test_a_genome_without_a_size_counts_as_the_bases_of_its_regions():
    plan = planned("configs/yeast.yaml", "--cpus", "4")
    config = yaml.safe_load((REPOSITORY / "configs" / "yeast.yaml").read_text())
    spans = [region.split(":")[1].split("-") for region in config["train_regions"] + config["test_regions"]]
    bases = sum(int(end) - int(start) + 1 for start, end in spans)
    assert [job["amount"] for job in plan["jobs"] if job["rule"] == "patch"] == [f"{bases:,} bases"] * 2
    assert any("yeast.fa.gz: counted as the bases of the config's regions" in note for note in plan["notes"])


def test_the_text_names_every_job_with_what_its_rate_rests_on(human):
    done = CliRunner().invoke(cli.app, ["plan", human, "--gpus", "4", "--gpu-hour", "2"])
    for word in (
        "patch",
        "pretrain",
        "score_shard",
        "merge",
        "measured",
        "extrapolated",
        "GPU hours",
        "cost, USD",
        "GiB",
    ):
        assert word in done.output
