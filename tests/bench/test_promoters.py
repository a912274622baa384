"""The promoter benchmark: its tables, its split, and where it says that sites lie."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from genomelm import cli
from genomelm.bench.promoters import (
    FAR,
    PromoterConfig,
    boxes_of,
    examples_of,
    read_binding_sites,
    read_promoters,
    regions_of,
    windows_of,
)
from genomelm.errors import InputError
from genomelm.interpret.known_sites import locate
from genomelm.models.config import read_model_file
from genomelm.seq.alphabet import reverse_complement
from genomelm.settings import read_config

ROOT = Path(__file__).parents[2]
SITE = "TGTGAGCTAACTCACA"
COUNT = 40
APART = 1000


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Write tables of promoters every 1,000 bases, every other one reversed, with a site at -58 and a -10 hexamer."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(2)
    genome = "".join(rng.choice(list("ACGT"), APART * (COUNT + 1)))
    promoters, sites = ["# a comment"], []
    for n in range(COUNT):
        tss, forward = APART * (n + 1), n % 2 == 0
        text = genome[tss - 61 : tss + 20] if forward else reverse_complement(genome[tss - 21 : tss + 60])
        text = text[:2] + SITE + text[18:48] + "TATAAT" + text[54:]
        way = "forward" if forward else "reverse"
        shown = text[:60].lower() + text[60] + text[61:].lower()
        promoters.append("\t".join([f"id{n}", f"p{n}", way, str(tss), "Sigma70", shown, "", "Strong"]))
        start = tss - 58 if forward else tss + 58 - len(SITE) + 1
        cells = [f"t{n}", "TF", "s", str(start), str(start + len(SITE) - 1), way, "", "", "+", f"p{n}", "-50"]
        sites.append("\t".join([*cells, f"acgt{SITE}acgt", "", "Strong"]))
    (folder / "promoters.txt").write_text("\n".join(promoters) + "\n")
    (folder / "genome.fa").write_text(f">c\n{genome}\n")
    (folder / "sites.txt").write_text("\n".join(sites) + "\n")
    return folder


def test_sites_are_found_at_their_coordinates_on_both_strands(data):
    regions = regions_of(read_promoters(data / "promoters.txt"))
    located = locate(read_binding_sites(data / "sites.txt"), regions.rows, regions.sequences)
    assert located.counts["at_place"] == COUNT
    assert all([(s.start, s.end) for s in row] == [(2, 18)] for row in located.by_region)


def test_boxes_hold_the_hexamers_of_sigma_70(data):
    regions = regions_of(read_promoters(data / "promoters.txt"))
    for row in boxes_of(regions).by_region:
        assert "TATAAT" in row[1].sequence
        assert (row[0].start, row[0].end) == (22, 33)  # -38 to -28: consensus at -35 to -30


def test_examples_are_split_by_place_and_no_window_is_near_a_promoter(data):
    promoters = read_promoters(data / "promoters.txt")
    genome = (data / "genome.fa").read_text().partition("\n")[2].replace("\n", "")
    config = PromoterConfig(promoters="", genome="", sites="", model="", windows=1, shuffles=1)
    found = examples_of(config, promoters, genome)
    assert found.labels.tolist() == [1.0] * COUNT + [0.0] * 2 * COUNT
    assert (found.splits[:COUNT] == found.splits[2 * COUNT :]).all()
    assert all(
        sorted(a) == sorted(b) for a, b in zip(found.sequences[:COUNT], found.sequences[2 * COUNT :], strict=True)
    )
    assert np.mean(found.splits[:COUNT] == "test") == pytest.approx(0.3, abs=0.06)
    for at, letters in windows_of(genome, promoters, 20):
        assert min(abs(one.start - at) for one in promoters) > FAR
        assert genome[at : at + 81] in (letters, reverse_complement(letters))
    other = examples_of(config, promoters, genome, seed=1)
    kept = found.splits != "train"
    assert (other.labels[kept] == found.labels[kept]).all()
    assert (other.labels[~kept] != found.labels[~kept]).any()


def test_a_table_of_something_else_is_refused(tmp_path):
    (tmp_path / "x.txt").write_text("a\tb\n")
    with pytest.raises(InputError, match="no promoter of 81 bases"):
        read_promoters(tmp_path / "x.txt")
    with pytest.raises(InputError, match="no site with letters"):
        read_binding_sites(tmp_path / "x.txt")


def test_the_command_writes_checks_of_models_and_nulls(data, tmp_path):
    (tmp_path / "model.yaml").write_text(
        "family: cnn\nshell: {objective: masked, local_width: 8}\nbackbone: {taps: [7]}\n"
    )
    (tmp_path / "bench.yaml").write_text(
        f"promoters: promoters.txt\ngenome: genome.fa\nsites: sites.txt\nmodel: {tmp_path / 'model.yaml'}\n"
        "seeds: [1, 2]\ndraws: 3\n"
        "permutations: 99\ntrain: {steps: 3, batch_size: 8}\n"
    )
    out = tmp_path / "found.json"
    arguments = ["-q", "bench", "promoters", "--config", tmp_path / "bench.yaml", "--data", data, "-o", out]
    result = CliRunner().invoke(cli.app, [*map(str, arguments), "--device", "cpu", "--threads", "1"])
    assert result.exit_code == 0, result.output
    found = json.loads(out.read_text())
    for kind in ("binding_sites", "boxes"):
        assert {name: len(rows) for name, rows in found["sites"][kind].items()} == {
            "models": 1,
            "shuffled_labels": 1,
            "random_weights": 3,
        }
        assert found["sites"][kind]["models"][0]["loci"] == found["explained"] == 12
    assert len(found["auroc"]) == 2
    assert found["checks"]["signal"]["distinguishable"] is False
    assert "real" not in found["checks"]["shuffled_sequence"]


def test_models_start_from_the_settings_or_from_the_model_that_is_given(data, language_model_dir, tmp_path):
    text = "promoters: promoters.txt\ngenome: genome.fa\nsites: sites.txt\nseeds: [1]\ndraws: 1\npermutations: 99\n"
    (tmp_path / "bench.yaml").write_text(text + "explained: 8\nchecked: 8\nnull_checked: 8\ntrain: {steps: 1}\n")
    out = tmp_path / "found.json"
    arguments = ["-q", "bench", "promoters", "--config", tmp_path / "bench.yaml", "--data", data, "-o", out]
    arguments = [*map(str, arguments), "--device", "cpu", "--threads", "1"]
    result = CliRunner().invoke(cli.app, arguments)
    assert result.exit_code == 2
    assert "give one of them" in result.output
    result = CliRunner().invoke(cli.app, [*arguments, "--start", str(language_model_dir)])
    assert result.exit_code == 0, result.output
    found = json.loads(out.read_text())
    assert found["sites"]["binding_sites"]["models"][0]["loci"] == found["explained"] == 8
    assert len(found["machine"]["start"]) == 64


def test_the_settings_of_the_repository_name_a_model():
    config = read_config(PromoterConfig, ROOT / "configs/bench/promoters.yaml")
    assert read_model_file(ROOT / config.model).shell.objective == "masked"  # a promoter's boxes lie on both sides
    assert len(config.seeds) == 3
    started = read_config(PromoterConfig, ROOT / "configs/bench/promoters_pretrained.yaml")
    same = ("promoters", "genome", "sites", "windows", "shuffles", "held_out", "permutations")
    assert started.model is None
    assert all(getattr(started, key) == getattr(config, key) for key in same)
