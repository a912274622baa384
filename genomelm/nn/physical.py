"""Physical properties of neighbouring letters, averaged over patches.

DNA and RNA: of each pair of neighbours; protein: of each residue. Every property is standardised over the pairs (or
residues), so that the unknown letter, which counts as 0, counts as the mean. Sources:

- DNA stacking: free energy at 37 C, kcal/mol, SantaLucia 1998 (PNAS 95:1460), unified parameters.
- DNA roll: degrees, means of protein-DNA crystals, Olson et al. 1998 (PNAS 95:11163), table 1.
- DNA propeller twist: degrees, el Hassan & Calladine 1996 (J Mol Biol 259:95).
- RNA stacking: free energy at 37 C, kcal/mol, Xia et al. 1998 (Biochemistry 37:14719).
- Protein: hydropathy, Kyte & Doolittle 1982 (J Mol Biol 157:105); charge at pH 7; volume of the residue, cubic
  angstrom, Zamyatnin 1972 (Prog Biophys Mol Biol 24:107).
"""

import torch
from torch import nn

from genomelm.seq.alphabet import ALPHABETS, reverse_complement

DNA_PAIRS = {
    # pair read 5' to 3': stacking, roll, propeller twist; the other six follow from the other strand
    "AA": (-1.00, 0.7, -18.66),
    "AC": (-1.44, 0.7, -13.10),
    "AG": (-1.28, 4.5, -14.00),
    "AT": (-0.88, 1.1, -15.01),
    "CA": (-1.45, 4.7, -9.45),
    "CC": (-1.84, 3.6, -8.11),
    "CG": (-2.17, 5.4, -10.03),
    "GA": (-1.30, 1.9, -13.48),
    "GC": (-2.24, 0.3, -11.08),
    "TA": (-0.58, 3.3, -11.85),
}

RNA_PAIRS = {
    # pair read 5' to 3': stacking in a helix
    "AA": (-0.93,),
    "AC": (-2.24,),
    "AG": (-2.08,),
    "AU": (-1.10,),
    "CA": (-2.11,),
    "CC": (-3.26,),
    "CG": (-2.36,),
    "GA": (-2.35,),
    "GC": (-3.42,),
    "UA": (-1.33,),
}

RESIDUES = {
    # hydropathy, charge, volume
    "A": (1.8, 0, 88.6),
    "C": (2.5, 0, 108.5),
    "D": (-3.5, -1, 111.1),
    "E": (-3.5, -1, 138.4),
    "F": (2.8, 0, 189.9),
    "G": (-0.4, 0, 60.1),
    "H": (-3.2, 0, 153.2),
    "I": (4.5, 0, 166.7),
    "K": (-3.9, 1, 168.6),
    "L": (3.8, 0, 166.7),
    "M": (1.9, 0, 162.9),
    "N": (-3.5, 0, 114.1),
    "P": (-1.6, 0, 112.7),
    "Q": (-3.5, 0, 143.8),
    "R": (-4.5, 1, 173.4),
    "S": (-0.8, 0, 89.0),
    "T": (-0.7, 0, 116.1),
    "V": (4.2, 0, 140.0),
    "W": (-0.9, 0, 227.8),
    "Y": (-1.3, 0, 193.6),
}


def property_table(alphabet: str) -> torch.Tensor:
    """Return the standardised properties of an alphabet's pairs, (a+1, a+1, f), or residues, (a+1, f): float32.

    The first letter of a pair comes first. Pairs with the unknown letter, which is the last one, are 0.
    """
    letters = ALPHABETS[alphabet].letters
    if alphabet == "protein":
        values = torch.tensor([RESIDUES[letter] for letter in letters], dtype=torch.float64)
    else:
        pairs = DNA_PAIRS if alphabet == "dna" else RNA_PAIRS
        rows = [[pairs.get(a + b) or pairs[_other_strand(a + b, alphabet)] for b in letters] for a in letters]
        values = torch.tensor(rows, dtype=torch.float64)
    every = values.flatten(0, -2)
    values = (values - every.mean(0)) / every.std(0, correction=0)
    table = values.new_zeros(*[size + 1 for size in values.shape[:-1]], values.shape[-1])
    table[tuple(slice(size) for size in values.shape[:-1])] = values
    return table.float()


def _other_strand(pair: str, alphabet: str) -> str:
    other = reverse_complement(pair)
    return other.replace("T", "U") if alphabet == "rna" else other


class StructureBranch(nn.Module):
    """Properties averaged over a patch, mapped to the width of patch states.

    Args:
        width: D.
        alphabet: dna, rna or protein.
    """

    def __init__(self, width: int, alphabet: str) -> None:
        super().__init__()
        self.register_buffer("table", property_table(alphabet), persistent=False)
        self.out = nn.Linear(self.table.shape[-1], width, bias=False)
        nn.init.normal_(self.out.weight, std=0.02)

    def values(self, letters: torch.Tensor) -> torch.Tensor:
        """Return each byte's properties, (b, l, f): those of its pair with the byte before, or of its residue.

        Args:
            letters: (b, l, a+1) weights of the letters, the unknown last; before the first byte stands the unknown.
        """
        table = self.table.to(letters.dtype)
        if table.dim() == 2:
            return letters @ table
        before = letters.new_zeros(letters.shape)
        before[:, 1:] = letters[:, :-1]
        paired = (before @ table.flatten(1)).unflatten(-1, table.shape[1:])  # (b, l, a+1, f)
        return (letters[..., None] * paired).sum(-2)

    def forward(self, means: torch.Tensor) -> torch.Tensor:
        """Map properties averaged over patches (r, p, f) to (r, p, D)."""
        return self.out(means)
