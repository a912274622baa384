"""Manifests: typed rows, and all faults at once with line numbers."""

import hashlib
import json
from pathlib import Path

import jsonschema
import pytest

from genomelm.data.manifest import SCHEMA, read_manifest
from genomelm.errors import UsageError

REPOSITORY = Path(__file__).parents[2]
MANIFESTS = REPOSITORY / "data_manifests"
REQUIRED = tuple(json.loads(SCHEMA.read_text())["required"])
GOOD = {
    "name": "a.fa.gz",
    "kind": "genome",
    "assembly": "A1",
    "url": "https://example.org/x/a.fa.gz",
    "bytes": "12",
    "sha256": "0" * 64,
    "checksum_url": "",
    "licence": "MIT",
    "citation": "Someone 2020",
    "bundled": "",
}


def write(path: Path, *rows: dict[str, str], columns=(*REQUIRED, "verified")) -> Path:
    lines = ["\t".join(columns)] + ["\t".join({**GOOD, **row}.get(c, "") or "" for c in columns) for row in rows]
    path.write_text("\n".join(lines).replace("\tNONE", "\t") + "\n")
    return path


def test_a_row_is_typed(tmp_path):
    row = read_manifest(write(tmp_path / "m.tsv", {"url": "https://a.org/1 https://b.org/2", "verified": "yes"})).row(
        "a.fa.gz"
    )
    assert row.bytes == 12
    assert row.urls == ("https://a.org/1", "https://b.org/2")
    assert row.verified
    assert row.bundled is None


def test_all_faults_come_at_once_with_line_numbers(tmp_path):
    path = write(
        tmp_path / "m.tsv",
        {"kind": "genom", "verified": "no"},
        {"name": "../b.fa.gz", "verified": "no"},
        {"name": "c.fa.gz", "bytes": "-1", "sha256": "xyz", "verified": "maybe"},
        {"name": "d.fa", "url": "file:///etc/passwd", "bundled": "../../d", "verified": "no"},
        {"name": "e.fa.gz", "sha256": "NONE", "licence": "NONE", "verified": "no"},
        {
            **{"name": "f.fa.gz", "url": "https://a.org/x.zip#a https://b.org/x.zip#b", "verified": "no"},
            **{"sha256": "first-use", "checksum_url": "https://a.org/sums"},
        },
        {"name": "h.gz", "kind": "variants", "url": "NONE", "verified": "no"},
    )
    with pytest.raises(UsageError) as caught:
        read_manifest(path)
    message = str(caught.value)
    for expected in (
        "line 2: kind 'genom'",
        "line 3: name '../b.fa.gz'",
        "line 4: bytes '-1'",
        "line 4: sha256 'xyz'",
        "line 4: verified 'maybe'",
        "line 5: name 'd.fa'",
        "line 5: url 'file:///etc/passwd'",
        "line 5: bundled '../../d'",
        "line 6: neither sha256 nor checksum_url",
        "line 6: licence is empty",
        "line 7: sha256 is first-use although checksum_url is given",
        "line 7: url 'https://a.org/x.zip#a https://b.org/x.zip#b' names several members",
        "line 8: name 'h.gz' of kind variants must end with .vcf.gz",
        "line 8: neither url nor bundled",
    ):
        assert expected in message
    assert message.startswith(f"manifest {path}: 14 faults")


def test_an_unknown_column_suggests_the_nearest(tmp_path):
    path = write(tmp_path / "m.tsv", {}, columns=(*REQUIRED, "verifed"))
    with pytest.raises(UsageError, match="unknown column 'verifed'; did you mean 'verified'"):
        read_manifest(path)


def test_a_name_that_appears_twice_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"line 3: name 'a.fa.gz' appears twice"):
        read_manifest(write(tmp_path / "m.tsv", {"verified": "no"}, {"verified": "no"}))


def test_an_unknown_name_suggests_the_nearest(tmp_path):
    with pytest.raises(UsageError, match=r"did you mean 'a\.fa\.gz'"):
        read_manifest(write(tmp_path / "m.tsv", {"verified": "no"})).row("b.fa.gz")


def test_a_folder_is_one_manifest_of_all_its_tables(tmp_path):
    write(tmp_path / "a.tsv", {"verified": "no"})
    write(tmp_path / "b.tsv", {"name": "b.fa.gz", "url": "https://a.org/x.zip#in/b.fa", "verified": "no"})
    (tmp_path / "lock.tsv").write_text("name\tsha256\n")
    manifest = read_manifest(tmp_path)
    assert set(manifest.rows) == {"a.fa.gz", "b.fa.gz"}
    assert manifest.lock_path == read_manifest(tmp_path / "a.tsv").lock_path == tmp_path / "lock.tsv"
    assert (manifest.row("b.fa.gz").urls, manifest.row("b.fa.gz").member) == (("https://a.org/x.zip",), "in/b.fa")
    write(tmp_path / "c.tsv", {"verified": "no"}, {"name": "c", "verified": "no"})
    with pytest.raises(UsageError) as caught:
        read_manifest(tmp_path)
    assert "c.tsv line 2: name 'a.fa.gz' appears twice" in str(caught.value)
    assert "c.tsv line 3: name 'c' of kind genome must end with .gz" in str(caught.value)


def test_a_folder_without_tables_is_told(tmp_path):
    with pytest.raises(UsageError, match="holds no table"):
        read_manifest(tmp_path)


def test_the_schema_is_one_and_each_of_its_faults_has_a_sentence():
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    bad = {name: part for name, part in schema["properties"].items() if part.keys() - {"type"}}
    assert all("description" in part for part in bad.values())


@pytest.mark.parametrize("path", sorted(MANIFESTS.glob("*.tsv")), ids=lambda path: path.name)
def test_every_shipped_manifest_is_valid(path):
    assert read_manifest(path).rows if path.name != "lock.tsv" else path.read_text().startswith("name\tsha256")


def test_the_shipped_manifests_have_what_the_workflow_s_users_ask_for():
    rows = read_manifest(MANIFESTS).rows
    assert not rows["hg38.fa.gz"].verified
    for name in (
        "ecoli",
        "hg38",
        "grch38",
        "hg19",
        "grch37",
        "chm13",
        "saccer3",
        "yeast",
        "worm",
        "fly",
        "arabidopsis",
    ):
        assert rows[f"{name}.fa.gz"].kind == "genome"
    for name in ("clinvar", "kgp_sites", "dbsnp_common", "gnomad_genomes.chr22", "gnomad_exomes.chrX"):
        assert rows[f"{name}.vcf.gz"].kind == "variants"
    for name in ("gencode.gff3.gz", "ccre.bed", "ecoli.gff.gz", "yeast.gff.gz"):
        assert rows[name].kind == "annotation"
    for name in ("phylop100.hg38.bw", "phastcons100.hg38.bw"):
        assert rows[name].kind == "track"
    for name in ("jaspar.sqlite", "jaspar_vertebrates.meme", "regulondb_sites.txt"):
        assert rows[name].kind == "motifs"
    for name in ("mpra_kircher2019.tsv.gz", "brca1_findlay2018.xlsx", "mavedb.zip", "proteingym_substitutions.zip"):
        assert rows[name].kind == "assay"
    assert rows["gb_human_nontata_promoters.train.parquet"].sha256


def test_rows_of_one_assembly_agree_on_its_name():
    rows = read_manifest(MANIFESTS).rows.values()
    known = {row.assembly for row in rows if row.kind == "genome"}
    for row in rows:
        if row.kind in ("variants", "annotation", "track"):
            assert row.assembly in known, row.name


def test_no_row_of_another_publisher_goes_over_plain_http():
    for row in read_manifest(MANIFESTS).rows.values():
        assert all(url.startswith("https://") for url in (*row.urls, row.checksum_url or "https://")), row.name


def test_every_bundled_file_is_what_its_row_says_and_small():
    for row in read_manifest(MANIFESTS / "bundled.tsv").rows.values():
        content = row.bundled.read_bytes()
        assert len(content) == row.bytes < 2_000_000
        assert hashlib.sha256(content).hexdigest() == row.sha256
