"""The workflow plans what its config says, and stops before planning when the config is wrong."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).parents[2]
GPU_RULES = {"pretrain", "finetune", "train_from_scratch", "evaluate_language_model", "attribute"}
GPU_RULES |= {"score_variants", "score_saturation"}  # those of the demo


def copied(folder):
    """Copy what the workflow reads."""
    for name in ("workflows", "configs", "data_manifests"):
        shutil.copytree(REPOSITORY / name, folder / name)
    shutil.copy(REPOSITORY / "Snakefile", folder)
    return folder


@pytest.fixture
def repository(tmp_path):
    """A copy of the repository's workflow that a test may change."""
    return copied(tmp_path)


@pytest.fixture(scope="module")
def untouched(tmp_path_factory):
    """A copy of the repository's workflow that no test changes."""
    return copied(tmp_path_factory.mktemp("untouched"))


@pytest.fixture(scope="module")
def planned(untouched):
    """The plan of the default config, with its commands."""
    return plan(untouched, "--printshellcmds")


@pytest.fixture(scope="module")
def demo():
    """The config that is planned when none is named."""
    return yaml.safe_load((REPOSITORY / "configs" / "demo.yaml").read_text())


def plan(folder, *arguments):
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--cores", "2", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def counts(text):
    return {rule: int(number) for rule, number in re.findall(r"^(\w+) +(\d+)$", text, re.MULTILINE)}


def jobs(text):
    """Return the planned jobs as (rule, what is said of it)."""
    parts = re.split(r"^(?:local)?rule ", text, flags=re.MULTILINE)[1:]
    return [(part.split(":")[0], part) for part in parts]


def test_the_demo_is_the_default_and_is_planned_whole(planned, demo):
    found = counts(planned.stdout)
    assert planned.returncode == 0, planned.stderr
    pretrained = {name for name, model in demo["models"].items() if "train" in model}
    runs = [
        (model, task)
        for name, task in demo["tasks"].items()
        for model in task["models"]
        for _ in task.get("seeds", demo["seeds"])
    ]
    assert found["patch"] == len(demo["patches"])
    assert found["pretrain"] == found["evaluate_language_model"] == len(pretrained)
    assert found["finetune"] == sum(model in pretrained for model, _ in runs)
    assert found["train_from_scratch"] == sum(model not in pretrained for model, _ in runs)
    assert found["evaluate_task"] == sum(len(task["models"]) for task in demo["tasks"].values())
    assert found["report_model"] == len(demo["models"])
    assert found["score_variants"] + found["score_saturation"] == len(demo["scores"])
    assert found["attribute"] == len(demo["interpret"])
    assert found["fetch"] == sum(found[rule] for rule in ("prepare_genome", "prepare_variants", "prepare_table"))
    assert found["report"] == 1


def test_every_model_has_its_own_results_logs_and_report(planned, demo):
    wanted = re.findall(r"results/demo/[^\s,]+", dict(jobs(planned.stdout))["all"].split("jobid:")[0])
    assert set(wanted) == {
        "results/demo/report/report.html",
        "results/demo/summary.json",
        "results/demo/run.json",
        *(f"results/demo/models/{name}/report/report.html" for name in demo["models"]),
    }
    for rule, text in jobs(planned.stdout):
        model = re.search(r"wildcards: .*\bmodel=(\w+)", text)
        for key in ("output", "log", "benchmark"):
            for path in re.search(rf"^    {key}: (.*)", text, re.MULTILINE)[1].split(", ") if model else ():
                assert f"/{model[1]}/" in path, (rule, path)


def test_what_a_job_reads_is_of_its_own_model(planned, demo):
    of = {log: command for command, log in re.findall(r"(genomelm .*) > (\S+) 2>&1$", planned.stdout, re.MULTILINE)}
    logs = "results/demo/logs"
    assert "--model configs/models/hyena_glt_rna.yaml " in of[f"{logs}/rna/finetune/splice.seed1.log"]
    assert "--genome" not in of[f"{logs}/rna/finetune/splice.seed1.log"]
    assert "--model results/demo/models/gryphon/pretrain/model " in of[f"{logs}/gryphon/finetune/coding.seed1.log"]
    assert "--genome" in of[f"{logs}/hyena_glt/finetune/coding.seed1.log"]
    assert "--patches results/demo/patch/stride " in of[f"{logs}/gryphon_masked/pretrain.log"]
    assert "--mode fixed_stride " in of[f"{logs}/patch/stride.log"]
    assert (
        f"--long-window {demo['models']['gryphon']['long_window']} "
        in of[f"{logs}/gryphon/evaluate/language_model.log"]
    )
    assert "--long-window" not in of[f"{logs}/hyena_glt/evaluate/language_model.log"]
    assert "--patch-summary" not in of[f"{logs}/protein/report.log"]
    assert "-m results/demo/models/hyena_glt/finetune/lac/seed1/model " in of[f"{logs}/hyena_glt/score/lac.log"]
    assert "-m results/demo/models/hyena_glt/pretrain/model " in of[f"{logs}/hyena_glt/score/human.log"]


def test_a_report_expects_what_was_planned_for_its_model_and_nothing_else(planned, demo):
    of = {log: command for command, log in re.findall(r"(genomelm .*) > (\S+) 2>&1$", planned.stdout, re.MULTILINE)}
    for name in demo["models"]:
        wanted = {f"evaluate/{task}.json" for task, use in demo["tasks"].items() if name in use["models"]}
        wanted |= {f"score/{part}.summary.json" for part, use in demo["scores"].items() if use["model"] == name}
        wanted |= {f"interpret/{part}/summary.json" for part, use in demo["interpret"].items() if use["model"] == name}
        assert set(re.findall(r"--expect (\S+)", of[f"results/demo/logs/{name}/report.log"])) == wanted


def test_another_config_is_not_merged_into_the_demo(repository, demo):
    small = {key: demo[key] for key in ("manifest", "genome", "train_regions", "test_regions", "patches")}
    small |= {"results": "results/small", "models": {"one": demo["models"]["hyena_glt"]}}
    (repository / "configs" / "small.yaml").write_text(yaml.safe_dump(small))
    done = plan(repository, "--configfile", "configs/small.yaml")
    assert done.returncode == 0, done.stderr
    assert counts(done.stdout)["patch"] == counts(done.stdout)["pretrain"] == 1
    assert "finetune" not in counts(done.stdout)
    assert "results/demo" not in done.stdout


def test_a_wrong_config_stops_with_all_faults(untouched):
    done = plan(untouched, "--config", "sedes=[1]", "threads=0")
    assert done.returncode == 2
    assert "did you mean 'seeds'?" in done.stderr
    assert "threads: 0" in done.stderr
    assert "Traceback" not in done.stderr


def test_only_rules_that_run_models_ask_for_a_gpu_and_only_when_the_config_does(planned, untouched):
    assert "gpu=1" not in planned.stdout
    asking = {rule for rule, text in jobs(plan(untouched, "--config", "device=cuda").stdout) if "gpu=1" in text}
    assert asking == GPU_RULES


def test_in_another_working_directory_the_files_of_the_repository_are_found(planned, untouched, tmp_path):
    for named in ([], ["--configfile", "configs/demo.yaml"]):
        there = plan(untouched, "--directory", str(tmp_path), *named)
        assert there.returncode == 0, there.stderr
        assert counts(there.stdout) == counts(planned.stdout)


def test_a_fault_in_a_task_file_stops_before_planning(repository):
    with (repository / "configs" / "tasks" / "lac.yaml").open("a") as file:
        file.write("taget: 0.7\n")
    done = plan(repository)
    assert done.returncode == 2
    assert "tasks.lac.task: configs/tasks/lac.yaml" in done.stderr
    assert "did you mean 'target'?" in done.stderr


def test_only_patching_and_pretraining_take_several_threads(untouched):
    found = jobs(plan(untouched, "--config", "threads=2").stdout)
    assert {rule for rule, text in found if "threads: 2" in text} == {"patch", "pretrain"}


def test_the_longest_chains_come_first(planned):
    found = {rule: re.search(r"priority: (\d+)", text) for rule, text in jobs(planned.stdout)}
    order = ("patch", "pretrain", "train_from_scratch", "finetune", "evaluate_task")
    ranks = [int(found[rule][1]) if found[rule] else 0 for rule in order]
    assert ranks == sorted(ranks, reverse=True)
    assert len(set(ranks)) == len(ranks)


def test_a_large_vcf_is_scored_in_parts_behind_its_background(untouched, tmp_path):
    done = plan(untouched, "--configfile", "configs/human_clinvar.yaml", "--printshellcmds")
    assert done.returncode == 0, done.stderr
    found = counts(done.stdout)
    assert (found["score_shard"], found["merge_scores"], found["background"]) == (80, 1, 1)
    assert "score_variants" not in found
    assert found["fetch"] + found["fetch_pinned"] == found["prepare_genome"] + found["prepare_variants"]
    commands = re.findall(r"genomelm (?:score|merge|background) .*", done.stdout)
    assert {text for command in commands for text in re.findall(r"--shard (\S+)", command)} == {
        f"{part}/80" for part in range(1, 81)
    }
    folder = "results/human_clinvar/models/hyena_glt/background/random/language_model"
    for command in commands:
        if command.startswith("genomelm score"):
            assert f"--background {folder} --width 4096 --resume" in command
    (merged,) = [command for command in commands if command.startswith("genomelm merge")]
    assert merged.count("of80.vcf.gz") == 80
    (made,) = [command for command in commands if command.startswith("genomelm background")]
    assert f"-o {folder} --per-class 1000 --seed 0 --width 4096 " in made
    assert "--variants" not in made
    assert "data/dbsnp_common" not in done.stdout
    value = yaml.safe_load((REPOSITORY / "configs" / "human_clinvar.yaml").read_text())
    value["scores"]["clinvar"]["background"] = "common"
    (tmp_path / "common.yaml").write_text(yaml.safe_dump(value))
    common = plan(untouched, "--configfile", str(tmp_path / "common.yaml"), "--printshellcmds")
    assert "--variants results/human_clinvar/data/dbsnp_common.vcf.gz" in common.stdout, common.stderr


def test_several_genomes_are_cut_by_one_patcher_and_pretrained_on_at_once(untouched):
    done = plan(untouched, "--configfile", "configs/multi_species.yaml", "--printshellcmds")
    assert done.returncode == 0, done.stderr
    results = "results/multi_species"
    cut = dict(re.findall(rf"genomelm patch {results}/data/(\w+)\.fa\.gz -o .*?( --\w.*?) >", done.stdout))
    assert "--fitted" not in cut["fly"]
    for name in ("worm", "arabidopsis", "yeast", "ecoli"):
        assert cut[name].split() == ["--fitted", f"{results}/patch/fly"]
    (pretrained,) = re.findall(r"genomelm pretrain .*", done.stdout)
    assert pretrained.startswith("genomelm pretrain --data configs/data/multi_species.yaml --model ")
    (job,) = [text for rule, text in jobs(done.stdout) if rule == "pretrain"]
    for name in cut:
        assert f"{results}/data/{name}.fa.gz" in job
        assert f"{results}/patch/{name}/store/store.json" in job
    tuned = re.findall(r"genomelm finetune .*--data \S+/(\w+)\.gff\.gz --genome \S+/(\w+)\.fa\.gz", done.stdout)
    assert sorted(tuned) == [("worm", "worm"), ("yeast", "yeast")]


def test_a_trained_model_scores_own_files_with_nothing_else_planned(untouched, tmp_path):
    for name in ("m/config.json", "m/model.safetensors", "own.fa", "own.vcf"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "sheet.tsv").write_text(
        "work\tname\tmodel\tgenome\tvariants\trecords\n"
        "score\tfew\tmine\t./own.fa\t./own.vcf\t9\nscore\tmany\tmine\t./own.fa\t./own.vcf\t120000\n"
    )
    (tmp_path / "config.yaml").write_text(
        yaml.safe_dump({"results": "out", "models": {"mine": {"folder": "./m"}}, "sheet": "sheet.tsv"})
    )
    options = ("--configfile", str(tmp_path / "config.yaml"), "--directory", str(tmp_path), "--printshellcmds")
    done = plan(untouched, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    found = counts(done.stdout)
    ours = {"score_variants": 1, "score_shard": 3, "merge_scores": 1}
    assert found == {**ours, "report_model": 1, "report": 1, "provenance": 1, "all": 1, "total": 9}
    assert "genomelm score own.vcf -r own.fa -m m -o out/models/mine/score/few.vcf.gz" in done.stdout
    assert "strongly discouraged" not in done.stderr  # what Snakemake says of paths that begin with ./


def test_a_fault_of_a_sheet_stops_the_plan_with_its_line(untouched, tmp_path):
    (tmp_path / "sheet.tsv").write_text("work\tname\tmodel\nscore\ta\thyena\n")
    done = plan(untouched, "--config", f"sheet={tmp_path / 'sheet.tsv'}")
    assert done.returncode == 2
    assert "line 2: scores.a: give either variants or saturate" in done.stderr
    assert "line 2: scores.a.model: 'hyena' is unknown; did you mean 'hyena_glt'?" in done.stderr
    assert "Traceback" not in done.stderr
