"""`score --haplotypes`: which neighbours are made in both alleles, and that nothing else decides or tells of them."""

import json
import random
import sqlite3

import numpy as np
import pysam
import pytest
from typer.testing import CliRunner

from genomelm import cli
from genomelm.errors import InputError, UsageError
from genomelm.scoring import parts as parts_room
from genomelm.scoring import pools
from genomelm.scoring.annotate import annotate
from genomelm.scoring.haplotypes_calls import read_call
from genomelm.scoring.merge import merge
from genomelm.scoring.scorer import scorer_for
from genomelm.scoring.shard import Shard
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.seq.variant import Variant

BASES = "".join(random.Random(4).choices("ACGT", k=900))
OTHER = {"A": "C", "C": "G", "G": "T", "T": "A"}
COLUMNS = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tPATIENT_7\tPATIENT_8"
HEADER = ["##contig=<ID=c,length=900>", '##FORMAT=<ID=GT,Number=1,Type=String,Description="g">']


def snv(pos: int, call: str, form: str = "GT", alts: str = "") -> str:
    base = BASES[pos - 1]
    return f"c {pos} . {base} {alts or OTHER[base]} . . . {form} 0|1 {call}"


@pytest.fixture
def genome(make_genome):
    return make_genome(c=BASES)


@pytest.fixture
def windows(genome, make_vcf, scorer, tmp_path):
    """Score records of two samples; return for each (pos, alt) the reference windows that were read, and the result."""

    def read(*lines: str, **options):
        found = {}

        def score(pairs):
            for pair in pairs:
                found.setdefault((pair.variant.pos, pair.variant.alt), []).append(pair)
            return np.zeros(len(pairs))

        scorer.score = score
        source = make_vcf(*lines, columns=COLUMNS, header=HEADER)
        result = annotate(source, genome, scorer, tmp_path / "w.vcf.gz", haplotypes="PATIENT_8", **options)
        return found, result

    return read


def changed(pairs) -> list[list[int]]:
    """Return the positions at which each reference window differs from the reference."""
    return [
        [pair.window.start + i + 1 for i, base in enumerate(pair.ref) if base != BASES[pair.window.start + i]]
        for pair in pairs
    ]


def at(windows, pos: int) -> list[list[int]]:
    return changed(windows[0][pos, OTHER[BASES[pos - 1]]])


def test_a_heterozygous_allele_has_its_own_haplotype_and_what_stands_on_both(windows):
    read = windows(snv(96, "1|0"), snv(98, "0|1"), snv(100, "1|0"), snv(102, "1/1"), snv(104, "0/1"), snv(106, "1"))
    assert at(read, 100) == [[96, 102, 106]]
    assert at(read, 98) == [[102, 106]]
    assert "5 changes of the sample are neighbours; left out: 1 heterozygous calls without phase" in read[1].warnings[0]


def test_a_homozygous_allele_has_the_mean_of_both_haplotypes(windows, genome, make_vcf, scorer, tmp_path):
    lines = [snv(96, "1|0"), snv(98, "0|1"), snv(100, "1|1")]
    assert at(windows(*lines), 100) == [[96], [98]]
    scorer.score = lambda pairs: np.array([float(len(changed([pair])[0])) for pair in pairs])
    lines = [snv(95, "1|0"), *lines]
    annotate(make_vcf(*lines, columns=COLUMNS), genome, scorer, tmp_path / "o.vcf.gz", haplotypes="PATIENT_8")
    with pysam.VariantFile(str(tmp_path / "o.vcf.gz")) as variants:
        assert {r.pos: r.info["GLM_LLR"][0] for r in variants}[100] == 1.5


@pytest.mark.parametrize("call", ["0|0", "./.", ".", "0/1", "2|0"])
def test_an_allele_whose_haplotype_is_unknown_has_the_homozygous_neighbours_alone(windows, call):
    base = BASES[99]
    alts = ",".join([OTHER[base], OTHER[OTHER[base]]])
    read = windows(snv(96, "1|0"), snv(98, "1|1"), snv(100, call, alts=alts), snv(102, "0|1"))
    assert at(read, 100) == [[98]]


def test_each_allele_of_a_record_has_its_own_haplotype(windows):
    base = BASES[99]
    first, second = OTHER[base], OTHER[OTHER[base]]
    read = windows(snv(96, "1|0"), snv(98, ".|1"), snv(100, "1|2", alts=f"{first},{second}"))
    assert changed(read[0][100, first]) == [[96]]
    assert changed(read[0][100, second]) == [[98]]


def test_phase_sets_are_apart_and_a_homozygous_allele_takes_the_nearest(windows):
    sets = [("1|0:1", 94), ("1|0:1", 96), ("1|0:7", 100), ("1|0:7", 102), ("1|1:.", 97), ("1|0:.", 104), ("1|1:7", 95)]
    lines = [snv(pos, call, "GT:PS") for call, pos in sorted(sets, key=lambda item: item[1])]
    read = windows(*lines)
    assert at(read, 94) == [[95, 96, 97]]
    assert at(read, 100) == [[95, 97, 102]]
    assert at(read, 104) == [[95, 97]]
    assert at(read, 97) == [[94, 95, 96], [95]]
    assert at(read, 95) == [[97, 100, 102], [97]]


def test_of_neighbours_that_overlap_the_first_is_made_and_the_others_are_counted(windows):
    deletion = f"c 95 . {BASES[94:99]} {BASES[94]} . . . GT 0|1 1|0"
    lines = [deletion, snv(97, "1|0"), snv(98, "0|1"), snv(102, "1|0"), snv(103, "0|1"), snv(103, "0|1")]
    read, result = windows(*lines)
    assert "1 changes that overlap" not in result.warnings[0]
    assert "2 changes that overlap an earlier one" in result.warnings[0]
    (pair,) = read[102, OTHER[BASES[101]]]
    assert len(pair.ref) == 32
    assert pair.ref == (BASES[:95] + BASES[99:])[pair.window.start : pair.window.start + 32]
    (own,) = read[97, OTHER[BASES[96]]]  # the allele that is scored is made, the deletion over it is not
    assert own.ref[own.offset] == BASES[96]


def test_alleles_that_are_no_sequence_or_not_of_this_reference_are_no_neighbours(windows):
    wrong = f"c 96 . {OTHER[BASES[95]]} {BASES[95]} . . . GT 0|1 1|0"
    lines = [wrong, snv(97, "1|0", alts="<DEL>"), snv(98, "3|0"), snv(99, "x|y"), snv(100, "1|0"), snv(101, "0|1")]
    read = windows(*lines)
    assert at(read, 100) == [[]]
    assert "2 alleles that are no sequence or not of this reference, 2 calls that cannot be read" in read[1].warnings[0]


def test_windows_at_the_ends_of_a_contig_are_padded(windows):
    lines = [f"c 2 . {BASES[1:6]} {BASES[1]} . . . GT 0|1 1|0", snv(17, "1|0"), snv(899, "1|0"), snv(900, "1|0")]
    read, result = windows(*lines)
    (pair,) = read[17, OTHER[BASES[16]]]
    assert (pair.status, len(pair.ref)) == ("EDGE_PADDED", 32 - 4)
    assert result.statuses["EDGE_PADDED"] == 4


def many() -> list[str]:
    draw, lines = random.Random(3), []
    for pos in range(5, 890, 3):
        call = draw.choice(["1|0", "0|1", "1|1", "0/1", "./.", "0|0"])
        kind = draw.randrange(4)
        text = BASES[pos - 1]
        ref, alt = [(text, OTHER[text]), (text, OTHER[text]), (text, text + "GA"), (BASES[pos - 1 : pos + 1], text)][
            kind
        ]
        lines.append(f"c {pos} . {ref} {alt} . . . GT 0|0 {call}")
    return lines


def body(path) -> list[bytes]:
    with pysam.BGZFile(str(path), "rb") as stream:
        return [line for line in stream.read().split(b"\n") if not line.startswith(b"##genomelm")]


def test_shards_batches_resumed_cached_and_shuffled_runs_give_the_same_scores(
    genome, make_vcf, scorer, tmp_path, monkeypatch
):
    monkeypatch.setattr(pools, "BLOCK", 16)
    monkeypatch.setattr(parts_room, "SECONDS", 0)
    source, whole = make_vcf(*many(), columns=COLUMNS, header=HEADER), tmp_path / "whole.vcf.gz"
    options = {"haplotypes": "PATIENT_8"}
    annotate(source, genome, scorer, whole, **options)
    annotate(source, genome, scorer, tmp_path / "plain.vcf.gz")
    assert body(whole) != body(tmp_path / "plain.vcf.gz")
    shards = [tmp_path / f"{number}.vcf.gz" for number in (1, 2, 3)]
    for number, out in enumerate(shards, 1):
        annotate(source, genome, scorer, out, shard=Shard(number, 3), cache=tmp_path / "cache", **options)
    merge(shards, tmp_path / "joined.vcf.gz")
    score, calls = scorer.score, []

    def stop(pairs):
        calls.append(pairs)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return score(pairs)

    scorer.score = stop
    with pytest.raises(KeyboardInterrupt):
        annotate(source, genome, scorer, tmp_path / "resumed.vcf.gz", resume=True, batch_size=7, **options)
    with pytest.raises(UsageError, match="another haplotypes"):
        annotate(source, genome, scorer, tmp_path / "resumed.vcf.gz", resume=True, batch_size=7, haplotypes="PATIENT_7")
    annotate(source, genome, scorer, tmp_path / "resumed.vcf.gz", resume=True, batch_size=7, **options)
    scorer.score = lambda pairs: pytest.fail("all scores are kept")
    annotate(source, genome, scorer, tmp_path / "cached.vcf.gz", cache=tmp_path / "cache", **options)
    scorer.score = score
    shuffled = random.Random(5).sample(many(), len(many()))
    other = make_vcf(*shuffled, columns=COLUMNS, header=HEADER, name="shuffled.vcf.gz")
    with pytest.raises(UsageError, match="not sorted.*--sort"):
        annotate(other, genome, scorer, tmp_path / "sorted.vcf.gz", **options)
    annotate(other, genome, scorer, tmp_path / "sorted.vcf.gz", sort=True, **options)
    names = tmp_path / "names"
    names.write_text("PATIENT_7\n")
    pysam.bcftools.view("-Ob", "-o", str(tmp_path / "in.bcf"), str(source), catch_stdout=False)
    annotate(tmp_path / "in.bcf", genome, scorer, tmp_path / "bcf.vcf.gz", **options)
    for name in ("joined", "resumed", "cached", "sorted"):
        assert body(tmp_path / f"{name}.vcf.gz") == body(whole), name
    assert [line.split(b"\t")[7] for line in body(tmp_path / "bcf.vcf.gz") if line[:1] == b"c"] == [
        line.split(b"\t")[7] for line in body(whole) if line[:1] == b"c"
    ]


def test_the_sample_need_not_be_among_those_that_are_kept(genome, make_vcf, scorer, tmp_path):
    source = make_vcf(*many(), columns=COLUMNS, header=HEADER)
    annotate(source, genome, scorer, tmp_path / "a.vcf.gz", haplotypes="PATIENT_8")
    annotate(source, genome, scorer, tmp_path / "b.vcf.gz", haplotypes="PATIENT_8", samples=["PATIENT_7"])
    info = [
        [line.split(b"\t")[7] for line in body(tmp_path / name) if line[:1] == b"c"]
        for name in ("a.vcf.gz", "b.vcf.gz")
    ]
    assert info[0] == info[1]


def test_no_name_and_no_genotype_reaches_another_file(genome, make_vcf, scorer, tmp_path, caplog):
    caplog.set_level("DEBUG")
    lines = [*many()[:40], snv(880, "1|0:SECRET", "GT:X")]
    source = make_vcf(*lines, columns=COLUMNS, header=HEADER)
    for name, options in (("o", {}), ("s", {"shard": Shard(1, 2), "resume": True})):
        annotate(
            *(source, genome, scorer, tmp_path / f"{name}.vcf.gz"),
            **{"haplotypes": "PATIENT_8", "cache": tmp_path / "cache", **options},
            **{"table": tmp_path / f"{name}.tsv", "summary": tmp_path / f"{name}.json"},
        )
        with pysam.BGZFile(str(tmp_path / f"{name}.vcf.gz"), "rb") as stream:
            ours = [line for line in stream.read().split(b"\n") if line.startswith((b"##genomelm", b"##INFO"))]
        assert b"PATIENT" not in b"".join(ours)
        for path in (tmp_path / f"{name}.tsv", tmp_path / f"{name}.tsv.json", tmp_path / f"{name}.json"):
            assert "PATIENT" not in path.read_text()
            assert "SECRET" not in path.read_text()
    (kept,) = (tmp_path / "cache").iterdir()
    with sqlite3.connect(kept) as connection:
        assert "PATIENT" not in "\n".join(connection.iterdump())
    assert "PATIENT" not in caplog.text
    assert not [path for path in tmp_path.iterdir() if "haplotypes" in path.name or path.name.endswith(".tmp")]
    assert "haplotypes" in json.loads((tmp_path / "o.json").read_text())["provenance"]


def test_faults_name_what_is_wrong_and_the_way_out(genome, make_vcf, scorer, tmp_path):
    source = make_vcf(snv(100, "1|0"), columns=COLUMNS)
    out = tmp_path / "out" / "o.vcf.gz"

    def refused(kind, message, source=source, sample="PATIENT_8"):
        with pytest.raises(kind, match=message) as fault:
            annotate(source, genome, scorer, out, haplotypes=sample)
        assert list(out.parent.iterdir()) == []
        return str(fault.value)

    text = refused(
        UsageError, "2 samples, but not the one that is named; the nearest name is sample number 2", sample="patient-8"
    )
    assert "PATIENT" not in text.upper()
    refused(UsageError, "no sample columns", make_vcf("c 100 . A C . . .", name="sites.vcf"))
    refused(
        InputError,
        "none of the 2 heterozygous calls.*is phased",
        make_vcf(snv(5, "0/1"), snv(9, "1/0"), snv(20, "1/1"), columns=COLUMNS, name="u.vcf"),
    )
    scored = annotate(
        make_vcf(columns=COLUMNS, name="e.vcf"), genome, scorer, tmp_path / "e.vcf.gz", haplotypes="PATIENT_8"
    )
    assert scored.records_out == 0


def test_one_contig_under_two_names_is_refused(make_genome, make_vcf, scorer, tmp_path):
    lines = [snv(100, "1|0"), snv(110, "1|0").replace("c ", "chrc ", 1)]
    source = make_vcf(*lines, columns=COLUMNS)
    with pytest.raises(InputError, match="both 'c' and 'chrc'.*rename-chrs"):
        annotate(source, make_genome(c=BASES), scorer, tmp_path / "o.vcf.gz", haplotypes="PATIENT_8")


@pytest.mark.parametrize("form", ["DP", "DP:GT", "GT:DP", "PS:GT"])
def test_gt_is_found_wherever_format_has_it(form):
    values = {"DP": b"9", "GT": b"0|1", "PS": b"."}
    call = read_call(form.encode(), b":".join(values[key] for key in form.split(":")), 1)
    assert (call is None) == ("GT" not in form)
    assert call is None or (call.alleles, call.phased, call.phase_set) == ((0, 1), True, None)


def test_a_model_gives_the_scores_that_it_gives_on_the_samples_own_genome(
    language_model, tiny_fasta, make_genome, make_vcf, tmp_path
):
    scorer = scorer_for(language_model, 64)
    with Genome(tiny_fasta) as reference:
        bases = reference.fetch(Interval("c1", 0, 400)).upper()
    genome = make_genome(c=bases)
    draw = random.Random(9)
    sites = {pos: draw.choice(["1|0", "0|1", "1|1"]) for pos in range(30, 370, 7)}
    lines = [f"c {p} . {bases[p - 1]} {OTHER[bases[p - 1]]} . . . GT 0|0 {call}" for p, call in sites.items()]
    found = annotate(make_vcf(*lines, columns=COLUMNS), genome, scorer, tmp_path / "o.vcf.gz", haplotypes="PATIENT_8")
    assert found.scored == len(sites)
    with pysam.VariantFile(str(tmp_path / "o.vcf.gz")) as variants:
        scores = {r.pos: r.info["GLM_LLR"][0] for r in variants}
    for pos in (100, 107, 198):
        own = []
        for place in (place for place in (0, 1) if sites[pos][2 * place] == "1"):
            letters = list(bases)
            for other, call in sites.items():
                if other != pos and call[2 * place] == "1":
                    letters[other - 1] = OTHER[bases[other - 1]]
            (tmp_path / "own.fa").write_text(f">c\n{''.join(letters)}\n")
            with Genome(tmp_path / "own.fa", tmp_path / f"index{pos}{place}") as personal:
                variant = scorer.pair(personal, snv_of(pos, bases))
                own.append(scorer.score([variant])[0])
        assert scores[pos] == pytest.approx(np.mean(own), abs=1e-5)


def snv_of(pos: int, bases: str) -> Variant:
    return Variant("c", pos, bases[pos - 1], OTHER[bases[pos - 1]])


def test_windows_that_are_bound_to_a_place_are_refused(language_model, tiny_fasta, make_vcf, tmp_path):
    scorer = scorer_for(language_model, window=Interval("c1", 100, 200))
    source = make_vcf("c1 150 . A C . . . GT 0|1 1|0", columns=COLUMNS)
    with Genome(tiny_fasta) as genome, pytest.raises(UsageError, match="--window is one fixed sequence"):
        annotate(source, genome, scorer, tmp_path / "o.vcf.gz", haplotypes="PATIENT_8")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--saturate", "c:1-9"], "not --saturate or --explain"),
        (["--explain", "c:5:A:C"], "not --saturate or --explain"),
        (["in.tsv"], "--haplotypes is for a VCF"),
        (["in.vcf", "--patches", "p"], "--patches go by coordinate"),
    ],
)
def test_what_has_no_genotypes_or_goes_by_coordinate_is_refused_by_name(tmp_path, more, message):
    options = ["-r", tmp_path / "r.fa", "-m", tmp_path / "m", "-o", tmp_path / "o.vcf.gz", "--haplotypes", "S"]
    result = CliRunner().invoke(cli.app, [*map(str, ["score", *more, *options])])
    assert message in str(result.output) + str(result.exception)
