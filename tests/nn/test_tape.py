"""The newest rows of sequences: the same as of all rows, however often the storage moves."""

import pytest
import torch

from genomelm.nn.tape import ROOM, Tape


@pytest.mark.parametrize("keep", [0, 1, 5])
def test_the_newest_rows_are_those_of_all_rows(keep: int) -> None:
    rows = torch.arange(4.0 * (keep + 3 * ROOM)).view(-1, 2, 2)
    tape, end = Tape(rows[:keep]), keep
    before = tape.nbytes
    for end in range(keep, len(rows)):
        tape.write(rows[end], keep)
        assert torch.equal(tape.newest(keep + 1), rows[end - keep : end + 1])
    assert tape.nbytes == before


def test_a_repeated_tape_goes_on_by_itself() -> None:
    tape = Tape(torch.arange(3.0)[:, None])
    other = tape.repeat(2, 2)
    other.write(torch.tensor([8.0, 9.0]), 2)
    tape.write(torch.tensor([5.0]), 2)
    assert other.newest(3).tolist() == [[1, 1], [2, 2], [8, 9]]
    assert tape.newest(3)[:, 0].tolist() == [1, 2, 5]
