import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genomelm.errors import InputError, IntegrityError, UsageError
from genomelm.patching import count_model
from genomelm.patching.count_model import CountModel
from genomelm.seq.alphabet import encode, reverse_complement

sequences = st.text("ACGTN", max_size=60)


def written_out(model: CountModel, context: str) -> np.ndarray:
    """The prediction after `context` (letters only), by the recursion of the docstring in plain Python."""
    letters = "ACGT"
    counts = {"".join(c): row for c, row in zip(product(letters, repeat=model.order), model.counts, strict=True)}
    prediction = np.full(4, 0.25)
    for order in range(min(len(context), model.order) + 1):
        ending = context[len(context) - order :]
        n = sum(row.astype(float) for known, row in counts.items() if known.endswith(ending))
        s = model.concentrations[order][int((n > 0).sum())]
        prediction = (n + s * prediction) / (n.sum() + s) if n.sum() else prediction
    return prediction


def test_predictions_follow_the_written_out_recursion() -> None:
    model = CountModel.fit([encode("ACGTTGCAACGATTACAGATTACACCA" * 3)], order=2)
    sequence = "GATTACANGT"
    scores, bits = model.scores(encode(sequence)), model.bits(encode(sequence))
    for i in range(1, len(sequence) + 1):
        p = written_out(model, sequence[:i].rpartition("N")[2])
        assert scores[i] == pytest.approx(-(p * np.log(p)).sum(), abs=1e-6)
        if i < len(sequence) and sequence[i] != "N":
            assert bits[i] == pytest.approx(-math.log2(p["ACGT".index(sequence[i])]), abs=1e-6)
    assert np.isnan(bits[sequence.index("N")])


def test_counts_are_those_of_every_run_of_letters() -> None:
    model = CountModel.fit([encode("ACGNACG"), encode("AC")], order=1, both_strands=False)
    assert model.counts.tolist() == [[0, 3, 0, 0], [0, 0, 2, 0], [0, 0, 0, 0], [0, 0, 0, 0]]


@given(sequences.filter(lambda s: any(len(run) > 2 for run in s.split("N"))))
def test_both_strands_count_alike(sequence: str) -> None:
    forward = CountModel.fit([encode(sequence)], order=2)
    reverse = CountModel.fit([encode(reverse_complement(sequence))], order=2)
    assert forward.digest == reverse.digest


@given(sequences, st.integers(0, 60))
def test_any_chunking_scores_alike(model: CountModel, sequence: str, cut: int) -> None:
    ids, cut = encode(sequence), min(cut, len(sequence))
    whole = model.scores(ids)
    assert (model.scores(ids[:cut]) == whole[: cut + 1]).all()
    if cut:
        assert (model.scores(ids[cut:], context=ids[:cut]) == whole[cut:]).all()
        assert (model.scores(ids[cut:], context=ids[max(0, cut - model.order) : cut]) == whole[cut:]).all()
        assert np.array_equal(model.bits(ids[cut:], context=ids[:cut]), model.bits(ids)[cut:], equal_nan=True)


@given(sequences, sequences, st.integers(0, 6))
def test_codes_that_are_looked_up_are_those_of_the_scores(sequence: str, before: str, order: int) -> None:
    model = CountModel.fit([encode("ACGTTGCAACGATTACAGATTACACCA" * 3)], order)
    assert model.reach == order
    for context in (None, encode(before)):
        scores, codes = model.scores(encode(sequence), context), model.codes(encode(sequence), context)
        assert codes.dtype == np.uint16
        assert codes.tolist() == model.scale.encode(scores).tolist()


@pytest.mark.parametrize("block", [5, 6, 12, 13, 14])  # no shorter than the order
def test_codes_do_not_depend_on_the_block_that_is_looked_up(model: CountModel, monkeypatch, block: int) -> None:
    ids = encode("GATTACANGTTGCA")
    for context in (None, encode("CAGGT")):
        whole = model.codes(ids, context)
        with monkeypatch.context() as patched:
            patched.setattr(count_model, "BLOCK", block)
            assert model.codes(ids, context).tolist() == whole.tolist()
            assert model.codes(ids[:0], context).tolist() == whole[:1].tolist()


def test_training_chunks_that_overlap_by_the_order_count_as_one_record(dna: np.ndarray, model: CountModel) -> None:
    chunks = [dna[max(0, start - 5) : start + 7001] for start in range(0, len(dna), 7001)]
    assert CountModel.fit(chunks, order=5).digest == model.digest


@given(sequences, st.integers(0, 59), st.sampled_from("ACGTN"))
def test_a_byte_reaches_only_the_scores_after_it(model: CountModel, sequence: str, at: int, letter: str) -> None:
    if at < len(sequence):
        changed = sequence[:at] + letter + sequence[at + 1 :]
        before, after = model.scores(encode(sequence)), model.scores(encode(changed))
        assert (before[: at + 1] == after[: at + 1]).all()
        if "N" not in (letter, sequence[at]):
            assert (before[at + model.order + 1 :] == after[at + model.order + 1 :]).all()


def test_scores_at_unknown_letters_are_those_of_an_empty_context(model: CountModel) -> None:
    scores = model.scores(encode("ACGTNNNA"))
    assert scores[5] == scores[6] == scores[7] == model.scores(encode("A"), context=encode("N"))[0]
    assert np.isfinite(scores).all()
    assert (scores <= np.float32(math.log(4)) + 1e-6).all()


def test_empty_records_score_nothing(model: CountModel) -> None:
    assert model.scores(encode("")).tolist() == [0]
    assert model.bits(encode("")).shape == (0,)


def test_predictions_of_every_context_sum_to_one(model: CountModel) -> None:
    assert model._probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_held_out_bits_fall_with_a_useful_context_and_never_blow_up(dna: np.ndarray) -> None:
    random = np.random.default_rng(3)
    noise = np.frombuffer(b"ACGT", np.uint8)[random.integers(0, 4, 20_000)]
    fits = {order: CountModel.fit([dna[:25_000]], order=order) for order in (0, 6)}
    assert fits[6].bits_per_base(dna[25_000:])[0] < fits[0].bits_per_base(dna[25_000:])[0] - 0.1
    overfitted = CountModel.fit([noise[:15_000]], order=8)
    assert overfitted.bits_per_base(noise[15_000:])[0] < 2.02


def test_rna_reads_u_and_t_alike_and_protein_has_twenty_letters() -> None:
    rna = CountModel.fit([encode("ACGUUGCAACGU" * 4, "rna")], order=3, alphabet="rna", both_strands=False)
    assert (rna.scores(encode("ACGU", "rna")) == rna.scores(encode("ACGT"))).all()
    protein = CountModel.fit([encode("MKVLAAGIVGM" * 9, "protein")], 3, "protein", both_strands=False)
    assert protein.counts.shape == (8000, 20)
    assert protein.bits_per_base(encode("MKVLAXAGIV", "protein"))[1] == 9


def test_rows_too_large_for_16_bits_keep_their_proportions() -> None:
    model = CountModel.fit([encode("A" * 200_000 + "C" * 70_000)], order=0, both_strands=False)
    assert model.counts.tolist() == [[50_000, 17_500, 0, 0]]


def test_saved_model_scores_the_same(model: CountModel, dna: np.ndarray, tmp_path) -> None:
    model.save(tmp_path / "m")
    loaded = CountModel.load(tmp_path / "m")
    assert loaded.digest == model.digest
    assert loaded.training == model.training
    assert (loaded.scores(dna) == model.scores(dna)).all()
    model.save(tmp_path / "again")
    for file in (tmp_path / "m").iterdir():
        assert file.read_bytes() == (tmp_path / "again" / file.name).read_bytes()


@settings(max_examples=20)
@given(st.data())
def test_a_damaged_model_is_refused(model: CountModel, tmp_path_factory, data) -> None:
    directory = tmp_path_factory.mktemp("damaged") / "m"
    model.save(directory)
    file = directory / data.draw(st.sampled_from(["counts.bin", "count_model.json"]))
    raw = file.read_bytes()
    file.write_bytes(raw[: data.draw(st.integers(0, len(raw) - 3))])
    with pytest.raises(IntegrityError, match=r"not a whole count model|digest"):
        CountModel.load(directory)


def test_user_errors_name_the_value_and_the_fix(model: CountModel) -> None:
    with pytest.raises(UsageError, match="order 13 is out of range for dna: choose 0 to 12"):
        CountModel.fit([], order=13)
    with pytest.raises(UsageError, match="both_strands=True needs DNA"):
        CountModel.fit([], order=2, alphabet="protein")
    with pytest.raises(UsageError, match="'dan' is unknown"):
        CountModel.fit([], alphabet="dan")
    with pytest.raises(InputError, match="no run of 4 dna letters"):
        CountModel.fit([encode("ACGNAC")], order=3)
    with pytest.raises(InputError, match="0 to 259"):
        model.scores(np.array([65, 900]))
    with pytest.raises(InputError, match="no letter"):
        model.bits_per_base(encode("NNN"))
