"""Tables of variants of proteins and transcripts: every row comes back, with a status and, where it is OK, a score."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
import transformers
from published_models import letter_tokeniser, write_published
from typer.testing import CliRunner

from genomelm import cli
from genomelm.models import HyenaGLTConfig, HyenaGLTForCausalLM
from genomelm.models.loading import load_model, save_model
from genomelm.patching.config import PatcherConfig
from genomelm.patching.patcher import Patcher

AMINO = "ACDEFGHIKLMNPQRSTVWY"
PROTEIN = "M" + "".join(np.random.default_rng(3).choice(list(AMINO), 80))
RNA = "".join(np.random.default_rng(4).choice(list("ACGT"), 90))


def run(*arguments) -> tuple[int, str]:
    result = CliRunner().invoke(cli.app, ["-q", *map(str, arguments)])
    return result.exit_code, result.stdout + result.stderr


@pytest.fixture(scope="module")
def protein_dir(tmp_path_factory):
    return write_published(
        tmp_path_factory.mktemp("models") / "esm", "EsmForMaskedLM", letter_tokeniser(AMINO + "X", bos_token="<cls>")
    )


@pytest.fixture
def fasta(tmp_path):
    path = tmp_path / "p.fa"
    path.write_text(f">one\n{PROTEIN}\n>two\n{PROTEIN[::-1]}\n")
    return path


def other(letter: str) -> str:
    return AMINO[(AMINO.index(letter) + 5) % 20]


def test_a_table_comes_back_with_status_and_score(tmp_path, fasta, protein_dir):
    names = [f"{PROTEIN[at]}{at + 1}{other(PROTEIN[at])}" for at in (0, 10, 40, 80)]
    rows = [("one", name, "x") for name in names]
    wrong = other(PROTEIN[5])
    rows += [
        ("three", names[0], ""),
        ("one", f"{wrong}6{PROTEIN[5]}", ""),
        ("one", "p.Trp5Ter", ""),
        ("one", "nonsense", ""),
    ]
    rows += [("two", f"{PROTEIN[-1]}1{other(PROTEIN[-1])}", ""), ("one", f"{PROTEIN[7]}8B", "")]
    table, out = tmp_path / "v.tsv", tmp_path / "scored.tsv"
    table.write_text("\n".join("\t".join(row) for row in [("protein", "mutant", "note"), *rows]) + "\n")
    code, said = run("score", table, "-r", fasta, "-m", protein_dir, "-o", out, "--width", 64, "--device", "cpu")
    assert code == 0, said
    found = pd.read_csv(out, sep="\t", dtype=str, keep_default_na=False)
    assert [tuple(row) for row in found[["protein", "mutant", "note"]].to_numpy()] == rows
    assert found.status[4:].tolist() == [
        *("CONTIG_MISSING", "REF_MISMATCH", "UNSUPPORTED", "UNREADABLE", "EDGE_PADDED", "UNKNOWN_LETTER")
    ]
    assert (found.GLM_LLR[[4, 5, 6, 7, 9]] == ".").all()
    facts = json.loads((tmp_path / "scored.tsv.json").read_text())
    assert facts["strands"] == "forward"
    # against transformers alone: mask, softmax, subtract
    model = transformers.EsmForMaskedLM.from_pretrained(protein_dir).eval()
    tokeniser = transformers.AutoTokenizer.from_pretrained(protein_dir)
    for at, score in zip((0, 10, 40, 80), found.GLM_LLR[:4].astype(float), strict=True):
        first = max(at // 16 * 16 - 24, 0)
        window = PROTEIN[first : at // 16 * 16 + 16 + 24]
        ids = tokeniser(window)["input_ids"]
        place = at - first + 1
        alternative = tokeniser.convert_tokens_to_ids(other(PROTEIN[at]))
        reference, ids[place] = ids[place], tokeniser.mask_token_id
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0, place]
        assert score == pytest.approx(float(logits[alternative] - logits[reference]), abs=1e-4)


def test_forms_of_a_table_give_the_same_scores(tmp_path, fasta, protein_dir):
    at = 20
    old, new = PROTEIN[at], other(PROTEIN[at])
    (tmp_path / "a.csv").write_text(f"variant\none:{old}{at + 1}{new}\n")
    (tmp_path / "b.tsv").write_text(f"contig\tpos\tref\talt\none\t{at + 1}\t{old}\t{new}\n")
    pd.DataFrame({"sequence": ["one"], "hgvs": [f"p.{old}{at + 1}{new}"]}).to_parquet(tmp_path / "c.parquet")
    scores = []
    for name in ("a.csv", "b.tsv", "c.parquet"):
        out = tmp_path / f"{name}.out.parquet"
        code, said = run("score", tmp_path / name, "-r", fasta, "-m", protein_dir, "-o", out, "--device", "cpu")
        assert code == 0, said
        scores.append(pd.read_parquet(out).GLM_LLR.item())
    assert scores[0] == scores[1] == scores[2] != 0


def test_a_table_of_another_sequence_or_form_is_refused(tmp_path, fasta, protein_dir):
    def score(name: str, text: str, *more) -> tuple[int, str]:
        (tmp_path / name).write_text(text)
        common = ["-r", fasta, "-m", protein_dir, "-o", tmp_path / "o.tsv", "--device", "cpu"]
        return run("score", tmp_path / name, *common, *more)

    shifted = "".join(f"one\t{PROTEIN[at]}{at}W\n" for at in range(1, 60))
    code, said = score("a.tsv", "protein\tmutant\n" + shifted)
    assert (code, "is it the sequence that they were named on" in said) == (4, True)
    code, said = score("b.tsv", "protein,mutant\none,A2V\n")
    assert (code, "holds commas" in said) == (3, True)
    for option in (["--regions", "r.bed"], ["--outside", "drop"], ["--overwrite-info"], ["--sort"]):
        code, said = score("c.tsv", "protein\tmutant\none\tA2V\n", *option)
        assert (code, f"{option[0]} is for a VCF" in said) == (2, True)
    code, said = score("c.tsv", "protein\tmutant\none\tA2V\n", "--resume")
    assert (code, "give --cache FOLDER" in said) == (2, True)
    code, said = score("d.vcf", "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n")
    assert (code, "the model reads protein: give a table" in said) == (2, True)


def test_an_output_that_is_an_input_or_another_output_is_refused(tmp_path, fasta, protein_dir):
    text = "protein\tmutant\n" + "".join(f"one\t{PROTEIN[at]}{at + 1}{other(PROTEIN[at])}\n" for at in range(6))
    table, out = tmp_path / "v.tsv", tmp_path / "o.tsv"
    table.write_text(text)
    (tmp_path / "link.tsv").symlink_to(table)
    (tmp_path / "r.tsv.json").symlink_to(fasta)
    seen = fasta.read_text()
    beside = tmp_path / "o.tsv.json"
    for source, result, summary, one, two in (
        (table, table, None, f"output {table}", "the input"),
        (tmp_path / "link.tsv", table, None, f"output {table}", "the input"),
        (table, out, table, f"summary {table}", "the input"),
        (table, out, tmp_path / "link.tsv", f"summary {tmp_path / 'link.tsv'}", "the input"),
        (table, out, out, f"summary {out}", "the output"),
        (table, out, beside, f"summary {beside}", "the output's provenance"),
        (table, out, fasta, str(fasta), ""),
        (table, tmp_path / "r.tsv", None, f"provenance {tmp_path / 'r.tsv.json'}", "the reference"),
    ):
        more = [] if summary is None else ["--summary", summary]
        common = ["-r", fasta, "-m", protein_dir, "-o", result, "--shard", "1/2", "--device", "cpu"]
        code, said = run("score", source, *common, *more)
        assert (code, one in said, two in said) == (2, True, True), said
        assert (table.read_text(), fasta.read_text(), out.exists(), beside.exists()) == (text, seen, False, False)


def test_rna_of_a_model_of_genomelm_scores_alike_as_table_and_vcf(tmp_path):
    shell = {"local_width": 16, "local_heads": 2, "width": 16, "encoder_layers": 1, "decoder_layers": 1}
    config = HyenaGLTConfig(shell={**shell, "kmers": [2], "alphabet": "rna"}, backbone={"layers": 1, "hidden": 16})
    patcher = Patcher(PatcherConfig("fixed_stride", stride=4, alphabet="rna"))
    save_model(HyenaGLTForCausalLM(config, patcher).eval(), tmp_path / "m")
    assert load_model(tmp_path / "m").alphabet == "rna"
    (tmp_path / "r.fa").write_text(f">t\n{RNA}\n")
    new = "A" if RNA[40] != "A" else "C"
    (tmp_path / "v.tsv").write_text(f"variant\n{RNA[40]}41{new}\nr.41{RNA[40].lower()}>{new.lower()}\nr.50del\n")
    (tmp_path / "v.vcf").write_text(
        "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
        f"t\t41\t.\t{RNA[40]}\t{new}\t.\t.\t.\nt\t49\t.\t{RNA[48:50]}\t{RNA[48]}\t.\t.\t.\n"
    )
    common = ["-r", tmp_path / "r.fa", "-m", tmp_path / "m", "--width", 32, "--device", "cpu"]
    for source, out in (("v.tsv", "o.tsv"), ("v.vcf", "o.vcf.gz")):
        more = ["--table", tmp_path / "t.tsv"] if source == "v.vcf" else []
        code, said = run("score", tmp_path / source, "-o", tmp_path / out, *common, *more)
        assert code == 0, said
    by_name = pd.read_csv(tmp_path / "o.tsv", sep="\t")
    by_vcf = pd.read_csv(tmp_path / "t.tsv", sep="\t")
    assert by_name.status.tolist() == ["OK"] * 3
    assert by_name.GLM_LLR[0] == by_name.GLM_LLR[1] == by_vcf.score[0]
    assert by_name.GLM_LLR[2] == by_vcf.score[1]
