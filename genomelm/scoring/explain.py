"""How one variant came to its score: windows, patches and likelihoods of both alleles, on each strand that is read."""

from collections.abc import Sequence

import numpy as np

from genomelm.errors import UsageError
from genomelm.scoring import effects
from genomelm.scoring.alleles import Window, WindowPair, other_strand, read_pair
from genomelm.scoring.forward import head_outputs, pair_outputs, read_windows
from genomelm.scoring.likelihood import LikelihoodScorer
from genomelm.scoring.pair_scorer import PairScorer, WindowScorer
from genomelm.scoring.predictions import base_log_probabilities
from genomelm.scoring.published_scorer import PublishedScorer
from genomelm.scoring.record import finite_row
from genomelm.seq.genome import Genome
from genomelm.seq.variant import Variant
from genomelm.seq.window import SCORED, AllelePair

NEAR = 12
"""Bases on either side of a change that the text shows one by one."""


def parse_variant(text: str) -> Variant:
    """Read contig:position:REF:ALT, the position counted from 1; a contig's name may hold colons.

    Raises:
        UsageError: it is none.
    """
    parts = text.rsplit(":", 3)
    if len(parts) != 4 or not parts[1].isdecimal() or not all(parts):
        raise UsageError(f"'{text}' is no variant: write contig:position:REF:ALT, such as chr1:12345:A:G")
    return Variant(parts[0], int(parts[1]), parts[2], parts[3])


def explain(scorer: WindowScorer, genome: Genome, variant: Variant) -> dict:
    """Return how a variant is scored, as plain JSON values.

    Returns:
        "variant", "status", "tag", "description", "score" (what `genomelm score` writes, None where the status says why
        there is none), "provenance", and "strands": for each strand that is read its window, both alleles' bases and
        patch starts, "offset" of the change, "score", and "log_p" of every base of both in nats (language models), or
        "output" of both (task heads). Of a causal model "compared" tells first and last base that count. Models of
        transformers' own have "tokens", their "log_p" (of a masked one, where it is hidden for this score), and
        "counted", first and last that count. A head with several outputs has "scores" by their tags, not "score".
    """
    pair = scorer.pair(genome, variant)
    found = {
        "variant": str(variant),
        "status": pair.status,
        "tag": scorer.tag,
        "description": scorer.description,
        **_named(scorer, None),
        "strands": [],
        "provenance": dict(scorer.provenance),
    }
    if pair.status not in SCORED:
        return found
    score = scorer.score([pair])[0]
    strands = (pair, other_strand(pair)) if scorer.both_strands else (pair,)
    found |= {**_named(scorer, score), "strands": [_strand(scorer, strand) for strand in strands]}
    return found if finite_row(np.atleast_1d(score)) else {**found, "status": "NONFINITE"}


def _named(scorer: WindowScorer, score: float | np.ndarray | None) -> dict:
    """Return "score", or "scores" by the tags of several outputs; None where there is none."""
    row = () if score is None else finite_row(np.atleast_1d(score).tolist()) or ()
    if not scorer.outputs:
        return {"score": row[0] if row else None}
    tags = [f"{scorer.tag}_{output.part}" for output in scorer.outputs]
    return {"scores": dict(zip(tags, row or [None] * len(tags), strict=True))}


def _strand(scorer: WindowScorer, pair: AllelePair) -> dict:
    if isinstance(scorer, PublishedScorer):
        return {**_place(scorer, pair), **scorer.explained(pair)}
    ref, alt = read_pair(scorer.model, pair)
    facts = {
        **_place(scorer, pair),
        "ref": _allele(pair.ref, pair.offset, pair.ref_length, ref),
        "alt": _allele(pair.alt, pair.offset, pair.alt_length, alt),
    }
    if isinstance(scorer, LikelihoodScorer):
        change = scorer.changes([pair])[0]
        facts["compared"] = [change.offset, change.offset + change.count]
    for name, values in zip(("ref", "alt"), _read(scorer, ref, alt), strict=True):
        facts[name] |= values
    return facts


def _place(scorer: WindowScorer, pair: AllelePair) -> dict:
    return {"window": str(pair.window), "offset": pair.offset, **_named(scorer, scorer.strand_scores([pair])[0])}


def _allele(sequence: str, offset: int, length: int, window: Window) -> dict:
    starts = np.flatnonzero(window.marks[:-1]).tolist()
    return {"sequence": sequence, "allele": sequence[offset : offset + length], "patch_starts": starts}


def _read(scorer: PairScorer, ref: Window, alt: Window) -> list[dict]:
    """Return what the model says of each allele."""
    model = scorer.model
    if model.is_language_model:
        return [{"log_p": values.tolist()} for values in base_log_probabilities(model, [ref, alt])]
    if model.head_kind == "variant_effect":
        outputs: Sequence[np.ndarray] = read_windows(model, [WindowPair(ref, w) for w in (ref, alt)], pair_outputs)
    elif model.gives_bases:
        return [{}, {}]
    else:
        outputs = read_windows(model, [ref, alt], head_outputs)
    return [{"output": output.tolist()} for output in outputs]


def as_text(found: dict) -> str:
    """Return an explanation as text: the change and what stands near it, base by base, with what they add up to."""
    scores = found["scores"] if "scores" in found else {found["tag"]: found["score"]}
    values = {tag: "." if score is None else f"{score:.7g}" for tag, score in scores.items()}
    told = " ".join(f"{tag}={value}" for tag, value in values.items())
    lines = [f"{found['variant']}  {found['status']}  {told}", found["description"]]
    lines += [f"{name}: {value}" for name, value in found["provenance"].items()]
    for strand in found["strands"]:
        lines += ["", *_strand_lines(strand)]
    if len(found["strands"]) > 1:
        lines += ["", f"mean of {len(found['strands'])} strands: {' '.join(values.values())}"]
    return "\n".join(lines) + "\n"


def _strand_lines(strand: dict) -> list[str]:
    ref, alt, offset = strand["ref"], strand["alt"], strand["offset"]
    change = f"{ref['allele'] or '-'} to {alt['allele'] or '-'} at base {offset + 1} of the window"
    scores = strand["scores"].values() if "scores" in strand else [strand["score"]]
    values = " ".join("." if score is None else f"{score:.7g}" for score in scores)
    lines = [f"{strand['window']}, as it is read: {change}; score {values}"]
    last = offset + max(len(ref["allele"]), len(alt["allele"])) + NEAR
    lines += [
        f"{name}  {_patched(allele, max(offset - NEAR, 0), last)}" for name, allele in (("ref", ref), ("alt", alt))
    ]
    if "output" in ref:
        return [*lines, *(f"{name}: {' '.join(f'{x:.7g}' for x in strand[name]['output'])}" for name in ("ref", "alt"))]
    if "tokens" in ref:
        return [*lines, *_token_lines(strand)]
    if "log_p" not in ref:
        return lines
    lines.append("base  ref    log p  alt    log p   (nats)")
    for place in range(max(offset - NEAR, 0), min(last, len(ref["log_p"]), len(alt["log_p"]))):
        pair = (f"{allele['sequence'][place]:>5} {allele['log_p'][place]:8.3f}" for allele in (ref, alt))
        lines.append(f"{place + 1:>4} {'  '.join(pair)}")
    if "compared" in strand:
        first, end = strand["compared"]
        sums = [float(effects.log_likelihood(np.array(allele["log_p"][first:end]))) for allele in (ref, alt)]
        lines.append(
            f"bases {first + 1} to {end}: {sums[1]:.7g} of the alternative minus {sums[0]:.7g} of the reference"
        )
    return lines


def _token_lines(strand: dict) -> list[str]:
    """Return the tokens that count, and what they add up to."""
    lines, sums = [], []
    for name in ("ref", "alt"):
        first, end = strand[name]["counted"]
        values = strand[name]["log_p"][first:end]
        shown = zip(strand[name]["tokens"][first:end], values, strict=True)
        lines.append(f"{name}: " + " ".join(f"{text} {value:.3f}" for text, value in shown) + "  (log p, nats)")
        sums.append(float(effects.log_likelihood(np.array(values))))
    return [*lines, f"{sums[1]:.7g} of the alternative minus {sums[0]:.7g} of the reference"]


def _patched(allele: dict, first: int, last: int) -> str:
    """Return bases with a bar before each that starts a patch."""
    starts = set(allele["patch_starts"])
    bases = enumerate(allele["sequence"][first:last], first)
    return "".join(("|" if place in starts else "") + base for place, base in bases)
