"""The checks of a language model: held-out bits, what each part is worth, the attention's pattern, the curve."""

import math

from genomelm.patching.parameters import SCORED
from genomelm.report.checks import FAIL, PASS, WARN, Check, Outcome, above_zero, at_least, check
from genomelm.report.inputs import Missing, Results

GROUP = "Language model"
PUBLISHED_NOTE = "it learns from the held-out bases as it goes, this model does not: a mark to reach, not a gate"
OPERATORS = {
    "hyena_glt": ("without_hyena",),
    "gryphon": ("without_s5", "without_bigbird"),
    "transformer": ("without_attention",),
}
"""Family -> the ablations that take its operators out."""
BLOCKS, SPARSITY = 16, 0.5


def unit(results: Results) -> str:
    """Return what a base's bits are called: a masked model's are another quantity than a causal one's."""
    return "bits per masked base" if results.masked else "bits per base"


def language_model(results: Results) -> list[Check]:
    """Return the checks of a language model; none where none was trained here."""
    if results.no_language_model:
        return []
    found = [beside_uniform(results)]
    if not results.masked:
        found = [beside_count_model(results), *found, beside_published(results)]
    return [*found, *ablations(results), *long_window(results), curve(results)]


def beside_count_model(results: Results) -> Check:
    part = results.language_model

    def measure() -> Outcome:
        value, _, high = part.interval("bits_per_base")
        count, count_low, _ = part.interval("count_model")
        if part.mapping("difference"):
            difference, low, top = part.interval("difference")
            return (
                above_zero(-difference, -top, -low, " bits gained")[0],
                value,
                f"count model {count:.4g}; difference {difference:.4g} ({low:.4g} to {top:.4g})",
            )
        if value >= count:
            return FAIL, value, f"count model {count:.4g}"
        return (
            (PASS if high < count_low else WARN),
            value,
            f"count model {count:.4g}" + ("" if high < count_low else "; intervals overlap"),
        )

    return check(GROUP, "Held-out bits per base beside the count model", "lower than the count model", measure)


def beside_uniform(results: Results) -> Check:
    part = results.language_model

    def measure() -> Outcome:
        value, _, high = part.interval("bits_per_base")
        uniform = part.number("uniform")
        status = PASS if high < uniform else (WARN if value < uniform else FAIL)
        return status, value, f"uniform {uniform:.4g}"

    return check(GROUP, f"Held-out {unit(results)} beside uniform bases", "lower than uniform", measure)


def beside_published(results: Results) -> Check:
    part = results.language_model

    def measure() -> Outcome:
        value, published = part.number("bits_per_base", "value"), part.number("published", "value")
        name = part.optional("published", "name") or "published compressor"
        return (PASS if value <= published else WARN), value, f"{name}: {published:.4g}; {PUBLISHED_NOTE}"

    return check(GROUP, "Held-out bits per base beside a published compressor", "at most the compressor", measure)


def ablations(results: Results) -> list[Check]:
    """Return one check a part that was taken out, or that this family and these patches should have taken out."""
    part = results.language_model
    names = list(dict.fromkeys([*expected_ablations(results), *part.mapping("ablations")]))
    if not names:
        reason = part.reason or f"{part.path} has no ablations"
        return [Check(GROUP, "Ablations", WARN, "above 0", reason=f"not run: {reason}")]
    return [
        check(GROUP, f"Ablation {name}: cost in {unit(results)}", "above 0", lambda name=name: cost(results, name))
        for name in names
    ]


def expected_ablations(results: Results) -> list[str]:
    """Return the ablations that an evaluation of this family makes; none when the results do not name it."""
    if results.family not in OPERATORS:
        return []
    scored = results.patching.optional("config", "mode") in SCORED  # else random boundaries are no ablation
    return ["backbone_mean", *(["random_boundaries"] if scored else []), *OPERATORS[results.family]]


def cost(results: Results, name: str, under: str = "ablations") -> Outcome:
    """Hold the bits that an ablation adds against 0, by their paired interval."""
    numbers = [results.language_model.number(under, name, key) for key in ("delta", "low", "high")]
    return above_zero(*numbers, " bits")


def long_window(results: Results) -> list[Check]:
    """Return the checks of one long window: the pattern of sparse attention, and what each operator adds there."""
    part = results.language_model
    sparse = results.family == "gryphon"

    def left_out() -> Outcome:
        value = part.number("long", "sparsity")
        reason = "of the pairs that dense attention reads, global rows included"
        return (PASS if value > SPARSITY else FAIL), value, reason

    def blocks() -> Outcome:
        patches = part.optional("long", "patches")
        return at_least(part.number("long", "blocks"), BLOCKS, f"{patches} patches" if patches else "")

    found = []
    if sparse or part.optional("long", "blocks") is not None:
        found = [
            check(GROUP, "Long window: attention blocks in one sequence", f"at least {BLOCKS}", blocks),
            check(GROUP, "Long window: share of pairs left out", f"over {SPARSITY}", left_out),
        ]
    names = ["without_bigbird"] if sparse else []
    names += [name for name in part.mapping("long") if name.startswith("without_") and name not in names]
    return found + [
        check(
            GROUP,
            f"Long window: ablation {name}, cost in {unit(results)}",
            "above 0",
            lambda name=name: cost(results, name, under="long"),
        )
        for name in names
    ]


def curve(results: Results) -> Check:
    def falls() -> Outcome:
        for key in ("test_bits", "train_bits"):
            values = [row[key] for row in results.log if isinstance(row.get(key), int | float)]
            if len(values) >= 2:
                if not all(math.isfinite(value) for value in values):
                    return FAIL, None, f"{key} is not finite at some step"
                return (
                    (PASS if values[-1] < values[0] else FAIL),
                    values[-1],
                    f"{key} from {values[0]:.4g} to {values[-1]:.4g}",
                )
        raise Missing("pretrain/log.jsonl is missing or has fewer than two readings")

    return check(GROUP, f"Training curve, last reading in {unit(results)}", "finite and lower than the first", falls)
