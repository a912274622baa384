"""What a job of the workflow asks for: memory, and minutes, by the size of its data and how often it was tried."""

import os

PLAIN = 3.3
"""How much larger a FASTA file is than its compressed one."""


def megabytes(base: float, attempt: int) -> int:
    """Return the memory of a job: `base` at first, half of it more with each retry."""
    return round(base * (1 + attempt) / 2)


def minutes(base: float, attempt: int) -> int:
    """Return the time of a job: `base` at first, as much again with each retry."""
    return max(1, round(base * attempt))


def size_mb(path: str) -> float:
    """Return the size of an input in MB, as it is compressed, once it is there: a plan made before says `<TBD>`."""
    return os.path.getsize(path) / (1e6 if path.endswith("gz") else 1e6 * PLAIN)
