"""Both ways of scoring give the same numbers, and the benchmark says so, or stops."""

import pytest

from genomelm.bench import score_speed as room
from genomelm.bench.score_speed import reference_score, score_speed
from genomelm.errors import NumericalError, UsageError
from genomelm.scoring.scorer import scorer_for
from genomelm.seq.genome import Genome


@pytest.fixture(scope="module")
def genome(tiny_fasta):
    with Genome(tiny_fasta) as opened:
        yield opened


def test_the_two_ways_are_timed_at_equal_scores(language_model, masked_model, genome):
    for model, path in ((language_model, "shared state"), (masked_model, "one pass a hidden site")):
        found = score_speed(model, genome, 12, 7, 64, 3, 1)
        assert [row["name"] for row in found["rows"]] == ["fast", "plain"]
        assert found["ratio"] == found["rows"][0]["positions_per_s"] / found["rows"][1]["positions_per_s"] > 0
        assert found["largest_difference"] < 1e-4 < found["deviation"]
        assert found["path"] == path


def test_it_stops_where_scores_differ_or_no_state_is_shared(language_model, task_models, genome, monkeypatch):
    with pytest.raises(UsageError, match="a language model is needed"):
        score_speed(task_models[0], genome, 12, 7, 64, 3, 1)
    monkeypatch.setattr(room, "reference_score", lambda *arguments: reference_score(*arguments) + 1e-3)
    with pytest.raises(NumericalError, match="differ by 0.001"):
        score_speed(language_model, genome, 12, 7, 64, 3, 1)
    monkeypatch.undo()

    def without_state(*arguments):
        scorer = scorer_for(*arguments)
        scorer.shared = False
        return scorer

    monkeypatch.setattr(room, "scorer_for", without_state)
    with pytest.raises(UsageError, match="full passes"):
        score_speed(language_model, genome, 12, 7, 64, 3, 1)
