"""One of n shares of a VCF's records, and the header line by which `genomelm merge` proves that none is missing."""

import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field

from genomelm.errors import InputError, UsageError
from genomelm.scoring.pools import BLOCK
from genomelm.seq.vcf import Header

KIND = "genomelm_shard"
_BLOCKS = 4  # blocks a shard from which on borders fall between blocks


@dataclass(frozen=True)
class Shard:
    """Share `number` of `count`, counted from 1: consecutive records, as many as the other shares have.

    Where a share has 4 blocks of records or more, it begins with a block, so that the batches that are scored are
    those of a run on the whole file, and so are the scores, to the last digit.
    """

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Read 'i/n'.

        Raises:
            UsageError: it is not i/n with 1 <= i <= n.
        """
        match = re.fullmatch(r"(\d+)/(\d+)", text)
        if not match or not 1 <= int(match[1]) <= int(match[2]):
            raise UsageError(f"--shard '{text}' is no share; write i/n with 1 <= i <= n, such as 2/8")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def span(self, records: int) -> tuple[int, int]:
        """Return the share's records of a file with so many: 0-based, half-open."""
        unit = BLOCK if records >= _BLOCKS * BLOCK * self.count else 1
        borders = [records * n // self.count // unit * unit for n in (self.number - 1, self.number)]
        return borders[0], records if self.number == self.count else borders[1]


@dataclass(frozen=True)
class Statement:
    """What a shard's header says about it.

    Args:
        tag: of the score.
        shard: which share.
        first, end: its records, 0-based and half-open.
        records: of the whole input.
        dropped: records of the share that were left out on request.
        source: SHA-256 of the input.
        run: fingerprint of everything that decides the scores and the output.
        mismatches: contig -> records of the share whose REF is not the reference's, and records that were compared.
        settings: each thing that `run` is made of -> the beginning of its digest.
        outputs: tags of all scores, where the model has several outputs; `tag` is the first.
    """

    tag: str
    shard: Shard
    first: int
    end: int
    records: int
    dropped: int
    source: str
    run: str
    mismatches: Mapping[str, tuple[int, int]]
    settings: Mapping[str, str] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()

    def line(self) -> bytes:
        """Return the header line, without its line end."""
        facts = {
            "ID": self.tag,
            "Shard": self.shard.number,
            "Of": self.shard.count,
            "First": self.first + 1,
            "Last": self.end,
            "Records": self.records,
            "Dropped": self.dropped,
            "Input": f'"{self.source}"',
            "Run": f'"{self.run}"',
            "Mismatches": f'"{_counts_text(self.mismatches)}"',
            "Settings": f'"{" ".join(f"{name}:{digest}" for name, digest in self.settings.items())}"',
            **({"Outputs": f'"{" ".join(self.outputs)}"'} if self.outputs else {}),
        }
        return f"##{KIND}=<{','.join(f'{key}={value}' for key, value in facts.items())}>".encode()

    def as_json(self) -> dict:
        """Return plain JSON values."""
        return {**vars(self), "shard": str(self.shard)}

    @classmethod
    def from_json(cls, value: Mapping) -> "Statement":
        """Return the statement of `as_json`.

        Raises:
            KeyError, TypeError, ValueError, UsageError: it is damaged.
        """
        counts = {contig: tuple(pair) for contig, pair in value["mismatches"].items()}
        more = {"shard": Shard.parse(value["shard"]), "mismatches": counts, "outputs": tuple(value["outputs"])}
        return cls(**{**value, **more})

    @classmethod
    def of(cls, header: Header, path: object) -> "Statement":
        """Read the line of a header.

        Raises:
            InputError: there is none, or several, or it is damaged.
        """
        lines = header.structured(KIND)
        if len(lines) != 1:
            raise InputError(
                f"{path} holds {len(lines)} ##{KIND} lines instead of one: is it an output of `genomelm score --shard`?"
            )
        try:
            return cls._read(lines[0].fields)
        except (KeyError, ValueError, UsageError) as error:
            raise InputError(f"{path} has a damaged ##{KIND} line ({error}); score the shard again") from None

    @classmethod
    def _read(cls, fields: Mapping[str, str]) -> "Statement":
        first, last, records, dropped = (int(fields[key]) for key in ("First", "Last", "Records", "Dropped"))
        return cls(
            tag=fields["ID"],
            shard=Shard.parse(f"{fields['Shard']}/{fields['Of']}"),
            first=first - 1,
            end=last,
            records=records,
            dropped=dropped,
            source=fields["Input"],
            run=fields["Run"],
            mismatches=_counts(fields["Mismatches"]),
            settings=dict(item.split(":", 1) for item in fields.get("Settings", "").split()),
            outputs=tuple(fields.get("Outputs", "").split()),
        )


def _counts_text(counts: Mapping[str, tuple[int, int]]) -> str:
    names = {name: urllib.parse.quote(name, safe="", errors="surrogateescape") for name in counts}
    return " ".join(f"{names[name]}:{bad}/{seen}" for name, (bad, seen) in counts.items())


def _counts(text: str) -> dict[str, tuple[int, int]]:
    found = {}
    for item in text.split():
        name, _, numbers = item.rpartition(":")
        bad, _, seen = numbers.partition("/")
        found[urllib.parse.unquote(name, errors="surrogateescape")] = (int(bad), int(seen))
    return found
