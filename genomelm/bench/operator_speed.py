"""Speed and memory of single operators at the sizes that other implementations are quoted at."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from genomelm.bench.budget_cell import device_facts, peak_memory, wait
from genomelm.bench.timing import row, timed
from genomelm.errors import NumericalError
from genomelm.nn.bigbird import BlockPattern
from genomelm.nn.bigbird.portable import attention, path_of
from genomelm.nn.fftconv import causal_conv
from genomelm.nn.hyena.filter import ImplicitFilter
from genomelm.nn.hyena.modal import ModalFilter, modal_conv
from genomelm.nn.hyena.modal import path_of as modal_path
from genomelm.nn.s5 import S5Operator, reference
from genomelm.nn.s5.portable import path_of as s5_path
from genomelm.runtime import counter_seed

CHECKED = 4096
"""Rows whose outputs are held against float64."""


@dataclass(frozen=True)
class Work:
    """One operator with its inputs.

    Attributes:
        name: what runs.
        rows: of the text.
        inputs: (1, p, ...) each, in the dtype of the measurement.
        function: inputs -> (1, p, ...).
        oracle: inputs -> the first rows of that, or all, float64, another way.
        weights: what else has a gradient.
        tolerance: largest error by float64's root mean square.
        path: which form runs.
    """

    name: str
    rows: int
    inputs: tuple[torch.Tensor, ...]
    function: Callable[..., torch.Tensor]
    oracle: Callable[..., torch.Tensor]
    weights: tuple[torch.Tensor, ...]
    tolerance: float
    path: str


def measure_operators(
    device: torch.device, repeats: int, compiled: bool, convolved: int = 131_072, mixed: int = 65_536
) -> Iterator[dict]:
    """Yield two rows for each operator, of the forward pass and of forward and backward pass.

    Args:
        device: with nothing else on it.
        repeats: timings, of which the median counts.
        compiled: run through torch.compile.
        convolved, mixed: rows of the texts for the long convolutions, and for S5 and BigBird.
    """
    for work in _works(device, convolved, mixed):
        called = torch.compile(work.function, dynamic=False) if compiled else work.function
        error = _error(work, called)
        upstream = torch.ones_like(work.inputs[0][..., :1]).expand_as(called(*work.inputs))
        wanted = [x.requires_grad_() for x in (*work.inputs, *work.weights)]

        def forward(called=called, work=work) -> None:
            with torch.no_grad():
                called(*work.inputs)
            wait(device)

        def both(called=called, work=work, wanted=wanted, upstream=upstream) -> None:
            torch.autograd.grad(called(*work.inputs), wanted, upstream)
            wait(device)

        for name, function in (("forward", forward), ("forward and backward", both)):
            function()  # kernels are chosen and compiled
            if device.type == "cuda":
                torch.cuda.reset_peak_memory_stats(device)
            _, seconds = timed(function, repeats)
            facts = {**device_facts(device, str(work.inputs[0].dtype)[6:]), "compiled": compiled, "path": work.path}
            yield {
                "operator": work.name,
                **facts,
                "error": error,
                "tolerance": work.tolerance,
                **row(name, work.rows, seconds, peak_bytes=peak_memory(device)),
            }


def _error(work: Work, called: Callable[..., torch.Tensor]) -> float:
    """Return the largest error of the first rows against float64, by the latter's root mean square.

    Raises:
        NumericalError: it is above the tolerance: a speed without a result is none.
    """
    with torch.no_grad():
        exact = work.oracle(*work.inputs)[:, :CHECKED]
        ours = called(*work.inputs)[:, : exact.shape[1]]
    error = float((ours.double() - exact).abs().max() / exact.square().mean().sqrt())
    if not error <= work.tolerance:
        raise NumericalError(f"{work.name}: the error against float64 is {error:.2g}, more than {work.tolerance:g}")
    return error


def _works(device: torch.device, convolved: int, mixed: int) -> Iterator[Work]:
    generator = torch.Generator(device).manual_seed(counter_seed("operators") >> 1)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(1, *shape, generator=generator, device=device)

    width = 256
    implicit, modal = ImplicitFilter(width, convolved).to(device), ModalFilter(width, convolved).to(device)

    def by_fft(signal: torch.Tensor) -> torch.Tensor:
        return causal_conv(signal, implicit(signal.shape[1]))

    def by_poles(signal: torch.Tensor) -> torch.Tensor:
        return modal_conv(signal, *modal(signal.shape[1]))

    def poles_summed(signal: torch.Tensor) -> torch.Tensor:
        rates, amplitudes = modal(CHECKED).double()
        lag = torch.arange(CHECKED, device=device)[:, None]
        taps = sum(a * torch.exp(-r * lag) for r, a in zip(rates, amplitudes, strict=True))
        return _convolved(signal, taps)

    signal, told = draw(convolved, width), (*implicit.parameters(),)
    yield Work(
        *("long convolution, implicit", convolved, (signal,), by_fft),
        *(lambda signal: _convolved(signal, implicit(convolved)), told, 1e-4, "torch.fft"),
    )
    for dtype, tolerance in ((torch.float32, 1e-4), (torch.bfloat16, 0.1)):
        rough = signal.detach().to(dtype)
        told = (*modal.parameters(),)
        form = modal_path(rough, len(modal.amplitude))
        yield Work("long convolution, modal", convolved, (rough,), by_poles, poles_summed, told, tolerance, form)

    operator = S5Operator(width, width, mixed).to(device)
    space = operator.ssm

    def state_space(x: torch.Tensor) -> torch.Tensor:
        return operator(x)

    def recurrence(x: torch.Tensor) -> torch.Tensor:
        shares = (space.log_decay, space.frequency, space.log_step, space.into, space.out, space.skip)
        y = F.gelu(reference.state_space(x[:, :CHECKED].double(), *(part.double() for part in shares)))
        return y * torch.sigmoid(F.linear(y, operator.gate.weight.double(), operator.gate.bias.double()))

    told = (*operator.parameters(),)
    x = draw(mixed, width)
    yield Work("S5, state 256", mixed, (x,), state_space, recurrence, told, 1e-4, s5_path(x))

    for bidirectional in (False, True):
        heads = tuple(draw(mixed, 16, 64).bfloat16() for _ in range(3))
        pattern = BlockPattern(16, 1, bidirectional=bidirectional)

        def sparse(query, key, value, pattern=pattern) -> torch.Tensor:
            places = 8 * torch.arange(query.shape[1], device=device)[None]
            return attention(query, key, value, places, places >= 0, pattern, 64, None)

        def gathered(query, key, value, sparse=sparse) -> torch.Tensor:
            return sparse(query.double(), key.double(), value.double())

        name = f"BigBird, 16 heads of 64, {'bidirectional' if bidirectional else 'causal'}"
        yield Work(name, mixed, heads, sparse, gathered, (), 0.1, path_of(heads[0], 64))


def _convolved(signal: torch.Tensor, taps: torch.Tensor) -> torch.Tensor:
    """Convolve the first rows in float64: (1, p, d) and (k, d) -> (1, CHECKED, d)."""
    rows, taps = signal[0, :CHECKED].double(), taps[:CHECKED].double()
    spectra = (torch.fft.rfft(x, 2 * CHECKED, dim=0) for x in (rows, taps))
    return torch.fft.irfft(math.prod(spectra), dim=0)[: len(rows)][None]


def line(row: dict) -> str:
    """Return a row as a line of text."""
    peak = f"{row['peak_bytes'] / 2**30:7.2f} GiB" if row["peak_bytes"] else ""
    return (
        f"{row['operator']:40}{row['dtype']:9}{row['path']:10}{row['positions']:>8,}  {row['name']:21}"
        f"{1e3 * row['median_s']:9.3f} ms{row['positions_per_s'] / 1e6:9.2f} M/s{peak}  error {row['error']:.1e}"
    )
