"""Folders of training runs as commands leave them, with numbers that are made up."""

import json
import math
from pathlib import Path

LAYERS = ("shell.bytes", "shell.encoder.0", "shell.backbone.blocks.0", "shell.backbone.blocks.1", "head.out")
SPACES = ("shell.backbone.blocks.0.mixer.ssm", "shell.backbone.blocks.1.mixer.ssm")


def reading(number: int, every: int = 50, poles: bool = True, unit: str = "bits", held_out: str = "test_bits") -> dict:
    """Return the reading `number`, from 1, of a run that is read every so many steps."""
    fading = math.exp(-number / 20)
    wave = 0.01 * math.sin(7.0 * number)
    row = {
        "step": every * number,
        "bases": 4096 * every * number,
        "lr": 0.003 * fading,
        "gradient_norm": (12.0 if number == 7 else 0.5) + fading + wave,
        "gradient_alarms": 3 if number == 7 else 0,
        "skipped": 1 if number == 4 else 0,
        "gradient_norms": {layer: 0.02 * (i + 1) * (fading + 0.05) + wave / 100 for i, layer in enumerate(LAYERS)},
        held_out: 1.9 + 0.1 * fading + wave / 10,
        f"train_{unit}": 1.88 + 0.15 * fading + wave,
        "bytes_per_second": 30000.0 + 1000 * wave,
        "waited": 0.01 + abs(wave) / 2,
        "saving": 0.004,
        "memory": 900_000_000 + 1000 * number,
        "seconds": round(6.5 * number, 2),
        "resumes": 1 if number > 9 else 0,
    }
    if poles:
        row["state_norm"] = 0.3 + fading / 10
        row["poles"] = {
            space: {
                "pole_radius": 0.991 + i / 500 + wave / 100,
                "shortest_step": 0.006 / (i + 1),
                "longest_step": 0.09 * (i + 1),
                "largest_turn": 2.5 + i / 10 + wave,
            }
            for i, space in enumerate(SPACES)
        }
    return row


def write_training(folder: Path, readings: int = 12, finished: bool = True, metrics: dict | None = None, **of) -> Path:
    """Write a run's log and metrics.json, or only the log of one under way, beside `folder`; return `folder`."""
    write_rows(folder, [reading(number, **of) for number in range(1, readings + 1)], finished)
    if finished:
        facts = {"family": "gryphon", "objective": "causal", "parameters": 876164}
        made = {"seed": 1, "device": "cpu", "dtype": "float32", "genomelm": "0.1.0", "command": "genomelm pretrain"}
        (folder / "metrics.json").write_text(json.dumps({**facts, **(metrics or {}), "provenance": made}))
    return folder


def write_rows(folder: Path, rows: list[dict], finished: bool = True) -> Path:
    """Write a log; return its path."""
    place = folder if finished else folder.with_name(f"{folder.name}.state")
    place.mkdir(parents=True, exist_ok=True)
    (place / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return place / "log.jsonl"
