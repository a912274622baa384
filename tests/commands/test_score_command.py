"""`genomelm score` from files to files, with models of random weights."""

import json

import numpy as np
import pysam
import pytest
import torch
from typer.testing import CliRunner

from genomelm import cli
from genomelm.models import load_model
from genomelm.models.encoding import make_batch
from genomelm.seq.alphabet import encode, reverse_complement
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval


def run(*arguments) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli.app, ["-q", "score", "--device", "cpu", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def records_of(path) -> list[list[str]]:
    with pysam.BGZFile(str(path), "rb") as stream:
        return [line.split("\t") for line in stream.read().decode().splitlines() if not line.startswith("#")]


def info(record: list[str]) -> dict[str, str]:
    return dict(item.split("=") for item in record[7].split(";"))


@pytest.fixture
def vcf(tiny_fasta, tmp_path):
    """Every 97th base of c1 with all three alternatives, and what cannot be scored."""
    lines = ["##fileformat=VCFv4.2", "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"]
    with Genome(tiny_fasta) as genome:
        for start in range(50, 3900, 97):
            base = genome.fetch(Interval("c1", start, start + 1))
            lines.append(f"c1\t{start + 1}\t.\t{base}\t{','.join(c for c in 'ACGT' if c != base)}\t.\t.\tX=1")
    lines += ["c1\t4100\t.\tN\tA\t.\t.\t.", "c1\t4150\t.\tN\t<DEL>\t.\t.\t.", "c9\t5\t.\tA\tC\t.\t.\t."]
    path = tmp_path / "in.vcf"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_vcf_is_annotated_indexed_and_summed_up(tiny_fasta, language_model_dir, vcf, tmp_path):
    out, table, summary = tmp_path / "out.vcf.gz", tmp_path / "out.tsv", tmp_path / "s.json"
    code, stdout, stderr = run(
        *(vcf, "-r", tiny_fasta, "-m", language_model_dir, "-o", out, "--table", table, "--summary", summary),
        *("--threads", 1, "--width", 64),
    )
    assert (code, stderr) == (0, "")
    records = records_of(out)
    assert (tmp_path / "out.vcf.gz.tbi").exists()
    assert len(records) == len(vcf.read_text().splitlines()) - 2
    for record in records[:-3]:
        found = info(record)
        assert found["X"] == "1"
        assert found["GLM_STATUS"] in ("OK,OK,OK", "EDGE_PADDED,EDGE_PADDED,EDGE_PADDED")
        assert all(np.isfinite(float(value)) for value in found["GLM_LLR"].split(","))
    assert [info(record)["GLM_LLR"] for record in records[-3:]] == ["."] * 3
    counts = json.loads(summary.read_text())
    assert counts["scored"] == 3 * (len(records) - 3)
    assert {"model", "patching", "device", "dtype", "reference", "command"} <= set(counts["provenance"])
    assert counts["provenance"]["window"] == "64 bases"
    assert len(table.read_text().splitlines()) == 1 + counts["alleles"]
    assert f"{counts['scored']} of" in stdout


def test_scores_do_not_depend_on_the_batch_size_and_strands_differ(tiny_fasta, language_model_dir, vcf, tmp_path):
    found = []
    for name, options in (("a", ["--batch-size", 1]), ("b", []), ("c", ["--forward-only"])):
        out = tmp_path / f"{name}.vcf.gz"
        assert run(vcf, "-r", tiny_fasta, "-m", language_model_dir, "-o", out, "--width", 64, *options)[0] == 0
        values = [info(record)["GLM_LLR"].split(",") for record in records_of(out)[:-3]]
        found.append(np.array(values, float))
    assert np.abs(found[0] - found[1]).max() < 1e-4
    assert np.abs(found[0] - found[2]).max() > 1e-2


def test_the_strands_that_were_read_stand_in_header_table_and_summary(tiny_fasta, task_model_dirs, vcf, tmp_path):
    found = {}
    for name, options in {"forward": [], "both": ["--strands", "both"]}.items():
        out, table, summary = (tmp_path / f"{name}.{end}" for end in ("vcf.gz", "tsv", "json"))
        written = ["-o", out, "--table", table, "--summary", summary, "--width", 75]
        assert run(vcf, "-r", tiny_fasta, "-m", task_model_dirs[0], *written, *options)[0] == 0
        with pysam.BGZFile(str(out), "rb") as stream:
            assert f'Strands="{name}"' in stream.read().decode()
        assert json.loads((tmp_path / f"{name}.tsv.json").read_text())["strands"] == name
        assert json.loads(summary.read_text())["provenance"]["strands"] == name
        values = [info(record)["GLM_TOY"].split(",") for record in records_of(out)[:-3]]
        found[name] = np.array(values, float)
    assert np.abs(found["both"] - found["forward"]).max() > 1e-3
    code, _, stderr = run(
        vcf, "-r", tiny_fasta, "-m", task_model_dirs[0], *written, "--strands", "both", "--forward-only"
    )
    assert code == 2
    assert "contradict each other" in stderr


def test_regions_prefix_and_forward_only_are_obeyed(tiny_fasta, task_model_dirs, vcf, tmp_path):
    bed, out = tmp_path / "r.bed", tmp_path / "out.vcf.gz"
    bed.write_text("c1\t1000\t1500\n")
    options = ["--regions", bed, "--prefix", "MINE", "--forward-only", "--width", 75]
    assert run(vcf, "-r", tiny_fasta, "-m", task_model_dirs[0], "-o", out, *options)[0] == 0
    for record in records_of(out):
        assert ("MINE_TOY" in info(record)) == (record[0] == "c1" and 1000 < int(record[1]) <= 1500)
        assert info(record).get("MINE_SITE", "NOT_SELECTED") == "NOT_SELECTED"


def test_saturation_in_a_minus_window_is_the_difference_of_predictions(tiny_fasta, task_model_dirs, tmp_path):
    out, table = tmp_path / "sat.vcf.gz", tmp_path / "sat.tsv"
    code, _, stderr = run(
        *("--saturate", "c1:301-375", "--window", "c1:301-375:-", "-r", tiny_fasta, "-m", task_model_dirs[0]),
        *("-o", out, "--table", table),
    )
    assert code == 0, stderr
    records = records_of(out)
    assert len(records) == 3 * 75
    model = load_model(task_model_dirs[0])
    with Genome(tiny_fasta) as genome:
        sequence = genome.fetch(Interval("c1", 300, 375, "-"))
    marks = model.patcher.marks(encode(sequence))
    for record in records[::31]:
        place = 74 - (int(record[1]) - 301)
        assert sequence[place] == reverse_complement(record[3])
        mutated = sequence[:place] + reverse_complement(record[4]) + sequence[place + 1 :]
        with torch.no_grad():
            batch = make_batch([encode(sequence), encode(mutated)], [marks, marks])
            ref, alt = model(**batch.inputs()).logits[:, 0].double().tolist()
        assert float(info(record)["GLM_TOY"]) == pytest.approx(alt - ref, rel=1e-4, abs=1e-5)


def test_wrong_models_exit_with_their_codes(tiny_fasta, vcf, tmp_path):
    common = [vcf, "-r", tiny_fasta, "-o", tmp_path / "out.vcf.gz", "-m"]
    code, _, stderr = run(*common, tmp_path / "nothing")
    assert code == 2
    assert stderr.count("\n") == 1
    assert "does not exist" in stderr
    pickle = tmp_path / "model.pt"
    pickle.write_bytes(b"\x80\x04.")
    assert run(*common, pickle)[0] == 6
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    code, _, stderr = run(*common, folder)
    assert code == 6
    assert "pickle" in stderr
    assert not (tmp_path / "out.vcf.gz").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["--saturate", "c1:301-375", "--window", "c1:301-99999"], 3, "passes the end"),
        (["--saturate", "c1:301-375", "--window", "c7:301-375"], 3, "c7"),
        (["--saturate", "c1:301-375", "--window", "c1:301"], 2, "not an interval"),
        (["--saturate", "c1:301-375", "--window", "c1:310-375"], 2, "does not lie inside"),
        (["--saturate", "c1:301-375", "--on-ref-mismatch", "guess"], 2, "guess"),
        (["--saturate", "c1:301-375", "--prefix", "1x"], 2, "1x"),
        (["--saturate", "c1:301-375", "--device", "cpu", "--require-gpu"], 5, "gpu"),
        ([], 2, "give one of"),
    ],
)
def test_wrong_options_exit_with_one_line(tiny_fasta, task_model_dirs, tmp_path, arguments, code, text):
    found, _, stderr = run("-r", tiny_fasta, "-m", task_model_dirs[0], "-o", tmp_path / "o.vcf.gz", *arguments)
    assert found == code
    assert stderr.count("\n") == 1
    assert text in stderr
    assert not (tmp_path / "o.vcf.gz").exists()


def test_a_vcf_of_another_assembly_stops_with_4(tiny_fasta, language_model_dir, tmp_path):
    lines = ["##fileformat=VCFv4.2", "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"]
    with Genome(tiny_fasta) as genome:
        text = genome.fetch(Interval("c1", 0, 3000))
    for start in range(10, 2900, 60):  # shifted by a base and a half on average
        base = text[start + 1]
        lines.append(f"c1\t{start + 1}\t.\t{base}\t{'A' if base != 'A' else 'C'}\t.\t.\t.")
    path = tmp_path / "other.vcf"
    path.write_text("\n".join(lines) + "\n")
    out = tmp_path / "o.vcf.gz"
    code, _, stderr = run(path, "-r", tiny_fasta, "-m", language_model_dir, "-o", out, "--width", 32)
    assert code == 4
    assert "assembly" in stderr
    assert not out.exists()


def header_of(path) -> str:
    with pysam.BGZFile(str(path), "rb") as stream:
        return next(line for line in stream.read().decode().splitlines() if line.startswith("##INFO=<ID=GLM_"))


def score_spread(model_dir, text: str, tag: str, tiny_fasta, vcf, tmp_path) -> float:
    """Score a VCF, hold the header's description against `text`, and return the range of the scores."""
    out = tmp_path / "out.vcf.gz"
    code, _, stderr = run(vcf, "-r", tiny_fasta, "-m", model_dir, "-o", out, "--width", 40, "--threads", 1)
    assert (code, stderr) == (0, "")
    assert text in header_of(out)
    return np.ptp([[float(value) for value in info(record)[tag].split(",")] for record in records_of(out)[:-3]])


def test_the_header_tells_a_masked_likelihood_from_a_causal_one(
    tiny_fasta, language_model_dir, masked_model, vcf, tmp_path
):
    masked_model.save_pretrained(tmp_path / "m")
    common = ["GLM_LLR", tiny_fasta, vcf, tmp_path]
    assert score_spread(tmp_path / "m", "hidden together and given all others (masked model)", *common) > 1e-3
    assert score_spread(language_model_dir, "each given those before it (causal model)", *common) > 1e-3


def test_a_pair_model_scores_with_its_own_output(tiny_fasta, effect_model, vcf, tmp_path):
    effect_model.save_pretrained(tmp_path / "m")
    text = "Effect of the alternative against the reference on task pair, unit of the training labels"
    assert score_spread(tmp_path / "m", text, "GLM_PAIR", tiny_fasta, vcf, tmp_path) > 1e-3


def test_a_model_that_labels_bases_scores_no_vcf(tiny_fasta, token_model, vcf, tmp_path):
    token_model.save_pretrained(tmp_path / "m")
    code, _, stderr = run(vcf, "-r", tiny_fasta, "-m", tmp_path / "m", "-o", tmp_path / "out.vcf.gz")
    assert code == 2
    assert "use `genomelm predict`" in stderr
    assert not (tmp_path / "out.vcf.gz").exists()
