"""Dense attention in float64 under a mask that loops make from the written rules: the oracle of BigBird attention."""

import math

import torch

from genomelm.nn.bigbird.pattern import BlockPattern
from genomelm.nn.positions import rotate
from genomelm.runtime import counter_seed


def attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    places: torch.Tensor,
    present: torch.Tensor,
    pattern: BlockPattern,
    block: int,
    rotary_base: float,
) -> torch.Tensor:
    """Let each patch attend over the patches that it may read and (causal) over the means of closed groups.

    Args:
        query, key, value: (b, p, h, d), not rotated.
        places: (b, p) int64, base coordinate of each patch.
        present: (b, p) bool, real patches.
        pattern: the configuration of the pattern.
        block: patches of a block.
        rotary_base: frequency base of the rotary angles.

    Returns:
        (b, p, h, d) float64; zeros for rows with nothing to read.
    """
    query, key, value = query.double(), key.double(), value.double()
    out = torch.zeros_like(query)
    for row in range(query.shape[0]):
        allowed, groups = readable(present[row], pattern, block)  # (h, p, p + groups)
        keys, values = [rotate(key[row], places[row], rotary_base)], [value[row]]
        for members in groups:
            place = torch.tensor(sum(places[row, members].tolist()) // len(members))
            keys.append(rotate(key[row, members].mean(0), place, rotary_base)[None])
            values.append(value[row, members].mean(0)[None])
        turned = rotate(query[row], places[row], rotary_base) / math.sqrt(query.shape[-1])
        logits = torch.einsum("qhd,khd->hqk", turned, torch.cat(keys))
        some = allowed.any(-1, keepdim=True)
        weight = torch.softmax(logits.masked_fill(~allowed & some, -torch.inf), -1) * some
        out[row] = torch.einsum("hqk,khd->qhd", weight, torch.cat(values))
    return out


def readable(present: torch.Tensor, pattern: BlockPattern, block: int) -> tuple[torch.Tensor, list[list[int]]]:
    """Return which keys each patch of one record may read.

    Args:
        present: (p,) bool.
        pattern: the configuration of the pattern.
        block: patches of a block.

    Returns:
        The mask (h, p, p + groups) bool, and the real patches of each closed group, whose means are the last columns.
    """
    real = present.tolist()
    patches = [i for i, there in enumerate(real) if there]
    blocks = patches[-1] // block + 1 if patches else 0
    groups: dict[tuple[int, int], list[int]] = {}  # (first patch, end) -> its real patches
    pairs = []
    for head in range(pattern.heads):
        for i in range(blocks):
            read = key_blocks(pattern, head, i, blocks)
            for q in (q for q in patches if q // block == i):
                pairs += [(head, q, k) for k in patches if k // block in read and (pattern.bidirectional or k <= q)]
                level = 1
                while not pattern.bidirectional and i // 2**level >= 1:
                    end = i // 2**level * 2**level * block
                    group = end - 2**level * block, end
                    members = [k for k in range(*group) if real[k]]
                    if members:
                        groups.setdefault(group, members)
                        pairs.append((head, q, len(real) + list(groups).index(group)))
                    level += 1
    mask = torch.zeros(pattern.heads, len(real), len(real) + len(groups), dtype=torch.bool)
    if pairs:
        mask[tuple(torch.tensor(pairs).T)] = True
    return mask, list(groups.values())


def key_blocks(pattern: BlockPattern, head: int, i: int, blocks: int) -> set[int]:
    """Return the blocks that block i of a record of so many blocks reads, by the rule in `pattern`."""
    if pattern.bidirectional:
        if i < pattern.sinks:
            return set(range(blocks))
        available, first = list(range(blocks)), i - pattern.window // 2
    else:
        available, first = list(range(i + 1)), i - pattern.window + 1
    fixed = {j for j in available if j < pattern.sinks or first <= j < first + pattern.window}
    candidates = [j for j in available if j not in fixed]
    slots = pattern.window + pattern.sinks + pattern.random
    want = min(slots, len(available)) - len(fixed)
    taken: list[int] = []
    for s in range(want):
        last = len(candidates) - want + s
        t = random_number(pattern, head, i * slots + s) % (last + 1)
        taken.append(last if t in taken else t)
    return fixed | {candidates[t] for t in taken}


def random_number(pattern: BlockPattern, head: int, counter: int) -> int:
    """Return the upper 63 bits of an output of splitmix64, whose stream belongs to (seed, layer, head)."""
    word = 2**64
    z = (counter_seed("bigbird", pattern.seed, pattern.layer, head) + (counter + 1) * 0x9E3779B97F4A7C15) % word
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % word
    z = (z ^ z >> 27) * 0x94D049BB133111EB % word
    return (z ^ z >> 31) >> 1
