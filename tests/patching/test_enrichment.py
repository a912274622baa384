import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genomelm.patching.enrichment import SHIFTS, bed_class, gff_classes, overlap, repeat_class
from genomelm.seq.annotation import Feature

POSITIONS = st.lists(st.integers(0, 60), max_size=12)


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def distance(a: int, b: int, length: int) -> int:
    return min((a - b) % length, (b - a) % length)


@settings(deadline=None)  # the first call compiles
@given(POSITIONS, POSITIONS, st.integers(61, 90), st.integers(0, 40))
def test_counts_and_their_means_are_those_of_all_shifts_written_out(starts, edges, length, window):
    starts = sorted({0, *starts})
    kept = {edge for edge in edges if edge}
    hits, nears = [], []
    for shift in range(length):
        moved = [(edge + shift) % length for edge in kept]
        hits.append(sum(any(distance(s, e, length) <= window for s in starts) for e in moved))
        nears.append(sum(any(distance(s, e, length) <= window for e in moved) for s in starts))
    found = overlap(ints(*starts), ints(*edges), length, window)
    assert (found.features, found.starts) == (len(kept), len(starts))
    assert found.hit[0] == hits[0]
    assert found.near[0] == nears[0]
    assert found.expected_hit == pytest.approx(np.mean(hits))
    assert found.expected_near == pytest.approx(np.mean(nears))
    assert set(found.hit.tolist()) <= set(hits)
    assert set(found.near.tolist()) <= set(nears)


@settings(deadline=None)  # the first call compiles
@given(POSITIONS, st.lists(st.tuples(st.integers(-5, 60), st.integers(0, 20)), max_size=6), st.integers(61, 70))
def test_regions_count_the_starts_inside_their_union(starts, regions, length):
    starts = sorted({0, *starts})
    inside = np.zeros(length, bool)
    for begin, size in regions:
        inside[max(begin, 0) : max(begin + size, 0)] = True
    counts = [int(np.roll(inside, shift)[starts].sum()) for shift in range(length)]
    places = np.array([(begin, begin + size) for begin, size in regions], np.int64).reshape(-1, 2)
    found = overlap(ints(*starts), places, length)
    assert found.hit is None
    assert found.near[0] == counts[0]
    assert found.expected_near == pytest.approx(np.mean(counts))
    assert set(found.near.tolist()) <= set(counts)


def test_boundaries_on_features_are_enriched_and_random_ones_are_not():
    random = np.random.default_rng(0)
    edges = np.unique(random.integers(1, 200_000, 800))
    noise = random.integers(0, 200_000, 20_000)
    on, off = (
        overlap(np.unique(np.append(noise, extra)), edges, 200_000).summary() for extra in (edges[::2], noise[:1])
    )
    assert on["recall"]["observed"] > 0.65
    assert on["recall"]["z"] > 5
    assert on["recall"]["p"] == 1 / (1 + SHIFTS)
    assert on["precision"]["enrichment"] > 1.2
    assert abs(off["recall"]["z"]) < 4
    assert 0.8 < off["precision"]["enrichment"] < 1.2
    assert on["recall"]["enrichment"] == pytest.approx(on["recall"]["observed"] / on["recall"]["expected"])


def test_everywhere_a_start_is_no_enrichment():
    summary = overlap(np.arange(1000), ints(5, 500), 1000).summary()
    assert summary["recall"] == {"observed": 1, "expected": 1, "enrichment": 1, "z": None, "p": 1}
    assert summary["precision"]["observed"] == pytest.approx(summary["precision"]["expected"]) == 0.01


@pytest.mark.parametrize(
    ("starts", "places", "length"),
    [
        (ints(0, 5), ints(), 10),
        (ints(), ints(3), 10),
        (ints(), ints(), 0),
        (ints(0), ints(0, 1), 1),
        (ints(0, 5), ints().reshape(0, 2), 10),
        (ints(0, 5), ints(4, 4).reshape(1, 2), 10),
    ],
)
def test_where_nothing_can_be_counted_there_is_no_number(starts, places, length):
    summary = overlap(starts, places, length).summary()
    assert summary["recall"] is None
    assert summary["precision"] is None


def test_contigs_add_up():
    one = overlap(ints(0, 5, 40), ints(6, 20), 50)
    other = overlap(ints(0, 9), ints(30), 40)
    both = (one + other).summary()
    assert (both["features"], both["starts"]) == (3, 5)
    assert both["recall"]["observed"] == pytest.approx(1 / 3)
    assert both["recall"]["expected"] == pytest.approx((2 * 15 / 50 + 10 / 40) / 3)
    assert (one + overlap(ints(), ints(), 0)).summary()["recall"]["observed"] == one.summary()["recall"]["observed"]


def test_the_same_seed_draws_the_same_shifts():
    starts, edges = np.arange(0, 5000, 7), np.arange(3, 5000, 11)
    assert overlap(starts, edges, 5000).summary() == overlap(starts, edges, 5000).summary()
    assert (overlap(starts, edges, 5000).hit[1:] != overlap(starts, edges, 5000, seed=1).hit[1:]).any()


def feature(kind: str, start: int, end: int, strand: str = "+", contig: str = "c") -> Feature:
    return Feature(contig, start, end, strand, kind, {}, 0 if kind == "CDS" else None)


def test_bacteria_have_coding_edges_and_spliced_genomes_exon_edges():
    bacterium = [feature("gene", 100, 200), feature("CDS", 100, 200), feature("CDS", 300, 400, "-")]
    classes = gff_classes([*bacterium, feature("exon", 600, 650)])
    assert classes["CDS edges"]["c"].tolist() == [100, 200, 300, 400]
    assert "exon edges" not in classes
    classes = gff_classes([*bacterium, feature("exon", 90, 210), feature("exon", 290, 410, contig="d")])
    assert {name: places.tolist() for name, places in classes["exon edges"].items()} == {
        "c": [90, 210],
        "d": [290, 410],
    }
    assert gff_classes([feature("region", 0, 9)]) == {}


def test_gene_starts_and_promoters_follow_the_strand():
    classes = gff_classes(
        [feature("gene", 100, 200), feature("gene", 300, 400, "-"), feature("gene", 20, 30), feature("gene", 5, 9, ".")]
    )
    assert classes["gene starts"]["c"].tolist() == [100, 400, 20]
    assert classes["promoters"]["c"].tolist() == [[50, 100], [400, 450], [0, 20]]


def test_bed_and_repeats_give_both_edges(tmp_path):
    (tmp_path / "a.bed").write_text("c\t5\t9\nd\t0\t3\nc\t20\t21\n")
    assert {name: edges.tolist() for name, edges in bed_class(tmp_path / "a.bed").items()} == {
        "c": [5, 9, 20, 21],
        "d": [0, 3],
    }
    assert repeat_class(["ACg", "tNn", "nA"]).tolist() == [2, 4, 5, 7]


def test_a_hundred_shifts_take_less_than_sorted_searches_would():
    length, random = 20_000_000, np.random.default_rng(0)
    starts, edges = np.cumsum(random.integers(1, 16, 2_400_000)), np.sort(random.integers(1, length, 20_000))
    overlap(starts[:10], edges[:10], length)
    begin = time.process_time()
    overlap(starts, edges, length)
    counted = time.process_time() - begin
    begin = time.process_time()
    for shift in random.integers(1, length, 20):
        for side in (-2, 3, 3):
            np.searchsorted(starts, (edges + shift + side) % length)
    assert counted < 5 * (time.process_time() - begin)
