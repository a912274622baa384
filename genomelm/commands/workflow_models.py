"""Faults of a workflow's patchings and models: what they are made from, and how they are trained."""

import dataclasses
from pathlib import Path

from genomelm.commands.workflow_config import WorkflowConfig
from genomelm.commands.workflow_files import unknown
from genomelm.commands.workflow_parts import ModelUse, PatchConfig
from genomelm.patching.parameters import limits_fault

WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
"""Either of these is in a trained model's folder; the second names the files of large weights."""


def model_faults(config: WorkflowConfig) -> list[str]:
    """Return the faults, a line each."""
    found = []
    for name, patching in config.patches.items():
        found += [f"patches.{name}{fault}" for fault in _patching_faults(config, name, patching)]
    if not config.models:
        found.append("models: at least one is needed")
    for name, use in config.models.items():
        found += [f"models.{name}{fault}" for fault in _faults(config, name, use)]
    return found


def _patching_faults(config: WorkflowConfig, name: str, patching: PatchConfig) -> list[str]:
    found = []
    if patching.mode == "byte" and patching.mean != 1:
        found.append(f".mean: mode byte has patches of 1 base, not {patching.mean:g}")
    if patching.mode == "fixed_stride" and patching.mean != int(patching.mean):
        found.append(f".mean: mode fixed_stride needs whole bases, not {patching.mean:g}")
    if fault := limits_fault(patching.mode, patching.min, patching.max, patching.multiple):
        found.append(f": {fault}")
    if patching.fitted is not None:
        other = config.patches.get(patching.fitted)
        if other is None:
            found.append(f".fitted: {unknown(patching.fitted, config.patches)}")
        elif patching.fitted == name or other.fitted is not None:
            found.append(f".fitted: '{patching.fitted}' is not fitted itself; name one that is")
        own = {field.name for field in dataclasses.fields(patching)} - {"fitted", "genome"}
        own -= {"train_regions", "test_regions"}
        if odd := [key for key in sorted(own) if getattr(patching, key) != getattr(PatchConfig(), key)]:
            found.append(f".{odd[0]}: '{patching.fitted}' is applied as it is; drop it")
    return found


def _faults(config: WorkflowConfig, name: str, use: ModelUse) -> list[str]:
    if (use.model is None) == (use.folder is None):
        return [": give either model (a file) or folder (a trained model)"]
    training = ("patches", "train", "data", "long_window")
    if use.given:
        if odd := [key for key in training if getattr(use, key) is not None]:
            return [f".{odd[0]}: the model of a folder is trained already; drop it"]
        has = {file: Path(use.folder, file).is_file() for file in ("config.json", *WEIGHTS)}
        absent = [] if has["config.json"] else ["config.json"]
        absent += [] if any(has[file] for file in WEIGHTS) else [WEIGHTS[0]]
        return [f".folder: {use.folder} holds no {' and no '.join(absent)}: is it a model's folder?"] if absent else []
    found = []
    if (use.patches is None) != (use.train is None):
        found.append(
            ": patches and train go together; give both to pretrain it on the genome, "
            "neither to train it from scratch on its tasks"
        )
    if use.patches is not None and use.patches not in config.patches:
        found.append(f".patches: {unknown(use.patches, config.patches)}")
    if use.train is None and use.patches is None:
        for key in ("long_window", "data"):
            if getattr(use, key) is not None:
                found.append(f".{key}: this model is not pretrained; drop {key}")
        if not config.of_model("tasks", name):
            found.append(": no task names it, and without patches and train nothing else trains it")
    return found
