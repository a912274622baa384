"""GenomeModel: one backbone in the byte-latent shell, one head; a transformers PreTrainedModel."""

import copy
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import PretrainedConfig, PreTrainedModel
from transformers.utils import ModelOutput

from genomelm.errors import UsageError
from genomelm.models.config import FORMAT_VERSION, HeadConfig, HyenaConfig, ShellConfig
from genomelm.models.encoding import starts_of_rows
from genomelm.models.geometry import Patches
from genomelm.models.heads import HEADS
from genomelm.models.hyena_glt import HyenaBackbone
from genomelm.models.shell import ByteLatentShell
from genomelm.patching.patcher import Patcher
from genomelm.settings import from_mapping, to_mapping

BACKBONES = {"genomelm_hyena_glt": (HyenaConfig, HyenaBackbone)}
"""model_type -> config class and module of the backbone."""


class HyenaGLTConfig(PretrainedConfig):
    """Configuration on disk: plain mappings of the dataclasses in models/config.py."""

    model_type = "genomelm_hyena_glt"

    def __init__(
        self,
        shell: dict | None = None,
        backbone: dict | None = None,
        head: dict | None = None,
        format_version: int = FORMAT_VERSION,
        **rest,
    ) -> None:
        super().__init__(**rest)
        self.shell = to_mapping(from_mapping(ShellConfig, shell or {}, "config.json: shell"))
        self.backbone = to_mapping(from_mapping(BACKBONES[self.model_type][0], backbone or {}, "config.json: backbone"))
        self.head = to_mapping(from_mapping(HeadConfig, head or {}, "config.json: head"))
        self.format_version = format_version

    @classmethod
    def tiny(cls) -> "HyenaGLTConfig":
        """Return the size for a laptop's CPU: under a million parameters."""
        return cls()


@dataclass
class GenomeModelOutput(ModelOutput):
    """Output of a forward pass.

    Attributes:
        loss: scalar, when labels were given.
        logits: (b, l, v) for language models, (b, n) for sequence heads.
        hidden_states: byte states (b, l, d).
    """

    loss: torch.Tensor | None = None
    logits: torch.Tensor | None = None
    hidden_states: torch.Tensor | None = None


class GenomeModel(PreTrainedModel):
    """Backbone in the shell, and a head. Subclasses only fix the family and the head's kind."""

    config_class = HyenaGLTConfig
    base_model_prefix = "shell"
    main_input_name = "input_ids"
    head_kind = "causal_lm"

    def __init__(self, config: HyenaGLTConfig, patcher: Patcher | None = None) -> None:
        config = copy.deepcopy(config)
        config.head = {**config.head, "kind": self.head_kind}
        super().__init__(config)
        shell = from_mapping(ShellConfig, config.shell)
        head = from_mapping(HeadConfig, config.head)
        settings, backbone = BACKBONES[config.model_type]
        self.shell = ByteLatentShell(shell, backbone(shell, from_mapping(settings, config.backbone)))
        self.head = HEADS[head.kind](shell, head)
        self.patcher = patcher
        self.post_init()

    def _init_weights(self, module: torch.nn.Module) -> None:
        """Leave initialisation to the modules: each fills its own parameters when it is made."""

    @property
    def alphabet(self) -> str:
        """Name of the alphabet that the model reads."""
        return self.config.shell["alphabet"]

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        patch_starts: torch.Tensor | None = None,
        embedding_offset: torch.Tensor | None = None,
        return_logits: bool = True,
        **_ignored,
    ) -> GenomeModelOutput:
        """Run the model.

        Args:
            input_ids: (b, l) int64; BOS first, then bases, right-padded with PAD.
            attention_mask: (b, l), 0 at padding; None means no padding.
            labels: language model: (b, l) ids, compared one byte later, -100 left out.
                Sequence heads: (b,) or (b, n).
            patch_starts: (b, l+1) bool; None asks the model's patcher.
            embedding_offset: (b, l, d) added to the byte embedding, for attribution.
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
        patches = Patches.from_starts(patch_starts, mask)
        states = self.shell(input_ids, patches, embedding_offset)
        loss = None if labels is None else self.head.loss(states, input_ids, mask, labels)
        logits = self.head(states, input_ids, mask) if return_logits else None
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


class HyenaGLTForCausalLM(GenomeModel):
    """Next-byte model."""

    head_kind = "causal_lm"


class HyenaGLTForSequenceClassification(GenomeModel):
    """One label a sequence."""

    head_kind = "sequence_classification"


class HyenaGLTForRegression(GenomeModel):
    """One or more numbers a sequence."""

    head_kind = "regression"


CLASSES = {
    ("genomelm_hyena_glt", "causal_lm"): HyenaGLTForCausalLM,
    ("genomelm_hyena_glt", "sequence_classification"): HyenaGLTForSequenceClassification,
    ("genomelm_hyena_glt", "regression"): HyenaGLTForRegression,
}
"""(model_type, head kind) -> class."""
