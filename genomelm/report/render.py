"""A page: report (plain JSON) -> one HTML file that loads nothing from outside."""

import base64
import gzip
import hashlib
import json
import math
from collections.abc import Sequence
from importlib import resources

from markupsafe import Markup

from genomelm.report.attribution.motifs import LARGEST_Q
from genomelm.report.svg import BASE_COLOURS, STROKES

TOOLTIPS = 12  # loci whose columns tell their effects on hover, and which stand open
OPEN_REGIONS = 3  # regions of an attribution set that stand open; the others, where they are many, in one more fold
MANY = 100  # rows of a table that are laid out only when they come into view
DRAWING = ("draw.js", "locus.js", "variant.js", "open.js")
STATUS_WORDS = {"pass": "PASS", "warn": "WARN", "fail": "FAIL"}


def page(template: str, report: dict, figures: dict, sections: Sequence[tuple[str, str]]) -> str:
    """Return the page. Autoescape is on: only drawings made by `report.svg` enter as markup.

    Args:
        template: file in the folder templates. figures: drawings by name.
        sections: (id, name, ...) in reading order. A report with "sets" takes the scripts that draw regions along.
    """
    import jinja2

    folder = resources.files("genomelm.report") / "templates"
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: (folder / name).read_text(encoding="utf-8")),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"num": number, "p": p_value, "bytes": size, "plain": plain, "sequence_name": sequence_name}
    environment.globals |= {
        "words": STATUS_WORDS,
        "open_loci": TOOLTIPS,
        "open_regions": OPEN_REGIONS,
        "many": MANY,
        "largest_q": LARGEST_Q,
    }
    names = ("table.js", *DRAWING) if report.get("sets") else ("table.js",)
    script = _constants() + "".join((folder / name).read_text(encoding="utf-8") for name in names)
    encoded = base64.b64encode(gzip.compress(json_text(report).encode(), 6, mtime=0)).decode()
    return environment.get_template(template).render(
        report=report,
        figures=figures,
        sections=sections,
        style=Markup((folder / "style.css").read_text(encoding="utf-8")),
        script=Markup(script),
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        report_json=encoded,
    )


def json_text(report: dict) -> str:
    """Return the report as JSON, as it stands beside the page and packed inside it."""
    return json.dumps(report, allow_nan=False, separators=(",", ":")) + "\n"


def _constants() -> str:
    """Return what the drawing scripts share with `report.svg`: outlines and colours of the letters."""
    outlines, colours = json.dumps(STROKES, separators=(",", ":")), json.dumps(BASE_COLOURS)
    return f'"use strict";\nconst GLYPHS = {outlines}, COLOURS = {colours};\n'


def number(value: object) -> str:
    """Return a number as the page shows it: four significant digits; a dash for none."""
    if value is None:
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int) or (value == int(value) and abs(value) < 1e15):
        return f"{int(value):,}"
    if not math.isfinite(value):
        return "–"
    return f"{value:.4g}" if 1e-3 <= abs(value) < 1e4 else f"{value:,.0f}" if abs(value) >= 1e4 else f"{value:.2e}"


def p_value(value: object) -> str:
    """Return a p-value with two significant digits."""
    return number(value) if not isinstance(value, float) else f"{value:.2g}"


def plain(value: object) -> str:
    """Return a JSON value as short text."""
    return (
        number(value)
        if isinstance(value, int | float) or value is None
        else value
        if isinstance(value, str)
        else json.dumps(value)
    )


def size(value: object) -> str:
    """Return a byte count with its thousands set apart."""
    return f"{value:,}" if isinstance(value, int) else "–"


def sequence_name(alphabet: str) -> str:
    """Return an alphabet as people write it: DNA, RNA, protein."""
    return alphabet.upper() if alphabet in ("dna", "rna") else alphabet
