"""Answers: what a server said, found wherever it said it.

Servers put the reason of a refusal into JSON (PyPI's `code`, GitLab's `message`, Pulp's fields), problem+json (RFC
9457), the title of an HTML page, plain text, or the reason phrase alone (devpi, Pulp), all observed 2026-08.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from http import HTTPStatus
from typing import NamedTuple

import httpx

from entrypoint.runner import one_line

BODY_LIMIT = 64 * 1024
"""Bytes read of an answer. Reasons are short; a server that goes on talking is not listened to."""
BODY_SECONDS = 30.0
"""Seconds for them to arrive."""

_CHARSETS = frozenset({"utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "latin-1", "windows-1252"})


class Answer(NamedTuple):
    """What a server said to an upload."""

    status: int
    reason: str
    """Its words in one line, from wherever it put them; empty where it had none."""
    said: str
    """Reason phrase and body, HTML entities resolved: what a dialect is recognised by."""
    location: str | None
    """Target of a redirect, absolute."""


def read(response: httpx.Response) -> Answer:
    """Read an answer that is being streamed, up to a length and a time. Raises `httpx.TransportError`."""
    body = _text(response, _body(response))
    phrase = response.extensions.get("reason_phrase", b"").decode("latin-1").strip()
    reason = one_line(_reason(response, body) or phrase)
    location = response.headers.get("location")
    return Answer(
        response.status_code,
        re.sub(rf"^(error:? )?{response.status_code}:? (?=.)", "", reason, flags=re.IGNORECASE),
        _unescaped(f"{phrase}\n{body}"),
        _absolute(response.url, location) if location else None,
    )


def _body(response: httpx.Response) -> bytes:
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        return b""  # We asked for none. What it unpacks to could be of any size.
    body, start = b"", time.monotonic()
    for block in response.iter_bytes():
        body += block
        if len(body) >= BODY_LIMIT or time.monotonic() - start > BODY_SECONDS:
            break
    return body[:BODY_LIMIT]


def _text(response: httpx.Response, body: bytes) -> str:
    charset = (response.charset_encoding or "utf-8").lower()
    return body.decode(charset if charset in _CHARSETS else "utf-8", "replace")


def _absolute(url: httpx.URL, location: str) -> str:
    try:
        return str(url.join(location))
    except httpx.InvalidURL:
        return location


def _reason(response: httpx.Response, body: str) -> str:
    media_type = response.headers.get("content-type", "text/plain").partition(";")[0].strip().lower()
    if media_type == "application/json" or media_type.endswith("+json"):
        try:
            return " ".join(_from_json(json.loads(body), response.status_code))
        except (ValueError, RecursionError):
            return body
    if media_type in {"text/html", "application/xhtml+xml"} or body.lstrip()[:5].lower() in {"<html", "<!doc"}:
        return _from_html(body, response.status_code)
    return body if media_type.startswith("text/") else ""


def _from_json(value: object, status: int) -> Iterator[str]:
    """Yield the sentences of an error in JSON, whatever its shape."""
    match value:
        case str():
            yield value
        case list():
            for each in value:
                yield from _from_json(each, status)
        case {"code": str(code)} if _informative(status, code) and code.startswith(f"{status} "):
            yield code  # PyPI: "400 File already exists (…)", beside boilerplate in `message`
        case dict():
            known = [key for key in ("title", "message", "error", "detail", "details", "errors") if value.get(key)]
            specific = [key for key in known if key != "title" or not _generic(status, str(value["title"]))]
            for key in specific or known:
                yield from _from_json(value[key], status)
            if not known:
                for key, each in value.items():
                    yield f"{key}: {' '.join(_from_json(each, status))}"
        case _:
            pass


def _unescaped(text: str) -> str:
    if "&" not in text:
        return text
    import html  # noqa: PLC0415 - its table of entities takes 1 ms, and few answers have one

    return html.unescape(text)


def _from_html(page: str, status: int) -> str:
    from entrypoint.pages import Reasons  # noqa: PLC0415 - html.parser takes 2 ms, and PyPI answers in JSON

    reasons = Reasons()
    reasons.feed(page)
    texts = [" ".join(reasons.texts[tag]).strip() for tag in ("pre", "title", "h1")]
    return next((text for text in texts if _informative(status, text)), next(filter(None, texts), ""))


def _informative(status: int, text: str) -> str:
    """Give a text unless it only repeats what the status says anyway."""
    return "" if _generic(status, text) else text


def _generic(status: int, text: str) -> bool:
    words = re.sub(rf"\b{status}\b|\berror\b|[^a-z ]", "", text.lower()).split()
    standard = HTTPStatus(status).phrase.lower().split() if status in HTTPStatus.__members__.values() else []
    return not words or words == standard
