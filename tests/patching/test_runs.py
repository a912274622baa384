import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genomelm.errors import UsageError
from genomelm.patching.runs import contig_breaks, ids_breaks, revealed, run_edges
from genomelm.seq.alphabet import MASK, encode

TEXT = st.text("ACGTacgtNnRU-", max_size=40)
ISOLATE = st.sampled_from([("n",), ("case",), ("n", "case"), ("case", "n"), ()])


def raw(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), np.uint8)


def kind(letter: str, isolate: tuple[str, ...]) -> tuple:
    return ("n" in isolate and letter.upper() not in "ACGT", "case" in isolate and letter.islower())


@given(TEXT, ISOLATE)
def test_edges_are_where_runs_of_n_or_case_begin_and_end(text, isolate):
    runs = [len(list(run)) for _, run in itertools.groupby(text, lambda letter: kind(letter, isolate))]
    expected = list(itertools.accumulate(runs))[:-1]
    assert run_edges(raw(text), None, isolate, "at").tolist() == expected
    assert run_edges(raw(text), None, isolate, "after").tolist() == [edge + 1 for edge in expected]
    assert np.flatnonzero(revealed(raw(text), None, isolate)).tolist() == expected


@given(TEXT, ISOLATE, st.sampled_from(["at", "after"]), st.lists(st.integers(0, 40), max_size=5))
def test_pieces_give_what_the_whole_gives(text, isolate, edges, cuts):
    bounds = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[a:b] for a, b in itertools.pairwise(bounds)]
    whole, parts = contig_breaks([text], isolate, edges), contig_breaks(pieces, isolate, edges)
    assert parts.positions.tolist() == whole.positions.tolist() == run_edges(raw(text), None, isolate, edges).tolist()
    assert (whole.positions <= len(text)).all()
    assert (whole.held == 0).all()


@given(TEXT.filter(bool), ISOLATE, st.data())
def test_starts_after_an_edge_tell_nothing_of_the_bytes_to_come(text, isolate, data):
    j = data.draw(st.integers(0, len(text) - 1))
    other = text[:j] + data.draw(st.sampled_from("AcNn")) + text[j + 1 :]
    one, changed = (run_edges(raw(t), None, isolate, "after") for t in (text, other))
    assert one[one <= j].tolist() == changed[changed <= j].tolist()


@given(TEXT.filter(bool), ISOLATE, st.data())
def test_starts_at_an_edge_give_away_the_revealed_bytes_alone(text, isolate, data):
    j = data.draw(st.integers(0, len(text) - 1))
    other = text[:j] + data.draw(st.sampled_from("AcNn")) + text[j + 1 :]
    one, changed = (run_edges(raw(t), None, isolate, "at") for t in (text, other))
    if one[one <= j].tolist() != changed[changed <= j].tolist():
        # one of the two has an edge at j, and there its byte is left out of the loss
        assert revealed(raw(text), None, isolate)[j] or revealed(raw(other), None, isolate)[j]
    assert one[one < j].tolist() == changed[changed < j].tolist()


def test_edges_are_counted_in_the_contig_and_on_from_the_letter_before():
    assert run_edges(raw("NNAA"), ord("A"), ("n",), "at", start=100).tolist() == [100, 102]
    assert run_edges(raw("NNAA"), ord("N"), ("n",), "after", start=100).tolist() == [103]
    assert run_edges(raw("AAAN"), None, ("n",), "after").tolist() == [4]  # the position past the end


def test_letters_are_foreign_by_the_alphabet():
    assert run_edges(raw("ACUGT"), None, ("n",), "at").tolist() == [2, 3]
    assert run_edges(raw("ACUGT"), None, ("n",), "at", alphabet="rna").tolist() == []
    assert run_edges(raw("MKBXW*"), None, ("n",), "at", alphabet="protein").tolist() == [2, 4, 5]
    assert run_edges(raw("MKAN"), None, ("n",), "at").tolist() == [2, 3]


@given(TEXT, st.sampled_from(["at", "after"]))
def test_ids_have_the_edges_of_n_that_their_text_has(text, edges):
    assert ids_breaks(encode(text), edges).positions.tolist() == contig_breaks([text], ("n",), edges).positions.tolist()


def test_special_ids_are_no_letters():
    ids = encode("ACGT")
    ids[2] = MASK
    assert ids_breaks(ids, "at").positions.tolist() == [2, 3]


@pytest.mark.parametrize("text", ["", "A", "NNNN", "acgt"])
def test_one_run_alone_has_no_edge(text):
    assert len(contig_breaks([text], ("n", "case"), "after")) == len(contig_breaks([], ("n",), "at")) == 0


def test_unknown_options_are_refused():
    with pytest.raises(UsageError, match="edges 'before' are unknown: choose after or at"):
        contig_breaks(["ACGT"], ("n",), "before")
    with pytest.raises(UsageError, match="isolate 'gap' is unknown: choose from n, case"):
        contig_breaks(["ACGT"], ("gap",), "at")
    with pytest.raises(UsageError, match="alphabet 'xna' is unknown"):
        contig_breaks(["ACGT"], ("n",), "at", alphabet="xna")
