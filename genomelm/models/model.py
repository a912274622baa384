"""GenomeModel: one backbone in the byte-latent shell, one head; a transformers PreTrainedModel."""

import copy
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import PreTrainedModel
from transformers.utils import ModelOutput

from genomelm.errors import UsageError
from genomelm.models.backbone import Backbone
from genomelm.models.config import LANGUAGE_HEADS
from genomelm.models.encoding import starts_of_rows
from genomelm.models.families import BACKBONES, GenomeConfig
from genomelm.models.geometry import Patches
from genomelm.models.heads import HEADS
from genomelm.models.shell import ByteLatentShell
from genomelm.patching.patcher import Patcher


@dataclass
class GenomeModelOutput(ModelOutput):
    """Output of a forward pass.

    Attributes:
        loss: scalar, when labels were given.
        logits: (b, l, v) for language models, (b, l, n) for token heads, (b, n) for sequence heads, (n, outputs)
            for variant effects.
        hidden_states: byte states (b, l, d).
    """

    loss: torch.Tensor | None = None
    logits: torch.Tensor | None = None
    hidden_states: torch.Tensor | None = None


class GenomeModel(PreTrainedModel):
    """Backbone in the shell, and a head. Subclasses only fix the family and the head's kind."""

    config_class = GenomeConfig
    base_model_prefix = "shell"
    main_input_name = "input_ids"
    head_kind = "causal_lm"

    def __init__(self, config: GenomeConfig, patcher: Patcher | None = None) -> None:
        """Build a model with fresh weights.

        Raises:
            UsageError: a language head of the other objective, or a patcher that a masked model may not have.
        """
        config = copy.deepcopy(config)
        config.head = {**config.head, "kind": self.head_kind}
        super().__init__(config)
        shell = config.section("shell")
        if self.head_kind in LANGUAGE_HEADS.values() and self.head_kind != LANGUAGE_HEADS[shell.objective]:
            raise UsageError(
                f"a {shell.objective} shell has the head {LANGUAGE_HEADS[shell.objective]}, not {self.head_kind}: "
                "set shell.objective, or use the other class"
            )
        if patcher is not None:
            check_patcher(patcher, shell.objective)
        head = config.section("head")
        blocks = BACKBONES[config.model_type][1](shell, config.section("backbone"))
        self.shell = ByteLatentShell(shell, Backbone(shell.width, blocks))
        self.head = HEADS[head.kind](shell, head)
        self.patcher = patcher
        self.post_init()

    def _init_weights(self, module: torch.nn.Module) -> None:
        """Leave initialisation to the modules: each fills its own parameters when it is made."""

    @property
    def alphabet(self) -> str:
        """Name of the alphabet that the model reads."""
        return self.config.shell["alphabet"]

    @property
    def objective(self) -> str:
        """What its shell was made for: causal (a byte sees those before it) or masked (it sees both sides)."""
        return self.config.shell["objective"]

    @property
    def is_language_model(self) -> bool:
        """Whether its head predicts letters."""
        return self.head_kind in LANGUAGE_HEADS.values()

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        patch_starts: torch.Tensor | None = None,
        embedding_offset: torch.Tensor | None = None,
        references: int | None = None,
        return_logits: bool = True,
        **_ignored,
    ) -> GenomeModelOutput:
        """Run the model.

        Args:
            input_ids: (b, l) int64; BOS first, then bases, right-padded with PAD.
            attention_mask: (b, l), 0 at padding; None means no padding.
            labels: causal language model: (b, l) ids, compared one byte later; masked: (b, l) ids of the hidden
                bytes; token heads: (b, l); -100 is left out. Sequence heads: (b,) or (b, n). Variant effects:
                one an alternate row.
            patch_starts: (b, l+1) bool; None asks the model's patcher.
            embedding_offset: (b, l, d) added to the byte embedding, for attribution.
            references: variant effects: how many of the first rows are reference alleles, 1 (shared by all
                others) or half of the rows (the default).
            return_logits: False spares the full vocabulary in training.

        Returns:
            Loss (with labels), logits (float; regression: in the labels' units) and byte states.

        Raises:
            UsageError: no patch starts were given, and the model has no patcher.
            InputError: the mask has padding before a byte.
        """
        mask = None if attention_mask is None else attention_mask.bool()
        if patch_starts is None:
            patch_starts = self.patch_starts(input_ids, mask)
        ahead = None if self.objective == "causal" else (self.config.shell["window"] - 1) // 2
        patches = Patches.from_starts(patch_starts, mask, ahead)
        states = self.shell(input_ids, patches, embedding_offset)
        pairs = {"references": references or len(input_ids) // 2} if self.head_kind == "variant_effect" else {}
        loss = None if labels is None else self.head.loss(states, input_ids, mask, labels, **pairs)
        logits = self.head(states, input_ids, mask, **pairs) if return_logits else None
        return GenomeModelOutput(loss=loss, logits=logits, hidden_states=states)

    def patch_starts(self, input_ids: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Segment a batch with the model's patcher: (b, l+1) bool.

        A leading BOS is a patch of its own, and the record's first base starts the next one.

        Raises:
            UsageError: the model has no patcher.
        """
        if self.patcher is None:
            raise UsageError("this model has no patcher: pass patch_starts, or load it with genomelm.load_model")
        return starts_of_rows(self.patcher, input_ids, mask)

    @classmethod
    def from_pretrained(cls, path: str | Path, *_args, **_options) -> "GenomeModel":
        """Load through genomelm's own checks (models/loading.py); transformers' options do not apply.

        Raises:
            UsageError: the checkpoint holds another class of model.
        """
        from genomelm.models.loading import load_model

        model = load_model(path)
        if not isinstance(model, cls):
            raise UsageError(f"{path} holds a {type(model).__name__}, not a {cls.__name__}")
        return model

    def save_pretrained(self, save_directory: str | Path, **options) -> None:
        """Write config.json, model.safetensors and the patcher's files."""
        super().save_pretrained(save_directory, **options)
        if self.patcher is not None:
            self.patcher.save(Path(save_directory) / "patcher")


def check_patcher(patcher: Patcher, objective: str) -> None:
    """Refuse patches that tell a model of what it should guess.

    Raises:
        UsageError: a masked model with patches cut by what the bytes are, or a causal one with patches that
            bytes further on decide.
    """
    if objective == "masked" and patcher.config.needs_scores and not patcher.placed_scores:
        raise UsageError(
            f"patches of mode {patcher.config.mode} are cut by what the bytes are, which tells a masked model of "
            "the bytes that it should guess: give it fixed_stride or byte patches, or a track's"
        )
    if (
        objective == "causal"
        and patcher.config.isolate
        and (patcher.config.edges == "at" or patcher.config.mode == "optimal")
    ):
        raise UsageError(
            "patches that start at the edges of runs (edges: at), or an optimum between them, tell a causal model of "
            "bytes that it should guess: use edges: after and another mode than optimal"
        )
    if objective == "causal" and patcher.reads_one_strand:
        raise UsageError(
            "patches that the bytes' scores and an annotation (or letter case) decide together have no causal form on "
            "the reverse strand: use mode fixed_stride with them, or scores from a track"
        )
    if objective == "causal" and patcher.reads_ahead:
        how = "symmetric scores" if patcher.config.symmetric else f"mode {patcher.config.mode}"
        raise UsageError(
            f"patches of {how} are cut by what comes later, which a causal model should guess: choose another mode, "
            "or scores from a track"
        )
