"""The families' configurations on disk, and the backbone that each names."""

from typing import Any

from transformers import PretrainedConfig

from genomelm.models.config import (
    FORMAT_VERSION,
    LANGUAGE_HEADS,
    BranchConfig,
    GryphonBackboneConfig,
    HeadConfig,
    HyenaConfig,
    MergeConfig,
    PositionConfig,
    Settings,
    ShellConfig,
)
from genomelm.models.gryphon import gryphon_blocks
from genomelm.models.hyena_glt import hyena_blocks
from genomelm.settings import from_mapping, to_mapping

BACKBONES = {
    "genomelm_hyena_glt": (HyenaConfig, hyena_blocks),
    "genomelm_gryphon": (GryphonBackboneConfig, gryphon_blocks),
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
            setattr(self, name, to_mapping(from_mapping(self.sections()[name], value or {}, f"config.json: {name}")))
        head = {"kind": LANGUAGE_HEADS[self.shell["objective"]], **(head or {})}
        self.head = to_mapping(from_mapping(HeadConfig, head, "config.json: head"))
        self.format_version = format_version

    @classmethod
    def sections(cls) -> dict[str, type]:
        """Return the dataclass of each section."""
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
        return from_mapping(self.sections()[name], getattr(self, name))

    @classmethod
    def tiny(cls, objective: str = "causal") -> "GenomeConfig":
        """Return the size for a laptop's CPU: under a million parameters."""
        return cls(shell={"objective": objective, "window": 2 if objective == "causal" else 3})


class HyenaGLTConfig(GenomeConfig):
    """Hyena-GLT."""

    model_type = "genomelm_hyena_glt"
    __init__ = GenomeConfig.__init__  # a subclass without one would get one made by transformers


class GryphonConfig(GenomeConfig):
    """Gryphon."""

    model_type = "genomelm_gryphon"
    __init__ = GenomeConfig.__init__  # a subclass without one would get one made by transformers


CONFIGS = {config.model_type: config for config in (HyenaGLTConfig, GryphonConfig)}
"""model_type -> its config class."""


def config_of(settings: Settings) -> GenomeConfig:
    """Return the configuration of a language model with these settings."""
    family = CONFIGS[f"genomelm_{settings.family}"]
    return family(**{name: to_mapping(getattr(settings, name)) for name in family.sections() if name != "head"})
