"""Curves and heat maps: extremes are not thinned away, letters do not overlap, logarithms leave zeros out."""

import re

import numpy as np
import pytest

from genomelm.report.charts import Scale
from genomelm.report.curves import LETTER_HEIGHT, Curve, overlay, thinned
from genomelm.report.layer_map import MOST_COLUMNS, ZERO, draw
from genomelm.report.svg import log_ticks, tick_label, ticks


@pytest.mark.parametrize("count", [1, 399, 400, 401, 1000, 12345])
def test_thinned_curves_keep_their_ends_and_extremes(count):
    values = np.random.default_rng(count).normal(size=count)
    values[count // 3] = 50.0
    points = [(float(i), float(value)) for i, value in enumerate(values)]
    kept = thinned(points)
    assert len(kept) <= 400
    assert kept == sorted(set(kept) & set(points))
    assert {points[0], points[-1], max(points, key=lambda p: p[1]), min(points, key=lambda p: p[1])} <= set(kept)


@pytest.mark.parametrize("height", [0.0, 0.5, 1.0])
def test_letters_at_one_place_stand_apart_and_inside(height):
    runs = [Curve(i, letter, "x", [(0.0, 0.0), (1.0, height)]) for i, letter in enumerate("ABCDE")]
    drawn = overlay([*runs, Curve(9, "Z", "x", [(0.0, 1.0), (0.2, height)])], "t", "x", "y", several=True)
    places = {m[3]: (float(m[1]), float(m[2])) for m in re.finditer(r'x="([\d.]+)" y="([\d.]+)"[^>]*>([A-EZ])<', drawn)}
    assert len(places) == 6
    heights = sorted(places[letter][1] for letter in "ABCDE")
    assert min(np.diff(heights)) >= LETTER_HEIGHT - 0.02
    assert 32 <= heights[0] < heights[-1] <= 230


def test_a_logarithmic_chart_leaves_out_what_is_not_over_zero():
    curve = Curve(0, "A", "x", [(0.0, 0.0), (1.0, 0.01), (2.0, 10.0)])
    assert ">10<" in overlay([curve], "t", "x", "y", log=True)
    assert overlay([Curve(0, "A", "x", [(0.0, 0.0)])], "t", "x", "y", log=True) is None
    scale = Scale(1.0, 100.0, 0.0, 10.0, log=True)
    assert scale(10.0) == pytest.approx(5.0)


@pytest.mark.parametrize(("low", "high"), [(1e-6, 1e3), (0.3, 12.0), (0.9, 1.1), (2e-5, 7e-4)])
def test_logarithmic_ticks_lie_inside_and_are_told_apart(low, high):
    found = log_ticks(low, high)
    assert 2 <= len(found) <= 9
    assert all(low * 0.99 <= value <= high * 1.01 for value in found)
    assert len(set(map(tick_label, found))) == len(found)


def test_labels_of_close_ticks_have_the_digits_that_tell_them_apart():
    assert [tick_label(value) for value in ticks(1.9983, 1.9996, 3)] == ["1.9985", "1.999", "1.9995"]
    assert [tick_label(value) for value in (0.0, 0.1 + 0.2, 5000.0)] == ["0", "0.3", "5k"]


def test_the_map_has_a_square_a_layer_and_reading_darker_for_larger_norms():
    drawn = draw([1, 2, 3], {"a": [0.01, 0.1, 1.0], "b": [None, 0.0, 1.0]}, "t")
    squares = {m[2]: m[1].count("M") for m in re.finditer(r'<path d="([^"]*)" fill="(#\w+)"', drawn)}
    assert squares.pop(ZERO) == 1
    assert list(squares.values()) == [1, 1, 2]
    brightness = [int(colour[1:3], 16) for colour in squares]
    assert brightness == sorted(brightness, reverse=True)
    assert draw([1], {"a": [0.0]}, "t") is None
    assert draw([], {}, "t") is None


def test_the_map_of_a_long_run_keeps_the_largest_norm_of_each_stretch():
    norms = [0.01] * 1000
    norms[517] = 1.0
    drawn = draw(list(range(1000)), {"a": norms}, "t")
    squares = re.findall(r'<path d="([^"]*)" fill="(#\w+)"', drawn)
    assert sum(path.count("M") for path, _ in squares) <= MOST_COLUMNS
    assert min(path.count("M") for path, _ in squares) == 1
    assert len(squares) == 2
