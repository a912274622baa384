"""A model in training: on its device, shared with other processes, with its optimizer and averaged weights."""

import contextlib
from collections.abc import Iterator, Sequence

import torch
from torch import nn

from genomelm.errors import UsageError
from genomelm.runtime import autocast, counter_seed, seed_draws, work_off
from genomelm.training.ahead import Part
from genomelm.training.average import Average
from genomelm.training.compiling import compiled, restore_layers
from genomelm.training.config import TrainConfig
from genomelm.training.optimizer import make_optimizer, set_rate
from genomelm.training.sharding import placed_like, sharded, whole
from genomelm.training.team import Team, sharding_asked


class Learner:
    """What learns, and all that belongs to it.

    Args:
        model: the caller's; `finish` leaves the weights in it.
        config: the training file.
        team: the processes that share the work.

    Attributes:
        trained: the model that learns: the caller's, or where weights are shared out a copy in shards.
        optimizer: AdamW over `trained`.
        average: of its weights, where the training file asks for one.

    Raises:
        ResourceError: the model is to be compiled, and there is no compiler.
        UsageError: gradient checkpointing on a TPU.
    """

    def __init__(self, model: nn.Module, config: TrainConfig, team: Team) -> None:
        self.model, self.config, self.team = model.to(team.device).train(), config, team
        if config.gradient_checkpointing:
            if team.device.type == "xla":
                raise UsageError(
                    "gradient_checkpointing: true does nothing on a TPU, where XLA decides what is kept: set it to "
                    "false, and raise accumulate where memory is short"
                )
            model._set_gradient_checkpointing()
        self.is_sharded = team.size > 1 and sharding_asked(config.shard)
        self.trained = sharded(model) if self.is_sharded else model
        self._called = self.trained if self.is_sharded else team.shared(model)
        if config.compile:
            self._called = compiled(self._called, self.trained, team.device, self.is_sharded)
        self.optimizer = make_optimizer(self.trained, config)
        self.average = None if config.ema is None else Average(self.trained, config.ema)

    def backward(self, parts: Sequence[Part], seed: int, step: int) -> tuple[float, float]:
        """Compute the gradient of a step.

        Args:
            parts: this process's micro-batches.
            seed: of dropout.

        Returns:
            The loss, the mean over the targets of all parts, and the gradient's norm before it was clipped.
        """
        self.optimizer.zero_grad(set_to_none=True)
        several = len(parts) * self.team.size > 1
        targets = self.team.sums([sum(part.targets for part in parts)])[0] or 1.0
        losses = []
        for number, part in enumerate(parts):
            # The first part of the first process draws as a run in one part does.
            place = self.team.rank * len(parts) + number
            seed_draws(counter_seed("dropout", seed, step, *([place] if place else [])), self.team.device)
            here = part.to(self.team.device)
            with self.team.accumulating(self._called, number + 1 < len(parts)):
                with autocast(self.team.device, self.config.precision):
                    loss = self._called(**here.batch.inputs(), labels=here.labels, return_logits=False).loss
                if several:  # gradients are means over the processes
                    loss = loss * (part.targets / targets * self.team.size)
                loss.backward()
            losses.append(loss.detach())
        norm = whole(torch.nn.utils.clip_grad_norm_(self.trained.parameters(), self.config.clip))
        total = torch.stack(losses).sum() if several else losses[0]
        told = torch.stack([total.float(), norm.float()])
        work_off(self.team.device)
        loss, norm = told.tolist()  # a GPU is waited for once
        return self.team.sums([loss])[0] / self.team.size if several else loss, norm

    def apply(self, rate: float) -> None:
        """Make the optimizer's step at the learning rate `rate`."""
        set_rate(self.optimizer, rate)
        self.optimizer.step()
        if self.average is not None:
            self.average.update()
        work_off(self.team.device)

    def tensors(self) -> dict[str, dict[str, torch.Tensor]]:
        """Return what a checkpoint holds; all processes must ask for it."""
        moments = {
            f"{index}.{name}": whole(value)
            for index, state in self.optimizer.state_dict()["state"].items()
            for name, value in state.items()
        }
        found = {"model": self._weights(), "optimizer": moments}
        return found if self.average is None else {**found, "average": self.average.state()}

    def facts(self) -> dict:
        """Return what a checkpoint holds besides tensors."""
        return {} if self.average is None else {"averaged": self.average.steps}

    def load(self, tensors: dict[str, dict[str, torch.Tensor]], facts: dict) -> None:
        """Go on from what `tensors` and `facts` returned."""
        own = self.trained.state_dict()
        self.trained.load_state_dict({name: placed_like(x, own[name]) for name, x in tensors["model"].items()})
        learned = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        state: dict[int, dict[str, torch.Tensor]] = {}
        for key, value in tensors["optimizer"].items():
            index, name = key.split(".", 1)
            of_weights = value.shape == learned[int(index)].shape and name != "step"
            state.setdefault(int(index), {})[name] = placed_like(value, learned[int(index)]) if of_weights else value
        self.optimizer.load_state_dict({"state": state, "param_groups": self.optimizer.state_dict()["param_groups"]})
        if self.average is not None:
            self.average.load(tensors["average"], facts["averaged"])

    @contextlib.contextmanager
    def readable(self) -> Iterator[nn.Module]:
        """Yield the caller's model with the weights that would be saved now, whole and in eval mode."""
        read = self._read_weights()
        kept = None if self.is_sharded or read is None else {name: p.clone() for name, p in _named(self.model, read)}
        self._put(read)
        self.model.eval()
        try:
            with torch.compiler.set_stance("force_eager"):
                yield self.model
        finally:
            self._put(kept)
            if not self.is_sharded:
                self.model.train()

    def finish(self, best: dict[str, torch.Tensor] | None) -> None:
        """Leave the weights in the caller's model, in eval mode: the `best` ones, if there are any."""
        restore_layers(self.model)
        self._put(self._read_weights() if best is None else best)
        self.model.eval()

    def read_weights(self) -> dict[str, torch.Tensor]:
        """Return the weights that would be saved now, on the CPU; all processes must ask for them."""
        found = {**self._weights(), **(self.average.state() if self.average is not None else {})}
        return {name: x.detach().to("cpu", copy=True) for name, x in found.items()}

    def _weights(self) -> dict[str, torch.Tensor]:
        return {name: whole(x) for name, x in self.trained.state_dict().items()}

    def _read_weights(self) -> dict[str, torch.Tensor] | None:
        """Return which of the caller's weights are to be others than they are; None: none."""
        averaged = {} if self.average is None else self.average.state()
        return {**self._weights(), **averaged} if self.is_sharded else averaged or None

    @torch.no_grad()
    def _put(self, weights: dict[str, torch.Tensor] | None) -> None:
        for name, value in _named(self.model, weights or {}):
            value.copy_(weights[name])


def _named(model: nn.Module, names: dict[str, torch.Tensor]) -> list[tuple[str, torch.Tensor]]:
    """Return those weights and buffers of a model that have a name in `names`."""
    return [(name, value) for name, value in model.state_dict().items() if name in names]
