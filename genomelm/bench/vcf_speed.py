"""Speed and memory of reading and writing VCF files, with a scorer that computes nothing.

What is timed is also checked: each output holds its input's records, in order, with INFO alone changed.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from genomelm.bench.timing import row
from genomelm.errors import IntegrityError, ResourceError
from genomelm.scoring.annotate import annotate
from genomelm.seq.bgzf import BgzfOutput
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.seq.variant import Variant
from genomelm.seq.vcf import VcfReader
from genomelm.seq.window import AllelePair, allele_pair

TARGET = 50_000.0
"""Records a second, with ten samples and nothing to score."""
_CONTIG, _SPACING = "c", 20  # bases between records


class NullScorer:
    """Scores every allele 0 without looking at it."""

    tag = "GLM_NULL"
    description = "Nothing: a measurement of reading and writing"

    def __init__(self) -> None:
        self.provenance: dict[str, object] = {"model": "none"}

    def pair(self, _genome: Genome, variant: Variant) -> AllelePair:
        """Return a pair without windows."""
        return AllelePair(variant, "OK")

    def score(self, pairs: Sequence[AllelePair]) -> np.ndarray:
        """Return zeros."""
        return np.zeros(len(pairs))


class WindowedNullScorer(NullScorer):
    """The same with windows of 64 bases, in which a sample's neighbours can be made."""

    def pair(self, genome: Genome, variant: Variant) -> AllelePair:
        """Return the windows of a variant."""
        return allele_pair(genome, variant, 64)


def write_example(folder: Path, records: int, samples: int, seed: int = 0) -> tuple[Path, Path]:
    """Write a genome of random bases and a bgzipped VCF of substitutions with genotypes, depths and qualities.

    Returns:
        The FASTA file and the VCF.
    """
    random = np.random.default_rng(seed)
    length = (records + 2) * _SPACING
    bases = "".join(random.choice(list("ACGT"), length))
    fasta, vcf = folder / f"{records}.fa", folder / f"{records}x{samples}.vcf.gz"
    fasta.write_text(f">{_CONTIG}\n{bases}\n")
    other = {"A": "C", "C": "G", "G": "T", "T": "A"}
    calls = [f"{a}|{b}:{d},{99 - d}:99:{d}" for a in (0, 1) for b in (0, 1) for d in range(0, 100, 3)]
    names = ["FORMAT", *(f"s{number}" for number in range(samples))] if samples else []
    columns = "\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", *names])
    out = BgzfOutput(vcf)
    out.write(f"##fileformat=VCFv4.2\n##contig=<ID={_CONTIG},length={length}>\n{columns}\n".encode())
    for number in range(1, records + 1):
        base = bases[number * _SPACING - 1]
        drawn = random.integers(0, len(calls), samples)
        info = f"AC={drawn.sum() % 21};AF=0.{number % 1000:03};DP={number % 997}"
        fixed = [_CONTIG, str(number * _SPACING), f"rs{number * 7919}", base, other[base], "29.123456", "PASS", info]
        format_ = ["GT:AD:GQ:DP", *(calls[call] for call in drawn)] if samples else []
        out.write("\t".join([*fixed, *format_]).encode() + b"\n")
    out.close()
    return fasta, vcf


def vcf_speed(folder: Path, records: int, samples: int, repeats: int) -> dict:
    """Time annotating on one core: records that are passed through, and alleles that get a score of 0.

    Args:
        folder: for the files that are written.

    Returns:
        {"shapes", "speeds": rows of `timing.row`, in CPU seconds, with records as positions, "checks"}.

    Raises:
        IntegrityError: an output is not its input with INFO changed.
    """
    fasta, vcf = write_example(folder, records, samples)
    out = folder / "out.vcf.gz"
    nowhere = [Interval(_CONTIG, 0, 1)]
    with Genome(fasta) as genome:
        runs: dict[str, Callable[[], object]] = {
            "nothing to score": lambda: annotate(vcf, genome, NullScorer(), out, regions=nowhere),
            "every allele scored 0": lambda: annotate(vcf, genome, NullScorer(), out),
            "every allele scored 0, table of scores": lambda: annotate(
                vcf, genome, NullScorer(), out, table=folder / "out.tsv"
            ),
        }
        speeds = []
        for name, run in runs.items():
            run()
            _check(vcf, out)
            target = TARGET if samples == 10 and not speeds else None
            speeds.append(row(name, records, [_cpu_seconds(run) for _ in range(repeats)], target))
    megabytes = sum(len(block.text) for block in VcfReader(vcf).blocks()) / 1e6
    return {
        "shapes": {"records": records, "samples": samples, "bytes_a_record": megabytes * 1e6 / records},
        "clock": "CPU seconds of one thread, reading, checking, compressing and indexing included",
        "speeds": speeds,
        "checks": ["every column but INFO is the input's, byte for byte, in the input's order"],
    }


def peak_memory(folder: Path, records: int, samples: int, haplotypes: str = "") -> int:
    """Return the most memory, in bytes, that a process of its own holds while it annotates so many records.

    Args:
        folder: for the files that are written.
        records, samples: of the VCF.
        haplotypes: sample (s0, s1, ...) on whose haplotypes windows are cut; empty: none, and no windows.

    Raises:
        ResourceError: the system does not say.
    """
    fasta, vcf = write_example(folder, records, samples)
    arguments = [sys.executable, "-c", _ALONE, str(fasta), str(vcf), str(folder / "alone.vcf.gz"), haplotypes]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    return int(done.stdout)


_ALONE = """
import sys
from genomelm.bench.vcf_speed import annotate_alone
print(annotate_alone(*sys.argv[1:]))
"""


def annotate_alone(fasta: str, vcf: str, out: str, haplotypes: str) -> int:
    """Annotate with zeros and return this process's peak memory in bytes.

    getrusage would give the peak of the process that started this one, if that is larger.
    """
    with Genome(fasta) as genome:
        if haplotypes:
            annotate(vcf, genome, WindowedNullScorer(), out, haplotypes=haplotypes)
        else:
            annotate(vcf, genome, NullScorer(), out)
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        raise ResourceError("peak memory is read from /proc/self/status, which this system does not have") from None
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def _cpu_seconds(run: Callable[[], object]) -> float:
    begin = time.process_time()
    run()
    return time.process_time() - begin


def _check(vcf: Path, out: Path) -> None:
    for (number, before), (_, after) in zip(VcfReader(vcf).records(), VcfReader(out).records(), strict=True):
        old, new = before.split(b"\t", 8), after.split(b"\t", 8)
        if old[:7] != new[:7] or old[8:] != new[8:] or not new[7].startswith(old[7].rstrip(b"\n") + b";GLM_"):
            raise IntegrityError(f"{out}: record {number} of {vcf} is not what it was")
