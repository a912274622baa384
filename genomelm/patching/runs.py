"""Edges of runs of N and of letter case, and the forced starts that they cause.

A patch that starts AT a byte because of what that byte is tells the model what it is. So either the
start comes one byte after the edge ("after": nothing but bytes before a start decides it), or it lies on
the edge ("at") and the bytes at the edges are left out of the loss.
"""

import functools
from collections.abc import Iterable

import numpy as np

from genomelm.errors import UsageError
from genomelm.patching.breaks import Breaks
from genomelm.seq.alphabet import ALPHABETS, encode

ISOLATE, EDGES = ("n", "case"), ("after", "at")

_UNKNOWN, _LOWER = 1, 2


def run_edges(
    letters: np.ndarray,
    previous: int | None,
    isolate: tuple[str, ...],
    edges: str,
    start: int = 0,
    alphabet: str = "dna",
) -> np.ndarray:
    """Return the starts that the edges of runs force, for one piece of a contig.

    Args:
        letters: uint8 (n,), raw text.
        previous: the letter before the piece; None at the contig's start, which is no edge.
        isolate: "n" for runs of letters that the alphabet does not have (in DNA all but A, C, G, T), "case" for
            runs of lower case.
        edges: "at" an edge, or one byte "after" it.
        start: contig coordinate of the piece's first letter.
        alphabet: dna, rna or protein.

    Returns:
        int64 (m,), increasing, in contig coordinates, at most start + n.

    Raises:
        UsageError: `isolate`, `edges` or the alphabet is unknown.
    """
    if edges not in EDGES:
        raise UsageError(f"edges '{edges}' are unknown: choose {' or '.join(EDGES)}")
    return np.flatnonzero(revealed(letters, previous, isolate, alphabet)) + (start + (edges == "after"))


def revealed(letters: np.ndarray, previous: int | None, isolate: tuple[str, ...], alphabet: str = "dna") -> np.ndarray:
    """Return the letters that starts "at" edges give away: the first of each run and the first after it.

    These are to be left out of the loss. Other bytes are given away in one thing only: no start was forced there,
    so the run goes on.

    Args:
        letters, previous, isolate, alphabet: as in `run_edges`.

    Returns:
        bool (n,).
    """
    kinds = _kinds(isolate, alphabet)
    here = kinds[letters]
    changed = np.empty(len(here), bool)
    changed[:1] = previous is not None and here[:1] != kinds[previous]
    np.not_equal(here[1:], here[:-1], out=changed[1:])
    return changed


def contig_breaks(pieces: Iterable[str], isolate: tuple[str, ...], edges: str, alphabet: str = "dna") -> Breaks:
    """Return the forced starts of a whole contig from its text in pieces; memory grows with the edges alone."""
    found, start, previous = [np.zeros(0, np.int64)], 0, None
    for piece in pieces:
        letters = np.frombuffer(piece.encode("latin-1", "replace"), np.uint8)
        found.append(run_edges(letters, previous, isolate, edges, start, alphabet))
        start += len(letters)
        previous = int(letters[-1]) if len(letters) else previous
    return Breaks.unframed(np.concatenate(found))


def ids_breaks(ids: np.ndarray, edges: str, alphabet: str = "dna") -> Breaks:
    """Return the forced starts at the edges of runs of N (special ids too) in ids int64 (l,); ids have no case."""
    letters = np.where(ids < 256, ids, 0).astype(np.uint8)
    return Breaks.unframed(run_edges(letters, None, ("n",), edges, alphabet=alphabet))


def known_letters(ids: np.ndarray, alphabet: str = "dna") -> np.ndarray:
    """Return which of ids int (l,) are letters that the alphabet has, bool (l,): no N, no special id."""
    return (ids < 256) & (ids != ord(ALPHABETS[alphabet].unknown))


@functools.cache
def _kinds(isolate: tuple[str, ...], alphabet: str) -> np.ndarray:
    """Return uint8 (256,): what kind of run each letter belongs to."""
    for name in isolate:
        if name not in ISOLATE:
            raise UsageError(f"isolate '{name}' is unknown: choose from {', '.join(ISOLATE)}")
    every = np.arange(256, dtype=np.uint8)
    kinds = np.zeros(256, np.uint8)
    if "n" in isolate:
        unknown = encode(every.tobytes(), alphabet) == ord(ALPHABETS[alphabet].unknown)
        kinds += _UNKNOWN * unknown.astype(np.uint8)
    if "case" in isolate:
        kinds += _LOWER * ((every >= ord("a")) & (every <= ord("z"))).astype(np.uint8)
    kinds.setflags(write=False)
    return kinds
