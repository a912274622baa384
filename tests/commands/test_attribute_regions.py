"""`genomelm attribute` over many regions: the files, their order, and what stops it."""

import copy
import json
import re
import sys
import types

import numpy as np
import pyBigWig
import pytest
from typer.testing import CliRunner

import genomelm
from genomelm import cli
from genomelm.commands.attribute_models import measured_elsewhere
from genomelm.files import output_lock
from genomelm.interpret import attribution as attribution_room
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval

FAST = ("--shuffles", "2", "--steps", "16", "--no-motifs")


def run(*arguments):
    return CliRunner().invoke(cli.app, ["-q", "attribute", "--device", "cpu", "--threads", "1", *map(str, arguments)])


def stored(path):
    with np.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


@pytest.fixture(scope="module", autouse=True)
def few_draws():
    """Two draws of random weights are as good as eight for what is tested here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("genomelm.commands.attribute_regions.RANDOM_DRAWS", 2)
        yield


@pytest.fixture(scope="module")
def bed(tmp_path_factory):
    path = tmp_path_factory.mktemp("bed") / "peaks.bed"
    path.write_text("c1\t300\t330\tone\t0\t-\nc2\t40\t70\ttwo\nc1\t312\t342\t.\n")
    return path


@pytest.fixture(scope="module")
def attributed(tiny_fasta, task_model_dirs, bed, tmp_path_factory):
    out = tmp_path_factory.mktemp("attribute") / "peaks"
    options = ("--method", "deletion", "--method", "ixg", "--method", "ig", *FAST)
    result = run(*task_model_dirs, "-r", tiny_fasta, "--regions", bed, "-o", out, *options)
    assert result.exit_code == 0, result.output
    return out


def test_summary_says_what_ran(attributed):
    summary = json.loads((attributed / "summary.json").read_text())
    assert (summary["kind"], summary["regions"], summary["length"]) == ("regions", 3, 30)
    assert (summary["unit"], summary["models"], summary["score_of"]) == ("toy label", ["seed0", "seed1"], "toy")
    checks = summary["checks"]
    assert checks["brute_force"]["largest_difference"] < 1e-5
    assert checks["brute_force"]["compared"] >= 200
    assert checks["completeness"]["steps"] == 16
    assert checks["completeness"]["median_relative_error"] < 0.05
    assert checks["motif_null"]["reason"] == "not run: --no-motifs"
    assert summary["methods"] == {"ism": {}, "deletion": {}, "gradient_x_input": {}, "integrated_gradients": {}}
    params = json.loads((attributed / "params.json").read_text())
    assert set(params["provenance"]["models"]) == {"seed0", "seed1"}
    assert not attributed.with_name("peaks.parts").exists()


def test_regions_keep_their_order_their_names_and_their_strand(attributed, tiny_fasta, bed):
    rows = [line.split("\t") for line in (attributed / "regions.tsv").read_text().splitlines()]
    assert rows[0] == ["id", "contig", "start", "end", "strand", "name"]
    assert rows[1:] == [
        ["r0001", "c1", "300", "330", "-", "one"],
        ["r0002", "c2", "40", "70", "+", "two"],
        ["r0003", "c1", "312", "342", "+", ""],
    ]
    one_hot = stored(attributed / "attributions.npz")["one_hot"]
    with Genome(tiny_fasta) as genome:
        expected = genome.fetch(Interval("c1", 300, 330, "-"))
    assert "".join("ACGT"[i] for i in one_hot[0].argmax(1)) == expected


def test_maps_are_those_of_the_python_interface(attributed, tiny_fasta, task_model_dirs):
    arrays = stored(attributed / "attributions.npz")
    assert arrays["ism_models"].shape == (2, 3, 30, 4)
    assert arrays["ism"] == pytest.approx(arrays["ism_models"].mean(0), abs=1e-6)
    for number, path in enumerate(task_model_dirs):
        model, place = genomelm.load_model(path, "cpu"), Interval("c1", 300, 330, "-")
        expected = genomelm.saturate(model, tiny_fasta, place, window=place)
        assert np.abs(arrays["ism_models"][number, 0] - expected).max() < 1e-5
        assert np.abs(genomelm.attribute(model, [place], fasta=tiny_fasta)[0] - expected).max() < 1e-5
    assert arrays["deletion"].shape == (3, 30)
    assert arrays["integrated_gradients"].shape == (3, 30, 4)


def test_other_programs_find_their_layout(attributed):
    arrays = stored(attributed / "attributions.npz")
    one_hot, maps = stored(attributed / "ohe.npz")["arr_0"], stored(attributed / "shap.npz")["arr_0"]
    assert one_hot.shape == maps.shape == (3, 4, 30)
    assert (one_hot.transpose(0, 2, 1) == arrays["one_hot"]).all()
    assert np.abs(maps.sum(1)).max() < 1e-5
    with pyBigWig.open(str(attributed / "importance.bw")) as track:
        found = track.values("c1", 300, 342, numpy=True)
    importance = np.abs(arrays["ism"]).sum(-1) / 3
    assert found[:12] == pytest.approx(importance[0, ::-1][:12], abs=1e-6)
    assert found[12:30] == pytest.approx((importance[0, ::-1][12:] + importance[2, :18]) / 2, abs=1e-6)


def test_a_run_that_is_stopped_goes_on_to_the_same_result(
    attributed, tiny_fasta, task_model_dirs, bed, tmp_path, monkeypatch
):
    monkeypatch.setattr(attribution_room, "PIECE", 1)
    original, done = attribution_room._piece, []

    def stopped(regions, *more):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(regions.rows[0].id)
        return original(regions, *more)

    options = (*task_model_dirs, "-r", tiny_fasta, "--regions", bed, "-o", tmp_path / "peaks", *FAST)
    options = (*options, "--method", "deletion", "--method", "ixg", "--method", "ig")
    monkeypatch.setattr(attribution_room, "_piece", stopped)
    assert run(*options).exit_code == 75
    assert not (tmp_path / "peaks").exists()
    other = run(*options, "--steps", 8, "--resume")
    assert other.exit_code == 2
    assert "another settings" in other.stderr
    done.clear()
    result = run(*options)
    assert result.exit_code == 0, result.output
    assert done == ["r0003"]
    assert not (tmp_path / "peaks.parts").exists()
    for name in ("attributions.npz", "tracks.npz", "shap.npz"):
        whole, again = stored(attributed / name), stored(tmp_path / "peaks" / name)
        assert list(whole) == list(again)
        for key, array in whole.items():
            assert array == pytest.approx(again[key], abs=1e-5), key
    assert (attributed / "regions.tsv").read_text() == (tmp_path / "peaks" / "regions.tsv").read_text()


def test_a_second_process_on_one_folder_stops(tiny_fasta, task_model_dirs, bed, tmp_path):
    with output_lock(tmp_path / "o"):
        result = run(task_model_dirs[0], "-r", tiny_fasta, "--regions", bed, "-o", tmp_path / "o", *FAST)
    assert result.exit_code == 2
    assert "another genomelm process" in result.stderr


def test_what_an_earlier_run_left_goes_and_other_files_stay(tiny_fasta, language_model_dir, tmp_path):
    out = tmp_path / "o"
    out.mkdir()
    for name in ("variants.tsv", "importance.bw", "notes.txt"):
        (out / name).write_text("old")
    fasta = tmp_path / "s.fa"
    fasta.write_text(">one\nacgtnacgtacg\n>two\nTTTTACGATTTT\n")
    result = run(language_model_dir, "--fasta", fasta, "-o", out, "--shuffles", 0, "--no-motifs")
    assert result.exit_code == 0, result.output
    assert not (out / "variants.tsv").exists()
    assert not (out / "importance.bw").exists()  # the sequences are of no genome
    assert (out / "notes.txt").read_text() == "old"
    summary = json.loads((out / "summary.json").read_text())
    assert summary["unit"] == "nats"
    assert summary["methods"]["integrated_gradients"]["reason"].startswith("not run: the score of a language model")
    assert summary["checks"]["completeness"]["reason"] == summary["methods"]["integrated_gradients"]["reason"]
    assert "no attention" in summary["methods"]["attention"]["reason"]
    arrays = stored(out / "attributions.npz")
    assert "integrated_gradients" not in arrays
    assert not arrays["ism"][0, 4].any()  # N
    assert stored(out / "tracks.npz").keys() == {"patch_starts", "entropy"}
    assert (out / "regions.tsv").read_text().splitlines()[2] == "r0002\ttwo\t0\t12\t+\ttwo"


@pytest.fixture(scope="module")
def variants(tiny_fasta, task_model_dirs, bases_of_c1, tmp_path_factory):
    folder, base = tmp_path_factory.mktemp("variants"), bases_of_c1
    other = {"A": "C", "C": "G", "G": "T", "T": "A"}
    rows = [
        (5, base[4], other[base[4]]),
        (700, base[699], base[699] + "ACG"),
        (900, base[899:903], base[899]),
        (910, base[909], "<DEL>"),
    ]
    body = "".join(f"c1\t{pos}\t.\t{ref}\t{alt}\t.\t.\t.\n" for pos, ref, alt in rows)
    (folder / "v.vcf").write_text("##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n" + body)
    options = ("--vcf", folder / "v.vcf", "--width", 24, "-o", folder / "o", "--method", "ism", *FAST)
    result = run(task_model_dirs[0], "-r", tiny_fasta, *options)
    assert result.exit_code == 0, result.output
    return folder / "o"


@pytest.fixture(scope="module")
def bases_of_c1(tiny_fasta):
    with Genome(tiny_fasta) as genome:
        return genome.fetch(Interval("c1", 0, genome.contigs["c1"]))


def test_variants_are_scored_and_explained_on_both_alleles(variants, tiny_fasta, task_model_dirs, bases_of_c1):
    header, *rows = [line.split("\t") for line in (variants / "variants.tsv").read_text().splitlines()]
    table = [dict(zip(header, row, strict=True)) for row in rows]
    assert [row["id"] for row in table] == ["r0001", "r0002", "r0003", "."]
    assert [row["status"] for row in table] == ["OK", "OK", "OK", "SYMBOLIC"]
    assert table[3]["score"] == ""
    arrays, maps = stored(variants / "variants.npz"), stored(variants / "attributions.npz")["ism"]
    assert arrays["offset"].tolist()[0] == 4  # the window is moved off the contig's start
    alt = "ACGT".index(table[0]["alt"])
    assert maps[0, 4, alt] == pytest.approx(float(table[0]["score"]), abs=1e-5)
    model = genomelm.load_model(task_model_dirs[0], "cpu")
    start, end = (variants / "regions.tsv").read_text().splitlines()[3].split("\t")[2:4]
    deletion = ("c1", 900, bases_of_c1[899:903], bases_of_c1[899])
    scored = genomelm.score_variants(model, tiny_fasta, [deletion], window=Interval("c1", int(start), int(end)))
    assert float(table[2]["score"]) == pytest.approx(scored.score[0], abs=1e-5)
    ref, changed = arrays["ref_one_hot"], arrays["alt_one_hot"]
    assert (ref[0] != changed[0]).any(1).nonzero()[0].tolist() == [4]
    assert arrays["alt_length"].tolist()[1] - arrays["ref_length"].tolist()[1] == 3
    assert changed[1].any(1).all()  # cut at the right
    assert not changed[2, 21:].any()  # three bases fewer
    assert not arrays["alt_ism"][2, 21:].any()
    assert np.abs(arrays["ref_ism"] - maps).max() == 0


def test_an_alternatives_map_is_read_in_the_references_patches(variants):
    arrays = stored(variants / "variants.npz")
    back = arrays["alt_ism"][0, 4, arrays["ref_one_hot"][0, 4].argmax()]
    there = arrays["ref_ism"][0, 4, arrays["alt_one_hot"][0, 4].argmax()]
    assert back == pytest.approx(-there, abs=1e-5)


FAULTS = {
    "past the end": ("c1\t4000\t4030\nc1\t4200\t4230\n", (), 3, "passes the end of c1"),
    "no such contig": ("c9\t10\t20\n", (), 3, "contig 'c9' is not in"),
    "unequal": ("c1\t10\t20\nc1\t30\t41\n", (), 3, "c1:11-20 has 10 bases and c1:31-41 has 11"),
    "empty": ("# nothing\n", (), 3, "holds no regions"),
    "no bases": ("c1\t10\t10\n", (), 3, "holds no bases"),
    "not a number": ("c1\tx\t10\n", (), 3, "is not a whole number"),
    "too wide": ("c2\t10\t20\n", ("--width", 2001), 3, "c2 has 2,000 bases, fewer than --width 2001"),
    "method": ("c1\t10\t20\n", ("--method", "lime"), 2, "attribution method 'lime' is unknown; choose ism"),
    "output": ("c1\t10\t20\n", ("--output", "lacz"), 2, "the model has no output 'lacz'"),
    "two inputs": ("c1\t10\t20\n", ("--interval", "c1:11-20"), 2, "--interval and --regions were given"),
    "batch": ("c1\t10\t20\n", ("--batch-size", 8), 2, "--batch-size says nothing to many regions"),
    "motifs": ("c1\t10\t20\n", ("--jaspar", "plants"), 2, "--jaspar says nothing to --no-motifs"),
    "before the model": ("c9\t10\t20\n", ("--task", "nothing"), 3, "contig 'c9' is not in"),
    "control": ("c1\t10\t20\n", ("--control", "strand=x"), 2, "--control strand is there already"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_cannot_be_explained_stops_with_one_line(name, tiny_fasta, task_model_dirs, tmp_path):
    text, options, code, message = FAULTS[name]
    (tmp_path / "x.bed").write_text(text)
    where = ("-r", tiny_fasta, "--regions", tmp_path / "x.bed", "-o", tmp_path / "o")
    result = run(task_model_dirs[0], *where, "--no-motifs", *options)
    assert (result.exit_code, message in " ".join(result.stderr.split())) == (code, True), result.stderr
    assert not (tmp_path / "o").exists()
    assert not (tmp_path / "o.parts").exists()


MOTIF_FAULTS = {
    "--motif-db": ("x.bed", 3, "holds no motif"),
    "--truth": ("x.bed", 3, "holds no motif"),
    "--sites": ("none.tsv", 3, "none.tsv"),
    "--modisco": ("no-such-program", 2, "is no program"),
}


@pytest.mark.parametrize("option", MOTIF_FAULTS)
def test_motif_inputs_are_read_before_anything_is_computed(option, tiny_fasta, tmp_path, monkeypatch):
    value, code, message = MOTIF_FAULTS[option]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.bed").write_text("c1\t10\t20\n")
    result = run("no-such-model", "-r", tiny_fasta, "--regions", "x.bed", "-o", "o", option, value)
    assert (result.exit_code, message in " ".join(result.stderr.split())) == (code, True), result.stderr


def test_a_missing_package_is_named_before_anything_is_computed(tiny_fasta, bed, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "memelite", None)
    (tmp_path / "m.meme").write_text("MEME version 4\nMOTIF a\nletter-probability matrix: w= 1\n1 0 0 0\n")
    result = run("m", "-r", tiny_fasta, "--regions", bed, "-o", tmp_path / "o", "--motif-db", tmp_path / "m.meme")
    assert result.exit_code == 2
    assert "needs the package memelite" in " ".join(result.stderr.split())


def test_regions_that_an_assay_never_measured_are_warned_of():
    model = types.SimpleNamespace(config=types.SimpleNamespace(head={"reference": "ACGTACGT"}))
    assert measured_elsewhere(model, ["ACGTACGT", "ACTTACGA"]) == []
    (text,) = measured_elsewhere(model, ["ACGTACGT", "TTTTACGA", "ACGTACG"])
    assert "2 of 3 regions are others" in text
    model.config.head = {}
    assert measured_elsewhere(model, ["A"]) == []


def test_a_foreign_region_of_an_assay_is_warned_of_in_the_summary(tiny_fasta, task_models, bed, tmp_path):
    model = copy.deepcopy(task_models[0])
    model.config.head["reference"] = "ACGTA" * 5
    model.save_pretrained(tmp_path / "m")
    options = ("--regions", bed, "--method", "ism", "-o", tmp_path / "o", "--shuffles", 0, "--no-motifs")
    result = run(tmp_path / "m", "-r", tiny_fasta, *options)
    assert result.exit_code == 0, result.output
    (text,) = json.loads((tmp_path / "o" / "summary.json").read_text())["warnings"]
    assert "25 bases, and 3 of 3 regions are others" in text


def test_help_keeps_its_defaults_and_says_how_intervals_count():
    text = " ".join(re.sub(r"[^\x20-\x7e]|\x1b\[[0-9;]*m", " ", run("--help").stdout).split())
    assert "(default: all but deletion)" in text
    assert "C:a-b[:-]" in text
    assert "count from 1" in text


def test_other_inputs_that_cannot_be_explained_stop_with_one_line(tiny_fasta, task_model_dirs, tmp_path):
    vcf, fasta = tmp_path / "v.vcf", tmp_path / "s.fa"
    vcf.write_text("##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\nc1\t9\t.\tA\t<DEL>\t.\t.\t.\n")
    fasta.write_text(">a\nACGT\n>a\nACGG\n")
    tries = [
        (("-r", tiny_fasta), 2, "none was given"),
        (("--vcf", vcf, "-r", tiny_fasta), 2, "--vcf needs --width"),
        (("--vcf", vcf, "-r", tiny_fasta, "--width", 20), 3, "none of its 1 variants can be explained (SYMBOLIC)"),
        (("--regions", vcf), 2, "--regions needs the reference"),
        (("--fasta", fasta), 3, "a"),
        (("--fasta", fasta, "-r", tiny_fasta), 2, "leave -r out"),
        (("--interval", "c1:1-20", "-r", tiny_fasta, "--width", 9), 2, "--width says nothing to --interval"),
        (("--interval", "c1:1-20", "-r", tiny_fasta, "--resume"), 2, "--resume says nothing to --interval"),
    ]
    for options, code, message in tries:
        result = run(task_model_dirs[0], "-o", tmp_path / "o", "--shuffles", 0, *options)
        assert (result.exit_code, message in " ".join(result.stderr.split())) == (code, True), result.stderr
