"""A training file of configs/train."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

from genomelm.errors import UsageError
from genomelm.settings import setting, to_mapping

KEEPING = ("checkpoint_minutes", "keep_checkpoints", "prefetch", "tensorboard", "shard")
"""Settings that do not decide the weights."""
PRETRAINING = ("window", "order", "records", "masked_share", "repeat_weight")
TUNING = ("epochs", "dropout", "tune", "lora_rank", "lora_alpha", "task_order")
"""Settings that do nothing in fine-tuning, and those that do nothing in pretraining."""


@dataclass(frozen=True)
class TrainConfig:
    """How long, how fast and in what pieces a model is trained."""

    steps: int | None = setting(None, "optimizer steps; give this or epochs", minimum=1)
    epochs: float | None = setting(None, "passes over the training examples (fine-tuning)", minimum=0.01)
    batch_size: int = setting(8, "records a step, of all processes and micro-batches together", minimum=1)
    accumulate: int = setting(1, "micro-batches that a process cuts its share of a step into", minimum=1)
    window: int = setting(1024, "bases a window (pretraining)", minimum=16)
    curriculum: tuple[int, ...] = setting(
        (), "bases a window in equal shares of the steps, at as many bases a step; empty: window (pretraining)"
    )
    order: str = setting(
        "random",
        "which windows a step has: random, any; epoch, each one once before one comes again (pretraining)",
        choices=("random", "epoch"),
    )
    records: str = setting(
        "pad",
        "rows of records (reads, transcripts, proteins): pad, one a row, those of a step alike in length; pack, as many"
        " as fit into window letters (pretraining)",
        choices=("pad", "pack"),
    )
    learning_rate: float = setting(4e-3, "peak learning rate", minimum=0)
    latent_rate: float = setting(0.25, "learning rate of the path through patches, as a share of the peak", minimum=0)
    filter_rate: float = setting(0.05, "learning rate of implicit filters, as a share of the peak", minimum=0)
    ssm_rate: float = setting(0.1, "learning rate of state-space parameters, as a share of the peak", minimum=0)
    masked_share: float = setting(0.15, "share of the bases that a masked model must guess", minimum=0.01, maximum=0.9)
    repeat_weight: float = setting(
        1.0, "what a base in lower case, a repeat, weighs in the loss; 0: nothing (pretraining on genomes)", minimum=0
    )
    warmup: float = setting(0.2, "share of the steps that the rate rises", minimum=0, maximum=1)
    final_rate: float = setting(0.1, "last learning rate, as a share of the peak (cosine)", minimum=0, maximum=1)
    weight_decay: float = setting(0.1, "decay of matrices; norms, tables and filters have none", minimum=0)
    dropout: float = setting(0.0, "dropout before a task head's last layer", minimum=0, maximum=0.9)
    tune: str = setting(
        "full",
        "what a task trains: full, all weights; frozen, its head alone; lora, its head and low-rank adapters of the "
        "trunk's linear layers, which are added to these when the model is saved (fine-tuning)",
        choices=("full", "frozen", "lora"),
    )
    lora_rank: int = setting(8, "lora: rank of the adapters", minimum=1)
    lora_alpha: float = setting(16.0, "lora: the adapters count lora_alpha / lora_rank", minimum=0)
    task_order: str = setting(
        "alternate",
        "steps of several tasks: alternate, one after another, their losses times the tasks' weights; draw, each "
        "step's task is drawn by the weights (fine-tuning)",
        choices=("alternate", "draw"),
    )
    clip: float = setting(1.0, "largest gradient norm", minimum=1e-6)
    precision: str = setting(
        "float32", "of products in training: bf16 is autocast; weights stay float32", choices=("float32", "bf16")
    )
    compile: bool = setting(False, "training steps through torch.compile; needs a C++ compiler")
    shard: bool = setting(False, "several processes share out weights, gradients and moments (FSDP), not rows alone")
    ema: float | None = setting(
        None, "decay a step of a moving average of the weights, which is then saved and evaluated", minimum=0, maximum=1
    )
    early_stopping: int | None = setting(
        None, "readings in a row without improvement that end the run; the best reading's weights are kept", minimum=1
    )
    gradient_checkpointing: bool = setting(False, "blocks run again in the backward pass: less memory, more time")
    seed: int = setting(1, "seed of initial weights and data order (pretraining)", minimum=0)
    checkpoint_minutes: float = setting(
        1.0,
        "minutes between checkpoints, more where writing them would take over 2 % of the time; 0: each step",
        minimum=0,
    )
    keep_checkpoints: int = setting(2, "checkpoints kept on disk while a run lasts", minimum=1)
    prefetch: int = setting(2, "steps whose data a thread prepares ahead; 0: none", minimum=0)
    tensorboard: bool = setting(False, "the log as TensorBoard events too, beside it in tensorboard/")
    evaluate_every: int = setting(100, "steps between held-out readings in the log", minimum=1)

    def __post_init__(self) -> None:
        if any(window < 16 for window in self.curriculum):
            raise UsageError(f"curriculum has a window of {min(self.curriculum)} bases: give 16 or more")
        if self.steps is not None and self.epochs is not None:
            raise UsageError(
                f"steps: {self.steps} and epochs: {self.epochs:g} both say how long a run is: leave one out"
            )
        if self.tune != "lora":
            self.refuse(("lora_rank", "lora_alpha"), "tune: lora", f"tune: {self.tune}")

    def refuse(self, names: Sequence[str], theirs: str, what: str) -> None:
        """Check that no setting of `names`, which belong to `theirs` and not to `what`, differs from its default.

        Raises:
            UsageError: some do; all are named.
        """
        defaults = {field.name: field.default for field in fields(self)}
        if odd := [f"{name}: {getattr(self, name)}" for name in names if getattr(self, name) != defaults[name]]:
            raise UsageError(f"{', '.join(odd)}: of {theirs}, without effect in {what}; leave out of the training file")

    def facts(self) -> dict:
        """Return what decides the weights: every setting, save those that say how a run is kept and watched."""
        return {name: value for name, value in to_mapping(self).items() if name not in KEEPING}
