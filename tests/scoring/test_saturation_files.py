"""Arrays and tracks of a saturation hold the scores that its VCF holds, where they belong."""

import json

import numpy as np
import pyBigWig
import pytest

from genomelm.errors import UsageError
from genomelm.scoring.annotate import annotate
from genomelm.scoring.saturate import saturate
from genomelm.scoring.saturation_files import read_effects, write_arrays, write_track
from genomelm.seq.interval import Interval
from genomelm.seq.variant import Variant

FIRST = "ACGTTGACATATAATGCAGGTGATTACAGGCATTGCAACGTNACGTTGAC" * 4
PLACES = [Interval("b", 20, 31), Interval("a", 30, 60), Interval("a", 50, 75, "-"), Interval("a", 120, 130)]


@pytest.fixture
def genome(make_genome):
    return make_genome(a=FIRST, b=FIRST[7:90])


@pytest.fixture
def scored(genome, scorer, tmp_path):
    saturate(genome, PLACES, tmp_path / "all.vcf")
    annotate(tmp_path / "all.vcf", genome, scorer, tmp_path / "o.vcf.gz")
    return tmp_path / "o.vcf.gz"


def test_every_substitution_has_its_score_in_its_place(genome, scorer, scored):
    found = read_effects(scored, "GLM_LLR", genome, PLACES)
    assert list(found) == PLACES
    for interval, effects in found.items():
        sequence = genome.fetch(Interval(interval.contig, interval.start, interval.end))
        assert effects.shape == (len(sequence), 4)
        for row, base in enumerate(sequence):
            for column, letter in enumerate("ACGT"):
                expected = 0.0
                if base != "N" and letter != base:
                    pair = scorer.pair(genome, Variant(interval.contig, interval.start + row + 1, base, letter))
                    expected = scorer.score([pair])[0]
                assert effects[row, column] == pytest.approx(expected, rel=1e-6)


def test_arrays_are_along_the_strand_and_tracks_are_means(genome, scored, tmp_path):
    found = read_effects(scored, "GLM_LLR", genome, PLACES)
    write_arrays(tmp_path / "s.npz", found, {"model": "0"})
    with np.load(tmp_path / "s.npz") as arrays:
        assert set(arrays) == {str(place) for place in PLACES}
        turned = arrays["a:51-75:-"]
        assert (turned == found[PLACES[2]][::-1, ::-1]).all()
    assert json.loads((tmp_path / "s.npz.json").read_text())["letters"] == "ACGT"
    write_track(tmp_path / "s.bw", found, genome, {"model": "0"})
    with pyBigWig.open(str(tmp_path / "s.bw")) as track:
        assert track.chroms() == genome.contigs
        values = np.array(track.values("a", 0, len(FIRST)))
        covered = [30 <= i < 75 or 120 <= i < 130 for i in range(len(FIRST))]
        assert (np.isfinite(values) == (np.array(covered) & (np.array(list(FIRST)) != "N"))).all()
        assert values[30:40] == pytest.approx(found[PLACES[1]][:10].sum(1) / 3, rel=1e-6)
        assert np.isfinite(track.values("b", 20, 31)).all()


def test_names_say_what_a_file_holds(genome, tmp_path):
    with pytest.raises(UsageError, match="name it .npz"):
        write_arrays(tmp_path / "s.txt", {}, {})
    with pytest.raises(UsageError, match="name it .bw"):
        write_track(tmp_path / "s.txt", {}, genome, {})
    with pytest.raises(UsageError, match="cannot be empty"):
        write_track(tmp_path / "s.bw", {PLACES[0]: np.full((11, 4), np.nan)}, genome, {})
    assert not list(tmp_path.glob("s.*"))
