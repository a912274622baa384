"""The two windows that a variant is scored on: reference and alternative, with equal flanks.

A variant is trimmed to the bases that differ, and a pure insertion or deletion is moved as far left as the
sequence allows, so that every way to write the same change gives the same pair of windows.
"""

import re
from dataclasses import dataclass

from genomelm.seq.alphabet import reverse_complement
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.seq.variant import Variant

SCORED = frozenset({"OK", "EDGE_PADDED"})
STATUSES = (
    *("CONTIG_MISSING", "POS_OUT_OF_RANGE", "NON_REF", "STAR", "SYMBOLIC", "BREAKEND", "NON_ACGT", "SAME_AS_REF"),
    *("ALT_IS_REF_SWAP", "REF_MISMATCH", "TOO_LONG", "N_IN_WINDOW", "NONFINITE", "EDGE_PADDED", "OK"),
)
MOST_UNKNOWN = 0.1  # largest share of a window that may be N

_BASES = re.compile("[ACGT]+")
_SHIFT_STEP = 256  # bases read at a time while an indel moves left


@dataclass(frozen=True)
class AllelePair:
    """Reference and alternative windows of one variant, or the reason why there are none.

    Args:
        variant: as it was given.
        status: one of STATUSES; the windows exist when it is in SCORED.
        window: the reference bases that `ref` shows, None when unscored.
        ref: upper-case window, as read along `window.strand`.
        alt: the same window with the change made; longer or shorter than `ref` for an indel.
        offset: index in `ref` and in `alt` of the first base that the change occupies.
        ref_length: reference bases that the change replaces (0 for an insertion).
        alt_length: bases that replace them (0 for a deletion).
        turned: whether `ref` and `alt` are read along the strand opposite to the one that was asked for.
    """

    variant: Variant
    status: str
    window: Interval | None = None
    ref: str = ""
    alt: str = ""
    offset: int = 0
    ref_length: int = 0
    alt_length: int = 0
    turned: bool = False


def allele_pair(genome: Genome, variant: Variant, width: int) -> AllelePair:
    """Return the windows of a variant with `width` reference bases around it, the variant in the middle.

    At a contig's end the window is clipped, and the status is EDGE_PADDED.
    """
    contig, fault = _located(genome, variant)
    if fault:
        return AllelePair(variant, fault)
    start, ref, alt = _normalised(genome, contig, variant, 0)
    if max(len(ref), len(alt)) > width:
        return AllelePair(variant, "TOO_LONG")
    first = start + len(ref) // 2 - width // 2
    window = Interval(contig, max(first, 0), min(first + width, genome.contigs[contig]))
    return _pair(genome, variant, window, start, ref, alt, edge=len(window) < width)


@dataclass(frozen=True)
class Grid:
    """Where windows lie: each holds the cells of a contig that its variant touches, and as many bases on either side.

    Neighbouring variants so have one window, and a variant's window depends on nothing but the variant.

    Args:
        step: bases of a cell; cells begin at multiples of it.
        flank: bases on either side of the cells.
        longest: bases of the longest allele that is scored.
    """

    step: int
    flank: int
    longest: int


def grid_pair(genome: Genome, variant: Variant, grid: Grid) -> AllelePair:
    """Return the windows of a variant on a grid.

    At a contig's end the window is clipped, and the status is EDGE_PADDED.
    """
    contig, fault = _located(genome, variant)
    if fault:
        return AllelePair(variant, fault)
    start, ref, alt = _normalised(genome, contig, variant, 0)
    if max(len(ref), len(alt)) > grid.longest:
        return AllelePair(variant, "TOO_LONG")
    last = start + max(len(ref) - 1, 0)
    first = start // grid.step * grid.step - grid.flank
    end = (last // grid.step + 1) * grid.step + grid.flank
    window = Interval(contig, max(first, 0), min(end, genome.contigs[contig]))
    return _pair(genome, variant, window, start, ref, alt, edge=len(window) < end - first)


def allele_pair_in(genome: Genome, variant: Variant, window: Interval) -> AllelePair:
    """Return the windows of a variant inside a fixed interval, such as the locus of an assay, on either strand.

    A variant that leaves the interval gets POS_OUT_OF_RANGE. An indel in a repeat that begins before the
    interval is moved left to the interval's first base, no further.
    """
    contig, fault = _located(genome, variant)
    if fault:
        return AllelePair(variant, fault)
    start, ref, alt = _normalised(genome, contig, variant, window.start)
    if contig != window.contig or start < window.start or start + len(ref) > window.end:
        return AllelePair(variant, "POS_OUT_OF_RANGE")
    if max(len(ref), len(alt)) > len(window):
        return AllelePair(variant, "TOO_LONG")
    return _pair(genome, variant, window, start, ref, alt, edge=False)


def _located(genome: Genome, variant: Variant) -> tuple[str, str | None]:
    """Return the genome's contig name and the first fault of the status table, None when there is none."""
    contig = variant.contig if variant.contig in genome.contigs else genome.resolve(variant.contig)
    if contig is None:
        return "", "CONTIG_MISSING"
    start, ref, alt = variant.pos - 1, variant.ref.upper(), variant.alt.upper()
    if start < 0 or start + len(ref) > genome.contigs[contig]:
        return contig, "POS_OUT_OF_RANGE"
    if fault := _allele_fault(ref, alt):
        return contig, fault
    found = genome.fetch(Interval(contig, start, start + len(ref))).upper()
    if found == ref:
        return contig, None
    # an ALT that begins REF (a deletion's anchor) matches whatever follows, so it proves nothing
    stop = start + len(alt)
    if (
        not ref.startswith(alt)
        and stop <= genome.contigs[contig]
        and genome.fetch(Interval(contig, start, stop)).upper() == alt
    ):
        return contig, "ALT_IS_REF_SWAP"
    # where the genome itself says N, a long stretch of N is the better reason
    if not _BASES.fullmatch(found) and all(f == r or f not in "ACGT" for f, r in zip(found, ref, strict=True)):
        around = Interval(contig, max(start - 50, 0), min(start + len(ref) + 50, genome.contigs[contig]))
        if _mostly_unknown(genome.fetch(around).upper()):
            return contig, "N_IN_WINDOW"
    return contig, "REF_MISMATCH"


def _allele_fault(ref: str, alt: str) -> str | None:
    if alt in ("<NON_REF>", "<*>"):
        return "NON_REF"
    if alt == "*":
        return "STAR"
    if alt.startswith("<") and alt.endswith(">"):
        return "SYMBOLIC"
    if "[" in alt or "]" in alt or (len(alt) > 1 and (alt[0] == "." or alt[-1] == ".")):
        return "BREAKEND"
    if not _BASES.fullmatch(ref) or not _BASES.fullmatch(alt):
        return "NON_ACGT"
    return "SAME_AS_REF" if ref == alt else None


def _normalised(genome: Genome, contig: str, variant: Variant, leftmost: int) -> tuple[int, str, str]:
    """Trim common ends, move a pure indel left but not before `leftmost`; return 0-based start, ref, alt."""
    start, ref, alt = variant.pos - 1, variant.ref.upper(), variant.alt.upper()
    short = min(len(ref), len(alt))
    tail = next((n for n in range(short) if ref[-1 - n] != alt[-1 - n]), short)
    ref, alt = ref[: len(ref) - tail], alt[: len(alt) - tail]
    head = next((n for n, (r, a) in enumerate(zip(ref, alt, strict=False)) if r != a), short - tail)
    ref, alt, start = ref[head:], alt[head:], start + head
    if ref and alt:
        return start, ref, alt
    indel, shift = ref or alt, 0
    while start - shift > leftmost:
        piece_end = start - shift
        piece = genome.fetch(Interval(contig, max(leftmost, piece_end - _SHIFT_STEP), piece_end)).upper()
        for base in reversed(piece):
            # after `shift` steps the indel's last base is the one that stood `shift` places before its end
            if base != indel[-1 - shift % len(indel)]:
                break
            shift += 1
        else:
            continue
        break
    turn = shift % len(indel)
    indel = indel[len(indel) - turn :] + indel[: len(indel) - turn]
    return start - shift, indel if ref else "", indel if alt else ""


def _pair(genome: Genome, variant: Variant, window: Interval, start: int, ref: str, alt: str, edge: bool) -> AllelePair:
    """Cut the window out and make the change in it."""
    forward = genome.fetch(Interval(window.contig, window.start, window.end)).upper()
    offset = start - window.start
    changed = forward[:offset] + alt + forward[offset + len(ref) :]
    if not changed:
        return AllelePair(variant, "TOO_LONG")
    if _mostly_unknown(forward):
        return AllelePair(variant, "N_IN_WINDOW")
    if window.strand == "-":
        offset = len(forward) - offset - len(ref)
        forward, changed = reverse_complement(forward), reverse_complement(changed)
    return AllelePair(variant, "EDGE_PADDED" if edge else "OK", window, forward, changed, offset, len(ref), len(alt))


def _mostly_unknown(sequence: str) -> bool:
    known = sum(map(sequence.count, "ACGT"))
    return len(sequence) - known > MOST_UNKNOWN * len(sequence)
