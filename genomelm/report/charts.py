"""Line charts, histograms and interval plots, drawn as SVG."""

import math
from collections.abc import Sequence

from markupsafe import Markup

from genomelm.report.svg import GREY, SERIES, figure, line, log_ticks, tag, text, tick_label, ticks

WIDTH, HEIGHT = 440, 270
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 32, 46


class Scale:
    """Data range -> pixels, along one axis; as logarithms where `log`."""

    def __init__(self, low: float, high: float, start: float, end: float, log: bool = False):
        if high <= low:
            low, high = (low / 2, high * 2) if log else (low - 0.5, high + 0.5)
        self.low, self.high, self.start, self.end, self.log = low, high, start, end, log

    def __call__(self, value: float) -> float:
        if self.log:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Return round numbers inside the range."""
        return log_ticks(self.low, self.high) if self.log else ticks(self.low, self.high)


def axes(x: Scale, y: Scale, x_label: str, y_label: str, bottom: float) -> list[str]:
    """Return grid lines, ticks and labels."""
    parts = []
    for value in y.ticks():
        parts.append(line(x.start, y(value), x.end, y(value), stroke="#d9dee5"))
        parts.append(text(x.start - 6, y(value) + 4, tick_label(value), text_anchor="end"))
    for value in x.ticks():
        parts.append(line(x(value), bottom, x(value), bottom + 4))
        parts.append(text(x(value), bottom + 18, tick_label(value), text_anchor="middle"))
    parts.append(line(x.start, bottom, x.end, bottom))
    parts.append(text((x.start + x.end) / 2, bottom + 38, x_label, text_anchor="middle", class_="axis"))
    parts.append(text(4, 14, y_label, class_="axis"))
    return parts


def lines(
    series: Sequence[tuple[str, Sequence[tuple[float, float]]]],
    title: str,
    x_label: str,
    y_label: str,
    marks: Sequence[tuple[str, float]] = (),
) -> Markup | None:
    """Draw (name, [(x, y)...]) series with a legend and horizontal reference `marks` (name, y); None without points."""
    drawn = [(name, points) for name, points in series if points]
    if not drawn:
        return None
    xs = [x for _, points in drawn for x, _ in points]
    ys = [y for _, points in drawn for _, y in points] + [y for _, y in marks]
    pad = 0.06 * (max(ys) - min(ys))
    bottom = HEIGHT - BOTTOM
    x = Scale(min(xs), max(xs), LEFT, WIDTH - RIGHT)
    y = Scale(min(ys) - pad, max(ys) + pad, bottom, TOP)
    parts = axes(x, y, x_label, y_label, bottom)
    for name, value in marks:
        parts.append(line(LEFT, y(value), WIDTH - RIGHT, y(value), stroke_dasharray="3 3"))
        parts.append(text(WIDTH - RIGHT, y(value) - 4, name, text_anchor="end", class_="mark"))
    legend = WIDTH - RIGHT
    for i, (name, points) in reversed(list(enumerate(drawn))):
        colour, dash = SERIES[i % len(SERIES)]
        path = "M" + "L".join(f"{x(a):.1f} {y(b):.1f}" for a, b in points)
        parts.append(tag("path", d=path, fill="none", stroke=colour, stroke_width=2, stroke_dasharray=dash))
        if len(points) <= 40:
            dots = "".join(f"M{x(a):.1f} {y(b):.1f}h0" for a, b in points)
            parts.append(tag("path", d=dots, fill="none", stroke=colour, stroke_width=5, stroke_linecap="round"))
        legend -= 7.2 * len(name)
        parts.append(text(legend, 14, name))
        parts.append(line(legend - 30, 10, legend - 6, 10, stroke=colour, stroke_width=2.5, stroke_dasharray=dash))
        legend -= 46
    return figure(WIDTH, HEIGHT, title, parts)


def histogram(
    edges: Sequence[float], counts: Sequence[int], title: str, x_label: str, mark: tuple[str, float] | None = None
) -> Markup:
    """Draw counts (n,) between edges (n + 1,), with one vertical `mark` (name, x)."""
    bottom = HEIGHT - BOTTOM
    low, high = edges[0], edges[-1]
    if mark:
        low, high = min(low, mark[1]), max(high, mark[1])
    x = Scale(low, high, LEFT, WIDTH - RIGHT)
    y = Scale(0, max([*counts, 1]) * 1.05, bottom, TOP)
    parts = axes(x, y, x_label, "count", bottom)
    bars = "".join(
        f"M{x(a):.1f} {bottom}V{y(n):.1f}H{max(x(b) - 0.6, x(a) + 0.6):.1f}V{bottom}Z"
        for a, b, n in zip(edges, edges[1:], counts, strict=False)
        if n
    )
    if bars:
        parts.append(tag("path", d=bars, fill=SERIES[0][0]))
    if mark:
        parts.append(
            line(x(mark[1]), TOP, x(mark[1]), bottom, stroke=SERIES[1][0], stroke_width=2, stroke_dasharray="6 4")
        )
        left = x(mark[1]) > WIDTH / 2
        parts.append(
            text(
                x(mark[1]) + (-5 if left else 5),
                TOP + 4,
                mark[0],
                text_anchor="end" if left else "start",
                class_="mark",
            )
        )
    return figure(WIDTH, HEIGHT, title, parts)


def intervals(
    rows: Sequence[dict],
    title: str,
    x_label: str,
    *,
    own: int = 1,
    zero: bool = False,
    mark: tuple[str, float] | None = None,
) -> Markup | None:
    """Draw {"name", "value", "low", "high"} rows as dots with interval bars; None without rows.

    Args:
        own: so many rows, from the first, are coloured; those after them are what they stand beside.
        zero: add a line at 0. mark: add a dashed line (name, x).
    """
    rows = [row for row in rows if row.get("value") is not None]
    if not rows:
        return None
    names = [str(row["name"]) for row in rows]
    names = [name if len(name) <= 32 else name[:31] + "…" for name in names]
    left, step, top = max(172, 14 + 7.3 * max(map(len, names))), 28, 20 if mark else 6
    found = [row[key] for row in rows for key in ("value", "low", "high") if row.get(key) is not None]
    found += ([0.0] if zero else []) + ([mark[1]] if mark else [])
    pad = 0.08 * (max(found) - min(found)) or 0.05
    bottom = top + 8 + step * len(rows)
    x = Scale(min(found) - pad, max(found) + pad, left, WIDTH - RIGHT)
    parts = []
    for value in ticks(x.low, x.high):
        parts.append(line(x(value), top, x(value), bottom, stroke="#d9dee5"))
        parts.append(text(x(value), bottom + 16, tick_label(value), text_anchor="middle"))
    if zero:
        parts.append(line(x(0), top, x(0), bottom, stroke=GREY))
    if mark:
        parts.append(line(x(mark[1]), top, x(mark[1]), bottom, stroke=SERIES[1][0], stroke_dasharray="6 4"))
        anchor = "end" if x(mark[1]) > (left + WIDTH) / 2 else "start"
        parts.append(text(x(mark[1]), top - 6, mark[0], text_anchor=anchor, class_="mark"))
    for i, row in enumerate(rows):
        middle = top + step * (i + 0.5)
        colour = SERIES[0][0] if i < own else GREY
        parts.append(text(left - 10, middle + 4, names[i], text_anchor="end"))
        if row.get("low") is not None and row.get("high") is not None:
            parts.append(line(x(row["low"]), middle, x(row["high"]), middle, stroke=colour, stroke_width=3))
        parts.append(tag("circle", cx=x(row["value"]), cy=middle, r=5.0, fill=colour))
    parts.append(text((left + WIDTH) / 2, bottom + 36, x_label, text_anchor="middle", class_="axis"))
    return figure(WIDTH, bottom + 44, title, parts)
