"""The section of the language model: held-out bits, ablations, one long window, as plain JSON."""

from genomelm.report.inputs import Part, Results
from genomelm.report.language_checks import unit
from genomelm.report.values import finite, interval_row

FACTS = ("reference", "regions", "patching", "device", "dtype")


def language_model(results: Results) -> dict:
    """Return what the page shows of the language model; "planned" is False where none was trained here."""
    part = results.language_model
    others = []
    if not results.masked:  # what predicts from the left alone is no yardstick for a masked model
        others = [
            interval_row("count model", part, "count_model"),
            interval_row(
                str(part.optional("published", "name") or "published compressor"), part, "published", note="published"
            ),
        ]
    rows = [interval_row("this model", part, "bits_per_base"), *others, interval_row("uniform bases", part, "uniform")]
    facts = part.mapping("provenance")
    return {
        "planned": not results.no_language_model,
        "missing": "" if results.no_language_model else part.reason,
        "objective": None if results.no_language_model else "masked" if results.masked else "causal",
        "unit": unit(results),
        **parameters(results.pretraining),
        "bases": finite(part.optional("bases")),
        "rows": [row for row in rows if row],
        "difference": None if results.masked else interval_row("this model minus count model", part, "difference"),
        "ablations": [ablation(name, row) for name, row in part.mapping("ablations").items() if isinstance(row, dict)],
        "long": long_window(part),
        "held_out": {key: facts[key] for key in FACTS if key in facts},
    }


def parameters(part: Part) -> dict:
    """Return the number of parameters, with the k-mer tables and without them."""
    total, tables = finite(part.optional("parameters")), finite(part.optional("kmer_table_parameters"))
    return {
        "parameters": total,
        "parameters_without_tables": None if total is None or tables is None else total - tables,
    }


def ablation(name: str, row: dict) -> dict:
    """Return {"name", "value", "delta", "low", "high"}: bits with the part taken out, and what that adds."""
    return {"name": name, **{key: finite(row.get(key)) for key in ("value", "delta", "low", "high")}}


def long_window(part: Part) -> dict | None:
    """Return the measurement of one long window, or None when there is none."""
    found = part.mapping("long")
    if not found:
        return None
    return {
        **{key: finite(found.get(key)) for key in ("window", "windows", "patches", "blocks", "sparsity")},
        "bits": interval_row("this model", part, "long", "bits_per_base"),
        "ablations": [
            ablation(name, row) for name, row in found.items() if name.startswith("without_") and isinstance(row, dict)
        ],
    }
