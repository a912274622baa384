"""One locus as aligned tracks: elements, patches, entropy, the ISM heat map and the logos, all on one base axis."""

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup, escape

from genomelm.report.svg import BASE_COLOURS, GREY, diverging, figure, glyph, line, tag, text

CELL, GUTTER, RIGHT = 13, 136, 12
SHADES = 24  # steps of colour on either side of 0
NAMES = {
    "ism": "ISM support",
    "gradient_x_input": "gradient × input",
    "integrated_gradients": "integrated grad.",
}


def draw(locus: dict, tooltips: bool = True) -> Markup | None:
    """Return the figure of one entry of `loci.loci`, with the numbers of each column on hover; None without arrays."""
    if "ism" not in locus["tracks"]:
        return None
    sequence, offset = locus["sequence"], locus["offset"]
    width = GUTTER + CELL * len(sequence) + RIGHT
    parts: list[str] = []
    y = 6.0
    for track in (
        _elements(locus["elements"], offset, len(sequence)),
        _sequence(sequence, offset),
        _patches(locus["patch_starts"], offset, len(sequence), locus["length"]),
        _entropy(locus["entropy_nats"]),
        heat_map(np.array(locus["tracks"]["ism"]), sequence, offset, tooltips),
        *(logo(NAMES[key], logo_heights(key, np.array(values)), sequence) for key, values in locus["tracks"].items()),
    ):
        if track:
            height, drawn = track
            parts.append(tag("g", "".join(drawn), transform=f"translate(0 {y:.0f})"))
            y += height + 12
    title = f"{locus['name']}: elements, patches, mutation effects and attributions along {len(sequence)} bases"
    return figure(width, y, title, parts, css="locus", fixed=True)


def logo_heights(track: str, values: np.ndarray) -> np.ndarray:
    """Return (l,) signed letter heights from (l, 4): ISM turned into support, gradients summed over the row."""
    return -values.sum(axis=-1) / (values.shape[-1] - 1) if track == "ism" else values.sum(axis=-1)


def _x(index: float) -> float:
    return GUTTER + CELL * index


def _label(y: float, name: str) -> str:
    return text(GUTTER - 8, y, name, text_anchor="end", class_="axis")


def _elements(elements: Sequence[dict], offset: int, length: int) -> tuple[float, list[str]] | None:
    shown = []
    for element in elements:
        start, end = element.get("start"), element.get("end")
        if not isinstance(start, int) or not isinstance(end, int) or end <= offset or start >= offset + length:
            continue
        a, b = max(start - offset, 0), min(end - offset, length)
        name = str(element.get("name", ""))
        shown.append(
            tag("rect", x=_x(a), y=0, width=float(CELL * (b - a)), height=22, rx=3, fill="#e8edf4", stroke=GREY)
        )
        shown.append(text((_x(a) + _x(b)) / 2, 15, name, text_anchor="middle", class_="axis"))
    return (22, [_label(15, "known elements"), *shown]) if shown else None


def _sequence(sequence: str, offset: int) -> tuple[float, list[str]]:
    parts = [_label(13, "offset, sequence")]
    for i in range(-offset % 10, len(sequence), 10):
        parts.append(text(_x(i + 0.5), 10, offset + i, text_anchor="middle"))
        parts.append(line(_x(i + 0.5), 13, _x(i + 0.5), 17))
    for base in sorted(set(sequence)):  # one element a letter, placed by a list of x
        at = [i for i, other in enumerate(sequence) if other == base]
        xs, colour = " ".join(str(_x(i + 0.5)) for i in at), BASE_COLOURS.get(base, GREY)
        parts.append(
            tag("text", str(escape(base * len(at))), x=xs, y=30, text_anchor="middle", class_="base", fill=colour)
        )
    return 34, parts


def _patches(starts: Sequence[int], offset: int, length: int, whole: int) -> tuple[float, list[str]] | None:
    if not starts:
        return None
    parts = [_label(12, "patches")]
    for i, (start, end) in enumerate(zip(starts, [*starts[1:], whole], strict=True)):
        a, b = max(start - offset, 0), min(end - offset, length)
        if a < b:
            title = tag("title", f"patch {start}-{end}, {end - start} bases")
            shade = "#b9c4d3" if i % 2 else "#dfe5ed"
            parts.append(tag("rect", title, x=_x(a), y=2, width=float(CELL * (b - a)), height=12, fill=shade))
            parts.append(line(_x(a), 0, _x(a), 16, stroke="#1b2430"))
    return 16, parts


def _entropy(values: Sequence[float] | None) -> tuple[float, list[str]] | None:
    if not values:
        return None
    top, height = max(max(values), 1e-9), 34
    path = "M" + "L".join(f"{_x(i + 0.5):.1f} {height * (1 - value / top):.1f}" for i, value in enumerate(values))
    return height, [
        _label(14, "entropy (nats)"),
        text(GUTTER - 8, 28, f"max {top:.3g}", text_anchor="end"),
        line(GUTTER, height, _x(len(values)), height, stroke="#d9dee5"),
        tag("path", d=path, fill="none", stroke="#7A4B94", stroke_width=1.5),
    ]


def heat_map(ism: np.ndarray, sequence: str, offset: int, tooltips: bool) -> tuple[float, list[str]]:
    limit = float(np.quantile(np.abs(ism), 0.99)) or float(np.abs(ism).max())
    parts = []
    cells: dict[str, list[str]] = {}  # one path a colour: a page of many loci stays small
    for row, letter in enumerate("ACGT"):
        parts.append(
            text(GUTTER - 8, 14 * row + 11, letter, text_anchor="end", class_="base", fill=BASE_COLOURS[letter])
        )
        for i, base in enumerate(sequence):
            share = round(SHADES * float(ism[i, row]) / limit) / SHADES if limit > 0 else 0.0
            colour = "#f1f3f6" if base == letter else diverging(share, 1)
            cells.setdefault(colour, []).append(f"M{_x(i)} {14 * row}h{CELL}v14h-{CELL}z")
    parts += [tag("path", d="".join(squares), fill=colour) for colour, squares in cells.items()]
    dots = "".join(
        f"M{_x(i) + 4.5} {14 * 'ACGT'.index(base) + 5}h4v4h-4z" for i, base in enumerate(sequence) if base in "ACGT"
    )
    parts.append(tag("path", d=dots, fill=GREY))
    for i, base in enumerate(sequence if tooltips else ""):
        effects = ", ".join(f"{letter} {ism[i, row]:+.3g}" for row, letter in enumerate("ACGT") if letter != base)
        title = tag("title", f"{escape(base)} at {offset + i}: {effects}")
        parts.append(tag("rect", title, x=_x(i), y=0, width=CELL, height=56, class_="hit"))
    parts.append(text(8, 11, "mutation effect", class_="axis"))
    for i in range(41):
        parts.append(tag("rect", x=8 + 2.4 * i, y=22, width=2.6, height=9, fill=diverging((i - 20) / 20, 1)))
    parts.append(text(8, 45, f"{-limit:.2g}"))
    parts.append(text(108, 45, f"+{limit:.2g}", text_anchor="end"))
    return 56, parts


def logo(name: str, heights: np.ndarray, sequence: str, height: float = 84) -> tuple[float, list[str]]:
    high, low = max(float(heights.max()), 0.0), min(float(heights.min()), 0.0)
    scale = height / ((high - low) or 1.0)
    zero = high * scale
    parts = [_label(zero + 4, name), text(GUTTER - 8, 10, f"{high:.2g}", text_anchor="end")]
    if low < 0 and height - zero > 16:
        parts.append(text(GUTTER - 8, height, f"{low:.2g}", text_anchor="end"))
    if zero < 16:
        parts[1] = ""
    paths: dict[str, str] = {}
    for i, (base, value) in enumerate(zip(sequence, heights, strict=True)):
        size = float(value) * scale
        paths[base] = paths.get(base, "") + glyph(base, _x(i) + 0.5, zero - max(size, 0), CELL - 1.0, size)
    for base, data in paths.items():
        if data:
            parts.append(tag("path", d=data, fill=BASE_COLOURS[base], fill_rule="evenodd"))
    parts.append(line(GUTTER, zero, _x(len(sequence)), zero, stroke="#9aa4b2"))
    return height, parts
