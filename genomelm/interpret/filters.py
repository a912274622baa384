"""Filters that a model learned, as they are: what its convolutions, state spaces and sparse patterns look at.

They are no attribution: they say what an operator could use, not what any sequence made it use. A list of many numbers
is thinned so that the whole can be drawn: channels and states evenly, lags evenly on a logarithmic scale.
"""

import numpy as np
import torch

from genomelm.models.model import GenomeModel
from genomelm.nn.bigbird import BigBirdAttention
from genomelm.nn.hyena.operator import HyenaOperator
from genomelm.nn.motif import MotifBranch
from genomelm.nn.s5.portable import hold, powers
from genomelm.nn.s5.space import StateSpace

LONGEST = 1024
"""Lags that a filter is worked out for."""
POINTS = 64
"""Lags of these that are kept."""
CHANNELS = 16
STATES = 64
BLOCKS = 24
HEADS = 4


def learned(model: GenomeModel) -> dict:
    """Return the filters of a model as plain JSON.

    Returns:
        {"note", "operators": [...]}, an operator a dict with "name" (in the model), "kind" and, by kind:
        hyena: "form" (implicit, modal, short, medium), "lags" (k,) in rows of the backbone, "taps": stage -> "behind"
            and perhaps "ahead", (channels, k), "channels": their numbers (of groups, where channels share a filter).
            A decay over bases that the operator may add is not in them.
        s5: "poles": {"radius", "angle" (radians a row), "half_life" (rows)} (states,), "lags", "kernel" (channels, k):
            what a unit impulse into a channel gives in the same channel, without the direct term; "kernel_ahead".
            Irregular steps: for patches of eight bases.
        bigbird: "block" (patches), "blocks", "reads": head -> query block -> key blocks that it reads.
        motif: "filters" {letter: (m, taps)} along the letters themselves, in the model's own unit.
    """
    found = []
    with torch.no_grad():
        for name, module in model.named_modules():
            for kind, of in (
                (HyenaOperator, _hyena),
                (StateSpace, _s5),
                (BigBirdAttention, _bigbird),
                (MotifBranch, _motif),
            ):
                if isinstance(module, kind):
                    found.append({"name": name, **of(module)})
    note = "Learned filters: what the operators could use, not an attribution of any sequence."
    return {"note": note, "operators": found}


def _thinned(count: int, most: int) -> list[int]:
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int)).tolist()


def _lags(count: int) -> list[int]:
    return np.unique(np.geomspace(1, count, min(count, POINTS)).round().astype(int) - 1).tolist()


def _rounded(values: torch.Tensor) -> list:
    """Return numbers with six digits as nested lists."""
    return [_rounded(value) if value.ndim else float(f"{value.item():.6g}") for value in values.detach().double().cpu()]


def _hyena(operator: HyenaOperator) -> dict:
    filters = {"behind": getattr(operator, operator.name)}
    if operator.ahead:
        filters["ahead"] = operator.ahead[operator.name]
    # A modal filter gives rates and amplitudes; its taps are the sums of its decays.
    taps = {side: _impulse(operator, module) for side, module in filters.items()}
    count, channels = taps["behind"].shape
    stages = operator.order - 1
    wide = channels // stages
    lags, shown = _lags(count), _thinned(wide, CHANNELS)
    return {
        "kind": "hyena",
        "form": operator.kind,
        "lags": lags,
        "channels": shown,
        "taps": [
            {side: _rounded(t[lags][:, [c * stages + stage for c in shown]].T) for side, t in taps.items()}
            for stage in range(stages)
        ],
    }


def _impulse(operator: HyenaOperator, module: torch.nn.Module) -> torch.Tensor:
    """Return the taps of lags 0, 1, ...: (k, channels)."""
    found = module(LONGEST)
    if operator.kind != "modal":
        return found
    rates, amplitudes = found
    lag = torch.arange(LONGEST, device=rates.device, dtype=torch.float64)[:, None, None]
    return (amplitudes.double() * torch.exp(-rates.double() * lag)).sum(1)


def _s5(space: StateSpace) -> dict:
    decay, turn, step = space.exponents()
    shown = _thinned(len(decay), STATES)
    channels = _thinned(space.into.shape[-1], CHANNELS)
    lags = _lags(LONGEST)
    size = torch.exp(decay)
    held = torch.view_as_complex(hold(decay, turn, step).double().contiguous())  # (n,)
    power = powers(decay, turn, LONGEST)[..., lags].double()
    power = torch.complex(power[:, 0], power[:, 1])  # (n, k)
    into = torch.complex(*space.into[..., channels].double().unbind(1)) * held[:, None]

    def kernel(out: torch.Tensor) -> list:
        reads = torch.complex(*out[..., channels].double().unbind(1))
        return _rounded(2 * torch.einsum("nc,nk->ck", reads * into, power).real)

    found = {
        "kind": "s5",
        "poles": {
            "radius": _rounded(size[shown]),
            "angle": _rounded(turn[shown]),
            "half_life": _rounded((-np.log(2) / decay)[shown]),
        },
        "lags": lags,
        "channels": channels,
        "kernel": kernel(space.out),
    }
    if space.out_ahead is not None:
        found["kernel_ahead"] = kernel(space.out_ahead)
    return found


def _bigbird(operator: BigBirdAttention) -> dict:
    device = operator.into.weight.device
    chosen, used = operator.pattern.key_blocks(BLOCKS, torch.tensor([BLOCKS], device=device))
    heads = range(min(HEADS, chosen.shape[1]))
    reads = [
        [
            sorted({int(k) for k, u in zip(chosen[0, head, block], used[0, 0, block], strict=True) if u})
            for block in range(BLOCKS)
        ]
        for head in heads
    ]
    if operator.pattern.bidirectional:
        for rows in reads:
            rows[: operator.pattern.sinks] = [list(range(BLOCKS))] * operator.pattern.sinks
    return {"kind": "bigbird", "block": operator.block, "blocks": BLOCKS, "reads": reads}


def _motif(branch: MotifBranch) -> dict:
    taps = branch.filters()
    letters = "ACGT" if len(taps) == 4 else [str(n) for n in range(len(taps))]
    return {"kind": "motif", "filters": {letter: _rounded(row) for letter, row in zip(letters, taps, strict=True)}}
