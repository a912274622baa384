"""Law R11: one fingerprint for what is cut alike, another for what may not be."""

import dataclasses

import numpy as np
import pytest
from mode_cases import MODES, Track

from genomelm.patching.config import PatcherConfig
from genomelm.patching.count_model import CountModel
from genomelm.patching.parameters import PARAMETERS, SCORED
from genomelm.patching.patcher import Patcher

CONFIG = PatcherConfig(threshold=1.0, delta=0.1, stride=5, min=2, max=12, multiple=2, alpha=0.1, target=6.0, order=5)
OTHER = {"threshold": 1.1, "delta": 0.2, "stride": 6, "min": 3, "max": 24, "multiple": 4, "alpha": 0.2, "target": 7.0}


def print_of(model: CountModel, mode: str, side: dict | None = None, source=None, **changes) -> str:
    config = dataclasses.replace(CONFIG, mode=mode, **changes)
    return Patcher(config, (source or model) if mode in SCORED else None, side).fingerprint


def test_every_parameter_of_some_mode_is_changed_here() -> None:
    assert set(OTHER) == {name for names in PARAMETERS.values() for name in names}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", OTHER)
def test_r11_a_modes_own_parameters_change_the_fingerprint_and_no_others_do(model, mode: str, name: str) -> None:
    same = print_of(model, mode) == print_of(model, mode, **{name: OTHER[name]})
    assert same == (name not in PARAMETERS[mode])


def test_r11_modes_have_different_fingerprints(model: CountModel) -> None:
    assert len({print_of(model, mode) for mode in MODES}) == len(MODES)


@pytest.mark.parametrize("mode", SCORED)
def test_r11_source_and_training_intervals_change_the_fingerprint(model, dna: np.ndarray, mode: str) -> None:
    sources = [
        model,
        CountModel.fit([dna[:20_000]], order=5, training=model.training),
        CountModel.fit([dna], order=5, training=("d:1-30000",)),
        CountModel.fit([dna], order=5, training=model.training, both_strands=False),
    ]
    assert len({print_of(model, mode, source=s, both_strands=s.both_strands) for s in sources}) == len(sources)


@pytest.mark.parametrize("mode", ["entropy", "optimal"])
def test_r11_symmetric_scores_change_the_fingerprint(model, mode: str) -> None:
    assert print_of(model, mode, multiple=1) != print_of(model, mode, multiple=1, symmetric=True)


@pytest.mark.parametrize("mode", MODES)
def test_r11_runs_and_side_facts_change_the_fingerprint(model, mode: str) -> None:
    alone = print_of(model, mode)
    assert print_of(model, mode, edges="at") == alone  # there are no runs
    prints = {
        print_of(model, mode, side=side, isolate=isolate, edges=edges)
        for side in ({}, {"annotation": "a"}, {"annotation": "b"}, {"given": "a"})
        for isolate in (("n",), ("case",), ("n", "case"))
        for edges in ("after", "at")
    }
    assert len(prints) == 4 * 3 * 2
    assert alone not in prints
    assert print_of(model, mode, isolate=("n", "case")) == print_of(model, mode, isolate=("case", "n"))


@pytest.mark.parametrize("mode", ["fixed_stride", "byte", "given"])
def test_r11_the_alphabet_that_tells_runs_of_n_apart_changes_the_fingerprint(model, mode: str) -> None:
    assert print_of(model, mode, alphabet="protein") == print_of(model, mode)
    assert print_of(model, mode, isolate=("n",), alphabet="protein") != print_of(model, mode, isolate=("n",))


@pytest.mark.parametrize("mode", SCORED)
def test_r11_a_tracks_facts_change_the_fingerprint(mode: str) -> None:
    config = dataclasses.replace(CONFIG, mode=mode, source="track")
    values = np.zeros(9, np.float32)
    tracks = [Track(values), Track(values, sha256="b"), Track(values, missing="min"), Track(values, hi=2.0)]
    patchers = [Patcher(config, track) for track in tracks]
    assert len({patcher.fingerprint for patcher in patchers}) == len(tracks)
    # the facts alone, as they are saved with a model, are enough to know it again
    assert Patcher(config, None, patchers[0].side).fingerprint == patchers[0].fingerprint


@pytest.mark.parametrize("mode", MODES)
def test_r11_a_parameter_set_as_a_whole_number_is_the_same_one(model, mode: str) -> None:
    whole = {"threshold": 1, "alpha": 2, "target": 6, "delta": 3}
    fractions = {name: float(value) for name, value in whole.items()}
    assert print_of(model, mode, **whole) == print_of(model, mode, **fractions)
