import functools
import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genomelm.seq.alphabet import reverse_complement
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.seq.variant import Variant
from genomelm.seq.window import SCORED, STATUSES, Grid, allele_pair, allele_pair_in, grid_pair

# a short alphabet and repeats, so that indels have many placements
REPEATS = "".join(random.Random(1).choice(["A", "C", "CA", "GGA", "T", "ACAC", "TTTTTT"]) for _ in range(150))
LONG = "ACGT" + "CA" * 700 + "GTTGCA"


BOUNDS = st.tuples(st.integers(0, 100), st.integers(100, len(REPEATS)))
FOLDER = tempfile.TemporaryDirectory()  # goes when the interpreter ends


@functools.cache
def genome() -> Genome:
    path = Path(FOLDER.name) / "ref.fa"
    path.write_text(
        f">c\n{REPEATS}\n>long\n{LONG.lower()}\n>n\n{'N' * 200}ACGT{'N' * 200}\n>m\n{'ACGT' * 40}N{'ACGT' * 40}\n"
    )
    return Genome(path)


@st.composite
def variants(draw, start=0, end=len(REPEATS)):
    """A true variant anywhere, padded with shared bases on both sides as a VCF may have it."""
    first = draw(st.integers(start, end - 1))
    last = draw(st.integers(first, min(end, first + 6)))
    alt = draw(st.text(alphabet="ACGT", max_size=5))
    left = draw(st.integers(0, min(3, first - start)))
    right = draw(st.integers(0, min(3, end - last)))
    ref = REPEATS[first - left : last + right]
    return Variant("c", first - left + 1, ref, REPEATS[first - left : first] + alt + REPEATS[last : last + right])


def edited(variant: Variant, sequence: str = REPEATS) -> str:
    return sequence[: variant.pos - 1] + variant.alt + sequence[variant.pos - 1 + len(variant.ref) :]


@given(variants(), st.integers(1, 80))
def test_windows_equal_a_plain_string_edit(variant, width):
    pair = allele_pair(genome(), variant, width)
    if not variant.ref or not variant.alt:
        assert pair.status == "NON_ACGT"
        return
    if variant.ref == variant.alt:
        assert pair.status == "SAME_AS_REF"
        return
    if pair.status == "TOO_LONG":
        assert not pair.ref
        assert max(len(variant.ref), len(variant.alt)) > width or width <= 6
        return
    assert pair.status in SCORED
    window = pair.window
    assert pair.ref == REPEATS[window.start : window.end]
    assert (len(window) < width) == (pair.status == "EDGE_PADDED")
    assert REPEATS[: window.start] + pair.alt + REPEATS[window.end :] == edited(variant)
    assert pair.ref[: pair.offset] == pair.alt[: pair.offset]
    assert pair.ref[pair.offset + pair.ref_length :] == pair.alt[pair.offset + pair.alt_length :]
    changed_ref = pair.ref[pair.offset : pair.offset + pair.ref_length]
    changed_alt = pair.alt[pair.offset : pair.offset + pair.alt_length]
    assert changed_ref[:1] != changed_alt[:1]
    assert changed_ref[-1:] != changed_alt[-1:]
    if (
        not (changed_ref and changed_alt) and window.start + pair.offset > 0
    ):  # a pure indel stands as far left as it can
        assert REPEATS[window.start + pair.offset - 1] != (changed_ref or changed_alt)[-1]


@given(variants())
def test_every_placement_of_one_change_has_the_same_windows(variant):
    if not variant.ref or not variant.alt or variant.ref == variant.alt:
        return
    wanted = allele_pair(genome(), variant, 64)
    haplotype = edited(variant)
    difference = len(variant.alt) - len(variant.ref)
    for first in range(max(0, variant.pos - 30), min(len(REPEATS) - 10, variant.pos + 30)):
        ref = REPEATS[first : first + 8]
        other = Variant("c", first + 1, ref, haplotype[first : first + 8 + difference])
        if len(ref) + difference > 0 and edited(other) == haplotype:
            found = allele_pair(genome(), other, 64)
            assert (found.status, found.window, found.ref, found.alt) == (
                wanted.status,
                wanted.window,
                wanted.ref,
                wanted.alt,
            )
            assert (found.offset, found.ref_length, found.alt_length) == (
                wanted.offset,
                wanted.ref_length,
                wanted.alt_length,
            )


@given(variants(), BOUNDS)
def test_reverse_windows_are_the_reverse_complement(variant, bounds):
    forward = allele_pair_in(genome(), variant, Interval("c", *bounds))
    reverse = allele_pair_in(genome(), variant, Interval("c", *bounds, "-"))
    assert forward.status == reverse.status
    if forward.status not in SCORED:
        return
    assert reverse.ref == reverse_complement(forward.ref)
    assert reverse.alt == reverse_complement(forward.alt)
    assert (reverse.ref_length, reverse.alt_length) == (forward.ref_length, forward.alt_length)
    for window in (forward, reverse):
        assert window.ref[: window.offset] == window.alt[: window.offset]
        assert window.ref[window.offset + window.ref_length :] == window.alt[window.offset + window.alt_length :]


@given(variants(), BOUNDS)
def test_a_fixed_window_shows_the_edit_or_says_that_it_cannot(variant, bounds):
    pair = allele_pair_in(genome(), variant, Interval("c", *bounds))
    if pair.status in SCORED:
        assert pair.ref == REPEATS[bounds[0] : bounds[1]]
        assert REPEATS[: bounds[0]] + pair.alt + REPEATS[bounds[1] :] == edited(variant)


@given(variants(), st.integers(1, 40), st.integers(8, 40))
def test_windows_on_a_grid_show_the_edit_and_lie_where_the_variant_says(variant, step, flank):
    centred = allele_pair(genome(), variant, 100_000)
    pair = grid_pair(genome(), variant, Grid(step, flank, 80))
    assert (pair.status in SCORED) == (centred.status in SCORED)
    if pair.status not in SCORED:
        return
    window, start = pair.window, centred.window.start + centred.offset
    assert pair.ref == REPEATS[window.start : window.end]
    assert REPEATS[: window.start] + pair.alt + REPEATS[window.end :] == edited(variant)
    assert (window.start + pair.offset, pair.ref_length, pair.alt_length) == (
        start,
        centred.ref_length,
        centred.alt_length,
    )
    first, end = start // step * step - flank, (max(start, start + pair.ref_length - 1) // step + 1) * step + flank
    assert (window.start, window.end) == (max(first, 0), min(end, len(REPEATS)))
    assert (pair.status == "EDGE_PADDED") == (first < 0 or end > len(REPEATS))
    assert pair.offset >= min(flank, start)
    assert window.end - start - pair.ref_length >= min(flank, len(REPEATS) - start - pair.ref_length)


def test_neighbours_share_a_window_on_a_grid():
    windows = [
        grid_pair(genome(), Variant("long", pos, LONG[pos - 1], "T"), Grid(64, 100, 100)).window
        for pos in range(257, 321)
    ]
    assert {(window.start, window.end) for window in windows} == {(156, 420)}
    outside = grid_pair(genome(), Variant("long", 321, LONG[320], "T"), Grid(64, 100, 100)).window
    assert (outside.start, outside.end) == (220, 484)


def test_an_indel_moves_through_a_long_repeat():
    last = allele_pair(genome(), Variant("long", 4 + 1398, "acA", "a"), 100)
    first = allele_pair(genome(), Variant("long", 4, "TCA", "T"), 100)
    assert last.window == first.window == Interval("long", 0, 55)
    assert (last.ref, last.alt, last.status) == (first.ref, first.alt, "EDGE_PADDED")


def status(contig: str, pos: int, ref: str, alt: str, width: int = 20) -> str:
    return allele_pair(genome(), Variant(contig, pos, ref, alt), width).status


@pytest.mark.parametrize(
    ("contig", "pos", "ref", "alt", "expected"),
    [
        ("x", 1, "A", "C", "CONTIG_MISSING"),
        ("x", 0, "A", "<DEL>", "CONTIG_MISSING"),
        ("long", 0, "A", "C", "POS_OUT_OF_RANGE"),
        ("long", len(LONG) + 1, "A", "<DEL>", "POS_OUT_OF_RANGE"),
        ("long", len(LONG), "AC", "C", "POS_OUT_OF_RANGE"),
        ("long", 1, "A", "<NON_REF>", "NON_REF"),
        ("long", 1, "A", "<*>", "NON_REF"),
        ("long", 1, "A", "*", "STAR"),
        ("long", 1, "N", "<INS:ME:ALU>", "SYMBOLIC"),
        ("long", 1, "A", "A[chr2:5[", "BREAKEND"),
        ("long", 1, "A", "]chr2:5]A", "BREAKEND"),
        ("long", 1, "A", "A.", "BREAKEND"),
        ("long", 1, "A", "R", "NON_ACGT"),
        ("long", 1, "M", "A", "NON_ACGT"),
        ("long", 1, "A", "", "NON_ACGT"),
        ("long", 1, "A", "a", "SAME_AS_REF"),
        ("long", 1, "C", "A", "ALT_IS_REF_SWAP"),
        ("long", 1, "C", "T", "REF_MISMATCH"),
        ("long", 1, "AT", "A", "REF_MISMATCH"),
        ("long", 5, "C", "C" + "T" * 21, "TOO_LONG"),
        ("n", 100, "A", "C", "N_IN_WINDOW"),
        ("n", 202, "C", "G", "N_IN_WINDOW"),
        ("m", 161, "A", "C", "REF_MISMATCH"),
        ("m", 165, "T", "C", "OK"),
        ("long", 1, "A", "C", "EDGE_PADDED"),
        ("long", len(LONG), "a", "c", "EDGE_PADDED"),
        ("long", 101, "C", "t", "OK"),
    ],
)
def test_each_fault_has_its_status_in_the_order_of_the_table(contig, pos, ref, alt, expected):
    assert expected in STATUSES
    assert status(contig, pos, ref, alt) == expected


def test_a_snv_stands_in_the_middle():
    pair = allele_pair(genome(), Variant("long", 101, "C", "T"), 21)
    assert (pair.offset, pair.window) == (10, Interval("long", 90, 111))
    assert (pair.ref[10], pair.alt[10]) == ("C", "T")


def test_a_variant_outside_a_fixed_window_is_out_of_range():
    window = Interval("long", 100, 200)
    assert allele_pair_in(genome(), Variant("long", 99, "C", "T"), window).status == "POS_OUT_OF_RANGE"
    assert allele_pair_in(genome(), Variant("m", 101, "A", "T"), window).status == "POS_OUT_OF_RANGE"
    assert allele_pair_in(genome(), Variant("long", 101, "C", "T"), window).status == "OK"
