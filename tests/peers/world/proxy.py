"""The only way into the world: an HTTPS proxy on loopback behind which every host is played, or is not there.

CONNECT leads to a scripted server with a certificate for that very host. A plain `http://` request leads to the same
peer without TLS. A host that nobody plays is a 502, so that nothing real can be reached. Everything is in a journal.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal, Protocol
from urllib.parse import parse_qsl, urlsplit

import trustme

from tests.peers.process import LOOPBACK
from tests.peers.scripted import Answer, Request, json_answer, scripted_index
from tests.peers.tls import CHUNK, closed, relayed


@dataclass(frozen=True, slots=True)
class Entry:
    """One request, and what became of it."""

    host: str
    method: str
    path: str
    """As it was on the wire, without the query; empty for a CONNECT that led nowhere."""
    status: int | None
    """None: the connection was cut instead."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Of the request; names in lower case, repetitions joined with a comma."""
    body: bytes = b""
    """Of the request; empty if it is a form with a file, or was not read."""
    query: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.method} {self.host}{self.path}"

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, str]:
        """The body as a form without files (`application/x-www-form-urlencoded`)."""
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))


@dataclass(slots=True)
class Journal:
    """All that was asked, and all that is secret."""

    entries: list[Entry] = field(default_factory=list)
    """In the order in which the answers were known; an entry is there before its answer is sent."""
    secrets: set[str] = field(default_factory=set)
    """Every token and key that the peers issued or were configured with: nothing that a run leaves may hold one."""

    def to(self, host: str) -> list[Entry]:
        """Return the requests to a host."""
        return [entry for entry in self.entries if entry.host == host]

    def paths(self, host: str | None = None) -> list[str]:
        """Return `METHOD host/path` of the requests to a host, or of all."""
        return [str(entry) for entry in (self.entries if host is None else self.to(host))]

    def secret(self, value: str) -> str:
        """Remember that this is secret, and return it."""
        self.secrets.add(value)
        return value

    def record(self, host: str, request: Request, answer: Answer | None) -> None:
        """Enter a request with its answer; None: the client went away."""
        path, query = target(request)
        unread = answer is None or answer.early or answer.cut in ("before-body", "mid-body")
        names = {name.lower() for name, _ in request.headers}
        self.entries.append(
            Entry(
                host,
                request.method,
                path,
                None if answer is None or answer.cut else answer.status,
                {name: request.header(name) or "" for name in names},
                b"" if unread else request.body,
                query,
            )
        )


Fired = Literal[True] | Answer
"""True: the peer does what this fault does by itself; an answer: it says that."""

Setting = bool | float | Answer | Sequence[bool | float | Answer | None] | None


class Faults:
    """What goes wrong, by name. Which names there are, the peers say; each of them asks once per request."""

    def __init__(self) -> None:
        self.fired: Counter[str] = Counter()
        """How often each has happened."""
        self._set: dict[str, Setting] = {}
        self._lock = threading.Lock()
        self._over = threading.Event()

    def set(self, name: str, value: Setting) -> None:
        """Arrange a fault: an int happens so many times, True always; a float makes the peer wait so many seconds and
        then go on, always; an `Answer` is always given; of a list each happens once, in turn, and None is no fault.
        """
        with self._lock:
            self._set[name] = list(value) if isinstance(value, Sequence) else value

    def reset(self) -> None:
        """Let everything go well again."""
        with self._lock:
            self._set.clear()

    def end(self) -> None:
        """Let nobody wait any longer: the world ends."""
        self._over.set()

    def take(self, name: str) -> Fired | None:
        """Return what happens this time, which may use it up: an answer, True, or None, nothing. A delay is waited for
        in here, and is None then.
        """
        with self._lock:
            value = self._next(name)
            self.fired[name] += value is not None
        if isinstance(value, float):
            self._over.wait(value)
            return None
        return value

    def play(self, name: str, otherwise: Answer, go_on: Callable[[], Answer]) -> Answer:
        """Go on, unless something happens this time; `otherwise` is what this fault does by itself."""
        fired = self.take(name)
        if isinstance(fired, Answer):
            return fired
        return otherwise if fired else go_on()

    def _next(self, name: str) -> Fired | float | None:
        """Return what is next, a number of times as True and a delay as float."""
        value = self._set.get(name)
        if isinstance(value, list):
            value = value.pop(0) if value else None
        elif isinstance(value, int) and value is not True:
            self._set[name] = value - 1
        if isinstance(value, float | Answer):
            return value
        return True if isinstance(value, int) and value > 0 else None


class Host(Protocol):
    """A peer that plays one or more hosts."""

    @property
    def hosts(self) -> tuple[str, ...]:
        """Names or patterns, such as `*.example`."""

    def __call__(self, request: Request) -> Answer:
        """Answer a request to one of them."""


class Stage(Protocol):
    """What peers share: everybody's journal, faults and clock."""

    journal: Journal
    faults: Faults
    now: Callable[[], float]
    """Unix time in seconds."""


def host_of(request: Request) -> str:
    """Return the host that a request is for, without a port."""
    return (request.header("Host") or "").lower().partition(":")[0]


def target(request: Request) -> tuple[str, dict[str, str]]:
    """Return path and query of a request."""
    parts = urlsplit(request.target)  # with a host in it, when it came through a proxy without TLS
    return parts.path, dict(parse_qsl(parts.query, keep_blank_values=True))


def text_answer(status: int, text: str, content_type: str = "text/plain; charset=UTF-8", **headers: str) -> Answer:
    """Return an answer with a text; `_` in names of headers stands for `-`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, headers={"Content-Type": content_type} | named, body=text.encode())


HTML_502 = text_answer(502, "<html><title>502 Bad Gateway</title><h1>502 Bad Gateway</h1></html>", "text/html")
"""What stands before a service and does not reach it."""


class Proxy:
    """The proxy, and one scripted server for each host that is asked for."""

    def __init__(self, journal: Journal, ca: trustme.CA) -> None:
        self._journal = journal
        self._ca = ca
        self._players: list[Host] = []
        self._ports: dict[tuple[str, bool], int] = {}
        self._servers = contextlib.ExitStack()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="world-proxy")
        self._tasks: set[asyncio.Task[None]] = set()
        self._listening: asyncio.Server | None = None

    def add(self, host: Host) -> None:
        """Let a peer play its hosts; of two for the same host, the one that was added last does."""
        self._players.insert(0, host)

    def start(self) -> int:
        """Start, and return the port."""
        self._thread.start()
        return asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()

    def cut(self) -> None:
        """Cut all connections, and take no more."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def stop(self) -> None:
        """Stop the servers, once all connections are cut; raises what a peer has raised."""
        self._servers.close()

    async def _listen(self) -> int:
        self._listening = await asyncio.start_server(self._connection, LOOPBACK, 0, limit=CHUNK)
        port: int = self._listening.sockets[0].getsockname()[1]
        return port

    async def _end(self) -> None:
        if self._listening is not None:
            self._listening.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connection(self, client_in: asyncio.StreamReader, client_out: asyncio.StreamWriter) -> None:
        this = asyncio.current_task()
        assert this is not None
        self._tasks.add(this)
        try:
            await self._lead(client_in, client_out)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError):
            pass  # the client or the server is gone, or the test is over: closing is all that is left
        finally:
            await closed(client_out)
            self._tasks.discard(this)

    async def _lead(self, client_in: asyncio.StreamReader, client_out: asyncio.StreamWriter) -> None:
        """Read the first head of a connection, and lead it to the server of the host that it names."""
        head = await client_in.readuntil(b"\r\n\r\n")
        method, where, *_ = [*head.split(b"\r\n", 1)[0].decode("latin-1").split(" "), "", ""]
        secure = method == "CONNECT"
        authority, slash, rest = where.partition("/") if secure else where.removeprefix("http://").partition("/")
        host, _, given = authority.lower().partition(":")
        usual = given == "443" if secure else given in ("", "80")
        port = self._port_of(host, secure=secure) if usual else None
        if port is None:
            self._journal.entries.append(Entry(host, method, slash + rest.partition("?")[0], 502))
            client_out.write(b"HTTP/1.1 502 Nobody plays this host\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await client_out.drain()
            return
        server_in, server_out = await asyncio.open_connection(LOOPBACK, port, limit=CHUNK)
        try:
            if secure:
                client_out.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                server_out.write(head)
            await relayed((client_in, client_out), (server_in, server_out))
        finally:
            await closed(server_out)

    def _port_of(self, host: str, *, secure: bool) -> int | None:
        """Return the port of a host's server, which is started the first time; None for a host nobody plays."""
        player = next((each for each in self._players if any(fnmatchcase(host, name) for name in each.hosts)), None)
        if player is None:
            return None
        if (host, secure) not in self._ports:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            if secure:
                self._ca.issue_cert(host).configure_cert(context)
            script = _Script(host, self._player_of, self._journal)
            server = self._servers.enter_context(scripted_index(script, https=context if secure else None))
            self._ports[host, secure] = server.port
        return self._ports[host, secure]

    def _player_of(self, host: str) -> Host:
        return next(each for each in self._players if any(fnmatchcase(host, name) for name in each.hosts))


@dataclass(frozen=True, slots=True)
class _Script:
    """What the server of one host does: it asks who plays the host, and keeps the journal."""

    host: str
    player_of: Callable[[str], Host]
    journal: Journal

    def __call__(self, request: Request) -> Answer:
        try:
            answer = self._answer(request)
        except Exception:
            self.journal.record(self.host, request, None)
            raise
        self.journal.record(self.host, request, answer)
        return answer

    def _answer(self, request: Request) -> Answer:
        if host_of(request) != self.host:
            return json_answer({"message": f"this is {self.host}, not {host_of(request)}"}, 421)
        return self.player_of(self.host)(request)
