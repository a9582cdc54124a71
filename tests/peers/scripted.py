"""An index that does exactly what a test tells it: right, wrong, slow, cut off or never.

It speaks HTTP/1.1 on bare sockets, for no server library lets one close a connection in the middle of a body, answer
before reading, or send a reason phrase in any bytes. A body is parsed while it arrives: 1 GB costs no memory.

    def script(request: Request) -> Answer:
        return Answer(503) if request.ordinal == 1 else Answer(200)

    with scripted_index(script) as index:
        ...  # upload to index.url
    assert not index.requests[0].violations
"""

from __future__ import annotations

import base64
import contextlib
import functools
import gzip
import http
import io
import itertools
import json
import math
import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.peers.form import Content, Form, read_form
from tests.peers.process import LOOPBACK

Cut = Literal["before-body", "mid-body", "after-body", "mid-answer", "reset"]

PIECE = 1 << 18  # bytes read at a time
MAX_PLAIN_BODY = 4 * 1024 * 1024  # of a body that is not multipart, for example a JWT in JSON
MAX_HEAD_LINE = 64 * 1024  # PyPI's workers take 32 760 bytes of a header field; ours must not be what refuses
JOIN_SECONDS = 10.0
NEVER = 3600.0  # seconds: a `delay` of `math.inf`, in a form that `Event.wait` takes


@dataclass(frozen=True, slots=True)
class Answer:
    """What the index does about one request."""

    status: int = 200
    reason: bytes | None = None
    """Reason phrase, any bytes; None is the usual one for the status."""
    headers: Mapping[str, str] | Sequence[tuple[str, str]] = ()
    body: bytes | Iterable[bytes] = b""
    """Bytes are sent with their Content-Length, an iterable (which may be endless) as chunks."""
    cut: Cut | None = None
    """Close the connection without an answer: before the request's body is read, when half of it is, or after it; or in
    the middle of the answer. `reset` is `after-body` with a RST."""
    reset: bool = False
    """Any `cut` as a RST rather than as an orderly end. (The kernel sends a RST anyway when bytes are left unread.)"""
    delay: float = 0.0
    """Seconds before the answer or the cut; `math.inf` never answers. With `cut="mid-body"` it is a server that stops
    reading."""
    drip: float = 0.0
    """Seconds between the pieces of the body, which is sent byte by byte if it is bytes."""
    early: bool = False
    """Answer before the request's body is read."""
    read_on: bool = True
    """After an early answer, read the rest as a proxy does that closes politely; otherwise close at once."""
    gzip: bool = False
    """Compress the body (which must be bytes) and say so in Content-Encoding."""
    close: bool = False
    """Say `Connection: close`, and do it."""


class Request:
    """One request, as it was on the wire.

    The body is read when the script first looks at something in it, or else before the answer is sent. A script that
    wants to answer early must therefore look at nothing but the head.
    """

    def __init__(self, ordinal: int, connection: int, line: str, headers: Sequence[tuple[str, str]]) -> None:
        self.ordinal = ordinal
        """1 for the first request of the index."""
        self.connection = connection
        """1 for the first connection of the index: requests that share a number shared a connection."""
        self.method, self.target, self.http_version = (*line.split(" "), "", "")[:3]
        self.headers = tuple(headers)
        """As sent: spelling, order and repetitions kept."""
        self.arrived = time.monotonic()
        self.ended: float | None = None
        """When the answer was sent, or the connection was cut; monotonic seconds."""
        self._violations: list[str] = []
        self._body: _Body | None = None
        self._read: Callable[[], _Body] | None = None
        self._reads_in = threading.get_ident()

    def __repr__(self) -> str:
        return f"<{self.ordinal}: {self.method} {self.target} on connection {self.connection}>"

    def header(self, name: str) -> str | None:
        """Return a header's value, or None; name in any case, repetitions joined with a comma."""
        values = [value for given, value in self.headers if given.lower() == name.lower()]
        return ", ".join(values) if values else None

    @property
    def basic(self) -> tuple[str, str] | None:
        """User and password of the Authorization header, if it has them."""
        scheme, _, encoded = (self.header("Authorization") or "").partition(" ")
        if scheme.lower() != "basic":
            return None
        user, _, password = base64.b64decode(encoded).decode().partition(":")
        return user, password

    @property
    def complete(self) -> bool:
        """Whether the whole body was read."""
        return self._body is not None

    @property
    def fields(self) -> list[tuple[str, str]]:
        """The text parts of the form, in order."""
        return self._whole().form.fields

    def values(self, name: str) -> list[str]:
        """Return what the form has under a name, in order."""
        return [value for given, value in self.fields if given == name]

    @property
    def content(self) -> Content:
        """The file of the form."""
        content = self._whole().form.content
        if content is None:
            raise LookupError(f"{self!r} has no content")
        return content

    @property
    def is_upload(self) -> bool:
        """Whether this is a form with a file."""
        return self.complete and self._whole().form.content is not None

    @property
    def body(self) -> bytes:
        """The body of a request that is not a form."""
        return self._whole().plain

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def violations(self) -> list[str]:
        """Every rule that this request breaks, head and form; empty for a good one."""
        return self._violations + (self._body.form.violations if self._body else [])

    def _whole(self) -> _Body:
        if self._body is None:
            if self._read is None or threading.get_ident() != self._reads_in:
                raise LookupError(f"the body of {self!r} has not been read to its end")
            self._body = self._read()
        return self._body


@dataclass(frozen=True, slots=True)
class ScriptedIndex:
    """A running index, and what it saw."""

    url: str
    """With a slash at its end; any path below it reaches the script."""
    port: int
    requests: list[Request] = field(default_factory=list)
    """In the order in which their heads arrived."""
    reads: list[Request] = field(default_factory=list)
    """GET requests, of an index that answers them apart."""
    failed_handshakes: list[ssl.SSLError | OSError] = field(default_factory=list)
    """Of an `https` index: clients that went away before they said anything, mostly for the certificate."""

    @property
    def uploads(self) -> list[Request]:
        """The requests that brought a file to its end."""
        return [request for request in self.requests if request.is_upload]

    @property
    def violations(self) -> list[str]:
        """Of all requests, each with the request it belongs to."""
        return [f"{request!r}: {violation}" for request in self.requests for violation in request.violations]

    def most_at_once(self) -> int:
        """Return how many requests were open at the same time at most, from their head to their answer."""
        begins = [(request.arrived, 1) for request in self.requests]
        ends = [(math.inf if request.ended is None else request.ended, -1) for request in self.requests]
        return max(itertools.accumulate(step for _, step in sorted(begins + ends)), default=0)


Script = Callable[[Request], Answer]


def in_turn(*answers: Answer) -> Script:
    """Return a script: the first answer to the first request, and so on; the last one to all that follow."""
    return lambda request: answers[min(request.ordinal, len(answers)) - 1]


def json_answer(value: Any, status: int = 200, content_type: str = "application/json") -> Answer:
    """Return an answer with a JSON body."""
    return Answer(status, headers={"Content-Type": content_type}, body=json.dumps(value).encode())


def json_page(name: str, *files: object) -> Answer:
    """Return the page of a project as the simple API has it in JSON (PEP 691)."""
    page = {"meta": {"api-version": "1.0"}, "name": name, "files": files}
    return json_answer(page, content_type="application/vnd.pypi.simple.v1+json")


def endless(piece: bytes = b"x" * 65536) -> Iterable[bytes]:
    """Return a body that has no end."""
    return itertools.repeat(piece)


@contextmanager
def scripted_index(
    answer: Script, *, reads: Script | None = None, https: ssl.SSLContext | None = None
) -> Iterator[ScriptedIndex]:
    """Run an index on loopback that does what `answer` says for each request, several at a time if the client wants it.

    With `reads`, that says what to do about GET requests, which are then counted and kept apart.

    What the script raises (an `assert`, say) is answered with 500 and raised again when the index stops.
    """
    listener = socket.create_server((LOOPBACK, 0))
    port: int = listener.getsockname()[1]
    origin = f"http://{LOOPBACK}" if https is None else "https://localhost"
    index = ScriptedIndex(f"{origin}:{port}/", port)
    server = _Server(listener, answer, reads, https, index)
    server.start()
    try:
        yield index
    finally:
        server.stop()
    if server.errors:
        raise ExceptionGroup("the script of a scripted index failed", server.errors)


@dataclass(frozen=True, slots=True)
class _Body:
    form: Form
    plain: bytes


class _GoneError(Exception):
    """The client closed the connection, or the index stops."""


class _Server:
    """Threads: one that accepts, and one per connection."""

    def __init__(
        self,
        listener: socket.socket,
        script: Script,
        reads: Script | None,
        https: ssl.SSLContext | None,
        index: ScriptedIndex,
    ) -> None:
        self._script = script
        self._reads = reads
        self.index = index
        self.stopping = threading.Event()
        self.errors: list[Exception] = []
        self._https = https
        self._listener = listener
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []

    def start(self) -> None:
        self._spawn(self._accept)

    def stop(self) -> None:
        self.stopping.set()
        with self._lock:
            open_sockets = [self._listener, *self._sockets]
        for each in open_sockets:
            with contextlib.suppress(OSError):
                # Wakes the thread that waits in it, which `close` would not. (Not the method of SSLSocket: that one
                # forgets the TLS session, under the feet of the thread that uses it.)
                socket.socket.shutdown(each, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(JOIN_SECONDS)
            assert not thread.is_alive(), "a connection of the scripted index does not end"
        self._listener.close()

    def numbered(self, connection: int, line: str, headers: Sequence[tuple[str, str]]) -> Request:
        """Return a request with the next ordinal, and keep it."""
        with self._lock:
            apart = self._reads is not None and line.startswith("GET ")
            kept = self.index.reads if apart else self.index.requests
            request = Request(len(kept) + 1, connection, line, headers)
            kept.append(request)
            return request

    def script(self, request: Request) -> Answer:
        """Say what to do about a request."""
        if self._reads is not None and request.method == "GET":
            return self._reads(request)
        return self._script(request)

    def _spawn(self, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, name="scripted-index", daemon=True)
        with self._lock:
            self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        for number in itertools.count(1):
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return  # stopped
            with self._lock:
                self._sockets.append(plain)
            if self.stopping.is_set():
                plain.close()
                return
            self._spawn(functools.partial(self._serve, plain, number))

    def _serve(self, plain: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError):  # the client is gone
            # Head and body are sent apart: without this the body waits 40 ms for the head to be acknowledged (tcp(7)).
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connected = plain
        if self._https is not None:
            secured = self._https.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
            connected = secured
            with self._lock:
                self._sockets.append(secured)
            try:
                secured.do_handshake()
            except OSError as error:  # ssl.SSLError is one
                self.index.failed_handshakes.append(error)
                secured.close()
                return
        connection = _Connection(connected, number, self)
        try:
            connection.serve()
        except (OSError, _GoneError):
            pass  # the client went away, or the test is over
        finally:
            connection.close()


class _Connection:
    """One connection, which may carry many requests."""

    def __init__(self, connected: socket.socket, number: int, server: _Server) -> None:
        self._socket = connected
        self._number = number
        self._server = server
        self._reader = io.BufferedReader(connected.makefile("rb", buffering=0), PIECE)

    def serve(self) -> None:
        while (request := self._head()) is not None:
            try:
                if not self._exchange(request):
                    return
            finally:
                request.ended = request.ended or time.monotonic()
                request._read = None

    def close(self, *, reset: bool = False) -> None:
        if reset:
            with contextlib.suppress(OSError):
                # On, and a linger time of zero: closing throws everything away and sends a RST (socket(7)).
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._reader.close()
        self._socket.close()

    def _head(self) -> Request | None:
        """Read a request line and its headers; None at the orderly end of the connection."""
        line = self._line()
        if not line:
            return None
        headers = []
        while header := self._line():
            name, _, value = header.partition(":")
            headers.append((name, value.strip()))
        request = self._server.numbered(self._number, line, headers)
        request._violations += _broken_head(request)
        body = self._body_of(request)
        request._read = lambda: _parsed(request, body)
        return request

    def _line(self) -> str:
        return self._reader.readline(MAX_HEAD_LINE).rstrip(b"\r\n").decode("latin-1")

    def _body_of(self, request: Request) -> Iterator[bytes]:
        if request.header("Transfer-Encoding") is not None:
            return _chunks(self._reader)
        length = request.header("Content-Length") or "0"
        return _pieces(self._reader, request, int(length) if length.isdecimal() else 0)

    def _exchange(self, request: Request) -> bool:
        """Do what the script says; return whether the connection can carry another request."""
        if (request.header("Expect") or "").lower() == "100-continue":
            self._socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        answer = self._scripted(request)
        unread = answer.cut in ("before-body", "mid-body")
        if request.complete and (unread or answer.early):
            self._server.errors.append(ValueError(f"the script has read the body of {request!r} already"))
        if not (unread or answer.early):
            request._whole()
        if answer.cut == "mid-body":
            self._read_half(request)
        if self._server.stopping.wait(min(answer.delay, NEVER)):
            raise _GoneError
        if answer.cut is not None and answer.cut != "mid-answer":
            self.close(reset=answer.reset or answer.cut == "reset")
            return False
        whole = self._send(request, answer)
        if not whole:
            self.close(reset=answer.reset)
            return False
        if answer.early and answer.read_on:
            request._whole()
        return not (answer.close or (answer.early and not answer.read_on) or _says_close(request))

    def _scripted(self, request: Request) -> Answer:
        try:
            return self._server.script(request)
        except _GoneError:
            raise  # while the script read the body
        except Exception as error:  # noqa: BLE001 - a thread has no other way to say it
            self._server.errors.append(error)
            return Answer(500, body=b"the script failed")

    def _read_half(self, request: Request) -> None:
        left = int(request.header("Content-Length") or "0") // 2
        while left > 0:
            piece = self._reader.read1(min(left, PIECE))
            if not piece:
                raise _GoneError
            left -= len(piece)

    def _send(self, request: Request, answer: Answer) -> bool:
        """Send the answer; return whether all of it was sent."""
        whole = answer.cut != "mid-answer"
        for piece in _answer_pieces(request, answer):
            self._socket.sendall(piece)
            if answer.drip and self._server.stopping.wait(answer.drip):
                raise _GoneError
            if self._server.stopping.is_set():
                raise _GoneError
        request.ended = time.monotonic()
        return whole


def _answer_pieces(request: Request, answer: Answer) -> Iterator[bytes]:
    """Yield the answer as it goes on the wire, up to the point where it is cut."""
    given = answer.headers.items() if isinstance(answer.headers, Mapping) else answer.headers
    headers = list(given)
    body = answer.body
    if answer.gzip:
        assert isinstance(body, bytes)
        body = gzip.compress(body)
        headers.append(("Content-Encoding", "gzip"))
    if isinstance(body, bytes):
        headers.append(("Content-Length", str(len(body))))
    else:
        headers.append(("Transfer-Encoding", "chunked"))
    if answer.close:
        headers.append(("Connection", "close"))
    lines = [b"HTTP/1.1 %d %s" % (answer.status, _reason(answer)), *(f"{n}: {v}".encode() for n, v in headers)]
    yield b"\r\n".join([*lines, b"", b""])
    if request.method != "HEAD":
        yield from _body_pieces(body, answer)


def _body_pieces(body: bytes | Iterable[bytes], answer: Answer) -> Iterator[bytes]:
    cut = answer.cut == "mid-answer"
    if isinstance(body, bytes):
        sent = body[: len(body) // 2] if cut else body
        yield from (sent[at : at + 1] for at in range(len(sent))) if answer.drip else (sent,)
        return
    for piece in body:
        yield b"%x\r\n%s\r\n" % (len(piece), piece)
        if cut:
            return
    yield b"0\r\n\r\n"


def _reason(answer: Answer) -> bytes:
    if answer.reason is not None:
        return answer.reason
    try:
        return http.HTTPStatus(answer.status).phrase.encode()
    except ValueError:
        return b""


def _says_close(request: Request) -> bool:
    return (request.header("Connection") or "").lower() == "close"


def _pieces(reader: io.BufferedReader[socket.SocketIO], request: Request, length: int) -> Iterator[bytes]:
    """Yield a body of `length` bytes as it comes in."""
    left = length
    while left:
        try:
            piece = reader.read1(min(left, PIECE))
        except OSError:
            piece = b""
        if not piece:
            request._violations.append(f"the body ended {left} bytes short of its Content-Length {length}")
            raise _GoneError
        left -= len(piece)
        yield piece


def _chunks(reader: io.BufferedReader[socket.SocketIO]) -> Iterator[bytes]:
    """Yield a chunked body: a violation, but one that should not hide the others."""
    while size := int(reader.readline(MAX_HEAD_LINE).partition(b";")[0] or b"0", 16):
        yield reader.read(size)
        reader.readline(MAX_HEAD_LINE)
    reader.readline(MAX_HEAD_LINE)


def _parsed(request: Request, pieces: Iterator[bytes]) -> _Body:
    kind = request.header("Content-Type") or ""
    if kind.startswith("multipart/form-data"):
        boundary = re.search(r'boundary="?([^";]+)"?', kind)
        return _Body(read_form(boundary[1] if boundary else "", pieces), b"")
    plain = bytearray()
    for piece in pieces:
        plain += piece[: MAX_PLAIN_BODY - len(plain)]
    return _Body(Form(), bytes(plain))


def _broken_head(request: Request) -> Iterator[str]:
    """Yield what is wrong with a head: HTTP/1.1 (RFC 9112), and no chunked uploads, which WSGI servers cannot read."""
    times = [name.lower() for name, _ in request.headers]
    if request.http_version != "HTTP/1.1":
        yield f"the HTTP version is {request.http_version!r}"
    if times.count("host") != 1:
        yield f"Host is there {times.count('host')} times"
    if "transfer-encoding" in times:
        yield "the body has a Transfer-Encoding"
    if request.method in ("POST", "PUT") and times.count("content-length") != 1:
        yield f"Content-Length is there {times.count('content-length')} times"
    length = request.header("Content-Length")
    if length is not None and not length.isdecimal():
        yield f"Content-Length is {length!r}"
