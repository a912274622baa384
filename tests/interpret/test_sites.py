import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from genomelm.errors import InputError
from genomelm.interpret import sites
from genomelm.interpret.sites import Site

LAC = "AATTAATGTGAGTTAGCTCACTCATTAGGCACCCCAGGCTTTACACTTTATGCTTCCGGCTCGTATGTTGTGTGG"
TABLE = """name\tstart\tend\tsequence\tcontig\tcitation
CRP\t3\t25\tTAATGTGAGTTAGCTCACTCAT\tNC_000913.3\tKinney et al. 2010
-35\t39\t45\tTTTACA\tNC_000913.3\tKinney et al. 2010
-10\t63\t69\tTATGTT\tNC_000913.3\tKinney et al. 2010
"""


def write(tmp_path, text):
    path = tmp_path / "sites.tsv"
    path.write_text(text)
    return path


def test_sites_are_read_where_their_sequence_stands(tmp_path):
    found = sites.read_sites(write(tmp_path, "# offsets along the minus strand\n" + TABLE), LAC.lower())
    assert [site.name for site in found] == ["CRP", "-35", "-10"]
    assert found[1] == Site("-35", 39, 45, "TTTACA", "Kinney et al. 2010")
    assert sites.mask(found, 75).sum() == 34


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\t39\t45\t", "\t40\t46\t", r"sites.tsv:3: -35 says TTTACA at 40-46 .* stands at 39-45"),
        ("TTTACA", "GGGGGG", r"sites.tsv:3: .* not in this locus"),
        ("\t63\t69\t", "\t63\t99\t", r"sites.tsv:4: -10 63-99 is not inside the locus of 75 bases"),
        ("\t63\t", "\tx\t", r"sites.tsv:4: start 'x'"),
        ("start", "begin", r"column 'start' is missing"),
        ("\t39\t45\tTTTACA\tNC_000913.3\t", " 39 45 ", r"sites.tsv:3: 1 columns where the header has 6"),
    ],
)
def test_a_wrong_table_is_refused_with_the_line_and_the_fix(tmp_path, old, new, message):
    with pytest.raises(InputError, match=message):
        sites.read_sites(write(tmp_path, TABLE.replace(old, new)), LAC)


def block(length, start, end):
    inside = np.zeros(length, dtype=bool)
    inside[start:end] = True
    return inside


def test_one_locus_is_tested_with_all_its_shifts_and_is_an_illustration():
    rng = np.random.default_rng(0)
    values = rng.random(75)
    values[39:45] += 5
    found = sites.enrichment([(values, block(75, 39, 45))])
    assert found["p"] == pytest.approx(1 / 75)
    assert found["smallest_p"] == pytest.approx(1 / 75)
    assert found["illustration"]
    assert found["inside_over_outside"] > 5
    assert found["null_high"] < found["inside_over_mean"]
    assert sites.enrichment([(values, block(75, 10, 16))])["p"] > 0.05


def test_shift_scores_equal_a_plain_loop():
    rng = np.random.default_rng(1)
    values, inside = rng.random(31), rng.random(31) < 0.3
    null = [values[np.roll(inside, shift)].mean() / values.mean() for shift in range(1, 31)]
    observed = values[inside].mean() / values.mean()
    found = sites.enrichment([(values, inside)])
    assert found["inside_over_mean"] == pytest.approx(observed)
    assert found["p"] == pytest.approx((1 + np.sum(np.array(null) >= observed)) / 31)
    assert found["null_low"] == pytest.approx(np.quantile(null, 0.025))


def test_many_loci_pool_to_a_small_p_only_when_sites_are_right():
    rng = np.random.default_rng(2)
    right, wrong = [], []
    for _ in range(20):
        values, start = rng.random(75), int(rng.integers(5, 60))
        values[start : start + 6] += 1
        right.append((values, block(75, start, start + 6)))
        wrong.append((values, block(75, *(lambda s: (s, s + 6))(int(rng.integers(0, 69))))))
    assert sites.enrichment(right)["p"] < 0.001
    assert not sites.enrichment(right)["illustration"]
    assert sites.enrichment(wrong)["p"] > 0.01


def test_p_is_uniform_when_there_is_nothing_to_find():
    rng = np.random.default_rng(4)
    p = [sites.enrichment([(rng.random(75), block(75, 20, 30))])["p"] for _ in range(300)]
    assert np.mean(np.array(p) <= 0.1) < 0.16
    assert 0.4 < np.mean(p) < 0.6


def test_a_flat_or_fully_covered_locus_is_refused():
    with pytest.raises(InputError):
        sites.enrichment([(np.ones(5), np.ones(5, dtype=bool))])
    with pytest.raises(InputError):
        sites.enrichment([(np.zeros(5), block(5, 0, 2))])


def test_ranking_figures_equal_scikit_learn_with_ties():
    rng = np.random.default_rng(6)
    values, inside = rng.integers(0, 9, 80).astype(float), rng.random(80) < 0.25
    assert sites.auroc(values, inside) == pytest.approx(roc_auc_score(inside, values))
    assert sites.auprc(values, inside) == pytest.approx(average_precision_score(inside, values))


def test_per_site_rows_compare_with_the_bases_outside_all_sites():
    values = np.ones(20)
    values[4:8], values[12:16] = 3.0, 5.0
    rows = sites.per_site([Site("a", 4, 8, "ACGT"), Site("b", 12, 16, "ACGT")], values)
    assert [row["over_outside"] for row in rows] == [3.0, 5.0]
    assert rows[1]["window_percentile"] == pytest.approx(100 * 16 / 17)
