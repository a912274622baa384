"""BCF, streams, sorting, subsets of samples and regions, tables: other forms of the same records."""

import io
import json
import random
import sys

import pandas as pd
import pysam
import pysam.bcftools
import pytest
from pyarrow import parquet

from genomelm.errors import InputError, ResourceError, UsageError
from genomelm.scoring import table as table_room
from genomelm.scoring.annotate import annotate
from genomelm.scoring.gene_regions import GeneRegions
from genomelm.scoring.merge import merge
from genomelm.scoring.samples import read_names
from genomelm.scoring.shard import Shard
from genomelm.seq.interval import Interval

BASES = "".join(random.Random(4).choices("ACGT", k=900))
OTHER = {"A": "C", "C": "G", "G": "T", "T": "A"}
COLUMNS = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"
HEADER = [
    "##contig=<ID=c,length=900>",
    '##INFO=<ID=K,Number=1,Type=Integer,Description="k">',
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="g">',
]
SAMPLES = COLUMNS + "\tFORMAT\ts1\ts2\ts3"


def snv(pos: int, rest: str = "") -> str:
    return f"c {pos} . {BASES[pos - 1]} {OTHER[BASES[pos - 1]]},<DEL> 29.5 PASS K={pos}{rest}"


def called(pos: int) -> str:
    return snv(pos, " GT 0|1 1|1 ./.")


@pytest.fixture
def genome(make_genome):
    return make_genome(c=BASES)


def records(path) -> list:
    with pysam.VariantFile(str(path)) as variants:
        return [
            (
                r.chrom,
                r.pos,
                r.id,
                r.alleles,
                r.qual,
                list(r.filter),
                dict(r.info),
                [s["GT"] for s in r.samples.values()],
            )
            for r in variants
        ]


def test_bcf_goes_in_and_out_with_equivalent_records(genome, make_vcf, scorer, tmp_path):
    source = make_vcf(*map(called, range(50, 90)), header=HEADER, columns=SAMPLES)
    binary = tmp_path / "in.bcf"
    pysam.bcftools.view("-Ob", "-o", str(binary), str(source), catch_stdout=False)
    annotate(source, genome, scorer, tmp_path / "plain.vcf.gz")
    expected = records(tmp_path / "plain.vcf.gz")
    for given, out in ((binary, "a.vcf.gz"), (source, "b.bcf"), (binary, "c.bcf")):
        result = annotate(given, genome, scorer, tmp_path / out)
        assert records(tmp_path / out) == expected
        assert result.index == str(tmp_path / f"{out}{'.csi' if out.endswith('bcf') else '.tbi'}")
        with pysam.VariantFile(str(tmp_path / out)) as variants:
            assert [r.pos for r in variants.fetch("c", 59, 62)] == [60, 61, 62]
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith(".")) == []


def test_what_bcf_cannot_hold_is_named_and_leaves_nothing(genome, make_vcf, scorer, tmp_path, capfd):
    out = tmp_path / "out" / "o.bcf"
    with pytest.raises(InputError, match=r"cannot be written as BCF.*name it \.vcf\.gz"):
        annotate(make_vcf(called(50), columns=SAMPLES), genome, scorer, out)
    assert list(out.parent.iterdir()) == []
    assert capfd.readouterr().err == ""


def test_a_damaged_bcf_file_is_refused(genome, make_vcf, scorer, tmp_path):
    binary, out = tmp_path / "in.bcf", tmp_path / "o.vcf.gz"
    source = make_vcf(*map(called, range(50, 90)), header=HEADER, columns=SAMPLES)
    pysam.bcftools.view("-Ou", "-o", str(binary), str(source), catch_stdout=False)
    whole = binary.read_bytes()
    with pysam.BGZFile(str(binary), "rb") as stream:
        content = stream.read()
    binary.write_bytes(whole[:-28])
    with pytest.raises(InputError, match="truncated"):
        annotate(binary, genome, scorer, out)
    with pysam.BGZFile(str(binary), "wb") as stream:
        stream.write(content[:-9])
    with pytest.raises(InputError, match=r"in\.bcf is a BCF file that htslib cannot read"):
        annotate(binary, genome, scorer, out)
    assert not out.exists()


class Standard:
    """Stands for sys.stdin or sys.stdout."""

    def __init__(self, content: bytes = b"") -> None:
        self.buffer = io.BytesIO(content)


@pytest.mark.parametrize("name", ["in.vcf", "in.vcf.gz", "in.bcf"])
def test_streams_carry_the_same_records(genome, make_vcf, scorer, tmp_path, monkeypatch, name):
    source = make_vcf(*map(called, range(50, 90)), header=HEADER, columns=SAMPLES, name=name.replace("bcf", "vcf.gz"))
    if name.endswith("bcf"):
        pysam.bcftools.view("-Ob", "-o", str(tmp_path / name), str(source), catch_stdout=False)
        source = tmp_path / name
    annotate(source, genome, scorer, tmp_path / "o.vcf.gz", summary=tmp_path / "s.json")
    out = Standard()
    monkeypatch.setattr(sys, "stdin", Standard(source.read_bytes()))
    monkeypatch.setattr(sys, "stdout", out)
    result = annotate("-", genome, scorer, "-", table=tmp_path / "t.tsv")
    with pysam.BGZFile(str(tmp_path / "o.vcf.gz"), "rb") as stream:
        written = stream.read()
    keep = lambda text: [line for line in text.split(b"\n") if not line.startswith((b"##genomelm", b"##bcftools"))]
    assert keep(out.buffer.getvalue()) == keep(written)
    assert (result.records_out, result.index) == (40, None)
    assert len((tmp_path / "t.tsv").read_text().splitlines()) == 81


def test_an_empty_stream_and_a_reader_that_went_away_are_errors(genome, make_vcf, scorer, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "stdin", Standard())
    with pytest.raises(InputError, match="standard input is empty"):
        annotate("-", genome, scorer, tmp_path / "o.vcf.gz")

    class Gone(io.BytesIO):
        def write(self, data):
            raise BrokenPipeError

    with open(tmp_path / "closed", "wb") as file:
        out = Standard()
        out.buffer, out.fileno = Gone(), file.fileno
        monkeypatch.setattr(sys, "stdout", out)
        with pytest.raises(ResourceError, match="stopped after 0 lines"):
            annotate(make_vcf(snv(50)), genome, scorer, "-")


def test_sorting_gives_the_index_that_unsorted_records_lack(genome, make_vcf, scorer, tmp_path):
    places = list(range(50, 90))
    lines = {pos: [snv(pos), snv(pos).replace(" . ", f" second{pos} ", 1)] for pos in places}
    annotate(make_vcf(*[x for p in places for x in lines[p]]), genome, scorer, tmp_path / "sorted.vcf.gz")
    random.Random(1).shuffle(places)
    source = make_vcf(*[x for p in places for x in lines[p]])
    result = annotate(source, genome, scorer, tmp_path / "o.vcf.gz", sort=True)
    assert result.index
    assert not result.warnings
    read = lambda name: [x for x in pysam.BGZFile(str(tmp_path / name), "rb").read().split(b"\n") if x[:1] != b"#"]
    assert read("o.vcf.gz") == read("sorted.vcf.gz")
    shards = [tmp_path / f"{n}.vcf.gz" for n in (1, 2, 3)]
    for number, out in enumerate(shards, 1):
        annotate(source, genome, scorer, out, sort=True, shard=Shard(number, 3))
    merge(shards, tmp_path / "m.vcf.gz")
    assert read("m.vcf.gz") == read("sorted.vcf.gz")


def test_a_subset_of_samples_keeps_their_columns_in_the_order_of_the_file(genome, make_vcf, scorer, tmp_path):
    source = make_vcf(snv(50, " GT:X 0|1:a 1|1:b ./.:c"), columns=SAMPLES)
    names = tmp_path / "names.txt"
    names.write_text("s3\n\ns1\n")
    annotate(source, genome, scorer, tmp_path / "o.vcf.gz", samples=read_names(names))
    with pysam.BGZFile(str(tmp_path / "o.vcf.gz"), "rb") as stream:
        *_, columns, record, _ = stream.read().decode().split("\n")
    assert columns == COLUMNS + "\tFORMAT\ts1\ts3"
    assert record.split("\t")[8:] == ["GT:X", "0|1:a", "./.:c"]
    with pytest.raises(UsageError, match="3 samples, but not 1 of the 2.*name number 2") as fault:
        annotate(source, genome, scorer, tmp_path / "o.vcf.gz", samples=["s1", "PATIENT"])
    assert "PATIENT" not in str(fault.value)
    names.write_text("\n")
    with pytest.raises(InputError, match="names no sample"):
        read_names(names)


def test_records_outside_of_regions_pass_through_or_are_dropped(genome, make_vcf, scorer, tmp_path):
    source = make_vcf(*map(snv, range(50, 90)))
    kept = annotate(source, genome, scorer, tmp_path / "a.vcf.gz", regions=[Interval("c", 59, 69)])
    assert (kept.records_out, kept.dropped, kept.sites, kept.scored) == (40, 0, {"NOT_SELECTED": 30}, 10)
    options = {"regions": [Interval("c", 59, 69)], "outside": "drop"}
    dropped = annotate(source, genome, scorer, tmp_path / "b.vcf.gz", **options)
    assert (dropped.records_in, dropped.records_out, dropped.dropped, dropped.sites) == (40, 10, 30, {})
    assert [row[1] for row in records(tmp_path / "b.vcf.gz")] == list(range(60, 70))
    with pytest.raises(UsageError, match="flag, drop"):
        annotate(source, genome, scorer, tmp_path / "b.vcf.gz", outside="no")


@pytest.mark.parametrize("rows", [7, 1 << 16])
def test_a_parquet_table_holds_what_the_text_table_holds(genome, make_vcf, scorer, tmp_path, monkeypatch, rows):
    monkeypatch.setattr(table_room, "ROW_GROUP", rows)
    source = make_vcf(*map(snv, range(50, 90)), f"c 95 . {BASES[94]} . . . .")
    annotate(source, genome, scorer, tmp_path / "a.vcf.gz", table=tmp_path / "t.tsv")
    annotate(source, genome, scorer, tmp_path / "b.vcf.gz", table=tmp_path / "t.parquet")
    text = pd.read_csv(tmp_path / "t.tsv", sep="\t", na_values={"score": ["."]}, dtype={"contig": str})
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "t.parquet"), text)
    file = parquet.ParquetFile(tmp_path / "t.parquet")
    assert file.num_row_groups == -(-80 // rows)
    beside = json.loads((tmp_path / "t.parquet.json").read_text())
    inside = json.loads(file.schema_arrow.metadata[b"genomelm"])
    assert inside["model"] == beside["model"] == "0" * 64
    assert inside["reference"] == genome.digest
    with pytest.raises(UsageError, match=r"name it \.tsv or \.parquet"):
        annotate(source, genome, scorer, tmp_path / "a.vcf.gz", table=tmp_path / "t.xlsx")


GFF = """##gff-version 3
c\t.\tgene\t100\t200\t.\t+\t.\tID=g1;Name=one
c\t.\tCDS\t100\t150\t.\t+\t0\tParent=g1
c\t.\tfive_prime_UTR\t145\t160\t.\t+\t.\tParent=g1
c\t.\texon\t100\t170\t.\t+\t.\tParent=g1
c\t.\tgene\t190\t260\t.\t-\t.\tID=g2
c\t.\tgene\t500\t800\t.\t+\t.\tID=long
c\t.\tgene\t510\t520\t.\t+\t.\tID=short
elsewhere\t.\tgene\t1\t5\t.\t-\t.\tID=g3
"""


def test_the_table_tells_genes_and_region_classes(genome, make_vcf, scorer, tmp_path):
    gff = tmp_path / "a.gff"
    gff.write_text(GFF)
    places = {99: (".", "intergenic"), 100: ("one", "CDS"), 150: ("one", "CDS"), 151: ("one", "UTR")}
    places |= {165: ("one", "exon"), 171: ("one", "intron"), 195: ("one,g2", "intron"), 260: ("g2", "gene")}
    places |= {261: (".", "intergenic"), 515: ("long,short", "gene"), 600: ("long", "gene")}
    deletion = f"c 98 . {BASES[97:101]} {BASES[97]} . . ."
    source = make_vcf(*map(snv, places), deletion)
    annotate(source, genome, scorer, tmp_path / "o.vcf.gz", table=tmp_path / "t.tsv", gff=gff)
    frame = pd.read_csv(tmp_path / "t.tsv", sep="\t").drop_duplicates(["pos"])
    found = dict(zip(frame.pos, zip(frame.gene, frame.region, strict=True), strict=True))
    assert found == places | {98: ("one", "CDS")}
    with pytest.raises(UsageError, match="give --table"):
        annotate(source, genome, scorer, tmp_path / "o.vcf.gz", gff=gff)
    gff.write_text("elsewhere\t.\tgene\t1\t5\t.\t-\t.\tID=g3\n")
    with pytest.raises(InputError, match="no gene, exon or CDS on a contig"):
        GeneRegions(gff, genome)


@pytest.mark.parametrize(
    "lines",
    [
        ["gene 100 200 ID=a", "mRNA 100 200 ID=t;Parent=a", "exon 100 110 Parent=t,u", "gene 150 300 ID=b"],
        ["exon 100 110 Parent=t", "mRNA 100 200 ID=t;Parent=a", "gene 100 200 ID=a", "gene 150 300 ID=b"],
        ['gene 100 200 gene_id "a";', 'exon 100 110 gene_id "a"; transcript_id "t";', 'gene 150 300 gene_id "b";'],
    ],
)
def test_only_a_gene_that_has_exons_has_introns(genome, tmp_path, lines):
    gff = tmp_path / "a.gff"
    rows = (line.split(" ", 3) for line in lines)
    gff.write_text("".join(f"c\t.\t{kind}\t{first}\t{last}\t.\t+\t.\t{text}\n" for kind, first, last, text in rows))
    regions = GeneRegions(gff, genome)
    found = [regions.at("c", place, place + 1) for place in (105, 120, 160, 250)]
    assert found == [("a", "exon"), ("a", "intron"), ("a,b", "intron"), ("b", "gene")]


class Halves:
    """A background in which every score stands in the middle, but nothing is known of insertions."""

    def __init__(self):
        self.provenance = {"background": "half"}

    def percentiles(self, pairs, scores):
        return [float("nan") if pair.alt_length > pair.ref_length else 50.0 for pair in pairs]


def test_percentiles_are_written_beside_the_scores(genome, make_vcf, scorer, tmp_path):
    base = BASES[49]
    source = make_vcf(f"c 50 . {base} {OTHER[base]},{base}A,<DEL> . . .", f"c 60 . {BASES[59]} . . . .")
    out = tmp_path / "o.vcf.gz"
    annotate(source, genome, scorer, out, background=Halves(), table=tmp_path / "t.tsv")
    with pysam.VariantFile(str(out)) as variants:
        assert variants.header.info["GLM_PCTL"].number == "A"
        assert [r.info.get("GLM_PCTL") for r in variants] == [(50.0, None, None), None]
    assert pd.read_csv(tmp_path / "t.tsv", sep="\t").percentile.tolist() == ["50", ".", "."]
    annotate(out, genome, scorer, tmp_path / "p.vcf.gz")
    with pysam.VariantFile(str(tmp_path / "p.vcf.gz")) as variants:
        assert "GLM_PCTL" not in variants.header.info
        assert all("GLM_PCTL" not in r.info for r in variants)


@pytest.mark.parametrize("definition", ['##INFO=<ID=GLM_PCTL,Number=1,Type=String,Description="x">', None])
def test_a_foreign_percentile_is_refused_or_replaced_where_one_is_written(
    genome, make_vcf, scorer, tmp_path, definition
):
    source = make_vcf(snv(50, ";GLM_PCTL=theirs"), header=[definition] if definition else [])
    out = tmp_path / "o.vcf.gz"
    with pytest.raises(UsageError, match="GLM_PCTL.*overwrite-info"):
        annotate(source, genome, scorer, out, background=Halves())
    assert not out.exists()
    annotate(source, genome, scorer, out, background=Halves(), overwrite_info=True)
    with pysam.BGZFile(str(out), "rb") as stream:
        text = stream.read()
    assert (text.count(b"ID=GLM_PCTL,"), text.count(b"GLM_PCTL=")) == (1, 1)
    assert b"\tK=50;GLM_LLR=" in text
    annotate(source, genome, scorer, out)
    with pysam.BGZFile(str(out), "rb") as stream:
        assert b"\tK=50;GLM_PCTL=theirs;GLM_LLR=" in stream.read()
