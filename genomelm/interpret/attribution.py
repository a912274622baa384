"""Attribution of many regions by one or more models: the maps, piece by piece, and the checks on the methods."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from genomelm.errors import UsageError
from genomelm.interpret import gradients, ism
from genomelm.interpret.kept import Kept
from genomelm.interpret.null import counter_rng, dinucleotide_shuffle
from genomelm.interpret.reading import pair_effects
from genomelm.interpret.region_model import RegionModel
from genomelm.interpret.regions import Regions, apart
from genomelm.interpret.tracks import tracks_of, why_no_attention
from genomelm.seq.variant import Variant
from genomelm.seq.window import AllelePair

METHODS = ("ism", "deletion", "ixg", "ig", "attention")
DEFAULT_METHODS = ("ism", "ixg", "ig", "attention")
NAMES = {"ixg": "gradient_x_input", "ig": "integrated_gradients"}
"""Method -> its array's name, where the two differ."""

PIECE = 1 << 20
"""Bases of mutants in a piece of work that is kept as a whole."""


SHUFFLED = 200
"""Regions whose shuffled letters are explained, as a null for motifs."""


@dataclasses.dataclass(frozen=True)
class AttributionSettings:
    """What is worked out of each region.

    Attributes:
        methods: some of METHODS; ISM is worked out in any case.
        integration_steps: of integrated gradients.
        brute_force: substitutions that are scored again by passes of their own.
    """

    methods: tuple[str, ...] = DEFAULT_METHODS
    integration_steps: int = 256
    brute_force: int = 200

    def __post_init__(self) -> None:
        for method in self.methods:
            if method not in METHODS:
                raise UsageError(f"attribution method '{method}' is unknown; choose {', '.join(METHODS)}")


@dataclasses.dataclass(frozen=True)
class Attributed:
    """What was found.

    Attributes:
        arrays: one_hot, ism (N, l, 4), ism_models (S, N, l, 4); with their methods gradient_x_input and
            integrated_gradients (N, l, 4) and deletion (N, l). Means over models, float64.
        tracks: patch_starts, entropy, attention_... (N, l), of the first model.
        methods: name -> {} or {"reason": why there is none}.
        checks: brute_force, completeness, ig_ism.
    """

    arrays: dict[str, np.ndarray]
    tracks: dict[str, np.ndarray]
    methods: dict[str, dict]
    checks: dict[str, dict]


def attributed(
    regions: Regions,
    models: Sequence[RegionModel],
    settings: AttributionSettings,
    kept: Kept,
    progress: Callable[[int, int], None],
) -> Attributed:
    """Attribute every region by every model.

    Args:
        kept: where finished pieces go, and come from.
        progress: called with (regions done, regions in all).
    """
    size = max(1, PIECE // (3 * regions.length**2))
    pieces = []
    for first in range(0, len(regions), size):
        some = regions.take(range(first, min(first + size, len(regions))))
        pieces.append(kept.arrays(f"maps/{first}", lambda some=some: _piece(some, models, settings)))
        progress(first + len(some), len(regions))
    whole = {name: np.concatenate([piece[name] for piece in pieces], _AXIS.get(name, 0)) for name in pieces[0]}
    arrays = {
        "one_hot": np.stack([ism.one_hot(sequence) for sequence in regions.sequences]),
        "ism": whole["ism_models"].mean(0),
        **{name: whole[name] for name in ("ism_models", *NAMES.values(), "deletion") if name in whole},
    }
    return Attributed(
        arrays=arrays,
        tracks={name.removeprefix("track/"): a for name, a in whole.items() if name.startswith("track/")},
        methods=_methods(models, settings),
        checks={
            "brute_force": _brute_force(regions, models, arrays["ism_models"], settings.brute_force, kept),
            "completeness": _completeness(whole, models, settings),
            "ig_ism": _agreement(arrays, models, settings),
        },
    )


_AXIS = {"ism_models": 1, "completeness": 1}
"""Axis of the regions, where it is not the first."""


def _piece(regions: Regions, models: Sequence[RegionModel], settings: AttributionSettings) -> dict[str, np.ndarray]:
    """Return the arrays of some regions, those of each model by the number of the region on axis 1."""
    sequences, wanted = regions.sequences, settings.methods
    found = {"ism_models": np.stack([model.saturate(sequences) for model in models])}
    if "deletion" in wanted:
        found["deletion"] = np.mean([deletions(model, sequences) for model in models], 0)
    if all(model.soft for model in models):
        found |= _gradients(sequences, models, settings)
    tracks = [tracks_of(models[0].model, sequence, "attention" in wanted) for sequence in sequences]
    return found | {f"track/{name}": np.stack([track[name] for track in tracks]) for name in tracks[0]}


def _gradients(
    sequences: Sequence[str], models: Sequence[RegionModel], settings: AttributionSettings
) -> dict[str, np.ndarray]:
    bases = [ism.one_hot(sequence) for sequence in sequences]
    simple, integrated, errors = [], [], []
    for model in models:
        soft = [model.soft(sequence) for sequence in sequences]
        if "ixg" in settings.methods:
            simple.append([score.input_x_gradient(one_hot) for score, one_hot in zip(soft, bases, strict=True)])
        if "ig" in settings.methods:
            both = [s.integrated(b, settings.integration_steps) for s, b in zip(soft, bases, strict=True)]
            integrated.append([attribution for attribution, _ in both])
            errors.append([error for _, error in both])
    found = {}
    if simple:
        found["gradient_x_input"] = np.mean(simple, 0)
    if integrated:
        found |= {"integrated_gradients": np.mean(integrated, 0), "completeness": np.array(errors)}
    return found


def deletions(model: RegionModel, sequences: Sequence[str]) -> np.ndarray:
    """Return the effect of leaving out each base, float64 (N, l), in the unit of the score; 0 at unknown bases.

    Leaving out any base of a run of one letter gives the same sequence, and so the same effect.
    """
    found = np.zeros((len(sequences), len(sequences[0])))
    letters = ism.letters_of(model.model.alphabet)
    for row, sequence in enumerate(sequences):
        firsts = [i for i, base in enumerate(sequence) if base in letters and (i == 0 or sequence[i - 1] != base)]
        pairs = [
            AllelePair(
                Variant("", i + 1, sequence[i], ""), "OK", None, sequence, sequence[:i] + sequence[i + 1 :], i, 1, 0
            )
            for i in firsts
            if len(sequence) > 1
        ]
        effects = dict(zip(firsts, pair_effects(model.model, model.target, pairs), strict=bool(pairs)))
        start = 0
        for i, base in enumerate(sequence):
            if i == 0 or sequence[i - 1] != base:
                start = i
            found[row, i] = effects.get(start, 0.0)
    return found


def null_maps(regions: Regions, models: Sequence[RegionModel], seed: int, kept: Kept) -> dict[str, np.ndarray]:
    """Return null_one_hot and null_ism (M, l, 4) of the first regions that stand `apart`, SHUFFLED at most, each with
    its letters shuffled so that every dinucleotide stays as frequent as it is."""
    counted = apart(regions.rows, regions.sequences)[:SHUFFLED]
    sequences = [dinucleotide_shuffle(regions.sequences[i], seed, n) for n, i in enumerate(counted)]
    size = max(1, PIECE // (3 * regions.length**2))
    pieces = []
    for first in range(0, len(sequences), size):
        some = sequences[first : first + size]
        make = lambda some=some: np.mean([model.saturate(some) for model in models], 0)
        pieces.append(kept.array(f"null/{first}", make))
    return {"null_one_hot": np.stack([ism.one_hot(s) for s in sequences]), "null_ism": np.concatenate(pieces)}


def _methods(models: Sequence[RegionModel], settings: AttributionSettings) -> dict[str, dict]:
    found: dict[str, dict] = {"ism": {}}
    if "deletion" in settings.methods:
        found["deletion"] = {}
    without = next((model.no_gradients for model in models if model.no_gradients), "")
    for method, name in NAMES.items():
        if method in settings.methods:
            found[name] = {"reason": f"not run: {without}"} if without else {}
    if "attention" in settings.methods:
        reason = why_no_attention(models[0].model)
        found["attention"] = {"reason": f"not run: {reason}"} if reason else {"note": "not an attribution"}
    return found


def _brute_force(
    regions: Regions, models: Sequence[RegionModel], maps: np.ndarray, count: int, kept: Kept
) -> dict[str, object]:
    """Score some substitutions by passes of their own, drawn at random over regions, offsets and letters."""

    def compare() -> np.ndarray:
        gaps: list[float] = []
        known = [np.flatnonzero(ism.one_hot(sequence).any(-1)) for sequence in regions.sequences]
        firsts = 3 * np.cumsum([0, *map(len, known)])
        total = int(firsts[-1])
        for pick in sorted(counter_rng(0xB4C, total).choice(total, min(count, total), replace=False)):
            number = int(np.searchsorted(firsts, pick, side="right")) - 1
            place, change = divmod(int(pick - firsts[number]), 3)
            sequence, base = regions.sequences[number], int(known[number][place])
            letter = [letter for letter in "ACGT" if letter != sequence[base]][change]
            mutant = sequence[:base] + letter + sequence[base + 1 :]
            which = len(gaps) % len(models)
            score, (changed,) = models[which].predict_pairs(sequence, [mutant])
            gaps.append(abs(changed - score - maps[which, number, base, "ACGT".index(letter)]))
        return np.array(gaps)

    gaps = kept.array("brute_force", compare)
    if not len(gaps):
        return {"reason": "not run: no base is known"}
    return {"largest_difference": float(gaps.max()), "compared": len(gaps)}


def _completeness(
    whole: dict[str, np.ndarray], models: Sequence[RegionModel], settings: AttributionSettings
) -> dict[str, object]:
    if "completeness" not in whole:
        return {"reason": _why_not(models, settings)}
    errors = whole["completeness"]
    return {
        "median_relative_error": float(np.median(errors)),
        "largest_relative_error": float(errors.max()),
        "steps": settings.integration_steps,
    }


def _agreement(
    arrays: dict[str, np.ndarray], models: Sequence[RegionModel], settings: AttributionSettings
) -> dict[str, object]:
    if "integrated_gradients" not in arrays:
        return {"reason": _why_not(models, settings)}
    found = [
        # A base's share is the sum over the letters: it leaves the baseline along all of them.
        gradients.agreement(effects, track)["spearman"]
        for effects, track in zip(arrays["ism"], arrays["integrated_gradients"], strict=True)
    ]
    known = [value for value in found if value is not None]
    if not known:
        return {"reason": "not run: every map is flat"}
    return {"median_spearman": float(np.median(known)), "n": len(known)}


def _why_not(models: Sequence[RegionModel], settings: AttributionSettings) -> str:
    without = next((model.no_gradients for model in models if model.no_gradients), "")
    return f"not run: {without}" if without else "not run: integrated gradients were not asked for"
