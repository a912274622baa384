"""The norm of the gradient in each layer over the steps, as a heat map."""

import math
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from genomelm.report.svg import figure, line, tag, text, tick_label

ROW, LETTER = 15, 6.3
MOST_COLUMNS, WIDEST, SHADES = 96, 640, 24
FIRST, LAST = (232, 240, 248), (8, 48, 107)
ZERO = "#f3c98b"


def draw(steps: Sequence[float], layers: Mapping[str, Sequence[float | None]], title: str) -> Markup | None:
    """Draw a row a layer and a column a reading, or some readings with the largest norm of them.

    Args:
        steps: of the readings.
        layers: layer -> norms, one a reading; None is left blank.
    """
    found = [value for values in layers.values() for value in values if value]
    if not found:
        return None
    low, high = math.log10(min(found)), math.log10(max(found))
    names = [name if len(name) <= 40 else "…" + name[-39:] for name in layers]
    gutter = 12 + LETTER * max(map(len, names))
    each = -(-len(steps) // MOST_COLUMNS)
    ends = [steps[min(first + each, len(steps)) - 1] for first in range(0, len(steps), each)]
    cell = max(6, min(28, WIDEST // len(ends)))
    right, bottom = gutter + cell * len(ends), 30 + ROW * len(names)
    parts, cells = [], {}
    for row, (name, values) in enumerate(zip(names, layers.values(), strict=True)):
        parts.append(text(gutter - 8, 30 + ROW * row + 11, name, text_anchor="end"))
        for column, first in enumerate(range(0, len(steps), each)):
            here = [value for value in values[first : first + each] if value is not None]
            if here:
                square = f"M{gutter + cell * column:.1f} {30 + ROW * row}h{cell}v{ROW - 1}h-{cell}z"
                cells.setdefault(_colour(max(here), low, high), []).append(square)
    parts += [tag("path", d="".join(squares), fill=colour) for colour, squares in cells.items()]
    apart = max(1, math.ceil(60 / cell))
    for column in range((len(ends) - 1) % apart, len(ends), apart):
        middle = gutter + cell * (column + 0.5)
        parts.append(line(middle, bottom, middle, bottom + 4))
        parts.append(text(middle, bottom + 18, tick_label(ends[column], 4), text_anchor="middle"))
    parts.append(text(gutter - 8, bottom + 18, "step", text_anchor="end", class_="axis"))
    parts += _bar(low, high, ZERO in cells)
    return figure(max(right + 24, 330), bottom + 26, title, parts, css="locus map", fixed=True)


def _colour(value: float, low: float, high: float) -> str:
    """Return darker blues for larger norms, and a colour of its own for 0."""
    if value <= 0:
        return ZERO
    share = round(SHADES * (math.log10(value) - low) / ((high - low) or 1.0)) / SHADES
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in zip(FIRST, LAST, strict=True))


def _bar(low: float, high: float, zeros: bool) -> list[str]:
    """Return the key of the colours."""
    parts = [text(4, 13, "norm", class_="axis"), text(90, 13, f"{10**low:.2g}", text_anchor="end")]
    for i in range(SHADES + 1):
        colour = _colour(10 ** (low + (high - low) * i / SHADES), low, high)
        parts.append(tag("rect", x=96 + 4.0 * i, y=4, width=4.4, height=10, fill=colour))
    parts.append(text(202, 13, f"{10**high:.2g}"))
    if zeros:
        parts += [tag("rect", x=256, y=4, width=10, height=10, fill=ZERO), text(271, 13, "0")]
    return parts
