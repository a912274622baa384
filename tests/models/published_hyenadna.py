"""Published HyenaDNA checkpoints with random weights, and the model they mean: sums written out, in float64."""

import json
import math
from pathlib import Path

import torch
from safetensors.torch import save_file

GOLDEN = Path(__file__).parent / "golden" / "hyenadna_tiny"
TOKENS = {"A": 7, "C": 8, "G": 9, "T": 10, "N": 11}


def layer_norm(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    centred = x - x.mean(-1, keepdim=True)
    return centred / (centred.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt() * weight + bias


def taps(tensors: dict[str, torch.Tensor], filters: str, lag: int, longest: int, shift: float) -> torch.Tensor:
    """Return the tap of one lag, (d,)."""
    if lag >= longest:
        return torch.zeros_like(tensors[f"{filters}.bias"])
    share, bands = lag / (longest - 1), (tensors[f"{filters}.implicit_filter.0.weight"].shape[1] - 1) // 2
    turns = [1e-4 + (bands - 1 - 1e-4) * band / max(bands - 1, 1) for band in range(bands)]
    angles = [2 * math.pi * lag / longest * turn for turn in turns]
    x = torch.tensor([share, *map(math.cos, angles), *(-math.sin(angle) for angle in angles)], dtype=torch.float64)
    for layer in (0, 2, 4):
        x = (
            tensors[f"{filters}.implicit_filter.{layer}.weight"] @ x
            + tensors[f"{filters}.implicit_filter.{layer}.bias"]
        )
        x = torch.sin(tensors[f"{filters}.implicit_filter.1.freq"][0] * x)
    window = torch.exp(-share * tensors[f"{filters}.modulation.deltas"][0, 0].abs()) + shift
    return tensors[f"{filters}.implicit_filter.6.weight"] @ x * window


def published_states(
    tensors: dict[str, torch.Tensor], tokens: list[int], longest: int, shift: float = 0.05
) -> torch.Tensor:
    """Return the last states (l, d) float64 from float64 tensors named as in a checkpoint, without prefix."""
    x = tensors["embeddings.word_embeddings.weight"][tokens]
    for layer in range(sum(name.endswith("norm1.weight") for name in tensors)):
        own = {n.removeprefix(f"layers.{layer}."): t for n, t in tensors.items() if n.startswith(f"layers.{layer}.")}
        u = layer_norm(x, own["norm1.weight"], own["norm1.bias"])
        u = u @ own["mixer.in_proj.weight"].T + own["mixer.in_proj.bias"]
        short = own["mixer.short_filter.weight"][:, 0]  # (3d, k), the last tap is lag 0
        rows = []
        for t in range(len(u)):
            reach = min(t + 1, short.shape[1])
            rows.append(sum(short[:, -1 - lag] * u[t - lag] for lag in range(reach)) + own["mixer.short_filter.bias"])
        outer, inner, value = torch.stack(rows).chunk(3, -1)
        value = value * inner
        kernel = torch.stack([taps(own, "mixer.filter_fn", lag, longest, shift) for lag in range(len(u))])
        mixed = torch.stack([(kernel[: t + 1].flip(0) * value[: t + 1]).sum(0) for t in range(len(u))])
        y = outer * (mixed + own["mixer.filter_fn.bias"] * value)
        x = x + y @ own["mixer.out_proj.weight"].T + own["mixer.out_proj.bias"]
        h = layer_norm(x, own["norm2.weight"], own["norm2.bias"]) @ own["mlp.fc1.weight"].T + own["mlp.fc1.bias"]
        h = h / 2 * (1 + torch.tanh(math.sqrt(2 / math.pi) * (h + 0.044715 * h**3)))
        x = x + h @ own["mlp.fc2.weight"].T + own["mlp.fc2.bias"]
    return layer_norm(x, tensors["ln_f.weight"], tensors["ln_f.bias"])


def tensors_of(width: int, layers: int, longest: int, seed: int = 0) -> dict[str, torch.Tensor]:
    """Return random tensors of a checkpoint without prefix; biases, norms and skips are loud enough to matter."""
    random = torch.Generator().manual_seed(seed)

    def normal(*shape: int, scale: float) -> torch.Tensor:
        return torch.randn(shape, generator=random) * scale

    lag = torch.arange(longest)[:, None]
    angle = 2 * math.pi * lag / longest * torch.tensor([1e-4, 1.0])
    share = lag / (longest - 1)
    d, found = width, {"embeddings.word_embeddings.weight": normal(16, width, scale=1.0)}
    for layer in range(layers):
        filters = "mixer.filter_fn"
        own = {
            "mixer.in_proj.weight": normal(3 * d, d, scale=d**-0.5),
            "mixer.short_filter.weight": normal(3 * d, 1, 3, scale=0.6),
            "mixer.out_proj.weight": normal(d, d, scale=d**-0.5),
            f"{filters}.bias": normal(d, scale=1.0),
            f"{filters}.implicit_filter.0.weight": normal(12, 5, scale=0.4),
            f"{filters}.implicit_filter.1.freq": 3 + normal(1, 12, scale=0.3),
            f"{filters}.implicit_filter.2.weight": normal(12, 12, scale=0.2),
            f"{filters}.implicit_filter.4.weight": normal(12, 12, scale=0.2),
            f"{filters}.implicit_filter.6.weight": normal(d, 12, scale=0.2),
            f"{filters}.modulation.deltas": -math.log(100) * torch.linspace(1 / 1.5, 1 / 0.3, d)[None, None],
            f"{filters}.pos_emb.z": torch.cat([share, angle.cos(), -angle.sin()], 1)[None],
            f"{filters}.pos_emb.t": share[None].clone(),
            "mlp.fc1.weight": normal(3 * d, d, scale=d**-0.5),
            "mlp.fc2.weight": normal(d, 3 * d, scale=(3 * d) ** -0.5),
        }
        for place in (3, 5):
            own[f"{filters}.implicit_filter.{place}.freq"] = own[f"{filters}.implicit_filter.1.freq"].clone()
        biased = ("mixer.in_proj", "mixer.short_filter", "mixer.out_proj", "mlp.fc1", "mlp.fc2")
        for part in (*biased, *(f"{filters}.implicit_filter.{place}" for place in (0, 2, 4))):
            own[f"{part}.bias"] = normal(len(own[f"{part}.weight"]), scale=0.2)
        for part in ("norm1", "norm2"):
            own |= {f"{part}.weight": 1 + normal(d, scale=0.2), f"{part}.bias": normal(d, scale=0.2)}
        found |= {f"layers.{layer}.{name}": tensor for name, tensor in own.items()}
    return found | {"ln_f.weight": 1 + normal(d, scale=0.2), "ln_f.bias": normal(d, scale=0.2)}


def write_authors(folder: Path, width: int = 8, layers: int = 2, longest: int = 40, seed: int = 0) -> dict:
    """Write a checkpoint of the authors' layout, embedding and head tied; return its tensors without prefix."""
    tensors = tensors_of(width, layers, longest, seed)
    operator = {"_name_": "hyena", "emb_dim": 5, "filter_order": 12, "local_order": 3, "l_max": longest}
    training = {"modulate": True, "w": 10, "lr": 6e-4, "wd": 0.0, "lr_pos_emb": 0.0}
    sizes = {"d_model": width, "n_layer": layers, "d_inner": 3 * width, "vocab_size": 12}
    config = {**sizes, "pad_vocab_size_multiple": 8, "residual_in_fp32": True, "layer": {**operator, **training}}
    write(folder, config, {f"backbone.{name}": tensor for name, tensor in tensors.items()})
    return tensors


def write_port(folder: Path, width: int = 8, layers: int = 2, longest: int = 40, seed: int = 0) -> dict:
    """Write a checkpoint of the Hugging Face port: a head of its own, shared frequencies stored once."""
    tensors = tensors_of(width, layers, longest, seed)
    head = torch.randn(16, width, generator=torch.Generator().manual_seed(seed + 1))
    config = {
        **{"model_type": "hyenadna", "architectures": ["HyenaDNAForCausalLM"], "d_model": width, "n_layer": layers},
        **{"d_inner": 3 * width, "max_seq_len": longest, "emb_dim": 5, "filter_order": 12, "hyena_order": 2},
        **{"short_filter_order": 3, "num_inner_mlps": 2, "activation_freq": 10, "train_freq": True, "use_bias": True},
        **{"vocab_size": 12, "pad_vocab_size_multiple": 8, "layer_norm_epsilon": 1e-05, "embed_dropout": 0.1},
        **{"hyena_dropout": 0.0, "hyena_filter_dropout": 0.0, "initializer_range": 0.02, "pad_token_id": 4},
        **{"tie_word_embeddings": False, "torch_dtype": "float32", "transformers_version": "4.35.0.dev0"},
        **{"_name_or_path": "tiny", "auto_map": {"AutoConfig": "configuration_hyena.HyenaConfig"}},
    }
    stored = {f"hyena.backbone.{n}": t for n, t in tensors.items() if not n.endswith((".3.freq", ".5.freq"))}
    write(folder, config, {**stored, "lm_head.weight": head})
    return {**tensors, "lm_head.weight": head}


def write(folder: Path, config: dict, tensors: dict[str, torch.Tensor]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    save_file(tensors, folder / "model.safetensors")
