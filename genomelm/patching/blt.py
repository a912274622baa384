"""The published patching rule of the Byte Latent Transformer, quirks included, for comparison with models that use it.

Written from the paper (Pagnoni et al. 2024, arXiv:2412.09871, sections 2 and 3.2.1) and from outputs of the
published program. genomelm's own modes are in `modes`: they have none of these quirks.

What differs from genomelm's modes:
- entropies are counted from the token that was read: entropies[i] follows tokens[0..i], so token k starts a patch
  by entropies[k - 1]; entropies[0] is never read.
- tokens 0 and 1 always start a patch (token 0 is the beginning-of-sequence token).
- in `monotonic` and `dual` token 2 always does, and in `dual` token 3 never does.
- the longest patch is a split afterwards, left to right, not a reset of the rule.
- `top` reads the whole sequence (not causal), and its number of patches is not the one asked for.
- `space` and `bpe` fail on batches whose rows have unequal numbers of patches; here that is refused by name.
"""

import numpy as np

from genomelm.errors import InputError, UsageError
from genomelm.patching.geometry import starts_to_lengths

READS_ENTROPIES = ("threshold", "monotonic", "dual", "top")
READS_TOKENS = ("space", "bpe", "static", "byte")
DELIMITER = 3
"""Token after which `bpe` starts a patch."""
OFFSET = 4
"""Special tokens, which stand before the 256 bytes."""
PRIMES = (1_000_000_007, 5_915_587_277, 1_500_450_271)
"""Bases of the published n-gram hashes, in their order."""


def patch_lengths(
    values: np.ndarray,
    mode: str = "threshold",
    *,
    threshold: float | None = None,
    rise: float | None = None,
    size: int | None = None,
    longest: int | None = None,
    next_token: bool = False,
) -> np.ndarray:
    """Cut sequences into patches as the published program does.

    The port in the transformers library gives the lengths of `next_token=True` less one in the last column,
    also where that column is padding.

    Args:
        values: (l,) or (b, l). Entropies in nats for threshold, monotonic, dual and top: values[i] is that of the
            token after i; compared as float32; NaN starts nothing. Token ids for space and bpe. For static and
            byte only the shape is read.
        mode: threshold (token k >= 2 starts iff e[k-1] > threshold), monotonic (iff e[k-1] - e[k-2] > rise; k = 2
            always), dual (both; k = 2 always, k = 3 never), top (after the l // size - 2 highest of e[1:], ties to
            the first), static (every `size` tokens), byte, space (after the first of a run of bytes that are no
            letter, digit or UTF-8 continuation), bpe (after each DELIMITER).
        threshold: nats. The published flag for monotonic mode hands it over as `rise`, and wins over dual.
        rise: nats.
        size: tokens a patch in static and top.
        longest: tokens in the longest patch; longer ones are split into pieces of `longest` and a rest. None: no limit.
        next_token: count the token after the last too, as while generating: it joins the last patch or, where its
            entropy says so, makes one of its own.

    Returns:
        int64 (p,) or (b, p), tokens of each patch, 0 on padding; each row sums to l, or l + 1 with `next_token`.

    Raises:
        UsageError: a parameter that the mode reads is missing or out of range.
        InputError: the published program fails on this input; the message says why.
    """
    values = np.asarray(values)
    if values.ndim not in (1, 2) or 0 in values.shape:
        raise InputError(f"sequences of at least one token are needed, (l,) or (b, l); got shape {values.shape}")
    rows = values if values.ndim == 2 else values[None]
    marks = _marks(rows, mode, threshold, rise, size, next_token)
    found = [starts_to_lengths(np.flatnonzero(row), len(row)) for row in marks]
    if longest is not None:
        found = [split(lengths, _whole(longest, "longest")) for lengths in found]
    if values.ndim == 1:
        return found[0]
    out = np.zeros((len(found), max(map(len, found))), np.int64)
    for row, lengths in zip(out, found, strict=True):
        row[: len(lengths)] = lengths
    return out


def split(lengths: np.ndarray, longest: int) -> np.ndarray:
    """Return lengths int64 (q,) in which each of `lengths` (p,) above `longest` is split into `longest`, ..., rest."""
    pieces = np.maximum(-(-lengths // longest), 1)
    out = np.full(pieces.sum(), longest)
    out[np.cumsum(pieces) - 1] = lengths - (pieces - 1) * longest
    return out


def entropies(logits: np.ndarray) -> np.ndarray:
    """Return the entropy in nats, float32 (..., l), of logits (..., l, v); NaN where a logit is -inf, as published."""
    logits = np.asarray(logits, np.float64)
    logits = logits - logits.max(axis=-1, keepdims=True)
    logs = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    with np.errstate(invalid="ignore"):
        return -(np.exp(logs) * logs).sum(axis=-1).astype(np.float32)


def ngram_ids(tokens: np.ndarray, size: int, rows: int, prime: int = PRIMES[0]) -> np.ndarray:
    """Return the rows of a hashed n-gram embedding (section 3.2.1, equation 4), int64 (..., l).

    The hash of the n tokens t_1..t_n that end at a position is sum_i t_i prime^(i-1), in 64-bit integers that wrap
    around, modulo `rows`. Tokens before the first count as 0.

    Args:
        tokens: int (..., l).
        size: n.
        rows: rows of the embedding table.
        prime: one of PRIMES.
    """
    tokens = np.asarray(tokens).astype(np.int64).view(np.uint64)
    width = tokens.shape[-1]
    padded = np.concatenate([np.zeros((*tokens.shape[:-1], size - 1), np.uint64), tokens], axis=-1)
    total = np.zeros(tokens.shape, np.uint64)
    for i in range(size):
        total += padded[..., i : i + width] * np.uint64(pow(prime, i, 1 << 64))
    return total.view(np.int64) % rows


def _marks(
    rows: np.ndarray, mode: str, threshold: float | None, rise: float | None, size: int | None, next_token: bool
) -> np.ndarray:
    """Return start marks, bool (b, l) or, with `next_token`, (b, l + 1)."""
    count, length = rows.shape
    marks = np.zeros((count, length + 1), bool)
    if mode == "byte":
        marks[:] = True
    elif mode == "static":
        marks[:, :: _whole(size, "size")] = True
    elif mode in READS_TOKENS:
        ends = rows == DELIMITER if mode == "bpe" else _space_ends(rows)
        marks[:, 1:] = ends
        if mode == "bpe" and ends[:, 0].any():
            raise InputError("bpe mode as published fails on a sequence that begins with its delimiter: put BOS first")
        marks[:, :2] = True
        # The starts of shorter rows are padded with l in bpe and l + 1 in space, which is right only here:
        if next_token != (mode == "space") and len(set(marks.sum(axis=1).tolist())) > 1:
            raise InputError(f"{mode} mode as published fails on rows of unequally many patches: give one at a time")
    elif mode in READS_ENTROPIES:
        marks[:, :2] = True
        seen = rows.astype(np.float32, copy=False)[:, 1:]
        if mode == "top":
            best = np.argsort(-seen, axis=1, kind="stable")[:, : max(0, length // _whole(size, "size") - 2)]
            np.put_along_axis(marks, best + 2, True, axis=1)
        else:
            marks[:, 2:] = _tests(seen, mode, threshold, rise)
    else:
        raise UsageError(f"mode '{mode}' is unknown: choose {', '.join(READS_ENTROPIES + READS_TOKENS)}")
    return marks if next_token else marks[:, :length]


def _tests(seen: np.ndarray, mode: str, threshold: float | None, rise: float | None) -> np.ndarray:
    """Return which entropies (b, n), the first one dropped, start a patch at the token after theirs."""
    needed = {"threshold": ("threshold",), "monotonic": ("rise",), "dual": ("threshold", "rise")}[mode]
    for name in needed:
        if {"threshold": threshold, "rise": rise}[name] is None:
            raise UsageError(f"mode '{mode}' needs {name}=: give it in nats")
    passes = np.ones(seen.shape, bool)
    if "threshold" in needed:
        passes &= seen > float(threshold)
    if "rise" in needed:
        passes[:, 1:] &= seen[:, 1:] - seen[:, :-1] > float(rise)
        passes[:, :1] = True
    if mode == "dual":
        passes[:, 1:2] = False
    return passes


def _space_ends(tokens: np.ndarray) -> np.ndarray:
    """Return bool (b, l): the first of each run of bytes that are no letter, digit or UTF-8 continuation."""
    inside = np.zeros(OFFSET + 256, bool)
    for first, last in (("0", "9"), ("A", "Z"), ("a", "z"), ("\x80", "\xbf")):
        inside[OFFSET + ord(first) : OFFSET + ord(last) + 1] = True
    if tokens.dtype.kind not in "iu" or tokens.min() < 0 or tokens.max() >= len(inside):
        raise InputError(f"space mode reads token ids, integers from 0 to {len(inside) - 1}")
    spaces = ~inside[tokens]
    spaces[:, 1:] &= inside[tokens][:, :-1]
    return spaces


def _whole(value: int | None, name: str) -> int:
    if not isinstance(value, int | np.integer) or value < 1:
        raise UsageError(f"{name}={value} cannot be: give a whole number of tokens, 1 or more")
    return int(value)
