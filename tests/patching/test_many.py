"""Records cut together have the starts that they have alone."""

import numpy as np
import pytest

from genomelm.patching.config import PatcherConfig
from genomelm.patching.count_model import CountModel
from genomelm.patching.many import JOINED_MODES, marks_of_many
from genomelm.patching.parameters import SCORED
from genomelm.patching.patcher import Patcher
from genomelm.seq.alphabet import encode

LENGTHS = (90, 0, 1, 2, 31, 7, 500, 3, 64)


@pytest.fixture(scope="module")
def sequences():
    random = np.random.default_rng(4)
    return [encode("".join(random.choice(list("ACGTN"), n, p=[0.28, 0.2, 0.2, 0.28, 0.04]))) for n in LENGTHS]


@pytest.fixture(scope="module")
def counted(sequences):
    return CountModel.fit(sequences, 4)


@pytest.mark.parametrize("isolate", [(), ("n",)])
@pytest.mark.parametrize("mode", [*JOINED_MODES, "monotonic", "dual_threshold", "optimal"])
def test_records_are_cut_as_they_are_alone(sequences, counted, mode, isolate):
    thresholds = {"greedy": 6.0, "monotonic": 0.01, "dual_threshold": 1.3}
    middle = float(np.median(np.concatenate([counted.scores(ids) for ids in sequences])))
    limits = {"min": 3, "max": 12, "multiple": 3} if mode == "length_constrained" else {}
    config = PatcherConfig(
        mode, threshold=thresholds.get(mode, middle), stride=5, order=4, isolate=isolate, delta=0.01, **limits
    )
    patcher = Patcher(config, counted if mode in SCORED else None)
    together = marks_of_many(patcher, sequences)
    assert len(together) == len(sequences)
    for ids, marks in zip(sequences, together, strict=True):
        assert np.array_equal(marks, patcher.marks(ids))
    assert marks_of_many(patcher, []) == []
    if mode != "byte" and not isolate:
        assert 1 < sum(marks[:-1].sum() for marks in together) < sum(LENGTHS)
