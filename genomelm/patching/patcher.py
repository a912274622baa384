"""The patcher: a mode, its parameters and the count model that scores; saved with every model."""

import dataclasses
import functools
import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from genomelm.errors import IntegrityError, UsageError
from genomelm.files import atomic_directory, digest_of, read_json, write_json
from genomelm.patching.calibrate import calibrate
from genomelm.patching.codes import Scale
from genomelm.patching.config import PatcherConfig
from genomelm.patching.count_model import CountModel
from genomelm.patching.modes import Rule, mark
from genomelm.patching.parameters import PARAMETERS
from genomelm.settings import from_mapping, to_mapping

FORMAT = 1


class Patcher:
    """Cuts records into patches; nothing but the bytes before a position decides whether one starts there.

    Each strand is patched from its own start: for the reverse strand call `segment` on the
    reverse-complemented ids.
    """

    def __init__(self, config: PatcherConfig, model: CountModel | None = None) -> None:
        """Join a config and the count model that its mode needs (None for modes without scores).

        Raises:
            UsageError: a threshold or model is missing, or the model is of another order or alphabet.
        """
        self.config, self.model, self.scale = config, None, None
        threshold = 0
        if config.needs_scores:
            if model is None or config.threshold is None:
                missing = "count model" if model is None else "threshold"
                raise UsageError(f"patching mode '{config.mode}' has no {missing}: make one with `genomelm patch`")
            theirs = (model.alphabet, model.order, model.both_strands)
            if theirs != (config.alphabet, config.order, config.both_strands):
                raise UsageError(
                    f"the count model has (alphabet, order, both strands) {theirs}, the patcher's config "
                    f"{(config.alphabet, config.order, config.both_strands)}: fit it again"
                )
            self.model, self.scale = model, Scale(0.0, math.log(model.letters))
            threshold = self.scale.threshold(config.threshold)
        self.rule = Rule(config.mode, threshold, config.stride, config.min, config.max, config.multiple)

    @classmethod
    def fit(
        cls,
        config: PatcherConfig,
        records: Callable[[], Iterable[np.ndarray]],
        mean: float,
        training: tuple[str, ...] = (),
    ) -> "Patcher":
        """Fit the count model and calibrate the threshold (or set the stride) for a mean patch length.

        Args:
            config: its threshold is replaced.
            records: called twice; gives the ids (l,) of each training record.
            mean: the wanted bytes a patch.
            training: what the records are, for the fingerprint.

        Raises:
            UsageError: the mode cannot have that mean.
            InputError: no threshold comes within 1 % of it.
        """
        if not config.needs_scores:
            if mean != int(mean) or mean < 1 or (config.mode == "byte" and mean != 1):
                raise UsageError(
                    f"patching mode '{config.mode}' cannot have a mean of {mean:g} bytes: ask for a whole one"
                )
            return cls(dataclasses.replace(config, stride=int(mean)))
        model = CountModel.fit(records(), config.order, config.alphabet, config.both_strands, training)
        scale = Scale(0.0, math.log(model.letters))
        rule = Rule(config.mode, 0, config.stride, config.min, config.max, config.multiple)
        threshold = calibrate((model.scores(ids) for ids in records()), mean, scale, rule)
        return cls(dataclasses.replace(config, threshold=threshold), model)

    @property
    def code_threshold(self) -> int | None:
        """The code that a start's code must exceed; None in a mode without scores."""
        return None if self.scale is None else self.rule.threshold

    def marks(self, ids: np.ndarray) -> np.ndarray:
        """Return where a patch starts, bool (l + 1,) for ids (l,) of a record; the last one tells of the next byte."""
        return mark(self._codes(ids, None, len(ids) + 1), self.rule)[0]

    def segment(self, ids: np.ndarray) -> np.ndarray:
        """Return the starts int64 (p,) of ids (l,); the first is 0, and there is none when l is 0."""
        return np.flatnonzero(self.marks(ids)[:-1])

    def segment_many(self, records: Iterable[np.ndarray]) -> list[np.ndarray]:
        """Return the starts of each record, in order."""
        return [self.segment(ids) for ids in records]

    def stream(
        self, fetch: Callable[[int, int], np.ndarray], length: int, chunk: int = 1 << 22
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Segment a long record in bounded memory.

        Args:
            fetch: gives the ids of bytes [start, end) of the record.
            length: bytes of the record, l.
            chunk: positions at a time; the result does not depend on it.

        Yields:
            codes uint16 (n,) and marks bool (n,) of the next n of l + 1 positions.
        """
        since = 0
        for begin in range(0, length + 1, chunk):
            end = min(begin + chunk, length + 1)
            first = max(0, begin - self.config.order) if self.model else begin
            ids = fetch(first, min(end, length))
            context = ids[: begin - first] if begin else None
            codes = self._codes(ids[begin - first :], context, end - begin)
            marks, since = mark(codes, self.rule, since)
            yield codes, marks

    def _codes(self, ids: np.ndarray, context: np.ndarray | None, size: int) -> np.ndarray:
        if self.model is None:
            return np.broadcast_to(np.uint16(0), size)
        return self.scale.encode(self.model.scores(ids, context)[:size])

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 of source, mode, its parameters and the training intervals: equal ones cut alike."""
        source = None
        if self.model is not None:
            source = {
                "count_model": self.model.digest,
                "training": list(self.model.training),
                "scale": [self.scale.lo, self.scale.hi],
            }
        parameters = {name: getattr(self.rule, name) for name in PARAMETERS[self.config.mode]}
        return digest_of({"format": FORMAT, "mode": self.config.mode, "parameters": parameters, "source": source})

    def save(self, directory: str | Path) -> None:
        """Write `patcher.json` and, where the mode scores, `count_model/` into a new directory, atomically."""
        with atomic_directory(directory) as temporary:
            header = {"format": FORMAT, "config": to_mapping(self.config), "fingerprint": self.fingerprint}
            write_json(temporary / "patcher.json", header)
            if self.model is not None:
                self.model.save(temporary / "count_model")

    @classmethod
    def load(cls, directory: str | Path) -> "Patcher":
        """Read what `save` wrote.

        Raises:
            IntegrityError: a file is missing or changed.
            UsageError: the format is newer than this version.
        """
        directory = Path(directory)
        try:
            header = read_json(directory / "patcher.json")
            if header["format"] > FORMAT:
                raise UsageError(f"{directory} has format {header['format']}, newer than {FORMAT}: update genomelm")
            config, fingerprint = header["config"], header["fingerprint"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise IntegrityError(f"{directory} is not a whole patcher ({error}): make it again") from None
        config = from_mapping(PatcherConfig, config, source=str(directory / "patcher.json"))
        patcher = cls(config, CountModel.load(directory / "count_model") if config.needs_scores else None)
        if patcher.fingerprint != fingerprint:
            raise IntegrityError(f"{directory} does not have the fingerprint in its patcher.json: make it again")
        return patcher
