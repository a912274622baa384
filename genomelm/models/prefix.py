"""A causal model's pass over sequences, kept so that others which begin like them need only their ends read.

What is kept of a sequence: the inputs of the local convolutions, the pooled patches, the backbone's state before every
few of them, and what bytes read of the patches. An end begins where a patch does, so no patch is half known.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from genomelm.models.encoding import Batch
from genomelm.models.geometry import Patches
from genomelm.models.model import GenomeModel
from genomelm.models.state import copies
from genomelm.nn.held import Chosen
from genomelm.nn.rows import Rows
from genomelm.seq.alphabet import PAD

CALL = {"cpu": 256, "cuda": 4096}
"""A pass of the backbone over some rows takes as long as over no row at all and so many patches more, or so."""


class PrefixPass:
    """The rows of a batch, read once.

    Attributes:
        first: the first byte whose state is given.
        states: (b, l - first, d) byte states, as the model's hidden_states.
    """

    def __init__(
        self, model: GenomeModel, batch: Batch, rows: np.ndarray, begins: np.ndarray, whole: bool = False
    ) -> None:
        """Read the batch.

        Args:
            model: a causal model for which `models.stream.why_not_streamed` finds no reason.
            batch: on the model's device.
            rows, begins: (n,) int64, rows and bytes near which ends will begin: there they are quickest to read.
            whole: whether ends may begin, and states are wanted, before the first of `begins` too. What is before it
                is otherwise read only as far as it says something of later bytes.
        """
        self._shell = shell = model.shell
        patches = Patches.from_starts(batch.starts, batch.mask)
        self._order = patches.ids.cpu().numpy()
        self._memory = F.pad(batch.ids, (shell.memory, 0), value=PAD)
        self._wide: list[torch.Tensor] = []
        x = shell.embed(batch.ids, patches.distance(), patches.places)
        self._encoded = x = self._through(shell.encoder, x)
        values = None if shell.structure is None else shell.structure.values(shell.weights(batch.ids))
        self._pooled = _pooled(shell, x, patches, values)
        self._rows = Rows(patches.first_byte(), patches.lengths())
        self.first = 0 if whole else int(begins.min())
        self._decoded = max(self.first - sum(layer.conv.reach for layer in shell.decoder), 0)
        states = self._run(self._order[rows, begins])
        states = torch.cat([shell.reading.null.expand(len(states), 1, -1).to(states.dtype), states], 1)
        key, value = shell.reading.keys(states, F.pad(self._rows.places, (1, 0)))
        self._read = torch.stack([key, value], 2)  # (b, 1 + p, 2, h, d)
        later = slice(self._decoded, None)
        x = x[:, later]
        x = x + shell.reading.attend(x, patches.places[later], key, value, patches.newest[:, later])
        # The layers have zeros before their first byte; that is as many bytes before `first` as they reach.
        self.states = shell.norm(self._through(shell.decoder, x)[:, self.first - self._decoded :])

    def ends(
        self,
        rows: np.ndarray,
        begins: np.ndarray,
        ids: Sequence[np.ndarray],
        starts: Sequence[np.ndarray],
        fresh: np.ndarray,
    ) -> torch.Tensor:
        """Return the byte states of sequences from where they may differ from the rows that were read.

        Args:
            rows: (n,) int64, the row that each sequence begins like.
            begins: (n,) int64, its byte from which on the end is given; in both a patch starts there, and before it
                both have the same bytes and patches.
            ids: (k,) int64 each, the bytes of the end.
            starts: (k + 1,) bool each, its patch starts; the first is True.
            fresh: (n,) int64, bytes of the end behind which it has the row's bytes and patches again, in their places;
                where there are none, all k. What such bytes are to the encoder is not worked out again.

        Returns:
            (n, k, d), of the longest end's k.
        """
        shell, device = self._shell, self.states.device
        lengths = np.array([len(part) for part in ids])
        texts, flags = np.full((len(ids), lengths.max()), PAD), np.zeros((len(ids), lengths.max() + 1), bool)
        for row, (text, start) in enumerate(zip(ids, starts, strict=True)):
            texts[row, : len(text)], flags[row, : len(start)] = text, start
        real = np.arange(lengths.max()) < lengths[:, None]
        before = self._order[rows, begins]  # patches
        texts, flags, real, of, begin = (
            torch.from_numpy(part).to(device) for part in (texts, flags, real, np.asarray(rows), np.asarray(begins))
        )
        patches = Patches.from_starts(flags, real)
        here = begin[:, None] + torch.arange(texts.shape[1], device=device)
        x, values = self._embedded(texts, patches, of, begin)
        news = min(int(fresh.max()) + shell.memory + sum(layer.conv.reach for layer in shell.encoder), texts.shape[1])
        x = self._extended(shell.encoder, 0, x[:, :news], of, begin)
        x = torch.cat([x, self._encoded[of[:, None], here[:, news:].clamp_max(self._encoded.shape[1] - 1)]], 1)
        pooled = _pooled(shell, x, patches, values)
        geometry = Rows(patches.first_byte() + begin[:, None], patches.lengths())
        states = self._continued(pooled, geometry, rows, before)
        pairs = torch.stack(shell.reading.keys(states, geometry.places), 2)
        known = np.minimum(before, shell.reading.window)
        read = _behind(self._read, rows, 1 + before - known, known, pairs)
        null = self._read[:1, :1].expand(len(rows), -1, -1, -1, -1)
        newest = patches.newest + torch.from_numpy(known).to(device)[:, None]
        key, value = torch.cat([null, read], 1).unbind(2)
        x = x + shell.reading.attend(x, here, key, value, newest)
        return shell.norm(self._extended(shell.decoder, len(shell.encoder), x, of, begin - self._decoded))

    def _through(self, layers: nn.ModuleList, x: torch.Tensor) -> torch.Tensor:
        for layer in layers:
            wide = layer.widened(x)
            self._wide.append(F.pad(wide, (0, 0, layer.conv.reach, 0)))
            x = layer.joined(x, layer.conv(wide))
        return x

    def _extended(
        self, layers: nn.ModuleList, first: int, x: torch.Tensor, of: torch.Tensor, begin: torch.Tensor
    ) -> torch.Tensor:
        for layer, wide in zip(layers, self._wide[first:], strict=False):
            at = begin[:, None] + torch.arange(layer.conv.reach, device=x.device)
            x, _ = layer.extend(x, wide[of[:, None], at])
        return x

    def _embedded(
        self, ids: torch.Tensor, patches: Patches, of: torch.Tensor, begin: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return the byte embedding (n, k, d), and each byte's physical properties where the model reads them."""
        shell, memory = self._shell, self._shell.memory
        at = torch.arange(-memory, ids.shape[1], device=ids.device)
        tail = self._memory[of[:, None], begin[:, None] + at[:memory] + memory]
        window, since = torch.cat([tail, ids], 1), F.pad(patches.distance(), (memory, 0))
        x = shell.embed(window, since, (begin[:, None] + at).clamp_min(0))[:, memory:]
        values = None if shell.structure is None else shell.structure.values(shell.weights(window))[:, memory:]
        return x, values

    def _run(self, wanted: np.ndarray) -> torch.Tensor:
        """Run the backbone over all patches, and keep its state before or a little before the wanted ones (n,).

        Returns:
            (b, p, D); zeros where no byte from `_decoded` on reads them.
        """
        backbone, (rows, count) = self._shell.backbone, self._pooled.shape[:2]
        read = int(self._order[:, self._decoded].min()) - self._shell.reading.window  # the first patch
        # Ends run patches again from the kept state before them: few states are many patches, many states many calls.
        call = CALL.get(self._pooled.device.type, CALL["cuda"])
        apart = math.sqrt(2 * call * (np.ptp(wanted) + 1) / len(wanted))
        kept = [0]
        for patch in np.unique(wanted):
            if patch >= kept[-1] + apart:
                kept.append(int(patch))
        self._states, state, found = {}, backbone.initial_state(rows), []
        for begin, end in zip(kept, [*kept[1:], count], strict=True):
            self._states[begin] = state
            part = Rows(self._rows.places[:, begin:end], self._rows.lengths[:, begin:end])
            size = end - begin
            last = min(max(end - read, 0), size)
            y, state = backbone.extend(self._pooled[:, begin:end], part, state, last)
            found.append(F.pad(y, (0, 0, size - last, 0)))
        return torch.cat(found, 1)

    def _continued(self, pooled: torch.Tensor, geometry: Rows, rows: np.ndarray, before: np.ndarray) -> torch.Tensor:
        """Return the backbone's states (n, q, D) of the ends' patches, of which `before` (n,) others stand before.

        A kept state may lie some patches further back; these are run again.
        """
        known = np.array(list(self._states))
        kept = known[np.searchsorted(known, before, side="right") - 1]
        found, device = torch.empty_like(pooled), pooled.device
        for first in np.unique(kept):
            which = np.flatnonzero(kept == first)
            again, of, part = before[which] - first, rows[which], torch.from_numpy(which).to(device)
            at = np.full(len(which), first)
            x = _behind(self._pooled, of, at, again, pooled[part])
            places = _behind(self._rows.places, of, at, again, geometry.places[part])
            lengths = _behind(self._rows.lengths, of, at, again, geometry.lengths[part])
            state = copies(self._states[int(first)], Chosen(of, torch.from_numpy(of).to(device)))
            y, _ = self._shell.backbone.extend(x, Rows(places, lengths), state)
            columns = torch.from_numpy(again[:, None] + np.arange(pooled.shape[1])).to(device)
            found[part] = y[torch.arange(len(which), device=device)[:, None], columns]
        return found


def _pooled(shell: nn.Module, x: torch.Tensor, patches: Patches, values: torch.Tensor | None) -> torch.Tensor:
    states = shell.pooling(x, patches)
    return states if values is None else states + shell.structure(patches.mean_bytes(values))


def _behind(
    whole: torch.Tensor, rows: np.ndarray, first: np.ndarray, count: np.ndarray, own: torch.Tensor
) -> torch.Tensor:
    """Put what is `own` (n, q, ...) behind count[i] columns of row rows[i] of `whole` (b, p, ...), from first[i] on.

    Returns:
        (n, max(count) + q, ...); what stands behind a row's own last column repeats it.
    """
    size, q = whole.shape[1], own.shape[1]
    columns = np.arange(count.max() + q)
    later = np.clip(columns - count[:, None], 0, q - 1) + q * np.arange(len(rows))[:, None] + len(whole) * size
    earlier = rows[:, None] * size + np.minimum(first[:, None] + columns, size - 1)
    order = torch.from_numpy(np.where(columns < count[:, None], earlier, later)).to(own.device)
    return torch.cat([whole.flatten(0, 1), own.flatten(0, 1)])[order]
