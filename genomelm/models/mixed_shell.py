"""The byte-latent shell that reads DNA, RNA and protein: what is of letters is of each record's own alphabet."""

import torch
import torch.nn.functional as F
from torch import nn

from genomelm.errors import UsageError
from genomelm.models.config import BranchConfig, ShellConfig
from genomelm.models.geometry import Patches
from genomelm.models.shell import SMALL, ByteLatentShell, column_ids
from genomelm.nn.kmers import KmerEmbedding
from genomelm.nn.lookup import FewRows
from genomelm.nn.motif import MotifBranch
from genomelm.nn.physical import StructureBranch
from genomelm.seq.alphabet import MODALITIES, VOCABULARY

PROTEIN = MODALITIES.index("protein")
PROTEIN_KMERS = (2,)


class MixedShell(ByteLatentShell):
    """A shell whose bytes are told what alphabet they are of.

    DNA and RNA share k-mer tables, in which U stands for T; protein has a table of pairs. Motifs and physical
    properties are each alphabet's own. Where no modality is given, all bytes are of the alphabet that `read` chose,
    and the shell is one of that alphabet alone: `kmers`, `motif`, `structure` and `columns` are those of it.
    """

    def read(self, alphabet: str) -> None:
        """Choose the alphabet of bytes whose modality is not given: dna, rna or protein; at first it is dna."""
        self.reads = alphabet

    def _add_letters(self, shell: ShellConfig) -> None:
        self.read("dna")
        self.modality = FewRows(len(MODALITIES), shell.local_width)
        nn.init.normal_(self.modality.weight, std=SMALL)
        hashed = (shell.hashed_kmers, shell.hash_buckets)
        tables = {
            "nucleotides": KmerEmbedding(shell.local_width, shell.kmers, column_ids("dna"), VOCABULARY, *hashed),
            "protein": KmerEmbedding(shell.local_width, PROTEIN_KMERS, column_ids("protein"), VOCABULARY),
        }
        digits = tables["nucleotides"].digits
        digits[ord("U")] = digits[ord("T")]
        self.kmer_tables = nn.ModuleDict(tables)
        for alphabet in MODALITIES:
            self.register_buffer(f"columns_{alphabet}", column_ids(alphabet), persistent=False)

    def _add_branches(self, shell: ShellConfig, branches: BranchConfig) -> None:
        motifs, structures = {}, {}
        for alphabet in MODALITIES:
            if branches.motif:
                motifs[alphabet] = MotifBranch(shell.local_width, alphabet, branches.motif, self.sees_ahead)
            if branches.structure:
                structures[alphabet] = StructureBranch(shell.width, alphabet)
        self.motifs, self.structures = nn.ModuleDict(motifs), nn.ModuleDict(structures)

    @property
    def columns(self) -> torch.Tensor:
        """Ids (a+1,) of the letters of the alphabet that is read."""
        return getattr(self, f"columns_{self.reads}")

    @property
    def kmers(self) -> KmerEmbedding:
        """k-mer tables of the alphabet that is read."""
        return self._tables(self.reads)

    @property
    def motif(self) -> MotifBranch | None:
        """Motifs of the alphabet that is read."""
        return self.motifs[self.reads] if self.motifs else None

    @property
    def structure(self) -> StructureBranch | None:
        """Physical properties of the alphabet that is read."""
        return self.structures[self.reads] if self.structures else None

    def _tables(self, alphabet: str) -> KmerEmbedding:
        return self.kmer_tables["protein" if alphabet == "protein" else "nucleotides"]

    def _spelled(self, ids: torch.Tensor, mixture: torch.Tensor | None, modality: torch.Tensor | None) -> torch.Tensor:
        if modality is None:
            own = self.modality.weight[MODALITIES.index(self.reads)]
            return super()._spelled(ids, mixture, None) + own
        if mixture is not None:
            raise UsageError("mixtures of letters are of one alphabet: choose it with model.read, and give no modality")
        protein = (modality == PROTEIN)[..., None]
        kmers = torch.where(protein, self._tables("protein")(ids), self._tables("dna")(ids))
        return self.bytes(ids) + kmers + self.modality(modality)

    def _motifs(self, ids: torch.Tensor, mixture: torch.Tensor | None, modality: torch.Tensor | None) -> torch.Tensor:
        if modality is None:
            return super()._motifs(ids, mixture, None)
        return sum(self.motifs[name](self._own(ids, modality, name)[..., :-1]) for name in MODALITIES)

    def _properties(
        self, ids: torch.Tensor, mixture: torch.Tensor | None, patches: Patches, modality: torch.Tensor | None
    ) -> torch.Tensor:
        if modality is None:
            return super()._properties(ids, mixture, patches, None)
        found = []
        for name, structure in self.structures.items():
            values = structure.values(self._own(ids, modality, name))
            found.append(structure(patches.mean_bytes(values)))
        return sum(found)

    def _own(self, ids: torch.Tensor, modality: torch.Tensor, alphabet: str) -> torch.Tensor:
        """Return weights (b, l, a+1) of an alphabet's columns at bytes of its records, 0 at all others."""
        tables, kind = self._tables(alphabet), self.bytes.weight.dtype
        hard = F.one_hot(tables.digits[ids], tables.base).to(kind)
        return hard * (modality == MODALITIES.index(alphabet))[..., None].to(kind)
