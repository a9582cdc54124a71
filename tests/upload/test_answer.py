"""Answers: the reason of a refusal, wherever a server puts it."""

from __future__ import annotations

import itertools
import json
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrypoint.upload.answer import BODY_LIMIT, Answer, read

URL = "https://index.example/upload/"


class Stream(httpx.SyncByteStream):
    """A body that arrives in pieces, and may have no end."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self.taken = 0
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            self.taken += len(piece)
            yield piece


def answer(status: int, body: bytes, content_type: str = "", phrase: bytes = b"", **headers: str) -> Answer:
    """Read an answer with this body."""
    given_headers = {"Content-Type": content_type, **headers} if content_type else headers
    return read(
        httpx.Response(
            status,
            headers=given_headers,
            stream=Stream(iter([body])),
            extensions={"reason_phrase": phrase},
            request=httpx.Request("POST", URL),
        )
    )


class Case(NamedTuple):
    """What a server says, and the reason in it."""

    status: int
    body: bytes
    content_type: str
    reason: str
    phrase: bytes = b""


PYPI = {"message": "The server could not comply.\n\n\nFile already exists", "code": "400 File already exists ('a')"}
BOTTLE = b"""<!DOCTYPE HTML PUBLIC "-//IETF//DTD HTML 2.0//EN"><html><head><title>Error: 409 Conflict</title></head>
<body><h1>Error: 409 Conflict</h1><p>Sorry, the requested URL caused an error:</p>
<pre>Package &#039;a.whl&#039; already exists!</pre></body></html>"""
NGINX = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><h1>502 Bad Gateway</h1></body></html>"

CASES = {
    "PyPI": Case(400, json.dumps(PYPI | {"title": "Bad Request"}).encode(), "application/json", PYPI["code"][4:]),
    "PyPI, nothing in code": Case(403, b'{"code": "403 Forbidden", "message": "no"}', "application/json", "no"),
    "problem": Case(422, b'{"title": "Bad", "detail": "worse"}', "application/problem+json", "Bad worse"),
    "problem, details": Case(400, b'{"title": "Bad", "details": ["a", "b"]}', "application/problem+json", "Bad a b"),
    "GitLab": Case(400, b'{"message": "Validation failed: taken"}', "application/json", "Validation failed: taken"),
    "GitLab, nested": Case(400, b'{"message": {"name": ["is bad"]}}', "application/json", "name: is bad"),
    "Pulp": Case(
        400, b'{"sha256": ["This field is required."]}', "application/json", "sha256: This field is required."
    ),
    "Pulp, detail": Case(401, b'{"detail": "Invalid username."}', "application/json", "Invalid username."),
    "Artifactory": Case(403, b'{"errors": [{"status": 403, "message": "not you"}]}', "application/json", "not you"),
    "charset": Case(400, '{"error": "für"}'.encode(), "application/json; charset=utf-8", "für"),
    "latin-1": Case(400, "für".encode("latin-1"), "text/plain; charset=iso-8859-1", "für"),
    "no such charset": Case(400, b"plain", "text/plain; charset=nonsense", "plain"),
    "no JSON": Case(400, b"{oops", "application/json", "{oops"),
    "pypiserver": Case(409, BOTTLE, "text/html; charset=UTF-8", "Package 'a.whl' already exists!"),
    "nginx": Case(502, NGINX, "text/html", "Bad Gateway"),
    "HTML as text": Case(400, b"<html><title>Login needed</title></html>", "text/plain", "Login needed"),
    "PyPI, HTML": Case(
        403, b"<html><title>403 Invalid API Token: x</title></html>", "text/html", "Invalid API Token: x"
    ),
    "text": Case(400, b"  two\nlines  ", "text/plain", "two lines"),
    "no type": Case(400, b"bare", "", "bare"),
    "phrase": Case(
        409, b"", "text/plain", "a already exists in non-volatile index", b"a already exists in non-volatile index"
    ),
    "phrase in latin-1": Case(400, b"", "", "Gr\xfcnde", b"Gr\xfcnde"),
    "binary": Case(400, b"\x00\x01\x02", "application/octet-stream", "No", b"No"),
    "nothing": Case(400, b"", "", ""),
    "control characters": Case(400, b"a\x1b[31mb\x00c", "text/plain", "a\ufffd[31mb\ufffdc"),
}


@pytest.mark.parametrize("name", CASES)
def test_reason(name: str) -> None:
    """The reason is found, without the status that is told anyway, entities and line ends."""
    case = CASES[name]
    assert answer(case.status, case.body, case.content_type, case.phrase).reason == case.reason


def test_what_was_said() -> None:
    """A dialect is recognised by phrase and body together, entities resolved."""
    said = answer(409, b"can&#039;t", "text/html", b"Conflict").said
    assert said == "Conflict\ncan't"


def test_an_endless_answer() -> None:
    """Of an answer without end only so much is read as a reason may take."""
    stream = Stream(itertools.repeat(b"x" * 4096))
    response = httpx.Response(
        400, headers={"Content-Type": "text/plain"}, stream=stream, request=httpx.Request("POST", URL)
    )
    assert len(read(response).reason) == BODY_LIMIT
    assert stream.taken <= BODY_LIMIT + 4096


def test_a_compressed_answer() -> None:
    """A compressed body, which nobody asked for, is not unpacked."""
    assert answer(400, b"\x1f\x8b", "text/plain", b"No", **{"Content-Encoding": "gzip"}).reason == "No"


def test_deep_json() -> None:
    """JSON that is nested beyond reason is quoted as text."""
    assert answer(400, b"[" * 50_000, "application/json").reason.startswith("[[[")


@pytest.mark.parametrize(
    ("location", "absolute"),
    [
        ("/legacy/", "https://index.example/legacy/"),
        ("https://other.example/x", "https://other.example/x"),
        ("//other.example/x", "https://other.example/x"),
        ("http://host:port/", "http://host:port/"),
    ],
)
def test_location(location: str, absolute: str) -> None:
    """The target of a redirect is made absolute, where it can be."""
    assert answer(308, b"", Location=location).location == absolute


TYPES = st.sampled_from(["", "application/json", "text/html", "text/plain", "application/x+json", "x/y; charset=q"])


@settings(deadline=None, max_examples=300)
@given(
    st.integers(200, 599),
    st.binary(max_size=300) | st.text(max_size=100).map(lambda text: text.encode("utf-8", "replace")),
    TYPES,
    st.binary(),
)
def test_any_answer(status: int, body: bytes, content_type: str, phrase: bytes) -> None:
    """Whatever a server says is read without an exception, into one line without control characters."""
    reason = answer(status, body, content_type, phrase).reason
    assert [each for each in reason if unicodedata.category(each) in {"Cc", "Cs", "Zl", "Zp"}] == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["code", "message", "title", "detail", "errors", "x"]), inner, max_size=4)
    ),
    max_leaves=10,
)


@settings(deadline=None, max_examples=300)
@given(st.integers(200, 599), JSON)
def test_any_json(status: int, value: object) -> None:
    """Whatever the shape of a JSON answer, it is read."""
    assert isinstance(answer(status, json.dumps(value).encode(), "application/json").reason, str)
