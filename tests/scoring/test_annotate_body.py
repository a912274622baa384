"""The body stays what it was, whatever it holds."""

import tempfile
from pathlib import Path

import pysam
import pytest
from hostile_files import BASES, files
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genomelm.scoring.annotate import annotate
from genomelm.scoring.output import VcfOutput
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.seq.window import SCORED, STATUSES

REAL = Path(__file__).parents[2] / "data_manifests" / "bundled"


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=files(), batch_size=st.integers(1, 9))
def test_nothing_but_info_changes_on_hostile_files(scorer, content, batch_size):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "ref.fa").write_text(f">c\n{BASES}\n")
        (folder / "in.vcf").write_bytes(content)
        out = folder / "out.vcf.gz"
        with Genome(folder / "ref.fa", folder) as genome:
            result = annotate(folder / "in.vcf", genome, scorer, out, batch_size=batch_size)
            with pysam.BGZFile(str(out), "rb") as stream:
                written = stream.read()
            again = annotate(out, genome, scorer, folder / "again.vcf.gz", batch_size=3)
            with pysam.BGZFile(str(folder / "again.vcf.gz"), "rb") as stream:
                assert stream.read() == written
        whole = content if content.endswith(b"\n") else content + (b"\r\n" if b"\r\n" in content else b"\n")
        before = [line for line in whole.split(b"\n") if line and not line.startswith(b"#")]
        after = [line for line in written.split(b"\n") if line and not line.startswith(b"#")]
        assert len(before) == len(after) == result.records_in == result.records_out == again.records_in
        for old, new in zip(before, after, strict=True):
            assert without_info(old) == without_info(new)
            check_info(old, new)
        old_header = [line for line in whole.split(b"\n") if line.startswith(b"#")]
        new_header = [line for line in written.split(b"\n") if line.startswith(b"#")]
        assert [line for line in new_header if line in old_header] == old_header
        assert set(result.statuses) <= set(STATUSES)
        assert sorted(p.name for p in folder.iterdir() if p.name.startswith(".")) == []


def without_info(line: bytes) -> list[bytes]:
    columns = line.split(b"\t")
    last = b"\r" if len(columns) == 8 and columns[7].endswith(b"\r") else b""
    return [*columns[:7], last, *columns[8:]]


def check_info(old: bytes, new: bytes) -> None:
    """The old INFO text is kept whole; ours follows, with one value an ALT."""
    before, after = (line.split(b"\t")[7].rstrip(b"\r") for line in (old, new))
    assert after.startswith(b"" if before in (b".", b"") else before)
    ours = dict(item.split(b"=") for item in after.split(b";") if item.startswith(b"GLM_"))
    alts = old.split(b"\t")[4]
    if alts == b".":
        assert ours == {b"GLM_SITE": b"NO_ALT"}
        return
    scores, statuses = ours[b"GLM_LLR"].split(b","), ours[b"GLM_STATUS"].split(b",")
    assert len(scores) == len(statuses) == alts.count(b",") + 1
    for score, status in zip(scores, statuses, strict=True):
        assert (score == b".") == (status.decode() not in SCORED)
        assert b"nan" not in score.lower()


def test_real_records_come_out_as_they_went_in(tmp_path, monkeypatch, scorer):
    monkeypatch.setenv("GENOMELM_CACHE", str(tmp_path / "cache"))
    source, out = REAL / "kgp_1mb_z.vcf.gz", tmp_path / "out.vcf.gz"
    with Genome(REAL / "kgp_1mb_z.fa.gz") as genome:
        result = annotate(source, genome, scorer, out)
    assert result.records_in == result.records_out == 28_998
    assert set(result.statuses) == {"OK", "EDGE_PADDED", "SYMBOLIC", "TOO_LONG"}
    with pysam.BGZFile(str(source), "rb") as a, pysam.BGZFile(str(out), "rb") as b:
        before, after = ([line for line in f.read().split(b"\n") if line[:1] != b"#"] for f in (a, b))
    assert [without_info(line) for line in before if line] == [without_info(line) for line in after if line]
    with pysam.VariantFile(str(out)) as variants:
        assert variants.header.contigs["z"].length == 1_000_000
        record = next(variants.fetch("z", 71, 72))
        assert (record.id, record.info["GLM_STATUS"], len(record.info["GLM_LLR"])) == ("rs6056638", ("OK",), 1)


def test_regions_select_and_everything_else_passes_through(make_genome, make_vcf, read_vcf, scorer, tmp_path):
    genome = make_genome(chrc=BASES)
    records = [f"c {pos} . {BASES[pos - 1]} . . . ." for pos in (5, 6)]
    records += [f"c {pos} . {BASES[pos - 1 : pos + 2]} {BASES[pos - 1]} . . K=1" for pos in (98, 99, 100, 120, 121)]
    source = make_vcf(*records)
    out = tmp_path / "out.vcf.gz"
    result = annotate(source, genome, scorer, out, regions=[Interval("chrc", 100, 110), Interval("1", 105, 120)])
    _, rows = read_vcf(out)
    assert [b"NOT_SELECTED" in row[7] for row in rows] == [True, True, True, False, False, True, True]
    assert rows[2][7] == b"K=1;GLM_SITE=NOT_SELECTED"
    assert result.sites == {"NOT_SELECTED": 5}
    assert result.scored == 2
    assert any("1" in note for note in result.warnings)


@pytest.mark.parametrize("batch_size", [1, 2, 64])
def test_scores_do_not_depend_on_the_batch(make_genome, make_vcf, scorer, tmp_path, batch_size):
    genome = make_genome(c=BASES)
    records = [f"c {pos} . {BASES[pos - 1]} {BASES[pos - 1]}A,{BASES[pos - 1]}CC,<DEL> . . ." for pos in range(1, 40)]
    out, reference = tmp_path / "out.vcf.gz", tmp_path / "reference.vcf.gz"
    annotate(make_vcf(*records), genome, scorer, reference, batch_size=7)
    scorer.calls.clear()
    annotate(make_vcf(*records), genome, scorer, out, batch_size=batch_size)
    assert max(scorer.calls) <= batch_size + 1  # a record's alleles stay together
    with pysam.BGZFile(str(out)) as a, pysam.BGZFile(str(reference)) as b:
        assert a.read() == b.read()


@pytest.mark.parametrize(("choice", "counts"), [("flag", "3 .*, 2 .*, 0"), ("drop", "3 .*, 1 .*, 1")])
def test_a_record_that_is_lost_on_the_way_is_no_dropped_record(
    make_genome, make_vcf, scorer, tmp_path, monkeypatch, choice, counts
):
    write = VcfOutput.write

    def lose_one(output, data):
        write(output, b"".join(line for line in data.splitlines(keepends=True) if not line.startswith(b"c\t30\t")))

    monkeypatch.setattr(VcfOutput, "write", lose_one)
    mismatch = f"c 9 . {'A' if BASES[8] != 'A' else 'C'} G . . ."
    source = make_vcf(f"c 5 . {BASES[4]} <DEL> . . .", mismatch, f"c 30 . {BASES[29]} <DEL> . . .")
    out = tmp_path / "out" / "out.vcf.gz"
    with pytest.raises(AssertionError, match=f"{counts} dropped on request: the rest was lost"):
        annotate(source, make_genome(c=BASES), scorer, out, on_ref_mismatch=choice)
    assert list(out.parent.iterdir()) == []
