"""Columns found by the block are those that a plain reading finds, line by line."""

from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st

from genomelm.seq.vcf_block import Block

NAMES = st.sampled_from([b"a", b"b", b"ab", b"\xff", b""])
POS = st.one_of(
    st.integers(0, 10**10 - 1).map(lambda n: b"%d" % n), st.sampled_from([b"007", b"x", b"", b"-1", b"1" * 11])
)
WORD = st.sampled_from([b"", b"x", b"7", b"#", b" ", b"\r"])
LINES = st.lists(st.tuples(NAMES, POS, WORD, WORD).map(b"\t".join), min_size=1, max_size=8)


@given(LINES, st.integers(1, 99))
def test_a_block_of_whole_lines_has_their_contigs_positions_and_numbers(lines, number):
    text = b"".join(line + b"\n" for line in lines)
    block = Block.of(number, text, 4)
    assert block is not None
    assert list(block.lines()) == [(number + n, line + b"\n") for n, line in enumerate(lines)]
    cells = [line.split(b"\t") for line in lines]
    runs, at = [], 0
    for name, group in groupby(row[0] for row in cells):
        size = len(list(group))
        runs.append((name, at, at + size))
        at += size
    assert block.contigs() == runs
    plain = [int(row[1]) for row in cells] if all(row[1].isdigit() and len(row[1]) <= 10 for row in cells) else None
    found = block.positions()
    assert (None if found is None else found.tolist()) == plain


@given(st.lists(st.lists(WORD.filter(lambda word: word != b"\r"), max_size=5).map(b"\t".join), min_size=1, max_size=6))
def test_a_line_of_another_width_or_a_header_line_makes_no_block(lines):
    text = b"".join(line + b"\n" for line in lines)
    good = all(line.count(b"\t") == 2 and not line.startswith(b"#") for line in lines)
    assert (Block.of(1, text, 3) is not None) == good
