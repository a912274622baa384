"""Interpolated order-k context model, counted from training sequences: the CPU source of entropy scores.

The probability of a letter after a context of k letters mixes its count with the prediction of
the context one letter shorter (Witten & Bell 1991; Chen & Goodman 1999, section 2.4):
p_k = (n_k + s p_(k-1)) / (N_k + s), p_(-1) uniform. The concentration s depends on the order and
on how many distinct letters followed the context. It is not set by hand: each order takes
the values under which its counted letters, each left out once, are most probable.
"""

import functools
import hashlib
import math
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from genomelm.errors import InputError, IntegrityError, UsageError
from genomelm.files import atomic_directory, read_json, write_json
from genomelm.patching import count_tables
from genomelm.patching.codes import Scale
from genomelm.seq.alphabet import ALPHABETS

FORMAT = 1
MOST_CONTEXTS = 4**12
CONCENTRATIONS = 2.0 ** np.arange(-1, 15)
CONTEXTS_LOOKED_AT = 2**19
BLOCK = 1 << 16
"""Positions whose rows of the tables are held at a time."""


class CountModel:
    """Predicts a byte from the k before it; nothing else is read, so any chunking scores alike."""

    kind = "count"

    def __init__(
        self,
        counts: np.ndarray,
        concentrations: np.ndarray,
        alphabet: str = "dna",
        both_strands: bool = True,
        training: tuple[str, ...] = (),
    ) -> None:
        """Hold counts that were made by `fit` or read by `load`.

        Args:
            counts: uint16 (a^k, a), how often each letter followed each context of k letters.
            concentrations: float64 (k + 1, a + 1), by order and number of distinct letters seen.
            alphabet: dna, rna or protein.
            both_strands: whether the reverse complement was counted too.
            training: the intervals that were counted, as text.
        """
        self.counts, self.concentrations = counts, concentrations
        self.alphabet, self.both_strands, self.training = alphabet, both_strands, tuple(training)
        self.order = len(concentrations) - 1
        self.letters = counts.shape[1]
        self.scale = Scale(0.0, math.log(self.letters))
        self._letter_codes = _code_table(alphabet)

    @classmethod
    def fit(
        cls,
        sequences: Iterable[np.ndarray],
        order: int = 11,
        alphabet: str = "dna",
        both_strands: bool = True,
        training: tuple[str, ...] = (),
    ) -> "CountModel":
        """Count (k+1)-mers and choose the concentrations.

        Args:
            sequences: ids (l,) of each training record. To hand in a long record in chunks, begin
                each chunk k bytes before the end of the one before: the counts are then the same.
            order: context length k.
            alphabet: dna, rna or protein; letters outside it break the context.
            both_strands: count the reverse complement too (DNA only).
            training: what the sequences are, for the fingerprint (`chr1:1-1000`).

        Raises:
            UsageError: order and alphabet do not fit together.
            InputError: the sequences hold no run of k + 1 letters.
        """
        codes_of = _code_table(alphabet)
        letters = len(ALPHABETS[alphabet].letters)
        if order < 0 or letters**order > MOST_CONTEXTS:
            largest = int(np.floor(np.log(MOST_CONTEXTS) / np.log(letters) + 1e-9))
            raise UsageError(f"order {order} is out of range for {alphabet}: choose 0 to {largest}")
        if both_strands and alphabet != "dna":
            raise UsageError(f"both_strands=True needs DNA, but the alphabet is {alphabet}: set both_strands to False")
        counts = np.zeros(letters ** (order + 1), np.uint32)
        for ids in sequences:
            count_tables.count(_encode(ids, codes_of), order, letters, counts)
        if not counts.any():
            raise InputError(
                f"no run of {order + 1} {alphabet} letters to count: give longer sequences or a lower order"
            )
        if both_strands:
            counts = count_tables.add_reverse_complement(counts, order)
        counts = count_tables.fit_in_16_bits(counts.reshape(-1, letters))
        return cls(counts, _concentrations(counts, order), alphabet, both_strands, training)

    def scores(self, ids: np.ndarray, context: np.ndarray | None = None) -> np.ndarray:
        """Return the entropy of the prediction before each byte and after the last.

        Args:
            ids: int (l,).
            context: the bytes before `ids` in the same record (the last k are enough); None at a record's start.

        Returns:
            float32 (l + 1,), nats: element i is the entropy of byte i given all before it. At a
            record's start element 0 is 0 and means nothing.
        """
        rows, skipped = self._rows(ids, context)
        scores = self._entropies[rows[skipped:]]
        if context is None:
            scores[0] = 0
        return scores

    @property
    def reach(self) -> int:
        """Bytes before a position that its score may read."""
        return self.order

    def codes(self, ids: np.ndarray, context: np.ndarray | None = None) -> np.ndarray:
        """Return `scores` as codes of `scale`, uint16 (l + 1,), looked up as such."""
        ids, found = np.asarray(ids), np.empty(len(ids) + 1, np.uint16)
        for begin in range(0, len(found), BLOCK):
            block = found[begin : begin + BLOCK]
            rows, skipped = self._rows(ids[begin : begin + len(block) - 1], ids[:begin] if begin else context)
            np.take(self._entropy_codes, rows[skipped:], out=block, mode="clip")
        if context is None:
            found[0] = 0
        return found

    def bits(self, ids: np.ndarray, context: np.ndarray | None = None) -> np.ndarray:
        """Return -log2 p(byte | bytes before it), float64 (l,); NaN where the byte is no letter of the alphabet."""
        rows, skipped = self._rows(ids, context)
        codes = _encode(ids, self._letter_codes)
        known = codes != count_tables.BREAK
        out = np.full(len(codes), np.nan)
        out[known] = -np.log2(self._probabilities[rows[skipped:-1][known], codes[known]].astype(np.float64))
        return out

    def bits_per_base(self, ids: np.ndarray) -> tuple[float, int]:
        """Return the mean of `bits` over the letters of one record, and how many there are."""
        bits = self.bits(ids)
        known = ~np.isnan(bits)
        if not known.any():
            raise InputError("no letter of the alphabet to score: choose another region")
        return float(bits[known].mean()), int(known.sum())

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 of everything that decides a score."""
        facts = f"{FORMAT} {self.alphabet} {self.order} {self.counts.shape} {self.counts.dtype}".encode()
        whole = hashlib.sha256(facts)
        whole.update(np.ascontiguousarray(self.counts, "<u2").data)
        whole.update(np.ascontiguousarray(self.concentrations, "<f8").data)
        return whole.hexdigest()

    def save(self, directory: str | Path) -> None:
        """Write `count_model.json` and `counts.bin` (zlib, little-endian) into a new directory, atomically."""
        small = self.counts.max() < 256
        with atomic_directory(directory) as temporary:
            packed = zlib.compress(self.counts.astype("u1" if small else "<u2").tobytes(), 6)
            (temporary / "counts.bin").write_bytes(packed)
            header = {
                "format": FORMAT,
                "alphabet": self.alphabet,
                "order": self.order,
                "both_strands": self.both_strands,
                "training": list(self.training),
                "bytes_per_count": 1 if small else 2,
                "concentrations": self.concentrations.tolist(),
                "digest": self.digest,
            }
            write_json(temporary / "count_model.json", header)

    @classmethod
    def load(cls, directory: str | Path) -> "CountModel":
        """Read what `save` wrote.

        Raises:
            IntegrityError: a file is missing, cut short or changed.
            UsageError: the format is newer than this version.
        """
        directory = Path(directory)
        try:
            header = read_json(directory / "count_model.json")
            if header["format"] > FORMAT:
                raise UsageError(f"{directory} has format {header['format']}, newer than {FORMAT}: update genomelm")
            concentrations = np.array(header["concentrations"], np.float64)
            raw = zlib.decompress((directory / "counts.bin").read_bytes())
            counts = np.frombuffer(raw, {1: "u1", 2: "<u2"}[header["bytes_per_count"]]).astype(np.uint16)
            counts = counts.reshape(-1, concentrations.shape[1] - 1)
            model = cls(counts, concentrations, header["alphabet"], header["both_strands"], header["training"])
        except (OSError, ValueError, KeyError, IndexError, TypeError, zlib.error) as error:
            raise IntegrityError(f"{directory} is not a whole count model ({error}): make it again") from None
        if model.digest != header["digest"]:
            raise IntegrityError(f"{directory}: counts.bin does not have the digest in count_model.json: make it again")
        return model

    def _rows(self, ids: np.ndarray, context: np.ndarray | None) -> tuple[np.ndarray, int]:
        before = [] if context is None else [np.asarray(context)[max(0, len(context) - self.order) :]]
        codes = _encode(np.concatenate([*before, np.asarray(ids)]), self._letter_codes)
        rows = np.empty(len(codes) + 1, np.int64)
        count_tables.rows_before(codes, self.order, self.letters, rows)
        return rows, len(codes) - len(ids)

    @functools.cached_property
    def _probabilities(self) -> np.ndarray:
        """The predictions of all orders, float32 (1 + a + ... + a^k, a)."""
        return self._tables()[0]

    @functools.cached_property
    def _entropies(self) -> np.ndarray:
        """The entropies of all orders in nats, float32 (1 + a + ... + a^k,); small, as patching needs no more."""
        return self._tables()[1]

    @functools.cached_property
    def _entropy_codes(self) -> np.ndarray:
        """`_entropies` as codes, uint16."""
        return self.scale.encode(self._entropies)

    def _tables(self) -> tuple[np.ndarray, np.ndarray]:
        rows = count_tables.first_row(self.order + 1, self.letters)
        probabilities, entropies = np.empty((rows, self.letters), np.float32), np.empty(rows, np.float32)
        shorter = np.full((1, self.letters), 1 / self.letters, np.float32), np.full(1, np.log(self.letters), np.float32)
        first = 0
        for counts, concentrations in zip(_all_orders(self.counts, self.order), self.concentrations, strict=True):
            part = slice(first, first + len(counts))
            count_tables.blend(counts, shorter[0], concentrations, probabilities[part])
            count_tables.entropy(counts, probabilities[part], shorter[1], entropies[part])
            shorter, first = (probabilities[part], entropies[part]), part.stop
        return probabilities, entropies


def _code_table(alphabet: str) -> np.ndarray:
    """Return uint8 (260,): the letter's number for each id, BREAK for ids that are no letter. U and T are one."""
    if alphabet not in ALPHABETS:
        raise UsageError(f"alphabet '{alphabet}' is unknown: choose {', '.join(ALPHABETS)}")
    table = np.full(260, count_tables.BREAK, np.uint8)
    letters = ALPHABETS[alphabet].letters
    for number, letter in enumerate(letters):
        table[ord(letter)] = number
    if alphabet != "protein":
        table[ord("T")] = table[ord("U")] = len(letters) - 1
    return table


def _encode(ids: np.ndarray, codes_of: np.ndarray) -> np.ndarray:
    ids = np.asarray(ids)
    if ids.size == 0:
        return np.empty(0, np.uint8)
    if ids.dtype.kind not in "iu" or ids.min() < 0 or ids.max() >= len(codes_of):
        raise InputError(f"ids must be integers from 0 to {len(codes_of) - 1}: encode the sequence first")
    return codes_of[ids]


def _all_orders(counts: np.ndarray, order: int) -> list[np.ndarray]:
    """Return the counts of orders 0 to k, each (a^m, a), derived from those of order k."""
    orders = [counts]
    for _ in range(order):
        orders.append(count_tables.forget_oldest(orders[-1]))
    return orders[::-1]


def _concentrations(counts: np.ndarray, order: int) -> np.ndarray:
    """Return float64 (k + 1, a + 1): for each order, the concentrations of least left-out loss."""
    letters = counts.shape[1]
    out = np.empty((order + 1, letters + 1))
    shorter = np.full((1, letters), 1 / letters, np.float32)
    for m, table in enumerate(_all_orders(counts, order)):
        # An odd step visits every last letter alike; a part of a large table is evidence enough.
        step = len(table) // CONTEXTS_LOOKED_AT | 1
        loss = count_tables.left_out_loss(table, shorter, CONCENTRATIONS, step)
        out[m] = CONCENTRATIONS[loss.argmin(axis=0)]
        longer = np.empty(table.shape, np.float32)
        count_tables.blend(table, shorter, out[m], longer)
        shorter = longer
    return out
