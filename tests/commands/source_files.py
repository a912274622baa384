"""Small files of every source of tasks, and the arguments of the commands that read them."""

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
from training_files import ON_CPU, SHELL, run

from genomelm.settings import to_mapping
from genomelm.tasks.config import TaskConfig
from genomelm.tasks.split_config import SplitConfig

LENGTH = 6000
PLACE = SplitConfig(test=("b",), validation=("c:1-3000",))
HASH = SplitConfig(by="sequence", test_share=0.3, validation_share=0.2)
GROUPS = SplitConfig(by="group", column="fam", test=("f0", "f1"), validation=("f2",))
FEATURES = {"CDS": "coding", "tRNA": "rna"}
CLASSES, TOKENS = "sequence_classification", "token_classification"
MADE = {
    "pairs": ("variant_effect", {"alt_column": "alt", "label_column": "y", "split": HASH}),
    "types": (CLASSES, {"label_column": "type", "classes": ("at", "gc", "mixed"), "split": HASH}),
    "two": ("regression", {"label_columns": ("y", "z"), "split": HASH, "two_strands": True}),
    "records": ("regression", {"source": "fasta", "split": GROUPS}),
    "marks": (CLASSES, {"source": "bed", "label_columns": ("7", "8"), "window": 40}),
    "places": (CLASSES, {"source": "bed", "label_column": "name", "classes": ("no", "yes")}),
    "classes": (CLASSES, {"source": "gff_classes", "features": FEATURES, "background": "none", "window": 40}),
    "bases": (TOKENS, {"source": "gff_classes", "features": FEATURES, "background": "none", "window": 60}),
    "mean": ("regression", {"source": "bigwig", "window": 50}),
    "track": ("regression", {"source": "bigwig", "per_base": True, "window": 60, "two_strands": True}),
    "alleles": ("variant_effect", {"source": "vcf", "label_column": "EFF", "window": 40, "two_strands": True}),
}
TASKS = {name: TaskConfig(name, kind, token_step=9, **{"split": PLACE, **more}) for name, (kind, more) in MADE.items()}
GENOMIC = ("marks", "places", "classes", "bases", "mean", "track", "alleles")
FILES = {"pairs": "pairs.tsv", "types": "pairs.tsv", "two": "data.parquet", "records": "r.fa", "marks": "x.bed",
         "places": "x.bed", "classes": "g.gff", "bases": "g.gff", "mean": "t.bedGraph", "track": "t.bedGraph",
         "alleles": "v.vcf"}  # fmt: skip


def write_sources(folder: Path) -> Path:
    """Write a genome of three contigs, small files of every source, and the files of a small run."""
    random = np.random.default_rng(5)
    texts = {name: "".join(random.choice(list("ACGT"), LENGTH)) for name in "abc"}
    (folder / "g.fa").write_text("".join(f">{name}\n{text}\n" for name, text in texts.items()))
    refs = ["".join(random.choice(list("ACGT"), 30)) for _ in range(60)]
    alts = [text[:9] + random.choice(list("ACGT")) + text[10:] for text in refs]
    table = pd.DataFrame(
        {
            "sequence": refs,
            "alt": alts,
            "y": [a.count("G") - r.count("G") + i / 99 for i, (r, a) in enumerate(zip(refs, alts, strict=True))],
        }
    )
    table["type"] = [("at", "gc", "mixed")[i % 3] for i in range(60)]
    table["z"] = [100.0 * text.count("A") for text in refs]
    table.to_csv(folder / "pairs.tsv", sep="\t", index=False)
    table.to_parquet(folder / "data.parquet")
    (folder / "r.fa").write_text(
        "".join(f">r{i} label={i / 7:.3f} fam=f{i % 9}\n{text}\n" for i, text in enumerate(refs))
    )
    with (folder / "x.bed").open("w") as bed, (folder / "v.vcf").open("w") as vcf, (folder / "g.gff").open("w") as gff:
        vcf.write("##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n")
        for name, text in texts.items():
            for number, at in enumerate(range(100, LENGTH - 100, 100)):
                bed.write(
                    f"{name}\t{at}\t{at + 30}\t{('no', 'yes')[number % 2]}\t0\t+\t{number % 2}\t{number // 2 % 2}\n"
                )
                ref = text[at]
                vcf.write(f"{name}\t{at + 1}\t.\t{ref}\t{'ACGT'['ACGT'.index(ref) - 1]}\t.\t.\tEFF={number / 9:.4f}\n")
            for number, at in enumerate(range(0, LENGTH, 300)):
                gff.write(f"{name}\tx\t{('CDS', 'tRNA')[number % 2]}\t{at + 1}\t{at + 150}\t.\t+\t.\tID={name}{at}\n")
    runs = [f"{name}\t{at}\t{at + 10}\t{random.normal():.3f}\n" for name in texts for at in range(0, LENGTH, 10)]
    (folder / "t.bedGraph").write_text("".join(runs))
    (folder / "m.yaml").write_text(f"family: hyena_glt\nshell: {{{SHELL}}}\nbackbone: {{layers: 1, hidden: 16}}\n")
    (folder / "train.yaml").write_text("steps: 6\nbatch_size: 4\nevaluate_every: 3\n")
    for name, task in TASKS.items():
        (folder / f"{name}.yaml").write_text(json.dumps({k: v for k, v in to_mapping(task).items() if v is not None}))
    return folder


def given(site: Path, name: str) -> list:
    genome = ["--genome", site / "g.fa"] if name in GENOMIC else []
    return ["--task", site / f"{name}.yaml", "--data", site / FILES[name], *genome]


def finetuned(site: Path, out: Path, *arguments, train: str = "train.yaml") -> dict:
    start = ("--model", site / "m.yaml", "--train", site / train)
    code, said = run("finetune", *start, *arguments, "-o", out, *ON_CPU)
    assert code == 0, said
    return json.loads((out / "metrics.json").read_text())


def read(path: Path) -> list[dict[str, str]]:
    with path.open() as stream:
        return list(csv.DictReader(stream, delimiter="\t"))
