"""The HTTP client: how requests leave this program, and what their failures mean.

HTTP/1.1 only: some indexes say why they refuse in the reason phrase alone, which HTTP/2 has not.
"""

from __future__ import annotations

import os
import platform
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

from entrypoint import __version__
from entrypoint.errors import InputError, PublishError, Unavailable, Unreachable

CONNECT = 10.0
"""Seconds to reach a server. One that needs longer is not there."""

ACCEPT = "application/json;q=0.9, text/plain;q=0.8, text/html;q=0.7"
"""With this PyPI answers errors as JSON, whose `code` holds the reason (warehouse, 2026-08)."""

USER_AGENT = f"publish-action/{__version__} httpx/{httpx.__version__} CPython/{platform.python_version()}"
"""PyPI stores it with each file. The name of another tool in it makes pypiserver change its answers (2.4.2)."""

CONNECTIONS = 32
"""Idle connections that are kept: as many as are ever in use at once, by uploads and by looks at the index."""

CA_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")


def connect(
    environ: Mapping[str, str],
    urls: Sequence[str],
    *,
    timeout: float,
    log: Callable[[str], None] | None = None,
    transport: httpx.BaseTransport | None = None,
) -> httpx.Client:
    """Make the client that talks to the servers of these URLs; `timeout` is in seconds without progress.

    Redirects are never followed and cookies never kept. Proxies come from the environment, certificates of
    authorities from `SSL_CERT_FILE`, `SSL_CERT_DIR` and `REQUESTS_CA_BUNDLE`, else from Mozilla's list.

    Raises `InputError` when one of these variables cannot be used.
    """
    hooks = [lambda response: log(_request_line(response))] if log else []
    try:
        return httpx.Client(
            transport=transport,
            verify=_trust(environ, urls if transport is None else ()),  # a transport has its own
            headers={"User-Agent": USER_AGENT, "Accept": ACCEPT, "Accept-Encoding": "identity"},
            timeout=httpx.Timeout(timeout, connect=min(timeout, CONNECT)),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=CONNECTIONS),
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            follow_redirects=False,
            event_hooks={"response": [_without_bad_location, *hooks]},
        )
    except (ValueError, ImportError, httpx.InvalidURL) as error:
        raise InputError(
            "The proxy cannot be used",
            f"HTTPS_PROXY, HTTP_PROXY or ALL_PROXY is not a URL that this program can use ({type(error).__name__}).",
            "Write http://HOST:PORT or https://HOST:PORT, or unset the variable for this step.",
        ) from error


class Signer(httpx.Auth):
    """Signs requests, and knows what it means that its signature is refused. This one signs nothing."""

    def renewed(self, refused: str | None) -> bool:  # noqa: ARG002 - for those who can
        """Tell whether requests are signed otherwise by now than with the refused `Authorization`."""
        return False

    def explained(self, error: PublishError, status: int, project: str) -> PublishError:  # noqa: ARG002 - same
        """Say what is to be done about a refusal, better than whoever does not know how we signed in."""
        return error


def failure(error: httpx.TransportError, url: str) -> Unavailable:
    """Say what a request that got no answer means: what was seen, what to do, and whether another try may help."""
    host = httpx.URL(url).host
    said = str(list(_causes(error))[-1]).rstrip(".") or "no reason given"
    if isinstance(error, httpx.ConnectError):
        return _no_connection(error, host, said)
    if isinstance(error, httpx.ConnectTimeout | httpx.ProxyError):
        seen = "timed out" if isinstance(error, httpx.ConnectTimeout) else said
        return Unreachable("No connection", f"{host}: {seen}.", NOTHING_SENT)
    if isinstance(error, httpx.TimeoutException):
        return Unavailable(
            "No answer in time",
            f"{host} made no progress for the time that `timeout` allows.",
            f"{UNSURE} Raise `timeout` if the index is slow.",
        )
    return Unavailable("The connection was lost", f"{host}: {said}.", UNSURE)


def transient(status: int) -> bool:
    """Tell whether an answer is not the last word: the same question may be answered otherwise (RFC 9110, 15)."""
    return status in {408, 425, 429} or (status >= 500 and status not in {501, 505})  # noqa: PLR2004 - server errors


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Read `Retry-After`: seconds, or a date (RFC 9110, 10.2.3), as seconds from now; `None` where it says nothing."""
    text = headers.get("retry-after", "").strip()
    if text.isdecimal() and text.isascii():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max((moment - datetime.now(UTC)).total_seconds(), 0.0)


def _no_connection(error: httpx.ConnectError, host: str, said: str) -> Unreachable:
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Unreachable(
                "The server's certificate is not trusted",
                f"{host}: {cause.verify_message}.",
                "With a private certificate authority, let SSL_CERT_FILE name its certificate, as a file in the "
                "workspace. Otherwise somebody may be listening: nothing was sent.",
                again=False,
            )
        if isinstance(cause, ssl.SSLError):
            seen = f"{host}: {getattr(cause, 'reason', None) or cause}."
            return Unreachable("No TLS connection", seen, "Check the scheme and port of the URL.", again=False)
        if isinstance(cause, socket.gaierror):
            return Unreachable(
                "Unknown host",
                f"There is no address for {host!r}: {cause.strerror}.",
                "Check the spelling of the URL; on a self-hosted runner, its DNS and its proxy.",
                again=cause.errno == socket.EAI_AGAIN,
            )
    return Unreachable("No connection", f"{host}: {said}.", NOTHING_SENT)


NOTHING_SENT = "Nothing was sent. Check the URL, or run the job again."
UNSURE = "Run the job again: it finds out what the index has, and sends what is missing."


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


def _trust(environ: Mapping[str, str], urls: Sequence[str]) -> ssl.SSLContext:
    """Make the one TLS context of this process."""
    given = {name: environ[name] for name in CA_VARIABLES if environ.get(name)}
    if all(url.startswith("http:") for url in urls) and not any(name.lower().endswith("_proxy") for name in environ):
        # No TLS will be spoken. This context trusts nobody, and loading authorities takes longer than a small upload.
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if not given:
        return httpx.create_ssl_context()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for name, path in given.items():
        _load(context, name, path)
    return context


def _load(context: ssl.SSLContext, name: str, path: str) -> None:
    try:
        if name == "SSL_CERT_DIR":
            os.scandir(path).close()  # OpenSSL takes a folder that is not there without a word
            context.load_verify_locations(capath=path)
        else:
            context.load_verify_locations(cafile=path)
    except (OSError, ssl.SSLError) as error:
        raise InputError(
            f"{name} cannot be used",
            f"{name} is {path!r}: {error.strerror or error}.",
            "Name a PEM file in the workspace (the container sees no other folder of the runner), "
            "or unset the variable for this step.",
        ) from error


def _without_bad_location(response: httpx.Response) -> None:
    """Take out a redirect to what is no web address: httpx builds the next request though nobody follows it."""
    if (location := response.headers.get("location")) is None:
        return
    try:
        usable = httpx.URL(location).scheme in {"", "http", "https"}
    except httpx.InvalidURL:
        usable = False
    if not usable:
        del response.headers["location"]


def _request_line(response: httpx.Response) -> str:
    return f"{response.request.method} {_without_query(response.request.url)} → {response.status_code}"


@lru_cache(maxsize=64)
def _without_query(url: httpx.URL) -> str:
    return str(url.copy_with(query=None))
