"""BigBird attention in Triton, for CUDA: key blocks are read where they lie, nothing is gathered.

Programs lie in a grid (records * heads, blocks or their shares): only its first axis may be long.
"""

import triton
import triton.language as tl

SIZES = ["p", "blocks", "heads", "slots", "groups", "chosen_stride", "used_stride", "first"]
LISTED = ["p", "blocks", "heads", "entries", "readers_stride", "edges_stride", "first", "dense", "sinks"]
"""Arguments that are not compiled in: texts differ in length."""
LOW = tl.constexpr(-1e30)
"""Stands for minus infinity, and stays finite where all keys of a padding row are masked."""
SHARE = 32
"""Blocks that one program reads for a global block, which reads all blocks (bidirectional) and which all read."""


@triton.jit
def _tile(x, rows, stride, D: tl.constexpr):
    """Load rows of d channels, (rows, d)."""
    return tl.load(x + rows[:, None].to(tl.int64) * stride + tl.arange(0, D)[None, :])


@triton.jit
def _present(x, real, rows):
    """Set rows of (rows, d) that are padding to zero."""
    return tl.where((tl.load(real + rows) != 0)[:, None], x, 0.0).to(x.dtype)


@triton.jit
def _group_rows(i, blocks, LEVELS: tl.constexpr):
    """Rows of the tables of means that block i reads and whether it does, (LEVELS,): group (i >> k) - 1 of level k."""
    level = 1 + tl.arange(0, LEVELS)
    before = tl.zeros((LEVELS,), tl.int32)  # groups of the levels below
    for other in tl.static_range(1, LEVELS):
        before += tl.where(level > other, (blocks - 1) >> other, 0)
    return before + (i >> level) - 1, (i >> level) > 0


@triton.jit(do_not_specialize=SIZES)
def attend(
    q, k, v, real, chosen, used, mean_k, mean_v, closed, out, norm, totals,
    q_row, k_row, v_row, p, blocks, heads, slots, groups, chosen_stride, used_stride, first,
    DENSE: tl.constexpr, SHARE: tl.constexpr,
    CAUSAL: tl.constexpr, LEVELS: tl.constexpr, BLOCK: tl.constexpr, D: tl.constexpr, SCALE: tl.constexpr,
    PRECISION: tl.constexpr,
):  # fmt: skip
    """One block of queries of one head over its key blocks and means, by a running softmax.

    DENSE: one of the `first` blocks, which read all blocks; a program takes SHARE of them and writes what is to be
    joined: the sum of weighted values, the largest logit and the sum of weights. Otherwise the key blocks are chosen.
    """
    i, batch, head = tl.program_id(1) + first, tl.program_id(0) // heads, tl.program_id(0) % heads
    low, high = 0, slots
    if DENSE:
        i, low = tl.program_id(1) % first, tl.program_id(1) // first * SHARE
        high = tl.minimum(low + SHARE, blocks)
    stride, first_row = heads * D, batch.to(tl.int64) * p
    start = (first_row * heads + head) * D
    q += first_row * q_row + head * D
    k += first_row * k_row + head * D
    v += first_row * v_row + head * D
    real += first_row
    rows = i * BLOCK + tl.arange(0, BLOCK)
    query = _tile(q, rows, q_row, D)
    top = tl.full((BLOCK,), float("-inf"), tl.float32)
    total = tl.zeros((BLOCK,), tl.float32)
    mixed = tl.zeros((BLOCK, D), tl.float32)
    chosen += batch.to(tl.int64) * chosen_stride + (head * blocks + i) * slots
    used += batch * used_stride + i * slots
    for slot in range(low, high):
        if DENSE or tl.load(used + slot) != 0:
            cols = (slot if DENSE else tl.load(chosen + slot).to(tl.int32)) * BLOCK + tl.arange(0, BLOCK)
            readable = (tl.load(real + cols) != 0)[None, :]
            if CAUSAL:
                readable &= rows[:, None] >= cols[None, :]
            logits = tl.dot(query, tl.trans(_tile(k, cols, k_row, D)), input_precision=PRECISION)
            logits = tl.where(readable, logits * SCALE, LOW)
            higher = tl.maximum(top, tl.max(logits, 1))
            weight, fade = tl.exp(logits - higher[:, None]), tl.exp(top - higher)
            value = _tile(v, cols, v_row, D)
            total = total * fade + tl.sum(weight, 1)
            mixed = tl.dot(weight.to(value.dtype), value, mixed * fade[:, None], input_precision=PRECISION)
            top = higher
    if LEVELS > 0:
        row, there = _group_rows(i, blocks, LEVELS)
        place = ((batch.to(tl.int64) * groups + row) * heads + head)[:, None] * D + tl.arange(0, D)[None, :]
        readable = tl.load(closed + batch * groups + row, there, 0) != 0
        there = there[:, None]
        logits = tl.dot(query, tl.trans(tl.load(mean_k + place, there, 0.0)), input_precision=PRECISION)
        logits = tl.where(readable[None, :], logits * SCALE, LOW)
        higher = tl.maximum(top, tl.max(logits, 1))
        weight, fade = tl.exp(logits - higher[:, None]), tl.exp(top - higher)
        value = tl.load(mean_v + place, there, 0.0)
        total = total * fade + tl.sum(weight, 1)
        mixed = tl.dot(weight.to(value.dtype), value, mixed * fade[:, None], input_precision=PRECISION)
        top = higher
    if DENSE:
        part = (tl.program_id(1).to(tl.int64) * tl.num_programs(0) + tl.program_id(0)) * BLOCK + tl.arange(0, BLOCK)
        tl.store(out + part[:, None] * D + tl.arange(0, D)[None, :], mixed)
        tl.store(norm + part, top)
        tl.store(totals + part, total)
    else:
        place = start + rows[:, None].to(tl.int64) * stride + tl.arange(0, D)[None, :]
        tl.store(out + place, _present(mixed / total[:, None], real, rows).to(out.dtype.element_ty))
        tl.store(norm + tl.program_id(0).to(tl.int64) * p + rows, top + tl.log(total))


@triton.jit(do_not_specialize=SIZES)
def query_gradient(
    q, k, v, real, chosen, used, mean_k, mean_v, closed, out, of_out, norm, inner, of_q, of_mean_k, of_mean_v,
    q_row, k_row, v_row, p, blocks, heads, slots, groups, chosen_stride, used_stride, first,
    DENSE: tl.constexpr, SHARE: tl.constexpr,
    CAUSAL: tl.constexpr, LEVELS: tl.constexpr, BLOCK: tl.constexpr, D: tl.constexpr, SCALE: tl.constexpr,
    PRECISION: tl.constexpr,
):  # fmt: skip
    """The gradients of one block of queries and of the means that it reads; weights are made anew from `norm`.

    DENSE: as in `attend`; parts of the gradient are float32 and are to be added up.
    """
    i, batch, head = tl.program_id(1) + first, tl.program_id(0) // heads, tl.program_id(0) % heads
    low, high = 0, slots
    if DENSE:
        i, low = tl.program_id(1) % first, tl.program_id(1) // first * SHARE
        high = tl.minimum(low + SHARE, blocks)
    stride, first_row = heads * D, batch.to(tl.int64) * p
    start = (first_row * heads + head) * D
    q += first_row * q_row + head * D
    k += first_row * k_row + head * D
    v += first_row * v_row + head * D
    real += first_row
    rows = i * BLOCK + tl.arange(0, BLOCK)
    query, upstream = _tile(q, rows, q_row, D), _present(_tile(of_out + start, rows, stride, D), real, rows)
    top = tl.load(norm + tl.program_id(0).to(tl.int64) * p + rows)
    mean = tl.sum(upstream.to(tl.float32) * _tile(out + start, rows, stride, D).to(tl.float32), 1)
    if not DENSE or low == 0:
        tl.store(inner + tl.program_id(0).to(tl.int64) * p + rows, mean)
    total = tl.zeros((BLOCK, D), tl.float32)
    chosen += batch.to(tl.int64) * chosen_stride + (head * blocks + i) * slots
    used += batch * used_stride + i * slots
    for slot in range(low, high):
        if DENSE or tl.load(used + slot) != 0:
            cols = (slot if DENSE else tl.load(chosen + slot).to(tl.int32)) * BLOCK + tl.arange(0, BLOCK)
            readable = (tl.load(real + cols) != 0)[None, :]
            if CAUSAL:
                readable &= rows[:, None] >= cols[None, :]
            key = _tile(k, cols, k_row, D)
            logits = tl.dot(query, tl.trans(key), input_precision=PRECISION)
            weight = tl.where(readable, tl.exp(logits * SCALE - top[:, None]), 0.0)
            of_weight = tl.dot(upstream, tl.trans(_tile(v, cols, v_row, D)), input_precision=PRECISION)
            of_logits = weight * (of_weight - mean[:, None])
            total = tl.dot(of_logits.to(key.dtype), key, total, input_precision=PRECISION)
    if LEVELS > 0:
        row, there = _group_rows(i, blocks, LEVELS)
        place = ((batch.to(tl.int64) * groups + row) * heads + head)[:, None] * D + tl.arange(0, D)[None, :]
        readable = tl.load(closed + batch * groups + row, there, 0) != 0
        there = there[:, None]
        key = tl.load(mean_k + place, there, 0.0)
        logits = tl.dot(query, tl.trans(key), input_precision=PRECISION)
        weight = tl.where(readable[None, :], tl.exp(logits * SCALE - top[:, None]), 0.0)
        of_weight = tl.dot(upstream, tl.trans(tl.load(mean_v + place, there, 0.0)), input_precision=PRECISION)
        of_logits = (weight * (of_weight - mean[:, None])).to(key.dtype)
        total = tl.dot(of_logits, key, total, input_precision=PRECISION)
        of_key = tl.dot(tl.trans(of_logits), query, input_precision=PRECISION)
        of_value = tl.dot(tl.trans(weight.to(key.dtype)), upstream, input_precision=PRECISION)
        part = (tl.program_id(0).to(tl.int64) * blocks + i) * LEVELS + tl.arange(0, LEVELS)
        part = part[:, None] * D + tl.arange(0, D)[None, :]
        tl.store(of_mean_k + part, of_key * SCALE)
        tl.store(of_mean_v + part, of_value)
    place = start + rows[:, None].to(tl.int64) * stride + tl.arange(0, D)[None, :]
    if DENSE:
        part = (tl.program_id(1).to(tl.int64) * tl.num_programs(0) + tl.program_id(0)) * BLOCK + tl.arange(0, BLOCK)
        place = part[:, None] * D + tl.arange(0, D)[None, :]
    tl.store(of_q + place, (total * SCALE).to(of_q.dtype.element_ty))


@triton.jit(do_not_specialize=["blocks", "heads", "groups"])
def mean_gradient(
    parts, out, blocks, heads, groups, LEVELS: tl.constexpr, TILE: tl.constexpr, D: tl.constexpr
):  # fmt: skip
    """Add up what the blocks that read a mean have for it; they lie side by side."""
    level, group = 1, tl.program_id(1)
    for other in tl.static_range(1, LEVELS):
        beyond = (level == other) & (group >= (blocks - 1) >> other)
        group = tl.where(beyond, group - ((blocks - 1) >> other), group)
        level = tl.where(beyond, level + 1, level)
    low, high = (group + 1) << level, tl.minimum((group + 2) << level, blocks)
    total = tl.zeros((D,), tl.float32)
    for begin in range(low, high, TILE):
        i = begin + tl.arange(0, TILE)
        row = (tl.program_id(0).to(tl.int64) * blocks + i) * LEVELS + level - 1
        total += tl.sum(tl.load(parts + row[:, None] * D + tl.arange(0, D)[None, :], (i < high)[:, None], 0.0), 0)
    batch, head = tl.program_id(0) // heads, tl.program_id(0) % heads
    tl.store(out + ((batch.to(tl.int64) * groups + tl.program_id(1)) * heads + head) * D + tl.arange(0, D), total)


@triton.jit(do_not_specialize=LISTED)
def key_gradient(
    q, k, v, real, readers, edges, of_out, norm, inner, of_k, of_v,
    q_row, k_row, v_row, p, blocks, heads, entries, readers_stride, edges_stride, first, dense, sinks,
    SINKS: tl.constexpr, SHARE: tl.constexpr,
    CAUSAL: tl.constexpr, BLOCK: tl.constexpr, D: tl.constexpr, SCALE: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """The gradients of one block of keys and values from the query blocks that read it.

    SINKS: a global block, read by all query blocks (causal: from its own on); a program takes SHARE of them and writes
    its part in float32. Otherwise the readers are listed, and the first `dense` blocks read it besides.
    """
    batch, head = tl.program_id(0) // heads, tl.program_id(0) % heads
    stride, first_row = heads * D, batch.to(tl.int64) * p
    start = (first_row * heads + head) * D
    q += first_row * q_row + head * D
    k += first_row * k_row + head * D
    v += first_row * v_row + head * D
    real += first_row
    if SINKS:
        j = tl.program_id(1) % sinks
        low = tl.program_id(1) // sinks * SHARE
        high = tl.minimum(low + SHARE, blocks)
        if CAUSAL:
            low = tl.maximum(low, j)
    else:
        j = tl.program_id(1) + first
        readers += batch.to(tl.int64) * readers_stride + head.to(tl.int64) * entries
        edges += batch * edges_stride + head * (blocks + 1)
        low, high = tl.load(edges + j).to(tl.int32) - dense, tl.load(edges + j + 1).to(tl.int32)
    cols = j * BLOCK + tl.arange(0, BLOCK)
    key, value = _tile(k, cols, k_row, D), _tile(v, cols, v_row, D)
    there = (tl.load(real + cols) != 0)[:, None]
    total_k, total_v = tl.zeros((BLOCK, D), tl.float32), tl.zeros((BLOCK, D), tl.float32)
    facts = tl.program_id(0).to(tl.int64) * p
    for entry in range(low, high):
        i = entry
        if not SINKS:
            listed = entry - low >= dense
            i = tl.where(listed, tl.load(readers + entry, listed, 0).to(tl.int32), entry - low)
        rows = i * BLOCK + tl.arange(0, BLOCK)
        query, upstream = _tile(q, rows, q_row, D), _present(_tile(of_out + start, rows, stride, D), real, rows)
        top, mean = tl.load(norm + facts + rows), tl.load(inner + facts + rows)
        readable = there
        if CAUSAL:
            readable = there & (rows[None, :] >= cols[:, None])
        logits = tl.dot(key, tl.trans(query), input_precision=PRECISION)
        weight = tl.where(readable, tl.exp(logits * SCALE - top[None, :]), 0.0)
        total_v = tl.dot(weight.to(upstream.dtype), upstream, total_v, input_precision=PRECISION)
        of_weight = tl.dot(value, tl.trans(upstream), input_precision=PRECISION)
        of_logits = weight * (of_weight - mean[None, :])
        total_k = tl.dot(of_logits.to(query.dtype), query, total_k, input_precision=PRECISION)
    if SINKS:
        row = (tl.program_id(1).to(tl.int64) * tl.num_programs(0) + tl.program_id(0)) * BLOCK + tl.arange(0, BLOCK)
        place = row[:, None] * D + tl.arange(0, D)[None, :]
    else:
        place = start + cols[:, None].to(tl.int64) * stride + tl.arange(0, D)[None, :]
    tl.store(of_k + place, (total_k * SCALE).to(of_k.dtype.element_ty))
    tl.store(of_v + place, total_v.to(of_v.dtype.element_ty))
