"""Measured variants: what is read, what is held out, metrics over clusters, and sentences that follow the numbers."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import roc_auc_score
from typer.testing import CliRunner

from genomelm import cli
from genomelm.bench.variant_metrics import metric_of, resampled
from genomelm.bench.variant_runs import KMERS, RunFolder, Runs, VariantsConfig
from genomelm.bench.variant_sets import SetConfig, read_set
from genomelm.bench.variant_table import BEGIN, END, overall, results, sentences, set_table
from genomelm.errors import AssemblyError, InputError, UsageError
from genomelm.models.config import read_model_file
from genomelm.models.loading import save_model
from genomelm.patching.config import PatcherConfig
from genomelm.patching.patcher import Patcher
from genomelm.settings import from_mapping, read_config
from genomelm.training.pretrain import new_model

ROOT = Path(__file__).parents[2]
FIRST = 5001
"""Position of the first base of the locus."""
LENGTH, UNITS = 480, 4


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Write every third base's substitutions on a locus of four exons, harmful where they make a G, and the same as
    sequences."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(3)
    locus = "".join(rng.choice(list("ACGT"), LENGTH))
    (folder / "locus.fa").write_text(f">a chr9:{FIRST}-{FIRST + LENGTH - 1} made\n{locus}\n")
    head = ["exon", "pos", "ref", "alt", "effect", "class", "reads", "kept"]
    sites, whole = ["\t".join(head)], ["\t".join([*head, "wild", "mutant"])]
    for at in range(40, LENGTH - 40, 3):
        for alt in sorted(set("ACGT") - {locus[at]}):
            effect = -2.0 * (alt == "G") + 0.1 * rng.standard_normal()
            cells = [f"X{at * UNITS // LENGTH}", str(FIRST + at), locus[at], alt, f"{effect:.4f}"]
            cells += ["LOF" if alt == "G" else "FUNC", str(at), f"{-effect + rng.standard_normal():.4f}"]
            sites.append("\t".join(cells))
            ref = locus[at - 40 : at + 40]
            whole.append("\t".join([*cells, ref, ref[:40] + alt + ref[41:]]))
    first = sites[1].split("\t")
    neither = min(set("ACGT") - set(first[2:4]))
    for column, value in ((3, "-"), (4, "Inf"), (6, "2"), (2, neither)):
        bad = list(first)
        bad[column] = value
        sites.append("\t".join(bad))
    (folder / "sites.tsv").write_text("\n".join(sites) + "\n")
    (folder / "whole.tsv").write_text("\n".join(whole) + "\n")
    return folder


def settings(**changes) -> dict:
    return {
        "name": "exons",
        "table": "sites.tsv",
        "fasta": "locus.fa",
        "pos": "pos",
        "ref": "ref",
        "alt": "alt",
        "label": "effect",
        "unit": "exon",
        "test": ["X3"],
        "validation": ["X2"],
        "together": ["pos"],
        "least": {"reads": 10},
        "columns": {"conservation": "kept"},
        **changes,
    }


WHOLE = {"name": "sequences", "table": "whole.tsv", "fasta": None, "pos": None, "ref": "wild", "alt": "mutant"}


def test_alleles_are_placed_by_the_header_and_faulty_rows_are_counted(data):
    found = read_set(from_mapping(SetConfig, settings()), data)
    assert found.left_out == {
        "alleles that are not bases": 1,
        "no finite effect": 1,
        "too few of reads": 1,
        "REF_MISMATCH": 1,
    }
    for ref, alt, variant in zip(found.examples.references, found.examples.sequences, found.variants, strict=True):
        at = [n for n, (a, b) in enumerate(zip(ref, alt, strict=True)) if a != b]
        assert len(ref) == 64
        assert (ref[at[0]], alt[at[0]], len(at)) == (variant.ref, variant.alt, 1)


def test_positions_of_another_assembly_are_refused(data, tmp_path):
    (tmp_path / "sites.tsv").write_text((data / "sites.tsv").read_text())
    header, letters = (data / "locus.fa").read_text().split()[0::3][:2]
    (tmp_path / "locus.fa").write_text(f"{header} chr9:{FIRST + 1}-{FIRST + LENGTH}\n{letters}\n")
    with pytest.raises(AssemblyError, match="differ from"):
        read_set(from_mapping(SetConfig, settings()), tmp_path)


def test_units_are_held_out_whole(data):
    found = read_set(from_mapping(SetConfig, settings()), data)
    by_unit = {unit: set(found.examples.splits[found.units == unit]) for unit in set(found.units.tolist())}
    assert by_unit == {"X0": {"train"}, "X1": {"train"}, "X2": {"validation"}, "X3": {"test"}}
    with pytest.raises(InputError, match="no usable row of exon X9"):
        read_set(from_mapping(SetConfig, settings(test=["X9"])), data)
    with pytest.raises(UsageError, match="X2 is in test and in validation"):
        from_mapping(SetConfig, settings(test=["X2"]))


def test_sequences_of_both_alleles_give_the_windows_of_a_fasta_file(data):
    whole = read_set(from_mapping(SetConfig, settings(**WHOLE, window=16)), data)
    sites = read_set(from_mapping(SetConfig, settings(window=16)), data)
    assert whole.examples.sequences == sites.examples.sequences
    assert whole.examples.references == sites.examples.references
    assert {len(pair.ref) for pair in whole.sequences} == {80}  # likelihoods read all of it


def test_predictor_columns_are_turned_and_only_the_test_needs_them(data, tmp_path):
    lines = (data / "sites.tsv").read_text().splitlines()
    emptied = [line.rpartition("\t")[0] + "\t" if n % 5 == 0 and n else line for n, line in enumerate(lines)]
    (tmp_path / "sites.tsv").write_text("\n".join(emptied) + "\n")
    (tmp_path / "locus.fa").write_text((data / "locus.fa").read_text())
    found, full = (read_set(from_mapping(SetConfig, settings()), folder) for folder in (tmp_path, data))
    counts = [[one.examples.splits.tolist().count(split) for split in ("train", "test")] for one in (found, full)]
    assert counts[0][0] == counts[1][0]
    assert counts[0][1] == counts[1][1] - found.left_out["test without conservation"] < counts[1][1]
    assert np.isfinite(found.columns["conservation"][found.tested]).all()
    tested = full.tested
    assert pearsonr(full.columns["conservation"][tested], full.examples.labels[tested])[0] > 0.3


def test_metrics_are_those_of_scipy_and_scikit_on_the_entries_that_were_drawn():
    rng = np.random.default_rng(0)
    labels, predictions = rng.standard_normal(60), np.round(rng.standard_normal(60), 1)
    units, harmful, counts = np.repeat([0, 1, 2], 20), rng.random(60) < 0.4, rng.integers(0, 4, 60)
    drawn = np.repeat(np.arange(60), counts)
    for name, other in (("pearson", pearsonr), ("spearman", spearmanr)):
        value = metric_of(name, None, units)(labels, predictions)(counts)
        assert value == pytest.approx(other(labels[drawn], predictions[drawn])[0], abs=1e-12)
        each = [
            other(labels[rows], predictions[rows])[0] for rows in (drawn[units[drawn] == unit] for unit in range(3))
        ]
        assert metric_of(f"mean_{name}", None, units)(labels, predictions)(counts) == pytest.approx(np.mean(each))
    value = metric_of("auroc", harmful, units)(labels, predictions)(counts)
    assert value == pytest.approx(roc_auc_score(harmful[drawn], -predictions[drawn]))
    assert metric_of("pearson", None, units)(labels, np.ones(60))(counts) == 0.0


def test_clusters_are_drawn_whole_and_models_share_their_draws():
    rng = np.random.default_rng(1)
    labels = np.repeat(rng.standard_normal(12), 25)
    near = labels + 0.5 * np.repeat(rng.standard_normal(12), 25)
    clusters = np.repeat(np.arange(12), 25)
    metric = metric_of("pearson", None, clusters)
    (whole,) = resampled(metric, labels, clusters, [near[None]])
    (alone,) = resampled(metric, labels, np.arange(300), [near[None]])
    assert whole[0] == pytest.approx(pearsonr(labels, near)[0])
    assert np.ptp(np.quantile(whole[1:], [0.025, 0.975])) > 3 * np.ptp(np.quantile(alone[1:], [0.025, 0.975]))
    same = resampled(metric, labels, clusters, [near[None], 2 * near[None], np.stack([near] * 3)])
    np.testing.assert_allclose(same[0], same[1], atol=1e-9)
    np.testing.assert_allclose(same[0], same[2], atol=1e-9)


def test_seeds_widen_an_interval():
    rng = np.random.default_rng(2)
    labels = rng.standard_normal(400)
    runs = np.stack([labels, labels, rng.standard_normal(400)])
    metric, clusters = metric_of("pearson", None, labels), np.arange(400)
    one, three = resampled(metric, labels, clusters, [labels[None] + 1e-3, runs])
    assert np.ptp(one) < 0.01
    assert np.ptp(three) > 0.5


@pytest.fixture
def table(data):
    """A set with a model that knows the effects, one that guesses, and one that has them the wrong way."""
    found = read_set(from_mapping(SetConfig, settings(metric="auroc", harmful={"class": "LOF"})), data)
    labels = found.examples.labels[found.tested]
    rng = np.random.default_rng(4)
    models = [
        Runs("knows", "from scratch", np.stack([labels, labels])),
        Runs("guesses", "zero-shot", rng.standard_normal(len(labels))[None]),
        Runs("wrong", "zero-shot", -labels[None]),
        Runs(KMERS, "linear", (labels + 4 * rng.standard_normal(len(labels)))[None]),
        Runs("conservation", "column", found.columns["conservation"][found.tested][None]),
    ]
    return results(found, models, [KMERS])


def test_sentences_say_what_intervals_say(table):
    told = sentences(table)
    assert "Above chance: knows (from scratch)" in told
    assert "not told from chance: guesses (zero-shot)" in told
    assert "below chance: wrong (zero-shot)" in told
    assert "Ahead of conservation: knows (from scratch), behind: guesses (zero-shot), wrong (zero-shot)" in told
    assert "Ahead of conservation on exons: knows (from scratch)." in overall([table])
    table["models"] = [row for row in table["models"] if row["name"] != "knows"]
    assert "Ahead of conservation: none" in sentences(table)
    assert "No model of sequence is ahead of conservation on exons." in overall([table])


def test_every_row_stands_beside_the_opponents_and_the_columns(table):
    lines = set_table(table).splitlines()
    assert lines[0].endswith(f"| less {KMERS} | less conservation |")
    assert len(lines) == 2 + 5
    knows = next(row for row in table["models"] if row["name"] == "knows")
    assert knows["metrics"]["auroc"]["value"] == pytest.approx(1.0, abs=0.01)
    assert set(knows["differences"]) == {KMERS, "conservation"}
    apart = knows["differences"]["conservation"]
    other = next(row for row in table["models"] if row["name"] == "conservation")["metrics"]["auroc"]
    assert apart["value"] == pytest.approx(knows["metrics"]["auroc"]["value"] - other["value"])
    assert apart["low"] > 0


def test_the_command_writes_rows_of_all_kinds_and_takes_finished_runs_up(data, tmp_path, monkeypatch):
    for name, objective in (("causal", "causal"), ("masked", "masked")):
        (tmp_path / f"{name}.yaml").write_text(
            f"family: cnn\nshell: {{objective: {objective}, local_width: 8}}\nbackbone: {{taps: [7]}}\n"
        )
    causal = read_model_file(tmp_path / "causal.yaml")
    save_model(new_model(causal, Patcher(PatcherConfig("fixed_stride", stride=8)), 1), tmp_path / "model")
    bench = {
        "models": [{"name": "CNN", "file": str(tmp_path / "masked.yaml")}],
        "opponents": ["CNN", KMERS],
        "seeds": [1, 2],
        "width": 64,
        "train": {"steps": 3, "batch_size": 8},
        "sets": [settings(metric="auroc", harmful={"class": "LOF"}), settings(**WHOLE, metric="mean_spearman")],
    }
    (tmp_path / "bench.yaml").write_text(json.dumps(bench))
    (tmp_path / "README.md").write_text(f"before\n{BEGIN}\n{END}\nafter\n")
    given = f"language={tmp_path / 'model'}"
    arguments = ["-q", "bench", "variants", "--config", tmp_path / "bench.yaml", "--data", data, "--runs"]
    arguments += [tmp_path / "runs", "-o", tmp_path / "found.json", "--markdown", tmp_path / "README.md"]
    arguments += ["--zero-shot", given, "--tune", given, "--device", "cpu", "--threads", "1"]
    result = CliRunner().invoke(cli.app, list(map(str, arguments)))
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "found.json").read_text())
    for one in found["sets"]:
        assert [(row["name"], row["how"]) for row in one["models"]] == [
            ("language", "zero-shot"),
            ("language", "fine-tuned"),
            ("CNN", "from scratch"),
            (KMERS, "linear"),
            ("conservation", "column"),
        ]
        assert [len(row["metrics"][one["metric"]]["seeds"]) for row in one["models"]] == [1, 2, 2, 1, 1]
        assert one["leakage"]["identical"] == 0
    text = (tmp_path / "README.md").read_text()
    assert text.startswith("before")
    assert "conservation (column of the table)" in text
    assert text.endswith("after\n")
    monkeypatch.setattr("genomelm.bench.variant_runs.finetune", None)  # a run that is made anew would fail
    again = CliRunner().invoke(cli.app, list(map(str, arguments)))
    assert again.exit_code == 0, again.output
    assert json.loads((tmp_path / "found.json").read_text())["sets"] == found["sets"]


def test_a_run_of_other_settings_is_made_anew(tmp_path):
    kept, made = RunFolder(tmp_path), []

    def run(value: float) -> np.ndarray:
        made.append(value)
        return np.array([value])

    for seed in (1, 2, 1):
        found = kept.take("m", {"set": "s", "how": "linear", "seed": seed}, lambda seed=seed: run(seed))
        assert found.tolist() == [seed]
    assert made == [1, 2]


def test_the_settings_of_the_repository_hold_out_nothing_of_chr20_and_learn_no_column():
    config = read_config(VariantsConfig, ROOT / "configs/bench/variants.yaml")
    assert len(config.seeds) == 3
    for one in config.sets:
        assert not {"chr20", "HNF4A"} & set(one.test)  # HNF4A lies on chr20
        assert one.label not in one.columns.values()
    objectives = {read_model_file(ROOT / model.file).shell.objective for model in config.models}
    assert objectives == {"masked"}  # effects are read from both sides
