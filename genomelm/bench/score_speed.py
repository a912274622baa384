"""How much faster variants are scored from shared passes than by two full passes each, at equal scores."""

import time

import numpy as np

from genomelm.bench.budget_cell import wait
from genomelm.bench.timing import row
from genomelm.errors import InputError, NumericalError, UsageError
from genomelm.models.model import GenomeModel
from genomelm.scoring.alleles import Window, other_strand, read_pair
from genomelm.scoring.forward import byte_log_probabilities, read_windows
from genomelm.scoring.likelihood import LikelihoodScorer
from genomelm.scoring.masked import hidden_log_probabilities, hidden_ratio
from genomelm.scoring.scorer import MaskedScorer, scorer_for
from genomelm.seq.alphabet import ALPHABETS
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.seq.variant import Variant
from genomelm.seq.window import SCORED, AllelePair

OTHER = {"A": "C", "C": "G", "G": "T", "T": "A"}
TOLERANCE = 1e-4
"""Nats by which the two ways may differ."""


def score_speed(
    model: GenomeModel, genome: Genome, count: int, apart: int, width: int, plain: int, repeats: int
) -> dict:
    """Score substitutions of a stretch of genome both ways, in turn.

    The plain way reads two windows of `width` bases a variant and strand, each variant by itself.

    Args:
        model: a language model with its patcher.
        genome: holds the variants, from the middle of its longest contig on.
        count: substitutions that the fast way scores.
        apart: bases from one to the next.
        width: bases of a window.
        plain: how many of them the plain way scores too.
        repeats: timings of either, of which the median counts.

    Returns:
        "rows": of `timing.row`, "fast" and "plain", in variants a second; "ratio": of their medians;
        "largest_difference": of the scores, nats; "scores": deviation of the scores, nats; "path".

    Raises:
        UsageError: no language model, or one that has no other way than full passes.
        InputError: no variant can be scored.
        NumericalError: the scores of the two ways differ.
    """
    scorer = scorer_for(model, width)
    if not isinstance(scorer, LikelihoodScorer | MaskedScorer):
        raise UsageError(f"a language model is needed; this one's head is {model.head_kind}")
    if isinstance(scorer, LikelihoodScorer) and not scorer.shared:
        raise UsageError("the model scores by full passes: it keeps no state that alternatives could go on from")
    found = [scorer.pair(genome, variant) for variant in substitutions(genome, count, apart)]
    pairs = [pair for pair in found if pair.status in SCORED]
    if not pairs:
        raise InputError(f"none of {count} substitutions of {genome.path} can be scored in windows of {width} bases")
    some = pairs[:: max(1, len(pairs) // plain)][:plain]
    times: dict[str, list[float]] = {"fast": [], "plain": []}
    for _ in range(repeats + 1):  # the first does not count
        begin = time.perf_counter()
        scores = scorer.score(pairs)
        wait(model.device)
        times["fast"].append(time.perf_counter() - begin)
        begin = time.perf_counter()
        for pair in some:
            two_passes(model, scorer, pair)
        wait(model.device)
        times["plain"].append(time.perf_counter() - begin)
    chosen = dict(zip(map(id, pairs), scores, strict=True))
    differing = max(abs(chosen[id(pair)] - reference_score(model, scorer, pair)) for pair in some)
    if not differing <= TOLERANCE:
        raise NumericalError(f"the two ways differ by {differing:.2g} nats, more than {TOLERANCE}")
    rows = [
        row("fast", len(pairs), times["fast"][1:], strands=1 + scorer.both_strands),
        row("plain", len(some), times["plain"][1:], strands=1 + scorer.both_strands),
    ]
    return {
        "rows": rows,
        "ratio": rows[0]["positions_per_s"] / rows[1]["positions_per_s"],
        "largest_difference": float(differing),
        "deviation": float(np.std(scores)),
        "path": "shared state" if isinstance(scorer, LikelihoodScorer) else "one pass a hidden site",
        "apart": apart,
        "width": width,
    }


def substitutions(genome: Genome, count: int, apart: int) -> list[Variant]:
    """Return substitutions `apart` bases from one another, from the middle of the longest contig on."""
    contig, length = max(genome.contigs.items(), key=lambda item: item[1])
    first = max(length // 2 - count * apart // 2, 0)
    sequence = genome.fetch(Interval(contig, first, min(first + count * apart, length))).upper()
    bases = [(first + at, sequence[at]) for at in range(0, len(sequence), apart)]
    return [Variant(contig, at + 1, base, OTHER[base]) for at, base in bases if base in OTHER]


def reference_score(model: GenomeModel, scorer: LikelihoodScorer | MaskedScorer, pair: AllelePair) -> float:
    """Return the score of one pair by a pass over each whole window of each strand."""
    strands = (pair, other_strand(pair)) if scorer.both_strands else (pair,)
    return float(np.mean([_ratio(model, *_windows(scorer, strand)) for strand in strands]))


def two_passes(model: GenomeModel, scorer: LikelihoodScorer | MaskedScorer, pair: AllelePair) -> None:
    """Read what a plain scorer would: on each strand the two windows, of no more bases than the width."""
    for strand in (pair, other_strand(pair)) if scorer.both_strands else (pair,):
        ref, alt, place = _windows(scorer, strand)
        spare = max(place.stop - scorer.width, 0) if model.objective == "causal" else 0
        _ratio(
            model, *(_behind(window, spare) for window in (ref, alt)), slice(place.start - spare, place.stop - spare)
        )


def _windows(scorer: LikelihoodScorer | MaskedScorer, pair: AllelePair) -> tuple[Window, Window, slice]:
    """Return the windows of a substitution as a plain scorer reads them, and the bases that count."""
    ref, alt = read_pair(scorer.model, pair)
    if isinstance(scorer, MaskedScorer):
        return ref, alt, slice(pair.offset, pair.offset + pair.ref_length)
    change = scorer.changes([pair])[0]
    end = change.offset + change.count
    ref, alt = (Window(window.ids[:end], window.marks[: end + 1]) for window in (ref, alt))
    return ref, alt, slice(change.offset, end)


def _behind(window: Window, spare: int) -> Window:
    marks = window.marks[spare:].copy()
    marks[0] = True
    return Window(window.ids[spare:], marks)


def _ratio(model: GenomeModel, ref: Window, alt: Window, place: slice) -> float:
    """Return log p(alt) - log p(ref) of the bases at `place`, each window in a pass of its own."""
    if model.objective == "causal":
        read = [read_windows(model, [window], byte_log_probabilities)[0][place].sum() for window in (ref, alt)]
        return float(read[1] - read[0])
    letters = ALPHABETS[model.alphabet].ids
    read = [read_windows(model, [window.hidden(place)], hidden_log_probabilities)[0] for window in (ref, alt)]
    return hidden_ratio(read[0], ref.ids[place], read[1], alt.ids[place], letters)
