"""The two windows that a variant is scored on: reference and alternative, with equal flanks.

A variant is trimmed to the bases that differ, and a pure insertion or deletion is moved as far left as the
sequence allows, so that every way to write the same change gives the same pair of windows. On a circular contig a
window runs on past the last base with the first.
"""

import functools
import re
from dataclasses import dataclass

from genomelm.seq.alphabet import ALPHABETS, reverse_complement
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.seq.variant import Variant

SCORED = frozenset({"OK", "EDGE_PADDED"})
STATUSES = (
    *("UNREADABLE", "UNSUPPORTED", "CONTIG_MISSING", "POS_OUT_OF_RANGE", "NON_REF", "STAR", "SYMBOLIC", "BREAKEND"),
    *("NON_ACGT", "UNKNOWN_LETTER", "SAME_AS_REF"),
    *("ALT_IS_REF_SWAP", "REF_MISMATCH", "TOO_LONG", "N_IN_WINDOW", "NONFINITE", "EDGE_PADDED", "OK"),
)
"""In order of precedence. Only names of variants can be UNREADABLE, or UNSUPPORTED where they spell no sequence.
UNKNOWN_LETTER is for RNA and proteins what NON_ACGT is for DNA."""

MOST_UNKNOWN = 0.1  # largest share of a window that may be N

_SHIFT_STEP = 256  # bases read at a time while an indel moves left


Change = tuple[int, str, str]
"""0-based start, and the letters there of reference and alternative."""


@dataclass(frozen=True)
class AllelePair:
    """Reference and alternative windows of one variant, or the reason why there are none.

    Args:
        variant: as it was given.
        status: one of STATUSES; the windows exist when it is in SCORED.
        window: the reference bases that `ref` shows, None when unscored; past the end of a circular contig its first
            bases follow.
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


def allele_pair(genome: Genome, variant: Variant, width: int, alphabet: str = "dna") -> AllelePair:
    """Return the windows of a variant with `width` reference bases around it, the variant in the middle.

    At the end of a linear contig the window is clipped, and the status is EDGE_PADDED.

    Args:
        alphabet: dna, rna (T reads as U) or protein.
    """
    contig, fault = _located(genome, variant, alphabet)
    if fault:
        return AllelePair(variant, fault)
    start, ref, alt = _normalised(genome, contig, variant, None, alphabet)
    if max(len(ref), len(alt)) > width:
        return AllelePair(variant, "TOO_LONG")
    first = start + len(ref) // 2 - width // 2
    return _placed(genome, contig, variant, (start, ref, alt), first, first + width, alphabet)


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


def grid_pair(genome: Genome, variant: Variant, grid: Grid, alphabet: str = "dna") -> AllelePair:
    """Return the windows of a variant on a grid.

    At the end of a linear contig the window is clipped, and the status is EDGE_PADDED.

    Args:
        alphabet: dna, rna (T reads as U) or protein.
    """
    contig, fault = _located(genome, variant, alphabet)
    if fault:
        return AllelePair(variant, fault)
    start, ref, alt = _normalised(genome, contig, variant, None, alphabet)
    if max(len(ref), len(alt)) > grid.longest:
        return AllelePair(variant, "TOO_LONG")
    last = start + max(len(ref) - 1, 0)
    first = start // grid.step * grid.step - grid.flank
    end = (last // grid.step + 1) * grid.step + grid.flank
    return _placed(genome, contig, variant, (start, ref, alt), first, end, alphabet)


def allele_pair_in(genome: Genome, variant: Variant, window: Interval, alphabet: str = "dna") -> AllelePair:
    """Return the windows of a variant inside a fixed interval, such as the locus of an assay, on either strand.

    A variant that leaves the interval gets POS_OUT_OF_RANGE. An indel in a repeat that begins before the
    interval is moved left to the interval's first base, no further.

    Args:
        alphabet: dna, rna (T reads as U) or protein.
    """
    contig, fault = _located(genome, variant, alphabet)
    if fault:
        return AllelePair(variant, fault)
    start, ref, alt = _normalised(genome, contig, variant, window.start, alphabet)
    if contig != window.contig or start < window.start or start + len(ref) > window.end:
        return AllelePair(variant, "POS_OUT_OF_RANGE")
    if max(len(ref), len(alt)) > len(window):
        return AllelePair(variant, "TOO_LONG")
    return _pair(genome, variant, window, (start, ref, alt), alphabet, edge=False)


def written_change(genome: Genome, variant: Variant, alphabet: str = "dna") -> Change | None:
    """Return what a variant changes where it is written: common bases at its start are left out, then those at its end.

    None where it changes no letters, or is not of this genome.
    """
    _, fault = _located(genome, variant, alphabet)
    if fault:
        return None
    start, ref, alt = _alleles(variant, alphabet)
    head = _common(ref, alt)
    ref, alt = ref[head:], alt[head:]
    tail = _common(ref[::-1], alt[::-1])
    return start + head, ref[: len(ref) - tail], alt[: len(alt) - tail]


def _common(one: str, other: str) -> int:
    """Return how many letters both begin with."""
    short = min(len(one), len(other))
    return next((n for n in range(short) if one[n] != other[n]), short)


def letters_at(genome: Genome, contig: str, start: int, end: int, alphabet: str = "dna") -> str:
    """Return reference letters as alleles are compared with: upper case, U for the T of RNA.

    Args:
        start, end: 0-based, half-open; below 0 they count from the end of a circular contig.
    """
    if start < 0:
        start, end = start + genome.contigs[contig], end + genome.contigs[contig]
    return _as_letters(genome.fetch(Interval(contig, start, end)), alphabet)


def _as_letters(text: str, alphabet: str) -> str:
    return text.upper().replace("T", "U") if alphabet == "rna" else text.upper()


def _alleles(variant: Variant, alphabet: str) -> tuple[int, str, str]:
    return variant.pos - 1, _as_letters(variant.ref, alphabet), _as_letters(variant.alt, alphabet)


def _located(genome: Genome, variant: Variant, alphabet: str) -> tuple[str, str | None]:
    """Return the genome's contig name and the first fault of the status table, None when there is none."""
    contig = variant.contig if variant.contig in genome.contigs else genome.resolve(variant.contig)
    if contig is None:
        return "", "CONTIG_MISSING"
    start, ref, alt = _alleles(variant, alphabet)
    length = genome.contigs[contig]
    circular = contig in genome.circular and start < length
    if start < 0 or len(ref) > length or (start + len(ref) > length and not circular):
        return contig, "POS_OUT_OF_RANGE"
    if fault := _allele_fault(ref, alt, alphabet):
        return contig, fault
    found = letters_at(genome, contig, start, start + len(ref), alphabet)
    if found == ref:
        return contig, None
    # an ALT that begins REF (a deletion's anchor) matches whatever follows, so it proves nothing
    stop = start + len(alt)
    if (
        not ref.startswith(alt)
        and (stop <= length or (circular and len(alt) <= length))
        and letters_at(genome, contig, start, stop, alphabet) == alt
    ):
        return contig, "ALT_IS_REF_SWAP"
    # where the genome itself says N, a long stretch of N is the better reason
    known = ALPHABETS[alphabet].letters
    if not _only(known).fullmatch(found) and all(f == r or f not in known for f, r in zip(found, ref, strict=True)):
        around = letters_at(genome, contig, max(start - 50, 0), min(start + len(ref) + 50, length), alphabet)
        if mostly_unknown(around, alphabet):
            return contig, "N_IN_WINDOW"
    return contig, "REF_MISMATCH"


def _allele_fault(ref: str, alt: str, alphabet: str) -> str | None:
    if alt in ("<NON_REF>", "<*>"):
        return "NON_REF"
    if alt == "*":
        return "STAR"
    if alt.startswith("<") and alt.endswith(">"):
        return "SYMBOLIC"
    if "[" in alt or "]" in alt or (len(alt) > 1 and (alt[0] == "." or alt[-1] == ".")):
        return "BREAKEND"
    known = _only(ALPHABETS[alphabet].letters)
    if not known.fullmatch(ref) or not known.fullmatch(alt):
        return "NON_ACGT" if alphabet == "dna" else "UNKNOWN_LETTER"
    return "SAME_AS_REF" if ref == alt else None


@functools.cache
def _only(letters: str) -> re.Pattern[str]:
    return re.compile(f"[{letters}]+")


def _normalised(
    genome: Genome, contig: str, variant: Variant, leftmost: int | None, alphabet: str
) -> tuple[int, str, str]:
    """Trim common ends, move a pure indel left; return 0-based start, ref, alt.

    Args:
        leftmost: no further than this base; None: to the contig's first, or once around a circular contig.
    """
    start, ref, alt = _alleles(variant, alphabet)
    short = min(len(ref), len(alt))
    tail = next((n for n in range(short) if ref[-1 - n] != alt[-1 - n]), short)
    ref, alt = ref[: len(ref) - tail], alt[: len(alt) - tail]
    head = next((n for n, (r, a) in enumerate(zip(ref, alt, strict=False)) if r != a), short - tail)
    ref, alt, start = ref[head:], alt[head:], start + head
    turn = genome.contigs[contig] if leftmost is None and contig in genome.circular else 0
    if ref and alt:
        return start % turn if turn else start, ref, alt
    least = start - turn if turn else leftmost or 0
    indel, shift = ref or alt, 0
    while start - shift > least:
        piece_end = start - shift
        first = max(least, piece_end - _SHIFT_STEP)
        if first < 0 < piece_end:  # a piece on either side of the origin
            first = 0
        piece = letters_at(genome, contig, first, piece_end, alphabet)
        for base in reversed(piece):
            # after `shift` steps the indel's last base is the one that stood `shift` places before its end
            if base != indel[-1 - shift % len(indel)]:
                break
            shift += 1
        else:
            continue
        break
    rest = shift % len(indel)
    indel = indel[len(indel) - rest :] + indel[: len(indel) - rest]
    start = (start - shift) % turn if turn else start - shift
    return start, indel if ref else "", indel if alt else ""


def _placed(
    genome: Genome, contig: str, variant: Variant, change: Change, first: int, end: int, alphabet: str
) -> AllelePair:
    """Cut the window [first, end) out as far as the contig goes; it turns around with a circular one."""
    length = genome.contigs[contig]
    if contig not in genome.circular:
        window = Interval(contig, max(first, 0), min(end, length))
        return _pair(genome, variant, window, change, alphabet, edge=len(window) < end - first)
    if end - first > length:  # all of it once, the change in the middle
        first = change[0] + len(change[1]) // 2 - length // 2
        end = first + length
    first, end = first % length, first % length + end - first
    return _pair(genome, variant, Interval(contig, first, end), change, alphabet, edge=False)


def _pair(genome: Genome, variant: Variant, window: Interval, change: Change, alphabet: str, edge: bool) -> AllelePair:
    """Cut the window out and make the change in it."""
    start, ref, alt = change
    forward = letters_at(genome, window.contig, window.start, window.end, alphabet)
    offset = start - window.start
    if offset < 0:  # behind the origin of a circular contig
        offset += genome.contigs[window.contig]
    changed = forward[:offset] + alt + forward[offset + len(ref) :]
    if not changed:
        return AllelePair(variant, "TOO_LONG")
    if mostly_unknown(forward, alphabet):
        return AllelePair(variant, "N_IN_WINDOW")
    if window.strand == "-":
        offset = len(forward) - offset - len(ref)
        forward, changed = reverse_complement(forward), reverse_complement(changed)
    return AllelePair(variant, "EDGE_PADDED" if edge else "OK", window, forward, changed, offset, len(ref), len(alt))


def mostly_unknown(sequence: str, alphabet: str) -> bool:
    """Whether more than MOST_UNKNOWN of a window is N, or no letter."""
    others = sequence.encode("latin-1", "replace").translate(None, ALPHABETS[alphabet].letters.encode())
    return len(others) > MOST_UNKNOWN * len(sequence)
