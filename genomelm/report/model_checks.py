"""The checks on patching, tasks and scored variants."""

from genomelm.report.checks import FAIL, PASS, WARN, Check, Outcome, above_zero, at_most, check
from genomelm.report.inputs import Missing, Part, Results


def patching(results: Results) -> list[Check]:
    """Return the check of the patches that the language model reads; none where there is no language model."""
    part = results.patching
    if results.no_language_model:
        return []

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
        dropped = part.number("dropped")
        asked = dropped == 0 or part.get("on_ref_mismatch") == "drop"
        counts = f"{came} in, {left} out, {dropped} dropped" + ("" if asked else ", and no record was to be dropped")
        return (PASS if asked and came == left + dropped else FAIL), left, counts

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
