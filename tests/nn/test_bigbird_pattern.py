import itertools

import numpy as np
import pytest
import torch

from genomelm.nn.bigbird import BlockPattern, reference
from genomelm.nn.bigbird.pattern import splitmix64

FORMS = pytest.mark.parametrize("bidirectional", [False, True])
SHAPES = [(3, 2, 2), (1, 0, 0), (1, 0, 3), (3, 0, 2), (2, 1, 3), (4, 2, 1), (5, 3, 1), (3, 2, 0), (3, 4, 2)]


@FORMS
@pytest.mark.parametrize(("window", "sinks", "random"), SHAPES)
def test_key_blocks_are_those_of_the_written_rule(bidirectional: bool, window: int, sinks: int, random: int) -> None:
    pattern = BlockPattern(2, 3, 11, window, sinks, random, bidirectional)
    for blocks in (1, 2, 3, 5, 6, 7, 8, 9, 16, 33):
        expected = [[sorted(reference.key_blocks(pattern, h, i, blocks)) for i in range(blocks)] for h in range(2)]
        assert pattern.pattern_of(blocks) == expected


@FORMS
def test_every_block_reads_exactly_seven_distinct_blocks_or_all_there_are(bidirectional: bool) -> None:
    for layer, blocks in itertools.product(range(5), (*range(1, 20), 64, 300)):
        rows = BlockPattern(4, layer, bidirectional=bidirectional).pattern_of(blocks)
        for head, i in itertools.product(range(4), range(blocks)):
            read = rows[head][i]
            available = blocks if bidirectional else i + 1
            if bidirectional and i < 2:
                assert read == list(range(blocks))
                continue
            assert len(read) == len(set(read)) == min(7, available)
            window = range(i - 1, i + 2) if bidirectional else range(i - 2, i + 1)
            assert {0, 1, *window} & set(range(available)) <= set(read) <= set(range(available))


def test_a_causal_choice_does_not_depend_on_the_length() -> None:
    pattern = BlockPattern(3, 0)
    longest = pattern.pattern_of(200)
    for blocks in (1, 2, 7, 8, 64, 199):
        assert pattern.pattern_of(blocks) == [rows[:blocks] for rows in longest]
        assert pattern.groups_of(blocks) == pattern.groups_of(200)[:blocks]


def test_a_record_of_a_batch_has_the_pattern_of_its_own_number_of_blocks() -> None:
    pattern = BlockPattern(3, 0, bidirectional=True)
    counts = [1, 2, 5, 9, 20]
    chosen, used = pattern.key_blocks(20, torch.tensor(counts))
    for row, blocks in enumerate(counts):
        expected = pattern.pattern_of(blocks)
        for head, i in itertools.product(range(3), range(2, blocks)):
            assert sorted(chosen[row, head, i, used[row, 0, i]].tolist()) == expected[head][i]
    assert chosen.min() >= 0
    assert chosen.max() < 20


@FORMS
def test_heads_layers_seeds_and_blocks_draw_different_blocks(bidirectional: bool) -> None:
    drawn = []
    for layer, seed in ((0, 0), (1, 0), (0, 1)):
        chosen, _ = BlockPattern(4, layer, seed, bidirectional=bidirectional).key_blocks(1000, torch.tensor([1000]))
        drawn += [frozenset(row[5:].tolist()) for rows in chosen[0, :, 500:900] for row in rows]
    assert len(set(drawn)) > 0.99 * len(drawn)  # 4800 pairs of about 900 blocks: some meet by chance


@FORMS
def test_every_free_block_is_drawn_equally_often(bidirectional: bool) -> None:
    counts = torch.zeros(21, dtype=torch.int64)
    layers = 1000
    for layer in range(layers):
        chosen, used = BlockPattern(4, layer, bidirectional=bidirectional).key_blocks(21, torch.tensor([21]))
        counts += chosen[0, :, 18, used[0, 0, 18]].flatten().bincount(minlength=21)
    fixed = [0, 1, 17, 18, 19] if bidirectional else [0, 1, 16, 17, 18]
    free = [j for j in range(21 if bidirectional else 19) if j not in fixed]
    expected = 2 * 4 * layers / len(free)
    assert counts[fixed].eq(4 * layers).all()
    assert ((counts[free] - expected) ** 2 / expected).sum() < 45  # chi-square, 15 or 13 degrees: p of 1e-4


def test_the_hash_is_splitmix64_in_torch_numpy_and_python() -> None:
    assert int(splitmix64(torch.tensor(0), torch.tensor(0))) == 0xE220A8397B1DCDAF >> 1  # as published
    assert int(splitmix64(torch.tensor(0), torch.tensor(1))) == 0x6E789E6AA1B965F4 >> 1
    streams = [0, 1, 2**40 + 7, 2**63 - 1]
    counters = [0, 1, 6, 10**6, 2**40]
    ours = splitmix64(torch.tensor(streams)[:, None], torch.tensor(counters))
    theirs = splitmix64(np.array(streams)[:, None], np.array(counters))
    assert np.array_equal(ours.numpy(), theirs)
    pattern = BlockPattern(2, 5, 9)
    for head in range(2):
        ours = splitmix64(torch.tensor(pattern._keys[head]), torch.tensor(counters))
        assert ours.tolist() == [reference.random_number(pattern, head, counter) for counter in counters]


@FORMS
@pytest.mark.parametrize("patches", [1, 3, 4, 5, 23, 67, 128])
def test_sparsity_is_the_count_of_the_masks_zeros(bidirectional: bool, patches: int) -> None:
    pattern = BlockPattern(3, 1, bidirectional=bidirectional)
    mask, _ = reference.readable(torch.ones(patches, dtype=torch.bool), pattern, 4)
    dense = patches**2 if bidirectional else patches * (patches + 1) // 2
    share, blocks = pattern.sparsity(patches, 4)
    assert share == pytest.approx(1 - int(mask.sum()) / (3 * dense), abs=1e-12)
    assert blocks == -(-patches // 4)


@FORMS
@pytest.mark.parametrize("block", [4, 16, 64])
def test_at_32_blocks_more_than_half_of_the_pairs_are_not_read(bidirectional: bool, block: int) -> None:
    share, blocks = BlockPattern(4, 0, bidirectional=bidirectional).sparsity(32 * block, block)
    assert blocks == 32
    assert 0.5 < share < 0.8


def test_groups_are_closed_aligned_and_twice_as_long_at_every_level() -> None:
    pattern = BlockPattern(1, 0)
    assert pattern.groups_of(9)[:3] == [[], [], [(0, 2)]]
    assert pattern.groups_of(9)[7:] == [[(4, 6), (0, 4)], [(6, 8), (4, 8), (0, 8)]]
    for i, groups in enumerate(pattern.groups_of(300)):
        for level, (first, end) in enumerate(groups, 1):
            assert (end - first, first % 2**level) == (2**level, 0)
            assert i - 2**level < end <= i
    assert BlockPattern(1, 0, bidirectional=True).groups_of(3) == [[], [], []]
