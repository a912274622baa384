"""Curves of several runs in one chart: a run's curves share a colour and a letter, kinds of curve a stroke."""

import dataclasses
from collections.abc import Sequence

from markupsafe import Markup

from genomelm.report.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Scale, axes
from genomelm.report.svg import GREY, figure, line, tag, text, tick_label

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#7A4B94", "#B8860B", "#C2185B", "#3B6E8F", "#5b6472")
STROKES = ((2.2, ""), (1.1, ""), (1.8, "7 4"), (1.8, "2 3"), (1.8, "9 3 2 3"), (1.2, "4 2"))
ALARM = "#9b1c1c"
MOST_POINTS = 400
"""Points drawn of a curve: of more, the lowest and the highest of each stretch."""
MOST_DOTS, MANY_POINTS = 40, 150
"""Points of a curve that has dots, and of one whose line is thinner."""
LETTER_HEIGHT, LEGEND_HEIGHT, LEGEND_WIDTH = 11.0, 17, 6.7  # the last a letter


@dataclasses.dataclass(frozen=True)
class Curve:
    """One curve.

    Attributes:
        run: number of its run, from 0. letter: of its run.
        kind: what it shows.
        points: (x, y), by x.
    """

    run: int
    letter: str
    kind: str
    points: list[tuple[float, float]]


def overlay(
    curves: Sequence[Curve],
    title: str,
    x_label: str,
    y_label: str,
    *,
    several: bool = False,
    log: bool = False,
    crosses: Sequence[tuple[float, float]] = (),
    cross: str = "",
) -> Markup | None:
    """Draw curves; None without points.

    Args:
        several: the page is of more than one run: colours and letters tell runs apart, and not kinds.
        log: y is logarithmic; points that are not over 0 are not drawn.
        crosses: points (x, y) that are marked, and named `cross`.
    """
    if log:
        curves = [dataclasses.replace(c, points=[(a, b) for a, b in c.points if b > 0]) for c in curves]
    curves = [curve for curve in curves if curve.points]
    if not curves:
        return None
    xs = [a for curve in curves for a, _ in curve.points]
    ys = [b for curve in curves for _, b in curve.points]
    bottom = HEIGHT - BOTTOM
    y = _heights(min(ys), max(ys), bottom, log)
    left = max(LEFT, 10 + 7 * max(map(len, map(tick_label, y.ticks()))))
    x = Scale(min(xs), max(xs), left, WIDTH - RIGHT)
    kinds = list(dict.fromkeys(curve.kind for curve in curves))
    parts = axes(x, y, x_label, y_label, bottom)
    entries = []
    for curve in reversed(curves):
        kind = kinds.index(curve.kind)
        width, dash = STROKES[kind % len(STROKES)]
        colour = COLOURS[(curve.run if several else kind) % len(COLOURS)]
        stroke = {"fill": "none", "stroke": colour, "stroke_linejoin": "round", "opacity": 0.6 if width < 1.5 else ""}
        points = [f"{x(a):.1f} {y(b):.1f}" for a, b in thinned(curve.points)]
        width = width if len(points) <= MANY_POINTS else 0.6 * width
        if len(points) > 1:
            parts.append(tag("path", d="M" + "L".join(points), stroke_width=width, stroke_dasharray=dash, **stroke))
        if len(points) <= MOST_DOTS:
            dots = "".join(f"M{point}h0" for point in points)
            parts.append(tag("path", d=dots, stroke_width=2.2 * width, stroke_linecap="round", **stroke))
    for i, kind in enumerate(kinds if len(kinds) > 1 else []):
        colour = GREY if several else COLOURS[i % len(COLOURS)]
        width, dash = STROKES[i % len(STROKES)]
        entries.append((kind, line(0, 0, 24, 0, stroke=colour, stroke_width=width, stroke_dasharray=dash)))
    if crosses:
        marks = "".join(f"M{x(a) - 4:.1f} {y(b) - 4:.1f}l8 8m0 -8l-8 8" for a, b in crosses if not log or b > 0)
        parts.append(tag("path", d=marks, fill="none", stroke=ALARM, stroke_width=1.8))
        entries.append((cross, tag("path", d="M8 -4l8 8m0 -8l-8 8", fill="none", stroke=ALARM, stroke_width=1.8)))
    if several:
        parts += _letters(curves, x, y, bottom)
    return figure(WIDTH, _legend(entries, parts), title, parts)


def _heights(low: float, high: float, bottom: float, log: bool) -> Scale:
    """Return the scale of y, with a little room over and under."""
    if log:
        room = max((high / low) ** 0.06, 1.02)
        return Scale(low / room, high * room, bottom, TOP, log=True)
    room = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
    return Scale(low - room if low < 0 else max(0.0, low - room), high + room, bottom, TOP)


def thinned(points: Sequence[tuple[float, float]], most: int = MOST_POINTS) -> list[tuple[float, float]]:
    """Return at most so many points, with the first, the last, and the lowest and highest of each stretch."""
    if len(points) <= most:
        return list(points)
    stretches, inner = most // 2 - 1, points[1:-1]
    kept = [points[0]]
    for i in range(stretches):
        part = inner[i * len(inner) // stretches : (i + 1) * len(inner) // stretches]
        ends = {part.index(find(part, key=lambda point: point[1])) for find in (min, max)}
        kept += [part[index] for index in sorted(ends)]
    return [*kept, points[-1]]


def _letters(curves: Sequence[Curve], x: Scale, y: Scale, bottom: float) -> list[str]:
    """Mark the end of each run's first curve with its letter; letters that would overlap move apart."""
    ends = {curve.letter: (curve.run, *curve.points[-1]) for curve in reversed(curves)}
    places = [[x(a) + 3, y(b) + 4, letter, run] for letter, (run, a, b) in ends.items()]
    places.sort(key=lambda place: place[1])
    for i, place in enumerate(places):
        place[1] = max([place[1], *(other[1] + LETTER_HEIGHT for other in places[:i] if _near(place, other))])
    for i, place in reversed(list(enumerate(places))):  # what would stand below the chart pushes those above it up
        place[1] = min([place[1], bottom, *(o[1] - LETTER_HEIGHT for o in places[i + 1 :] if _near(place, o))])
    halo = {"stroke": "#fff", "stroke_width": 3, "paint_order": "stroke"}
    return [
        text(left, height, letter, fill=COLOURS[run % len(COLOURS)], class_="axis", **halo)
        for left, height, letter, run in places
    ]


def _near(one: Sequence, other: Sequence) -> bool:
    """Return whether letters at these places could overlap sideways."""
    return abs(one[0] - other[0]) < LETTER_HEIGHT


def _legend(entries: Sequence[tuple[str, str]], parts: list[str]) -> float:
    """Add the legend under the chart, in as many rows as it takes; return the height of the whole."""
    left, top = 4.0, HEIGHT + 8.0
    for name, sample in entries:
        name = name if len(name) <= 44 else name[:43] + "…"
        wide = 46 + LEGEND_WIDTH * len(name)
        if left > 4 and left + wide > WIDTH:
            left, top = 4.0, top + LEGEND_HEIGHT
        parts.append(tag("g", sample, transform=f"translate({left:.0f} {top - 4:.0f})"))
        parts.append(text(left + 30, top, name))
        left += wide
    return top + 6 if entries else HEIGHT
