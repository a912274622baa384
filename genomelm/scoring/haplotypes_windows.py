"""The two windows of a variant on a haplotype: the reference with some of a sample's changes made in both alleles.

A window has as many bases before and behind its variant as without those changes: where a deletion takes bases away,
more of the haplotype follow at that end, and where an insertion adds some, the outermost are left out.
"""

from collections.abc import Callable, Sequence

from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.seq.window import AllelePair, Change, letters_at, mostly_unknown

_STEP = 64  # bases that are looked at for an indel that moves left, at least

Near = Callable[[int, int], list[Change]]
"""Gives the changes of a haplotype that touch [start, end], 0-based, in order of place; none of them overlap."""


def overlaps(one: Change, other: Change) -> bool:
    """Whether two changes replace a common base, insert at one place, or one inserts among bases the other replaces."""
    first, end = one[0], one[0] + len(one[1])
    start, stop = other[0], other[0] + len(other[1])
    return (first < stop and start < end) or first == end == start == stop


def haplotype_pair(genome: Genome, pair: AllelePair, change: Change, near: Near, alphabet: str = "dna") -> AllelePair:
    """Return the windows of a variant on a haplotype.

    The change is made where it is written, between the haplotype's changes on either side, and a pure insertion or
    deletion then moved as far left as the haplotype's bases allow. Changes that overlap it are not made.

    Args:
        pair: the variant's windows on the reference, forward; they are returned where no change touches them.
        change: what the variant replaces where it is written.
        near: the haplotype.

    Returns:
        Windows with status OK or EDGE_PADDED, whose `window` is the reference bases that were looked at; or the status
        for which there are none.
    """
    assert pair.window is not None
    assert pair.window.strand == "+"
    contig, length = pair.window.contig, genome.contigs[pair.window.contig]
    behind = len(pair.ref) - pair.offset - pair.ref_length
    first = pair.window.start + pair.offset
    moved = change[0] - first
    moved = moved % length if contig in genome.circular else moved
    first += moved
    end = first + len(change[1])
    placed = (first, change[1], change[2])

    def others(start: int, stop: int) -> list[Change]:
        return [other for other in near(start, stop) if not overlaps(other, placed)]

    if not others(min(pair.window.start, first), max(pair.window.end, end)):
        return pair
    least, most = 0, length
    if contig in genome.circular:
        spare = max(length - (max(pair.window.end, end) - pair.window.start), 0)
        least, most = pair.window.start - spare // 2, pair.window.start - spare // 2 + length

    def left(count: int) -> tuple[str, int]:
        return _before(genome, contig, first, count, least, others, alphabet)

    text, start = left(pair.offset + moved)
    shift = 0
    if not (change[1] and change[2]):
        count, indel = pair.offset + moved, change[1] or change[2]
        while (shift := _shift(text, indel)) == len(text) and start > least:
            count = 2 * count + _STEP
            text, start = left(count)
        text, start = left(pair.offset + shift)
    rest, stop = _behind(genome, contig, end, max(behind - shift, 0), most, others, alphabet)
    ref, alt = text + change[1] + rest, text + change[2] + rest
    site = len(text) - shift  # of the change, moved
    begin, bases = max(site - pair.offset, 0), behind + len(change[1])
    ref, alt = ref[begin : site + bases], alt[begin : site + behind + len(change[2])]
    if not ref or not alt:
        return AllelePair(pair.variant, "TOO_LONG")
    if mostly_unknown(ref, alphabet):
        return AllelePair(pair.variant, "N_IN_WINDOW")
    short = len(ref) < len(pair.ref) and contig not in genome.circular
    status = "EDGE_PADDED" if short else pair.status
    turn = start // length * length if contig in genome.circular else 0
    window = Interval(contig, start - turn, stop - turn)
    return AllelePair(pair.variant, status, window, ref, alt, site - begin, len(change[1]), len(change[2]))


def _shift(text: str, indel: str) -> int:
    """Return by how many bases an indel behind `text` can move left."""
    size = len(indel)
    return next((n for n in range(len(text)) if text[-1 - n] != indel[-1 - n % size]), len(text))


def _before(
    genome: Genome, contig: str, end: int, count: int, least: int, others: Near, alphabet: str
) -> tuple[str, int]:
    """Return the last `count` bases of the haplotype before `end`, fewer where it begins, and where they begin."""
    start = max(end - count, least)
    while True:
        changes = [other for other in others(start, end) if _ends(other) <= end and other[0] >= least]
        start = min([start, *(other[0] for other in changes if _ends(other) > start)])
        text = _made(genome, contig, start, end, [other for other in changes if other[0] >= start], alphabet)
        if len(text) >= count or start <= least:
            return text[len(text) - min(count, len(text)) :], start
        start = max(start - (count - len(text)), least)


def _behind(
    genome: Genome, contig: str, start: int, count: int, most: int, others: Near, alphabet: str
) -> tuple[str, int]:
    """Return the first `count` bases of the haplotype from `start` on, fewer where it ends, and where they end."""
    end = min(start + count, most)
    while True:
        changes = [other for other in others(start, end) if other[0] >= start and _ends(other) <= most]
        end = max([end, *(_ends(other) for other in changes if other[0] < end)])
        text = _made(genome, contig, start, end, [other for other in changes if _ends(other) <= end], alphabet)
        if len(text) >= count or end >= most:
            return text[:count], end
        end = min(end + count - len(text), most)


def _ends(change: Change) -> int:
    return change[0] + len(change[1])


def _made(genome: Genome, contig: str, start: int, end: int, changes: Sequence[Change], alphabet: str) -> str:
    """Return the bases [start, end) with changes made that lie inside of it, in order of place."""
    pieces, done = [], start
    forward = _letters(genome, contig, start, end, alphabet) if start < end else ""
    for place, ref, alt in changes:
        pieces += [forward[done - start : place - start], alt]
        done = place + len(ref)
    return "".join([*pieces, forward[done - start :]])


def _letters(genome: Genome, contig: str, start: int, end: int, alphabet: str) -> str:
    if contig not in genome.circular:
        return letters_at(genome, contig, start, end, alphabet)
    turn = start // genome.contigs[contig] * genome.contigs[contig]
    return letters_at(genome, contig, start - turn, end - turn, alphabet)
