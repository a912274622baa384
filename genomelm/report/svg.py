"""Small SVG building blocks. Texts and attributes are escaped here: the page may insert the result as it is."""

import math
import re
from collections.abc import Sequence
from html import escape

from markupsafe import Markup

# Okabe and Ito's colours: told apart with any colour vision; letters and dashes carry the meaning too.
BASE_COLOURS = {"A": "#009E73", "C": "#0072B2", "G": "#E69F00", "T": "#D55E00", "U": "#D55E00"}
SERIES = (("#0072B2", ""), ("#D55E00", "6 4"), ("#009E73", "2 3"), ("#7A4B94", "8 3 2 3"))
GREY = "#5b6472"

GLYPHS = {  # outlines in a unit box, y down: absolute M, L, C and Z, every number spelt out
    "A": "M0 1L.38 0L.62 0L1 1L.78 1L.71 .78L.29 .78L.22 1ZM.35 .6L.65 .6L.5 .17Z",
    "C": "M1 .34C.95 .12 .78 0 .53 0C.2 0 0 .2 0 .5C0 .8 .2 1 .53 1C.78 1 .95 .88 1 .66L.78 .62C.74 .75 .66 .81 .53 .81"
    "C.33 .81 .22 .7 .22 .5C.22 .3 .33 .19 .53 .19C.66 .19 .74 .25 .78 .38Z",
    "G": "M1 .34C.95 .12 .78 0 .53 0C.2 0 0 .2 0 .5C0 .8 .2 1 .53 1C.74 1 .9 .93 1 .82L1 .46L.55 .46L.55 .63L.79 .63"
    "L.79 .74C.72 .79 .64 .81 .54 .81C.33 .81 .22 .7 .22 .5C.22 .3 .33 .19 .53 .19C.66 .19 .74 .25 .78 .38Z",
    "T": "M0 0L1 0L1 .19L.61 .19L.61 1L.39 1L.39 .19L0 .19Z",
}
STROKES = {
    letter: [(part[0], [float(n) for n in part[1:].split()]) for part in re.findall(r"[MLCZ][^MLCZ]*", outline)]
    for letter, outline in GLYPHS.items()
}


def tag(name: str, content: str = "", **attributes: object) -> str:
    """Return an element; `content` is markup already, attribute names take _ for -."""
    listed = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(short(value))}"'
        for key, value in attributes.items()
        if value != ""
    )
    return f"<{name}{listed}>{content}</{name}>" if content else f"<{name}{listed}/>"


def short(value: object) -> str:
    """Return a coordinate with at most two decimals; other values as text."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def text(x: float, y: float, content: object, **attributes: object) -> str:
    """Return a text element."""
    return tag("text", escape(str(content)), x=float(x), y=float(y), **attributes)


def line(x1: float, y1: float, x2: float, y2: float, stroke: str = GREY, **attributes: object) -> str:
    """Return a line element."""
    return tag("line", x1=float(x1), y1=float(y1), x2=float(x2), y2=float(y2), stroke=stroke, **attributes)


def figure(
    width: float, height: float, title: str, parts: Sequence[str], css: str = "chart", fixed: bool = False
) -> Markup:
    """Return the whole drawing: it scales with the page, or keeps its width in pixels when `fixed`."""
    size = {"width": width, "height": height} if fixed else {}
    body = tag("title", escape(title)) + "".join(parts)
    return Markup(
        tag(
            "svg",
            body,
            viewBox=f"0 0 {short(float(width))} {short(float(height))}",
            role="img",
            aria_label=title,
            class_=css,
            **size,
        )
    )


def glyph(letter: str, x: float, y: float, width: float, height: float) -> str:
    """Return the path data of a letter that fills a box; a height under 0 turns it upside down, below `y`."""
    if letter not in STROKES or abs(height) < 0.3:
        return ""
    top = y - height if height < 0 else y
    corner, size = (x, top), (width, height)
    return "".join(
        command + " ".join(f"{corner[i % 2] + size[i % 2] * n:.1f}".removesuffix(".0") for i, n in enumerate(numbers))
        for command, numbers in STROKES[letter]
    )


def diverging(value: float, limit: float) -> str:
    """Return blue for values under 0, white at 0, red above, full at `limit`."""
    share = max(-1.0, min(1.0, value / limit)) if limit > 0 else 0.0
    end = (178, 24, 43) if share > 0 else (33, 102, 172)
    return "#" + "".join(f"{round(255 + (channel - 255) * abs(share)):02x}" for channel in end)


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Return round numbers inside [low, high]."""
    if high <= low:
        return [low]
    rough = (high - low) / max(wanted, 1)
    power = 10.0 ** int(f"{rough:e}".split("e")[1])
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first = -(-low // step)
    return [step * (first + i) for i in range(int((high - first * step) / step + 1e-9) + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Return round numbers inside [low, high], both over 0, for a logarithmic axis; of a narrow one `ticks`."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1,), (1, 3), (1, 2, 5)):
        found = [factor * 10.0**power for power in powers for factor in factors]
        found = [value for value in found if low * 0.999 <= value <= high * 1.001]
        if len(found) >= 3:
            return found[:: -(-len(found) // 6)]
    return ticks(low, high)


def tick_label(value: float, digits: int = 7) -> str:
    """Return a short axis label: 12k, 3.5M, 0.25. Round numbers are short with many digits too, and told apart."""
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= unit:
            return f"{value / unit:.{digits}g}{name}"
    return f"{0.0 if abs(value) < 1e-12 else value:.{digits}g}"
