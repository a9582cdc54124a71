"""A reverse proxy that loses answers: the upload reaches the index and is stored, and the client never hears of it."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from tests.peers.process import LOOPBACK

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


@dataclass(slots=True)
class Dropping:
    """A running proxy."""

    upload_url: str
    user: str
    password: str
    uploads: int = 0
    """POST requests that arrived."""
    dropped: list[int] = field(default_factory=list)
    """Statuses of the answers that were lost."""


@contextmanager
def dropping(upstream: Any, *, answers: Collection[int]) -> Iterator[Dropping]:
    """Run a proxy in front of an index; it closes the connection instead of answering these uploads, counted from 1."""
    parts = urlsplit(upstream.upload_url)
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            connection = http.client.HTTPConnection(parts.netloc, timeout=60)
            headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
            connection.request(self.command, self.path, body, headers)
            response = connection.getresponse()
            answer = response.read()
            connection.close()
            if self.command == "POST" and self._lost(response.status):
                self.close_connection = True
                return
            self.send_response(response.status, response.reason)
            for name, value in response.getheaders():
                if name.lower() not in HOP_BY_HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def _lost(self, status: int) -> bool:
            with lock:
                proxy.uploads += 1
                lost = proxy.uploads in answers
                if lost:
                    proxy.dropped.append(status)
                return lost

        do_GET = do_POST = _forward  # noqa: N815 - names that http.server looks for

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
    server.daemon_threads = True
    proxy = Dropping(f"http://{LOOPBACK}:{server.server_port}{parts.path}", upstream.user, upstream.password)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
