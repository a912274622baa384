"""Models of transformers' own as scorers read them: probabilities of tokens, given those before or those around.

A folder that `save_pretrained` of transformers wrote, with its tokeniser: `published_folder` says which are taken.
"""

import copy
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from transformers.utils import logging as progress

from genomelm.errors import IntegrityError, ResourceError, UsageError
from genomelm.files import digest_of, sha256
from genomelm.models.encoding import HIDDEN_STRIDE
from genomelm.models.published_folder import class_of, weight_files
from genomelm.models.published_tokens import Cut, Tokens
from genomelm.runtime import exact_float32

log = logging.getLogger(__name__)

TOKENS_AT_ONCE = {"cpu": 1 << 13, "cuda": 1 << 17}
LOGITS_AT_ONCE = 1 << 26

_TOKENISER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "tokenizer.model",
)
_LIMITS = ("max_position_embeddings", "n_positions", "max_seq_len", "max_sequence_length")
Row = tuple[np.ndarray, np.ndarray]
"""Ids int64 (t,) without what stands around them, and the places int64 (m,) that are hidden."""

_NONE = np.zeros(0, np.int64)
_PADDED_POSITIONS = ("esm", "roberta", "camembert", "xlm-roberta", "longformer", "data2vec-text", "mpnet", "luke")


class PublishedModel:
    """A causal or masked language model of transformers, with its tokeniser.

    Args:
        model: of transformers, in eval mode.
        tokens: how its tokeniser cuts sequences.
        objective: causal or masked.

    Attributes:
        is_language_model: always.
        alphabet: that of the tokens.
        longest: most tokens that it reads at once, those around the sequence left out; None: no limit is known.
        provenance: digests of tokeniser and class, for outputs.
    """

    is_language_model = True

    def __init__(self, model: torch.nn.Module, tokens: Tokens, objective: str, tokeniser: str = "") -> None:
        if objective == "masked" and tokens.mask is None:
            raise UsageError("the tokeniser has no mask token, which a masked model hides letters behind")
        self.model, self.tokens, self.objective = model, tokens, objective
        self.alphabet = tokens.alphabet
        config = model.config
        limit = next((getattr(config, key) for key in _LIMITS if getattr(config, key, None)), None)
        spare = len(tokens.before) + len(tokens.after)
        if limit is not None:
            # such models count positions from the padding's id on
            spare += (getattr(config, "pad_token_id", 0) or 0) + 1 if config.model_type in _PADDED_POSITIONS else 0
        self.longest = None if limit is None else max(limit - spare, 0)
        self.provenance = {"class": type(model).__name__, "tokens": tokens.unit, "tokeniser": tokeniser}

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return self.model.device

    @property
    def dtype(self) -> torch.dtype:
        """That of its weights."""
        return self.model.dtype

    def on_cpu(self) -> "PublishedModel":
        """Return a copy whose weights are on the CPU."""
        twin = copy.copy(self)
        twin.model = copy.deepcopy(self.model).cpu()
        return twin

    @property
    def letters(self) -> int | None:
        """Letters of a sequence that it reads in any case; None: no limit is known, or pieces have to be counted."""
        size = self.tokens.size
        return None if self.longest is None or size == 0 else max(self.longest - (size - 1), 0) * size

    def for_task(self, task: str | None) -> "PublishedModel":
        """Return the model itself: it has no task.

        Raises:
            UsageError: one was asked for.
        """
        if task is not None:
            raise UsageError(f"task '{task}': a model of transformers' own gives likelihoods, and has no task")
        return self

    def cut(self, sequence: str) -> Cut:
        """Return a sequence's tokens.

        Raises:
            UsageError: the tokeniser cannot spell it, or it is too long for the model.
        """
        found = self.tokens.cut(sequence)
        if found is None:
            raise UsageError(f"the model's tokeniser cannot spell {sequence[:40]}...: it has letters without a token")
        if self.longest is not None and len(found.ids) > self.longest:
            raise UsageError(
                f"a sequence of {len(sequence):,} letters is {len(found.ids):,} tokens, more than the {self.longest:,} "
                "that the model reads"
            )
        return found

    def next_log_probabilities(self, rows: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return log p(token | those before it) in nats, float64 (t,) a row; 0 at a first token without a probability.

        Args:
            rows: ids int64 (t,), without what stands around them.
        """
        before = np.array(self.tokens.before, np.int64)

        def read(logits: torch.Tensor, row: Row) -> np.ndarray:
            ids = np.concatenate([before, row[0]])
            wanted = torch.from_numpy(ids[1:]).to(logits.device)
            chosen = torch.log_softmax(logits[: len(wanted)].double(), -1).gather(-1, wanted[:, None])[:, 0]
            return np.append(0.0, chosen.cpu().numpy())[len(before) :]

        return self._read([(ids, _NONE) for ids in rows], read, around=(before, _NONE))

    def hidden_log_probabilities(self, rows: Sequence[Row]) -> list[np.ndarray]:
        """Return log p(any token | those that are shown) in nats at the hidden places: float64 (m, v) a row."""
        before, after = (np.array(ids, np.int64) for ids in (self.tokens.before, self.tokens.after))

        def read(logits: torch.Tensor, row: Row) -> np.ndarray:
            where = torch.from_numpy(row[1] + len(before)).to(logits.device)
            return torch.log_softmax(logits[where].double(), -1).cpu().numpy()

        return self._read(rows, read, around=(before, after))

    def log_likelihoods(self, cuts: Sequence[Cut]) -> np.ndarray:
        """Return log p(sequence) in nats, float64 (n,); a masked model's is the pseudo-likelihood.

        A masked model has every HIDDEN_STRIDE-th token hidden at a time. Tokens that hold another letter are left out.
        """
        if self.objective == "causal":
            found = self.next_log_probabilities([cut.ids for cut in cuts])
            return np.array([values[cut.known].sum() for cut, values in zip(cuts, found, strict=True)])
        asked = [
            (n, np.arange(first, len(cut.ids), HIDDEN_STRIDE))
            for n, cut in enumerate(cuts)
            for first in range(min(HIDDEN_STRIDE, len(cut.ids)))
        ]
        found = self.hidden_log_probabilities([(cuts[n].ids, places) for n, places in asked])
        sums = np.zeros(len(cuts))
        for (n, places), values in zip(asked, found, strict=True):
            chosen = values[np.arange(len(places)), cuts[n].ids[places]]
            sums[n] += chosen[cuts[n].known[places]].sum()
        return sums

    def _read(
        self,
        rows: Sequence[Row],
        read: Callable[[torch.Tensor, Row], np.ndarray],
        around: tuple[np.ndarray, np.ndarray],
    ) -> list[np.ndarray]:
        """Run equal rows once, rows of like length together, and hand each one's logits (t, v) to `read`.

        What does not fit the device's memory is tried by halves.
        """
        keys = [(ids.tobytes(), hidden.tobytes()) for ids, hidden in rows]
        distinct = dict(zip(keys, rows, strict=True))
        order = sorted(distinct, key=lambda key: -len(distinct[key][0]))
        found: dict[tuple[bytes, bytes], np.ndarray] = {}
        most = TOKENS_AT_ONCE.get(self.device.type, 1 << 15)
        most = min(most, LOGITS_AT_ONCE // max(self.model.config.vocab_size or 1, 1))
        while len(found) < len(order):
            left = order[len(found) :]
            size = max(sum(map(len, around)) + len(distinct[left[0]][0]), 1)
            chunk = [distinct[key] for key in left[: max(1, most // size)]]
            try:
                values = self._values(chunk, read, around)
            except torch.OutOfMemoryError:
                torch.cuda.empty_cache()
                if len(chunk) == 1:
                    raise ResourceError(
                        f"one window of {size:,} tokens does not fit the device's memory: use shorter ones, or "
                        "--device cpu"
                    ) from None
                most = size * (len(chunk) // 2)
                log.warning("out of device memory: %d windows at a time instead of %d", len(chunk) // 2, len(chunk))
                continue
            found.update(zip(left, values, strict=False))
        return [found[key] for key in keys]

    def _values(
        self,
        chunk: Sequence[Row],
        read: Callable[[torch.Tensor, Row], np.ndarray],
        around: tuple[np.ndarray, np.ndarray],
    ) -> list[np.ndarray]:
        """Return what `read` makes of each row's logits."""
        before, after = around
        size = max(len(ids) for ids, _ in chunk) + len(before) + len(after)
        ids = np.full((len(chunk), size), self.tokens.pad, np.int64)
        mask = np.zeros_like(ids)
        for row, (own, hidden) in enumerate(chunk):
            shown = own.copy()
            if len(hidden):
                shown[hidden] = self.tokens.mask
            whole = np.concatenate([before, shown, after])
            ids[row, : len(whole)], mask[row, : len(whole)] = whole, 1
        with torch.inference_mode(), exact_float32():
            inputs = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}
            logits = self.model(**{name: value.to(self.device) for name, value in inputs.items()}).logits
            return [read(logits[row], item) for row, item in enumerate(chunk)]


def load_published(path: str | Path, device: torch.device | str = "cpu", alphabet: str | None = None) -> PublishedModel:
    """Load a folder of transformers' own in float32, for likelihoods.

    Args:
        path: directory with config.json, safetensors and the tokeniser's files.
        alphabet: dna, rna or protein; None: as the tokeniser's letters say.

    Raises:
        UsageError: no such folder, no language model, or a tokeniser that does not cut sequences side by side.
        IntegrityError: a pickle, code of its own, or weights that do not fit the config.
    """
    import transformers

    path = Path(path)
    name, objective = class_of(path)
    weight_files(path)
    options = {"local_files_only": True, "trust_remote_code": False}
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(path, **options)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError) as error:
        raise IntegrityError(f"{path} has no tokeniser that transformers reads ({_line(error)})") from None
    shown = progress.is_progress_bar_enabled()
    progress.disable_progress_bar()
    try:
        model, facts = getattr(transformers, name).from_pretrained(
            path, local_files_only=True, use_safetensors=True, dtype=torch.float32, output_loading_info=True
        )
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, ImportError) as error:
        raise IntegrityError(f"{path} does not load as {name} ({_line(error)})") from None
    finally:
        if shown:
            progress.enable_progress_bar()
    if wrong := sorted(map(str, [*facts["missing_keys"], *facts.get("mismatched_keys", [])])):
        raise IntegrityError(
            f"{path}: weights do not fit the config: {', '.join(wrong[:5])} missing or of another shape"
        )
    try:
        model = model.to(device).eval()
    except torch.OutOfMemoryError:
        raise ResourceError(f"{path} does not fit the device's memory; use --device cpu") from None
    files = [path / file for file in _TOKENISER_FILES if (path / file).is_file()]
    digest = digest_of([sha256(file) for file in files])
    return PublishedModel(model, Tokens(tokenizer, alphabet), objective, digest)


def published_digest(path: Path) -> str:
    """Return the SHA-256 of a folder's weights: of the file, or of the files' digests."""
    files = [sha256(file) for file in weight_files(path)]
    return files[0] if len(files) == 1 else digest_of(files)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
