"""Hyena-GLT and the transformer in every form of a model file: what laws over the whole model run through."""

import pytest

SPAN = {"merge": {"where": "span", "mean": 2.0, "max": 4}}
FORMS = {
    "L": {},
    "SMA": {"backbone": {"layers": 3, "layout": "SMA", "medium_taps": 16, "window": 8}},
    "SMLSMLA": {"backbone": {"layers": 7, "layout": "SMLSMLA", "medium_taps": 16, "window": 8, "hidden": 48}},
    "modal L": {"backbone": {"long": "modal", "poles": 4}},
    "order 3, groups, gate, bases": {
        "backbone": {"order": 3, "groups": 4, "output_gate": True, "base_distance": True},
    },
    "merged span": {"backbone": {"layers": 3}, "sections": {"merge": {**SPAN["merge"], "first": 1}}},
    "merged each": {"backbone": {"layout": "LA"}, "sections": {"merge": {**SPAN["merge"], "where": "each"}}},
    "branches": {
        "sections": {
            "positions": {"codon": True, "sinusoidal": True},
            "branches": {"motif": 2, "structure": True, "conservation": True},
        }
    },
    "alibi, window": {"family": "transformer", "backbone": {"positions": "alibi", "window": 8, "mlp": "geglu"}},
    "alibi, rezero": {"family": "transformer", "backbone": {"positions": "alibi", "rezero": True}},
    "classic": {"family": "transformer", "backbone": {"classic": True}},
}
"""Name of a form -> what `make_model` is told."""

each_form = pytest.mark.parametrize("form", FORMS)
each_objective = pytest.mark.parametrize("objective", ["causal", "masked"])

GRYPHON_FORMS = {
    "a": {},
    "two of each": {"layers": 2, "s5_blocks_per_layer": 2, "bigbird_blocks_per_layer": 2},
    "attention alone": {"layers": 2, "s5_blocks_per_layer": 0},
    "states alone": {"bigbird_blocks_per_layer": 0},
    "irregular": {"irregular": True},
    "b": {"blueprint": "b", "s5_blocks_per_layer": 1, "layers": 2},
    "b, irregular": {"blueprint": "b", "s5_blocks_per_layer": 1, "irregular": True},
}
"""The same of Gryphon: its backbone."""
