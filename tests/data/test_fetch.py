"""Fetching over a real local server: the right bytes under the final name, or nothing there and one clear error."""

import hashlib
import multiprocessing
import time

import pytest
from faulty_server import CONTENT, PATH, row, serving

from genomelm.data import download as download_module
from genomelm.data.checksum import read_pins
from genomelm.data.fetch import fetch, mirrored
from genomelm.errors import IntegrityError, ResourceError, UsageError

HALF = len(CONTENT) // 2


@pytest.fixture
def server():
    with serving() as running:
        yield running


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_download_is_checked_and_named(server, tmp_path):
    assert fetch(row(server.address()), tmp_path / "a.bin") == hashlib.sha256(CONTENT).hexdigest()
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert names(tmp_path) == ["a.bin"]


def test_what_is_there_with_the_right_digest_is_not_fetched_again(server, tmp_path):
    fetch(row(server.address()), tmp_path / "a.bin")
    fetch(row(server.address()), tmp_path / "a.bin", offline=True)
    assert len(server.seen) == 1


@pytest.mark.parametrize("fault", ["dropped", "truncated", "long"])
def test_a_broken_download_goes_on_where_it_stopped(server, tmp_path, fault):
    server.faults = [fault]
    server.files[PATH] = CONTENT if fault != "long" else CONTENT[:HALF] * 2
    content = server.files[PATH]
    fetch(row(server.address(), content=content, bytes=None), tmp_path / "a.bin", wait=0)
    assert (tmp_path / "a.bin").read_bytes() == content
    assert names(tmp_path) == ["a.bin"]
    if fault == "dropped":
        assert server.seen[1] == (PATH, f"bytes={HALF}-", None)


@pytest.mark.parametrize(
    "faults",
    [
        ["dropped", "no range"],  # the range is ignored: 200 and all of it
        ["dropped", "shifted"],  # another range than was asked for
        ["dropped", "wrong bytes"],  # the right range by its header, other bytes
        ["whole 206"],  # a range that nobody asked for
        ["dropped", "changed"],  # other content between the attempts
        ["500", "503"],
        ["429", "408"],
    ],
)
def test_servers_that_go_wrong_twice_are_outlived(server, tmp_path, faults):
    server.faults = list(faults)
    fetch(row(server.address()), tmp_path / "a.bin", wait=0)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert names(tmp_path) == ["a.bin"]


def test_a_part_of_an_earlier_run_is_continued(server, tmp_path):
    (tmp_path / ".a.bin.part").write_bytes(CONTENT[:1000])
    fetch(row(server.address()), tmp_path / "a.bin", wait=0)
    assert server.seen == [(PATH, "bytes=1000-", None)]
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_a_part_with_other_bytes_is_thrown_away(server, tmp_path):
    (tmp_path / ".a.bin.part").write_bytes(b"?" * 1000)
    fetch(row(server.address()), tmp_path / "a.bin", wait=0)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_a_part_that_is_whole_needs_no_bytes_more(server, tmp_path):
    (tmp_path / ".a.bin.part").write_bytes(CONTENT)
    fetch(row(server.address(), bytes=None), tmp_path / "a.bin", wait=0)
    assert server.seen == [(PATH, f"bytes={len(CONTENT)}-", None)]
    assert names(tmp_path) == ["a.bin"]


def test_without_a_digest_only_content_of_one_validator_is_continued(server, tmp_path):
    open_row = row(server.address(), sha256=None, bytes=None)
    server.headers, server.faults = {"ETag": '"1"'}, ["dropped"]
    fetch(open_row, tmp_path / "a.bin", wait=0)
    assert server.seen[1] == (PATH, f"bytes={HALF}-", '"1"')
    assert (tmp_path / "a.bin").read_bytes() == CONTENT

    server.seen.clear()
    server.headers, server.faults = {"ETag": '"1"'}, ["dropped", "503", "503"]
    with pytest.raises(ResourceError, match=f"{HALF:,} bytes are kept"):
        fetch(open_row, tmp_path / "b.bin", wait=0)
    server.files[PATH], server.headers = CONTENT[::-1], {"ETag": '"2"'}
    fetch(open_row, tmp_path / "b.bin", wait=0)
    assert server.seen[-1] == (PATH, f"bytes={HALF}-", '"1"')
    assert (tmp_path / "b.bin").read_bytes() == CONTENT[::-1]

    server.seen.clear()
    server.headers, server.faults = {"ETag": 'W/"1"'}, ["dropped"]
    fetch(open_row, tmp_path / "c.bin", wait=0)
    assert server.seen[1] == (PATH, None, None)


def test_a_wrong_range_is_never_appended_even_where_no_digest_would_tell(server, tmp_path):
    server.headers, server.faults = {"ETag": '"1"'}, ["dropped", "whole 206"]
    fetch(row(server.address(), sha256=None, bytes=None), tmp_path / "a.bin", wait=0)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert [wanted for _, wanted, _ in server.seen] == [None, f"bytes={HALF}-", None]


@pytest.mark.parametrize("fault", ["truncated", "changed", "page", "brotli"])
def test_wrong_bytes_three_times_leave_nothing_behind(server, tmp_path, fault):
    server.faults = [fault] * 3
    if fault == "truncated":
        server.files[PATH] = CONTENT[:5000]
    with pytest.raises(IntegrityError, match=r"truncated|sha256|Content-Encoding") as caught:
        fetch(row(server.address()), tmp_path / "a.bin", wait=0)
    assert caught.value.exit_code == 6
    assert names(tmp_path) == []
    assert len(server.seen) == 3


@pytest.mark.parametrize("length", ["told", "no length"])
def test_more_bytes_than_the_manifest_says_are_refused(server, tmp_path, length):
    server.files[PATH] = CONTENT * 20
    server.faults = [length] * 3
    with pytest.raises(IntegrityError, match="manifest"):
        fetch(row(server.address()), tmp_path / "a.bin", wait=0)
    assert names(tmp_path) == []


def test_an_old_file_survives_a_failed_fetch(server, tmp_path):
    (tmp_path / "a.bin").write_bytes(b"old")
    server.faults = ["changed"] * 3
    with pytest.raises(IntegrityError):
        fetch(row(server.address()), tmp_path / "a.bin", wait=0)
    assert (tmp_path / "a.bin").read_bytes() == b"old"
    assert names(tmp_path) == ["a.bin"]


@pytest.mark.parametrize("fault", ["stalled", "trickle"])
def test_a_server_that_stalls_is_left_and_what_came_is_kept(server, tmp_path, fault):
    server.faults = [fault] * 3
    with pytest.raises(ResourceError, match=r"timed out|stalls") as caught:
        fetch(row(server.address()), tmp_path / "a.bin", wait=0, timeout=0.3)
    assert caught.value.exit_code == 5
    assert not (tmp_path / "a.bin").exists()
    fetch(row(server.address()), tmp_path / "a.bin", wait=0)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


@pytest.mark.parametrize(("fault", "requests"), [("503", 3), ("429", 3), ("404", 1), ("403", 1)])
def test_an_unreachable_file_is_a_resource_error(server, tmp_path, fault, requests):
    server.faults = [fault] * 3
    with pytest.raises(ResourceError, match=fault):
        fetch(row(server.address()), tmp_path / "a.bin", wait=0)
    assert len(server.seen) == requests
    assert names(tmp_path) == []


@pytest.mark.parametrize("place", ["file:///etc/passwd", "ftp://a.invalid/x", "data:,x", "gopher://a.invalid/x"])
def test_a_redirect_to_another_scheme_is_refused(server, tmp_path, place):
    server.faults = [f"to {place}"]
    with pytest.raises(IntegrityError, match="redirects to"):
        fetch(row(server.address(), sha256=None, bytes=None), tmp_path / "a.bin", wait=0)
    assert len(server.seen) == 1
    assert names(tmp_path) == []


def test_a_redirect_over_http_is_followed_and_a_ring_of_them_ends(server, tmp_path):
    server.faults = [f"to {server.address()}"]
    fetch(row(server.address("/old/a.bin"), server.address()), tmp_path / "a.bin", wait=0)
    server.faults = [f"to {server.address()}"] * 100
    with pytest.raises(ResourceError, match="infinite loop"):
        fetch(row(server.address(), bytes=None), tmp_path / "b.bin", wait=0)


def test_a_redirect_never_leads_from_https_to_http():
    from genomelm.data.download import Failed, _Redirects

    class Request:
        full_url = "https://a.invalid/x"

    with pytest.raises(Failed, match="not followed"):
        _Redirects().http_error_301(Request, None, 301, "", {"Location": "http://a.invalid/x"})


def test_an_encoding_that_nobody_asked_for_is_undone_or_left_to_gz_files(server, tmp_path):
    server.faults = ["encoded"]
    fetch(row(server.address()), tmp_path / "a.bin", wait=0)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    server.files["/x/a.gz"], server.headers = CONTENT, {"Content-Encoding": "x-gzip"}  # a label, as for .gz files
    fetch(row(server.address("/x/a.gz")), tmp_path / "b.bin", wait=0)
    assert (tmp_path / "b.bin").read_bytes() == CONTENT


def test_the_second_address_is_tried_after_the_first(server, tmp_path):
    fetch(row(server.address("/gone"), server.address()), tmp_path / "a.bin", wait=0)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_a_mirror_replaces_scheme_and_host(server, tmp_path):
    server.files["/copy/x/a.bin"] = CONTENT
    published = "https://publisher.invalid/x/a.bin"
    fetch(row(published), tmp_path / "a.bin", mirrors=[server.address("/copy/")], wait=0)
    assert server.seen == [("/copy/x/a.bin", None, None)]
    assert mirrored(published, []) == published
    for_one = ["publisher.invalid=http://m.invalid/p", "http://m.invalid/all"]
    assert mirrored(published, for_one) == "http://m.invalid/p/x/a.bin"
    assert mirrored("https://other.invalid/x", for_one) == "http://m.invalid/all/x"
    with pytest.raises(UsageError, match="neither a base address"):
        mirrored(published, ["file:///etc"])


def test_a_proxy_of_the_environment_is_used(server, tmp_path, monkeypatch):
    for name in ("no_proxy", "NO_PROXY", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", server.address("").rstrip("/"))
    fetch(row("http://publisher.invalid/x/a.bin"), tmp_path / "a.bin", wait=0)
    assert server.seen[0][0] == "http://publisher.invalid/x/a.bin"
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_a_bundled_copy_needs_no_network(tmp_path):
    (tmp_path / "bundled.bin").write_bytes(CONTENT)
    fetch(row(bundled=tmp_path / "bundled.bin"), tmp_path / "a.bin", offline=True)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_a_bundled_copy_with_other_bytes_is_refused(tmp_path):
    (tmp_path / "bundled.bin").write_bytes(b"?")
    with pytest.raises(IntegrityError, match="bundled copy"):
        fetch(row(bundled=tmp_path / "bundled.bin"), tmp_path / "out" / "a.bin")
    assert names(tmp_path / "out") == []


def test_offline_without_a_copy_says_so(tmp_path):
    with pytest.raises(ResourceError, match="--offline"):
        fetch(row("https://publisher.invalid/x/a.bin"), tmp_path / "a.bin", offline=True)


def test_a_published_checksum_is_used_where_the_manifest_has_no_digest(server, tmp_path):
    server.files["/x/md5sums"] = f"{'0' * 32}  b.bin\n{hashlib.md5(CONTENT).hexdigest()}  ./a.bin\n".encode()
    open_row = row(server.address(), sha256=None, bytes=None, checksum_url=server.address("/x/md5sums"))
    server.faults = ["503"]  # of the checksum file
    assert fetch(open_row, tmp_path / "a.bin", wait=0) == hashlib.sha256(CONTENT).hexdigest()
    server.files[PATH] = b"changed"
    with pytest.raises(IntegrityError, match="md5"):
        fetch(open_row, tmp_path / "b.bin", wait=0)
    assert names(tmp_path) == ["a.bin"]


def test_a_digest_that_a_store_tells_is_held_against_the_file(server, tmp_path):
    open_row = row(server.address(), sha256=None, bytes=None)
    server.headers = {"x-goog-hash": "crc32c=AAAAAA==,md5=1B2M2Y8AsgTpgAmY7PhCfg=="}  # of no bytes
    with pytest.raises(IntegrityError, match="md5"):
        fetch(open_row, tmp_path / "a.bin", wait=0)
    assert names(tmp_path) == []


def test_the_digest_of_the_first_use_stops_a_later_difference(server, tmp_path):
    open_row, lock = row(server.address(), sha256=None, bytes=None), tmp_path / "lock.tsv"
    digest = fetch(open_row, tmp_path / "a.bin", lock=lock, wait=0)
    assert read_pins(lock) == {"a.bin": digest}
    server.files[PATH] = CONTENT[::-1]
    with pytest.raises(IntegrityError, match="pinned on first use") as caught:
        fetch(open_row, tmp_path / "b.bin", lock=lock, wait=0)
    assert caught.value.exit_code == 6
    assert names(tmp_path) == ["a.bin", "lock.tsv"]


def test_what_is_no_such_file_is_not_pinned(server, tmp_path):
    server.files[PATH] = b"<html>maintenance</html>"
    page = row(server.address(), sha256=None, bytes=None)
    with pytest.raises(IntegrityError, match="HTML"):
        fetch(page, tmp_path / "a.bin", lock=tmp_path / "lock.tsv", wait=0)
    genome = row(server.address(), sha256=None, bytes=None, kind="genome", name="g.fa.gz")
    server.files[PATH] = b">c1\nACGT\n"
    fetch(genome, tmp_path / "g", lock=tmp_path / "lock.tsv", wait=0)
    assert read_pins(tmp_path / "lock.tsv").keys() == {"g.fa.gz"}


def test_a_full_disk_is_told_with_numbers_before_anything_is_written(server, tmp_path, monkeypatch):
    class Usage:
        free = 1000

    monkeypatch.setattr(download_module.shutil, "disk_usage", lambda _: Usage)
    with pytest.raises(ResourceError, match=rf"needs {len(CONTENT):,} bytes .* 1,000 are free") as caught:
        fetch(row(server.address(), bytes=None), tmp_path / "a.bin", wait=0)
    assert caught.value.exit_code == 5
    assert names(tmp_path) == []


def _fetch_slowly(address, target, started):
    started.set()
    fetch(row(address), target, wait=0)


def test_two_processes_never_write_one_file(server, tmp_path):
    server.faults = ["stalled"]
    context = multiprocessing.get_context("fork")
    started = context.Event()
    other = context.Process(target=_fetch_slowly, args=(server.address(), tmp_path / "a.bin", started))
    other.start()
    while not server.seen:  # the other holds its lock before it asks
        time.sleep(0.01)
    with pytest.raises(UsageError, match="another genomelm process"):
        fetch(row(server.address()), tmp_path / "a.bin", wait=0)
    server.ended.set()
    other.join()
    assert other.exitcode == 0
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert names(tmp_path) == ["a.bin"]
