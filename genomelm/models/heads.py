"""Heads: what turns byte states into outputs, and the loss that goes with each."""

from genomelm.errors import UsageError
from genomelm.models.config import LANGUAGE_HEADS, HeadConfig, MultiTaskConfig, ShellConfig
from genomelm.models.head import Head
from genomelm.models.language_head import BITS, IGNORED, ByteLMHead
from genomelm.models.multi_task_head import MultiTaskHead
from genomelm.models.sequence_head import SequenceHead
from genomelm.models.token_head import TokenHead
from genomelm.models.variant_head import VariantEffectHead

__all__ = [
    "BITS",
    "HEADS",
    "IGNORED",
    "ByteLMHead",
    "Head",
    "MultiTaskHead",
    "SequenceHead",
    "TokenHead",
    "VariantEffectHead",
    "make_head",
]

HEADS = {
    "causal_lm": ByteLMHead,
    "masked_lm": ByteLMHead,
    "sequence_classification": SequenceHead,
    "token_classification": TokenHead,
    "regression": SequenceHead,
    "variant_effect": VariantEffectHead,
}
"""Head kind -> its module, of a regression for sequences."""


def make_head(shell: ShellConfig, head: HeadConfig | MultiTaskConfig) -> Head | MultiTaskHead:
    """Return a fresh head.

    Raises:
        UsageError: a language head of the other objective.
    """
    if isinstance(head, MultiTaskConfig):
        return MultiTaskHead({name: make_head(shell, one) for name, one in head.tasks.items()}, head.tasks)
    if head.kind in LANGUAGE_HEADS.values() and head.kind != LANGUAGE_HEADS[shell.objective]:
        raise UsageError(
            f"a {shell.objective} shell has the head {LANGUAGE_HEADS[shell.objective]}, not {head.kind}: "
            "set shell.objective, or use the other class"
        )
    return TokenHead(shell, head) if head.per_base else HEADS[head.kind](shell, head)
