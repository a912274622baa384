"""A training file of configs/train."""

import dataclasses
from dataclasses import dataclass

from genomelm.errors import UsageError
from genomelm.settings import setting, to_mapping


@dataclass(frozen=True)
class TrainConfig:
    """How long, how fast and in what pieces a model is trained."""

    steps: int | None = setting(None, "optimizer steps; give this or epochs", minimum=1)
    epochs: float | None = setting(None, "passes over the training examples (fine-tuning)", minimum=0.01)
    batch_size: int = setting(8, "records a step", minimum=1)
    window: int = setting(1024, "bases a window (pretraining)", minimum=16)
    curriculum: tuple[int, ...] = setting(
        (), "bases a window in equal shares of the steps, at as many bases a step; empty: window (pretraining)"
    )
    learning_rate: float = setting(4e-3, "peak learning rate", minimum=0)
    latent_rate: float = setting(0.25, "learning rate of the path through patches, as a share of the peak", minimum=0)
    filter_rate: float = setting(0.05, "learning rate of implicit filters, as a share of the peak", minimum=0)
    ssm_rate: float = setting(0.1, "learning rate of state-space parameters, as a share of the peak", minimum=0)
    masked_share: float = setting(0.15, "share of the bases that a masked model must guess", minimum=0.01, maximum=0.9)
    warmup: float = setting(0.2, "share of the steps that the rate rises", minimum=0, maximum=1)
    final_rate: float = setting(0.1, "last learning rate, as a share of the peak (cosine)", minimum=0, maximum=1)
    weight_decay: float = setting(0.1, "decay of matrices; norms, tables and filters have none", minimum=0)
    dropout: float = setting(0.0, "dropout before a task head's last layer", minimum=0, maximum=0.9)
    clip: float = setting(1.0, "largest gradient norm", minimum=1e-6)
    gradient_checkpointing: bool = setting(False, "blocks run again in the backward pass: less memory, more time")
    seed: int = setting(1, "seed of initial weights and data order (pretraining)", minimum=0)
    checkpoint_minutes: float = setting(1.0, "minutes between checkpoints", minimum=0)
    evaluate_every: int = setting(100, "steps between held-out readings in the log", minimum=1)

    def __post_init__(self) -> None:
        if any(window < 16 for window in self.curriculum):
            raise UsageError(f"curriculum has a window of {min(self.curriculum)} bases: give 16 or more")

    def facts(self) -> dict:
        """Return what decides the weights: every setting, save how often a run writes checkpoints."""
        return to_mapping(dataclasses.replace(self, checkpoint_minutes=0.0))
