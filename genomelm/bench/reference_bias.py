"""How much one segmentation for both alleles, the reference's, favours the reference base.

A causal model scores substitutions three times: in the patches of the reference, of the sequence whose variant base
is N, and of the alternative. The mean difference of the log-likelihood ratios is what the choice adds.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from genomelm.errors import InputError, UsageError
from genomelm.models.model import GenomeModel
from genomelm.scoring.alleles import Window, other_strand, read_alone
from genomelm.scoring.effects import strand_average
from genomelm.scoring.likelihood import LikelihoodScorer, plain_ratios
from genomelm.seq.genome import Genome
from genomelm.seq.variant import Variant
from genomelm.seq.window import SCORED, AllelePair
from genomelm.tasks.metrics import bootstrap_ratio

SOURCES = ("reference", "unknown", "alternative")
"""Whose patches both alleles are read in: N stands at the variant base of `unknown`."""


def reference_bias(model: GenomeModel, genome: Genome, variants: Sequence[Variant], width: int) -> dict:
    """Compare log p(alt) - log p(ref) among segmentations.

    Args:
        model: causal language model with its patcher.
        genome: holds the variants.
        variants: substitutions.
        width: bases of the windows.

    Returns:
        "mean": nats by segmentation; "reference_minus_unknown", "reference_minus_alternative": mean differences in
        nats with bootstrap intervals over variants, below 0 where the reference's patches favour its base;
        "segmentations_differ": share of variants, on either strand, for which any two are not the same.

    Raises:
        UsageError: the model is no causal language model.
        InputError: no variant can be scored.
    """
    if model.head_kind != "causal_lm":
        raise UsageError(f"a causal language model is needed; this one's head is {model.head_kind}")
    scorer = LikelihoodScorer(model, width)
    pairs = [pair for variant in variants if (pair := scorer.pair(genome, variant)).status in SCORED]
    if not pairs:
        raise InputError(f"none of {len(variants)} variants can be scored in windows of {width} bases")
    strands = [strand for pair in pairs for strand in (pair, other_strand(pair))]
    scores, alike = {}, np.ones(len(strands), bool)
    marks = {source: [_marks(model, pair, source) for pair in strands] for source in SOURCES}
    for source in SOURCES:
        changes = [
            dataclasses.replace(change, ref=Window(change.ref.ids, cut), alt=Window(change.alt.ids, cut))
            for change, cut in zip(scorer.changes(strands), marks[source], strict=True)
        ]
        ratios = np.array(plain_ratios(model, changes))
        scores[source] = strand_average(ratios[0::2], ratios[1::2])
        alike &= [np.array_equal(*both) for both in zip(marks[source], marks["reference"], strict=True)]
    ones = np.ones(len(pairs))
    return {
        "variants": len(pairs),
        "width": width,
        "mean": {source: float(values.mean()) for source, values in scores.items()},
        "spread": float(scores["reference"].std()),
        "reference_minus_unknown": bootstrap_ratio(scores["reference"] - scores["unknown"], ones),
        "reference_minus_alternative": bootstrap_ratio(scores["reference"] - scores["alternative"], ones),
        "segmentations_differ": float(1 - (alike[0::2] & alike[1::2]).mean()),
    }


def _marks(model: GenomeModel, pair: AllelePair, source: str) -> np.ndarray:
    unknown = pair.ref[: pair.offset] + "N" + pair.ref[pair.offset + 1 :]
    sequence = {"reference": pair.ref, "unknown": unknown, "alternative": pair.alt}[source]
    return read_alone(model, sequence).marks
