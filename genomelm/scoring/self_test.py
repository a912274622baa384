"""Before a model scores on a GPU: a few variants there and on the CPU, which must agree."""

import copy
import itertools
import logging

import numpy as np

from genomelm.errors import NumericalError
from genomelm.models.published import PublishedModel
from genomelm.scoring.background import draws
from genomelm.scoring.pair_scorer import WindowScorer
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.seq.variant import Variant
from genomelm.seq.window import SCORED, AllelePair

log = logging.getLogger(__name__)

COUNT = 64
"""Variants of the test: of four, two substitutions, an insertion and a deletion."""

TOLERANCE = 1e-3
"""Largest difference, of scores of 1 or less; of larger ones their share."""

_KINDS = (("snv", 1, 1), ("ins", 1, 8), ("snv", 1, 1), ("del", 1, 8))


def self_test(scorer: WindowScorer, genome: Genome) -> None:
    """Compare scores on the model's device with the CPU's; on a CPU there is nothing to do.

    Raises:
        NumericalError: they differ, or one way gives no number where the other does.
    """
    if scorer.model.device.type == "cpu":
        return
    check_device(scorer, sample(scorer, genome))


def check_device(scorer: WindowScorer, pairs: list[AllelePair]) -> None:
    """Compare the scores of COUNT of these windows, spread over all, with the CPU's; likewise."""
    if scorer.model.device.type == "cpu" or not pairs:
        return
    some = pairs[:: -(-len(pairs) // COUNT)]
    compare(scorer, on_cpu(scorer), some)
    log.info("%d variants score alike on %s and on the CPU", len(some), scorer.model.device)


def sample(scorer: WindowScorer, genome: Genome) -> list[AllelePair]:
    """Return windows of COUNT random variants of the reference, or of the scorer's own window, where so many are."""
    found: list[AllelePair] = []
    for kind, least, most in _KINDS:
        pairs = (
            scorer.pair(genome, variant)
            for variant in itertools.islice(draws(genome, kind, least, most, seed=64), 50 * COUNT)
            if variant is not None and scorer.window is None
        )
        found += itertools.islice((pair for pair in pairs if pair.status in SCORED), COUNT // len(_KINDS))
    return found or _in_window(scorer, genome)


def _in_window(scorer: WindowScorer, genome: Genome) -> list[AllelePair]:
    window = scorer.window
    if window is None:
        return []
    places = np.unique(np.linspace(window.start, window.end - 1, COUNT).astype(int))
    bases = [(int(at), genome.fetch(Interval(window.contig, int(at), int(at) + 1)).upper()) for at in places]
    other = {"A": "C", "C": "G", "G": "T", "T": "A"}
    known = [Variant(window.contig, at + 1, base, other[base]) for at, base in bases if base in other]
    return [pair for variant in known if (pair := scorer.pair(genome, variant)).status in SCORED]


def on_cpu(scorer: WindowScorer) -> WindowScorer:
    """Return the same scorer with a copy of its model on the CPU; patches are cut as they were."""
    twin = copy.copy(scorer)
    if isinstance(scorer.model, PublishedModel):
        twin.model = scorer.model.on_cpu()
        return twin
    patcher, scorer.model.patcher = scorer.model.patcher, None
    try:
        twin.model = copy.deepcopy(scorer.model).cpu()
    finally:
        scorer.model.patcher = patcher
    twin.model.patcher = patcher
    return twin


def compare(scorer: WindowScorer, other: WindowScorer, pairs: list[AllelePair]) -> None:
    """Hold the scores of two scorers against each other.

    Raises:
        NumericalError: they differ by more than TOLERANCE.
    """
    here, there = scorer.score(pairs), other.score(pairs)
    here, there = (scores.reshape(len(pairs), -1) for scores in (here, there))  # of several outputs, each
    apart = np.abs(here - there) / np.maximum(1, np.abs(there))
    wrong = np.argwhere(~((apart <= TOLERANCE) | (np.isnan(here) & np.isnan(there))))
    if len(wrong):
        first, count = tuple(wrong[0]), len(set(wrong[:, 0].tolist()))
        raise NumericalError(
            f"{pairs[first[0]].variant} scores {here[first]:.6g} on {scorer.model.device} and {there[first]:.6g} on "
            f"{other.model.device} ({count} of {len(pairs)} random variants differ): use --device cpu, and check "
            "the device and its driver"
        )
