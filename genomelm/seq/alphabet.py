"""Letters and ids: the id of a base is its upper-case ASCII byte; four special ids follow the bytes."""

import functools
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from genomelm.errors import InputError, UsageError

PAD, BOS, EOS, MASK = 256, 257, 258, 259
VOCABULARY = 260

MOST_FOREIGN = 0.1
"""Largest share of a record's letters that may be foreign to the alphabet."""

_TELLING = 20  # letters from which on a record of A, C, G, T, U and N alone is no protein
_COMPLEMENT = bytes.maketrans(b"ACGTUNRYSWKMBDHVacgtunryswkmbdhv", b"TGCAANYRSWMKVHDBtgcaanyrswmkvhdb")


@dataclass(frozen=True)
class Alphabet:
    """The letters that a model predicts, and the letter that stands for every other one."""

    name: str
    letters: str
    unknown: str

    @property
    def columns(self) -> str:
        """Letters and the unknown one, the column order of per-base outputs (DNA: ACGTN)."""
        return self.letters + self.unknown

    @property
    def ids(self) -> np.ndarray:
        """Ids of `letters`, int64 (a,)."""
        return np.frombuffer(self.letters.encode(), np.uint8).astype(np.int64)


DNA = Alphabet("dna", "ACGT", "N")
RNA = Alphabet("rna", "ACGU", "N")
PROTEIN = Alphabet("protein", "ACDEFGHIKLMNPQRSTVWY", "X")
ALPHABETS: dict[str, Alphabet] = {alphabet.name: alphabet for alphabet in (DNA, RNA, PROTEIN)}
MODALITIES = tuple(ALPHABETS)
"""What the bytes of mixed batches are: numbers of alphabets."""


def encode(sequence: str | bytes, alphabet: str = "dna") -> np.ndarray:
    """Turn a sequence into ids.

    Args:
        sequence: letters in any case; letters outside the alphabet (IUPAC codes too) become its unknown letter,
            save the T of RNA, which reads as U.
        alphabet: dna, rna or protein.

    Returns:
        int64 (l,), one id a letter.

    Raises:
        UsageError: the alphabet is unknown.
    """
    raw = sequence if isinstance(sequence, bytes) else sequence.encode("latin-1", "replace")
    return _encoding(alphabet)[np.frombuffer(raw, np.uint8)]


@functools.cache
def _encoding(name: str) -> np.ndarray:
    if name not in ALPHABETS:
        raise UsageError(f"alphabet '{name}' is unknown; choose one of {', '.join(ALPHABETS)}")
    alphabet = ALPHABETS[name]
    table = np.full(256, ord(alphabet.unknown), np.int64)
    for letter in alphabet.columns:
        table[[ord(letter), ord(letter.lower())]] = ord(letter)
    if alphabet is RNA:  # files of transcripts are written with T more often than with U
        table[[ord("T"), ord("t")]] = ord("U")
    table.setflags(write=False)
    return table


def check_letters(pieces: Iterable[str], alphabet: str, name: str) -> None:
    """Refuse a record that is of another alphabet.

    Args:
        pieces: the record's sequence, in one piece or more.
        alphabet: dna, rna or protein.
        name: of the record, for the message.

    Raises:
        InputError: more than a tenth of its letters are foreign to the alphabet (the unknown letter is not), or a
            record for proteins holds nucleotides only.
    """
    counts = np.zeros(256, np.int64)
    for piece in pieces:
        raw = np.frombuffer(piece.upper().encode("latin-1", "replace"), np.uint8)
        counts += np.bincount(raw, minlength=256)
    check_counts(counts, alphabet, name)


def check_counts(counts: np.ndarray, alphabet: str, name: str) -> None:
    """Refuse a record as `check_letters` does, from how often each letter is there: int64 (256,), upper case."""
    total = int(counts.sum())
    foreign = {known: foreign_counts(counts, known) for known in ALPHABETS}
    if foreign[alphabet].sum() > MOST_FOREIGN * total:
        frequent = ", ".join(repr(chr(code)) for code in np.argsort(-foreign[alphabet])[:3] if foreign[alphabet][code])
        others = [known for known in ALPHABETS if foreign[known].sum() <= MOST_FOREIGN * total]
        raise InputError(
            f"{name}: {foreign[alphabet].sum():,} of {total:,} letters are not {alphabet} ({frequent})"
            + (f": is it {' or '.join(others)}?" if others else ": it is no sequence that is known")
        )
    bases = [int(counts[ord(letter)]) for letter in "ACGTUN"]
    if alphabet == "protein" and total >= _TELLING and sum(bases) == total and all(bases[:3]):
        raise InputError(f"{name}: all {total:,} letters are nucleotides: give the protein, or a model of dna or rna")


def foreign_counts(counts: np.ndarray, alphabet: str) -> np.ndarray:
    """Return counts int64 (256,) with those of the alphabet's own letters, and of its unknown one, set to 0."""
    letters = np.arange(256)
    own = (_encoding(alphabet) != ord(ALPHABETS[alphabet].unknown)) | (letters == ord(ALPHABETS[alphabet].unknown))
    return np.where(own, 0, counts)


def decode(ids: np.ndarray) -> str:
    """Turn ids (l,) into letters; special ids (PAD, BOS, EOS, MASK) are left out."""
    ids = np.asarray(ids)
    return ids[ids < PAD].astype(np.uint8).tobytes().decode("latin-1")


def reverse_complement(sequence: str) -> str:
    """Return the other strand of a DNA sequence; IUPAC codes are complemented, case is kept, U reads as T."""
    return sequence.encode("latin-1").translate(_COMPLEMENT)[::-1].decode("latin-1")


def reverse_complement_ids(ids: np.ndarray) -> np.ndarray:
    """Return the other strand of DNA ids (..., l); special ids stay what they are."""
    return _complement_ids()[np.asarray(ids)[..., ::-1]]


@functools.cache
def _complement_ids() -> np.ndarray:
    table = np.concatenate([np.frombuffer(_COMPLEMENT, np.uint8).astype(np.int64), np.arange(PAD, VOCABULARY)])
    table.setflags(write=False)
    return table
