"""One more byte of every sequence: what its state costs when nothing before it is read again.

It is what ByteLatentShell computes, at one byte a row, with weights joined and turned once where that saves calls: at
these sizes a call costs more than its numbers.
"""

import numpy as np
import torch
import torch.nn.functional as F

from genomelm.models.local import LocalLayer
from genomelm.models.model import GenomeModel
from genomelm.models.shell import DISTANCES
from genomelm.nn.norm import RMSNorm
from genomelm.nn.pending import Pending
from genomelm.nn.positions import angles, rates
from genomelm.seq.alphabet import PAD

PLACES = 256
"""Coordinates for which positions are worked out at a time."""
JOINED = 1 << 17
"""Rows of the largest k-mer table that is copied to stand with the others."""


class NextByte:
    """The shell of a causal model for single further bytes. It holds no state, and weights as they were when made."""

    def __init__(self, model: GenomeModel) -> None:
        shell, reading = model.shell, model.shell.reading
        self.shell, self.device = shell, model.device
        self._layers = [_Layer(layer) for layer in (*shell.encoder, *shell.decoder)]
        self._make_tables()
        d = shell.norm.weight.shape[0]
        heads = (reading.heads, d // reading.heads)
        query, key = ([part.weight.unflatten(0, heads)] for part in (reading.query, reading.key))  # (h, d / h, ...)
        self._rate = None  # of each channel's angle, (d / h,)
        if reading.rotary_base is not None:
            self._rate = rates(heads[1] // 2, reading.rotary_base, model.device).repeat(2)
            for part in (query, key):  # the channels that each is turned towards
                first, second = part[0].chunk(2, 1)
                part.append(torch.cat([-second, first], 1))
        self._query = torch.cat(query, 1).flatten(0, 1).T * heads[1] ** -0.5
        self._key_value = torch.cat([*(part.flatten(0, 1) for part in key), reading.value.weight]).T.contiguous()
        self._query_out = reading.out.weight.T.unflatten(0, heads).contiguous()  # (h, d / h, d)
        self._norm = _Norm(shell.norm)
        pooling = shell.pooling
        self._pool_query = pooling.query.weight.T * (d // pooling.heads) ** -0.5
        self._pool_key_value = torch.cat([pooling.key.weight, pooling.value.weight]).T.contiguous()
        self._first_place = -PLACES

    def _make_tables(self) -> None:
        """Join the tables of letters, k-mers and distances, but for very large ones of k-mers."""
        shell, kmers, read = self.shell, self.shell.kmers, self.shell.memory + 1
        self._digits = kmers.digits.cpu().numpy()
        self._hashed, self._motif = kmers.hashed, shell.motif
        joined = [shell.bytes.weight]
        self._far, columns, offsets = [], [], [0]
        for k, table in zip(kmers.sizes, kmers.tables, strict=True):
            column = [0] * (read - k) + [kmers.base**back for back in reversed(range(k))]
            if len(table.weight) > JOINED:
                self._far.append((np.array(column), table.weight))
                continue
            columns.append(column)
            offsets.append(sum(map(len, joined)))
            joined.append(table.weight)
        self._columns = np.array(columns, np.int64).reshape(-1, read).T  # (memory + 1, tables)
        self._measures = shell.distance is not None
        if self._measures:
            offsets.append(sum(map(len, joined)))
            joined.append(shell.distance.weight)
        self._offsets = np.array(offsets, np.int64)
        self._table = torch.cat(joined)

    def embed(self, ids: np.ndarray, since: np.ndarray, place: int) -> torch.Tensor:
        """Return the embedding (b, d) of a byte at `place`.

        Args:
            ids: (b, memory + 1) int64, the byte last, those before it in front.
            since: (b,) int64, bases since its patch's start.
            place: bases from the record's start.
        """
        return self._of_letters(ids, since).add_(self._placed(place)[0])

    def values(self, ids: np.ndarray) -> torch.Tensor:
        """Return the physical properties (b, f) of the last of the bytes (b, memory + 1); the model reads them."""
        weights = self.shell.weights(self.tensor(ids))
        return self.shell.structure.values(weights)[:, -1]

    def mix(self, number: int, x: torch.Tensor, pending: Pending) -> torch.Tensor:
        """Run local layer `number` on byte states (b, d), behind the rows that its convolution has had."""
        layer = self._layers[number]
        wide = pending.add(torch.mm(layer.norm.scaled(x), layer.up))
        return torch.addmm(x, F.silu(wide, inplace=True), layer.down)

    def readable(self, pairs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return keys and values (2, b, h, w, d / h) of patches as `read` wants them.

        Returns:
            keys (b * h, d / h, w), or for turned queries twice below each other.
            values (b, h * w, d) as the last projection maps them.
        """
        key, value = pairs
        b, h, w = key.shape[:3]
        key = (key if self._rate is None else torch.cat([key, key], -1)).flatten(0, 1).transpose(1, 2)
        value = torch.bmm(value.transpose(0, 1).reshape(h, b * w, -1), self._query_out).view(h, b, w, -1)
        return key, value.transpose(0, 1).reshape(b, h * w, -1)

    def read(
        self, x: torch.Tensor, place: int, readable: tuple[torch.Tensor, torch.Tensor], unknown: torch.Tensor
    ) -> torch.Tensor:
        """Add to byte states (b, d) at `place` what they read from patches.

        Args:
            x: (b, d).
            place: bases from the record's start.
            readable: what `readable` made of the patches.
            unknown: (b * h, 1, w), 0, or minus infinity for a key that is not there.
        """
        query, (key, value) = torch.mm(x, self._query), readable
        if self._rate is not None:
            query = query * self._placed(place)[1]
        weight = torch.softmax(torch.baddbmm(unknown, query.view(len(key), 1, -1), key), 2)
        return torch.baddbmm(x[:, None], weight.view(len(x), 1, -1), value)[:, 0]

    def finish(self, x: torch.Tensor) -> torch.Tensor:
        """Map what the last layer gave (b, d) to byte states, as the shell's last norm does."""
        return self._norm.scaled(x) * self._norm.weight

    def pool(self, held: torch.Tensor, lengths: np.ndarray) -> torch.Tensor:
        """Return patch states (r, D) of the bytes of one patch a row, as PatchPooling does.

        Args:
            held: (n, r, d + f) byte states, the patches' last ones at the end, and physical properties.
            lengths: (r,) int64, bytes of each patch.
        """
        pooling, d, (n, r) = self.shell.pooling, self._query_out.shape[-1], held.shape[:2]
        x, values = held.split([d, held.shape[-1] - d], -1)
        count = self.tensor(lengths[:, None]).to(x.dtype)
        real = None
        if (lengths < n).any():
            real = self.tensor(np.arange(n)[:, None, None] >= n - lengths[:, None])  # (n, r, 1)

        def mean(rows: torch.Tensor) -> torch.Tensor:
            return (rows if real is None else rows * real).sum(0) / count

        query = torch.mm(mean(x), self._pool_query).view(r * pooling.heads, 1, -1)
        pairs = torch.mm(x.reshape(n * r, d), self._pool_key_value).view(n, r, 2, pooling.heads, -1)
        key, value = pairs.permute(2, 1, 3, 0, 4).flatten(1, 2)  # (r * h, n, d / h)
        logits = torch.bmm(query, key.transpose(1, 2)).view(r, -1, n)
        if real is not None:
            logits = logits.masked_fill(~real.permute(1, 2, 0), -torch.inf)
        weight = torch.softmax(logits, -1).view(-1, 1, n)
        states = pooling.out(torch.bmm(weight, value).view(r, d))
        if pooling.length is not None:
            states = states + pooling.length(torch.log1p(count))
        return states if self.shell.structure is None else states + self.shell.structure(mean(values))

    def pairs(self, states: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """Return keys and values (2, r, h, 1, d / h) of states (r, D) of patches that begin at places (r,) int64."""
        found = torch.mm(states, self._key_value).view(len(states), -1, *self._query_out.shape[:2])
        key = found[:, 0]
        if self._rate is not None:
            angle = angles(places, self._rate)[:, None]
            key = torch.addcmul(key * angle.cos(), found[:, 1], angle.sin())
        return torch.stack([key, found[:, -1]])[:, :, :, None]

    def tensor(self, numbers: np.ndarray) -> torch.Tensor:
        """Return an array on the model's device."""
        return torch.from_numpy(np.ascontiguousarray(numbers)).to(self.device)

    def _of_letters(self, ids: np.ndarray, since: np.ndarray) -> torch.Tensor:
        """Return the part of an embedding that its place has no part in: (b, d)."""
        digits = self._digits[ids]
        rows = [ids[:, -1:], digits @ self._columns]
        if self._measures:
            rows.append(np.minimum(since, DISTANCES - 1)[:, None])
        x = F.embedding(self.tensor(np.concatenate(rows, 1) + self._offsets), self._table).sum(1)
        for column, weight in self._far:
            x = x + F.embedding(self.tensor(digits @ column), weight)
        if self._hashed is not None:
            x = x + self._hashed(self.tensor(digits), self.shell.kmers.base - 1)[:, -1]
        if self._motif is not None:
            x = x + self._motif(self.shell.weights(self.tensor(ids))[..., :-1])[:, -1]
        return x

    def _placed(self, place: int) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return what a place adds to an embedding, (d,), and the cosines and sines of each head's query there, (2 d,).

        The latter are None where queries are not turned.
        """
        if not self._first_place <= place < self._first_place + PLACES:
            self._first_place = place
            self._at = list(zip(*self._worked_out(place), strict=True))
        return self._at[place - self._first_place]

    def _worked_out(self, first: int) -> tuple[list, list]:
        shell, memory = self.shell, self.shell.memory
        places = torch.arange(first - memory, first + PLACES, device=self.device)
        blank = torch.full_like(places[None], PAD)
        whole = shell.embed(blank, torch.zeros_like(blank), places.clamp_min(0))[0, memory:]
        added = (whole - self._of_letters(np.full((1, memory + 1), PAD), np.zeros(1, np.int64))).unbind()
        if self._rate is None:
            return added, [None] * PLACES
        angle = angles(places[memory:], self._rate)
        return added, torch.cat([angle.cos(), angle.sin()], -1).repeat(1, shell.reading.heads).unbind()


class _Norm:
    """A norm in three calls: rms(x) sqrt(d) is the length of x and of sqrt(d eps) at right angles to it.

    Attributes:
        weight: (d,), what the scaled states are still to be multiplied by.
    """

    def __init__(self, norm: RMSNorm) -> None:
        d, eps = len(norm.weight), norm.eps
        if eps is None:  # as torch has it, which works rougher dtypes out in float32
            eps = torch.finfo(torch.promote_types(norm.weight.dtype, torch.float32)).eps
        self.weight, self._across = norm.weight * d**0.5, norm.weight.new_tensor((d * eps) ** 0.5)

    def scaled(self, x: torch.Tensor) -> torch.Tensor:
        """Map (b, d) to (b, d)."""
        return x / torch.linalg.vector_norm(x, 2, -1, True).hypot_(self._across)


class _Layer:
    """A local layer's weights, in the shapes that one byte wants."""

    def __init__(self, layer: LocalLayer) -> None:
        self.norm = _Norm(layer.norm)
        self.up, self.down = (layer.up.weight * self.norm.weight).T.contiguous(), layer.down.weight.T.contiguous()
