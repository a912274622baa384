"""Shares of a VCF, scored apart and joined: the whole, or an error that counts what is missing."""

import gzip
import random
import tempfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pysam
import pytest
from hostile_files import BASES as HOSTILE_BASES
from hostile_files import files
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genomelm.errors import AssemblyError, InputError, UsageError
from genomelm.scoring import pools, shard
from genomelm.scoring.annotate import annotate
from genomelm.scoring.merge import merge
from genomelm.scoring.shard import Shard, Statement
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.seq.vcf import Header, VcfReader

BASES = "".join(random.Random(4).choices("ACGT", k=900))
OTHER = {"A": "C", "C": "G", "G": "T", "T": "A"}


def records(count: int) -> list[str]:
    """Substitutions, some with a REF that the genome does not have, some that have no allele to score."""
    lines = []
    for pos in range(1, count + 1):
        base = BASES[pos - 1]
        ref = base if pos % 40 else next(b for b in "ACGT" if b not in (base, OTHER[base]))
        lines.append(f"c {pos} rs{pos} {ref} {OTHER[base] if pos % 7 else '.'} 29.123456 . K={pos}")
    return lines


@pytest.fixture
def genome(make_genome):
    return make_genome(c=BASES)


def body(path: Path) -> list[bytes]:
    with pysam.BGZFile(str(path), "rb") as stream:
        return [line for line in stream.read().split(b"\n") if not line.startswith(b"##genomelm")]


@pytest.fixture
def shards(genome, make_vcf, scorer, tmp_path) -> Callable[..., list[Path]]:
    """Score each share of a VCF."""

    def make(count: int, source: Path, **options) -> list[Path]:
        outputs = [tmp_path / f"part{number}.vcf.gz" for number in range(1, count + 1)]
        for number, out in enumerate(outputs, 1):
            annotate(source, genome, scorer, out, shard=Shard(number, count), **options)
        return outputs

    return make


@pytest.mark.parametrize("name", ["in.vcf", "in.vcf.gz"])
@pytest.mark.parametrize("count", [1, 3])
def test_joined_shards_are_the_whole_run(genome, make_vcf, scorer, shards, tmp_path, name, count):
    source, whole, joined = make_vcf(*records(150), name=name), tmp_path / "whole.vcf.gz", tmp_path / "joined.vcf.gz"
    table = tmp_path / "whole.tsv"
    alone = annotate(source, genome, scorer, whole, table=table)
    parts = shards(count, source)
    random.Random(1).shuffle(parts)
    found = merge(parts, joined, table=tmp_path / "joined.tsv", summary=tmp_path / "s.json")
    assert body(joined) == body(whole)
    assert (tmp_path / "joined.tsv").read_text() == table.read_text()
    assert (found.parts, found.records_in, found.dropped, found.index) == (count, 150, 0, f"{joined}.tbi")
    for counted in ("records_out", "alleles", "scored", "statuses"):
        assert getattr(found, counted) == getattr(alone, counted)
    with pysam.VariantFile(str(joined)) as variants:
        assert sum(1 for _ in variants.fetch("c", 9, 90)) == 81
    assert "genomelm_shard" not in str(variants.header)


def test_more_shards_than_records_are_joined_too(genome, make_vcf, scorer, shards, tmp_path):
    source, whole, joined = make_vcf(*records(4)), tmp_path / "whole.vcf.gz", tmp_path / "joined.vcf.gz"
    annotate(source, genome, scorer, whole)
    merge(shards(7, source), joined)
    assert body(joined) == body(whole)


def test_records_that_are_dropped_on_request_are_counted(genome, make_vcf, scorer, shards, tmp_path):
    source, whole, joined = make_vcf(*records(150)), tmp_path / "whole.vcf.gz", tmp_path / "joined.vcf.gz"
    options = {"on_ref_mismatch": "drop", "regions": [Interval("c", 10, 100)], "outside": "drop"}
    result = annotate(source, genome, scorer, whole, **options)
    assert result.dropped == 60 + 2  # outside; positions 40 and 80
    assert merge(shards(4, source, **options), joined).dropped == 62
    assert body(joined) == body(whole)


def test_shares_are_balanced_and_cover_each_record_once():
    for total, count in [(0, 3), (1, 3), (10, 3), (100_000, 7), (8 * pools.BLOCK, 2), (8 * pools.BLOCK + 5, 2)]:
        spans = [Shard(number, count).span(total) for number in range(1, count + 1)]
        assert [start for start, _ in spans] == [0, *(end for _, end in spans[:-1])]
        assert spans[-1][1] == total
        sizes = [end - start for start, end in spans]
        aligned = total >= 4 * pools.BLOCK * count
        assert max(sizes) - min(sizes) <= (2 * pools.BLOCK if aligned else 1)
        assert not aligned or all(start % pools.BLOCK == 0 for start, _ in spans)


def test_shards_that_begin_with_a_block_hand_the_scorer_the_same_pools(
    genome, make_vcf, scorer, shards, tmp_path, monkeypatch
):
    for room in (pools, shard):
        monkeypatch.setattr(room, "BLOCK", 16)
    source = make_vcf(*records(150))
    annotate(source, genome, scorer, tmp_path / "whole.vcf.gz", batch_size=10)
    whole = list(scorer.calls)
    scorer.calls.clear()
    shards(2, source, batch_size=10)
    assert scorer.calls == whole
    assert len(whole) > 15


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ([0, 2], r"2 of 3 shards, 100 of 150 records: 1 missing: 2"),
        ([1], r"1 of 3 shards, 50 of 150 records: 2 missing: 1, 3"),
        ([0, 1, 2, 1], r"3 of 3 shards, 150 of 150 records: 1 there more than once: 2 \("),
        ([0, 0, 1], r"100 of 150 records: 1 missing: 3; 1 there more than once: 1"),
    ],
)
def test_a_shard_that_is_missing_or_there_twice_is_refused_with_counts(make_vcf, shards, tmp_path, chosen, message):
    parts = shards(3, make_vcf(*records(150)))
    copies = []
    for number, place in enumerate(chosen):
        copies.append(tmp_path / f"copy{number}.vcf.gz")
        copies[-1].write_bytes(parts[place].read_bytes())
    with pytest.raises(InputError, match=message):
        merge(copies, tmp_path / "out" / "joined.vcf.gz")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_shard_that_lost_records_is_refused(make_vcf, shards, tmp_path):
    parts = shards(3, make_vcf(*records(150)))
    lines = body(parts[1])
    with pysam.BGZFile(str(parts[1]), "rb") as stream:
        header = [line for line in stream.read().split(b"\n") if line.startswith(b"#")]
    with pysam.BGZFile(str(parts[1]), "wb") as stream:
        stream.write(b"\n".join([*header, *[line for line in lines if line and line[:1] != b"#"][:-7]]) + b"\n")
    with pytest.raises(InputError, match=r"shard 2/3\) holds 43 of the 50 records that its header states"):
        merge(parts, tmp_path / "joined.vcf.gz")
    parts[1].write_bytes(parts[1].read_bytes()[:-28])
    with pytest.raises(InputError, match="truncated"):
        merge(parts, tmp_path / "joined.vcf.gz")
    assert not (tmp_path / "joined.vcf.gz").exists()


def test_shards_of_different_inputs_runs_or_headers_are_refused(genome, make_vcf, scorer, shards, tmp_path):
    parts = shards(2, make_vcf(*records(150)))
    other = tmp_path / "other.vcf.gz"
    joined = tmp_path / "joined.vcf.gz"
    annotate(make_vcf(*records(149), name="b.vcf"), genome, scorer, other, shard=Shard(2, 2))
    with pytest.raises(InputError, match="another input"):
        merge([parts[0], other], joined)
    scorer.provenance = {"model": "1" * 64}
    annotate(make_vcf(*records(150)), genome, scorer, other, shard=Shard(2, 2))
    with pytest.raises(InputError, match=r"another model, patching than"):
        merge([parts[0], other], joined)
    annotate(make_vcf(*records(150)), genome, scorer, other)
    with pytest.raises(InputError, match="0 ##genomelm_shard lines.*score --shard"):
        merge([parts[0], other], joined)
    with pytest.raises(UsageError, match="part .* as well"):
        merge(parts, parts[0])


def test_mismatches_of_all_shards_count_together(genome, make_vcf, scorer, shards, tmp_path):
    lines = []
    for pos in range(1, 201):
        base, other = BASES[pos - 1], OTHER[BASES[pos - 1]]
        ref = base if pos % 8 else next(b for b in "ACGT" if b not in (base, other))
        lines.append(f"c {pos} . {ref} {other} . . .")
    source = make_vcf(*lines)
    with pytest.raises(AssemblyError, match="20 of 160 REF alleles on c differ from"):
        annotate(source, genome, scorer, tmp_path / "whole.vcf.gz")
    for policy in ("flag", "drop"):
        parts = shards(4, source, on_ref_mismatch=policy)
        with pytest.raises(AssemblyError, match="joined.vcf.gz: 25 of 200 REF alleles on c differ from the reference"):
            merge(parts, tmp_path / "joined.vcf.gz")
        assert not (tmp_path / "joined.vcf.gz").exists()


@pytest.mark.parametrize("name", ["HLA-A*01:01", 'a"b,c>', "50%/\udcff"])
def test_counts_of_mismatches_come_back_whatever_the_contig_is_called(name):
    counts = {name: (3, 70), "c": (0, 5)}
    said = Statement("GLM_LLR", Shard(1, 2), 0, 75, 150, 0, "0", "1", counts)
    header = Header((said.line() + b"\n",), b"#CHROM\n")
    assert Statement.of(header, "x") == said


def test_a_percentile_of_another_program_is_no_column_of_the_joined_table(make_vcf, shards, tmp_path):
    definition = '##INFO=<ID=GLM_PCTL,Number=1,Type=String,Description="x">'
    source = make_vcf(*(line.replace(" K=", " GLM_PCTL=theirs;K=") for line in records(9)), header=[definition])
    merge(shards(2, source), tmp_path / "j.vcf.gz", table=tmp_path / "j.tsv")
    assert "percentile" not in pd.read_csv(tmp_path / "j.tsv", sep="\t").columns


def test_what_a_shard_says_of_itself_is_read_again(make_vcf, shards):
    part = shards(3, make_vcf(*records(150)))[1]
    said = Statement.of(VcfReader(part).header, part)
    assert (said.first, said.end, said.records, str(said.shard), len(said.source)) == (50, 100, 150, "2/3", 64)


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "a/b", "1/0", "-1/3"])
def test_what_is_no_share_is_refused(text):
    with pytest.raises(UsageError, match="write i/n"):
        Shard.parse(text)


def test_shards_of_an_empty_vcf_join_to_an_empty_vcf(make_vcf, shards, tmp_path):
    found = merge(shards(2, make_vcf(header=["##contig=<ID=c>"])), tmp_path / "j.vcf.gz", table=tmp_path / "j.parquet")
    assert (found.records_in, found.index) == (0, f"{tmp_path / 'j.vcf.gz'}.tbi")
    assert len(pd.read_parquet(tmp_path / "j.parquet")) == 0


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=files(), count=st.integers(1, 4), form=st.sampled_from(["plain", "gzip", "bgzf"]), sort=st.booleans())
def test_shards_of_hostile_files_join_to_the_whole_in_any_form(scorer, content, count, form, sort):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "ref.fa").write_text(f">c\n{HOSTILE_BASES}\n")
        source = folder / "in.vcf"
        source.write_bytes(gzip.compress(content) if form == "gzip" else content)
        if form == "bgzf":
            with pysam.BGZFile(str(source), "wb") as stream:
                stream.write(content)
        shards = [folder / f"{number}.vcf.gz" for number in range(1, count + 1)]
        with Genome(folder / "ref.fa", folder) as genome:
            result = annotate(source, genome, scorer, folder / "whole.vcf.gz", table=folder / "a.tsv", sort=sort)
            for number, out in enumerate(shards, 1):
                annotate(source, genome, scorer, out, shard=Shard(number, count), resume=number % 2 == 0, sort=sort)
        joined = merge(shards[::-1], folder / "joined.vcf.gz", table=folder / "b.tsv")
        read = [pysam.BGZFile(str(folder / f"{x}.vcf.gz"), "rb").read() for x in ("whole", "joined")]
        whole, parts = ([line for line in text.split(b"\n") if line[:10] != b"##genomelm"] for text in read)
        assert parts == whole
        assert (folder / "a.tsv").read_bytes() == (folder / "b.tsv").read_bytes()
        assert bool(joined.index) == bool(result.index)
