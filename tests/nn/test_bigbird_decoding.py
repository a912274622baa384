"""BigBird attention row by row: the parallel form's rows, a constant read, and storage that doubles."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from genomelm.errors import UsageError
from genomelm.nn.bigbird import BigBirdAttention
from genomelm.nn.rows import Rows


def make(block: int = 4, **more) -> BigBirdAttention:
    torch.manual_seed(0)
    return BigBirdAttention(16, 2, layer=1, block=block, **more)


def inputs(patches: int, batch: int = 2) -> tuple[torch.Tensor, Rows]:
    generator = torch.Generator().manual_seed(patches)
    lengths = torch.randint(1, 20, (batch, patches), generator=generator)
    return torch.randn(batch, patches, 16, generator=generator), Rows(lengths.cumsum(1) - lengths, lengths)


def part(rows: Rows, first: int, end: int) -> Rows:
    return Rows(rows.places[:, first:end], rows.lengths[:, first:end])


def in_pieces(module: BigBirdAttention, x: torch.Tensor, rows: Rows, cuts: list[int]) -> torch.Tensor:
    state, found = module.initial_state(len(x)), []
    for first, end in zip([0, *cuts], [*cuts, x.shape[1]], strict=True):
        y, state = module.extend(x[:, first:end], part(rows, first, end), state)
        found.append(y)
    return torch.cat(found, 1)


@pytest.mark.parametrize("shape", [(3, 2, 2), (1, 0, 0), (2, 1, 3)])
@pytest.mark.parametrize("block", [1, 4, 7])
@torch.no_grad()
def test_all_rows_at_once_are_random_cuts_are_single_rows(block: int, shape: tuple[int, int, int]) -> None:
    window, sinks, random = shape
    module = make(block, window=window, sinks=sinks, random=random)
    for patches in (1, 3, 150, 257):
        x, rows = inputs(patches)
        whole = module(x, rows)
        scale = whole.square().mean().sqrt()
        order = torch.randperm(max(patches - 1, 0), generator=torch.Generator().manual_seed(patches)).add(1)
        for count in (0, 1, 10, patches - 1):
            cuts = sorted(order[:count].tolist())
            assert (in_pieces(module, x, rows, cuts) - whole).abs().max() <= 1e-5 * scale, (patches, cuts)


@torch.no_grad()
def test_a_state_may_be_extended_twice() -> None:
    module = make()
    x, rows = inputs(60)
    other = x.clone()
    other[:, 30:] = torch.randn(2, 30, 16)
    _, state = module.extend(x[:, :30], part(rows, 0, 30), module.initial_state(2))
    states, found = [state, state], [[], []]
    for first in range(30, 60):  # in turn, so that each would overwrite what the other wrote
        for number, text in enumerate((x, other)):
            y, states[number] = module.extend(text[:, first : first + 1], part(rows, first, first + 1), states[number])
            found[number].append(y)
    for text, pieces in zip((x, other), found, strict=True):
        torch.testing.assert_close(torch.cat(pieces, 1), module(text, rows)[:, 30:], atol=1e-6, rtol=0)


@torch.no_grad()
def test_storage_is_moved_only_when_its_size_doubles() -> None:
    module, state, moves = make(), make().initial_state(1), []
    x, rows = inputs(512, 1)
    for row in range(512):
        before = state
        _, state = module.extend(x[:, row : row + 1], part(rows, row, row + 1), state)
        now, then = state.storage, before.storage
        if now.key.data_ptr() != then.key.data_ptr():
            moves.append(row)
        assert (now.sums.data_ptr() == then.sums.data_ptr()) == (row not in moves)
    assert moves == [16, 32, 64, 128, 256]
    assert state.storage.key.shape[2] * 4 == 512
    assert state.storage.sums.shape[1] == 2 * 128  # as many groups as two numbers a block


class Written(TorchDispatchMode):
    """Adds up the bytes of new tensors."""

    def __init__(self, *known: torch.Tensor) -> None:
        super().__init__()
        self.seen = {x.untyped_storage().data_ptr() for x in known}
        self.kept, self.bytes = [], 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        for x in tree_leaves(found):
            if isinstance(x, torch.Tensor) and x.untyped_storage().data_ptr() not in self.seen:
                self.seen.add(x.untyped_storage().data_ptr())
                self.kept.append(x)
                self.bytes += x.untyped_storage().nbytes()
        return found


@torch.no_grad()
def test_a_row_reads_as_much_after_many_rows_as_after_few() -> None:
    module, state = make(), make().initial_state(1)
    x, rows = inputs(4000, 1)
    seen, at = {}, 0
    for patches in (130, 1030, 3990):  # with room in the storage
        _, state = module.extend(x[:, at:patches], part(rows, at, patches), state)
        at, pieces = patches + 4, [(x[:, i : i + 1], part(rows, i, i + 1)) for i in range(patches, patches + 4)]
        with Written(*state.tensors(), x, rows.places, *module.parameters()) as written:
            for row, place in pieces:  # as many as a block has, so that one begins it
                _, state = module.extend(row, place, state)
        seen[patches] = written.bytes / 4
    assert seen[130] < seen[3990] < 1.25 * seen[130]  # a mean more for each doubling
    assert seen[3990] < state.storage.key.nbytes / 4


@torch.no_grad()
def test_bfloat16_autocast_stays_near_float32() -> None:
    module = make()
    x, rows = inputs(150)
    y = module(x, rows)
    with torch.autocast("cpu", torch.bfloat16):
        rough = in_pieces(module, x, rows, [1, 2, 70, 71])
        same = module(x, rows)
    assert rough.dtype == torch.bfloat16
    assert (rough - y).square().mean().sqrt() < 0.03 * y.square().mean().sqrt()
    assert (rough - same).square().mean().sqrt() < 0.03 * y.square().mean().sqrt()


def test_both_sided_attention_is_refused() -> None:
    with pytest.raises(UsageError, match="bidirectional.*causal model"):
        make(bidirectional=True).initial_state(1)
