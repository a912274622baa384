"""A converted HyenaDNA computes what the published one does, and keeps the contract of our own models."""

import logging

import numpy as np
import pytest
import torch
from published_hyenadna import GOLDEN, TOKENS, published_states, write_authors, write_port
from safetensors.torch import load_file
from small_batches import labels_for, logits_of
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

import genomelm
from genomelm.errors import UsageError
from genomelm.models import GenomeModel, load_model
from genomelm.models.classes import CLASSES
from genomelm.models.convert import convert_hyenadna
from genomelm.models.encoding import make_batch, pack
from genomelm.models.families import HyenaDNAConfig
from genomelm.models.loading import save_model
from genomelm.patching.config import PatcherConfig
from genomelm.patching.patcher import Patcher
from genomelm.seq.alphabet import BOS, MASK, PAD, encode
from genomelm.training.config import TrainConfig
from genomelm.training.optimizer import parameter_groups

LETTERS = "ACGTN"
COLUMNS = [ord(letter) for letter in LETTERS]
ROWS = [TOKENS[letter] for letter in LETTERS]
LONGEST = 40


def sequence(length: int, seed: int = 0) -> str:
    return "".join(np.random.default_rng(seed).choice(list("ACGTACGTACGTN"), length))


def with_bos(text: str) -> torch.Tensor:
    return torch.tensor([[BOS, *encode(text)]])


def double(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor.double() for name, tensor in tensors.items()}


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> tuple[GenomeModel, dict[str, torch.Tensor]]:
    """A small model in the authors' layout, and its published tensors."""
    folder = tmp_path_factory.mktemp("authors")
    tensors = write_authors(folder, longest=LONGEST)
    return convert_hyenadna(folder), tensors


def test_the_published_code_s_states_and_logits_come_out_within_1e_5():
    model, outputs = convert_hyenadna(GOLDEN), load_file(GOLDEN / "outputs.safetensors")
    letter_of = {row: letter for letter, row in TOKENS.items()}
    for number in range(3):
        text = "".join(letter_of[token] for token in outputs[f"ids_{number}"][0].tolist())
        with torch.no_grad():
            found = model(with_bos(text))
        assert (found.hidden_states[:, 1:] - outputs[f"hidden_{number}"]).abs().max() < 1e-5
        published = outputs[f"logits_{number}"]
        assert (found.logits[:, 1:, COLUMNS] - published[..., ROWS]).abs().max() < 1e-5
        assert (found.logits[:, 1:, [PAD, BOS, MASK]] - published[..., [4, 2, 3]]).abs().max() < 1e-5
        assert np.abs(genomelm.base_logits(model, [text])[0] - published[0][:, ROWS].numpy()).max() < 1e-5


@pytest.mark.parametrize("length", [1, 2, 3, 39, 40, 41, 97, 300])
def test_golden_weights_at_other_lengths_are_the_direct_sums(length: int):
    model, tensors = convert_hyenadna(GOLDEN), load_file(GOLDEN / "model.safetensors")
    plain = double({name.removeprefix("backbone."): tensor for name, tensor in tensors.items()})
    text = sequence(length, seed=length)
    with torch.no_grad():
        found = model(with_bos(text)).hidden_states[0, 1:]
    wanted = published_states(plain, [TOKENS[letter] for letter in text], 258)
    assert (found - wanted).abs().max() < 1e-5


@pytest.mark.parametrize("length", [1, 2, 31, 32, 33, LONGEST, LONGEST + 1, 3 * LONGEST])
def test_states_and_gradients_are_those_of_the_direct_sums(small, length: int):
    model, tensors = small
    leaves = {name: tensor.clone().requires_grad_() for name, tensor in double(tensors).items()}
    text = sequence(length, seed=length)
    weight = torch.randn(length, 8, generator=torch.Generator().manual_seed(length))
    model.zero_grad()
    found = model(with_bos(text)).hidden_states[0, 1:]
    (found * weight).sum().backward()
    wanted = published_states(leaves, [TOKENS[letter] for letter in text], LONGEST)
    (wanted * weight).sum().backward()
    assert (found - wanted).abs().max() < 1e-5
    block = model.shell.backbone.blocks[0]
    first, filters = "layers.0.", "layers.0.mixer.filter_fn"
    pairs = [
        (block.mixer.into.weight, leaves[f"{first}mixer.in_proj.weight"]),
        (block.mixer.short.bias, leaves[f"{first}mixer.short_filter.bias"]),
        (block.mixer.skip, leaves[f"{filters}.bias"]),
        (block.mixer.filter.frequency, leaves[f"{filters}.implicit_filter.1.freq"]),
        (block.mixer.filter.layers[0].weight, leaves[f"{filters}.implicit_filter.0.weight"]),
        (block.mixer.filter.out.weight, leaves[f"{filters}.implicit_filter.6.weight"]),
        (block.up.weight, leaves[f"{first}mlp.fc1.weight"]),
        (model.shell.backbone.norm.weight, leaves["ln_f.weight"]),
    ]
    for ours, theirs in pairs:
        scale = theirs.grad.abs().max().clamp_min(1e-3)
        assert (ours.grad.view_as(theirs) - theirs.grad).abs().max() / scale < 1e-4


@pytest.mark.parametrize(("layers", "width", "longest"), [(3, 4, 7), (8, 12, 64)])
def test_every_layout_s_logits_are_the_head_s_of_the_direct_sums(tmp_path, layers: int, width: int, longest: int):
    text = sequence(50, seed=layers)
    for write in (write_authors, write_port):
        tensors = double(write(tmp_path / write.__name__, width, layers, longest))
        states = published_states(tensors, [TOKENS[letter] for letter in text], longest)
        head = tensors.get("lm_head.weight", tensors["embeddings.word_embeddings.weight"])
        wanted = (states @ head[ROWS].T).numpy()
        found = genomelm.base_logits(convert_hyenadna(tmp_path / write.__name__), [text])[0]
        assert np.abs(found - wanted).max() < 1e-5 * max(1, np.sqrt((wanted**2).mean()))


def test_bos_takes_no_part_and_the_first_base_is_uniform(small):
    model, _ = small
    text = sequence(30)
    with torch.no_grad():
        found, bare = model(with_bos(text)), model(with_bos(text)[:, 1:])
    assert torch.all(found.hidden_states[:, 0] == 0)
    assert torch.allclose(found.hidden_states[:, 1:], bare.hidden_states, atol=1e-5)
    assert torch.all(found.logits[0, 0, COLUMNS] == 0)
    rest = genomelm.base_logits(model, ["ACGT"])[0][:, :4]
    expected = -np.log(4) + sum(row[k] - np.log(np.exp(row).sum()) for row, k in zip(rest, (1, 2, 3), strict=False))
    assert genomelm.log_likelihood(model, ["ACGT"])[0] == pytest.approx(expected, abs=1e-5)


def test_all_probability_is_on_the_published_tokens(small):
    with torch.no_grad():
        chances = small[0](with_bos(sequence(30))).logits.softmax(-1)
    known = [*COLUMNS, PAD, BOS, 258, MASK]
    assert torch.allclose(chances[..., known].sum(-1), torch.ones(()), atol=1e-6)


def test_bytes_that_are_no_letters_read_as_the_published_unknown_token(small):
    model, tensors = small
    unknown = tensors["embeddings.word_embeddings.weight"][6]
    assert torch.equal(model.shell.bytes.weight[[ord("a"), ord("R"), ord("-"), 0]], unknown.expand(4, -1))
    assert genomelm.decode(genomelm.encode("acgtRYn")) == "ACGTNNN"  # what the commands hand over


def test_no_logit_depends_on_later_bytes_or_on_other_rows_and_padding(small, records):
    model, made = small[0], records(60, 33, 45)
    whole = logits_of(model, made)
    for row, record in enumerate(made):
        alone = logits_of(model, [record])
        assert torch.allclose(whole[row, : len(record) + 1], alone[0], atol=1e-5)
    changed = made[0].copy()
    changed[25:] = encode("G")
    other = logits_of(model, [changed, *made[1:]])
    assert torch.allclose(whole[0, :26], other[0, :26], atol=1e-5)
    assert not torch.allclose(whole[0, 26:61], other[0, 26:61], atol=1e-3)


def test_packed_records_read_as_each_alone(small, records):
    model, made = small[0], records(20, 33, 7, 1)
    batch = pack(made, [model.patcher.marks(record) for record in made], 64, reach=model.shell.reach)
    with torch.no_grad():
        logits = model(**batch.inputs()).logits
    for number, record in enumerate(made):
        assert torch.allclose(logits[batch.records == number], logits_of(model, [record])[0], atol=1e-5)


def test_side_information_that_it_does_not_read_is_refused(small):
    ids = with_bos("ACGT")
    for name in ("codon_phase", "conservation"):
        with pytest.raises(UsageError, match="HyenaDNA reads bases only"):
            small[0](ids, **{name: torch.zeros_like(ids)})
    with pytest.raises(UsageError, match="genomelm_hyenadna has no such section"):
        HyenaDNAConfig(merge={"where": "span"})


def test_letters_at_one_hot_rows_read_as_the_ids(small):
    model, text = small[0], sequence(30)
    columns = torch.tensor(COLUMNS)
    ids = with_bos(text)
    letters = (ids[..., None] == columns).float()
    with torch.no_grad():
        assert torch.allclose(model(ids, letters=letters).logits, model(ids).logits, atol=1e-6)


def test_generation_continues_by_the_published_chances(small):
    text = genomelm.generate(small[0], "ACGTAC", 20, top_k=1)
    known = "ACGTAC"
    for letter in text[-20:]:
        logits = genomelm.base_logits(small[0], [known])[0][-1, :4]
        assert letter == "ACGT"[int(logits.argmax())]
        known += letter


def test_longer_sequences_are_noticed_once_and_see_no_further_back_than_the_filters(tmp_path, caplog):
    write_authors(tmp_path / "c", layers=1, longest=LONGEST)
    model = convert_hyenadna(tmp_path / "c")
    with caplog.at_level(logging.WARNING):
        genomelm.base_logits(model, [sequence(LONGEST)])
        assert not caplog.messages
        before = genomelm.base_logits(model, [sequence(100)])[0]
        genomelm.base_logits(model, [sequence(120)])
    assert len(caplog.messages) == 1
    assert "sequences of 100 bases are longer than the 40" in caplog.messages[0]
    # One block reaches 39 lags of the long filter and two of the short one.
    other = sequence(100, seed=9)[:50] + sequence(100)[50:]
    after = genomelm.base_logits(model, [other])[0]
    assert np.abs(before - after)[50 + LONGEST - 1 + 2 :].max() < 1e-5
    assert np.abs(before - after)[50 : 50 + LONGEST].max() > 1e-3


def test_the_shift_is_explicit(tmp_path):
    tensors = double(write_authors(tmp_path / "c"))
    text = sequence(35)
    for shift in (None, 0.0, 0.2):
        model = convert_hyenadna(tmp_path / "c", shift)
        wanted = published_states(
            tensors, [TOKENS[letter] for letter in text], LONGEST, 0.05 if shift is None else shift
        )
        with torch.no_grad():
            assert (model(with_bos(text)).hidden_states[0, 1:] - wanted).abs().max() < 1e-5
        assert model.config.backbone["shift"] == (0.05 if shift is None else shift)


def test_saving_and_loading_keep_every_logit_class_and_patcher(small, tmp_path):
    model, text = small[0], sequence(50)
    save_model(model, tmp_path / "m")
    loaders = [load_model, AutoModelForCausalLM.from_pretrained, type(model).from_pretrained]
    for load in loaders:
        loaded = load(str(tmp_path / "m"))
        assert type(loaded) is CLASSES["genomelm_hyenadna", "causal_lm"]
        assert loaded.patcher.config.mode == "byte"
        assert torch.equal(loaded(with_bos(text)).logits, model(with_bos(text)).logits)
    head = {"outputs": 3, "kind": "sequence_classification", "queries": 4}
    config = HyenaDNAConfig(shell=model.config.shell, backbone=model.config.backbone, head=head)
    tuned = CLASSES[config.model_type, "sequence_classification"](config, model.patcher)
    save_model(tuned, tmp_path / "t")
    assert type(AutoModelForSequenceClassification.from_pretrained(tmp_path / "t")) is type(tuned)


def test_the_smallest_published_size_is_the_default_and_learns(records):
    torch.manual_seed(0)
    config = HyenaDNAConfig(shell={"local_width": 32}, backbone={"layers": 2, "hidden": 64, "longest": 128})
    assert HyenaDNAConfig.tiny().shell["local_width"] == 128
    model = CLASSES[config.model_type, "causal_lm"](config, Patcher(PatcherConfig("byte"))).train()
    made = records(130, 130)
    batch = make_batch(made, [model.patcher.marks(record) for record in made])
    groups = parameter_groups(model, TrainConfig(steps=1))
    assert sorted(len(p.shape) for g in groups for p in g["params"]) == sorted(len(p.shape) for p in model.parameters())
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(200):
        loss = model(**batch.inputs(), labels=labels_for(model, batch), return_logits=False).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() / np.log(2) < 0.05


def test_bfloat16_stays_near_float32(small):
    model, ids = small[0], with_bos(sequence(40))
    with torch.no_grad():
        exact = model(ids).hidden_states
        with torch.autocast("cpu", torch.bfloat16):
            rough = model(ids).hidden_states.float()
    assert (rough - exact).pow(2).mean().sqrt() / exact.pow(2).mean().sqrt() < 0.05
