"""Substitutions: how far they move boundaries, and what the choice of one segmentation adds to their scores."""

import copy
import json
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner

from genomelm import cli
from genomelm.bench.patch_moves import moved_boundaries, patchers_like, random_snvs
from genomelm.bench.reference_bias import reference_bias
from genomelm.commands.bench import bench
from genomelm.errors import InputError, IntegrityError, UsageError
from genomelm.patching.config import PatcherConfig
from genomelm.patching.patcher import Patcher
from genomelm.scoring.scorer import LikelihoodScorer
from genomelm.seq.alphabet import encode
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.seq.variant import Variant

RUN = CliRunner()


@pytest.fixture
def genome(tiny_fasta, tmp_path, monkeypatch):
    monkeypatch.setenv("GENOMELM_CACHE", str(tmp_path / "cache"))
    with Genome(tiny_fasta) as opened:
        yield opened


@pytest.fixture
def patches(tiny_fasta, tmp_path):
    """Write what `genomelm patch` writes."""
    arguments = ["patch", tiny_fasta, "-o", tmp_path / "patches", "--train-region", "c1:1-3900", "--order", "4"]
    done = RUN.invoke(cli.app, [*map(str, arguments), "--mean", "6"])
    assert done.exit_code == 0, done.output
    return tmp_path / "patches"


class After:
    """A patch starts a fixed number of bytes after each A."""

    config = PatcherConfig("entropy", threshold=1.0)

    def __init__(self, away):
        self.away = away

    def marks(self, ids):
        found = np.zeros(len(ids) + 1, bool)
        found[0] = True
        found[self.away :] |= (ids == ord("A"))[: len(found) - self.away]
        return found


def test_random_snvs_fit_the_genome_and_are_a_function_of_their_seed(genome):
    snvs = random_snvs(genome, 300, seed=1)
    assert len({(v.contig, v.pos) for v in snvs}) == 300
    for v in snvs:
        assert genome.fetch(Interval(v.contig, v.pos - 1, v.pos)) == v.ref
        assert v.alt in "ACGT"
        assert v.alt != v.ref
    assert snvs == random_snvs(genome, 300, seed=1)
    assert snvs != random_snvs(genome, 300, seed=2)
    share = np.mean([v.contig == "c1" for v in snvs])
    assert share == pytest.approx(4014 / 6014, abs=0.1)  # bases that are not N
    assert {v.ref + v.alt for v in snvs} == {a + b for a in "ACGT" for b in "ACGT" if a != b}


def test_more_snvs_than_bases_are_refused(genome):
    with pytest.raises(InputError, match="too few A, C, G, T for 7000"):
        random_snvs(genome, 7000)


def test_a_moved_boundary_is_found_at_its_distance(genome):
    """A lost or a gained A moves one boundary; other substitutions move none."""
    snvs = [v for v in random_snvs(genome, 200) if v.pos < genome.contigs[v.contig] - 40]
    (row,) = moved_boundaries({"entropy": After(37)}, genome, snvs)
    of_a = np.mean(["A" in v.ref + v.alt for v in snvs])
    assert row["moved"]["value"] == pytest.approx(of_a)
    assert row["moved"]["low"] < of_a < row["moved"]["high"]
    assert row["boundaries"] == pytest.approx(of_a)
    assert row["downstream"] == {"median": 37, "percentile_90": 37, "max": 37}
    assert row["upstream"]["max"] == 0


def test_what_lies_past_the_window_is_counted_as_cut_off(monkeypatch, genome):
    monkeypatch.setattr("genomelm.bench.patch_moves.REACH", 200)
    snvs = [Variant("c2", 500, genome.fetch(Interval("c2", 499, 500)), "A")]
    if snvs[0].ref == "A":
        snvs = [Variant("c2", 500, "A", "C")]
    near, far = (moved_boundaries({"entropy": After(away)}, genome, snvs)[0] for away in (37, 190))
    assert json.loads(json.dumps(far)) == far
    assert (near["reached_end"], far["reached_end"]) == (1, 1)  # both within NEAR_END of a window of 200
    monkeypatch.setattr("genomelm.bench.patch_moves.REACH", 1000)
    assert moved_boundaries({"entropy": After(37)}, genome, snvs)[0]["reached_end"] == 0


def test_strides_move_nothing(genome, stride_patcher):
    (row,) = moved_boundaries({"fixed_stride": stride_patcher}, genome, random_snvs(genome, 50))
    assert row["moved"] == {"value": 0, "low": 0, "high": 0}
    assert row["downstream"] is None


def test_all_modes_share_source_and_mean_and_local_rules_move_only_what_reads_the_base(genome, patches):
    regions, base = [Interval("c1", 0, 3900)], Patcher.load(patches / "patcher")
    patchers = patchers_like(base, genome, regions, 6)
    for patcher in patchers.values():
        assert patcher.source.digest == base.source.digest
        starts = patcher.segment(encode(genome.fetch(regions[0])))
        assert 3900 / len(starts) == pytest.approx(6, rel=0.011)
    rows = {row["mode"]: row for row in moved_boundaries(patchers, genome, random_snvs(genome, 150))}
    order = base.config.order
    assert 0 < rows["entropy"]["downstream"]["max"] <= order
    assert 0 < rows["monotonic"]["downstream"]["max"] <= order + 1
    assert 0 < rows["dual_threshold"]["downstream"]["max"] <= order + 1
    assert rows["greedy"]["downstream"]["max"] > order + 1  # its sum goes on
    assert all(row["upstream"]["max"] == 0 for mode, row in rows.items() if mode != "optimal")
    assert rows["optimal"]["upstream"]["max"] > 0


def test_a_mode_that_cannot_have_the_mean_is_named(genome, tiny_patcher):
    with pytest.raises(InputError, match="mode entropy: no threshold gives a mean patch of 500 bytes"):
        patchers_like(tiny_patcher, genome, [Interval("c1", 0, 300)], 500)


def test_boundaries_that_read_no_bases_are_refused(genome, stride_patcher):
    with pytest.raises(UsageError, match="fixed_stride"):
        patchers_like(stride_patcher, genome, [Interval("c1", 0, 3900)], 6)


@pytest.fixture
def model_of_stride(language_model, stride_patcher):
    model = copy.copy(language_model)
    model.patcher = stride_patcher
    return model


def test_segmentations_that_read_no_bases_add_nothing(genome, model_of_stride):
    found = reference_bias(model_of_stride, genome, random_snvs(genome, 12), 64)
    nothing = {"value": 0, "low": 0, "high": 0}
    assert found["reference_minus_unknown"] == found["reference_minus_alternative"] == nothing
    assert found["segmentations_differ"] == 0
    assert found["mean"]["reference"] == found["mean"]["unknown"] != 0


def test_scores_in_the_reference_segmentation_are_those_of_the_scorer(genome, language_model):
    snvs = random_snvs(genome, 12)
    scorer = LikelihoodScorer(language_model, 64)
    scores = scorer.score([scorer.pair(genome, snv) for snv in snvs])
    found = reference_bias(language_model, genome, snvs, 64)
    assert found["variants"] == 12
    assert found["mean"]["reference"] == pytest.approx(scores.mean(), abs=1e-4)
    assert found["segmentations_differ"] > 0
    differences = found["reference_minus_alternative"]
    assert differences["low"] <= differences["value"] <= differences["high"]
    assert differences["value"] == pytest.approx(found["mean"]["reference"] - found["mean"]["alternative"])


def test_exchanging_the_alleles_exchanges_their_segmentations_and_the_sign(tmp_path, tiny_sequence, language_model):
    window = tiny_sequence[:400]
    ref, alt = window[200], "A" if window[200] != "A" else "C"
    results = []
    for name, first, second in (("ref", ref, alt), ("alt", alt, ref)):
        path = tmp_path / f"{name}.fa"
        path.write_text(f">c\n{window[:200]}{first}{window[201:]}\n")
        with Genome(path, tmp_path / "cache") as opened:
            results.append(reference_bias(language_model, opened, [Variant("c", 201, first, second)], 64)["mean"])
    assert results[0]["alternative"] == pytest.approx(-results[1]["reference"], abs=1e-4)
    assert results[0]["unknown"] == pytest.approx(-results[1]["unknown"], abs=1e-4)


def test_masked_models_and_windows_without_scores_are_refused(genome, language_model):
    with pytest.raises(UsageError, match="head is masked_lm"):
        reference_bias(SimpleNamespace(head_kind="masked_lm"), genome, [], 64)
    with pytest.raises(InputError, match="none of 1 variants"):
        reference_bias(language_model, genome, [Variant("c1", 4100, "N", "A")], 64)


def test_the_command_writes_modes_genes_and_bias(tiny_fasta, patches, language_model_dir, tmp_path):
    gff, out = tmp_path / "genes.gff", tmp_path / "variants.json"
    gff.write_text("".join(f"c1\t.\tgene\t{s}\t{s + 200}\t.\t{d}\t.\tID=g{s}\n" for s, d in [(101, "+"), (901, "-")]))
    arguments = [tiny_fasta, "--patches", patches, "--model", language_model_dir, "--gff", gff, "-n", "20", "-o", out]
    done = RUN.invoke(bench, ["patch-variants", *map(str, arguments), "--width", "64", "--device", "cpu"])
    assert done.exit_code == 0, done.output
    written = json.loads(out.read_text())
    assert [row["mode"] for row in written["modes"]] == [
        *("entropy", "greedy", "monotonic", "dual_threshold", "length_constrained", "optimal"),
    ]
    assert all(row["gene_starts"]["features"] == 2 for row in written["modes"])
    assert written["reference_bias"]["variants"] == 20
    assert written["provenance"]["patching"] == Patcher.load(patches / "patcher").fingerprint
    for row in written["modes"]:
        assert row["mode"] in done.output


def test_the_command_needs_a_whole_folder_and_genes_of_this_genome(tiny_fasta, patches, tmp_path):
    gff, out = tmp_path / "genes.gff", tmp_path / "variants.json"
    gff.write_text("elsewhere\t.\tgene\t1\t200\t.\t+\t.\tID=g\n")
    arguments = ["patch-variants", tiny_fasta, "--patches", patches, "-n", "5", "-o", out]
    done = RUN.invoke(bench, [*map(str, arguments), "--gff", str(gff)])
    assert isinstance(done.exception, InputError)
    assert "another assembly" in str(done.exception)
    (patches / "summary.json").unlink()
    done = RUN.invoke(bench, list(map(str, arguments)))
    assert isinstance(done.exception, IntegrityError)
    assert not out.exists()
