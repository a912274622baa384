"""Several models side by side: causal, masked, and trained from scratch on tasks alone."""

import shutil
from pathlib import Path

from example_run import PROVENANCE, dump, interval, shared, write_run, write_task

from genomelm.report import build

TRAINED = {"parameters": 731204, "kmer_table_parameters": 248000, "steps": 600, "bases": 4915200}
TRAINED |= {"seconds": 144.0, "kbases_per_second": 34.13, "provenance": PROVENANCE}


def cost(delta: float, half: float, bits: float = 1.9102) -> dict:
    """What an ablation adds, with an interval of +- half."""
    return {"value": bits + delta, "delta": delta, "low": delta - half, "high": delta + half}


LONG = {"window": 8192, "patches": 1027, "blocks": 17, "sparsity": 0.627, "bits_per_base": interval(1.9077, 0.0052)}
LONG |= {"windows": 56, "without_s5": cost(0.0199, 0.0021, 1.9077)}
LONG |= {"without_bigbird": cost(0.0041, 0.0012, 1.9077)}


def write_gryphon(results: Path) -> Path:
    """A causal gryphon with its long window, no variants and no loci."""
    root = results / "models/gryphon"
    facts = {"family": "gryphon", "objective": "causal"}
    shutil.copytree(results / "models/hyena_glt/pretrain", root / "pretrain")
    dump(root / "pretrain/metrics.json", facts | TRAINED)
    language = facts | {"bases": 464165, "bits_per_base": interval(1.9102, 0.0022), "uniform": 2.0}
    language |= {"count_model": interval(1.9467, 0.0018), "difference": interval(-0.0365, 0.0031)}
    language |= {"published": {"name": "GeCo3 level 12, adaptive", "value": 1.875}, "long": LONG}
    language["ablations"] = {
        "backbone_mean": cost(0.0301, 0.0022),
        "random_boundaries": cost(0.0072, 0.0011),
        "without_s5": cost(0.0213, 0.0019),
        "without_bigbird": cost(0.0034, 0.0009),
    }
    dump(root / "evaluate/language_model.json", language | {"provenance": PROVENANCE})
    write_task(root, "coding", "sequence_classification", 0.929, 0.912)
    write_task(root, "lac", "regression", 0.652, 0.573)
    write_task(root, "genes", "token_classification", 0.871, 0.702)
    return root


def write_masked(results: Path) -> Path:
    """A masked gryphon on fixed strides."""
    root = results / "models/masked"
    facts = {"family": "gryphon", "objective": "masked"}
    dump(results / "patch/stride/summary.json", {"config": {"mode": "fixed_stride"}, "provenance": PROVENANCE})
    shutil.copytree(results / "models/hyena_glt/pretrain", root / "pretrain")
    dump(root / "pretrain/metrics.json", facts | TRAINED)
    language = facts | {"bases": 464165, "bits_per_base": interval(1.8911, 0.0024), "uniform": 2.0}
    language["ablations"] = {
        "backbone_mean": cost(0.0402, 0.0025, 1.8911),
        "without_s5": cost(0.0188, 0.0017, 1.8911),
        "without_bigbird": cost(0.0002, 0.0007, 1.8911),
    }
    dump(root / "evaluate/language_model.json", language | {"long": LONG, "provenance": PROVENANCE})
    write_task(root, "coding", "sequence_classification", 0.941, 0.912)
    return root


def write_scratch(results: Path, name: str, task: str, kind: str, alphabet: str) -> Path:
    """A model trained on one task from random weights."""
    root = results / "models" / name
    write_task(root, task, kind, 0.58, 0.41, alphabet)
    return root


def write_models(results: Path) -> list[Path]:
    """Write five models with their reports; return their folders."""
    models = [write_run(results), write_gryphon(results), write_masked(results)]
    models.append(write_scratch(results, "rna", "codon_degradation", "regression", "rna"))
    models.append(write_scratch(results, "protein", "gb1", "variant_effect", "protein"))
    for model in models:
        write_report(model)
    return models


def write_report(model: Path) -> dict:
    """Write a model's report where the comparison looks for it."""
    options = shared(model)
    if not (model / "pretrain").exists():
        options["patch_summary"] = None
    elif model.name == "masked":
        options["patch_summary"] = options["patch_summary"].parents[1] / "stride/summary.json"
    return build.write(model, model / "report/report.html", **options)
