import copy

import pytest
import torch
from torch import nn

from genomelm.nn.merge import AdaptiveTokenMerger, portable, reference
from genomelm.nn.merge.merger import GAIN
from genomelm.nn.merge.portable import CHUNK, Runs, sized_boundaries, smooth
from genomelm.nn.merge.ratio import OCTAVES, octave_targets, ratio_loss
from genomelm.nn.rows import Rows, bucket

D = 12
LENGTHS = [1, 2, 3, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 1, 97, CHUNK**2 + 1]
BOUNDS = [(1, 1), (1, 2), (1, 16), (2, 5), (3, 3), (4, 9), (1, 10_000)]


def make(seed: int = 0, mean: float = 2.0, least: int = 1, most: int = 16, taps: int = 4) -> AdaptiveTokenMerger:
    """A merger whose keys, taps and bias are not those of a fresh one."""
    torch.manual_seed(seed)
    merger = AdaptiveTokenMerger(D, mean, least, most, taps)
    nn.init.normal_(merger.key.weight, std=0.3)
    if taps:
        nn.init.normal_(merger.taps, std=0.2)
    nn.init.normal_(merger.bias, std=0.005)
    return merger


def rows_of(*counts: int, seed: int = 0, longest: int = 40) -> Rows:
    """Return the geometry of so many patches a row, of random lengths."""
    lengths = torch.randint(1, longest, (len(counts), max(counts)), generator=torch.Generator().manual_seed(seed))
    lengths = lengths.masked_fill(torch.arange(max(counts)) >= torch.tensor(counts)[:, None], 0)
    return Rows(lengths.cumsum(1) - lengths, lengths)


def mixing(z: torch.Tensor, rows: Rows) -> torch.Tensor:
    """A causal mixer that reads all that it is told: states, places and lengths, present or not."""
    told = torch.stack([rows.places.double(), rows.lengths.double()], -1).to(z.dtype).sin().sum(-1, keepdim=True)
    return ((z + told) * rows.present[..., None]).cumsum(1).tanh()


def near(ours: torch.Tensor, exact: torch.Tensor) -> bool:
    """Compare within 1e-5 of the RMS."""
    return bool((ours - exact).abs().max() <= 1e-5 * exact.double().pow(2).mean().sqrt() + 1e-6)


@pytest.mark.parametrize("bounds", BOUNDS)
@pytest.mark.parametrize("length", LENGTHS)
def test_boundaries_are_those_of_the_loop_over_rows(length: int, bounds: tuple[int, int]) -> None:
    for share in (0.0, 0.1, 0.5, 1.0):
        wanted = torch.rand(4, length, generator=torch.Generator().manual_seed(length)) < share
        found = sized_boundaries(wanted, *bounds)
        assert torch.equal(found, torch.stack([reference.sized_boundaries(row, *bounds) for row in wanted]))
        sizes = torch.diff(found[0].nonzero()[:, 0])
        assert found[:, 0].all()
        assert ((sizes >= bounds[0]) & (sizes <= bounds[1])).all()


@pytest.mark.parametrize("taps", [0, 4])
@pytest.mark.parametrize("length", LENGTHS)
def test_outputs_and_gradients_are_those_of_the_float64_loops(length: int, taps: int) -> None:
    merger, rows = make(taps=taps).eval(), rows_of(length, length)
    x, upstream = torch.randn(2, length, D, requires_grad=True), torch.randn(2, length, D)
    inner = nn.Linear(D, D)
    boundaries = (torch.rand(2, length) < 0.4) | (torch.arange(length) == 0)
    double = nn.Linear(D, D).double()
    double.load_state_dict(inner.state_dict())
    pairs = [(merger.query.weight,) * 2, (merger.key.weight,) * 2, (x, x), (inner.weight, double.weight)]
    if taps:
        pairs.append((merger.taps, merger.taps))
    ours, theirs = zip(*pairs, strict=True)
    y = merger(x, rows, lambda z, _: inner(z), boundaries)
    parts = (merger.query.weight, merger.key.weight, merger.taps, GAIN * merger.bias.detach())
    chances = [reference.boundary_probability(row, *parts) for row in x]
    exact = torch.stack([reference.merged(*each, double) for each in zip(x, chances, boundaries, strict=True)])
    assert near(merger.probability(x), torch.stack(chances))
    assert near(y, exact)
    found = torch.autograd.grad((y * upstream).sum(), ours, allow_unused=True)
    wanted = torch.autograd.grad((exact * upstream).sum(), theirs, allow_unused=True)
    for gradient, correct in zip(found, wanted, strict=True):
        if correct is None:  # a single row: its probability is 1 by rule
            assert length == 1
            assert gradient is None or not gradient.any()
        else:
            assert near(gradient, correct)


@pytest.mark.parametrize("length", LENGTHS)
def test_smoothing_is_the_recurrence_and_so_is_its_gradient(length: int) -> None:
    x, share = torch.randn(2, length, 3, dtype=torch.float64), torch.rand(2, length, dtype=torch.float64)
    share[0, ::5], share[1, ::7] = 1.0, 0.0  # forgets all; keeps all
    state, exact = torch.zeros(2, 3, dtype=torch.float64), []
    for m in range(length):
        state = share[:, m, None] * x[:, m] + (1 - share[:, m, None]) * state
        exact.append(state)
    exact = torch.stack(exact, 1)
    torch.testing.assert_close(smooth(x, share), exact, rtol=1e-12, atol=1e-12)
    assert near(smooth(x.float(), share.float()), exact)
    if length <= 2 * CHUNK + 1:
        assert torch.autograd.gradcheck(smooth, (x.requires_grad_(), share.requires_grad_()))


def test_gradients_are_finite_differences_with_boundaries_and_decisions_held() -> None:
    merger, rows = make().double().eval(), rows_of(40, 33)
    x = torch.randn(2, 40, D, dtype=torch.float64, requires_grad=True)
    upstream = torch.randn(2, 40, D, dtype=torch.float64).masked_fill(~rows.present[..., None], 0)
    boundaries = (torch.rand(2, 40) < 0.4) | (torch.arange(40) == 0)

    def outputs() -> torch.Tensor:
        return merger(x, rows, mixing, boundaries)

    def decided() -> torch.Tensor:
        chance = merger.probability(x)
        return torch.where(boundaries, chance, 1 - chance)[..., None]

    with torch.no_grad():
        held, before = outputs(), decided()
    parameters = [merger.query.weight, merger.key.weight, merger.taps, x]
    gradients = torch.autograd.grad((outputs() * upstream).sum(), parameters)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        direction = torch.randn_like(parameter)
        values = []
        for sign in (1, -1):
            with torch.no_grad():
                parameter += sign * 1e-6 * direction
                # The straight-through estimator: the copies take part in proportion to the decision's probability.
                values.append(((outputs() + (decided() - before) * held) * upstream).sum())
                parameter -= sign * 1e-6 * direction
        slope = (values[0] - values[1]) / 2e-6
        assert slope.abs() > 1e-3
        torch.testing.assert_close((gradient * direction).sum(), slope, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("bounds", [(1, 16), (2, 5)])
def test_no_row_moves_when_later_rows_and_their_boundaries_change(bounds: tuple[int, int]) -> None:
    merger, rows = make(least=bounds[0], most=bounds[1]).eval(), rows_of(60, 60)
    x = torch.randn(2, 60, D)
    told = []

    def inner(z: torch.Tensor, merged: Rows) -> torch.Tensor:
        told.append(merged)
        return mixing(z, merged)

    y, changed = merger(x, rows, inner), 0
    for cut in (1, 2, 17, 31, 59):
        other, lengths = x.clone(), rows.lengths.clone()
        other[:, cut:] = torch.randn(2, 60 - cut, D)
        lengths[:, cut:] = torch.randint(1, 40, (2, 60 - cut))
        moved = Rows(lengths.cumsum(1) - lengths, lengths)
        torch.testing.assert_close(merger(other, moved, inner)[:, :cut], y[:, :cut], rtol=1e-5, atol=1e-5)
        changed += told[-1].places.tolist() != told[0].places.tolist()
    assert changed == 5


def test_the_gradient_of_a_row_by_later_rows_is_zero() -> None:
    merger = make().eval()
    x = torch.randn(1, 40, D, requires_grad=True)
    for row in (0, 7, 20):
        gradient = torch.autograd.grad(merger(x, rows_of(40), mixing)[:, row].sum(), x)[0]
        assert not gradient[:, row + 1 :].any()
        assert gradient[:, : row + 1].any()


def test_a_row_of_a_batch_is_the_row_alone_whatever_the_padding_holds() -> None:
    merger, counts = make().eval(), (50, 1, 23, 38)
    rows, x = rows_of(*counts), torch.randn(4, 50, D)
    boundaries = (torch.rand(4, 50) < 0.4) | (torch.arange(50) == 0)
    whole = merger(x, rows, mixing, boundaries)
    for n, count in enumerate(counts):
        here = Rows(rows.places[n : n + 1, :count], rows.lengths[n : n + 1, :count])
        alone = merger(x[n : n + 1, :count], here, mixing, boundaries[n : n + 1, :count])
        torch.testing.assert_close(whole[n : n + 1, :count], alone, rtol=1e-5, atol=1e-6)


def test_buckets_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    merger, rows, x = make().eval(), rows_of(90, 31), torch.randn(2, 90, D)
    shapes = []

    def inner(z: torch.Tensor, merged: Rows) -> torch.Tensor:
        shapes.append(z.shape[1])
        return mixing(z, merged)

    exact = merger(x, rows, inner)
    monkeypatch.setattr(portable, "padded_count", lambda count, device: bucket(count) + 8)
    padded = merger(x, rows, inner)
    assert shapes[0] < shapes[1] <= 90
    torch.testing.assert_close(padded[rows.present], exact[rows.present], rtol=1e-5, atol=1e-6)


def test_every_coordinate_comes_back_from_bytes_through_patches_and_merged_patches() -> None:
    rows = rows_of(70, 1, 44)
    boundaries = (torch.rand(3, 70) < 0.4) | (torch.arange(70) == 0)
    merger, seen = make(taps=0).eval(), []
    nn.init.constant_(merger.bias, 1.0)  # every probability is 1: nothing is smoothed

    def identity(z: torch.Tensor, merged: Rows) -> torch.Tensor:
        seen.append(merged)
        assert not z[~merged.present].any()
        return z

    coordinates = 1 + rows.places.float()[..., None].expand(3, 70, D)
    back = merger(coordinates, rows, identity, boundaries)[..., 0].long() - 1
    (merged,) = seen
    for n in range(3):
        count = int(rows.present[n].sum())
        patch_of_byte = torch.repeat_interleave(torch.arange(count), rows.lengths[n, :count])
        run_start = back[n, :count]
        first = boundaries[n, :count].nonzero()[:, 0]
        assert run_start.unique().tolist() == rows.places[n, first].tolist() == merged.places[n, : len(first)].tolist()
        within = torch.cat([torch.arange(int(n_bytes)) for n_bytes in _bases_of_runs(rows, boundaries, n, first)])
        assert torch.equal(run_start[patch_of_byte] + within, torch.arange(len(patch_of_byte)))
        ends = merged.lengths[n].cumsum(0)[: len(first)]  # known at the boundary: up to the end of its patch
        assert torch.equal(ends, (rows.places + rows.lengths)[n, first])
        assert merged.present[n].sum() == len(first)
        assert not merged.lengths[n, len(first) :].any()


def _bases_of_runs(rows: Rows, boundaries: torch.Tensor, n: int, first: torch.Tensor) -> list[int]:
    last = [*first[1:].tolist(), int(rows.present[n].sum())]
    return [int(rows.lengths[n, a:b].sum()) for a, b in zip(first.tolist(), last, strict=True)]


def test_every_row_a_boundary_is_no_merging() -> None:
    merger, rows, x = make(taps=0).eval(), rows_of(40, 22), torch.randn(2, 40, D)
    nn.init.constant_(merger.bias, 1.0)
    assert torch.equal(merger(x, rows, mixing)[rows.present], mixing(x, rows)[rows.present])
    runs = Runs.from_boundaries(torch.ones(2, 40, dtype=torch.bool), rows)
    assert torch.equal(runs.merged.lengths, rows.lengths)
    assert torch.equal(runs.merged.places[rows.present], rows.places[rows.present])


def test_gradients_reach_queries_keys_and_taps_and_the_bias_hears_of_the_ratio_alone() -> None:
    merger, rows, x = make().train(), rows_of(60, 60), torch.randn(2, 60, D)
    task = merger(x, rows, mixing).pow(2).sum()
    for loss, bias_too in ((task, False), (rows.losses[0], True)):
        merger.zero_grad()
        loss.backward(retain_graph=True)
        for parameter in (merger.query.weight, merger.key.weight, merger.taps):
            assert (parameter.grad.flatten(1) if parameter.ndim > 1 else parameter.grad).abs().min(-1).values.max() > 0
        assert (merger.bias.grad is not None and merger.bias.grad.abs() > 0) == bias_too


def test_free_running_flips_between_precisions_are_few_and_only_at_one_half() -> None:
    torch.manual_seed(1)
    merger = AdaptiveTokenMerger(D, taps=0).eval()
    x = torch.randn(200, 50, D)
    # In most records every second row is made all but orthogonal to the row before: probabilities next to 1/2.
    before = x[50:, 0::2]
    along = (x[50:, 1::2] * before).sum(-1, keepdim=True) / before.square().sum(-1, keepdim=True)
    x[50:, 1::2] -= along * before * (1 + 1e-6 * torch.randn(150, 25, 1))
    single = merger.probability(x)
    exact = copy.deepcopy(merger).double().probability(x.double())
    flips = (single >= 0.5) != (exact >= 0.5)
    assert 100 < flips.sum() < 0.25 * flips.numel()
    assert not flips[:50].any()
    assert ((exact - 0.5).abs()[flips] < 1e-4).all()
    runs = [sized_boundaries(chance >= 0.5, 2, 9) for chance in (single, exact)]
    same = ~flips.any(1)
    assert torch.equal(runs[0][same], runs[1][same])
    assert not torch.equal(runs[0], runs[1])


def test_boundaries_are_decided_in_float32_under_autocast() -> None:
    merger, x = make().eval(), torch.randn(2, 300, D)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(merger.probability(x), merger.probability(x.clone()))
        low = merger.probability(x)
        y = merger(x.bfloat16(), rows_of(300, 300), lambda z, _: z)
    assert low.dtype == torch.float32
    assert torch.equal(low, merger.probability(x))
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(
        y.float(), merger(x.bfloat16().float(), rows_of(300, 300), lambda z, _: z), rtol=1e-2, atol=1e-2
    )


def test_targets_keep_their_mean_and_their_bounds_and_fall_with_length() -> None:
    generator = torch.Generator().manual_seed(0)
    for _ in range(200):
        count = torch.randint(0, 50, (OCTAVES,), generator=generator).double()
        count[3] += 1
        lowest, highest = 1 / 16, [1.0, 0.5][int(torch.rand(1, generator=generator) < 0.5)]
        share = lowest + (highest - lowest) * torch.rand((), generator=generator, dtype=torch.float64)
        targets = octave_targets(count, share, lowest, highest)
        assert ((targets * count).sum() / count.sum() - share).abs() < 1e-6
        used = targets[count > 0]
        assert used.min() >= lowest - 1e-6
        assert used.max() <= highest + 1e-6
        assert (used.diff() <= 1e-12).all()
    wide = octave_targets(torch.tensor([5.0, 0, 0, 5.0]), torch.tensor(0.4), 0.01, 1.0)
    assert wide[0] / wide[3] == pytest.approx(8**0.5)
    assert octave_targets(torch.tensor([0, 0, 9.0]), torch.tensor(0.3), 0.1, 1.0)[2] == pytest.approx(0.3)


def test_octaves_of_lengths_begin_at_powers_of_two() -> None:
    lengths = torch.tensor([[1, 7, 8, 15, 16, 31, 7, 8, 15, 16, 31]])
    chance = torch.full((1, 11), 0.5, requires_grad=True)
    boundaries = torch.arange(11)[None] % 3 == 0
    rows = Rows(lengths.cumsum(1) - lengths, lengths)
    (gradient,) = torch.autograd.grad(ratio_loss(boundaries, chance, torch.zeros(1), rows, 2.0), chance)
    seven, eight, fifteen, sixteen, last = gradient[0, 1:6].tolist()
    assert eight == fifteen
    assert sixteen == last
    assert len({seven, eight, sixteen}) == 3


def test_the_first_row_is_a_boundary_whatever_is_given() -> None:
    merger, rows, x = make().eval(), rows_of(20), torch.randn(1, 20, D)
    given = torch.arange(20)[None] % 6 == 3
    added = given | (torch.arange(20) == 0)
    assert torch.equal(merger(x, rows, mixing, given), merger(x, rows, mixing, added))


def test_the_ratio_loss_is_at_rest_at_its_target_and_pushes_towards_it() -> None:
    rows = Rows(torch.arange(101)[None] * 8, torch.full((1, 101), 8))
    bias = torch.zeros(1, requires_grad=True)

    def loss(every: int, chance: torch.Tensor) -> torch.Tensor:
        return ratio_loss(torch.arange(101)[None] % every == 0, chance, bias, rows, mean=4.0)

    for every, sign in ((2, 1), (8, -1)):  # too many boundaries: probabilities should fall; too few: rise
        chance = torch.full((1, 101), 0.25, requires_grad=True)
        gradients = torch.autograd.grad(loss(every, chance), [chance, bias])
        assert all((sign * gradient.sum()) > 0 for gradient in gradients)
        assert gradients[0][0, 0] == 0  # the first row is one by rule
        assert (gradients[0][0, 1:] * sign > 0).all()
    chance = torch.full((1, 101), 0.25, requires_grad=True)
    boundaries = torch.zeros(1, 101, dtype=torch.bool)
    boundaries[0, 1:25] = True
    boundaries[0, 0] = True
    value = ratio_loss(boundaries, chance, bias, rows, mean=101 / 25)
    gradients = torch.autograd.grad(value, [chance, bias])
    assert value.abs() < 0.01
    assert all(gradient.abs().max() < 1e-6 for gradient in gradients)


@pytest.mark.parametrize(("mean", "taps"), [(2.0, 4), (2.0, 0), (5.0, 4)])
def test_the_mean_comes_within_a_tenth_of_its_target_in_100_steps(mean: float, taps: int) -> None:
    torch.manual_seed(0)
    merger = AdaptiveTokenMerger(D, mean, taps=taps)
    inner = nn.Linear(D, D)
    optimizer = torch.optim.AdamW([*merger.parameters(), *inner.parameters()], lr=2e-3)
    ratios, generator = [], torch.Generator().manual_seed(0)
    for step in range(100):
        rows = rows_of(150, 120, seed=step)
        x = torch.randn(2, 150, D, generator=generator) + 0.5

        def mix(z: torch.Tensor, merged: Rows, rows: Rows = rows) -> torch.Tensor:
            ratios.append(float(rows.present.sum() / merged.present.sum()))
            return inner(z)

        error = (merger(x, rows, mix) - x.roll(1, 1))[rows.present].pow(2).mean()
        optimizer.zero_grad()
        (error + sum(rows.losses)).backward()
        optimizer.step()
    assert sum(ratios[80:]) / 20 == pytest.approx(mean, rel=0.1)


def test_short_patches_get_more_boundaries_where_the_states_tell_of_lengths() -> None:
    torch.manual_seed(0)
    merger, generator = AdaptiveTokenMerger(D, 2.0), torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(merger.parameters(), lr=4e-3)
    for step in range(100):
        rows = rows_of(150, 150, seed=step)
        x = 0.5 * torch.randn(2, 150, D, generator=generator)
        x[..., 0] += 1.5 * torch.log(rows.lengths) - 4
        merger(x, rows, lambda z, _: z)
        optimizer.zero_grad()
        rows.losses[0].backward()
        optimizer.step()
    boundaries = sized_boundaries(merger.probability(x) >= 0.5, 1, 16)
    assert boundaries[rows.lengths < 8].float().mean() > boundaries[rows.lengths >= 16].float().mean() + 0.1
