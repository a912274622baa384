"""`genomelm init` writes a directory from which the workflow runs as it is; `genomelm repeat` writes it again."""

import dataclasses
import gzip
import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from outputs import differences

from genomelm.commands import workflow_parts
from genomelm.commands.workflow_config import WorkflowConfig
from genomelm.commands.workflow_directory import split_regions
from genomelm.commands.workflow_sheet import PARTS, columns_of
from genomelm.commands.workflow_site import GPU_RULES
from genomelm.errors import InputError

REPOSITORY = Path(__file__).parents[2]
SINFO = r"""#!/bin/sh
printf 'cpu*|1-00:00:00|64|256000|(null)\n'
printf 'accelerated|2-00:00:00|32|512000|gpu:a100:4(S:0-1)\n'
"""
SACCTMGR = "#!/bin/sh\nprintf 'genomics\\n'\n"
SCONTROL = r"""#!/bin/sh
printf 'AccountingStorageType   = accounting_storage/none\nMinJobAge               = 60 sec\n'
"""


def call(*arguments, cwd, **variables):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **variables}
    return subprocess.run(arguments, cwd=cwd, env=environment, capture_output=True, text=True)


def genomelm(*arguments, cwd, **variables):
    return call(sys.executable, "-c", "from genomelm.cli import main; main()", *arguments, cwd=cwd, **variables)


def snakemake(*arguments, cwd, **variables):
    return call(sys.executable, "-m", "snakemake", *arguments, cwd=cwd, **variables)


def planned(done):
    assert done.returncode == 0, done.stdout + done.stderr
    return {rule: int(n) for rule, n in re.findall(r"^(\w+) +(\d+)$", done.stdout, re.MULTILINE)}


@pytest.fixture(scope="module")
def own(language_model_dir, tiny_sequence, tmp_path_factory):
    """A user's files: a genome, a VCF and a trained model."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "g.fa").write_text(f">c1\n{tiny_sequence}\n")
    lines = ["##fileformat=VCFv4.2", "##contig=<ID=c1,length=6000>", "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"]
    for position in range(1500, 5500, 500):  # the windows of all lie inside
        base = tiny_sequence[position - 1]
        lines.append(f"c1\t{position}\t.\t{base}\t{'ACGT'['CGTA'.index(base)]}\t.\tPASS\t.")
    (folder / "v.vcf.gz").write_bytes(gzip.compress("\n".join([*lines, ""]).encode(), mtime=0))
    shutil.copytree(language_model_dir, folder / "model")
    return folder


@pytest.fixture(scope="module")
def scored(own):
    """The directory of a finished run that only scored."""
    options = ["-r", "g.fa", "-m", "model", "--vcf", "v.vcf.gz", "--device", "cpu", "--no-slurm"]
    made = genomelm("init", "site", *options, cwd=own)
    assert made.returncode == 0, made.stderr
    done = snakemake("--profile", "local", cwd=own / "site")
    assert done.returncode == 0, done.stdout + done.stderr
    return own / "site"


@pytest.fixture
def with_slurm(tmp_path):
    """Variables with commands of a Slurm that tell of a cluster."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in {"sinfo": SINFO, "sacctmgr": SACCTMGR, "scontrol": SCONTROL}.items():
        (programs / name).write_text(text)
        (programs / name).chmod(stat.S_IRWXU)
    return {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}


def test_a_directory_that_only_scores_runs_as_it_is(scored):
    lines = gzip.decompress((scored / "results/models/model/score/v.vcf.gz").read_bytes()).decode().splitlines()
    records = [line for line in lines if not line.startswith("#")]
    assert len(records) == 8
    assert all("GLM_STATUS=OK" in line for line in records)
    rules = {job["rule"] for job in json.loads((scored / "results/run.json").read_text())["jobs"]}
    assert rules == {"score_variants", "report_model", "report"}


def test_the_record_of_a_run_names_every_input_and_output_by_its_digest(scored, own):
    run = json.loads((scored / "results/run.json").read_text())
    digests = {item["path"]: item["sha256"] for item in run["inputs"] + run["outputs"]}
    model = [path for path in (own / "model").rglob("*") if path.is_file()]
    assert len(model) > 3  # a patcher's tables too
    for name in (own / "g.fa", own / "v.vcf.gz", *model):
        assert digests[str(name)] == sha256sum(name)
    for name in ("results/models/model/score/v.vcf.gz", "results/summary.json"):
        assert digests[name] == sha256sum(scored / name)
    assert run["config"] == yaml.safe_load((scored / "config.yaml").read_text())
    command = next(job["command"] for job in run["jobs"] if job["rule"] == "score_variants")
    assert command.startswith("genomelm score ")
    assert {"genomelm", "snakemake", "versions", "devices"} <= set(run["provenance"])


def test_a_recorded_run_is_repeated_with_the_same_results(scored, own, tmp_path):
    made = genomelm("repeat", str(scored / "results/run.json"), str(tmp_path / "again"), cwd=own)
    assert made.returncode == 0, made.stderr
    done = snakemake("--profile", "local", cwd=tmp_path / "again")
    assert done.returncode == 0, done.stdout + done.stderr
    assert differences(scored / "results", tmp_path / "again" / "results") == []


def test_an_input_that_changed_or_went_away_is_told(scored, own, tmp_path):
    record = tmp_path / "run.json"
    run = json.loads((scored / "results/run.json").read_text())
    other = tmp_path / "g.fa"
    other.write_text((own / "g.fa").read_text().replace("A", "C", 1))
    for item in run["inputs"]:
        if item["path"] == str(own / "g.fa"):
            item["path"] = str(other)
    record.write_text(json.dumps(run))
    done = genomelm("repeat", str(record), "again", cwd=tmp_path)
    assert (done.returncode, str(other) in done.stderr) == (6, True)
    other.unlink()
    done = genomelm("repeat", str(record), "again", cwd=tmp_path)
    assert (done.returncode, str(other) in done.stderr) == (3, True)
    assert not (tmp_path / "again").exists()


def test_a_record_cannot_write_outside_of_the_directory(scored, tmp_path):
    run = json.loads((scored / "results/run.json").read_text())
    run["inputs"].append({"path": "../out.yaml", "in": "directory", "bytes": 1, "sha256": "0" * 64, "text": "x"})
    (tmp_path / "run.json").write_text(json.dumps(run))
    assert genomelm("repeat", "run.json", "again", cwd=tmp_path).returncode == 6
    assert not (tmp_path / "out.yaml").exists()


def test_training_on_an_own_genome_is_planned_and_so_is_a_shipped_config(own, tmp_path):
    made = genomelm("init", str(tmp_path / "train"), "-r", "g.fa", "--vcf", "v.vcf.gz", "--no-slurm", cwd=own)
    assert made.returncode == 0, made.stderr
    found = planned(snakemake("--dry-run", "--profile", "local", cwd=tmp_path / "train"))
    assert (found["pretrain"], found["score_variants"], found.get("fetch", 0)) == (1, 1, 0)
    local = (tmp_path / "train" / "local" / "config.yaml").read_text().splitlines()
    assert local[0] == "# One machine: snakemake --profile local, in this directory."
    assert local[1:] == (REPOSITORY / "configs/profiles/local/config.yaml").read_text().splitlines()[1:]
    config = yaml.safe_load((tmp_path / "train" / "config.yaml").read_text())
    assert (config["train_regions"], config["test_regions"]) == (["c1:1-5400"], ["c1:5401-6000"])
    assert genomelm("init", "demo", "--no-slurm", cwd=tmp_path).returncode == 0
    file, place = f"{tmp_path}/demo/Snakefile", f"{tmp_path}/demo"
    found = planned(snakemake("-s", file, "--directory", place, "--dry-run", "--cores", "1", cwd=own))
    assert found["pretrain"] == 4


def test_the_last_tenth_of_each_large_contig_is_held_out():
    train, test = split_regions({"chr1": 1_000_000, "chr2": 500_005, "scrap": 900})
    assert train == ["chr1:1-900000", "chr2:1-450005"]
    assert test == ["chr1:900001-1000000", "chr2:450006-500005"]
    with pytest.raises(InputError, match="no contig"):
        split_regions({"c": 9})


def test_nothing_is_overwritten(scored, own):
    before = (scored / "config.yaml").read_bytes()
    done = genomelm("init", "site", "--no-slurm", cwd=own)
    assert (done.returncode, "config.yaml" in done.stderr) == (2, True)
    assert (scored / "config.yaml").read_bytes() == before
    done = genomelm("init", "g.fa", "--no-slurm", cwd=own)
    assert (done.returncode, "is a file" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    "options",
    [
        ["--vcf", "v.vcf.gz"],
        ["-r", "g.fa", "-m", "model"],
        ["-r", "g.fa", "--from", "demo"],
        ["--from", "dmo"],
        ["-r", "g.fa", "-m", "nowhere", "--vcf", "v.vcf.gz"],
        ["-r", "g.fa", "-m", "model", "--vcf", "gone.vcf.gz"],
        ["--account", "a; rm -rf /"],
    ],
)
def test_wrong_options_end_with_exit_2_and_write_nothing(own, options):
    done = genomelm("init", "wrong", *options, cwd=own)
    assert done.returncode == 2, done.stderr
    assert not (own / "wrong").exists()


def test_the_facts_of_a_cluster_come_from_slurm_and_options_go_before_them(with_slurm, tmp_path):
    done = genomelm("init", "site", "--account", "ours", "--scratch", "/scratch", cwd=tmp_path, **with_slurm)
    assert done.returncode == 0, done.stderr
    profile = yaml.safe_load((tmp_path / "site/slurm/config.yaml").read_text())
    defaults = {"slurm_account": "ours", "slurm_partition": "cpu", "tmpdir": "/scratch"}
    assert defaults.items() <= profile["default-resources"].items()
    facts = {"slurm_partition": "accelerated", "gpu_model": "a100"}
    assert profile["set-resources"] == dict.fromkeys(GPU_RULES, facts)
    assert profile["slurm-status-command"] == "squeue"  # this Slurm keeps no accounts
    assert "MinJobAge is 60" in (tmp_path / "site/slurm/config.yaml").read_text()
    assert yaml.safe_load((tmp_path / "site/config.yaml").read_text())["device"] == "cuda"
    plan = snakemake("--dry-run", "--profile", "slurm", "--executor", "local", "--cores", "1", cwd=tmp_path / "site")
    assert "slurm_partition=accelerated" in plan.stdout, plan.stderr
    done = genomelm("init", "cpu", "--device", "cpu", cwd=tmp_path, **with_slurm)
    assert done.returncode == 0, done.stderr
    assert "set-resources" not in yaml.safe_load((tmp_path / "cpu/slurm/config.yaml").read_text())


def test_the_rules_that_get_a_gpu_partition_are_those_that_ask_for_a_gpu():
    text = "\n".join(path.read_text() for path in (REPOSITORY / "workflows/rules").glob("*.smk"))
    blocks = re.split(r"^(?=(?:use )?rule )", text, flags=re.MULTILINE)
    own = {match[1]: block for block in blocks if (match := re.match(r"rule (\w+):", block))}
    asking = {name for name, block in own.items() if "**GPU" in block}
    asking |= {name for base, name in re.findall(r"^use rule (\w+) as (\w+)", text, re.MULTILINE) if base in asking}
    assert set(GPU_RULES) == asking


def test_the_workflow_of_an_installed_wheel_is_planned(tmp_path):
    wheel = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    installed = tmp_path / "installed"
    without = shutil.ignore_patterns("__pycache__")
    shutil.copytree(REPOSITORY / "genomelm", installed / "genomelm", ignore=without)
    for source, target in wheel["force-include"].items():
        copy = shutil.copytree if (REPOSITORY / source).is_dir() else shutil.copy
        (installed / target).parent.mkdir(parents=True, exist_ok=True)
        copy(REPOSITORY / source, installed / target)
    variables = {"PYTHONPATH": str(installed)}
    made = genomelm("init", "demo", "--no-slurm", cwd=tmp_path, **variables)
    assert made.returncode == 0, made.stderr
    done = snakemake("--dry-run", "--profile", "local", "--printshellcmds", cwd=tmp_path / "demo", **variables)
    assert planned(done)["pretrain"] == 4
    assert f"--model {installed}/genomelm/workflow/configs/models/" in done.stdout


def sha256sum(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def test_every_key_of_a_config_and_a_sheet_stands_in_the_readme():
    text = (REPOSITORY / "configs" / "README.md").read_text()
    parts = [WorkflowConfig, *(value for value in vars(workflow_parts).values() if dataclasses.is_dataclass(value))]
    keys = {field.name for part in parts for field in dataclasses.fields(part)}
    assert {key for key in keys if f"| `{key}` |" not in text} == set()
    columns = {name for work in PARTS for name in columns_of(work)}
    assert {key for key in columns if f"`{key}`" not in text} == set()


def test_every_rule_stands_in_the_readme():
    rules = "\n".join(path.read_text() for path in (REPOSITORY / "workflows" / "rules").glob("*.smk"))
    names = re.findall(r"^(?:use )?rule (?:\w+ as )?(\w+)", rules, re.MULTILINE)
    text = (REPOSITORY / "workflows" / "README.md").read_text()
    assert [name for name in names if f"`{name}`" not in text] == []
