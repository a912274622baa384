"""A local HTTP server that goes wrong on demand: one fault a request, in turn; requests without one are served well."""

import contextlib
import gzip
import hashlib
import http.server
import threading

from genomelm.data.manifest import Row

CONTENT = bytes(range(256)) * 2000
PATH = "/x/a.bin"


class Server(http.server.ThreadingHTTPServer):
    """Serves `files` by path.

    Attributes:
        faults: what goes wrong with each request in turn; what follows is served well.
        seen: (path, Range, If-Range) of each request.
        headers: sent with each file.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.faults, self.seen, self.files, self.headers = [], [], {PATH: CONTENT}, {}
        self.ended = threading.Event()

    def address(self, path=PATH):
        return f"http://127.0.0.1:{self.server_port}{path}"

    def handle_error(self, request, client_address):
        """Clients that hang up are what these tests are about."""


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *parts):
        pass

    def do_HEAD(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.files[self.path])))
        self.end_headers()

    def do_GET(self):
        server = self.server
        wanted = self.headers.get("Range")
        server.seen.append((self.path, wanted, self.headers.get("If-Range")))
        fault = server.faults.pop(0) if server.faults else ""
        path = self.path.split("/", 3)[3].join(["/", ""]) if self.path.startswith("http://") else self.path
        if fault.isdecimal() or path not in server.files:
            self.send_response(int(fault or 404))
            if fault in ("429", "503"):
                self.send_header("Retry-After", "0")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if fault.startswith("to "):
            self.send_response(302)
            self.send_header("Location", fault[3:])
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        whole = server.files[path]
        if fault == "changed":
            whole = b"?" * len(whole)
        first = int(wanted[6:-1]) if wanted and fault not in ("no range", "whole 206") else 0
        validator = self.headers.get("If-Range")
        if validator and validator != server.headers.get("ETag"):
            first = 0
        if first >= len(whole):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(whole)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        partial = first or fault == "whole 206"
        self.send_response(206 if partial else 200)
        for key, value in server.headers.items():
            self.send_header(key, value)
        if fault == "page":
            whole = b"<!DOCTYPE html><html>sign in</html>"
        if fault == "encoded":
            whole = gzip.compress(whole)
            self.send_header("Content-Encoding", "gzip")
        if fault == "brotli":
            self.send_header("Content-Encoding", "br")
        if partial:
            shift = 7 if fault == "shifted" else 0
            self.send_header("Content-Range", f"bytes {first - shift}-{len(whole) - 1}/{len(whole)}")
            whole = whole[shift:] if fault == "wrong bytes" else whole
        body = whole[first:]
        if fault == "truncated":  # a short length, sent whole
            body = body[: len(body) // 2]
        length = len(body) * 2 if fault == "long" else len(body)
        if fault != "no length":
            self.send_header("Content-Length", str(length))
        self.end_headers()
        if fault in ("dropped", "stalled"):
            body = body[: len(body) // 2]
        with contextlib.suppress(OSError):
            self.wfile.write(body if fault != "trickle" else b"")
            self.wfile.flush()
            while fault in ("stalled", "trickle") and not server.ended.wait(0.05):
                if fault == "trickle":
                    self.wfile.write(b"?")
        self.close_connection = True


@contextlib.contextmanager
def serving():
    """Yield a running server."""
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.ended.set()
        server.shutdown()
        thread.join()
        server.server_close()


def row(*urls, content=CONTENT, **changes):
    """Return a manifest row of `content`."""
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
