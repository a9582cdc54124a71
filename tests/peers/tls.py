"""TLS with a certificate authority of our own: in front of any loopback server, right or wrong in one chosen way."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import trustme

from tests.peers.process import LOOPBACK

Certificate = Literal["good", "other-host", "expired"]

CHUNK = 1 << 16  # bytes moved at a time; the size of asyncio's own buffer
GOODBYE_SECONDS = 0.2  # for the client to answer the end of TLS; most never do, and asyncio would wait for 30 s
LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)
LESS_LONG_AGO = datetime(2002, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority that nobody trusts but who is given `ca_file`."""

    ca_file: Path
    ca: trustme.CA

    def server_context(self, certificate: Certificate = "good") -> ssl.SSLContext:
        """Return what a server needs: a certificate for `localhost` and 127.0.0.1, or one that is wrong as asked."""
        hosts = ["elsewhere.example"] if certificate == "other-host" else ["localhost", LOOPBACK]
        begin, end = (LONG_AGO, LESS_LONG_AGO) if certificate == "expired" else (None, None)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert(*hosts, not_before=begin, not_after=end).configure_cert(context)
        return context


def authority(directory: Path) -> Authority:
    """Make an authority; its certificate is written to `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    ca, ca_file = trustme.CA(), directory / "ca.pem"
    ca.cert_pem.write_to_path(ca_file)
    return Authority(ca_file, ca)


@dataclass(frozen=True, slots=True)
class TlsFront:
    """A TLS port that passes everything on to a plain one."""

    port: int
    url: str
    """`https://localhost:PORT/`"""
    ca_file: Path


@contextmanager
def tls_front(
    port: int, directory: Path, *, certificate: Certificate = "good", by: Authority | None = None
) -> Iterator[TlsFront]:
    """Terminate TLS in front of the loopback `port`, with a certificate `by` the given authority or a new one."""
    issuer = by or authority(directory)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="tls-front")
    thread.start()
    front = _Front(port)
    start = asyncio.run_coroutine_threadsafe(front.start(issuer.server_context(certificate)), loop)
    try:
        own_port = start.result()
        yield TlsFront(own_port, f"https://localhost:{own_port}/", issuer.ca_file)
    finally:
        asyncio.run_coroutine_threadsafe(front.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class _Front:
    """The forwarder: one task per connection, which ends when either side ends."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self, context: ssl.SSLContext) -> int:
        # Failed handshakes are what some tests are about, not something to print.
        asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
        self._server = await asyncio.start_server(
            self._connection, LOOPBACK, 0, ssl=context, limit=CHUNK, ssl_shutdown_timeout=GOODBYE_SECONDS
        )
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connection(self, client_in: asyncio.StreamReader, client_out: asyncio.StreamWriter) -> None:
        this = asyncio.current_task()
        assert this is not None
        self._tasks.add(this)
        try:
            server_in, server_out = await asyncio.open_connection(LOOPBACK, self._port, limit=CHUNK)
            try:
                await relayed((client_in, client_out), (server_in, server_out))
            finally:
                await closed(server_out)
        except (OSError, asyncio.CancelledError):
            pass  # the server behind is gone, or the test is over: closing is all that is left
        finally:
            await closed(client_out)
            self._tasks.discard(this)


Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def relayed(client: Ends, server: Ends) -> None:
    """Pass on what either side says, until one of them ends.

    TLS has no half-closed connections, so the first end is the end of both; what the server said before it closed has
    been written by then.
    """
    pumps = [asyncio.create_task(_pump(*ends)) for ends in ((client[0], server[1]), (server[0], client[1]))]
    try:
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)


async def closed(writer: asyncio.StreamWriter) -> None:
    """Close a connection, whoever has closed it before."""
    writer.close()
    with contextlib.suppress(OSError, asyncio.CancelledError):
        await writer.wait_closed()


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while piece := await source.read(CHUNK):
        target.write(piece)
        await target.drain()
