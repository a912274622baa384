"""Motifs as text: MEME's minimal format, read and written."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from genomelm import files
from genomelm.errors import InputError
from genomelm.seq.interval import text_lines

_WIDTH = re.compile(r"\bw=\s*(\d+)")


def write(
    path: str | Path, motifs: Mapping[str, np.ndarray], sites: Sequence[int], background: tuple[float, ...]
) -> None:
    """Write PPMs (w, 4) by name, with the number of sites of each and the background frequencies of A C G T."""
    frequencies = " ".join(f"{letter} {share:.5f}" for letter, share in zip("ACGT", background, strict=True))
    head = f"MEME version 5\n\nALPHABET= ACGT\n\nstrands: + -\n\nBackground letter frequencies\n{frequencies}\n"
    parts = [head]
    for (name, ppm), count in zip(motifs.items(), sites, strict=True):
        rows = "\n".join(" ".join(f"{value:.6f}" for value in row) for row in ppm)
        parts.append(
            f"\nMOTIF {name}\nletter-probability matrix: alength= 4 w= {len(ppm)} nsites= {count} E= 0\n{rows}\n"
        )
    files.write_text(path, "".join(parts))


def read(path: str | Path) -> dict[str, np.ndarray]:
    """Return the PPMs (w, 4) of a MEME file (plain or gzip) by name: what stands behind MOTIF, one blank between words.

    Raises:
        InputError: it cannot be read, holds no motif, or a matrix is cut, is not of 4 columns or does not sum to 1.
    """
    path = Path(path)
    lines = list(enumerate(text_lines(path), 1))
    found: dict[str, np.ndarray] = {}
    at, name = 0, ""
    while at < len(lines):
        number, line = lines[at]
        at += 1
        words = line.split()
        if words[:1] == ["ALPHABET="] and "".join(words[1:])[:4] != "ACGT":
            raise InputError(f"{path}:{number} alphabet {' '.join(words[1:])} is not ACGT: give motifs of DNA")
        if words[:1] == ["MOTIF"]:
            name = " ".join(words[1:]) or f"motif_{len(found) + 1}"
            if name in found:
                raise InputError(f"{path}:{number} has a second motif {name}: give each a name of its own")
        elif line.startswith("letter-probability matrix"):
            width = _WIDTH.search(line)
            if not name or not width:
                raise InputError(f"{path}:{number} needs a MOTIF line before it, and w= with the number of columns")
            rows = [text for _, text in lines[at : at + int(width[1])]]
            at += len(rows)
            found[name] = _matrix(rows, int(width[1]), f"{path}:{number} {name}")
    if not found:
        raise InputError(f"{path} holds no motif: is it a MEME file with letter-probability matrices?")
    return found


def _matrix(rows: list[str], width: int, where: str) -> np.ndarray:
    try:
        matrix = np.array([[float(value) for value in row.split()] for row in rows])
    except ValueError:
        raise InputError(f"{where}: its matrix holds something else than {width} rows of 4 numbers") from None
    if matrix.shape != (width, 4) or width < 1 or not np.all(matrix >= 0):
        raise InputError(f"{where}: its matrix is not {width} rows of 4 numbers of 0 or more")
    sums = matrix.sum(axis=1)
    if not np.all(np.abs(sums - 1) < 0.05):
        raise InputError(f"{where}: row {int(np.argmax(np.abs(sums - 1))) + 1} sums to {sums.max():.4g}, not to 1")
    return matrix / sums[:, None]
