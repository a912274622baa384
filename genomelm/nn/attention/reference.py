"""Dense attention in float64 under a mask of lags: the oracle of attention over windows and over all rows."""

import math

import torch


def attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    present: torch.Tensor,
    window: int,
    bidirectional: bool,
    places: torch.Tensor | None = None,
) -> torch.Tensor:
    """Let row t attend over rows t - window + 1 .. t, or t - window .. t + window; window 0: over all, or all so far.

    Args:
        query, key, value: (b, p, h, d).
        present: (b, p) bool.
        window: rows.
        bidirectional: rows attend to later ones too.
        places: (b, p) int64, base coordinates: head i of h (from 1) loses 2^(-8 i / h) of a logit every 8 bases.

    Returns:
        (b, p, h, d) float64; zeros where not present.
    """
    query, key, value = query.double(), key.double(), value.double()
    out = torch.zeros_like(query)
    for row, real in enumerate(present):
        for t in real.nonzero()[:, 0].tolist():
            first, last = (0, query.shape[1]) if bidirectional else (0, t + 1)
            if window:
                first = max(0, t - window if bidirectional else t - window + 1)
                last = min(last, t + window + 1)
            seen = [s for s in range(first, last) if real[s]]
            logits = torch.einsum("hd,shd->hs", query[row, t], key[row, seen]) / math.sqrt(query.shape[-1])
            if places is not None:
                bases = (places[row, t] - places[row, seen]).abs().double()
                heads = query.shape[2]
                logits = logits - torch.tensor([[2 ** (-8 * (i + 1) / heads)] for i in range(heads)]) * bases / 8
            out[row, t] = torch.einsum("hs,shd->hd", logits.softmax(-1), value[row, seen])
    return out
