"""One model of DNA, RNA and protein: pretrained on all, then read by alphabet by every command."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from training_files import ON_CPU, SHELL, make_site, run

import genomelm
from genomelm.seq.alphabet import ALPHABETS
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """A genome with patches, files of RNA and protein, and a mixed model pretrained on the three."""
    folder = tmp_path_factory.mktemp("mixed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GENOMELM_CACHE", str(folder / "cache"))
        site, random = make_site(folder), np.random.default_rng(2)
        sources = [
            {"name": "genome", "genome": str(site / "g.fa"), "patches": str(site / "patch"), "test": ["c:9001-12000"]}
        ]
        sources[0] |= {"train": ["c:1-9000"]}
        for name in ("rna", "protein"):
            letters = list(ALPHABETS[name].letters)
            text = "".join(f">{name}{n}\n{''.join(random.choice(letters, 40))}\n" for n in range(40))
            (site / f"{name}.fa").write_text(text)
            sources.append({"name": name, "modality": name, "fasta": str(site / f"{name}.fa"), "test_share": 0.2})
        (site / "data.yaml").write_text(yaml.safe_dump({"sources": sources}))
        model = (
            f"family: hyena_glt\nshell: {{alphabet: mixed, {SHELL}}}\nbackbone: {{layers: 1, hidden: 16}}\nstride: 4\n"
        )
        (site / "mixed.yaml").write_text(model)
        (site / "mixed_train.yaml").write_text("steps: 4\nbatch_size: 6\nwindow: 64\nevaluate_every: 2\n")
        files = ["--data", site / "data.yaml", "--model", site / "mixed.yaml", "--train", site / "mixed_train.yaml"]
        code, said = run("pretrain", *files, "-o", site / "run", *ON_CPU)
        assert code == 0, said
    return site


def test_the_log_has_each_sources_bits_and_the_folder_each_alphabets_patcher(site):
    readings = [json.loads(line) for line in (site / "run" / "log.jsonl").read_text().splitlines()]
    assert 1.5 < readings[-1]["test_bits_rna"] < 3 < readings[-1]["test_bits_protein"] < 5.5
    found = {part.name for part in (site / "run" / "model").iterdir() if part.is_dir()}
    assert found == {"patcher", "patcher_rna", "patcher_protein"}
    for name in ("rna", "protein"):
        model = genomelm.load_model(site / "run" / "model", "cpu", alphabet=name)
        assert (model.alphabet, model.patcher.config.stride) == (name, 4)


def test_evaluate_measures_every_source_of_a_data_file_on_what_it_holds_out(site, tmp_path):
    given = ["evaluate", site / "run" / "model", "--data", site / "data.yaml", "--window", 64, *ON_CPU]
    code, said = run(*given, "-o", tmp_path / "bits.json")
    assert code == 0, said
    found = json.loads((tmp_path / "bits.json").read_text())["sources"]
    assert [one["modality"] for one in found.values()] == ["dna", "rna", "protein"]
    last = json.loads((site / "run" / "log.jsonl").read_text().splitlines()[-1])
    for name in ("rna", "protein"):  # the reading's rows are all that these hold out
        assert found[name]["rows"] == found[name]["rows_in_all"] <= 24
        assert found[name]["bits_per_base"]["value"] == pytest.approx(last[f"test_bits_{name}"], abs=1e-6)
    assert found["genome"]["bases"] == 3000
    code, said = run(*given, "--held-out", "validation", "-o", tmp_path / "no.json")
    assert (code, "validation" in said) == (2, True), said
    code, said = run(*given, "--genome", site / "g.fa", "-o", tmp_path / "no.json")
    assert (code, "--data names all sources" in said) == (2, True), said
    assert not (tmp_path / "no.json").exists()


@pytest.mark.parametrize("name", ["rna", "protein"])
def test_generate_and_predict_read_the_alphabet_that_is_asked_for(site, tmp_path, name):
    model, given = site / "run" / "model", ["--alphabet", name, "--device", "cpu", "--threads", 1]
    code, said = run("generate", model, "-n", 60, "-o", tmp_path / "new.fa", *given)
    assert code == 0, said
    drawn = set((tmp_path / "new.fa").read_text().splitlines()[1])
    assert drawn <= set(ALPHABETS[name].letters)
    assert "U" in drawn or name == "protein"
    code, said = run("predict", site / f"{name}.fa", "-m", model, "-o", tmp_path / "bits.tsv", *given)
    assert code == 0, said
    rows = [line.split("\t") for line in (tmp_path / "bits.tsv").read_text().splitlines()[1:]]
    loaded = genomelm.load_model(model, "cpu", alphabet=name)
    text = (site / f"{name}.fa").read_text().splitlines()[1]
    assert float(rows[0][2]) == pytest.approx(genomelm.log_likelihood(loaded, [text])[0], rel=1e-5)


def test_dna_is_what_it_reads_unasked_and_other_letters_are_refused(site, tmp_path):
    model = site / "run" / "model"
    code, said = run("predict", site / "protein.fa", "-m", model, "-o", tmp_path / "x.tsv", "--device", "cpu")
    assert code == 3
    assert "is it protein?" in said
    code, said = run("generate", model, "-n", 9, "--alphabet", "codons", "-o", tmp_path / "x.fa", "--device", "cpu")
    assert code == 2
    assert "alphabet 'codons' is unknown; choose one of dna, rna, protein" in said


def test_a_genome_is_scored_and_measured_as_dna(site, tmp_path):
    model = genomelm.load_model(site / "run" / "model", "cpu", alphabet="protein").read("dna")
    with Genome(site / "g.fa") as genome:
        ref = genome.fetch(Interval("c", 10_000, 10_001))
    alt = "ACGT"["ACGT".index(ref) - 1]
    (score,) = genomelm.score_variants(model, site / "g.fa", [("c", 10_001, ref, alt)], width=64)["score"]
    assert abs(score) > 0
    (back,) = genomelm.score_variants(genomelm.load_model(site / "run" / "model", "cpu"), site / "g.fa",
                                      [("c", 10_001, ref, alt)], width=64)["score"]  # fmt: skip
    assert back == score
    files = ["--genome", site / "g.fa", "--patches", site / "patch", "--region", "c:9001-12000", "--window", 100]
    code, said = run("evaluate", site / "run" / "model", *files, "-o", tmp_path / "bits.json", *ON_CPU)
    assert code == 0, said
    found = json.loads((tmp_path / "bits.json").read_text())
    assert (found["bases"], found["uniform"]) == (3000, 2.0)


def test_a_task_chooses_the_alphabet_of_its_model(site, tmp_path):
    letters = "ACDEFGHIKLMNPQRSTVWY"
    random = np.random.default_rng(3)
    texts = ["".join(random.choice(list(letters), 20)) for _ in range(30)]
    (tmp_path / "t.tsv").write_text("sequence\ty\n" + "".join(f"{t}\t{t.count('W')}\n" for t in texts))
    task = {"name": "w", "alphabet": "protein", "label_column": "y", "split": {"by": "sequence", "test_share": 0.3}}
    (tmp_path / "w.yaml").write_text(json.dumps({**task, "split": {**task["split"], "validation_share": 0.2}}))
    (tmp_path / "train.yaml").write_text("steps: 2\nbatch_size: 4\nevaluate_every: 2\n")
    for name, model in (("pretrained", site / "run" / "model"), ("scratch", site / "mixed.yaml")):
        files = ["--model", model, "--task", tmp_path / "w.yaml", "--data", tmp_path / "t.tsv"]
        code, said = run("finetune", *files, "--train", tmp_path / "train.yaml", "-o", tmp_path / name, *ON_CPU)
        assert code == 0, said
        tuned = genomelm.load_model(tmp_path / name / "model", "cpu")
        assert (tuned.alphabet, tuned.patcher.config.stride) == ("protein", 4)
        assert np.isfinite(genomelm.predict(tuned, texts[:3])).all()
