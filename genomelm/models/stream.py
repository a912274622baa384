"""A causal model that reads its sequences piece by piece: the same states as of one pass over all bytes.

What is kept of the bytes so far: the last ones (k-mer tables), what they add to the next outputs of every local
convolution, the byte states of the open patch, the backbone's state after the last closed patch, and keys and values
of the newest patches, as many as a byte reads.
"""

import copy
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from genomelm.errors import UsageError
from genomelm.models.geometry import Patches
from genomelm.models.model import GenomeModel
from genomelm.models.next_byte import NextByte
from genomelm.models.shell import ByteLatentShell
from genomelm.models.state import put, repeated, select, tensors
from genomelm.nn.held import Chosen
from genomelm.nn.pending import Pending
from genomelm.nn.rows import Rows
from genomelm.nn.tape import Tape
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

    Attributes:
        constant_state: whether the state does not grow with the patches.
    """

    def __init__(self, model: GenomeModel) -> None:
        """Stand before the first byte of one sequence: BOS comes first.

        Args:
            model: a causal model for which `why_not_streamed` finds no reason. Its weights must stay as they are.
        """
        shell, reading = model.shell, model.shell.reading
        self.model, self.constant_state = model, shell.backbone.constant_state
        self._next = NextByte(model)
        width, new = model.config.shell["local_width"], shell.norm.weight.new_zeros
        self._place = 0  # bytes so far, in every row
        self._tail = np.full((1, shell.memory), PAD)
        self._local = [Pending(layer.conv) for layer in (*shell.encoder, *shell.decoder)]
        self._split = len(shell.encoder)
        self._properties = 0 if shell.structure is None else shell.structure.table.shape[-1]
        self._open, self._open_lengths = Tape(new(0, 1, width + self._properties)), np.zeros(1, np.int64)
        self._backbone = shell.backbone.initial_state(1)
        self._rates = {}  # see `Rows`
        # Keys and values (2, b, h, 1 + window, d / h) of the null patch and the newest patches, the newest at the
        # right; how many of them there are; and what is added to the logits of those that there are not.
        null = self._keys(reading.null, torch.zeros(1, 1, dtype=torch.int64, device=model.device))
        self._keep(F.pad(null.permute(2, 0, 3, 1, 4), (0, 0, 0, reading.window)))
        self._known = np.zeros(1, np.int64)
        self._unknown = self._masked()
        self._last = new(1, width)
        self._letters = model.head.letter_weights()

    def repeat(self, count: int) -> "Stream":
        """Return a stream of `count` sequences that begin as this one's only sequence does; this one stays usable."""
        other = copy.copy(self)
        for name in ("_tail", "_open_lengths", "_known"):
            setattr(other, name, getattr(self, name).repeat(count, 0))
        other._local = [part.repeat(count) for part in self._local]
        other._open = self._open.repeat(count, int(self._open_lengths[0]))
        other._backbone = repeated(self._backbone, count)
        other._keep(self._pairs.repeat(1, count, 1, 1, 1))
        other._unknown, other._last = other._masked(), self._last.repeat(count, 1)
        return other

    def logits(self) -> torch.Tensor:
        """Return the logits of the next letter: (b, a) float32."""
        return F.linear(self._last, *self._letters).float()

    @property
    def nbytes(self) -> int:
        """Bytes of what is kept of the sequences."""
        kept = [self._pairs, *self._readable, *tensors(self._backbone)]
        return sum(part.nbytes for part in (*kept, *self._local, self._open))

    def take(self, ids: np.ndarray, marks: np.ndarray) -> torch.Tensor:
        """Read the next bytes.

        Args:
            ids: (b, k) int64, k >= 1.
            marks: (b, k) bool, whether a patch starts behind each byte; one does behind BOS.

        Returns:
            (b, k, d) byte states, as the model's hidden_states.
        """
        window = np.concatenate([self._tail, ids], 1)
        x = self._one(window, marks[:, 0])[:, None] if ids.shape[1] == 1 else self._several(window, marks)
        self._tail = window[:, ids.shape[1] :]
        self._place += ids.shape[1]
        self._last = x[:, -1]
        return x

    def _one(self, window: np.ndarray, closes: np.ndarray) -> torch.Tensor:
        """Read one byte, the last of a window (b, memory + 1): (b, d)."""
        step, place = self._next, self._place
        x = step.embed(window, self._open_lengths, place)
        for number in range(self._split):
            x = step.mix(number, x, self._local[number])
        row = torch.cat([x, step.values(window)], -1) if self._properties else x
        self._open.write(row, int(self._open_lengths.max()))
        self._open_lengths = self._open_lengths + 1
        if closes.any():
            self._close(closes)
        x = step.read(x, place, self._readable, self._unknown)
        for number in range(self._split, len(self._local)):
            x = step.mix(number, x, self._local[number])
        return step.finish(x)

    def _close(self, closes: np.ndarray) -> None:
        """Hand the open patches of the rows that `closes` (b,) names to the backbone, all their bytes being read."""
        every = closes.all()
        rows = np.flatnonzero(closes)
        lengths = self._open_lengths[rows]
        held = self._open.newest(int(lengths.max()))
        chosen = Chosen(rows, self._next.tensor(rows))
        held = held if every else held[:, chosen.index]
        pooled = self._next.pool(held, lengths)[:, None]
        places = self._next.tensor(self._place + 1 - lengths[:, None])
        geometry = Rows(places, self._next.tensor(lengths[:, None]), rates=self._rates)
        before = self._backbone if every else select(self._backbone, chosen)
        states, after = self.model.shell.backbone.extend(pooled, geometry, before)
        self._backbone = after if every else put(self._backbone, chosen, after)
        new = self._next.pairs(states[:, 0], geometry.places[:, 0])
        pairs = self._pairs if every else self._pairs[:, chosen.index]
        pairs = torch.cat([pairs[:, :, :, :1], pairs[:, :, :, 2:], new], 3)
        self._keep(pairs if every else self._pairs.index_copy(1, chosen.index, pairs))
        self._open_lengths[rows] = 0
        self._know(self._known + closes)

    def _keep(self, pairs: torch.Tensor) -> None:
        """Keep keys and values (2, b, h, 1 + window, d / h), and what a single byte reads of them."""
        self._pairs, self._readable = pairs, self._next.readable(pairs)

    def _know(self, patches: np.ndarray) -> None:
        """Note how many patches (b,) there are."""
        known = np.minimum(patches, self.model.shell.reading.window)
        if (known != self._known).any():
            self._known = known
            self._unknown = self._masked()

    def _masked(self) -> torch.Tensor:
        """Return what is added to the logits of each key, (b * h, 1, 1 + window): minus infinity if there is none."""
        reading = self.model.shell.reading
        there = np.arange(reading.window, -1, -1) < self._known[:, None]
        there[:, 0] = True  # the null patch; those known are at the right
        bias = np.where(there, np.float32(0), np.float32(-np.inf))
        return self._next.tensor(bias.repeat(reading.heads, 0)[:, None]).to(self._pairs.dtype)

    def _several(self, window: np.ndarray, marks: np.ndarray) -> torch.Tensor:
        """Read bytes (b, k), the last of a window (b, memory + k), as one pass does: (b, k, d)."""
        shell = self.model.shell
        x, values = self._embedded(window, marks)
        x = self._mixed(shell.encoder, x, self._local[: self._split])
        newest = self._known[:, None] + np.cumsum(marks, 1) - 1
        x = x + self._read(x, self._closed(x if values is None else torch.cat([x, values], -1), marks), newest)
        return shell.norm(self._mixed(shell.decoder, x, self._local[self._split :]))

    def _embedded(self, window: np.ndarray, marks: np.ndarray) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return the byte embedding (b, k, d), and each byte's physical properties where the model reads them."""
        shell, memory = self.model.shell, self._tail.shape[1]
        at = np.arange(-memory, marks.shape[1])
        starts = np.repeat(-self._open_lengths[:, None], len(at), 1)
        starts[:, memory + 1 :] = np.where(marks[:, :-1], at[memory + 1 :], starts[:, memory + 1 :])
        since = np.maximum(at - np.maximum.accumulate(starts, 1), 0)
        tensor, ids = self._next.tensor, self._next.tensor(window)
        x = shell.embed(ids, tensor(since), tensor(np.maximum(self._place + at, 0)))
        values = None if shell.structure is None else shell.structure.values(shell.weights(ids))[:, memory:]
        return x[:, memory:], values

    def _mixed(self, layers: nn.ModuleList, x: torch.Tensor, local: Sequence[Pending]) -> torch.Tensor:
        for layer, part in zip(layers, local, strict=True):
            x = layer.joined(x, part.extend(layer.widened(x)))
        return x

    def _closed(self, x: torch.Tensor, marks: np.ndarray) -> torch.Tensor:
        """Hand the patches that close to the backbone, and keep the bytes of the open one.

        Args:
            x: (b, k, d + f) byte states of the encoder, and physical properties.
            marks: (b, k) bool.

        Returns:
            (b, p, 2, h, d) keys and values of the patches that were known and those that closed, from the left.
        """
        before = int(self._open_lengths.max())
        held = torch.cat([self._open.newest(before).transpose(0, 1), x], 1)
        closed, window = marks.sum(1), self.model.shell.reading.window
        found = self._pairs[:, :, :, 1:].permute(1, 3, 0, 2, 4)
        if closed.any():
            found = torch.cat([found, self._patches(held, before, marks, closed)], 1)
        columns = np.arange(found.shape[1])
        order = np.minimum(columns + window - self._known[:, None], len(columns) - 1)
        from_left = _columns(found, self._next.tensor(order))
        newest = _columns(found, self._next.tensor(closed[:, None] + np.arange(window)))
        self._keep(torch.cat([self._pairs[:, :, :, :1], newest.permute(2, 0, 3, 1, 4)], 3))
        self._know(self._known + closed)
        self._open_lengths = np.where(closed > 0, marks[:, ::-1].argmax(1), self._open_lengths + marks.shape[1])
        self._open = Tape(held[:, held.shape[1] - int(self._open_lengths.max()) :].transpose(0, 1))
        return from_left

    def _patches(self, held: torch.Tensor, before: int, marks: np.ndarray, closed: np.ndarray) -> torch.Tensor:
        """Return keys and values (b, p, 2, h, d) of the patches that close, `closed` (b,) of them in each row.

        `held` (b, o + k, d + f) are the byte states of the open patches, which end at byte o = `before`, and of the
        next bytes.
        """
        shell, width, tensor = self.model.shell, self._last.shape[-1], self._next.tensor
        rows, most = np.flatnonzero(closed), closed.max()
        count = closed[rows]
        order = np.cumsum(marks[rows], 1) - marks[rows]  # (r, k)
        open_bytes = np.arange(before) >= before - self._open_lengths[rows, None]
        ids = np.concatenate([np.where(open_bytes, 0, -1), np.where(order < count[:, None], order, -1)], 1)
        slots = (ids + most * np.arange(len(rows))[:, None])[ids >= 0]
        lengths = np.bincount(slots, minlength=len(rows) * most).reshape(-1, most)
        places = (self._place - self._open_lengths[rows])[:, None] + np.cumsum(lengths, 1) - lengths
        geometry = Rows(tensor(places), tensor(lengths))
        of_rows, here = tensor(rows), tensor(self._place - before + np.arange(held.shape[1]))
        patches = Patches(tensor(ids), tensor(ids), int(most), len(rows), here)
        held, values = held[of_rows].split([width, held.shape[-1] - width], -1)
        states = shell.pooling(held, patches)
        if shell.structure is not None:
            states = states + shell.structure(patches.mean_bytes(values))
        states = self._run(states, geometry, rows, count)
        pairs = self._keys(states, geometry.places)
        return pairs.new_zeros(len(marks), *pairs.shape[1:]).index_copy(0, of_rows, pairs)

    def _run(self, pooled: torch.Tensor, geometry: Rows, rows: np.ndarray, count: np.ndarray) -> torch.Tensor:
        """Return the backbone's states (r, p, D) of pooled patches, of which row i has count[i], and keep its state."""
        backbone, states, tensor = self.model.shell.backbone, torch.zeros_like(pooled), self._next.tensor
        # Sequences whose states grow may differ in length, and then read several patches each by itself.
        alike = [np.flatnonzero(count == size) for size in np.unique(count)]
        for which in alike if self.constant_state or count.max() == 1 else np.arange(len(rows))[:, None]:
            size, part, whole = count[which[0]], tensor(which), len(which) == len(self._known)
            chosen = Chosen(rows[which], tensor(rows[which]))
            here = Rows(geometry.places[part, :size], geometry.lengths[part, :size])
            before = self._backbone if whole else select(self._backbone, chosen)
            found, after = backbone.extend(pooled[part, :size], here, before)
            states[part, :size] = found
            self._backbone = after if whole else put(self._backbone, chosen, after)
        return states

    def _keys(self, states: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """Return keys and values (b, p, 2, h, d) of patch states (b, p, D) at places (b, p)."""
        return torch.stack(self.model.shell.reading.keys(states, places), 2)

    def _read(self, x: torch.Tensor, found: torch.Tensor, newest: np.ndarray) -> torch.Tensor:
        """Return what byte states (b, k, d) read from patches (b, p, 2, h, d) up to `newest` (b, k): (b, k, d)."""
        null = self._pairs[:, :, :, :1].permute(1, 3, 0, 2, 4)
        key, value = torch.cat([null, found], 1).unbind(2)
        here = self._next.tensor(self._place + np.arange(x.shape[1]))
        return self.model.shell.reading.attend(x, here, key, value, self._next.tensor(newest))


def _columns(pairs: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
    """Return patches (b, p, 2, h, d) of each row in the order int64 (b, q)."""
    return pairs[torch.arange(len(pairs), device=pairs.device)[:, None], order]
