"""HyenaDNA checkpoints as they are published: their two kinds of config.json, and the names of their tensors.

One kind is of the authors' own code (the operator's keys under `layer`), the other is of the Hugging Face port
(`model_type` hyenadna, all keys side by side). Keys that only training reads are passed over.
"""

import difflib
from dataclasses import dataclass

import torch

from genomelm.errors import IntegrityError, NumericalError, UsageError

SHIFT = 0.05
"""Floor of the filters' window in both published codes for inference, where no config names it."""

TOKENS = {"A": 7, "C": 8, "G": 9, "T": 10, "N": 11, "[SEP]": 1, "[BOS]": 2, "[MASK]": 3, "[PAD]": 4, "[UNK]": 6}
"""Rows of the published embedding."""

_SIZES = {
    "d_model": "width",
    "n_layer": "layers",
    "d_inner": "hidden",
    "vocab_size": "vocabulary",
    "pad_vocab_size_multiple": "multiple",
}
_OPERATOR = {"emb_dim": "features", "filter_order": "filter_hidden"}
_OWN = {**_OPERATOR, "l_max": "longest", "shift": "shift"}
_PORT = {**_SIZES, **_OPERATOR, "max_seq_len": "longest"}
"""Key in config.json -> field of PublishedSizes."""

TAPS = 3
"""Taps of the short convolutions."""

_REQUIRED = {
    **{"_name_": "hyena", "order": 2, "hyena_order": 2, "short_filter_order": TAPS, "num_inner_mlps": 2},
    **{"inner_factor": 1, "num_heads": 1, "num_blocks": 1, "modulate": True, "normalized": False},
    **{"bidirectional": False, "outer_mixing": False, "use_bias": True, "train_freq": True, "activation": "id"},
    **{"layer_norm_epsilon": 1e-5, "post_order_ffn": False, "max_position_embeddings": 0, "attn_layer_idx": None},
}
"""Options that change what a model computes -> the value that all published models have."""

_IDLE = {
    *("resid_dropout", "embed_dropout", "dropout", "filter_dropout", "hyena_dropout", "hyena_filter_dropout"),
    *("fused_mlp", "fused_dropout_add_ln", "fused_fft_conv", "residual_in_fp32", "return_hidden_state", "jit_filter"),
    *("checkpoint_mixer", "checkpoint_mlp", "initializer_range", "initializer_cfg", "return_state", "local_order"),
    *("w", "activation_freq", "lr", "wd", "lr_pos_emb", "modulation_lr", "_name_or_path", "architectures"),
    *("auto_map", "dtype", "torch_dtype", "transformers_version", "model_type", "tie_word_embeddings"),
    *("pad_token_id", "bos_token_id", "eos_token_id", "use_cache", "is_decoder"),
}
"""Keys that say nothing of what a trained model computes, or no more than its tensors do."""


@dataclass(frozen=True)
class PublishedSizes:
    """What a published config.json says of a model's computation."""

    width: int
    layers: int
    hidden: int
    longest: int
    vocabulary: int = 12
    multiple: int = 1
    features: int = 3
    filter_hidden: int = 64
    shift: float = SHIFT
    tied: bool = True  # the embedding is the language head's matrix too

    @property
    def rows(self) -> int:
        """Rows of the embedding: the vocabulary, padded."""
        return -(-self.vocabulary // self.multiple) * self.multiple


def published_sizes(value: dict, source: str) -> PublishedSizes:
    """Read a published config.json of either kind.

    Raises:
        UsageError: a key is unknown or missing, or asks for what no published model has.
        IntegrityError: a value is of another type.
    """
    if (family := value.get("model_type", "hyenadna")) != "hyenadna":
        raise UsageError(f"{source}: model_type '{family}' is not hyenadna: give the folder of a HyenaDNA checkpoint")
    own = "layer" in value
    parts = [(value, _PORT, "")]
    if own:
        if not isinstance(value["layer"], dict):
            raise IntegrityError(f"{source}: 'layer' holds {value['layer']!r}, not the keys of an operator")
        parts = [({k: v for k, v in value.items() if k != "layer"}, _SIZES, ""), (value["layer"], _OWN, "layer.")]
    found: dict[str, int | float] = {}
    for keys, sizes, prefix in parts:
        for key, given in keys.items():
            if key in sizes:
                found[sizes[key]] = _number(given, sizes[key], f"{source}: {prefix}{key}")
            elif key in _REQUIRED:
                if given != _REQUIRED[key]:
                    raise UsageError(
                        f"{source}: {prefix}{key} is {given!r}, but only {_REQUIRED[key]!r} can be converted, as all "
                        "published HyenaDNA models have it"
                    )
            elif key not in _IDLE:
                known = [*sizes, *_REQUIRED, *_IDLE]
                near = difflib.get_close_matches(key, known, n=1)
                hint = f"did you mean '{near[0]}'?" if near else f"sizes are {', '.join(sizes)}"
                raise UsageError(f"{source}: unknown key '{prefix}{key}'; {hint}")
    names = {field: prefix + key for _, sizes, prefix in parts for key, field in sizes.items()}
    if not own and "width" in found:  # the codes have other defaults
        found = {"hidden": 4 * found["width"], "multiple": 8, **found}
    for field in ("width", "layers", "hidden", "longest"):
        if field not in found:
            raise UsageError(f"{source} has no '{names[field]}': it is not the config of a HyenaDNA checkpoint")
    sizes = PublishedSizes(**found, tied=own or value.get("tie_word_embeddings") is True)
    if sizes.vocabulary <= max(TOKENS.values()):
        raise UsageError(
            f"{source}: vocab_size is {sizes.vocabulary}, but the letters A, C, G, T, N are tokens 7 to 11"
        )
    if sizes.features % 2 == 0 or sizes.features < 3 or sizes.longest < 2:
        raise UsageError(
            f"{source}: {names['features']} is {sizes.features} and {names['longest']} is {sizes.longest}: the first "
            "has to be odd and 3 or more, the second 2 or more"
        )
    return sizes


def _number(given: object, field: str, name: str) -> int | float:
    kind = (int, float) if field == "shift" else int
    if not isinstance(given, kind) or isinstance(given, bool) or (field != "shift" and given < 1):
        raise IntegrityError(f"{name} is {given!r}, not a {'number' if field == 'shift' else 'count of 1 or more'}")
    return given


def tensor_names(sizes: PublishedSizes) -> dict[str, tuple[int, ...]]:
    """Return name and shape of each tensor that a checkpoint must have, without the prefix before `backbone.`."""
    d, n = sizes.width, sizes.filter_hidden
    norm = {"weight": (d,), "bias": (d,)}
    shapes = {
        "mixer.in_proj": {"weight": (3 * d, d), "bias": (3 * d,)},
        "mixer.short_filter": {"weight": (3 * d, 1, TAPS), "bias": (3 * d,)},
        "mixer.out_proj": {"weight": (d, d), "bias": (d,)},
        "mixer.filter_fn": {"bias": (d,)},
        "mixer.filter_fn.implicit_filter.0": {"weight": (n, sizes.features), "bias": (n,)},
        "mixer.filter_fn.implicit_filter.1": {"freq": (1, n)},
        "mixer.filter_fn.implicit_filter.2": {"weight": (n, n), "bias": (n,)},
        "mixer.filter_fn.implicit_filter.4": {"weight": (n, n), "bias": (n,)},
        "mixer.filter_fn.implicit_filter.6": {"weight": (d, n)},
        "mixer.filter_fn.modulation": {"deltas": (1, 1, d)},
        "mlp.fc1": {"weight": (sizes.hidden, d), "bias": (sizes.hidden,)},
        "mlp.fc2": {"weight": (d, sizes.hidden), "bias": (d,)},
        "norm1": norm,
        "norm2": norm,
    }
    found = {"embeddings.word_embeddings.weight": (sizes.rows, d), "ln_f.weight": (d,), "ln_f.bias": (d,)}
    for layer in range(sizes.layers):
        found |= {f"layers.{layer}.{part}.{name}": s for part, named in shapes.items() for name, s in named.items()}
    return found


def optional_names(sizes: PublishedSizes) -> dict[str, tuple[int, ...]]:
    """Return the tensors that follow from others, which some checkpoints hold as well: all are checked."""
    n, found = sizes.filter_hidden, {}
    for layer in range(sizes.layers):
        part = f"layers.{layer}.mixer.filter_fn."
        found |= {f"{part}implicit_filter.{place}.freq": (1, n) for place in (3, 5)}
        found |= {f"{part}pos_emb.t": (1, sizes.longest, 1), f"{part}pos_emb.z": (1, sizes.longest, sizes.features)}
    return found


def plain_names(tensors: dict[str, torch.Tensor], source: str) -> tuple[dict[str, torch.Tensor], torch.Tensor | None]:
    """Return the tensors under `backbone.` by their names there, and the language head's weights if there are any.

    Raises:
        IntegrityError: there is no embedding, or a tensor that is of neither.
    """
    mark = "backbone.embeddings.word_embeddings.weight"
    prefix = next((name.removesuffix(mark) for name in tensors if name.endswith(mark)), None)
    if prefix is None:
        raise IntegrityError(f"{source} has no '{mark}': it is not a HyenaDNA checkpoint")
    heads = {"lm_head.weight", f"{prefix}lm_head.weight"}
    backbone, others = {}, []
    for name, tensor in tensors.items():
        if name.startswith(f"{prefix}backbone."):
            # Models trained with checkpointing have each mixer and MLP wrapped in a `layer`.
            plain = name.removeprefix(f"{prefix}backbone.")
            backbone[plain.replace(".mixer.layer.", ".mixer.").replace(".mlp.layer.", ".mlp.")] = tensor
        elif name not in heads:
            others.append(name)
    if others:
        raise IntegrityError(
            f"{source} holds {', '.join(repr(name) for name in sorted(others)[:3])}, which no HyenaDNA language model "
            "has: give the pretrained model, without a task's head"
        )
    return backbone, next((tensors[name] for name in sorted(heads) if name in tensors), None)


def check_tensors(
    tensors: dict[str, torch.Tensor], head: torch.Tensor | None, sizes: PublishedSizes, source: str
) -> None:
    """Check names, shapes and values of the tensors under `backbone.`, and of the language head.

    Raises:
        IntegrityError: a tensor is missing, unknown, or of another shape.
        NumericalError: NaN or Inf.
    """
    needed, optional = tensor_names(sizes), optional_names(sizes)
    missing, surplus = sorted(set(needed) - set(tensors)), sorted(set(tensors) - set(needed) - set(optional))
    if missing or surplus:
        raise IntegrityError(f"{source} does not fit its config: missing {_some(missing)}, not known {_some(surplus)}")
    found = {f"backbone.{name}": (tensor, {**needed, **optional}[name]) for name, tensor in tensors.items()}
    if head is None and not sizes.tied:
        raise IntegrityError(
            f"{source} has no 'lm_head.weight', and its config does not tie the head to the embedding: it is no "
            "language model; give the checkpoint that it was taken from"
        )
    if head is not None:
        found["lm_head.weight"] = (head, needed["embeddings.word_embeddings.weight"])
    for name, (tensor, shape) in found.items():
        if tuple(tensor.shape) != shape:
            raise IntegrityError(f"{source}: '{name}' has shape {tuple(tensor.shape)}, the config asks for {shape}")
        if not bool(tensor.isfinite().all()):
            raise NumericalError(f"{source}: '{name}' holds NaN or Inf: the copy may be damaged")


def _some(names: list[str]) -> str:
    shown = ", ".join(f"'backbone.{name}'" for name in names[:4])
    return f"{shown} and {len(names) - 4} more" if len(names) > 4 else shown or "none"
