"""The families' configurations on disk, and the backbone that each names."""

from typing import Any

from transformers import PretrainedConfig

from genomelm.errors import UsageError
from genomelm.models.cnn_config import CNNBackboneConfig, CNNShellConfig
from genomelm.models.config import (
    FORMAT_VERSION,
    LANGUAGE_HEADS,
    BranchConfig,
    GryphonBackboneConfig,
    HeadConfig,
    HyenaConfig,
    MergeConfig,
    MultiTaskConfig,
    PositionConfig,
    Settings,
    ShellConfig,
)
from genomelm.models.gryphon import gryphon_blocks
from genomelm.models.hyena_glt import hyena_blocks
from genomelm.models.hyenadna_config import HyenaDNABackboneConfig, HyenaDNAShellConfig
from genomelm.models.sizes import GRYPHON_SIZES, SIZES
from genomelm.models.transformer import transformer_blocks
from genomelm.models.transformer_config import TransformerBackboneConfig
from genomelm.settings import from_mapping, to_mapping

BACKBONES = {
    "genomelm_hyena_glt": (HyenaConfig, hyena_blocks),
    "genomelm_gryphon": (GryphonBackboneConfig, gryphon_blocks),
    "genomelm_transformer": (TransformerBackboneConfig, transformer_blocks),
}
"""model_type -> config class of the backbone, and what makes its blocks."""


class GenomeConfig(PretrainedConfig):
    """Configuration on disk: plain mappings of the dataclasses in models/config.py."""

    model_type = ""

    def __init__(
        self,
        shell: dict | None = None,
        positions: dict | None = None,
        branches: dict | None = None,
        merge: dict | None = None,
        backbone: dict | None = None,
        head: dict | None = None,
        format_version: int = FORMAT_VERSION,
        **rest,
    ) -> None:
        super().__init__(**rest)
        given = {"shell": shell, "positions": positions, "branches": branches, "merge": merge, "backbone": backbone}
        for name, value in given.items():
            if name in self.sections():
                mapping = from_mapping(self.sections()[name], value or {}, f"config.json: {name}")
                setattr(self, name, to_mapping(mapping))
            elif value:
                raise UsageError(f"config.json: {name}: {self.model_type} has no such section; leave it out")
        kind = "multi_task" if "tasks" in (head or {}) else LANGUAGE_HEADS[self.shell["objective"]]
        head = {"kind": kind, **(head or {})}
        self.head = to_mapping(from_mapping(head_class(head["kind"]), head, "config.json: head"))
        self.format_version = format_version

    @classmethod
    def sections(cls) -> dict[str, type]:
        """Return the dataclass of each section; a head of several tasks has one of its own (`head_class`)."""
        return {
            "shell": ShellConfig,
            "positions": PositionConfig,
            "branches": BranchConfig,
            "merge": MergeConfig,
            "backbone": BACKBONES[cls.model_type][0],
            "head": HeadConfig,
        }

    def section(self, name: str) -> Any:
        """Return a section as its dataclass."""
        value = getattr(self, name)
        return from_mapping(head_class(value["kind"]) if name == "head" else self.sections()[name], value)

    @classmethod
    def tiny(cls, objective: str = "causal") -> "GenomeConfig":
        """Return the size for a laptop's CPU: under a million parameters."""
        return cls(shell={"objective": objective, "window": 2 if objective == "causal" else 3})

    @classmethod
    def _sized(cls, name: str, objective: str, sizes: dict[str, dict[str, dict]] = SIZES, **more) -> "GenomeConfig":
        window = 2 if objective == "causal" else 3
        shell = {**sizes[name]["shell"], "objective": objective, "window": window}
        return cls(shell=shell, backbone={**sizes[name]["backbone"], **more})


def head_class(kind: str) -> type:
    """Return the dataclass of the section "head"."""
    return MultiTaskConfig if kind == "multi_task" else HeadConfig


class HyenaGLTConfig(GenomeConfig):
    """Hyena-GLT.

    From small on, the long filters are sums of real poles: on a GPU they run faster than implicit ones, they generate
    from a state of constant size, and an ablation found no difference in what is learned.
    """

    model_type = "genomelm_hyena_glt"
    __init__ = GenomeConfig.__init__  # a subclass without one would get one made by transformers

    @classmethod
    def small(cls, objective: str = "causal", mean_patch: int = 8) -> "HyenaGLTConfig":
        """Return the size of about 7 million parameters, or, for patches of 32 bases, the one of 12 million.

        Raises:
            UsageError: neither 8 nor 32 bases a patch.
        """
        if mean_patch not in (8, 32):
            raise UsageError(f"there is no small model for patches of {mean_patch} bases: choose 8 or 32")
        return cls._sized("small" if mean_patch == 8 else "small_32x", objective, long="modal")

    @classmethod
    def base(cls, objective: str = "causal") -> "HyenaGLTConfig":
        """Return the size of about 110 million parameters."""
        return cls._sized("base", objective, long="modal")

    @classmethod
    def large(cls, objective: str = "causal") -> "HyenaGLTConfig":
        """Return the size of about 340 million parameters: width 1024, 24 blocks."""
        return cls._sized("large", objective, long="modal")


class GryphonConfig(GenomeConfig):
    """Gryphon."""

    model_type = "genomelm_gryphon"
    __init__ = GenomeConfig.__init__  # a subclass without one would get one made by transformers

    @classmethod
    def small(cls, objective: str = "causal") -> "GryphonConfig":
        """Return the size of about 7 million parameters."""
        return cls._sized("small", objective, GRYPHON_SIZES)

    @classmethod
    def base(cls, objective: str = "causal") -> "GryphonConfig":
        """Return the size of about 110 million parameters."""
        return cls._sized("base", objective, GRYPHON_SIZES)

    @classmethod
    def large(cls, objective: str = "causal") -> "GryphonConfig":
        """Return the size of about 340 million parameters: width 1024, 24 layers of an S5 and a BigBird block."""
        return cls._sized("large", objective, GRYPHON_SIZES)


class TransformerConfig(GenomeConfig):
    """The transformer, in the sizes of Hyena-GLT."""

    model_type = "genomelm_transformer"
    __init__ = GenomeConfig.__init__  # a subclass without one would get one made by transformers

    @classmethod
    def small(cls, objective: str = "causal") -> "TransformerConfig":
        """Return the size of about 7 million parameters."""
        return cls._sized("small", objective)

    @classmethod
    def base(cls, objective: str = "causal") -> "TransformerConfig":
        """Return the size of about 110 million parameters."""
        return cls._sized("base", objective)

    @classmethod
    def large(cls, objective: str = "causal") -> "TransformerConfig":
        """Return the size of about 340 million parameters: width 1024, 24 blocks."""
        return cls._sized("large", objective)


class HyenaDNAConfig(GenomeConfig):
    """HyenaDNA, in the published form: bytes for patches, and no shell but an embedding."""

    model_type = "genomelm_hyenadna"
    __init__ = GenomeConfig.__init__  # a subclass without one would get one made by transformers

    @classmethod
    def sections(cls) -> dict[str, type]:
        """Return the dataclass of each section."""
        return {"shell": HyenaDNAShellConfig, "backbone": HyenaDNABackboneConfig, "head": HeadConfig}

    @classmethod
    def tiny(cls, objective: str = "causal") -> "HyenaDNAConfig":
        """Return the size of the smallest published checkpoint, hyenadna-tiny-1k."""
        return cls(shell={"objective": objective})


class CNNConfig(GenomeConfig):
    """A convolutional network over bytes: by default three layers of 15, 7 and 7 taps, 256 wide."""

    model_type = "genomelm_cnn"
    __init__ = GenomeConfig.__init__  # a subclass without one would get one made by transformers

    @classmethod
    def sections(cls) -> dict[str, type]:
        """Return the dataclass of each section."""
        return {"shell": CNNShellConfig, "backbone": CNNBackboneConfig, "head": HeadConfig}

    @classmethod
    def tiny(cls, objective: str = "causal") -> "CNNConfig":
        """Return the size for a laptop's CPU: under a million parameters."""
        return cls(shell={"objective": objective, "local_width": 128})


CONFIGS = {
    config.model_type: config
    for config in (HyenaGLTConfig, GryphonConfig, TransformerConfig, CNNConfig, HyenaDNAConfig)
}
"""model_type -> its config class."""


def config_of(settings: Settings) -> GenomeConfig:
    """Return the configuration of a language model with these settings."""
    family = CONFIGS[f"genomelm_{settings.family}"]
    return family(**{name: to_mapping(getattr(settings, name)) for name in family.sections() if name != "head"})
