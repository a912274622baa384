"""Is an explained model distinguishable from null at all? Regions against their own shuffles, null models beside.

Any function of a sequence, even one of random weights, gives an attribution map, and a map always has a highest peak.
What a null cannot give is a reason why that peak should be higher on the sequence as it is than on the same
dinucleotides in another order. So each region is held against its own dinucleotide shuffle, twice:

- peak: the log ratio of the largest mean support (either sign) of any WINDOW bases, region over shuffle, in standard
  deviations over regions. A fixed function of no meaning has a contrast too, of either sign, because regions differ
  from their shuffles by what they share; random-weight models and named controls show how large it is. Two tests must
  reject: a normal one with LEAST_SPREAD (of few regions with 1 / sqrt(regions), their chance), and a predictive t-test
  with the spread of the null models at hand.
- seeds, of two models or more: how much better their maps agree (Pearson of signed support) on regions than on the
  shuffles, Wilcoxon signed-rank over regions. Two seeds that learned the same noise, or the same composition, agree on
  shuffles as well.

The p-value is the largest of these (all must reject).

What it can say: the model responds to an order of bases that these regions have and that dinucleotides do not explain.
What it cannot: whether that is biology; that one region's map is right; anything about regions that the model was
trained on, whose labels it may know by heart. A model that reads composition, or adds up weak words from all over, is
null here however well it predicts: nothing in its maps stands out. So is a sound model on regions without anything to
find, or on too few of them: null is no proof of absence.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import norm, pearsonr, t, wilcoxon

from genomelm.interpret.gradients import correlation
from genomelm.interpret.ism import support

WINDOW = 8
"""Bases of a peak: about a binding site."""
LEAST_REGIONS = 8
LEAST_DRAWS = 3
LEAST_SPREAD = 0.3
"""Standard deviation of the contrast over functions that learned nothing. Small convolutional models with random
weights, and trained on shuffled labels, had 0.3 over 24 regions of 80 bases with up to four planted sites."""
LEVEL = 0.01


def peaks(maps: np.ndarray) -> np.ndarray:
    """Return (n,) the largest |mean support| of WINDOW neighbouring bases, from effects (n, l, 4).

    Bases of a site pull one way; effects that are as large without a site scatter in sign.
    """
    values = support(maps)
    width = min(WINDOW, values.shape[1])
    return np.abs(np.lib.stride_tricks.sliding_window_view(values, width, axis=1).mean(-1)).max(-1)


def contrast(real: np.ndarray, shuffled: np.ndarray) -> float:
    """Return the mean log ratio of peaks, region over shuffle, in its standard deviations over regions.

    Args:
        real, shuffled: (n, l, 4) effects, one shuffle a region. Regions where either map is flat are left out; nothing
            left, or no variation, is 0.
    """
    first, second = peaks(real), peaks(shuffled)
    kept = (first > 0) & (second > 0)
    ratios = np.log(first[kept] / second[kept])
    spread = ratios.std(ddof=1) if len(ratios) > 1 else 0.0
    return float(ratios.mean() / spread) if spread > 0 else 0.0


def beyond(value: float, nulls: Sequence[float], regions: int) -> float:
    """Return the one-sided p-value of a contrast over some regions beside those of null models: the larger of two
    tests'. The first one's spread is at least 1 / sqrt(regions), which a mean over them has by chance alone."""
    count, middle, spread = len(nulls), float(np.mean(nulls)), float(np.std(nulls, ddof=1))
    distance = (value - middle) / np.sqrt(1 + 1 / count)
    estimated = float(t.sf(distance / max(spread, 1e-12), count - 1))
    least = max(LEAST_SPREAD, 1 / np.sqrt(regions))
    return max(float(norm.sf(distance / least)), estimated)


def seed_gain(real: np.ndarray, shuffled: np.ndarray) -> np.ndarray:
    """Return (n,) how much better models agree on regions than on their shuffles, from (S, n, l, 4) each."""
    return _agreement(real) - _agreement(shuffled)


def _agreement(maps: np.ndarray) -> np.ndarray:
    """Return (n,) the mean Pearson between every two models; a flat map agrees with nothing."""
    tracks = support(maps)  # (S, n, l)
    pairs = [(i, j) for i in range(len(tracks)) for j in range(i)]
    found = [[correlation(tracks[i, k], tracks[j, k], pearsonr) or 0.0 for i, j in pairs] for k in range(maps.shape[1])]
    return np.mean(found, axis=1)


def signal(real: np.ndarray, shuffled: np.ndarray, nulls: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> dict:
    """Judge whether models are distinguishable from null on n regions.

    Args:
        real, shuffled: (S, n, l, 4) effects by each model, on regions and on one dinucleotide shuffle of each.
        nulls: name -> the same of one null model, (m, l, 4) each, of as many or fewer regions.

    Returns:
        {"distinguishable", "p", "statistic" (contrast of the mean map), "against" (text), "n", "arms": [{"name",
        "statistic", "null": [...], "p"}]}, or {"reason"} with too few regions or null models.
    """
    count = real.shape[1]
    if count < LEAST_REGIONS:
        return {"reason": f"not run: {count} regions; {LEAST_REGIONS} or more are needed"}
    if len(nulls) < LEAST_DRAWS:
        return {"reason": f"not run: {len(nulls)} null models; {LEAST_DRAWS} or more are needed"}
    drawn = {name: contrast(*maps) for name, maps in nulls.items()}
    statistic = contrast(real.mean(0), shuffled.mean(0))
    arms = [
        {"name": "peak", "statistic": statistic, "null": drawn, "p": beyond(statistic, list(drawn.values()), count)}
    ]
    if len(real) > 1:
        gain = seed_gain(real, shuffled)
        p = float(wilcoxon(gain, alternative="greater").pvalue) if np.any(gain != 0) else 1.0
        arms.append({"name": "seeds", "statistic": float(np.median(gain)), "null": {}, "p": p})
    largest = max(arm["p"] for arm in arms)
    return {
        "distinguishable": largest < LEVEL,
        "p": largest,
        "statistic": statistic,
        "against": f"a dinucleotide shuffle of each region, and {len(nulls)} null models: {_names(nulls)}",
        "n": count,
        "arms": arms,
    }


def _names(nulls: Mapping[str, object]) -> str:
    """Return the names of null models, the draws of one under its name."""
    kinds = [name.partition("/")[0] for name in nulls]
    counts = {kind: kinds.count(kind) for kind in kinds}
    return ", ".join(f"{kind} ({count})" if count > 1 else kind for kind, count in counts.items())
