import pytest
import torch

from genomelm.nn.hashed_kmers import HashedKmers
from genomelm.nn.kmers import KmerEmbedding
from genomelm.seq.alphabet import ALPHABETS, BOS, MASK, PAD, VOCABULARY, encode

WORD = (1 << 64) - 1
TEXT = "ACGTTGCANACGTTGCAACGTACGNNTTTTTTTTTTTTTT"


def table(sizes: tuple[int, ...], buckets: int = 64, width: int = 3) -> HashedKmers:
    torch.manual_seed(0)
    return HashedKmers(width, sizes, buckets)


def digits_of(*texts: str) -> torch.Tensor:
    return torch.tensor([["ACGTN".index(letter) for letter in text] for text in texts])


def bucket(kmer: str, buckets: int) -> int:
    """The rule in whole numbers: a polynomial, mixed, modulo the buckets."""
    code = 0
    for letter in kmer:
        code = (code * 0x9E3779B97F4A7C15 + "ACGT".index(letter) + 1) & WORD
    code = ((code ^ (code >> 30)) * 0xBF58476D1CE4E5B9) & WORD
    return (code >> 33) % buckets


@pytest.mark.parametrize("buckets", [16, 1000, 1 << 20])
@pytest.mark.parametrize("sizes", [(2,), (6, 8), (3, 17, 32)])
def test_each_byte_carries_the_rows_of_a_dictionary_of_its_kmers(sizes: tuple[int, ...], buckets: int) -> None:
    layer = table(sizes, buckets)
    rows: dict[str, int] = {}
    wanted = torch.zeros(len(TEXT), 3)
    for end in range(1, len(TEXT) + 1):
        for k, weights in zip(sizes, layer.tables, strict=True):
            kmer = TEXT[max(end - k, 0) : end]
            if len(kmer) == k and "N" not in kmer:
                wanted[end - 1] += weights.weight[rows.setdefault(kmer, bucket(kmer, buckets))].detach()
    torch.testing.assert_close(layer(digits_of(TEXT), 4)[0], wanted)
    assert len(rows) >= 9


def test_different_kmers_seldom_share_a_row() -> None:
    every = torch.cartesian_prod(*[torch.arange(4)] * 8)  # (4^8, 8)
    rows = table((8,), 1 << 22).rows(every, 4)[0][:, -1]
    expected = (1 << 22) * (1 - (1 - 2.0**-22) ** (4**8))  # of balls thrown at random
    assert len(rows.unique()) == pytest.approx(expected, rel=0.01)
    counts = torch.bincount(table((8,), 64).rows(every, 4)[0][:, -1], minlength=65)
    assert counts[64] == 0
    assert (counts[:64] - 1024).abs().max() < 6 * 32  # deviations of a binomial count


def test_unknown_letters_and_ends_of_records_begin_anew() -> None:
    layer = table((4,))
    (rows,) = layer.rows(digits_of("ACGTACNACGTAC", "NNNNNNNNNACGT"), 4)
    none = layer.buckets
    assert (rows[0, :3] == none).all()
    assert (rows[0, 6:10] == none).all()
    assert (rows[0, [3, 4, 5, 10, 11, 12]] != none).all()
    assert rows[0, 3] == rows[0, 10] == rows[1, 12]
    assert not layer(digits_of("NNNN"), 4).any()


def test_the_row_of_no_kmer_stays_zero() -> None:
    layer = table((4,))
    optimizer = torch.optim.AdamW(layer.parameters(), lr=0.1, weight_decay=0.0)
    before = layer.tables[0].weight.detach().clone()
    for _ in range(3):
        layer(digits_of("ACNACGTT"), 4).square().sum().backward()
        optimizer.step()
    after = layer.tables[0].weight
    assert not after[layer.buckets].any()
    moved = (after != before).any(-1).nonzero()[:, 0].tolist()
    assert moved == sorted({bucket(kmer, 64) for kmer in ("ACGT", "CGTT")})


@pytest.mark.parametrize("alphabet", ["dna", "protein"])
def test_they_are_added_to_the_exact_tables_and_off_where_none_is_asked_for(alphabet: str) -> None:
    letters = torch.tensor([ord(letter) for letter in ALPHABETS[alphabet].columns])
    torch.manual_seed(0)
    both = KmerEmbedding(3, (2,), letters, VOCABULARY, (6,), 64)
    torch.manual_seed(0)
    exact = KmerEmbedding(3, (2,), letters, VOCABULARY)
    assert list(exact.state_dict()) == ["tables.0.weight"]
    assert list(both.state_dict()) == ["tables.0.weight", "hashed.tables.0.weight"]
    ids = torch.from_numpy(encode("ACGTTGCAACGTACG", alphabet))[None]
    ids = torch.cat([ids, torch.where(torch.arange(15) == 7, MASK, ids), torch.where(torch.arange(15) < 7, PAD, ids)])
    ids[:, 0] = BOS
    added = both.hashed(both.digits[ids], len(letters) - 1)
    torch.testing.assert_close(both(ids), exact(ids) + added)
    assert (added[0, 1:6] == 0).all()
    assert added[0, 6:].any(-1).all()
    assert not added[1, 7:13].any()
    assert not added[2, :12].any()
