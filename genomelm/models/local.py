"""What the byte-latent shell does near each byte: local layers, patches made of bytes, and bytes reading patches."""

import torch
import torch.nn.functional as F
from torch import nn

from genomelm.models.config import PositionConfig, ShellConfig
from genomelm.models.geometry import Patches
from genomelm.nn.bridge import segment_attention, windowed_attention
from genomelm.nn.norm import RMSNorm
from genomelm.nn.positions import rotate
from genomelm.nn.shortconv import ShortConv


class LocalLayer(nn.Module):
    """x + down(silu(conv(up(norm(x))))): a depthwise convolution, causal or centred, in an expanded width."""

    def __init__(self, width: int, taps: int, dilation: int, centred: bool) -> None:
        super().__init__()
        self.norm = RMSNorm(width)
        self.up = nn.Linear(width, 2 * width, bias=False)
        self.conv = ShortConv(2 * width, taps, dilation, centred)
        self.down = nn.Linear(2 * width, width, bias=False)

    def forward(self, x: torch.Tensor, real: torch.Tensor | None = None) -> torch.Tensor:
        """Map (b, l, d) to (b, l, d); `real` (b, l, 1) is 0 at padding, None where no byte could see any."""
        wide = self.widened(x)
        return self.joined(x, self.conv(wide if real is None else wide * real))

    def extend(self, x: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Map the next bytes (b, k, d), given the convolution's state; return theirs and the state behind them."""
        wide, state = self.conv.extend(self.widened(x), state)
        return self.joined(x, wide), state

    def widened(self, x: torch.Tensor) -> torch.Tensor:
        """Return what is convolved, (b, l, 2d); the last rows of it are the convolution's state."""
        return self.up(self.norm(x))

    def joined(self, x: torch.Tensor, convolved: torch.Tensor) -> torch.Tensor:
        """Add to bytes (b, l, d) what the convolution gave, (b, l, 2d)."""
        return x + self.down(F.silu(convolved))


def local_layers(shell: ShellConfig, count: int) -> nn.ModuleList:
    """Return `count` local layers; every second one is dilated, which widens the view for nothing."""
    return nn.ModuleList(
        LocalLayer(shell.local_width, shell.local_taps, shell.dilation if i % 2 else 1, shell.objective == "masked")
        for i in range(count)
    )


class PatchPooling(nn.Module):
    """Patch states by attention of a pooled patch query over the patch's own bytes."""

    def __init__(self, shell: ShellConfig, positions: PositionConfig) -> None:
        super().__init__()
        self.heads = shell.local_heads
        self.query = nn.Linear(shell.local_width, shell.local_width, bias=False)
        self.key = nn.Linear(shell.local_width, shell.local_width, bias=False)
        self.value = nn.Linear(shell.local_width, shell.local_width, bias=False)
        self.out = nn.Linear(shell.local_width, shell.width, bias=False)
        self.length = nn.Linear(1, shell.width, bias=False) if positions.length else None
        if self.length is not None:
            nn.init.normal_(self.length.weight, std=0.02)  # at nn.Linear's own scale the length hides the bytes

    def forward(self, x: torch.Tensor, patches: Patches) -> torch.Tensor:
        """Map byte states (b, l, d) to patch states (r, p, D).

        The length enters here only: a patch is read after it has closed (patching rules,
        causal features).
        """
        split = (self.heads, x.shape[-1] // self.heads)
        lengths = patches.lengths()[..., None].to(x.dtype)  # (r, p, 1)
        query = self.query(patches.sum_bytes(x) / lengths.clamp_min(1))
        pooled = segment_attention(
            query.unflatten(-1, split),
            self.key(x).unflatten(-1, split),
            self.value(x).unflatten(-1, split),
            patches.ids,
            patches.row,
        )
        states = self.out(pooled.flatten(-2))
        return states if self.length is None else states + self.length(torch.log1p(lengths))


class PatchReading(nn.Module):
    """Each byte attends to its nearest allowed patches; a learned null patch stands before a record's first."""

    def __init__(self, shell: ShellConfig, positions: PositionConfig) -> None:
        super().__init__()
        self.heads, self.window = shell.local_heads, shell.window
        self.rotary_base = positions.rotary_base(shell.target_length)
        self.null = nn.Parameter(torch.zeros(1, 1, shell.width))
        self.query = nn.Linear(shell.local_width, shell.local_width, bias=False)
        self.key = nn.Linear(shell.width, shell.local_width, bias=False)
        self.value = nn.Linear(shell.width, shell.local_width, bias=False)
        self.out = nn.Linear(shell.local_width, shell.local_width, bias=False)
        nn.init.normal_(self.null, std=0.02)

    def forward(self, x: torch.Tensor, states: torch.Tensor, patches: Patches) -> torch.Tensor:
        """Return what byte states (b, l, d) read from patch states (r, p, D): (b, l, d)."""
        states = torch.cat([self.null.expand(len(states), 1, -1).to(states.dtype), states], 1)
        key, value = self.keys(states, F.pad(patches.first_byte(), (1, 0)))
        return self.attend(x, patches.places, key, value, patches.newest, patches.row)

    def keys(self, states: torch.Tensor, places: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return keys and values (r, p, h, d) of patch states (r, p, D) whose first bytes are at `places` (r, p)."""
        split = (self.heads, self.key.out_features // self.heads)
        key = rotate(self.key(states).unflatten(-1, split), places, self.rotary_base)
        return key, self.value(states).unflatten(-1, split)

    def attend(
        self,
        x: torch.Tensor,
        places: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        newest: torch.Tensor,
        row: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return what byte states (b, l, d) at `places` read: (b, l, d); the rest as in `windowed_attention`."""
        query = rotate(self.query(x).unflatten(-1, (self.heads, x.shape[-1] // self.heads)), places, self.rotary_base)
        return self.out(windowed_attention(query, key, value, newest, self.window, row).flatten(-2))
