"""What a language model is worth on held-out windows, and what each of its parts adds."""

import logging
from collections.abc import Sequence

import numpy as np
import torch

from genomelm.models.model import GenomeModel
from genomelm.seq.alphabet import ALPHABETS
from genomelm.seq.interval import Interval
from genomelm.tasks.metrics import bootstrap_ratio
from genomelm.training.evaluation import BitsByCase, bits_by_case, count_model_bits, mixers_of, window_bits
from genomelm.training.removals import as_mean, random_boundaries
from genomelm.training.windows import GenomeWindows

log = logging.getLogger(__name__)


def measure(model: GenomeModel, windows: GenomeWindows, device: torch.device) -> dict:
    """Measure bits per base with bootstrap intervals over windows, beside the count model, and the cost of removals.

    Ablations are at evaluation of the trained model, on every second window, beside the whole model there: the
    backbone's output as its mean, each kind of operator that mixes patches as its mean, and, where boundaries come
    from scores, patches of the same lengths elsewhere. A masked model is not compared with the count model, which
    sees one side only. Where the windows hold bases in lower case (repeats) and others, both are measured apart.
    """
    tiles = windows.tiles()
    measured = bits_by_case(model, windows, tiles, device)
    bits, counts = measured[:2]
    log.info("held-out bits per base: %.4f over %d bases", bits.sum() / counts.sum(), counts.sum())
    result = {
        "objective": model.objective,
        "bases": int(counts.sum()),
        "windows": len(tiles),
        "window": windows.window,
        "bits_per_base": bootstrap_ratio(bits, counts),
        **by_case(measured),
        "uniform": float(np.log2(len(ALPHABETS[model.alphabet].letters))),
        "side_information": [*windows.patcher.side_information, *model.side_inputs],
        "ablations": _ablations(model, windows, tiles[::2], device, bits[::2], counts[::2]),
    }
    counted = windows.patcher.model
    if counted is not None and model.objective == "causal":
        theirs = count_model_bits(counted, windows, tiles)
        result["count_model"] = bootstrap_ratio(theirs, counts)
        result["difference"] = bootstrap_ratio(bits - theirs, counts)
    return result


def measure_long(model: GenomeModel, windows: GenomeWindows, device: torch.device) -> dict:
    """Measure bits per base in long windows, and how sparse the attention is there.

    `patches`, `blocks` and `sparsity` are of the window with the fewest patches: the share of the pairs that dense
    attention would read (causal: up to each patch itself) and that this one does not.
    """
    tiles = [tile for tile in windows.tiles() if len(tile) == windows.window]
    bits, counts = window_bits(model, windows, tiles, device)
    result = {"window": windows.window, "windows": len(tiles), "bits_per_base": bootstrap_ratio(bits, counts)}
    for name, modules in mixers_of(model).items():
        with as_mean(modules):
            changed = window_bits(model, windows, tiles, device)[0]
        result[f"without_{name}"] = _cost(changed, bits, counts)
    attentions = mixers_of(model).get("bigbird", [])
    if attentions:
        patches = min(1 + int(windows.record(tile)[1][:-1].sum()) for tile in tiles)  # BOS is a patch
        share, blocks = attentions[0].sparsity(patches)
        result |= {"patches": patches, "blocks": blocks, "sparsity": share}
        log.info("%d attention blocks, %.1f %% of the pairs not read", blocks, 100 * share)
    return result


def by_case(measured: BitsByCase) -> dict:
    """Return bits per base of repeats and of the rest, with intervals over the windows that have such bases."""
    found = {}
    for name, (bits, counts) in measured.parts().items():
        there = counts > 0
        found[f"bits_per_base_{name}"] = {
            **bootstrap_ratio(bits[there], counts[there]),
            "bases": int(counts.sum()),
            "windows": int(there.sum()),
        }
        log.info("of these %s: %.4f over %d bases", name, bits.sum() / counts.sum(), counts.sum())
    return found


def _ablations(
    model: GenomeModel,
    windows: GenomeWindows,
    tiles: Sequence[Interval],
    device: torch.device,
    bits: np.ndarray,
    counts: np.ndarray,
) -> dict:
    removed = {"backbone_mean": [model.shell.backbone]}
    removed |= {f"without_{name}": modules for name, modules in mixers_of(model).items()}
    found = {}
    for name, modules in removed.items():
        with as_mean(modules):
            found[name] = window_bits(model, windows, tiles, device)[0]
    if windows.patcher.config.needs_scores:
        found["random_boundaries"] = window_bits(model, windows, tiles, device, random_boundaries)[0]
    for name, values in found.items():
        log.info("ablation %s: %+.4f bits per base", name, (values - bits).sum() / counts.sum())
    return {name: _cost(values, bits, counts) for name, values in found.items()}


def _cost(changed: np.ndarray, bits: np.ndarray, counts: np.ndarray) -> dict:
    """Return the bits per base of a removal ("value") and what it costs ("delta", with "low" and "high")."""
    cost = bootstrap_ratio(changed - bits, counts)
    return {**cost, "delta": cost["value"], "value": float(changed.sum() / counts.sum())}
