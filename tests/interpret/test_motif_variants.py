"""Motifs gained and lost: a motif that an indel only moves is neither."""

import numpy as np
import pytest
from planted_maps import ppm_of

from genomelm.interpret import motif_variants
from genomelm.interpret.motif_variants import VariantMaps, changes

MOTIF = "TGACGTCA"
BEFORE, AFTER = "GCTTAACCGATCGGATCCAA", "CCGGTTAACCGGAACCTTGG"
PPM = {"m": ppm_of(MOTIF, 0.97)}


def changed(ref, alt, offset, ref_length, alt_length):
    variant = VariantMaps("v", BEFORE + ref + AFTER, BEFORE + alt + AFTER, 20 + offset, ref_length, alt_length)
    return [(c.change, c.start - 20) for c in changes(PPM, [variant], (0.25,) * 4, 1e-4)]


@pytest.mark.parametrize(
    ("ref", "alt", "offset", "ref_length", "alt_length"),
    [
        (MOTIF, "GGG" + MOTIF, 0, 0, 3),
        (MOTIF, MOTIF + "GGG", 8, 0, 3),
        ("GGG" + MOTIF, MOTIF, 0, 3, 0),
        (MOTIF + "GGG", MOTIF, 8, 3, 0),
    ],
)
def test_an_indel_beside_a_motif_neither_makes_nor_breaks_it(ref, alt, offset, ref_length, alt_length):
    assert changed(ref, alt, offset, ref_length, alt_length) == []


@pytest.mark.parametrize("at", range(1, 8))
def test_an_indel_inside_a_motif_breaks_and_makes_it(at):
    broken = MOTIF[:at] + "GGGGGG" + MOTIF[at:]
    assert changed(MOTIF, broken, at, 0, 6) == [("lost", 0)]
    assert changed(broken, MOTIF, at, 6, 0) == [("gained", 0)]


def test_a_motif_that_comes_or_goes_whole_is_gained_or_lost():
    assert changed("", MOTIF, 0, 0, 8) == [("gained", 0)]
    assert changed(MOTIF, "", 0, 8, 0) == [("lost", 0)]


def test_the_limit_of_a_motif_is_worked_out_once(monkeypatch):
    asked = []
    limit = motif_variants.hit_limit
    monkeypatch.setattr(motif_variants, "hit_limit", lambda *given: asked.append(1) or limit(*given))
    variants = [VariantMaps(str(n), BEFORE + "A", BEFORE + "C", 20, 1, 1) for n in range(5)]
    changes(PPM | {"n": np.full((6, 4), 0.25)}, variants, (0.25,) * 4, 1e-4)
    assert len(asked) == 2
