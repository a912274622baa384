"""Sequences that begin like one that was read: what their ends give equals a pass over all of each."""

import numpy as np
import pytest
import torch

from genomelm.models import (
    GryphonConfig,
    GryphonForCausalLM,
    HyenaGLTConfig,
    HyenaGLTForCausalLM,
    TransformerConfig,
    TransformerForCausalLM,
)
from genomelm.models.encoding import make_batch
from genomelm.models.prefix import PrefixPass
from genomelm.runtime import counter_seed
from genomelm.seq.alphabet import encode

SHELL = {"local_width": 16, "local_heads": 2, "width": 16, "kmers": [2, 3], "encoder_layers": 2, "decoder_layers": 2}
FORMS = {
    "implicit": (HyenaGLTForCausalLM, HyenaGLTConfig, {"layers": 4, "hidden": 16, "layout": "SMLA", "window": 9}, {}),
    "modal": (
        HyenaGLTForCausalLM,
        HyenaGLTConfig,
        {"layers": 2, "hidden": 16, "long": "modal", "base_distance": True},
        {"branches": {"structure": True, "motif": 3}},
    ),
    "gryphon": (GryphonForCausalLM, GryphonConfig, {"layers": 2, "hidden": 16, "block": 8, "irregular": True}, {}),
    "gryphon_b": (GryphonForCausalLM, GryphonConfig, {"layers": 2, "hidden": 16, "block": 4, "blueprint": "b"}, {}),
    "transformer": (TransformerForCausalLM, TransformerConfig, {"layers": 2, "hidden": 16}, {}),
}


@pytest.fixture(scope="module", params=FORMS)
def model(request, tiny_patcher):
    kind, config, backbone, more = FORMS[request.param]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(counter_seed("test", 21))
        return kind(config(shell=SHELL, backbone=backbone, **more), tiny_patcher).eval()


def states_of(model, ids, marks) -> torch.Tensor:
    with torch.inference_mode():
        return model(**make_batch([ids], [marks]).inputs()).hidden_states[0]


def changed(rng, ids, marks, kind, least):
    """Return a changed row, its marks, the byte from which it may differ and how many differ (None: to the end)."""
    at = int(rng.integers(least, len(ids) - 8))
    alt = ids.copy()
    alt[at] = encode("ACGT")[(encode("ACGT").tolist().index(alt[at]) + 1) % 4]
    if kind == "substitution":
        return alt, marks, at, 1
    alt = np.concatenate([ids[:at], encode("GATTACA"), ids[at + 3 :]])
    starts = np.concatenate([marks[:at], np.array([False, True, False, False, False, False, True]), marks[at + 3 :]])
    return alt, starts, at, None


@pytest.mark.parametrize(("least", "whole_rows"), [(1, True), (1, False), (330, True), (330, False)])
def test_ends_equal_whole_passes(model, tiny_sequence, least, whole_rows):
    rng = np.random.default_rng(3)
    rows = [encode(tiny_sequence[first : first + size]) for first, size in ((0, 500), (900, 431), (2000, 500))]
    marks = [model.patcher.marks(row) for row in rows]
    batch = make_batch(rows, marks)
    given = []
    for number in range(24):
        row = number % 3
        alt, starts, at, fresh = changed(rng, rows[row], marks[row], "substitution" if number < 12 else "indel", least)
        single = make_batch([alt], [starts])
        flags = single.starts[0].numpy()
        begin = int(np.flatnonzero(flags[: at + 1])[-1])
        end = min(at + 150, len(alt))
        whole = states_of(model, alt, starts)[begin:end]
        news = end - begin if fresh is None else at + 1 + fresh - begin
        given.append((row, begin, single.ids[0, begin:end].numpy(), flags[begin : end + 1], news, whole))
    of, begins = (np.array([part[i] for part in given]) for i in (0, 1))
    with torch.inference_mode():
        read = PrefixPass(model, batch, of, begins, whole_rows)
        assert read.first == (0 if whole_rows else begins.min())
        states = model(**batch.inputs()).hidden_states[:, read.first :]
        assert (read.states - states)[batch.mask[:, read.first :]].abs().max() < 1e-5
        for part in (slice(0, 12), slice(12, 24), slice(0, 1), slice(5, 17)):
            columns = list(zip(*given[part], strict=True))
            found = read.ends(of[part], begins[part], *columns[2:4], np.array(columns[4]))
            for states, whole in zip(found, columns[5], strict=True):
                assert (states[: len(whole)] - whole).abs().max() < 1e-5


def test_an_end_may_begin_at_the_first_byte_and_far_from_any_kept_state(model, tiny_sequence):
    ids = encode(tiny_sequence[:400])
    marks = model.patcher.marks(ids)
    batch = make_batch([ids], [marks])
    starts = batch.starts[0].numpy()
    with torch.inference_mode():
        read = PrefixPass(model, batch, np.array([0]), np.array([0]))  # keeps the state before the first patch alone
        whole = states_of(model, ids, marks)
        for begin in (0, 1, int(np.flatnonzero(starts[:-1])[-1])):
            end = batch.ids[0, begin:].numpy()
            found = read.ends(np.array([0]), np.array([begin]), [end], [starts[begin:]], np.array([len(end)]))
            assert (found[0] - whole[begin:]).abs().max() < 1e-5
