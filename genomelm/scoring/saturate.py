"""Every single-base substitution of an interval, as a VCF that `annotate` takes."""

import logging
from pathlib import Path

import pysam

from genomelm.errors import InputError
from genomelm.files import atomic_path
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.seq.vcf import raw_of

log = logging.getLogger(__name__)

_STEP = 1 << 16


def saturate(genome: Genome, interval: Interval, out: str | Path) -> int:
    """Write one record for each of the three substitutions of each base, sorted, and return their number.

    Positions are the forward strand's, whatever the interval's strand. Bases that are not A, C, G or T are left out.

    Args:
        out: .gz or .bgz is bgzipped, anything else is plain text.

    Raises:
        InputError: the contig is unknown, or the interval passes its end.
    """
    length = genome.contigs.get(interval.contig)
    if length is None or interval.end > length:
        where = "it is not in" if length is None else f"{interval.contig} has {length:,} bases in"
        raise InputError(f"cannot saturate {interval}: {where} {genome.path}")
    out = Path(out)
    contig = raw_of(interval.contig)
    records = skipped = 0
    with atomic_path(out) as temporary:
        opener = pysam.BGZFile if out.suffix in (".gz", ".bgz") else open
        with opener(str(temporary), "wb") as stream:
            stream.write(b"##fileformat=VCFv4.3\n##contig=<ID=" + contig + f",length={length}>\n".encode())
            stream.write(b"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n")
            for start in range(interval.start, interval.end, _STEP):
                piece = genome.fetch(Interval(interval.contig, start, min(start + _STEP, interval.end))).upper()
                known = [(pos, ref) for pos, ref in enumerate(piece, start + 1) if ref in "ACGT"]
                text = "".join(
                    f"\0\t{pos}\t.\t{ref}\t{alt}\t.\t.\t.\n" for pos, ref in known for alt in "ACGT" if alt != ref
                )
                stream.write(text.encode().replace(b"\0", contig))
                records += 3 * len(known)
                skipped += len(piece) - len(known)
    if skipped:
        log.warning("%d bases of %s are not A, C, G or T and have no records", skipped, interval)
    return records
