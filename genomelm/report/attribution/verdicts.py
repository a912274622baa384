"""The checks of an attribution set, with the targets that hold for every one of them."""

from collections.abc import Callable

from genomelm.report.checks import FAIL, PASS, WARN, Check, Outcome, at_least, at_most, check
from genomelm.report.inputs import Missing, Part
from genomelm.report.values import finite

GROUP = "Attribution"
NULL_SENTENCE = "indistinguishable from null"
EQUIVARIANT = 1 - 1e-5


def of_set(name: str, part: Part) -> list[Check]:
    """Return the checks of one attribution set, each name behind the set's; of a set without a name, alone."""
    before = f"{name}: " if name else ""
    found = [check(GROUP, before + title, target, measure) for title, target, measure in _checks(part)]
    found += [check(GROUP, before + title, target, measure) for title, target, measure in _own_controls(part)]
    return found + [Check(GROUP, before + "warning of the run", WARN, "none", None, text) for text in warnings(part)]


def warnings(part: Part) -> list[str]:
    """Return what the run itself warned of."""
    found = part.optional("warnings")
    return [text for text in found if isinstance(text, str)] if isinstance(found, list) else []


def regions_left_out(entry: dict) -> str:
    """Return a sentence on the regions that a test left out because others hold their bases; empty without any."""
    count = finite(entry.get("regions_left_out"))
    return f"{count:g} regions left out, whose bases or text others hold" if count else ""


def sentence(name: str, part: Part) -> str:
    """Return what must stand on top of the page: that the set is no better than its null; empty where it is."""
    if _entry(part, "signal").get("distinguishable") is not False:
        return ""
    against = _entry(part, "signal").get("against")
    beside = f" ({against})" if isinstance(against, str) and against else ""
    return (
        f"{name or 'This attribution set'} is {NULL_SENTENCE}{beside}: nothing in its maps stands out "
        "more than chance allows, so read no motif from them. (The model may still predict well, from composition or "
        "from words all over the sequence.)"
    )


def _entry(part: Part, name: str) -> dict:
    return part.mapping("checks", name)


def _number(part: Part, name: str, key: str) -> float:
    """Return checks[name][key], or raise Missing with the reason that the run itself gave."""
    reason = _entry(part, name).get("reason")
    if isinstance(reason, str) and key not in _entry(part, name):
        raise Missing(reason.removeprefix("not run: "))
    if name == "shuffled_labels" and not _entry(part, name):
        raise Missing("--control shuffled_labels=DIR was not given")
    return part.number("checks", name, key)


def _plain(part: Part, name: str, key: str) -> float | None:
    """Return checks[name][key] where it is a number."""
    try:
        return _number(part, name, key)
    except Missing:
        return None


def _shown(label: str, value: float | None) -> str:
    return "" if value is None else f"{label} {value:.4g}"


def _join(*texts: str) -> str:
    return "; ".join(text for text in texts if text)


def _checks(part: Part) -> list[tuple[str, str, Callable[[], Outcome]]]:
    """Return (title, target, measure) for each check of the table, whether it ran or not; planted motifs only where
    the run was told of them."""

    def number(name: str, key: str) -> float:
        return _number(part, name, key)

    def signal() -> Outcome:
        against = _entry(part, "signal").get("against")
        text = f"against {against}" if isinstance(against, str) else ""
        text = _join(text, regions_left_out(_entry(part, "signal")))
        if _entry(part, "signal").get("distinguishable") is False:
            return FAIL, _plain(part, "signal", "p"), _join(NULL_SENTENCE, text)
        p = number("signal", "p")
        if _entry(part, "signal").get("distinguishable") is not True:
            raise Missing(f"{part.path} does not say whether the signal is distinguishable")
        return PASS, p, text

    def brute_force() -> Outcome:
        compared = _plain(part, "brute_force", "compared")
        return at_most(number("brute_force", "largest_difference"), 1e-5, _shown("compared:", compared))

    def completeness() -> Outcome:
        largest, median = (
            number("completeness", "largest_relative_error"),
            _plain(part, "completeness", "median_relative_error"),
        )
        text = _join(_shown("median", median), _shown("steps:", _plain(part, "completeness", "steps")))
        half = median is not None and median <= 0.01
        return (PASS if largest <= 0.01 else WARN if half else FAIL), largest, text

    def strand() -> Outcome:
        lowest, median = number("strand", "lowest_pearson"), number("strand", "median_pearson")
        if _entry(part, "strand").get("equivariant") is True:
            return at_least(lowest, EQUIVARIANT, "lowest region; the model is equivariant: at least 1 - 1e-5")
        return at_least(median, 0.95, f"median; lowest region {lowest:.4g}")

    def seeds() -> Outcome:
        value, models = number("seeds", "median_correlation"), number("seeds", "models")
        text = f"median over regions and pairs of {models:g} models"
        if value < 0.2:
            return FAIL, value, text
        if models < 3:
            return WARN, value, f"{models:g} models; three are needed"
        return (PASS if value >= 0.5 else WARN), value, text

    def control(name: str) -> Callable[[], Outcome]:
        return lambda: _control(part, name)

    def faithful(kind: str) -> Callable[[], Outcome]:
        def measure() -> Outcome:
            p, effect, matched = number(kind, "p"), _plain(part, kind, "effect_size"), _plain(part, kind, "p_gc")
            text = _join(
                _shown("effect size", effect),
                _shown("regions:", _plain(part, kind, "n")),
                _shown("against random order p", p),
                _shown("against GC-matched order p", matched),
            )
            larger = p if matched is None else max(p, matched)
            return (PASS if larger < 0.01 and effect is not None and effect > 0 else FAIL), larger, text

        return measure

    def shuffled() -> Outcome:
        p, real, null = (number("shuffled_sequence", key) for key in ("p", "real_mean", "shuffled_mean"))
        return (PASS if p < 0.01 else WARN), p, f"mean {real:.4g}; of shuffles {null:.4g}"

    def patterns() -> Outcome:
        found, null = number("motif_null", "patterns"), number("motif_null", "null_patterns")
        text = f"patterns beyond the null: {found:.4g}; in a null run {null:.4g}"
        return (PASS if found > 0 else FAIL), number("motif_null", "p"), text

    def known_sites() -> Outcome:
        p, ratio = number("known_sites", "p"), number("known_sites", "inside_over_outside")
        low, high = (_plain(part, "known_sites", key) for key in ("low", "high"))
        text = f"importance inside over outside {ratio:.3g}"
        text += "" if low is None or high is None else f" ({low:.3g} to {high:.3g})"
        loci, floor = _plain(part, "known_sites", "loci"), number("known_sites", "smallest_p")
        text = _join(text, _shown("loci:", loci))
        if floor >= 0.001:
            text += f"; an illustration: so few loci cannot give p under {floor:.2g}"
            return (WARN if p <= 0.05 else FAIL), p, text
        return (PASS if p < 0.001 and ratio > 1 else FAIL), p, text

    def planted() -> Outcome:
        _planted_motifs(part)
        return at_least(number("known_sites", "auprc"), 0.9)

    def recovered() -> Outcome:
        motifs = _planted_motifs(part)
        worst = min(motifs, key=lambda row: row["pearson"])
        return at_least(number("truth", "lowest_pearson"), 0.9, f"of {len(motifs)} motifs; lowest is {worst['name']}")

    table = [
        ("signal against its null, p", "distinguishable from null", signal),
        ("ISM against single forwards, largest difference", "at most 1e-5", brute_force),
        ("integrated gradients, largest completeness error", "at most 0.01", completeness),
        (
            "integrated gradients against ISM, median Spearman",
            "at least 0.6",
            lambda: at_least(number("ig_ism", "median_spearman"), 0.6),
        ),
        ("reverse complement, Pearson of flipped attribution", "at least 0.95", strand),
        ("random-weight model, |Spearman|", "at most 0.2", control("random_weights")),
        ("label-shuffled model, |Spearman|", "at most 0.2", control("shuffled_labels")),
        ("motif patterns beyond the null runs, lowest p", "one or more patterns", patterns),
        ("agreement between seeds, correlation", "at least 0.5, three seeds; under 0.2 fails", seeds),
        ("deletion against random and GC-matched order, larger p", "under 0.01", faithful("deletion")),
        ("insertion against random and GC-matched order, larger p", "under 0.01", faithful("insertion")),
        ("score beside dinucleotide shuffles, p", "under 0.01, either way; never fails", shuffled),
        ("known sites against position-matched null, p", "under 0.001, pooled over loci", known_sites),
    ]
    if not _entry(part, "truth") or "reason" in _entry(part, "truth"):
        return table
    return [
        *table,
        ("planted motifs, AUPRC inside sites", "at least 0.9, three motifs", planted),
        ("planted motifs, lowest PWM Pearson", "at least 0.9", recovered),
    ]


def _control(part: Part, name: str) -> Outcome:
    draws = _entry(part, name).get("draws")
    draws = len(draws) if isinstance(draws, list) else _plain(part, name, "draws")
    text = _join("with this set's importance, median over regions", _shown("draws:", draws))
    return at_most(abs(_number(part, name, "median_spearman")), 0.2, text)


def _planted_motifs(part: Part) -> list[dict]:
    """Return the planted motifs that are well described, or raise Missing where fewer than three were planted."""
    rows = part.get("checks", "truth", "motifs")
    good = [
        row
        for row in (rows if isinstance(rows, list) else [])
        if isinstance(row, dict) and isinstance(row.get("pearson"), int | float) and isinstance(row.get("name"), str)
    ]
    if len(good) < 3:
        raise Missing("fewer than three motifs were planted")
    return good


BUILT_IN = (
    *("brute_force", "completeness", "ig_ism", "strand", "random_weights", "shuffled_labels", "seeds", "deletion"),
    *("insertion", "shuffled_sequence", "known_sites", "truth", "motif_null", "signal"),
)


def _own_controls(part: Part) -> list[tuple[str, str, Callable[[], Outcome]]]:
    """Return the checks of the controls that the run named itself."""
    names = [name for name in part.mapping("checks") if name not in BUILT_IN]
    return [
        (f"control {name}, |Spearman|", "at most 0.2", lambda name=name: _control(part, name))
        for name in names
        if "median_spearman" in _entry(part, name) or "reason" in _entry(part, name)
    ]
