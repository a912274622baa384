"""Gryphon on disk: a pattern that never changes, and sizes."""

import subprocess
import sys

import pytest
import torch
from small_batches import logits_of

from genomelm.models.classes import CLASSES
from genomelm.models.config import read_model_file
from genomelm.models.estimate import estimate
from genomelm.models.families import GryphonConfig, config_of
from genomelm.nn.bigbird import BigBirdAttention

PRINTED = """
import sys
from genomelm.models.loading import load_model
from genomelm.nn.bigbird import BigBirdAttention
for folder in sys.argv[1:]:
    model = load_model(folder)
    print([m.pattern.pattern_of(40) for m in model.modules() if isinstance(m, BigBirdAttention)])
"""


BACKBONE = {"layers": 2, "seed": 17, "random_blocks": 3}
OBJECTIVES = ["causal", "masked"]


def patterns(model) -> list:
    return [m.pattern.pattern_of(40) for m in model.modules() if isinstance(m, BigBirdAttention)]


def test_the_pattern_is_the_same_in_training_in_evaluation_and_in_another_process(make_model, tmp_path) -> None:
    expected = []
    for objective in OBJECTIVES:
        model = make_model(family="gryphon", objective=objective, backbone=BACKBONE)
        expected.append(patterns(model))
        assert expected[-1][0] != expected[-1][1]
        torch.manual_seed(99)
        assert patterns(model.train()) == expected[-1]
        model.save_pretrained(tmp_path / objective)
    folders = [str(tmp_path / objective) for objective in OBJECTIVES]
    printed = subprocess.run([sys.executable, "-c", PRINTED, *folders], capture_output=True, text=True, check=True)
    assert printed.stdout.splitlines() == [str(found) for found in expected]


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_pattern_is_saved_with_the_model(make_model, records, tmp_path, objective: str) -> None:
    model = make_model(family="gryphon", objective=objective, backbone=BACKBONE)
    model.save_pretrained(tmp_path)
    again = CLASSES["genomelm_gryphon", model.head_kind].from_pretrained(tmp_path)
    assert again.config.backbone["seed"] == 17
    assert patterns(again) == patterns(model)
    record = records(150)[0]
    assert torch.equal(logits_of(again.eval(), [record]), logits_of(model.eval(), [record]))
    other = make_model(family="gryphon", objective=objective, backbone={**BACKBONE, "seed": 18})
    other.load_state_dict(model.state_dict())
    assert not torch.equal(logits_of(other, [record]), logits_of(model, [record]))


@pytest.mark.parametrize("name", ["small", "base", "large"])
def test_a_size_by_name_is_its_model_file(name: str) -> None:
    made = getattr(GryphonConfig, name)
    assert made().to_dict() == config_of(read_model_file(f"configs/models/gryphon_{name}.yaml")).to_dict()
    assert made("masked").shell == {**made().shell, "objective": "masked", "window": 3}


def test_a_model_file_is_estimated() -> None:
    found = estimate(GryphonConfig.small(), 2, 8192, 8, torch.bfloat16)
    without = found.parameters - found.tables
    assert 6 * without / 8 < found.counts.step / found.bases < 4 * 6 * without / 8
    assert found.memory > 16 * found.parameters
    patches, blocks = 8192 // 8 + 1, 17
    pairs = patches * (patches + 1) / 2
    seven = sum(min(7, i + 1) for i in range(blocks)) * 64**2  # no fewer are read: the last block has one patch
    assert 1 - seven / pairs < found.sparsity < 0.45
