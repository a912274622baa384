"""The cache: what the package put there is listed with its size, age and source, and nothing else is ever removed."""

import fcntl
import gzip
import json
import os
import time

import pytest
from typer.testing import CliRunner

from genomelm.cli import app
from genomelm.data.cache import chosen, entries, remove
from genomelm.errors import UsageError
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.seq.records import Records

FASTA = ">c1\n" + "ACGT" * 500 + "\n"
DAY = 86_400


@pytest.fixture
def cache(tmp_path):
    """A cache with one entry of each kind, made by the readers themselves."""
    folder = tmp_path / "cache"
    (tmp_path / "g.fa.gz").write_bytes(gzip.compress(FASTA.encode()))
    Genome(tmp_path / "g.fa.gz", folder).fetch(Interval("c1", 0, 4))
    (tmp_path / "reads.fa").write_text(">r1\nACGT\n")
    assert len(Records(tmp_path / "reads.fa", cache_dir=folder)) == 1
    place = folder / ("0" * 16)
    place.mkdir()
    (place / "h.fa.fai").write_text("c1\t4\t4\t4\t5\n")
    (place / "source.json").write_text(json.dumps({"source": "/data/h.fa"}))
    return folder


def make_old(entry, days):
    then = time.time() - days * DAY
    for path in entry.paths:
        for file in [path, *path.rglob("*")]:
            os.utime(file, (then, then))


def tree(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if ".lock" not in path.name)


def run(*arguments):
    return CliRunner().invoke(app, ["cache", *map(str, arguments)])


def test_each_entry_says_what_made_it_and_how_large_it_is(cache, tmp_path):
    found = {entry.kind: entry for entry in entries(cache)}
    assert set(found) == {"copy", "index", "records"}
    assert found["copy"].source == str(tmp_path / "g.fa.gz")
    assert found["index"].source == "/data/h.fa"
    assert found["records"].source == "reads.fa"
    assert len(found["copy"].paths) == 4  # the genome, its two indexes and its source
    on_disk = sum(path.stat().st_blocks * 512 for path in found["copy"].paths)
    assert found["copy"].bytes == on_disk > 0


def test_the_index_of_a_genome_in_a_folder_that_cannot_be_written_tells_its_source(tmp_path, monkeypatch):
    from genomelm.seq import fasta_index

    (tmp_path / "g.fa").write_text(FASTA)
    build = fasta_index._build

    def refuse_beside(names):
        if names.fai.parent == tmp_path:
            raise PermissionError("read-only")
        return build(names)

    monkeypatch.setattr(fasta_index, "_build", refuse_beside)
    Genome(tmp_path / "g.fa", tmp_path / "cache").fetch(Interval("c1", 0, 4))
    (entry,) = entries(tmp_path / "cache")
    assert (entry.kind, entry.source) == ("index", str(tmp_path / "g.fa"))


def test_what_is_removed_is_made_again(cache, tmp_path):
    for entry in entries(cache):
        assert remove(entry)
    assert entries(cache) == []
    assert Genome(tmp_path / "g.fa.gz", cache).fetch(Interval("c1", 0, 4)) == "ACGT"
    assert [entry.kind for entry in entries(cache)] == ["copy"]


def test_the_longest_unused_go_first_until_the_budget_holds(cache):
    for days, entry in enumerate(sorted(entries(cache), key=lambda entry: entry.kind)):
        make_old(entry, days + 1)
    found = entries(cache)
    assert [entry.kind for entry in found] == ["records", "index", "copy"]
    total = sum(entry.bytes for entry in found)
    assert chosen(found, budget=total) == []
    assert [entry.kind for entry in chosen(found, budget=total - 1)] == ["records"]
    assert chosen(found, budget=0) == found
    assert [entry.kind for entry in chosen(found, older_than=1.5 * DAY)] == ["records", "index"]
    with pytest.raises(UsageError, match=r"no entry '\.\./x'"):
        chosen(found, names=["../x"])


def test_files_of_others_and_links_out_of_the_cache_stay(cache, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x.fai").write_text("precious")
    (cache / ("1" * 16)).symlink_to(outside)
    (cache / f"{'2' * 16}-g.fa.gz").symlink_to(outside / "x.fai")
    (cache / "records" / ("3" * 16)).symlink_to(outside)
    (cache / "thesis.txt").write_text("mine")
    (cache / ("4" * 16)).mkdir()
    (cache / ("4" * 16) / "photo.jpg").write_text("mine")
    inside = cache / "records" / next(e for e in entries(cache) if e.kind == "records").paths[0].name
    (inside / "link").symlink_to(outside)
    result = run("rm", "--all", "--folder", cache)
    assert result.exit_code == 0, result.output
    assert (outside / "x.fai").read_text() == "precious"
    assert tree(cache) == sorted(
        [
            "1" * 16,
            f"{'2' * 16}-g.fa.gz",
            "4" * 16,
            f"{'4' * 16}/photo.jpg",
            "records",
            f"records/{'3' * 16}",
            "thesis.txt",
        ]
    )


def test_what_another_process_builds_stays(cache):
    entry = next(entry for entry in entries(cache) if entry.kind == "records")
    with open(entry.paths[0].parent / f".{entry.paths[0].name}.lock", "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        assert not remove(entry)
    assert entry.paths[0].exists()
    assert remove(entry)


def test_leavings_of_killed_processes_are_listed_when_they_are_old(cache):
    (cache / ".x.abc.tmp").write_text("half")
    assert "unfinished" not in {entry.kind for entry in entries(cache)}
    then = time.time() - 2 * DAY
    os.utime(cache / ".x.abc.tmp", (then, then))
    assert entries(cache)[0].name == ".x.abc.tmp"
    assert remove(entries(cache)[0])


def test_ls_prints_sizes_and_tells_when_the_budget_is_passed(cache):
    facts = json.loads(run("ls", "--json", "--folder", cache).stdout)
    assert facts["bytes"] == sum(entry["bytes"] for entry in facts["entries"])
    assert run("ls", "--folder", cache, "--budget", "1G").exit_code == 0
    over = run("ls", "--folder", cache, "--budget", "1")
    assert over.exit_code == 5
    assert "genomelm cache rm --budget 1" in over.stderr
    assert json.loads(run("ls", "--json", "--folder", cache / "absent").stdout)["entries"] == []


def test_rm_removes_by_name_and_a_dry_run_removes_nothing(cache):
    before = tree(cache)
    name = next(entry.name for entry in entries(cache) if entry.kind == "copy")
    assert name in run("rm", name, "--dry-run", "--folder", cache).stdout
    assert tree(cache) == before
    assert run("rm", name, "--folder", cache).exit_code == 0
    assert {entry.kind for entry in entries(cache)} == {"index", "records"}


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((), "say what to remove"),
        (("--budget", "lots"), "number of bytes"),
        (("--older-than", "30"), "such as 12h"),
        (("../outside",), "no entry"),
    ],
)
def test_usage_errors_exit_with_2(cache, arguments, text):
    before = tree(cache)
    result = run("rm", *arguments, "--folder", cache)
    assert result.exit_code == 2
    assert text in result.stderr
    assert tree(cache) == before
