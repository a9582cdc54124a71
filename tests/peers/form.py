"""The form of an upload as a server sees it: multipart/form-data parsed while it arrives, and every rule it breaks.

The rules are those of PyPI's upload API 1.0 and of the multipart format (RFC 7578), plus what other servers need:
many refuse chunked bodies, and a file part in the middle cannot be streamed by those that check the digests first.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

HEAD_BYTES = 64  # of the content, for tests that want to see what kind of file arrived
MAX_TEXT_BYTES = 64 * 1024 * 1024  # a text field is kept in memory; a README of this size is a bug of the client
MAX_PART_HEAD_BYTES = 16 * 1024

CONTROL_FIELDS = {":action": "file_upload", "protocol_version": "1"}
SINGLE_FIELDS = (*CONTROL_FIELDS, "filetype", "pyversion", "metadata_version", "name", "version")
DIGESTS = ("sha256_digest", "blake2_256_digest", "md5_digest")


@dataclass(frozen=True, slots=True)
class Content:
    """The file of an upload: everything about it but its bytes."""

    filename: str
    content_type: str
    size: int
    sha256: str
    blake2b_256: str
    head: bytes


@dataclass(slots=True)
class Form:
    """What a multipart body held. `fields` has the text parts in the order in which they came."""

    fields: list[tuple[str, str]] = field(default_factory=list)
    content: Content | None = None
    violations: list[str] = field(default_factory=list)


class MalformedError(Exception):
    """The body is not multipart/form-data."""


def read_form(boundary: str, pieces: Iterator[bytes]) -> Form:
    """Parse a body that arrives in `pieces`, to its end, whatever is wrong with it."""
    form = Form()
    try:
        for part in _parts(boundary.encode("latin-1"), pieces):
            part.read_into(form)
    except MalformedError as error:
        form.violations.append(f"not multipart/form-data: {error}")
        for _ in pieces:
            pass
    else:
        form.violations += _broken_rules(form)
    return form


@dataclass(frozen=True, slots=True)
class _Part:
    head: dict[str, str]
    data: Iterator[bytes]

    def read_into(self, form: Form) -> None:
        """Read this part's data; it has to be read before the next part is asked for."""
        disposition = self.head.get("content-disposition", "")
        name = _parameter(disposition, "name")
        filename = _parameter(disposition, "filename")
        if not disposition.startswith("form-data;") or name is None:
            raise MalformedError(f"a part without a name: {self.head!r}")
        if form.content is not None and name != "blake2_256_digest":  # may be worked out while the file is sent
            form.violations.append(f"the part {name!r} comes after the content")
        if name == "content" and filename is not None:
            form.content = self._content(filename)
            return
        if name == "content":
            form.violations.append("the content has no filename")
        elif filename is not None:
            # PyPI refuses this: "Should not be a tuple."
            form.violations.append(f"the text part {name!r} has a filename")
        form.fields.append((name, self._text(name, form.violations)))

    def _content(self, filename: str) -> Content:
        sha256, blake2b = hashlib.sha256(), hashlib.blake2b(digest_size=32)
        size, head = 0, b""
        for piece in self.data:
            sha256.update(piece)
            blake2b.update(piece)
            size += len(piece)
            head += piece[: HEAD_BYTES - len(head)]
        kind = self.head.get("content-type", "")
        return Content(filename, kind, size, sha256.hexdigest(), blake2b.hexdigest(), head)

    def _text(self, name: str, violations: list[str]) -> str:
        value = _limited(self.data, MAX_TEXT_BYTES)
        try:
            return value.decode()
        except UnicodeDecodeError:
            violations.append(f"the part {name!r} is not UTF-8")
            return value.decode(errors="replace")


def _broken_rules(form: Form) -> Iterator[str]:
    """Yield what is wrong with a form that could be parsed."""
    times = Counter(name for name, _ in form.fields)
    for name in SINGLE_FIELDS:
        if times[name] != 1:
            yield f"{name} is there {times[name]} times"
    values = dict(form.fields)
    for name, value in CONTROL_FIELDS.items():
        if values.get(name, value) != value:
            yield f"{name} is {values[name]!r}, not {value!r}"
    match values.get("filetype"), values.get("pyversion"):
        case "sdist", "source":
            pass
        case "sdist", python:
            yield f"the pyversion of an sdist is {python!r}, not 'source'"
        case "bdist_wheel", "" | "source":
            yield "the pyversion of a wheel is its python tag"
        case "bdist_wheel", _:
            pass
        case kind, _:
            yield f"filetype is {kind!r}"
    yield from _broken_content(form.content)
    yield from _broken_digests(values, form.content)
    yield from _broken_attestations(form.fields)


def _broken_content(content: Content | None) -> Iterator[str]:
    if content is None:
        yield "there is no content"
        return
    if content.content_type != "application/octet-stream":
        # PyPI answers "Invalid distribution file." to a missing type and to image/*, and nothing more.
        yield f"the content is {content.content_type!r}, not 'application/octet-stream'"
    if not content.filename or set(content.filename) & set("/\\"):
        yield f"the filename is {content.filename!r}"


def _broken_digests(values: dict[str, str], content: Content | None) -> Iterator[str]:
    actual = {"sha256_digest": content.sha256, "blake2_256_digest": content.blake2b_256} if content else {}
    sent = {name: values[name] for name in DIGESTS if name in values}
    if not sent:
        yield "there is no digest"
    for name, digest in sent.items():
        if name not in actual:
            # MD5 is in no answer of a modern index, and PyPI's documentation and code differ on its form.
            yield f"{name} is there, and nothing it could be compared with"
        elif digest != actual[name]:
            yield f"{name} is {digest}, but the content's is {actual[name]}"


def _broken_attestations(fields: Iterable[tuple[str, str]]) -> Iterator[str]:
    for name, value in fields:
        if name != "attestations":
            continue
        try:
            attestations = json.loads(value)
        except ValueError:
            attestations = None
        if not isinstance(attestations, list) or not attestations:
            yield "attestations is not a JSON array with something in it"


def _parts(boundary: bytes, pieces: Iterator[bytes]) -> Iterator[_Part]:
    scanner = _Scanner(pieces)
    delimiter = b"\r\n--" + boundary
    if _limited(scanner.until(delimiter), MAX_PART_HEAD_BYTES):
        raise MalformedError("something stands before the first boundary")
    while (after := scanner.take(2)) == b"\r\n":
        head = _limited(scanner.until(b"\r\n\r\n"), MAX_PART_HEAD_BYTES)
        yield _Part(_part_head(head), scanner.until(delimiter))
    if after != b"--":
        raise MalformedError(f"{after!r} follows a boundary")
    if (rest := scanner.rest()) not in (b"", b"\r\n"):
        raise MalformedError(f"{rest[:HEAD_BYTES]!r} follows the last boundary")


def _part_head(head: bytes) -> dict[str, str]:
    lines = (line.partition(":") for line in head.decode(errors="replace").split("\r\n"))
    return {name.strip().lower(): value.strip() for name, _, value in lines}


def _parameter(disposition: str, name: str) -> str | None:
    """Return a parameter of Content-Disposition, with the three escapes that browsers use (WHATWG HTML, 2021)."""
    found = re.search(rf';\s*{name}="([^"]*)"', disposition)
    if found is None:
        return None
    return found[1].replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")


def _limited(pieces: Iterator[bytes], limit: int) -> bytes:
    kept = bytearray()
    for piece in pieces:
        kept += piece
        if len(kept) > limit:
            raise MalformedError(f"more than {limit} bytes where there should be less")
    return bytes(kept)


class _Scanner:
    """A body of any size, looked at through a window of a few pieces."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._window = bytearray(b"\r\n")  # so that the first boundary has a line end before it, like the others

    def until(self, mark: bytes) -> Iterator[bytes]:
        """Yield what comes before `mark`, then take the mark itself away."""
        while (at := self._window.find(mark)) < 0:
            sure = len(self._window) - len(mark) + 1  # the mark may have begun in what is left
            if sure > 0:
                yield bytes(self._window[:sure])
                del self._window[:sure]
            self._more()
        if at:
            yield bytes(self._window[:at])
        del self._window[: at + len(mark)]

    def take(self, size: int) -> bytes:
        while len(self._window) < size:
            self._more()
        taken = bytes(self._window[:size])
        del self._window[:size]
        return taken

    def rest(self) -> bytes:
        """Return what is left; more than a line end is wrong already, so only the beginning is kept."""
        for piece in self._pieces:
            self._window += piece[:HEAD_BYTES]
        return bytes(self._window)

    def _more(self) -> None:
        piece = next(self._pieces, None)
        if piece is None:
            raise MalformedError("it ends in the middle of a part")
        self._window += piece
