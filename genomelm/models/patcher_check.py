"""Which patches a model may have: none that tell it of what it should guess."""

from genomelm.errors import UsageError
from genomelm.patching.patcher import Patcher


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
