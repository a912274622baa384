"""The transformer backbone: its blocks against their formulas, decoding, depth, and the classic control."""

import logging
import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small_batches import batch_of, bits_of, labels_for

from genomelm.errors import UsageError
from genomelm.models import TransformerConfig, TransformerForCausalLM
from genomelm.models.backbone import Backbone
from genomelm.models.config import PositionConfig, ShellConfig
from genomelm.models.encoding import make_batch
from genomelm.models.generation import generate
from genomelm.models.hooks import watching
from genomelm.models.sampling import Sampling
from genomelm.models.stream import Stream, why_not_streamed
from genomelm.models.transformer import transformer_blocks
from genomelm.models.transformer_config import TransformerBackboneConfig
from genomelm.nn.attention.reference import attention as reference
from genomelm.nn.history import History
from genomelm.nn.positions import rotate, sinusoids
from genomelm.nn.rows import Rows
from genomelm.seq.alphabet import BOS, decode, encode

WIDTH, BASE = 24, 4.0 * 1024
CACHED = {
    "rotary": {},
    "window": {"window": 5},
    "alibi": {"positions": "alibi"},
    "alibi, window": {"positions": "alibi", "window": 5},
    "none, rezero, geglu": {"positions": "none", "rezero": True, "mlp": "geglu"},
}
FORMS = {**CACHED, "classic": {"classic": True}}


def make(form: dict, masked: bool = False, layers: int = 2) -> Backbone:
    torch.manual_seed(0)
    shell = ShellConfig(width=WIDTH, objective="masked" if masked else "causal", target_length=64)
    config = TransformerBackboneConfig(layers=layers, heads=3, hidden=32, **form)
    backbone = Backbone(WIDTH, transformer_blocks(shell, PositionConfig(), config))
    for name, parameter in backbone.named_parameters():
        if parameter.ndim < 2:
            torch.nn.init.normal_(parameter, 0.5 if name.endswith("_scale") else 1.0, 0.2)
    return backbone


def rows_of(*lengths: int) -> Rows:
    sizes = torch.randint(1, 21, (len(lengths), max(lengths)), generator=torch.Generator().manual_seed(0))
    sizes = sizes * (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None])
    return Rows(sizes.cumsum(1) - sizes, sizes)


def normed(x: torch.Tensor, norm: torch.nn.Module) -> torch.Tensor:
    if isinstance(norm, torch.nn.LayerNorm):
        return F.layer_norm(x, x.shape[-1:], norm.weight.double(), norm.bias.double())
    return x / (x.square().mean(-1, keepdim=True) + torch.finfo(torch.float32).eps).sqrt() * norm.weight.double()


def naive(backbone: Backbone, form: dict, x: torch.Tensor, rows: Rows, masked: bool) -> torch.Tensor:
    """Return what the formulas of the papers give in float64."""
    x, classic = x.double(), form.get("classic")
    if classic:
        x = normed(x, backbone.blocks[0].start) + sinusoids(rows.places, WIDTH, BASE)
    for block in backbone.blocks:
        mixer, mlp = block.mixer, block.mlp
        before = x if classic else normed(x, block.mixer_norm)
        query, key, value = (before @ mixer.into.weight.double().T).unflatten(-1, (3, 3, 8)).unbind(2)
        if not classic and form.get("positions", "rotary") == "rotary":
            query, key = (rotate(part, rows.places, BASE) for part in (query, key))
        places = rows.places if form.get("positions") == "alibi" else None
        mixed = reference(query, key, value, rows.present, form.get("window", 0), masked, places)
        mixed = mixed.flatten(-2) @ mixer.out.weight.double().T
        x = (
            normed(x + mixed, block.mixer_norm)
            if classic
            else x + mixed * (block.mixer_scale if "rezero" in form else 1)
        )
        before = x if classic else normed(x, block.mlp_norm)
        up = before @ mlp.up.weight.double().T
        if classic:
            x = normed(x + (up + mlp.up.bias).relu() @ mlp.down.weight.double().T + mlp.down.bias, block.mlp_norm)
        else:
            gate, linear = up.chunk(2, -1)
            gate = F.gelu(gate) if form.get("mlp") == "geglu" else F.silu(gate)
            x = x + (gate * linear) @ mlp.down.weight.double().T * (block.mlp_scale if "rezero" in form else 1)
    return normed(x, backbone.norm)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_outputs_and_gradients_are_those_of_the_formulas(form: str, masked: bool) -> None:
    backbone, rows = make(FORMS[form], masked), rows_of(70, 33, 1)
    x = torch.randn(3, 70, WIDTH, requires_grad=True)
    upstream = torch.randn(3, 70, WIDTH) * rows.present[..., None]
    wanted, results = [x, *backbone.parameters()], []
    for y in (backbone(x, rows), naive(backbone, FORMS[form], x, rows, masked)):
        y = y.masked_fill(~rows.present[..., None], 0)
        results.append((y, *torch.autograd.grad((y * upstream).sum(), wanted)))
    for ours, exact in zip(*results, strict=True):
        assert (ours - exact).abs().max() <= 2e-5 * exact.double().pow(2).mean().sqrt() + 2e-5


@pytest.mark.parametrize("form", CACHED)
def test_all_rows_at_once_are_random_cuts_are_single_rows(form: str) -> None:
    backbone, rows, x = make(CACHED[form]), rows_of(90, 90), torch.randn(2, 90, WIDTH)
    with torch.no_grad():
        whole = backbone(x, rows)
        for cuts in ([], [1, 2, 40, 89], list(range(1, 90))):
            state, parts = backbone.initial_state(2), []
            for first, last in zip([0, *cuts], [*cuts, 90], strict=True):
                part = Rows(rows.places[:, first:last], rows.lengths[:, first:last])
                y, state = backbone.extend(x[:, first:last], part, state)
                parts.append(y)
            assert (torch.cat(parts, 1) - whole).abs().max() <= 1e-5 * whole.pow(2).mean().sqrt() + 1e-6
    kept = CACHED[form].get("window", 0) - 1 if "window" in CACHED[form] else 90
    assert [part.longest if isinstance(part, History) else part.key.shape[1] for part in state] == [kept] * 2
    assert backbone.constant_state == ("window" in CACHED[form])


@pytest.mark.parametrize("form", CACHED)
def test_streamed_states_are_those_of_one_pass(make_model, records, form: str) -> None:
    model, record = make_model(family="transformer", backbone=CACHED[form]), records(120)[0]
    assert why_not_streamed(model) == ""
    batch = make_batch([record], [model.patcher.marks(record)])
    with torch.inference_mode():
        whole = model(**batch.inputs()).hidden_states
        stream = Stream(model)
        parts = [stream.take(np.array([[BOS]]), np.array([[True]]))]
        for at in range(0, 120, 7):
            parts.append(stream.take(record[None, at : at + 7], batch.starts[:, 2:].numpy()[:, at : at + 7]))
    assert (torch.cat(parts, 1) - whole).abs().max() < 1e-4 * whole.square().mean().sqrt()


def test_the_classic_control_rereads_with_a_notice(make_model, caplog) -> None:
    model = make_model(family="transformer", backbone={"classic": True})
    assert "keeps no keys and values" in why_not_streamed(model)
    with caplog.at_level(logging.WARNING, "genomelm"):
        text = "ACGTACGT" + decode(generate(model, encode("ACGTACGT"), 6, Sampling(temperature=0))[0])
    assert "costs a pass over all letters" in caplog.text
    ids = torch.from_numpy(np.concatenate([[BOS], encode(text)]))[None]
    with torch.no_grad():
        logits = model.head.letter_logits(model(input_ids=ids).hidden_states[0])
    assert "".join("ACGT"[n] for n in logits[8:-1].argmax(-1).tolist()) == text[8:]


def test_fresh_rezero_blocks_pass_their_input_on() -> None:
    torch.manual_seed(0)
    config = TransformerBackboneConfig(layers=6, rezero=True)
    blocks = transformer_blocks(ShellConfig(), PositionConfig(), config)
    x, rows = torch.randn(2, 9, 128), rows_of(9, 9)
    with torch.no_grad():
        for block in blocks:
            assert torch.equal(block(x, rows), x)
            assert torch.equal(block.extend(x, rows, block.initial_state(2))[0], x)
    loss = blocks[0](x, rows).square().sum()
    loss.backward()
    assert blocks[0].mixer_scale.grad.abs() > 0
    assert blocks[0].mlp_scale.grad.abs() > 0


@pytest.mark.parametrize(("option", "stable"), [("", True), ("rezero", True), ("classic", False)])
def test_forty_eight_layers_are_stable_unless_classic(make_model, records, option: str, stable: bool) -> None:
    """Gradients are of one size in the first block and the last; those of a post-norm stack drift apart."""
    backbone = {"layers": 48, **({option: True} if option else {})}
    model = make_model(family="transformer", loud=False, backbone=backbone).train()
    batch = batch_of(model, records(60, 50))
    labels = labels_for(model, batch)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.0)
    losses, shares = [], []
    for _ in range(15):
        optimizer.zero_grad()
        with watching(model) as seen:
            loss = bits_of(model, batch, labels)
            loss.backward()
        flow = seen.flow()
        numbers = torch.tensor([(layer.output, layer.gradient, layer.parameters) for layer in flow])
        assert numbers.isfinite().all()
        shares.append((numbers[:, 1].max() / numbers[:, 1].min()).item())
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.3
    assert max(losses) < losses[0] + 0.1
    assert (max(shares) < 30) == stable
    assert stable or max(shares) > 1000


@pytest.mark.parametrize(
    ("given", "value"), [("window", 4), ("positions", "alibi"), ("mlp", "geglu"), ("rezero", True)]
)
def test_the_classic_control_takes_no_other_options(given: str, value: object) -> None:
    with pytest.raises(
        UsageError, match=re.escape(f"backbone.classic fixes what stands in a block, and backbone.{given}")
    ):
        TransformerBackboneConfig(**{"classic": True, given: value})


@pytest.mark.parametrize("classic", [False, True])
def test_heads_that_do_not_split_the_width_are_told(classic: bool) -> None:
    config = TransformerConfig(shell={"width": 128}, backbone={"heads": 5, "classic": classic})
    with pytest.raises(UsageError, match="width of the patch states is 128, which does not split into 5 attention"):
        TransformerForCausalLM(config)


@pytest.mark.parametrize(
    ("size", "low", "high"), [("small", 6.8e6, 7.6e6), ("base", 1.05e8, 1.12e8), ("large", 3.35e8, 3.45e8)]
)
def test_sizes_are_those_of_hyena_glt(size: str, low: float, high: float) -> None:
    for objective in ("causal", "masked"):
        config = getattr(TransformerConfig, size)(objective)
        assert config.shell["objective"] == objective
        with torch.device("meta"):
            model = TransformerForCausalLM(config) if objective == "causal" else None
        assert model is None or low < sum(p.numel() for p in model.parameters()) < high
