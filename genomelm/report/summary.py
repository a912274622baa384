"""summary.json and summary.txt: every number of the run without arrays and tables of variants."""

from genomelm.report.attribution import sets
from genomelm.report.render import STATUS_WORDS, number

LEFT_OUT = ("files", "training", "loci", "variants", "sets")
HEADER = ("kind", "title", "family", "verdict", "notices", "counts", "total", "not_run", "checks")


def shorten(report: dict) -> dict:
    """Return the report without training curves, tracks, histograms, variant rows and file digests."""
    short = {key: value for key, value in report.items() if key not in LEFT_OUT}
    curve = report["training"]["curve"]
    short["training"] = {
        "readings": report["training"]["readings"],
        "metrics": report["training"]["metrics"],
        "last": curve[-1] if curve else None,
    }
    short["variants"] = [
        {k: v for k, v in entry.items() if k not in ("top", "distribution")}
        | {
            "distribution": entry["distribution"]
            and {k: v for k, v in entry["distribution"].items() if k not in ("edges", "counts")}
        }
        for entry in report["variants"]
    ]
    short["loci"] = [
        {k: v for k, v in entry.items() if k not in ("tracks", "entropy_nats", "patch_starts", "summary")}
        | {"summary": {k: _without_lists(v) for k, v in entry["summary"].items()}}
        for entry in report["loci"]
    ]
    short["sets"] = [sets.shorten(entry) for entry in report["sets"]]
    return short


def _without_lists(value: object) -> object:
    """Drop lists of numbers inside mappings (curves, shuffled scores); lists of mappings stay."""
    if isinstance(value, dict):
        return {
            k: _without_lists(v)
            for k, v in value.items()
            if not (isinstance(v, list) and v and not isinstance(v[0], dict))
        }
    return value


def text(short: dict) -> str:
    """Return the summary as readable text: verdicts first, then every number under its dotted name."""
    counts = ", ".join(f"{n} {status}" for status, n in short["counts"].items())
    missing = f"{short['not_run']} of {short['total']} did not run"
    planned = short["language_model"]["planned"]
    kind = short["language_model"]["objective"] or "no language model was trained here"
    lines = [short["title"], f"family: {number(short['family'])}, {kind}"]
    lines += [f"verdict: {STATUS_WORDS[short['verdict']]} ({counts}; {missing})", ""]
    lines += [*short["notices"], ""] if short["notices"] else []
    group = None
    for check in short["checks"]:
        if check["group"] != group:
            group = check["group"]
            lines.append(f"[{group}]")
        reason = f"; {check['reason']}" if check["reason"] else ""
        shown = f"{check['name']}: {number(check['value'])}"
        lines.append(f"  {STATUS_WORDS[check['status']]}  {shown} (target: {check['target']}{reason})")
    for key, value in short.items():
        if key not in HEADER and (planned or key not in ("language_model", "patching", "training")):
            found = list(_flatten(value, ""))
            if found:
                lines += ["", f"[{key}]", *(f"  {name}: {shown}" for name, shown in found)]
    return "\n".join(one_line(line) for line in lines) + "\n"


def _flatten(value: object, prefix: str) -> list[tuple[str, str]]:
    """Return (dotted name, shown value) of everything inside; items of a list go by their name, step or file."""
    dot = f"{prefix}." if prefix else ""
    if isinstance(value, dict):
        return [row for key, item in value.items() for row in _flatten(item, f"{dot}{key}")]
    if isinstance(value, list):
        if not all(isinstance(item, dict) for item in value):
            return [(prefix, ", ".join(number(item) for item in value))]
        keys = [next((key for key in ("name", "step", "file") if item.get(key)), "") for item in value]
        names = [item.get(key, i) for i, (key, item) in enumerate(zip(keys, value, strict=True))]
        rests = [{k: v for k, v in item.items() if k != key} for key, item in zip(keys, value, strict=True)]
        return [row for name, rest in zip(names, rests, strict=True) for row in _flatten(rest, f"{dot}{name}")]
    return [] if value in (None, "") else [(prefix, number(value))]


def one_line(line: str) -> str:
    """Keep control characters of input names out of a terminal."""
    return "".join(c if c.isprintable() else " " for c in line)
