"""A window against the reference of a task, where letters are no bases."""

import logging
from types import SimpleNamespace

import pytest

from genomelm.errors import UsageError
from genomelm.scoring.assay_window import check_assay_window
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval

PROTEIN = "MAGKTLLWYDERAAAKMAGKTLLWYDERAAAK"


def model_of(reference: str, alphabet: str = "protein"):
    return SimpleNamespace(config=SimpleNamespace(head={"reference": reference}), alphabet=alphabet)


@pytest.fixture
def genome(tmp_path) -> Genome:
    path = tmp_path / "p.fa"
    path.write_text(f">p\n{PROTEIN}\n>r\nACGTTTGACAGGTACCATTA\n")
    return Genome(path, any_letters=True)


def test_the_same_protein_passes_and_a_near_one_is_told(genome, caplog):
    window = Interval("p", 0, len(PROTEIN))
    with caplog.at_level(logging.WARNING):
        check_assay_window(model_of(PROTEIN), genome, window, 512)
        assert not caplog.records
        check_assay_window(model_of("W" + PROTEIN[1:]), genome, window, 512)
    assert "in 1 residues" in caplog.text


@pytest.mark.parametrize(
    ("reference", "window", "message"),
    [
        # turned and complemented as bases, the window would be nearer to this reference
        ("TTTTTTTTTTTTTTTT", Interval("p", 0, 16), r"^p:1-16\S* differs .* in 15 of 16 residues"),
        (PROTEIN, Interval("p", 0, 16), "has 16 residues, but .* has 32"),
        (PROTEIN, None, r"32 residues: give its place with --window C:a-b, "),
        (PROTEIN, Interval("p", 0, 32, "-"), "a protein has no strands"),
    ],
)
def test_a_protein_is_refused_by_its_residues_and_never_by_a_strand(genome, reference, window, message):
    with pytest.raises(UsageError, match=message) as caught:
        check_assay_window(model_of(reference), genome, window, 512)
    assert "wrong strand" not in str(caught.value)
    assert "bases" not in str(caught.value)


def test_u_of_a_reference_is_t_of_a_transcript(genome, caplog):
    with caplog.at_level(logging.WARNING):
        check_assay_window(model_of("ACGUUUGACAGGUACCAUUA", "rna"), genome, Interval("r", 0, 20), 512)
    assert not caplog.records
