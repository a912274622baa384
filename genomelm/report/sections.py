"""From the files read to the sections of the report: plain JSON, the only thing that the page is drawn from."""

import heapq
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from genomelm import files
from genomelm.report.inputs import Part, Results, read_table
from genomelm.report.model_checks import status_counts
from genomelm.report.values import finite, interval_row

HIDDEN = ("provenance", "$schema", "contigs", "lengths")


def provenance(results: Results) -> list[dict]:
    """Return one row a file that says what made it."""
    parts = [*results.data, results.patching, results.pretraining, results.language_model]
    parts += [*results.tasks.values(), *results.scores.values(), *results.loci.values(), *results.sets.values()]
    return facts_of(parts)


def facts_of(parts: Sequence[Part]) -> list[dict]:
    """Return one row a file that carries its provenance."""
    rows = []
    for part in parts:
        facts = part.mapping("provenance")
        if facts:
            known = {key: facts.get(key) for key in ("genomelm", "date", "command")}
            rows.append({"file": part.path, **known, "facts": {k: v for k, v in facts.items() if k not in known}})
    return rows


def data(results: Results) -> list[dict]:
    """Return one row a data file: what it is, its digest, licence, citation and address."""
    keys = ("name", "bytes", "sha256", "licence", "citation", "url", "notes")
    return [
        {"file": part.path.removesuffix(".provenance.json")} | {k: part.optional(k) for k in keys}
        for part in results.data
    ]


def tasks(results: Results) -> list[dict]:
    """Return one entry a fine-tuned task: the model, its seeds and the baselines."""
    found = []
    for name, part in results.tasks.items():
        rows = [interval_row("this model", part, "model")]
        rows += [interval_row(baseline, part, "baselines", baseline) for baseline in part.mapping("baselines")]
        seeds = part.optional("model", "seeds")
        found.append(
            {
                "name": name,
                "missing": part.reason,
                "kind": part.optional("kind"),
                "alphabet": part.optional("alphabet"),
                "metric": part.optional("metric"),
                "target": part.mapping("target"),
                "rows": [row for row in rows if row],
                "seeds": [finite(value) for value in seeds] if isinstance(seeds, list) else [],
                "difference": interval_row(
                    f"this model minus {part.optional('difference', 'baseline')}", part, "difference"
                ),
                "n_train": finite(part.optional("n_train")),
                "n_test": finite(part.optional("n_test")),
            }
        )
    return found


def training(results: Results, points: int = 400) -> dict:
    """Return the training curve, thinned to about `points` readings, and the numbers of pretrain/metrics.json."""
    columns = ("step", "bases", "train_bits", "test_bits", "seconds", "lr")
    rows = [{key: finite(row.get(key)) for key in columns} for row in results.log]
    every = max(1, len(rows) // points)
    kept = [row for i, row in enumerate(rows) if i % every == 0 or row["test_bits"] is not None or i == len(rows) - 1]
    return {"curve": kept, "readings": len(rows), "metrics": flat_numbers(results.pretraining.data or {})}


def patching(results: Results) -> dict:
    """Return the numbers of the patch summary; none is missed where no language model was asked for."""
    return {
        "missing": "" if results.no_language_model else results.patching.reason,
        "metrics": flat_numbers(results.patching.data or {}),
    }


def flat_numbers(value: dict, prefix: str = "") -> dict[str, float | str]:
    """Return nested numbers and short texts as one level, keys joined by dots; provenance is left out."""
    found: dict[str, float | str] = {}
    for key, item in value.items():
        if key in HIDDEN:
            continue
        if isinstance(item, dict):
            found |= flat_numbers(item, f"{prefix}{key}.")
        elif finite(item) is not None or (isinstance(item, str) and len(item) <= 120):
            found[f"{prefix}{key}"] = item
    return found


def variants(results: Results, top: int) -> list[dict]:
    """Return one entry a scored file, or an output of one: status counts, distribution and `top` largest |scores|."""
    found = []
    for name, part in results.scores.items():
        counts = status_counts(part)
        path = results.root / "score" / f"{name}.tsv"
        outputs = [tag for tag in part.optional("outputs") or [] if isinstance(tag, str)]
        for column in outputs or ["score"]:
            distribution, rows = read_scores(path, top, column) if path.is_file() else (None, [])
            found.append(
                {
                    "name": f"{name}: {column}" if outputs else name,
                    "missing": part.reason or ("" if path.is_file() else f"score/{name}.tsv is missing"),
                    "statuses": counts,
                    "metrics": flat_numbers({k: v for k, v in (part.data or {}).items() if k != "statuses"}),
                    "warnings": [w for w in part.optional("warnings") or [] if isinstance(w, str)],
                    "distribution": distribution,
                    "top": rows,
                }
            )
    return found


def read_scores(path: Path, top: int, column: str = "score", bins: int = 40) -> tuple[dict | None, list[dict]]:
    """Read a column of a score table once.

    Returns:
        ({"n", "mean", "sd", "low", "high", "edges", "counts"}, top rows by |score|); low and high are the central
        95 %, and the histogram spans the central 99.8 %, its end bins holding what lies beyond.
    """
    scores: list[float] = []
    best: list[tuple[float, int, dict]] = []
    for number, row in enumerate(read_table(path)):
        try:
            score = float(row.get(column) or "nan")
        except ValueError:
            continue
        if not math.isfinite(score):
            continue
        scores.append(score)
        if len(best) < top or abs(score) > best[0][0]:
            kept = {key: row.get(key) or "" for key in ("contig", "pos", "ref", "alt", "status")}
            item = (abs(score), -number, kept | {"score": score})
            heapq.heappush(best, item) if len(best) < top else heapq.heapreplace(best, item)
    rows = [row for _, _, row in sorted(best, key=lambda item: (-item[0], -item[1]))]
    if not scores:
        return None, rows
    values = np.array(scores)
    low, high = np.quantile(values, (0.001, 0.999))
    if low == high:
        low, high = low - 0.5, high + 0.5
    counts, edges = np.histogram(np.clip(values, low, high), bins=bins, range=(low, high))
    return {
        "n": len(values),
        "mean": float(values.mean()),
        "sd": float(values.std()),
        "low": float(np.quantile(values, 0.025)),
        "high": float(np.quantile(values, 0.975)),
        "edges": [float(f"{edge:.6g}") for edge in edges],
        "counts": counts.tolist(),
    }, rows


def timings(results: Results) -> list[dict]:
    """Return one row a rule from Snakemake's benchmark files: seconds and peak memory in MB."""
    rows = []
    folder = results.benchmarks
    for path in sorted(folder.glob("**/*.tsv")) if folder else ():
        for row in read_table(path):
            try:
                seconds, memory = float(row["s"]), float(row.get("max_rss") or "nan")
            except (KeyError, ValueError, TypeError):
                continue
            name = str(path.relative_to(folder).with_suffix(""))
            rows.append({"step": name, "seconds": finite(seconds), "max_rss_mb": finite(memory)})
    return rows


def file_list(root: Path, skip: Sequence[Path] = ()) -> list[dict]:
    """Return every result file with its size and SHA-256; logs, hidden files, run states and `skip` are left out."""
    left_out = {path.resolve() for path in skip}
    rows = []
    for path in sorted(root.rglob("*")):
        relative = path.relative_to(root)
        unfinished = any(part.startswith(".") or part.endswith((".state", ".parts")) for part in relative.parts)
        unfinished = unfinished or relative.parts[0] in ("logs", "benchmarks")  # they grow while this runs
        if path.is_file() and not unfinished and path.resolve() not in left_out:
            rows.append({"file": str(relative), "bytes": path.stat().st_size, "sha256": files.sha256(path)})
    return rows
