import numpy as np
import pytest

from genomelm.errors import UsageError
from genomelm.models.patcher_check import check_patcher
from genomelm.patching.codes import Scale
from genomelm.patching.config import PatcherConfig
from genomelm.patching.count_model import CountModel
from genomelm.patching.patcher import Patcher
from genomelm.seq.alphabet import encode


class Track:
    """Scores by coordinate that no model reads here."""

    kind, scale, digest = "track", Scale(0.0, 1.0), "0"

    def scores_at(self, contig: str, start: int, end: int) -> np.ndarray:
        raise AssertionError

    def facts(self) -> dict:
        return {"digest": self.digest}


def test_a_causal_model_refuses_patches_that_later_bytes_decide(tiny_sequence) -> None:
    counts = CountModel.fit([encode(tiny_sequence)], order=4)
    for options in ({"mode": "optimal"}, {"mode": "entropy", "symmetric": True}):
        patcher = Patcher(PatcherConfig(threshold=1.0, order=4, max=32, **options), counts)
        with pytest.raises(UsageError, match="cut by what comes later"):
            check_patcher(patcher, "causal")
        with pytest.raises(UsageError, match="tells a masked model"):
            check_patcher(patcher, "masked")


def test_a_causal_model_refuses_starts_at_the_edges_of_runs() -> None:
    stride = {"mode": "fixed_stride", "isolate": ("n",)}
    check_patcher(Patcher(PatcherConfig(**stride)), "causal")
    with pytest.raises(UsageError, match="use edges: after"):
        check_patcher(Patcher(PatcherConfig(**stride, edges="at")), "causal")
    check_patcher(Patcher(PatcherConfig(**stride, edges="at")), "masked")
    best = PatcherConfig(mode="optimal", source="track", threshold=0.5, isolate=("n",))
    with pytest.raises(UsageError, match="another mode than optimal"):
        check_patcher(Patcher(best, Track()), "causal")


def test_a_causal_model_refuses_scores_with_an_annotation_for_the_other_strand_would_see_ahead(tiny_sequence) -> None:
    counts = CountModel.fit([encode(tiny_sequence)], order=4)
    limits = {"mode": "length_constrained", "threshold": 1.0, "order": 4, "max": 30, "multiple": 3}
    for patcher in (
        Patcher(PatcherConfig(**limits), counts, {"annotation": "0"}),
        Patcher(PatcherConfig(threshold=1.0, order=4, isolate=("case",)), counts),
    ):
        with pytest.raises(UsageError, match="no causal form on the reverse strand"):
            check_patcher(patcher, "causal")
    check_patcher(Patcher(PatcherConfig("fixed_stride", stride=3), side={"annotation": "0"}), "causal")


def test_both_kinds_of_model_take_a_tracks_patches() -> None:
    for mode in ("entropy", "optimal"):
        patcher = Patcher(PatcherConfig(mode=mode, source="track", threshold=0.5), Track())
        for objective in ("causal", "masked"):
            check_patcher(patcher, objective)
        assert patcher.side_information == ("track",)
