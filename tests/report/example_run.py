"""The results of one model as a finished run leaves them, made from toy scores."""

import json
from pathlib import Path

import numpy as np

from genomelm.interpret import ism, locus, results
from genomelm.interpret.sites import Site

LAC = "AATTAATGTGAGTTAGCTCACTCATTAGGCACCCCAGGCTTTACACTTTATGCTTCCGGCTCGTATGTTGTGTGG"
SITES = [Site("CRP", 3, 25, LAC[3:25]), Site("-35", 39, 45, "TTTACA"), Site("-10", 63, 69, "TATGTT")]
WRONG_SITES = [Site("CRP", 26, 38, LAC[26:38]), Site("-35", 46, 52, LAC[46:52]), Site("-10", 54, 60, LAC[54:60])]
PROVENANCE = {"genomelm": "0.1.0", "date": "2026-01-02T03:04:05+00:00", "command": "genomelm toy <in>", "seed": 7}


def dump(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def edit(path: Path, *keys: str, value: object) -> None:
    """Set what stands under `keys` of a JSON file."""
    content = json.loads(path.read_text())
    inner = content
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    dump(path, content)


def toy_model(seed: int, signal: float = 1.0) -> locus.LocusModel:
    """A model that reads the three elements (signal 1) or only noise (signal 0)."""
    table = np.random.default_rng(seed).normal(scale=0.04 if signal else 0.5, size=(len(LAC), 4))
    for site in SITES:
        table[site.start : site.end] += 0.4 * signal * ism.one_hot(site.sequence)
    score = lambda x: float(np.tanh((x * table).sum() / 20))
    pairs = lambda r, a: (score(ism.one_hot(r)), np.array([score(ism.one_hot(s)) for s in a]))
    gradient = lambda x: table / 20 * (1 - np.tanh((x * table).sum() / 20) ** 2)
    return locus.LocusModel(f"seed{seed}", pairs, gradient, score)


def write_locus(root: Path, sites: list[Site] = SITES, signal: float = 1.0, name: str = "lac") -> None:
    models = [toy_model(seed, signal) for seed in (1, 2, 3)]
    controls = {"random_weights": [toy_model(9, 0).predict_pairs]}
    settings = locus.LocusSettings(faithfulness_seeds=10, integration_steps=32, shuffles=30)
    arrays, summary = locus.explain(LAC, models, sites, controls=controls, settings=settings)
    facts = {"name": name, "interval": "NC_000913.3:366344-366418:-", "sequence": LAC, "unit": "expression"}
    results.write(
        root / "interpret" / name,
        arrays,
        summary | {"provenance": PROVENANCE},
        locus=facts,
        sites=sites,
        patch_starts=[0, 7, 12, 22, 30, 33, 44, 52, 60, 70],
        entropy=list(np.random.default_rng(0).random(len(LAC)) * 1.39),
        params={"settings": {"seed": 0}},
    )


def interval(value: float, half: float) -> dict:
    return {"value": value, "low": value - half, "high": value + half}


def shared(model: Path) -> dict:
    """The options that name what lies beside a model's folder."""
    results = model.parents[1]
    return {
        "patch_summary": results / "patch/entropy/summary.json",
        "data": results / "data",
        "benchmarks": results / "benchmarks" / model.name,
    }


def write_run(results: Path, name: str = "hyena_glt") -> Path:
    """Write a model of every kind of result and what lies beside it; return the model's folder."""
    rng = np.random.default_rng(1)
    root = results / "models" / name
    dump(
        results / "patch/entropy/summary.json",
        {
            "config": {"mode": "entropy"},
            "training": {"mean": 8.011, "wanted_mean": 8.0, "bases": 4177487},
            "fingerprint": "ab12",
            "provenance": PROVENANCE,
        },
    )
    facts = {"name": "toy.fa.gz", "file": "toy.fa.gz", "bytes": 12, "sha256": "0" * 64, "licence": "MIT"}
    facts |= {"citation": "Toy 2020", "url": "https://example.org/toy.fa.gz", "notes": "", "provenance": PROVENANCE}
    dump(results / "data/toy.fa.gz.provenance.json", facts)
    log = []
    for step in range(0, 2000, 10):
        row = {
            "step": step,
            "bases": step * 16384,
            "train_bits": 1.9 + 0.12 * np.exp(-step / 300) + rng.normal(0, 0.003),
        }
        log.append(
            row
            | {"seconds": step * 0.2, "lr": 1e-3}
            | ({"test_bits": row["train_bits"] + 0.01} if step % 200 == 0 else {})
        )
    (root / "pretrain").mkdir(parents=True)
    (root / "pretrain/log.jsonl").write_text("\n".join(map(json.dumps, log)) + '\n{"step": 20')
    trained = {"family": "hyena_glt", "objective": "causal", "parameters": 412345, "kmer_table_parameters": 248000}
    trained |= {"steps": 1990, "bases": 32604160, "seconds": 398.0, "kbases_per_second": 81.23}
    dump(root / "pretrain/metrics.json", trained | {"provenance": PROVENANCE})
    dump(
        root / "evaluate/language_model.json",
        {
            "family": "hyena_glt",
            "objective": "causal",
            "bases": 464165,
            "bits_per_base": interval(1.9134, 0.0021),
            "count_model": interval(1.9467, 0.0018),
            "uniform": 2.0,
            "published": {"name": "GeCo3 level 12, adaptive", "value": 1.875},
            "ablations": {
                "backbone_mean": {"value": 1.9501, "delta": 0.0367, "low": 0.0331, "high": 0.0402},
                "random_boundaries": {"value": 1.9222, "delta": 0.0088, "low": 0.0071, "high": 0.0106},
                "without_hyena": {"value": 1.9309, "delta": 0.0175, "low": 0.0152, "high": 0.0199},
            },
            "provenance": PROVENANCE,
        },
    )
    write_task(root, "coding", "sequence_classification", 0.934, 0.912)
    write_task(root, "lac", "regression", 0.641, 0.573)
    for scored, contig, n in (("lac", "NC_000913.3", 225), ("human", "z", 1500)):
        write_scores(root, scored, contig, rng.normal(0, 0.4, n) - 0.2)
    timed = results / "benchmarks" / name
    timed.mkdir(parents=True)
    (timed / "pretrain.tsv").write_text("s\th:m:s\tmax_rss\n183.42\t0:03:03\t1410.55\n")
    write_locus(root)
    return root


def write_task(root: Path, name: str, kind: str, value: float, kmer: float, alphabet: str = "dna") -> None:
    dump(
        root / f"evaluate/{name}.json",
        {
            "task": name,
            "kind": kind,
            "alphabet": alphabet,
            "metric": "auroc" if kind.endswith("classification") else "pearson",
            "target": {"text": "at least the k-mer model (1-6)", "value": kmer},
            "model": interval(value, 0.008) | {"seeds": [value - 0.004, value + 0.001, value + 0.003]},
            "baselines": {"kmer_1_6": interval(kmer, 0.009), "gc_content": interval(kmer - 0.3, 0.011)},
            "difference": {"baseline": "kmer_1_6"} | interval(value - kmer, 0.006),
            "n_train": 32460,
            "n_test": 8123,
            "provenance": PROVENANCE,
        },
    )
    dump(root / f"finetune/{name}/seed1/model/config.json", {"model_type": "genomelm_hyena_glt"})


def write_scores(root: Path, name: str, contig: str, scores: np.ndarray, **changes: object) -> None:
    folder = root / "score"
    folder.mkdir(exist_ok=True)
    with open(folder / f"{name}.tsv", "w") as stream:
        stream.write("contig\tpos\tid\tref\talt\tstatus\tscore\n")
        for i, score in enumerate(scores):
            stream.write(f"{contig}\t{1000 + i}\trs{i}\tA\t{'CGT'[i % 3]}\tOK\t{score:.6g}\n")
        stream.write(f"{contig}\t9\t.\tA\t<DEL>\tSYMBOLIC\t.\n")
    summary = {
        "records_in": len(scores) + 1,
        "records_out": len(scores) + 1,
        "dropped": 0,
        "on_ref_mismatch": "flag",
        "alleles": len(scores) + 1,
        "scored": len(scores),
        "statuses": {"OK": len(scores), "SYMBOLIC": 1},
        "sites": {},
        "seconds": 4.5,
        "rate": len(scores) / 4.5,
        "warnings": [],
        "provenance": PROVENANCE,
    }
    dump(folder / f"{name}.summary.json", summary | changes)
