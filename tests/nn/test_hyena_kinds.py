import pytest
import torch

from genomelm.errors import UsageError
from genomelm.models.state import tensors
from genomelm.nn.fftconv import reference
from genomelm.nn.hyena import HyenaOperator, filter
from genomelm.nn.hyena.reference import distance_decay, modal_conv
from genomelm.nn.rows import Rows

KINDS = {
    "short": {"kind": "short", "taps": 7},
    "medium": {"kind": "medium", "taps": 40},
    "implicit": {"kind": "implicit"},
    "modal": {"kind": "modal", "poles": 3},
}
OPTIONS = {
    "order 3": {"order": 3},
    "groups": {"groups": 4},
    "output gate": {"output_gate": True},
    "base distance": {"target_bases": 300},
    "all": {"order": 3, "groups": 2, "output_gate": True, "target_bases": 300},
}
each_kind = pytest.mark.parametrize("kind", KINDS)
each_option = pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
with_all_or_none = pytest.mark.parametrize("options", [{}, OPTIONS["all"]], ids=["none", "all"])
both_ways = pytest.mark.parametrize("bidirectional", [False, True])


def make(kind: str, bidirectional: bool = False, **options) -> HyenaOperator:
    torch.manual_seed(0)
    operator = HyenaOperator(8, target_length=16, bidirectional=bidirectional, **KINDS[kind], **options)
    torch.nn.init.normal_(operator.short.bias)
    return operator


def rows_of(*lengths: int) -> Rows:
    """Rows of so many patches of 1 to 20 bases each, padded to the longest."""
    sizes = torch.randint(1, 21, (len(lengths), max(lengths)), generator=torch.Generator().manual_seed(0))
    sizes = sizes * (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None])
    return Rows(sizes.cumsum(1) - sizes, sizes)


def near(ours: torch.Tensor, exact: torch.Tensor, share: float = 1e-5) -> None:
    assert (ours - exact).abs().max() <= share * exact.double().pow(2).mean().sqrt() + 1e-6


def equation(operator: HyenaOperator, x: torch.Tensor, rows: Rows) -> torch.Tensor:
    """The operator with direct sums and recurrences of reference.py, in float64 after the projections."""
    d, stages = x.shape[-1], operator.order - 1
    streams = operator.into(x).double()
    weight, bias = operator.short.weight.double()[:, 0, 0], operator.short.bias.double()
    ahead = 1 if operator.ahead else 0
    padded = torch.nn.functional.pad(streams, (0, 0, 2 - ahead, ahead))
    streams = bias + sum(weight[:, tap] * padded[:, tap : tap + x.shape[1]] for tap in range(3))
    *gates, value = streams.split(d, -1)
    name = "filter" if operator.kind in ("implicit", "modal") else "taps"
    filters = [module[name](x.shape[1]) for module in (operator._modules, operator.ahead) if name in module]
    for n in range(stages):
        value = value * gates[n + 1]
        own = [part[..., n::stages].repeat_interleave(operator.share, -1) for part in filters]
        if operator.kind == "modal":
            mixed = modal_conv(value, *own[0])
            if len(own) > 1:
                mixed = mixed + modal_conv(value.flip(1), *own[1], lag_zero=False).flip(1)
        else:
            mixed = reference.two_sided_conv(value, own[0], own[1] if len(own) > 1 else own[0][:1])
        for side, module in enumerate(operator.distance):
            decay, channels = module["filter"], slice(n * d, (n + 1) * d)
            mirror = (lambda t: t.flip(1)) if side else (lambda t: t)
            places = -rows.places.flip(1) if side else rows.places
            reached = distance_decay(mirror(value), places, decay.log_rate.exp(), decay.amplitude[:, channels])
            mixed = mixed + mirror(reached) - side * decay.amplitude[:, channels].double().sum(0) * value
        value = mixed + operator.skip[n].double() * value
    y = torch.nn.functional.linear(gates[0] * value, operator.out.weight.double())
    return y if operator.gate is None else y * torch.sigmoid(operator.gate(x).double())


@both_ways
@each_option
@each_kind
@pytest.mark.parametrize("length", [1, 130])
def test_every_kind_and_option_is_the_equation(kind: str, options: dict, bidirectional: bool, length: int) -> None:
    operator, rows = make(kind, bidirectional, **options), rows_of(length, length)
    x, upstream = torch.randn(2, length, 8, requires_grad=True), torch.randn(2, length, 8)
    wanted, results = [x, *operator.parameters()], []
    for y in (operator(x, rows), equation(operator, x, rows)):
        results.append((y, *torch.autograd.grad((y * upstream).sum(), wanted, materialize_grads=True)))
    for ours, exact in zip(*results, strict=True):
        near(ours, exact, 5e-5)


@pytest.mark.parametrize("cuts", [[], [1, 2, 3, 70, 71, 190], list(range(1, 200))], ids=["whole", "cuts", "rows"])
@with_all_or_none
@each_kind
@torch.no_grad()
def test_rows_from_a_state_are_those_of_all_at_once(kind: str, options: dict, cuts: list[int]) -> None:
    operator, rows = make(kind, **options), rows_of(200, 200)
    x = torch.randn(2, 200, 8)
    whole = operator(x, rows)
    state, parts = operator.initial_state(2), []
    for first, last in zip([0, *cuts], [*cuts, 200], strict=True):
        part = Rows(rows.places[:, first:last], rows.lengths[:, first:last])
        y, state = operator.extend(x[:, first:last], part, state)
        parts.append(y)
    near(torch.cat(parts, 1), whole)
    assert operator.constant_state == (kind != "implicit")
    size = sum(leaf.untyped_storage().nbytes() for leaf in tensors(state))
    assert (size < 200 * 8 * 4 * 2) == operator.constant_state


@with_all_or_none
@each_kind
def test_no_kind_lets_a_later_row_reach_an_earlier_one(kind: str, options: dict) -> None:
    operator, rows = make(kind, **options), rows_of(150)
    x = torch.randn(1, 150, 8)
    with torch.no_grad():
        y = operator(x, rows)
        for row in (0, 63, 64, 100):
            other = x.clone()
            other[:, row + 1 :] = torch.randn(1, 149 - row, 8)
            change = (operator(other, rows) - y)[0].abs().amax(-1)
            assert change[: row + 1].max() <= (1e-5 if kind == "implicit" else 0)
            assert change[row + 1] > 1e-4


@both_ways
@with_all_or_none
@each_kind
def test_a_padded_row_of_any_kind_is_the_row_alone(kind: str, options: dict, bidirectional: bool) -> None:
    operator, lengths = make(kind, bidirectional, **options), (1, 2, 65, 150)
    rows = rows_of(*lengths)
    # The rounding of a causal FFT is that of its largest row: padding of the size of rows leaves them alone.
    loud = 1.0 if kind == "implicit" and not bidirectional else 50.0
    x = torch.randn(4, 150, 8).masked_fill(~rows.present[..., None], loud).requires_grad_()
    y = operator(x, rows)
    for row, length in enumerate(lengths):
        part = Rows(rows.places[row : row + 1, :length], rows.lengths[row : row + 1, :length])
        near(y[row, :length], operator(x[row : row + 1, :length].detach(), part)[0], 5e-5)
    if kind != "implicit" or bidirectional:
        assert torch.autograd.grad(y[rows.present].sum(), x)[0][~rows.present].abs().sum() == 0


@both_ways
def test_all_kinds_agree_on_what_a_lag_is(bidirectional: bool) -> None:
    """The same taps, put into a filter of each kind by hand, make the same operator."""
    outputs, x = [], torch.randn(2, 90, 8)
    shared = {name: value for name, value in make("short", bidirectional).state_dict().items() if "taps" not in name}
    for kind in KINDS:
        operator = make(kind, bidirectional)
        operator.load_state_dict(shared, strict=False)
        for n, part in enumerate([operator._behind, *operator.ahead.values()]):
            rate, size = 3.0 + n, 2.0 - n  # e-folds so short that seven taps hold them
            lag = torch.arange(90)[:, None].expand(-1, 8)
            if kind == "modal":
                rates, sizes = torch.full((3, 8), rate), torch.zeros(3, 8)
                sizes[0] = size
                part.forward = lambda length, made=torch.stack([rates, sizes]): made
            else:
                taps = size * torch.exp(-rate * lag)
                part.forward = lambda length, made=taps, k=KINDS[kind].get("taps", 90): made[: min(length, k)]
        outputs.append(operator(x))
    for other in outputs[1:]:
        torch.testing.assert_close(other, outputs[0], atol=1e-5, rtol=0)


@both_ways
@with_all_or_none
@each_kind
def test_bf16_stays_within_three_percent_of_float32(kind: str, options: dict, bidirectional: bool) -> None:
    """Tolerance: root mean square of the difference at most 3 % of the output's own."""
    operator, rows = make(kind, bidirectional, **options), rows_of(150, 90)
    x, present = torch.randn(2, 150, 8), rows.present
    with torch.no_grad():
        exact = operator(x, rows)[present]
        with torch.autocast("cpu", torch.bfloat16):
            error = (operator(x, rows) - exact.new_zeros(2, 150, 8).masked_scatter(present[..., None], exact))[present]
            if not bidirectional:
                extended, _ = operator.extend(x[:1], rows_of(150), operator.initial_state(1))
                near(extended[0].float(), operator(x[:1], rows_of(150))[0].float(), 0.05)
    assert 0 < error.pow(2).mean().sqrt() <= 0.03 * exact.pow(2).mean().sqrt()


@each_kind
def test_nothing_is_kept_from_the_first_length(kind: str) -> None:
    operator, x = make(kind), torch.randn(1, 500, 8)
    before = operator(x[:, :9])
    long = operator(x)
    assert torch.equal(operator(x[:, :9]), before)
    assert torch.equal(make(kind)(x), long)


@each_kind
def test_channels_of_a_group_share_a_filter(kind: str) -> None:
    operator = make(kind, groups=2)
    parts = operator._by_stage(operator._behind(30))[0]
    for first in (0, 4):
        assert (parts[..., first : first + 4] == parts[..., first : first + 1]).all()
    assert not torch.equal(parts[..., 0], parts[..., 4])
    assert sum(p.numel() for p in operator.parameters()) < sum(p.numel() for p in make(kind).parameters())


def test_inner_states_of_a_long_filter_are_worked_out_again(monkeypatch) -> None:
    operator, sizes = make("implicit"), []
    for kept in (filter.KEPT, 50):
        monkeypatch.setattr(filter, "KEPT", kept)
        held = {}

        def keep(tensor: torch.Tensor, held=held) -> torch.Tensor:
            held[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            taps = operator.filter(200)
        gradients = torch.autograd.grad(taps.square().sum(), list(operator.filter.parameters()))
        sizes.append((sum(held.values()), taps, gradients))
    assert sizes[1][0] < sizes[0][0] / 10
    assert torch.equal(sizes[0][1], sizes[1][1])
    for ours, theirs in zip(sizes[1][2], sizes[0][2], strict=True):
        torch.testing.assert_close(ours, theirs)


@both_ways
@each_kind
def test_slow_parameters_are_those_of_implicit_and_modal_filters_and_decays(kind: str, bidirectional: bool) -> None:
    stack = torch.nn.ModuleList([make(kind, bidirectional, target_bases=100)])
    slow = {name for name, _ in stack.named_parameters() if ".filter." in name}
    wanted = {name for name, _ in stack.named_parameters() if "distance" in name}
    if kind in ("implicit", "modal"):
        wanted |= {name for name, _ in stack.named_parameters() if name.startswith(("0.filter", "0.ahead"))}
    assert slow == wanted
    assert slow


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(UsageError, match="does not split into 3 groups"):
        make("modal", groups=3)
    with pytest.raises(UsageError, match="bidirectional"):
        make("short", bidirectional=True).initial_state(1)
