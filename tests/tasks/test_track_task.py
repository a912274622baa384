"""Windows with the values of a track: means and single bases."""

import numpy as np
import pyBigWig
import pytest

from genomelm.errors import InputError
from genomelm.tasks.config import TaskConfig
from genomelm.tasks.read import read_examples
from genomelm.tasks.split_config import SplitConfig

LENGTHS = {"a": 4000, "b": 1000, "c": 1000}


def task(**fields):
    split = SplitConfig(test=("b",), validation=("c",))
    return TaskConfig("t", source="bigwig", **{"window": 100, "token_step": 7, "split": split, **fields})


@pytest.fixture
def site(tmp_path):
    """Return a FASTA with N at a:1001-1300, a bigWig without values at a:2001-2150, and the values by contig."""
    generator = np.random.default_rng(3)
    values = {}
    writer = pyBigWig.open(str(tmp_path / "t.bw"), "w")
    writer.addHeader(list(LENGTHS.items()))
    with (tmp_path / "g.fa").open("w") as stream:
        for name, length in LENGTHS.items():
            letters = generator.choice(list("ACGT"), length)
            found = np.round(generator.normal(size=length), 3).astype(np.float32)
            if name == "a":
                letters[1000:1300] = "N"
                found[2000:2150] = np.nan
            stream.write(f">{name}\n{''.join(letters)}\n")
            known = np.flatnonzero(~np.isnan(found))
            writer.addEntries(
                [name] * len(known), known.tolist(), ends=(known + 1).tolist(), values=found[known].tolist()
            )
            values[name] = found
    writer.close()
    return tmp_path / "g.fa", tmp_path / "t.bw", values


def test_a_window_s_label_is_the_mean_of_the_values_there(site):
    fasta, track, values = site
    examples = read_examples(task(), track, fasta)
    for place, label, split in zip(examples.places, examples.labels, examples.splits, strict=True):
        assert label == pytest.approx(np.nanmean(values[place.contig][place.start : place.end]), abs=1e-6)
        assert split == {"a": "train", "b": "test", "c": "validation"}[place.contig]
    starts = {place.start for place in examples.places if place.contig == "a"}
    # 2100-2199 has half of its values; 2000-2099 has none, and 1000-1299 is N
    assert starts == set(range(0, 4000, 100)) - {1000, 1100, 1200, 2000}


def test_a_base_s_label_is_its_value_and_nan_where_there_is_none(site):
    fasta, track, values = site
    given = task(per_base=True)
    examples = read_examples(given, track, fasta)
    assert examples.labels.shape == (len(examples), 100)
    for place, labels in zip(examples.places, examples.labels, strict=True):
        expected = values[place.contig][place.start : place.end]
        assert np.array_equal(labels.astype(np.float32), expected, equal_nan=True)
    assert given.judged(examples.labels).shape == (len(examples), 15)
    assert np.isnan(examples.labels).sum() == 50


def test_a_bedgraph_is_a_track_too_and_windows_are_thinned(site, tmp_path):
    fasta, _, values = site
    lines = [f"{name}\t{i}\t{i + 1}\t{v}\n" for name, found in values.items() for i, v in enumerate(found) if v == v]
    (tmp_path / "t.bedGraph").write_text("".join(lines))
    expected = read_examples(task(), tmp_path / "t.bw", fasta).labels
    assert read_examples(task(), tmp_path / "t.bedGraph", fasta).labels == pytest.approx(expected, abs=1e-6)
    some = read_examples(task(windows=5), tmp_path / "t.bw", fasta)
    assert [len(some.where(split)) for split in ("train", "validation", "test")] == [5, 5, 5]


def test_a_track_of_another_genome_or_without_enough_values_is_refused(site, tmp_path):
    fasta, track, _ = site
    (tmp_path / "few.bedGraph").write_text("a\t5\t9\t1.0\n")
    with pytest.raises(InputError, match="values for fewer than half of the bases in every window of 100"):
        read_examples(task(), tmp_path / "few.bedGraph", fasta)
    (tmp_path / "other.bedGraph").write_text("chrZ\t5\t9\t1.0\n")
    with pytest.raises(InputError, match="has no contig of the genome"):
        read_examples(task(), tmp_path / "other.bedGraph", fasta)
    with pytest.raises(InputError, match="no window of 9000 bases fits"):
        read_examples(task(window=9000), track, fasta)
