import json
from pathlib import Path

import numpy as np
import pyBigWig
import pytest

from genomelm.errors import InputError, NumericalError, UsageError
from genomelm.patching.track_source import TrackSource
from genomelm.seq.track import Track

GENOME = {"a": 100, "b": 20, "none": 0}


@pytest.fixture
def gaps(tmp_path: Path) -> Track:
    """Values 1 .. 5 at a:10-14 and -2 at b:19, none elsewhere."""
    writer = pyBigWig.open(str(tmp_path / "gaps.bw"), "w")
    writer.addHeader([("a", 100), ("b", 20)])
    writer.addEntries(["a"] * 5, [10, 11, 12, 13, 14], ends=[11, 12, 13, 14, 15], values=[1.0, 2.0, 3.0, 4.0, 5.0])
    writer.addEntries(["b"], [19], ends=[20], values=[-2.0])
    writer.close()
    return Track(tmp_path / "gaps.bw", GENOME)


def bedgraph(path: Path, *lines: str) -> Track:
    path.write_text("".join(line.replace(" ", "\t") + "\n" for line in lines))
    return Track(path, GENOME)


def test_a_missing_value_is_an_error_that_names_the_first_gap(gaps):
    with pytest.raises(InputError, match="no value at a:1-10: say what"):
        TrackSource(gaps, "error")
    source = TrackSource(gaps, "error", (-2, 5))
    assert source.scores_at("a", 10, 14).tolist() == [1, 2, 3, 4, 5]
    with pytest.raises(InputError, match="no value at a:16-21:"):
        source.scores_at("a", 12, 20)


@pytest.mark.parametrize(
    ("missing", "filled", "scale"), [("min", -2, (-2, 5)), ("0", 0, (-2, 5)), ("7.5", 7.5, (-2, 7.5))]
)
def test_missing_values_score_what_the_rule_says(gaps, missing, filled, scale):
    source = TrackSource(gaps, missing)
    assert (source.scale.lo, source.scale.hi) == scale
    assert source.scores_at("a", 8, 16).tolist() == [filled, filled, 1, 2, 3, 4, 5, filled, filled]
    assert source.scores_at("a", 8, 16).dtype == np.float32
    assert source.facts() == {
        "kind": "track",
        "name": "gaps.bw",
        "sha256": gaps.digest,
        "missing": missing,
        "scale": list(scale),
    }
    json.dumps(source.facts())


def test_the_scale_that_is_given_says_what_min_is(gaps):
    assert TrackSource(gaps, "min", (-3, 6)).scores_at("b", 0, 0).tolist() == [-3]


def test_the_position_past_the_end_repeats_the_last_base(gaps):
    source = TrackSource(gaps, "0")
    assert source.scores_at("b", 18, 20).tolist() == [0, -2, -2]
    assert source.scores_at("b", 20, 20).tolist() == [-2]
    assert source.scores_at("none", 0, 0).shape == (1,)
    whole = source.scores_at("a", 0, 100)
    for start in range(0, 100, 7):
        np.testing.assert_array_equal(source.scores_at("a", start, min(start + 9, 100)), whole[start : start + 10])


@pytest.mark.parametrize(("contig", "start", "end"), [("a", 5, 101), ("a", -1, 5), ("a", 6, 5), ("x", 0, 1)])
def test_positions_outside_the_genome_are_refused(gaps, contig, start, end):
    with pytest.raises(InputError, match=contig):
        TrackSource(gaps, "0").scores_at(contig, start, end)


@pytest.mark.parametrize("missing", ["", "mean", "nan", "inf"])
def test_other_rules_for_missing_values_are_refused(gaps, missing):
    with pytest.raises(UsageError, match="choose error, min, or a number"):
        TrackSource(gaps, missing)


@pytest.mark.parametrize("scale", [(5, -2), (1, 1), (float("nan"), 1), (0, float("inf"))])
def test_an_empty_scale_is_refused(gaps, scale):
    with pytest.raises(UsageError, match="is empty"):
        TrackSource(gaps, "0", scale)


def test_what_the_scale_does_not_hold_is_refused(gaps):
    with pytest.raises(UsageError, match="missing values of .* as 9 lie outside"):
        TrackSource(gaps, "9", (-2, 5))
    source = TrackSource(gaps, "0", (0, 3))
    with pytest.raises(InputError, match="outside the scale"):
        source.scale.encode(source.scores_at("a", 10, 14))


def test_a_constant_track_has_a_scale_and_one_without_values_does_not(tmp_path):
    constant = TrackSource(bedgraph(tmp_path / "c.bedGraph", "a 0 100 4", "b 0 20 4"), "error")
    assert set(constant.scale.encode(constant.scores_at("a", 0, 100)).tolist()) == {0}
    with pytest.raises(InputError, match="has no value on any contig"):
        TrackSource(bedgraph(tmp_path / "n.bedGraph", "a 0 100 nan"), "min")


def test_an_infinite_value_is_refused(tmp_path):
    writer = pyBigWig.open(str(tmp_path / "inf.bw"), "w")
    writer.addHeader([("a", 100)])
    writer.addEntries(["a"], [0], ends=[5], values=[float("inf")])
    writer.close()
    with pytest.raises(NumericalError, match="infinite value in a:1-100"):
        TrackSource(Track(tmp_path / "inf.bw", GENOME), "0")


def test_the_digest_covers_the_file_the_rule_and_the_scale(gaps, tmp_path):
    other = bedgraph(tmp_path / "o.bedGraph", "a 10 11 1", "b 19 20 -2")
    digests = {
        TrackSource(track, missing, scale).digest
        for track in (gaps, other)
        for missing in ("min", "0")
        for scale in ((-2, 5), (-2, 6))
    }
    assert len(digests) == 8
    assert TrackSource(gaps, "0").digest == TrackSource(gaps, "0", (-2, 5)).digest
