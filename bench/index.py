"""An index on loopback, as lean as asyncio allows: it reads the form of each upload and forgets the file.

It runs in a process of its own (`python -m bench.index`), so that its work is not counted as a client's, and believes
the hash that a client states: to hash again would take time from who is measured, on a machine with few cores.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import ssl
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from bench.form import Form

BUFFER = 2**20
"""Bytes taken from a socket at once."""
AHEAD = 0.005
"""Seconds that connections may be ahead of the bandwidth before they are not read for a while."""
LOG = "/log"
"""Path of the control port that tells what was asked, as JSON, and begins a new log."""
FORGET = "/forget"
"""Path of the control port that empties the index."""
NEEDED = frozenset({"name", "sha256_digest"})
"""Fields that an upload must have."""
PAGES = "application/vnd.pypi.simple.v1+json"


class Asked(NamedTuple):
    """One request, by monotonic time."""

    method: str
    path: str
    begun: float
    complete: float
    answered: float


@dataclass
class Shelf:
    """What the index has, how slow it is, and what it was asked."""

    latency: float
    """Seconds before each answer."""
    bandwidth: float
    """Bytes a second of all connections together; 0: as many as there are."""
    files: dict[str, dict[str, str]] = field(default_factory=dict)
    """Normalised project name → file name → sha256."""
    log: list[Asked] = field(default_factory=list)
    free: float = 0.0
    """When the line is free again."""

    def answer(self, method: str, path: str, form: Form | None) -> tuple[str, bytes]:
        """Answer a request: status, and a body in JSON."""
        if form is not None:
            if not (form.ended and form.filename and form.texts.keys() >= NEEDED):
                return "400 Bad Request", b'{"message": "this is no upload"}'
            project = re.sub(r"[-_.]+", "-", form.texts["name"]).lower()
            self.files.setdefault(project, {})[form.filename] = form.texts["sha256_digest"]
            return "200 OK", b"{}"
        project = path.rstrip("/").rpartition("/")[2]
        if method != "GET" or project not in self.files:
            return "404 Not Found", b"{}"
        files = [
            {"filename": name, "url": f"/files/{name}", "hashes": {"sha256": sha256}}
            for name, sha256 in self.files[project].items()
        ]
        return "200 OK", json.dumps({"meta": {"api-version": "1.0"}, "name": project, "files": files}).encode()

    def control(self, path: str) -> tuple[str, bytes]:
        """Answer a request to the control port, in the same form."""
        if path == FORGET:
            self.files.clear()
        asked, self.log = self.log, []
        return "200 OK", json.dumps(asked).encode()

    def debt(self, size: int) -> float:
        """Take so many bytes from the line; give the seconds until it is free again."""
        if not self.bandwidth:
            return 0.0
        now = time.monotonic()
        self.free = max(now, self.free) + size / self.bandwidth
        return self.free - now


class Connection(asyncio.BufferedProtocol):
    """One connection, on which requests come one after the other."""

    def __init__(self, shelf: Shelf, *, control: bool = False) -> None:
        self._shelf = shelf
        self._control = control
        self._buffer = bytearray(BUFFER)
        self._transport: asyncio.Transport | None = None
        self._head = b""
        self._left = 0
        """Bytes of the body that are still to come."""
        self._request = ("", "")
        self._form: Form | None = None
        self._begun = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what answers go to."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - its signature
        """Give room for what comes in."""
        return memoryview(self._buffer)

    def buffer_updated(self, nbytes: int) -> None:
        """Take what came in."""
        if (debt := self._shelf.debt(nbytes)) > AHEAD and self._transport:
            self._transport.pause_reading()
            asyncio.get_running_loop().call_later(debt, self._transport.resume_reading)
        if self._form and nbytes < self._left and self._form.passes(self._buffer, nbytes):
            self._left -= nbytes
            return
        data = bytes(self._buffer[:nbytes])
        if not self._left:
            self._begun = self._begun or time.monotonic()
            head, end, data = (self._head + data).partition(b"\r\n\r\n")
            if not end:
                self._head = head
                return
            self._head = b""
            self._begin(head.decode("latin-1"))
        self._left -= len(data)
        if self._form:
            self._form.feed(data)
        if not self._left:
            self._end()

    def _begin(self, head: str) -> None:
        first, *lines = head.split("\r\n")
        method, path, _ = first.split(" ")
        headers = _headers(lines)
        if "transfer-encoding" in headers:
            raise ValueError("this index reads no chunked bodies")
        self._request = (method, path)
        self._left = int(headers.get("content-length", 0))
        self._form = Form(headers["content-type"]) if method == "POST" else None

    def _end(self) -> None:
        begun, self._begun = self._begun, 0.0
        answer = partial(self._answer, *self._request, self._form, begun, time.monotonic())
        asyncio.get_running_loop().call_later(0.0 if self._control else self._shelf.latency, answer)

    def _answer(self, method: str, path: str, form: Form | None, begun: float, complete: float) -> None:
        if self._control:
            status, body = self._shelf.control(path)
        else:
            status, body = self._shelf.answer(method, path, form)
            self._shelf.log.append(Asked(method, path, begun, complete, time.monotonic()))
        head = f"HTTP/1.1 {status}\r\nContent-Type: {PAGES}\r\nContent-Length: {len(body)}\r\n\r\n"
        if self._transport:
            self._transport.write(head.encode() + body)


def _headers(lines: list[str]) -> Mapping[str, str]:
    pairs = (line.split(":", 1) for line in lines)
    return {name.lower(): value.strip() for name, value in pairs}


async def serve(shelf: Shelf, certificate: str | None) -> None:
    """Listen on two free ports of loopback, for clients and for control, and tell them; end with standard input."""
    tls = None
    if certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(shelf), "127.0.0.1", 0, ssl=tls, backlog=128)
    control = await loop.create_server(lambda: Connection(shelf, control=True), "127.0.0.1", 0)
    sys.stdout.write(f"{' '.join(str(each.sockets[0].getsockname()[1]) for each in (server, control))}\n")
    sys.stdout.flush()
    async with server, control:
        await loop.run_in_executor(None, sys.stdin.read)


def main() -> None:
    """Read the flags and serve."""
    parser = argparse.ArgumentParser(prog="python -m bench.index", description=__doc__)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--bandwidth", type=float, default=0.0, help="bytes a second, over all connections")
    parser.add_argument("--certificate", help="PEM file with certificate and key: speak TLS")
    given = parser.parse_args()
    asyncio.run(serve(Shelf(given.latency, given.bandwidth), given.certificate))


if __name__ == "__main__":
    main()
