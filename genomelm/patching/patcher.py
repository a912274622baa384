"""The patcher: a mode, its parameters and the source of its scores; saved with every model."""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from genomelm.errors import IntegrityError, UsageError
from genomelm.files import atomic_directory, digest_of, read_json, write_json
from genomelm.patching.breaks import Breaks
from genomelm.patching.calibrate import calibrate
from genomelm.patching.codes import Scale
from genomelm.patching.config import PatcherConfig
from genomelm.patching.count_model import CountModel
from genomelm.patching.modes import START, Edges, edges_of, mark
from genomelm.patching.optimal import ANCHOR, anchors
from genomelm.patching.parameters import PARAMETERS
from genomelm.patching.rule import rule_of
from genomelm.patching.runs import ids_breaks, known_letters
from genomelm.patching.sources import ByteSource, PlaceSource
from genomelm.seq.alphabet import reverse_complement_ids
from genomelm.seq.interval import Interval
from genomelm.settings import from_mapping, to_mapping

FORMAT = 2


class Marks(Protocol):
    """Starts by coordinate: a store."""

    fingerprint: str

    def window_marks(self, interval: Interval) -> np.ndarray:
        """Return bool (l + 1,), as read along the interval's strand."""
        ...


class Patcher:
    """Cuts records into patches.

    Unless `reads_ahead` or `placed` is true, nothing but the bytes before a position decides whether a patch
    starts there, and each strand is patched from its own start: for the reverse strand call `segment` on the
    reverse-complemented ids.
    """

    def __init__(
        self,
        config: PatcherConfig,
        source: ByteSource | PlaceSource | None = None,
        side: Mapping[str, object] | None = None,
    ) -> None:
        """Join a config and the source of scores that its mode needs (None for modes without scores).

        Args:
            config: how records are cut.
            source: of the config's kind.
            side: what else decided the starts, by coordinate: the digest of an annotation or of given
                patches, a track's facts. It belongs into the fingerprint.

        Raises:
            UsageError: a threshold or source is missing, or the source is not the config's.
        """
        self.config, self.source, self.side, self.scale = config, None, dict(side or {}), None
        self._store: Marks | None = None
        if config.needs_scores:
            _check_source(config, source, self.side)
            self.source = source
            if source is not None:
                self.scale = source.scale
                if config.symmetric:
                    self.scale = Scale(2 * source.scale.lo, 2 * source.scale.hi)
                if config.source == "track":
                    self.side["track"] = {**source.facts(), "scale": [source.scale.lo, source.scale.hi]}
            else:
                self.scale = Scale(*self.side["track"]["scale"])
        self.rule = rule_of(config, self.scale)

    @classmethod
    def fit(
        cls,
        config: PatcherConfig,
        records: Callable[[], Iterable[np.ndarray]],
        mean: float,
        training: tuple[str, ...] = (),
        source: ByteSource | PlaceSource | None = None,
        places: Sequence[Interval] = (),
        breaks: Mapping[str, Breaks] | None = None,
    ) -> "Patcher":
        """Fit the count model and calibrate the threshold (or set the stride) for a mean patch length.

        The mean is that of the letters: records are cut whole, but N (15 % of some chromosomes) and the starts on it
        do not count, unless starts are forced. Nothing predicts what follows an N: runs would take the starts.

        Args:
            config: its threshold is replaced.
            records: called up to three times; gives the ids (l,) of each training record.
            mean: the wanted bytes a patch.
            training: what the records are, for the fingerprint.
            source: a source of scores that was made before; by default a count model is fitted.
            places: where the records lie, for scores and forced starts by coordinate.
            breaks: forced starts of each contig.

        Raises:
            UsageError: the mode cannot have that mean.
            InputError: no threshold comes within 1 % of it.
        """
        if config.mode == "given":
            raise UsageError("patches of mode given are read from a file, not fitted: use `genomelm patch --given`")
        if not config.needs_scores:
            if mean != int(mean) or mean < 1 or (config.mode == "byte" and mean != 1):
                raise UsageError(
                    f"patching mode '{config.mode}' cannot have a mean of {mean:g} bytes: ask for a whole one"
                )
            return cls(dataclasses.replace(config, stride=int(mean)))
        if source is None and config.source == "count":
            source = CountModel.fit(records(), config.order, config.alphabet, config.both_strands, training)
        draft = cls(dataclasses.replace(config, threshold=0.0), source)
        if config.source == "track":
            codes = (draft.scale.encode(source.scores_at(p.contig, p.start, p.end)) for p in places)
        else:
            codes = (draft.codes(ids) for ids in records())
        forced = counted = None
        if breaks is not None:
            forced = [edges_of(breaks.get(p.contig, Breaks.none()), p.start, p.end, config.unit) for p in places]
        elif config.isolate:
            runs = (ids_breaks(ids, config.edges, config.alphabet) for ids in records())
            forced = [edges_of(found, 0, int(found.positions.max(initial=-1)) + 1, config.unit) for found in runs]
        elif config.source != "track":
            counted = (known_letters(ids, config.alphabet) for ids in records())
        threshold = calibrate(codes, mean, draft.scale, draft.rule, forced, counted)
        return cls(dataclasses.replace(config, threshold=threshold), source)

    def use(self, store: Marks) -> None:
        """Take the starts of records whose place is known from a store, and its fingerprint with them."""
        self._store = store

    @property
    def cut_by(self) -> str:
        """The fingerprint of what cuts records: the store's in use, else the patcher's own."""
        return self.fingerprint if self._store is None else self._store.fingerprint

    @property
    def model(self) -> CountModel | None:
        """The count model that scores, if one does."""
        return self.source if isinstance(self.source, CountModel) else None

    @property
    def training(self) -> tuple[str, ...]:
        """The intervals that the source of scores was fitted on."""
        return () if self.source is None or self.config.source == "track" else tuple(self.source.training)

    @property
    def reads_ahead(self) -> bool:
        """Whether bytes behind a position decide whether a patch starts there: no causal model may have that."""
        return not self.placed_scores and (self.config.mode == "optimal" or self.config.symmetric)

    @property
    def placed_scores(self) -> bool:
        """Whether starts come by coordinate (a track, given patches), not from the bytes."""
        return self.config.mode == "given" or (self.config.needs_scores and self.config.source == "track")

    @property
    def reads_one_strand(self) -> bool:
        """Whether starts that bytes decided can be had on the forward strand alone, for they also go by coordinate.

        In mirror image they would tell the other strand of bytes further on.
        """
        return self.placed and self.config.needs_scores and not self.placed_scores

    @property
    def placed(self) -> bool:
        """Whether a bare sequence is not enough: starts depend on where it lies, or on its letters' case."""
        return self.placed_scores or "annotation" in self.side or "case" in self.config.isolate

    @property
    def side_information(self) -> tuple[str, ...]:
        """What the starts tell of the sequence beyond the bytes before them; a likelihood is to be labelled with it."""
        found = [name for name in ("track", "annotation", "given") if name in self.side]
        # An optimum's starts lie as the edges behind them let them, wherever these are known.
        if "n" in self.config.isolate and (self.config.edges == "at" or self.config.mode == "optimal"):
            found.append("runs of N")
        if "case" in self.config.isolate:  # no byte before tells of case: ids have none
            found.append("letter case")
        return tuple(found)

    def marks(self, ids: np.ndarray, place: Interval | None = None) -> np.ndarray:
        """Return where a patch starts, bool (l + 1,) for ids (l,) of a record; the last one tells of the next byte.

        Args:
            ids: the record.
            place: where the record lies, for starts that `use` reads by coordinate.

        Raises:
            UsageError: the starts come by coordinate, and no store or place was given.
        """
        if self._store is not None and place is not None:
            return self._store.window_marks(place)
        if self.placed:
            raise UsageError(
                f"these patches come by coordinate ({', '.join(self.side) or 'letter case'}), which a bare sequence "
                "does not have: give the store that `genomelm patch` wrote for its genome"
            )
        ids = np.asarray(ids)
        breaks = ids_breaks(ids, self.config.edges, self.config.alphabet) if self.config.isolate else Breaks.none()
        return np.concatenate([m for _, m in self.stream(lambda start, end: ids[start:end], len(ids), breaks=breaks)])

    def segment(self, ids: np.ndarray) -> np.ndarray:
        """Return the starts int64 (p,) of ids (l,); the first is 0, and there is none when l is 0."""
        return np.flatnonzero(self.marks(ids)[:-1])

    def segment_many(self, records: Iterable[np.ndarray]) -> list[np.ndarray]:
        """Return the starts of each record, in order."""
        return [self.segment(ids) for ids in records]

    def forced(self, length: int, breaks: Breaks) -> Breaks:
        """Return the forced starts of a record of `length` bytes: `breaks`, and the anchors of mode optimal."""
        if self.config.mode != "optimal":
            return breaks
        return Breaks.merged(Breaks.unframed(anchors(length, self.config.symmetric)), breaks)

    def stream(
        self,
        fetch: Callable[[int, int], np.ndarray],
        length: int,
        contig: str = "",
        breaks: Breaks | None = None,
        chunk: int = 1 << 22,
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Segment a long record in bounded memory.

        Args:
            fetch: gives the ids of bytes [start, end) of the record.
            length: bytes of the record, l.
            contig: the record's name, for scores by coordinate.
            breaks: forced starts.
            chunk: positions at a time (optimal: whole anchors); the result does not depend on it.

        Yields:
            codes uint16 (n,) and marks bool (n,) of the next n of l + 1 positions.
        """
        forced = self.forced(length, breaks or Breaks.none())
        if self.config.mode == "optimal":
            chunk = max(ANCHOR, chunk // ANCHOR * ANCHOR)
        state = START
        for begin in range(0, length + 1, chunk):
            end = min(begin + chunk, length + 1)
            codes = self._codes_between(fetch, begin, end, length, contig)
            edges = edges_of(forced, begin, end, self.rule.unit)
            if self.config.mode == "optimal":
                # what lies behind a record's end has no part in its optimum
                marks = np.zeros(len(codes), bool)
                inside = min(end, length) - begin
                kept = edges.at < inside
                marks[:inside] = mark(codes[:inside], self.rule, START, Edges(edges.at[kept], edges.leads[kept]))[0]
                marks[0] |= begin == 0  # of an empty record too, as in the other modes
            else:
                marks, state = mark(codes, self.rule, state, edges)
            yield codes, marks

    def codes(self, ids: np.ndarray) -> np.ndarray:
        """Return the scores of a record's positions as codes, uint16 (l + 1,) for ids (l,)."""
        ids = np.asarray(ids)
        return self._codes_between(lambda start, end: ids[start:end], 0, len(ids) + 1, len(ids), "")

    def _codes_between(self, fetch: Callable, begin: int, end: int, length: int, contig: str) -> np.ndarray:
        """Return the codes of positions [begin, end) of l + 1."""
        if self.scale is None:
            return np.broadcast_to(np.uint16(0), end - begin)
        if self.config.source == "track":
            if self.source is None:
                raise UsageError("the track of these patches is not here: give the store that `genomelm patch` wrote")
            return self.scale.encode(self.source.scores_at(contig, begin, min(end, length)))[: end - begin]
        reach = self.source.reach
        first, last = max(0, begin - reach), min(end, length)
        ids = fetch(first, min(last + reach * self.config.symmetric, length))
        context, inside = ids[: begin - first], ids[begin - first :]
        codes = self.source_codes(inside[: last - begin], context if begin else None)[: end - begin]
        if self.config.symmetric:
            # Position k on the other strand is known from the bytes behind k, read backwards.
            others = self.source_codes(reverse_complement_ids(inside))[::-1][: end - begin]
            codes = ((codes.astype(np.uint32) + others) >> 1).astype(np.uint16)  # on a scale of twice the range
        return codes

    def source_codes(self, ids: np.ndarray, context: np.ndarray | None = None) -> np.ndarray:
        """Return the codes of a source of bytes, uint16 (l + 1,) for ids (l,) behind `context`."""
        if self.model is not None:
            return self.model.codes(ids, context)
        return self.source.scale.encode(self.source.scores(ids, context))

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 of source, mode, its parameters and the training intervals: equal ones cut alike."""
        source = None
        if self.config.needs_scores and self.config.source != "track":
            source = {
                "kind": self.config.source,
                "digest": self.source.digest,
                "training": list(self.source.training),
                "scale": [self.scale.lo, self.scale.hi],
                "symmetric": self.config.symmetric,
            }
        # as floats: a file gives 6.0 back where 6 was set
        parameters = {name: float(getattr(self.config, name)) for name in PARAMETERS[self.config.mode]}
        runs = {}
        if self.config.isolate:
            runs = {"isolate": sorted(self.config.isolate), "edges": self.config.edges}
            runs["alphabet"] = self.config.alphabet  # says which letters are unknown
        facts = {"format": FORMAT, "mode": self.config.mode, "parameters": parameters, "source": source}
        return digest_of({**facts, "runs": runs, "side": self.side})

    def save(self, directory: str | Path) -> None:
        """Write `patcher.json` and, where bytes are scored, the source's folder into a new directory, atomically."""
        with atomic_directory(directory) as temporary:
            write_json(
                temporary / "patcher.json",
                {
                    "format": FORMAT,
                    "config": to_mapping(self.config),
                    "side": self.side,
                    "fingerprint": self.fingerprint,
                },
            )
            if self.source is not None and self.config.source in FOLDERS:
                self.source.save(temporary / FOLDERS[self.config.source])

    @classmethod
    def load(cls, directory: str | Path, neural: Callable[[Path], ByteSource] | None = None) -> "Patcher":
        """Read what `save` wrote.

        Args:
            directory: its folder.
            neural: loads a neural source of scores; this room knows no model.

        Raises:
            IntegrityError: a file is missing or changed.
            UsageError: the format is newer than this version.
        """
        directory = Path(directory)
        try:
            header = read_json(directory / "patcher.json")
            if header["format"] > FORMAT:
                raise UsageError(f"{directory} has format {header['format']}, newer than {FORMAT}: update genomelm")
            if header["format"] < FORMAT:
                raise IntegrityError(f"{directory} has the older format {header['format']}: make it again")
            config, side, fingerprint = header["config"], header["side"], header["fingerprint"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise IntegrityError(f"{directory} is not a whole patcher ({error}): make it again") from None
        config = from_mapping(PatcherConfig, config, source=str(directory / "patcher.json"))
        source = None
        if config.needs_scores and config.source == "count":
            source = CountModel.load(directory / FOLDERS["count"])
        elif config.needs_scores and config.source == "neural":
            if neural is None:
                raise UsageError(f"{directory} scores with a neural model: load it with its model")
            source = neural(directory / FOLDERS["neural"])
        patcher = cls(config, source, side)
        if patcher.fingerprint != fingerprint:
            raise IntegrityError(f"{directory} does not have the fingerprint in its patcher.json: make it again")
        return patcher


FOLDERS = {"count": "count_model", "neural": "byte_lm"}


def _check_source(config: PatcherConfig, source: ByteSource | PlaceSource | None, side: Mapping) -> None:
    if config.threshold is None:
        raise UsageError(f"patching mode '{config.mode}' has no threshold: make one with `genomelm patch`")
    if source is None:
        if config.source == "track" and "track" in side:
            return
        names = {"count": "count model", "neural": "neural model", "track": "track"}
        raise UsageError(f"patching mode '{config.mode}' has no {names[config.source]}: make it with `genomelm patch`")
    if source.kind != config.source:
        raise UsageError(f"the patcher's config names source {config.source}, but got {source.kind}: set source")
    if config.source != "track" and source.alphabet != config.alphabet:
        raise UsageError(
            f"the {source.kind} model scores {source.alphabet}, the patcher's config says {config.alphabet}: "
            "fit it again"
        )
    if isinstance(source, CountModel):
        theirs = (source.alphabet, source.order, source.both_strands)
        if theirs != (config.alphabet, config.order, config.both_strands):
            raise UsageError(
                f"the count model has (alphabet, order, both strands) {theirs}, the patcher's config "
                f"{(config.alphabet, config.order, config.both_strands)}: fit it again"
            )
