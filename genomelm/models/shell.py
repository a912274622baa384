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
from genomelm.nn.motif import TAPS, MotifBranch
from genomelm.nn.physical import StructureBranch
from genomelm.nn.positions import PERIODS, phase_features, sinusoids
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
        letters = torch.tensor([ord(letter) for letter in ALPHABETS[shell.alphabet].columns])
        self.sees_ahead = masked
        self.register_buffer("columns", letters, persistent=False)
        self.bytes = nn.Embedding(VOCABULARY, d)
        self.kmers = KmerEmbedding(d, shell.kmers, letters, VOCABULARY)
        self.distance = nn.Embedding(DISTANCES, d) if positions.distance else None
        self.phase = nn.Linear(2 * len(PERIODS), d, bias=False) if positions.phase else None
        self.encoder = local_layers(shell, shell.encoder_layers)
        self.pooling = PatchPooling(shell, positions)
        self.backbone = backbone
        self.reading = PatchReading(shell, positions)
        self.decoder = local_layers(shell, shell.decoder_layers)
        self.norm = nn.RMSNorm(d)
        self.codon = nn.Embedding(NO_PHASE + 1, d) if positions.codon else None
        self.sines = 4.0 * max(shell.target_length, 1024) if positions.sinusoidal else None
        self.motif = MotifBranch(d, shell.alphabet, branches.motif, masked) if branches.motif else None
        self.structure = StructureBranch(shell.width, shell.alphabet) if branches.structure else None
        self.conservation = ConservationGate(shell.width) if branches.conservation else None
        for table in (self.bytes, self.distance, self.phase, self.codon):
            if table is not None:
                nn.init.normal_(table.weight, std=SMALL)
        reaches = [layer.conv.reach for layer in (*self.encoder, *self.decoder)]
        self.memory = max([1, *(k - 1 for k in shell.kmers), TAPS - 1 if branches.motif else 1])
        self.reach = max([self.memory, *reaches])

    def forward(
        self,
        ids: torch.Tensor,
        patches: Patches,
        letters: torch.Tensor | None = None,
        codon_phase: torch.Tensor | None = None,
        conservation: torch.Tensor | None = None,
        losses: list[torch.Tensor] | None = None,
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
        x = self.embed(ids, patches.distance(), patches.places, mixture, codon_phase)
        real = (patches.ids >= 0)[..., None].to(x.dtype) if apart else None
        for layer in self.encoder:
            x = layer(x, real)
        states = self.pooling(x, patches)
        if self.structure is not None:
            values = self.structure.values(self.weights(ids) if mixture is None else mixture)
            states = states + self.structure(patches.mean_bytes(values))
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
    ) -> torch.Tensor:
        """Return the byte embedding (b, l, d): byte, k-mers, where the byte lies, motifs.

        Args:
            ids: (b, l) int64.
            since: (b, l) int64, bases since the patch start.
            places: (l,) or (b, l) int64, base coordinate of each byte from its record's start.
            mixture: (b, l, a+1) float, what is read in place of the ids of letters, the unknown letter elsewhere.
            codon_phase: (b, l) int64.
        """
        if mixture is None:
            x = self.bytes(ids) + self.kmers(ids)
        else:
            soft = mixture @ self.bytes.weight[self.columns]
            x = torch.where((ids < PAD)[..., None], soft, self.bytes(ids)) + self.kmers.mixed(mixture)
        if self.distance is not None:
            x = x + self.distance(since.clamp_max(DISTANCES - 1))
        if self.phase is not None:
            x = x + self.phase(phase_features(places))
        if self.codon is not None:
            x = x + self.codon(torch.full_like(ids, NO_PHASE) if codon_phase is None else codon_phase)
        if self.sines is not None:
            x = x + SMALL * 2**0.5 * sinusoids(places, x.shape[-1], self.sines)
        if self.motif is not None:
            x = x + self.motif((self.weights(ids) if mixture is None else mixture)[..., :-1])
        return x

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
