"""The bundled data is what its README says: split, elements and regions agree with the sequences."""

import csv
import gzip
import hashlib
from pathlib import Path

import pysam
import pytest
import yaml

BUNDLED = Path(__file__).parents[2] / "data_manifests" / "bundled"


def rows(name):
    opener = gzip.open if name.endswith(".gz") else open
    with opener(BUNDLED / name, "rt", encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t" if ".tsv" in name else ","))


@pytest.fixture(scope="module")
def lac_locus():
    with gzip.open(BUNDLED / "GCF_000005845.2_ASM584v2_genomic.fna.gz", "rt") as stream:
        assert stream.readline().startswith(">NC_000913.3")
        genome = stream.read(380_000).replace("\n", "")
    forward = genome[366_343:366_418].upper()
    return forward[::-1].translate(str.maketrans("ACGT", "TGCA")), genome


def test_the_split_is_made_as_described():
    data = rows("sortseq_data.trainval.csv.gz")
    digest = {row["x"]: hashlib.sha256(row["x"].upper().encode()).hexdigest() for row in data}
    test = {digest[row["x"]] for row in data if row["set"] == "validation"}
    rest = sorted(set(digest.values()) - test)
    expected = {name[:16]: "test" for name in test}
    expected |= {name[:16]: "validation" for name in rest[: round(0.05 * len(rest))]}
    assert {row["sequence_sha256"]: row["split"] for row in rows("lac_sortseq.split.tsv")} == expected
    assert len({name[:16] for name in digest.values()}) == len(digest)


def test_the_commonest_base_of_the_mutants_is_the_genome(lac_locus):
    sequences = [row["x"] for row in rows("sortseq_data.trainval.csv.gz")[::20]]
    consensus = "".join(max("ACGT", key=column.count) for column in zip(*sequences, strict=True))
    assert consensus == lac_locus[0]


def test_the_elements_stand_where_they_say(lac_locus):
    promoter, genome = lac_locus
    elements = rows("lac_elements.tsv")
    assert [row["name"] for row in elements] == ["CRP", "-35", "-10"]
    for row in elements:
        assert promoter[int(row["start"]) : int(row["end"])] == row["sequence"]
        forward = genome[int(row["genome_start"]) : int(row["genome_end"])].upper()
        assert forward[::-1].translate(str.maketrans("ACGT", "TGCA")) == row["sequence"]
        assert row["strand"] == "-"


def test_the_demo_regions_hold_2420_records():
    contig, start, end = (BUNDLED / "kgp_demo_regions.bed").read_text().split()
    with pysam.BGZFile(str(BUNDLED / "kgp_1mb_z.vcf.gz"), "rb") as stream:
        lines = [line.split(b"\t", 2) for line in stream if not line.startswith(b"#")]
    inside = [line for line in lines if line[0].decode() == contig and int(start) < int(line[1]) <= int(end)]
    assert len(inside) == 2420


def digests(sequences):
    return sorted({hashlib.sha256(sequence.upper().encode()).hexdigest() for sequence in sequences})


def tenths(sequences):
    """Return the split of README.md: by digest, the first tenth test, the second validation."""
    names = digests(sequences)
    size = round(0.1 * len(names))
    assert len({name[:16] for name in names}) == len(names)
    return {name[:16]: "test" for name in names[:size]} | {name[:16]: "validation" for name in names[size : 2 * size]}


def split_of(name):
    return {row["sequence_sha256"]: row["split"] for row in rows(name)}


def test_the_wild_type_stands_in_the_lac_table_where_the_readme_says(lac_locus):
    data = rows("sortseq_data.trainval.csv.gz")
    (place,) = [i for i, row in enumerate(data) if row["x"] == lac_locus[0]]
    counts = [int(data[place][f"ct_{i}"]) for i in range(10)]
    assert place + 2 == 17243
    assert counts == [0] * 8 + [1, 1]
    assert digests([lac_locus[0]])[0][:16] not in split_of("lac_sortseq.split.tsv")


def test_splice_sites_are_9_nt_of_rna_and_split_as_described():
    data = rows("mpsa_data.trainval.csv.gz")
    assert len(data) == 24405
    assert {row["set"] for row in data} == {"training", "validation"}
    assert all(len(row["x"]) == 9 and set(row["x"]) <= set("ACGU") and row["x"][3:5] in ("GU", "GC") for row in data)
    assert split_of("splice_mpsa.split.tsv") == tenths(row["x"] for row in data)


def test_pab1_names_are_substitutions_of_the_task_s_reference_and_split_as_described():
    task = yaml.safe_load((BUNDLED.parents[1] / "configs" / "tasks" / "pab1.yaml").read_text())
    reference, first = task["reference"], task["first_position"]
    assert (len(reference), first) == (75, 126)
    mutants = []
    for row in rows("pab1.nostop.tsv.gz"):
        mutant = list(reference)
        for name in row["variant"].split(","):
            place = int(name[1:-1]) - first
            assert reference[place] == name[0]
            assert name[-1] != "*"
            mutant[place] = name[-1]
        mutants.append("".join(mutant))
    assert len(mutants) == len(set(mutants)) == 37710
    assert reference not in mutants
    assert split_of("pab1_dms.split.tsv") == tenths(mutants)
