"""A small causal byte language model: the entropies of its predictions are scores for patching.

K-mer tables and dilated causal convolutions see a fixed number of bytes back, `reach`, and nothing else: a score is
a function of the `reach` bytes before its position, so a contig may be scored in any chunks. What is no letter of
the alphabet, and what lies before a record's start, is one and the same symbol: nothing is known there.
"""

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

from genomelm.errors import InputError, IntegrityError, UsageError
from genomelm.files import atomic_directory, digest_of, write_json
from genomelm.models.folder import check_folder, read_config_file, read_weights
from genomelm.models.language_head import BITS, IGNORED
from genomelm.models.local import LocalLayer
from genomelm.nn.kmers import KmerEmbedding
from genomelm.nn.norm import RMSNorm
from genomelm.patching.codes import Scale
from genomelm.runtime import exact_float32
from genomelm.seq.alphabet import ALPHABETS, VOCABULARY
from genomelm.settings import from_mapping, setting, to_mapping

FORMAT = 1
MODEL_TYPE = "genomelm_byte_lm"
KMERS = {"dna": (1, 4), "rna": (1, 4), "protein": (1, 2)}
"""Sizes of k-mer tables that fit an alphabet: a table has a row for each k-mer."""
TILE = 8192
"""Positions of a row of a forward pass."""
TILES = 4
"""Rows of a forward pass on a CPU, where more of them cost time and memory."""
GPU_TILES = 16
"""Rows of a forward pass elsewhere."""


@dataclass(frozen=True)
class ByteLMConfig:
    """What a byte language model is made of, and how it was shown its data."""

    alphabet: str = setting("dna", "letters that the model reads and predicts", choices=tuple(ALPHABETS))
    both_strands: bool = setting(True, "train on the reverse complement half of the time (DNA only)")
    kmers: tuple[int, ...] = setting((), "k of each exact k-mer table; none: those that fit the alphabet")
    width: int = setting(64, "width of byte states", minimum=1)
    layers: int = setting(6, "convolution layers", minimum=1)
    taps: int = setting(5, "taps of each convolution", minimum=1)
    growth: int = setting(2, "dilation of a layer, as a multiple of that of the layer before", minimum=1)

    def __post_init__(self) -> None:
        if self.alphabet not in ALPHABETS:
            raise UsageError(f"alphabet '{self.alphabet}' is unknown: choose {', '.join(ALPHABETS)}")
        object.__setattr__(self, "kmers", self.kmers or KMERS[self.alphabet])
        if min(self.kmers) < 1:
            raise UsageError(f"kmers are {self.kmers}: each k must be 1 or more")
        if self.both_strands and self.alphabet != "dna":
            raise UsageError(
                f"both_strands=True needs DNA, but the alphabet is {self.alphabet}: set both_strands to False"
            )

    @property
    def reach(self) -> int:
        """How many bytes before a position its prediction reads."""
        dilations = sum(self.growth**layer for layer in range(self.layers))
        return max(self.kmers) + (self.taps - 1) * dilations


class Prediction(NamedTuple):
    """Output of the network.

    Attributes:
        loss: mean nats a scored letter, a scalar; None without labels.
        logits: (b, l, a), row i of byte i + 1; None where they were not wanted.
    """

    loss: torch.Tensor | None
    logits: torch.Tensor | None


class ByteNetwork(nn.Module):
    """K-mer tables, layers of dilated causal convolutions, and logits of the alphabet's letters."""

    def __init__(self, config: ByteLMConfig) -> None:
        super().__init__()
        self.config = config
        self.letters = len(ALPHABETS[config.alphabet].letters)
        self.kmers = KmerEmbedding(config.width, config.kmers, torch.arange(self.letters + 1), self.letters + 1)
        self.layers = nn.ModuleList(
            LocalLayer(config.width, config.taps, config.growth**layer, centred=False) for layer in range(config.layers)
        )
        self.norm = RMSNorm(config.width)
        self.out = nn.Linear(config.width, self.letters)
        nn.init.normal_(self.out.weight, std=0.02)
        self.register_buffer("symbol_of", torch.from_numpy(symbols_of_ids(config.alphabet)).long(), persistent=False)

    def rows(self, symbols: torch.Tensor) -> torch.Tensor:
        """Predict from whole views only.

        Args:
            symbols: (b, reach - 1 + n) int64, each a letter's number, or `letters` for what is no letter.

        Returns:
            Logits float32 (b, n, a) of the letter after symbols[:, reach - 1 :].
        """
        x = self.kmers(symbols)
        nothing_padded = x.new_ones(1)
        for layer in self.layers:
            x = layer(x, nothing_padded)
        return self.out(self.norm(x[:, self.config.reach - 1 :]))

    def forward(
        self,
        input_ids: torch.Tensor,
        labels: torch.Tensor | None = None,
        return_logits: bool = True,
        **_ignored: object,
    ) -> Prediction:
        """Predict every byte of records from those before it in the same record.

        Args:
            input_ids: (b, l) int64, BOS first, right-padded with PAD.
            labels: (b, l) int64 ids, compared one byte later; IGNORED, and what is no letter, is left out.
            return_logits: whether the logits are wanted.
            _ignored: what the training loop gives every model (mask and patch starts), of no use here.
        """
        before = self.config.reach - 1
        logits = self.rows(F.pad(self.symbol_of[input_ids], (before, 0), value=self.letters))
        if labels is None:
            return Prediction(None, logits)
        wanted = torch.where(labels[:, 1:] >= 0, self.symbol_of[labels[:, 1:].clamp_min(0)], self.letters)
        known = wanted != self.letters
        target = torch.where(known, wanted, IGNORED)
        nats = F.cross_entropy(logits[:, :-1].flatten(0, 1), target.flatten(), ignore_index=IGNORED, reduction="sum")
        return Prediction(nats / known.sum().clamp_min(1), logits if return_logits else None)


class ByteLM:
    """A byte language model as a source of scores: entropies in nats, of bytes alone."""

    kind = "neural"

    def __init__(self, network: ByteNetwork, training: Sequence[str] = ()) -> None:
        """Hold a network.

        Args:
            network: scores are computed on its device.
            training: the intervals that it was trained on, as text.
        """
        self.network, self.training = network.eval(), tuple(training)
        self.config, self.alphabet, self.reach = network.config, network.config.alphabet, network.config.reach
        self.letters = network.letters
        self.scale = Scale(0.0, math.log(self.letters))
        self._symbol_of = symbols_of_ids(self.alphabet)

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return sum(parameter.numel() for parameter in self.network.parameters())

    def scores(self, ids: np.ndarray, context: np.ndarray | None = None) -> np.ndarray:
        """Return the entropy of the prediction before each byte and after the last.

        Args:
            ids: int (l,).
            context: the bytes before `ids` in the same record (the last `reach` are enough); None at its start.

        Returns:
            float32 (l + 1,), nats: element i is the entropy of byte i given all before it. At a
            record's start element 0 is 0 and means nothing.
        """
        scores = np.empty(len(ids) + 1, np.float32)
        for first, log_p in self._predictions(ids, context):
            entropy = (log_p.exp() * -log_p).sum(-1).clamp(0, self.scale.hi)
            scores[first : first + len(entropy)] = entropy.cpu().numpy()
        if context is None:
            scores[0] = 0
        return scores

    def bits(self, ids: np.ndarray, context: np.ndarray | None = None) -> np.ndarray:
        """Return -log2 p(byte | bytes before it), float64 (l,); NaN where the byte is no letter of the alphabet."""
        symbols = torch.from_numpy(self._symbols(ids).astype(np.int64))
        bits = np.empty(len(ids))
        for first, log_p in self._predictions(ids, context):
            wanted = symbols[first : first + len(log_p)].to(log_p.device)
            chosen = F.pad(log_p, (0, 1), value=math.nan)[: len(wanted)].gather(1, wanted[:, None])[:, 0]
            bits[first : first + len(chosen)] = -chosen.double().cpu().numpy() * BITS
        return bits

    def bits_per_base(self, ids: np.ndarray) -> tuple[float, int]:
        """Return the mean of `bits` over the letters of one record, and how many there are."""
        bits = self.bits(ids)
        known = ~np.isnan(bits)
        if not known.any():
            raise InputError("no letter of the alphabet to score: choose another region")
        return float(bits[known].mean()), int(known.sum())

    @property
    def digest(self) -> str:
        """SHA-256 of everything that decides a score: weights, sizes and alphabet."""
        sizes = {key: value for key, value in to_mapping(self.config).items() if key != "both_strands"}
        whole = hashlib.sha256(digest_of({"format": FORMAT, **sizes}).encode())
        for name, weight in sorted(self._weights().items()):
            whole.update(name.encode())
            whole.update(weight.numpy().astype("<f4").tobytes())
        return whole.hexdigest()

    def save(self, directory: str | Path) -> None:
        """Write `config.json` and `model.safetensors` into a new directory, atomically."""
        with atomic_directory(directory) as temporary:
            save_file(self._weights(), temporary / "model.safetensors")
            header = {
                "model_type": MODEL_TYPE,
                "format_version": FORMAT,
                "settings": to_mapping(self.config),
                "training": list(self.training),
                "digest": self.digest,
            }
            write_json(temporary / "config.json", header)

    @classmethod
    def load(cls, directory: str | Path, device: torch.device | str = "cpu") -> "ByteLM":
        """Read what `save` wrote.

        Args:
            directory: the folder.
            device: where the weights go, and scores are computed.

        Raises:
            UsageError: no such directory, a model of another kind, or a newer format.
            IntegrityError: a pickle, or a file that is missing, cut short or changed.
        """
        directory = Path(directory)
        check_folder(directory)
        header = read_config_file(directory)
        if header.get("model_type") != MODEL_TYPE:
            raise UsageError(
                f"{directory} holds a model of type '{header.get('model_type')}', not a byte language model: "
                "give a folder that `genomelm byte-lm` wrote"
            )
        try:
            if header["format_version"] > FORMAT:
                raise UsageError(
                    f"{directory} has format {header['format_version']}, newer than {FORMAT}: update genomelm"
                )
            settings, training, digest = header["settings"], tuple(map(str, header["training"])), header["digest"]
        except (KeyError, TypeError) as error:
            raise IntegrityError(f"{directory}: config.json is not whole ({error!r}): make the model again") from None
        network = ByteNetwork(from_mapping(ByteLMConfig, settings, source=str(directory / "config.json")))
        network.load_state_dict(read_weights(directory / "model.safetensors", network.state_dict()))
        model = cls(network, training)
        if model.digest != digest:
            raise IntegrityError(f"{directory}: its weights do not have the digest in config.json: make it again")
        network.to(device)
        return model

    def _weights(self) -> dict[str, torch.Tensor]:
        return {name: weight.detach().contiguous().cpu() for name, weight in self.network.state_dict().items()}

    def _symbols(self, ids: np.ndarray) -> np.ndarray:
        """Return uint8 (l,) symbols of ids."""
        ids = np.asarray(ids)
        if ids.size == 0:
            return np.empty(0, np.uint8)
        if ids.dtype.kind not in "iu" or ids.min() < 0 or ids.max() >= VOCABULARY:
            raise InputError(f"ids must be integers from 0 to {VOCABULARY - 1}: encode the sequence first")
        return self._symbol_of[ids]

    def _predictions(self, ids: np.ndarray, context: np.ndarray | None) -> Iterator[tuple[int, torch.Tensor]]:
        """Yield (first, log p float32 (n, a)) of the n positions from `first` on, until all l + 1 were given."""
        before = self._symbols([] if context is None else np.asarray(context)[-self.reach :])
        padding = np.full(self.reach - len(before), self.letters, np.uint8)
        symbols = torch.from_numpy(np.concatenate([padding, before, self._symbols(ids)]))
        device = self.network.out.weight.device
        positions = len(ids) + 1
        whole = positions // TILE
        tiles = TILES if device.type == "cpu" else GPU_TILES
        with torch.inference_mode(), exact_float32():
            for tile in range(0, whole, tiles):
                first, last = tile * TILE, min(tile + tiles, whole) * TILE
                views = symbols[first : last + self.reach - 1].unfold(0, TILE + self.reach - 1, TILE)
                yield first, self.network.rows(views.to(device).long()).log_softmax(-1).flatten(0, 1)
            if positions % TILE:
                first = whole * TILE
                yield first, self.network.rows(symbols[None, first:].to(device).long()).log_softmax(-1)[0]


def symbols_of_ids(alphabet: str) -> np.ndarray:
    """Return uint8 (260,): the letter's number for each id, the next number for what is no letter. U and T are one."""
    letters = ALPHABETS[alphabet].letters
    table = np.full(VOCABULARY, len(letters), np.uint8)
    table[ALPHABETS[alphabet].ids] = np.arange(len(letters))
    if alphabet != "protein":
        table[[ord("T"), ord("U")]] = len(letters) - 1
    return table
