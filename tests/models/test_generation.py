"""Generation: streamed logits are those of one pass over all bytes, and draws depend on seed and number alone."""

import logging

import numpy as np
import pytest
import torch

from genomelm.errors import InputError, NumericalError, UsageError
from genomelm.models import generation, next_byte
from genomelm.models.encoding import make_batch
from genomelm.models.generation import Rereading, generate
from genomelm.models.sampling import Sampling
from genomelm.models.stream import Stream, why_not_streamed
from genomelm.patching.config import PatcherConfig
from genomelm.patching.patcher import Patcher
from genomelm.seq.alphabet import BOS, PAD, decode, encode

BACKBONES = {
    "modal": {"layout": "L", "long": "modal", "poles": 4},
    "striped": {"layout": "SMLA", "layers": 4, "long": "modal", "poles": 4, "medium_taps": 9, "window": 6},
    "gated": {"layout": "SMA", "layers": 3, "order": 3, "output_gate": True, "medium_taps": 9, "window": 6},
    "distance": {"layout": "L", "long": "modal", "poles": 4, "base_distance": True},
}
IMPLICIT = {"layout": "L", "long": "implicit"}
PROMPT = "ACGTNNNNACGGTACCA" * 6
GREEDY = Sampling(temperature=0)


def stream_of(model, marks: np.ndarray, ids: np.ndarray, sizes: list[int]) -> torch.Tensor:
    """Return byte states (b, l, d) of BOS and ids (b, l), read in pieces; every row closes patches of its own."""
    with torch.inference_mode():
        first = Stream(model)
        parts, at = [first.take(np.array([[BOS]]), np.array([[True]])).repeat(len(ids), 1, 1)], 0
        stream = first.repeat(len(ids))
        while at < ids.shape[1]:
            size = sizes[len(parts) % len(sizes)]
            parts.append(stream.take(ids[:, at : at + size], marks[:, at : at + size]))
            at += size
    return torch.cat(parts, 1)


def both_ways(model, records, sizes: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    batch = make_batch(records, [model.patcher.marks(record) for record in records])
    with torch.inference_mode():
        whole = model(**batch.inputs(), return_logits=False).hidden_states
    return stream_of(model, batch.starts[:, 2:].numpy(), np.stack(records), sizes), whole


@pytest.mark.parametrize("sizes", [[1], [7, 1, 30, 100]])
@pytest.mark.parametrize("name", BACKBONES)
def test_any_pieces_give_the_states_of_one_pass(make_model, records, name, sizes):
    model = make_model(backbone=BACKBONES[name], window=3)
    streamed, whole = both_ways(model, records(90, 90, 90), sizes)
    assert (streamed - whole).abs().max() < 1e-5 * whole.square().mean().sqrt()


SECTIONS = {
    "branches": {"branches": {"motif": 2, "structure": True, "conservation": True}},
    "other positions": {"positions": {"sinusoidal": True, "codon": True, "rotary": False, "length": False}},
    "no positions": {"positions": dict.fromkeys(("rotary", "distance", "length", "phase"), False)},
    "large and hashed tables": {"shell": {"kmers": [2, 6], "hashed_kmers": [8], "hash_buckets": 64}},
}


@pytest.mark.parametrize("sections", SECTIONS.values(), ids=SECTIONS)
def test_branches_and_positions_are_streamed(make_model, records, monkeypatch, sections):
    monkeypatch.setattr(next_byte, "JOINED", 5**3)
    shell, more = sections.get("shell", {}), {name: part for name, part in sections.items() if name != "shell"}
    model = make_model(backbone=BACKBONES["striped"], sections=more, **shell)
    streamed, whole = both_ways(model, records(90, 90), [1, 1, 30, 7])
    assert (streamed - whole).abs().max() < 1e-5 * whole.square().mean().sqrt()


@pytest.mark.parametrize("sizes", [[1], [7, 1, 30]])
def test_a_growing_state_gives_the_states_of_one_pass(make_model, records, sizes):
    streamed, whole = both_ways(make_model(backbone=IMPLICIT), records(150), sizes)
    assert (streamed - whole).abs().max() < 1e-4 * whole.square().mean().sqrt()


GROWING = {
    "implicit": {"backbone": IMPLICIT},
    "order 3": {"backbone": {**IMPLICIT, "order": 3, "groups": 16}},
    "dense attention": {"backbone": {"layout": "A", "window": 0}},
    "transformer": {"family": "transformer"},
    "penalties": {"family": "transformer", "backbone": {"positions": "alibi"}},
    "gryphon": {"family": "gryphon"},
}


@pytest.mark.parametrize("sizes", [[1], [7, 1, 1, 30, 1]], ids=str)
@pytest.mark.parametrize("form", GROWING.values(), ids=GROWING)
def test_growing_states_of_sequences_that_close_patches_apart(make_model, records, form, sizes):
    model = make_model(**form)
    streamed, whole = both_ways(model, records(150, 150, 150), sizes)
    assert not Stream(model).constant_state
    assert (streamed - whole).abs().max() < 1e-4 * whole.square().mean().sqrt()


def test_few_sequences_stand_side_by_side_where_states_grow_large(make_model, monkeypatch):
    model, rows = make_model(backbone=IMPLICIT), []
    repeat = Stream.repeat
    monkeypatch.setattr(Stream, "repeat", lambda self, count: rows.append(count) or repeat(self, count))
    found = generate(model, encode("ACGT"), 9, count=5)
    state = Stream(model).nbytes
    monkeypatch.setattr(generation, "LARGEST", 2 * state + state // 2)
    assert np.array_equal(generate(model, encode("ACGT"), 9, count=5), found)
    assert rows == [5, 2, 2, 1]


def test_patches_far_longer_than_the_window_are_streamed(make_model):
    model = make_model(backbone=BACKBONES["modal"])
    model.patcher = Patcher(PatcherConfig("fixed_stride", stride=70))
    streamed, whole = both_ways(model, [encode("ACGGT" * 60)], [1, 100, 3])
    assert (streamed - whole).abs().max() < 1e-5 * whole.square().mean().sqrt()


@pytest.mark.parametrize(
    ("name", "prompt", "size"),
    [
        ("modal", "", 60),
        ("gated", "A", 30),
        ("distance", PROMPT, 30),
        ("implicit", PROMPT, 30),
        ("striped", PROMPT, 200),
    ],
)
def test_streamed_generation_is_that_of_recomputation(make_model, monkeypatch, name, prompt, size):
    model = make_model(backbone={**BACKBONES, "implicit": IMPLICIT}[name])
    seen = {}
    for kind in (Stream, Rereading):
        rows = seen[kind] = []

        def noted(self, kind=kind, rows=rows, logits=kind.logits) -> torch.Tensor:
            rows.append(logits(self))
            return rows[-1]

        monkeypatch.setattr(kind, "logits", noted)
    streamed = generate(model, encode(prompt), size, GREEDY)
    monkeypatch.setattr(generation, "why_not_streamed", lambda model: "by order")
    assert np.array_equal(streamed, generate(model, encode(prompt), size, GREEDY))
    assert len(seen[Stream]) == len(seen[Rereading]) == size
    assert (torch.cat(seen[Stream]) - torch.cat(seen[Rereading])).abs().max() < 1e-4


@pytest.mark.parametrize("chunk", [1, 13])
def test_a_prompt_may_be_read_in_any_chunks_and_pieces(make_model, records, monkeypatch, chunk):
    model, prompt = make_model(backbone=BACKBONES["striped"]), records(100)[0]
    controls = (GREEDY, Sampling(temperature=0, repeat_penalty=1e6, repeat_k=3))
    expected = [generate(model, prompt, 30, sampling) for sampling in controls]
    monkeypatch.setattr(generation, "CHUNK", chunk)
    for sampling, wanted in zip(controls, expected, strict=True):
        assert np.array_equal(generate(model, iter([prompt[:77], prompt[77:]]), 30, sampling), wanted)


@pytest.mark.parametrize("backbone", [BACKBONES["striped"], IMPLICIT])
def test_a_sequence_depends_on_seed_and_number_alone(make_model, backbone):
    model = make_model(backbone=backbone)
    found = generate(model, encode("ACGT"), 25, count=3, seed=3)
    assert len({row.tobytes() for row in found}) == 3
    assert np.array_equal(generate(model, encode("ACGT"), 25, count=3, seed=3, rows=2), found)
    assert np.array_equal(generate(model, encode("ACGT"), 15, count=2, seed=3), found[:2, :15])
    assert not np.array_equal(generate(model, encode("ACGT"), 25, seed=4), found[:1])
    assert not np.array_equal(generate(model, encode("ACGT"), 25, seed=3, number=1), found[:1])


def test_the_state_does_not_grow_where_the_backbone_says_so(make_model, records):
    model, sizes = make_model(backbone=BACKBONES["striped"]), []
    model.patcher = Patcher(PatcherConfig("fixed_stride", stride=5))
    with torch.inference_mode():
        stream = Stream(model)
        assert stream.constant_state
        for ids in np.split(records(2000)[0], 4):
            stream.take(ids[None], np.tile(np.arange(5) == 4, 100)[None])
            sizes.append(stream.nbytes)
    assert len(set(sizes)) == 1


def test_only_letters_are_drawn(make_model):
    for letter in "ACGTN":
        model = make_model(backbone=BACKBONES["modal"])
        with torch.no_grad():
            model.head.out.bias[ord(letter)] += 100
            model.head.out.bias[[BOS, PAD]] += 200
        found = decode(generate(model, encode("ACGT"), 20)[0])
        assert set(found) <= (set("ACGT") if letter == "N" else {letter})


def test_a_high_penalty_leaves_no_kmer_twice(make_model):
    model, prompt = make_model(backbone=BACKBONES["modal"]), "ACGTACCA"
    for sampling, repeats in ((GREEDY, True), (Sampling(temperature=0, repeat_penalty=1e6, repeat_k=6), False)):
        text = prompt + decode(generate(model, encode(prompt), 90, sampling)[0])
        kmers = [text[i : i + 6] for i in range(len(text) - 5)]
        assert (len(set(kmers)) < len(kmers)) is repeats
    sampling = Sampling(repeat_penalty=2.0, repeat_k=3)
    together = generate(model, encode(prompt), 40, sampling, count=3)
    assert np.array_equal(generate(model, encode(prompt), 40, sampling, count=3, rows=1), together)


@pytest.mark.parametrize(
    "more",
    [{"sections": {"merge": {"where": "span"}}}, {"sections": {"merge": {"where": "each"}}}],
    ids=str,
)
def test_a_backbone_without_a_state_rereads_with_a_notice(make_model, caplog, more):
    model = make_model(**more)
    assert why_not_streamed(model)
    with caplog.at_level(logging.WARNING, "genomelm"):
        found = generate(model, encode("ACGTACGT"), 10, GREEDY, count=2)
    assert "costs a pass over all letters" in caplog.text
    text = "ACGTACGT" + decode(found[0])
    for at in range(8, 18):  # each is the most probable letter behind those before it
        ids = torch.from_numpy(np.concatenate([[BOS], encode(text[:at])]))[None]
        with torch.no_grad():
            logits = model.head.letter_logits(model(input_ids=ids).hidden_states[:, -1])
        assert "ACGT"[int(logits.argmax())] == text[at]


def test_rows_of_ids_are_continued(make_model):
    model = make_model(backbone=BACKBONES["modal"])
    rows = torch.from_numpy(np.stack([encode("ACGTA"), encode("TTGCA")]))
    found = model.generate(rows, n_bases=7, count=2, seed=1, top_k=3)
    assert found.shape == (4, 12)
    assert torch.equal(found[:, :5], rows.repeat_interleave(2, 0))
    expected = generate(model, encode("TTGCA"), 7, Sampling(top_k=3), count=2, seed=1, number=1)
    assert np.array_equal(found[2:, 5:].numpy(), expected)
    with_bos = model.generate(torch.cat([torch.full((2, 1), BOS), rows], 1), n_bases=7, count=2, seed=1, top_k=3)
    assert torch.equal(with_bos[:, 1:], found)
    assert model.generate(n_bases=3).shape == (1, 4)


def test_models_without_a_next_letter_are_refused(make_model, patcher):
    for arguments, words in (
        ({"objective": "masked"}, "guesses hidden bases from both sides"),
        ({"kind": "regression"}, "head is regression"),
    ):
        with pytest.raises(UsageError, match=words):
            generate(make_model(**arguments), encode("A"), 5)
    model = make_model()
    model.patcher = None
    with pytest.raises(UsageError, match="no patcher"):
        generate(model, encode("A"), 5)
    model.patcher = Patcher(PatcherConfig(mode="given"), side={"given": "x"})
    with pytest.raises(UsageError, match="come by coordinate"):
        generate(model, encode("A"), 5)


def test_wrong_numbers_and_prompts_are_refused(make_model):
    model = make_model(backbone=BACKBONES["modal"])
    for wrong in ({"n_bases": 0}, {"n_bases": 5, "count": 0}, {"n_bases": 5, "rows": 0}):
        with pytest.raises(UsageError, match="give 1 or more"):
            generate(model, encode("A"), **wrong)
    with pytest.raises(InputError, match="without BOS or padding"):
        generate(model, np.array([65, PAD]), 5)
    with pytest.raises(UsageError, match="did you mean 'top_k'"):
        model.generate(n_bases=5, topk=3)
    with torch.no_grad():
        model.head.out.bias.fill_(torch.nan)
    with pytest.raises(NumericalError, match="not finite"):
        generate(model, encode("A"), 5)
