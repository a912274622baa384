"""The page of training runs: each number in its JSON, what a log lacks said, everything escaped, nothing loaded."""

import base64
import gzip
import json
import re

import pytest
from example_training import LAYERS, SPACES, reading, write_rows, write_training
from reading import Page, lost_numbers

from genomelm.report import training_page
from genomelm.report.training_charts import charts_of
from genomelm.report.training_logs import read_runs

HOSTILE = '<script>alert("x")<img src=x onerror=alert(1)>'
OLD = ("step", "bases", "lr", "test_bits", "train_bits", "seconds")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("training")
    tuned = {"unit": "loss", "held_out": "coding_validation_auroc", "poles": False}
    facts = {"tasks": {"coding": {"metric": "auroc", "test": 0.8125}}}
    runs = [
        write_training(folder / "a/pretrain", 600),
        write_training(folder / "b/pretrain", 9, finished=False),
        write_training(folder / "tuned", 4, metrics=facts, **tuned),
    ]
    report = training_page.write(runs, folder / "page/training.html")
    return folder, runs, report, (folder / "page/training.html").read_text()


def charts(report):
    return {(chart["name"], chart["by"]): chart for chart in report["charts"]}


def figure_of(report, name):
    return next(row["values"] for row in report["figures"] if row["name"] == name)


def test_json_carries_each_number_that_the_page_shows_and_each_reading(made):
    folder, _, report, source = made
    assert lost_numbers(source, report) == []
    assert json.loads((folder / "page/training.json").read_text()) == report
    encoded = re.search(r"data:application/gzip;base64,([A-Za-z0-9+/=]+)", source).group(1)
    assert json.loads(gzip.decompress(base64.b64decode(encoded))) == report
    seventh = reading(7)
    assert report["runs"][0]["columns"]["gradient_norm"][6] == seventh["gradient_norm"]
    assert report["runs"][0]["poles"][SPACES[0]]["largest_turn"][6] == seventh["poles"][SPACES[0]]["largest_turn"]
    assert len(report["runs"][0]["gradient_norms"][LAYERS[0]]) == 600


def test_the_page_shows_what_was_asked_for_over_steps_and_over_time(made):
    report = made[2]
    both = {name for name, by in charts(report) if (name, "time") in charts(report)}
    assert both == {"Loss in bits", "Loss", "Held-out auroc"}
    assert set(charts(report)) - {(name, by) for name in both for by in ("step", "time")} == {
        (name, "step")
        for name in (
            "Learning rate",
            "Norm of the gradient",
            "Alarms of the gradient",
            "Steps skipped",
            "Pole radius",
            "Time steps of state spaces",
            "Largest turn a step",
            "Norm of the state",
            "Bases a second",
            "Time not spent on steps",
            "Memory",
        )
    }
    assert all(drawn is not None for drawn in training_page.drawings(read_runs(made[1]))["charts"])


def test_runs_overlay_in_one_chart_with_their_letters(made):
    runs = read_runs(made[1])
    drawn = {chart.name: str(chart.draw(runs)) for chart in charts_of(runs)}
    assert sorted(re.findall(r">([ABC])</text>", drawn["Learning rate"])) == ["A", "B", "C"]
    assert sorted(re.findall(r">([ABC])</text>", drawn["Pole radius"])) == ["A", "B"]
    assert charts(made[2])["Pole radius", "step"]["lacking"] == ["C"]
    assert "Not in the log of C." in made[3]


def test_final_figures_are_the_last_and_the_best_readings(made):
    report = made[2]
    assert figure_of(report, "steps") == [30000, 450, 200]
    assert figure_of(report, "state") == ["finished", "not finished", "finished"]
    bits = report["runs"][0]["columns"]["test_bits"]
    assert figure_of(report, "test_bits, lowest")[0] == min(bits)
    assert figure_of(report, "test_bits, its step")[0] == 50 * (1 + bits.index(min(bits)))
    areas = report["runs"][2]["columns"]["coding_validation_auroc"]
    assert figure_of(report, "coding_validation_auroc, highest") == [None, None, max(areas)]
    assert figure_of(report, "coding test auroc") == [None, None, 0.8125]
    assert figure_of(report, "alarms of the gradient") == [3, 3, 0]
    assert figure_of(report, "steps skipped") == [1, 1, 1]
    assert figure_of(report, "times gone on from a checkpoint") == [1, 0, 0]
    assert figure_of(report, "writing checkpoints, per cent of the time") == pytest.approx([0.4] * 3)
    last = [row["poles"][SPACES[1]]["pole_radius"] for row in (reading(600), reading(9))]
    assert figure_of(report, "pole radius of S5, last")[:2] == last


def test_bits_of_masked_and_causal_runs_are_said_not_to_be_comparable(tmp_path):
    causal = write_training(tmp_path / "causal", 2)
    masked = write_training(tmp_path / "masked", 2, metrics={"objective": "masked"})
    assert training_page.gather([causal, write_training(tmp_path / "other", 2)])["warning"] == ""
    training_page.write([causal, masked], tmp_path / "page.html")
    assert "the bits of masked and of causal models are different quantities" in (tmp_path / "page.html").read_text()


def test_shares_of_time_are_weighted_by_the_time_between_readings(tmp_path):
    write_rows(
        tmp_path / "run", [{"step": 1, "seconds": 10, "waited": 0.5}, {"step": 2, "seconds": 100, "waited": 0.0}]
    )
    report = training_page.gather([tmp_path / "run"])
    assert figure_of(report, "waiting for data, per cent of the time") == [5.0]


def test_what_an_older_log_lacks_is_left_out_and_said(tmp_path):
    rows = [{key: value for key, value in reading(number).items() if key in OLD} for number in (1, 2, 3)]
    write_rows(tmp_path / "old", rows)
    report = training_page.write([tmp_path / "old"], tmp_path / "page.html")
    source = (tmp_path / "page.html").read_text()
    left_out = {chart["name"] for chart in report["charts"] if chart["left_out"]}
    assert {"Norm of the gradient", "Pole radius", "Memory", "Bases a second"} <= left_out
    assert not {"Loss in bits", "Learning rate"} & left_out
    text = re.sub(r"\s+", " ", " ".join(Page(source).text))
    for name, key in (("Memory", "memory"), ("Pole radius", "poles"), ("Steps skipped", "skipped")):
        assert f"{name}: left out, the log has no {key} ." in text
    assert "Gradient by layer of A: left out" in text
    assert "steps skipped" not in {row["name"] for row in report["figures"]}


def test_runs_without_a_reading_still_give_a_page(tmp_path):
    write_rows(tmp_path / "run", [], finished=False)
    report = training_page.write([tmp_path / "run"], tmp_path / "page.html")
    assert all(chart["left_out"] for chart in report["charts"])
    assert "its log has no reading yet" in (tmp_path / "page.html").read_text()


def test_one_reading_is_enough_for_a_chart(tmp_path):
    (run,) = read_runs([write_training(tmp_path / "run", 1)])
    assert all(chart.draw([run]) is not None for chart in charts_of([run]))


def test_names_from_files_are_escaped_everywhere(tmp_path):
    row = reading(1)
    row |= {f"{HOSTILE}_validation_{HOSTILE}": 0.5, f"train_{HOSTILE}": 0.2, f"test_bits_{HOSTILE}": 2.0}
    row["gradient_norms"][HOSTILE] = 0.5
    row["poles"][HOSTILE] = row["poles"][SPACES[0]]
    folder = tmp_path / HOSTILE.replace("/", "")
    write_rows(folder, [row, {**row, "step": 99}])
    (folder / "metrics.json").write_text(json.dumps({"family": HOSTILE, "task": HOSTILE, "metric": HOSTILE, "test": 1}))
    training_page.write([folder], tmp_path / "page.html", title=HOSTILE)
    source = (tmp_path / "page.html").read_text()
    page = Page(source)
    assert page.tags.count("script") == 1
    assert "img" not in page.tags
    assert not any(name.startswith("on") for _, name, _ in page.attributes)
    assert source.count("&lt;script&gt;") > 12
    assert "<script>alert" not in source


def test_nothing_is_loaded_from_outside_and_tables_can_be_reached_by_keyboard(made):
    page = Page(made[3])
    for _, name, value in page.attributes:
        if name in ("src", "href", "xlink:href", "srcset", "action", "data", "poster"):
            assert value.startswith(("#", "data:"))
    assert not {"iframe", "object", "embed", "img", "base"} & set(page.tags)
    assert "url(" not in made[3]
    assert page.tags.count("table") == page.tags.count("caption") >= 5
    assert sum(t == "th" and n == "scope" for t, n, _ in page.attributes) == page.tags.count("th")
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert all(
        value[1:] in ids for tag, name, value in page.attributes if (tag, name) == ("a", "href") and "#" in value
    )
