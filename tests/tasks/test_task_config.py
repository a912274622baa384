"""Task files: contradictions are told at once, and the shipped ones are valid."""

from pathlib import Path

import numpy as np
import pytest

from genomelm.errors import UsageError
from genomelm.settings import read_config
from genomelm.tasks.config import TaskConfig
from genomelm.tasks.sources import SOURCES

EXAMPLES = sorted((Path(__file__).parents[2] / "configs" / "tasks" / "examples").glob("*.yaml"))
CONFIGS = sorted((Path(__file__).parents[2] / "configs" / "tasks").glob("*.yaml"))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"two_strands": True, "alphabet": "rna"}, "two_strands is for DNA, and the alphabet is rna"),
        ({"two_strands": True, "reference": "ACGT"}, "reference patches are of one strand"),
        ({"kind": "variant_effect"}, "give it as reference"),
        ({"reference": "ACGU"}, "reference has the letter 'U'; dna has ACGT"),
        ({"reference": "ACGT", "alphabet": "rna"}, "reference has the letter 'T'; rna has ACGU"),
        ({"variant_column": "v"}, "are of source variant_names"),
        ({"first_position": 5}, "are of source variant_names"),
        ({"label_column": "y", "bin_columns": ("a", "b")}, "both given"),
        ({"kind": "sequence_classification", "bin_columns": ("a", "b")}, "bin_columns give no classes"),
        ({"kind": "token_classification"}, "source table gives no token_classification; set source to gff_tokens"),
        ({"kind": "regression", "source": "gff_tokens"}, "set source to table"),
        ({"kind": "regression", "source": "variant_names"}, "source variant_names gives no regression"),
        (
            {"kind": "variant_effect", "source": "variant_names", "reference": "ACGT", "label_column": "y"},
            "needs variant_column and label_column",
        ),
        (
            {"kind": "sequence_classification", "source": "gff_coding", "label_column": "y"},
            "source gff_coding makes its own labels",
        ),
        ({"kind": "token_classification", "source": "gff_tokens", "alphabet": "protein"}, "cuts DNA"),
        ({"kind": "sequence_classification", "source": "gff_coding", "reference": "ACGT"}, "has no wild type"),
        (
            {"kind": "token_classification", "source": "gff_tokens", "window": 8, "token_step": 9},
            "token_step 9 is longer than the window of 8 bases",
        ),
        ({"alt_column": "a"}, "alt_column is of source table and kind variant_effect"),
        ({"per_base": True}, "per_base is of source bigwig"),
        ({"source": "gff_classes", "kind": "token_classification"}, "needs features, from feature types to classes"),
        ({"source": "bed"}, "source bed needs a label_column"),
        ({"source": "bigwig", "label_column": "y"}, "source bigwig makes its own labels"),
        ({"window": 50}, "source table has sequences of its own; drop window"),
        ({"label_columns": ("a",)}, "label_columns names one column, or one of them twice"),
        ({"kind": "sequence_classification", "classes": ("a",)}, "classes names one class"),
        ({"classes": ("a", "b")}, "classes are of a sequence_classification whose labels stand in a file"),
        ({"features": {"CDS": "c"}}, "features and background are of source gff_classes"),
        ({"alphabet": "xna"}, "alphabet 'xna' is unknown"),
    ],
)
def test_contradictions_are_named(fields, said):
    with pytest.raises(UsageError, match="task 'toy': ") as caught:
        TaskConfig("toy", **fields)
    assert said in str(caught.value)


def test_all_contradictions_come_at_once():
    with pytest.raises(UsageError) as caught:
        TaskConfig("toy", kind="variant_effect", source="gff_tokens", alphabet="rna", label_column="y")
    for said in ("gives no variant_effect", "makes its own labels", "cuts DNA", "give it as reference"):
        assert said in str(caught.value)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_each_shipped_task_is_named_like_its_file(path):
    task = read_config(TaskConfig, path)
    assert task.name == path.stem
    assert task.metric == ("auroc" if task.name in ("coding", "genes") else "pearson")
    assert task.kmer_baseline == ("kmer_1_2" if task.alphabet == "protein" else "kmer_1_6")
    assert task.needs_genome == (task.source in ("gff", "bed", "vcf") or task.name in ("coding", "genes"))


def test_token_tasks_are_judged_at_every_step_th_base():
    values = np.arange(20).reshape(2, 10)
    task = TaskConfig("t", kind="token_classification", source="gff_tokens", token_step=4)
    assert task.judged(values).tolist() == [[0, 4, 8], [10, 14, 18]]
    assert TaskConfig("t").judged(values[0]).tolist() == values[0].tolist()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_each_example_is_a_task_that_says_how_it_is_split(path):
    task = read_config(TaskConfig, path)
    assert task.name == path.stem
    assert not task.needs_split


def test_the_examples_and_their_page_name_every_source():
    page = (Path(__file__).parents[2] / "configs" / "tasks" / "README.md").read_text()
    assert all(f"| `{source}`" in page for source in SOURCES)
    assert {read_config(TaskConfig, path).source for path in EXAMPLES} == set(SOURCES) - {"gff_coding", "gff_tokens"}
