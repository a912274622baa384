import pytest
import torch

from genomelm.nn import bridge
from genomelm.nn.bridge import reference

LENGTHS = [1, 2, 7, 15, 16, 17, 100]


def geometry(length: int) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Return patch ids (b, l) and newest (b, l) of two rows, the second one half padding, and p."""
    generator = torch.Generator().manual_seed(length)
    starts = torch.rand(2, length + 1, generator=generator) < 0.3
    starts[:, 0] = True
    order = starts.cumsum(1) - 1
    ids, newest = order[:, :-1].clone(), order[:, 1:] - 1
    ids[1, (length + 1) // 2 :] = -1
    count = int(ids.max()) + 1
    return ids, newest.clamp_max(count - 1), count


def assert_same(results: list[tuple[torch.Tensor, ...]]) -> None:
    for ours, theirs in zip(*results, strict=True):
        scale = theirs.double().pow(2).mean().sqrt()
        assert (ours - theirs).abs().max() <= 1e-5 * scale + 1e-6


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("spread", [1.0, 30.0])
def test_segment_attention_is_a_softmax_in_each_patch(length: int, spread: float) -> None:
    ids, _, count = geometry(length)
    torch.manual_seed(length)
    query, key, value = (torch.randn(2, n, 3, 4) for n in (count, length, length))
    inputs = [tensor.requires_grad_() for tensor in (query * spread, key, value)]
    upstream = torch.randn(2, count, 3, 4)
    results = []
    for attention in (bridge.segment_attention, reference.segment_attention):
        y = attention(*inputs, ids)
        results.append((y, *torch.autograd.grad((y * upstream).sum(), inputs)))
    if spread == 1:
        assert_same(results)
    else:  # logits of a hundred: float32 keeps them to about 1e-5, and the softmax passes that on
        torch.testing.assert_close(results[0][0].double(), results[1][0], atol=1e-4, rtol=0)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("window", [1, 2, 5])
def test_windowed_attention_reads_the_nearest_patches_and_the_null_patch(length: int, window: int) -> None:
    _, newest, count = geometry(length)
    torch.manual_seed(length)
    inputs = [torch.randn(2, n, 3, 4, requires_grad=True) for n in (length, 1 + count, 1 + count)]
    upstream = torch.randn(2, length, 3, 4)
    results = []
    for attention in (bridge.windowed_attention, reference.windowed_attention):
        y = attention(*inputs, newest, window)
        results.append((y, *torch.autograd.grad((y * upstream).sum(), inputs)))
    assert_same(results)


def test_patches_without_bytes_are_zeros_and_logits_of_any_size_stay_finite() -> None:
    ids = torch.tensor([[0, 0, 2, -1]])
    query, key, value = torch.full((1, 4, 1, 2), 1e4), torch.randn(1, 4, 1, 2) * 1e4, torch.randn(1, 4, 1, 2)
    y = bridge.segment_attention(query, key, value, ids)
    assert y.isfinite().all()
    assert (y[0, [1, 3]] == 0).all()
    assert torch.equal(y[0, 2], value[0, 2])


def test_padding_belongs_to_no_patch() -> None:
    ids, _, count = geometry(17)
    query, key, value = (torch.randn(2, n, 3, 4) for n in (count, 17, 17))
    other_key, other_value = key.clone(), value.clone()
    other_key[ids < 0], other_value[ids < 0] = 50.0, -50.0
    before = bridge.segment_attention(query, key, value, ids)
    assert torch.equal(bridge.segment_attention(query, other_key, other_value, ids), before)


def test_a_byte_before_the_first_closed_patch_reads_the_null_patch_only() -> None:
    query, key, value = (torch.randn(1, n, 2, 4) for n in (3, 6, 6))
    y = bridge.windowed_attention(query, key, value, torch.full((1, 3), -1), 2)
    torch.testing.assert_close(y, value[:, :1].expand(1, 3, 2, 4))


def test_bf16_stays_near_float32_over_a_patch_of_two_thousand_bytes() -> None:
    torch.manual_seed(0)
    query, key, value = torch.randn(1, 1, 2, 8), torch.randn(1, 2000, 2, 8), torch.randn(1, 2000, 2, 8) + 1
    ids = torch.zeros(1, 2000, dtype=torch.int64)
    exact = reference.segment_attention(query, key, value, ids)
    rough = bridge.segment_attention(query.bfloat16(), key.bfloat16(), value.bfloat16(), ids)
    assert (rough - exact).abs().max() < 0.03


@pytest.mark.parametrize("window", [1, 3])
def test_bytes_of_one_row_may_have_their_patches_in_several(window: int) -> None:
    """Two rows of bytes hold five records, each with a row of patches; one record has none."""
    row = torch.tensor([[0, 0, 0, 0, 1, 1, 1], [2, 2, 2, 3, 3, 4, 4]])
    ids = torch.tensor([[0, 0, 1, -1, 0, 1, 2], [0, 1, 1, -1, -1, 0, 0]])
    torch.manual_seed(0)
    query, key, value = (torch.randn(*shape, 2, 4, requires_grad=True) for shape in ((5, 3), (2, 7), (2, 7)))
    upstream, results = torch.randn(5, 3, 2, 4), []
    for attention in (bridge.segment_attention, reference.segment_attention):
        y = attention(query, key, value, ids, row)
        results.append((y, *torch.autograd.grad((y * upstream).sum(), (query, key, value))))
    assert_same(results)
    alone = bridge.segment_attention(query[1:2], key[:1, 4:], value[:1, 4:], ids[:1, 4:])
    torch.testing.assert_close(results[0][0][1:2], alone)
    query, key, value = (torch.randn(*shape, 2, 4, requires_grad=True) for shape in ((2, 7), (5, 4), (5, 4)))
    upstream, results = torch.randn(2, 7, 2, 4), []
    for attention in (bridge.windowed_attention, reference.windowed_attention):
        y = attention(query, key, value, ids - 1, window, row)
        results.append((y, *torch.autograd.grad((y * upstream).sum(), (query, key, value))))
    assert_same(results)
    alone = bridge.windowed_attention(query[:1, 4:], key[1:2], value[1:2], ids[:1, 4:] - 1, window)
    torch.testing.assert_close(results[0][0][:1, 4:], alone)
