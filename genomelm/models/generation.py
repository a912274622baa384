"""Continuing sequences letter by letter with a causal language model."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

import numpy as np
import torch

from genomelm.errors import InputError, UsageError
from genomelm.models.cnn import CNNShell
from genomelm.models.cnn_stream import CNNStream
from genomelm.models.model import GenomeModel
from genomelm.models.neutral import say_neutral
from genomelm.models.sampling import Sampling, SeenKmers, draw, probabilities
from genomelm.models.stream import Stream, why_not_streamed
from genomelm.patching.follow import Follower
from genomelm.runtime import counter_seed, exact_float32
from genomelm.seq.alphabet import ALPHABETS, BOS, VOCABULARY

log = logging.getLogger(__name__)

CHUNK = 4096
"""Bytes of a prompt that are read at a time."""

ROWS = 64
"""Sequences that are continued side by side."""

LARGEST = 1 << 30
"""Bytes of the states with which sequences begin, if states grow: fewer are then continued side by side."""


class Reader(Protocol):
    """What a model knows of sequences that grow side by side.

    Attributes:
        constant_state: whether what is kept of the sequences does not grow with them.
        nbytes: bytes of what is kept.
    """

    constant_state: bool
    nbytes: int

    def take(self, ids: np.ndarray, marks: np.ndarray) -> object:
        """Read the next bytes (b, k) int64; marks (b, k) bool tell whether a patch starts behind each."""
        ...

    def logits(self) -> torch.Tensor:
        """Return the logits of the next letter: (b, a) float32."""
        ...

    def repeat(self, count: int) -> "Reader":
        """Return a reader of `count` sequences that begin as this one's only sequence does; this one stays usable."""
        ...


class Rereading:
    """Reads everything anew for each letter: for models that cannot go on from a state."""

    constant_state = True  # there is none

    def __init__(self, model: GenomeModel) -> None:
        self.model = model
        self.ids, self.starts = np.zeros((1, 0), np.int64), np.ones((1, 1), bool)

    @property
    def nbytes(self) -> int:
        """Bytes of the ids and marks."""
        return self.ids.nbytes + self.starts.nbytes

    def take(self, ids: np.ndarray, marks: np.ndarray) -> None:
        """Keep the next bytes."""
        self.ids, self.starts = np.concatenate([self.ids, ids], 1), np.concatenate([self.starts, marks], 1)

    def logits(self) -> torch.Tensor:
        """Return the logits of the next letter, by a pass over all bytes."""
        ids, starts = (torch.from_numpy(part).to(self.model.device) for part in (self.ids, self.starts))
        found = self.model(input_ids=ids, patch_starts=starts, return_logits=False)
        return self.model.head.letter_logits(found.hidden_states[:, -1])

    def repeat(self, count: int) -> "Rereading":
        """Return a reader of `count` sequences that begin as this one's only sequence does."""
        other = Rereading(self.model)
        other.ids, other.starts = self.ids.repeat(count, 0), self.starts.repeat(count, 0)
        return other


def reader_of(model: GenomeModel) -> Reader:
    """Return a reader before the first byte of one sequence: one with a state, where the model has one."""
    if isinstance(model.shell, CNNShell):
        return CNNStream(model)
    if reason := why_not_streamed(model):
        log.warning("%s: every new letter costs a pass over all letters before it", reason)
        return Rereading(model)
    return Stream(model)


def check_generates(model: GenomeModel) -> None:
    """Refuse a model that has no next letter to draw.

    Raises:
        UsageError: a masked model, a task head, no patcher, or patches that cannot be cut byte by byte.
    """
    if model.head_kind == "masked_lm":
        raise UsageError(
            "the model is a masked one: it guesses hidden bases from both sides and has no next base to draw; "
            "generate with a causal model"
        )
    if model.head_kind != "causal_lm":
        raise UsageError(f"generation needs a causal language model; the model's head is {model.head_kind}")
    if model.patcher is None:
        raise UsageError("the model has no patcher: load it with genomelm.load_model, or save it with one")
    Follower(model.patcher)


def generate(
    model: GenomeModel,
    prompt: np.ndarray | Iterable[np.ndarray],
    n_bases: int,
    sampling: Sampling | None = None,
    *,
    count: int = 1,
    seed: int = 0,
    number: int = 0,
    rows: int = ROWS,
    update: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """Continue a prompt by letters of the model's alphabet; the unknown letter has no probability and is never drawn.

    Where the backbone keeps a constant state, a letter costs the same however long the sequence is.

    Args:
        model: a causal language model, in eval mode, with its patcher.
        prompt: ids int64 (l,) without BOS, or pieces of them in order; nothing: from the start of a record.
        n_bases: letters to draw.
        sampling: controls; None: drawn from the model's own distribution.
        count: sequences that continue this prompt; the i-th depends on `seed`, `number` and i alone.
        seed: of the uniform numbers that letters are drawn with.
        number: of the prompt, where there are several: each draws numbers of its own.
        rows: sequences that are continued side by side; fewer where their states grow and are large (LARGEST).
        update: called with (letters drawn, letters in all).

    Returns:
        int64 (count, n_bases), ids of the new letters.

    Raises:
        UsageError: the model has no next letter to draw, or a number is out of range.
        InputError: the prompt holds something else than ids of bytes.
        NumericalError: logits are not finite.
    """
    check_generates(model)
    for name, value in (("n_bases", n_bases), ("count", count), ("rows", rows)):
        if value < 1:
            raise UsageError(f"{name} is {value}: give 1 or more")
    sampling = sampling or Sampling()
    say_neutral(model)
    with torch.inference_mode(), exact_float32():
        first = reader_of(model)
        follower, seen = read_prompt(model, prompt, first, sampling)
        if not first.constant_state:
            rows = max(1, min(rows, LARGEST // first.nbytes))
        out = np.empty((count, n_bases), np.int64)
        for begin in range(0, count, rows):
            numbers = range(begin, min(begin + rows, count))
            uniform = np.stack([uniform_numbers(n_bases, seed, number, i) for i in numbers])
            followers = [follower.fork() for _ in numbers]
            kmers = [seen.fork() for _ in numbers] if sampling.repeat_penalty else []
            steps = draw_letters(model, first.repeat(len(numbers)), followers, kmers, uniform, sampling)
            for step, letters in enumerate(steps):
                out[begin : begin + len(numbers), step] = letters
                if update is not None:
                    update(begin * n_bases + (step + 1) * len(numbers), count * n_bases)
    return out


def generate_rows(
    model: GenomeModel, input_ids: torch.Tensor | None, n_bases: int, sampling: Sampling, count: int, seed: int
) -> torch.Tensor:
    """Continue each row of a batch.

    Args:
        model, n_bases, sampling, seed: as in `generate`.
        input_ids: (b, l) int64 without padding, with or without BOS in front; None: one row of BOS.
        count: continuations of each row.

    Returns:
        (b * count, l + n_bases) int64 on the model's device, the rows with their continuations behind them.
    """
    rows = np.array([[BOS]]) if input_ids is None else input_ids.cpu().numpy()
    if rows.ndim != 2:
        raise InputError(f"input_ids has shape {rows.shape}: give a batch of rows, (b, l)")
    found = []
    for number, row in enumerate(rows):
        prompt = row[int(len(row) > 0 and row[0] == BOS) :]
        new = generate(model, prompt, n_bases, sampling, count=count, seed=seed, number=number)
        found.append(np.concatenate([np.tile(row, (count, 1)), new], 1))
    return torch.from_numpy(np.concatenate(found)).to(model.device)


def uniform_numbers(size: int, *counters: int) -> np.ndarray:
    """Return the uniform numbers of a sequence, float64 (size,); those of a longer one begin with them."""
    source = torch.Generator().manual_seed(counter_seed("generate", *counters))
    return torch.rand(size, generator=source, dtype=torch.float64).numpy()


def read_prompt(
    model: GenomeModel, prompt: np.ndarray | Iterable[np.ndarray], reader: Reader, sampling: Sampling
) -> tuple[Follower, SeenKmers]:
    """Read BOS and a prompt in chunks; return who cuts it, and its k-mers."""
    follower = Follower(model.patcher)
    letters = ALPHABETS[model.alphabet].ids
    seen = SeenKmers(sampling.repeat_k, len(letters))
    number = np.full(VOCABULARY, -1)
    number[letters] = np.arange(len(letters))
    reader.take(np.array([[BOS]]), np.array([[True]]))
    for ids in _chunks(prompt):
        reader.take(ids[None], follower.extend(ids)[None])
        if sampling.repeat_penalty:
            for letter in number[ids].tolist():
                seen.add(letter)
    return follower, seen


def _chunks(prompt: np.ndarray | Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    for piece in [prompt] if isinstance(prompt, np.ndarray) else prompt:
        piece = np.asarray(piece)
        if piece.dtype.kind not in "iu" or piece.ndim != 1 or (len(piece) and (piece.min() < 0 or piece.max() > 255)):
            raise InputError("a prompt is a row of ids of bytes, 0 to 255, without BOS or padding: encode the sequence")
        for begin in range(0, len(piece), CHUNK):
            yield piece[begin : begin + CHUNK].astype(np.int64)


def draw_letters(
    model: GenomeModel,
    reader: Reader,
    followers: Sequence[Follower],
    kmers: Sequence[SeenKmers],
    uniform: np.ndarray,
    sampling: Sampling,
) -> Iterator[np.ndarray]:
    """Yield the ids int64 (b,) of the next letters, for each column of `uniform` (b, n)."""
    letters = ALPHABETS[model.alphabet].ids
    for step in range(uniform.shape[1]):
        logits = reader.logits().cpu().numpy()
        repeats = np.stack([seen.repeats() for seen in kmers]) if kmers else None
        chosen = draw(probabilities(logits, sampling, repeats), uniform[:, step])
        for seen, letter in zip(kmers, chosen.tolist(), strict=bool(kmers)):
            seen.add(letter)
        ids = letters[chosen]
        yield ids
        if step + 1 < uniform.shape[1]:
            marks = [follower.extend(ids[row : row + 1]) for row, follower in enumerate(followers)]
            reader.take(ids[:, None], np.concatenate(marks)[:, None])
