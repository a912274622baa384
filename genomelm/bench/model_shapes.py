"""What `genomelm bench model` compares: a model at several lengths, and what stands beside it."""

from collections.abc import Sequence

from genomelm.bench.model_speed import Shape
from genomelm.models.families import GenomeConfig, HyenaDNAConfig

PARTS = ("lengths", "positions", "bytes", "peer", "scaling")
"""lengths: the model itself; positions: without them; bytes: every base a patch; peer: HyenaDNA of the same width;
scaling: dense attention, Hyena, and Hyena with merging, over bytes."""

SCALING_BATCH = 4
SCALING = (1024, 4096, 16384, 65536)
NO_POSITIONS = {"rotary": False, "distance": False, "length": False, "phase": False}
MERGED = {"where": "span", "mean": 2.0, "min": 2, "max": 2}
"""Merged rows of two: fresh weights would merge anyhow."""


def shapes(
    config: GenomeConfig, parts: Sequence[str], lengths: Sequence[int], bases: int, mean_patch: int
) -> list[Shape]:
    """Return what is measured, part by part.

    Args:
        config: of a Hyena-GLT.
        parts: of PARTS.
        lengths: bases of the windows, of all parts but scaling.
        bases: of a step; as many windows as hold so many, at least one.
        mean_patch: bases of a patch.
    """
    found = {
        "lengths": lambda length: ("model", config, mean_patch),
        "positions": lambda length: ("without positions", changed(config, positions=NO_POSITIONS), mean_patch),
        "bytes": lambda length: ("every base a patch", config, 1),
        "peer": lambda length: ("HyenaDNA", hyenadna(config, length), 1),
    }
    rows = []
    for part in (part for part in PARTS[:-1] if part in parts):
        for length in lengths:
            name, model, patch = found[part](length)
            rows.append(Shape(part, name, model, max(1, bases // length), length, patch))
    if "scaling" in parts:
        operators = {
            "dense attention": changed(config, backbone={"layout": "A", "long": "implicit", "window": 0}),
            "Hyena": config,
            "Hyena, merged by 2": changed(config, merge=MERGED),
        }
        rows += [
            Shape("scaling", name, model, SCALING_BATCH, length, 1)
            for name, model in operators.items()
            for length in SCALING
        ]
    return rows


def ratios(rows: Sequence[dict]) -> dict:
    """Return what the parts are for: the model's time and memory over those of what it is compared with.

    Returns:
        By work (training, forward): "positions" and "bytes", "peer": by length the model's median time and peak memory
        over the other's; "scaling": by operator, each length's time over that at the shortest.
    """
    timed = [row for row in rows if "median_s" in row]
    found: dict = {}
    for work in ("training", "forward"):
        here = [row for row in timed if row["name"] == work]
        model = {row["length"]: row for row in here if row["part"] == "lengths"}
        ours = found.setdefault(work, {})
        for row in here:
            if row["part"] in ("positions", "bytes", "peer") and row["length"] in model:
                mine = model[row["length"]]
                memory = mine["peak_bytes"] / row["peak_bytes"] if row["peak_bytes"] else None
                ratio = {"time": mine["median_s"] / row["median_s"], "memory": memory}
                ours.setdefault(row["part"], {})[str(row["length"])] = ratio
            if row["part"] == "scaling":
                first = next(r for r in here if r["part"] == "scaling" and r["model"] == row["model"])
                by_length = ours.setdefault("scaling", {}).setdefault(row["model"], {})
                by_length[str(row["length"])] = row["median_s"] / first["median_s"]
    return found


def changed(config: GenomeConfig, **sections: dict) -> GenomeConfig:
    """Return the config with keys of its sections set."""
    names = [name for name in config.sections() if name != "head"]
    return type(config)(**{name: {**getattr(config, name), **sections.get(name, {})} for name in names})


def hyenadna(config: GenomeConfig, length: int) -> HyenaDNAConfig:
    """Return HyenaDNA in its published form, as wide and deep as the model's backbone, for windows of a length."""
    width = config.shell["width"]
    longest = length + 2  # BOS and the published end token
    backbone = {"layers": config.backbone["layers"], "hidden": 4 * width, "longest": longest}
    return HyenaDNAConfig(shell={"local_width": width}, backbone=backbone)
