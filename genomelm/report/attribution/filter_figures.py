"""Learned filters drawn as what they are: impulse responses, poles, the blocks that attention reads, motif filters."""

import math

import numpy as np
from markupsafe import Markup

from genomelm.report.attribution import logos
from genomelm.report.svg import GREY, SERIES, diverging, figure, line, tag, text

LEFT, TOP, WIDTH = 8, 20, 300
SHADES = 12


def draw(drawing: dict) -> Markup:
    """Draw one entry of "drawings", as `filters.filters` returns them."""
    return DRAWN[drawing["type"]](drawing)


def _map(drawing: dict) -> Markup:
    """Draw channels (rows) by lag (columns, as many to a decade): blue under 0, red above, full at a row's largest."""
    rows, lags = np.array(drawing["rows"], dtype=float), drawing["lags"]
    cell, height = WIDTH / len(lags), min(12.0, 160 / len(rows))
    cells: dict[str, list[str]] = {}
    for y, row in enumerate(rows):
        top = float(np.abs(row).max())
        for x, value in enumerate(row):
            share = round(SHADES * value / top) / SHADES if top > 0 else 0.0
            if share:
                square = f"M{LEFT + cell * x:.1f} {TOP + height * y:.1f}h{cell:.1f}v{height:.1f}h-{cell:.1f}z"
                cells.setdefault(diverging(share, 1), []).append(square)
    bottom = TOP + height * len(rows)
    parts = [text(LEFT, 13, drawing["title"], class_="axis")]
    parts += [tag("path", d="".join(squares), fill=colour) for colour, squares in cells.items()]
    parts.append(tag("rect", x=LEFT, y=TOP, width=WIDTH, height=height * len(rows), fill="none", stroke="#d9dee5"))
    for place in (0, len(lags) // 3, 2 * len(lags) // 3, len(lags) - 1):
        anchor = "start" if place == 0 else "end" if place == len(lags) - 1 else "middle"
        parts.append(text(LEFT + cell * (place + 0.5), bottom + 13, lags[place], text_anchor=anchor))
    parts.append(text(LEFT + WIDTH / 2, bottom + 28, "lag", text_anchor="middle"))
    title = f"{drawing['title']}: {len(rows)} channels, lags {lags[0]} to {lags[-1]}"
    return figure(LEFT + WIDTH + 8, bottom + 34, title, parts, css="logo", fixed=True)


def _poles(drawing: dict) -> Markup:
    """Draw poles in the upper half of the unit circle; each stands for itself and its conjugate."""
    radius, middle, base = 120.0, 136.0, TOP + 126.0
    arc = f"M{middle - radius} {base}A{radius} {radius} 0 0 1 {middle + radius} {base}"
    dots = "".join(
        f"M{middle + radius * r * math.cos(a):.1f} {base - radius * r * abs(math.sin(a)):.1f}h0"
        for r, a in zip(drawing["radius"], drawing["angle"], strict=True)
        if abs(r) <= 1.05
    )
    parts = [
        text(LEFT, 13, drawing["title"], class_="axis"),
        tag("path", d=arc, fill="none", stroke=GREY),
        line(middle - radius, base, middle + radius, base),
        tag("path", d=dots, fill="none", stroke=SERIES[0][0], stroke_width=5, stroke_linecap="round"),
        text(middle, base + 14, 0, text_anchor="middle"),
        text(middle + radius, base + 14, 1, text_anchor="middle"),
        text(middle - radius, base + 14, -1, text_anchor="middle"),
    ]
    title = f"{len(drawing['radius'])} poles in the unit circle"
    return figure(2 * middle, base + 20, title, parts, css="logo", fixed=True)


def _blocks(drawing: dict) -> Markup:
    """Draw query blocks (rows) by the key blocks that they read."""
    count = drawing["count"]
    cell = 168 / count
    squares = "".join(
        f"M{LEFT + cell * key:.1f} {TOP + cell * query:.1f}h{cell:.1f}v{cell:.1f}h-{cell:.1f}z"
        for query, keys in enumerate(drawing["reads"])
        for key in keys
    )
    parts = [
        text(LEFT, 13, drawing["title"], class_="axis"),
        tag("path", d=squares, fill=SERIES[0][0]) if squares else "",
        tag("rect", x=LEFT, y=TOP, width=168, height=168, fill="none", stroke=GREY),
        text(LEFT, TOP + 182, "key blocks across, query blocks down"),
    ]
    title = f"Blocks that {drawing['title']} reads, of {count}"
    return figure(LEFT + 222, TOP + 188, title, parts, css="logo", fixed=True)


def _logo(drawing: dict) -> Markup:
    return logos.logo(np.array(drawing["matrix"], dtype=float), drawing["title"], drawing["title"])


DRAWN = {"map": _map, "poles": _poles, "blocks": _blocks, "logo": _logo}
