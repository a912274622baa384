"""The checks on training, held-out figures, patching and scored variants."""

import math

from genomelm.report.checks import FAIL, PASS, WARN, Check, Outcome, above_zero, at_most, check
from genomelm.report.inputs import Missing, Part, Results

PUBLISHED_NOTE = "it learns from the held-out bases as it goes, this model does not: a mark to reach, not a gate"


def language_model(results: Results) -> list[Check]:
    part, group = results.language_model, "Language model"

    def beside_count_model() -> Outcome:
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

    def beside_uniform() -> Outcome:
        value, _, high = part.interval("bits_per_base")
        uniform = part.number("uniform")
        status = PASS if high < uniform else (WARN if value < uniform else FAIL)
        return status, value, f"uniform {uniform:.4g}"

    def beside_published() -> Outcome:
        value, published = part.number("bits_per_base", "value"), part.number("published", "value")
        name = part.optional("published", "name") or "published compressor"
        return (PASS if value <= published else WARN), value, f"{name}: {published:.4g}; {PUBLISHED_NOTE}"

    found = [
        check(group, "Held-out bits per base beside the count model", "lower than the count model", beside_count_model),
        check(group, "Held-out bits per base beside uniform bases", "lower than uniform", beside_uniform),
        check(
            group, "Held-out bits per base beside a published compressor", "at most the compressor", beside_published
        ),
    ]
    source = ablation_part(results)
    names = list(source.mapping("ablations"))
    for name in names:

        def costs(name: str = name) -> Outcome:
            numbers = [source.number("ablations", name, key) for key in ("delta", "low", "high")]
            return above_zero(*numbers, " bits")

        found.append(check(group, f"Ablation {name}: cost in bits per base", "above 0", costs))
    if not names:
        found.append(
            Check(
                group,
                "Ablations",
                WARN,
                "above 0",
                reason=f"not run: {source.reason or source.path + ' has no ablations'}",
            )
        )
    return found


def ablation_part(results: Results) -> Part:
    """Return the part that holds the ablations: the language model's file, or evaluate/ablation.json."""
    return results.ablation if results.ablation.mapping("ablations") else results.language_model


def training(results: Results) -> list[Check]:
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

    return [
        check(
            "Language model", "Training curve, last reading in bits per base", "finite and lower than the first", falls
        )
    ]


def patching(part: Part) -> list[Check]:
    def near() -> Outcome:
        mean, target = part.number("training", "mean"), part.number("training", "wanted_mean")
        return (PASS if abs(mean - target) <= 0.01 * target else FAIL), mean, f"asked for {target:.4g}"

    return [check("Patching", "Mean patch length on the training region, bases", "within 1 % of what was asked", near)]


def task(name: str, part: Part) -> list[Check]:
    metric = part.optional("metric") or "metric"
    target = part.optional("target", "text") or "the task's target"

    def reaches() -> Outcome:
        value, low, high = part.interval("model")
        limit = part.number("target", "value")
        return (PASS if value >= limit else FAIL), value, f"interval {low:.4g} to {high:.4g}; target {limit:.4g}"

    def beats() -> Outcome:
        value, low, high = (part.number("difference", key) for key in ("value", "low", "high"))
        return above_zero(value, low, high)

    baseline = part.optional("difference", "baseline") or "the baseline"
    return [
        check("Tasks", f"{name}: {metric}", str(target), reaches),
        check("Tasks", f"{name}: {metric} minus {baseline}", "above 0", beats),
    ]


def scoring(name: str, part: Part) -> list[Check]:
    def kept() -> Outcome:
        came, left = part.number("records_in"), part.number("records_out")
        dropped = part.optional("dropped") or 0
        return (PASS if came == left + dropped else FAIL), left, f"{came} in, {left} out, {dropped} dropped"

    def finite() -> Outcome:
        counts = status_counts(part)
        if not counts:
            raise Missing(f"{part.path} has no statuses")
        return at_most(counts.get("NONFINITE", 0), 0)

    def matches() -> Outcome:
        counts = status_counts(part)
        total = sum(counts.values())
        if not total:
            raise Missing(f"{part.path} has no statuses")
        share = 100.0 * (counts.get("REF_MISMATCH", 0) + counts.get("ALT_IS_REF_SWAP", 0)) / total
        return (PASS if share == 0 else WARN if share <= 5 else FAIL), share, f"of {total} alleles"

    return [
        check("Variants", f"{name}: records written", "all that came in, less those asked to be dropped", kept),
        check("Variants", f"{name}: alleles with a non-finite score", "none", finite),
        check(
            "Variants",
            f"{name}: per cent of alleles that disagree with the reference",
            "0; over 5 is another assembly",
            matches,
        ),
    ]


def status_counts(part: Part) -> dict[str, int]:
    """Return the number of alleles per status."""
    return {str(k): v for k, v in part.mapping("statuses").items() if isinstance(v, int) and not isinstance(v, bool)}
