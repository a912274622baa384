"""From a pair of windows to model inputs: ids and patch starts of both alleles, on both strands."""

import dataclasses
import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genomelm.errors import UsageError
from genomelm.models.encoding import task_marks
from genomelm.models.model import GenomeModel
from genomelm.patching.pair import pair_marks
from genomelm.seq.alphabet import MASK, encode, reverse_complement, reverse_complement_ids
from genomelm.seq.interval import Interval
from genomelm.seq.window import AllelePair


@dataclass(frozen=True)
class Window:
    """One sequence as a model reads it.

    Args:
        ids: int64 (l,), without BOS; MASK at hidden bases.
        marks: bool (l+1,), True where a patch starts; the last one tells of the byte after the end.
        reverse: the same of its reverse complement, for conjoined models.
    """

    ids: np.ndarray
    marks: np.ndarray
    reverse: np.ndarray | None = None

    @functools.cached_property
    def key(self) -> bytes:
        """Equal for windows that every model reads alike."""
        marks = [self.marks] if self.reverse is None else [self.marks, self.reverse]
        return b"|".join([self.ids.astype(np.uint16).tobytes(), *(np.packbits(m).tobytes() for m in marks)])

    @property
    def size(self) -> int:
        """Bytes that a model reads, BOS included."""
        return 1 + len(self.ids)

    def hidden(self, where: np.ndarray | slice) -> "Window":
        """Return the window with MASK in place of the bases at `where`."""
        ids = self.ids.copy()
        ids[where] = MASK
        return Window(ids, self.marks, self.reverse)


@dataclass(frozen=True)
class WindowPair:
    """A reference and an alternative window that a model reads together."""

    ref: Window
    alt: Window

    @property
    def key(self) -> bytes:
        """Equal for pairs that every model reads alike."""
        return len(self.ref.ids).to_bytes(8) + self.ref.key + self.alt.key

    @property
    def size(self) -> int:
        """Bytes that a model reads, padding included."""
        return 2 * max(self.ref.size, self.alt.size)


def read_alone(model: GenomeModel, sequence: str, place: Interval | None = None, turned: bool = False) -> Window:
    """Cut a sequence into patches from its own start, or as its task's reference where that is as long.

    Args:
        model: the model that will read it.
        sequence: letters, as read along the strand of `place`.
        place: where it lies, for patches that come by coordinate.
        turned: whether it is the other strand of what the task reads: its reference is turned as well.

    Raises:
        UsageError: the model has no patcher.
    """
    if model.patcher is None:
        raise UsageError("the model has no patcher: load it with genomelm.load_model, or save it with one")
    ids = encode(sequence, model.alphabet)
    reference = model.config.head.get("reference", "")  # the states of several tasks have none
    if turned:
        reference = reverse_complement(reference)
    marks = task_marks(model.patcher, ids, reference, model.alphabet, place)
    if not model.is_conjoined:
        return Window(ids, marks)
    there = place and place.other_strand
    other = reverse_complement_ids(ids), reverse_complement(reference), model.alphabet, there
    return Window(ids, marks, task_marks(model.patcher, *other))


def read_references(model: GenomeModel, pairs: Sequence[AllelePair]) -> list[Window]:
    """Return the reference window of each pair; pairs of one reference share it."""
    known: dict[tuple, Window] = {}
    found = []
    for pair in pairs:
        key = (pair.window, pair.turned, pair.ref)
        if (ref := known.get(key)) is None:
            ref = known[key] = read_alone(model, pair.ref, pair.window, pair.turned)
        found.append(ref)
    return found


def read_pairs(model: GenomeModel, pairs: Sequence[AllelePair]) -> list[tuple[Window, Window]]:
    """Return (reference, alternative) of each pair: the reference's patches, lifted to the alternative."""
    alphabet = model.alphabet
    return [
        (ref, lifted(ref, pair.alt, pair.offset, pair.ref_length, pair.alt_length, alphabet))
        for pair, ref in zip(pairs, read_references(model, pairs), strict=True)
    ]


def read_pair(model: GenomeModel, pair: AllelePair) -> tuple[Window, Window]:
    """Return (reference, alternative) of one pair, as `read_pairs` does."""
    return read_pairs(model, [pair])[0]


def lifted(ref: Window, alt: str, offset: int, ref_length: int, alt_length: int, alphabet: str = "dna") -> Window:
    """Give `alt` the patches of `ref`, of which it differs by alt_length for ref_length bases at `offset`."""
    letters = encode(alt[offset : offset + alt_length], alphabet)
    ids = np.concatenate([ref.ids[:offset], letters, ref.ids[offset + ref_length :]])
    marks = pair_marks(ref.marks, offset, ref_length, alt_length)
    if ref.reverse is None:
        return Window(ids, marks)
    there = len(ref.ids) - offset - ref_length
    return Window(ids, marks, pair_marks(ref.reverse, there, ref_length, alt_length))


def other_strand(pair: AllelePair) -> AllelePair:
    """Return the same change as the other strand reads it; its windows are cut from their own start."""
    window = pair.window
    return dataclasses.replace(
        pair,
        window=window and window.other_strand,
        ref=reverse_complement(pair.ref),
        alt=reverse_complement(pair.alt),
        offset=len(pair.ref) - pair.offset - pair.ref_length,
        turned=not pair.turned,
    )
