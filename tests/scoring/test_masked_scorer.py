"""Masked language models as scorers: what is compared is hidden, and hidden in both windows alike."""

import numpy as np
import pytest
import torch

import genomelm
from genomelm.errors import UsageError
from genomelm.models.encoding import HIDDEN_STRIDE, make_batch
from genomelm.scoring import scorer as scorer_room
from genomelm.scoring.alleles import other_strand, read_alone, read_pair
from genomelm.scoring.forward import read_windows
from genomelm.scoring.masked import hidden_log_probabilities, pseudo_likelihoods
from genomelm.scoring.scorer import LikelihoodScorer, MaskedScorer, scorer_for
from genomelm.seq.alphabet import MASK, encode
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.seq.variant import Variant
from genomelm.seq.window import AllelePair

SEQUENCE = "ACGTTGACATATNNTGCAGGTGATTACA"
OTHER = {"A": "C", "C": "G", "G": "T", "T": "A"}


@pytest.fixture(scope="module")
def genome(tiny_fasta):
    with Genome(tiny_fasta) as opened:
        yield opened


@pytest.fixture(scope="module")
def scorer(masked_model):
    return scorer_for(masked_model, width=50)


@pytest.fixture(scope="module")
def pairs(scorer, genome):
    """SNVs, MNVs, insertions and deletions, some of them at a contig's ends or beside a run of N."""
    found = []
    for place in (0, 40, 777, 2003, 3992):
        ref = genome.fetch(Interval("c1", place, place + 4)).upper()
        found.append(Variant("c1", place + 1, ref[0], OTHER[ref[0]]))
        found.append(Variant("c1", place + 1, ref[:3], OTHER[ref[0]] + ref[1] + OTHER[ref[2]]))
        found.append(Variant("c1", place + 1, ref[0], ref[0] + "GATTA"))
        found.append(Variant("c1", place + 1, ref, ref[0]))
    last = genome.fetch(Interval("c2", 1996, 2000)).upper()
    found.append(Variant("c2", 1997, last, last[0]))
    made = [scorer.pair(genome, variant) for variant in found]
    assert {pair.status for pair in made} == {"OK", "EDGE_PADDED"}
    assert any("N" in pair.ref for pair in made)
    unknown = "ACGTTGACATNNTGCAGGTG"  # the reference's bases opposite to the inserted ones are N
    made.append(AllelePair(found[0], "OK", None, unknown, unknown[:9] + "GAT" + unknown[9:], 9, 0, 3))
    return made


def hidden_alone(model, sequence: str, marks: np.ndarray, site: range) -> np.ndarray:
    """One window alone through the whole model with `site` hidden: log p of A, C, G and T there, (m, 4)."""
    ids = encode(sequence)
    ids[site.start : site.stop] = MASK
    with torch.no_grad():
        logits = model(**make_batch([ids], [marks]).inputs()).logits[0, 1:].double().numpy()
    logits = logits[site.start : site.stop][:, encode("ACGT")]
    return logits - np.log(np.exp(logits).sum(1, keepdims=True))


def test_score_equals_naive_passes_with_equally_many_bases_hidden(masked_model, scorer, pairs):
    for pair, score in zip(pairs, scorer.score(pairs), strict=True):
        expected = []
        for strand in (pair, other_strand(pair)):
            longest = max(strand.ref_length, strand.alt_length)
            site = range(strand.offset, min(strand.offset + longest, len(strand.ref), len(strand.alt)))
            ref, alt = read_pair(masked_model, strand)
            of_ref, of_alt = (
                hidden_alone(masked_model, sequence, window.marks, site)
                for sequence, window in ((strand.ref, ref), (strand.alt, alt))
            )
            total = 0.0
            for row, place in enumerate(site):
                if strand.ref[place] in "ACGT" and strand.alt[place] in "ACGT":
                    total += of_alt[row, "ACGT".index(strand.alt[place])]
                    total -= of_ref[row, "ACGT".index(strand.ref[place])]
            expected.append(total)
        assert score == pytest.approx(np.mean(expected), abs=1e-4)
        assert abs(score) > 1e-4


def test_a_site_costs_one_pass_a_strand_for_all_its_substitutions(scorer, genome, monkeypatch):
    rows = []

    def counted(model, windows):
        rows.append(len(windows))
        return hidden_log_probabilities(model, windows)

    monkeypatch.setattr(scorer_room, "hidden_log_probabilities", counted)
    base = genome.fetch(Interval("c1", 310, 311))
    scorer.score([scorer.pair(genome, Variant("c1", 311, base, alt)) for alt in "ACGT" if alt != base])
    assert sum(rows) == 2


def test_scores_at_one_site_add_up(scorer, genome):
    sequence = genome.fetch(Interval("c1", 300, 348)).upper()

    def score(ref: str, alt: str) -> float:
        windows = (sequence[:20] + base + sequence[21:] for base in (ref, alt))
        return float(scorer.score([AllelePair(Variant("c1", 321, ref, alt), "OK", None, *windows, 20, 1, 1)])[0])

    assert score("A", "C") + score("C", "G") == pytest.approx(score("A", "G"), abs=1e-9)
    assert score("A", "C") == pytest.approx(-score("C", "A"), abs=1e-12)
    assert score("A", "A") == 0


def test_a_change_to_the_same_sequence_scores_zero(scorer, pairs):
    same = [AllelePair(p.variant, "OK", p.window, p.ref, p.ref, p.offset, p.ref_length, p.ref_length) for p in pairs]
    assert (scorer.score(same) == 0).all()


def test_scores_do_not_depend_on_the_batch(scorer, pairs):
    together = scorer.score(pairs)
    alone = np.concatenate([scorer.score([pair]) for pair in pairs])
    assert np.abs(together - alone).max() < 1e-5
    assert scorer.score([]).shape == (0,)


def test_every_base_is_hidden_once_and_its_row_never_sees_it(masked_model):
    found = genomelm.base_logits(masked_model, [SEQUENCE, "AC", "A", ""])
    assert [f.shape for f in found] == [(len(SEQUENCE), 5), (2, 5), (1, 5), (0, 5)]
    marks = read_alone(masked_model, SEQUENCE).marks
    for place in range(0, len(SEQUENCE), 4):
        ids = encode(SEQUENCE)
        ids[place % HIDDEN_STRIDE :: HIDDEN_STRIDE] = MASK
        with torch.no_grad():
            logits = masked_model(**make_batch([ids], [marks]).inputs()).logits[0, 1 + place, encode("ACGTN")]
        assert np.abs(found[0][place] - logits.numpy()).max() < 1e-4
        changed = SEQUENCE[:place] + ("A" if SEQUENCE[place] != "A" else "C") + SEQUENCE[place + 1 :]
        other = genomelm.base_logits(masked_model, [changed])[0]
        assert np.abs(other[place] - found[0][place]).max() < 1e-5
        assert np.abs(other - found[0]).max() > 1e-3


def test_the_pseudo_likelihood_adds_up_the_rows_of_the_bases(masked_model):
    letters = genomelm.base_logits(masked_model, [SEQUENCE])[0][:, :4].astype(float)
    log_p = letters - np.log(np.exp(letters).sum(1, keepdims=True))
    expected = [log_p[i, "ACGT".index(base)] if base in "ACGT" else 0.0 for i, base in enumerate(SEQUENCE)]
    values = pseudo_likelihoods(masked_model, [read_alone(masked_model, SEQUENCE)])[0]
    assert np.abs(values - expected).max() < 1e-4
    total = genomelm.log_likelihood(masked_model, [SEQUENCE, "", "NNN"])
    assert total == pytest.approx([sum(expected), 0, 0], abs=1e-3)


def test_hidden_bases_of_windows_of_unequal_length_are_not_mixed_up(masked_model):
    windows = [read_alone(masked_model, SEQUENCE[:size]) for size in (5, 28, 9)]
    hidden = [
        window.hidden(slice(first, first + count))
        for window, first, count in zip(windows, (1, 20, 0), (2, 8, 0), strict=True)
    ]
    together = read_windows(masked_model, hidden, hidden_log_probabilities)
    assert [found.shape for found in together] == [(2, 4), (8, 4), (0, 4)]
    for window, found in zip(hidden, together, strict=True):
        alone = read_windows(masked_model, [window], hidden_log_probabilities)[0]
        assert np.abs(found - alone).max(initial=0) < 1e-5
    assert (windows[0].ids != MASK).all()


def test_attribution_saturation_and_score_give_a_substitution_one_number(masked_model, genome, tiny_fasta):
    window = Interval("c1", 300, 340)
    saturated = genomelm.saturate(masked_model, tiny_fasta, window, window=window, strands="forward")
    attributed = genomelm.attribute(masked_model, [genome.fetch(window)])[0]
    assert np.abs(saturated - attributed).max() < 1e-5
    assert ((saturated == 0).sum(1) == 1).all()


def test_the_objective_decides_the_scorer_and_its_description(masked_model, language_model):
    found = scorer_for(masked_model)
    assert isinstance(found, MaskedScorer)
    assert found.tag == "GLM_LLR"
    assert "masked model" in found.description
    assert "causal model" in scorer_for(language_model).description
    with pytest.raises(UsageError, match="causal language model"):
        LikelihoodScorer(masked_model)
    with pytest.raises(UsageError, match="masked language model"):
        MaskedScorer(language_model)
