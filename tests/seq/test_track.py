import gzip
import hashlib
import struct
from pathlib import Path

import numpy as np
import pyBigWig
import pysam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genomelm.errors import InputError
from genomelm.seq.bed_values import BedValues
from genomelm.seq.track import Track

GENOME = {"chr1": 3_000_000, "chr2": 500, "chr3": 70}


def bigwig(path: Path, contigs: dict[str, int], entries: dict[str, list[tuple[int, int, float]]]) -> Path:
    writer = pyBigWig.open(str(path), "w")
    writer.addHeader(list(contigs.items()))
    for contig, found in entries.items():
        starts, ends, values = (list(column) for column in zip(*found, strict=True))
        writer.addEntries([contig] * len(found), starts, ends=ends, values=[float(value) for value in values])
    writer.close()
    return path


def text(path: Path, *lines: str) -> Path:
    path.write_text("".join(line.replace(" ", "\t") + "\n" for line in lines))
    return path


def test_bigwig_values_are_those_written_and_nan_elsewhere(tmp_path):
    path = bigwig(
        tmp_path / "t.bw", GENOME, {"chr1": [(10, 13, 1.5), (1_048_570, 1_048_590, -2)], "chr2": [(0, 500, 7)]}
    )
    with Track(path, GENOME) as track:
        np.testing.assert_array_equal(
            track.values("chr1", 8, 15), np.array([np.nan] * 2 + [1.5] * 3 + [np.nan] * 2, np.float32)
        )
        # across the pieces in which a bigWig is read
        long = track.values("chr1", 5, 2_500_000)
        assert long.dtype == np.float32
        assert len(long) == 2_499_995
        held = np.flatnonzero(~np.isnan(long)) + 5
        assert held.tolist() == [10, 11, 12, *range(1_048_570, 1_048_590)]
        assert (track.values("chr2", 0, 500) == 7).all()
        assert np.isnan(track.values("chr3", 0, 70)).all()
        assert track.values("chr2", 5, 5).shape == (0,)
        assert track.digest == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("theirs", [499, 501])
def test_a_bigwig_of_another_assembly_is_refused_with_both_lengths(tmp_path, theirs):
    path = bigwig(tmp_path / "t.bw", {"chr1": 3_000_000, "chr2": theirs}, {"chr1": [(0, 9, 1)]})
    with pytest.raises(
        InputError, match=rf"chr2 has {theirs} bases in the track and 500 in the genome: .*lift it over"
    ):
        Track(path, GENOME)


def test_the_assembly_of_a_known_track_is_named(tmp_path):
    path = bigwig(tmp_path / "t.bw", {"chr20": 63025520}, {"chr20": [(0, 9, 1)]})
    with pytest.raises(InputError, match="GRCh37"):
        Track(path, {"chr20": 64444167})


def test_contigs_that_the_genome_lacks_are_no_error_but_none_in_common_is(tmp_path):
    path = bigwig(tmp_path / "t.bw", {"chr1": 3_000_000, "chrUn": 9}, {"chr1": [(0, 9, 1)]})
    assert Track(path, GENOME).values("chr1", 8, 9) == 1
    with pytest.raises(InputError, match="says 'chr1' where the FASTA says '1'; rename"):
        Track(path, {"1": 3_000_000})
    with pytest.raises(InputError, match="it has chr1, chrUn, the FASTA plasmid"):
        Track(path, {"plasmid": 9})
    with pytest.raises(InputError, match="says '1' where the FASTA says 'chr1'"):
        Track(text(tmp_path / "t.bed", "1 5 9"), GENOME)


@pytest.mark.parametrize("contig", ["chrUn", "chr2"])
def test_a_range_outside_the_genome_is_refused(tmp_path, contig):
    track = Track(text(tmp_path / "t.bed", "chr2 5 9"), GENOME)
    with pytest.raises(InputError, match=contig):
        track.values(contig, 490, 501)


def test_a_bigwig_cut_anywhere_is_refused_and_never_ends_the_process(tmp_path):
    random = np.random.default_rng(0)
    starts = np.cumsum(random.integers(2, 6, 30_000))
    entries = [(int(s), int(s) + 1, float(v)) for s, v in zip(starts, random.random(30_000), strict=True)]
    whole = bigwig(tmp_path / "whole.bw", GENOME, {"chr1": entries}).read_bytes()
    cut = tmp_path / "cut.bw"
    for size in [1, 4, 20, 63, 64, 100, 200, 344, 360, 400, *random.integers(400, len(whole) - 5, 60), len(whole) - 5]:
        cut.write_bytes(whole[:size])
        with pytest.raises(InputError, match="truncated|not a bigWig"):
            Track(cut, GENOME)


def test_a_damaged_block_is_an_input_error(tmp_path):
    path = bigwig(tmp_path / "t.bw", GENOME, {"chr1": [(3 * i, 3 * i + 1, i % 7) for i in range(5000)]})
    data = bytearray(path.read_bytes())
    data[420:900] = b"\x00" * 480
    path.write_bytes(data)
    with pytest.raises(InputError, match="damaged at chr1:1-"):
        Track(path, GENOME).values("chr1", 0, 9000)


def test_an_index_that_points_past_the_end_is_refused(tmp_path):
    path = bigwig(tmp_path / "t.bw", GENOME, {"chr1": [(5, 9, 1)]})
    data = bytearray(path.read_bytes())
    (index,) = struct.unpack_from("<Q", data, 24)
    struct.pack_into("<Q", data, index + 48 + 4 + 16, 1 << 40)
    path.write_bytes(data)
    with pytest.raises(InputError, match="truncated"):
        Track(path, GENOME)


@pytest.mark.parametrize("name", ["t.bw", "t.bigWig", "t.wig", "t.txt.gz"])
def test_what_is_no_track_is_refused_by_its_name(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(gzip.compress(b"chr1\t0\t5\n") if name.endswith("gz") else b"chr1\t0\t5\n" * 50)
    with pytest.raises(InputError, match=rf"{name} is no"):
        Track(path, GENOME)


def test_missing_empty_and_folder_are_refused(tmp_path):
    (tmp_path / "empty.bed").touch()
    for name, message in (("none.bed", "does not exist"), ("empty.bed", "is empty"), (".", "is a folder")):
        with pytest.raises(InputError, match=message):
            Track(tmp_path / name, GENOME)
    with pytest.raises(InputError, match="holds no interval"):
        Track(text(tmp_path / "head.bed", "track name=x", "# nothing"), GENOME)


@pytest.mark.parametrize("name", ["t.bed", "t.bed.gz", "t.bed.bgz"])
def test_bed_is_one_inside_and_zero_outside_in_every_compression(tmp_path, name):
    path = tmp_path / name
    data = b"track name=x\nchr1\t5\t8\tname\nchr9\t0\t100000000\nchr1\t7\t7\nchr1\t6\t9\n"
    if name.endswith("bgz"):
        with pysam.BGZFile(str(path), "wb") as stream:
            stream.write(data)
    else:
        path.write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    track = Track(path, GENOME)
    assert track.values("chr1", 4, 11).tolist() == [0, 1, 1, 1, 1, 0, 0]
    assert track.values("chr2", 0, 500).tolist() == [0] * 500


def test_bed_takes_column_five_only_where_every_line_has_a_number_there(tmp_path):
    scored = Track(text(tmp_path / "a.bed", "chr1 2 4 a 10 +", "chr1 3 5 b 7.5 -"), GENOME)
    assert scored.values("chr1", 1, 6).tolist() == [0, 10, 10, 7.5, 0]
    for number, second in enumerate(["chr1 3 5 b . -", "chr1 3 5", "chr1 3 5 b nan"]):
        mixed = Track(text(tmp_path / f"{number}.bed", "chr1 2 4 a 10 +", second), GENOME)
        assert mixed.values("chr1", 1, 6).tolist() == [0, 1, 1, 1, 0]
    zeros = Track(text(tmp_path / "z.bed", "chr1 2 4 a 0 +", "chr1 3 5 b 0 -"), GENOME)
    assert zeros.values("chr1", 1, 6).tolist() == [0, 1, 1, 1, 0]


def test_bedgraph_has_no_value_outside(tmp_path):
    lines = ("chr1 2 4 -1.5", "chr1 4 5 NaN", "chr1 5 6 3")
    expected = np.array([np.nan, -1.5, -1.5, np.nan, 3, np.nan], np.float32)
    for path in (
        text(tmp_path / "a.bedGraph", *lines),
        text(tmp_path / "a.bdg", *lines),
        text(tmp_path / "a.bed", "track type=bedGraph", *lines),
    ):
        np.testing.assert_array_equal(Track(path, GENOME).values("chr1", 1, 7), expected)


@pytest.mark.parametrize(
    ("name", "line", "message"),
    [
        ("t.bed", "chr2 490 501", r"t.bed:2 ends at chr2:501, but chr2 of the genome has 500 bases.*another assembly"),
        ("t.bed", "chr2 9 5", "start '9' and end '5' are no range"),
        ("t.bed", "chr2 -1 5", "start '-1'"),
        ("t.bed", "chr2 a 5", "start 'a'"),
        ("t.bed", "chr2 5", "has 2 columns; BED needs"),
        ("t.bg", "chr2 5 9", "has 3 columns; bedGraph needs"),
        ("t.bg", "chr2 5 9 high", "value 'high' is not a number"),
        ("t.bg", "chr2 5 9 inf", "value 'inf' is not a number"),
    ],
)
def test_a_bad_line_is_named(tmp_path, name, line, message):
    with pytest.raises(InputError, match=message):
        Track(text(tmp_path / name, "chr1 0 5 1", line), GENOME)


@pytest.mark.parametrize("keep", [20, -20])
def test_a_cut_gzip_is_refused(tmp_path, keep):
    path = tmp_path / "t.bed.gz"
    path.write_bytes(gzip.compress(b"".join(b"chr1\t%d\t%d\n" % (i, i + 3) for i in range(0, 5000, 7)))[:keep])
    with pytest.raises(InputError, match="truncated"):
        Track(path, GENOME)


INTERVALS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 15), st.sampled_from([-1, 0.5, 2, 3])), max_size=12)


@given(INTERVALS, st.integers(0, 60), st.integers(0, 60), st.booleans())
def test_the_largest_value_that_covers_a_base_holds(tmp_path_factory, found, start, size, graph):
    path = tmp_path_factory.mktemp("t") / "t"
    # without a number in column five: a BED of ones
    path.write_text("c\t0\t0\t0\n" + "".join(f"c\t{s}\t{s + n}\t{v}\n" for s, n, v in found))
    values = BedValues(path, {"c": 200}, graph).values("c", start, start + size)
    expected = np.full(200, np.nan)
    for s, n, v in found:
        expected[s : s + n] = np.fmax(expected[s : s + n], v if graph else 1)
    if not graph:
        expected = np.nan_to_num(expected)
    np.testing.assert_array_equal(values, expected[start : start + size].astype(np.float32))


@given(INTERVALS)
def test_overlapping_scores_of_bed_keep_the_largest(tmp_path_factory, found):
    path = tmp_path_factory.mktemp("t") / "t"
    path.write_text("".join(f"c\t{s}\t{s + n}\tx\t{v}\n" for s, n, v in [*found, (90, 1, 5)]))
    expected = np.full(100, np.nan)
    for s, n, v in [*found, (90, 1, 5)]:
        expected[s : s + n] = np.fmax(expected[s : s + n], v)
    np.testing.assert_array_equal(BedValues(path, {"c": 100}, False).values("c", 0, 100), np.nan_to_num(expected))
