"""What the transformer and its classic form showed, in Markdown: speed, memory, depth, perplexity."""

from collections.abc import Sequence

from genomelm.bench.markdown import between, gibibytes, table

FASTER = 1.9
"""Times as fast forward as the classic form that the transformer should be, at least."""
SAVED = 0.3
"""Share of the training memory that gradient checkpointing should save, at least."""
LOWER = 0.05
"""Share by which its perplexity should be below the classic form's, at least."""


def control_text(found: dict) -> list[str]:
    """Return the blocks that the results allow: a table of speeds, and a sentence a question."""
    speeds = {(row["model"], row["size"]): _speeds(row) for row in found["speed"]}
    lengths = list(dict.fromkeys(row["size"] for row in found["speed"]))
    blocks = [speed_table(speeds, lengths)] if lengths else []
    said = [speed_sentence(speeds, lengths), memory_sentence(speeds, lengths), depth_sentence(found["depth"])]
    said.append(perplexity_sentence(found["control"], found.get("control_difference")))
    return [*blocks, " ".join(sentence for sentence in said if sentence)]


def speed_table(speeds: dict, lengths: Sequence[int]) -> str:
    """Return a line a window and model: forward and training speed, memory with and without checkpointing."""
    lines = [["window", "model", "forward Mb/s", "training Mb/s", "GiB", "checkpointing Mb/s", "checkpointing GiB"]]
    for length in lengths:
        for model in ("transformer", "classic"):
            if (model, length) in speeds:
                ways = [speeds[model, length].get(way) for way in (("forward", False), ("training", False))]
                saved = speeds[model, length].get(("training", True))
                cells = [_rate(ways[0]), _rate(ways[1]), _memory(ways[1]), _rate(saved), _memory(saved)]
                lines.append([f"{length:,}", model, *cells])
    return table(lines)


def speed_sentence(speeds: dict, lengths: Sequence[int]) -> str:
    """Say how many times as fast as the classic form the transformer runs forward."""
    ratios = []
    for length in lengths:
        pair = [speeds.get((model, length), {}).get(("forward", False)) for model in ("transformer", "classic")]
        if all(pair):
            ratios.append(pair[0]["positions_per_s"] / pair[1]["positions_per_s"])
    if not ratios:
        return ""
    reached = _reached(ratios, FASTER)
    return (
        f"Forward the transformer is {between(ratios, '.2f')} times as fast as its classic form; {FASTER} times was "
        f"wanted, {reached}."
    )


def memory_sentence(speeds: dict, lengths: Sequence[int]) -> str:
    """Say what checkpointing saves of the transformer's training memory, and how much the classic form needs."""
    saved, more = [], []
    for length in lengths:
        ours, theirs = (speeds.get((model, length), {}) for model in ("transformer", "classic"))
        plain, kept, other = (
            ours.get(("training", False)),
            ours.get(("training", True)),
            theirs.get(("training", False)),
        )
        if plain and kept and plain["peak_bytes"]:
            saved.append(1 - kept["peak_bytes"] / plain["peak_bytes"])
        if plain and other and plain["peak_bytes"]:
            more.append(other["peak_bytes"] / plain["peak_bytes"])
    if not saved:
        return ""
    sentence = (
        f"Gradient checkpointing takes off {between(saved, '.0%')} of its training memory; {SAVED:.0%} was wanted, "
        f"{_reached(saved, SAVED)}."
    )
    return sentence + (f" The classic form needs {between(more, '.2f')} times its memory." if more else "")


def depth_sentence(rows: Sequence[dict]) -> str:
    """Say how the deep ones trained: the loss's way, and what the blocks are worth."""
    said = []
    for row in rows:
        pairs = row["first_and_last"]
        if any(None in pair for pair in pairs):
            said.append(f"the {row['model']} one's loss is not finite")
            continue
        way = f"{pairs[0][0]:.3f} to {pairs[0][1]:.3f} bits" + ("" if row["falls"] else ", which does not fall")
        worth = row["worth"]
        if worth is None:
            said.append(f"the {row['model']} one goes from {way}, and its held-out loss is not finite")
            continue
        use = "are worth" if worth["low"] > 0 else "are worth nothing that shows:"
        said.append(
            f"the {row['model']} one goes from {way} ({row['value']:.4f} held out), and its blocks {use} "
            f"{worth['value']:.4f} bits ({worth['low']:.4f} to {worth['high']:.4f})"
        )
    return f"{rows[0]['layers']} layers after {rows[0]['steps']} steps: {'; '.join(said)}." if said else ""


def perplexity_sentence(rows: Sequence[dict], difference: dict | None) -> str:
    """Say how far the transformer's held-out perplexity is below the classic form's after equal steps."""
    if difference is None:
        return ""
    bits = {row["model"]: row["value"] for row in rows}
    low, value, high = (1 - 2.0 ** difference[key] for key in ("high", "value", "low"))
    return (
        f"After {rows[0]['steps']} steps of both the transformer has {bits['transformer']:.4f} bits per base and its "
        f"classic form {bits['classic']:.4f}: a perplexity {value:.2%} lower ({low:.2%} to {high:.2%}); {LOWER:.0%} "
        f"was wanted, {_reached([value], LOWER)}."
    )


def _reached(values: Sequence[float], goal: float) -> str:
    met = sum(value >= goal for value in values)
    if met == len(values):
        return "and is reached"
    return "and is not reached" if not met else f"and is reached at {met} of {len(values)} lengths"


def _speeds(row: dict) -> dict[tuple[str, bool], dict]:
    return {(each["name"], each["checkpointing"]): each for each in row["speeds"] if "name" in each}


def _rate(speed: dict | None) -> str:
    return "did not fit" if speed is None else f"{speed['positions_per_s'] / 1e6:.2f}"


def _memory(speed: dict | None) -> str:
    return "" if speed is None else gibibytes(speed["peak_bytes"])
