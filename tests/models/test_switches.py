"""Each part of positions and branches can be switched on and off by itself, and does what its switch says."""

import dataclasses

import numpy as np
import pytest
import torch
from small_batches import batch_of, each_family, each_model, logits_of

from genomelm.errors import UsageError
from genomelm.models import geometry
from genomelm.models.encoding import make_batch
from genomelm.models.geometry import Patches
from genomelm.nn.rows import bucket

NONE = {"rotary": False, "distance": False, "length": False, "phase": False}
EVERYTHING = {
    "positions": {"codon": True, "sinusoidal": True},
    "branches": {"motif": 2, "structure": True, "conservation": True},
}


def parameters_of(model) -> set[str]:
    return {name for name, _ in model.named_parameters()}


@each_family
def test_parameters_exist_only_where_their_switch_is_on(make_model, family: str) -> None:
    plain = parameters_of(make_model(family=family))
    without = {
        "distance": "shell.distance.weight",
        "length": "shell.pooling.length.weight",
        "phase": "shell.phase.weight",
    }
    for name, parameter in without.items():
        assert plain - parameters_of(make_model(family=family, sections={"positions": {name: False}})) == {parameter}
    assert plain == parameters_of(make_model(family=family, sections={"positions": {"rotary": False}}))
    assert plain == parameters_of(make_model(family=family, sections={"positions": {"sinusoidal": True}}))
    added = {
        ("positions", "codon", True): {"codon.weight"},
        ("branches", "motif", 1): {"motif.weight", "motif.out.weight"},
        ("branches", "structure", True): {"structure.out.weight"},
        ("branches", "conservation", True): {"conservation.slope", "conservation.bias"},
    }
    for (section, name, value), names in added.items():
        more = parameters_of(make_model(family=family, sections={section: {name: value}})) - plain
        assert more == {f"shell.{n}" for n in names}


def scaled(monkeypatch, name: str, function) -> None:
    """Let a method of Patches return `function` of what it returned."""
    plain = getattr(Patches, name)
    monkeypatch.setattr(Patches, name, lambda patches: function(plain(patches)))


@each_family
@pytest.mark.parametrize("switch", [None, "rotary", "distance", "length", "phase", "sinusoidal"])
def test_a_model_is_told_of_positions_by_the_switches_alone(make_model, records, monkeypatch, family, switch) -> None:
    """All off but one: distances, lengths and coordinates that are wrong change the logits only where they are read."""
    positions = {**NONE, **({switch: True} if switch else {})}
    model, record = make_model(family=family, sections={"positions": positions}), records(120)[0]
    before = logits_of(model, [record])

    def moved(reads: set[str]) -> None:
        assert ((logits_of(model, [record]) - before).abs().max() > 1e-3) == (switch in reads)

    with monkeypatch.context() as patched:
        scaled(patched, "distance", lambda distance: distance * 2)
        moved({"distance"})
    with monkeypatch.context() as patched:
        scaled(patched, "first_byte", lambda first: first // 2)
        moved({"distance", "rotary"})
    with monkeypatch.context() as patched:
        built = Patches.from_starts
        patched.setattr(Patches, "from_starts", lambda *given: further(built(*given)))
        moved({"distance", "rotary", "phase", "sinusoidal"})
    if switch == "length":  # operators know padding by the lengths, so it is the feature that is changed
        model.shell.pooling.length.weight.data *= 2
        moved({"length"})


def further(patches: Patches) -> Patches:
    return dataclasses.replace(patches, places=patches.places * 2)


def tracks(record: np.ndarray) -> dict[str, list[np.ndarray]]:
    random = np.random.default_rng(0)
    values = random.normal(size=len(record)).astype(np.float32)
    return {
        "codon_phase": [np.arange(len(record)) % 3],
        "conservation": [np.where(random.random(len(record)) < 0.4, np.nan, values).astype(np.float32)],
    }


@each_model
def test_codon_phases_and_conservation_are_read_and_missing_ones_are_neutral(
    make_model, records, family, objective
) -> None:
    model, record = make_model(family=family, objective=objective, sections=EVERYTHING), records(120)[0]
    marks, given = model.patcher.marks(record), tracks(record)
    with torch.no_grad():
        plain = model(**make_batch([record], [marks]).inputs()).logits
        nothing = {
            "codon_phase": [np.full(len(record), 3)],
            "conservation": [np.full(len(record), np.nan, np.float32)],
        }
        missing = model(**make_batch([record], [marks], **nothing).inputs()).logits
        torch.testing.assert_close(missing, plain)
        for name, value in given.items():
            told = model(**make_batch([record], [marks], **{name: value}).inputs()).logits
            assert (told - plain).abs().max() > 1e-3


@pytest.mark.parametrize("name", ["codon_phase", "conservation"])
def test_what_a_model_does_not_read_is_refused(make_model, records, name: str) -> None:
    model, record = make_model(), records(30)[0]
    batch = make_batch([record], [model.patcher.marks(record)], **{name: tracks(record)[name]})
    with pytest.raises(UsageError, match="this model reads no"):
        model(**batch.inputs())


@each_model
def test_with_everything_on_a_row_is_what_it_is_alone(make_model, records, family, objective) -> None:
    model, made = make_model(family=family, objective=objective, sections=EVERYTHING), records(70, 3, 41)
    together = logits_of(model, made)
    for row, record in enumerate(made):
        torch.testing.assert_close(
            together[row, : 1 + len(record)], logits_of(model, [record])[0], atol=1e-5, rtol=1e-5
        )


@each_model
def test_logits_do_not_depend_on_the_bucket_of_patches(make_model, records, monkeypatch, family, objective) -> None:
    model, made = make_model(family=family, objective=objective, sections=EVERYTHING), records(133, 60)
    batch, seen = batch_of(model, made), []
    exact = model(**batch.inputs()).logits
    monkeypatch.setattr(geometry, "padded_count", lambda count, device: seen.append(count) or bucket(count + 9))
    padded = model(**batch.inputs()).logits
    assert seen
    torch.testing.assert_close(padded[batch.mask], exact[batch.mask], atol=1e-5, rtol=1e-5)


def test_buckets_are_few_and_hold_their_counts() -> None:
    counts = range(1, 70_000)
    buckets = [bucket(count) for count in counts]
    assert all(count <= found for count, found in zip(counts, buckets, strict=True))
    assert all(found <= max(32, 1.25 * count) for count, found in zip(counts, buckets, strict=True))
    assert set(buckets) == {16 + 2**a * n // 4 for a in range(4, 18) for n in (4, 5, 6, 7) if 2**a * n // 4 <= 81920}
    assert [bucket(2**n + 1) for n in range(7, 12)] == [2**n + 16 for n in range(7, 12)]
    assert geometry.padded_count(17, torch.device("cpu")) == 17
    assert geometry.padded_count(17, torch.device("cuda")) == 32
