import pytest
import torch

from genomelm.nn.kmers import KmerEmbedding
from genomelm.seq.alphabet import ALPHABETS, BOS, MASK, PAD, VOCABULARY, encode


def table(sizes: tuple[int, ...], alphabet: str = "dna", width: int = 3) -> KmerEmbedding:
    torch.manual_seed(0)
    letters = torch.tensor([ord(letter) for letter in ALPHABETS[alphabet].columns])
    return KmerEmbedding(width, sizes, letters, VOCABULARY)


def dictionary(layer: KmerEmbedding, columns: str) -> dict[str, torch.Tensor]:
    """Every k-mer by its letters, from the rule of the index alone."""
    words = {}
    for k, rows in zip(layer.sizes, layer.tables, strict=True):
        for index in range(len(columns) ** k):
            place = [index // len(columns) ** (k - 1 - j) % len(columns) for j in range(k)]
            words["".join(columns[p] for p in place)] = rows.weight[index]
    return words


@pytest.mark.parametrize("sequence", ["A", "AC", "ACGTNACGGT", "NNNNNN", "TTTTTTTTTTTTTTTTT"])
def test_each_byte_carries_the_kmers_that_end_at_it(sequence: str) -> None:
    layer = table((1, 2, 4))
    words = dictionary(layer, "ACGTN")
    padded = "NNN" + sequence
    expected = torch.stack(
        [sum(words[padded[i + 4 - k : i + 4]] for k in (1, 2, 4)) for i in range(len(sequence))],
    )
    torch.testing.assert_close(layer(torch.from_numpy(encode(sequence))[None])[0], expected)


def test_protein_letters_have_their_own_base() -> None:
    layer = table((2,), "protein")
    words = dictionary(layer, ALPHABETS["protein"].columns)
    assert len(words) == 21**2
    y = layer(torch.from_numpy(encode("MKWX", "protein"))[None])[0]
    torch.testing.assert_close(y, torch.stack([words[w] for w in ("XM", "MK", "KW", "WX")]))


def test_bytes_outside_the_alphabet_count_as_unknown() -> None:
    layer = table((3, 4, 5))
    known = torch.from_numpy(encode("ANNNNCA"))[None]
    for other in (BOS, PAD, MASK, ord("a"), ord("R"), 0):
        assert torch.equal(layer(torch.where(known == ord("N"), other, known)), layer(known))


def test_a_kmer_never_holds_a_later_byte_and_rows_do_not_mix() -> None:
    layer = table((3, 5))
    first, second = (torch.from_numpy(encode(s)) for s in ("ACGTACGTAC", "ACGTATTTTT"))
    y = layer(torch.stack([first, second]))
    assert torch.equal(y[0, :5], y[1, :5])
    assert not torch.equal(y[0, 5], y[1, 5])
    assert torch.equal(y[1], layer(second[None])[0])


def test_without_tables_every_byte_carries_zeros() -> None:
    y = table((), width=5)(torch.from_numpy(encode("ACGTN"))[None])
    assert torch.equal(y, torch.zeros(1, 5, 5))
    assert table((), width=5).to(torch.bfloat16)(torch.zeros(2, 3, dtype=torch.int64)).dtype == torch.bfloat16
    assert not table(()).state_dict()


def test_gradients_reach_exactly_the_kmers_that_occur() -> None:
    layer = table((3,))
    layer(torch.from_numpy(encode("AAAAC"))[None]).sum().backward()
    used = layer.tables[0].weight.grad[:, 0]
    wanted = {"NNA": 1, "NAA": 1, "AAA": 2, "AAC": 1}
    index = {w: sum("ACGTN".index(c) * 5 ** (2 - j) for j, c in enumerate(w)) for w in wanted}
    assert used.nonzero()[:, 0].tolist() == sorted(index.values())
    assert {w: int(used[i]) for w, i in index.items()} == wanted


def test_mixtures_at_letters_are_the_table_itself() -> None:
    layer = table((1, 2, 4))
    ids = torch.from_numpy(encode("ACGTNACGGTTTGA"))
    weights = (ids[:, None] == torch.tensor([ord(letter) for letter in "ACGTN"])).float()
    both = torch.stack([weights, weights.roll(3, 0)])
    torch.testing.assert_close(layer.mixed(both), layer(torch.stack([ids, ids.roll(3, 0)])))
    assert not table(()).mixed(both).any()
