"""`score --haplotypes`: a sample's changes are on disk, so memory does not grow with the file."""

import pysam
import pytest

from genomelm.bench.vcf_speed import WindowedNullScorer, peak_memory, write_example
from genomelm.scoring.annotate import annotate
from genomelm.seq.genome import Genome


def test_the_windows_of_the_measured_runs_hold_neighbours(tmp_path):
    fasta, vcf = write_example(tmp_path, 200, 3)
    windows = []

    class Watched(WindowedNullScorer):
        def score(self, pairs):
            windows.extend(pairs)
            return super().score(pairs)

    with Genome(fasta) as genome, pysam.FastaFile(str(fasta)) as file:
        annotate(vcf, genome, Watched(), tmp_path / "o.vcf.gz", haplotypes="s1")
        contig = file.fetch("c")
    assert len(windows) >= 200  # an allele on both haplotypes has windows on each
    changed = [pair for pair in windows if pair.ref != contig[pair.window.start : pair.window.end]]
    assert len(changed) > 100


def test_memory_does_not_grow_with_the_file_of_a_sample_with_haplotypes(tmp_path):
    small, large = (peak_memory(tmp_path, records, 500, "s1") for records in (5_000, 12_000))
    assert large - small < 8e6  # the larger file has 63 MB more text


@pytest.mark.long
def test_memory_with_haplotypes_is_the_same_at_ten_thousand_and_a_hundred_thousand_records(tmp_path):
    small, large = (peak_memory(tmp_path, records, 500, "s1") for records in (10_000, 100_000))
    assert large - small < 8e6  # 800 MB more text
