import pytest
import torch

from genomelm.nn.hyena.distance import CHUNK, NEAREST, DistanceDecay
from genomelm.nn.hyena.reference import distance_decay as reference

LENGTHS = [1, 2, CHUNK - 1, CHUNK, CHUNK + 1, CHUNK**2 + 1]


def make(length: int) -> tuple[DistanceDecay, torch.Tensor, torch.Tensor]:
    """A decay over four channels, values (2, p, 4) and places of patches of up to 30 bases."""
    torch.manual_seed(length)
    values = torch.randn(2, length, 4, requires_grad=True)
    return DistanceDecay(4, 500), values, torch.randint(1, 30, (2, length)).cumsum(1)


@pytest.mark.parametrize("length", LENGTHS)
def test_outputs_and_gradients_are_those_of_the_direct_sum(length: int) -> None:
    decay, values, places = make(length)
    wanted, upstream = (values, *decay.parameters()), torch.randn(2, length, 4)
    exact = reference(values, places, decay.log_rate.exp(), decay.amplitude)
    results = []
    for y in (decay(values, places, slice(None))[0], exact):
        results.append((y, *torch.autograd.grad((y * upstream).sum(), wanted)))
    for ours, theirs in zip(*results, strict=True):
        assert (ours - theirs).abs().max() <= 1e-5 * theirs.pow(2).mean().sqrt() + 1e-6


@pytest.mark.parametrize("cuts", [[1, 2, 50, 199], list(range(1, 300))], ids=["cuts", "rows"])
def test_a_carried_state_is_the_whole(cuts: list[int]) -> None:
    decay, values, places = make(300)
    whole = decay(values, places, slice(None))[0]
    state, parts = decay.initial_state(values[:, :0]), []
    for first, last in zip([0, *cuts], [*cuts, 300], strict=True):
        y, state = decay(values[:, first:last], places[:, first:last], slice(None), state)
        parts.append(y)
    assert (torch.cat(parts, 1) - whole).abs().max() <= 1e-5 * whole.pow(2).mean().sqrt()


def test_far_places_neither_overflow_nor_vanish_beside_near_ones() -> None:
    decay, values, places = make(300)
    moved = decay(values, places + 3_000_000_000, slice(None))[0]
    assert torch.equal(moved, decay(values, places, slice(None))[0])
    gap = places + torch.where(torch.arange(300) >= 150, 10_000_000, 0)
    y = decay(values, gap, slice(None))[0]
    alone = decay(values[:, 150:], places[:, 150:], slice(None))[0]
    torch.testing.assert_close(y[:, 150:], alone, atol=1e-5, rtol=0)


def test_first_e_folds_reach_four_times_the_target() -> None:
    folds = DistanceDecay(4, 500).log_rate.detach().neg().exp()
    torch.testing.assert_close(folds[[0, -1]], torch.tensor([NEAREST, 2000.0]))
