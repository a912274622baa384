"""Records of FASTA and FASTQ files: found by place, whatever the compression, and every fault named."""

import gzip
import logging
import os
import pickle
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from genomelm.errors import InputError, IntegrityError
from genomelm.seq import bgzf
from genomelm.seq import records as room
from genomelm.seq.alphabet import decode, encode, reverse_complement
from genomelm.seq.record_text import text_digest
from genomelm.seq.records import Records

SEQUENCES = ["ACGTNACGT", "G", "TTGACATTGACAAC" * 30, "acgtac", "CCGGATRYT"]


@pytest.fixture
def opened(tmp_path):
    """Write a text to a file and open it."""

    def make(text, name="r.fa", alphabet="dna", group=None):
        raw = text if isinstance(text, bytes) else text.encode()
        (tmp_path / name).write_bytes(raw)
        return Records(tmp_path / name, alphabet, group, tmp_path / "cache")

    return make


def fasta(sequences, width=7, end="\n"):
    lines = []
    for number, text in enumerate(sequences):
        lines += [f">r{number} more words", *(text[i : i + width] for i in range(0, len(text), width))]
    return end.join(lines) + end


def fastq(sequences, end="\n"):
    return "".join(f"@r{n} x{end}{text}{end}+{end}{'@' * len(text)}{end}" for n, text in enumerate(sequences))


def texts(records):
    return [decode(records.record(number)) for number in range(len(records))]


READ = [decode(encode(text)) for text in SEQUENCES]


@pytest.mark.parametrize("make", [fasta, fastq])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("pack", ["plain", "gzip", "bgzf"])
def test_each_record_has_its_letters(opened, tmp_path, make, end, pack):
    text = make(SEQUENCES, end=end)
    if pack == "gzip":
        text = gzip.compress(text.encode())
    if pack == "bgzf":
        (tmp_path / "plain").write_text(text, newline="")
        bgzf.compress(tmp_path / "plain", "plain", tmp_path / "r.gz")
        text = (tmp_path / "r.gz").read_bytes()
    records = opened(text, "r.gz")
    assert texts(records) == READ
    assert records.lengths.tolist() == [len(text) for text in SEQUENCES]
    assert records.facts["records"] == 5
    assert records.facts["letters"] == len(records.letters) == sum(map(len, SEQUENCES))
    assert records.groups.tolist() == [text_digest(f"r{n}".encode()) for n in range(5)]


@pytest.mark.parametrize("make", [fasta, fastq])
@pytest.mark.parametrize("size", [1, 2, 3, 17])
def test_where_the_file_is_cut_into_pieces_changes_nothing(opened, monkeypatch, make, size):
    whole = opened(make(SEQUENCES), "a.txt")
    monkeypatch.setattr(bgzf, "_PIECE", size)
    cut = opened(make(SEQUENCES), "b.txt", group="(r.)")
    for name in room.COLUMNS:
        assert np.array_equal(getattr(whole, name), getattr(cut, name)), name


def test_a_last_line_without_an_end_is_read(opened):
    assert texts(opened(fasta(SEQUENCES).rstrip("\n"))) == READ
    assert texts(opened(fastq(SEQUENCES).rstrip("\n"), "r.fq")) == READ


def test_digests_are_those_of_the_letters_and_of_the_other_strand(opened):
    records = opened(fasta(["ACGGT", "acggt", "ACCGT", "ACGGTA", "A" * 40, "T" * 40]))
    assert records.digests[0] == records.digests[1] == records.turned[2]
    assert records.turned[0] == records.digests[2]
    assert records.turned[4] == records.digests[5]
    assert len(set(records.digests.tolist())) == 5
    random = np.random.default_rng(5)
    sequence = "".join(random.choice(list("ACGTN"), 200))
    pair = opened(fasta([sequence, reverse_complement(sequence)]), "pair.fa")
    assert pair.turned.tolist() == pair.digests[::-1].tolist()
    rna = opened(fasta(["ACGGUU", "AACCGT"]), "rna.fa", "rna")
    assert rna.turned[0] == rna.digests[1]


def test_groups_are_what_the_pattern_finds(opened):
    text = ">tx1|gene7 a\nACGT\n>tx2|gene7\nACGG\n>tx3|gene8\nACGA\n"
    groups = opened(text, group=r"\|(\w+)").groups.tolist()
    assert groups[0] == groups[1] == text_digest(b"gene7") != groups[2]
    with pytest.raises(InputError, match=r"the group pattern '.*' finds nothing in: tx1\|gene7, tx2\|gene7"):
        opened(text, "other.fa", group=r"\|(x)")


def test_the_index_is_made_once_and_again_when_the_file_changes(opened, tmp_path, monkeypatch):
    first = opened(fasta(SEQUENCES))
    monkeypatch.setattr(room, "_build", None)
    again = Records(tmp_path / "r.fa", "dna", None, tmp_path / "cache")
    assert texts(again) == texts(pickle.loads(pickle.dumps(again))) == READ
    monkeypatch.undo()
    assert texts(opened(fasta(["GG"]))) == ["GG"]
    os.truncate(first.folder / "letters.bin", 3)
    with pytest.raises(IntegrityError, match=f"{first.folder} is not a whole index"):
        first._open()


def test_letters_that_are_none_are_counted(opened, caplog):
    with caplog.at_level(logging.WARNING):
        records = opened(fasta(["ACGT" * 10 + "R*-nN"]))
    assert "3 of 45 letters are not dna and read as N: '*' 1, '-' 1, 'R' 1" in caplog.text
    assert records.facts["foreign_letters"] == 3
    assert texts(records)[0].endswith("NNNNN")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("ACGT\n>r\nACGT\n", ["line 1 does not begin with '>'"]),
        (">a\nACGT\n>b\n>c\nAC\n> \nAC\n", ["record 2 (line 3) has no letters", "record 4 (line 6) has no name"]),
        (">a\n", ["record 1 (line 1) has no letters"]),
        ("\n\n", ["it holds no record"]),
        ("<html>\n", ["line 1 does not begin with '>'"]),
        (
            "@a\nACGT\n+\nIIII\n@b\nACGT\n+\nIII\n@c\n\n+\n\n",
            ["record 2 (line 5) has another", "record 3 (line 9) has no l"],
        ),
        ("@a\nACGT\n+\nIIII\nb\nACGT\n+\nIIII\n", ["line 5 does not begin with '@'"]),
        ("@a\nACGT\nACGT\n+\nIIIIIIII\n", ["line 3 is no line '+'"]),
        ("@a\nACGT\n+\nIIII\n@b\nACGT\n", ["line 6 is the last one"]),
        ("@a\nACGT\n+\nIIII\n@b\nACGT\n+\nII", ["record 2 (line 5) has another"]),
    ],
)
def test_every_fault_is_named_with_its_record_and_line(opened, tmp_path, text, told):
    with pytest.raises(InputError) as caught:
        opened(text, "bad.txt")
    assert caught.value.exit_code == 3
    assert all(part in str(caught.value) for part in ["bad.txt", *told]), caught.value
    assert f"{len(told)} fault" in str(caught.value)
    assert not [path for path in (tmp_path / "cache" / "records").iterdir() if path.is_dir()]  # nothing half-made


def test_many_faults_are_counted(opened):
    with pytest.raises(InputError, match="and 36 more"):
        opened("".join(f">r{n}\n" for n in range(100)))


def test_a_cut_gzip_is_refused_with_the_record_it_stops_in(opened):
    random = np.random.default_rng(2)
    text = fastq(["".join(random.choice(list("ACGT"), 100)) for _ in range(40_000)])
    raw = gzip.compress(text.encode(), 1)
    with pytest.raises(InputError, match=r"truncated.* \(read as far as record [1-9][\d,]+, line [\d,]+\)"):
        opened(raw[: len(raw) // 2], "r.fq.gz")


@pytest.mark.parametrize(
    ("alphabet", "sequence", "told"),
    [
        ("dna", "MKVLAAGIVPR" * 3, "is it protein"),
        ("protein", "ACGT" * 10, "nucleotides"),
        ("rna", "ACGU!!!", "not rna"),
    ],
)
def test_records_of_another_alphabet_are_refused(opened, alphabet, sequence, told):
    with pytest.raises(InputError, match=told):
        opened(fasta([sequence]), alphabet=alphabet)


def test_several_that_open_a_file_at_once_index_it_once(tmp_path, monkeypatch):
    (tmp_path / "r.fa").write_text(fasta(SEQUENCES))
    built, original = [], room._build
    monkeypatch.setattr(room, "_build", lambda *given: built.append(given) or time.sleep(0.2) or original(*given))
    with ThreadPoolExecutor(4) as pool:
        opened = list(pool.map(lambda _: Records(tmp_path / "r.fa", cache_dir=tmp_path / "cache"), range(4)))
    assert len(built) == 1
    assert all(texts(records) == READ for records in opened)
