"""The scripted index: it has to be right about what is wrong, or every test that uses it is worth nothing."""

from __future__ import annotations

import contextlib
import functools
import gzip
import hashlib
import http.client
import itertools
import json
import math
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import StartIndex
from tests.distributions import make_sdist, make_wheel
from tests.peers.plain import BOUNDARY, connection_to, fields_for, get, multipart, post, upload
from tests.peers.scripted import Answer, Cut, Request, endless, in_turn, json_answer, scripted_index
from tests.peers.tls import Authority

Fields = list[tuple[str, str]]


@pytest.fixture
def scripted(scripted: StartIndex) -> StartIndex:
    """Return a function that starts an index of which reads are requests like all others: it is what is tested."""
    return functools.partial(scripted, reads=None)


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """Make a small wheel."""
    return make_wheel(tmp_path)


@contextlib.contextmanager
def raw_socket(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
        yield raw


def everything(raw: socket.socket) -> bytes:
    """Read until the other side closes."""
    return b"".join(iter(lambda: raw.recv(65536), b""))


@pytest.mark.parametrize("make", [make_wheel, make_sdist])
def test_a_good_upload_is_recorded_without_violations(
    scripted: StartIndex, tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    """Of a good upload the index keeps the fields in order, name, size and hashes of the file, and its first bytes."""
    index, path = scripted(), make(tmp_path)

    reply = upload(f"{index.url}legacy/", path, auth=("__token__", "pypi-secret: with colon"))

    assert (reply.status, reply.reason) == (200, "OK")
    (request,) = index.requests
    assert index.violations == []
    assert (request.method, request.target, request.ordinal) == ("POST", "/legacy/", 1)
    assert request.basic == ("__token__", "pypi-secret: with colon")
    assert request.fields == fields_for(path)
    content = path.read_bytes()
    assert request.content.filename == path.name
    assert request.content.size == len(content)
    assert request.content.sha256 == hashlib.sha256(content).hexdigest()
    assert request.content.blake2b_256 == hashlib.blake2b(content, digest_size=32).hexdigest()
    assert request.content.head == content[:64]
    assert index.uploads == [request]


@pytest.mark.parametrize("size", [0, 1, 3, 1000, 262_143, 262_144, 262_145, 700_000])
@pytest.mark.parametrize("byte", [b"\r", b"\r\n--" + BOUNDARY[:-1].encode()])
def test_the_boundary_is_found_wherever_it_falls(scripted: StartIndex, size: int, byte: bytes) -> None:
    """Content that looks like a boundary, and boundaries split between two reads, do not disturb the parser."""
    content = (byte * size)[:size]
    fields = fields_of(content)
    index = scripted()

    with contextlib.closing(connection_to(index.url)) as connection:
        post(connection, "/", multipart(fields, "demo_pkg-1.0.tar.gz", content))

    assert index.violations == []
    assert index.requests[0].content.size == size


def fields_of(content: bytes = b"content") -> Fields:
    return [
        (":action", "file_upload"),
        ("protocol_version", "1"),
        ("filetype", "sdist"),
        ("pyversion", "source"),
        ("metadata_version", "2.4"),
        ("name", "demo-pkg"),
        ("version", "1.0"),
        ("description", "line\r\nline\nüñí 🚀"),
        ("sha256_digest", hashlib.sha256(content).hexdigest()),
        ("blake2_256_digest", hashlib.blake2b(content, digest_size=32).hexdigest()),
    ]


def with_field(name: str, value: str) -> Fields:
    return [(given, value if given == name else old) for given, old in fields_of()]


@pytest.mark.parametrize(
    ("body", "violation"),
    [
        (multipart(with_field(":action", "submit"), "f.tar.gz", b"content"), ":action is 'submit'"),
        (multipart(with_field("protocol_version", "2"), "f.tar.gz", b"content"), "protocol_version is '2'"),
        (multipart(fields_of()[1:], "f.tar.gz", b"content"), ":action is there 0 times"),
        (multipart([*fields_of(), ("name", "demo-pkg")], "f.tar.gz", b"content"), "name is there 2 times"),
        (multipart(with_field("filetype", "bdist_egg"), "f.tar.gz", b"content"), "filetype is 'bdist_egg'"),
        (multipart(with_field("pyversion", "py3"), "f.tar.gz", b"content"), "not 'source'"),
        (multipart(with_field("filetype", "bdist_wheel"), "f.tar.gz", b"content"), "its python tag"),
        (multipart(fields_of(), "f.tar.gz", b"changed"), "sha256_digest is ed7002b"),
        (multipart(fields_of(), "f.tar.gz", b"changed"), "blake2_256_digest is "),
        (multipart(fields_of()[:-2], "f.tar.gz", b"content"), "there is no digest"),
        (multipart([*fields_of(), ("md5_digest", "00")], "f.tar.gz", b"content"), "md5_digest is there"),
        (multipart([*fields_of(), ("attestations", "[]")], "f.tar.gz", b"content"), "attestations is not"),
        (multipart([*fields_of(), ("attestations", "{")], "f.tar.gz", b"content"), "attestations is not"),
        (multipart(fields_of()), "there is no content"),
        (multipart(fields_of(), "a/f.tar.gz", b"content"), "the filename is 'a/f.tar.gz'"),
        (multipart(fields_of(), "", b"content"), "the filename is ''"),
        (
            multipart(fields_of(), "f.tar.gz", b"content").replace(b"application/octet-stream", b"image/png"),
            "the content is 'image/png'",
        ),
        (
            multipart(fields_of(), "f.tar.gz", b"content").replace(b'name="name"', b'name="name"; filename="x"'),
            "the text part 'name' has a filename",
        ),
        (
            multipart(fields_of(), "f.tar.gz", b"content").replace(b'; filename="f.tar.gz"', b""),
            "the content has no filename",
        ),
        (multipart(fields_of(), "f.tar.gz", b"content").replace(b"demo-pkg", b"demo-\xff"), "'name' is not UTF-8"),
        (
            multipart(fields_of(), "f.tar.gz", b"content").removesuffix(f"--{BOUNDARY}--\r\n".encode())
            + multipart([("comment", "late")]),
            "the part 'comment' comes after the content",
        ),
        (multipart(fields_of(), "f.tar.gz", b"content")[:-10], "it ends in the middle of a part"),
        (multipart(fields_of(), "f.tar.gz", b"content") + b"more", "b'\\r\\nmore' follows the last boundary"),
        (b"hello\r\n" + multipart(fields_of(), "f.tar.gz", b"content"), "before the first boundary"),
        (multipart(fields_of(), "f.tar.gz", b"content").replace(b'; name="name"', b""), "a part without a name"),
    ],
)
def test_every_violation_of_the_form_is_seen(scripted: StartIndex, body: bytes, violation: str) -> None:
    """Each rule that a form breaks is in its violations; the request is answered, and the connection lives on."""
    index = scripted()

    with contextlib.closing(connection_to(index.url)) as connection:
        assert post(connection, "/", body).status == 200
        assert post(connection, "/", multipart(fields_of(), "f.tar.gz", b"content")).status == 200

    bad, good = index.requests
    assert any(violation in found for found in bad.violations), bad.violations
    assert good.violations == []
    assert good.connection == bad.connection


def test_a_chunked_body_is_a_violation(scripted: StartIndex, wheel: Path) -> None:
    """A chunked upload is read like any other, and the missing Content-Length is on record."""
    index, form = scripted(), multipart(fields_for(wheel), wheel.name, wheel.read_bytes())
    with contextlib.closing(connection_to(index.url)) as connection:
        headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        connection.request("POST", "/", iter([form[:100], form[100:]]), headers)
        assert connection.getresponse().read() == b""
    assert index.violations == [
        f"{index.requests[0]!r}: the body has a Transfer-Encoding",
        f"{index.requests[0]!r}: Content-Length is there 0 times",
    ]


def test_a_wrong_content_length_is_seen(scripted: StartIndex) -> None:
    """A body shorter than its Content-Length is a violation, whichever way the client then goes."""
    index = scripted()
    with raw_socket(index.port) as raw:
        raw.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nonly this")
        raw.shutdown(socket.SHUT_WR)
        assert everything(raw) == b""
    assert index.requests[0].violations == ["the body ended 91 bytes short of its Content-Length 100"]
    assert not index.requests[0].complete
    with pytest.raises(LookupError, match="has not been read to its end"):
        _ = index.requests[0].fields


def test_reason_phrases_are_any_bytes(scripted: StartIndex) -> None:
    """The status line goes out as it is given: Latin-1, control characters, nothing at all, unknown status codes."""
    index = scripted(
        in_turn(Answer(400, b"Na\xefve \x1b[31m"), Answer(409, b""), Answer(499), Answer(520, b"%0A::error"))
    )
    lines = []
    with raw_socket(index.port) as raw, raw.makefile("rb") as reader:
        for _ in range(4):
            raw.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            lines.append(reader.readline())
            while reader.readline() != b"\r\n":
                pass
    assert lines == [
        b"HTTP/1.1 400 Na\xefve \x1b[31m\r\n",
        b"HTTP/1.1 409 \r\n",
        b"HTTP/1.1 499 \r\n",
        b"HTTP/1.1 520 %0A::error\r\n",
    ]


def test_an_early_answer_comes_before_the_body_is_read(scripted: StartIndex, wheel: Path) -> None:
    """An early answer goes out on the head alone; with `read_on` the body is read then, and the connection lives."""
    index = scripted(in_turn(Answer(413, early=True), Answer(200)))
    body = multipart(fields_for(wheel), wheel.name, wheel.read_bytes())
    head = f"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary={BOUNDARY}\r\n"
    head += f"Content-Length: {len(body)}\r\n\r\n"
    with raw_socket(index.port) as raw:
        raw.sendall(head.encode())
        assert raw.recv(65536).startswith(b"HTTP/1.1 413 ")
        raw.sendall(body + head.encode() + body)
        assert raw.recv(65536).startswith(b"HTTP/1.1 200 ")
    assert [request.content.filename for request in index.uploads] == [wheel.name] * 2
    assert index.violations == []


def test_an_early_answer_without_reading_on_closes(scripted: StartIndex) -> None:
    """Without `read_on` the connection is closed with the body unread, so that a client that goes on writing fails."""
    index = scripted(Answer(413, early=True, read_on=False))
    with raw_socket(index.port) as raw:
        raw.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n")
        assert everything(raw).startswith(b"HTTP/1.1 413 ")
        with pytest.raises(OSError, match=r"reset|pipe"):
            raw.sendall(b"x" * 100_000_000)


@pytest.mark.parametrize("cut", ["before-body", "mid-body", "after-body"])
def test_a_cut_closes_without_an_answer(scripted: StartIndex, wheel: Path, cut: Cut) -> None:
    """The connection ends at the asked point, without an answer; only `after-body` has read the whole body."""
    index = scripted(Answer(cut=cut))
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        upload(index.url, wheel)
    assert index.requests[0].complete is (cut == "after-body")


def test_a_reset_is_a_reset(scripted: StartIndex, wheel: Path) -> None:
    """`reset` reads the body and sends a RST where `after-body` ends in order."""
    index = scripted(in_turn(Answer(cut="reset"), Answer(cut="after-body")))
    with pytest.raises(ConnectionResetError) as caught:
        upload(index.url, wheel)
    assert type(caught.value) is ConnectionResetError  # RemoteDisconnected is a kind of it
    with pytest.raises(http.client.RemoteDisconnected):
        upload(index.url, wheel)


def test_an_answer_can_end_in_the_middle(scripted: StartIndex) -> None:
    """`mid-answer` promises the whole body and sends half of it."""
    index = scripted(Answer(body=b"x" * 1000, cut="mid-answer"))
    with pytest.raises(http.client.IncompleteRead) as caught:
        get(index.url)
    assert (len(caught.value.partial), caught.value.expected) == (500, 500)


def test_no_answer_at_all_still_lets_the_index_stop() -> None:
    """An answer that never comes runs into the client's timeout, and does not hold up the end of the index."""
    with scripted_index(lambda _: Answer(delay=math.inf)) as index:
        connection = http.client.HTTPConnection("127.0.0.1", index.port, timeout=0.2)
        connection.request("GET", "/")
        with pytest.raises(TimeoutError):
            connection.getresponse()
        connection.close()
        begin = time.monotonic()
    assert time.monotonic() - begin < 5


def test_a_server_that_stops_reading(scripted: StartIndex) -> None:
    """With `mid-body` and a delay the index reads half a body and then nothing, so that writing runs into a timeout."""
    index = scripted(Answer(cut="mid-body", delay=math.inf))
    with raw_socket(index.port) as raw:
        raw.settimeout(0.5)
        raw.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n")
        with pytest.raises(TimeoutError):
            raw.sendall(b"x" * 100_000_000)


def test_a_body_can_drip(scripted: StartIndex) -> None:
    """A dripping body comes byte by byte, with a pause after each."""
    index = scripted(Answer(body=b"slow", drip=0.03))
    begin = time.monotonic()
    assert get(index.url).body == b"slow"
    assert time.monotonic() - begin >= 4 * 0.03


def test_a_body_can_be_endless(scripted: StartIndex) -> None:
    """An endless body is sent for as long as the client reads."""
    index = scripted(Answer(body=endless()))
    with contextlib.closing(connection_to(index.url)) as connection:
        connection.request("GET", "/")
        with connection.getresponse() as response:
            assert len(response.read(5_000_000)) == 5_000_000


def test_iterables_are_sent_as_chunks(scripted: StartIndex) -> None:
    """A body from an iterable has no Content-Length and arrives whole."""
    reply = get(scripted(Answer(body=[b"one ", b"two"])).url)
    assert reply.body == b"one two"
    assert ("Transfer-Encoding", "chunked") in reply.headers


def test_a_compressed_answer(scripted: StartIndex) -> None:
    """`gzip` compresses the body and says so."""
    reply = get(scripted(Answer(body=b"text", gzip=True)).url)
    assert ("Content-Encoding", "gzip") in reply.headers
    assert gzip.decompress(reply.body) == b"text"


def test_json_in_and_out(scripted: StartIndex) -> None:
    """A JSON body is there as a value, and `json_answer` makes one; headers may be repeated."""
    index = scripted(lambda request: json_answer({"echo": request.json}, 202))
    with contextlib.closing(connection_to(index.url)) as connection:
        reply = post(connection, "/_/x", b'{"a": 1}', headers={"Content-Type": "application/json"})
    assert (reply.status, json.loads(reply.body)) == (202, {"echo": {"a": 1}})
    twice = get(scripted(Answer(headers=[("X-Twice", "1"), ("X-Twice", "2")])).url)
    assert [value for name, value in twice.headers if name == "X-Twice"] == ["1", "2"]


def test_the_script_sees_the_request(scripted: StartIndex, wheel: Path) -> None:
    """A script may decide by anything in the form, which is read when it first looks."""

    def by_name(request: Request) -> Answer:
        return Answer(409 if request.content.filename.endswith(".whl") else 200)

    index = scripted(by_name)
    assert upload(index.url, wheel).status == 409
    assert upload(index.url, make_sdist(wheel.parent)).status == 200


def test_a_failing_script_fails_the_test(wheel: Path) -> None:
    """What a script raises is answered 500 at once and raised when the index stops."""

    def script(request: Request) -> Answer:
        assert request.method == "PUT", "only PUT here"
        return Answer()

    with pytest.RaisesGroup(pytest.RaisesExc(AssertionError, match="only PUT here")), scripted_index(script) as index:
        assert upload(index.url, wheel).status == 500


def test_requests_at_once_are_counted(scripted: StartIndex) -> None:
    """`most_at_once` says how many requests were open together."""
    gate = threading.Barrier(3)
    index = scripted(lambda request: Answer(200 if request.ordinal > 3 or gate.wait(10) >= 0 else 500))
    threads = [threading.Thread(target=get, args=(index.url,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    get(index.url)
    assert index.most_at_once() == 3
    assert sorted({request.connection for request in index.requests}) == [1, 2, 3, 4]


def test_https(scripted: StartIndex, ca: Authority, wheel: Path) -> None:
    """With a TLS context the index is on https, and a client that does not trust it is on record."""
    index = scripted(https=ca.server_context())
    assert index.url == f"https://localhost:{index.port}/"
    assert upload(index.url, wheel, ca_file=ca.ca_file).status == 200
    with pytest.raises(ssl.SSLCertVerificationError):
        upload(index.url, wheel)
    assert index.violations == []
    assert len(index.requests) == 1
    for _ in itertools.takewhile(lambda _: not index.failed_handshakes, range(100)):
        time.sleep(0.05)  # the client knows before the server does
    assert len(index.failed_handshakes) == 1
