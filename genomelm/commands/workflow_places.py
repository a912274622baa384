"""Faults of the intervals, paths and data names in a workflow's config."""

import re
from pathlib import Path

from genomelm.commands.workflow_config import WorkflowConfig, is_path
from genomelm.data.manifest import Manifest
from genomelm.errors import GenomelmError, InputError
from genomelm.seq.interval import Interval

# Rules hand these texts to a shell: nothing that a shell would act on may be in them.
REGION = re.compile(r"[0-9A-Za-z_][0-9A-Za-z_.*-]*:[1-9][0-9,]*-[1-9][0-9,]*(:[+-])?")
PATH = re.compile(r"[0-9A-Za-z_./][0-9A-Za-z_./+=-]*")


def region_faults(config: WorkflowConfig) -> list[str]:
    """Return faults of intervals; training and held-out ones must be there and share no base."""
    found, texts = [], []
    pretrained = {use.patches for use in config.models.values() if use.pretrained} & set(config.patches)
    owners = {"": config} | {f"patches.{name}.": use for name, use in config.patches.items()}
    for owner, use in owners.items():
        for key in ("train_regions", "test_regions"):
            texts += [(f"{owner}{key}.{i}", text) for i, text in enumerate(getattr(use, key))]
    for part, of in (("train_regions", config.train_of), ("test_regions", config.test_of)):
        lacking = [name for name in config.patches if name in pretrained and not of(name)]
        keys = [f"patches.{name}.{part}" if config.patches[name].genome else part for name in lacking]
        found += [f"{key}: at least one is needed" for key in dict.fromkeys(keys)]
    for name, score in config.scores.items():
        texts += [(f"scores.{name}.saturate", score.saturate), (f"scores.{name}.window", score.window)]
    texts += [(f"interpret.{name}.interval", entry.interval) for name, entry in config.interpret.items()]
    intervals = {}
    for key, text in texts:
        if text is None:
            continue
        try:
            intervals[key] = Interval.parse(text)
        except InputError as error:
            found.append(f"{key}: {error}")
            continue
        if not REGION.fullmatch(text) or not len(intervals[key]):
            found.append(f"{key}: '{text}' is not an interval like chr1:101-200 or chr1:101-200:-")
    for train, trained in intervals.items():
        owner, part, _ = train.rpartition("train_regions")
        for test, tested in intervals.items():
            if part and test.startswith(f"{owner}test_regions") and tested.overlaps(trained):
                found.append(f"{test}: held-out {tested} shares bases with {train} {trained}")
    return found


def genome_faults(config: WorkflowConfig) -> list[str]:
    """Return the entries that need a genome and have none."""
    parts = ("patches", "assays", "backgrounds", "scores", "interpret")
    uses = [(f"{part}.{name}", use) for part in parts for name, use in getattr(config, part).items()]
    return [
        f"{key}.genome: it needs a genome; name it here or in genome"
        for key, use in uses
        if config.genome_of(use) is None
    ]


def path_faults(config: WorkflowConfig) -> list[str]:
    """Return faults of paths as such, and of data files that are named by a path and are not there."""
    named = {**config.files(), "results": config.results, "manifest": config.manifest}
    named |= {f"models.{name}.folder": use.folder for name, use in config.models.items() if use.given}
    own = {key: name for key, name, _ in config.data_uses() if is_path(name)}
    plain = "letters, digits and . _ + = - / only"
    found = [f"{key}: '{path}' must be of {plain}" for key, path in (named | own).items() if not PATH.fullmatch(path)]
    return found + [f"{key}: {path} does not exist" for key, path in own.items() if not Path(path).is_file()]


def data_faults(config: WorkflowConfig, manifest: Manifest) -> list[str]:
    """Return faults of manifest names and of the kinds of their rows."""
    found = []
    for key, name, kind in config.data_uses():
        if is_path(name):
            continue
        if name in config.assays and not key.startswith("assays."):
            allowed = key.endswith(".variants") or (key.startswith("tasks.") and key.endswith(".data"))
            found += [] if allowed else [f"{key}: '{name}' is an assay, which is variants; name another file"]
            continue
        try:
            row = manifest.row(name)
        except GenomelmError as error:
            found.append(f"{key}: {error}; a file of your own is named by its path, such as ./{name}")
            continue
        if kind is not None and row.kind != kind:
            found.append(f"{key}: '{name}' is of kind {row.kind}, but {kind} is needed")
    return found
