"""Where a score stands among those of random variants of its kind: backgrounds of one model on one reference."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from genomelm.errors import InputError, IntegrityError, UsageError
from genomelm.files import atomic_directory, check_folder, provenance, read_json, write_json
from genomelm.runtime import counter_seed
from genomelm.scoring.allele_scorer import AlleleScorer, parts_of
from genomelm.scoring.identity import reference_facts
from genomelm.seq.alphabet import reverse_complement
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.seq.variant import Variant
from genomelm.seq.window import SCORED, AllelePair

BINS = ((1, 1), (2, 2), (3, 4), (5, 8), (9, 16), (17, 32))
"""Lengths of insertions, deletions and substitutions of several bases that are told apart, shortest and longest."""

POOL = 512
"""Variants that are scored in one call."""

TRIES = 5_000
"""Random places that are looked at for each variant of a class, before the class stays smaller."""

_ELSEWHERE = ("device", "dtype")  # facts of a run that scores do not depend on


def variant_class(pair: AllelePair) -> str | None:
    """Return the class of a scored variant, or None where it has none.

    Substitutions of one base: context and change, written from the strand on which the base is C or T (ACG>T);
    others: ins_5_8, del_1, mnv_3_4 by bases gained, lost, or replaced. A pair on the other strand has the same class.
    """
    ref_length, alt_length = pair.ref_length, pair.alt_length
    if ref_length == alt_length == 1:
        context, alt = pair.ref[max(pair.offset - 1, 0) : pair.offset + 2], pair.alt[pair.offset]
        if pair.offset == 0 or len(context) < 3 or not set(context) <= set("ACGT"):
            return None
        if context[1] in "AG":
            context, alt = reverse_complement(context), reverse_complement(alt)
        return f"{context}>{alt}"
    kind = "mnv" if ref_length == alt_length else "ins" if alt_length > ref_length else "del"
    size = ref_length if kind == "mnv" else abs(alt_length - ref_length)
    return next((_named(kind, least, most) for least, most in BINS if least <= size <= most), None)


def _named(kind: str, least: int, most: int) -> str:
    return f"{kind}_{least}" if least == most else f"{kind}_{least}_{most}"


def all_classes() -> list[str]:
    """Return the names of all classes."""
    changes = itertools.product("ACGT", "CT", "ACGT", "ACGT")
    single = [f"{before}{base}{after}>{alt}" for before, base, after, alt in changes if alt != base]
    longer = [(kind, *size) for kind in ("ins", "del", "mnv") for size in BINS if (kind, *size) != ("mnv", 1, 1)]
    return single + [_named(*part) for part in longer]


def random_variants(
    genome: Genome, per_class: int, seed: int, pair: Callable[[Variant], AllelePair]
) -> list[AllelePair]:
    """Draw variants at places that are uniform over all bases, `per_class` of each class or as many as are found.

    Args:
        genome: the reference.
        per_class: variants of a class.
        seed: the draws are a pure function of it, the genome and `per_class`.
        pair: makes the windows of a variant; those that cannot be scored are drawn again.

    Returns:
        In the genome's order.

    Raises:
        InputError: no variant of any class is found.
    """
    wanted = dict.fromkeys(all_classes(), per_class)
    found: dict[tuple, AllelePair] = {}
    for kind, least, most in [("snv", 1, 1), *((k, *size) for k in ("ins", "del", "mnv") for size in BINS)]:
        names = {name for name in wanted if (">" in name if kind == "snv" else name == _named(kind, least, most))}
        found_here = draws(genome, kind, least, most, seed)
        for variant in itertools.islice(found_here, TRIES * per_class if names else 0):
            if not any(wanted[name] for name in names):
                break
            if variant is None or (place := (variant.contig, variant.pos, variant.ref, variant.alt)) in found:
                continue
            if kind == "snv" and not _still_wanted(genome, variant, wanted):
                continue
            windows = pair(variant)
            name = variant_class(windows) if windows.status in SCORED else None
            if name in names and wanted[name]:
                wanted[name] -= 1
                found[place] = windows
    if not found:
        raise InputError(f"{genome.path} holds no place where a random variant can be scored")
    order = {contig: number for number, contig in enumerate(genome.contigs)}
    return [found[key] for key in sorted(found, key=lambda key: (order[key[0]], *key[1:]))]


def draws(genome: Genome, kind: str, least: int, most: int, seed: int) -> Iterator[Variant | None]:
    """Yield random variants of a kind; None where a place has no such variant."""
    contigs, ends = list(genome.contigs), np.cumsum(list(genome.contigs.values()))
    for number in itertools.count():
        random = np.random.default_rng(counter_seed("background", seed, kind, least, number))
        place = int(random.integers(int(ends[-1])))
        contig = contigs[int(np.searchsorted(ends, place, side="right"))]
        start = place - int(ends[contigs.index(contig)] - genome.contigs[contig])
        size = int(random.integers(least, most + 1))
        span = {"snv": 1, "ins": 1, "del": size + 1, "mnv": size}[kind]
        if start + span > genome.contigs[contig]:
            yield None
            continue
        ref = genome.fetch(Interval(contig, start, start + span)).upper()
        if not set(ref) <= set("ACGT"):
            yield None
            continue
        if kind == "del":
            alt = ref[0]
        elif kind == "ins":
            alt = ref + "".join(random.choice(list("ACGT"), size))
        else:
            alt = "".join(random.choice(list("ACGT".replace(base, ""))) for base in ref)
        yield Variant(contig, start + 1, ref, alt)


def _still_wanted(genome: Genome, variant: Variant, wanted: Mapping[str, int]) -> bool:
    """Return whether a substitution's class still lacks variants, before its windows are made."""
    start = variant.pos - 1
    if not 0 < start < genome.contigs[variant.contig] - 1:
        return False
    around = genome.fetch(Interval(variant.contig, start - 1, start + 2)).upper()
    name = variant_class(AllelePair(variant, "OK", None, around, around[0] + variant.alt + around[2], 1, 1, 1))
    return name is not None and wanted[name] > 0


def make_background(
    genome: Genome,
    scorer: AlleleScorer,
    out: str | Path,
    per_class: int,
    seed: int,
    progress: Callable | None = None,
    draw: Callable[..., list[AllelePair]] | None = None,
) -> dict[str, int]:
    """Score random variants of the reference and write the folder; return the variants of each class.

    Args:
        genome: the reference.
        scorer: of the model, with the windows, strands and effect that scores will have.
        out: folder; it is replaced whole.
        per_class: variants of a class.
        seed: of the draws.
        progress: called with (variants done, variants in all).
        draw: draws the variants, with the arguments of `random_variants`, which it takes the place of.

    Raises:
        UsageError: a number out of range.
        InputError: no variant can be scored.
    """
    if per_class < 1:
        raise UsageError(f"{per_class} variants a class are too few; give 1 or more")
    check_folder(out, ("scores.npz", "background.json"))
    pairs = (draw or random_variants)(genome, per_class, seed, lambda variant: scorer.pair(genome, variant))
    scores: dict[str, list] = {}
    for first in range(0, len(pairs), POOL):
        pool = pairs[first : first + POOL]
        for pair, score in zip(pool, scorer.score(pool), strict=True):
            if np.isfinite(score).all():
                scores.setdefault(variant_class(pair), []).append(score)
        if progress:
            progress(min(first + POOL, len(pairs)), len(pairs))
    counts = {name: len(scores[name]) for name in sorted(scores)}
    outputs = {"outputs": parts_of(scorer)} if parts_of(scorer) else {}
    facts = {"tag": scorer.tag, **outputs, "per_class": per_class, "seed": seed, "classes": counts}
    made_by = provenance(**reference_facts(genome), **scorer.provenance)
    with atomic_directory(out) as folder:
        np.savez(folder / "scores.npz", **{name: np.sort(values, 0) for name, values in scores.items()})
        write_json(folder / "background.json", {**facts, "provenance": made_by})
    return counts


class ScoreBackground:
    """Scores of random variants, by class.

    Args:
        scores: float64 (m,) of each class, sorted; of k outputs (m, k), each sorted by itself.
        facts: of the folder.

    Attributes:
        provenance: which background it is, for the header of what it is used on.
    """

    def __init__(self, scores: Mapping[str, np.ndarray], facts: Mapping[str, object]) -> None:
        self._scores = scores
        self.provenance = {"background": f"{facts['per_class']} variants a class, seed {facts['seed']}"}

    @classmethod
    def load(cls, path: str | Path, scorer: AlleleScorer, genome: Genome) -> "ScoreBackground":
        """Read a folder of `make_background`.

        Raises:
            UsageError: there is none, or it is of another model, reference, window, effect or strands.
            IntegrityError: the folder is not whole.
        """
        path = Path(path)
        if not (path / "background.json").is_file():
            raise UsageError(f"{path} holds no background: make one with `genomelm background`")
        try:
            facts = read_json(path / "background.json")
            theirs = {"tag": facts["tag"], **facts["provenance"]}
            with np.load(path / "scores.npz", allow_pickle=False) as stored:
                scores = {name: stored[name] for name in facts["classes"]}
            held = facts.get("outputs", [])
            cls._check_whole(scores, facts["classes"], held)
            found = cls(scores, facts)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise IntegrityError(f"{path} is not a whole background ({error}): make it again") from None
        ours = {"tag": scorer.tag, "circular": None, **reference_facts(genome), **scorer.provenance}
        for name, value in ours.items():
            if name not in _ELSEWHERE and theirs.get(name) != value:
                raise UsageError(
                    f"{path} is of another {name} ({theirs.get(name)}, and this run has {value}): make a background "
                    "for this one with `genomelm background`"
                )
        wanted = parts_of(scorer)
        if lacking := [name for name in wanted if name not in held]:
            raise UsageError(
                f"{path} holds no scores of output {', '.join(lacking)} (it has {', '.join(held) or 'none'}): make a "
                "background for this model with `genomelm background`"
            )
        columns = [held.index(name) for name in wanted]
        return cls({name: values[:, columns] for name, values in scores.items()}, facts) if wanted else found

    @staticmethod
    def _check_whole(scores: Mapping[str, np.ndarray], counts: Mapping[str, int], outputs: Sequence[str]) -> None:
        for name, values in scores.items():
            shape = (counts[name], *([len(outputs)] if outputs else []))
            if values.shape != shape or not np.isfinite(values).all() or (np.diff(values, axis=0) < 0).any():
                raise ValueError(f"class {name} does not hold {counts[name]} sorted numbers")

    def percentiles(self, pairs: Sequence[AllelePair], scores: np.ndarray) -> np.ndarray:
        """Return the share of its class's background that lies below each score, ties by half, in per cent.

        Args:
            pairs: scored variants.
            scores: float64 (n,), NaN where there is none; (n, k) of k outputs.

        Returns:
            float64 of their shape in 0..100; NaN where there is no score, or no background of the class.
        """
        if scores.ndim == 2:
            classes = [{name: rows[:, c] for name, rows in self._scores.items()} for c in range(scores.shape[1])]
            return np.stack([_percentiles(classes[c], pairs, scores[:, c]) for c in range(scores.shape[1])], 1)
        return _percentiles(self._scores, pairs, scores)


def _percentiles(background: Mapping[str, np.ndarray], pairs: Sequence[AllelePair], scores: np.ndarray) -> np.ndarray:
    """Return the percentiles of one score, float64 (n,)."""
    found = np.full(len(pairs), np.nan)
    for number, (pair, score) in enumerate(zip(pairs, scores, strict=True)):
        values = background.get(variant_class(pair)) if np.isfinite(score) else None
        if values is not None:
            below, upto = (np.searchsorted(values, score, side=side) for side in ("left", "right"))
            found[number] = 50.0 * (below + upto) / len(values)
    return found
