"""Which weights a task trains: all, its head alone, or its head and low-rank adapters of the trunk."""

import re

from torch import nn

from genomelm.errors import UsageError
from genomelm.models.model import GenomeModel
from genomelm.runtime import seeded
from genomelm.training.config import TrainConfig


class Tuning:
    """A model made ready to be trained as `config.tune` says.

    frozen: the trunk asks for no gradients, so none are computed or kept for it, nor activations for its backward pass.
    lora: each linear layer W x of the trunk becomes W x + (alpha / rank) B A x, with A drawn from `seed`, B zero and W
    frozen; only A, B and the head are trained (Hu et al. 2022, arXiv:2106.09685; the layers are peft's).

    Args:
        model: with a task's head, or several; changed in place.
        config: the training file.
        seed: of the adapters' first weights.

    Raises:
        UsageError: adapters for a trunk without linear layers.
    """

    def __init__(self, model: GenomeModel, config: TrainConfig, seed: int) -> None:
        self._adapted = None
        if config.tune != "full":
            model.shell.requires_grad_(False)
        if config.tune == "lora":
            self._adapted = _adapted(model.shell, config, seed)
        trained = [p for p in model.parameters() if p.requires_grad]
        self.facts: dict[str, int | float | str] = {
            "tune": config.tune,
            "trained_parameters": sum(p.numel() for p in trained),
        }
        if self._adapted is not None:
            sizes = [p.numel() for p in model.shell.parameters() if p.requires_grad]
            self.facts |= {
                "lora_rank": config.lora_rank,
                "lora_alpha": config.lora_alpha,
                "adapter_parameters": sum(sizes),
                "adapter_bytes": 4 * sum(sizes),
            }

    def finish(self) -> None:
        """Leave plain weights in the model: the adapters are added to the layers that they stand beside."""
        if self._adapted is not None:
            self._adapted.merge_and_unload()


def _adapted(trunk: nn.Module, config: TrainConfig, seed: int) -> nn.Module:
    """Put adapters beside the linear layers of a trunk, in place; return peft's view of it, which can merge them."""
    from peft import LoraConfig, LoraModel

    names = [name for name, module in trunk.named_modules() if type(module) is nn.Linear]
    if not names:
        raise UsageError("tune is lora, and this model's trunk has no linear layers: set tune to full or frozen")
    settings = LoraConfig(
        r=config.lora_rank,
        lora_alpha=config.lora_alpha,
        target_modules="|".join(map(re.escape, names)),
        lora_dropout=0.0,
        bias="none",
    )
    with seeded("adapters", seed):
        return LoraModel(trunk, settings, "task")
