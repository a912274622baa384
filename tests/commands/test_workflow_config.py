"""The workflow's config: everything wrong is told at once, before anything runs."""

import copy
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from genomelm.commands.workflow_config import PRETRAIN, any_of, read_workflow_config
from genomelm.errors import UsageError

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def demo():
    return yaml.safe_load((REPOSITORY / "configs" / "demo.yaml").read_text())


@pytest.mark.parametrize("path", sorted((REPOSITORY / "configs").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_config_is_valid(path):
    config, manifest = read_workflow_config(yaml.safe_load(path.read_text()), REPOSITORY)
    assert config.data_names() <= set(manifest.rows)


def test_a_model_is_found_below_the_results(demo):
    config, _ = read_workflow_config(demo, REPOSITORY)
    assert config.model_of(PRETRAIN) == "pretrain/model"
    assert config.model_of("lac") == f"finetune/lac/seed{config.seeds[0]}/model"


def test_faults_of_shape_come_at_once_with_the_nearest_key(demo):
    demo["sedes"] = demo.pop("seeds")
    demo["threads"] = 0
    demo["patch"]["mean"] = "eight"
    demo["device"] = "gpu"
    with pytest.raises(UsageError) as caught:
        read_workflow_config(demo, REPOSITORY)
    for text in ("sedes: unknown key; did you mean 'seeds'?", "threads: 0", "patch.mean: 'eight'", "device: 'gpu'"):
        assert text in str(caught.value)


def test_faults_of_meaning_come_at_once(demo):
    demo = copy.deepcopy(demo)
    demo["genome"] = "ecoli.fa"
    demo["train_regions"] = ["NC_000913.3"]
    demo["seeds"] = [1, 1]
    demo["model"] = "configs/models/absent.yaml"
    demo["tasks"]["two words"] = demo["tasks"]["lac"]
    demo["scores"]["human"].update(model="coding2", saturate="z:1-10", regions="lac_elements.tsv")
    demo["interpret"]["lac"]["task"] = "unknown"
    with pytest.raises(UsageError) as caught:
        read_workflow_config(demo, REPOSITORY)
    for text in (
        "has no file called 'ecoli.fa'; did you mean 'ecoli.fa.gz'?",
        "train_regions.0: 'NC_000913.3' is not an interval",
        "a seed appears twice",
        "model: file configs/models/absent.yaml does not exist",
        "tasks.two words",
        "scores.human: give either variants or saturate",
        "scores.human.model: 'coding2'",
        "scores.human.regions: 'lac_elements.tsv' is of kind motifs, but annotation is needed",
        "interpret.lac.task: 'unknown' is not a task",
    ):
        assert text in str(caught.value)


def test_a_missing_manifest_is_told_with_the_other_faults(demo):
    demo.update(manifest="absent.tsv", seeds=[])
    with pytest.raises(UsageError, match=r"(?s)seeds: at least one.*absent\.tsv does not exist"):
        read_workflow_config(demo, REPOSITORY)


@pytest.mark.parametrize("text", ["results/$(touch x)", "a b", "a;b", "-rf", "`x`"])
def test_nothing_that_a_shell_would_act_on_is_taken(demo, text):
    demo.update(results=text, train_regions=[f"{text}:1-10"])
    with pytest.raises(UsageError, match=r"(?s)train_regions\.0: .*results: ") as caught:
        read_workflow_config(demo, REPOSITORY)
    assert "only" in str(caught.value)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working directory, and a writer of YAML files in it."""
    monkeypatch.chdir(tmp_path)

    def write(path, /, **values):
        Path(path).write_text(yaml.safe_dump(values))
        return path

    return write


def test_faults_inside_task_and_training_files_come_at_once(demo, folder):
    demo["pretrain"] = folder("pretrain.yaml", epochs=2)
    demo["tasks"]["coding"].update(
        task=folder("coding.yaml", name="2 words", source="gff_coding", windw=10), train=folder("short.yaml", steps=0)
    )
    demo["tasks"]["lac"].update(
        task=folder("lac.yaml", name="2-lac", label_column="y"), train=folder("idle.yaml"), split=None
    )
    demo["tasks"]["status"] = {
        "task": folder("status.yaml", name="status"),
        "train": "idle.yaml",
        "data": "ecoli.gff.gz",
    }
    with pytest.raises(UsageError) as caught:
        read_workflow_config(demo, REPOSITORY)
    for text in (
        "pretrain: pretrain.yaml has no steps",
        "tasks.coding.task: coding.yaml: 1 fault",
        "windw: unknown key; did you mean 'window'?",
        "tasks.coding.train: short.yaml: 1 fault",
        "steps: 0",
        "tasks.lac.task: name '2-lac' in lac.yaml",
        "tasks.lac.train: idle.yaml has neither steps nor epochs",
        "tasks.lac.split: lac.yaml reads a table",
        "tasks.status.task: status.yaml: INFO tag 'GLM_STATUS' is one that genomelm uses itself",
        "tasks.status.task: status.yaml names neither label_column nor bin_columns",
    ):
        assert text in str(caught.value)


@pytest.mark.parametrize("name", ["language_model", "ablation", PRETRAIN, "a-b", "1st"])
def test_a_task_cannot_have_every_name(demo, name):
    demo["tasks"][name] = demo["tasks"]["lac"]
    with pytest.raises(UsageError, match=rf"1 fault\n  tasks\.{name}: "):
        read_workflow_config(demo, REPOSITORY)


@pytest.mark.parametrize(
    ("regions", "fault"),
    [
        ([], "test_regions: at least one is needed"),
        (["NC_000913.3:4177486-4641652"], "test_regions.0: held-out .* shares bases with train_regions.0 "),
        (["NC_000913.3:4641652-4177487"], "test_regions.0: .*start <= end"),
        (["NC_000913.3:4641653-4641652"], "test_regions.0: .*is not an interval"),
    ],
    ids=["none", "overlap", "backwards", "empty"],
)
def test_held_out_bases_are_there_and_are_not_trained_on(demo, regions, fault):
    demo["test_regions"] = regions
    with pytest.raises(UsageError, match=f"1 fault\n  {fault}"):
        read_workflow_config(demo, REPOSITORY)


def test_files_are_those_of_the_working_directory_then_those_below_the_root(demo, folder):
    demo["pretrain"] = folder("pretrain.yaml", steps=10)
    config, manifest = read_workflow_config(demo, REPOSITORY)
    assert config.pretrain == "pretrain.yaml"
    assert config.model == str(REPOSITORY / demo["model"])
    assert config.tasks["lac"].task == str(REPOSITORY / demo["tasks"]["lac"]["task"])
    assert config.manifest == str(manifest.path) == str(REPOSITORY / demo["manifest"])
    assert config.results == demo["results"]


def test_a_wildcard_is_one_of_its_names_letter_by_letter():
    assert re.fullmatch(any_of(["a.b", "c"]), "a.b")
    assert not re.fullmatch(any_of(["a.b", "c"]), "axb")
    assert not re.match(any_of([]), "")


def test_a_config_is_read_without_torch():
    code = "import sys, genomelm.commands.workflow_config; print({'torch', 'transformers'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
