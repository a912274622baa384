"""Contig names and lengths of well-known assemblies: aliases, and a guess at which assembly a file is on."""

import re
from collections.abc import Iterable, Mapping

_CHROMOSOMES = [*map(str, range(1, 23)), "X", "Y", "M"]
_LENGTHS = {
    "GRCh37 (b37)": "249250621 243199373 198022430 191154276 180915260 171115067 159138663 146364022 141213431 "
    "135534747 135006516 133851895 115169878 107349540 102531392 90354753 81195210 78077248 "
    "59128983 63025520 48129895 51304566 155270560 59373566 16569",
    "GRCh38 (hg38)": "248956422 242193529 198295559 190214555 181538259 170805979 159345973 145138636 138394717 "
    "133797422 135086622 133275309 114364328 107043718 101991189 90338345 83257441 80373285 "
    "58617616 64444167 46709983 50818468 156040895 57227415 16569",
    "T2T-CHM13v2.0 (hs1)": "248387328 242696752 201105948 193574945 182045439 172126628 160567428 146259331 150617247 "
    "134758134 135127769 133324548 113566686 101161492 99753195 96330374 84276897 80542538 "
    "61707364 66210255 45090682 51324926 154259566 62460029 16569",
    "GRCm38 (mm10)": "195471971 182113224 160039680 156508116 151834684 149736546 145441459 129401213 124595110 "
    "130694993 122082543 120129022 120421639 124902244 104043685 98207768 94987271 90702639 "
    "61431566 - - - 171031299 91744698 16299",
    "GRCm39 (mm39)": "195154279 181755017 159745316 156860686 151758149 149588044 144995196 130127694 124359700 "
    "130530862 121973369 120092757 120883175 125139656 104073951 98008968 95294699 90720763 "
    "61420004 - - - 169476592 91455967 16299",
}
KNOWN: dict[str, dict[str, int]] = {
    name: {
        chromosome: int(length) for chromosome, length in zip(_CHROMOSOMES, text.split(), strict=True) if length != "-"
    }
    for name, text in _LENGTHS.items()
}
# UCSC's hg19 is GRCh37 with an older mitochondrion
KNOWN["hg19 (GRCh37 by UCSC)"] = {**KNOWN["GRCh37 (b37)"], "M": 16571}

_REFSEQ = re.compile(r"NC_0000(0[1-9]|1\d|2[0-4])\.\d+")
_REFSEQ_T2T = re.compile(r"NC_0609(2[5-9]|3\d|4[0-8])\.\d+")
_MITOCHONDRION = {"M", "MT", "NC_012920.1", "NC_001807.4"}


def plain_name(contig: str) -> str:
    """Return the name that all aliases of a contig share: chr1, 1, NC_000001.11 -> 1; chrM, MT -> M."""
    name = contig[3:] if contig[:3].lower() == "chr" and len(contig) > 3 else contig
    if name in _MITOCHONDRION:
        return "M"
    if match := _REFSEQ.fullmatch(name):
        number = int(match[1])
    elif match := _REFSEQ_T2T.fullmatch(name):
        number = int(match[1]) - 24
    else:
        return name
    return {23: "X", 24: "Y"}.get(number, str(number))


def likely_assembly(lengths: Mapping[str, int], hints: Iterable[str] = ()) -> str | None:
    """Name the known assembly that most contig lengths fit, or one that a hint text names; None when none does.

    Args:
        lengths: contig name to length in bases.
        hints: texts that may name an assembly, such as a VCF's ##reference line.
    """
    found = {plain_name(contig): length for contig, length in lengths.items()}
    hits = {name: sum(found.get(c) == n for c, n in known.items()) for name, known in KNOWN.items()}
    # the mitochondrion alone says little: three assemblies share it
    nuclear = {name: hits[name] - (found.get("M") == known.get("M") and "M" in found) for name, known in KNOWN.items()}
    best = max(hits, key=lambda name: (hits[name], nuclear[name]))
    if nuclear[best]:
        return best
    text = " ".join(hints).lower()
    for name, words in {
        "T2T-CHM13v2.0 (hs1)": ("chm13", "hs1"),
        "GRCh38 (hg38)": ("grch38", "hg38", "hs38"),
        "hg19 (GRCh37 by UCSC)": ("hg19",),
        "GRCh37 (b37)": ("grch37", "b37", "hs37d5"),
        "GRCm38 (mm10)": ("grcm38", "mm10"),
        "GRCm39 (mm39)": ("grcm39", "mm39"),
    }.items():
        if any(word in text for word in words):
            return name
    return None


LEAST = 20  # mismatches on a contig before the share counts
SHARE = 0.05


def too_many(mismatched: int, compared: int) -> bool:
    """Return whether so many REF alleles of a contig, unlike the reference, say that the assembly is wrong."""
    return mismatched >= LEAST and mismatched > SHARE * compared
