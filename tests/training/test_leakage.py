"""Held-out sequences that training has too are counted, on either strand, as a plain search counts them."""

import logging

import numpy as np
import pytest
import torch

from genomelm.errors import InputError
from genomelm.patching.patcher import Patcher, PatcherConfig
from genomelm.patching.store import write_store
from genomelm.seq.alphabet import encode, reverse_complement
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.seq.records import Records
from genomelm.training import leakage as room
from genomelm.training.data_config import SourceConfig
from genomelm.training.leakage import leakage, report_leakage
from genomelm.training.shared_text import ANCHOR, Sought
from genomelm.training.sources import Data, GenomeSource, RecordSource

CPU = torch.device("cpu")
COMPLEMENT = np.arange(256)
COMPLEMENT[list(b"ACGT")] = list(b"TGCA")


def letters(text):
    return np.frombuffer(text.encode(), np.uint8)


@pytest.mark.parametrize("seed", range(4))
def test_sequences_are_found_as_a_plain_search_finds_them(seed):
    random = np.random.default_rng(seed)
    text = "".join(random.choice(list("ACGTN"), 3000, p=[0.3, 0.2, 0.2, 0.29, 0.01]))
    repeat = "ACGTTG" * 20
    text = text[:1000] + repeat + text[1000:] + "N" * 80
    sequences = [
        text[i : i + n] for i, n in zip(random.integers(0, 2900, 40), random.integers(10, 150, 40), strict=True)
    ]
    sequences += [reverse_complement(s) for s in sequences[:20]] + [repeat[3:90], text[-60:], "A" * 40]
    sequences += ["".join(random.choice(list("ACGT"), 60)) for _ in range(10)]
    near = [s[:-1] + ("A" if s[-1] != "A" else "C") for s in sequences[:20]]
    sequences += near
    sought = Sought(letters("".join(sequences)), np.array([len(s) for s in sequences]), COMPLEMENT, ord("N"))
    for start in range(0, len(text), 500):  # pieces that overlap by the longest sequence
        sought.look_in(letters(text[start : start + 500 + 150]))
    known = np.array([any(len(run) >= ANCHOR for run in s.split("N")) for s in sequences])
    assert np.array_equal(sought.looked, known)
    here = np.array([s in text for s in sequences])
    there = np.array([reverse_complement(s) in text for s in sequences])
    assert np.array_equal(sought.found[:, 0], here & known)
    assert np.array_equal(sought.found[:, 1], there & known)
    assert here.sum() > 40
    assert there.sum() > 15


@pytest.fixture
def data(tmp_path):
    """Test windows of which one lies in training, and one in reverse complement; and records alike."""
    random = np.random.default_rng(9)
    train = "".join(random.choice(list("ACGT"), 20_000))
    windows = ["".join(random.choice(list("ACGT"), 256)) for _ in range(10)]
    windows[3], windows[7] = train[5003:5259], reverse_complement(train[9000:9256])
    windows[8] = train[100:356][:-1] + ("A" if train[355] != "A" else "C")
    text = train + "".join(windows)
    (tmp_path / "g.fa").write_text(f">c\n{text}\n")
    patcher, ids = Patcher(PatcherConfig("fixed_stride", stride=6)), encode(text)
    patcher.save(tmp_path / "patches" / "patcher")
    write_store(tmp_path / "patches" / "store", patcher, {"c": len(ids)}, lambda _contig, start, end: ids[start:end])
    regions = {"train": [Interval("c", 0, 20_000)], "test": [Interval("c", 20_000, len(text))]}
    genome = GenomeSource(Genome(tmp_path / "g.fa"), tmp_path / "patches", regions, None, CPU)
    reads = ["".join(random.choice(list("ACGT"), int(n))) for n in random.integers(30, 200, 400)]
    (tmp_path / "r.fa").write_text("".join(f">r{n}\n{read}\n" for n, read in enumerate(reads)))
    config = SourceConfig("r", fasta=str(tmp_path / "r.fa"), test_share=0.25)
    split = RecordSource(config, Records(tmp_path / "r.fa", "dna", None, tmp_path / "cache"))
    where = split.split.splits(np.asarray(split.records.groups))
    held, trained = np.flatnonzero(where == 2), np.flatnonzero(where == 0)
    reads[held[0]], reads[held[1]] = reads[trained[5]], reads[trained[6]].lower()
    reads[held[2]] = reverse_complement(reads[trained[7]])
    reads[held[3]] = reads[trained[8]][:-1]
    (tmp_path / "s.fa").write_text("".join(f">r{n}\n{read}\n" for n, read in enumerate(reads)))
    records = RecordSource(config, Records(tmp_path / "s.fa", "dna", None, tmp_path / "cache"))
    return Data([genome, records]), len(held), windows


def test_shared_windows_and_records_are_counted(data):
    both, held, _ = data
    expected = {
        "windows": {"compared": 10, "of": 10, "identical": 1, "reverse_complement": 1},
        "records": {"compared": held, "of": held, "identical": 2, "reverse_complement": 1},
    }
    assert leakage(both, 256) == {"test": expected}
    assert leakage(Data(both.sources[:1]), 256) == {"test": {"windows": expected["windows"]}}


def test_that_reads_are_not_looked_for_in_a_genome_is_told(data, caplog):
    leakage(Data(data[0].sources[:1]), 256)
    leakage(Data(data[0].sources[1:]), 256)
    assert not caplog.text
    leakage(data[0], 256)
    assert "test: a genome and records are both of dna: records that were cut from the genome are not" in caplog.text


def test_pieces_of_any_size_give_the_same_counts(data, monkeypatch):
    whole = leakage(data[0], 256)
    monkeypatch.setattr(room, "CHUNK", 700)
    monkeypatch.setattr(room, "RECORDS", 37)
    assert leakage(data[0], 256) == whole


def test_windows_are_looked_for_in_records_too(data, tmp_path):
    genome, window = data[0].sources[0], data[2][5]
    (tmp_path / "t.fa").write_text(f">t1\nACGTACGT{window}TT\n>t2\n{window[:200]}\n>t3\n{window[200:]}\n")
    records = RecordSource(SourceConfig("t"), Records(tmp_path / "t.fa", "dna", None, tmp_path / "cache"))
    assert leakage(Data([genome, records]), 256)["test"]["windows"]["identical"] == 2
    (tmp_path / "u.fa").write_text(f">t2\n{window[:200]}\n>t3\n{window[200:]}\n")
    twice = next(i for i in range(60, 200) if window[i] == window[i + 1])  # a letter between would complete the window
    with (tmp_path / "u.fa").open("a") as stream:
        stream.write(f">t4\n{window[:twice]}\n>t5\n{window[twice + 1 :]}\n")
    apart = RecordSource(SourceConfig("t"), Records(tmp_path / "u.fa", "dna", None, tmp_path / "cache"))
    assert leakage(Data([genome, apart]), 256)["test"]["windows"]["identical"] == 1  # no window over two records


def test_of_many_windows_some_are_compared(data, monkeypatch):
    monkeypatch.setattr(room, "MOST_WINDOWS", 4)
    found = leakage(Data(data[0].sources[:1]), 256)["test"]["windows"]
    assert (found["compared"], found["of"]) == (4, 10)


def test_leakage_is_a_warning_and_with_strict_an_error(data, caplog):
    found = leakage(data[0], 256)
    with caplog.at_level(logging.WARNING):
        report_leakage(found, strict=False)
    assert "test: of 10 windows 1 are in training, and 1 in reverse complement" in caplog.text
    with pytest.raises(InputError, match="2 are in training, and 1 in reverse complement") as caught:
        report_leakage(found, strict=True)
    assert caught.value.exit_code == 3
    report_leakage(
        {"test": {"windows": {"compared": 3, "of": 3, "identical": 0, "reverse_complement": 0}}}, strict=True
    )
