"""Codon phases and conservation reach the model with their windows, on either strand, and only where it reads them."""

import dataclasses

import numpy as np
import pytest
import torch
from small_runs import CPU, QUICK, SETTINGS, run, same, settings_of, weights

from genomelm.errors import InputError, UsageError
from genomelm.models.config import BranchConfig, PositionConfig
from genomelm.seq.interval import Interval
from genomelm.training.evaluation import window_bits
from genomelm.training.side_tracks import SideTracks
from genomelm.training.windows import GenomeWindows

NAN = float("nan")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """CDS at bases 10-30 (+) and 40-55 (-); values 1, 2, 3, ... at every second base of the first hundred."""
    folder = tmp_path_factory.mktemp("side")
    rows = [("c", "x", "CDS", 11, 30, ".", "+", 0, "."), ("c", "x", "CDS", 41, 55, ".", "-", 1, ".")]
    (folder / "a.gff3").write_text("".join("\t".join(map(str, row)) + "\n" for row in rows))
    (folder / "a.bedGraph").write_text("".join(f"c\t{i}\t{i + 1}\t{i}\n" for i in range(0, 100, 2)))
    return folder


@pytest.fixture
def side(site, files):
    with SideTracks(site.genome, True, True, files / "a.gff3", files / "a.bedGraph") as opened:
        yield opened


def reading(settings):
    """Return settings with both switches on."""
    return dataclasses.replace(settings, positions=PositionConfig(codon=True), branches=BranchConfig(conservation=True))


def test_a_window_carries_what_lies_at_its_bases_on_either_strand(site, side) -> None:
    windows = GenomeWindows(site.genome, site.store, site.patcher, site.train, 64, side)
    places = [Interval("c", 8, 58), Interval("c", 8, 58, "-")]
    batch = windows.batch(places, conjoined=False)
    forward = np.full(50, 3)
    forward[2:22] = np.arange(20) % 3
    backward = np.full(50, 3)  # from base 57 down; the first whole codon of 40-55 begins at base 53
    backward[3:18] = (np.arange(15) - 1) % 3
    assert batch.codon_phase.tolist() == [[3, *forward], [3, *backward]]
    values = [float(i) if i % 2 == 0 else NAN for i in range(8, 58)]
    expected = np.array([[NAN, *values], [NAN, *values[::-1]]], np.float32)
    assert np.array_equal(batch.conservation.numpy(), expected, equal_nan=True)
    assert {"codon_phase", "conservation"} <= batch.inputs().keys()


def test_windows_without_side_tracks_have_none(site) -> None:
    batch = GenomeWindows(site.genome, site.store, site.patcher, site.train, 64).random_batch(3, "x")
    assert not {"codon_phase", "conservation"} & batch.inputs().keys()


@pytest.mark.parametrize("family", SETTINGS)
def test_a_model_that_reads_them_trains_on_them_and_is_measured_with_them(site, side, tmp_path, family) -> None:
    settings = reading(settings_of(family))
    model, _ = run(site, tmp_path / "a", settings=settings, side=side)
    assert model.side_inputs == ("codon_phase", "conservation")
    again, _ = run(site, tmp_path / "b", settings=settings, side=side)
    assert same(weights(model), weights(again))
    without, _ = run(site, tmp_path / "c", settings=settings)
    assert not same(weights(model), weights(without))
    tiles = [Interval("c", 0, 64)]
    with torch.no_grad():
        model.shell.codon.weight.normal_(generator=torch.Generator().manual_seed(0))
    bits = [
        window_bits(model, GenomeWindows(site.genome, site.store, site.patcher, site.train, 64, told), tiles, CPU)[0]
        for told in (side, None)
    ]
    assert abs(bits[0] - bits[1]).max() > 1e-3


def test_a_run_with_other_files_does_not_go_on_from_this_one(site, side, files, tmp_path, caplog) -> None:
    (tmp_path / "b.bedGraph").write_text("c\t0\t50\t1\n")
    settings = reading(SETTINGS["hyena_glt"])
    budget = dataclasses.replace(QUICK, steps=2, evaluate_every=2)
    with SideTracks(site.genome, True, True, files / "a.gff3", tmp_path / "b.bedGraph") as other:
        assert other.facts()["codon_phase"] == side.facts()["codon_phase"]
        assert other.facts()["conservation"] != side.facts()["conservation"]
        run(site, tmp_path / "state", budget, settings, side=side)
        run(site, tmp_path / "state", budget, settings, side=other)
    assert "belongs to other settings or data" in caplog.text


@pytest.mark.parametrize(
    ("reads", "given", "said"),
    [
        ((True, False), (False, False), "positions.codon on: give --codon-phase"),
        ((False, True), (False, False), "branches.conservation on: give --conservation"),
        ((False, False), (True, False), "--codon-phase is for models with positions.codon on"),
        ((True, False), (True, True), "--conservation is for models with branches.conservation on"),
    ],
)
def test_files_and_switches_go_together(site, files, reads, given, said) -> None:
    paths = [path if here else None for path, here in zip((files / "a.gff3", files / "a.bedGraph"), given, strict=True)]
    with pytest.raises(UsageError, match=said):
        SideTracks(site.genome, *reads, *paths)


def test_files_of_another_assembly_are_refused(site, tmp_path) -> None:
    (tmp_path / "a.gff3").write_text("other\tx\tCDS\t1\t9\t.\t+\t0\t.\n")
    (tmp_path / "a.bedGraph").write_text("other\t1\t9\t1\n")
    with pytest.raises(InputError, match="no CDS on a contig"):
        SideTracks(site.genome, True, False, tmp_path / "a.gff3", None)
    with pytest.raises(InputError, match="no contig of the genome"):
        SideTracks(site.genome, False, True, None, tmp_path / "a.bedGraph")
