"""Files of many regions: whole or not there, and what other programs expect in them."""

import numpy as np
import pyBigWig
import pytest

from genomelm.errors import IntegrityError, UsageError
from genomelm.interpret import ism, region_files
from genomelm.interpret.kept import Kept
from genomelm.interpret.regions import Region, Regions

CONTIGS = {"c1": 1000, "c2": 500}


def regions(*places, letters="ACGTNACGTA"):
    rows = tuple(Region(f"r{n:04}", *place) for n, place in enumerate(places, 1))
    return Regions(rows, (letters,) * len(rows), CONTIGS)


def maps(count, seed=0):
    return np.random.default_rng(seed).normal(size=(count, 10, 4))


def track(path, contig, start, end):
    with pyBigWig.open(str(path)) as stream:
        return stream.values(contig, start, end, numpy=True)


def test_a_bigwig_holds_importance_by_coordinate_and_the_mean_where_regions_overlap(tmp_path):
    some = regions(("c2", 90, 100), ("c1", 24, 34, "-"), ("c1", 20, 30), ("c1", 34, 44))
    effects = maps(4)
    region_files.write_bigwig(tmp_path / "x.bw", some, effects)
    plain = ism.importance(effects)
    assert track(tmp_path / "x.bw", "c2", 90, 94) == pytest.approx(plain[0, :4], abs=1e-6)
    assert np.isnan(track(tmp_path / "x.bw", "c2", 94, 95)).all()  # N
    found = track(tmp_path / "x.bw", "c1", 20, 44)
    turned = plain[1, ::-1]
    assert found[:4] == pytest.approx(plain[2, :4], abs=1e-6)
    assert found[4] == pytest.approx(turned[0], abs=1e-6)  # N of the other
    assert found[6] == pytest.approx((plain[2, 6] + turned[2]) / 2, abs=1e-6)
    assert np.isnan(found[18])  # N of the last region
    assert found[19:] == pytest.approx(plain[3, 5:], abs=1e-6)
    assert np.isnan(track(tmp_path / "x.bw", "c1", 0, 20)).all()


def test_a_bigwig_that_does_not_read_back_gets_no_name(tmp_path, monkeypatch):
    class Cut:
        def __init__(self, stream):
            self.stream = stream

        def __getattr__(self, name):
            return getattr(self.stream, name)

        def addEntries(self, contig, start, values, **more):
            self.stream.addEntries(contig, start, values=[*values[:-1], 0.0], **more)

    opened = pyBigWig.open
    monkeypatch.setattr(
        region_files.pyBigWig, "open", lambda path, mode="r": Cut(opened(path, mode)) if mode == "w" else opened(path)
    )
    with pytest.raises(IntegrityError, match="reads back otherwise"):
        region_files.write_bigwig(tmp_path / "x.bw", regions(("c1", 20, 30)), maps(1))
    assert not list(tmp_path.iterdir())


def test_hypothetical_contributions_sum_to_nothing_and_favour_what_supports(tmp_path):
    bases, effects = np.stack([ism.one_hot("ACGTNACGTA")]), np.zeros((1, 10, 4))
    effects[0, 0] = [0, -3, -3, -3]
    region_files.write_for_modisco(tmp_path, bases, effects)
    found = {name: np.load(tmp_path / name)["arr_0"] for name in ("ohe.npz", "shap.npz")}
    assert found["ohe.npz"].shape == found["shap.npz"].shape == (1, 4, 10)
    assert found["shap.npz"][0, :, 0].tolist() == [2.25, -0.75, -0.75, -0.75]


def test_a_table_has_a_line_a_row_whatever_a_name_holds(tmp_path):
    region_files.write_regions(tmp_path, regions(("c1", 20, 30, "+", "a\tb\nc")))
    assert (tmp_path / "regions.tsv").read_text().splitlines()[1:] == ["r0001\tc1\t20\t30\t+\ta b c"]


def test_a_folder_is_replaced_file_by_file_with_the_summary_last(tmp_path, monkeypatch):
    made, out = tmp_path / "made", tmp_path / "out"
    for folder, names in ((made, ("summary.json", "variants.tsv")), (out, ("summary.json", "motifs.npz", "mine.txt"))):
        folder.mkdir()
        for name in names:
            (folder / name).write_text(folder.name)
    order, replace = [], region_files.os.replace

    def noted(source, target):
        assert not (out / "summary.json").exists()
        order.append(target.name)
        replace(source, target)

    monkeypatch.setattr(region_files.os, "replace", noted)
    region_files.publish(made, out)
    assert order == ["variants.tsv", "summary.json"]
    assert {path.name: path.read_text() for path in out.iterdir()} == {
        "summary.json": "made",
        "variants.tsv": "made",
        "mine.txt": "out",
    }


def test_kept_arrays_are_made_once_and_those_of_another_run_refused(tmp_path):
    calls = []

    def make():
        calls.append(1)
        return np.arange(3)

    first = Kept(tmp_path / "p", {"seed": 1}, resume=False)
    assert first.array("a/b", make).tolist() == first.array("a/b", make).tolist() == [0, 1, 2]
    again = Kept(tmp_path / "p", {"seed": 1}, resume=True)
    assert again.has("a/b")
    again.array("a/b", make)
    assert len(calls) == 1
    with pytest.raises(UsageError, match="another seed"):
        Kept(tmp_path / "p", {"seed": 2}, resume=True)
    assert Kept(tmp_path / "p", {"seed": 1}, resume=False).has("a/b")
    for number in (1, 2):
        assert not Kept(tmp_path / "p", {"seed": 1 + number}, resume=False).has("a/b")
        assert (tmp_path / f"p.{number}").is_dir()
    assert [path.name for path in (tmp_path / "p.1").glob("*.npz")] == ["a%2Fb.npz"]


def test_a_damaged_kept_array_is_named(tmp_path):
    kept = Kept(tmp_path / "p", {}, resume=False)
    kept.array("a", lambda: np.arange(1000))
    path = next((tmp_path / "p").glob("*.npz"))
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(IntegrityError, match="remove it and give the same command again"):
        Kept(tmp_path / "p", {}, resume=True).array("a", lambda: np.arange(1000))
