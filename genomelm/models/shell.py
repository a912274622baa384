"""The byte-latent shell: bytes -> local encoder -> patches -> backbone -> bytes.

Any backbone that maps (b, p, D) to (b, p, D) can stand in the middle; a causal shell wants a causal one. In a masked
shell every byte sees both sides, so what stands at padding is zeroed before it is mixed.
"""

import torch
from torch import nn

from genomelm.models.config import ShellConfig
from genomelm.models.geometry import Patches
from genomelm.nn.bridge import segment_attention, windowed_attention
from genomelm.nn.kmers import KmerEmbedding
from genomelm.nn.positions import PERIODS, phase_features, rotate
from genomelm.nn.rows import Rows
from genomelm.nn.shortconv import ShortConv
from genomelm.seq.alphabet import ALPHABETS, VOCABULARY

DISTANCES = 32
"""Distances since the patch start are told apart up to this many bases."""


class LocalLayer(nn.Module):
    """x + down(silu(conv(up(norm(x))))): a depthwise convolution, causal or centred, in an expanded width."""

    def __init__(self, width: int, taps: int, dilation: int, centred: bool) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(width)
        self.up = nn.Linear(width, 2 * width, bias=False)
        self.conv = ShortConv(2 * width, taps, dilation, centred)
        self.down = nn.Linear(2 * width, width, bias=False)
        self.centred = centred

    def forward(self, x: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """Map (b, l, d) to (b, l, d); `real` (b, l, 1) is 0 at padding, which stands at the right."""
        wide = self.up(self.norm(x))
        return x + self.down(nn.functional.silu(self.conv(wide * real if self.centred else wide)))


def local_layers(shell: ShellConfig, count: int) -> nn.ModuleList:
    """Return `count` local layers; every second one is dilated, which widens the view for nothing."""
    return nn.ModuleList(
        LocalLayer(shell.local_width, shell.local_taps, shell.dilation if i % 2 else 1, shell.objective == "masked")
        for i in range(count)
    )


class PatchPooling(nn.Module):
    """Patch states by attention of a pooled patch query over the patch's own bytes."""

    def __init__(self, shell: ShellConfig) -> None:
        super().__init__()
        self.heads = shell.local_heads
        self.query = nn.Linear(shell.local_width, shell.local_width, bias=False)
        self.key = nn.Linear(shell.local_width, shell.local_width, bias=False)
        self.value = nn.Linear(shell.local_width, shell.local_width, bias=False)
        self.out = nn.Linear(shell.local_width, shell.width, bias=False)
        self.length = nn.Linear(1, shell.width, bias=False)
        nn.init.normal_(self.length.weight, std=0.02)  # at nn.Linear's own scale the length hides the bytes

    def forward(self, x: torch.Tensor, patches: Patches) -> torch.Tensor:
        """Map byte states (b, l, d) to patch states (b, p, D).

        The length enters here only: a patch is read after it has closed (patching rules,
        causal features).
        """
        split = (self.heads, x.shape[-1] // self.heads)
        lengths = patches.lengths(x.shape[1])[..., None].to(x.dtype)  # (b, p, 1)
        query = self.query(patches.sum_bytes(x) / lengths.clamp_min(1))
        pooled = segment_attention(
            query.unflatten(-1, split),
            self.key(x).unflatten(-1, split),
            self.value(x).unflatten(-1, split),
            patches.ids,
        )
        return self.out(pooled.flatten(-2)) + self.length(torch.log1p(lengths))


class PatchReading(nn.Module):
    """Each byte attends to its nearest allowed patches; a learned null patch stands before the first."""

    def __init__(self, shell: ShellConfig) -> None:
        super().__init__()
        self.heads, self.window = shell.local_heads, shell.window
        self.rotary_base = 4.0 * max(shell.target_length, 1024)
        self.null = nn.Parameter(torch.zeros(1, 1, shell.width))
        self.query = nn.Linear(shell.local_width, shell.local_width, bias=False)
        self.key = nn.Linear(shell.width, shell.local_width, bias=False)
        self.value = nn.Linear(shell.width, shell.local_width, bias=False)
        self.out = nn.Linear(shell.local_width, shell.local_width, bias=False)
        nn.init.normal_(self.null, std=0.02)

    def forward(self, x: torch.Tensor, states: torch.Tensor, patches: Patches) -> torch.Tensor:
        """Return what byte states (b, l, d) read from patch states (b, p, D): (b, l, d)."""
        b, length, d = x.shape
        split = (self.heads, d // self.heads)
        states = torch.cat([self.null.expand(b, 1, -1).to(states.dtype), states], 1)
        here = torch.arange(length, device=x.device).expand(b, length)
        there = torch.cat([here[:, :1] * 0, patches.first_byte(length)], 1)  # (b, 1 + p)
        query = rotate(self.query(x).unflatten(-1, split), here, self.rotary_base)
        key = rotate(self.key(states).unflatten(-1, split), there, self.rotary_base)
        value = self.value(states).unflatten(-1, split)
        return self.out(windowed_attention(query, key, value, patches.newest, self.window).flatten(-2))


class ByteLatentShell(nn.Module):
    """Bytes in, byte states out, with a backbone over patches between.

    Args:
        shell: sizes.
        backbone: called with patch states (b, p, D) and their Rows; returns (b, p, D). Causal shells: row j from
            rows <= j.
    """

    def __init__(self, shell: ShellConfig, backbone: nn.Module) -> None:
        super().__init__()
        d = shell.local_width
        letters = torch.tensor([ord(letter) for letter in ALPHABETS[shell.alphabet].columns])
        self.bytes = nn.Embedding(VOCABULARY, d)
        self.kmers = KmerEmbedding(d, shell.kmers, letters, VOCABULARY)
        self.distance = nn.Embedding(DISTANCES, d)
        self.phase = nn.Linear(2 * len(PERIODS), d, bias=False)
        self.encoder = local_layers(shell, shell.encoder_layers)
        self.pooling = PatchPooling(shell)
        self.backbone = backbone
        self.reading = PatchReading(shell)
        self.decoder = local_layers(shell, shell.decoder_layers)
        self.norm = nn.RMSNorm(d)
        nn.init.normal_(self.bytes.weight, std=0.02)
        nn.init.normal_(self.distance.weight, std=0.02)
        # As small as the tables: at nn.Linear's own scale the phases hide which byte it is.
        nn.init.normal_(self.phase.weight, std=0.02)

    def forward(self, ids: torch.Tensor, patches: Patches, offset: torch.Tensor | None = None) -> torch.Tensor:
        """Return byte states.

        Args:
            ids: (b, l) int64, vocabulary of seq.alphabet.
            patches: geometry of the batch.
            offset: (b, l, d) added to the byte embedding; attribution differentiates through it.

        Returns:
            (b, l, d); causal: row i depends on bytes <= i and on patches closed by then.
        """
        x = self.embed(ids, patches)
        if offset is not None:
            x = x + offset
        real = (patches.ids >= 0)[..., None].to(x.dtype)
        for layer in self.encoder:
            x = layer(x, real)
        rows = Rows(patches.first_byte(ids.shape[1]), patches.lengths(ids.shape[1]))
        states = self.backbone(self.pooling(x, patches), rows)
        x = x + self.reading(x, states, patches)
        for layer in self.decoder:
            x = layer(x, real)
        return self.norm(x)

    def embed(self, ids: torch.Tensor, patches: Patches) -> torch.Tensor:
        """Return the byte embedding (b, l, d): byte, k-mers, distance since the patch start, phase."""
        here = torch.arange(ids.shape[1], device=ids.device)
        since = patches.distance(ids.shape[1]).clamp_max(DISTANCES - 1)
        return self.bytes(ids) + self.kmers(ids) + self.distance(since) + self.phase(phase_features(here))
