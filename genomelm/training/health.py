"""Watching a run's state spaces and gradients, and ending it with a clear error where they break."""

import logging
import math
from types import TracebackType

import torch
from torch import nn

from genomelm.errors import NumericalError
from genomelm.nn.s5 import StateSpace, exponents_of

log = logging.getLogger(__name__)

ALARM = 5.0
"""Norm of a gradient, before clipping and in multiples of the clip, that is an alarm."""
EVERY = 10
"""Steps between two looks at the state spaces."""


class Health:
    """Inside the block, the states of the model's state spaces are looked at.

    Args:
        model: of any family, also one without state spaces.
        clip: largest gradient norm.
        most_alarms: alarms in a row that end the run; None: they are only counted.
    """

    def __init__(self, model: nn.Module, clip: float, most_alarms: int | None) -> None:
        self.spaces = {name: m for name, m in model.named_modules() if isinstance(m, StateSpace)}
        self.limit, self.most_alarms = ALARM * clip, most_alarms
        self.alarms = 0  # in a row
        self._norms: dict[str, torch.Tensor] = {}
        self._hooks: list = []

    def __enter__(self) -> "Health":
        for name, space in self.spaces.items():

            def note(_module: nn.Module, _inputs: tuple, found: tuple, name: str = name) -> None:
                self._norms[name] = found[1].detach().square().mean().sqrt()

            self._hooks.append(space.register_forward_hook(note))
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for hook in self._hooks:
            hook.remove()

    def state_norm(self) -> float:
        """Return the largest root mean square of last states, over the state spaces of the last pass; 0 without any."""
        return max((float(norm) for norm in self._norms.values()), default=0.0)

    def after_step(self, step: int, norm: float) -> bool:
        """Take in a step that was made; return whether its gradient was an alarm.

        Args:
            step: number of the step.
            norm: of the gradient before it was clipped.

        Raises:
            NumericalError: too many alarms in a row, or a state space that is not stable (every EVERY steps).
        """
        alarm = norm > self.limit
        self.alarms = self.alarms + 1 if alarm else 0
        if self.most_alarms is not None and self.alarms >= self.most_alarms:
            raise NumericalError(
                f"step {step}: the gradient's norm is {norm:.3g}, and was above {self.limit:g} ({ALARM:g} times the "
                f"clip) in {self.alarms} steps in a row: lower learning_rate, lengthen warmup, or raise clip"
            )
        if step % EVERY == 0:
            self.check(step)
        return alarm

    @torch.no_grad()
    def check(self, step: int) -> None:
        """Look at poles, turns and last states.

        Raises:
            NumericalError: a pole radius of 1 or more, a turn of pi or more a step, or a state that is not finite.
        """
        for name, space in self.spaces.items():
            radius, turn = (float(part) for part in exponents_of(space))
            state = float(self._norms.get(name, 0.0))
            for what, value, sound, fix in (
                ("pole radius", radius, radius < 1, "its states do not fade: lower ssm_rate"),
                ("turn of a step", turn, turn < math.pi, "its frequencies alias: lower ssm_rate"),
                ("norm of the state", state, math.isfinite(state), "lower learning_rate or ssm_rate"),
            ):
                if not sound:
                    raise NumericalError(f"step {step}: {name}: the {what} is {value:.6g}; {fix}")
