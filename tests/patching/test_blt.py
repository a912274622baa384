"""The published patching rule: every golden case that the published program computed, and its quirks as laws."""

import json
from pathlib import Path

import numpy as np
import pytest

from genomelm.errors import InputError, UsageError
from genomelm.patching import blt
from genomelm.patching.geometry import PatchBatch, lengths_to_starts, pad_starts, starts_to_lengths

GOLDEN = Path(__file__).parent / "golden/blt_patching.json"
CASES = {case["name"]: case for case in json.loads(GOLDEN.read_text())["cases"]}

# Cases of the published program that are not its patching rule, and why nothing here answers them.
OTHER = {
    "static_log_time_inc0": "an option that measures time",
    "static_log_time_inc1": "an option that measures time",
    "patcherargs_ignores_patching_threshold": "its settings class",
    "calculate_entropies_batch_bleed": "how it runs its entropy model",
    "calculate_entropies_preds_shape": "how it runs its entropy model",
}


def named(start, without=()):
    return [name for name in CASES if name.startswith(start) and name not in without]


PATCHED = [name for name, case in CASES.items() if case.get("fn") == "Patcher.patch" and name not in OTHER]
PORT = named("hf_")
RAW = named("rawmask_")
IDS = named("ids_[[")
ATTENTION = [*named("enc_mask"), *named("dec_mask"), *named("cross_attn")]
CONVERSIONS = ["mask_to_ids", "mask_to_ids_allfalse", *named("ids_to_lengths"), "split_large_numbers"]
HASHES = named("hash_")
ENTROPIES = named("entropy_")
PREFIX = ["prefix_invariance_by_mode"]


def patched(case):
    """Patch a case in our words."""
    args = {**case["args"], **case.get("attrs_set_after_init", {})}
    threshold, add = args.get("threshold"), args.get("threshold_add")
    options = {"longest": args.get("max_patch_length"), "next_token": case["include_next_token"]}
    if args["patching_mode"] != "entropy":
        return blt.patch_lengths(case["tokens"], args["patching_mode"], size=args.get("patch_size", 4.5), **options)
    if args.get("monotonicity"):
        return blt.patch_lengths(case["entropies"], "monotonic", rise=threshold, **options)
    if threshold is None:
        return blt.patch_lengths(case["entropies"], "top", size=args["patch_size"], **options)
    mode = "threshold" if add is None else "dual"
    return blt.patch_lengths(case["entropies"], mode, threshold=threshold, rise=add, **options)


def two_kinds_of_ids(lengths, width):
    """Return the ids of patches and decoder of `width` bytes, where lengths (b, p) count the next token too."""
    starts = [lengths_to_starts(row) for row in np.asarray(lengths)]
    batch = pad_starts(
        [row[row < width] for row in starts], [width] * len(starts), next_opens=[width in row for row in starts]
    )
    return batch.patch_ids().tolist(), batch.decoder_ids().tolist()


def test_every_golden_case_is_answered_by_one_test_here():
    answered = [*PATCHED, *PORT, *RAW, *IDS, *ATTENTION, *CONVERSIONS, *HASHES, *ENTROPIES, *PREFIX, *OTHER]
    assert sorted(answered) == sorted(CASES)
    assert len(CASES) == 116


@pytest.mark.parametrize("name", PATCHED)
def test_lengths_and_starts_are_the_published_ones(name):
    case = CASES[name]
    if "error" in case:
        with pytest.raises((UsageError, InputError)):
            patched(case)
        return
    lengths = patched(case)
    assert lengths.tolist() == case["patch_lengths"]
    assert [lengths_to_starts(row).tolist() for row in lengths] == case["patch_starts"]
    if case["include_next_token"]:
        ids, decoder = two_kinds_of_ids(lengths, lengths.sum(axis=1)[0] - 1)
        assert ids == case["encoder_patch_ids"]
        # Where the first patch is longer than one byte the published program stops; ours reads the null patch, -1.
        assert decoder == case["decoder_patch_ids"] or (decoder[0][0] == -1 and "error" in case["decoder_patch_ids"])


@pytest.mark.parametrize("name", PORT)
def test_the_port_takes_the_next_token_off_the_last_column_padding_or_not(name):
    case = CASES[name]
    lengths = blt.patch_lengths(case["entropies"], threshold=case["threshold"], next_token=True)
    assert two_kinds_of_ids(lengths, lengths.sum(axis=1)[0] - 1) == (
        case["encoder_patch_ids"],
        case["decoder_patch_ids"],
    )
    lengths[:, -1] -= 1
    assert lengths.tolist() == case["patch_lengths"]


@pytest.mark.parametrize("name", RAW)
def test_the_test_on_entropies_alone_is_the_rule_from_token_2_on(name):
    case = CASES[name]
    if "shape_in" in case:
        assert blt.patch_lengths(np.zeros((case["shape_in"][0], 1)), "monotonic", rise=0).tolist() == [[1], [1]]
        return
    values = [[0.0, *row] for row in case["entropies"]]
    numbers = dict(zip(("rise",) if "mono" in name else ("threshold", "rise"), case["args"], strict=True))
    mode = "monotonic" if "mono" in name else "dual"
    starts = lengths_to_starts(blt.patch_lengths(values, mode, next_token=True, **numbers)[0])
    assert starts.tolist() == [0, 1, *(2 + np.flatnonzero(case["mask"][0])).tolist()]


@pytest.mark.parametrize("name", IDS)
def test_ids_of_bytes_and_of_their_decoder_are_the_published_ones(name):
    case = CASES[name]
    ids, decoder = two_kinds_of_ids(case["patch_lengths"], case["seq_len"])
    assert ids == case["encoder_patch_ids"]
    assert decoder == case["decoder_patch_ids"] or (decoder[0][0] == -1 and "error" in case["decoder_patch_ids"])


@pytest.mark.parametrize("name", ATTENTION)
def test_ids_say_who_reads_whom_as_the_published_attention_masks_do(name):
    case = CASES[name]
    lengths, window = case.get("patch_lengths", [[1, 1, 3, 2, 2]]), case.get("window") or 1
    ids, decoder = (np.array(found[0]) for found in two_kinds_of_ids(lengths, 8))
    patches = np.arange(5)
    reader, read = (decoder[:, None], patches) if name.startswith("dec") else (patches[:, None], ids)
    mask = (read <= reader) & (read > reader - window)
    if name.startswith("cross"):
        assert np.repeat(mask, 2, axis=0).astype(int).tolist() == case["mask"]
    else:
        assert mask.astype(int).tolist() == case["mask"][0]


@pytest.mark.parametrize("name", CONVERSIONS)
def test_masks_starts_and_lengths_convert_as_published(name):
    case = CASES[name]
    if "mask" in case:
        marks = np.array(case["mask"], bool)
        batch = PatchBatch(marks, np.full(len(marks), marks.shape[1]), np.zeros(len(marks), bool))
        padded = [[*row, *[marks.shape[1]] * (marks.shape[1] - len(row))] for row in batch.starts()]
        assert padded == case["start_ids"]
    elif "start_ids" in case:
        starts, length = np.array(case["start_ids"][0]), case["seq_len"]
        found = starts_to_lengths(starts[starts < length], length).tolist()
        assert found + [0] * (len(starts) - len(found)) == case["lengths"][0]
    else:
        assert blt.split(np.array(case["in"]), case["m"]).tolist() == case["out"]


@pytest.mark.parametrize("name", HASHES)
def test_hashes_of_n_grams_are_the_published_ones(name):
    case = CASES[name]
    prime = blt.PRIMES[case["hash_func_nb"]]
    assert case.get("prime", prime) == prime
    assert blt.ngram_ids(case["tokens"], case["group_size"], case["max_hash"], prime).tolist() == case["ids"]


def test_entropies_are_the_published_ones():
    case = CASES["entropy_nats"]
    np.testing.assert_allclose(blt.entropies(case["logits"]), case["entropies"], rtol=0, atol=2e-7)


def test_a_masked_logit_makes_the_entropy_nan_and_nan_starts_no_patch():
    assert CASES["entropy_masked_inf_is_nan"]["entropy_is_nan"]
    masked = blt.entropies([[0, -np.inf, 0, -np.inf]])
    assert np.isnan(masked).all()
    assert blt.patch_lengths([9, 9, masked[0], 9, 9], threshold=1.0).tolist() == [1, 1, 2, 1]


@pytest.mark.parametrize("mode", ["threshold", "monotonic", "dual", "maxlen", "topk"])
def test_prefixes_are_cut_alike_in_the_modes_that_the_published_program_cuts_alike(mode):
    """No start inside a prefix depends on what follows it, except in `top`."""
    published = CASES[PREFIX[0]]["result"][mode]["prefix_invariant"]
    values = np.random.default_rng(7).uniform(0, 2, 64)
    name = {"maxlen": "threshold", "topk": "top"}.get(mode, mode)
    options = {"threshold": 1.4, "rise": 0.2, "size": 4, "longest": 5 if mode == "maxlen" else None}
    whole = lengths_to_starts(blt.patch_lengths(values, name, **options))
    alike = [
        np.array_equal(lengths_to_starts(blt.patch_lengths(values[:m], name, **options)), whole[whole < m])
        for m in range(1, 64)
    ]
    assert all(alike) == published


@pytest.mark.parametrize("mode", ["threshold", "monotonic", "dual"])
@pytest.mark.parametrize("longest", [None, 1, 3])
@pytest.mark.parametrize("next_token", [False, True])
def test_vectorised_rule_equals_a_loop_over_tokens(mode, longest, next_token):
    rng = np.random.default_rng(3)
    for length in (1, 2, 3, 4, 5, 97):
        e = rng.integers(0, 8, (3, length)).astype(np.float32) / 4
        found = blt.patch_lengths(e, mode, threshold=0.9, rise=0.25, longest=longest, next_token=next_token)
        for row, lengths in zip(e, found, strict=True):
            assert lengths_to_starts(lengths).tolist() == by_loop(row, mode, 0.9, 0.25, longest, next_token)


def by_loop(e, mode, threshold, rise, longest, next_token):
    starts = []
    for k in range(len(e) + next_token):
        above = k >= 2 and e[k - 1] > threshold
        rises = k >= 3 and e[k - 1] - e[k - 2] > rise
        rule = {"threshold": above, "monotonic": rises or k == 2, "dual": (above and rises and k != 3) or k == 2}[mode]
        if k < 2 or rule or (longest and k - starts[-1] == longest):
            starts.append(k)
    return starts


def test_entropies_are_compared_as_float32():
    assert blt.patch_lengths(np.full(4, 1.4 + 1e-9), threshold=np.float64(1.4)).tolist() == [1, 3]


@pytest.mark.parametrize(
    ("values", "options", "error", "message"),
    [
        ([[]], {"threshold": 1.0}, InputError, "at least one token"),
        ([1.0, 1.0], {}, UsageError, "threshold=: give it in nats"),
        ([1.0, 1.0], {"mode": "dual", "threshold": 1.0}, UsageError, "rise=: give it in nats"),
        ([1.0, 1.0], {"mode": "static", "size": 4.5}, UsageError, "size=4.5"),
        ([1.0, 1.0], {"threshold": 1.0, "longest": 0}, UsageError, "longest=0"),
        ([1.0, 1.0], {"mode": "greedy"}, UsageError, "choose threshold"),
        ([1.0, 1.0], {"mode": "space"}, InputError, "integers from 0 to 259"),
    ],
)
def test_what_cannot_be_cut_is_named(values, options, error, message):
    with pytest.raises(error, match=message):
        blt.patch_lengths(np.array(values), **options)
