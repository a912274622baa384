"""Batches of ten times the data take no more memory: letters, patches and places stay on disk."""

import tracemalloc

import numpy as np
import pytest

from genomelm.patching.config import PatcherConfig
from genomelm.patching.patcher import Patcher
from genomelm.patching.store import PatchStore, write_store
from genomelm.seq.alphabet import encode
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.seq.records import Records
from genomelm.training.record_rows import RecordRows
from genomelm.training.windows import GenomeWindows

SIZES = (200_000, 2_000_000)
STEPS = 12
ALLOWED = 200_000
"""Bytes: a tenth of what the larger file's letters alone would take."""


def text_of(size: int) -> str:
    return np.random.default_rng(1).choice(np.frombuffer(b"ACGT", np.uint8), size).tobytes().decode()


def windows(folder, size: int) -> GenomeWindows:
    folder.mkdir()
    (folder / "g.fa").write_text(f">c\n{text_of(size)}\n")
    patcher = Patcher(PatcherConfig("fixed_stride", stride=8))
    genome = Genome(folder / "g.fa")
    ids = encode(genome.fetch(Interval("c", 0, size)))
    write_store(folder / "store", patcher, {"c": size}, lambda _, a, b: ids[a:b])
    return GenomeWindows(genome, PatchStore(folder / "store"), patcher, [Interval("c", 0, size)], 64)


def records(folder, size: int, reach: int | None) -> RecordRows:
    folder.mkdir()
    text = text_of(size)
    lines = (f">{place}\n{text[place : place + 100]}\n" for place in range(0, size, 100))
    (folder / "r.fa").write_text("".join(lines))
    read = Records(folder / "r.fa", "dna", None, folder / "cache")
    patcher = Patcher(PatcherConfig("fixed_stride", stride=8))
    return RecordRows(read, patcher, 512, lambda groups: np.ones(len(groups), bool), "all", 4, reach)


def most_held(rows) -> int:
    """Return the bytes that drawing batches adds at most, of what Python and numpy allocate; mapped files are none."""

    def draw():
        for step in range(STEPS):
            rows.random_batch(4, "x", step)
            rows.epoch_batch(step * rows.rows // STEPS, 4, "x")

    rows.random_batch(4, "first")
    rows.epoch_batch(0, 4, "first")
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        draw()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("reach", [None, 32])
def test_batches_of_more_records_take_no_more_memory(tmp_path, reach):
    small, large = (most_held(records(tmp_path / str(size), size, reach)) for size in SIZES)
    assert large - small < ALLOWED


def test_batches_of_a_longer_genome_take_no_more_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("genomelm.seq.genome._CHUNKS", 2)  # read-ahead of fixed size, full on both
    small, large = (most_held(windows(tmp_path / str(size), size)) for size in SIZES)
    assert large - small < ALLOWED
