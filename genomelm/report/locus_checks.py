"""The checks of an attributed locus, with the targets that hold for every one of them."""

from collections.abc import Callable

from genomelm.report.checks import FAIL, PASS, WARN, Check, Outcome, at_least, at_most, check
from genomelm.report.inputs import Missing, Part


def locus(name: str, part: Part) -> list[Check]:
    """Return the checks of one attributed locus."""
    return [check("Attribution", f"{name}: {title}", target, measure) for title, target, measure in checks_of(part)]


def checks_of(part: Part) -> list[tuple[str, str, Callable[[], Outcome]]]:
    """Return (title, target, measure) for each check of interpret/{name}/summary.json."""

    def number(*keys: str) -> float:
        return part.number(*keys)

    def seeds() -> Outcome:
        value = number("seeds", "lowest_pearson")
        models = number("seeds", "models")
        if models < 3:
            return WARN, value, f"{models} models; three are needed"
        return (PASS if value >= 0.5 else WARN), value, f"lowest pair of {models} models"

    def faithful(kind: str) -> Callable[[], Outcome]:
        def measure() -> Outcome:
            p, gain = number("faithfulness", kind, "test", "p"), number("faithfulness", kind, "test", "mean_difference")
            effect = part.optional("faithfulness", kind, "test", "effect_size")
            shown = f"mean area gained {gain:.4g}" + (
                f", effect size {effect:.3g}" if isinstance(effect, float) else ""
            )
            return (PASS if p < 0.01 and gain > 0 else FAIL), p, shown

        return measure

    def known_sites() -> Outcome:
        p, floor = number("sites", "enrichment", "p"), number("sites", "enrichment", "smallest_p")
        ratio = number("sites", "enrichment", "inside_over_outside")
        text = f"importance inside over outside {ratio:.3g}"
        if floor >= 0.001:
            loci = part.optional("sites", "enrichment", "loci")
            text += f"; an illustration: {loci} locus cannot give p under {floor:.2g}"
            return (WARN if p <= 0.05 else FAIL), p, text
        return (PASS if p < 0.001 else FAIL), p, text

    def inside() -> Outcome:
        value = number("sites", "auroc")
        return (
            (PASS if value >= 0.7 else WARN if value > 0.5 else FAIL),
            value,
            "chance that a base inside a site outranks one outside",
        )

    def control(name: str) -> Callable[[], Outcome]:
        return lambda: at_most(
            abs(number("controls", name, "spearman")), 0.2, "with this model's importance, unsigned; median over draws"
        )

    def shuffled() -> Outcome:
        low, high, score = number("shuffled", "low"), number("shuffled", "high"), number("reference_score")
        outside = score < low or score > high
        return (PASS if outside else WARN), score, f"95 % of shuffles lie in {low:.4g} to {high:.4g}"

    def reverse() -> Outcome:
        return at_least(number("reverse_complement", "pearson"), 0.95)

    def planted() -> Outcome:
        motifs = number("planted", "motifs")
        if motifs < 3:
            raise Missing("fewer than three motifs were planted")
        return at_least(number("planted", "auprc"), 0.9)

    def recovered() -> Outcome:
        return at_least(number("planted", "lowest_pwm_pearson"), 0.9)

    return [
        (
            "ISM against single forwards, largest difference",
            "at most 1e-5",
            lambda: at_most(number("ism_brute_force", "max_abs_difference"), 1e-5),
        ),
        (
            "gradient x input against ISM, Spearman",
            "at least 0.6",
            lambda: at_least(number("gradient", "spearman"), 0.6),
        ),
        (
            "integrated gradients against ISM, Spearman",
            "at least 0.6",
            lambda: at_least(number("integrated_gradients", "spearman"), 0.6),
        ),
        (
            "integrated gradients, completeness error",
            "at most 0.01",
            lambda: at_most(number("integrated_gradients", "completeness_error"), 0.01),
        ),
        ("agreement between seeds, Pearson", "at least 0.5, three seeds", seeds),
        ("deletion against random order, p", "under 0.01", faithful("deletion")),
        ("insertion against random order, p", "under 0.01", faithful("insertion")),
        ("known sites against circular shifts, p", "under 0.001, pooled over loci", known_sites),
        ("known sites, AUROC of importance", "at least 0.7; 0.5 is chance", inside),
        ("score beside dinucleotide shuffles", "outside their central 95 %", shuffled),
        ("random-weight model, |Spearman|", "at most 0.2", control("random_weights")),
        ("label-shuffled model, |Spearman|", "at most 0.2", control("shuffled_labels")),
        ("reverse complement, Pearson of flipped attribution", "at least 0.95", reverse),
        ("planted motifs, AUPRC inside sites", "at least 0.9, three motifs", planted),
        ("planted motifs, lowest PWM Pearson", "at least 0.9", recovered),
    ]
