"""A copy of the repository's workflow with a config that uses every rule, and is small enough to run in a test."""

import csv
import gzip
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).parents[2]
GENOME = REPOSITORY / "data_manifests" / "bundled" / "GCF_000005845.2_ASM584v2_genomic.fna.gz"
BASES, TRAINED = 80_000, 64_000
CONFIG = "small/config.yaml"
RESULTS = "results/small"
SNAKEMAKE = Path(sys.executable).parent / "snakemake"
PROGRAM = [str(SNAKEMAKE), "--configfile", CONFIG]


def environment() -> dict[str, str]:
    """Return the variables of a run: one thread wherever a job does not say more."""
    return {**os.environ, "OMP_NUM_THREADS": "1"}


def run_here(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Run Snakemake on this machine."""
    command = [*PROGRAM, "--profile", "configs/profiles/local", "--cores", "2", *arguments]
    return subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=600)


def small_repository(folder: Path) -> Path:
    """Write a repository's root into `folder`, with `small/`: 80,000 bases, two models, a task, variants."""
    for name in ("workflows", "configs"):
        shutil.copytree(REPOSITORY / name, folder / name)
    shutil.copy(REPOSITORY / "Snakefile", folder)
    (folder / "slurm").symlink_to((REPOSITORY / "slurm").readlink())
    small = folder / "small"
    small.mkdir()
    sequence = _sequence()
    _write_gzip(small / "genome.fa.gz", f">small\n{sequence}\n")
    _write_task(small, sequence)
    _write_variants(small, sequence)
    places = range(TRAINED + 500, BASES, 5000)
    (small / "set.bed").write_text("".join(f"small\t{start}\t{start + 40}\n" for start in places))
    _write_manifest(small)
    for name, value in _configs().items():
        (small / name).write_text(yaml.safe_dump(value, sort_keys=False))
    return folder


def _configs() -> dict[str, dict]:
    shell = {"local_width": 16, "local_heads": 2, "width": 16, "kmers": [2, 3], "encoder_layers": 1}
    masked = {**shell, "objective": "masked", "window": 3}
    blocks = {"layers": 1, "state": 8, "heads": 2, "block": 4, "hidden": 16}
    often = {"checkpoint_minutes": 0.02, "evaluate_every": 100}
    return {
        "tiny.yaml": {"family": "hyena_glt", "shell": shell, "backbone": {"layers": 1, "hidden": 16}},
        "raw.yaml": {"family": "gryphon", "shell": masked, "backbone": blocks},
        "pretrain.yaml": {"steps": 300, "batch_size": 4, "window": 256, **often},
        "finetune.yaml": {"steps": 20, "batch_size": 16, **often},
        "task.yaml": {"name": "at", "kind": "regression", "source": "table", "label_column": "label"},
        "config.yaml": {
            "results": RESULTS,
            "manifest": "small/manifest.tsv",
            "device": "cpu",
            "threads": 1,
            "genome": "genome.fa.gz",
            "train_regions": [f"small:1-{TRAINED}"],
            "test_regions": [f"small:{TRAINED + 1}-{BASES}"],
            "patches": {"entropy": {"mode": "entropy", "mean": 6, "order": 6}},
            "models": {
                "tiny": {"model": "small/tiny.yaml", "patches": "entropy", "train": "small/pretrain.yaml"},
                "raw": {"model": "small/raw.yaml"},
            },
            "seeds": [1],
            "tasks": {
                "at": {
                    **{"task": "small/task.yaml", "train": "small/finetune.yaml"},
                    **{"data": "at.tsv", "split": "at.split.tsv", "models": ["tiny", "raw"]},
                }
            },
            "assays": {"measured": {"table": "measured.tsv", "label": "y", "contig": "where", "keep": {"kind": "snv"}}},
            "backgrounds": {"random": {"per_class": 2, "width": 256}},
            "shard_size": 10,
            "scores": {
                "every": {"genome": "genome.fa.gz", "model": "tiny", "saturate": "small:65001-65010"},
                "listed": {"model": "raw", "task": "at", "variants": "measured"},
                "parted": {
                    **{"model": "tiny", "variants": "some.vcf.gz", "records": 15},
                    **{"background": "random", "width": 256},
                },
            },
            "interpret": {
                "locus": {"model": "tiny", "interval": "small:65001-65020:-"},
                "set": {"model": "tiny", "regions": "set.bed", "width": 40},
            },
        },
    }


def _sequence() -> str:
    with gzip.open(GENOME, "rt") as file:
        file.readline()
        return "".join(line.strip() for line in file)[500_000 : 500_000 + BASES]


def _write_task(folder: Path, sequence: str) -> None:
    """Write a task: the share of A and T of 60 bases."""
    words = [sequence[start : start + 60] for start in range(0, 24_000, 60)]
    with open(folder / "at.tsv", "w") as file:
        file.write("sequence\tlabel\n")
        file.writelines(f"{word}\t{(word.count('A') + word.count('T')) / len(word):.4f}\n" for word in words)
    with open(folder / "at.split.tsv", "w") as file:
        file.write("sequence_sha256\tsplit\n")
        for number, word in enumerate(words):
            split = ("test", "validation", "train", "train", "train")[number % 5]
            file.write(f"{hashlib.sha256(word.encode()).hexdigest()[:16]}\t{split}\n")


def _write_variants(folder: Path, sequence: str) -> None:
    """Write a VCF of one substitution each thousand bases of the held-out part, and the same as a table."""
    lines = [
        "##fileformat=VCFv4.2",
        f"##contig=<ID=small,length={BASES}>",
        "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO",
    ]
    for position in range(TRAINED + 1000, BASES, 1000):
        base = sequence[position - 1]
        lines.append(f"small\t{position}\t.\t{base}\t{'ACGT'['CGTA'.index(base)]}\t.\tPASS\t.")
    _write_gzip(folder / "some.vcf.gz", "\n".join(lines) + "\n")
    rows = [line.split("\t") for line in lines[3:]]
    with open(folder / "measured.tsv", "w") as file:
        file.write("where\tpos\tref\talt\ty\tkind\n")
        file.writelines(f"{r[0]}\t{r[1]}\t{r[3]}\t{r[4]}\t0.5\tsnv\n" for r in rows)


def _write_manifest(folder: Path) -> None:
    kinds = {"genome.fa.gz": "genome", "at.tsv": "assay", "at.split.tsv": "assay", "some.vcf.gz": "variants"}
    kinds |= {"set.bed": "annotation", "measured.tsv": "assay"}
    columns = ("name", "kind", "assembly", "url", "bytes", "sha256", "checksum_url", "licence", "citation", "bundled")
    with open(folder / "manifest.tsv", "w", newline="") as file:
        table = csv.DictWriter(file, columns, delimiter="\t", lineterminator="\n", restval="")
        table.writeheader()
        for name, kind in kinds.items():
            content = (folder / name).read_bytes()
            row = {"name": name, "kind": kind, "assembly": "cut", "bundled": name, "bytes": len(content)}
            row |= {"sha256": hashlib.sha256(content).hexdigest(), "licence": "public domain", "citation": "a test"}
            table.writerow(row)


def _write_gzip(path: Path, text: str) -> None:
    path.write_bytes(gzip.compress(text.encode(), mtime=0))
