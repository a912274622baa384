"""From a published HyenaDNA checkpoint to a model of ours; nothing in the checkpoint is run."""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from genomelm.errors import IntegrityError, UsageError
from genomelm.models.classes import CLASSES
from genomelm.models.families import HyenaDNAConfig
from genomelm.models.folder import PICKLES, read_config_file
from genomelm.models.hyenadna_checkpoint import (
    TOKENS,
    PublishedSizes,
    check_tensors,
    plain_names,
    published_sizes,
)
from genomelm.models.model import GenomeModel
from genomelm.nn.hyena.published import PublishedFilter
from genomelm.patching.config import PatcherConfig
from genomelm.patching.patcher import Patcher
from genomelm.seq.alphabet import BOS, EOS, MASK, PAD, VOCABULARY

UNUSED = -1e4
"""Logit of bytes that are no token of the published model: no share of any probability."""


def convert_hyenadna(path: str | Path, shift: float | None = None) -> GenomeModel:
    """Return a published HyenaDNA checkpoint as a causal language model with byte patches.

    Args:
        path: folder with config.json and model.safetensors, of the authors' layout or of the Hugging Face port.
        shift: floor of the filters' window; None takes the config's, or else 0.05, as both published codes do.

    Raises:
        UsageError: no such folder, an unknown config key, or a model that differs from the published ones.
        IntegrityError: a pickle, weights in several files or none, or weights that do not fit the config.
        NumericalError: weights with NaN or Inf.
    """
    path = Path(path)
    weights = _weights_file(path)
    sizes = published_sizes(read_config_file(path), str(path / "config.json"))
    try:
        stored = load_file(weights)
    except SafetensorError as error:
        raise IntegrityError(f"{weights} cannot be read ({error}): the copy may be incomplete") from None
    tensors, head = plain_names(stored, str(weights))
    check_tensors(tensors, head, sizes, str(weights))
    config = HyenaDNAConfig(
        shell={"local_width": sizes.width},
        backbone={
            "layers": sizes.layers,
            "hidden": sizes.hidden,
            "longest": sizes.longest,
            "filter_features": sizes.features,
            "filter_hidden": sizes.filter_hidden,
            "shift": sizes.shift if shift is None else shift,
        },
    )
    model = CLASSES[config.model_type, "causal_lm"](config, Patcher(PatcherConfig("byte")))
    for block in model.shell.backbone.blocks:
        _check_derived(tensors, sizes, block.mixer.filter, str(weights))
    model.load_state_dict({name: tensor.float() for name, tensor in _renamed(tensors, head, sizes).items()})
    return model.eval()


def _weights_file(path: Path) -> Path:
    """Return the one safetensors file of a folder.

    Raises:
        UsageError, IntegrityError: there is none.
    """
    if not path.is_dir():
        raise UsageError(f"checkpoint folder {path} does not exist")
    if pickles := sorted(f.name for f in path.iterdir() if f.suffix in PICKLES):
        raise IntegrityError(
            f"{path} holds {', '.join(pickles)}: pickles can run code and are never loaded. Remove the file if "
            "model.safetensors is beside it; else take the model's folder in the Hugging Face layout (its name ends in "
            "-hf), or save the tensors with safetensors.torch.save_file where you trust the file"
        )
    file = path / "model.safetensors"
    if file.is_file():
        return file
    if others := sorted(f.name for f in path.glob("*.safetensors*")):
        raise IntegrityError(
            f"{path} has no model.safetensors, but {', '.join(others[:3])}: save the weights as one file of that name, "
            "as save_pretrained(..., max_shard_size='50GB') of transformers does"
        )
    raise IntegrityError(f"{path} has no model.safetensors: the checkpoint is incomplete")


def _check_derived(tensors: dict[str, torch.Tensor], sizes: PublishedSizes, made: PublishedFilter, source: str) -> None:
    """Check that what a checkpoint stores beside its weights is what this model derives from them."""
    features = made.features(sizes.longest)
    for name, tensor in tensors.items():
        if name.endswith((".pos_emb.z", ".pos_emb.t")):
            wanted = features if name.endswith("z") else features[:, :1]
        elif name.endswith((".3.freq", ".5.freq")):
            wanted = tensors[name.replace(".3.freq", ".1.freq").replace(".5.freq", ".1.freq")]
        else:
            continue
        off = float((tensor.float() - wanted.float()).abs().max())
        if off > 2e-5 + 2 * torch.finfo(tensor.dtype).eps:
            raise IntegrityError(
                f"{source}: 'backbone.{name}' was trained by itself (off by {off:.3g}): HyenaDNA's features of the "
                "lag are fixed, and its sine layers share their frequencies; such a checkpoint cannot be converted"
            )


def _renamed(
    tensors: dict[str, torch.Tensor], head: torch.Tensor | None, sizes: PublishedSizes
) -> dict[str, torch.Tensor]:
    """Return the state of a HyenaDNAForCausalLM."""
    table = tensors["embeddings.word_embeddings.weight"]
    rows = torch.full((VOCABULARY,), TOKENS["[UNK]"])
    for token, place in {"[PAD]": PAD, "[BOS]": BOS, "[SEP]": EOS, "[MASK]": MASK}.items():
        rows[place] = TOKENS[token]
    for letter in "ACGTN":
        rows[ord(letter)] = TOKENS[letter]
    known = rows != TOKENS["[UNK]"]
    of_head = (table if head is None else head)[rows]
    state = {
        "shell.bytes.weight": table[rows],
        "shell.backbone.norm.weight": tensors["ln_f.weight"],
        "shell.backbone.norm.bias": tensors["ln_f.bias"],
        "head.out.weight": torch.where(known[:, None], of_head, 0),
        "head.out.bias": torch.where(known, 0.0, UNUSED),
    }
    parts = {
        "mixer_norm": "norm1",
        "mixer.into": "mixer.in_proj",
        "mixer.out": "mixer.out_proj",
        "mixer.filter.layers.0": "mixer.filter_fn.implicit_filter.0",
        "mixer.filter.layers.1": "mixer.filter_fn.implicit_filter.2",
        "mixer.filter.layers.2": "mixer.filter_fn.implicit_filter.4",
        "mlp_norm": "norm2",
        "up": "mlp.fc1",
        "down": "mlp.fc2",
    }
    for layer in range(sizes.layers):
        ours, theirs = f"shell.backbone.blocks.{layer}", f"layers.{layer}"
        for new, old in parts.items():
            state |= {f"{ours}.{new}.{kind}": tensors[f"{theirs}.{old}.{kind}"] for kind in ("weight", "bias")}
        mixer, filters = f"{theirs}.mixer", f"{theirs}.mixer.filter_fn"
        state |= {
            f"{ours}.mixer.short.weight": tensors[f"{mixer}.short_filter.weight"][:, :, None],
            f"{ours}.mixer.short.bias": tensors[f"{mixer}.short_filter.bias"],
            f"{ours}.mixer.skip": tensors[f"{filters}.bias"],
            f"{ours}.mixer.filter.frequency": tensors[f"{filters}.implicit_filter.1.freq"][0],
            f"{ours}.mixer.filter.out.weight": tensors[f"{filters}.implicit_filter.6.weight"],
            f"{ours}.mixer.filter.decay": tensors[f"{filters}.modulation.deltas"][0, 0].abs(),
        }
    return state
