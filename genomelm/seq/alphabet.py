"""Letters and ids: the id of a base is its upper-case ASCII byte; four special ids follow the bytes."""

import functools
from dataclasses import dataclass

import numpy as np

from genomelm.errors import UsageError

PAD, BOS, EOS, MASK = 256, 257, 258, 259
VOCABULARY = 260

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


def encode(sequence: str | bytes, alphabet: str = "dna") -> np.ndarray:
    """Turn a sequence into ids.

    Args:
        sequence: letters in any case; letters outside the alphabet (IUPAC codes too) become its unknown letter.
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
    table.setflags(write=False)
    return table


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
