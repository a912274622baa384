import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plain_rules import phase_at

from genomelm.errors import InputError, UsageError
from genomelm.patching.breaks import Breaks
from genomelm.patching.frames import codon_breaks
from genomelm.seq.alphabet import reverse_complement
from genomelm.seq.annotation import Feature

GENETIC_CODE = dict(
    zip(
        (a + b + c for a in "TCAG" for b in "TCAG" for c in "TCAG"),
        "FFLLSSSSYY**CC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG",
        strict=True,
    )
)


def cds(start: int, end: int, strand: str = "+", frame: int | None = 0, contig: str = "c") -> Feature:
    return Feature(contig, start, end, strand, "CDS", {}, frame)


def patches(breaks: Breaks, length: int, multiple: int) -> list[tuple[int, int]]:
    """Every patch as short as the frame allows: a start at each break and at each coordinate of the phase."""
    forced = set(breaks.positions.tolist())
    starts = [k for k in range(length) if k == 0 or k in forced or k % multiple == phase_at(breaks, k) % multiple]
    return list(zip(starts, [*starts[1:], length], strict=True))


def translate(sequence: str) -> str:
    return "".join(GENETIC_CODE[sequence[i : i + 3]] for i in range(0, len(sequence) - 2, 3))


@pytest.mark.parametrize("strand", ["+", "-"])
@pytest.mark.parametrize("multiple", [3, 6, 9])
@pytest.mark.parametrize("introns", [(), (31,), (20, 57)])
def test_full_patches_of_a_spliced_gene_translate_into_its_protein(strand, multiple, introns):
    random = np.random.default_rng(multiple)
    codons = [codon for codon, residue in GENETIC_CODE.items() if residue != "*"]
    coding = "ATG" + "".join(random.choice(codons, 40)) + "TAA"
    protein, residues = translate(coding), set()
    cuts = [0, *introns, len(coding)]
    genome, pieces = "G" * 17, []
    for begin, end in itertools.pairwise(cuts):
        pieces.append((len(genome), begin, end))
        genome += coding[begin:end] + "G" * 25
    length = len(genome)
    if strand == "-":
        genome = reverse_complement(genome)
    features = []
    for at, begin, end in pieces:
        start = at if strand == "+" else length - at - (end - begin)
        features.append(cds(start, start + end - begin, strand, -begin % 3))
    breaks = codon_breaks(features, multiple)["c"]
    for piece, (at, begin, end) in zip(features, pieces, strict=True):
        inside = [(a, b) for a, b in patches(breaks, length, multiple) if piece.start <= a and b <= piece.end]
        assert inside[0][0] == piece.start
        assert inside[-1][1] == piece.end
        full = [(a, b) for a, b in inside if b - a == multiple]
        assert len(full) >= (end - begin) // multiple - 1
        for a, b in full:
            # where the patch lies in the spliced sequence, along the strand of the gene
            spliced = begin + (a - at if strand == "+" else length - b - at)
            read = translate(genome[a:b] if strand == "+" else reverse_complement(genome[a:b]))
            assert spliced % 3 == 0
            assert read == protein[spliced // 3 : spliced // 3 + multiple // 3]
            residues.update(range(spliced // 3, spliced // 3 + len(read)))
    assert len(residues) >= len(protein) - len(pieces) * 2 * (multiple // 3)


@given(
    st.lists(
        st.tuples(st.integers(0, 80), st.integers(1, 30), st.sampled_from("+-"), st.integers(0, 2)),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from([3, 6]),
)
def test_each_base_has_the_frame_of_the_piece_that_began_first(found, multiple):
    features = [cds(start, start + size, strand, frame) for start, size, strand, frame in found]
    breaks = codon_breaks(features, multiple)["c"]
    assert set(breaks.positions.tolist()) == {edge for f in features for edge in (f.start, f.end)}

    def phase(f: Feature) -> int:
        return (f.start + f.frame if f.strand == "+" else f.end - f.frame) % multiple

    order = sorted(features, key=lambda f: (f.start, -f.end, phase(f)))
    for k in range(115):
        # pieces take turns: the holder at k is found by walking through them
        held, holder = 0, None
        for f in order:
            if f.end > held:
                if max(f.start, held) <= k < f.end:
                    holder = f
                held = f.end
        assert phase_at(breaks, k) == (phase(holder) if holder else 0)
        assert (holder is not None) == any(f.start <= k < f.end for f in features)


def test_contigs_keep_apart_and_other_features_are_passed_over():
    features = [cds(4, 10, contig="a"), cds(5, 11, "-", 1, "b"), Feature("c", 0, 9, "+", "gene", {}, None)]
    found = codon_breaks(features)
    assert sorted(found) == ["a", "b"]
    assert found["a"].positions.tolist() == [4, 10]
    assert found["a"].held.tolist() == [1, 0]
    assert found["b"].held.tolist() == [(11 - 1) % 3, 0]
    assert codon_breaks([]) == {}


def test_features_in_another_order_give_the_same_breaks():
    features = [cds(0, 30, frame=1), cds(0, 20, frame=0), cds(10, 50, "-", 2), cds(45, 60), cds(0, 30, frame=1)]
    one, other = codon_breaks(features)["c"], codon_breaks(features[::-1])["c"]
    assert one.positions.tolist() == other.positions.tolist()
    assert one.phases.tolist() == other.phases.tolist()


@pytest.mark.parametrize("multiple", [0, 1, 2, 4, -3])
def test_multiples_that_cannot_hold_codons_are_refused(multiple):
    with pytest.raises(UsageError, match=f"multiples of {multiple} cannot hold whole codons"):
        codon_breaks([], multiple)


def test_a_cds_without_frame_or_strand_is_refused_by_its_place():
    with pytest.raises(InputError, match=r"c:6-9 has no phase"):
        codon_breaks([cds(5, 9, frame=None)])
    with pytest.raises(InputError, match=r"c:6-9 has no strand"):
        codon_breaks([cds(5, 9, strand=".")])
