"""How the examples of a task are put into training, validation and test."""

from dataclasses import dataclass

from genomelm.settings import setting

WAYS = ("auto", "place", "group", "sequence")


@dataclass(frozen=True)
class SplitConfig:
    """The section `split` of a task file."""

    by: str = setting(
        "auto",
        "place: contigs and regions; group: whole groups of rows; sequence: by a hash of it; auto: place where test or "
        "validation are given, else the file of --split, or for windows of a genome shares of each contig",
        choices=WAYS,
    )
    test: tuple[str, ...] = setting((), "place: contigs, or regions like chr8:1-500000; group: groups; for the test")
    validation: tuple[str, ...] = setting((), "the same for validation; all else is for training")
    column: str | None = setting(None, "group: column of the group (BED column, INFO key, key of a FASTA header)")
    seed: int = setting(1, "group without names, sequence: seed of the hash", minimum=0)
    test_share: float = setting(0.1, "group without names, sequence: share of the test", minimum=0.01, maximum=0.9)
    validation_share: float = setting(
        0.1, "group without names, sequence: share of the validation", minimum=0.01, maximum=0.9
    )

    @property
    def way(self) -> str:
        """How the split is made: place, group, sequence, or 'given' (by a file, or by shares of contigs)."""
        if self.by != "auto":
            return self.by
        return "place" if self.test or self.validation else "given"

    def faults(self) -> list[str]:
        """Return what contradicts itself."""
        found, named = [], bool(self.test or self.validation)
        if named and not (self.test and self.validation):
            found.append("split names one of test and validation; name both")
        if twice := sorted(set(self.test) & set(self.validation)):
            found.append(f"split has {twice[0]} in test and in validation; choose one")
        if self.way == "place" and not named:
            found.append("split by place needs test and validation: contigs, or regions like chr8:1-500000")
        if self.way == "sequence" and named:
            found.append("split by sequence draws test and validation by a hash; drop their names")
        if (self.way == "group") != (self.column is not None):
            found.append("split by group needs the column of the groups, and no other split has one")
        if self.test_share + self.validation_share >= 1:
            found.append(
                f"split leaves nothing for training: {self.test_share:g} and {self.validation_share:g} are held out"
            )
        return found
