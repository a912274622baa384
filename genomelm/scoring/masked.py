"""What a masked language model gives: probabilities of hidden bases, and likelihoods made of them."""

from collections.abc import Sequence

import numpy as np
import torch

from genomelm.models.encoding import HIDDEN_STRIDE
from genomelm.models.model import GenomeModel
from genomelm.scoring import effects
from genomelm.scoring.alleles import Window
from genomelm.scoring.forward import Read, batch_of, read_windows
from genomelm.seq.alphabet import ALPHABETS, MASK


def read_strided(model: GenomeModel, windows: Sequence[Window], read: Read) -> list[np.ndarray]:
    """Hide every base of each window once, and return what was read at it.

    Args:
        read: gives (m, c) a window, one row a hidden base.

    Returns:
        One (l, c) array a window; row i is of base i.
    """
    masked = [
        [window.hidden(slice(first, None, HIDDEN_STRIDE)) for first in range(min(HIDDEN_STRIDE, len(window.ids)) or 1)]
        for window in windows
    ]
    found = iter(read_windows(model, [part for parts in masked for part in parts], read))
    whole = []
    for window, parts in zip(windows, masked, strict=True):
        values = [next(found) for _ in parts]
        whole.append(np.empty((len(window.ids), values[0].shape[1]), values[0].dtype))
        for first, part in enumerate(values):
            whole[-1][first::HIDDEN_STRIDE] = part
    return whole


def hidden_log_probabilities(model: GenomeModel, windows: Sequence[Window]) -> list[np.ndarray]:
    """Return log p(letter | what is shown) at each hidden base, in nats: float64 (m, a) a window, bases in order."""
    rows, states = _hidden_states(model, windows)
    found = torch.log_softmax(model.head.letter_logits(states).double(), -1).cpu().numpy()
    return _split(found, rows, len(windows))


def hidden_logits(model: GenomeModel, windows: Sequence[Window]) -> list[np.ndarray]:
    """Return the logits of the alphabet's columns (DNA: ACGTN) at each hidden base: float32 (m, a + 1) a window."""
    columns = [ord(letter) for letter in ALPHABETS[model.alphabet].columns]
    rows, states = _hidden_states(model, windows)
    return _split(model.head(states)[:, columns].float().cpu().numpy(), rows, len(windows))


def pseudo_likelihoods(model: GenomeModel, windows: Sequence[Window]) -> list[np.ndarray]:
    """Return log p(base | the others, save those hidden with it) in nats, float64 (l,) a window; 0 at N.

    Source: Salazar et al. 2020, ACL, equation 1; here every HIDDEN_STRIDE-th base is hidden in one pass, not one alone.
    """
    letters = ALPHABETS[model.alphabet].ids
    found = read_strided(model, windows, hidden_log_probabilities)
    return [taken(values, window.ids, letters) for values, window in zip(found, windows, strict=True)]


def hidden_ratio(
    ref: np.ndarray, ref_ids: np.ndarray, alt: np.ndarray, alt_ids: np.ndarray, letters: np.ndarray
) -> float:
    """Return log p(alternative bases) - log p(reference bases) at hidden bases, in nats.

    A base that is N in one of the windows is left out of both.

    Args:
        ref, alt: log-probabilities (m, a) at the same m bases of either window, columns `letters`.
        ref_ids, alt_ids: int64 (m,), the bases that are hidden.
        letters: int64 (a,).
    """
    theirs = [ids[:, None] == letters for ids in (ref_ids, alt_ids)]
    counted = theirs[0].any(1) & theirs[1].any(1)
    values = [np.where(own, found, 0.0).sum(1) for own, found in zip(theirs, (ref, alt), strict=True)]
    return float(effects.log_likelihood_ratio(*values, counted, counted))


def taken(log_probabilities: np.ndarray, ids: np.ndarray, letters: np.ndarray) -> np.ndarray:
    """Return the log-probability of each base that is there, float64 (l,); 0 where it is no letter.

    Args:
        log_probabilities: (l, a), columns `letters`.
        ids: int64 (l,). letters: int64 (a,).
    """
    return np.where(ids[:, None] == letters, log_probabilities, 0.0).sum(1)


def _hidden_states(model: GenomeModel, windows: Sequence[Window]) -> tuple[np.ndarray, torch.Tensor]:
    """Return the row (m,) and the state (m, d) of every hidden base, row by row in order."""
    batch = batch_of(model, windows)
    states = model(**batch.inputs(), return_logits=False).hidden_states
    rows, places = torch.nonzero(batch.ids == MASK, as_tuple=True)
    return rows.cpu().numpy(), states[rows, places]


def _split(values: np.ndarray, rows: np.ndarray, count: int) -> list[np.ndarray]:
    return np.split(values, np.searchsorted(rows, np.arange(1, count)))
