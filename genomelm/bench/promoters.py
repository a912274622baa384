"""Promoters of a genome with known sites: is attribution concentrated in them, pooled over held-out loci?

Models learn to tell promoters from windows of the genome far from any, and from their own dinucleotide shuffles, so
that neither composition nor what all of the genome has in common is enough. The same maps are asked for of models with
random weights and of one that was trained on shuffled labels.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from genomelm.bench.fitted import fitted, fresh
from genomelm.errors import InputError, UsageError
from genomelm.interpret import known_sites, trust
from genomelm.interpret.ism import importance
from genomelm.interpret.known_sites import KnownSite, Located
from genomelm.interpret.locus_model import with_random_weights
from genomelm.interpret.null import counter_rng, dinucleotide_shuffle
from genomelm.interpret.region_model import RegionModel, region_model
from genomelm.interpret.regions import Region, Regions
from genomelm.interpret.sites import Site
from genomelm.models.model import GenomeModel
from genomelm.seq.alphabet import reverse_complement
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval, text_lines
from genomelm.settings import setting
from genomelm.tasks.config import TaskConfig
from genomelm.tasks.examples import Examples
from genomelm.training.config import TrainConfig

TASK = TaskConfig(name="promoter", kind="sequence_classification", label_column="label")
CONTIG = "genome"
BEFORE, LENGTH = 60, 81
"""Bases of a promoter before its start of transcription, and in all."""
FAR = 300
"""Bases around a start of transcription that no window of the genome begins in."""
BOXES = (("-35 box", -38, -28), ("-10 box", -14, -5))
"""Where sigma 70 binds: consensus hexamers at -35 to -30 and -12 to -7, and what their spacing moves them by."""


@dataclass(frozen=True)
class PromoterConfig:
    """A file of configs/bench for `genomelm bench promoters`."""

    promoters: str = setting(help="table of promoters, RegulonDB's columns, relative to the data folder")
    genome: str = setting(help="FASTA file of one contig, relative to the data folder")
    sites: str = setting(help="table of binding sites, RegulonDB's columns, relative to the data folder")
    model: str | None = setting(None, "model file (YAML), trained from scratch; none: one is given to start from")
    train: TrainConfig = setting(factory=TrainConfig, help="training file's settings")
    seeds: tuple[int, ...] = setting((1, 2, 3), "seeds of models")
    draws: int = setting(8, "models with random weights", minimum=1)
    windows: int = setting(2, "windows of the genome to tell a promoter from", minimum=0)
    shuffles: int = setting(2, "dinucleotide shuffles of a promoter to tell it from", minimum=1)
    held_out: float = setting(0.3, "share of the genome, its end, whose promoters are explained", minimum=0.05)
    explained: int = setting(400, "most held-out promoters explained, those with a binding site first", minimum=8)
    permutations: int = setting(9999, "draws of shifted sites", minimum=99)
    checked: int = setting(64, "most regions that the checks on trust are run on", minimum=8)
    null_checked: int = setting(32, "most of these that null models are run on", minimum=8)


@dataclass(frozen=True)
class Promoter:
    """A promoter: its start of transcription from 1, its strand, and 81 bases along it, the 61st the start."""

    name: str
    start: int
    strand: str
    sequence: str


def read_promoters(path: Path) -> list[Promoter]:
    """Read RegulonDB's table of promoters: one a start of transcription and strand, in the genome's order.

    Raises:
        InputError: no line of it is a promoter of 81 bases.
    """
    found = {}
    for cells in _rows(path, 6):
        sequence, strand = cells[5].strip().upper(), "+" if cells[2] == "forward" else "-"
        if len(sequence) == LENGTH and cells[3].isdecimal() and int(cells[3]) > 0:
            found.setdefault((int(cells[3]), strand), Promoter(cells[1], int(cells[3]), strand, sequence))
    if not found:
        raise InputError(f"{path} has no promoter of {LENGTH} bases: is it RegulonDB's table of promoters?")
    return [found[key] for key in sorted(found)]


def read_binding_sites(path: Path) -> list[KnownSite]:
    """Read RegulonDB's table of binding sites, those with letters.

    Raises:
        InputError: no line of it is a site.
    """
    found = []
    for cells in _rows(path, 12):
        letters = "".join(letter for letter in cells[11] if letter.isupper())
        if letters and cells[3].isdecimal() and int(cells[3]) > 0:
            strand = "+" if cells[5] == "forward" else "-"
            found.append(KnownSite(cells[1], CONTIG, int(cells[3]) - 1, int(cells[4]), strand, letters))
    if not found:
        raise InputError(f"{path} has no site with letters: is it RegulonDB's table of binding sites?")
    return found


def _rows(path: Path, columns: int) -> list[list[str]]:
    lines = (line.rstrip("\r\n") for line in text_lines(path))
    cells = [line.split("\t") for line in lines if line and not line.startswith("#")]
    return [row for row in cells if len(row) >= columns]


def windows_of(genome: str, promoters: list[Promoter], count: int) -> list[tuple[int, str]]:
    """Return starts and letters of `count` windows of either strand, none within FAR of a start of transcription.

    Args:
        genome: letters of the contig.
    """
    rng, starts = counter_rng(0, count), np.array([one.start for one in promoters])
    found: list[tuple[int, str]] = []
    while len(found) < count:
        at = int(rng.integers(len(genome) - LENGTH))
        if np.abs(starts - at).min() > FAR:
            letters = genome[at : at + LENGTH]
            found.append((at, reverse_complement(letters) if rng.integers(2) else letters))
    return found


def examples_of(config: PromoterConfig, promoters: list[Promoter], genome: str, seed: int | None = None) -> Examples:
    """Return promoters (label 1), windows of the genome and shuffles of promoters (label 0), split by where they lie.

    Args:
        seed: deals training's labels out anew.
    """
    texts = [one.sequence for one in promoters]
    windows = windows_of(genome, promoters, config.windows * len(promoters))
    orders = [dinucleotide_shuffle(text, 0, i, k) for k in range(config.shuffles) for i, text in enumerate(texts)]
    starts = [one.start for one in promoters]
    places = np.array([*starts, *(at for at, _ in windows), *starts * config.shuffles]) / len(genome)
    border, before = 1 - config.held_out, 1 - 1.1 * config.held_out
    splits = np.where(places > border, "test", np.where(places > before, "validation", "train"))
    labels = (np.arange(len(splits)) < len(texts)).astype(np.float64)
    if seed is not None:
        rows = np.flatnonzero(splits == "train")
        labels[rows] = labels[counter_rng(seed).permutation(rows)]
    names = [one.name for one in promoters]
    every = [*names, *(f"window {at}" for at, _ in windows), *[f"{name} shuffled" for name in names] * config.shuffles]
    return Examples(tuple(every), (*texts, *(text for _, text in windows), *orders), labels, splits)


def regions_of(promoters: list[Promoter]) -> Regions:
    """Return promoters as regions of the genome."""
    rows = []
    for number, one in enumerate(promoters, 1):
        start = one.start - 1 - (BEFORE if one.strand == "+" else LENGTH - 1 - BEFORE)
        rows.append(Region(f"r{number:04d}", CONTIG, start, start + LENGTH, one.strand, one.name))
    return Regions(tuple(rows), tuple(one.sequence for one in promoters))


def boxes_of(regions: Regions) -> Located:
    """Return the places of BOXES on every region."""
    rows = []
    for sequence in regions.sequences:
        places = [(name, BEFORE + first, BEFORE + last + 1) for name, first, last in BOXES]
        rows.append(tuple(Site(name, start, end, sequence[start:end]) for name, start, end in places))
    return Located(tuple(rows), {"given": len(BOXES) * len(rows)})


def measure(
    config: PromoterConfig,
    data: Path,
    device: torch.device,
    start: GenomeModel | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> dict:
    """Train, attribute the held-out promoters, and hold their maps against both kinds of sites and all nulls.

    Args:
        data: folder that the config's tables are relative to.
        start: language model that is fine-tuned, by every seed; None: the config's model file, from scratch.

    Returns:
        The counts, each seed's AUROC, and for each kind of sites the check of the models, of random weights and of
        shuffled labels; the checks of `trust.checks`.

    Raises:
        UsageError: the config has a model file and there is a model to start from, or neither.
    """
    if (config.model is None) is (start is None):
        raise UsageError("models are trained from the config's 'model' or from --start: give one of them")
    promoters = read_promoters(data / config.promoters)
    with Genome(data / config.genome) as opened:
        contig, size = next(iter(opened.contigs.items()))
        genome = opened.fetch(Interval(contig, 0, size)).upper()
    examples = examples_of(config, promoters, genome)
    tested = [one for one, split in zip(promoters, examples.splits, strict=False) if split == "test"]
    known = read_binding_sites(data / config.sites)
    regions = _with_sites_first(regions_of(tested), known, config.explained)

    def trained(seed: int, given: Examples) -> tuple[RegionModel, float]:
        begin = fresh(config.model, seed) if start is None else start
        model, auroc = fitted(begin, TASK, given, config.train, seed, device)
        say(f"seed {seed}: AUROC {auroc:.3f}")
        return model, auroc

    models, scores = zip(*(trained(seed, examples) for seed in config.seeds), strict=True)
    control, chance = trained(config.seeds[0], examples_of(config, promoters, genome, seed=1))
    draws = [region_model(f"random{n}", with_random_weights(models[0].model, 1000 + n)) for n in range(config.draws)]
    maps = np.stack([model.saturate(regions.sequences) for model in models])
    located = known_sites.locate(known, regions.rows, regions.sequences)
    kinds = {"binding_sites": located, "boxes": boxes_of(regions)}
    every = {"models": [maps.mean(0)], "shuffled_labels": [control.saturate(regions.sequences)]}
    every["random_weights"] = [draw.saturate(regions.sequences) for draw in draws]
    sites = {
        kind: {
            name: [known_sites.check(places, importance(one), config.permutations) for one in group]
            for name, group in every.items()
        }
        for kind, places in kinds.items()
    }
    for kind, rows in sites.items():
        say(f"{kind}: {said(rows['models'][0])}")
    checks = trust.checks(
        regions,
        {"ism": maps.mean(0), "ism_models": maps},
        models,
        controls={"random_weights": draws, "shuffled_labels": [control]},
        settings=trust.TrustSettings(regions=config.checked, null_regions=config.null_checked),
        keep=lambda name, make: make(),
        say=say,
    )
    return {
        "promoters": len(promoters),
        "held_out": len(tested),
        "explained": len(regions),
        "auroc": list(scores),
        "auroc_shuffled_labels": chance,
        "sites": sites,
        "checks": {name: _short(entry) for name, entry in checks.items()},
    }


def said(check: dict) -> str:
    """Return a check of known sites as text."""
    if "reason" in check:
        return check["reason"]
    return (
        f"{check['inside_over_outside']:.2f} times the importance outside ({check['low']:.2f} to {check['high']:.2f}), "
        f"p {check['p']:.2g}, {check['loci']} loci"
    )


def _with_sites_first(regions: Regions, known: list[KnownSite], most: int) -> Regions:
    """Return at most so many regions in the genome's order; those without a binding site are the first to go."""
    rows = known_sites.locate(known, regions.rows, regions.sequences).by_region
    order = sorted(range(len(regions)), key=lambda number: not rows[number])
    return regions.take(sorted(order[:most]))


def _short(entry: dict) -> dict:
    """Return a check without the scores and curves it was made from."""
    long = ("real", "shuffled", "positions", "ordered", "random", "gc_matched")
    return {key: value for key, value in entry.items() if key not in long}
