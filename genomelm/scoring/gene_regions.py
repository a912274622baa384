"""What an annotation says about a place: the genes there, and the region class of their parts."""

import bisect
from array import array
from pathlib import Path

import numpy as np

from genomelm.errors import InputError
from genomelm.seq.annotation import on_contig, read_gff
from genomelm.seq.genome import Genome

_CLASS = {
    **dict.fromkeys(["CDS", "stop_codon", "start_codon"], "CDS"),
    **dict.fromkeys(["five_prime_UTR", "three_prime_UTR", "UTR", "5UTR", "3UTR"], "UTR"),
    "exon": "exon",
}
CLASSES = ("CDS", "UTR", "exon", "intron", "gene", "intergenic")
"""In order of precedence; 'intron' needs a gene with exons, 'gene' is one whose parts the file does not give."""
_NAMES = ("gene_name", "gene", "Name", "gene_id", "ID")


class _Union:
    """Intervals of one class on one contig, joined."""

    def __init__(self, places: array) -> None:
        pairs = np.array(places, np.int64).reshape(-1, 2)
        pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
        reach = np.maximum.accumulate(pairs[:, 1])
        first = np.append(True, pairs[1:, 0] > reach[:-1])
        self.starts = pairs[first, 0].tolist()
        self.ends = reach[np.append(first[1:], True)].tolist()

    def overlaps(self, start: int, end: int) -> bool:
        before = bisect.bisect_left(self.starts, end)
        return before > 0 and self.ends[before - 1] > start


class _Genes:
    """The genes of one contig, by start."""

    def __init__(self, genes: list[tuple[int, int, str, bool]]) -> None:
        self.genes = sorted(genes)
        self.starts = [gene[0] for gene in self.genes]
        self.reach = np.maximum.accumulate([gene[1] for gene in self.genes]).tolist()

    def at(self, start: int, end: int) -> list[tuple[str, bool]]:
        """Return name and whether it has exons of each gene there."""
        found, place = [], bisect.bisect_left(self.starts, end) - 1
        while place >= 0 and self.reach[place] > start:
            if self.genes[place][1] > start:
                found.append(self.genes[place][2:])
            place -= 1
        return found[::-1]


class GeneRegions:
    """Answers which genes a record's REF overlaps, and the first class of CLASSES that holds for it.

    Args:
        path: GFF3 or GTF.
        genome: the reference; contig aliases count.

    Raises:
        InputError: damaged, or without any feature on the reference's contigs.
    """

    def __init__(self, path: str | Path, genome: Genome) -> None:
        parts: dict[tuple[str, str], array] = {}
        genes: dict[str, list[tuple[int, int, str, str]]] = {}
        parents: dict[str, str] = {}
        owners: set[str] = set()  # of exons: transcripts, or genes
        names: dict[str, str | None] = {}
        for feature in read_gff(path):
            contig = names.setdefault(feature.contig, genome.resolve(feature.contig))
            if contig is None:
                continue
            named = feature.attributes
            above = named.get("Parent") or named.get("gene_id", "")
            if feature.kind == "exon":
                owners.update(above.split(","))
            pieces = on_contig(feature, contig, genome.contigs[contig])
            if feature.kind in _CLASS:
                edges = [edge for piece in pieces for edge in (piece.start, piece.end)]
                parts.setdefault((contig, _CLASS[feature.kind]), array("q")).extend(edges)
            elif feature.kind == "gene" or feature.kind.endswith("_gene") or feature.kind == "pseudogene":
                name = next((named[key] for key in _NAMES if named.get(key)), ".")
                key = named.get("ID") or named.get("gene_id", "")
                genes.setdefault(contig, []).extend((piece.start, piece.end, name, key) for piece in pieces)
            elif "ID" in named and "Parent" in named:
                parents[named["ID"]] = named["Parent"]
        if not parts and not genes:
            raise InputError(f"{path} has no gene, exon or CDS on a contig of {genome.path}: is it this genome's?")
        self._parts = {key: _Union(places) for key, places in parts.items()}
        owners |= {gene for owner in owners for gene in parents.get(owner, "").split(",")}
        owners.discard("")
        self._genes = {
            contig: _Genes([(start, end, name, key in owners) for start, end, name, key in found])
            for contig, found in genes.items()
        }

    def at(self, contig: str | None, start: int, end: int) -> tuple[str, str]:
        """Return (gene names joined by commas, or '.'; region class) of 0-based [start, end); '.' for no contig."""
        if contig is None:
            return ".", "."
        end = max(end, start + 1)
        genes = self._genes[contig].at(start, end) if contig in self._genes else []
        text = ",".join(dict.fromkeys(name for name, _ in genes)) or "."
        for kind in CLASSES[:3]:
            union = self._parts.get((contig, kind))
            if union is not None and union.overlaps(start, end):
                return text, kind
        if not genes:
            return text, "intergenic"
        return text, "intron" if any(has_exons for _, has_exons in genes) else "gene"
