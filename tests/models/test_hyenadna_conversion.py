"""Checkpoints of HyenaDNA that cannot be converted are refused by name; those that differ in name only are not."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from published_hyenadna import tensors_of, write_authors, write_port
from safetensors.torch import load_file, save_file

from genomelm.errors import GenomelmError, IntegrityError, NumericalError, UsageError
from genomelm.models.convert import convert_hyenadna

FILTER = "backbone.layers.0.mixer.filter_fn"
Edit = Callable[[Path], None]


def config(**changes) -> Edit:
    """Set keys of config.json; those of the operator as layer={...}; None removes a key."""

    def edit(folder: Path) -> None:
        value = json.loads((folder / "config.json").read_text())
        for key, given in changes.items():
            if key == "layer" and isinstance(given, dict):
                value["layer"] |= given
            elif given is None:
                del value[key]
            else:
                value[key] = given
        (folder / "config.json").write_text(json.dumps(value))

    return edit


def weights(change: Callable[[dict], object]) -> Edit:
    def edit(folder: Path) -> None:
        tensors = load_file(folder / "model.safetensors")
        change(tensors)
        save_file(tensors, folder / "model.safetensors")

    return edit


def file(name: str, content: bytes | None = b"x", instead_of_weights: bool = True) -> Edit:
    def edit(folder: Path) -> None:
        if instead_of_weights:
            (folder / "model.safetensors").unlink()
        if content is not None:
            (folder / name).write_bytes(content)

    return edit


def cut(folder: Path) -> None:
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])


def tensor(name: str, change: Callable[[torch.Tensor], torch.Tensor]) -> Edit:
    return weights(lambda tensors: tensors.update({name: change(tensors[name]).contiguous()}))


def nan(x: torch.Tensor) -> torch.Tensor:
    return torch.full_like(x, float("nan"))


AUTHORS = [
    (config(layers=3), UsageError, r"config.json: unknown key 'layers'; did you mean 'n_layer'"),
    (config(layer={"emb_dims": 5}), UsageError, r"unknown key 'layer.emb_dims'; did you mean 'emb_dim'"),
    (config(layer={"order": 3}), UsageError, r"layer.order is 3, but only 2 can be converted"),
    (config(layer={"modulate": False}), UsageError, r"layer.modulate is False, but only True"),
    (config(layer={"short_filter_order": 5}), UsageError, r"layer.short_filter_order is 5, but only 3"),
    (config(layer={"_name_": "mha"}), UsageError, r"layer._name_ is 'mha'"),
    (config(layer={"emb_dim": 4}), UsageError, r"layer.emb_dim is 4 .* has to be odd"),
    (config(layer={"l_max": "40"}), IntegrityError, r"layer.l_max is '40', not a count"),
    (config(layer=7), IntegrityError, r"'layer' holds 7"),
    (config(d_model=None), UsageError, r"config.json has no 'd_model'"),
    (config(model_type="gpt2"), UsageError, r"model_type 'gpt2' is not hyenadna"),
    (config(vocab_size=8), UsageError, r"vocab_size is 8, but the letters"),
    (config(n_layer=3), IntegrityError, r"does not fit its config: missing 'backbone.layers.2"),
    (config(n_layer=1), IntegrityError, r"not known 'backbone.layers.1.* and \d+ more"),
    (config(d_model=16), IntegrityError, r"'backbone.embeddings.word_embeddings.weight' has shape \(16, 8\)"),
    (config(vocab_size=17), IntegrityError, r"word_embeddings.weight' has shape \(16, 8\), .* \(24, 8\)"),
    (file("pytorch_model.bin"), IntegrityError, r"pytorch_model.bin: pickles can run code .*save_file"),
    (file("weights.ckpt"), IntegrityError, r"weights.ckpt: pickles .* -hf"),
    (file("weights.ckpt", instead_of_weights=False), IntegrityError, r"weights.ckpt: .*Remove the file"),
    (file("model-00001-of-00002.safetensors"), IntegrityError, r"model-00001-of-00002.safetensors: .*max_shard_size"),
    (file("model.safetensors.index.json"), IntegrityError, r"no model.safetensors, but model.safetensors.index.json"),
    (file("", None), IntegrityError, r"has no model.safetensors: the checkpoint is incomplete"),
    (file("config.json", b"{", False), IntegrityError, r"config.json is not valid JSON"),
    (file("config.json", b"[]", False), IntegrityError, r"holds a list, not an object"),
    (cut, IntegrityError, r"model.safetensors cannot be read"),
    (weights(lambda t: t.pop("backbone.ln_f.bias")), IntegrityError, r"missing 'backbone.ln_f.bias'"),
    (weights(lambda t: t.update(x=torch.ones(1))), IntegrityError, r"'x', which no HyenaDNA language model has"),
    (
        weights(lambda t: t.pop("backbone.embeddings.word_embeddings.weight")),
        IntegrityError,
        r"has no 'backbone.embeddings.word_embeddings.weight': it is not a HyenaDNA",
    ),
    (tensor("backbone.ln_f.bias", lambda x: x[:4]), IntegrityError, r"'backbone.ln_f.bias' has shape \(4,\)"),
    (tensor("backbone.ln_f.bias", nan), NumericalError, r"'backbone.ln_f.bias' holds NaN or Inf"),
    (tensor(f"{FILTER}.pos_emb.z", lambda x: x + 1e-3), IntegrityError, r"pos_emb.z' was trained by itself"),
    (tensor(f"{FILTER}.pos_emb.t", lambda x: x * 2), IntegrityError, r"pos_emb.t' was trained by itself"),
    (tensor(f"{FILTER}.implicit_filter.5.freq", lambda x: x + 1), IntegrityError, r"5.freq' was trained by itself"),
]
PORT = [
    (config(hyena_order=3), UsageError, r"hyena_order is 3, but only 2"),
    (config(use_bias=False), UsageError, r"use_bias is False, but only True"),
    (config(num_inner_mlps=3), UsageError, r"num_inner_mlps is 3"),
    (config(train_freq=False), UsageError, r"train_freq is False"),
    (config(layer_norm_epsilon=1e-6), UsageError, r"layer_norm_epsilon is 1e-06"),
    (config(max_seq_len=None), UsageError, r"has no 'max_seq_len'"),
    (config(max_seqlen=40), UsageError, r"unknown key 'max_seqlen'; did you mean 'max_seq_len'"),
    (weights(lambda t: t.update({"score.weight": torch.ones(2, 8)})), IntegrityError, r"'score.weight', which no"),
    (tensor("lm_head.weight", lambda x: x[:12]), IntegrityError, r"'lm_head.weight' has shape \(12, 8\)"),
    (
        weights(lambda t: t.pop("lm_head.weight")),
        IntegrityError,
        r"has no 'lm_head.weight', and its config does not tie",
    ),
    (tensor("lm_head.weight", nan), NumericalError, r"'lm_head.weight' holds NaN or Inf"),
]


@pytest.mark.parametrize(
    ("write", "edit", "error", "message"),
    [*((write_authors, *case) for case in AUTHORS), *((write_port, *case) for case in PORT)],
)
def test_what_differs_from_the_published_models_is_refused_by_name(tmp_path, write, edit, error, message):
    write(tmp_path / "c")
    edit(tmp_path / "c")
    with pytest.raises(GenomelmError, match=message) as raised:
        convert_hyenadna(tmp_path / "c")
    assert type(raised.value) is error


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UsageError, match="checkpoint folder .*none does not exist"):
        convert_hyenadna(tmp_path / "none")


def rename(change: Callable[[str], str]) -> Edit:
    def edit(folder: Path) -> None:
        tensors = load_file(folder / "model.safetensors")
        save_file({change(name): x for name, x in tensors.items()}, folder / "model.safetensors")

    return edit


def wrapped(name: str) -> str:
    return name.replace(".mixer.", ".mixer.layer.").replace(".mlp.", ".mlp.layer.")


def without_derived(tensors: dict) -> None:
    for name in [name for name in tensors if "pos_emb" in name or name.endswith((".3.freq", ".5.freq"))]:
        del tensors[name]


@pytest.mark.parametrize(
    "edit",
    [
        rename(lambda name: f"model.{name}"),
        rename(wrapped),
        weights(without_derived),
        weights(lambda t: t.update({"lm_head.weight": t["backbone.embeddings.word_embeddings.weight"].clone()})),
        config(checkpoint_mixer=True, fused_mlp=False, resid_dropout=0.1),
        config(layer={"shift": 0.05, "order": 2, "short_filter_order": 3}),
    ],
)
def test_other_spellings_of_the_same_model_give_the_same_weights(tmp_path, edit: Edit):
    write_authors(tmp_path / "plain")
    write_authors(tmp_path / "other")
    edit(tmp_path / "other")
    plain, other = (convert_hyenadna(tmp_path / name).state_dict() for name in ("plain", "other"))
    assert plain.keys() == other.keys()
    assert all(torch.equal(plain[name], other[name]) for name in plain)


def test_the_two_layouts_of_one_model_give_the_same_weights(tmp_path):
    write_authors(tmp_path / "authors")
    write_port(tmp_path / "port")
    tied = tensors_of(8, 2, 40)["embeddings.word_embeddings.weight"]
    tensor("lm_head.weight", lambda _: tied)(tmp_path / "port")
    authors, port = (convert_hyenadna(tmp_path / name).state_dict() for name in ("authors", "port"))
    assert all(torch.equal(authors[name], port[name]) for name in authors)


def test_weights_of_half_precision_become_float32(tmp_path):
    write_authors(tmp_path / "c")
    weights(lambda t: t.update({name: x.bfloat16() for name, x in t.items()}))(tmp_path / "c")
    state = convert_hyenadna(tmp_path / "c").state_dict()
    assert {x.dtype for x in state.values()} == {torch.float32}


def test_a_vocabulary_that_is_not_padded_is_read_as_it_is(tmp_path):
    write_authors(tmp_path / "c")
    config(pad_vocab_size_multiple=None)(tmp_path / "c")
    tensor("backbone.embeddings.word_embeddings.weight", lambda x: x[:12])(tmp_path / "c")
    write_authors(tmp_path / "padded")
    cut_off, padded = (convert_hyenadna(tmp_path / name).state_dict() for name in ("c", "padded"))
    assert all(torch.equal(cut_off[name], padded[name]) for name in padded)


def test_the_port_s_hidden_width_is_four_widths_unless_given(tmp_path):
    write_port(tmp_path / "c")
    config(d_inner=None)(tmp_path / "c")
    with pytest.raises(IntegrityError, match=r"mlp.fc1.bias' has shape \(24,\), the config asks for \(32,\)"):
        convert_hyenadna(tmp_path / "c")
