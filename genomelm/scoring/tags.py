"""The INFO tags of one run: their names, their header lines, and which ones of an input are ours to replace."""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from genomelm.errors import InputError, UsageError
from genomelm.seq.vcf import Header

SOURCE = "genomelm"
PERCENTILE = "_PCTL"
"""End of a percentile's tag: behind the prefix, or behind the score's tag where a model has several outputs."""
_TAG = re.compile(r"[A-Za-z_][0-9A-Za-z_.]*")


@dataclass(frozen=True)
class Tags:
    """Names of the INFO tags that a run writes, a score and a percentile for each of the model's outputs.

    A percentile belongs to its score and goes when that is replaced.
    """

    scores: tuple[str, ...]
    percentiles: tuple[str, ...]
    status: str
    site: str

    @classmethod
    def named(cls, tag: str, prefix: str, outputs: Sequence[str] = ()) -> "Tags":
        """Return the tags for a scorer's `tag` under `prefix` (GLM unless the user asked for another).

        Args:
            outputs: what stands for each of several outputs, behind the score's name; none of a single score.

        Raises:
            UsageError: a name that VCF does not allow, or one that another tag of ours has.
        """
        name = f"{prefix}_{tag.removeprefix('GLM_')}"
        scores = tuple(f"{name}_{output}" for output in outputs) or (name,)
        for text in (prefix, *scores):
            if not _TAG.fullmatch(text):
                raise UsageError(
                    f"INFO tag '{text}' is not allowed in VCF; use letters, digits, '_' and '.', no digit first"
                )
        percentiles = tuple(score + PERCENTILE for score in scores) if outputs else (f"{prefix}{PERCENTILE}",)
        tags = cls(scores, percentiles, f"{prefix}_STATUS", f"{prefix}_SITE")
        if len(set(tags.names)) < len(tags.names):
            raise UsageError(f"INFO tag '{name}' is one that genomelm uses itself; rename the task")
        return tags

    @classmethod
    def in_header(cls, header: Header, scores: Sequence[str], path: object, several: bool = False) -> "Tags":
        """Return the tags of the run that wrote `scores` into a file.

        Args:
            several: whether they are of a model with several outputs.

        Raises:
            InputError: the header does not declare them as genomelm's.
        """
        lines = [line.fields for line in header.structured("INFO") if line.fields.get("Source") == SOURCE]
        ours = [fields.get("ID", "") for fields in lines]
        numbers = [fields.get("ID", "") for fields in lines if fields.get("Type") == "Float"]
        reasons = [fields.get("ID", "") for fields in lines if fields.get("Type") == "String"]
        prefixes = [tag.removesuffix("_STATUS") for tag in reasons if tag.endswith("_STATUS")]
        fitting: list[str] = []
        for score in scores:
            fitting = [prefix for prefix in prefixes if score.startswith(f"{prefix}_")]
            if score in numbers and fitting:
                continue
            declared = [line.fields.get("ID", "") for line in header.structured("INFO")]
            near = difflib.get_close_matches(score, [*ours, *declared], n=1)
            hint = f"did you mean {near[0]}?" if near and near[0] != score else "score it with `genomelm score`"
            raise InputError(f"{path} declares no score {score} of genomelm; {hint}")
        prefix = max(fitting, key=len)
        percentiles = tuple(score + PERCENTILE for score in scores) if several else (f"{prefix}{PERCENTILE}",)
        return cls(tuple(scores), percentiles, f"{prefix}_STATUS", f"{prefix}_SITE")

    @property
    def several(self) -> bool:
        """Whether the scores are of a model with several outputs, be it one that was chosen."""
        return self.percentiles[0] == self.scores[0] + PERCENTILE

    @property
    def names(self) -> tuple[str, ...]:
        """All names."""
        return *self.scores, *self.percentiles, self.status, self.site

    def types(self, percentile: bool) -> dict[str, tuple[str, str]]:
        """Return Number and Type of each tag that is written; those of percentiles only where they are."""
        numbers = dict.fromkeys((*self.scores, *(self.percentiles if percentile else ())), ("A", "Float"))
        return {**numbers, self.status: ("A", "String"), self.site: ("1", "String")}

    def definitions(self, descriptions: Sequence[str], version: str, percentile: bool = False) -> list[bytes]:
        """Return the ##INFO lines, without line ends; those of percentiles only where they are written.

        Args:
            descriptions: one a score.
        """
        below = "Percentile of the score among random variants of the reference of the same class"
        texts = {
            **dict(zip(self.scores, descriptions, strict=True)),
            **dict.fromkeys(self.percentiles, below),
            self.status: "OK or EDGE_PADDED where the allele is scored; otherwise why it is not",
            self.site: "Why a record has no allele to score: NO_ALT, REF_BLOCK or NOT_SELECTED",
        }
        return [
            f'##INFO=<ID={tag},Number={number},Type={kind},Description="{quoted(texts[tag])}",Source="{SOURCE}",Version="{quoted(version)}">'.encode()
            for tag, (number, kind) in self.types(percentile).items()
        ]

    def _other_scores(self, header: Header) -> list[str]:
        """Return the score tags of this prefix that earlier runs wrote, ours left out."""
        found = [line.fields.get("ID", "") for line in header.structured("genomelm")]
        return [tag for tag in found if tag not in self.scores and tag.startswith(self.status.rsplit("_", 1)[0] + "_")]

    def replaceable(self, header: Header, overwrite: bool, path: object, percentile: bool = False) -> frozenset[bytes]:
        """Return the tags whose old values are taken out of the records.

        Those are tags that an earlier run of genomelm wrote with the same type; with `overwrite`, all that we write.
        A percentile of ours goes even where none is written.

        Raises:
            UsageError: the header declares one of our tags with another type or from another program.
        """
        expected = self.types(percentile)
        ours = set(expected) if overwrite else set()
        for line in header.structured("INFO"):
            tag = line.fields.get("ID", "")
            number, kind = line.fields.get("Number"), line.fields.get("Type")
            from_us = line.fields.get("Source") == SOURCE
            if tag in self.percentiles and from_us:
                ours.add(tag)
            if tag not in expected:
                continue
            if tag == self.status and not overwrite and (others := self._other_scores(header)):
                raise UsageError(
                    f"{path} already holds genomelm's scores {', '.join(others)}, whose reasons stand in {tag}: "
                    "use another --prefix, or --overwrite-info to replace the reasons"
                )
            if from_us and (number, kind) == expected[tag]:
                ours.add(tag)
            elif not overwrite:
                want = "Number={}, Type={}".format(*expected[tag])
                raise UsageError(
                    f"{path} already declares INFO tag {tag} (Number={number}, Type={kind}, "
                    f"{'by' if from_us else 'not by'} genomelm), which this run would write as {want}; "
                    "use --overwrite-info or another --prefix"
                )
        return frozenset(tag.encode() for tag in ours)


def tag_parts(names: Sequence[str]) -> list[str]:
    """Return what stands for each name in a tag; no two are equal, nor one to the percentile's of another.

    Letters, digits, '_' and '.' stay, anything else becomes '_'. Where that would not be unique, names that stay as
    they are come first, and '.' and the output's number (from 0) are added to the others.
    """
    cleaned = [re.sub(r"[^0-9A-Za-z_.]", "_", name) or "_" for name in names]
    parts: dict[int, str] = {}
    taken: set[str] = set()
    for number in sorted(range(len(names)), key=lambda n: cleaned[n] != names[n]):
        part = cleaned[number]
        while not taken.isdisjoint((part, part + PERCENTILE)):
            part += f".{number}"
        taken |= {part, part + PERCENTILE}
        parts[number] = part
    return [parts[number] for number in range(len(names))]


def quoted(text: str) -> str:
    """Escape text for a quoted header value: no control characters, backslash and quote escaped."""
    text = re.sub(r"[\x00-\x1f\x7f]+", " ", text)
    return text.replace("\\", "\\\\").replace('"', '\\"')
