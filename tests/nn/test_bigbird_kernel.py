"""The Triton form of BigBird attention, on a CUDA device."""

import pytest
import torch

from genomelm.nn.bigbird import BlockPattern, portable, reference
from genomelm.nn.bigbird.portable import path_of

pytestmark = pytest.mark.gpu

FORMS = pytest.mark.parametrize("bidirectional", [False, True])
BASE = 4096.0


def drawn(patches: int, width: int, heads: int = 2) -> tuple[list[torch.Tensor], torch.Tensor, torch.Tensor]:
    """Return query, key, value, a gradient (3, p, h, d), places, present (3, p): a whole, a padded, an empty row.

    Values lie in rows of three times their width, as the operator hands them in; queries and keys do not.
    """
    torch.manual_seed(patches)
    places = torch.randint(1, 20, (3, patches)).cumsum(1)
    present = torch.ones(3, patches, dtype=torch.bool)
    present[1, (patches + 1) // 2 :] = False
    present[2] = False
    query, key, upstream = (torch.randn(3, patches, heads, width) for _ in range(3))
    value = torch.randn(3, patches, 3, heads, width)[:, :, 2]
    return [query, key, value, upstream], places, present


def both(form, parts, places, present, pattern, block):
    """Return the output and the gradients of query, key and value."""
    inputs = [part.detach().requires_grad_() for part in parts[:3]]
    y = form(*inputs, places, present, pattern, block, BASE)
    return (y, *torch.autograd.grad((y * parts[3]).sum(), inputs))


@FORMS
@pytest.mark.parametrize("patches", [1, 15, 16, 17, 100, 333])
@pytest.mark.parametrize("shape", [(3, 2, 2), (1, 0, 0), (2, 1, 3)])
@pytest.mark.parametrize("width", [16, 64])
def test_outputs_and_gradients_are_those_of_dense_attention_in_float64(
    bidirectional: bool, patches: int, shape: tuple[int, int, int], width: int
) -> None:
    pattern = BlockPattern(2, 1, 0, *shape, bidirectional)
    parts, places, present = drawn(patches, width)
    there = [part.cuda() for part in parts]
    assert path_of(there[0], 16) == "triton"
    found = both(portable.attention, there, places.cuda(), present.cuda(), pattern, 16)
    wanted = both(reference.attention, [part.double() for part in parts], places, present, pattern, 16)
    for ours, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(ours.double().cpu(), theirs, atol=2e-5, rtol=2e-5)
    assert not found[0][~present.cuda()].any()


@FORMS
def test_long_records_are_those_of_the_gathered_form(bidirectional: bool) -> None:
    pattern = BlockPattern(2, 1, 0, 3, 2, 2, bidirectional)
    parts, places, present = drawn(2500, 64)
    parts, places, present = [part.cuda() for part in parts], places.cuda(), present.cuda()
    found = both(portable.attention, parts, places, present, pattern, 64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(portable, "TRITON", False)
        assert path_of(parts[0], 64) == "torch"
        wanted = both(portable.attention, parts, places, present, pattern, 64)
    for ours, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(ours, theirs, atol=5e-5, rtol=5e-5)


@FORMS
def test_bf16_is_within_its_rounding(bidirectional: bool) -> None:
    pattern = BlockPattern(2, 1, 0, 3, 2, 2, bidirectional)
    parts, places, present = drawn(700, 64)
    rough = [part.cuda().bfloat16() for part in parts]
    found = both(portable.attention, rough, places.cuda(), present.cuda(), pattern, 64)
    wanted = both(portable.attention, [part.float() for part in rough], places.cuda(), present.cuda(), pattern, 64)
    for ours, theirs in zip(found, wanted, strict=True):
        assert ours.dtype == torch.bfloat16
        assert (ours.float() - theirs).square().mean().sqrt() <= 0.01 * theirs.square().mean().sqrt()


@FORMS
def test_gradients_are_the_same_each_time(bidirectional: bool) -> None:
    pattern = BlockPattern(2, 1, 0, 3, 2, 2, bidirectional)
    parts, places, present = drawn(2000, 32)
    parts, places, present = [part.cuda() for part in parts], places.cuda(), present.cuda()
    first, second = (both(portable.attention, parts, places, present, pattern, 32) for _ in range(2))
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))


def test_there_may_be_more_records_than_a_grid_has_rows() -> None:
    pattern = BlockPattern(2, 1, 0, 3, 2, 2, True)
    parts = [torch.randn(35_000, 20, 2, 16, device="cuda") for _ in range(4)]
    places = torch.arange(20, device="cuda").expand(35_000, -1)
    found = both(portable.attention, parts, places, places >= 0, pattern, 16)
    wanted = both(portable.attention, [part[-2:] for part in parts], places[-2:], places[-2:] >= 0, pattern, 16)
    for ours, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(ours[-2:], theirs, atol=2e-5, rtol=2e-5)
