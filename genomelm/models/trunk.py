"""What stands under the heads: a family's shell with its backbone."""

from genomelm.errors import UsageError
from genomelm.models.backbone import Backbone
from genomelm.models.cnn import CNNShell
from genomelm.models.cnn_config import CNNShellConfig
from genomelm.models.families import BACKBONES, GenomeConfig
from genomelm.models.hyenadna import HyenaDNAShell
from genomelm.models.hyenadna_config import HyenaDNAShellConfig
from genomelm.models.mixed_shell import MixedShell
from genomelm.models.shell import ByteLatentShell


def make_trunk(config: GenomeConfig) -> ByteLatentShell | HyenaDNAShell | CNNShell:
    """Return the trunk that a config asks for, with fresh weights.

    Raises:
        UsageError: sections that do not go together.
    """
    shell, backbone = config.section("shell"), config.section("backbone")
    if isinstance(shell, HyenaDNAShellConfig):
        return HyenaDNAShell(shell, backbone)
    if isinstance(shell, CNNShellConfig):
        return CNNShell(shell, backbone)
    positions, branches = config.section("positions"), config.section("branches")
    if shell.conjoined and positions.codon:
        raise UsageError(
            "positions.codon tells of the codons of the strand that is read, and shell.conjoined reads both: "
            "switch one of them off"
        )
    blocks = BACKBONES[config.model_type][1](shell, positions, backbone)
    kind = MixedShell if shell.alphabet == "mixed" else ByteLatentShell
    return kind(shell, positions, branches, Backbone(shell.width, blocks, config.section("merge")))
