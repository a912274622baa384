"""genomelm fetch: bundled and served rows become prepared files with their provenance; plans write nothing."""

import hashlib
import importlib.util
import io
import json
import shutil
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from genomelm.cli import app
from genomelm.data import prepare as prepare_module
from genomelm.data.checksum import read_pins
from genomelm.files import output_lock
from genomelm.seq.bgzf import compression_of

REPOSITORY = Path(__file__).parents[2]
MANIFEST = REPOSITORY / "data_manifests" / "bundled.tsv"
COLUMNS = ("name", "kind", "assembly", "url", "bytes", "sha256", "checksum_url", "licence", "citation", "bundled")
FASTA = b">c1\n" + b"ACGT" * 100 + b"\n"

_spec = importlib.util.spec_from_file_location("faulty_server", REPOSITORY / "tests" / "data" / "faulty_server.py")
faulty_server = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(faulty_server)


@pytest.fixture
def server():
    with faulty_server.serving() as running:
        yield running


def fetch(*arguments, manifest=MANIFEST):
    return CliRunner().invoke(app, ["fetch", "--manifest", str(manifest), *map(str, arguments)])


def table(folder, *rows):
    """Write a manifest; cells that a row does not give have a default."""
    path = folder / "tables" / "own.tsv"
    path.parent.mkdir(exist_ok=True)
    default = {"kind": "assay", "sha256": "first-use", "licence": "CC0", "citation": "Someone 2020"}
    lines = ["\t".join(COLUMNS)] + ["\t".join((default | row).get(column, "") for column in COLUMNS) for row in rows]
    path.write_text("\n".join(lines) + "\n")
    return path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_bundled_genome_is_indexed_and_says_where_it_is_from(tmp_path):
    result = fetch("human_z.fa.gz", "-o", tmp_path / "z.fa.gz", "--offline")
    assert result.exit_code == 0, result.output
    assert compression_of(tmp_path / "z.fa.gz") == "bgzf"
    assert names(tmp_path) == ["z.fa.gz", "z.fa.gz.fai", "z.fa.gz.gzi", "z.fa.gz.provenance.json"]
    facts = json.loads((tmp_path / "z.fa.gz.provenance.json").read_text())
    assert facts["licence"] == "MIT"
    assert facts["sha256"] == hashlib.sha256((tmp_path / "z.fa.gz").read_bytes()).hexdigest()


def test_fetching_and_preparing_apart_gives_the_same_file(tmp_path):
    assert fetch("human_z.vcf.gz", "-o", tmp_path / "raw", "--as-published").exit_code == 0
    assert fetch("human_z.vcf.gz", "-o", tmp_path / "a.vcf.gz", "--source", tmp_path / "raw").exit_code == 0
    assert fetch("human_z.vcf.gz", "-o", tmp_path / "b.vcf.gz").exit_code == 0
    assert (tmp_path / "a.vcf.gz").read_bytes() == (tmp_path / "b.vcf.gz").read_bytes()
    assert (tmp_path / "a.vcf.gz.tbi").exists()


def test_several_names_go_into_one_folder(tmp_path):
    result = fetch("lac_elements.tsv", "human_z.regions.bed", "-o", tmp_path / "data", manifest=MANIFEST.parent)
    assert result.exit_code == 0, result.output
    wanted = ["human_z.regions.bed", "lac_elements.tsv"]
    assert names(tmp_path / "data") == sorted([*wanted, *(f"{name}.provenance.json" for name in wanted)])
    assert fetch("lac_elements.tsv", "-o", tmp_path / "data").exit_code == 0


def test_a_source_with_other_bytes_is_refused(tmp_path):
    (tmp_path / "raw").write_bytes(b"?")
    result = fetch("human_z.vcf.gz", "-o", tmp_path / "a.vcf.gz", "--source", tmp_path / "raw")
    assert result.exit_code == 6
    assert not (tmp_path / "a.vcf.gz").exists()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("ecoli.fa", "-o", "x.fa.gz"), "did you mean"),
        (("ecoli.fa.gz", "-o", "x.fa"), "must end with .gz"),
        (("ecoli.fa.gz", "ecoli.gff.gz", "-o", "file"), "give a folder"),
        (("ecoli.fa.gz",), "give --output"),
        (("-o", "x"), "--list"),
        (("ecoli.fa.gz", "-o", "x", "--unpack", "--as-published"), "exclude each other"),
        (("ecoli.fa.gz", "ecoli.gff.gz", "-o", "d", "--source", "file"), "takes one name"),
        (("ecoli.fa.gz", "-o", "x.gz", "--json"), "--dry-run"),
        (("ecoli.fa.gz", "-o", "x.gz", "--timeout", "0"), "more than 0"),
        (("ecoli.fa.gz", "-o", "x.gz", "--mirror", "ftp://x"), "--mirror ftp://x is neither"),
    ],
)
def test_usage_errors_exit_with_2_and_the_fix(tmp_path, monkeypatch, arguments, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    result = fetch(*arguments)
    assert result.exit_code == 2
    assert text in result.stderr
    assert names(tmp_path) == ["file"]


def test_a_download_is_prepared_pinned_and_says_its_licence(server, tmp_path):
    server.files["/g.fa"] = FASTA
    manifest = table(tmp_path, {"name": "g.fa.gz", "kind": "genome", "url": server.address("/g.fa")})
    result = fetch("g.fa.gz", "-o", tmp_path / "out" / "g.fa.gz", manifest=manifest)
    assert result.exit_code == 0, result.output
    assert "licence: CC0; to cite: Someone 2020" in result.stderr
    assert names(tmp_path / "out") == ["g.fa.gz", "g.fa.gz.fai", "g.fa.gz.gzi", "g.fa.gz.provenance.json"]
    digest = hashlib.sha256(FASTA).hexdigest()
    assert read_pins(manifest.parent / "lock.tsv") == {"g.fa.gz": digest}
    facts = json.loads((tmp_path / "out" / "g.fa.gz.provenance.json").read_text())
    assert facts["provenance"]["published_sha256"] == digest
    server.files["/g.fa"] = FASTA.replace(b"A", b"C")
    again = fetch("g.fa.gz", "-o", tmp_path / "new.fa.gz", manifest=manifest)
    assert again.exit_code == 6
    assert "pinned on first use" in again.stderr
    assert names(tmp_path) == ["out", "tables"]


def test_a_mirror_of_the_environment_is_used(server, tmp_path, monkeypatch):
    server.files["/mirror/a.txt"] = b"a"
    monkeypatch.setenv("GENOMELM_MIRROR", f"other.invalid=http://no.invalid/ {server.address('/mirror')}")
    manifest = table(tmp_path, {"name": "a.txt", "url": "https://publisher.invalid/a.txt"})
    result = fetch("a.txt", "-o", tmp_path / "a.txt", manifest=manifest)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "a.txt").read_bytes() == b"a"


def test_a_mirror_is_looked_at_before_anything_is_said(tmp_path):
    result = fetch("lac_elements.tsv", "-o", tmp_path / "x", "--mirror", "ftp://x", manifest=tmp_path / "missing")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert "ftp://x" in result.stderr
    assert names(tmp_path) == []


def test_a_mirror_that_failed_is_named_and_another_asked_for(server, tmp_path):
    manifest = table(tmp_path, {"name": "a.txt", "url": "https://publisher.invalid/a.txt"})
    result = fetch("a.txt", "-o", tmp_path / "a.txt", "--mirror", server.address("/none"), manifest=manifest)
    assert result.exit_code == 5
    assert f"another --mirror (it sent this to {server.address('/none/a.txt')})" in result.stderr
    assert "give a --mirror" not in result.stderr


@pytest.fixture
def genome_row(server, tmp_path):
    """A served genome; the manifest, and what fetches it as out/g.fa.gz."""
    server.files["/g.fa"] = FASTA
    manifest = table(tmp_path, {"name": "g.fa.gz", "kind": "genome", "url": server.address("/g.fa")})
    return lambda: fetch("g.fa.gz", "-o", tmp_path / "out" / "g.fa.gz", manifest=manifest)


WHOLE = ["g.fa.gz", "g.fa.gz.fai", "g.fa.gz.gzi", "g.fa.gz.provenance.json"]


@pytest.mark.parametrize("locked", ["g.fa.gz", "g.fa.gz.provenance.json"])
def test_a_second_fetch_leaves_the_download_of_the_first(genome_row, tmp_path, locked):
    (tmp_path / "out").mkdir()
    download = tmp_path / "out" / ".g.fa.gz.published"
    download.write_bytes(FASTA)
    with output_lock(tmp_path / "out" / locked):
        result = genome_row()
        assert result.exit_code == 2
        assert download.read_bytes() == FASTA
    assert genome_row().exit_code == 0
    assert names(tmp_path / "out") == WHOLE


@pytest.mark.parametrize("step", ["compress", "_index"])
def test_a_disk_that_fills_after_the_download_does_not_cost_it(genome_row, server, tmp_path, monkeypatch, step):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(prepare_module, step, full)
        result = genome_row()
    assert result.exit_code == 5
    assert names(tmp_path / "out") == [".g.fa.gz.published"]
    assert genome_row().exit_code == 0
    assert names(tmp_path / "out") == WHOLE
    assert len(server.seen) == 1


def test_a_full_disk_is_told_from_a_file_that_has_no_index(genome_row, tmp_path, monkeypatch):
    def fails(*_):
        raise prepare_module.pysam.SamtoolsError("build failed")

    class Usage:
        free = 0

    rooms = iter([shutil.disk_usage(tmp_path)] * 2)
    monkeypatch.setattr(prepare_module.pysam, "faidx", fails)
    assert genome_row().exit_code == 3
    assert names(tmp_path / "out") == []
    monkeypatch.setattr(shutil, "disk_usage", lambda _: next(rooms, Usage))
    assert genome_row().exit_code == 5
    assert names(tmp_path / "out") == [".g.fa.gz.published"]


@pytest.mark.parametrize("cells", [{}, {"sha256": "", "checksum_url": "https://publisher.invalid/MD5"}])
def test_a_source_without_a_known_digest_is_pinned_with_a_warning(tmp_path, cells):
    row = {"name": "g.fa.gz", "kind": "genome", "url": "https://publisher.invalid/g.fa"} | cells
    manifest = table(tmp_path, row)
    (tmp_path / "raw").write_bytes(FASTA)
    take = lambda: fetch("g.fa.gz", "-o", tmp_path / "g.fa.gz", "--source", tmp_path / "raw", manifest=manifest)
    first, digest = take(), hashlib.sha256(FASTA).hexdigest()
    assert first.exit_code == 0, first.output
    assert "no digest is known" in first.stderr
    assert digest in first.stderr
    assert cells.get("checksum_url", "") in first.stderr
    lock = manifest.parent / "lock.tsv"
    assert read_pins(lock) == {"g.fa.gz": digest}
    facts = lambda: json.loads((tmp_path / "g.fa.gz.provenance.json").read_text())["provenance"]
    assert facts()["held_against"] == f"nothing: pinned in {lock} as of a first use"
    assert "no digest is known" not in take().stderr
    assert facts()["held_against"] == f"sha256 pinned in {lock}"
    (tmp_path / "raw").write_bytes(FASTA.replace(b"A", b"C"))
    assert take().exit_code == 6


def test_a_source_of_another_kind_is_refused_and_not_pinned(tmp_path):
    manifest = table(tmp_path, {"name": "a.tsv", "url": "https://publisher.invalid/a.tsv"})
    (tmp_path / "raw").write_bytes(b"<html>sign in</html>")
    result = fetch("a.tsv", "-o", tmp_path / "a.tsv", "--source", tmp_path / "raw", manifest=manifest)
    assert result.exit_code == 3
    assert "HTML" in result.stderr
    assert names(tmp_path) == ["raw", "tables"]
    assert names(manifest.parent) == ["own.tsv"]


def test_anywhere_else_the_tables_of_the_package_are_used_and_pins_go_to_the_cache(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GENOMELM_CACHE", str(tmp_path / "cache"))
    alone = lambda *arguments: CliRunner().invoke(app, ["fetch", *map(str, arguments)])
    assert "clinvar.vcf.gz" in alone("--list").stdout
    assert alone("lac_elements.tsv", "-o", "x.tsv").exit_code == 0
    before = names(REPOSITORY / "data_manifests")
    (tmp_path / "raw").write_bytes(FASTA)
    result = alone("hg38.fa.gz", "-o", "g.fa.gz", "--source", "raw")
    assert result.exit_code == 0, result.output
    assert read_pins(tmp_path / "cache" / "lock.tsv").keys() == {"hg38.fa.gz"}
    assert names(REPOSITORY / "data_manifests") == before
    own = table(tmp_path, {"name": "own.txt", "url": "https://publisher.invalid/x"})
    own.parent.rename(tmp_path / "data_manifests")
    assert "clinvar" not in alone("--list").stdout
    assert "own.txt" in alone("--list").stdout


def test_archives_are_unpacked_or_give_one_member(server, tmp_path):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("set/one.csv", "1")
        archive.writestr("set/two.csv", "2")
    server.files["/all.zip"] = stream.getvalue()
    address = server.address("/all.zip")
    manifest = table(tmp_path, {"name": "all.zip", "url": address}, {"name": "two.csv", "url": f"{address}#two.csv"})
    assert fetch("all.zip", "-o", tmp_path / "set", "--unpack", manifest=manifest).exit_code == 0
    assert (tmp_path / "set" / "set" / "one.csv").read_text() == "1"
    assert fetch("two.csv", "-o", tmp_path / "two.csv", manifest=manifest).exit_code == 0
    assert (tmp_path / "two.csv").read_text() == "2"
    wanted = ["set", "set.provenance.json", "tables", "two.csv", "two.csv.provenance.json"]
    assert names(tmp_path) == wanted
    # as the workflow does it, in two steps
    assert fetch("two.csv", "-o", tmp_path / "raw", "--as-published", manifest=manifest).exit_code == 0
    assert fetch("two.csv", "-o", tmp_path / "b.csv", "--source", tmp_path / "raw", manifest=manifest).exit_code == 0
    assert (tmp_path / "b.csv").read_text() == "2"


def test_an_archive_that_would_leave_its_folder_exits_with_6(server, tmp_path):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("../evil.txt", "1")
    server.files["/all.zip"] = stream.getvalue()
    digest = hashlib.sha256(stream.getvalue()).hexdigest()
    manifest = table(tmp_path, {"name": "all.zip", "url": server.address("/all.zip"), "sha256": digest})
    (tmp_path / "in").mkdir()
    result = fetch("all.zip", "-o", tmp_path / "in" / "set", "--unpack", manifest=manifest)
    assert result.exit_code == 6
    assert names(tmp_path / "in") == []
    assert names(tmp_path) == ["in", "tables"]


def test_what_is_not_of_its_kind_leaves_nothing(server, tmp_path):
    server.files["/g.fa"] = b"<html>sign in</html>"
    digest = hashlib.sha256(server.files["/g.fa"]).hexdigest()
    rows = [{"name": "g.fa.gz", "kind": "genome", "url": server.address("/g.fa"), "sha256": digest}]
    result = fetch("g.fa.gz", "-o", tmp_path / "out" / "g.fa.gz", manifest=table(tmp_path, *rows))
    assert result.exit_code == 3
    assert names(tmp_path / "out") == []


def test_a_plan_tells_bytes_and_sources_and_writes_nothing(server, tmp_path):
    server.files["/b.txt"] = bytes(5000)
    manifest = table(
        tmp_path,
        {"name": "b.txt", "url": server.address("/b.txt")},
        {"name": "c.txt", "url": "https://publisher.invalid/c.txt", "bytes": "70", "sha256": "0" * 64},
    )
    result = fetch("b.txt", "c.txt", "--dry-run", "--json", "-o", tmp_path / "new", manifest=manifest)
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert [step["bytes"] for step in facts["files"]] == [5000, 70]
    assert facts["bytes"] == 5070
    assert facts["free"] > 0
    text = fetch("b.txt", "c.txt", "--dry-run", "--offline", manifest=manifest).stdout
    assert "unknown bytes" in text
    assert "pinned on this first use" in text
    assert "70 bytes in all, and 1 of unknown size" in text
    assert names(tmp_path) == ["tables"]
    bundled = fetch("lac_elements.tsv", "--dry-run", "--offline")
    assert "lac_elements.tsv\t320 bytes\tbundled" in bundled.stdout


def test_a_plan_that_does_not_fit_exits_with_5(tmp_path):
    row = {"name": "c.txt", "url": "https://publisher.invalid/c.txt", "bytes": str(10**18), "sha256": "0" * 64}
    result = fetch("c.txt", "--dry-run", "-o", tmp_path / "c.txt", manifest=table(tmp_path, row))
    assert result.exit_code == 5
    assert f"{10**18:,} bytes are needed" in result.stderr


def test_the_list_names_every_file_of_all_tables():
    facts = json.loads(fetch("--list", "--json", manifest=MANIFEST.parent).stdout)
    assert {"ecoli.fa.gz", "hg38.fa.gz", "clinvar.vcf.gz"} <= {file["name"] for file in facts["files"]}
    assert all(file["licence"] for file in facts["files"])
    assert "ecoli.fa.gz\tgenome\tASM584v2\t1,424,935\tno\t" in fetch("--list").stdout
