"""The plain reading that speeds are compared with is the published rule, and its definitions are those of the modes."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from genomelm.bench import plain_rule

GOLDEN = Path(__file__).parents[1] / "patching/golden/blt_patching.json"
CASES = [
    case
    for case in json.loads(GOLDEN.read_text())["cases"]
    if case.get("fn") == "Patcher.patch"
    and "threshold" in case["args"]
    and not case["include_next_token"]
    and len(case["entropies"]) == 1
    and len(case["entropies"][0]) > 1
]


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_the_plain_reading_gives_the_published_lengths(case):
    args = case["args"]
    numbers = {"threshold": args["threshold"], "rise": args.get("threshold_add")}
    if args.get("monotonicity"):
        numbers = {"rise": args["threshold"]}
    found = plain_rule.published(torch.tensor(case["entropies"][0]), longest=args.get("max_patch_length"), **numbers)
    assert found.tolist() == case["patch_lengths"][0]


def test_enough_golden_cases_are_read():
    assert len(CASES) == 15


def test_greedy_starts_where_the_sum_reaches_the_budget_or_the_patch_its_longest():
    assert plain_rule.greedy([9, 3, 3, 3, 0, 0, 0, 7, 1], 6, 3) == [0, 2, 5, 7]


@pytest.mark.parametrize("penalties", [None, (9, 4, 1, 0, 1, 4)])
def test_the_value_of_the_optimum_is_the_best_of_all_segmentations(penalties):
    g = np.random.default_rng(0).integers(0, 10, 11).tolist()
    least, most, price = 2, 5, 4
    values = []
    for chosen in itertools.product([False, True], repeat=len(g) - 1):
        starts = [0, *(k for k, yes in enumerate(chosen, 1) if yes)]
        lengths = np.diff([*starts, len(g)])
        if lengths.max() <= most and lengths[:-1].min(initial=most) >= least:
            cost = sum(penalties[n] for n in lengths) if penalties else 0
            values.append(sum(g[k] - price for k in starts[1:]) - cost)
    assert plain_rule.optimal_value(g, price, least, most, penalties) == max(values)
