import json
import re

import numpy as np
import pytest
from example_run import dump, shared, write_scores
from reading import Page, lost_numbers

from genomelm.report import build, charts, inputs, sections, svg


@pytest.fixture(scope="module")
def made(finished_run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    report = build.write(finished_run, folder / "report.html", summary_dir=folder, **shared(finished_run))
    return folder, report, (folder / "report.html").read_text()


def test_nothing_is_loaded_from_outside(made):
    page = Page(made[2])
    loading = [
        (tag, name, value)
        for tag, name, value in page.attributes
        if name in ("src", "href", "xlink:href", "srcset", "action", "data", "poster")
    ]
    assert all(value.startswith(("#", "data:")) for _, _, value in loading)
    assert not {"iframe", "object", "embed", "img", "base"} & set(page.tags)
    assert "@import" not in made[2]
    assert "url(" not in made[2]
    policy = next(value for tag, name, value in page.attributes if tag == "meta" and value.startswith("default-src"))
    assert policy.startswith("default-src 'none'")


def test_the_script_is_the_one_that_the_policy_names(made):
    import base64
    import hashlib

    script = re.search(r"<script>(.*?)</script>", made[2], re.DOTALL).group(1)
    assert base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() in made[2]


def test_json_carries_each_number_that_the_page_shows(made):
    _, report, source = made
    tables = report | {"loci": [entry | {"tracks": {}, "entropy_nats": None} for entry in report["loci"]]}
    prose = {"256", "95", "0", "1", str(len(report["variants"][0]["top"]))}  # SHA-256, 95 %, 0-based, from 1, the 200
    assert set(lost_numbers(source, tables)) <= prose
    tables["language_model"] = tables["checks"] = []
    assert "0.0367" in lost_numbers(source, tables)


def test_the_page_embeds_the_json_that_is_written(made):
    import base64
    import gzip

    encoded = re.search(r"data:application/gzip;base64,([A-Za-z0-9+/=]+)", made[2]).group(1)
    assert (
        json.loads(gzip.decompress(base64.b64decode(encoded)))
        == json.loads((made[0] / "report.json").read_text())
        == made[1]
    )


def test_sections_stand_in_reading_order(made):
    ids = re.findall(r'<h2 id="([a-z-]+)">', made[2])
    assert ids == [
        "verdict",
        "provenance",
        "held-out",
        "training",
        "loci",
        "variants",
        "sites",
        "faithfulness",
        "files",
    ]


def test_tables_have_captions_scopes_and_can_be_reached_by_keyboard(made):
    page = Page(made[2])
    assert page.tags.count("table") == page.tags.count("caption")
    scrolled = sum(name == "class" and value.split()[:1] == ["scroll"] for _, name, value in page.attributes)
    assert sum(n == "tabindex" for _, n, _ in page.attributes) == scrolled
    headers = page.tags.count("th")
    assert sum(t == "th" and n == "scope" for t, n, _ in page.attributes) == headers
    drawings = page.tags.count("svg")
    assert drawings >= 10
    assert sum(t == "svg" and n == "aria-label" for t, n, _ in page.attributes) == drawings


def test_summaries_hold_every_headline_number(made):
    folder, _, _ = made
    short, text = json.loads((folder / "summary.json").read_text()), (folder / "summary.txt").read_text()
    for number in ("1.913", "1.947", "1.875", "0.0367", "0.934", "0.641", "8.011"):
        assert number in text
    assert short["tasks"][1]["rows"][0]["value"] == 0.641
    assert short["loci"][0]["summary"]["faithfulness"]["deletion"]["test"]["n"] == 10
    assert len((folder / "summary.json").read_text()) < 60_000


HOSTILE = '<script>alert("x")</script><img src=x onerror=alert(1)>'


def test_names_from_files_are_escaped_everywhere(run, tmp_path):
    root = run
    write_scores(root, "evil", HOSTILE, np.array([0.5, 0.4]), warnings=[HOSTILE], statuses={HOSTILE: 2})
    task = json.loads((root / "evaluate/lac.json").read_text())
    task |= {
        "kind": HOSTILE,
        "alphabet": HOSTILE,
        "metric": HOSTILE,
        "target": {"text": HOSTILE, "value": 0.1},
        "baselines": {HOSTILE: task["baselines"]["kmer_1_6"]},
    }
    dump(root / "evaluate/lac.json", task)
    language = json.loads((root / "evaluate/language_model.json").read_text())
    language["published"]["name"] = HOSTILE
    language["ablations"] = {HOSTILE: language["ablations"]["backbone_mean"]}
    language |= {"family": HOSTILE, "long": {"window": HOSTILE, "blocks": 17, "bits_per_base": 1.9}}
    language["provenance"] = {"command": HOSTILE, HOSTILE: HOSTILE}
    dump(root / "evaluate/language_model.json", language)
    elements = json.loads((root / "interpret/lac/elements.json").read_text())
    elements["elements"][0]["name"] = elements["locus"]["unit"] = elements["locus"]["interval"] = HOSTILE
    dump(root / "interpret/lac/elements.json", elements)
    build.write(root, tmp_path / "r.html", title=HOSTILE, **shared(root))
    source = (tmp_path / "r.html").read_text()
    page = Page(source)
    assert page.tags.count("script") == 1
    assert "img" not in page.tags
    assert not any(name.startswith("on") for _, name, _ in page.attributes)
    assert source.count("&lt;script&gt;") > 10


def test_hostile_values_of_the_wrong_type_do_not_stop_the_page(run, tmp_path):
    for path in [*run.glob("*/*.json"), *run.glob("interpret/*/*.json"), *run.parents[1].glob("patch/*/*.json")]:
        content = json.loads(path.read_text())
        dump(path, {key: [HOSTILE, None] if i % 2 else HOSTILE for i, key in enumerate(content)})
    report = build.write(run, tmp_path / "r.html", **shared(run))
    assert all(
        c["status"] == "warn" for c in report["checks"] if c["name"] != "Training curve, last reading in bits per base"
    )


def test_an_empty_run_makes_a_page(tmp_path):
    (tmp_path / "run" / "score").mkdir(parents=True)
    build.write(tmp_path / "run", tmp_path / "r.html")
    assert "WARN" in (tmp_path / "r.html").read_text()


def test_building_twice_lists_the_same_files(run):
    first = build.write(run, run / "report/report.html")["files"]
    second = build.write(run, run / "report/report.html")["files"]
    assert first == second
    assert "score/human.tsv" in {row["file"] for row in first}
    assert not any(row["file"].startswith(("report/", "summary.")) for row in first)


def test_top_variants_are_the_largest_scores_of_either_sign(tmp_path):
    scores = np.random.default_rng(0).normal(size=500)
    (tmp_path / "score").mkdir()
    write_scores(tmp_path, "v", "c", scores)
    distribution, rows = sections.read_scores(tmp_path / "score/v.tsv", 20)
    wanted = sorted(scores, key=abs, reverse=True)[:20]
    assert [row["score"] for row in rows] == pytest.approx(wanted, rel=1e-4)
    assert sum(distribution["counts"]) == distribution["n"] == 500


def test_data_rows_name_source_licence_and_citation(made):
    rows = made[1]["data"]
    assert [(r["name"], r["licence"], r["citation"]) for r in rows] == [("toy.fa.gz", "MIT", "Toy 2020")]
    assert rows[0]["file"].endswith("data/toy.fa.gz")
    assert "https://example.org/toy.fa.gz" in made[2]


def test_a_large_run_stays_a_small_page(tmp_path):
    (tmp_path / "run/score").mkdir(parents=True)
    write_scores(tmp_path / "run", "big", "c", np.random.default_rng(0).normal(size=50_000))
    build.write(tmp_path / "run", tmp_path / "r.html", top=2000)
    assert (tmp_path / "r.html").stat().st_size < 2_000_000


def test_a_log_cut_by_a_kill_is_read_up_to_the_cut(finished_run):
    assert len(inputs.read_log(finished_run / "pretrain/log.jsonl")) == 200


@pytest.mark.parametrize(("low", "high"), [(0, 1), (1.87, 2.0), (-3e6, 5e7), (0.0, 1e-9), (5, 5)])
def test_ticks_lie_inside_the_axis(low, high):
    found = svg.ticks(low, high)
    assert 1 <= len(found) <= 12
    assert all(low - 1e-9 * abs(low) <= value <= high + 1e-9 * max(abs(high), 1e-9) for value in found)


def test_charts_without_points_are_none():
    assert charts.lines([("a", [])], "t", "x", "y") is None
    assert charts.intervals([], "t", "x") is None
