"""The language model's section and checks: families, objectives, operators, the long window, and models without one."""

import shutil

import pytest
from example_models import LONG, cost, write_report
from example_run import dump, edit, interval, shared
from reading import Page

from genomelm.report import build

LANGUAGE = "evaluate/language_model.json"
BLOCKS = "Long window: attention blocks in one sequence"
SPARSITY = "Long window: share of pairs left out"
LONG_COST = "Long window: ablation without_bigbird, cost in bits per base"


@pytest.fixture
def results(models, tmp_path):
    return shutil.copytree(models[0].parents[1], tmp_path / "results") / "models"


def report_of(root, **options):
    return build.gather(root, **shared(root) | options)


def checks(root, **options):
    return {check["name"]: check for check in report_of(root, **options)["checks"]}


def text_of(page):
    return " ".join(" ".join(Page(page.read_text()).text).split())


def test_every_operator_of_a_gryphon_is_weighed_in_page_json_and_text(results):
    root = results / "gryphon"
    found = checks(root)
    for name, value in (("without_s5", 0.0213), ("without_bigbird", 0.0034)):
        check = found[f"Ablation {name}: cost in bits per base"]
        assert (check["status"], check["value"], check["target"]) == ("pass", value, "above 0")
    assert (found[BLOCKS]["status"], found[BLOCKS]["value"]) == ("pass", 17)
    assert (found[SPARSITY]["status"], found[SPARSITY]["value"]) == ("pass", 0.627)
    assert (found[LONG_COST]["status"], found[LONG_COST]["value"]) == ("pass", 0.0041)
    assert found[LONG_COST.replace("bigbird", "s5")]["value"] == 0.0199
    page, text = text_of(root / "report/report.html"), (root / "summary.txt").read_text()
    for shown in ("0.0213", "0.0194 to 0.0232", "0.0034", "0.627", "0.0029 to 0.0053", "1.908"):
        assert shown in page
        assert shown in text
    assert "long.bits.value: 1.908" in text
    assert "Family gryphon, causal. 731,204 parameters, 483,204 without the k-mer tables" in page


@pytest.mark.parametrize(
    ("keys", "value", "name", "status"),
    [
        (("long", "sparsity"), 0.4, SPARSITY, "fail"),
        (("long", "sparsity"), 0.5, SPARSITY, "fail"),
        (("long", "sparsity"), None, SPARSITY, "warn"),
        (("long", "blocks"), 15, BLOCKS, "fail"),
        (("long", "blocks"), 16, BLOCKS, "pass"),
        (("long", "without_bigbird"), cost(-0.004, 0.001), LONG_COST, "fail"),
        (("long", "without_bigbird"), cost(0.0004, 0.001), LONG_COST, "warn"),
        (("long",), None, SPARSITY, "warn"),
        (("long",), None, LONG_COST, "warn"),
        (("long", "without_s5"), cost(-0.004, 0.001), LONG_COST.replace("bigbird", "s5"), "fail"),
        (("ablations", "without_s5"), cost(-0.004, 0.001), "Ablation without_s5: cost in bits per base", "fail"),
        (("ablations", "without_s5"), cost(0.0004, 0.001), "Ablation without_s5: cost in bits per base", "warn"),
        (("ablations", "without_s5"), None, "Ablation without_s5: cost in bits per base", "warn"),
        (("ablations",), {}, "Ablation without_bigbird: cost in bits per base", "warn"),
        (("ablations",), {}, "Ablation random_boundaries: cost in bits per base", "warn"),
    ],
)
def test_a_broken_measurement_changes_the_verdict(results, keys, value, name, status):
    edit(results / "gryphon" / LANGUAGE, *keys, value=value)
    found = checks(results / "gryphon")[name]
    assert found["status"] == status
    if value is None or value == {}:
        assert found["value"] is None
        assert LANGUAGE in found["reason"]
    else:
        assert found["value"] is not None


def test_a_failure_shows_in_page_json_and_text(results):
    edit(results / "gryphon" / LANGUAGE, "long", "sparsity", value=0.4)
    assert write_report(results / "gryphon")["verdict"] == "fail"
    line = next(line for line in (results / "gryphon/summary.txt").read_text().splitlines() if SPARSITY in line)
    assert line.startswith("  FAIL")
    assert "0.4 (target: over 0.5; of the pairs" in line
    assert (results / "gryphon/report/report.html").read_text().count('class="badge fail"') == 2


def test_a_family_without_sparse_attention_needs_no_long_window(results):
    found = checks(results / "hyena_glt")
    assert not any(name.startswith("Long window") for name in found)
    assert found["Ablation without_hyena: cost in bits per base"]["status"] == "pass"
    edit(results / "hyena_glt" / LANGUAGE, "long", value=LONG | {"sparsity": 0.4})
    assert checks(results / "hyena_glt")[SPARSITY]["status"] == "fail"  # once measured, it is judged


def test_random_boundaries_are_expected_where_scores_place_boundaries(results):
    name = "Ablation random_boundaries: cost in bits per base"
    assert name in checks(results / "gryphon")
    others = {part: cost(0.01, 0.001) for part in ("backbone_mean", "without_s5", "without_bigbird")}
    edit(results / "gryphon" / LANGUAGE, "ablations", value=others)
    assert checks(results / "gryphon")[name]["status"] == "warn"
    assert name not in checks(results / "gryphon", patch_summary=results.parent / "patch/stride/summary.json")


def test_a_masked_model_is_never_held_against_what_reads_from_the_left(results):
    root = results / "masked"
    edit(root / LANGUAGE, "count_model", value=interval(1.95, 0.01))
    edit(root / LANGUAGE, "published", value={"name": "compressor", "value": 1.9})
    edit(root / LANGUAGE, "difference", value=interval(-0.06, 0.01))
    report = write_report(root)
    names = [check["name"] for check in report["checks"]]
    assert "Held-out bits per masked base beside uniform bases" in names
    assert "Ablation without_s5: cost in bits per masked base" in names
    assert "Training curve, last reading in bits per masked base" in names
    assert not [name for name in names if "count model" in name or "compressor" in name or "bits per base" in name]
    assert [row["name"] for row in report["language_model"]["rows"]] == ["this model", "uniform bases"]
    assert report["language_model"]["difference"] is None
    page = text_of(root / "report/report.html")
    assert "another quantity than the bits per base" in page
    assert "1.95" not in page


def test_an_unnamed_family_is_judged_by_the_ablations_that_are_there(results):
    for name in ("pretrain/metrics.json", LANGUAGE):
        edit(results / "gryphon" / name, "family", value=None)
    edit(results / "gryphon" / LANGUAGE, "long", value=None)
    (results / "gryphon/finetune").rename(results / "elsewhere")
    edit(results / "gryphon" / LANGUAGE, "ablations", value={"backbone_mean": cost(0.01, 0.001)})
    names = [name for name in checks(results / "gryphon") if name.startswith(("Ablation", "Long"))]
    assert names == ["Ablation backbone_mean: cost in bits per base"]
    edit(results / "gryphon" / LANGUAGE, "ablations", value={})
    assert checks(results / "gryphon")["Ablations"]["status"] == "warn"


def test_a_model_of_tasks_alone_misses_no_language_model(results):
    root = results / "rna"
    report = write_report(root)
    assert {check["group"] for check in report["checks"]} == {"Tasks"}
    assert report["family"] == "hyena_glt"
    assert report["language_model"]["planned"] is False
    page = text_of(root / "report/report.html")
    assert "was not trained as a language model here" in page
    assert "Regression on RNA." in page
    for wrong in ("language_model.json is missing", "log.jsonl", "patch-summary"):
        assert wrong not in page
    assert "no language model was trained here" in (root / "summary.txt").read_text()


@pytest.mark.parametrize("sign", ["pretrain", "evaluation", "patches"])
def test_any_sign_of_a_language_model_makes_its_absence_a_warning(results, sign):
    root = results / "rna"
    options = {"patch_summary": None}
    if sign == "pretrain":
        (root / "pretrain").mkdir()
    elif sign == "evaluation":
        dump(root / LANGUAGE, {})
    else:
        options = {}
    found = checks(root, **options)
    for name in ("Held-out bits per base beside uniform bases", "Mean patch length on the training region, bases"):
        assert name in found
    assert found["Held-out bits per base beside uniform bases"]["status"] == "warn"
    assert found["Ablation without_hyena: cost in bits per base"]["status"] == "warn"


def test_the_pages_of_every_kind_of_task_name_kind_and_alphabet(results):
    shown = {
        "gryphon": "Token classification on DNA.",
        "protein": "Variant effect on protein.",
        "masked": "Sequence classification on DNA.",
    }
    for model, text in shown.items():
        assert text in text_of(results / model / "report/report.html")


def test_only_the_timings_of_the_named_folder_are_shown(results):
    timed = results.parent / "benchmarks/rna"
    timed.mkdir(parents=True)
    (timed / "finetune.tsv").write_text("s\tmax_rss\n12.5\t400\n")
    assert report_of(results / "rna")["timings"] == [{"step": "finetune", "seconds": 12.5, "max_rss_mb": 400.0}]
    assert [row["step"] for row in report_of(results / "hyena_glt")["timings"]] == ["pretrain"]
    assert report_of(results / "hyena_glt", benchmarks=None)["timings"] == []
