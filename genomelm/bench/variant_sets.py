"""Sets of variants with measured effects: alleles, labels, held-out units, and columns of others' scores."""

import math
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from genomelm.errors import AssemblyError, InputError, UsageError
from genomelm.scoring.pair_scorer import WindowScorer
from genomelm.seq.assemblies import too_many
from genomelm.seq.genome import Genome
from genomelm.seq.interval import text_lines
from genomelm.seq.variant import Variant
from genomelm.seq.window import SCORED, AllelePair, allele_pair
from genomelm.settings import setting
from genomelm.tasks.examples import Examples
from genomelm.tasks.table import Table, read_table

METRICS = ("auroc", "pearson", "spearman", "mean_pearson", "mean_spearman")
"""The last two are means over the held-out units."""
_PLACE = re.compile(r"[^\s>:]+:(\d+)-(\d+)")
_ACGT = re.compile(r"[ACGT]+")


@dataclass(frozen=True)
class SetConfig:
    """One table of measured variants, and how it is split.

    Alleles are bases on `fasta`, whose records say in their header where they lie (C:a-b); or, without one, whole
    sequences of both alleles.
    """

    name: str = setting(help="how the results call it")
    table: str = setting(help="CSV, TSV or Parquet file, relative to the data folder")
    ref: str = setting(help="column of the reference: bases, or without `fasta` the sequence")
    alt: str = setting(help="column of the alternate")
    label: str = setting(help="column of the measured effect, the less the more harmful")
    unit: str = setting(help="column of what is held out whole, such as an exon, an element or a chromosome")
    test: tuple[str, ...] = setting(help="units of the test")
    validation: tuple[str, ...] = setting(help="units that settings are chosen on; all others are trained on")
    together: tuple[str, ...] = setting(help="columns: rows that agree in them are drawn together in the bootstrap")
    metric: str = setting("pearson", "what decides", choices=METRICS)
    harmful: dict[str, str] = setting(factory=dict, help="auroc: column -> its value in what is to be told apart")
    fasta: str | None = setting(None, "FASTA file, relative to the data folder")
    contig: str | None = setting(None, "fasta: column of the record's name (default: its only record)")
    pos: str | None = setting(None, "fasta: column of the 1-based position")
    window: int = setting(64, "bases around a variant that are trained on, where there are as many", minimum=16)
    least: dict[str, float] = setting(factory=dict, help="column -> least value of the rows that are used")
    columns: dict[str, str] = setting(
        factory=dict, help="name -> column of others' scores, the more the more harmful; tested beside the models"
    )

    def __post_init__(self) -> None:
        if (self.fasta is None) != (self.pos is None):
            raise UsageError(f"set '{self.name}': fasta and pos go together; give both or neither")
        if (self.metric == "auroc") != bool(self.harmful):
            raise UsageError(f"set '{self.name}': metric auroc and `harmful` go together; give both or neither")
        if both := set(self.test) & set(self.validation):
            raise UsageError(f"set '{self.name}': {sorted(both)[0]} is in test and in validation; leave it in one")

    @property
    def metrics(self) -> tuple[str, ...]:
        """Metrics that its rows have, the one that decides first."""
        rest = METRICS if self.metric.startswith("mean") else METRICS[1:3]
        return tuple(dict.fromkeys([self.metric, *(name for name in rest if name != "auroc")]))


@dataclass(frozen=True)
class VariantSet:
    """A table that was read.

    Attributes:
        examples: windows of both alleles, effects, and splits, (n,).
        variants: on the FASTA file, (n,); empty where the table has the sequences.
        sequences: both alleles as the table has them, (n,); empty of variants on a FASTA file.
        harmful: bool (n,), what an AUROC tells apart; None without one.
        units: unit of each row, (n,).
        clusters: int64 (n,): rows of one number are drawn together.
        columns: name -> others' scores turned so that more means less harm, float64 (n,).
        left_out: reason -> rows.
    """

    config: SetConfig
    examples: Examples
    variants: tuple[Variant, ...]
    sequences: tuple[AllelePair, ...]
    harmful: np.ndarray | None
    units: np.ndarray
    clusters: np.ndarray
    columns: dict[str, np.ndarray]
    left_out: dict[str, int]

    @property
    def tested(self) -> np.ndarray:
        """Rows of the test, int64."""
        return np.flatnonzero(self.examples.splits == "test")

    def pairs(self, scorer: WindowScorer, data: Path) -> list[AllelePair]:
        """Return the windows in which a scorer reads the variants of the test.

        Raises:
            InputError: windows that the model cannot read.
        """
        if self.variants:
            with Genome(data / self.config.fasta) as genome:
                found = [scorer.pair(genome, self.variants[row]) for row in self.tested]
        else:
            found = [scorer.readable(self.sequences[row]) for row in self.tested]
        if unread := Counter(pair.status for pair in found if pair.status not in SCORED):
            raise InputError(f"set '{self.config.name}': the model cannot read {dict(unread)} of its test variants")
        return found


def read_set(config: SetConfig, data: Path) -> VariantSet:
    """Read a table. Rows without a finite effect, with other letters, or too few of what `least` counts are left out.

    Of the test those rows alone are kept that have all of `columns`, so that all rows of a table are about the same
    variants.

    Raises:
        InputError: a table, FASTA file or column that cannot be read, units that it does not have, or nothing left.
        AssemblyError: reference bases that are not those of the FASTA file.
    """
    c = config
    wanted = [c.ref, c.alt, c.label, c.unit, *c.together, *c.harmful, *c.least, *c.columns.values()]
    wanted += [name for name in (c.contig, c.pos) if name]
    table = read_table(data / c.table, wanted)
    left_out: Counter[str] = Counter()
    kept, alleles = [], []
    with _windows(c, table, data) as window:
        for row in range(len(table.rows)):
            split = _split(c, table.columns[c.unit][row])
            found = _fault(c, table, row, split) or window(row)
            if isinstance(found, str):
                left_out[found] += 1
            else:
                kept.append((row, split))
                alleles.append(found)
    rows, mismatched = [row for row, _ in kept], left_out["REF_MISMATCH"] + left_out["ALT_IS_REF_SWAP"]
    if too_many(mismatched, mismatched + len(rows)):
        raise AssemblyError(
            f"{data / c.table}: {mismatched} of {mismatched + len(rows)} {c.ref} differ from {data / c.fasta}: give "
            "the FASTA file that the positions are of"
        )

    def cells(name: str) -> list[str]:
        return [table.columns[name][row] for row in rows]

    splits, units = np.array([split for _, split in kept]), np.array(cells(c.unit))
    if missing := {*c.test, *c.validation} - set(units.tolist()):
        raise InputError(f"{data / c.table}: no usable row of {c.unit} {', '.join(sorted(missing))}")
    if not (splits == "train").any():
        raise InputError(f"{data / c.table}: no row is left to train on: hold fewer of {c.unit} out")
    together = list(zip(*map(cells, c.together), strict=True))
    numbers = {key: number for number, key in enumerate(dict.fromkeys(together))}
    harmful = [np.array(cells(name)) == value for name, value in c.harmful.items()]
    labels = np.array(cells(c.label), np.float64)
    pairs = [_cropped(pair, c.window) for pair, _ in alleles]
    names = tuple(table.rows[row] for row in rows)
    examples = Examples(names, tuple(p.alt for p in pairs), labels, splits, (), tuple(p.ref for p in pairs))
    return VariantSet(
        c,
        examples,
        tuple(variant for _, variant in alleles) if c.fasta else (),
        () if c.fasta else tuple(pair for pair, _ in alleles),
        np.logical_and.reduce(harmful) if harmful else None,
        units,
        np.array([numbers[key] for key in together]),
        {name: -np.array([_number(text) for text in cells(column)]) for name, column in c.columns.items()},
        dict(left_out),
    )


def _split(config: SetConfig, unit: str) -> str:
    return "test" if unit in config.test else "validation" if unit in config.validation else "train"


def _number(text: str) -> float:
    """Return a cell's number, NaN where it is none that is finite."""
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan


def _fault(config: SetConfig, table: Table, row: int, split: str) -> str:
    """Return why a row is left out, '' where it is not."""
    cells = {name: column[row] for name, column in table.columns.items()}
    if not (_ACGT.fullmatch(cells[config.ref].upper()) and _ACGT.fullmatch(cells[config.alt].upper())):
        return "alleles that are not bases"
    if math.isnan(_number(cells[config.label])):
        return "no finite effect"
    if any(not _number(cells[name]) >= least for name, least in config.least.items()):
        return f"too few of {', '.join(config.least)}"
    if split == "test" and any(math.isnan(_number(cells[name])) for name in config.columns.values()):
        return f"test without {' or '.join(config.columns)}"
    return ""


@contextmanager
def _windows(config: SetConfig, table: Table, data: Path) -> Iterator:
    """Yield what gives a row's (windows, variant on the FASTA file or None), or the reason why it has none."""
    refs, alts = table.columns[config.ref], table.columns[config.alt]
    if config.fasta is None:

        def sequences(row: int) -> tuple[AllelePair, None] | str:
            ref, alt = refs[row].upper(), alts[row].upper()
            return "SAME_AS_REF" if ref == alt else (_sequence_pair(ref, alt), None)

        yield sequences
        return
    places = _places(data / config.fasta)
    if config.contig is None and len(places) != 1:
        raise InputError(f"{data / config.fasta} has {len(places)} records: name the column of theirs as `contig`")
    with Genome(data / config.fasta) as genome:

        def alleles(row: int) -> tuple[AllelePair, Variant] | str:
            contig = table.columns[config.contig][row] if config.contig else next(iter(places))
            if contig not in places:
                return "CONTIG_MISSING"
            at = _number(table.columns[config.pos][row]) - places[contig] + 1
            if math.isnan(at):
                return "no position"
            variant = Variant(contig, int(at), refs[row], alts[row])
            pair = allele_pair(genome, variant, config.window)
            return (pair, variant) if pair.status in SCORED else pair.status

        yield alleles


def _places(fasta: Path) -> dict[str, int]:
    """Return the position of the first base of each record, as its header says."""
    found = {}
    for line in text_lines(fasta):
        if line.startswith(">"):
            place = _PLACE.search(line)
            if place is None:
                raise InputError(f"{fasta}: record {line[1:].split()[0]} does not say where it lies, as C:a-b")
            found[line[1:].split()[0]] = int(place[1])
    return found


def _sequence_pair(ref: str, alt: str) -> AllelePair:
    """Return two sequences as the windows of the change between their common start and their common end."""
    short = min(len(ref), len(alt))
    head = next((n for n in range(short) if ref[n] != alt[n]), short)
    tail = next((n for n in range(short - head) if ref[-1 - n] != alt[-1 - n]), short - head)
    change = ref[head : len(ref) - tail], alt[head : len(alt) - tail]
    variant = Variant("", head + 1, *change)
    return AllelePair(variant, "OK", None, ref, alt, head, *map(len, change))


def _cropped(pair: AllelePair, width: int) -> AllelePair:
    """Return windows of at most `width` reference bases, the change in the middle as far as there are bases."""
    first = max(0, min(pair.offset + pair.ref_length // 2 - width // 2, len(pair.ref) - width))
    more = pair.alt_length - pair.ref_length
    ref, alt = pair.ref[first : first + width], pair.alt[first : first + width + more]
    return replace(pair, ref=ref, alt=alt, offset=pair.offset - first)
