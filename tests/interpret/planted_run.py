"""Planted data through the commands: two seeds are trained, and one model on shuffled labels."""

import dataclasses
from pathlib import Path

from planted_data import planted, write_table
from typer.testing import CliRunner

from genomelm import cli
from genomelm.interpret.locus_model import with_random_weights
from genomelm.models.loading import load_model, save_model

TASK = """name: planted
label_column: label
two_strands: true
split: {by: sequence, seed: 1, test_share: 0.1, validation_share: 0.05}
"""
MODEL = """family: cnn
shell: {objective: masked, local_width: 32}
backbone: {taps: [11, 7, 9]}
"""
TRAIN = """epochs: EPOCHS
batch_size: 32
learning_rate: 0.004
final_rate: 0.02
weight_decay: 0.02
evaluate_every: 200
warmup: 0.1
"""
TRAINED = 2000
"""Sequences to learn from."""


@dataclasses.dataclass(frozen=True)
class Models:
    """Folders of models that learned the planted motifs (two seeds), noise, or nothing."""

    seeds: tuple[Path, Path]
    shuffled_labels: Path
    random_weights: Path


def run(*arguments: object) -> str:
    """Run a command on one thread of the CPU and return what it says."""
    result = CliRunner().invoke(cli.app, ["-q", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result.output


def train(folder: Path) -> Models:
    """Train with `genomelm finetune`, from scratch."""
    found = planted(TRAINED, seed=1)
    labels = {
        "real": write_table(folder / "real.tsv", found),
        "shuffled": write_table(folder / "shuffled.tsv", found, shuffle=5),
    }
    (folder / "task.yaml").write_text(TASK)
    (folder / "model.yaml").write_text(MODEL)
    # Five epochs are enough for a model that has nothing to learn to remember some of it.
    for name, epochs in (("real", 8), ("shuffled", 5)):
        (folder / f"{name}.yaml").write_text(TRAIN.replace("EPOCHS", str(epochs)))
    made = []
    for kind, seed in (("real", 1), ("real", 2), ("shuffled", 1)):
        out = folder / f"{kind}{seed}"
        run(
            *("finetune", "--model", folder / "model.yaml", "--task", folder / "task.yaml", "--data", labels[kind]),
            *("--train", folder / f"{kind}.yaml", "--seed", seed, "-o", out, "--device", "cpu", "--threads", 1),
        )
        made.append(out / "model")
    random = folder / "random" / "model"
    save_model(with_random_weights(load_model(made[0]), 777), random)
    return Models((made[0], made[1]), made[2], random)
