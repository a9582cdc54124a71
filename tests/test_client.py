"""The client: what every request has in common, and what its failures mean."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import httpx
import pytest

from entrypoint.client import connect, failure
from entrypoint.errors import InputError, Unavailable, Unreachable

URL = "https://index.example/upload/"


def test_no_cookies_and_no_redirects() -> None:
    """A cookie is not sent back, and a redirect is an answer like any other."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(307, headers={"Set-Cookie": "a=b; Path=/", "Location": "https://elsewhere.example/"})

    with connect({}, [URL], timeout=1, transport=httpx.MockTransport(answer)) as http:
        assert http.post(URL).status_code == 307
        http.post(URL)
    assert [str(request.url) for request in seen] == [URL, URL]
    assert "cookie" not in seen[1].headers


def test_request_lines_have_no_query() -> None:
    """What is logged of a request leaves the query out: it may hold a token."""
    lines: list[str] = []
    transport = httpx.MockTransport(lambda _: httpx.Response(200))
    with connect({}, [URL], timeout=1, log=lines.append, transport=transport) as http:
        http.post(f"{URL}?token=secret")
    assert lines == [f"POST {URL} → 200"]


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"])
def test_missing_authorities(variable: str, tmp_path: Path) -> None:
    """A variable that names nothing is an error with its name and value, before any request."""
    path = str(tmp_path / "nowhere")
    with pytest.raises(InputError, match=variable) as caught:
        connect({variable: path}, [URL], timeout=1)
    assert path in caught.value.detail


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_broken_authorities(variable: str, tmp_path: Path) -> None:
    """A file without certificates is an error with the variable's name."""
    path = tmp_path / "ca.pem"
    path.write_text("no certificate")
    with pytest.raises(InputError, match=variable):
        connect({variable: str(path)}, [URL], timeout=1)


@pytest.mark.parametrize("proxy", ["socks5://user:hidden@proxy.example", "ftp://hidden", "http://hidden:port"])
def test_nonsense_proxies(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that cannot be used is an error that does not show its value, which may hold a password."""
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(InputError, match="proxy") as caught:
        connect({"HTTPS_PROXY": proxy}, [URL], timeout=1)
    assert "hidden" not in f"{caught.value}{caught.value.tip}"


def caused(error: httpx.TransportError, cause: Exception) -> httpx.TransportError:
    """Give an error with its cause, as httpx raises it."""
    error.__cause__ = cause
    return error


UNTRUSTED = ssl.SSLCertVerificationError(1, "certificate verify failed")
UNTRUSTED.verify_message = "self-signed certificate"


@pytest.mark.parametrize(
    ("error", "kind", "title", "seen"),
    [
        (caused(httpx.ConnectError("x"), UNTRUSTED), Unreachable, "certificate is not trusted", "self-signed"),
        (caused(httpx.ConnectError("x"), ssl.SSLError(1, "wrong version")), Unreachable, "No TLS", "wrong version"),
        (
            caused(httpx.ConnectError("x"), socket.gaierror(-2, "Name or service not known")),
            Unreachable,
            "Unknown host",
            "Name or service not known",
        ),
        (
            caused(httpx.ConnectError("x"), ConnectionRefusedError(111, "refused")),
            Unreachable,
            "No connection",
            "refused",
        ),
        (httpx.ConnectTimeout("x"), Unreachable, "No connection", "timed out"),
        (httpx.ProxyError("403 Forbidden"), Unreachable, "No connection", "403 Forbidden"),
        (httpx.ReadTimeout("x"), Unavailable, "No answer in time", "timeout"),
        (httpx.WriteTimeout("x"), Unavailable, "No answer in time", "timeout"),
        (httpx.ReadError("x"), Unavailable, "connection was lost", "x"),
        (caused(httpx.ReadError("x"), ssl.SSLError(1, "bad mac")), Unavailable, "connection was lost", "bad mac"),
        (httpx.WriteError(""), Unavailable, "connection was lost", "no reason given"),
        (httpx.RemoteProtocolError("Server disconnected"), Unavailable, "connection was lost", "disconnected"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_failures(error: httpx.TransportError, kind: type[Exception], title: str, seen: str) -> None:
    """Each failure has its title, what was seen and a tip; what may help is to run the job again."""
    told = failure(error, URL)
    assert type(told) is kind
    assert title in told.title
    assert seen in told.detail
    assert told.again == (title not in {"certificate is not trusted", "No TLS", "Unknown host"})
    assert ("run the job again" in told.tip.lower()) == told.again
