"""How much faster variants are scored from shared passes than by two full passes each, at equal scores."""

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from genomelm.bench.budget_cell import peak_memory, wait
from genomelm.bench.timing import row
from genomelm.errors import InputError, NumericalError, UsageError
from genomelm.models.model import GenomeModel
from genomelm.scoring.alleles import Window, other_strand, read_pair
from genomelm.scoring.annotate import annotate
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


def write_random_genome(path: Path, length: int, seed: int = 0) -> None:
    """Write a FASTA file of one contig of random bases."""
    bases = np.frombuffer(b"ACGT", np.uint8)[np.random.default_rng(seed).integers(0, 4, length)].tobytes().decode()
    path.write_text(">c\n" + "\n".join(bases[at : at + 80] for at in range(0, length, 80)) + "\n")


def score_speed(
    model: GenomeModel, genome: Genome, count: int, apart: int, width: int, plain: int, repeats: int
) -> dict:
    """Score substitutions of a stretch of genome both ways, in turn, and a VCF of them as `genomelm score` does.

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
        "rows": of `timing.row`, "fast", "plain" and "whole run", which reads and writes a VCF, in variants a second;
        "ratio": of the medians of "fast" and "plain";
        "largest_difference": of the scores, nats; "deviation": of the scores, nats; "peak_bytes" of the GPU; "path".

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
    variants = substitutions(genome, count, apart)
    pairs = [pair for pair in (scorer.pair(genome, variant) for variant in variants) if pair.status in SCORED]
    if not pairs:
        raise InputError(f"none of {count} substitutions of {genome.path} can be scored in windows of {width} bases")
    some = pairs[:: max(1, len(pairs) // plain)][:plain]
    times: dict[str, list[float]] = {"fast": [], "plain": [], "whole run": []}

    def take(name: str, work: Callable[[], object]) -> object:
        begin = time.perf_counter()
        result = work()
        wait(model.device)
        times[name].append(time.perf_counter() - begin)
        return result

    if model.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(model.device)
    with tempfile.TemporaryDirectory() as folder:
        vcf, out = Path(folder) / "in.vcf", Path(folder) / "out.vcf.gz"
        write_substitutions(vcf, variants)
        for _ in range(repeats + 1):  # the first does not count
            scores = take("fast", lambda: scorer.score(pairs))
            take("plain", lambda: [two_passes(model, scorer, pair) for pair in some])
            take("whole run", lambda: annotate(vcf, genome, scorer, out))
    chosen = dict(zip(map(id, pairs), scores, strict=True))
    differing = max(abs(chosen[id(pair)] - reference_score(model, scorer, pair)) for pair in some)
    if not differing <= TOLERANCE:
        raise NumericalError(f"the two ways differ by {differing:.2g} nats, more than {TOLERANCE}")
    counts = {"fast": len(pairs), "plain": len(some), "whole run": len(pairs)}
    rows = [row(name, counts[name], seconds[1:], strands=1 + scorer.both_strands) for name, seconds in times.items()]
    return {
        "rows": rows,
        "ratio": rows[0]["positions_per_s"] / rows[1]["positions_per_s"],
        "largest_difference": float(differing),
        "deviation": float(np.std(scores)),
        "peak_bytes": peak_memory(model.device),
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


def write_substitutions(path: Path, variants: Sequence[Variant]) -> None:
    """Write variants as a VCF file."""
    lines = ["##fileformat=VCFv4.2", "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"]
    lines += [f"{one.contig}\t{one.pos}\t.\t{one.ref}\t{one.alt}\t.\tPASS\tDP=30" for one in variants]
    path.write_text("\n".join(lines) + "\n")


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
