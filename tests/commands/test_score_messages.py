"""What commands around scores say when something is wrong, and their exit codes."""

import os
import signal
import subprocess
import sys
import time

import pytest
from training_files import make_site, pretrain_arguments, replaced
from training_files import run as train
from typer.testing import CliRunner

from genomelm import cli
from genomelm.errors import AssemblyError
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.tasks.config import TaskConfig
from genomelm.tasks.split_config import SplitConfig
from genomelm.tasks.vcf import vcf_examples


def run(*arguments, stdin: bytes | None = None) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli.app, ["-q", *map(str, arguments)], input=stdin)
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def common(tiny_fasta, language_model_dir, tmp_path) -> list:
    return ["-r", tiny_fasta, "-m", language_model_dir, "--width", 32, "--device", "cpu", "--threads", 1]


def test_an_explanation_of_no_place_is_an_error(common):
    for variant, said in (("c9:5:A:C", "CONTIG_MISSING"), ("c1:99999:A:C", "POS_OUT_OF_RANGE")):
        code, out, error = run("score", "--explain", variant, *common)
        assert (code, out, said in error) == (3, "", True)


@pytest.mark.parametrize("options", [("--explain", "c1:5:A"), ("--saturate", "c1-5"), ("--saturate", "c1:9-5")])
def test_what_is_not_written_as_asked_is_a_fault_of_the_command(common, tmp_path, options):
    code, _, error = run("score", *options, "-o", tmp_path / "o.vcf.gz", *common)
    assert code == 2, error


def test_merge_names_the_setting_that_differs(common, write_vcf, snv, tmp_path):
    vcf = write_vcf(*(snv(pos) for pos in range(100, 130)))
    for number, more in ((1, []), (2, ["--outside", "drop", "--batch-size", 7])):
        code, _, error = run(
            "score", vcf, *common, "--shard", f"{number}/2", "-o", tmp_path / f"{number}.vcf.gz", *more
        )
        assert code == 0, error
    code, _, error = run("merge", tmp_path / "1.vcf.gz", tmp_path / "2.vcf.gz", "-o", tmp_path / "all.vcf.gz")
    assert code == 3
    assert "another batch-size, outside than" in error


def test_compare_names_the_nearest_tag(common, write_vcf, snv, tmp_path):
    out = tmp_path / "1.vcf.gz"
    assert run("score", write_vcf(snv(100)), *common, "-o", out)[0] == 0
    code, _, error = run("compare", out, out, "--tag", "GLM_LRR")
    assert (code, "did you mean GLM_LLR?" in error) == (3, True)


def test_predict_reads_standard_input(tiny_fasta, language_model_dir):
    model = ["-m", language_model_dir, "--device", "cpu", "--threads", 1]
    piped = run("predict", "-", *model, stdin=tiny_fasta.read_bytes())
    assert piped[0] == 0, piped[2]
    assert piped == run("predict", tiny_fasta, *model)
    code, _, error = run("predict", "-", *model, stdin=b"")
    assert (code, "standard input is empty" in error) == (3, True)


def test_a_circular_contig_has_no_edge_and_says_so(common, write_vcf, snv, tmp_path):
    outs = []
    for name, more in (("linear", []), ("circular", ["--circular", "c1"])):
        out = tmp_path / f"{name}.tsv"
        vcf = write_vcf(snv(2))
        options = ["-o", tmp_path / f"{name}.vcf.gz", "--table", out, *more]
        assert run("score", vcf, *common, *options)[0] == 0
        outs.append(out.read_text().splitlines()[1].split("\t")[5])
    assert outs == ["EDGE_PADDED", "N_IN_WINDOW"]  # c1 ends with N
    assert '"circular": "c1"' in (tmp_path / "circular.tsv.json").read_text()
    code, _, error = run("score", write_vcf(snv(2)), *common, "-o", tmp_path / "x.vcf.gz", "--circular", "c7")
    assert (code, "contig 'c7' is not in" in error) == (3, True)


def test_finetuning_on_another_assembly_stops_with_4(tiny_fasta, tmp_path):
    with Genome(tiny_fasta) as genome:
        bases = genome.fetch(Interval("c1", 0, 2000))
    lines = ["##fileformat=VCFv4.2", "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"]
    for pos in range(100, 1900, 30):  # each is one base off
        ref = bases[pos]
        lines.append(f"c1\t{pos}\t.\t{ref}\t{'A' if ref != 'A' else 'C'}\t.\t.\tY={pos / 100}")
    (tmp_path / "v.vcf").write_text("\n".join(lines) + "\n")
    task = TaskConfig(
        "y", "variant_effect", source="vcf", label_column="Y", window=64, split=SplitConfig(by="sequence")
    )
    with Genome(tiny_fasta) as genome, pytest.raises(AssemblyError, match="of another assembly"):
        vcf_examples(tmp_path / "v.vcf", genome, task, None, None)
    assert AssemblyError.exit_code == 4


def test_an_interrupt_without_resume_says_what_would_have_kept_the_work(tiny_fasta, language_model_dir, tmp_path):
    (tmp_path / "work").mkdir()
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); import time\n"
        "import genomelm.scoring.pair_scorer as room; room.WindowScorer.score = lambda *_: time.sleep(100)\n"
        "from genomelm.cli import main; main()"
    )
    arguments = ["-q", "score", "--saturate", "c1:101-102", "-r", tiny_fasta, "-m", language_model_dir]
    arguments += ["-o", tmp_path / "work" / "out.vcf.gz", "--device", "cpu"]
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)], stderr=subprocess.PIPE, text=True, env={**os.environ}
    )
    deadline = time.monotonic() + 120
    while not list((tmp_path / "work").glob(".*.tmp")) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 75
    assert "with --resume the command keeps finished parts" in process.stderr.read()


def test_the_package_runs_as_a_module():
    found = subprocess.run([sys.executable, "-m", "genomelm", "--version"], capture_output=True, text=True)
    assert (found.returncode, found.stdout.split()[0]) == (0, "genomelm")


def test_a_training_region_past_its_contig_is_named(tmp_path):
    site = make_site(tmp_path)
    arguments = replaced(pretrain_arguments(site, tmp_path / "out"), train_region="c:12501-13000")
    code, said = train("pretrain", *arguments)
    assert code == 3, said
    assert "--train-region c:12501-13000 passes the end of c (12,000 bases)" in said
