"""A causal model that reads its sequences piece by piece: the same states as of one pass over all bytes.

What is kept of the bytes so far: the last ones (k-mer tables), the last rows of every local convolution, the byte
states of the open patch, the backbone's state after the last closed patch, and keys and values of the newest patches,
as many as a byte reads.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from genomelm.errors import UsageError
from genomelm.models.geometry import Patches
from genomelm.models.model import GenomeModel
from genomelm.models.shell import ByteLatentShell
from genomelm.models.state import put, repeated, select
from genomelm.nn.rows import Rows
from genomelm.seq.alphabet import PAD


def why_not_streamed(model: GenomeModel) -> str:
    """Return why a causal model must read all bytes anew for each letter; empty where it need not."""
    if not isinstance(model.shell, ByteLatentShell):
        return f"a {type(model).__name__} keeps no state"
    backbone = model.shell.backbone
    row = torch.zeros(1, 1, model.config.shell["width"], device=model.device, dtype=model.dtype)
    one = torch.ones(1, 1, dtype=torch.int64, device=model.device)
    try:
        with torch.inference_mode():
            backbone.extend(row, Rows(one, one), backbone.initial_state(1))
    except UsageError as error:
        return str(error)
    return ""


class Stream:
    """Sequences that grow side by side; each closes its patches where its own marks say so.

    Rows that close patches at different times need a backbone whose state is constant in size.

    Attributes:
        constant_state: whether the state does not grow with the patches.
    """

    def __init__(self, model: GenomeModel) -> None:
        """Stand before the first byte of one sequence: BOS comes first.

        Args:
            model: a causal model for which `why_not_streamed` finds no reason.
        """
        shell, reading = model.shell, model.shell.reading
        self.model, self.constant_state = model, shell.backbone.constant_state
        self._device = model.device
        width, new = model.config.shell["local_width"], shell.norm.weight.new_zeros
        self._place = 0  # bytes so far, in every row
        self._tail = torch.full((1, shell.memory), PAD, device=model.device)
        self._local = [layer.conv.initial_state(1) for layer in (*shell.encoder, *shell.decoder)]
        properties = 0 if shell.structure is None else shell.structure.table.shape[-1]
        self._open, self._open_lengths = new(1, 0, width + properties), np.zeros(1, np.int64)  # ends at the right
        self._backbone = shell.backbone.initial_state(1)
        # Keys and values of the newest patches, oldest first from the left, and how many there are.
        self._newest = new(1, reading.window, 2, reading.heads, width // reading.heads)
        self._known = np.zeros(1, np.int64)
        self._null = self._keys(reading.null, torch.zeros(1, 1, dtype=torch.int64, device=model.device))
        self._last = new(1, width)

    def repeat(self, count: int) -> "Stream":
        """Return a stream of `count` sequences that begin as this one's only sequence does; this one stays usable."""
        other = object.__new__(Stream)
        for name, value in vars(self).items():
            numbers = isinstance(value, np.ndarray)
            kept = name in ("model", "constant_state", "_device", "_place", "_null")
            setattr(other, name, value if kept else value.repeat(count) if numbers else repeated(value, count))
        return other

    def logits(self) -> torch.Tensor:
        """Return the logits of the next letter: (b, a) float32."""
        return self.model.head.letter_logits(self._last)

    def take(self, ids: np.ndarray, marks: np.ndarray) -> torch.Tensor:
        """Read the next bytes.

        Args:
            ids: (b, k) int64, k >= 1.
            marks: (b, k) bool, whether a patch starts behind each byte; one does behind BOS.

        Returns:
            (b, k, d) byte states, as the model's hidden_states.
        """
        shell, split = self.model.shell, len(self.model.shell.encoder)
        x, values = self._embedded(ids, marks)
        x = self._mixed(shell.encoder, x, range(split))
        newest = self._known[:, None] + np.cumsum(marks, 1) - 1
        x = x + self._read(x, self._close(x if values is None else torch.cat([x, values], -1), marks), newest)
        x = shell.norm(self._mixed(shell.decoder, x, range(split, len(self._local))))
        self._place += ids.shape[1]
        self._last = x[:, -1]
        return x

    def _embedded(self, ids: np.ndarray, marks: np.ndarray) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return the byte embedding (b, k, d), and each byte's physical properties where the model reads them."""
        shell, memory = self.model.shell, self._tail.shape[1]
        at = np.arange(-memory, ids.shape[1])
        starts = np.repeat(-self._open_lengths[:, None], len(at), 1)
        starts[:, memory + 1 :] = np.where(marks[:, :-1], at[memory + 1 :], starts[:, memory + 1 :])
        since = np.maximum(at - np.maximum.accumulate(starts, 1), 0)
        window = torch.cat([self._tail, self._tensor(ids)], 1)
        self._tail = window[:, ids.shape[1] :]
        x = shell.embed(window, self._tensor(since), self._tensor(np.maximum(self._place + at, 0)))
        values = None if shell.structure is None else shell.structure.values(shell.weights(window))[:, memory:]
        return x[:, memory:], values

    def _mixed(self, layers: nn.ModuleList, x: torch.Tensor, states: Sequence[int]) -> torch.Tensor:
        for layer, number in zip(layers, states, strict=True):
            x, self._local[number] = layer.extend(x, self._local[number])
        return x

    def _close(self, x: torch.Tensor, marks: np.ndarray) -> torch.Tensor:
        """Hand the patches that close to the backbone, and keep the bytes of the open one.

        Args:
            x: (b, k, d + f) byte states of the encoder, and physical properties.
            marks: (b, k) bool.

        Returns:
            (b, p, 2, h, d) keys and values of the patches that were known and those that closed, from the left.
        """
        held, closed = torch.cat([self._open, x], 1), marks.sum(1)
        found = self._newest
        if closed.any():
            new = self._patches(held, marks, closed)
            window, most = self._newest.shape[1], new.shape[1]
            known, columns = self._known[:, None], np.arange(window + most)
            order = np.where(columns < known, columns, np.minimum(window + columns - known, window + most - 1))
            found = _columns(torch.cat([self._newest, new], 1), self._tensor(order))
            total = self._known + closed
            self._known = np.minimum(total, window)
            self._newest = _columns(found, self._tensor((total - self._known)[:, None] + np.arange(window)))
        self._open_lengths = np.where(closed > 0, marks[:, ::-1].argmax(1), self._open_lengths + marks.shape[1])
        self._open = held[:, held.shape[1] - int(self._open_lengths.max()) :]
        return found

    def _patches(self, held: torch.Tensor, marks: np.ndarray, closed: np.ndarray) -> torch.Tensor:
        """Return keys and values (b, p, 2, h, d) of the patches that close, `closed` (b,) of them in each row.

        `held` (b, o + k, d + f) are the byte states of the open patches, which end at the right, and of the next bytes.
        """
        shell, before, width = self.model.shell, self._open.shape[1], self._last.shape[-1]
        rows, most = np.flatnonzero(closed), closed.max()
        count = closed[rows]
        order = np.cumsum(marks[rows], 1) - marks[rows]  # (r, k)
        open_bytes = np.arange(before) >= before - self._open_lengths[rows, None]
        ids = np.concatenate([np.where(open_bytes, 0, -1), np.where(order < count[:, None], order, -1)], 1)
        slots = (ids + most * np.arange(len(rows))[:, None])[ids >= 0]
        lengths = np.bincount(slots, minlength=len(rows) * most).reshape(-1, most)
        places = (self._place - self._open_lengths[rows])[:, None] + np.cumsum(lengths, 1) - lengths
        geometry = Rows(self._tensor(places), self._tensor(lengths))
        of_rows = self._tensor(rows)
        here = self._tensor(self._place - before + np.arange(held.shape[1]))
        patches = Patches(self._tensor(ids), self._tensor(ids), int(most), len(rows), here)
        held, values = held[of_rows].split([width, held.shape[-1] - width], -1)
        states = shell.pooling(held, patches)
        if shell.structure is not None:
            states = states + shell.structure(patches.mean_bytes(values))
        states = self._run(states, geometry, rows, count)
        pairs = self._keys(states, geometry.places)
        return pairs.new_zeros(len(marks), *pairs.shape[1:]).index_copy(0, of_rows, pairs)

    def _run(self, pooled: torch.Tensor, geometry: Rows, rows: np.ndarray, count: np.ndarray) -> torch.Tensor:
        """Return the backbone's states (r, p, D) of pooled patches, of which row i has count[i], and keep its state."""
        backbone, states = self.model.shell.backbone, torch.zeros_like(pooled)
        for size in np.unique(count):
            which = np.flatnonzero(count == size)
            part, whole = self._tensor(which), len(which) == len(self._known)
            here = Rows(geometry.places[part, :size], geometry.lengths[part, :size])
            before = self._backbone if whole else select(self._backbone, self._tensor(rows[which]))
            found, after = backbone.extend(pooled[part, :size], here, before)
            states[part, :size] = found
            self._backbone = after if whole else put(self._backbone, self._tensor(rows[which]), after)
        return states

    def _keys(self, states: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """Return keys and values (b, p, 2, h, d) of patch states (b, p, D) at places (b, p)."""
        return torch.stack(self.model.shell.reading.keys(states, places), 2)

    def _read(self, x: torch.Tensor, found: torch.Tensor, newest: np.ndarray) -> torch.Tensor:
        """Return what byte states (b, k, d) read from patches up to `newest` (b, k): (b, k, d)."""
        null = self._null.expand(len(x), -1, -1, -1, -1)
        key, value = torch.cat([null, found], 1).unbind(2)
        here = self._tensor(self._place + np.arange(x.shape[1]))
        return self.model.shell.reading.attend(x, here, key, value, self._tensor(newest))

    def _tensor(self, numbers: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(numbers)).to(self._device)


def _columns(pairs: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
    """Return patches (b, p, 2, h, d) of each row in the order int64 (b, q)."""
    return pairs[torch.arange(len(pairs), device=pairs.device)[:, None], order]
