"""Laws of whole backbones in striped layouts."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genomelm.errors import UsageError
from genomelm.models.backbone import Backbone
from genomelm.models.config import HyenaConfig, PositionConfig, ShellConfig
from genomelm.models.hyena_glt import hyena_blocks
from genomelm.models.state import tensors
from genomelm.nn.rows import Rows

LAYOUTS = {
    "L": {"layout": "L"},
    "modal L": {"layout": "L", "long": "modal", "base_distance": True},
    "SMA": {"layout": "SMA", "window": 9},
    "SMLSMLA": {"layout": "SMLSMLA", "window": 20, "output_gate": True},
    "modal SMLSMLA": {"layout": "SMLSMLA", "long": "modal", "order": 3, "groups": 4},
    "LA, dense": {"layout": "LA", "window": 0},
}
CONSTANT = {"modal L", "SMA", "modal SMLSMLA"}
each_layout = pytest.mark.parametrize("name", LAYOUTS)
both_ways = pytest.mark.parametrize("objective", ["causal", "masked"])


def make(name: str, objective: str = "causal") -> Backbone:
    torch.manual_seed(0)
    options = LAYOUTS[name]
    config = HyenaConfig(layers=len(options["layout"]), hidden=24, poles=4, medium_taps=30, heads=2, **options)
    shell = ShellConfig(width=16, target_length=256, objective=objective)
    return Backbone(16, hyena_blocks(shell, PositionConfig(), config)).eval()


def rows_of(*lengths: int) -> Rows:
    sizes = torch.randint(1, 21, (len(lengths), max(lengths)), generator=torch.Generator().manual_seed(0))
    sizes = sizes * (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None])
    return Rows(sizes.cumsum(1) - sizes, sizes)


def near(ours: torch.Tensor, exact: torch.Tensor, share: float = 1e-5) -> None:
    assert (ours - exact).abs().max() <= share * exact.pow(2).mean().sqrt()


@each_layout
@settings(max_examples=12, deadline=None)
@given(cuts=st.sets(st.integers(1, 159), max_size=12), seed=st.integers(0, 2**31))
@torch.no_grad()
def test_random_cuts_are_all_rows_at_once(name: str, cuts: set[int], seed: int) -> None:
    backbone, rows = make(name), rows_of(160, 160)
    x = torch.randn(2, 160, 16, generator=torch.Generator().manual_seed(seed))
    state, parts = backbone.initial_state(2), []
    for first, last in zip([0, *sorted(cuts)], [*sorted(cuts), 160], strict=True):
        part = Rows(rows.places[:, first:last], rows.lengths[:, first:last])
        y, state = backbone.extend(x[:, first:last], part, state)
        parts.append(y)
    near(torch.cat(parts, 1), backbone(x, rows))


@each_layout
@torch.no_grad()
def test_single_rows_are_all_rows_at_once_and_the_state_stays_small_where_it_says_so(name: str) -> None:
    backbone, rows = make(name), rows_of(300)
    x, state, parts, sizes = torch.randn(1, 300, 16), backbone.initial_state(1), [], []
    for t in range(300):
        part = Rows(rows.places[:, t : t + 1], rows.lengths[:, t : t + 1])
        y, state = backbone.extend(x[:, t : t + 1], part, state)
        parts.append(y)
        sizes.append(sum(leaf.nbytes for leaf in tensors(state)))
    near(torch.cat(parts, 1), backbone(x, rows))
    assert backbone.constant_state == (name in CONSTANT)
    assert (sizes[-1] == sizes[0]) == backbone.constant_state


@each_layout
@torch.no_grad()
def test_a_later_row_never_reaches_an_earlier_one(name: str) -> None:
    backbone, rows, x = make(name), rows_of(150), torch.randn(1, 150, 16)
    y = backbone(x, rows)
    for row in (0, 63, 64, 130):
        other = x.clone()
        other[:, row + 1 :] = torch.randn(1, 149 - row, 16)
        change = (backbone(other, rows) - y)[0].abs().amax(-1)
        assert change[: row + 1].max() <= 1e-5
        assert change[row + 1] > 1e-3


@both_ways
@each_layout
def test_a_padded_row_is_the_row_alone_and_padding_has_no_gradient(name: str, objective: str) -> None:
    backbone, lengths = make(name, objective), (1, 2, 65, 150)
    rows = rows_of(*lengths)
    x = torch.randn(4, 150, 16, requires_grad=True)
    y = backbone(x, rows)
    for row, length in enumerate(lengths):
        part = Rows(rows.places[row : row + 1, :length], rows.lengths[row : row + 1, :length])
        near(y[row, :length], backbone(x[row : row + 1, :length].detach(), part)[0], 5e-5)
    gradients = torch.autograd.grad((y[rows.present] ** 3).sum(), [x, *backbone.parameters()])
    assert gradients[0][~rows.present].abs().max() <= 1e-3 * gradients[0].abs().max()
    assert all(gradient.abs().sum() > 0 for gradient in gradients)  # every parameter does something


@both_ways
@each_layout
@torch.no_grad()
def test_bf16_stays_within_three_percent_of_float32(name: str, objective: str) -> None:
    """Tolerance: root mean square of the difference at most 3 % of the output's own."""
    backbone, rows, x = make(name, objective), rows_of(150), torch.randn(1, 150, 16)
    exact = backbone(x, rows)
    with torch.autocast("cpu", torch.bfloat16):
        error = backbone(x, rows) - exact
    assert 0 < error.pow(2).mean().sqrt() <= 0.03 * exact.pow(2).mean().sqrt()


def test_the_layout_repeats_over_the_layers() -> None:
    shell, config = ShellConfig(width=16), HyenaConfig(layers=5, layout="SA", hidden=24)
    kinds = [type(block.mixer).__name__ for block in hyena_blocks(shell, PositionConfig(), config)]
    assert kinds == ["HyenaOperator", "SlidingAttention"] * 2 + ["HyenaOperator"]


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"layout": "SMX"}, r"backbone.layout 'SMX' has 'X', which is no operator: choose from S, M, L, A"),
        ({"layout": "sml"}, "has 's'"),
        ({"layout": ""}, "names no operator"),
        ({"layout": "SMLA"}, "LA would be left out; set layers to 4 or more"),
        ({"layout": "SM", "base_distance": True}, "backbone.base_distance is of operator L"),
        ({"layout": "SA", "long": "modal"}, "backbone.long: modal is of operator L"),
    ],
)
def test_layouts_that_cannot_be_are_refused_by_name(options: dict, fault: str) -> None:
    with pytest.raises(UsageError, match=fault):
        HyenaConfig(**options)


@each_layout
def test_a_masked_backbone_is_not_decoded(name: str) -> None:
    with pytest.raises(UsageError, match="needs all rows at once"):
        make(name, "masked").initial_state(1)
