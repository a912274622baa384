"""A folder of attributions of many regions, as `genomelm attribute` leaves it, made from planted toy motifs."""

import json
from pathlib import Path

import numpy as np
from example_run import PROVENANCE, dump

MOTIFS = {"TATAAT": 0, "TTGACA": 20, "AATTGTGAGC": 40}
FLANK = 3
CHECKS = {
    "brute_force": {"largest_difference": 2.4e-7, "compared": 480},
    "completeness": {"median_relative_error": 0.0011, "largest_relative_error": 0.0074, "steps": 256},
    "ig_ism": {"median_spearman": 0.83},
    "strand": {"median_pearson": 0.97, "lowest_pearson": 0.91, "equivariant": False, "n": 32},
    "random_weights": {"median_spearman": 0.04, "draws": [0.04, -0.02, 0.06], "n": 32},
    "shuffled_labels": {"median_spearman": 0.09, "draws": [0.09], "n": 32},
    "seeds": {"models": 3, "median_correlation": 0.71, "lowest_correlation": 0.64},
    "known_sites": {
        **{"loci": 12, "inside_over_outside": 4.2, "low": 3.6, "high": 4.9, "p": 0.0001, "smallest_p": 0.0001},
        "auprc": 0.95,
    },
    "truth": {"motifs": [{"name": name, "pearson": 0.94 + 0.01 * i} for i, name in enumerate(MOTIFS)]},
    "motif_null": {"found": 3, "patterns": 2, "null_patterns": 0.4, "p": 0.004, "runs": 19, "shuffled": False},
    "signal": {
        **{"distinguishable": True, "p": 0.0004, "statistic": 1.83, "n": 32},
        "against": "a dinucleotide shuffle of each region",
        "arms": [{"name": "peak", "statistic": 1.83, "null": {"random_weights/0": 0.11}, "p": 0.0004}],
    },
}


def write_attribution(
    folder: Path, *, regions: int = 12, length: int = 80, variants: int = 9, seed: int = 0, changes: dict | None = None
) -> Path:
    """Write every file of an attribution set.

    Args:
        changes: check -> what it says instead of CHECKS; None takes it out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    letters = rng.integers(4, size=(regions, length))
    width = length // 2 - 30
    sites = []
    for i in range(regions):
        for name, offset in MOTIFS.items():
            start = width + offset
            letters[i, start : start + len(name)] = ["ACGT".index(letter) for letter in name]
            sites.append((f"r{i + 1:04}", start, start + len(name), name))
    one_hot = np.eye(4, dtype=np.float32)[letters]
    importance = rng.normal(0, 0.03, size=(regions, length))
    for region, start, end, _ in sites:
        importance[int(region[1:]) - 1, start:end] += rng.uniform(0.5, 1.0)
    ism = effects(importance, one_hot, rng)
    gradient = (one_hot * (importance + rng.normal(0, 0.05, size=importance.shape))[..., None]).astype(np.float32)
    np.savez(
        folder / "attributions.npz",
        one_hot=one_hot,
        ism=ism,
        gradient_x_input=gradient,
        integrated_gradients=gradient * 0.9,
        ism_models=np.stack([ism, ism, ism]),
        deletion=-importance.astype(np.float32),
    )
    starts = rng.random((regions, length)) < 0.15
    starts[:, 0] = True
    np.savez(
        folder / "tracks.npz",
        entropy=rng.uniform(0.4, 1.39, size=(regions, length)).astype(np.float32),
        patch_starts=starts,
        attention_1=rng.random((regions, length)).astype(np.float32),
        attention_3=rng.random((regions, length)).astype(np.float32),
    )
    ids = [f"r{i + 1:04}" for i in range(regions)]
    table(
        folder / "regions.tsv",
        ("id", "contig", "start", "end", "strand", "name"),
        [(id, "chr1", 5000 * i, 5000 * i + length, "+-"[i % 2], f"promoter{i}") for i, id in enumerate(ids)],
    )
    columns = ("region", "start", "end", "name", "sequence", "mean_importance", "over_outside", "window_percentile")
    known = [(region, a, b, f"site {name}", name, 0.71, 8.5, 97.3) for region, a, b, name in sites]
    table(folder / "known_sites.tsv", columns, known)
    hits = [(region, a, b, "+", motif_name(name), 9.7, 2.4e-5, 0.61, 3.2) for region, a, b, name in sites[::2]]
    columns = ("region", "start", "end", "strand", "motif", "score", "p", "contribution", "concentration")
    table(folder / "hits.tsv", columns, hits)
    seqlets = [(region, a - FLANK, b + FLANK, 1, 4.2, 0.001, motif_name(name)) for region, a, b, name in sites]
    table(folder / "seqlets.tsv", ("region", "start", "end", "sign", "attribution", "p", "motif"), seqlets)
    write_motifs(folder, regions, rng)
    write_variants(folder, variants, length, rng)
    write_filters(folder, rng)
    settings = {"attribution": {"integration_steps": 256}, "checks": {"orders": 4}, "motifs": {"hit_p": 0.0001}}
    dump(folder / "params.json", {"settings": settings, "provenance": PROVENANCE})
    write_summary(folder, regions, length, changes)
    return folder


def effects(importance: np.ndarray, one_hot: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return ISM (..., l, 4) whose support is about `importance` (..., l)."""
    drawn = -importance[..., None] * rng.uniform(0.7, 1.3, size=(*importance.shape, 4))
    return (drawn * (1 - one_hot)).astype(np.float32)


def motif_name(site: str) -> str:
    return f"motif_{list(MOTIFS).index(site) + 1}"


def write_motifs(folder: Path, regions: int, rng: np.random.Generator) -> None:
    matrices, rows, matches, marginal = {}, [], [], []
    for i, name in enumerate(MOTIFS, 1):
        ppm = np.full((len(name) + 2 * FLANK, 4), 0.25)
        ppm[FLANK:-FLANK] = 0.05
        ppm[np.arange(FLANK, FLANK + len(name)), ["ACGT".index(letter) for letter in name]] = 0.85
        matrices |= {f"ppm_{i}": ppm, f"cwm_{i}": (ppm - 0.25) * rng.uniform(0.5, 1)}
        rows.append((f"motif_{i}", "+", name, regions, 0.01, 2, "no" if i == 3 else "yes"))
        matches.append((f"motif_{i}", f"MA000{i}.1 {name}", 1e-6, 1e-4, 0.31 if i == 1 else 1e-4, FLANK, "+"))
        marginal.append((f"motif_{i}", 50, 0.8 - 0.1 * i, 0.7, 0.9, 1e-6))
    np.savez(folder / "motifs.npz", **matrices)
    table(folder / "motifs.tsv", ("motif", "sign", "consensus", "sites", "null_p", "shuffled_sites", "real"), rows)
    table(folder / "matches.tsv", ("motif", "target", "p", "e", "q", "offset", "strand"), matches)
    table(folder / "marginal.tsv", ("motif", "backgrounds", "effect", "low", "high", "p"), marginal)
    (folder / "motifs.meme").write_text("MEME version 4\n")


def write_filters(folder: Path, rng: np.random.Generator) -> None:
    lags = [0, 1, 2, 4, 9, 30]
    taps = {side: rng.normal(size=(4, len(lags))).tolist() for side in ("behind", "ahead")}
    poles = {"radius": [0.99, 0.7], "angle": [0.3, -2.0], "half_life": [68.0, 2.0]}
    operators = [
        {
            "name": "backbone.0.hyena",
            "kind": "hyena",
            "form": "modal",
            "lags": lags,
            "channels": [0, 1],
            "taps": [taps],
        },
        {"name": "backbone.1.s5", "kind": "s5", "poles": poles, "lags": lags, "kernel": taps["behind"]},
        {"name": "backbone.2.attention", "kind": "bigbird", "block": 64, "blocks": 3, "reads": [[[0], [0, 1], [1, 2]]]},
        {"name": "motif", "kind": "motif", "filters": {letter: rng.normal(size=(2, 7)).tolist() for letter in "ACGT"}},
    ]
    dump(folder / "filters.json", {"note": "Learned filters, not an attribution.", "operators": operators})


def write_variants(folder: Path, count: int, length: int, rng: np.random.Generator) -> None:
    letters = rng.integers(4, size=(count, length))
    changed = letters.copy()
    middle = length // 2
    changed[:, middle] = (letters[:, middle] + 1 + rng.integers(3, size=count)) % 4
    ref, alt = (np.eye(4, dtype=np.float32)[drawn] for drawn in (letters, changed))
    importance = rng.normal(0, 0.2, size=(count, length))
    np.savez(
        folder / "variants.npz",
        ref_one_hot=ref,
        alt_one_hot=alt,
        ref_ism=effects(importance, ref, rng),
        alt_ism=effects(importance + rng.normal(0, 0.1, size=importance.shape), alt, rng),
        offset=np.full(count, middle),
        ref_length=np.ones(count, dtype=int),
        alt_length=np.ones(count, dtype=int),
    )
    rows: list[tuple] = []
    for i in range(count):
        alleles = "ACGT"[letters[i, middle]], "ACGT"[changed[i, middle]]
        found = "motif_2+" if i % 3 == 0 else ".", "motif_1+,motif_3-" if i % 4 == 0 else "."
        rows.append((f"v{i + 1:04}", "chr1", 100 + 7 * i, *alleles, f"{rng.normal(0, 0.5):.5g}", "OK", *found))
    rows.insert(1, (".", "chr1", 9, "A", "<DEL>", "", "SYMBOLIC", "", ""))
    table(folder / "variants.tsv", ("id", "contig", "pos", "ref", "alt", "score", "status", "gained", "lost"), rows)


def write_summary(folder: Path, regions: int, length: int, changes: dict | None = None) -> None:
    rng = np.random.default_rng(1)
    positions = list(range(0, 81, 8))
    share = np.array(positions) / 80
    ordered, drawn = {}, {}
    for kind, fast, slow in (("deletion", (1 - share) ** 3, 1 - share), ("insertion", 1 - (1 - share) ** 3, share)):
        curves = {"ordered": fast.tolist(), "random": slow.tolist(), "gc_matched": (0.9 * slow).tolist()}
        ordered[kind] = {"p": 1e-5, "effect_size": 1.4, "n": 32, "mean_difference": 0.2, "p_gc": 0.0003, **curves}
        ordered[kind]["positions"] = positions
    real, shuffled = rng.normal(1.2, 0.3, 32), rng.normal(0.1, 0.2, 320)
    drawn["shuffled_sequence"] = {
        **{"real_mean": float(real.mean()), "shuffled_mean": float(shuffled.mean()), "p": 1e-6, "n": 32},
        **{"real": real.tolist(), "shuffled": shuffled.tolist()},
    }
    truth = {"truth": CHECKS["truth"] | {"lowest_pearson": 0.94}}
    checks = CHECKS | truth | ordered | drawn | (changes or {})
    summary = {
        "kind": "regions",
        "regions": regions,
        "length": length,
        "unit": "expression",
        "score_of": "lac",
        "models": ["seed1", "seed2", "seed3"],
        "checks": {name: entry for name, entry in checks.items() if entry is not None},
        "methods": {"ism": {}, "attention": {"reason": "not run: the backbone has no attention operator"}},
        "motifs": {"method": "built-in", "seqlets": {"positive": 3 * regions, "negative": 0}, "found": 3},
        "provenance": PROVENANCE,
    }
    (folder / "summary.json").write_text(json.dumps(summary))


def table(path: Path, columns: tuple[str, ...], rows: list[tuple]) -> None:
    lines = ["\t".join(columns), *("\t".join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n")
