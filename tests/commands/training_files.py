"""Files of small training runs, and the arguments of the commands that read them."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from typer.testing import CliRunner

from genomelm import cli
from genomelm.tasks.splits import sequence_key

SHELL = "local_width: 16, local_heads: 2, local_taps: 3, encoder_layers: 1, decoder_layers: 1, kmers: [2], width: 16"
MODEL = f"family: hyena_glt\nshell: {{{SHELL}}}\nbackbone: {{layers: 1, hidden: 16}}\n"
TRAIN = "steps: 20\nbatch_size: 2\nwindow: 64\nevaluate_every: 5\ncheckpoint_minutes: 0\n"
SLOW = "steps: 400\nbatch_size: 2\nwindow: 64\nevaluate_every: 200\ncheckpoint_minutes: 0.003\n"
TASK = """
name: gc
kind: sequence_classification
source: table
label_column: y
two_strands: true
target_over_baseline: 0.0
"""
ON_CPU = ("--device", "cpu", "--threads", 1)


def run(verb: str, *arguments) -> tuple[int, str]:
    result = CliRunner().invoke(cli.app, ["-q", verb, *map(str, arguments)])
    return result.exit_code, result.stderr


def make_site(folder: Path) -> Path:
    """Write a genome of 12 kb, its patches, the files of a small training run and a table into `folder`."""
    generator = np.random.default_rng(5)
    pieces = ["".join(generator.choice(list("ACGT"), 25)) for _ in range(8)]
    letters = np.array(list("".join(pieces[i] for i in generator.integers(0, 8, 480))))
    changed = generator.random(len(letters)) < 0.15  # no two contexts with quite the same counts
    letters[changed] = generator.choice(list("ACGT"), changed.sum())
    (folder / "g.fa").write_text(f">c\n{''.join(letters)}\n")
    tune = TRAIN.replace("window: 64\n", "")
    for name, text in {"model": MODEL, "train": TRAIN, "tune": tune, "slow": SLOW, "task": TASK}.items():
        (folder / f"{name}.yaml").write_text(text)
    sequences = ["".join(generator.choice(list("ACGT"), 30)) for _ in range(120)]
    write_table(folder, {s: int(s.count("G") + s.count("C") > 15) for s in sequences}, test=30, validation=15)
    code, said = run("patch", *patch_arguments(folder, folder / "patch"), "--order", 6)
    assert code == 0, said
    return folder


def patch_arguments(site: Path, out: Path) -> list:
    regions = ("--train-region", "c:1-9000", "--test-region", "c:9001-12000")
    return [site / "g.fa", "-o", out, "--mean", 6, *regions]


def pretrain_arguments(site: Path, out: Path, train: str = "train.yaml") -> list:
    return [
        *("--genome", site / "g.fa", "--patches", site / "patch", "--model", site / "model.yaml"),
        *("--train", site / train, "--train-region", "c:1-9000", "--test-region", "c:9001-12000"),
        *("-o", out, *ON_CPU),
    ]


def finetune_arguments(site: Path, model: Path, out: Path, seed: int = 1) -> list:
    return [
        *("--model", model, "--task", site / "task.yaml", "--data", site / "data.tsv"),
        *("--split", site / "split.tsv", "--train", site / "tune.yaml", "--seed", seed),
        *("-o", out, *ON_CPU),
    ]


def replaced(arguments: list, **values: object) -> list:
    """Return arguments with other values of some options: train="x.yaml" is --train x.yaml."""
    changed = list(arguments)
    for name, value in values.items():
        changed[changed.index(f"--{name.replace('_', '-')}") + 1] = value
    return changed


def write_table(folder: Path, labels: Mapping[str, float], test: int, validation: int) -> None:
    """Write data.tsv of sequence and y, and split.tsv: the first rows are for the test, the next for validation."""
    (folder / "data.tsv").write_text("sequence\ty\n" + "".join(f"{s}\t{y}\n" for s, y in labels.items()))
    held = list(labels)[: test + validation]
    split = "".join(f"{sequence_key(s)}\t{'test' if i < test else 'validation'}\n" for i, s in enumerate(held))
    (folder / "split.tsv").write_text("sequence_sha256\tsplit\n" + split)
