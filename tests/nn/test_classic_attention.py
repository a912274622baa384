"""The classic control's attention is plain dense attention; its MLP and the gated ones are what their names say."""

import pytest
import torch
import torch.nn.functional as F

from genomelm.errors import UsageError
from genomelm.nn.attention import ClassicAttention
from genomelm.nn.attention.reference import attention as reference
from genomelm.nn.mlp import GatedMLP, ReluMLP
from genomelm.nn.rows import Rows


def rows_of(*lengths: int) -> Rows:
    sizes = (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]) * 8
    return Rows(sizes.cumsum(1) - sizes, sizes)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("length", [1, 2, 63, 64, 65])
def test_outputs_and_gradients_are_those_of_dense_attention(length: int, bidirectional: bool) -> None:
    torch.manual_seed(0)
    operator, rows = ClassicAttention(12, 3, bidirectional), rows_of(length, -(-length // 2), 0)
    x, upstream = torch.randn(3, length, 12, requires_grad=True), torch.randn(3, length, 12)
    query, key, value = operator.into(x).unflatten(-1, (3, 3, 4)).unbind(2)
    exact = reference(query, key, value, rows.present, 0, bidirectional).flatten(-2) @ operator.out.weight.double().T
    wanted = [x, *operator.parameters()]
    results = []
    for y in (operator(x, rows), exact):
        results.append((y, *torch.autograd.grad((y * upstream).sum(), wanted, materialize_grads=True)))
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours.double(), theirs.double(), atol=1e-5, rtol=1e-5)
    assert results[0][0][2].abs().sum() == 0  # a record without rows


def test_it_cannot_decode_and_heads_must_split_the_width() -> None:
    operator, rows = ClassicAttention(12, 3), rows_of(4)
    with pytest.raises(UsageError, match=r"keeps no keys and values: use one whose backbone\.classic is false"):
        operator.initial_state(1)
    with pytest.raises(UsageError, match="keeps no keys"):
        operator.extend(torch.zeros(1, 4, 12), rows, None)
    with pytest.raises(UsageError, match="does not split into 5 attention heads"):
        ClassicAttention(12, 5)


def test_mlps_are_what_their_names_say() -> None:
    torch.manual_seed(0)
    x = torch.randn(3, 8)
    for kind, gate in (("swiglu", F.silu), ("geglu", F.gelu)):
        mlp = GatedMLP(8, 20, kind)
        first, second = (x @ mlp.up.weight.T).chunk(2, -1)
        torch.testing.assert_close(mlp(x), (gate(first) * second) @ mlp.down.weight.T)
    mlp = ReluMLP(8, 20)
    up = x @ mlp.up.weight.T + mlp.up.bias
    torch.testing.assert_close(mlp(x), up.clamp_min(0) @ mlp.down.weight.T + mlp.down.bias)
