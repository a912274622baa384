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
from genomelm.nn.positions import rotate
from genomelm.nn.tape import Tape
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
        self.layers = [_Layer(layer) for layer in (*shell.encoder, *shell.decoder)]
        self._make_tables()
        d = shell.norm.weight.shape[0]
        heads = (reading.heads, d // reading.heads)
        query = reading.query.weight.unflatten(0, heads) * heads[1] ** -0.5  # (h, d / h, d)
        first, second = query.chunk(2, 1)
        turned = [] if reading.rotary_base is None else [torch.cat([-second, first], 1)]
        self._query = torch.cat([part.flatten(0, 1) for part in (query, *turned)])
        self._query_out = reading.out.weight.T.contiguous()
        self._norm = _Norm(shell.norm)
        pooling = shell.pooling
        self._pool_key = torch.cat([pooling.key.weight, pooling.value.weight])
        self._first_place = -PLACES

    def _make_tables(self) -> None:
        """Join the tables of letters, k-mers and distances, but for very large ones of k-mers."""
        shell, kmers, read = self.shell, self.shell.kmers, self.shell.memory + 1
        self._digits = kmers.digits.cpu().numpy()
        joined = [shell.bytes.weight]
        self._far, columns, offsets = [], [], []
        for k, table in zip(kmers.sizes, kmers.tables, strict=True):
            column = [0] * (read - k) + [kmers.base**back for back in reversed(range(k))]
            if len(table.weight) > JOINED:
                self._far.append((np.array(column), table.weight))
                continue
            columns.append(column)
            offsets.append(sum(map(len, joined)))
            joined.append(table.weight)
        self._columns = np.array(columns, np.int64).reshape(-1, read).T  # (memory + 1, tables)
        self._offsets = np.array(offsets, np.int64)
        self._of_distance = None
        if shell.distance is not None:
            self._of_distance = sum(map(len, joined))
            joined.append(shell.distance.weight)
        self._table = torch.cat(joined)

    def embed(self, ids: np.ndarray, since: np.ndarray, place: int) -> torch.Tensor:
        """Return the embedding (b, d) of a byte at `place`.

        Args:
            ids: (b, memory + 1) int64, the byte last, those before it in front.
            since: (b,) int64, bases since its patch's start.
            place: bases from the record's start.
        """
        return self._of_letters(ids, since) + self._placed(place)[0]

    def values(self, ids: np.ndarray) -> torch.Tensor:
        """Return the physical properties (b, f) of the last of the bytes (b, memory + 1); the model reads them."""
        weights = self.shell.weights(self.tensor(ids))
        return self.shell.structure.values(weights)[:, -1]

    def mix(self, number: int, x: torch.Tensor, tape: Tape) -> torch.Tensor:
        """Run local layer `number` on byte states (b, d), behind what its tape holds."""
        layer = self.layers[number]
        tape.write(F.linear(layer.norm.of(x), layer.up), layer.reach)
        rows = tape.newest(layer.reach + 1, layer.dilation)
        wide = (rows * layer.taps).sum(0).add_(layer.bias)
        return torch.addmm(x, F.silu(wide, inplace=True), layer.down)

    def read(self, x: torch.Tensor, place: int, pairs: torch.Tensor, unknown: torch.Tensor) -> torch.Tensor:
        """Add to byte states (b, d) at `place` what they read from patches.

        Args:
            x: (b, d).
            place: bases from the record's start.
            pairs: (2, b, h, w, d / h), keys and values.
            unknown: (b * h, w, 1), 0, or minus infinity for a key that is not there.
        """
        query, (_, cosine, sine) = F.linear(x, self._query), self._placed(place)
        if cosine is not None:
            straight, turned = query.chunk(2, -1)
            query = torch.addcmul(straight * cosine, turned, sine)
        key, value = pairs.flatten(1, 2)  # (b * h, w, d / h) each
        weight = torch.softmax(torch.baddbmm(unknown, key, query.view(len(key), -1, 1)), 1)
        return torch.addmm(x, torch.bmm(weight.transpose(1, 2), value).view_as(x), self._query_out)

    def finish(self, x: torch.Tensor) -> torch.Tensor:
        """Map what the last layer gave (b, d) to byte states, as the shell's last norm does."""
        return self._norm.of(x)

    def pool(self, held: torch.Tensor, lengths: np.ndarray) -> torch.Tensor:
        """Return patch states (r, D) of the bytes of one patch a row, as PatchPooling does.

        Args:
            held: (n, r, d + f) byte states, the patches' last ones at the end, and physical properties.
            lengths: (r,) int64, bytes of each patch.
        """
        pooling, d = self.shell.pooling, self._query_out.shape[0]
        x, values = held.transpose(0, 1).split([d, held.shape[-1] - d], -1)
        heads, count = (pooling.heads, d // pooling.heads), self.tensor(lengths[:, None]).to(x.dtype)
        real = None
        if (lengths < len(held)).any():
            real = self.tensor(np.arange(len(held)) >= len(held) - lengths[:, None])  # (r, n)

        def mean(rows: torch.Tensor) -> torch.Tensor:
            return (rows if real is None else rows * real[..., None]).sum(1) / count

        query = pooling.query(mean(x)).unflatten(-1, heads)[:, :, None]
        key, value = F.linear(x, self._pool_key).unflatten(-1, (2, *heads)).permute(2, 0, 3, 1, 4)
        mask = None if real is None else real[:, None, None]
        states = pooling.out(F.scaled_dot_product_attention(query, key, value, mask).flatten(1))
        if pooling.length is not None:
            states = states + pooling.length(torch.log1p(count))
        return states if self.shell.structure is None else states + self.shell.structure(mean(values))

    def tensor(self, numbers: np.ndarray) -> torch.Tensor:
        """Return an array on the model's device."""
        return torch.from_numpy(np.ascontiguousarray(numbers)).to(self.device)

    def _of_letters(self, ids: np.ndarray, since: np.ndarray) -> torch.Tensor:
        """Return the part of an embedding that its place has no part in: (b, d)."""
        digits, tables = self._digits[ids], self._columns.shape[1]
        index = np.empty((len(ids), 1 + tables + (self._of_distance is not None)), np.int64)
        index[:, 0] = ids[:, -1]
        index[:, 1 : 1 + tables] = digits @ self._columns + self._offsets
        if self._of_distance is not None:
            index[:, -1] = np.minimum(since, DISTANCES - 1) + self._of_distance
        x = F.embedding(self.tensor(index), self._table).sum(1)
        for column, weight in self._far:
            x = x + F.embedding(self.tensor(digits @ column), weight)
        if self.shell.kmers.hashed is not None:
            x = x + self.shell.kmers.hashed(self.tensor(digits), self.shell.kmers.base - 1)[:, -1]
        if self.shell.motif is not None:
            x = x + self.shell.motif(self.shell.weights(self.tensor(ids))[..., :-1])[:, -1]
        return x

    def _placed(self, place: int) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
        """Return what a place adds to an embedding, and cosines and sines of queries there (None: not turned): (d,)."""
        if not self._first_place <= place < self._first_place + PLACES:
            self._first_place = place
            self._at = list(zip(*self._worked_out(place), strict=True))
        return self._at[place - self._first_place]

    def _worked_out(self, first: int) -> tuple[list, list, list]:
        shell, reading = self.shell, self.shell.reading
        blank = np.full((1, shell.memory + 1), PAD)
        places = torch.arange(first, first + PLACES, device=self.device)[:, None].expand(-1, shell.memory + 1)
        ids = self.tensor(blank).expand(PLACES, -1)
        whole = shell.embed(ids, torch.zeros_like(ids), places)[:, -1]
        added = (whole - self._of_letters(blank, np.zeros(1, np.int64))).unbind()
        if reading.rotary_base is None:
            return added, [None] * PLACES, [None] * PLACES
        half = self._query_out.shape[0] // reading.heads // 2
        upright = torch.ones(PLACES, reading.heads, 2 * half, device=self.device)
        upright[..., half:] = 0
        cosine, sine = rotate(upright, places[:, 0], reading.rotary_base).chunk(2, -1)
        return added, *(torch.cat([part, part], -1).flatten(1).unbind() for part in (cosine, sine))


class _Norm:
    """A norm, without what a module's call costs."""

    def __init__(self, norm: RMSNorm) -> None:
        self.shape, self.weight, self.eps = norm.normalized_shape, norm.weight, norm.eps

    def of(self, x: torch.Tensor) -> torch.Tensor:
        """Map (..., d) to (..., d)."""
        return F.rms_norm(x, self.shape, self.weight, self.eps)


class _Layer:
    """A local layer's weights, in the shapes that one byte wants."""

    def __init__(self, layer: LocalLayer) -> None:
        self.norm, self.up = _Norm(layer.norm), layer.up.weight
        self.taps = layer.conv.weight[:, 0, 0].T[:, None].contiguous()  # (k, 1, 2 d)
        self.bias, self.down = layer.conv.bias, layer.down.weight.T.contiguous()
        self.dilation, self.reach = layer.conv.dilation, layer.conv.reach
