"""What the benchmarks' Markdown is made of."""

from collections.abc import Sequence


def table(lines: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table whose first line is the heading."""
    heading, *rest = lines
    return "\n".join("| " + " | ".join(line) + " |" for line in (heading, ["---"] * len(heading), *rest))


def gibibytes(value: int | None) -> str:
    """Return bytes as GiB; nothing where they are not known."""
    return "" if value is None else f"{value / 2**30:.2f}"


def between(values: Sequence[float], form: str) -> str:
    """Return the least and the greatest value, or one where they read the same."""
    ends = dict.fromkeys(format(value, form) for value in (min(values), max(values)))
    return " to ".join(ends)
