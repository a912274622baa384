"""Causal decoding: attention of the rows that follow those of a state.

Of the rows that are kept, one reads the blocks of its pattern and one group a level, however many rows there are.
"""

import numpy as np
import torch
import torch.nn.functional as F

from genomelm.nn.bigbird.pattern import BlockPattern
from genomelm.nn.bigbird.portable import bias_of, weights_of
from genomelm.nn.bigbird.storage import BigBirdState, Reads, close, gone_on, number_of
from genomelm.nn.positions import rotate
from genomelm.nn.rotary import turned


def extend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    places: torch.Tensor,
    pattern: BlockPattern,
    rotary_base: float | None,
    state: BigBirdState,
    turn: tuple[torch.Tensor, torch.Tensor] | None = None,
) -> tuple[torch.Tensor, BigBirdState]:
    """Let the k rows that follow those behind `state` attend as in `portable.attention`.

    Args:
        query, key, value: (b, k, h, d), not rotated; k is 1 where the sequences are not equally long.
        places: (b, k) int64, base coordinate of each row.
        pattern: key blocks of every block; causal.
        rotary_base: frequency base of the rotary angles; None: positions are not told.
        state: from `initial_state` or an earlier call.
        turn: cosine and sine of the rotary angles, if they are at hand.

    Returns:
        y: (b, k, h, d).
        state: after the last row.
    """
    h, d = query.shape[2:]
    both = torch.cat([query * d**-0.5, key], 2)
    queries, keys = (rotate(both, places, rotary_base) if turn is None else turned(both, *turn)).split(h, 2)
    both, k = torch.cat([key, value], -1), query.shape[1]
    state = state.with_room(int(state.count.max()) + k)
    if k == 1:
        given = (queries[:, 0], keys[:, 0], both[:, 0], places[:, 0])
        y, state = _one(*given, pattern, rotary_base, state)
        return y[:, None], state
    return _several(queries, keys, both, places, pattern, rotary_base, state)


def _one(
    query: torch.Tensor,
    key: torch.Tensor,
    both: torch.Tensor,
    places: torch.Tensor,
    pattern: BlockPattern,
    rotary_base: float | None,
    state: BigBirdState,
) -> tuple[torch.Tensor, BigBirdState]:
    """Attend from one row of each sequence: turned queries and keys (b, h, d), both (b, h, 2 d), places (b,)."""
    b, h, d = query.shape
    storage, block = state.storage, state.storage.key.shape[3]
    _refresh(state, pattern, rotary_base)
    now, count = storage.now, state.count + 1
    rows, last = slice(None), int(count[0]) - 1
    if state.index is not None or (state.count != last).any():
        rows, last = state.rows(), torch.from_numpy(state.count).to(query.device)
    for stored, new in ((storage.key, key), (storage.value, both[..., d:])):
        stored.flatten(2, 3)[rows, :, last] = new.to(stored.dtype)
    now.bias[rows, last % block] = 0
    chosen, query = state.of(now.near).flatten(), query.reshape(b * h, 1, d)
    near = (x.view(-1, block * d).index_select(0, chosen).view(b * h, -1, d) for x in (storage.key, storage.value))
    far = (state.of(x).flatten(0, 1) for x in (now.key, now.value))
    keys, values = ([x.to(both.dtype) for x in parts] for parts in zip(near, far, strict=True))
    logits = torch.cat([torch.bmm(query, x.transpose(1, 2)) for x in keys], 2).view(b, h, -1)
    weight = weights_of(logits, both.dtype, state.of(now.bias)[:, None]).view(b * h, 1, -1)
    on_near, on_far = weight.split([x.shape[1] for x in values], 2)
    y = torch.baddbmm(torch.bmm(on_near, values[0]), on_far, values[1])
    open_sum, open_place = state.open_sum + both.to(state.open_sum.dtype), state.open_place + places
    for row in np.flatnonzero(count % block == 0):
        end = int(count[row]) // block
        close(state.alone(row), open_sum[row, None, None], open_place[row, None, None], end - 1, end)
        open_sum[row], open_place[row] = 0, 0
    return y.view(b, h, d), gone_on(state, count, open_sum, open_place)


def _refresh(state: BigBirdState, pattern: BlockPattern, rotary_base: float | None) -> None:
    """Find out anew what the next rows read, of the sequences that begin a block."""
    storage = state.storage
    sequences, h, room, block, d = storage.key.shape
    device, levels = storage.key.device, max(room.bit_length() - 1, 0)
    if storage.now is None:
        means = storage.key.new_zeros(sequences, h, levels, d)
        near = torch.zeros(sequences, h, pattern.slots, dtype=torch.int64, device=device)
        bias = torch.full((sequences, pattern.slots * block + levels), -torch.inf, device=device)
        storage.now = Reads(np.full(sequences, -1), near, means, means.clone(), bias)
    now, at = storage.now, state.count // block
    for row in np.flatnonzero(now.block[state.which] != at):
        place, i = int(state.which[row]), int(at[row])
        ones = torch.zeros(1, dtype=torch.int64, device=device)
        chosen, used = (x[0] for x in pattern.key_blocks(i + 1, ones, i))  # (h, 1, slots), (1, 1, slots)
        heads = place * h + torch.arange(h, device=device)[:, None]
        now.near[place] = heads * room + chosen[:, 0]
        now.bias[place] = -torch.inf
        near, far = now.bias[place].split([pattern.slots * block, levels])
        near = near.view(-1, block)
        near[0, : int(state.count[row]) % block] = 0
        near[1:].masked_fill_(used[0, 0, 1:, None], 0)
        key, value, closed = _read_groups(state.alone(row), i, i, rotary_base)
        found = key.shape[3]
        now.key[place, :, :found], now.value[place, :, :found] = key[0, :, 0], value[0, :, 0]
        far[:found].masked_fill_(closed[0, 0], 0)
        now.block[place] = i


def _several(
    query: torch.Tensor,
    key: torch.Tensor,
    both: torch.Tensor,
    places: torch.Tensor,
    pattern: BlockPattern,
    rotary_base: float | None,
    state: BigBirdState,
) -> tuple[torch.Tensor, BigBirdState]:
    """Attend from k rows of sequences that are equally long: turned queries and keys (b, k, h, d), both (b, k, h, 2 d).

    Places are (b, k).
    """
    k, h = query.shape[1:3]
    assert (state.count == state.count[0]).all(), "several rows follow sequences that are not equally long"
    block, first = state.storage.key.shape[3], int(state.count[0])
    state = _kept(state, key, both, places)
    at, last = first // block, (first + k - 1) // block
    # Rows of one block stand as they are, those of several at their places in their blocks.
    before, size = (0, k) if at == last else (first % block, block)
    q = F.pad(query, (0, 0, 0, 0, before, (last - at + 1) * size - before - k))
    q = q.unflatten(1, (-1, size)).permute(0, 3, 1, 2, 4)  # (b, h, m, size, d)
    near, near_values, positions = _read_blocks(state, pattern, at, last)
    here = torch.arange(first - before, first - before + (last - at + 1) * size, device=q.device).view(-1, size, 1)
    far, far_values, closed = _read_groups(state, at, last, rotary_base)
    logits = torch.cat([q @ part.to(q.dtype).transpose(-1, -2) for part in (near, far)], -1)
    allowed = torch.cat([positions[:, :, None] <= here, closed.expand(h, -1, size, -1)], -1)
    weight = weights_of(logits, both.dtype, bias_of(allowed))
    of_near, of_far = weight.split([near.shape[3], far.shape[3]], -1)
    y = of_near @ near_values.to(both.dtype) + of_far @ far_values.to(both.dtype)
    return y.permute(0, 2, 3, 1, 4).flatten(1, 2)[:, before : before + k], state


def _kept(state: BigBirdState, key: torch.Tensor, both: torch.Tensor, places: torch.Tensor) -> BigBirdState:
    """Write turned keys (b, k, h, d), and keys and values (b, k, h, 2 d), behind the rows so far."""
    k, d = key.shape[1], key.shape[3]
    storage, block, first = state.storage, state.storage.key.shape[3], int(state.count[0])
    end = first + k
    for stored, new in ((storage.key, key), (storage.value, both[..., d:])):
        stored.flatten(2, 3)[state.rows(), :, first:end] = new.transpose(1, 2).to(stored.dtype)
    if storage.now is not None:
        storage.now.block[state.which] = -1
    before, after = first % block, -end % block
    both = F.pad(both.to(storage.sums.dtype), (0, 0, 0, 0, before, after))
    sums = both.unflatten(1, (-1, block)).sum(2)  # (b, m, h, 2 d)
    sums[:, 0] += state.open_sum
    place = F.pad(places, (before, after)).unflatten(1, (-1, block)).sum(2)  # (b, m)
    place[:, 0] += state.open_place
    close(state, sums, place, first // block, end // block)
    closes = end % block == 0
    open_sum = torch.zeros_like(sums[:, -1]) if closes else sums[:, -1].clone()
    open_place = torch.zeros_like(place[:, -1]) if closes else place[:, -1].clone()
    return gone_on(state, np.full_like(state.count, end), open_sum, open_place)


def _read_blocks(
    state: BigBirdState, pattern: BlockPattern, at: int, last: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Keys and values (b, h, m, s, d) that blocks at..last read, and each one's place (h, m, s): past all if unused."""
    storage = state.storage
    _, h, room, block, d = storage.key.shape
    device = storage.key.device
    chosen, used = (x[0] for x in pattern.key_blocks(last + 1, torch.zeros(1, dtype=torch.int64, device=device), at))
    record = (state.rows()[:, None] * h + torch.arange(h, device=device))[..., None, None]
    rows = (record * room + chosen).flatten()
    shape = (len(state.which), h, last - at + 1, -1, d)
    keys, values = (x.view(-1, block * d).index_select(0, rows).view(shape) for x in (storage.key, storage.value))
    positions = chosen[..., None] * block + torch.arange(block, device=device)
    positions = positions.masked_fill(~used[..., None], room * block)
    return keys, values, positions.flatten(-2)


def _read_groups(
    state: BigBirdState, at: int, last: int, rotary_base: float | None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Mean keys and values (b, h, m, levels, d) that blocks at..last read, and which exist: (m, 1, levels) bool."""
    storage = state.storage
    block, device = storage.key.shape[3], storage.key.device
    levels = range(1, max(last.bit_length(), 1))
    known = [[bool(i >> level) for level in levels] for i in range(at, last + 1)]
    numbers = [number_of((i >> k) - 1, k) if i >> k else 0 for i in range(at, last + 1) for k in levels]
    flat = torch.tensor(numbers, dtype=torch.int64, device=device)
    rows = torch.tensor([block << level for level in levels], dtype=torch.int64, device=device)
    shape, which = (last - at + 1, len(levels)), state.rows()[:, None]
    mean = storage.sums[which, flat].unflatten(1, shape) / rows[:, None, None]
    place = storage.places[which, flat].unflatten(1, shape) // rows
    key, value = mean.to(storage.key.dtype).chunk(2, -1)
    key = rotate(key, place, rotary_base)
    closed = torch.tensor(known, dtype=torch.bool, device=device).view(shape[0], 1, shape[1])
    return key.permute(0, 3, 1, 2, 4), value.permute(0, 3, 1, 2, 4), closed
