"""The comparison in Markdown: tables, and sentences that say where the first model is ahead and where it is not."""

from collections.abc import Iterable, Sequence

from genomelm.bench.compare_controls import control_text
from genomelm.bench.markdown import gibibytes
from genomelm.bench.markdown import table as markdown

BEGIN, END = "<!-- compare: begin -->", "<!-- compare: end -->"

CHANCE = {"recall": 0.25, "enhancer": 0.5}
"""Part -> what guessing gives."""

TASKS = {
    "language": ("bits per base", "windows of {length:,} bases", -1),
    "recall": (
        f"share of the values' bases recalled (chance {CHANCE['recall']})",
        "{length:,} bases, patches of {mean}",
        1,
    ),
    "enhancer": (f"AUROC of promoters' labels (chance {CHANCE['enhancer']})", "{length:,} bases", 1),
}
"""Part -> its figure, how a line is called, and the sign of what is better."""


def text(found: dict) -> str:
    """Return sizes, a table a part with its sentence, the list of what the first model does not win, the controls."""
    blocks = [sizes_text(found["models"])]
    for part in TASKS:
        if found[part]:
            blocks += [table(part, found[part]), sentences(part, found[part], found["first"])]
    blocks.append(summary(found))
    if found["speed"]:
        blocks.append(speed_table(found["speed"]))
    blocks += control_text(found["control"])
    if found["missing"]:
        blocks.append(f"Not run: {'; '.join(found['missing'])}.")
    return "\n\n".join(block for block in blocks if block)


def sizes_text(models: Sequence[dict]) -> str:
    """Return a sentence of the models' parameters."""
    own = [
        f"{model['name']} {model['parameters'] - model['tables']:,}"
        + (f" and {model['tables']:,} of k-mer tables" if model["tables"] else "")
        for model in models
    ]
    return f"Parameters: {'; '.join(own)}."


def table(part: str, rows: Sequence[dict]) -> str:
    """Return a part's table: a line a length, a column a model."""
    figure, line, _ = TASKS[part]
    names = list(dict.fromkeys(row["model"] for row in rows))
    lines = [[figure, *names]]
    for group in groups(rows):
        by_model = {row["model"]: row for row in group}
        lines.append([line.format(**group[0]), *(_figure(by_model.get(name)) for name in names)])
    ends = {row["model"]: row for row in rows}
    lines.append(["MFLOP a base, last line", *(f"{ends[name]['flops_per_base'] / 1e6:.1f}" for name in names)])
    lines.append(["steps, last line", *(f"{ends[name]['steps']:,}" for name in names)])
    return markdown(lines)


def sentences(part: str, rows: Sequence[dict], first: str) -> str:
    """Return a sentence a line of a table: which models the first one is ahead of, behind, and level with, by how much.

    Differences are the other model's figure less the first one's.
    """
    out = []
    for group in groups(rows):
        where = TASKS[part][1].format(**group[0])
        said = [
            f"{verdict} {', '.join(_against(row) for row in group if verdict_of(part, row) == verdict)}"
            for verdict in ("ahead of", "behind", "level with")
            if any(verdict_of(part, row) == verdict for row in group)
        ]
        if said:
            out.append(f"{where[0].upper() + where[1:]}: {first} is {'; '.join(said)}.")
        if blind := [row["model"] for row in group if at_chance(part, row)]:
            out.append(f"Their intervals reach down to chance there: {', '.join(blind)}.")
    return " ".join(out)


def summary(found: dict) -> str:
    """Return how many comparisons the first model wins, and by part and opponent where it does not.

    Comparisons of one seed are left out: their intervals do not hold what a second one would change.
    """
    won, total, single = 0, 0, 0
    lost: dict[tuple[str, str, str], list[str]] = {}
    for part, row in [(name, row) for name in TASKS for row in found[name]]:
        verdict = verdict_of(part, row)
        if verdict is not None and len(row["paired_seeds"]) == 1:
            single += 1
            continue
        total += verdict is not None
        won += verdict == "ahead of"
        if verdict in ("behind", "level with"):
            lost.setdefault((part, verdict, row["model"]), []).append(TASKS[part][1].format(**row))
    if not total:
        return ""
    said = [f"{part}: {verdict} {model} ({'; '.join(where)})" for (part, verdict, model), where in lost.items()]
    first = found["first"]
    return (
        f"{first} wins {won} of {total} comparisons, by 95 % intervals that leave out zero. "
        + (f"{single} more have one seed and are not counted. " if single else "")
        + (f"It does not win here: {'. '.join(said)}." if said else "")
    ).strip()


def verdict_of(part: str, row: dict) -> str | None:
    """Return how the first model stands to this row's; None where they were not compared."""
    if "less_first" not in row:
        return None
    sign = TASKS[part][2]
    low, high = sorted((sign * row["less_first"]["low"], sign * row["less_first"]["high"]))
    return "ahead of" if high < 0 else "behind" if low > 0 else "level with"


def at_chance(part: str, row: dict) -> bool:
    """Whether a row's interval reaches down to what guessing gives."""
    return part in CHANCE and row["low"] <= CHANCE[part]


def groups(rows: Iterable[dict]) -> list[list[dict]]:
    """Return rows of one length (and mean patch) together, in their order."""
    found: dict[tuple, list[dict]] = {}
    for row in rows:
        found.setdefault((row.get("mean"), row["length"]), []).append(row)
    return list(found.values())


def speed_table(rows: Sequence[dict]) -> str:
    """Return the table of speeds: bases a second in training and forward, and peak memory of training."""
    lines = [["window", "model", "training Mb/s", "forward Mb/s", "training GiB"]]
    for row in rows:
        speed = {each["name"]: each for each in row["speeds"] if "name" in each}
        cells = [
            f"{speed[work]['positions_per_s'] / 1e6:.2f}" if work in speed else "" for work in ("training", "forward")
        ]
        lines.append([f"{row['size']:,}", row["model"], *cells, gibibytes(speed.get("training", {}).get("peak_bytes"))])
    return markdown(lines)


def _figure(row: dict | None) -> str:
    if row is None:
        return ""
    spread = f"{row['spread'][0]:.4f} to {row['spread'][1]:.4f}" if len(row["seeds"]) > 1 else "one seed"
    return f"{row['value']:.4f} ({spread})"


def _against(row: dict) -> str:
    less = row["less_first"]
    single = ", one seed" if len(row["paired_seeds"]) == 1 else ""
    return f"{row['model']} ({less['value']:+.4f}, {less['low']:+.4f} to {less['high']:+.4f}{single})"
