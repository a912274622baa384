"""Speed of generation: letters from a state against a whole pass over all letters for each, and at growing prompts."""

import dataclasses
import itertools
import statistics
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from genomelm.bench.budget_cell import device_facts
from genomelm.bench.model_speed import new_model
from genomelm.models.families import GenomeConfig
from genomelm.models.generation import Reader, Rereading, draw_letters, read_prompt, reader_of, uniform_numbers
from genomelm.models.model import GenomeModel
from genomelm.models.sampling import Sampling
from genomelm.patching.follow import Follower
from genomelm.patching.patcher import Patcher
from genomelm.runtime import exact_float32
from genomelm.seq.alphabet import ALPHABETS

WARM = 16
"""Letters that are drawn before those that count."""


@dataclass(frozen=True)
class Plan:
    """What is measured of each model.

    Attributes:
        against: letters of the prompt behind which streaming is compared with recomputation; 0: not compared.
        prompts: letters of the prompts behind which a letter's time is compared with that behind the shortest.
        rows: sequences that are continued side by side, each a comparison.
        letters: drawn in each timing, the mean of which is a letter's time.
        checked: letters that are drawn both ways and compared.
        repeats: timings, of which the median counts.
    """

    against: int
    prompts: Sequence[int]
    rows: Sequence[int]
    letters: int
    checked: int
    repeats: int


def variants(name: str, config: GenomeConfig) -> list[tuple[str, GenomeConfig]]:
    """Return a model, and where its state grows the variant of its family whose state does not."""
    found, backbone = [(name, config)], config.backbone
    fixed = {
        "genomelm_hyena_glt": ("modal", {"long": "modal"}, "L" in backbone.get("layout", "")),
        "genomelm_gryphon": ("S5 alone", {"bigbird_blocks_per_layer": 0}, backbone.get("bigbird_blocks_per_layer")),
    }
    words, changes, grows = fixed.get(config.model_type, ("", {}, False))
    if grows and any(backbone[key] != value for key, value in changes.items()):
        sections = {part: getattr(config, part) for part in config.sections() if part != "head"}
        sections["backbone"] = {**backbone, **changes}
        found.append((f"{name}, {words}", type(config)(**sections)))
    return found


def measure_all(
    models: Iterable[tuple[str, GenomeConfig]], patcher: Patcher, plan: Plan, device: torch.device
) -> Iterator[dict]:
    """Yield the rows of each model: its comparisons with recomputation, then its prompts."""
    for name, config in models:
        model = new_model(config).to(device).eval()
        model.patcher = patcher
        parameters = sum(parameter.numel() for parameter in model.parameters())
        facts = {"model": name, "parameters": parameters, **device_facts(device, "float32")}
        with torch.inference_mode(), exact_float32():
            for rows in plan.rows if plan.against else ():
                yield {**facts, "part": "recomputation", **compare(model, plan, rows)}
            if _streams(model):
                found = [lengthened(model, plan, length) for length in plan.prompts]
                for row in found:
                    yield {**facts, "part": "prompt", **row, "ratio": row["letter_s"] / found[0]["letter_s"]}


def compare(model: GenomeModel, plan: Plan, rows: int) -> dict:
    """Time a letter of several sequences from a state, and one by a pass over all letters; compare what is drawn.

    Returns:
        whole_s: seconds of one pass over `against` letters of each sequence, which is what a letter then costs.
        letter_s: seconds of one streamed letter of each sequence, drawing included.
        ratio: the former over the latter.
        letters_per_s, recomputed_letters_per_s: of all sequences together.
        checked, equal: letters drawn both ways behind a short prompt, and whether they are the same.
        largest_difference: of their logits, nats.
        streamed: False where the model has no state to go on from; the times are then those of passes.
    """
    streamed, one = _streams(model), Rereading(model)
    read_prompt(model, random_letters(model, plan.against), one, Sampling())
    passes = one.repeat(rows)
    whole = _timed(passes.logits, plan.repeats, model.device)
    facts = {"rows": rows, "length": plan.against, "streamed": streamed, "whole_s": whole}
    facts |= _checked(model, plan, rows) if streamed else {"checked": 0}
    letter = lengthened(model, plan, plan.against, rows)["letter_s"] if streamed else whole
    speeds = {"letters_per_s": rows / letter, "recomputed_letters_per_s": rows / whole}
    return {**facts, "letter_s": letter, "ratio": whole / letter, **speeds}


def lengthened(model: GenomeModel, plan: Plan, length: int, rows: int = 1) -> dict:
    """Return the median seconds of a streamed letter behind a prompt of some length, and the bytes of the state."""
    stream = reader_of(model)
    follower, _ = read_prompt(model, random_letters(model, length), stream, Sampling())
    seconds = []
    for _ in range(plan.repeats):
        reader = stream.repeat(rows)
        letters = _letters(model, reader, follower, rows, WARM + plan.letters)
        for _ in itertools.islice(letters, WARM):
            pass
        begin = time.perf_counter()
        for _ in letters:
            pass
        seconds.append((time.perf_counter() - begin) / plan.letters)
    state = reader.nbytes // rows
    facts = {"rows": rows, "length": length, "constant_state": stream.constant_state, "state_bytes": state}
    return {**facts, "letter_s": statistics.median(seconds), "range_s": [min(seconds), max(seconds)]}


def random_letters(model: GenomeModel, length: int) -> np.ndarray:
    """Return ids (length,) of random letters of the model's alphabet."""
    return np.random.default_rng(0).choice(ALPHABETS[model.alphabet].ids, length).astype(np.int64)


def _streams(model: GenomeModel) -> bool:
    return not isinstance(reader_of(model), Rereading)


def _checked(model: GenomeModel, plan: Plan, rows: int) -> dict:
    """Draw letters both ways, and compare letters and logits."""
    found, seen = [], []
    for reader in (reader_of(model), Rereading(model)):
        follower, _ = read_prompt(model, random_letters(model, plan.against // 10), reader, Sampling())
        noted = _Noted(reader.repeat(rows))
        found.append(np.stack(list(_letters(model, noted, follower, rows, plan.checked))))
        seen.append(torch.stack(noted.seen))
    return {
        "checked": found[0].size,
        "equal": bool(np.array_equal(*found)),
        "largest_difference": float((seen[0] - seen[1]).abs().max()),
    }


def _letters(model: GenomeModel, reader: Reader, follower: Follower, rows: int, count: int) -> Iterator[np.ndarray]:
    uniform = np.stack([uniform_numbers(count, 0, 0, row) for row in range(rows)])
    return draw_letters(model, reader, [follower.fork() for _ in range(rows)], [], uniform, Sampling())


def _timed(work, repeats: int, device: torch.device) -> float:
    """Return the median seconds of some calls, after one that is not counted."""
    seconds = []
    for _ in range(repeats + 1):
        begin = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds[1:])


@dataclasses.dataclass
class _Noted:
    """A reader whose logits are kept."""

    reader: Reader
    seen: list[torch.Tensor] = dataclasses.field(default_factory=list)

    def take(self, ids: np.ndarray, marks: np.ndarray) -> None:
        self.reader.take(ids, marks)

    def logits(self) -> torch.Tensor:
        self.seen.append(self.reader.logits())
        return self.seen[-1]


def table(rows: Sequence[dict]) -> str:
    """Return rows as a table in Markdown."""
    text = [
        "| model | parameters | sequences | letters before | state | a letter, ms | a pass, ms | ratio |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        state = f"{row['state_bytes'] / 2**20:.2f} MiB" if "state_bytes" in row else ""
        whole = f"{row['whole_s'] * 1e3:.1f}" if "whole_s" in row else ""
        cells = [row["model"], f"{row['parameters'] / 1e6:.2f} M", str(row["rows"]), f"{row['length']:,}", state]
        text.append("| " + " | ".join([*cells, f"{row['letter_s'] * 1e3:.3f}", whole, f"{row['ratio']:.2f}"]) + " |")
    return "\n".join(text)
