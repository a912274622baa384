"""How a published tokeniser cuts sequences: letters, k-mers side by side, or pieces of unequal length."""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from genomelm.errors import UsageError
from genomelm.seq.alphabet import ALPHABETS

_PROBE = 97  # letters of the sequence by which a tokeniser is tried
_MARKS = ("##", "▁", "Ġ", "@@", "</w>")


@dataclass(frozen=True)
class Cut:
    """A sequence as tokens, without what stands before and behind it.

    Args:
        ids: int64 (t,).
        starts: int64 (t+1,), first letter of each token, and the sequence's length.
        known: bool (t,), whether a token holds letters of the alphabet alone.
    """

    ids: np.ndarray
    starts: np.ndarray
    known: np.ndarray

    def holding(self, first: int, end: int) -> slice:
        """Return the tokens that hold any of the letters [first, end), 0-based and half-open."""
        begin = int(np.searchsorted(self.starts[1:], first, side="right"))
        return slice(begin, max(begin, int(np.searchsorted(self.starts[:-1], end, side="left"))))


class Tokens:
    """A tokeniser of transformers as it cuts sequences of one alphabet.

    Args:
        tokenizer: of transformers.
        alphabet: dna, rna or protein; None: protein where it knows every amino acid, else dna, else rna.

    Attributes:
        alphabet: dna, rna or protein.
        size: letters of a token; 0: pieces of unequal length.
        before, after: ids that it puts around a sequence.
        mask, pad: ids of the hidden token (None: it has none) and of padding.

    Raises:
        UsageError: it does not know the alphabet's letters, or its tokens overlap, or do not spell the sequence.
    """

    def __init__(self, tokenizer: Any, alphabet: str | None = None) -> None:
        self._tokenizer = tokenizer
        self._table = self._is_letter = np.zeros(0)
        self.mask: int | None = tokenizer.mask_token_id
        self.pad: int = tokenizer.pad_token_id or 0
        tried = [alphabet] if alphabet else ["protein", "dna", "rna"]
        for name in tried:
            for lower in (False, True):
                for joint in ("", " "):
                    self.alphabet, self._lower, self._joint = name, lower, joint
                    if self._fits():
                        return
        raise UsageError(
            f"the tokeniser does not spell {' or '.join(tried)} in tokens side by side (overlapping k-mers have no "
            "likelihood of a sequence): give a model of letters, of k-mers side by side or of pieces"
        )

    @property
    def unit(self) -> str:
        """What a token is, in words."""
        return {0: "pieces of unequal length", 1: "single letters"}.get(self.size, f"{self.size}-mers side by side")

    def cut(self, sequence: str) -> Cut | None:
        """Return a sequence's tokens; None where the tokeniser has none for a letter of another alphabet.

        Tokenisers of single letters give such a letter the alphabet's unknown one, or their unknown token.
        """
        if self.size == 1:
            raw = np.frombuffer(sequence.encode("latin-1", "replace"), np.uint8)
            return Cut(self._table[raw], np.arange(len(raw) + 1), self._is_letter[raw])
        ids = np.array(self._encode(sequence, False), np.int64)
        texts = self._texts(ids)
        if "".join(texts) != self._spelt(sequence):
            return None
        starts = np.cumsum([0, *map(len, texts)]).astype(np.int64)
        letters = set(self._spelt(ALPHABETS[self.alphabet].letters))
        return Cut(ids, starts, np.array([bool(text) and set(text) <= letters for text in texts], bool))

    def _fits(self) -> bool:
        """Whether the alphabet's letters and a sequence of them are spelt; sets size, before and after."""
        letters = ALPHABETS[self.alphabet].letters
        ids = {self._encode(letter, False)[-1:] for letter in map(str, letters)}
        unknown = self._tokenizer.unk_token_id
        if len(ids) < len(letters) or () in ids or (unknown,) in ids:
            return False
        probe = probe_of(letters)
        inner, whole = self._encode(probe, False), self._encode(probe, True)
        at = next((i for i in range(len(whole)) if whole[i : i + len(inner)] == inner), None)
        texts = self._texts(np.array(inner))
        if at is None or "".join(texts) != self._spelt(probe) or unknown in inner:
            return False
        self.before, self.after = whole[:at], whole[at + len(inner) :]
        lengths = [len(text) for text in texts]
        size = max(lengths[0], 1)
        count = len(probe) // size
        side_by_side = lengths[:count] == [size] * count and len(lengths) - count < size
        if side_by_side and size == 1:  # a letter's token must not depend on its place
            self._table = self._letters()
            side_by_side = tuple(self._table[np.frombuffer(probe.encode(), np.uint8)]) == inner
        self.size = size if side_by_side else 0
        return True

    def _letters(self) -> np.ndarray:
        """Return the table of ids by byte, (256,) int64."""
        alphabet = ALPHABETS[self.alphabet]
        unknown = self._encode(alphabet.unknown, False)[-1:] or (self._tokenizer.unk_token_id,)
        table = np.full(256, self.pad if unknown[0] is None else unknown[0], np.int64)
        is_letter = np.zeros(256, bool)
        for letter in alphabet.letters:
            table[[ord(letter), ord(letter.lower())]] = self._encode(letter, False)[-1]
            is_letter[[ord(letter), ord(letter.lower())]] = True
        if self.alphabet == "rna":  # transcripts are written with T more often than with U
            for other, letter in ("TU", "tu"):
                table[ord(other)], is_letter[ord(other)] = table[ord(letter)], True
        self._is_letter = is_letter
        return table

    def _spelt(self, sequence: str) -> str:
        known = sequence.upper().replace("T", "U") if self.alphabet == "rna" else sequence.upper()
        return known.lower() if self._lower else known

    def _encode(self, sequence: str, special: bool) -> tuple[int, ...]:
        text = self._joint.join(self._spelt(sequence))
        return tuple(self._tokenizer(text, add_special_tokens=special, verbose=False)["input_ids"])

    def _texts(self, ids: np.ndarray) -> list[str]:
        return [self._text(int(i)) for i in ids]

    @functools.cached_property
    def _text(self) -> Any:
        @functools.cache
        def text(i: int) -> str:
            found = self._tokenizer.convert_ids_to_tokens(i)
            for mark in _MARKS:
                found = found.replace(mark, "")
            return found

        return text


def probe_of(letters: str) -> str:
    """Return a sequence of all letters in an order without a short period."""
    place, found = 1, []
    for _ in range(_PROBE):
        place = place * 48271 % 2147483647
        found.append(letters[place * len(letters) // 2147483647])
    return "".join(found)
