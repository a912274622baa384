"""The workflow's config: everything wrong is told at once, before anything runs."""

import copy
from pathlib import Path

import pytest
import yaml

from genomelm.commands.workflow_config import PRETRAIN, read_workflow_config
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
