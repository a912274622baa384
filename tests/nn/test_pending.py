"""A convolution row by row: outputs are those of all rows at once, however they come and often the storage moves."""

import pytest
import torch

from genomelm.nn.pending import ROOM, Pending
from genomelm.nn.shortconv import ShortConv


def made(taps: int, dilation: int) -> ShortConv:
    torch.manual_seed(0)
    conv = ShortConv(3, taps, dilation).double().requires_grad_(False)
    conv.bias.normal_()
    return conv


@pytest.mark.parametrize("sizes", [[1], [2, 1, 1, 5, 1, 40], [300, 1]])
@pytest.mark.parametrize(("taps", "dilation"), [(1, 1), (2, 1), (4, 3)])
def test_outputs_are_those_of_one_pass_in_any_pieces(taps: int, dilation: int, sizes: list[int]) -> None:
    conv, rows = made(taps, dilation), torch.randn(2, 3 * ROOM + 7, 3, dtype=torch.float64)
    pending, found, at = Pending(conv).repeat(2), [], 0
    while at < rows.shape[1]:
        part = rows[:, at : at + sizes[len(found) % len(sizes)]]
        one = part.shape[1] == 1
        found.append(pending.add(part[:, 0]).clone()[:, None] if one else pending.extend(part))
        at += part.shape[1]
    assert torch.allclose(torch.cat(found, 1), conv(rows), rtol=0, atol=1e-12)


def test_an_output_may_be_written_over() -> None:
    conv, rows = made(3, 1), torch.randn(9, 1, 3, dtype=torch.float64)
    pending, other = Pending(conv), Pending(conv)
    for row in rows:
        found, wanted = pending.add(row), other.add(row).clone()
        assert torch.equal(found, wanted)
        found.zero_()


def test_a_repeated_one_goes_on_by_itself() -> None:
    conv, rows = made(3, 2), torch.randn(4, 1, 3, dtype=torch.float64)
    pending = Pending(conv)
    pending.add(rows[0])
    other, size = pending.repeat(2), pending.nbytes
    assert other.nbytes == 2 * size
    both = torch.cat([rows[1], rows[2]])
    assert torch.equal(other.add(both)[:1], pending.add(rows[1]))
    assert not torch.equal(other.add(both)[1:], pending.add(rows[3]))
    assert torch.allclose(other.add(both)[1:], conv(torch.stack([rows[0], *[rows[2]] * 3], 1)[:, :4])[:, -1])
