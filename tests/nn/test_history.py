"""Rows that are all kept: sequences of unequal length, states that are extended twice, storage that doubles."""

import numpy as np
import torch

from genomelm.nn.held import Chosen
from genomelm.nn.history import FEWEST, History


def some(*numbers: int) -> Chosen:
    return Chosen(np.array(numbers), torch.tensor(numbers))


def begun(batch: int) -> History:
    return History.empty(torch.zeros(batch, 0, 2), torch.zeros(batch, 0, dtype=torch.int64))


def test_rows_stand_where_they_were_written_whoever_writes_when() -> None:
    random = np.random.default_rng(0)
    history, wanted = begun(4), [[] for _ in range(4)]
    for number in range(200):
        chosen = some(*sorted(random.choice(4, random.integers(1, 5), replace=False).tolist()))
        new = torch.full((len(chosen.numbers), 1), number) + torch.arange(len(chosen.numbers))[:, None] * 1000
        after = history.select(chosen).written(new[..., None].expand(-1, -1, 2).float(), new)
        history = history.put(chosen, after)
        for row, value in zip(chosen.numbers.tolist(), new[:, 0].tolist(), strict=True):
            wanted[row].append(value)
    rows, places = history.rows()
    assert history.count.tolist() == [len(row) for row in wanted]
    assert not history.is_even
    assert rows.shape == (4, history.longest, 2)
    for row in range(4):
        there = history.there()[row]
        assert there.sum() == history.count[row]
        assert places[row][there].tolist() == wanted[row]
        assert rows[row][there][:, 1].tolist() == wanted[row]
    assert history.select(some(2, 0)).rows()[1][0, :3].tolist() == wanted[2][:3]


def test_a_history_that_was_written_behind_is_as_it_was() -> None:
    first = begun(2).written(torch.ones(2, 3, 2), torch.arange(6).view(2, 3))
    second, third = (first.written(torch.ones(2, 1, 2), torch.full((2, 1), value)) for value in (7, 8))
    assert first.rows()[1].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert second.rows()[1][:, 3].tolist() == [7, 7]
    assert third.rows()[1][:, 3].tolist() == [8, 8]


def test_a_repeated_history_shares_nothing() -> None:
    first = begun(1).written(torch.ones(1, 2, 2), torch.arange(2)[None])
    other = first.repeated(3).written(torch.ones(3, 1, 2), torch.tensor([[5], [6], [7]]))
    assert other.rows()[1].tolist() == [[0, 1, 5], [0, 1, 6], [0, 1, 7]]
    assert first.written(torch.ones(1, 1, 2), torch.tensor([[9]])).rows()[1].tolist() == [[0, 1, 9]]


def test_storage_is_moved_only_when_its_size_doubles() -> None:
    history, moves = begun(1), []
    for number in range(8 * FEWEST):
        before = history.tensors()[0].data_ptr()
        history = history.written(torch.ones(1, 1, 2), torch.tensor([[number]]))
        if history.tensors()[0].data_ptr() != before:
            moves.append(number)
    assert moves == [FEWEST, 2 * FEWEST, 4 * FEWEST]
