import copy

import pytest
import torch
import torch.nn.functional as F

from genomelm.errors import UsageError
from genomelm.nn.bigbird import BigBirdAttention, BlockPattern, portable, reference
from genomelm.nn.rows import Rows

FORMS = pytest.mark.parametrize("bidirectional", [False, True])
LENGTHS = pytest.mark.parametrize("patches", [1, 3, 4, 5, 23, 67])
BASE = 4096.0


def batch(patches: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return places (3, p) of patches of 1 to 19 bases, and present (3, p): a whole, a padded and an empty row."""
    generator = torch.Generator().manual_seed(patches)
    places = torch.randint(1, 20, (3, patches), generator=generator).cumsum(1)
    present = torch.ones(3, patches, dtype=torch.bool)
    present[1, (patches + 1) // 2 :] = False
    present[2] = False
    return places, present


def record(patches: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the whole row of `batch` alone: (1, p) each."""
    places, present = batch(patches)
    return places[:1], present[:1]


def operator(bidirectional: bool, block: int = 4, width: int = 16) -> BigBirdAttention:
    torch.manual_seed(0)
    return BigBirdAttention(width, 2, layer=1, block=block, bidirectional=bidirectional)


def mix(module: BigBirdAttention, x: torch.Tensor, places: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
    """Run the module; a real patch has one byte."""
    return module(x, Rows(places, present.long()))


def oracle(module: BigBirdAttention, x: torch.Tensor, places: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
    """The operator around the dense attention, in float64."""
    streams = F.linear(x.double(), module.into.weight.double()).chunk(3, -1)
    heads = [stream.unflatten(-1, (module.pattern.heads, -1)) for stream in streams]
    mixed = reference.attention(*heads, places, present, module.pattern, module.block, module.rotary_base)
    return F.linear(mixed.flatten(-2), module.out.weight.double())


@FORMS
@LENGTHS
@pytest.mark.parametrize("shape", [(3, 2, 2), (1, 0, 0), (2, 1, 3)])
def test_outputs_and_gradients_are_those_of_dense_attention_under_the_mask(
    bidirectional: bool, patches: int, shape: tuple[int, int, int]
) -> None:
    pattern = BlockPattern(2, 1, 0, *shape, bidirectional)
    places, present = batch(patches)
    generator = torch.Generator().manual_seed(0)
    draw = lambda: torch.randn(3, patches, 2, 6, generator=generator, dtype=torch.float64)
    inputs = [draw().requires_grad_() for _ in range(3)]
    upstream = draw()
    results = []
    for attention in (portable.attention, reference.attention):
        y = attention(*inputs, places, present, pattern, 4, BASE)
        results.append((y, *torch.autograd.grad((y * upstream).sum(), inputs)))
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-12, rtol=0)
    assert not results[0][0][~present].any()


@FORMS
@LENGTHS
def test_the_float32_operator_is_the_float64_oracle(bidirectional: bool, patches: int) -> None:
    module = operator(bidirectional)
    places, present = batch(patches)
    x = torch.randn(3, patches, 16, requires_grad=True)
    upstream = torch.randn(3, patches, 16)
    results = []
    for y in (mix(module, x, places, present), oracle(module, x, places, present)):
        results.append((y, *torch.autograd.grad((y * upstream).sum(), [x, *module.parameters()])))
    for ours, theirs in zip(*results, strict=True):
        scale = theirs.double().pow(2).mean().sqrt()
        assert (ours - theirs).abs().max() <= 1e-5 * scale + 1e-6


@FORMS
def test_patches_missing_inside_a_record_are_not_read(bidirectional: bool) -> None:
    pattern = BlockPattern(2, 0, bidirectional=bidirectional)
    generator = torch.Generator().manual_seed(0)
    query, key, value = torch.randn(3, 1, 70, 2, 6, generator=generator, dtype=torch.float64)
    places, _ = record(70)
    present = torch.rand(1, 70, generator=generator) < 0.5
    present[0, 8:24] = False  # a whole group
    ours, theirs = (
        form.attention(query, key, value, places, present, pattern, 4, BASE) for form in (portable, reference)
    )
    torch.testing.assert_close(ours, theirs, atol=1e-12, rtol=0)


@FORMS
def test_empty_rows_are_zero_and_pass_no_gradient(bidirectional: bool) -> None:
    module = operator(bidirectional)
    places, present = batch(21)
    x = torch.randn(3, 21, 16, requires_grad=True)
    y = mix(module, x, places, present)
    assert not y[~present].any()
    y.sum().backward()
    assert not x.grad[~present].any()
    assert x.grad[present].abs().amax(-1).min() > 0
    assert all(parameter.grad.isfinite().all() for parameter in module.parameters())


@FORMS
def test_training_and_evaluation_are_the_same_function_also_after_reloading(bidirectional: bool) -> None:
    module = operator(bidirectional)
    places, present = batch(70)
    x = torch.randn(3, 70, 16)
    y = mix(module.train(), x, places, present)
    assert torch.equal(mix(module.eval(), x, places, present), y)
    assert list(module.state_dict()) == ["into.weight", "out.weight"]
    other = BigBirdAttention(16, 2, layer=1, block=4, bidirectional=bidirectional)
    other.load_state_dict(module.state_dict())
    assert torch.equal(mix(other, x, places, present), y)
    assert torch.equal(mix(copy.deepcopy(module), x, places, present), y)


@FORMS
@pytest.mark.parametrize("patches", [1, 4, 9, 30, 64])
@pytest.mark.parametrize("more", [1, 3, 40])
def test_a_row_of_a_padded_batch_is_the_row_alone(bidirectional: bool, patches: int, more: int) -> None:
    module = operator(bidirectional)
    x = torch.randn(2, patches + more, 16)
    x[0, patches:] = torch.nan  # what stands in the padding is never read
    places = torch.arange(patches + more).expand(2, -1) * 7
    present = torch.ones(2, patches + more, dtype=torch.bool)
    present[0, patches:] = False
    alone = mix(module, x[:1, :patches], places[:1, :patches], present[:1, :patches])
    whole = mix(module, x, places, present)
    torch.testing.assert_close(whole[:1, :patches], alone, atol=1e-6, rtol=0)
    assert not whole[0, patches:].any()


def test_a_later_patch_never_reaches_an_earlier_one() -> None:
    module = operator(False)
    places, present = record(70)
    x = torch.randn(1, 70, 16)
    y = mix(module, x, places, present)
    for row in (0, 3, 4, 31, 68):
        other, moved, fewer = x.clone(), places.clone(), present.clone()
        other[:, row + 1 :] = torch.randn(1, 69 - row, 16)
        moved[:, row + 1 :] += 1000
        fewer[:, row + 2 :] = False
        for change in (mix(module, other, moved, present) - y, mix(module, other, moved, fewer) - y):
            assert change[0, : row + 1].abs().max() < 1e-6
            assert change[0, row + 1].abs().max() > 1e-4


def test_a_prefix_alone_is_the_prefix_of_the_whole() -> None:
    module = operator(False)
    places, present = record(300)
    x = torch.randn(1, 300, 16)
    whole = mix(module, x, places, present)
    for patches in (1, 4, 31, 64, 257):
        ours = mix(module, x[:, :patches], places[:, :patches], present[:, :patches])
        torch.testing.assert_close(ours, whole[:, :patches], atol=1e-6, rtol=0)


def influence(module: BigBirdAttention, row: int, patches: int) -> torch.Tensor:
    """How much each patch moves one row: (p,)."""
    x = torch.randn(1, patches, 16, requires_grad=True)
    y = mix(module, x, *record(patches))
    return torch.autograd.grad(y[0, row].square().sum(), x)[0][0].abs().amax(-1)


def test_a_causal_row_is_reached_by_every_closed_group_however_far() -> None:
    reached = influence(operator(False), row=127, patches=128)  # block 31: 28..29, 24..27, 16..23, 0..15
    assert reached[: 30 * 4].min() > 0


def test_global_blocks_read_everything_and_are_read_by_all() -> None:
    module = operator(True)
    assert influence(module, row=7, patches=200).min() > 0
    for row in (8, 100, 199):
        reached = influence(module, row, 200)
        assert reached[:8].min() > 0
        assert (reached == 0).sum() >= (50 - 2 * 7) * 4  # two heads of at most seven blocks


@FORMS
def test_nothing_depends_on_the_lengths_seen_before(bidirectional: bool) -> None:
    x = torch.randn(1, 90, 16)
    places, present = record(90)
    results = []
    for order in ((5, 90, 33), (90, 33, 5), (33, 5, 90)):
        module = operator(bidirectional)
        results.append({n: mix(module, x[:, :n], places[:, :n], present[:, :n]) for n in order})
    for patches in (5, 33, 90):
        assert torch.equal(results[0][patches], results[1][patches])
        assert torch.equal(results[0][patches], results[2][patches])


@FORMS
def test_only_differences_of_places_count(bidirectional: bool) -> None:
    module = operator(bidirectional)
    places, present = batch(70)
    x = torch.randn(3, 70, 16)
    y = mix(module, x, places, present)
    torch.testing.assert_close(mix(module, x, places + 2**24 + 1, present), y, atol=1e-5, rtol=0)
    assert (mix(module, x, places * 2, present) - y).abs().max() > 1e-3


@FORMS
def test_memory_grows_as_the_number_of_patches(bidirectional: bool) -> None:
    module = operator(bidirectional)
    saved = {}
    for patches in (256, 2048):
        kept: dict[int, int] = {}

        def note(tensor: torch.Tensor, kept: dict[int, int] = kept) -> torch.Tensor:
            storage = tensor.untyped_storage()
            kept[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            mix(module, torch.randn(1, patches, 16), *record(patches))
        saved[patches] = sum(kept.values())
    assert saved[2048] < 8 * 1.25 * saved[256]  # a quarter more for three more levels of summaries


@FORMS
def test_bfloat16_autocast_stays_near_float32(bidirectional: bool) -> None:
    module = operator(bidirectional, width=64)
    places, present = batch(70)
    x = torch.randn(3, 70, 64)
    y = mix(module, x, places, present)
    with torch.autocast("cpu", torch.bfloat16):
        rough = mix(module, x, places, present)
    assert rough.dtype == torch.bfloat16
    assert (rough - y).square().mean().sqrt() < 0.02 * y.square().mean().sqrt()


def test_layers_and_seeds_give_different_functions() -> None:
    module = operator(True)
    places, present = record(100)
    x = torch.randn(1, 100, 16)
    y = mix(module, x, places, present)
    for layer, seed in ((0, 0), (1, 1)):
        other = BigBirdAttention(16, 2, layer, seed, block=4, bidirectional=True)
        other.load_state_dict(module.state_dict())
        assert (mix(other, x, places, present) - y).abs().max() > 1e-4


def test_a_width_that_does_not_split_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="18.*4 attention heads.*multiple of 8"):
        BigBirdAttention(18, 4, layer=0)
