"""Attribution sets in the report: what the page and its JSON say, by itself and in a model's report."""

import json
import shutil

import numpy as np
import pytest
from example_attribution import CHECKS, write_summary
from example_run import edit, shared
from reading import Page, lost_numbers

from genomelm.interpret import meme
from genomelm.interpret.pwm import information
from genomelm.report import build
from genomelm.report.attribution import logos, motifs, page, regions, variants

HOSTILE = '<script>alert("x")</script><img src=x onerror=alert(1)> $(touch /tmp/x)'
NULL = "indistinguishable from null"


@pytest.fixture(scope="module")
def made(finished_attribution, tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    report = page.write(finished_attribution, folder / "p.html")
    return folder, report, (folder / "p.html").read_text()


def checks(folder, **changes):
    write_summary(folder, 12, 80, changes)
    report = page.gather(folder)
    return {check["name"]: check for check in report["checks"]}, report


def test_a_sound_set_passes_every_check_of_the_table(made):
    _, report, source = made
    assert report["verdict"] == "pass"
    assert report["counts"] == {"pass": 15, "warn": 0, "fail": 0}
    assert source.count('class="badge pass"') == 16
    assert report["notices"] == []


SIGNAL = "signal against its null, p"
ORDERS = "against random and GC-matched order, larger p"
FAILING = [
    ("signal", {"distinguishable": False, "p": 0.4}, SIGNAL),
    ("brute_force", {"largest_difference": 2e-5, "compared": 9}, "ISM against single forwards, largest difference"),
    (
        "completeness",
        {"median_relative_error": 0.02, "largest_relative_error": 0.3, "steps": 256},
        "integrated gradients, largest completeness error",
    ),
    ("ig_ism", {"median_spearman": 0.59}, "integrated gradients against ISM, median Spearman"),
    (
        "strand",
        {"median_pearson": 0.94, "lowest_pearson": 0.9, "equivariant": False},
        "reverse complement, Pearson of flipped attribution",
    ),
    (
        "strand",
        {"median_pearson": 0.9999999, "lowest_pearson": 0.99, "equivariant": True},
        "reverse complement, Pearson of flipped attribution",
    ),
    ("random_weights", {"median_spearman": -0.3, "draws": [-0.3]}, "random-weight model, |Spearman|"),
    ("shuffled_labels", {"median_spearman": 0.21, "draws": [0.21]}, "label-shuffled model, |Spearman|"),
    ("scrambled", {"median_spearman": 0.5, "draws": [0.5]}, "control scrambled, |Spearman|"),
    (
        "motif_null",
        {"found": 2, "patterns": 0, "null_patterns": 1.5, "p": 0.3},
        "motif patterns beyond the null runs, lowest p",
    ),
    ("deletion", {"p": 0.2, "effect_size": 0.1, "n": 32}, f"deletion {ORDERS}"),
    ("deletion", {"p": 0.001, "p_gc": 0.3, "effect_size": 0.4, "n": 32}, f"deletion {ORDERS}"),
    ("insertion", {"p": 0.001, "effect_size": -0.4, "n": 32}, f"insertion {ORDERS}"),
    ("seeds", {"models": 3, "median_correlation": 0.0}, "agreement between seeds, correlation"),
    ("seeds", {"models": 2, "median_correlation": 0.19}, "agreement between seeds, correlation"),
    (
        "known_sites",
        {"loci": 50, "inside_over_outside": 1.02, "low": 0.9, "high": 1.1, "p": 0.2, "smallest_p": 1e-4, "auprc": 0.95},
        "known sites against position-matched null, p",
    ),
    (
        "known_sites",
        {"loci": 50, "inside_over_outside": 3.2, "low": 2.0, "high": 4.1, "p": 1e-4, "smallest_p": 1e-4, "auprc": 0.7},
        "planted motifs, AUPRC inside sites",
    ),
    ("truth", CHECKS["truth"] | {"lowest_pearson": 0.8}, "planted motifs, lowest PWM Pearson"),
]


@pytest.mark.parametrize(("name", "entry", "title"), FAILING)
def test_a_number_beyond_its_target_fails_its_check_alone(attribution, name, entry, title):
    found, report = checks(attribution, **{name: entry})
    assert {key: check["status"] for key, check in found.items() if check["status"] != "pass"} == {title: "fail"}
    assert report["verdict"] == "fail"
    assert found[title]["value"] is not None


@pytest.mark.parametrize(
    ("name", "entry", "title"),
    [
        ("seeds", {"models": 3, "median_correlation": 0.3}, "agreement between seeds, correlation"),
        ("seeds", {"models": 2, "median_correlation": 0.9}, "agreement between seeds, correlation"),
        (
            "completeness",
            {"median_relative_error": 0.001, "largest_relative_error": 0.02, "steps": 256},
            "integrated gradients, largest completeness error",
        ),
        (
            "known_sites",
            CHECKS["known_sites"] | {"loci": 1, "p": 0.02, "smallest_p": 0.013},
            "known sites against position-matched null, p",
        ),
        (
            "shuffled_sequence",
            {"real_mean": 0.2, "shuffled_mean": 0.1, "p": 0.4, "n": 9},
            "score beside dinucleotide shuffles, p",
        ),
    ],
)
def test_what_cannot_be_claimed_warns(attribution, name, entry, title):
    found, _ = checks(attribution, **{name: entry})
    assert {key: check["status"] for key, check in found.items() if check["status"] != "pass"} == {title: "warn"}


@pytest.mark.parametrize("entry", [None, {"reason": "not run: the day was short"}])
def test_a_check_that_did_not_run_is_a_warning_with_its_reason(attribution, entry):
    names = [*CHECKS, "deletion", "insertion", "shuffled_sequence"]
    found, report = checks(attribution, **dict.fromkeys(names, entry))
    assert len(found) == 13  # without the planted motifs, which --truth names
    assert {check["status"] for check in found.values()} == {"warn"}
    assert report["not_run"] == 13
    if not entry:
        assert found["label-shuffled model, |Spearman|"]["reason"].endswith("shuffled_labels=DIR was not given")
    if entry:
        assert {check["reason"] for check in found.values()} == {"not run: the day was short"}


def test_what_the_run_warned_of_stands_on_top_and_warns(attribution, tmp_path):
    edit(attribution / "summary.json", "warnings", value=["5 of 5 regions are <b> others"])
    report = page.write(attribution, tmp_path / "p.html")
    source = (tmp_path / "p.html").read_text()
    assert report["verdict"] == "warn"
    assert report["notices"] == ["5 of 5 regions are <b> others"]
    assert source.index("are &lt;b&gt; others") < source.index('class="checks"')


def test_regions_left_out_of_the_tests_are_counted(attribution, tmp_path):
    write_summary(attribution, 12, 80, {"signal": CHECKS["signal"] | {"regions_left_out": 4}})
    edit(attribution / "summary.json", "motifs", value={"found": 3, "regions_left_out": 5})
    report = page.write(attribution, tmp_path / "p.html")
    source = (tmp_path / "p.html").read_text()
    signal = next(check for check in report["checks"] if check["name"] == SIGNAL)
    assert "4 regions left out" in signal["reason"]
    assert "Signal: 4 regions left out, whose bases or text others hold." in source
    assert "5 regions left out, whose bases or text others hold." in source[source.index('<h2 id="motifs">') :]


def test_a_motif_says_which_null_it_did_not_beat_and_that_it_was_not_matched(attribution, tmp_path):
    header, *rows = [line.split("\t") for line in (attribution / "motifs.tsv").read_text().splitlines()]
    table = [dict(zip(header, row, strict=True)) | {"shuffled_p": "0.001"} for row in rows]
    table[0] |= {"real": "no", "null_p": "0.001", "shuffled_p": "0.2"}
    table[1] |= {"real": "no", "null_p": "0.3", "shuffled_p": "0.2"}
    table[2] |= {"real": "no", "null_p": "0.009"}  # a run held one as strong
    lines = ["\t".join(table[0]), *("\t".join(row.values()) for row in table)]
    (attribution / "motifs.tsv").write_text("\n".join(lines) + "\n")
    (attribution / "matches.tsv").unlink()
    report = page.write(attribution, tmp_path / "p.html")
    failed = [motif["failed"] for motif in report["sets"][0]["motifs"]["motifs"]]
    assert failed == ["shuffled sequence", "the null runs and shuffled sequence", "the null runs"]
    source = (tmp_path / "p.html").read_text()
    assert "no better than shuffled sequence</span>" in source
    assert source.count("not looked for: only motifs that beat their nulls are matched") == 3


def test_a_set_no_better_than_its_null_says_so_on_top_and_in_the_json(attribution, tmp_path):
    changes = {"signal": {"distinguishable": False, "p": 0.37, "statistic": 0.1, "against": "shuffles <b>"}}
    write_summary(attribution, 12, 80, changes)
    report = page.write(attribution, tmp_path / "p.html")
    written = json.loads((tmp_path / "p.json").read_text())
    source = (tmp_path / "p.html").read_text()
    assert report["verdict"] == written["verdict"] == "fail"
    assert NULL in written["notices"][0]
    assert source.index(NULL) < source.index('class="checks"')
    assert "shuffles &lt;b&gt;" in source


def test_a_model_with_a_null_set_fails_in_page_json_and_summary(run, attribution, tmp_path):
    write_summary(attribution, 12, 80, {"signal": {"distinguishable": False, "p": 0.37}})
    shutil.copytree(attribution, run / "interpret/promoters")
    build.write(run, tmp_path / "r.html", **shared(run))
    short = json.loads((run / "summary.json").read_text())
    assert short["verdict"] == json.loads((tmp_path / "r.json").read_text())["verdict"] == "fail"
    sentence = f"promoters is {NULL}"
    assert short["notices"][0].startswith(sentence)
    assert sentence in (run / "summary.txt").read_text()
    assert sentence in (tmp_path / "r.html").read_text()
    assert len((run / "summary.json").read_text()) < 80_000


def test_a_models_report_holds_loci_and_sets(run, attribution, tmp_path):
    shutil.copytree(attribution, run / "interpret/promoters")
    with (run / "score/human.tsv").open("w") as stream:
        stream.write("contig\tpos\tid\tref\talt\tstatus\tscore\tpercentile\n")
        row = json.loads(json.dumps(page.gather(attribution)))["sets"][0]["variants"]["listed"][0]
        stream.write(f"chr1\t{row['pos']}\t.\t{row['ref']}\t{row['alt']}\tOK\t0.5\t98.25\n")
    report = build.write(run, tmp_path / "r.html", **shared(run))
    assert [entry["name"] for entry in report["loci"]] == ["lac"]
    assert [entry["name"] for entry in report["sets"]] == ["promoters"]
    listed = report["sets"][0]["variants"]["listed"]
    assert [row["percentile"] for row in listed if row["percentile"] is not None] == [98.25]
    names = {check["name"] for check in report["checks"]}
    assert {f"promoters: {SIGNAL}", "lac: known sites, AUROC of importance"} <= names
    source = (tmp_path / "r.html").read_text()
    assert '<h2 id="motifs">' in source
    assert lost_numbers(source, report) == []


def test_a_model_without_sets_has_no_section_of_motifs(run, tmp_path):
    build.write(run, tmp_path / "r.html")
    source = (tmp_path / "r.html").read_text()
    assert '<h2 id="motifs">' not in source
    assert "drawLocus" not in source


def test_json_carries_each_number_that_the_page_shows(made):
    _, report, source = made
    prose = {"256", "0", "1"}  # SHA-256, 0-based, positions from 1
    assert set(lost_numbers(source, report)) <= prose
    report = json.loads(json.dumps(report))
    report["sets"][0]["motifs"]["motifs"][1]["match"]["q"] = 0.5
    report["checks"] = report["sets"][0]["regions"]["listed"] = []
    assert len(lost_numbers(source, report)) > 3


def test_nothing_is_loaded_from_outside_and_tables_read_by_keyboard(made):
    found = Page(made[2])
    urls = [value for _, name, value in found.attributes if name in ("src", "href", "xlink:href", "action", "data")]
    assert all(value.startswith(("#", "data:")) for value in urls)
    assert found.tags.count("table") == found.tags.count("caption")
    assert sum(t == "th" and n == "scope" for t, n, _ in found.attributes) == found.tags.count("th")
    scrolled = sum(name == "class" and value.split()[:1] == ["scroll"] for _, name, value in found.attributes)
    assert sum(n == "tabindex" for _, n, _ in found.attributes) == scrolled


def test_names_from_files_are_escaped_everywhere(attribution, tmp_path):
    for file in attribution.glob("*.tsv"):
        text = file.read_text()
        for name in ("promoter0", "motif_1", "motif_2", "site TATAAT", "MA0002.1", "chr1", "r0001", "<DEL>", "v0001"):
            text = text.replace(name, HOSTILE)
        file.write_text(text)
    changes = {HOSTILE: {"median_spearman": 0.5, "draws": [0.5]}, "seeds": {"reason": HOSTILE}}
    changes["truth"] = {"motifs": [{"name": HOSTILE, "pearson": 0.95}] * 3, "lowest_pearson": 0.95}
    changes["signal"] = {"distinguishable": False, "against": HOSTILE, "p": 0.5, "arms": [{"name": HOSTILE}]}
    write_summary(attribution, 12, 80, changes)
    for key in ("unit", "motifs", "provenance"):
        edit(attribution / "summary.json", key, value=HOSTILE if key == "unit" else {HOSTILE: HOSTILE})
    edit(attribution / "summary.json", "models", value=[HOSTILE])
    page.write(attribution, tmp_path / "p.html", title=HOSTILE)
    source = (tmp_path / "p.html").read_text()
    found = Page(source)
    assert found.tags.count("script") == 1
    assert "img" not in found.tags
    assert not any(name.startswith("on") for _, name, _ in found.attributes)
    assert source.count("&lt;script&gt;") > 30


@pytest.mark.parametrize("broken", ["missing", "cut", "text", "other"])
def test_damaged_files_are_reasons_and_not_errors(attribution, tmp_path, broken):
    for file in sorted(attribution.iterdir()):
        if file.name == "summary.json":
            continue
        if broken == "missing":
            file.unlink()
        elif broken == "cut":
            file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
        elif broken == "text":
            file.write_text("a\tb\n1\n\n\t\t\t\t\n")
        elif file.suffix == ".npz":
            np.savez(file, one_hot=np.zeros((2, 5, 4)), ism=np.full((2, 5, 4), np.nan), ref_ism=np.zeros(3), ppm_1=[1])
    report = page.write(attribution, tmp_path / "p.html")
    assert report["verdict"] == "pass"  # the checks stand in summary.json
    if broken == "missing":
        assert "regions.tsv" in report["sets"][0]["regions"]["missing"]


def test_values_of_the_wrong_type_warn_and_do_not_stop_the_page(attribution, tmp_path):
    summary = json.loads((attribution / "summary.json").read_text())
    for name, entry in summary["checks"].items():
        summary["checks"][name] = {key: [HOSTILE, None] for key in entry}
    summary |= {"models": {}, "motifs": [1], "unit": 7, "length": "long", "provenance": 3}
    (attribution / "summary.json").write_text(json.dumps(summary))
    report = page.write(attribution, tmp_path / "p.html")
    assert {check["status"] for check in report["checks"]} == {"warn"}


def test_a_match_that_is_not_significant_is_not_shown(made):
    lexicon = made[1]["sets"][0]["motifs"]["motifs"]
    assert [motif["match"] and motif["match"]["target"] for motif in lexicon] == [
        None,
        "MA0002.1 TTGACA",
        "MA0003.1 AATTGTGAGC",
    ]
    assert "MA0001.1" not in made[2]
    assert motifs.best_match([{"q": "nan", "p": "0.1"}, {"q": "0.04", "p": "0.01", "target": "a"}])["target"] == "a"


def test_the_regions_drawn_are_those_with_the_largest_effects(finished_attribution, monkeypatch):
    monkeypatch.setattr(regions, "DRAWN_REGIONS", 4)
    monkeypatch.setattr(regions, "DRAWN_BASES", 40)
    found = page.gather(finished_attribution)["sets"][0]["regions"]
    sizes = [abs(row["largest"]) for row in found["listed"]]
    wanted = {found["listed"][i]["id"] for i in np.argsort(sizes)[-4:]}
    assert {drawn["id"] for drawn in found["drawn"]} == wanted
    with np.load(finished_attribution / "attributions.npz") as stored:
        for drawn in found["drawn"]:
            row, start = int(drawn["id"][1:]) - 1, drawn["offset"]
            wanted = stored["ism"][row, start : start + 40]
            assert np.allclose(drawn["ism"], wanted, atol=1e-3 * np.abs(wanted).max())
            sequence = "".join("ACGT"[i] for i in stored["one_hot"][row, start : start + 40].argmax(-1))
            assert drawn["sequence"] == sequence
            for mark in drawn["sites"]:
                assert 0 <= mark["start"] < mark["end"] <= 40


def test_alleles_of_different_lengths_stand_below_each_other():
    def arrays(ref, alt, offset, sizes):
        bases = np.zeros((2, 1, 8, 4), dtype=np.float32)
        for which, text in enumerate((ref, alt)):
            for i, letter in enumerate(text[:8]):
                bases[which, 0, i, "ACGT".index(letter)] = 1
        places = {"offset": [offset], "ref_length": [sizes[0]], "alt_length": [sizes[1]]}
        maps = {"ref_ism": -3 * (1 - bases[0]) / 3, "alt_ism": -6 * (1 - bases[1]) / 3}
        return {"ref_one_hot": bases[0], "alt_one_hot": bases[1], **maps} | {k: np.array(v) for k, v in places.items()}

    gone = variants.alleles(arrays("ACGTACGT", "ACGACGT", 2, (2, 1)), 0)  # GT>G at 2
    assert gone["ref_sequence"] == "ACGTACGT"
    assert gone["alt_sequence"] == "ACG-ACGT"
    assert gone["alt"][3] == 0
    assert (gone["at"], gone["columns"]) == (2, 2)
    came = variants.alleles(arrays("ACGTACGT", "ACGTTTACGT", 3, (1, 3)), 0)  # T>TTT at 3
    assert came["ref_sequence"] == "ACGT--AC"
    assert came["alt_sequence"] == "ACGTTTAC"
    assert came["ref"][4:6] == [0, 0]
    assert max(came["alt"]) == 2 * max(came["ref"]) == pytest.approx(2)


def test_a_column_of_one_letter_has_two_bits_and_an_even_one_none():
    heights = logos.bits(np.array([[1.0, 0, 0, 0], [0.25, 0.25, 0.25, 0.25], [0.5, 0.5, 0, 0], [0, 0, 0, 0]]))
    assert heights.sum(axis=-1) == pytest.approx([2, 0, 1, 0])
    assert heights[2].tolist() == [0.5, 0.5, 0, 0]


def test_logos_have_the_bits_that_the_table_of_motifs_states(tmp_path):
    background, ppm = (0.3, 0.2, 0.2, 0.3), np.array([[0.3, 0.2, 0.2, 0.3], [1.0, 0, 0, 0], [0, 0.7, 0.3, 0]])
    meme.write(tmp_path / "motifs.meme", {"motif_1": ppm}, [9], background)
    assert motifs.background(tmp_path / "motifs.meme") == list(background)
    assert motifs.background(tmp_path / "none.meme") == [0.25] * 4
    heights = logos.bits(ppm, background)
    assert heights.sum(axis=-1) == pytest.approx(information(ppm, background))
    assert heights[1].tolist() == pytest.approx([np.log2(1 / 0.3), 0, 0, 0])


def test_hits_are_counted_on_the_sites_that_they_touch(made, attribution):
    found = made[1]["sets"][0]["sites"]
    assert (found["hits"], found["hits_on_sites"], found["sites"], found["sites_hit"]) == (18, 18, 36, 18)
    (attribution / "known_sites.tsv").write_text(
        "region\tstart\tend\tname\nr0001\t15\t20\tedge\nr0001\t16\t30\tbeside\n"
    )
    moved = page.gather(attribution)["sets"][0]["sites"]
    assert (moved["hits_on_sites"], moved["sites"], moved["sites_hit"]) == (1, 2, 1)
    (attribution / "known_sites.tsv").unlink()
    assert page.gather(attribution)["sets"][0]["sites"]["hits_on_sites"] is None


def test_a_folder_of_one_locus_has_a_page_of_its_own(run, tmp_path):
    report = page.write(run / "interpret/lac", tmp_path / "p.html")
    source = (tmp_path / "p.html").read_text()
    assert report["sets"] == []
    assert report["verdict"] == "warn"
    assert 'class="locus"' in source
    assert " (0-based).</p>" in source
    assert '<h2 id="motifs">' not in source
