"""Windows on a haplotype are cut from the haplotype's whole sequence, written out base by base."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genomelm.scoring.haplotypes_windows import haplotype_pair, overlaps
from genomelm.seq.genome import Genome
from genomelm.seq.variant import Variant
from genomelm.seq.window import SCORED, Grid, allele_pair, grid_pair, written_change

WIDTH = 16


@st.composite
def haplotypes(draw):
    """Return a contig rich in repeats, a variant, and other changes that overlap neither it nor each other."""
    words = st.sampled_from(["A", "C", "CA", "GGA", "T", "ACAC", "TTTT", "GATC"])
    bases = "".join(draw(st.lists(words, min_size=12, max_size=40)))
    changes = []
    for _ in range(draw(st.integers(1, 9))):
        start = draw(st.integers(0, len(bases)))
        ref = bases[start : start + draw(st.integers(0, 9))]
        alt = draw(st.text("ACGT", max_size=9))
        change = (start, ref, alt)
        if ref[:1] == alt[:1] or ref[-1:] == alt[-1:]:  # not trimmed, or no change
            continue
        if not any(overlaps(change, other) for other in changes):
            changes.append(change)
    return bases, changes


def whole(bases: str, changes) -> str:
    """Make changes that do not overlap, the last first."""
    for start, ref, alt in sorted(changes, key=lambda c: (c[0], len(c[1])), reverse=True):
        assert bases[start : start + len(ref)] == ref
        bases = bases[:start] + alt + bases[start + len(ref) :]
    return bases


def common(one: str, other: str) -> int:
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def expected(ref: str, alt: str, pair) -> tuple[str, str, int, int, int]:
    """Cut both windows out of whole sequences that differ by one change: the leftmost of its places."""
    behind = len(pair.ref) - pair.offset - pair.ref_length
    short = min(len(ref), len(alt))
    tail = common(ref[::-1], alt[::-1])
    place = min(common(ref, alt), short - tail)
    first = max(place - pair.offset, 0)
    ends = [len(text) - tail for text in (ref, alt)]
    cut = [text[first : end + behind] for text, end in zip((ref, alt), ends, strict=True)]
    return (*cut, place - first, ends[0] - place, ends[1] - place)


def as_record(bases: str, change) -> Variant:
    """Write a change as a VCF does, with the base before it, or the one behind it at the contig's start."""
    start, ref, alt = change
    if ref and alt:
        return Variant("c", start + 1, ref, alt)
    if start:
        return Variant("c", start, bases[start - 1] + ref, bases[start - 1] + alt)
    end = bases[len(ref)]
    return Variant("c", 1, ref + end, alt + end)


def near(changes):
    return lambda start, end: [c for c in sorted(changes) if c[0] <= end and c[0] + len(c[1]) >= start]


@settings(max_examples=200, deadline=None)
@given(made=haplotypes(), grid=st.booleans())
def test_both_windows_are_cut_from_the_whole_haplotype(made, grid):
    bases, (change, *others) = made[0], made[1] or [(0, "", "")]
    if not any(change[1:]) or len(change[1]) >= len(bases):
        return
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "r.fa").write_text(f">c\n{bases}\n")
        with Genome(Path(folder) / "r.fa", Path(folder)) as genome:
            variant = as_record(bases, change)
            pair = grid_pair(genome, variant, Grid(4, 6, WIDTH)) if grid else allele_pair(genome, variant, WIDTH)
            if pair.status not in SCORED:
                return
            if written_change(genome, variant) != change:  # at the contig's start its place is ambiguous
                return
            found = haplotype_pair(genome, pair, change, near(others))
    ref, alt = whole(bases, others), whole(bases, [change, *others])
    if ref == alt:  # a neighbour undoes it
        return
    wanted = expected(ref, alt, pair)
    if not (wanted[0] and wanted[1]):
        assert found.status == "TOO_LONG"
        return
    if (wanted[3], wanted[4]) != (pair.ref_length, pair.alt_length):  # with a neighbour it is a shorter change
        return
    assert (found.ref, found.alt, found.offset, found.ref_length, found.alt_length) == wanted
    assert found.status == ("EDGE_PADDED" if len(found.ref) < len(pair.ref) else pair.status)


def one(start: int, ref: str, alt: str):
    return (start, ref, alt)


@pytest.mark.parametrize(
    ("first", "second", "answer"),
    [
        (one(5, "A", "C"), one(5, "A", "G"), True),
        (one(5, "A", "C"), one(6, "A", "G"), False),
        (one(5, "ACG", ""), one(7, "G", "T"), True),
        (one(5, "ACG", ""), one(8, "G", "T"), False),
        (one(5, "", "A"), one(5, "", "C"), True),
        (one(5, "", "A"), one(5, "A", "C"), False),
        (one(6, "", "A"), one(5, "A", "C"), False),
        (one(6, "", "A"), one(5, "AC", ""), True),
    ],
)
def test_changes_overlap_where_they_share_a_base_or_a_place(first, second, answer):
    assert overlaps(first, second) == overlaps(second, first) == answer


def test_without_neighbours_the_windows_are_those_of_the_reference(make_genome):
    genome = make_genome(c="ACGTTTTGCATGCAAACGTACGATTTTACGCATG")
    variant = Variant("c", 16, "A", "AA")
    pair = allele_pair(genome, variant, 10)
    far = (32, "T", "C")
    assert haplotype_pair(genome, pair, written_change(genome, variant), near([far])) is pair


@pytest.mark.parametrize("place", [0, 1, 5, 17, 19])
def test_a_circular_contig_gives_the_windows_of_its_turned_copy(make_genome, place):
    bases = "ACGTTAGCATGCAAACGTACGATTGTACGCATG"
    turned = bases[place:] + bases[:place]
    sites = [(15, "C", "T"), (20, "", "GG"), (9, "TG", ""), (25, "T", "A")]
    length, found = len(bases), []
    for text, shift in ((bases, 0), (turned, place)):
        moved = [((start - shift) % length, ref, alt) for start, ref, alt in sites]
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "r.fa").write_text(f">c\n{text}\n")
            with Genome(Path(folder) / "r.fa", Path(folder), circular=["c"]) as genome:
                start, ref, alt = moved[0]
                variant = Variant("c", start + 1, ref, alt)

                def around(first: int, end: int, moved=moved):
                    copies = [(s + turn * length, r, a) for s, r, a in moved[1:] for turn in (-1, 0, 1, 2)]
                    return near(copies)(first, end)

                pair = allele_pair(genome, variant, 24)
                other = haplotype_pair(genome, pair, written_change(genome, variant), around)
                found.append((other.ref, other.alt, other.offset, other.status))
    assert found[0] == found[1]
    assert len(found[0][0]) == 24
    assert found[0][0] != pair.ref
