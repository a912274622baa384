"""Batches and labels that fit any head, and the cases that laws over models run through."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from genomelm.models import GenomeModel
from genomelm.models.encoding import Batch, make_batch
from genomelm.models.heads import IGNORED
from genomelm.seq.alphabet import BOS, PAD, encode, reverse_complement_ids

TASKS = ["sequence_classification", "token_classification", "regression", "variant_effect"]
KINDS = ["language", *TASKS]
FAMILIES = ["hyena_glt", "gryphon", "transformer"]
PAIRS = [(family, objective) for family in FAMILIES for objective in ("causal", "masked")]

each_kind = pytest.mark.parametrize("kind", KINDS)
each_family = pytest.mark.parametrize("family", FAMILIES)
each_model = pytest.mark.parametrize(("family", "objective"), PAIRS)


def batch_of(model: GenomeModel, records: Sequence[np.ndarray]) -> Batch:
    """Return records as a batch: half of them references of a variant effect; a masked model has every sixth hidden."""
    references = len(records) // 2 if model.head_kind == "variant_effect" else 0
    reverse = [model.patcher.marks(reverse_complement_ids(r)) for r in records] if model.is_conjoined else None
    batch = make_batch(records, [model.patcher.marks(record) for record in records], references, reverse)
    return batch.hidden(torch.arange(batch.ids.shape[1]) % 6 == 2) if model.head_kind == "masked_lm" else batch


def logits_of(model: GenomeModel, records: Sequence[np.ndarray]) -> torch.Tensor:
    with torch.no_grad():
        return model(**batch_of(model, records).inputs()).logits


def labels_for(model: GenomeModel, batch: Batch, seed: int = 0) -> torch.Tensor:
    """Return labels of the head's kind: letters of hidden bytes are random ones."""
    random, outputs = torch.Generator().manual_seed(seed), model.config.head["outputs"]
    letters = torch.tensor([65, 67, 71, 84])[torch.randint(0, 4, batch.ids.shape, generator=random)]
    numbers = torch.randn(len(batch.ids) - batch.references, outputs, generator=random)
    return {
        "causal_lm": torch.where(batch.mask, batch.ids, IGNORED),
        "masked_lm": torch.where(batch.ids == 259, letters, IGNORED),
        "sequence_classification": torch.arange(len(batch.ids)) % max(outputs, 2),
        "token_classification": torch.where(batch.mask & (batch.ids != BOS), batch.ids % max(outputs, 2), IGNORED),
        "regression": numbers,
        "variant_effect": numbers,
    }[model.head_kind]


def bits_of(model: GenomeModel, batch: Batch, labels: torch.Tensor) -> torch.Tensor:
    """Return the language model's loss in bits per scored base."""
    return model(**batch.inputs(), labels=labels, return_logits=False).loss / math.log(2)


def states_of(*rows: str, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return random byte states (b, l, 16), ids (b, l) with BOS and PAD, and mask (b, l)."""
    length = 1 + max(map(len, rows))
    ids = torch.full((len(rows), length), PAD)
    for n, row in enumerate(rows):
        ids[n, 0] = BOS
        ids[n, 1 : 1 + len(row)] = torch.from_numpy(encode(row))
    states = torch.randn(*ids.shape, 16, generator=torch.Generator().manual_seed(seed))
    return states, ids, ids != PAD
