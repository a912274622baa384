"""Every single-base substitution of some intervals, as a VCF that `annotate` takes."""

import logging
from collections.abc import Sequence
from pathlib import Path

import pysam

from genomelm.errors import InputError
from genomelm.files import atomic_path
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.seq.vcf import raw_of

log = logging.getLogger(__name__)

_STEP = 1 << 16


def saturate(genome: Genome, intervals: Sequence[Interval], out: str | Path) -> int:
    """Write one record for each of the three substitutions of each base, sorted, and return their number.

    Positions are the forward strand's, whatever an interval's strand; a base of several intervals is written once.
    Bases that are not A, C, G or T are left out.

    Args:
        out: .gz or .bgz is bgzipped, anything else is plain text.

    Raises:
        InputError: a contig is unknown, or an interval passes its end.
    """
    merged = merged_intervals(genome, intervals)
    out = Path(out)
    contigs = list(dict.fromkeys(interval.contig for interval in merged))
    records = bases = 0
    with atomic_path(out) as temporary:
        opener = pysam.BGZFile if out.suffix in (".gz", ".bgz") else open
        with opener(str(temporary), "wb") as stream:
            stream.write(b"##fileformat=VCFv4.3\n")
            for name in contigs:
                stream.write(b"##contig=<ID=" + raw_of(name) + f",length={genome.contigs[name]}>\n".encode())
            stream.write(b"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n")
            for interval in merged:
                contig = raw_of(interval.contig)
                for start in range(interval.start, interval.end, _STEP):
                    piece = genome.fetch(Interval(interval.contig, start, min(start + _STEP, interval.end))).upper()
                    known = [(pos, ref) for pos, ref in enumerate(piece, start + 1) if ref in "ACGT"]
                    text = "".join(
                        f"\0\t{pos}\t.\t{ref}\t{alt}\t.\t.\t.\n" for pos, ref in known for alt in "ACGT" if alt != ref
                    )
                    stream.write(text.encode().replace(b"\0", contig))
                    records += 3 * len(known)
                    bases += len(piece)
    if 3 * bases > records:
        log.warning("%d bases to saturate are not A, C, G or T and have no records", bases - records // 3)
    return records


def merged_intervals(genome: Genome, intervals: Sequence[Interval]) -> list[Interval]:
    """Return the forward strand's stretches that the intervals cover, in the genome's order.

    Raises:
        InputError: a contig is unknown, or an interval passes its end.
    """
    order = {contig: number for number, contig in enumerate(genome.contigs)}
    for interval in intervals:
        length = genome.contigs.get(interval.contig)
        if length is None or interval.end > length:
            where = "it is not in" if length is None else f"{interval.contig} has {length:,} bases in"
            raise InputError(f"cannot saturate {interval}: {where} {genome.path}")
    found: list[Interval] = []
    for interval in sorted(intervals, key=lambda one: (order[one.contig], one.start)):
        if found and found[-1].contig == interval.contig and interval.start <= found[-1].end:
            found[-1] = Interval(interval.contig, found[-1].start, max(found[-1].end, interval.end))
        else:
            found.append(Interval(interval.contig, interval.start, interval.end))
    return [interval for interval in found if len(interval)]
