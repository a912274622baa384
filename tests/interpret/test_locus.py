"""A planted-motif score stands in for a model: what is planted must be found, and what is not must not pass."""

import json

import numpy as np
import pytest

from genomelm.errors import InputError
from genomelm.interpret import faithfulness, ism, locus, results
from genomelm.interpret.locus import LocusModel, LocusSettings
from genomelm.interpret.sites import Site, auroc, enrichment, mask

MOTIFS = {"TTGACA": 12, "TATAAT": 34, "GGGTGA": 55}
LENGTH = 75
QUICK = LocusSettings(integration_steps=64, faithfulness_seeds=12, shuffles=20)


def planted() -> str:
    sequence = list(np.random.default_rng(8).choice(list("ACGT"), LENGTH))
    for motif, start in MOTIFS.items():
        sequence[start : start + len(motif)] = motif
    return "".join(sequence)


SITES = [Site(motif, start, start + len(motif), motif) for motif, start in MOTIFS.items()]


def weights(noise: float, seed: int) -> np.ndarray:
    found = np.random.default_rng(seed).normal(scale=noise, size=(LENGTH, 4))
    for motif, start in MOTIFS.items():
        found[start : start + len(motif)] += ism.one_hot(motif)
    return found


def model(seed: int, noise: float = 0.05) -> LocusModel:
    table = weights(noise, seed)
    score = lambda x: float((x * table).sum() + 0.01 * (x * table).sum() ** 2)
    pairs = lambda reference, alternates: (
        score(ism.one_hot(reference)),
        np.array([score(ism.one_hot(a)) for a in alternates]),
    )
    return LocusModel(f"seed{seed}", pairs, lambda x: table * (1 + 0.02 * (x * table).sum()), score)


def random_model(seed: int) -> LocusModel:
    table = np.random.default_rng(seed).normal(size=(LENGTH, 4))
    score = lambda s: float((ism.one_hot(s) * table).sum())
    return LocusModel("random", lambda r, a: (score(r), np.array([score(s) for s in a])))


@pytest.fixture(scope="module")
def explained():
    models = [model(seed) for seed in (1, 2, 3)]
    controls = {"random_weights": [random_model(5).predict_pairs]}
    return locus.explain(planted(), models, SITES, controls=controls, settings=QUICK)


def test_planted_sites_are_recovered(explained):
    _, summary = explained
    assert summary["sites"]["auprc"] >= 0.9
    assert summary["sites"]["auroc"] >= 0.95
    assert summary["sites"]["enrichment"]["p"] <= 2 / LENGTH
    assert all(row["over_outside"] > 5 for row in summary["sites"]["elements"])


def test_checks_of_a_sound_model_hold(explained):
    arrays, summary = explained
    assert summary["ism_brute_force"]["max_abs_difference"] < 1e-9
    assert summary["integrated_gradients"]["completeness_error"] < 0.01
    assert summary["integrated_gradients"]["pearson_signed"] > 0.9
    assert summary["gradient"]["spearman"] > 0.6
    assert summary["seeds"] == {
        "models": 3,
        "mean_pearson": pytest.approx(1, abs=0.1),
        "lowest_pearson": pytest.approx(1, abs=0.1),
    }
    assert abs(summary["controls"]["random_weights"]["spearman"]) < 0.4
    for kind in ("deletion", "insertion"):
        test = summary["faithfulness"][kind]["test"]
        assert test["p"] < 0.01
        assert test["mean_difference"] > 0
    assert arrays["ism"].shape == arrays["one_hot"].shape == (1, LENGTH, 4)
    assert arrays["ism_models"].shape == (3, 1, LENGTH, 4)
    assert np.allclose(arrays["ism_models"].mean(axis=0), arrays["ism"])


def test_random_models_find_no_sites_beyond_the_null():
    found = []
    for seed in range(20, 29):
        effects = ism.saturation(random_model(seed).predict_pairs, planted())
        values = ism.importance(effects)
        inside = mask(SITES, LENGTH)
        found.append((enrichment([(values, inside)])["p"], auroc(values, inside)))
    assert np.median([p for p, _ in found]) > 0.1
    assert 0.3 < np.median([area for _, area in found]) < 0.7


def test_checks_that_cannot_run_are_none():
    _, summary = locus.explain(planted(), [random_model(12)], settings=QUICK)
    for key in ("seeds", "gradient", "integrated_gradients", "sites", "reverse_complement"):
        assert summary[key] is None


def test_random_attribution_is_not_faithful():
    attribution = np.random.default_rng(3).normal(size=LENGTH)
    found = faithfulness.curves(model(1).predict_pairs, planted(), attribution, seeds=12)
    assert found["deletion"]["test"]["p"] > 0.01


def test_curves_start_and_end_where_they_must():
    sequence = planted()
    found = faithfulness.curves(model(1).predict_pairs, sequence, np.arange(LENGTH, dtype=float), seeds=3, points=5)
    score = model(1).predict_pairs(sequence, [sequence])[0]
    assert found["positions"][0] == 0
    assert found["positions"][-1] == LENGTH
    assert found["deletion"]["ordered"][0] == found["deletion"]["random"][0] == pytest.approx(score)
    assert found["insertion"]["ordered"][-1] == found["insertion"]["random"][-1] == pytest.approx(score)
    assert found["deletion"]["ordered"][-1] == pytest.approx(found["deletion"]["random"][-1])


def test_replacements_differ_everywhere_but_at_unknown_letters():
    found = faithfulness.replacements("ACGTN" * 20, np.random.default_rng(0))
    assert all((a == b) == (b == "N") for a, b in zip(found, "ACGTN" * 20, strict=True))


def test_reverse_complement_of_a_strand_blind_score_gives_the_flipped_map():
    def count(sequence):  # the motif on either strand
        return float(sum(sequence.count(word) for word in ("TTGA", "TCAA")))

    blind = LocusModel("blind", lambda r, a: (count(r), np.array([count(s) for s in a])))
    settings = LocusSettings(two_stranded=True, shuffles=0, faithfulness_seeds=2)
    _, summary = locus.explain(planted(), [blind], settings=settings)
    assert summary["reverse_complement"]["pearson"] == pytest.approx(1)
    assert summary["shuffled"] is None


def test_no_model_is_an_error():
    with pytest.raises(InputError, match="no model"):
        locus.explain("ACGT", [])


def test_written_results_hold_the_arrays_and_plain_json(tmp_path, explained):
    arrays, summary = explained
    facts = {"name": "toy", "interval": "c:1-75", "sequence": planted(), "unit": "score"}
    results.write(
        tmp_path / "toy", arrays, summary, locus=facts, sites=SITES, patch_starts=np.array([0, 9]), params={"seed": 0}
    )
    with np.load(tmp_path / "toy/attributions.npz", allow_pickle=False) as stored:
        assert set(stored.files) == {"one_hot", "ism", "ism_models", "gradient_x_input", "integrated_gradients"}
        assert stored["ism"].dtype == np.float32
        assert np.allclose(stored["ism"], arrays["ism"], atol=1e-5)
    assert json.loads((tmp_path / "toy/elements.json").read_text())["patch_starts"] == [0, 9]
    assert json.loads((tmp_path / "toy/summary.json").read_text())["locus"]["interval"] == "c:1-75"
    assert sorted(p.name for p in (tmp_path / "toy").iterdir()) == [
        "attributions.npz",
        "elements.json",
        "params.json",
        "summary.json",
    ]


def test_a_control_without_any_correlation_is_no_number_and_no_crash():
    flat = lambda reference, alternates: (0.0, np.zeros(len(alternates)))
    _, summary = locus.explain(planted(), [random_model(1)], controls={"random_weights": [flat]}, settings=QUICK)
    assert summary["controls"]["random_weights"] == {"spearman": None, "draws": []}
