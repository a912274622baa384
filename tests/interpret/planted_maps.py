"""Contribution maps with motifs planted on both strands, made without a model."""

import numpy as np

MOTIFS = ("TTGACA", "TATAAT", "TGTGANNNNNNTCACA")


def ppm_of(text: str, sharp: float = 0.85) -> np.ndarray:
    """Return (w, 4): `sharp` for the letter of each column, a quarter each where it is N."""
    rows = [
        np.full(4, 0.25) if c == "N" else np.where(np.array(list("ACGT")) == c, sharp, (1 - sharp) / 3) for c in text
    ]
    return np.array(rows)


def planted(regions=60, length=300, signs=(1, 1, 1), noise=0.05, seed=0, motifs=MOTIFS):
    """Return letters (N, l, 4), contributions (N, l) and sites [(region, start, motif, flip)].

    A site's letters are drawn from its PPM; each carries the letter's probability less a quarter.
    """
    rng = np.random.default_rng(seed)
    codes, values, sites = rng.integers(0, 4, (regions, length)), rng.normal(0, noise, (regions, length)), []
    for row in range(regions):
        starts = rng.permutation(np.arange(20, length - 40, 35))[: len(motifs)]
        for number, start in enumerate(starts):
            ppm, flip = ppm_of(motifs[number]), int(rng.integers(2))
            drawn = np.array([rng.choice(4, p=column) for column in ppm])
            weights = signs[number] * (ppm[np.arange(len(ppm)), drawn] - 0.25)
            place = slice(start, start + len(ppm))
            codes[row, place] = 3 - drawn[::-1] if flip else drawn
            values[row, place] += weights[::-1] if flip else weights
            sites.append((row, int(start), number, flip))
    return np.eye(4)[codes], values, sites


def ism_of(one_hot: np.ndarray, contributions: np.ndarray) -> np.ndarray:
    """Return (N, l, 4) ISM whose centred value at the letters present is `contributions`."""
    return np.where(one_hot > 0, 0.0, -contributions[..., None] * 4 / 3)
