"""The workflow's config: everything wrong is told at once, before anything runs."""

import copy
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from genomelm.commands.workflow_checks import read_workflow_config
from genomelm.commands.workflow_config import PatchConfig, any_of, model_files
from genomelm.errors import UsageError
from genomelm.patching.config import PatcherConfig
from genomelm.settings import json_schema

REPOSITORY = Path(__file__).parents[2]
DEMO = yaml.safe_load((REPOSITORY / "configs" / "demo.yaml").read_text())


@pytest.fixture
def demo():
    return copy.deepcopy(DEMO)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working directory, and a writer of YAML files in it."""
    monkeypatch.chdir(tmp_path)

    def write(path, /, **values):
        Path(path).write_text(yaml.safe_dump(values))
        return path

    return write


def faults(config):
    """Return what is wrong with a config, a fault an entry."""
    with pytest.raises(UsageError) as caught:
        read_workflow_config(config, REPOSITORY)
    return str(caught.value).split("\n  ")[1:]


@pytest.mark.parametrize("path", sorted((REPOSITORY / "configs").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_config_is_valid(path):
    config, manifest = read_workflow_config(yaml.safe_load(path.read_text()), REPOSITORY)
    assert config.data_names() <= set(manifest.rows)


def test_results_are_found_by_model_and_task(demo, folder):
    demo["seeds"], demo["tasks"]["lac"]["seeds"] = [4, 5], []
    config, _ = read_workflow_config(demo, REPOSITORY)
    models = f"{demo['results']}/models"
    assert config.runs("gryphon") == [f"{models}/gryphon/pretrain"]
    assert config.runs("hyena_glt", "lac") == [f"{models}/hyena_glt/finetune/lac/seed{seed}" for seed in (4, 5)]
    assert config.start("gryphon") == f"{models}/gryphon/pretrain/model"
    assert Path(model_files(config.folders("gryphon"))[0]).parent == Path(config.start("gryphon"))
    assert f"{models}/gryphon/pretrain/metrics.json" in config.start_files("gryphon")
    assert config.start("rna") == str(REPOSITORY / demo["models"]["rna"]["model"])
    assert config.start_files("rna") == [config.start("rna")]


def test_a_task_has_the_seeds_of_the_config_unless_it_names_its_own(demo):
    demo["seeds"] = [4, 5]
    demo["tasks"]["lac"].pop("seeds", None)
    demo["tasks"]["coding"]["seeds"] = [7]
    config, _ = read_workflow_config(demo, REPOSITORY)
    assert config.seeds_of("lac") == (4, 5)
    assert config.seeds_of("coding") == (7,)


def test_models_are_pretrained_or_trained_from_scratch(demo):
    config, _ = read_workflow_config(demo, REPOSITORY)
    assert set(config.from_scratch()) == {"rna", "protein"}
    assert set(config.pretrained()) == set(config.models) - {"rna", "protein"}
    assert config.of_model("tasks", "protein") == ["pab1"]
    assert config.of_model("scores", "hyena_glt") == [n for n, u in demo["scores"].items() if u["model"] == "hyena_glt"]
    assert config.of_model("scores", "protein") == []


def test_faults_of_shape_come_at_once_with_the_nearest_key(demo):
    demo["sedes"] = demo.pop("seeds")
    demo["threads"] = 0
    demo["patches"]["entropy"]["mean"] = "eight"
    demo["patches"]["stride"]["mode"] = "stride"
    demo["models"]["gryphon"]["pathces"] = "entropy"
    demo["tasks"]["lac"].pop("models")
    demo["device"] = "gpu"
    told = "\n".join(faults(demo))
    for text in (
        "sedes: unknown key; did you mean 'seeds'?",
        "threads: 0",
        "patches.entropy.mean: 'eight'",
        "patches.stride.mode: 'stride'",
        "models.gryphon.pathces: unknown key; did you mean 'patches'?",
        "tasks.lac: 'models' is a required property",
        "device: 'gpu'",
    ):
        assert text in told


def test_faults_of_meaning_come_at_once(demo):
    demo["genome"] = "ecoli.fa"
    demo["train_regions"] = ["NC_000913.3"]
    demo["seeds"] = [1, 1]
    demo["models"]["gryphon"]["patches"] = "entrpy"
    demo["models"]["hyena_glt"]["model"] = "configs/models/absent.yaml"
    demo["tasks"]["coding"]["seeds"] = [-1]
    demo["tasks"]["lac"]["models"] = ["hyena_glt", "grifon"]
    demo["tasks"]["two words"] = {**demo["tasks"]["lac"], "models": ["hyena_glt"]}
    demo["scores"]["human"].update(task="codin", saturate="z:1-10", regions="lac_elements.tsv")
    demo["interpret"]["lac"].update(model="hyena", task="unknown")
    told = "\n".join(faults(demo))
    for text in (
        "has no file called 'ecoli.fa'; did you mean 'ecoli.fa.gz'?",
        "train_regions.0: 'NC_000913.3' is not an interval",
        "\nseeds: a seed appears twice",
        "models.gryphon.patches: 'entrpy' is unknown; did you mean 'entropy'?",
        "models.hyena_glt.model: config configs/models/absent.yaml does not exist",
        "tasks.coding.seeds: -1 is not 0 or more",
        "tasks.lac.models.1: 'grifon' is unknown; did you mean 'gryphon'?",
        "tasks.two words",
        "scores.human: give either variants or saturate",
        "scores.human.task: 'codin' is unknown; did you mean 'coding'?",
        "scores.human.regions: 'lac_elements.tsv' is of kind motifs, but annotation is needed",
        "interpret.lac.model: 'hyena' is unknown; did you mean 'hyena_glt'?",
        "interpret.lac.task: 'unknown' is unknown",
    ):
        assert text in f"\n{told}"


def test_a_missing_manifest_is_told_with_the_other_faults(demo):
    demo.update(manifest="absent.tsv", seeds=[])
    with pytest.raises(UsageError, match=r"(?s)seeds: at least one.*absent\.tsv does not exist"):
        read_workflow_config(demo, REPOSITORY)


@pytest.mark.parametrize("text", ["results/$(touch x)", "a b", "a;b", "-rf", "`x`"])
def test_nothing_that_a_shell_would_act_on_is_taken(demo, text):
    demo.update(results=text, train_regions=[f"{text}:1-10"])
    demo["models"]["rna"]["model"] = text
    told = "\n".join(faults(demo))
    for key in ("train_regions.0", "results", "models.rna.model"):
        assert re.search(rf"^{re.escape(key)}: .*({re.escape(text)})", told, re.MULTILINE)
    assert told.count("must be of letters, digits and") == 2


@pytest.mark.parametrize(
    ("name", "change", "fault"),
    [
        ("gryphon", {"train": None}, "models.gryphon: patches and train go together"),
        ("gryphon", {"patches": None}, "models.gryphon: patches and train go together"),
        ("rna", {"long_window": 64}, "models.rna.long_window: this model is not pretrained"),
        ("other", {"model": "configs/models/hyena_glt_rna.yaml"}, "models.other: no task names it"),
    ],
    ids=["no train", "no patches", "long window of a model from scratch", "no task"],
)
def test_a_model_is_trained_one_way(demo, name, change, fault):
    demo["models"].setdefault(name, {}).update(change)
    (told,) = faults(demo)
    assert told.startswith(fault)


@pytest.mark.parametrize(
    ("part", "name", "use", "fault"),
    [
        (
            "scores",
            "human",
            {"model": "rna"},
            "model 'rna' has no language model, as it is not pretrained; name a task",
        ),
        ("scores", "lac", {"model": "gryphon_masked"}, "task 'lac' is not learned by model 'gryphon_masked'"),
        ("interpret", "lac", {"model": "gryphon_masked"}, "task 'lac' is not learned by model 'gryphon_masked'"),
        ("interpret", "lac", {"task": "genes"}, "'genes' is a token_classification, which gives no single score"),
        ("scores", "lac", {"model": "protein", "task": "pab1"}, "'protein' reads protein, and this is about a genome"),
        ("scores", "lac", {"regions": "human_z.regions.bed"}, "it selects variants of a VCF; drop it"),
    ],
    ids=[
        "no language model",
        "other task",
        "other task's locus",
        "labels of bases",
        "proteins",
        "regions of an interval",
    ],
)
def test_scores_and_loci_name_models_that_can_give_them(demo, part, name, use, fault):
    demo[part][name].update(use)
    assert any(told.startswith(f"{part}.{name}") and fault in told for told in faults(demo))


def test_a_masked_model_has_no_patches_that_read_its_bases(demo):
    demo["models"]["gryphon_masked"]["patches"] = "entropy"
    (told,) = faults(demo)
    assert told.startswith("models.gryphon_masked.patches: 'entropy' places patches by the bases")
    demo["models"]["gryphon"]["patches"] = "stride"
    demo["models"]["gryphon_masked"]["patches"] = "stride"
    assert read_workflow_config(demo, REPOSITORY)


def test_models_read_the_letters_of_their_tasks_and_of_the_genome(demo):
    demo["tasks"]["splice"]["models"] = ["hyena_glt"]
    demo["models"]["rna"].update(patches="stride", train="configs/train/pretrain_demo.yaml")
    told = faults(demo)
    assert any(text.startswith("tasks.splice.models.0: 'hyena_glt' reads dna, but ") for text in told)
    assert any(text.startswith("models.rna: ") and "pretraining is on a genome" in text for text in told)
    assert len(told) == 2


@pytest.mark.parametrize(
    ("patching", "fault"),
    [({"mode": "byte", "mean": 8}, "1 base, not 8"), ({"mode": "fixed_stride", "mean": 2.5}, "whole bases, not 2.5")],
    ids=["byte", "stride"],
)
def test_a_patching_has_a_mean_that_its_mode_can_give(demo, patching, fault):
    demo["patches"]["other"] = patching
    (told,) = faults(demo)
    assert told.startswith("patches.other.mean: ")
    assert told.endswith(fault)


def test_faults_inside_task_and_training_files_come_at_once(demo, folder):
    demo["models"]["hyena_glt"]["train"] = folder("pretrain.yaml", epochs=2)
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
        "models": ["hyena_glt"],
    }
    told = "\n".join(faults(demo))
    for text in (
        "models.hyena_glt.train: pretrain.yaml has no steps",
        "tasks.coding.task: coding.yaml: 1 fault",
        "windw: unknown key; did you mean 'window'?",
        "tasks.coding.train: short.yaml: 1 fault",
        "steps: 0",
        "tasks.lac.task: name '2-lac' in lac.yaml",
        "tasks.lac.train: idle.yaml has neither steps nor epochs",
        "tasks.lac.split: lac.yaml reads a table",
        "tasks.status.task: status.yaml: INFO tag 'GLM_STATUS' is one that genomelm uses itself",
        "tasks.status.task: status.yaml names neither label_column nor bin_columns",
        "tasks.status.data: 'ecoli.gff.gz' is of kind annotation, but source table of status.yaml reads assay",
    ):
        assert text in told


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("family: hyena_gtl", "family: 'hyena_gtl' is unknown; did you mean 'hyena_glt'?"),
        ("shell: {alphabet: dna}", "family: None is unknown"),
        ("{family: gryphon, shell: {objective: mask}}", "shell.objective: 'mask' is not one of"),
        ("{family: gryphon, shell: {local_widht: 64}}", "local_widht: unknown key; did you mean 'local_width'?"),
        ("{family: gryphon, backbone: {layers: -3}}", "backbone.layers: -3 is less than the minimum of 1"),
        ("{family: gryphon, shell: {local_width: 12}}", "local_width is 12.*multiple of 8"),
        ("[1, 2]", "family: None is unknown"),
        ("{family: gryphon, shell: 3}", "shell: 3 is not of type 'object'"),
        ("a: [", "is not valid YAML"),
    ],
    ids=["family", "no family", "objective", "typo", "negative", "width", "a list", "shell", "not YAML"],
)
def test_a_fault_in_a_model_file_stops_the_plan(demo, tmp_path, text, fault):
    (tmp_path / "model.yaml").write_text(text)
    demo["models"]["gryphon"]["model"] = str(tmp_path / "model.yaml")
    with pytest.raises(UsageError, match=rf"(?s)1 fault\n  models\.gryphon\.model: .*{fault}"):
        read_workflow_config(demo, REPOSITORY)


def test_what_a_plan_knows_of_patching_is_what_the_patcher_knows():
    modes = json_schema(PatcherConfig)["properties"]["mode"]["enum"]
    ours = json_schema(PatchConfig)["properties"]["mode"]["enum"]
    assert set(modes) - set(ours) == {"optimal", "given"}
    for mode in ours:
        assert PatchConfig(mode=mode).reads_scores == PatcherConfig(mode=mode).needs_scores


def test_a_patching_is_told_the_parameters_of_its_mode_and_no_others():
    limited = PatchConfig("length_constrained", 6, 9, 3, 12, 3)
    assert limited.options == "--mode length_constrained --mean 6 --order 9 --min 3 --max 12 --multiple 3"
    assert PatchConfig("fixed_stride", 8.0, delta=0.5).options == "--mode fixed_stride --mean 8.0"
    assert PatchConfig("dual_threshold", 8.0, delta=0.5).options.endswith("--order 11 --delta 0.5")


def test_limits_that_contradict_each_other_stop_the_plan(demo):
    demo["patches"]["entropy"] |= {"mode": "length_constrained", "max": 10, "multiple": 3}
    with pytest.raises(UsageError, match=r"patches\.entropy: patches of 1 to 10 bytes in multiples of 3"):
        read_workflow_config(demo, REPOSITORY)


@pytest.mark.parametrize(
    ("part", "name"),
    [("tasks", "language_model"), ("tasks", "a-b"), ("tasks", "1st"), ("models", "fetch"), ("models", "a/b")],
)
def test_not_every_name_is_taken(demo, part, name):
    demo[part][name] = demo[part]["lac" if part == "tasks" else "gryphon"]
    with pytest.raises(UsageError, match=rf"1 fault\n  {part}\.{name}: "):
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
    demo["models"]["gryphon"]["train"] = folder("pretrain.yaml", steps=10)
    config, manifest = read_workflow_config(demo, REPOSITORY)
    assert config.models["gryphon"].train == "pretrain.yaml"
    assert config.models["gryphon"].model == str(REPOSITORY / demo["models"]["gryphon"]["model"])
    assert config.models["rna"].train is None
    assert config.tasks["lac"].task == str(REPOSITORY / demo["tasks"]["lac"]["task"])
    assert config.manifest == str(manifest.path) == str(REPOSITORY / demo["manifest"])
    assert config.results == demo["results"]


def test_a_wildcard_is_one_of_its_names_letter_by_letter():
    assert re.fullmatch(any_of(["a.b", "c"]), "a.b")
    assert not re.fullmatch(any_of(["a.b", "c"]), "axb")
    assert not re.match(any_of([]), "")


def test_a_config_is_read_without_torch():
    code = "import sys, genomelm.commands.workflow_checks; print({'torch', 'transformers'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
