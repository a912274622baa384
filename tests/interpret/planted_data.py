"""Sequences with planted motifs whose effect on the label is known: an activator, a repressor, and a pair.

The pair counts where both of its motifs stand at the right distance (AND, with spacing); one of them alone, or both
too far apart, does nothing. A sequence and its reverse complement have the same label; every other one is flipped.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genomelm.seq.alphabet import reverse_complement

LENGTH = 80
MOTIFS = {"activator": "TTGACGC", "repressor": "GGTACAT", "left": "CAATGGA", "right": "AGCCTTG"}
SIZE = 7
NEAR = 4
"""Bases between the pair's motifs where it counts."""
FAR = range(14, 20)
KEPT = 0.97
"""Share of a motif's bases that a site keeps; the truth's PPM says the same."""
EFFECTS = {"activator": 1.0, "repressor": -1.0, "pair": 1.5}
NOISE = 0.1


@dataclass(frozen=True)
class Planted:
    """One sequence: sites (motif, start, strand), 0-based along the sequence as it is written, and its label."""

    sequence: str
    sites: tuple[tuple[str, int, str], ...]
    label: float


def planted(count: int, seed: int, counting: bool = False) -> list[Planted]:
    """Return `count` sequences with a draw of motifs; with `counting` none stands where it does nothing."""
    return [_one(np.random.default_rng([seed, index]), counting, index % 2 == 1) for index in range(count)]


def _one(rng: np.random.Generator, counting: bool, flipped: bool) -> Planted:
    sequence = rng.choice(list("ACGT"), LENGTH)
    elements = [name for name in ("activator", "repressor") if rng.random() < 0.5]
    pair = rng.choice(["near", "none"] if counting else ["near", "near", "far", "left", "right", "none"])
    gap = int(rng.choice(FAR)) if pair == "far" else NEAR
    blocks = {name: [(name, 0)] for name in elements}
    if pair in ("near", "far"):
        blocks["pair"] = [("left", 0), ("right", SIZE + gap)]
    elif pair != "none":
        blocks["pair"] = [(str(pair), 0)]
    sites, label = [], float(rng.normal(0, NOISE))
    widths = {name: parts[-1][1] + SIZE for name, parts in blocks.items()}
    free = LENGTH - sum(widths.values())
    cuts = np.sort(rng.integers(0, free + 1, len(blocks)))
    taken = 0
    for cut, name in zip(cuts, rng.permutation(sorted(blocks)), strict=True):
        for motif, offset in blocks[name]:
            start = int(cut) + taken + offset
            strand = str(rng.choice(["+", "-"])) if name != "pair" else "+"
            letters = MOTIFS[motif] if strand == "+" else reverse_complement(MOTIFS[motif])
            other = rng.choice(list("ACGT"), SIZE)
            sequence[start : start + SIZE] = np.where(rng.random(SIZE) < KEPT, list(letters), other)
            sites.append((motif, start, strand))
        taken += widths[name]
        counts = name != "pair" or pair == "near"
        label += EFFECTS[name] * counts
    text = "".join(sequence)
    if flipped:
        text = reverse_complement(text)
        sites = [(name, LENGTH - start - SIZE, "-" if strand == "+" else "+") for name, start, strand in sites]
    return Planted(text, tuple(sites), label)


def write_table(path: Path, found: list[Planted], shuffle: int | None = None) -> Path:
    """Write sequence and label; with `shuffle` the labels are dealt out anew by that seed."""
    labels = np.array([one.label for one in found])
    if shuffle is not None:
        labels = np.random.default_rng(shuffle).permutation(labels)
    rows = [f"{one.sequence}\t{label:.5f}" for one, label in zip(found, labels, strict=True)]
    path.write_text("\n".join(["sequence\tlabel", *rows]) + "\n")
    return path


def write_fasta(path: Path, sequences: list[str]) -> Path:
    path.write_text("".join(f">s{index}\n{sequence}\n" for index, sequence in enumerate(sequences)))
    return path


def write_sites(path: Path, found: list[Planted], moved: int = 0) -> Path:
    """Write the sites of `found`, whose FASTA is `write_fasta`'s; `moved` bases along they are wrong."""
    rows = ["contig\tstart\tend\tstrand\tname\tsequence"]
    for index, one in enumerate(found):
        for name, start, strand in one.sites:
            at = (start + moved) % (LENGTH - SIZE + 1)
            word = one.sequence[at : at + SIZE]
            letters = word if strand == "+" else reverse_complement(word)
            rows.append(f"s{index}\t{at}\t{at + SIZE}\t{strand}\t{name}\t{letters}")
    path.write_text("\n".join(rows) + "\n")
    return path


def write_truth(path: Path) -> Path:
    """Write the planted motifs as a MEME file."""
    lines = ["MEME version 4", "", "ALPHABET= ACGT", "", "strands: + -", ""]
    for name, word in MOTIFS.items():
        lines += [f"MOTIF {name}", f"letter-probability matrix: alength= 4 w= {SIZE} nsites= 100 E= 0"]
        rest = (1 - KEPT) / 4
        lines += [" ".join(f"{KEPT + rest if base == letter else rest:.4f}" for base in "ACGT") for letter in word]
        lines.append("")
    path.write_text("\n".join(lines))
    return path
