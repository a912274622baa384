import dataclasses
import math

import torch

from genomelm.nn.positions import CIRCLE, PERIODS, phase_features, rotate, sinusoids
from genomelm.nn.rotary import turned
from genomelm.nn.rows import Rows

FAR = [0, 1, 10_000, 2**24 + 1, 10**9, 10**9 + 1, 2**40]


def products(query: torch.Tensor, key: torch.Tensor, i: int, j: int) -> torch.Tensor:
    """Inner products (h,) of one query at coordinate i and one key at j."""
    at = lambda x, place: rotate(x[None], torch.tensor([place]), 4096.0)[0]
    return (at(query, i) * at(key, j)).sum(-1)


def test_rotated_inner_products_depend_on_differences_only() -> None:
    torch.manual_seed(0)
    query, key = torch.randn(4, 16), torch.randn(4, 16)
    for difference in (0, 1, 7, 500):
        near = products(query, key, difference, 0)
        for far in FAR[:-1]:
            torch.testing.assert_close(products(query, key, far + difference, far), near, atol=1e-5, rtol=0)


def test_rotation_is_exact_at_far_coordinates() -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 1, 8)
    for far in (10**9, 10**9 + 1):
        y = rotate(x, torch.tensor([far]), 4096.0)[0, 0]
        for channel in range(4):
            rate = 4096.0 ** (-channel / 4)
            angle = math.fmod(far * rate, 2 * math.pi)
            a, b = float(x[0, 0, channel]), float(x[0, 0, channel + 4])
            assert abs(y[channel] - (a * math.cos(angle) - b * math.sin(angle))) < 1e-5
            assert abs(y[channel + 4] - (a * math.sin(angle) + b * math.cos(angle))) < 1e-5


def test_rotation_keeps_lengths_dtype_and_the_origin() -> None:
    x = torch.randn(3, 5, 2, 8)
    y = rotate(x, torch.arange(5).expand(3, 5), 4096.0)
    torch.testing.assert_close(y.norm(dim=-1), x.norm(dim=-1))
    assert torch.equal(y[:, 0], x[:, 0])
    assert rotate(x.bfloat16(), torch.arange(5).expand(3, 5), 4096.0).dtype == torch.bfloat16


def test_phases_of_far_coordinates_are_those_of_exact_arithmetic() -> None:
    features = phase_features(torch.tensor(FAR))
    assert features.shape == (len(FAR), 2 * len(PERIODS))
    for row, coordinate in zip(features, FAR, strict=True):
        for n, period in enumerate(PERIODS):
            halves = round(2 * period)  # every period is a whole number of half bases
            angle = 2 * math.pi * ((2 * coordinate) % halves) / halves
            assert abs(row[n] - math.sin(angle)) < 1e-5
            assert abs(row[n + len(PERIODS)] - math.cos(angle)) < 1e-5


def test_phases_return_after_each_period() -> None:
    near = phase_features(torch.arange(300))
    for n, period in enumerate((3, 8, 21, 21, 147)):
        columns = [n, n + len(PERIODS)]
        torch.testing.assert_close(near[period:, columns], near[:-period, columns], atol=1e-5, rtol=0)


def test_coordinates_that_rows_share_are_given_once_and_no_base_leaves_x_as_it_is() -> None:
    x, places = torch.randn(3, 5, 2, 8), torch.tensor([0, 4, 9, 100, 10**9])
    torch.testing.assert_close(rotate(x, places, 4096.0), rotate(x, places.expand(3, 5), 4096.0))
    assert rotate(x, places, None) is x


def test_sinusoids_are_those_of_exact_arithmetic_at_far_coordinates_too() -> None:
    places = torch.tensor(FAR)
    found = sinusoids(places, 8, 4096.0)
    for row, far in zip(found, FAR, strict=True):
        for channel in range(4):
            angle = math.fmod(far * 4096.0 ** (-channel / 4), 2 * math.pi)
            assert abs(row[channel] - math.sin(angle)) < 1e-5
            assert abs(row[channel + 4] - math.cos(angle)) < 1e-5


def test_phases_come_again_after_the_circle_and_not_before() -> None:
    places = torch.tensor([0, 5, CIRCLE - 1, CIRCLE, 10**9, 2**40 + 3])
    assert torch.equal(phase_features(places), phase_features(torch.arange(CIRCLE))[places % CIRCLE])
    for divisor in (2, 3, 7):  # 1176 = 2^3 * 3 * 7^2
        assert not torch.allclose(phase_features(torch.tensor([CIRCLE // divisor])), phase_features(torch.tensor([0])))


def test_rows_share_the_angles_of_their_places() -> None:
    rows = Rows(torch.tensor([[0, 4, 9]]), torch.tensor([[4, 5, 2]]))
    x = torch.randn(1, 3, 2, 8)
    assert torch.equal(turned(x, *rows.turn(4, 4096.0)), rotate(x, rows.places, 4096.0))
    assert rows.turn(4, 4096.0)[0] is rows.turn(4, 4096.0)[0]
    moved = dataclasses.replace(rows, places=rows.places + 1)
    assert torch.equal(turned(x, *moved.turn(4, 4096.0)), rotate(x, moved.places, 4096.0))


def test_the_gradient_of_a_rotation_is_the_rotation_back() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 5, 3, 8, dtype=torch.float64, requires_grad=True)
    places = torch.tensor([0, 4, 9, 100, 10**9])
    assert torch.autograd.gradcheck(lambda x: rotate(x, places, 4096.0), x)
    assert torch.autograd.gradgradcheck(lambda x: rotate(x, places, 4096.0).square(), x)
