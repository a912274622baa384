"""Changes of a protein or a transcript as people name them: A24G, p.Ala24Gly, 24A>G, 24_26del.

HGVS forms that spell their letters are read: substitutions, deletions, insertions, duplications and delins, with or
without `p.`, `r.` or `n.` and parentheses. A stop, a frameshift, an extension or an unknown outcome spells no sequence.

A protein's residues have one letter or three, and a run of letters such as VAL may be either: it is what the residue
at the front of the name is. After one letter it is V, A, L (K2_A3insVAL), unless it is capitalised as codes are
(K2_A3insVal); after a code, of whatever case, it is valine (Lys2_Ala3insVal, LYS2_ALA3insVAL).
"""

import itertools
import re
from dataclasses import dataclass

from genomelm.seq.genome import Genome
from genomelm.seq.variant import Variant
from genomelm.seq.window import letters_at

THREE_LETTERS = {
    **{"Ala": "A", "Arg": "R", "Asn": "N", "Asp": "D", "Cys": "C", "Gln": "Q", "Glu": "E", "Gly": "G", "His": "H"},
    **{"Ile": "I", "Leu": "L", "Lys": "K", "Met": "M", "Phe": "F", "Pro": "P", "Ser": "S", "Thr": "T", "Trp": "W"},
    **{"Tyr": "Y", "Val": "V"},
}
_SHORT = {code.lower(): letter for code, letter in THREE_LETTERS.items()}

_UNSPELT = re.compile(r"[*?]|=/|\[|\+|\d-\d|^[cm]\.", re.IGNORECASE)
_WORDS = "Ter|fs|ext|con|inv"  # of outcomes that spell no letters
_ANY_WORD = re.compile(_WORDS, re.IGNORECASE)
_WORD = re.compile(_WORDS)
_RESIDUES = re.compile(
    r"(?P<first>[A-Z]{3}|[A-Z])(?P<start>\d+)(?:_(?P<last>[A-Z]{3}|[A-Z])(?P<end>\d+))?"
    r"(?P<kind>(?-i:delins|del|ins|dup)?)(?P<run>[A-Z]*|=)",
    re.IGNORECASE,
)
_PROTEIN = re.compile(
    r"(?P<first>[A-Z])(?P<start>\d+)(?:_(?P<last>[A-Z])(?P<end>\d+))?"
    r"(?:(?P<to>[A-Z=])|(?P<kind>delins|del|ins|dup)(?P<letters>[A-Z]*))"
)
_BASES = re.compile(
    r"(?P<start>\d+)(?:_(?P<end>\d+))?"
    r"(?:(?P<first>[A-Z])>(?P<to>[A-Z])|(?P<same>=)|(?P<kind>delins|del|ins|dup)(?P<letters>[A-Z]*))"
)
_PLAIN = re.compile(r"(?P<first>[A-Z])(?P<start>\d+)(?P<to>[A-Z=])")


@dataclass(frozen=True)
class _Edit:
    """Letters [start, end), 0-based, that become `letters`; `told` are letters that the name gives, by place."""

    start: int
    end: int
    letters: str
    told: dict[int, str]


def variant_of(name: str, contig: str, genome: Genome, alphabet: str) -> Variant | str:
    """Return the variant that a name stands for, or the status that says why there is none.

    Args:
        name: one change, or several substitutions joined by ':', ',' or ';', which are made together.
        contig: the sequence, as the FASTA spells it.
        genome: the FASTA.
        alphabet: protein, or rna or dna (whose changes may also be written 24A>G).

    Returns:
        The variant, with the letters that the FASTA has; or UNREADABLE, UNSUPPORTED, POS_OUT_OF_RANGE, REF_MISMATCH or
        SAME_AS_REF.
    """
    text = name.strip()
    parts = [part for part in re.split(r"[:;,]", text) if part.strip()]
    if not parts:
        return "UNREADABLE"
    edits: list[_Edit] = []
    for part in parts:
        found = _edit(part.strip(), contig, genome, alphabet)
        if isinstance(found, str):
            return found
        edits.append(found)
    edits.sort(key=lambda edit: (edit.start, edit.end))
    if any(one.end > other.start for one, other in itertools.pairwise(edits)):
        return "UNREADABLE"
    first, end = edits[0].start, edits[-1].end
    if first == end:  # an insertion has no letters of its own: VCF writes the one before, or behind
        first, end = (first - 1, end) if first else (first, end + 1)
    whole = letters_at(genome, contig, first, end, alphabet)
    changed, at = "", first
    for edit in edits:
        changed += whole[at - first : edit.start - first] + edit.letters
        at = edit.end
    changed += whole[at - first :]
    if not changed:  # a deletion: likewise
        first, end = (first - 1, end) if first else (first, end + 1)
        if end > genome.contigs[contig]:
            return "UNSUPPORTED"  # nothing would be left
        whole = letters_at(genome, contig, first, end, alphabet)
        changed = whole[0] if first < edits[0].start else whole[-1]
    return "SAME_AS_REF" if changed == whole else Variant(contig, first + 1, whole, changed)


def _edit(text: str, contig: str, genome: Genome, alphabet: str) -> _Edit | str:
    """Return one change, checked against the sequence, or a status."""
    match = _match(text, alphabet)
    if isinstance(match, str):
        return match
    found = {key: value for key, value in match.groupdict().items() if value is not None}
    start = int(found["start"]) - 1
    end = int(found.get("end", found["start"]))
    kind, letters = found.get("kind", ""), found.get("letters", "")
    if not 0 <= start < end <= genome.contigs[contig]:
        return "POS_OUT_OF_RANGE"
    told = {start: found["first"]} if "first" in found else {}
    told |= {end - 1: found["last"]} if "last" in found else {}
    stretch = letters_at(genome, contig, start, end, alphabet)
    if any(stretch[place - start] != letter for place, letter in told.items()):
        return "REF_MISMATCH"
    if kind in ("del", "dup") and letters not in ("", stretch):
        return "REF_MISMATCH"
    if kind == "ins":
        return _Edit(start + 1, start + 1, letters, told) if letters and end == start + 2 else "UNREADABLE"
    if kind == "dup":
        return _Edit(end, end, stretch, told)
    if kind == "delins" and not letters:
        return "UNREADABLE"
    if kind:
        return _Edit(start, end, letters if kind == "delins" else "", told)
    to = found.get("to", "=")
    return _Edit(start, end, stretch if to == "=" else to, told) if end == start + 1 or to == "=" else "UNREADABLE"


def _match(text: str, alphabet: str) -> re.Match | str:
    """Return the parts of a name whose residues have one letter, or a status."""
    if _UNSPELT.search(text):
        return "UNSUPPORTED"
    bare = re.sub(r"^[pnrg]\.", "", text).replace("(", "").replace(")", "")
    if alphabet == "protein":
        return _protein_match(bare)
    if _ANY_WORD.search(bare):
        return "UNSUPPORTED"
    kinds = re.split(r"(delins|del|ins|dup)", bare)  # 'del' and 'ins' are no letters
    upper = "".join(piece if piece in ("delins", "del", "ins", "dup") else piece.upper() for piece in kinds)
    upper = upper.replace("T", "U") if alphabet == "rna" else upper
    return _BASES.fullmatch(upper) or _PLAIN.fullmatch(upper) or "UNREADABLE"


def _protein_match(bare: str) -> re.Match | str:
    before, _, after = re.split(r"(del|ins|dup|$)", bare, maxsplit=1)
    codes = re.match(r"[A-Za-z]{3}\d", bare) is not None
    if _ANY_WORD.search(before) or (_ANY_WORD if codes else _WORD).search(after):
        return "UNSUPPORTED"
    match = _RESIDUES.fullmatch(bare)
    if match is None:
        return "UNREADABLE"
    first, start, last, end, kind, run = match.groups(default="")
    first, last, run = (_letters(part, codes) for part in (first, last, run))
    if None in (first, last, run):
        return "UNREADABLE"
    return _PROTEIN.fullmatch(f"{first}{start}{f'_{last}{end}' if last else ''}{kind}{run}") or "UNREADABLE"


def _letters(run: str, codes: bool) -> str | None:
    """Return a run's residues with one letter each; None where it is neither of codes nor of letters."""
    if (codes and len(run) > 1) or re.fullmatch(r"(?:[A-Z][a-z]{2})+", run):
        letters = [_SHORT.get(run[at : at + 3].lower()) for at in range(0, len(run), 3)]
        return None if None in letters else "".join(letters)
    return run.upper() if run in (run.upper(), run.lower()) else None
