"""Fetching over a real local server: resume, truncation, changed content, mirrors, nothing left behind."""

import hashlib
import http.server
import threading

import pytest

from genomelm.data.checksum import find_checksum, pin, read_pins
from genomelm.data.fetch import fetch, mirrored
from genomelm.data.manifest import Row
from genomelm.errors import InputError, IntegrityError, ResourceError

CONTENT = bytes(range(256)) * 2000


class Server(http.server.ThreadingHTTPServer):
    """Serves CONTENT; `faults` says what goes wrong with each request in turn, `seen` what was asked for."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.faults, self.seen, self.files = [], [], {"/x/a.bin": CONTENT}

    def address(self, path="/x/a.bin"):
        return f"http://127.0.0.1:{self.server_port}{path}"


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *parts):
        self.server.log = parts

    def do_GET(self):
        wanted = self.headers.get("Range")
        self.server.seen.append((self.path, wanted))
        fault = self.server.faults.pop(0) if self.server.faults else None
        if fault == "error" or self.path not in self.server.files:
            self.send_error(503 if fault else 404)
            return
        body = self.server.files[self.path]
        if fault == "changed":
            body = b"?" * len(body)
        first = int(wanted[6:-1]) if wanted and fault != "no range" else 0
        self.send_response(206 if first else 200)
        if first:
            self.send_header("Content-Range", f"bytes {first}-{len(body) - 1}/{len(body)}")
        body = body[first:]
        if fault == "truncated":  # says 200 and a short length
            body = body[: len(body) // 2]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if fault == "dropped" else body)


@pytest.fixture
def server():
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def row(*urls, content=CONTENT, **changes):
    facts = {
        "name": "a.bin",
        "kind": "assay",
        "assembly": "",
        "urls": urls,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "checksum_url": None,
        "licence": "MIT",
        "citation": "none",
        "bundled": None,
        "verified": False,
        "notes": "",
    }
    return Row(**{**facts, **changes})


def test_a_download_is_checked_and_named(server, tmp_path):
    fetch(row(server.address()), tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]


@pytest.mark.parametrize("fault", ["dropped", "truncated"])
def test_a_broken_download_goes_on_where_it_stopped(server, tmp_path, fault):
    server.faults = [fault]
    fetch(row(server.address()), tmp_path / "a.bin", wait=0)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert server.seen[1][1] == f"bytes={len(CONTENT) // 2}-"


def test_a_server_without_ranges_starts_over(server, tmp_path):
    server.faults = ["dropped", "no range"]
    fetch(row(server.address()), tmp_path / "a.bin", wait=0)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_a_part_of_an_earlier_run_is_continued(server, tmp_path):
    (tmp_path / ".a.bin.part").write_bytes(CONTENT[:1000])
    fetch(row(server.address()), tmp_path / "a.bin", wait=0)
    assert server.seen == [("/x/a.bin", "bytes=1000-")]
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_a_part_with_other_bytes_is_thrown_away(server, tmp_path):
    (tmp_path / ".a.bin.part").write_bytes(b"?" * 1000)
    fetch(row(server.address()), tmp_path / "a.bin", wait=0)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("fault", ["truncated", "changed"])
def test_wrong_bytes_three_times_leave_nothing_behind(server, tmp_path, fault):
    server.faults = [fault] * 3
    if fault == "truncated":
        server.files["/x/a.bin"] = CONTENT[:5000]
    with pytest.raises(IntegrityError, match=r"truncated|sha256") as caught:
        fetch(row(server.address()), tmp_path / "a.bin", wait=0)
    assert caught.value.exit_code == 6
    assert list(tmp_path.iterdir()) == []
    assert len(server.seen) == 3


def test_more_bytes_than_the_manifest_says_are_refused(server, tmp_path):
    server.files["/x/a.bin"] = CONTENT * 20
    with pytest.raises(IntegrityError, match="more than the manifest's"):
        fetch(row(server.address()), tmp_path / "a.bin", wait=0)
    assert list(tmp_path.iterdir()) == []


def test_an_old_file_survives_a_failed_fetch(server, tmp_path):
    (tmp_path / "a.bin").write_bytes(b"old")
    server.faults = ["changed"] * 3
    with pytest.raises(IntegrityError):
        fetch(row(server.address()), tmp_path / "a.bin", wait=0)
    assert (tmp_path / "a.bin").read_bytes() == b"old"


def test_an_unreachable_server_is_a_resource_error(server, tmp_path):
    server.faults = ["error"] * 3
    with pytest.raises(ResourceError, match="503"):
        fetch(row(server.address()), tmp_path / "a.bin", wait=0)
    assert len(server.seen) == 3


def test_the_second_address_is_tried_after_the_first(server, tmp_path):
    fetch(row(server.address("/gone"), server.address()), tmp_path / "a.bin", wait=0)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_a_mirror_replaces_scheme_and_host(server, tmp_path):
    server.files["/copy/x/a.bin"] = CONTENT
    fetch(row("https://publisher.invalid/x/a.bin"), tmp_path / "a.bin", mirror=server.address("/copy/"), wait=0)
    assert server.seen == [("/copy/x/a.bin", None)]
    assert mirrored("https://a.org/b/c", None) == "https://a.org/b/c"


def test_a_bundled_copy_needs_no_network(tmp_path):
    (tmp_path / "bundled.bin").write_bytes(CONTENT)
    fetch(row(bundled=tmp_path / "bundled.bin"), tmp_path / "a.bin", offline=True)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_a_bundled_copy_with_other_bytes_is_refused(tmp_path):
    (tmp_path / "bundled.bin").write_bytes(b"?")
    with pytest.raises(IntegrityError, match="bundled copy"):
        fetch(row(bundled=tmp_path / "bundled.bin"), tmp_path / "out" / "a.bin")
    assert list((tmp_path / "out").iterdir()) == []


def test_offline_without_a_copy_says_so(tmp_path):
    with pytest.raises(ResourceError, match="--offline"):
        fetch(row("https://publisher.invalid/x/a.bin"), tmp_path / "a.bin", offline=True)


def test_a_published_checksum_is_used_where_the_manifest_has_no_digest(server, tmp_path):
    server.files["/x/md5sums"] = f"{'0' * 32}  b.bin\n{hashlib.md5(CONTENT).hexdigest()}  ./a.bin\n".encode()
    open_row = row(server.address(), sha256=None, bytes=None, checksum_url=server.address("/x/md5sums"))
    digest = fetch(open_row, tmp_path / "a.bin", wait=0)
    assert digest == hashlib.sha256(CONTENT).hexdigest()
    server.files["/x/a.bin"] = b"changed"
    with pytest.raises(IntegrityError, match="md5"):
        fetch(open_row, tmp_path / "b.bin", wait=0)


def test_a_pinned_digest_stops_a_later_difference(server, tmp_path):
    pin(tmp_path / "lock.tsv", "a.bin", "1" * 64)
    assert read_pins(tmp_path / "lock.tsv") == {"a.bin": "1" * 64}
    with pytest.raises(IntegrityError, match="pinned"):
        pin(tmp_path / "lock.tsv", "a.bin", "2" * 64)
    with pytest.raises(IntegrityError, match="sha256"):
        fetch(row(server.address(), sha256=None), tmp_path / "a.bin", pinned="1" * 64, wait=0)


def test_a_checksum_file_without_the_name_is_refused():
    with pytest.raises(InputError, match="holds no digest of a.bin"):
        find_checksum(f"{'0' * 32}  b.bin\n", "a.bin", "md5sums")
    assert find_checksum("0" * 64 + "\n", "a.bin", "a.bin.sha256") == ("sha256", "0" * 64)
