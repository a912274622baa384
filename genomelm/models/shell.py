"""The byte-latent shell: bytes -> local encoder -> patches -> backbone -> bytes.

Any backbone that maps (r, p, D) to (r, p, D) can stand in the middle; a causal shell wants a causal one. It has one
row a record, however the records are packed. Where bytes of the right side or of another record could be mixed in
(masked models, packed rows), what stands at padding is zeroed before each convolution.
"""

import torch
import torch.nn.functional as F
from torch import nn

from genomelm.errors import InputError, UsageError
from genomelm.models.config import BranchConfig, PositionConfig, ShellConfig
from genomelm.models.geometry import Patches
from genomelm.models.local import PatchPooling, PatchReading, local_layers
from genomelm.nn.gate import ConservationGate
from genomelm.nn.kmers import KmerEmbedding
from genomelm.nn.lookup import FewRows
from genomelm.nn.motif import TAPS, MotifBranch
from genomelm.nn.norm import RMSNorm
from genomelm.nn.physical import StructureBranch
from genomelm.nn.positions import CIRCLE, PERIODS, phase_features, sinusoids
from genomelm.nn.rows import Rows
from genomelm.seq.alphabet import ALPHABETS, PAD, VOCABULARY
from genomelm.seq.codons import NO_PHASE

DISTANCES = 32
"""Distances since the patch start are told apart up to this many bases."""

SMALL = 0.02
"""Deviation of all that is added up as a byte's embedding: at nn.Linear's own scale phases hide which byte it is."""


class ByteLatentShell(nn.Module):
    """Bytes in, byte states out, with a backbone over patches between. What is switched off has no parameters.

    Args:
        shell: sizes.
        positions, branches: what bytes and patches are told besides the bytes.
        backbone: called with patch states (r, p, D) and their Rows; returns (r, p, D). Causal shells: row j from
            rows <= j.

    Attributes:
        memory: bytes before a byte that its embedding reads.
        reach: bytes of padding that keep packed records apart.
    """

    def __init__(
        self, shell: ShellConfig, positions: PositionConfig, branches: BranchConfig, backbone: nn.Module
    ) -> None:
        super().__init__()
        d, masked = shell.local_width, shell.objective == "masked"
        self.sees_ahead = masked
        self.bytes = FewRows(VOCABULARY, d)
        self._add_letters(shell)
        self.distance = FewRows(DISTANCES, d) if positions.distance else None
        self.phase = nn.Linear(2 * len(PERIODS), d, bias=False) if positions.phase else None
        phases = phase_features(torch.arange(CIRCLE)) if positions.phase else None
        self.register_buffer("phases", phases, persistent=False)
        self.encoder = local_layers(shell, shell.encoder_layers)
        self.pooling = PatchPooling(shell, positions)
        self.backbone = backbone
        self.reading = PatchReading(shell, positions)
        self.decoder = local_layers(shell, shell.decoder_layers)
        self.norm = RMSNorm(d)
        self.codon = FewRows(NO_PHASE + 1, d) if positions.codon else None
        self.sines = 4.0 * max(shell.target_length, 1024) if positions.sinusoidal else None
        self._add_branches(shell, branches)
        self.conservation = ConservationGate(shell.width) if branches.conservation else None
        for table in (self.bytes, self.distance, self.phase, self.codon):
            if table is not None:
                nn.init.normal_(table.weight, std=SMALL)
        reaches = [layer.conv.reach for layer in (*self.encoder, *self.decoder)]
        longest = max(2, *shell.kmers, *shell.hashed_kmers, TAPS if branches.motif else 0)
        self.memory = longest - 1
        self.reach = max([self.memory, *reaches])

    def _add_letters(self, shell: ShellConfig) -> None:
        """Make what is of an alphabet's letters: their ids in the order of columns, and the k-mer tables."""
        letters = column_ids(shell.alphabet)
        self.register_buffer("columns", letters, persistent=False)
        hashed = (shell.hashed_kmers, shell.hash_buckets)
        self.kmers = KmerEmbedding(shell.local_width, shell.kmers, letters, VOCABULARY, *hashed)

    def _add_branches(self, shell: ShellConfig, branches: BranchConfig) -> None:
        """Make the branches that are of an alphabet's letters."""
        sizes = (branches.motif, self.sees_ahead)
        self.motif = MotifBranch(shell.local_width, shell.alphabet, *sizes) if branches.motif else None
        self.structure = StructureBranch(shell.width, shell.alphabet) if branches.structure else None

    def forward(
        self,
        ids: torch.Tensor,
        patches: Patches,
        letters: torch.Tensor | None = None,
        codon_phase: torch.Tensor | None = None,
        conservation: torch.Tensor | None = None,
        losses: list[torch.Tensor] | None = None,
        modality: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return byte states.

        Args:
            ids: (b, l) int64, vocabulary of seq.alphabet.
            patches: geometry of the batch.
            letters: (b, l, a+1) float, weights of the alphabet's columns, read in place of the ids where those are
                letters; attribution differentiates through them.
            codon_phase: (b, l) int64, 0, 1, 2, or 3 where there is none; None: none anywhere.
            conservation: (b, l) float32, NaN where the track has no value; None: none anywhere.
            losses: gets the auxiliary losses (scalars) of the backbone in training mode.
            modality: (b, l) int64, alphabet of each byte's record by its number in MODALITIES, for shells that read
                several; None: all are of the alphabet that is read.

        Returns:
            (b, l, d); causal: row i depends on bytes <= i and on patches closed by then.

        Raises:
            UsageError: codon phases or a track for a model that does not read them.
            InputError: packed records stand closer than `reach`.
        """
        self._check(patches, codon_phase, conservation)
        apart = self.sees_ahead or patches.row is not None  # padding is where a byte could see it
        if apart:
            ids = ids.masked_fill(patches.ids < 0, PAD)
        mixture = None if letters is None else self.weights(ids, letters)
        x = self.embed(ids, patches.distance(), patches.places, mixture, codon_phase, modality)
        real = (patches.ids >= 0)[..., None].to(x.dtype) if apart else None
        for layer in self.encoder:
            x = layer(x, real)
        states = self.pooling(x, patches)
        if self.structure is not None:
            states = states + self._properties(ids, mixture, patches, modality)
        states = self.backbone(states, Rows(patches.first_byte(), patches.lengths(), [] if losses is None else losses))
        if self.conservation is not None and conservation is not None:
            states = self.conservation(states, patches.mean_known(conservation))
        x = x + self.reading(x, states, patches)
        for layer in self.decoder:
            x = layer(x, real)
        return self.norm(x)

    def embed(
        self,
        ids: torch.Tensor,
        since: torch.Tensor,
        places: torch.Tensor,
        mixture: torch.Tensor | None = None,
        codon_phase: torch.Tensor | None = None,
        modality: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return the byte embedding (b, l, d): byte, k-mers, where the byte lies, motifs.

        Args:
            ids: (b, l) int64.
            since: (b, l) int64, bases since the patch start.
            places: (l,) or (b, l) int64, base coordinate of each byte from its record's start.
            mixture: (b, l, a+1) float, what is read in place of the ids of letters, the unknown letter elsewhere.
            codon_phase: (b, l) int64.
            modality: (b, l) int64, as in `forward`.
        """
        x = self._spelled(ids, mixture, modality)
        if self.distance is not None:
            x = x + self.distance(since.clamp_max(DISTANCES - 1))
        if self.phase is not None:
            x = x + self.phase(self.phases[places % CIRCLE])
        if self.codon is not None:
            x = x + self.codon(torch.full_like(ids, NO_PHASE) if codon_phase is None else codon_phase)
        if self.sines is not None:
            x = x + SMALL * 2**0.5 * sinusoids(places, x.shape[-1], self.sines)
        if self.motif is not None:
            x = x + self._motifs(ids, mixture, modality)
        return x

    def _spelled(self, ids: torch.Tensor, mixture: torch.Tensor | None, modality: torch.Tensor | None) -> torch.Tensor:
        """Return the embedding of bytes and k-mers, (b, l, d); `modality` is of shells that read several alphabets."""
        if mixture is None:
            return self.bytes(ids) + self.kmers(ids)
        soft = mixture @ self.bytes.weight[self.columns]
        return torch.where((ids < PAD)[..., None], soft, self.bytes(ids)) + self.kmers.mixed(mixture)

    def _motifs(self, ids: torch.Tensor, mixture: torch.Tensor | None, modality: torch.Tensor | None) -> torch.Tensor:
        """Return what motifs add to bytes, (b, l, d)."""
        return self.motif((self.weights(ids) if mixture is None else mixture)[..., :-1])

    def _properties(
        self, ids: torch.Tensor, mixture: torch.Tensor | None, patches: Patches, modality: torch.Tensor | None
    ) -> torch.Tensor:
        """Return what physical properties add to patches, (r, p, D)."""
        values = self.structure.values(self.weights(ids) if mixture is None else mixture)
        return self.structure(patches.mean_bytes(values))

    def weights(self, ids: torch.Tensor, letters: torch.Tensor | None = None) -> torch.Tensor:
        """Return weights of the alphabet's columns, (b, l, a+1): one-hot, or `letters` where the ids are letters."""
        hard = F.one_hot(self.kmers.digits[ids], len(self.columns)).to(self.bytes.weight.dtype)
        return hard if letters is None else torch.where((ids < PAD)[..., None], letters, hard)

    def _check(self, patches: Patches, codon_phase: torch.Tensor | None, conservation: torch.Tensor | None) -> None:
        if codon_phase is not None and self.codon is None:
            raise UsageError("this model reads no codon phases: leave them out, or train one with positions.codon")
        if conservation is not None and self.conservation is None:
            raise UsageError("this model reads no conservation: leave it out, or train one with branches.conservation")
        if patches.row is not None and patches.gap < self.reach:
            raise InputError(
                f"packed records stand {patches.gap} bytes apart, and this model's convolutions reach {self.reach}: "
                f"pack them with reach={self.reach}"
            )


def column_ids(alphabet: str) -> torch.Tensor:
    """Return the ids (a+1,) int64 of an alphabet's letters, the unknown one last."""
    return torch.tensor([ord(letter) for letter in ALPHABETS[alphabet].columns])
