"""What a model reads at each base: patch starts, entropies, attention. None of it is an attribution."""

import numpy as np
import torch

from genomelm.models.geometry import Patches
from genomelm.models.hooks import ATTENTION, LIMIT, watching
from genomelm.models.model import GenomeModel
from genomelm.runtime import exact_float32
from genomelm.scoring.alleles import read_alone
from genomelm.scoring.forward import batch_of


def tracks_of(model: GenomeModel, sequence: str, attention: bool = True) -> dict[str, np.ndarray]:
    """Return the tracks of one sequence.

    Returns:
        patch_starts: bool (l,). entropy: float32 (l,), nats before each base, where the patcher has a model of them.
        attention_<block>: float32 (l,), the weight that a base's patch receives, mean over heads and over the patches
        that read (as many as a map may hold, evenly spaced); of each block with attention over patches.
    """
    window, counts = read_alone(model, sequence), model.patcher.model
    found = {"patch_starts": window.marks[:-1].copy()}
    if counts is not None:
        found["entropy"] = np.asarray(counts.scores(window.ids)[:-1], np.float32)
    if not attention or why_no_attention(model):
        return found
    batch = batch_of(model, [window])
    patches = Patches.from_starts(batch.starts, batch.mask)
    count = int(patches.ids.max()) + 1
    heads = max(module.heads for module in model.shell.backbone.modules() if isinstance(module, ATTENTION))
    most = max(1, LIMIT // (2 * heads * count))  # of both strands of a conjoined model
    rows = np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int)).tolist()
    with torch.inference_mode(), exact_float32(), watching(model, attention=True, rows=rows) as seen:
        model(**batch.inputs(), return_logits=False)
    places = patches.ids[0, 1:].cpu().numpy()
    for name, weights in seen.maps.items():
        found[f"attention_{name.replace('.', '_')}"] = weights[0].mean((0, 1)).float().cpu().numpy()[places]
    return found


def why_no_attention(model: GenomeModel) -> str:
    """Return why a model has no attention over patches to show; empty where it has."""
    backbone = getattr(model.shell, "backbone", None)
    if backbone is None or not any(isinstance(module, ATTENTION) for module in backbone.modules()):
        return "the backbone has no attention operator"
    if model.config.to_dict().get("merge", {}).get("where", "none") != "none":
        return "the backbone merges patches, and attention is over merged ones"
    return ""
