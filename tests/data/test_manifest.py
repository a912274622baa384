"""Manifests: typed rows, and all faults at once with line numbers."""

import hashlib
from pathlib import Path

import pytest

from genomelm.data.manifest import REQUIRED, read_manifest
from genomelm.errors import UsageError

REPOSITORY = Path(__file__).parents[2]
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
        "line 5: address 'file:///etc/passwd'",
        "line 5: bundled '../../d'",
        "line 6: neither sha256 nor checksum_url",
        "line 6: licence is empty",
    ):
        assert expected in message


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


@pytest.mark.parametrize("path", sorted((REPOSITORY / "data_manifests").glob("*.tsv")), ids=lambda path: path.name)
def test_every_shipped_manifest_is_valid(path):
    assert read_manifest(path).rows if path.name != "lock.tsv" else path.read_text().startswith("name\tsha256")


def test_every_bundled_file_is_what_its_row_says_and_small():
    for row in read_manifest(REPOSITORY / "data_manifests" / "bundled.tsv").rows.values():
        content = row.bundled.read_bytes()
        assert len(content) == row.bytes < 2_000_000
        assert hashlib.sha256(content).hexdigest() == row.sha256
