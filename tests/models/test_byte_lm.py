"""The small byte language model: what its scores read, how exact they are, and what its folder may hold."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from genomelm.errors import InputError, IntegrityError, UsageError
from genomelm.models import byte_lm
from genomelm.models.byte_lm import ByteLM, ByteLMConfig, ByteNetwork
from genomelm.models.encoding import make_batch
from genomelm.patching.codes import Scale
from genomelm.seq.alphabet import ALPHABETS, encode
from genomelm.training.windows import label_ids

SMALL = {"kmers": (1, 2), "width": 8, "layers": 3, "taps": 3, "growth": 3}
REACH = 2 + 2 * (1 + 3 + 9)
FLOAT32 = 2e-6
"""Nats by which float32 scores may differ from float64 ones, or from those of other chunks."""


def make(alphabet: str = "dna", seed: int = 0, training: tuple[str, ...] = ()) -> ByteLM:
    """A model whose weights are large enough that every byte in reach matters."""
    torch.manual_seed(seed)
    network = ByteNetwork(ByteLMConfig(alphabet, alphabet == "dna", **SMALL))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    return ByteLM(network, training)


@pytest.fixture(scope="module")
def model() -> ByteLM:
    return make(training=("c:1-900",))


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(byte_lm, "TILE", 40)
    monkeypatch.setattr(byte_lm, "TILES", 3)


def record(length: int, alphabet: str = "dna", seed: int = 0) -> np.ndarray:
    """Random ids (l,), an unknown letter here and there."""
    random = np.random.default_rng(seed)
    kind = ALPHABETS[alphabet]
    return np.where(random.random(length) < 0.05, ord(kind.unknown), random.choice(kind.ids, length))


def naive(model: ByteLM, before: np.ndarray) -> np.ndarray:
    """p (a,) of the byte after `before`, read as a record from its start: float64, one position at a time."""
    weights = {name: value.double().numpy() for name, value in model.network.state_dict().items()}
    config, letters = model.config, ALPHABETS[model.alphabet].letters
    symbols = [len(letters)] * model.reach
    for byte in before:
        known = chr(byte).replace(*{"dna": "UT", "rna": "TU", "protein": "XX"}[model.alphabet])
        symbols.append(letters.index(known) if known in letters else len(letters))
    symbols = symbols[-model.reach :]
    longest = max(config.kmers)
    x = np.zeros((model.reach - longest + 1, config.width))
    for row in range(len(x)):
        for number, k in enumerate(config.kmers):
            code = 0
            for symbol in symbols[row + longest - k : row + longest]:
                code = code * (len(letters) + 1) + symbol
            x[row] += weights[f"kmers.tables.{number}.weight"][code]

    def norm(rows: np.ndarray, name: str) -> np.ndarray:
        scale = np.sqrt((rows**2).mean(-1, keepdims=True) + np.finfo(np.float32).eps)
        return rows / scale * weights[name]

    for layer in range(config.layers):
        name, apart = f"layers.{layer}", config.growth**layer
        wide = norm(x, f"{name}.norm.weight") @ weights[f"{name}.up.weight"].T
        kept = len(x) - (config.taps - 1) * apart
        mixed = np.tile(weights[f"{name}.conv.bias"], (kept, 1))
        for tap in range(config.taps):
            mixed += weights[f"{name}.conv.weight"][:, 0, 0, tap] * wide[tap * apart : tap * apart + kept]
        x = x[len(x) - kept :] + (mixed / (1 + np.exp(-mixed))) @ weights[f"{name}.down.weight"].T
    assert len(x) == 1  # the reach is what the layers read, neither more nor less
    logits = norm(x[0], "norm.weight") @ weights["out.weight"].T + weights["out.bias"]
    p = np.exp(logits - logits.max())
    return p / p.sum()


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("alphabet", ALPHABETS)
def test_scores_and_bits_are_those_of_a_naive_float64_computation(alphabet: str) -> None:
    model, ids = make(alphabet), record(200, alphabet)
    scores, bits = model.scores(ids), model.bits(ids)
    for i in (1, 2, REACH - 1, REACH, REACH + 1, 79, 80, 81, 120, 199):
        p = naive(model, ids[:i])
        assert scores[i] == pytest.approx(-(p * np.log(p)).sum(), abs=FLOAT32)
        if chr(ids[i]) in ALPHABETS[alphabet].letters:
            assert bits[i] == pytest.approx(-np.log2(p[ALPHABETS[alphabet].letters.index(chr(ids[i]))]), abs=1e-5)
        else:
            assert np.isnan(bits[i])
    p = naive(model, ids)
    assert scores[200] == pytest.approx(-(p * np.log(p)).sum(), abs=FLOAT32)


def test_training_sees_the_logits_that_scoring_sees(model: ByteLM) -> None:
    records = [record(70), record(45, seed=1)]
    batch = make_batch(records, [np.zeros(len(ids) + 1, bool) for ids in records])
    prediction = model.network(**batch.inputs(), labels=label_ids(batch))
    bits = np.concatenate([model.bits(ids) for ids in records])
    assert prediction.loss.item() * byte_lm.BITS == pytest.approx(np.nanmean(bits), abs=1e-5)
    entropies = torch.distributions.Categorical(logits=prediction.logits).entropy().detach()
    assert entropies[0, 1:].numpy() == pytest.approx(model.scores(records[0])[1:], abs=FLOAT32)
    assert entropies[1, 1:46].numpy() == pytest.approx(model.scores(records[1])[1:], abs=FLOAT32)


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("at", [0, 1, 39, 40, 41, 100, 149])
def test_a_byte_reaches_the_scores_after_it_as_far_as_the_reach_and_no_other(model: ByteLM, at: int) -> None:
    ids = np.random.default_rng(2).choice(ALPHABETS["dna"].ids, 150)
    for letter in set("ACGTN") - {chr(ids[at])}:
        changed = ids.copy()
        changed[at] = ord(letter)
        moved = np.flatnonzero(model.scores(ids) != model.scores(changed))
        assert moved.min() == at + 1
        assert moved.max() == min(at + REACH, 150)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 200), st.integers(0, 200), st.integers(0, 9))
def test_any_chunking_scores_alike(model: ByteLM, length: int, cut: int, seed: int) -> None:
    ids, cut = record(length, seed=seed), min(cut, length)
    whole = model.scores(ids)
    assert model.scores(ids[:cut]) == pytest.approx(whole[: cut + 1], abs=FLOAT32)
    if cut:
        for context in (ids[:cut], ids[max(0, cut - REACH) : cut]):
            assert model.scores(ids[cut:], context) == pytest.approx(whole[cut:], abs=FLOAT32)
            bits = model.bits(ids[cut:], context)
            assert np.allclose(bits, model.bits(ids)[cut:], atol=1e-5, rtol=0, equal_nan=True)


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("length", [0, 1, 2, 38, 39, 40, 41, 79, 118, 119, 120, 121, 159, 239, 240, 241])
def test_tiles_of_any_number_score_as_one_pass(model: ByteLM, length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = record(length)
    tiled, bits = model.scores(ids), model.bits(ids)
    monkeypatch.setattr(byte_lm, "TILE", 1000)
    assert len(tiled) == length + 1
    assert tiled == pytest.approx(model.scores(ids), abs=FLOAT32)
    assert np.allclose(bits, model.bits(ids), atol=1e-5, rtol=0, equal_nan=True)


@pytest.mark.usefixtures("small_tiles")
def test_a_forward_pass_is_bounded_however_long_the_record(model: ByteLM, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, rows = [], model.network.rows
    monkeypatch.setattr(model.network, "rows", lambda symbols: seen.append(tuple(symbols.shape)) or rows(symbols))
    model.scores(record(1000))
    assert set(seen) == {(3, 40 + REACH - 1), (1, 40 + REACH - 1), (1, 1001 % 40 + REACH - 1)}


@pytest.mark.parametrize("alphabet", ALPHABETS)
def test_scores_lie_on_the_scale_of_the_alphabet(alphabet: str) -> None:
    model = make(alphabet)
    assert model.scale == Scale(0.0, math.log(len(ALPHABETS[alphabet].letters)))
    scores = model.scores(record(300, alphabet))
    assert model.scale.encode(scores).shape == (301,)
    assert scores.dtype == np.float32
    with torch.no_grad():
        model.network.out.weight.zero_()
        model.network.out.bias.zero_()
    assert (model.scale.encode(model.scores(record(30, alphabet))[1:]) == 65535).all()


def test_what_lies_before_a_record_is_as_unknown_as_a_run_of_n(model: ByteLM) -> None:
    ids = record(50)
    nothing = np.full(REACH, ord("N"))
    assert model.scores(ids)[0] == 0
    assert model.scores(ids, nothing)[1:] == pytest.approx(model.scores(ids)[1:], abs=FLOAT32)
    assert model.scores(ids, nothing)[0] == model.scores(ids, np.empty(0, int))[0] > 0
    assert model.scores(np.empty(0, np.int64)).tolist() == [0]
    assert model.bits(np.empty(0, np.int64)).shape == (0,)
    assert np.isfinite(model.scores(encode("N" * 90))).all()


def test_u_and_t_are_one_letter_and_foreign_bytes_are_unknown() -> None:
    for alphabet in ("dna", "rna"):
        model = make(alphabet)
        scores = [model.scores(np.frombuffer(text, np.uint8)) for text in (b"ACGTNTA", b"ACGURUA", b"ACGTnTA")]
        assert all((s == scores[0]).all() for s in scores)


def test_predictions_sum_to_one_and_their_mean_surprise_is_the_entropy(model: ByteLM) -> None:
    before = record(60)
    surprise = np.array([model.bits(np.append(before, letter))[-1] for letter in ALPHABETS["dna"].ids])
    assert (2**-surprise).sum() == pytest.approx(1, abs=1e-6)
    assert (2**-surprise * surprise).sum() / byte_lm.BITS == pytest.approx(model.scores(before)[-1], abs=FLOAT32)


def test_bits_per_base_is_the_mean_over_the_letters(model: ByteLM) -> None:
    ids = encode("ACGTNNACGGATTACA")
    mean, count = model.bits_per_base(ids)
    assert count == 14
    assert mean == pytest.approx(np.nanmean(model.bits(ids)))
    with pytest.raises(InputError, match="no letter"):
        model.bits_per_base(encode("NNN"))


@pytest.mark.parametrize("alphabet", ALPHABETS)
def test_the_default_model_is_small_and_reads_over_250_bytes_back(alphabet: str) -> None:
    model = ByteLM(ByteNetwork(ByteLMConfig(alphabet, alphabet == "dna")))
    assert model.reach == (254 if alphabet == "protein" else 256)
    assert 100_000 < model.parameters < 300_000


@pytest.mark.gpu
def test_a_gpu_scores_as_the_cpu_does(tmp_path: Path) -> None:
    model, ids = make(), record(20_000)
    model.save(tmp_path / "m")
    assert ByteLM.load(tmp_path / "m", "cuda").scores(ids) == pytest.approx(model.scores(ids), abs=1e-5)


def test_a_saved_model_scores_the_same(model: ByteLM, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        model.save(tmp_path / folder)
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()
    loaded = ByteLM.load(tmp_path / "a")
    assert (loaded.digest, loaded.training, loaded.config) == (model.digest, ("c:1-900",), model.config)
    assert (loaded.scores(record(300)) == model.scores(record(300))).all()


def test_the_digest_is_of_what_decides_a_score(model: ByteLM) -> None:
    same = make(training=("c:1-800",))
    assert same.digest == model.digest != make(seed=1).digest
    one_strand = ByteNetwork(ByteLMConfig(both_strands=False, **SMALL))
    one_strand.load_state_dict(model.network.state_dict())
    assert ByteLM(one_strand).digest == model.digest
    with torch.no_grad():
        same.network.out.bias[0] += 1e-3
    assert same.digest != model.digest


def test_a_save_that_fails_leaves_the_model_before_it(model: ByteLM, tmp_path: Path, monkeypatch) -> None:
    model.save(tmp_path / "m")
    before = {file.name: file.read_bytes() for file in (tmp_path / "m").iterdir()}

    def full(*_arguments: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(byte_lm, "write_json", full)
    with pytest.raises(OSError, match="No space"):
        make(seed=1).save(tmp_path / "m")
    assert {file.name: file.read_bytes() for file in (tmp_path / "m").iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "x.ckpt", "a.pkl"])
def test_a_pickle_is_never_opened(model: ByteLM, tmp_path: Path, name: str) -> None:
    model.save(tmp_path / "m")
    (tmp_path / "m" / name).write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    with pytest.raises(IntegrityError, match=re.escape(name)):
        ByteLM.load(tmp_path / "m")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
@pytest.mark.parametrize("kept", [0.0, 0.001, 0.5, 0.999])
def test_a_file_cut_short_is_refused(model: ByteLM, tmp_path: Path, name: str, kept: float) -> None:
    model.save(tmp_path / "m")
    file = tmp_path / "m" / name
    file.write_bytes(file.read_bytes()[: int(kept * (file.stat().st_size - 1))])
    with pytest.raises(IntegrityError, match=rf"{name}.*incomplete"):
        ByteLM.load(tmp_path / "m")


def test_changed_weights_are_refused(model: ByteLM, tmp_path: Path) -> None:
    model.save(tmp_path / "m")
    file = tmp_path / "m" / "model.safetensors"
    whole = load_file(file)
    for change, message in (
        ({"out.bias": whole["out.bias"] + 1}, "digest"),
        ({"out.bias": torch.zeros(5)}, r"'out.bias' has shape \(5,\), the config asks for \(4,\)"),
        ({"spare": torch.zeros(1)}, r"not known \['spare'\]"),
    ):
        save_file({**whole, **change}, file)
        with pytest.raises(IntegrityError, match=message):
            ByteLM.load(tmp_path / "m")
    file.unlink()
    with pytest.raises(IntegrityError, match="does not exist"):
        ByteLM.load(tmp_path / "m")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"model_type": "genomelm_gryphon"}, UsageError, "of type 'genomelm_gryphon', not a byte language model"),
        ({"format_version": 2}, UsageError, "newer than 1: update genomelm"),
        ({"format_version": "a"}, IntegrityError, "not whole"),
        ({"settings": {"widht": 8}}, UsageError, "widht: unknown key; did you mean 'width'"),
        ({"settings": {**SMALL, "kmers": [1, 2], "both_strands": 3}}, UsageError, "both_strands: 3 is not of type"),
        ({"settings": {"kmers": [0]}}, UsageError, "each k must be 1 or more"),
        ({"settings": None}, UsageError, "None is not of type 'object'"),
        ({"training": None}, IntegrityError, "not whole"),
        ({"digest": "0"}, IntegrityError, "digest"),
    ],
)
def test_a_config_that_is_not_this_models_is_refused(
    model: ByteLM, tmp_path: Path, change: dict, error: type, message: str
) -> None:
    model.save(tmp_path / "m")
    file = tmp_path / "m" / "config.json"
    header = json.loads(file.read_text())
    file.write_text(json.dumps({**header, **change}))
    with pytest.raises(error, match=message):
        ByteLM.load(tmp_path / "m")
    for key in change:
        file.write_text(json.dumps({name: value for name, value in header.items() if name != key}))
        with pytest.raises((UsageError, IntegrityError), match=r"config.json|not a byte language model"):
            ByteLM.load(tmp_path / "m")


def test_user_errors_name_the_value_and_the_fix(model: ByteLM, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="absent does not exist"):
        ByteLM.load(tmp_path / "absent")
    with pytest.raises(UsageError, match="has no config.json"):
        ByteLM.load(tmp_path)
    with pytest.raises(UsageError, match="alphabet is protein: set both_strands to False"):
        ByteLMConfig("protein")
    with pytest.raises(InputError, match="0 to 259"):
        model.scores(np.array([65, 900]))
