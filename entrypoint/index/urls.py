"""URLs as users give them: read into their parts, and shown without what is secret in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

from entrypoint.errors import InputError, Note

Origin = tuple[str, str, int]
"""Scheme, host and port: what a credential is bound to."""

_SCHEME = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.-]*://")
_NO_SCHEME = re.compile(r"([A-Za-z0-9-]+\.)+[A-Za-z0-9-]+(:\d+)?/")
_HOST_NAME = re.compile(r"(?=.{1,253}$)([A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}\.?")
"""Letters, digits, hyphens (RFC 1123) and underscores; labels of 63, names of 253 characters (RFC 1035, 2.3.4)."""
PORTS = {"https": 443, "http": 80}


class Url(NamedTuple):
    """An `http` or `https` URL without user name, password and fragment; scheme and host in lower case."""

    scheme: str
    host: str
    port: int | None
    path: str
    query: str = ""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port is None else f":{self.port}"
        query = f"?{self.query}" if self.query else ""
        return f"{self.scheme}://{host}{port}{self.path}{query}"

    @property
    def loopback(self) -> bool:
        """Whether the host is this machine (RFC 6761, section 6.3; RFC 5735; RFC 4291)."""
        if self.host == "localhost" or self.host.endswith(".localhost"):
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False


class Reading(NamedTuple):
    """A URL as it was given, and what was taken out of it."""

    url: Url
    shown: str
    """The text as it was given, fit for a message."""
    user: str | None = None
    password: str | None = None
    notes: tuple[Note, ...] = ()

    def __repr__(self) -> str:
        return f"Reading({self.shown!r})"  # without the password


def origin(url: str) -> Origin:
    """Give scheme, host and port of a URL that was read before."""
    parts = urlsplit(url)
    return (parts.scheme, parts.hostname or "", parts.port or PORTS[parts.scheme])


def redacted(url: str) -> str:
    """Hide what may be secret: everything between the scheme and the last `@`, whatever else is broken, and a query."""
    hidden, at, rest = url.rpartition("@")
    scheme = _SCHEME.match(hidden)
    shown = f"{scheme[0] if scheme else ''}***@{rest}" if at else url
    return re.sub(r"\?[^#]+", "?***", shown)


def repair(source: str, why: str, old: str, new: object) -> Note:
    """Tell that a URL was changed. `source` names the input it comes from."""
    detail = f"{source}: {why}: `{redacted(old)}` is read as `{redacted(str(new))}`."
    return Note("notice", "A URL was repaired", detail)


def read(text: str, source: str) -> Reading:
    """Read a URL, and take white space around it, user name, password and fragment out of it.

    Raises `InputError` with everything that keeps the text from being a URL.
    """
    text = text.strip()
    faults = list(_faults(text))
    if faults:
        raise InputError(
            f"Input {source} is not usable", f"{source} {_quoted(text)}{' and '.join(faults)}.", _advice(text)
        )
    parts = urlsplit(text)
    url = Url(parts.scheme, parts.hostname or "", parts.port, parts.path or "/", parts.query)
    notes = []
    if "@" in parts.netloc:
        notes.append(repair(source, "user name and password are not part of the address", text, url))
    if parts.fragment:
        notes.append(repair(source, "what follows `#` never reaches a server", text, url))
    user, _, password = parts.netloc.rpartition("@")[0].partition(":")
    return Reading(url, redacted(text), unquote(user) or None, unquote(password) or None, tuple(notes))


def _quoted(text: str) -> str:
    """Quote a text that is no URL, unless what is wrong with it may be a password in the wrong place."""
    parts = _parts(text)
    if "@" in text or (parts and not list(_host_faults(parts))) or _NO_SCHEME.match(text):
        return f"is `{redacted(text)}`: it "
    return ""


def _advice(text: str) -> str:
    if _NO_SCHEME.match(text):
        return f"Write `https://{redacted(text)}`."
    if "@" not in text:
        return "Give the whole URL: `https://HOST/PATH/`."
    return (
        "Give the URL without user name and password, and these as `user` and `password`. Where they have to stay in "
        "the URL, write `@` as %40, `/` as %2F, `:` as %3A, `?` as %3F and `#` as %23 inside them."
    )


def _parts(text: str) -> SplitResult | None:
    try:
        return urlsplit(text) if _SCHEME.match(text) else None
    except ValueError:  # its message quotes user name and password
        return None


def _faults(text: str) -> Iterator[str]:
    """Say what keeps a text from being a URL; each goes on after "it"."""
    if not text:
        yield "is empty"
        return
    if any(character.isspace() or not character.isprintable() for character in text):
        yield "holds white space or control characters"
    if "\\" in text:
        yield "holds a backslash"
    if not _SCHEME.match(text):
        yield "does not start with `https://`"
        return
    parts = _parts(text)
    if parts is None:
        yield "has a host that cannot be read"
        return
    if parts.scheme not in PORTS:
        yield f"starts with `{parts.scheme}://`, not with `https://`"
    yield from _host_faults(parts)
    if "@" in parts.path + parts.query + parts.fragment:
        # Otherwise half of a password that holds an unencoded `/`, `?` or `#` would be taken for a path, and shown.
        yield "has an `@` behind the host"


def _host_faults(parts: SplitResult) -> Iterator[str]:
    host = parts.hostname or ""
    if not host:
        yield "names no host"
    elif not host.isascii():
        yield "has a host beyond ASCII (an internationalised name is written in its `xn--` form)"
    elif not _is_address(host) and not _HOST_NAME.fullmatch(host):
        yield "has a host that is no host name"
    try:
        valid = parts.port != 0
    except ValueError:  # its message quotes what stands behind the colon: perhaps a password
        valid = False
    if not valid:
        yield "has a port that is no number from 1 to 65535"


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return "%" not in host  # a zone is for a link of this machine
