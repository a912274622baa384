"""Motif filters against a loop, and the law that ties the strands."""

import pytest
import torch

from genomelm.nn.motif import TAPS, MotifBranch
from genomelm.seq.alphabet import ALPHABETS, encode, reverse_complement


def indicators(sequence: str, alphabet: str = "dna") -> torch.Tensor:
    """Return (1, l, a) float64: 1 at the letter, zeros at the unknown one."""
    ids = torch.from_numpy(encode(sequence, alphabet))
    return (ids[:, None] == torch.tensor([ord(c) for c in ALPHABETS[alphabet].letters])).double()[None]


def branch(alphabet: str = "dna", multiplier: int = 3, centred: bool = False) -> MotifBranch:
    torch.manual_seed(0)
    return MotifBranch(5, alphabet, multiplier, centred).double()


@pytest.mark.parametrize("sequence", ["A", "ACGTN", "GATTACA" * 5, "ACGTTGCANN" * 2 + "G"])
@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("alphabet", ["dna", "protein"])
def test_features_and_gradients_are_those_of_a_loop(sequence: str, centred: bool, alphabet: str) -> None:
    motif = branch(alphabet, centred=centred)
    x = indicators(sequence, alphabet).requires_grad_()
    filters, ahead = motif.filters(), TAPS // 2 if centred else 0
    rows = []
    for i in range(len(sequence)):
        row = x.new_zeros(len(ALPHABETS[alphabet].letters), 3)
        for j in range(TAPS):
            place = i - (TAPS - 1 - ahead) + j
            if 0 <= place < len(sequence):
                row = row + x[0, place, :, None] * filters[:, :, j]
        rows.append(row.flatten())
    expected, found = torch.stack(rows)[None], motif.features(x)
    torch.testing.assert_close(found, expected)
    upstream = torch.randn_like(found)
    inputs = (x, motif.weight)
    for ours, theirs in zip(
        torch.autograd.grad((found * upstream).sum(), inputs, retain_graph=True),
        torch.autograd.grad((expected * upstream).sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("centred", [False, True])
def test_a_reverse_complement_has_the_features_mirrored_and_exchanged(centred: bool) -> None:
    motif, sequence = branch(centred=centred), "ACGGATNTACCAGTTTGACCAGATTTACGGGCATC"
    pad = "N" * (TAPS - 1)  # so that every filter sees all of the sequence on both strands
    here = motif.features(indicators(pad + sequence + pad))[0].unflatten(-1, (4, 3))
    there = motif.features(indicators(pad + reverse_complement(sequence) + pad))[0].unflatten(-1, (4, 3))
    late = 0 if centred else TAPS - 1  # a causal feature stands at its last base
    ours, theirs = here[late:], there.flip(0, 1)[: len(here) - late]
    torch.testing.assert_close(ours, theirs)
    assert ours.abs().max() > 0.1
    assert (ours - there[late:]).abs().max() > 0.1


def test_only_dna_is_tied() -> None:
    assert branch("dna").weight.shape == (2, 3, TAPS)
    assert branch("rna").weight.shape == (4, 3, TAPS)
    assert branch("protein").weight.shape == (20, 3, TAPS)
    for alphabet in ("rna", "protein"):
        motif = branch(alphabet)
        assert torch.equal(motif.filters(), motif.weight)


def test_the_branch_is_linear_and_causal() -> None:
    motif = branch()
    x, y = torch.rand(1, 40, 4).double(), torch.rand(1, 40, 4).double()
    torch.testing.assert_close(motif(2 * x - y), 2 * motif(x) - motif(y))
    changed = torch.cat([x[:, :20], y[:, 20:]], 1)
    assert torch.equal(motif(changed)[:, :20], motif(x)[:, :20])
    assert not torch.allclose(motif(changed)[:, 20], motif(x)[:, 20])
