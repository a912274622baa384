"""Heads: what turns byte states into logits, and the loss that goes with each."""

from genomelm.models.language_head import BITS, IGNORED, ByteLMHead
from genomelm.models.sequence_head import SequenceHead
from genomelm.models.token_head import TokenHead
from genomelm.models.variant_head import VariantEffectHead

__all__ = ["BITS", "HEADS", "IGNORED", "ByteLMHead", "SequenceHead", "TokenHead", "VariantEffectHead"]

HEADS = {
    "causal_lm": ByteLMHead,
    "masked_lm": ByteLMHead,
    "sequence_classification": SequenceHead,
    "token_classification": TokenHead,
    "regression": SequenceHead,
    "variant_effect": VariantEffectHead,
}
"""Head kind -> its module."""
