"""What a scoring run did, in numbers."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from genomelm.files import write_json
from genomelm.scoring.pools import Counts
from genomelm.seq.window import SCORED, STATUSES


@dataclass(frozen=True)
class Summary:
    """Counts of one run; records_in = records_out + dropped.

    Args:
        records_in, records_out, dropped: data lines read, written, and left out on request; each is counted by itself.
        on_ref_mismatch: what was asked for: flag, error or drop; with drop, mismatching records are left out.
        alleles: alternative alleles of the records that were looked at.
        scored: alleles with a score.
        statuses: alleles per status, in the order of the status table.
        sites: records per reason why they have no allele to score.
        seconds: wall time of reading, scoring and writing.
        rate: scored alleles a second.
        output, index, table: paths; None where there is none.
        warnings: what the user should know.
        provenance: version, command, digests.
        outputs: tags of the scores of a model with several outputs.
    """

    records_in: int
    records_out: int
    dropped: int
    on_ref_mismatch: str
    alleles: int
    scored: int
    statuses: dict[str, int]
    sites: dict[str, int]
    seconds: float
    rate: float
    output: str
    index: str | None
    table: str | None
    warnings: tuple[str, ...] = ()
    provenance: Mapping[str, object] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        counts: Counts,
        written: int,
        on_ref_mismatch: str,
        seconds: float,
        out: Path,
        index: Path | None,
        table: Path | None,
        notes: Sequence[str],
        facts: Mapping[str, object],
        outputs: Sequence[str] = (),
    ) -> "Summary":
        """Return the summary of what has gone through and was `written`."""
        scored = sum(counts.statuses[status] for status in SCORED)
        return cls(
            records_in=counts.records,
            records_out=written,
            dropped=counts.dropped,
            on_ref_mismatch=on_ref_mismatch,
            alleles=counts.statuses.total(),
            scored=scored,
            statuses={status: counts.statuses[status] for status in STATUSES if counts.statuses[status]},
            sites=dict(sorted(counts.sites.items())),
            seconds=round(seconds, 3),
            rate=round(scored / seconds, 1) if seconds else 0.0,
            output=str(out),
            index=None if index is None else str(index),
            table=None if table is None else str(table),
            warnings=tuple(notes),
            provenance=facts,
            outputs=tuple(outputs),
        )

    def as_json(self) -> dict:
        """Return plain JSON values."""
        found = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)} | {
            "warnings": list(self.warnings),
            "provenance": dict(self.provenance),
            "outputs": list(self.outputs),
        }
        return found if self.outputs else {key: value for key, value in found.items() if key != "outputs"}

    def write(self, path: str | Path) -> None:
        """Write as JSON, atomically."""
        write_json(path, self.as_json())
