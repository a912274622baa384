"""What a scoring run did, in numbers."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from genomelm.files import write_json


@dataclass(frozen=True)
class Summary:
    """Counts of one run; records_in = records_out + dropped.

    Args:
        records_in, records_out, dropped: data lines read, written, and left out on request; each is counted by itself.
        on_ref_mismatch: what was asked for: flag, error or drop. Only drop leaves records out; regions do not.
        alleles: alternative alleles of the records that were looked at.
        scored: alleles with a score.
        statuses: alleles per status, in the order of the status table.
        sites: records per reason why they have no allele to score.
        seconds: wall time of reading, scoring and writing.
        rate: scored alleles a second.
        output, index, table: paths; None where there is none.
        warnings: what the user should know.
        provenance: version, command, digests.
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

    def as_json(self) -> dict:
        """Return plain JSON values."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)} | {
            "warnings": list(self.warnings),
            "provenance": dict(self.provenance),
        }

    def write(self, path: str | Path) -> None:
        """Write as JSON, atomically."""
        write_json(path, self.as_json())
