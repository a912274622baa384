"""What a masked model knows of a hidden byte: nothing of itself, and both its sides."""

import shutil

import numpy as np
import pytest
import torch
from small_batches import batch_of, each_family, labels_for, states_of

from genomelm.errors import UsageError
from genomelm.models import GenomeModel, GryphonConfig, GryphonForCausalLM, GryphonForMaskedLM, load_model
from genomelm.models.classes import CLASSES
from genomelm.models.config import HeadConfig, ShellConfig
from genomelm.models.encoding import make_batch
from genomelm.models.families import CONFIGS
from genomelm.models.heads import ByteLMHead
from genomelm.seq.alphabet import BOS, MASK, PAD

LENGTH, SITE = 240, 120
"""Bases of a record and its hidden one; by fives they make 48 patches, in Gryphon 12 blocks."""


@torch.no_grad()
def logits_where_hidden(model: GenomeModel, record: np.ndarray, site: int) -> torch.Tensor:
    batch = make_batch([record], [model.patcher.marks(record)])
    where = torch.arange(batch.ids.shape[1])[None] == 1 + site
    return model(**batch.hidden(where).inputs()).logits[0, 1 + site]


def substituted(record: np.ndarray, place: int) -> np.ndarray:
    other = record.copy()
    other[place] = 65 if record[place] != 65 else 67
    return other


@each_family
def test_a_hidden_bytes_logits_do_not_depend_on_what_it_is(make_model, records, family: str) -> None:
    model, record = make_model(family=family, objective="masked"), records(LENGTH)[0]
    for site in (0, 1, SITE, LENGTH - 1):
        before = logits_where_hidden(model, record, site)
        for letter in b"ACGTN":
            other = record.copy()
            other[site] = letter
            assert torch.equal(logits_where_hidden(model, other, site), before)


def test_entropy_patches_would_tell_of_a_hidden_byte(patcher, make_model, records) -> None:
    """Why they are refused: the boundaries behind a base move with what it is."""
    stride, record = make_model(objective="masked").patcher, records(LENGTH)[0]
    cut = {tuple(patcher.marks(substituted(record, place))) for place in range(SITE, SITE + 9)}
    assert len(cut) > 1
    assert len({tuple(stride.marks(substituted(record, place))) for place in range(SITE, SITE + 9)}) == 1


@each_family
@pytest.mark.parametrize("side", [-1, 1])
def test_both_sides_move_a_hidden_bytes_logits(make_model, records, family: str, side: int, monkeypatch) -> None:
    """Near ones through the local layers; from far away only the backbone can carry them."""
    model, record = make_model(family=family, objective="masked"), records(LENGTH)[0]

    def moved(*distances: int) -> float:
        other = record
        for distance in distances:
            other = substituted(other, SITE + side * distance)
        change = logits_where_hidden(model, other, SITE) - logits_where_hidden(model, record, SITE)
        return float(change.abs().max())

    for distance in (1, 2, 4):
        assert moved(distance) > 1e-3
    for distance in (30, 60, 100):
        assert moved(*range(distance, distance + 10)) > 1e-5
    monkeypatch.setattr(model.shell.backbone, "forward", lambda x, rows: x)
    assert moved(4) > 1e-3
    assert moved(*range(30, 120)) == 0


@each_family
def test_patches_that_are_cut_by_the_bytes_are_refused(make_model, patcher, family: str, tmp_path) -> None:
    masked = make_model(family=family, objective="masked")
    with pytest.raises(UsageError, match="patches of mode entropy.*fixed_stride or byte") as caught:
        type(masked)(masked.config, patcher)
    assert caught.value.exit_code == 2
    task = CLASSES[masked.config.model_type, "token_classification"]
    with pytest.raises(UsageError, match="patches of mode entropy"):
        task(CONFIGS[masked.config.model_type](shell=masked.config.shell, backbone=masked.config.backbone), patcher)
    masked.save_pretrained(tmp_path / "model")
    load_model(tmp_path / "model")
    shutil.rmtree(tmp_path / "model" / "patcher")
    patcher.save(tmp_path / "model" / "patcher")
    with pytest.raises(UsageError, match="patches of mode entropy"):
        load_model(tmp_path / "model")


def test_a_shell_of_the_other_objective_is_refused() -> None:
    with pytest.raises(UsageError, match="a causal shell has the head causal_lm, not masked_lm"):
        GryphonForMaskedLM(GryphonConfig.tiny())
    with pytest.raises(UsageError, match="a masked shell has the head masked_lm, not causal_lm"):
        GryphonForCausalLM(GryphonConfig.tiny("masked"))
    assert GryphonForMaskedLM(GryphonConfig.tiny("masked")).objective == "masked"


@torch.no_grad()
def test_the_masked_loss_reads_the_labelled_rows_unshifted() -> None:
    torch.manual_seed(0)
    head = ByteLMHead(ShellConfig(local_width=16, objective="masked"), HeadConfig(kind="masked_lm"))
    states, ids, mask = states_of("ACGTNCGA", "GAT")
    logits = head(states, ids, mask)
    labels = torch.full_like(ids, -100)
    for row, place in ((0, 1), (0, 5), (0, 8), (1, 3)):
        labels[row, place] = ids[row, place]
    known = (logits[labels >= 0] @ torch.eye(260))[labels[labels >= 0] != ord("N")]  # base 4 is an N: not scored
    choices = known[:, [ord(letter) for letter in "ACGT"]].double()
    truth = ["ACGT".index(chr(i)) for i in labels[labels >= 0].tolist() if i != ord("N")]
    expected = choices.logsumexp(1) - choices[range(len(truth)), truth]
    each = head.nats(states, labels)
    assert each.shape == labels.shape
    torch.testing.assert_close(each[each != 0].double(), expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(head.loss(states, ids, mask, labels).double(), expected.mean(), atol=1e-6, rtol=0)
    assert head.loss(states, ids, mask, torch.full_like(ids, -100)) == 0


@each_family
@torch.no_grad()
def test_labels_elsewhere_than_at_letters_cost_nothing(make_model, records, family: str) -> None:
    model = make_model(family=family, objective="masked")
    batch = batch_of(model, records(50, 20))
    labels = labels_for(model, batch)
    before = model(**batch.inputs(), labels=labels).loss
    more = torch.where(labels < 0, batch.ids, labels)
    more = torch.where(torch.isin(more, torch.tensor([BOS, PAD, MASK, ord("N")])), more, labels)
    assert (more != labels).any()
    assert torch.equal(model(**batch.inputs(), labels=more).loss, before)
