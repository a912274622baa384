"""Filters as they are: what is written is what an impulse through the operator gives."""

import json

import numpy as np
import pytest
import torch

from genomelm.interpret import filters
from genomelm.models.classes import CLASSES
from genomelm.models.families import GryphonConfig, HyenaGLTConfig
from genomelm.nn.bigbird import BigBirdAttention
from genomelm.nn.hyena.operator import HyenaOperator
from genomelm.nn.motif import MotifBranch
from genomelm.nn.s5.space import StateSpace


@pytest.mark.parametrize("config", [HyenaGLTConfig, GryphonConfig])
def test_every_operator_of_a_model_is_shown_and_small_enough_to_draw(config):
    torch.manual_seed(0)
    made = config.tiny()
    model = CLASSES[made.model_type, "causal_lm"](made, None)
    found = filters.learned(model)
    kinds = {HyenaOperator: "hyena", StateSpace: "s5", BigBirdAttention: "bigbird", MotifBranch: "motif"}
    expected = [(n, kinds[type(m)]) for n, m in model.named_modules() if type(m) in kinds]
    assert [(row["name"], row["kind"]) for row in found["operators"]] == expected
    assert expected
    assert "not an attribution" in found["note"]
    assert len(json.dumps(found, allow_nan=False)) < 100_000 * len(expected)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_the_kernel_of_a_state_space_is_its_answer_to_an_impulse(bidirectional):
    torch.manual_seed(1)
    space = StateSpace(5, 8, 256, bidirectional)
    found = filters._s5(space)
    rows, at = 101, 50
    for place, channel in enumerate(found["channels"]):
        impulse = torch.zeros(1, rows, 5)
        impulse[0, at, channel] = 1
        with torch.no_grad():
            answer = (space(impulse)[0] - impulse * space.skip)[0, :, channel].double().numpy()
        lags = [lag for lag in found["lags"] if lag <= 50]
        kernel = np.array(found["kernel"][place][: len(lags)])
        np.testing.assert_allclose(answer[[at + lag for lag in lags]], kernel, atol=1e-4)
        if bidirectional:
            ahead = np.array(found["kernel_ahead"][place][: len(lags)])
            np.testing.assert_allclose(answer[[at - lag for lag in lags[1:]]], ahead[1:], atol=1e-4)
    assert all(0 < radius < 1 for radius in found["poles"]["radius"])
    half = np.array(found["poles"]["half_life"])
    np.testing.assert_allclose(np.array(found["poles"]["radius"]) ** half, 0.5, atol=1e-3)


@pytest.mark.parametrize("kind", ["implicit", "modal", "short", "medium"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_the_taps_of_a_hyena_filter_are_its_answer_to_an_impulse(kind, bidirectional):
    torch.manual_seed(2)
    operator = HyenaOperator(6, 3, 64, bidirectional, kind, groups=3)
    found = filters._hyena(operator)
    rows, at = 61, 30
    signal = torch.zeros(1, rows, 6)
    signal[0, at] = 1
    behind = operator._by_stage(operator._behind(rows))
    ahead = operator._by_stage(operator.ahead[operator.name](rows)) if bidirectional else [None] * 2
    for stage, taps in enumerate(found["taps"]):
        with torch.no_grad():
            answer = operator.form.convolve(signal, behind[stage], ahead[stage])[0].numpy()
        lags = [lag for lag in found["lags"] if 0 < lag <= 30]
        for place, group in enumerate(found["channels"]):
            kept = [found["lags"].index(lag) for lag in lags]
            expected = np.array(taps["behind"][place])[kept]
            np.testing.assert_allclose(answer[[at + lag for lag in lags], 2 * group], expected, atol=1e-4)
            if bidirectional:
                expected = np.array(taps["ahead"][place])[kept]
                np.testing.assert_allclose(answer[[at - lag for lag in lags], 2 * group], expected, atol=1e-4)


def test_causal_blocks_read_themselves_and_none_that_come_later():
    found = filters._bigbird(BigBirdAttention(16, 2, 0, block=8))
    for head in found["reads"]:
        for block, keys in enumerate(head):
            assert block in keys
            assert max(keys) == block
            assert 0 in keys
    assert found["reads"][0] != found["reads"][1]


def test_global_blocks_of_the_bidirectional_pattern_read_everything():
    found = filters._bigbird(BigBirdAttention(16, 2, 0, block=8, bidirectional=True))
    assert found["reads"][0][0] == list(range(found["blocks"]))
    assert any(max(keys) > block for block, keys in enumerate(found["reads"][0][3:], 3))


def test_motif_filters_of_a_letter_are_those_of_its_complement_mirrored():
    found = filters._motif(MotifBranch(8, "dna", 3, True))["filters"]
    assert list(found) == list("ACGT")
    np.testing.assert_allclose(found["A"], np.array(found["T"])[:, ::-1])
