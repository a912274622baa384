"""`genomelm finetune` and `evaluate` for each kind of task, from files to files."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from training_files import ON_CPU, SHELL, finetune_arguments, make_site, pretrain_arguments, replaced, run

import genomelm
from genomelm.models import load_model
from genomelm.settings import read_config
from genomelm.tasks.config import TaskConfig
from genomelm.tasks.read import read_examples
from genomelm.tasks.splits import sequence_key

WILD = {"dna": "GATTACAGATTACATTAGGA", "rna": "GAUUACAGAUUACAUUAGGA", "protein": "MKTAYIAKQRQISFVKSHFS"}
LETTERS = {"dna": "ACGT", "rna": "ACGU", "protein": "ACDEFGHIKLMNPQRSTVWY"}
GRYPHON = "family: gryphon\nshell: {{{}}}\nbackbone: {{layers: 1, state: 8, heads: 2, block: 4}}\nstride: 3\n"


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    return make_site(tmp_path_factory.mktemp("tasks"))


@pytest.fixture(scope="module")
def pretrained(site) -> Path:
    code, said = run("pretrain", *pretrain_arguments(site, site / "pretrain"))
    assert code == 0, said
    return site / "pretrain" / "model"


def mutants(alphabet: str) -> list[str]:
    """Return 48 substitutions of the wild type, all different, like A3C."""
    random, wild, found = np.random.default_rng(2), WILD[alphabet], []
    while len(found) < 48:
        place, letter = random.integers(len(wild)), random.choice(list(LETTERS[alphabet]))
        name = f"{wild[place]}{place + 1}{letter}"
        if wild[place] != letter and name not in found:
            found.append(name)
    return found


def spelled(name: str, alphabet: str) -> str:
    wild, place = WILD[alphabet], int(name[1:-1])
    return wild[: place - 1] + name[-1] + wild[place:]


def write_task(folder: Path, name: str, **settings) -> Path:
    lines = {"name": name, "target_over_baseline": 0.0, **settings}
    (folder / f"{name}.yaml").write_text("".join(f"{key}: {json.dumps(value)}\n" for key, value in lines.items()))
    return folder / f"{name}.yaml"


def write_split(folder: Path, sequences: list[str]) -> Path:
    held = [f"{sequence_key(s)}\t{'test' if i < 16 else 'validation'}\n" for i, s in enumerate(sequences[:26])]
    (folder / "split.tsv").write_text("sequence_sha256\tsplit\n" + "".join(held))
    return folder / "split.tsv"


def write_effects(folder: Path, alphabet: str) -> Path:
    """Write a table of sequences and values, the wild type's among them, with its task and split."""
    names = mutants(alphabet)
    values = {spelled(name, alphabet): 5 + LETTERS[alphabet].index(name[-1]) for name in names}
    rows = [*values.items(), (WILD[alphabet], 4), (WILD[alphabet], 6)]  # the wild type twice, 5 on average
    (folder / "data.tsv").write_text("sequence\ty\n" + "".join(f"{s}\t{y}\n" for s, y in rows))
    write_split(folder, list(values))
    return write_task(
        folder, "effect", kind="variant_effect", alphabet=alphabet, label_column="y", reference=WILD[alphabet]
    )


def read(path: Path) -> list[dict[str, str]]:
    with path.open() as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def both(folder: Path, site: Path, model: Path, task: Path, *data) -> tuple[dict, dict, list[dict]]:
    """Fine-tune and evaluate; return both JSON files and the rows of the predictions."""
    out = folder / "seed1"
    code, said = run(
        "finetune", "--model", model, "--task", task, *data, "--train", site / "tune.yaml", "-o", out, *ON_CPU
    )
    assert code == 0, said
    code, said = run("evaluate", "--task", task, *data, out, "-o", folder / "task.json", "--threads", 1)
    assert code == 0, said
    metrics, result = (json.loads(path.read_text()) for path in (out / "metrics.json", folder / "task.json"))
    assert result["model"]["seeds"] == pytest.approx([metrics["test"]], abs=1e-6)
    assert metrics["kind"] == result["kind"] == load_model(out / "model").head_kind
    assert not (folder / "seed1.state").exists()
    return metrics, result, read(out / "predictions.tsv")


def from_table(folder: Path) -> tuple:
    return ("--data", folder / "data.tsv", "--split", folder / "split.tsv")


@pytest.mark.parametrize("kind", ["regression", "sequence_classification"])
def test_numbers_and_classes_of_sequences(site, pretrained, tmp_path, kind):
    task = write_task(tmp_path, "gc", kind=kind, label_column="y")
    metrics, result, rows = both(tmp_path, site, pretrained, task, *from_table(site))
    assert result["metric"] == metrics["metric"] == {"regression": "pearson"}.get(kind, "auroc")
    assert (result["n_train"], result["n_test"], len(rows)) == (75, 30, 30)
    assert ("additive_one_hot" in result["baselines"]) == (kind == "regression")


def test_labels_of_bases_from_a_gff(site, pretrained, tmp_path):
    lines = ["##gff-version 3"]
    lines += [f"c\tx\tCDS\t{start + 1}\t{start + 210}\t.\t+\t0\tID=c{start}" for start in range(0, 12000, 400)]
    (tmp_path / "g.gff").write_text("\n".join(lines) + "\n")
    settings = {"source": "gff_tokens", "window": 100, "token_step": 7, "two_strands": True}
    task = write_task(tmp_path, "genes", kind="token_classification", **settings)
    data = ("--data", tmp_path / "g.gff", "--genome", site / "g.fa")
    metrics, result, rows = both(tmp_path, site, pretrained, task, *data)
    assert (metrics["metric"], metrics["examples"]["test"], result["n_test"]) == ("auroc", 12, 12)
    assert len(rows) == 12 * 15  # every seventh of 100 bases
    assert [row["name"] for row in rows[:16]] == ["c:10801-10900"] * 15 + ["c:10901-11000"]
    assert [float(row["label"]) for row in rows[:15]] == [float((10800 + i) % 400 < 210) for i in range(0, 100, 7)]
    assert set(result["baselines"]) == {"kmer_1_6"}


@pytest.mark.parametrize("kind", ["regression", "sequence_classification", "token_classification"])
def test_predict_gives_what_predictions_tsv_holds_on_a_two_strand_task(site, pretrained, tmp_path, kind):
    settings, step = {"label_column": "y"}, 1
    files = {"data": site / "data.tsv", "split": site / "split.tsv"}
    if kind == "token_classification":
        settings, step = {"source": "gff_tokens", "window": 100, "token_step": 7}, 7
        files = {"data": tmp_path / "g.gff", "genome": site / "g.fa"}
        genes = (f"c\tx\tCDS\t{start + 1}\t{start + 210}\t.\t+\t0\tID=a\n" for start in range(0, 12000, 400))
        files["data"].write_text("".join(genes))
    task = write_task(tmp_path, "both", kind=kind, two_strands=True, **settings)
    options = [part for name, path in files.items() for part in (f"--{name}", path)]
    arguments = ("--model", pretrained, "--task", task, *options, "--train", site / "tune.yaml", *ON_CPU)
    code, said = run("finetune", *arguments, "-o", tmp_path / "seed1")
    assert code == 0, said
    test = read_examples(read_config(TaskConfig, task), **files).where("test")
    model = load_model(tmp_path / "seed1" / "model")
    written = [float(row["prediction"]) for row in read(tmp_path / "seed1" / "predictions.tsv")]

    def predicted(model) -> np.ndarray:
        found = genomelm.predict(model, test.sequences)
        return np.concatenate([values.reshape(-1)[::step] for values in found])

    assert predicted(model) == pytest.approx(written, abs=1e-5)
    model.config.head["two_strands"] = False
    assert predicted(model) != pytest.approx(written, abs=1e-4)


def test_effects_of_variants_from_a_table_that_holds_the_wild_type(site, pretrained, tmp_path):
    task = write_effects(tmp_path, "dna")
    metrics, result, rows = both(tmp_path, site, pretrained, task, *from_table(tmp_path))
    assert (metrics["metric"], metrics["examples"]) == ("pearson", {"train": 22, "validation": 10, "test": 16})
    letters = [LETTERS["dna"].index(name[-1]) for name in mutants("dna")[:16]]
    assert [float(row["label"]) for row in rows] == letters
    assert set(result["baselines"]) == {"kmer_1_6", "additive_one_hot"}


@pytest.mark.parametrize("alphabet", ["rna", "protein"])
def test_a_model_file_of_another_alphabet_is_trained_from_scratch(site, tmp_path, alphabet):
    (tmp_path / "m.yaml").write_text(GRYPHON.format(f"{SHELL}, alphabet: {alphabet}, objective: masked, window: 3"))
    task = write_effects(tmp_path, alphabet)
    metrics, result, _ = both(tmp_path, site, tmp_path / "m.yaml", task, *from_table(tmp_path))
    assert result["alphabet"] == alphabet
    assert set(result["baselines"]) == {"kmer_1_2" if alphabet == "protein" else "kmer_1_6", "additive_one_hot"}
    model = load_model(tmp_path / "seed1" / "model")
    assert (model.alphabet, model.objective, model.config.model_type) == (alphabet, "masked", "genomelm_gryphon")
    assert (model.patcher.config.mode, model.patcher.config.stride) == ("fixed_stride", 3)
    assert metrics["provenance"]["sources"].keys() == {"model", "data", "split"}


def test_effects_of_named_variants(site, tmp_path):
    (tmp_path / "m.yaml").write_text(GRYPHON.format(f"{SHELL}, alphabet: protein"))
    names = mutants("protein")
    moved = [f"{name[0]}{int(name[1:-1]) + 99}{name[-1]}" for name in names]  # numbered from 100
    rows = "".join(f"{name}\t{LETTERS['protein'].index(name[-1]) - 7}\n" for name in moved)
    (tmp_path / "data.tsv").write_text("variant\tscore\n" + rows)
    write_split(tmp_path, [spelled(name, "protein") for name in names])
    source = {"source": "variant_names", "variant_column": "variant", "label_column": "score", "first_position": 100}
    task = write_task(tmp_path, "scan", kind="variant_effect", alphabet="protein", reference=WILD["protein"], **source)
    metrics, _, rows = both(tmp_path, site, tmp_path / "m.yaml", task, *from_table(tmp_path))
    assert metrics["examples"] == {"train": 22, "validation": 10, "test": 16}
    assert [float(row["label"]) for row in rows] == [LETTERS["protein"].index(name[-1]) - 7 for name in names[:16]]


def test_the_seed_draws_a_model_file_s_weights(site, tmp_path):
    (tmp_path / "m.yaml").write_text(GRYPHON.format(SHELL))
    (tmp_path / "metrics.json").write_text("{}")  # what lies beside a model file says nothing of it
    (tmp_path / "still.yaml").write_text("steps: 1\nlearning_rate: 0\n")
    drawn = []
    for seed, name in ((1, "a"), (1, "b"), (2, "c")):
        arguments = finetune_arguments(site, tmp_path / "m.yaml", tmp_path / name, seed)
        code, said = run("finetune", *replaced(arguments, train=tmp_path / "still.yaml"))
        assert code == 0, said
        drawn.append(load_file(tmp_path / name / "model" / "model.safetensors"))
    assert all(np.array_equal(value, drawn[1][name]) for name, value in drawn[0].items())
    for part in ("head.pool.weight", "shell.bytes.weight", "shell.backbone.blocks.1.mixer.into.weight"):
        assert not np.array_equal(drawn[0][part], drawn[2][part])


def test_a_task_of_another_alphabet_than_the_model_exits_2(site, pretrained, tmp_path):
    task = write_effects(tmp_path, "protein")
    arguments = finetune_arguments(tmp_path, pretrained, tmp_path / "x")
    code, said = run("finetune", *replaced(arguments, task=task, train=site / "tune.yaml"))
    assert code == 2
    assert "the model reads dna, but task 'effect' is of protein" in said
    assert "shell.alphabet protein" in said
    assert not (tmp_path / "x").exists()


def test_a_model_of_a_task_is_no_pretrained_one(site, pretrained, tmp_path):
    code, said = run("finetune", *finetune_arguments(site, pretrained, tmp_path / "seed1"))
    assert code == 0, said
    code, said = run("finetune", *finetune_arguments(site, tmp_path / "seed1" / "model", tmp_path / "x"))
    assert code == 2
    assert "has a sequence_classification head: give the pretrained language model" in said


@pytest.mark.parametrize(
    ("name", "text", "status", "words"),
    [
        ("no", None, 2, ("no does not exist", "folder of a pretrained model", "model file")),
        ("no.yaml", None, 2, ("no.yaml does not exist", "folder of a pretrained model", "model file")),
        ("m.txt", "hello", 2, ("m.txt is not a YAML file", "folder of a pretrained model", "model file")),
        ("model.safetensors", "{}", 2, ("model.safetensors is not a YAML file", "folder of a pretrained model")),
        ("m.yaml", "family: [gryphon\n", 2, ("m.yaml is not valid YAML",)),
        *((f"m.{end}", "cos\nsystem\n", 6, (f"m.{end} is a pickle", "never loaded")) for end in ("pt", "bin", "ckpt")),
    ],
)
def test_a_model_that_is_neither_a_folder_nor_a_model_file_is_named(site, tmp_path, name, text, status, words):
    if text is not None:
        (tmp_path / name).write_text(text)
    code, said = run("finetune", *finetune_arguments(site, tmp_path / name, tmp_path / "x"))
    assert code == status
    assert all(word in said for word in (str(tmp_path / name), *words))
    assert not (tmp_path / "x").exists()


def test_a_table_without_the_wild_type_exits_3(site, pretrained, tmp_path):
    task = write_effects(tmp_path, "dna")
    lines = (tmp_path / "data.tsv").read_text().splitlines()
    (tmp_path / "data.tsv").write_text("\n".join(lines[:-2]) + "\n")
    arguments = finetune_arguments(tmp_path, pretrained, tmp_path / "x")
    code, said = run("finetune", *replaced(arguments, task=task, train=site / "tune.yaml"))
    assert code == 3
    assert f"does not hold the task's reference {WILD['dna']}" in said


def test_predictions_of_other_bases_are_refused(site, pretrained, tmp_path):
    (tmp_path / "g.gff").write_text(
        "".join(f"c\tx\tCDS\t{s + 1}\t{s + 210}\t.\t+\t0\tID=a\n" for s in range(0, 12000, 400))
    )
    settings = {"source": "gff_tokens", "window": 100}
    data = ("--data", tmp_path / "g.gff", "--genome", site / "g.fa")
    task = write_task(tmp_path, "genes", kind="token_classification", token_step=7, **settings)
    both(tmp_path, site, pretrained, task, *data)
    task = write_task(tmp_path, "genes", kind="token_classification", token_step=5, **settings)
    code, said = run("evaluate", "--task", task, *data, tmp_path / "seed1", "-o", tmp_path / "other.json")
    assert code == 3
    assert "does not hold the test examples" in said
