import dataclasses

import pytest
import torch

from genomelm.bench import operator_speed
from genomelm.bench.operator_speed import line, measure_operators
from genomelm.errors import NumericalError

CPU = torch.device("cpu")


def test_every_operator_is_timed_and_held_against_float64() -> None:
    rows = list(measure_operators(CPU, 1, False, convolved=70, mixed=150))
    assert [row["name"] for row in rows[:2]] == ["forward", "forward and backward"]
    assert len({row["operator"] for row in rows}) == 5
    for row in rows:
        assert 0 < row["error"] <= row["tolerance"]
        assert row["path"] in ("torch.fft", "chunks", "torch")  # no CUDA kernel on a CPU
        assert row["operator"] in line(row)


def test_a_wrong_result_has_no_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    works = operator_speed._works

    def off(*given):
        for work in works(*given):
            yield dataclasses.replace(work, function=lambda *x, right=work.function: 1.01 * right(*x))

    monkeypatch.setattr(operator_speed, "_works", off)
    with pytest.raises(NumericalError, match="error against float64"):
        list(measure_operators(CPU, 1, False, convolved=70, mixed=150))
