"""Models side by side: nothing compared that was not measured together, nothing lost, nothing loaded."""

import base64
import gzip
import json
import re
import shutil
from urllib.parse import unquote

import pytest
from example_models import write_report
from example_run import dump, edit, shared
from reading import Page, lost_numbers

from genomelm.errors import InputError, UsageError
from genomelm.report import build, comparison, comparison_page

HOSTILE = '<script>alert("x")</script><img src=x onerror=alert(1)>'


@pytest.fixture(scope="module")
def made(models, tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    compared = comparison_page.write(models, folder / "report/report.html", summary_dir=folder)
    return folder, compared, (folder / "report/report.html").read_text()


@pytest.fixture
def copies(models, tmp_path):
    results = shutil.copytree(models[0].parents[1], tmp_path / "results")
    return [results / "models" / model.name for model in models]


def gather(folders, tmp_path):
    return comparison.gather(folders, tmp_path / "page.html")


def test_verdicts_and_counts_are_those_of_the_models_own_reports(models, made):
    _, compared, _ = made
    for folder, row in zip(models, compared["models"], strict=True):
        own = json.loads((folder / "report/report.json").read_text())
        assert {key: own[key] for key in ("verdict", "counts", "checks", "not_run")}.items() <= row.items()
    assert compared["counts"]["pass"] == sum(row["counts"]["pass"] for row in compared["models"])
    assert compared["verdict"] == "warn"


def test_one_failing_check_of_one_model_fails_the_whole(copies, tmp_path):
    edit(copies[1] / "evaluate/language_model.json", "long", "sparsity", value=0.4)
    write_report(copies[1])
    compared = comparison_page.write(copies, tmp_path / "page.html")
    assert compared["verdict"] == "fail"
    text = (tmp_path / "summary.txt").read_text()
    assert text.splitlines()[1].startswith("verdict: FAIL")
    block = text.split("[gryphon] FAIL")[1].split("\n\n")[0]
    assert "FAIL  Long window: share of pairs left out: 0.4 (target: over 0.5; of the pairs" in block
    assert "Long window: share of pairs left out" in (tmp_path / "page.html").read_text()


def test_links_lead_from_the_page_to_each_model_s_report(made):
    folder, compared, source = made
    for page in compared["pages"].values():
        assert (folder / "report" / unquote(page)).is_file()
        assert f'href="{page}"' in source


def test_nothing_is_loaded_from_outside(made):
    page = Page(made[2])
    pages = tuple(made[1]["pages"].values())
    for tag, name, value in page.attributes:
        if name in ("src", "href", "xlink:href", "srcset", "action", "data", "poster"):
            assert value.startswith(("#", "data:")) or (tag == "a" and value.startswith(pages))
    assert not {"iframe", "object", "embed", "img", "base"} & set(page.tags)
    assert "url(" not in made[2]
    assert "@import" not in made[2]


def test_tables_have_captions_scopes_and_can_be_reached_by_keyboard(made):
    page = Page(made[2])
    assert page.tags.count("table") == page.tags.count("caption") >= 20
    scrolled = sum(name == "class" and value.split()[:1] == ["scroll"] for _, name, value in page.attributes)
    assert sum(n == "tabindex" for _, n, _ in page.attributes) == scrolled
    assert sum(t == "th" and n == "scope" for t, n, _ in page.attributes) == page.tags.count("th")
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))


def test_json_carries_each_number_that_the_page_shows(made):
    _, compared, source = made
    assert lost_numbers(source, compared) == []
    assert "0.0213" in lost_numbers(source, compared | {"language_models": {}, "models": []})
    encoded = re.search(r"data:application/gzip;base64,([A-Za-z0-9+/=]+)", source).group(1)
    assert json.loads(gzip.decompress(base64.b64decode(encoded))) == compared
    assert json.loads((made[0] / "report/report.json").read_text()) == compared
    assert json.loads((made[0] / "summary.json").read_text()) == compared


def test_causal_and_masked_models_stand_in_separate_tables(made):
    groups = made[1]["language_models"]
    assert [row["name"] for row in groups["causal"]["models"]] == ["hyena_glt", "gryphon"]
    assert [row["name"] for row in groups["masked"]["models"]] == ["masked"]
    assert [row["name"] for row in groups["masked"]["beside"]] == ["uniform bases"]
    figures = comparison_page.figures(made[1])["bits"]
    assert "masked" not in re.sub("aria-label.*?>", "", str(figures["causal"]))
    assert "hyena_glt" not in str(figures["masked"])


def test_what_all_models_stand_beside_is_listed_once(made):
    beside = made[1]["language_models"]["causal"]["beside"]
    assert [row["name"] for row in beside] == ["count model", "GeCo3 level 12, adaptive", "uniform bases"]
    assert all(row["models"] == ["hyena_glt", "gryphon"] for row in beside)
    coding = next(task for task in made[1]["tasks"] if task["name"] == "coding")
    assert [row["name"] for row in coding["baselines"]] == ["kmer_1_6", "gc_content"]


def test_a_task_lists_every_model_that_did_it_and_no_other(made):
    found = {task["name"]: [row["name"] for row in task["models"]] for task in made[1]["tasks"]}
    assert found == {
        "coding": ["hyena_glt", "gryphon", "masked"],
        "lac": ["hyena_glt", "gryphon"],
        "genes": ["gryphon"],
        "codon_degradation": ["rna"],
        "gb1": ["protein"],
    }
    kinds = {task["name"]: (task["kind"], task["alphabet"]) for task in made[1]["tasks"]}
    assert kinds["genes"] == ("token_classification", "dna")
    assert kinds["gb1"] == ("variant_effect", "protein")


def test_differences_are_only_those_with_a_paired_interval(made):
    """Side by side, no model is set against another in words, and every difference names its own baseline."""
    _, compared, source = made
    text = " ".join(Page(source).text) + (made[0] / "summary.txt").read_text()
    assert not re.search(r"\b(best|winner|outperforms|beats|worse|wins)\b", text, re.IGNORECASE)
    names = [row["name"] for row in compared["models"]]
    for minus in re.findall(r"minus (\S+?)[:,]", text):
        assert minus not in names
    assert "takes a paired interval" in text


def test_figures_of_other_test_examples_are_said_not_to_be_comparable(copies, tmp_path):
    assert all(task["one_test"] for task in gather(copies, tmp_path)["tasks"])
    edit(copies[1] / "evaluate/lac.json", "baselines", "kmer_1_6", "value", value=0.6)
    write_report(copies[1])
    compared = comparison_page.write(copies, tmp_path / "page.html")
    lac = next(task for task in compared["tasks"] if task["name"] == "lac")
    assert not lac["one_test"]
    assert [(row["name"], row["models"]) for row in lac["baselines"]][0::2] == [
        ("kmer_1_6", ["hyena_glt"]),
        ("kmer_1_6", ["gryphon"]),
    ]
    assert "not tested on the same examples" in (tmp_path / "page.html").read_text()


def test_bits_of_other_held_out_bases_are_said_not_to_be_comparable(copies, tmp_path):
    assert gather(copies, tmp_path)["language_models"]["causal"]["one_corpus"]
    edit(copies[1] / "evaluate/language_model.json", "provenance", value={"regions": ["c1:1-9"]})
    write_report(copies[1])
    compared = comparison_page.write(copies, tmp_path / "page.html")
    assert not compared["language_models"]["causal"]["one_corpus"]
    assert "different held-out bases" in (tmp_path / "page.html").read_text()


def test_text_has_one_block_a_model_with_verdict_figures_and_open_checks(made):
    blocks = (made[0] / "summary.txt").read_text().split("\n\n")
    assert [re.match(r"\[(\w+)\] (\w+)", block).groups() for block in blocks[1:]] == [
        (row["name"], row["verdict"].upper()) for row in made[1]["models"]
    ]
    assert [row["verdict"] for row in made[1]["models"]] == ["warn", "warn", "warn", "pass", "pass"]
    gryphon = blocks[2]
    for figure in ("1.91 (1.908 to 1.912)", "without_s5 adds 0.0213 (0.0194 to 0.0232)", "true sparsity 0.627"):
        assert figure in gryphon
    assert "held-out bits per masked base: 1.891" in blocks[3]
    assert "count model" not in blocks[3]
    assert "no language model" in blocks[4]
    assert "  WARN  Held-out bits per base beside a published compressor" in gryphon
    assert "  PASS" not in gryphon


def test_a_folder_without_a_finished_report_is_an_error_that_names_the_fix(copies, tmp_path):
    (copies[2] / "report/report.html").unlink()
    with pytest.raises(InputError, match=f"{copies[2]} has no finished report.*genomelm report {copies[2]} -o"):
        gather(copies, tmp_path)


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"kind": "comparison"}'])
def test_a_report_that_is_not_one_model_s_is_an_error(copies, tmp_path, content):
    (copies[0] / "report/report.json").write_text(content)
    with pytest.raises(InputError, match="genomelm report"):
        gather(copies, tmp_path)


def test_two_folders_of_one_name_are_refused(copies, tmp_path):
    with pytest.raises(UsageError, match="two folders are called gryphon"):
        gather([*copies, tmp_path / "elsewhere/gryphon"], tmp_path)


def test_names_from_files_are_escaped_everywhere(copies, tmp_path):
    task = json.loads((copies[0] / "evaluate/lac.json").read_text())
    task |= {"metric": HOSTILE, "kind": HOSTILE, "alphabet": HOSTILE, "target": {"text": HOSTILE, "value": 0.1}}
    dump(copies[0] / "evaluate/lac.json", task | {"baselines": {HOSTILE: task["baselines"]["kmer_1_6"]}})
    edit(copies[0] / "evaluate/language_model.json", "family", value=HOSTILE)
    edit(copies[0] / "evaluate/language_model.json", "published", "name", value=HOSTILE)
    edit(copies[0] / "score/lac.summary.json", "statuses", value={HOSTILE: 2})
    strange = copies[0].rename(copies[0].parent / 'a "b" <i> javascript:x')
    build.write(strange, strange / "report/report.html", **shared(copies[1]))
    comparison_page.write([strange, *copies[1:]], tmp_path / "page.html", title=HOSTILE)
    source = (tmp_path / "page.html").read_text()
    page = Page(source)
    assert page.tags.count("script") == 1
    assert not {"img", "i"} & set(page.tags)
    assert not any(name.startswith("on") for _, name, _ in page.attributes)
    assert source.count("&lt;script&gt;") > 8
    assert all(":" not in value for tag, _, value in page.attributes if tag == "a" and "report.html" in value)


def test_a_planned_model_without_results_is_a_dash_and_its_warnings(copies, tmp_path):
    shutil.rmtree(copies[1] / "evaluate")
    write_report(copies[1])
    compared = comparison_page.write(copies, tmp_path / "page.html")
    row = compared["language_models"]["causal"]["models"][1]
    assert (row["name"], row["bits"], row["ablations"]) == ("gryphon", None, [])
    assert "not evaluated" in (tmp_path / "page.html").read_text()
    assert "held-out bits per base: –" in (tmp_path / "summary.txt").read_text()
