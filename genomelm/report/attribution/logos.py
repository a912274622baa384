"""Sequence logos of motif matrices, both strands."""

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from genomelm.interpret.pwm import UNIFORM, information
from genomelm.report.svg import BASE_COLOURS, figure, glyph, line, tag, text, tick_label

COLUMN, HEIGHT, LEFT, TOP, BOTTOM = 17, 66, 44, 18, 16
LETTERS = "ACGT"


def of_motif(motif: dict, background: Sequence[float] = UNIFORM) -> list[Markup]:
    """Draw a motif of the lexicon: PPM and CWM, each forward and as its reverse complement.

    Args:
        background: shares of A C G T, equal for a letter and its complement, which the bits are held against.
    """
    drawn = []
    for key, title in (("ppm", "PPM, bits"), ("cwm", "CWM")):
        if motif[key] is None:
            continue
        matrix = np.array(motif[key], dtype=float)
        heights = bits(matrix, background) if key == "ppm" else matrix
        for strand, values in (("forward", heights), ("reverse complement", heights[::-1, ::-1])):
            drawn.append(logo(values, f"{title}, {strand}", f"{motif['name']}: {title}, {strand}"))
    return drawn


def bits(ppm: np.ndarray, background: Sequence[float] = UNIFORM) -> np.ndarray:
    """Return letter heights (w, 4): each probability times the relative entropy of its column to the background.

    Source: Schneider and Stephens 1990, Nucleic Acids Research 18:6097.
    """
    total = ppm.sum(axis=-1, keepdims=True)
    share = np.divide(ppm, total, out=np.broadcast_to(np.array(background), ppm.shape).copy(), where=total > 0).clip(
        0, 1
    )
    return share * np.maximum(information(share, tuple(background)), 0)[:, None]


def logo(heights: np.ndarray, caption: str, title: str) -> Markup:
    """Draw (w, 4) signed letter heights, the largest at the outside, on a scale of their own."""
    up, down = np.maximum(heights, 0).sum(axis=-1).max(), np.minimum(heights, 0).sum(axis=-1).min()
    scale = HEIGHT / ((up - down) or 1.0)
    zero = TOP + up * scale
    paths = dict.fromkeys(LETTERS, "")
    for i, column in enumerate(heights):
        above = below = zero
        for j in np.argsort(np.abs(column), kind="stable"):
            size = float(column[j]) * scale
            start = above - size if size > 0 else below
            paths[LETTERS[j]] += glyph(LETTERS[j], LEFT + COLUMN * i + 0.5, start, COLUMN - 1.0, size)
            above, below = above - max(size, 0.0), below - min(size, 0.0)
    width = LEFT + COLUMN * len(heights) + 6
    parts = [
        text(LEFT, 12, caption, class_="axis"),
        text(LEFT - 6, TOP + 9, tick_label(float(up), 2), text_anchor="end"),
        *(
            tag("path", d=data, fill=BASE_COLOURS[letter], fill_rule="evenodd")
            for letter, data in paths.items()
            if data
        ),
        line(LEFT, zero, width - 6, zero),
    ]
    if zero < TOP + HEIGHT - 14:
        parts.append(text(LEFT - 6, TOP + HEIGHT, tick_label(float(down), 2), text_anchor="end"))
    if len(heights) > 4:
        parts += [
            text(LEFT + COLUMN * (i + 0.5), TOP + HEIGHT + 13, i + 1, text_anchor="middle")
            for i in range(4, len(heights), 5)
        ]
    return figure(width, TOP + HEIGHT + BOTTOM, title, parts, css="logo", fixed=True)
