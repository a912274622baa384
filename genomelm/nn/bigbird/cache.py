"""Causal decoding: what is kept of the rows so far, and attention of the rows that follow them.

Keys and values of all rows are kept, O(p), and sums over each closed group of 2^k blocks. Of these a row reads the
blocks of its pattern and one group a level, however many rows there are.

The groups stand in the order in which they close: block i closes first itself, then each larger group that ends with
it. Before block i there are 2 i - ones(i) groups, so group g of level k, which ends with block i = (g + 1) 2^k - 1, is
number 2 i - ones(i) + k.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F

from genomelm.nn.bigbird.pattern import BlockPattern
from genomelm.nn.bigbird.portable import bias_of, weights_of
from genomelm.nn.positions import rotate

FEWEST = 4
"""Blocks that a new state has room for."""


class BigBirdState(NamedTuple):
    """Keys, values and sums, in storage that doubles when it is full: a row costs a constant amount on average.

    A state that was extended shares its storage with the one that came of it; extending it once more copies.

    Attributes:
        key, value: (b, h, blocks, block, d); keys are turned.
        sums: (b, groups, h, 2 d) float32 or wider, keys (not turned) and values of each closed group added up.
        places: (b, groups) int64, base coordinates of their rows added up.
        open_sum, open_place: (b, h, 2 d) and (b,), the same of the rows behind the last closed block.
        count: (b,) int64 on the CPU, rows so far, the same number b times.
        filled: (b,) int64 on the CPU, shared by all states of one storage: rows that stand in it.
    """

    key: torch.Tensor
    value: torch.Tensor
    sums: torch.Tensor
    places: torch.Tensor
    open_sum: torch.Tensor
    open_place: torch.Tensor
    count: torch.Tensor
    filled: torch.Tensor


def initial_state(batch: int, heads: int, width: int, block: int, like: torch.Tensor) -> BigBirdState:
    """Return the state before the first row; `width` is a head's, d, and `like` gives dtype and device."""
    rows = like.new_zeros(batch, heads, FEWEST, block, width)
    sums = like.new_zeros(batch, 2 * FEWEST, heads, 2 * width, dtype=torch.promote_types(like.dtype, torch.float32))
    places = torch.zeros(sums.shape[:2], dtype=torch.int64, device=like.device)
    none = torch.zeros(batch, dtype=torch.int64)
    behind = torch.zeros_like(sums[:, 0]), torch.zeros_like(places[:, 0])
    return BigBirdState(rows, rows.clone(), sums, places, *behind, none, none.clone())


def extend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    places: torch.Tensor,
    pattern: BlockPattern,
    rotary_base: float | None,
    state: BigBirdState,
) -> tuple[torch.Tensor, BigBirdState]:
    """Let the k rows that follow those behind `state` attend as in `portable.attention`.

    Args:
        query, key, value: (b, k, h, d), not rotated.
        places: (b, k) int64, base coordinate of each row.
        pattern: key blocks of every block; causal.
        rotary_base: frequency base of the rotary angles; None: positions are not told.
        state: from `initial_state` or an earlier call.

    Returns:
        y: (b, k, h, d).
        state: after the last row.
    """
    k, h, d = query.shape[1:]
    block, first = state.key.shape[3], int(state.count[0])
    turned, keys = rotate(torch.cat([query * d**-0.5, key], 2), places, rotary_base).split(h, 2)
    state = _kept(state, keys, torch.cat([key, value], -1), places)
    at, last = first // block, (first + k - 1) // block
    # Rows of one block stand as they are, those of several at their places in their blocks.
    before, size = (0, k) if at == last else (first % block, block)
    q = F.pad(turned, (0, 0, 0, 0, before, (last - at + 1) * size - before - k))
    q = q.unflatten(1, (-1, size)).permute(0, 3, 1, 2, 4)  # (b, h, m, size, d)
    near, near_values, positions = _read_blocks(state, pattern, at, last)
    here = torch.arange(first - before, first - before + (last - at + 1) * size, device=q.device).view(-1, size, 1)
    far, far_values, closed = _read_groups(state, at, last, rotary_base)
    logits = torch.cat([q @ part.to(q.dtype).transpose(-1, -2) for part in (near, far)], -1)
    allowed = torch.cat([positions[:, :, None] <= here, closed.expand(h, -1, size, -1)], -1)
    weight = weights_of(logits, value.dtype, bias_of(allowed))
    of_near, of_far = weight.split([near.shape[3], far.shape[3]], -1)
    y = of_near @ near_values.to(value.dtype) + of_far @ far_values.to(value.dtype)
    return y.permute(0, 2, 3, 1, 4).flatten(1, 2)[:, before : before + k], state


def _kept(state: BigBirdState, key: torch.Tensor, both: torch.Tensor, places: torch.Tensor) -> BigBirdState:
    """Write turned keys (b, k, h, d), and keys and values (b, k, h, 2 d), behind the rows so far."""
    k, d = key.shape[1], key.shape[3]
    block, first = state.key.shape[3], int(state.count[0])
    end, fresh = first + k, int(state.filled[0]) != first
    state = _with_room(state, -(-end // block), fresh)
    for rows, new in ((state.key, key), (state.value, both[..., d:])):
        rows.flatten(2, 3)[:, :, first:end] = new.transpose(1, 2).to(rows.dtype)
    state.filled.fill_(end)
    before, after = first % block, -end % block
    both = F.pad(both.to(state.sums.dtype), (0, 0, 0, 0, before, after))
    sums = both.unflatten(1, (-1, block)).sum(2)  # (b, m, h, 2 d)
    sums[:, 0] += state.open_sum
    place = F.pad(places, (before, after)).unflatten(1, (-1, block)).sum(2)  # (b, m)
    place[:, 0] += state.open_place
    whole = end // block
    _close(state, sums, place, first // block, whole)
    closes = end % block == 0
    open_sum = torch.zeros_like(sums[:, -1]) if closes else sums[:, -1]
    open_place = torch.zeros_like(place[:, -1]) if closes else place[:, -1]
    return state._replace(
        open_sum=open_sum.clone(), open_place=open_place.clone(), count=torch.full_like(state.count, end)
    )


def _close(state: BigBirdState, sums: torch.Tensor, places: torch.Tensor, first: int, end: int) -> None:
    """Write the sums of blocks first..end-1, the first of those given, and of the larger groups that they close."""
    level = 0
    while end > first:
        if level:
            halves = _numbers(range(2 * first, 2 * end), level - 1, sums.device)
            sums = state.sums.index_select(1, halves).unflatten(1, (-1, 2)).sum(2)
            places = state.places.index_select(1, halves).unflatten(1, (-1, 2)).sum(2)
        numbers = _numbers(range(first, end), level, sums.device)
        state.sums.index_copy_(1, numbers, sums[:, : end - first])
        state.places.index_copy_(1, numbers, places[:, : end - first])
        first, end, level = first >> 1, end >> 1, level + 1


def _number(group: int, level: int) -> int:
    """Return where a group stands."""
    block = ((group + 1) << level) - 1
    return 2 * block - block.bit_count() + level


def _numbers(groups: range, level: int, device: torch.device) -> torch.Tensor:
    return torch.tensor([_number(group, level) for group in groups], device=device)


def _with_room(state: BigBirdState, blocks: int, fresh: bool) -> BigBirdState:
    """Return the state with room for so many blocks; `fresh`: in storage of its own."""
    room = state.key.shape[2]
    more = max(1 << (blocks - 1).bit_length(), room) - room
    if not more and not fresh:
        return state
    key, value = (F.pad(rows, (0, 0, 0, 0, 0, more)) if more else rows.clone() for rows in (state.key, state.value))
    sums = F.pad(state.sums, (0, 0, 0, 0, 0, 2 * more)) if more else state.sums.clone()
    places = F.pad(state.places, (0, 2 * more)) if more else state.places.clone()
    return state._replace(key=key, value=value, sums=sums, places=places, filled=state.count.clone())


def _read_blocks(
    state: BigBirdState, pattern: BlockPattern, at: int, last: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Keys and values (b, h, m, s, d) that blocks at..last read, and each one's place (h, m, s): past all if unused."""
    b, h, room, block, d = state.key.shape
    device = state.key.device
    chosen, used = (x[0] for x in pattern.key_blocks(last + 1, torch.zeros(1, dtype=torch.int64, device=device), at))
    record = torch.arange(b * h, device=device).view(b, h, 1, 1)
    rows = (record * room + chosen).flatten()
    shape = (b, h, last - at + 1, -1, d)
    keys, values = (x.view(-1, block * d).index_select(0, rows).view(shape) for x in (state.key, state.value))
    positions = chosen[..., None] * block + torch.arange(block, device=device)
    positions = positions.masked_fill(~used[..., None], room * block)
    return keys, values, positions.flatten(-2)


def _read_groups(
    state: BigBirdState, at: int, last: int, rotary_base: float | None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Mean keys and values (b, h, m, levels, d) that blocks at..last read, and which exist: (m, 1, levels) bool."""
    block, device = state.key.shape[3], state.key.device
    levels = range(1, max(last.bit_length(), 1))
    known = [[bool(i >> level) for level in levels] for i in range(at, last + 1)]
    numbers = [_number((i >> k) - 1, k) if i >> k else 0 for i in range(at, last + 1) for k in levels]
    flat = torch.tensor(numbers, dtype=torch.int64, device=device)
    rows = torch.tensor([block << level for level in levels], dtype=torch.int64, device=device)
    shape = (last - at + 1, len(levels))
    mean = state.sums.index_select(1, flat).unflatten(1, shape) / rows[:, None, None]
    place = state.places.index_select(1, flat).unflatten(1, shape) // rows
    key, value = mean.to(state.key.dtype).chunk(2, -1)
    key = rotate(key, place, rotary_base)
    closed = torch.tensor(known, dtype=torch.bool, device=device).view(shape[0], 1, shape[1])
    return key.permute(0, 3, 1, 2, 4), value.permute(0, 3, 1, 2, 4), closed
