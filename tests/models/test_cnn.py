"""The convolutional network over bytes: laws of a model, in a shell of its own."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from leaks import TOLERANCE, largest_leak
from small_batches import TASKS, batch_of, bits_of, labels_for, logits_of

from genomelm.errors import InputError, UsageError
from genomelm.models import CNNConfig, generation, load_model
from genomelm.models.classes import CLASSES
from genomelm.models.cnn_stream import CNNStream
from genomelm.models.encoding import make_batch, pack
from genomelm.models.generation import Rereading, generate, reader_of
from genomelm.models.hooks import watching
from genomelm.patching.config import PatcherConfig
from genomelm.patching.patcher import Patcher
from genomelm.seq.alphabet import BOS
from genomelm.training.config import TrainConfig
from genomelm.training.optimizer import parameter_groups

TAPS = (6, 3, 3)
each_objective = pytest.mark.parametrize("objective", ["causal", "masked"])


@pytest.fixture
def make(patcher):
    def make(objective: str = "causal", kind: str | None = None, taps: tuple[int, ...] = TAPS, **head: object):
        torch.manual_seed(0)
        kind = kind or f"{objective}_lm"
        config = CNNConfig(
            shell={"objective": objective, "local_width": 24},
            backbone={"taps": list(taps)},
            head={"kind": kind, **head},
        )
        cut = patcher if objective == "causal" else Patcher(PatcherConfig("fixed_stride", stride=5))
        return CLASSES[config.model_type, kind](config, cut).eval()

    return make


@each_objective
def test_outputs_and_gradients_are_direct_sums(make, records, objective: str) -> None:
    model = make(objective)
    batch = batch_of(model, records(40, 23))
    states = model(**batch.inputs()).hidden_states
    x = model.shell.bytes(batch.ids).double()
    for layer, taps in zip(model.shell.backbone.blocks, TAPS, strict=True):
        x = F.rms_norm(x, x.shape[-1:], layer.norm.weight.double(), torch.finfo(torch.float32).eps)
        x = x * batch.mask[..., None]
        y = layer.conv.bias.double().expand_as(x)
        for tap in range(taps):  # the last tap is lag 0, or (taps - 1) // 2 rows ahead
            lag = taps - 1 - tap - ((taps - 1) // 2 if objective == "masked" else 0)
            moved = torch.zeros_like(x)
            if lag >= 0:
                moved[:, lag:] = x[:, : x.shape[1] - lag]
            else:
                moved[:, :lag] = x[:, -lag:]
            y = y + moved @ layer.conv.weight[..., tap].double().T
        x = F.gelu(y)
    norm = model.shell.backbone.norm.weight.double()
    exact = F.rms_norm(x, x.shape[-1:], norm, torch.finfo(torch.float32).eps)
    upstream, wanted = torch.randn_like(states) * batch.mask[..., None], list(model.shell.parameters())
    ours, theirs = (torch.autograd.grad((y * upstream).sum(), wanted) for y in (states, exact))
    for one, other in zip((states[batch.mask], *ours), (exact[batch.mask], *theirs), strict=True):
        assert (one - other).abs().max() <= 1e-5 * other.double().pow(2).mean().sqrt() + 1e-5


def test_no_logit_depends_on_a_later_byte(make, records) -> None:
    assert largest_leak(make(), records(150)[0], list(range(-1, 149, 7)), np.random.default_rng(0)) < TOLERANCE


@torch.no_grad()
def test_a_masked_one_sees_both_sides_as_far_as_its_taps_reach(make, records) -> None:
    model, record = make("masked"), records(60)[0]
    other = record.copy()
    other[30] = 65 if record[30] != 65 else 67
    plain, moved = (model(**batch_of(model, [r]).inputs()).hidden_states[0] for r in (record, other))
    rows = (plain - moved).abs().amax(-1).nonzero()[:, 0]
    ahead = sum((taps - 1) // 2 for taps in TAPS)
    assert (rows.min(), rows.max()) == (31 - ahead, 31 + sum(TAPS) - 3 - ahead)


@each_objective
@pytest.mark.parametrize("length", [0, 1, 2, 61, 700])
def test_a_row_of_a_batch_is_the_row_alone_at_any_length(make, records, objective: str, length: int) -> None:
    model, made = make(objective), records(length, 90)
    together, alone = logits_of(model, made)[0], logits_of(model, made[:1])[0]
    torch.testing.assert_close(together[: length + 1], alone, atol=2e-5, rtol=1e-5)


@each_objective
@torch.no_grad()
def test_packed_records_are_what_they_are_alone(make, records, objective: str) -> None:
    model, made = make(objective), records(40, 7, 61)
    marks = [model.patcher.marks(record) for record in made]
    batch = pack(made, marks, 200, model.shell.reach)
    assert len(batch.ids) == 1
    found = model(**batch.inputs()).logits
    for number, record in enumerate(made):
        exact = model(**make_batch([record], [marks[number]]).inputs()).logits[0]
        torch.testing.assert_close(found[batch.records == number], exact, atol=2e-5, rtol=1e-5)
    model.shell.reach = 1000
    with pytest.raises(InputError, match="pack them with reach=1000"):
        model(**batch.inputs())


@pytest.mark.parametrize("kind", TASKS)
@each_objective
def test_task_heads_stand_on_it_and_everything_gets_a_gradient(make, records, objective: str, kind: str) -> None:
    model = make(objective, kind, outputs=2).train()
    batch = batch_of(model, records(40, 40, 40, 40))
    model(**batch.inputs(), labels=labels_for(model, batch)).loss.backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or p.grad.abs().max() == 0] == []
    groups = parameter_groups(model, TrainConfig(steps=1))
    assert sorted(id(p) for g in groups for p in g["params"]) == sorted(id(p) for p in model.parameters())


@each_objective
def test_one_batch_overfits_to_a_twentieth_of_a_bit_per_base(make, records, objective: str) -> None:
    model = make(objective, taps=(15, 7, 7)).train()
    batch = batch_of(model, records(96, 80))
    labels = labels_for(model, batch)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=0.0)
    for _ in range(300):
        optimizer.zero_grad()
        loss = bits_of(model, batch, labels)
        loss.backward()
        optimizer.step()
        if loss <= 0.04:
            break
    assert bits_of(model.eval(), batch, labels) <= 0.05


@torch.no_grad()
def test_letters_at_one_hot_rows_are_the_letters_and_bf16_stays_near(make, records) -> None:
    model = make()
    batch = batch_of(model, [np.where(records(50)[0] == ord("N"), 65, records(50)[0])])
    hot = (batch.ids[..., None] == torch.tensor([ord(letter) for letter in "ACGTN"])).float()
    exact = model(**batch.inputs()).logits
    torch.testing.assert_close(model(**batch.inputs(), letters=hot).logits, exact)
    with torch.autocast("cpu", torch.bfloat16):
        error = model(**batch.inputs()).logits.float() - exact
    assert 0 < error.pow(2).mean().sqrt() <= 0.03 * exact.pow(2).mean().sqrt()


@each_objective
def test_it_is_saved_and_loaded_and_watched(make, records, tmp_path, objective: str) -> None:
    model = make(objective)
    model.save_pretrained(tmp_path / "model")
    loaded, made = load_model(tmp_path / "model"), records(40)
    assert type(loaded) is type(model)
    assert torch.equal(logits_of(loaded, made), logits_of(model, made))
    with watching(model) as seen:
        model(**batch_of(model, made).inputs()).logits.square().sum().backward()
    assert len(seen.flow()) == len(TAPS)
    assert all(min(layer[1:]) > 0 for layer in seen.flow())


@pytest.mark.parametrize("taps", [TAPS, (1, 4), (9,)], ids=str)
def test_it_generates_from_a_state_as_from_recomputation(make, records, monkeypatch, taps: tuple[int, ...]) -> None:
    model, prompt = make(taps=taps), records(30)[0]
    for given in (prompt, prompt[:0], iter([prompt[:7], prompt[7:]])):
        assert isinstance(reader_of(model), CNNStream)
        streamed = generate(model, given, 40, count=3)
        given = given if isinstance(given, np.ndarray) else prompt
        with monkeypatch.context() as patch:
            patch.setattr(generation, "reader_of", Rereading)
            assert np.array_equal(generate(model, given, 40, count=3), streamed)


def test_its_streamed_logits_are_those_of_one_pass_and_its_state_does_not_grow(make, records) -> None:
    model, ids = make(), records(300)[0]
    stream, found, sizes = CNNStream(model), [], set()
    with torch.inference_mode():
        stream.take(np.array([[BOS]]), np.array([[True]]))
        for piece in np.split(ids, [1, 2, 40, *range(41, 300)]):
            stream.take(piece[None], np.zeros((1, len(piece)), bool))
            found.append(stream.logits())
            sizes.add(stream.nbytes)
        whole = model.head.letter_logits(model(**batch_of(model, [ids]).inputs()).hidden_states)
    at = [1, 2, 40, *range(41, 301)]
    assert (torch.cat(found) - whole[0, at]).abs().max() < 1e-5 * whole.abs().max()
    assert len(sizes) == 1


def test_what_it_does_not_read_is_refused(make, records) -> None:
    model = make()
    batch = batch_of(model, records(9))
    with pytest.raises(UsageError, match="reads bases only"):
        model(**batch.inputs(), codon_phase=torch.zeros_like(batch.ids))
    with pytest.raises(UsageError, match=r"give each layer's taps, 1 or more, such as \[15, 7, 7\]"):
        CLASSES["genomelm_cnn", "causal_lm"](CNNConfig(backbone={"taps": [3, 0]}))
