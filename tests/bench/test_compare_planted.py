"""Planted sequences: what can be known, and what neither part of an enhancer's sequence tells of a label."""

import dataclasses

import numpy as np
import pytest

from genomelm.bench.compare_grid import EnhancerPart, RecallPart
from genomelm.bench.compare_planted import ASKED, LETTERS, distances, enhancer, motifs, recall
from genomelm.errors import UsageError

RECALL = RecallPart(flops=(1.0,), means=(1,), lengths=(400,), key=6, value=3, pairs=4, queries=2)
ENHANCER = EnhancerPart(
    flops=1.0, lengths=(1200,), warm_up=(), near=200, far=700, motif=12, promoters=3, spacing=40, tests=8
)


def find(row: np.ndarray, site: np.ndarray) -> list[int]:
    return [i for i in range(len(row) - len(site) + 1) if (row[i : i + len(site)] == LETTERS[site]).all()]


def test_every_value_that_is_asked_for_followed_its_key_before() -> None:
    planted = recall(RECALL, 400, 5, 1)
    assert planted.where.shape == (5, 4 * 2 * 3)
    for row, where, answers in zip(planted.ids, planted.where, planted.answers, strict=True):
        assert (np.diff(where) > 0).all()
        for start in where[::3]:
            key = bytes(row[start - 6 : start])
            before = bytes(row[: start - 6])
            assert key in before
            assert bytes(row[start : start + 3]) in [
                before[i + 6 : i + 9] for i in range(len(before)) if before[i : i + 6] == key
            ]
        assert (LETTERS[answers] == row[where]).all()


def test_what_training_tells_of_keys_is_the_second_half_of_those_that_were_there_before() -> None:
    planted = recall(RECALL, 400, 5, 1)
    starts = planted.where[:, ::3] - 6
    assert (planted.told.reshape(5, -1, 3)[..., 0] == starts + 3).all()
    assert (np.take_along_axis(planted.ids, planted.told, 1) == LETTERS[planted.kinds]).all()


def test_values_and_offsets_are_random() -> None:
    planted = recall(RECALL, 400, 400, "many")
    shares = np.bincount(planted.answers[:, ::3].ravel(), minlength=4) / planted.answers[:, ::3].size
    assert shares == pytest.approx([0.25] * 4, abs=0.03)
    assert len(set((planted.where[:, 0] % 8).tolist())) == 8


def test_the_planted_sequences_are_functions_of_their_counters() -> None:
    for make, part, length in ((recall, RECALL, 400), (enhancer, ENHANCER, 1200)):
        one, again, other = (make(part, length, 3, "a", seed) for seed in (1, 1, 2))
        assert all(np.array_equal(getattr(one, f.name), getattr(again, f.name)) for f in dataclasses.fields(one))
        assert not np.array_equal(one.ids, other.ids)


def test_a_label_is_the_exclusive_or_of_two_sites_at_the_wanted_distance() -> None:
    planted = enhancer(ENHANCER, 1200, 40, 1)
    enhancers, promoters = motifs(ENHANCER)
    for row, where, answers in zip(planted.ids, planted.where, planted.answers, strict=True):
        found = {kind: find(row, site) for kind, site in enumerate(enhancers)}
        ((mine, (first,)),) = [(kind, places) for kind, places in found.items() if places]
        starts = where - ASKED - 11
        assert 200 <= starts[0] - first <= 700
        for start, place, answer in zip(starts, where, answers, strict=True):
            kind = next(kind for kind, site in enumerate(promoters) if start in find(row, site))
            assert answer == mine ^ kind
            assert place == start + 11 + ASKED


def test_neither_part_alone_tells_anything_of_the_label() -> None:
    """Both kinds are fair coins of their own: within each kind of either part both labels are as frequent."""
    planted = enhancer(ENHANCER, 1200, 2000, "many")
    mine, theirs = planted.kinds[:, 0], planted.kinds[:, -3:]
    error = 4 * 0.5 / np.sqrt(2000 / 2)
    for kind in (0, 1):
        assert planted.answers[mine == kind].mean(0) == pytest.approx([0.5] * 3, abs=error)
        for promoter in range(3):
            assert planted.answers[theirs[:, promoter] == kind, promoter].mean() == pytest.approx(0.5, abs=error)


def test_sequences_without_room_for_the_distance_have_an_eighth_of_it() -> None:
    assert distances(EnhancerPart(flops=1.0), 131072) == (10_000, 100_000)
    assert distances(EnhancerPart(flops=1.0), 16384) == (10_000, 16384 - 256)
    assert distances(EnhancerPart(flops=1.0), 1024) == (96, 768)
    planted = enhancer(ENHANCER, 320, 100, 1)
    enhancers = motifs(ENHANCER)[0]
    for row, where in zip(planted.ids, planted.where, strict=True):
        first = max(find(row, enhancers[0]) + find(row, enhancers[1]))
        assert 25 <= where[0] - ASKED - 11 - first <= 200


@pytest.mark.parametrize(
    ("part", "change", "message"),
    [
        (RECALL, {"lengths": (100,)}, "fill 108"),
        (RECALL, {"key": 1}, "not 4 different keys"),
        (RECALL, {"flops": (1.0, 1.0)}, "an entry each for every mean"),
        (ENHANCER, {"spacing": 15}, "make it longer"),
        (ENHANCER, {"lengths": (300,)}, "of 312 bases or more"),
    ],
)
def test_settings_without_room_for_the_sites_are_refused(part: object, change: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        dataclasses.replace(part, **change)
