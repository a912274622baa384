"""Estimates from shapes alone: what a real step computes, keeps and holds, for every family and operator."""

import json
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from typer.testing import CliRunner

from genomelm.cli import app
from genomelm.models.classes import CLASSES
from genomelm.models.dry_run import ATTENTION, Counts, dry_run
from genomelm.models.estimate import estimate, largest_batch
from genomelm.models.families import GenomeConfig, GryphonConfig, HyenaDNAConfig, HyenaGLTConfig, TransformerConfig
from genomelm.models.operations import cost_of

SHELL = {"local_width": 16, "local_heads": 2, "width": 32, "kmers": [3]}
STRIPED = {"layout": "SMLA", "layers": 4, "hidden": 48, "medium_taps": 20, "window": 24, "order": 3, "groups": 8}
SPAN = {"where": "span", "first": 1, "mean": 2.0, "min": 2, "max": 2}
MODELS = {
    "default": HyenaGLTConfig(shell=SHELL, backbone={"hidden": 48}),
    "striped": HyenaGLTConfig(shell=SHELL, backbone={**STRIPED, "output_gate": True}),
    "modal": HyenaGLTConfig(shell=SHELL, backbone={"long": "modal", "base_distance": False, "hidden": 48}),
    "distance": HyenaGLTConfig(shell=SHELL, backbone={"base_distance": True, "hidden": 48}),
    "dense": HyenaGLTConfig(shell=SHELL, backbone={"layout": "A", "window": 0, "hidden": 48}),
    "merged": HyenaGLTConfig(shell=SHELL, backbone={"layers": 3, "hidden": 48}, merge=SPAN),
    "branches": HyenaGLTConfig(shell=SHELL, branches={"motif": 2, "structure": True}),
    "masked": HyenaGLTConfig(shell={**SHELL, "objective": "masked", "window": 3}, backbone={"layout": "LS"}),
    "gryphon": GryphonConfig(shell=SHELL, backbone={"hidden": 48, "state": 16, "block": 8}),
    "transformer": TransformerConfig(shell=SHELL, backbone={"hidden": 48}),
    "alibi": TransformerConfig(shell=SHELL, backbone={"positions": "alibi", "window": 24, "rezero": True}),
    "classic": TransformerConfig(shell=SHELL, backbone={"hidden": 48, "classic": True}),
    "mixed": HyenaGLTConfig(shell={**SHELL, "alphabet": "mixed"}, branches={"motif": 2, "structure": True}),
    "hyenadna": HyenaDNAConfig(shell={"local_width": 32}),
}
PLAIN = ("modal", "gryphon", "transformer", "alibi", "classic")
"""Models without FFTs, beside layouts without L."""

BATCH, LENGTH, PATCH = 2, 255, 4


def real_step(config: GenomeConfig) -> tuple[Counts, int]:
    """Run a training step on the CPU; the second number is the bytes of parameters' gradients."""
    torch.manual_seed(0)
    kind = "masked_lm" if config.shell["objective"] == "masked" else "causal_lm"
    model = CLASSES[config.model_type, kind](config).train()
    ids = torch.randint(0, 4, (BATCH, LENGTH + 1))
    ids = torch.tensor([ord(letter) for letter in "ACGT"])[ids]
    starts = (torch.arange(LENGTH + 2) % PATCH == 1).expand(BATCH, -1).clone()
    starts[:, 0] = True
    ours = {t.untyped_storage().data_ptr() for t in (*model.parameters(), *model.buffers(), ids, starts)}
    saved: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in ours:
            saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    with FlopCounterMode(display=False, custom_mapping=ATTENTION) as counter:
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            loss = model(input_ids=ids, patch_starts=starts, labels=ids, return_logits=False).loss
        forward = counter.get_total_flops()
        loss.backward()
    gradients = sum(p.grad.nbytes for p in model.parameters() if p.grad is not None)
    return Counts(forward, counter.get_total_flops(), sum(saved.values()), 0), gradients


@pytest.mark.parametrize("name", MODELS)
def test_counted_from_shapes_is_what_a_real_step_takes(name: str) -> None:
    config = MODELS[name]
    found = dry_run(config, BATCH, LENGTH, PATCH, device="cpu")
    real, gradients = real_step(config)
    transforms = found.forward - real.forward  # torch's counter does not see FFTs
    has_transforms = "L" in config.backbone.get("layout", "L") and name not in PLAIN
    assert (0.01 if has_transforms else -0.02) * real.forward < transforms < 1.5 * real.forward
    if not has_transforms:
        assert found.forward == pytest.approx(real.forward, rel=0.02)
        assert found.step == pytest.approx(real.step, rel=0.02)
    assert found.saved == pytest.approx(real.saved, rel=0.03)
    assert found.peak > found.saved
    assert found.peak > gradients


def test_transforms_are_counted_as_the_formula_has_them() -> None:
    config = MODELS["default"]
    model = CLASSES[config.model_type, "causal_lm"](config)
    patches = 64  # with BOS; twice as many are a power of two
    bases = (patches - 1) * PATCH
    expected = cost_of(model).forward(BATCH, bases + 1, BATCH * patches, patches)
    assert dry_run(config, BATCH, bases, PATCH, device="cpu").forward == pytest.approx(expected, rel=1e-6)


def test_dense_attention_is_counted_pair_by_pair() -> None:
    """Four operations a pair and channel forward, ten backward; what grows as the patches do cancels."""
    shell, lengths = {**SHELL, "window": 1}, (4 * 511, 4 * 1023)
    counts = [dry_run(TransformerConfig(shell=shell, backbone={"layers": 3}), 1, n, 4, device="cpu") for n in lengths]
    none = [
        dry_run(HyenaGLTConfig(shell=shell, backbone={"layers": 3, "layout": "A", "window": 1}), 1, n, 4, device="cpu")
        for n in lengths
    ]
    pairs = [512 * 512, 1024 * 1024]
    for kind, factor in (("forward", 4), ("step", 14)):
        grown = [getattr(dense, kind) - getattr(near, kind) for dense, near in zip(counts, none, strict=True)]
        assert grown[1] - 2 * grown[0] == pytest.approx(factor * 3 * 32 * (pairs[1] - 2 * pairs[0]), rel=1e-3)


def test_merging_saves_operations_and_memory_and_bfloat16_saves_memory() -> None:
    plain = HyenaGLTConfig(shell=SHELL, backbone={"layers": 3, "hidden": 48})
    whole, merged = (dry_run(c, BATCH, 1024, PATCH, device="cpu") for c in (plain, MODELS["merged"]))
    assert merged.step < whole.step
    assert merged.saved < whole.saved
    assert dry_run(plain, BATCH, 1024, PATCH, torch.bfloat16, "cpu").saved < 0.8 * whole.saved


def test_on_a_gpu_patches_are_padded_to_a_bucket() -> None:
    on_cpu, on_gpu = (dry_run(MODELS["default"], 1, 1024, 8, device=device) for device in ("cpu", "cuda"))
    assert on_cpu.forward < on_gpu.forward < 1.3 * on_cpu.forward


def test_a_large_model_is_estimated_where_it_would_never_fit() -> None:
    found = estimate(HyenaGLTConfig.large(), 8, 65_536, 8, torch.bfloat16)
    assert 335e6 < found.parameters < 345e6
    assert found.tables == (5**3 + 5**4 + 5**5) * 256
    assert found.optimizer == 2 * 4 * found.parameters
    assert found.memory > 100 * 2**30
    # Two operations a weight and patch, three times for forward and backward, and the shell and FFTs on top.
    assert 6 * found.parameters / 8 < found.counts.step / found.bases < 2 * 6 * found.parameters / 8


def test_the_largest_batch_is_the_last_that_fits() -> None:
    config, limit = MODELS["default"], 40 << 20
    batch = largest_batch(config, limit, 1024, 8, torch.float32, "cpu")
    assert batch > 1
    assert estimate(config, batch, 1024, 8, device="cpu").memory <= limit
    assert estimate(config, batch + 1, 1024, 8, device="cpu").memory > limit
    assert largest_batch(config, 1 << 20, 1024, 8, torch.float32, "cpu") == 0


def test_the_command_reads_model_files_and_folders_alike(tmp_path: Path) -> None:
    config = HyenaGLTConfig(shell=SHELL, backbone={"layers": 1})
    CLASSES[config.model_type, "causal_lm"](config).save_pretrained(tmp_path / "model")
    file = tmp_path / "model.yaml"
    file.write_text(json.dumps({"family": "hyena_glt", "shell": SHELL, "backbone": {"layers": 1}}))
    options = ["--length", "512", "--batch", "2", "--device", "cpu"]
    found = []
    for path in (tmp_path / "model", file):
        done = CliRunner().invoke(app, ["estimate", str(path), *options, "--json"])
        assert done.exit_code == 0, done.output
        found.append(json.loads(done.stdout))
        assert found[-1].pop("model") == str(path)
    assert found[0] == found[1]
    assert found[0]["parameters"] - found[0]["parameters_without_tables"] == 5**3 * 16
    shown = CliRunner().invoke(app, ["estimate", str(file), *options, "--memory", "0.0001"])
    assert shown.exit_code == 2
    shown = CliRunner().invoke(app, ["estimate", str(file), *options, "--memory", "0.1"]).stdout
    assert f"{found[0]['parameters']:,} (" in shown
    assert "windows a step at most" in shown


@pytest.mark.parametrize(("option", "value"), [("--dtype", "int8"), ("--device", "abacus")])
def test_an_option_that_nothing_is_known_of_is_refused(option: str, value: str) -> None:
    done = CliRunner().invoke(app, ["estimate", "configs/models/hyena_glt_tiny.yaml", option, value])
    assert done.exit_code == 2
    assert f"{option} {value} is unknown" in done.stderr


def test_hashed_tables_and_those_of_every_alphabet_count_as_tables() -> None:
    hashed = {**SHELL, "hashed_kmers": [6, 8], "hash_buckets": 100}
    exact, more = 5**3 * 16, 2 * 101 * 16  # a row for no k-mer
    assert estimate(HyenaGLTConfig(shell=hashed), 1, 64, 8).tables == exact + more
    assert estimate(HyenaGLTConfig(shell={**hashed, "alphabet": "mixed"}), 1, 64, 8).tables == exact + more + 21**2 * 16
