"""What a reader finds on a page: its text, its attributes, and the numbers that its JSON does not hold."""

import html.parser
import re

import numpy as np

NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?")


class Page(html.parser.HTMLParser):
    """The text that a reader sees, outside of drawings, styles and scripts; and every attribute."""

    def __init__(self, source: str):
        super().__init__()
        self.text: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.tags: list[str] = []
        self.hidden: list[str] = []
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag in ("svg", "style", "script", "nav"):
            self.hidden.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag):
        if self.hidden and self.hidden[-1] == tag:
            self.hidden.pop()

    def handle_data(self, data):
        if not self.hidden:
            self.text.append(re.sub(r"\b[0-9a-f]{64}\b", "", data))  # a digest is not a number


def numbers_in(value):
    if isinstance(value, dict):
        for key, item in value.items():
            yield from numbers_in(key)
            yield from numbers_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from numbers_in(item)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield float(value)
    elif isinstance(value, str) and len(value) != 64:  # a digest is not a number
        yield from (float(text.replace(",", "")) for text in NUMBER.findall(value))


def half_a_unit(text: str) -> float:
    """Half a unit of the last digit shown: what rounding may hide."""
    mantissa, _, exponent = text.replace(",", "").partition("e")
    return 0.5001 * 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))


def lost_numbers(source: str, report: dict) -> list[str]:
    shown = {text for piece in Page(source).text for text in NUMBER.findall(piece)}
    known = np.array([value for value in numbers_in(report) if np.isfinite(value)])
    known = np.abs(known)
    return [t for t in shown if np.abs(known - float(t.replace(",", ""))).min() > half_a_unit(t)]
