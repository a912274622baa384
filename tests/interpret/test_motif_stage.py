"""The whole of motifs on planted maps: files that other tools read, and checks that fail where they should."""

import importlib.util
import json
import stat
import sys

import numpy as np
import pytest
from planted_maps import MOTIFS, ism_of, planted, ppm_of

from genomelm.errors import InputError, UsageError
from genomelm.interpret import match, meme, modisco, motif_stage
from genomelm.interpret.motif_stage import MotifSettings, VariantMaps
from genomelm.interpret.regions import Region

LENGTH = 300
memelite = pytest.mark.skipif(not importlib.util.find_spec("memelite"), reason="memelite is not installed")
pyjaspar = pytest.mark.skipif(not importlib.util.find_spec("pyjaspar"), reason="pyjaspar is not installed")


def text_of(one_hot):
    return "".join("ACGT"[c] for c in one_hot.argmax(axis=-1))


def table(path):
    header, *rows = [line.split("\t") for line in path.read_text().rstrip("\n").split("\n")]
    return [dict(zip(header, row, strict=True)) for row in rows]


def write_truth(path, motifs=MOTIFS):
    meme.write(path, {f"true {m}": ppm_of(m) for m in motifs}, [20] * len(motifs), (0.25,) * 4)
    return str(path)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Planted maps over regions of both strands, a site table, a truth, and what the stage makes of them."""
    folder, inputs = tmp_path_factory.mktemp("out"), tmp_path_factory.mktemp("in")
    one_hot, values, sites = planted(regions=50, length=LENGTH, seed=2)
    regions = [Region(f"r{n + 1:04}", "c", 1000 * n, 1000 * n + LENGTH, "+-"[n % 2]) for n in range(50)]
    lines = ["contig\tstart\tend\tstrand\tname\tsequence"]
    for row, start, number, _ in sites:
        region, width = regions[row], len(MOTIFS[number])
        first = region.start + start if region.strand == "+" else region.end - start - width
        lines.append(f"c\t{first}\t{first + width}\t.\t{MOTIFS[number]}\t")
    (inputs / "sites.tsv").write_text("\n".join(lines) + "\n")
    pad = "GCGC" * 6
    variants = [
        VariantMaps("v1", pad + "TATAAT" + pad, pad + "TAGAAT" + pad, 26, 1, 1),
        VariantMaps("v2", pad + "TATGAT" + pad, pad + "TATAAT" + pad, 27, 1, 1, None, np.ones((54, 4))),
        VariantMaps("v3", pad, pad[:10] + "A" + pad[10:-1], 9, 1, 2),
    ]
    settings = MotifSettings(
        sites=str(inputs / "sites.tsv"), truth=write_truth(inputs / "truth.meme"), null_runs=3, neutral=12
    )
    predict = lambda texts: np.array([text.count("TATAAT") - 0.5 * text.count("ATTATA") for text in texts], float)
    arrays = {"one_hot": one_hot, "ism": ism_of(one_hot, values)}
    found = motif_stage.run(folder, arrays, regions, predict, settings, variants)
    return {"folder": folder, "found": found, "one_hot": one_hot, "values": values, "regions": regions}


def test_every_check_passes_on_planted_maps(made):
    checks = made["found"]["checks"]
    assert checks["motif_null"]["patterns"] >= 3
    assert checks["truth"]["lowest_pearson"] >= 0.9
    assert checks["known_sites"]["p"] < 0.001
    assert checks["known_sites"]["low"] > 5
    assert checks["known_sites"]["located"]["at_place"] == 150
    json.dumps(made["found"], allow_nan=False)


def test_files_agree_with_each_other(made):
    folder = made["folder"]
    rows = table(folder / "motifs.tsv")
    real = [row["motif"] for row in rows if row["real"] == "yes"]
    with np.load(folder / "motifs.npz") as arrays:
        assert set(arrays) == {f"{k}_{n + 1}" for n in range(len(rows)) for k in ("ppm", "cwm")}
        for name, ppm in meme.read(folder / "motifs.meme").items():
            np.testing.assert_allclose(ppm, arrays[f"ppm_{name.removeprefix('motif_')}"], atol=1e-5)
    assert list(meme.read(folder / "motifs.meme")) == real
    assert made["found"]["motifs"]["real"] == len(real)
    assert {row["motif"] for row in table(folder / "seqlets.tsv")} <= {"", *(row["motif"] for row in rows)}
    assert {row["motif"] for row in table(folder / "hits.tsv")} <= set(real)


def test_hits_stand_on_the_contig_where_their_letters_are(made):
    by_id = {region.id: (region, text_of(o)) for region, o in zip(made["regions"], made["one_hot"], strict=True)}
    rows = table(made["folder"] / "hits.tsv")
    bed = [line.split("\t") for line in (made["folder"] / "hits.bed").read_text().splitlines()]
    assert len(rows) == len(bed) == made["found"]["motifs"]["hits"] > 20
    for row in rows:
        region, text = by_id[row["region"]]
        ahead = text if region.strand == "+" else text[::-1].translate(str.maketrans("ACGT", "TGCA"))
        first, last = (int(row[key]) - region.start for key in ("contig_start", "contig_end"))
        window = ahead[first:last]
        turned = window[::-1].translate(str.maketrans("ACGT", "TGCA"))
        assert row["sequence"] == (window if row["contig_strand"] == "+" else turned)
    assert {(r["contig"], r["contig_start"], r["contig_end"], r["motif"], r["contig_strand"]) for r in rows} == {
        (b[0], b[1], b[2], b[3], b[5]) for b in bed
    }
    assert np.mean([row["known_site"] != "" for row in rows]) > 0.8


def test_the_motif_that_the_model_answers_to_has_the_effect(made):
    rows = table(made["folder"] / "marginal.tsv")
    tata = {row["inserted"]: row for row in rows if row["inserted"] in ("TATAAT", "ATTATA")}
    assert float(tata["TATAAT"]["low"]) > 0.5
    assert float(tata["ATTATA"]["effect"]) < -0.2
    assert {row["strand"] for row in tata.values()} == {"+", "-"}
    others = [row for row in rows if row["inserted"] not in tata]
    assert all(abs(float(row["effect"])) < 0.5 for row in others)


def test_a_variant_makes_and_breaks_motifs(made):
    changed = made["found"]["variants"]
    (tata,) = [r["motif"] for r in table(made["folder"] / "motifs.tsv") if r["consensus"] in ("TATAAT", "ATTATA")]
    assert [name[:-1] for name in changed["v1"]["lost"]] == [tata]
    assert [name[:-1] for name in changed["v2"]["gained"]] == [tata]
    assert changed["v1"]["gained"] == changed["v2"]["lost"] == []
    assert changed["v3"] == {"gained": [], "lost": []}
    rows = {row["id"]: row for row in table(made["folder"] / "variant_motifs.tsv")}
    assert rows["v1"]["contribution"] == ""  # no map was given
    assert float(rows["v2"]["contribution"]) == pytest.approx(0)
    assert float(rows["v2"]["alt_score"]) > float(rows["v2"]["ref_score"])


def test_letters_that_do_not_belong_to_the_maps_fail_the_checks(made, tmp_path):
    """The maps of other sequences: each with its letters in another order, under the same attributions."""
    order = np.random.default_rng(5).permuted(np.tile(np.arange(LENGTH), (50, 1)), axis=1)
    one_hot = np.take_along_axis(made["one_hot"], order[..., None], axis=1)
    settings = MotifSettings(truth=write_truth(tmp_path / "truth.meme"), null_runs=2)
    arrays = {"one_hot": one_hot, "ism": ism_of(one_hot, made["values"])}
    found = motif_stage.run(tmp_path, arrays, made["regions"], None, settings)
    assert found["checks"]["motif_null"]["patterns"] == 0
    assert found["checks"]["truth"]["lowest_pearson"] < 0.9
    assert found["checks"]["known_sites"] == {"reason": "not run: no --sites"}
    assert (tmp_path / "hits.bed").read_text() == ""
    assert table(tmp_path / "hits.tsv") == []


def test_regions_that_overlap_count_once(tmp_path):
    """Windows that shift by 50 bases of 300: what is found and judged is that of one window of each stretch."""
    one_hot, values, sites = planted(regions=24, length=300, seed=2)
    rows, letters, carried = [], [], []
    for number in range(24):
        for start in (0, 50, 100):
            rows.append(Region(f"r{len(rows)}", "c", 1000 * number + start, 1000 * number + start + 200, "+"))
            letters.append(one_hot[number, start : start + 200])
            carried.append(values[number, start : start + 200])
    letters, carried = np.array(letters), np.array(carried)
    table_of = [f"c\t{1000 * row + at}\t{1000 * row + at + len(MOTIFS[m])}\t.\tx\t" for row, at, m, _ in sites]
    (tmp_path / "sites.tsv").write_text("contig\tstart\tend\tstrand\tname\tsequence\n" + "\n".join(table_of) + "\n")
    settings = MotifSettings(sites=str(tmp_path / "sites.tsv"), null_runs=2)

    def found(name, chosen):
        (tmp_path / name).mkdir()
        arrays = {"one_hot": letters[chosen], "ism": ism_of(letters[chosen], carried[chosen])}
        return motif_stage.run(tmp_path / name, arrays, [rows[i] for i in chosen], None, settings)

    every, once = found("every", list(range(72))), found("once", list(range(0, 72, 3)))
    assert every["motifs"]["regions_left_out"] == 48
    assert once["motifs"]["regions_left_out"] == 0
    assert every["checks"]["motif_null"] == once["checks"]["motif_null"]
    tested = [{k: v for k, v in one["checks"]["known_sites"].items() if k != "located"} for one in (every, once)]
    assert tested[0] == tested[1]
    assert tested[0]["loci"] <= 24
    for name in ("seqlets.tsv", "motifs.tsv", "motifs.meme"):
        assert (tmp_path / "every" / name).read_text() == (tmp_path / "once" / name).read_text()
    assert {row["region"] for row in table(tmp_path / "every" / "known_sites.tsv")} > {f"r{n}" for n in (0, 1, 2)}


def test_maps_of_nothing_are_a_result(tmp_path):
    one_hot = np.eye(4)[np.zeros((2, 60), int)]
    regions = [Region("r0001", "a", 0, 60), Region("r0002", "b", 0, 60)]
    settings = MotifSettings(truth=write_truth(tmp_path / "truth.meme"))
    found = motif_stage.run(tmp_path, {"one_hot": one_hot, "ism": np.zeros((2, 60, 4))}, regions, None, settings)
    assert found["motifs"]["found"] == 0
    assert found["checks"]["truth"]["lowest_pearson"] == 0
    assert table(tmp_path / "seqlets.tsv") == []


def fake_modisco(path, motifs, code=0):
    """A program with modisco's command line that finds given motifs, in the middle of columns that say nothing."""
    truth, bare = path.parent / "found.meme", np.full((15, 4), 0.25)
    found = {f"pos_patterns.pattern_{n}": np.concatenate([bare, ppm_of(m), bare]) for n, m in enumerate(motifs)}
    meme.write(truth, found, [9] * len(motifs), (0.25,) * 4)
    path.write_text(
        f"#!{sys.executable}\n"
        "import pathlib, sys\n"
        f"if {code}: sys.exit('no seqlets; rm -rf /')\n"
        "out = pathlib.Path(sys.argv[sys.argv.index('-o') + 1])\n"
        f"out.write_bytes(pathlib.Path({str(truth)!r}).read_bytes() if sys.argv[1] == 'meme' else b'h5')\n"
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_modisco_runs_as_a_program_and_its_motifs_are_judged_alike(made, tmp_path):
    arrays = {"one_hot": made["one_hot"], "ism": ism_of(made["one_hot"], made["values"])}
    program = fake_modisco(tmp_path / "modisco program", [MOTIFS[1], "GGGCCCGGG"])
    found = motif_stage.run(tmp_path, arrays, made["regions"], None, MotifSettings(modisco=program, null_runs=2))
    assert found["motifs"]["method"] == "modisco"
    assert found["checks"]["motif_null"]["patterns"] == 1
    assert (tmp_path / "modisco_results.h5").read_bytes() == b"h5"
    assert not (tmp_path / ".modisco.meme").exists()


def test_a_motif_of_modisco_keeps_the_columns_that_say_something():
    bare, word = np.full((20, 4), 0.25), ppm_of("GATTACA")
    assert np.array_equal(modisco.trimmed(np.concatenate([bare, word, bare])), word)
    halves = np.concatenate([word, bare, word, word])  # 41 columns between the first and the last that say something
    assert np.array_equal(modisco.trimmed(halves), halves[-28:])
    assert np.array_equal(modisco.trimmed(bare), bare)


def test_a_modisco_that_finds_nothing_is_a_result_and_a_warning(made, tmp_path, caplog):
    program = tmp_path / "modisco"  # its MEME file without a motif, as modisco 2.5.2 writes it
    program.write_text(
        '#!/bin/sh\nwhile [ "$1" != -o ]; do shift; done\n'
        "printf 'MEME version 5\\n\\nALPHABET= ACGT\\n\\nBackground letter frequencies\\n' > \"$2\"\n"
    )
    program.chmod(0o755)
    assert modisco.run(program, tmp_path, 60) == []
    assert "found no motif: it needs more than 100 seqlets" in caplog.text


def test_a_modisco_that_fails_or_is_not_there_is_named(made, tmp_path):
    arrays = {"one_hot": made["one_hot"], "ism": ism_of(made["one_hot"], made["values"])}
    program = fake_modisco(tmp_path / "modisco", MOTIFS, code=1)
    with pytest.raises(UsageError, match="motifs ended with 1: no seqlets"):
        motif_stage.run(tmp_path, arrays, made["regions"], None, MotifSettings(modisco=program))
    with pytest.raises(UsageError, match="is no program"):
        motif_stage.run(tmp_path, arrays, made["regions"], None, MotifSettings(modisco=str(tmp_path / "none")))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("MEME version 5\n", "holds no motif"),
        ("MOTIF a\nletter-probability matrix: alength= 4 w= 2\n0.2 0.3 0.5 0\n", "not 2 rows of 4"),
        ("MOTIF a\nletter-probability matrix: alength= 4 w= 1\n0.2 0.3 0.5 0.5\n", "sums to 1.5"),
        ("MOTIF a\nletter-probability matrix: alength= 4 w= 1\n0.2 0.3 x 0.5\n", "something else"),
        ("letter-probability matrix: alength= 4 w= 1\n1 0 0 0\n", "needs a MOTIF line"),
        ("ALPHABET= ACDEFGHIKLMNPQRSTVWY\n", "is not ACGT"),
    ],
)
def test_a_wrong_meme_file_is_refused(tmp_path, text, message):
    (tmp_path / "x.meme").write_text(text)
    with pytest.raises(InputError, match=message):
        meme.read(tmp_path / "x.meme")


def test_databases_do_not_share_names(tmp_path):
    one = write_truth(tmp_path / "one.meme")
    with pytest.raises(InputError, match="true TTGACA is in another database"):
        match.databases([one, one])


def test_a_package_that_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyjaspar", None)
    with pytest.raises(UsageError, match="--jaspar needs the package pyjaspar"):
        match.databases([], "vertebrates")
    monkeypatch.setitem(sys.modules, "memelite", None)
    with pytest.raises(UsageError, match="needs the package memelite"):
        match.tomtom({"a": ppm_of("ACGT")}, {"b": ppm_of("ACGT")})


@pytest.mark.long  # memelite compiles at its first call
@memelite
def test_tomtom_finds_the_motif_on_the_other_strand_among_many(tmp_path):
    from memelite.io import read_meme

    rng = np.random.default_rng(0)
    targets = {f"random {n}": rng.dirichlet([0.3] * 4, int(rng.integers(6, 14))) for n in range(60)}
    targets["it"] = ppm_of("TGTGANNNNNNTCACTA", 0.95)[::-1, ::-1]
    (best, *_) = match.tomtom({"m": ppm_of("TGTGANNNNNNTCACTA")}, targets)
    assert (best.target, best.strand, best.offset) == ("it", "-", 0)
    assert best.p < 1e-6
    assert best.e == pytest.approx(best.p * 61)
    assert best.q >= best.p
    path = tmp_path / "t.meme"
    meme.write(path, targets, [10] * 61, (0.25,) * 4)
    read = read_meme(str(path))
    assert list(read) == list(meme.read(path)) == list(targets)
    np.testing.assert_allclose(read["it"].T, targets["it"], atol=1e-5)


@pyjaspar
def test_jaspar_is_read_without_a_network_and_has_no_bacteria():
    found = match.databases([], "nematodes")
    assert len(found) > 20
    assert all(np.allclose(ppm.sum(axis=1), 1) for ppm in found.values())
    with pytest.raises(UsageError, match="no motifs of 'bacteria'"):
        match.databases([], "bacteria")
