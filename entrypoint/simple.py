"""The simple index: which files a project has, with which hashes (PEP 503, 691, 700, 714, 740, 792).

What cannot be read is never taken for empty: everything but a page of the project, or a clear word that there is none,
is an error. Specification: https://packaging.python.org/en/latest/specifications/simple-repository-api/ (2026-08).
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from urllib.parse import unquote, urlsplit

import httpx
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version

from entrypoint.client import Signer, failure, retry_after, transient
from entrypoint.errors import CredentialError, PublishError, Refused, Unavailable
from entrypoint.index.urls import redacted
from entrypoint.runner import one_line, shortened

if TYPE_CHECKING:
    from entrypoint.pages import Anchor

ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"

INTEGRITY = "application/vnd.pypi.integrity.v1+json"
"""What PyPI serves attestations as (https://docs.pypi.org/api/integrity/, 2026-08)."""

PAGE_LIMIT = 64 * 2**20
"""Bytes of a page, unpacked. The longest on PyPI are some 20 MiB (2026-08)."""

REDIRECTS = 5
"""Redirects in a row that are followed within a host."""

_JSON = {"application/vnd.pypi.simple.v1+json", "application/vnd.pypi.simple.latest+json", "application/json"}
_HTML = {
    "application/vnd.pypi.simple.v1+html",
    "application/vnd.pypi.simple.latest+html",
    "text/html",
    "application/xhtml+xml",
}
_HEX = {
    name: f"[0-9a-f]{{{digits}}}"
    for name, digits in {"md5": 32, "sha1": 40, "sha224": 56, "sha256": 64, "sha384": 96, "sha512": 128}.items()
}
"""Hashes that are compared → their pattern in hex."""


class RemoteFile(NamedTuple):
    """A file as the index lists it."""

    filename: str
    url: str
    """Absolute, without a fragment."""
    hashes: Mapping[str, str]
    """Algorithm → hex, both in lower case."""
    size: int | None = None
    """Bytes."""
    uploaded: datetime | None = None
    core_metadata: str | None = None
    """sha256 of its metadata, hex (PEP 714)."""
    provenance: str | None = None
    """URL (PEP 740)."""
    yanked: bool = False


@dataclass(frozen=True)
class Project:
    """What the index has of one project."""

    name: str
    """Normalised."""
    exists: bool
    files: tuple[RemoteFile, ...] = ()
    status: str = "active"
    """`active`, `archived`, `quarantined` or `deprecated` (PEP 792)."""
    status_reason: str = ""
    _by_name: dict[object, RemoteFile] = field(default_factory=dict, init=False, repr=False, compare=False)
    """By the name itself, and by what it means."""
    _by_version: dict[Version, list[RemoteFile]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for file in self.files:
            identity = _identity(file.filename)
            if identity and identity[0] == self.name:
                self._by_name.update({file.filename: file, identity: file})
                self._by_version.setdefault(identity[1], []).append(file)

    def find(self, filename: str) -> RemoteFile | None:
        """Find the file of a name, else of one that means the same (`Demo-1.0.tar.gz` is `demo-1.0.tar.gz`)."""
        return self._by_name.get(filename) or self._by_name.get(_identity(filename))

    def of_version(self, version: str) -> tuple[RemoteFile, ...]:
        """Give the files of a version (PEP 440 equality)."""
        try:
            return tuple(self._by_version.get(Version(version), ()))
        except InvalidVersion:
            return ()


def absent(name: str) -> Project:
    """Make the project that the index does not have."""
    return Project(canonicalize_name(name), exists=False)


def read(http: httpx.Client, root: str, name: str, auth: Signer | None) -> Project:
    """Read a project once, from the simple index at `root`, which ends with a slash.

    404, 410 and a redirect to another host say that the project is not there; redirects within the host are followed.

    Raises `Unavailable` when another try may help, `CredentialError` for 401 and 403, and `Refused` for whatever is
    not the page of this project.
    """
    name = canonicalize_name(name)
    url = httpx.URL(f"{root}{name}/")
    try:
        for _ in range(REDIRECTS + 1):
            request = http.build_request("GET", url, headers={"Accept": ACCEPT, "Accept-Encoding": "gzip"})
            response = http.send(request, auth=auth, stream=True)
            try:
                if response.status_code in {401, 403}:
                    refused = _no_entry(response)
                    raise auth.explained(refused, response.status_code, name) if auth else refused
                if not response.has_redirect_location:
                    return _project(name, response)
                target = _target(response)
            finally:
                response.close()
            if target.host != url.host:
                return absent(name)
            url = _followed(url, target)
    except httpx.TransportError as error:
        raise _while_reading(failure(error, str(url)), url) from error
    except httpx.InvalidURL as error:
        raise _not_simple(url, "it redirects to something that is no URL") from error
    raise _not_simple(url, f"it redirects more than {REDIRECTS} times")


def digest(http: httpx.Client, file: RemoteFile, auth: httpx.Auth | None, limit: int) -> str | None:
    """Download a file and give its sha256, hex; `None` if it is longer than `limit` bytes or cannot be had."""
    import hashlib  # noqa: PLC0415 - few indexes give no hashes

    value, left = hashlib.sha256(), limit
    try:
        url = httpx.URL(file.url)
        for _ in range(REDIRECTS + 1 if _is_web(url) else 0):
            request = http.build_request("GET", url, headers={"Accept": "*/*", "Accept-Encoding": "identity"})
            response = http.send(request, auth=auth, stream=True)
            try:
                if response.has_redirect_location:
                    url = _followed(url, _target(response))
                    continue
                if response.status_code != httpx.codes.OK:
                    return None
                # As it comes, like pip: some servers call the gzip of an sdist an encoding, and it is part of the file.
                for block in _raw(response):
                    value.update(block)
                    left -= len(block)
                    if left < 0:
                        return None
                return value.hexdigest()
            finally:
                response.close()
    except (httpx.TransportError, httpx.InvalidURL, PublishError):
        pass
    return None


def signatures(http: httpx.Client, file: RemoteFile) -> frozenset[str] | None:
    """Read by which signatures a file is attested, base64; `None` where the index does not say (PEP 740)."""
    url = httpx.URL(file.provenance or "")
    if not _is_web(url):
        return None
    try:
        request = http.build_request("GET", url, headers={"Accept": INTEGRITY, "Accept-Encoding": "gzip"})
        response = http.send(request, auth=None, stream=True)
        try:
            if response.status_code != httpx.codes.OK:
                return None
            bundles = json.loads(_body(response))["attestation_bundles"]
            return frozenset(
                "".join(each["envelope"]["signature"].split()) for one in bundles for each in one["attestations"]
            )
        finally:
            response.close()
    except (httpx.TransportError, PublishError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


def names_project(root: str, name: str) -> bool:
    """Tell whether the last part of a root is the name of a project: perhaps it is that project's page."""
    last = unquote(urlsplit(root).path.rstrip("/").rpartition("/")[2])
    return last != "simple" and canonicalize_name(last) == canonicalize_name(name)


def _target(response: httpx.Response) -> httpx.URL:
    """Give where a redirect leads. Raises `Refused` or `InvalidURL` where that is nothing on the web."""
    target = response.url.join(response.headers["location"])
    if not _is_web(target):
        raise _not_simple(response.url, f"it redirects to {redacted(str(target))}, which is no web address")
    return target


def _followed(url: httpx.URL, target: httpx.URL) -> httpx.URL:
    """Give what to ask for next. Raises `Refused` where nobody should follow."""
    if (url.scheme, target.scheme) == ("https", "http"):
        raise _not_simple(url, f"it redirects to {redacted(str(target))}, away from https")
    return target.copy_with(username=None, password=None)


def _is_web(url: httpx.URL) -> bool:
    return url.scheme in {"https", "http"} and bool(url.host)


def _project(name: str, response: httpx.Response) -> Project:
    status, url = response.status_code, response.url
    if status in {404, 410}:
        _finish(response)
        return absent(name)
    if transient(status):
        raise Unavailable(
            "The index cannot be read now",
            f"{redacted(str(url))} answered {status}.",
            f"{UNKNOWN} Run the job again.",
            retry_after=retry_after(response.headers),
        )
    if status != httpx.codes.OK:
        raise _not_simple(url, f"it answered {status}")
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type in _JSON:
        return _from_json(name, url, _body(response))
    if media_type in _HTML:
        return _from_html(name, url, _body(response).decode("utf-8", "replace"))
    raise _not_simple(url, f"its type is {_quoted(media_type) if media_type else 'not told'}")


def _body(response: httpx.Response) -> bytes:
    blocks, length = [], 0
    for block in _unpacked(response):
        blocks.append(block)
        length += len(block)
        if length > PAGE_LIMIT:
            raise _not_simple(response.url, f"it is longer than {PAGE_LIMIT // 2**20} MiB")
    return b"".join(blocks)


def _raw(response: httpx.Response) -> Iterator[bytes]:
    """Give a body as it is on the wire. Unlike `iter_raw` that works for a response, too, that was read before."""
    yield from cast("httpx.SyncByteStream", response.stream)


def _finish(response: httpx.Response) -> None:
    """Read the rest of a short answer, so that its connection serves the next request, too."""
    with suppress(httpx.TransportError):
        for _ in islice(_raw(response), 4):
            pass


def _unpacked(response: httpx.Response) -> Iterator[bytes]:
    """Unpack a body; httpx would unpack a bomb without a limit, and take the first half of a page for the whole."""
    coding = response.headers.get("content-encoding", "").strip().lower()
    if coding in {"", "identity"}:
        yield from _raw(response)
    elif coding in {"gzip", "x-gzip"}:
        gzip = zlib.decompressobj(wbits=31)  # 31: with the header of gzip (documentation of zlib)
        try:
            for block in _raw(response):
                yield gzip.decompress(block, PAGE_LIMIT + 1)
        except zlib.error as error:
            raise _not_simple(response.url, f"it cannot be unpacked ({error})") from error
        if not gzip.eof or gzip.unused_data:
            raise _not_simple(response.url, "it cannot be unpacked (it does not end where it should)")
    else:
        raise _not_simple(response.url, f"it is packed as {_quoted(coding)}, which was not asked for")


def _from_json(name: str, url: httpx.URL, body: bytes) -> Project:
    try:
        page = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _not_simple(url, "its JSON is broken") from error
    match page:
        case {"meta": {"api-version": str(version)}}:
            _check_version(url, version)
    match page:
        case {"meta": {"api-version": str()}, "name": str(called), "files": list(files)} if all(map(_is_file, files)):
            pass
        case _:
            raise _not_simple(url, "its JSON is not that of the simple API")
    if canonicalize_name(called) != name:
        raise _not_simple(url, f"it is the page of {_quoted(called)}")
    status = page.get("project-status")
    status = status if isinstance(status, dict) else {}
    return Project(
        name,
        exists=True,
        files=tuple(_file(each, url) for each in files),
        **_status(_text(status.get("status")), _text(status.get("reason"))),
    )


def _is_file(entry: object) -> bool:
    match entry:
        case {"filename": str(filename)}:
            return bool(filename)
    return False


def _file(entry: Mapping[str, Any], page: httpx.URL) -> RemoteFile:
    size = entry.get("size")
    metadata = entry.get("core-metadata", entry.get("dist-info-metadata"))
    return RemoteFile(
        entry["filename"],
        _joined(page, _text(entry.get("url"))),
        _hashes(entry.get("hashes")),
        size if isinstance(size, int) and not isinstance(size, bool) else None,
        _moment(_text(entry.get("upload-time"))),
        _hashes(metadata).get("sha256"),
        _text(entry.get("provenance")) or None,
        bool(entry.get("yanked")),
    )


def _status(status: str, reason: str) -> dict[str, str]:
    return {"status": one_line(status).lower() or "active", "status_reason": shortened(one_line(reason), 200)}


def _hashes(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    pairs = ((str(name).lower(), _text(digest).lower()) for name, digest in value.items())
    return {name: digest for name, digest in pairs if name in _HEX and re.fullmatch(_HEX[name], digest)}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _joined(page: httpx.URL, url: str) -> str:
    """Make a URL of a page absolute, and cut its fragment; empty if it is none."""
    try:
        return str(page.join(url)).partition("#")[0]
    except (httpx.InvalidURL, ValueError):
        return ""


def _from_html(name: str, url: httpx.URL, page: str) -> Project:
    from entrypoint.pages import Page  # noqa: PLC0415 - html.parser takes 2 ms, and PyPI answers in JSON

    found = Page()
    try:
        found.feed(page)
        found.close()
        base = httpx.URL(_joined(url, found.base) or url)
    except (AssertionError, httpx.InvalidURL) as error:  # the first by html.parser, for `<![` and some names
        raise _not_simple(url, "its HTML is broken") from error
    version = found.metas.get("pypi:repository-version")
    if version is not None:
        _check_version(url, version)
    files = tuple(_anchored(anchor, base) for anchor in found.anchors if anchor.names_archive)
    if not any(_of_project(file.filename, name) for file in files):
        if found.password:
            raise _not_simple(url, "it is a page to sign in")
        if files or found.anchors:
            raise _not_simple(url, f"it lists nothing of {name}")
        if version is None and not found.heading.lower().startswith("links for"):
            raise _not_simple(url, "it is a web page without any mark of a simple index")
    return Project(
        name,
        exists=True,
        files=files,
        **_status(found.metas.get("pypi:project-status", ""), found.metas.get("pypi:project-status-reason", "")),
    )


def _of_project(filename: str, name: str) -> bool:
    """Tell whether a file is one of a project; old kinds of files have names that cannot be told apart for sure."""
    identity = _identity(filename)
    return identity[0] == name if identity else canonicalize_name(filename).startswith(f"{name}-")


def _anchored(anchor: Anchor, base: httpx.URL) -> RemoteFile:
    attributes = anchor.attributes
    metadata = attributes.get("data-core-metadata", attributes.get("data-dist-info-metadata", ""))
    return RemoteFile(
        anchor.filename,
        _joined(base, attributes["href"]),
        _pairs(attributes["href"].partition("#")[2]),
        core_metadata=_pairs(metadata).get("sha256"),
        provenance=attributes.get("data-provenance") or None,
        yanked="data-yanked" in attributes,
    )


def _pairs(text: str) -> dict[str, str]:
    """Read the hashes of `sha256=…`, or of several such pairs with `&` between them."""
    return _hashes(dict(pair.partition("=")[::2] for pair in text.split("&")))


def _identity(filename: str) -> tuple[str, Version, object] | None:
    """Give what a file name means: project, version and what tells the files of a version apart; `None`: nothing."""
    try:
        if filename.endswith(".whl"):
            project, version, build, tags = parse_wheel_filename(filename)
            return project, version, (build, tags)
        project, version = parse_sdist_filename(filename)
    except (InvalidWheelFilename, InvalidSdistFilename, InvalidVersion):
        return None
    return project, version, "zip" if filename.endswith(".zip") else "sdist"


def _check_version(url: httpx.URL, version: str) -> None:
    if version.partition(".")[0] != "1":
        raise _not_simple(url, f"it speaks version {_quoted(version)} of the simple API, this program 1")


def _quoted(text: str) -> str:
    return repr(shortened(one_line(text), 80))


UNKNOWN = "What the index has is not known, so nothing was sent."


def _no_entry(response: httpx.Response) -> CredentialError:
    where = f"{redacted(str(response.url))} answered {response.status_code}"
    if "Authorization" in response.request.headers:
        seen, tip = f"{where} to the credential of the upload.", "Give a credential that may read the index too."
    else:
        seen = f"{where}; no credential was sent, for it belongs to the upload URL's scheme, host and port only."
        tip = "Give a `check-url` that can be read without, or one with the scheme, host and port of the upload URL."
    return CredentialError("The index may not be read", seen, f"{UNKNOWN} {tip}")


def _not_simple(url: httpx.URL, why: str) -> Refused:
    return Refused(
        "This is not a page of a simple index",
        f"{redacted(str(url))}: {why}.",
        f"{UNKNOWN} Let `check-url` name the root of the simple index, the URL that `pip --index-url` takes.",
    )


def _while_reading(error: Unavailable, url: httpx.URL) -> Unavailable:
    tip = f"{UNKNOWN} Run the job again."
    detail = f"While {redacted(str(url))} was read: {error.detail}"
    return type(error)(error.title, detail, error.tip if not error.again else tip, again=error.again)
