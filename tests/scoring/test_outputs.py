import json
import random

import pandas as pd
import pysam
import pytest

from genomelm.errors import InputError
from genomelm.scoring.annotate import annotate
from genomelm.scoring.saturate import saturate
from genomelm.seq.interval import Interval

BASES = "".join(random.Random(4).choices("ACGT", k=300))


def test_the_table_has_one_row_an_allele_and_its_provenance_beside_it(make_genome, make_vcf, scorer, tmp_path):
    base = BASES[99]
    source = make_vcf(f"1 100 rs1 {base} {base}A,<DEL> . . .", f"1 101 . {BASES[100]} . . . .")
    table = tmp_path / "t.tsv"
    result = annotate(
        source, make_genome(chr1=BASES), scorer, tmp_path / "o.vcf.gz", table=table, summary=tmp_path / "s.json"
    )
    frame = pd.read_csv(table, sep="\t", na_values=".", dtype={"contig": str})
    assert list(frame.columns) == ["contig", "pos", "id", "ref", "alt", "status", "score"]
    assert frame.values.tolist()[0][:6] == ["1", 100, "rs1", base, base + "A", "OK"]
    assert frame["status"].tolist() == ["OK", "SYMBOLIC"]
    assert frame["score"].notna().tolist() == [True, False]
    beside = json.loads((tmp_path / "t.tsv.json").read_text())
    assert beside["model"] == "0" * 64
    assert len(beside["reference"]) == 64
    written = json.loads((tmp_path / "s.json").read_text())
    assert written["statuses"] == result.statuses == {"SYMBOLIC": 1, "OK": 1}
    assert written["sites"] == {"NO_ALT": 1}
    assert (written["records_in"], written["alleles"], written["scored"]) == (2, 2, 1)


def test_genotypes_and_sample_names_reach_no_other_file(make_genome, make_vcf, scorer, tmp_path, caplog):
    columns = "#CHROM POS ID REF ALT QUAL FILTER INFO FORMAT PATIENT_7".replace(" ", "\t")
    source = make_vcf(f"c 100 . {BASES[99]} * . . . GT:X 0|1:SECRET", columns=columns)
    annotate(
        source,
        make_genome(c=BASES),
        scorer,
        tmp_path / "o.vcf.gz",
        table=tmp_path / "t.tsv",
        summary=tmp_path / "s.json",
    )
    for name in ("t.tsv", "t.tsv.json", "s.json"):
        text = (tmp_path / name).read_text()
        assert "PATIENT_7" not in text
        assert "SECRET" not in text
    assert "PATIENT_7" not in caplog.text


def test_progress_ends_at_the_number_of_records(make_genome, make_vcf, scorer, tmp_path):
    source = make_vcf(*[f"c {pos} . {BASES[pos - 1]} <DEL> . . ." for pos in range(1, 200)])
    seen = []
    annotate(
        source,
        make_genome(c=BASES),
        scorer,
        tmp_path / "o.vcf.gz",
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen[-1] == (199, 199)


@pytest.mark.parametrize("name", ["all.vcf", "all.vcf.gz"])
def test_saturation_writes_each_substitution_once_and_scores(make_genome, scorer, tmp_path, name):
    genome = make_genome(c=BASES[:50] + "n" + BASES[50:].lower())
    path = tmp_path / name
    assert saturate(genome, [Interval("c", 45, 60), Interval("c", 40, 50, "-")], path) == 57
    with pysam.VariantFile(str(path)) as variants:
        records = [(r.pos, r.ref, r.alts) for r in variants]
    assert len(set(records)) == 57
    assert [pos for pos, _, _ in records] == sorted(pos for pos, _, _ in records)
    result = annotate(path, genome, scorer, tmp_path / "o.vcf.gz")
    assert result.statuses == {"OK": 57}
    assert result.index
    with pytest.raises(InputError, match="301 bases"):
        saturate(genome, [Interval("c", 290, 302)], path)
