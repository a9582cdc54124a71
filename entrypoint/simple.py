"""The simple index: which files a project has, with which hashes (PEP 503, 691, 700, 714, 740, 792).

What cannot be read is never taken for empty: everything but a page of the project, or a clear word that there is none,
is an error. Specification: https://packaging.python.org/en/latest/specifications/simple-repository-api/ (2026-08).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any, Literal
from urllib.parse import unquote, urldefrag, urlsplit

import httpx
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version

from entrypoint.client import failure, retry_after
from entrypoint.errors import CredentialError, PublishError, Refused, Unavailable
from entrypoint.index.urls import redacted
from entrypoint.runner import one_line, shortened

ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"

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
_HEX = {"md5": 32, "sha1": 40, "sha224": 56, "sha256": 64, "sha384": 96, "sha512": 128}
"""Hashes that are compared → their length in hex."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
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
    _by_version: dict[Version, dict[object, RemoteFile]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        for file in self.files:
            if identity := _identity(file.filename):
                project, version, rest = identity
                if project == self.name:
                    self._by_version.setdefault(version, {})[rest] = file

    def find(self, filename: str) -> RemoteFile | None:
        """Find the file of a name; names are compared by what they mean (`Demo-1.0.tar.gz` is `demo-1.0.tar.gz`)."""
        identity = _identity(filename)
        return self._by_version.get(identity[1], {}).get(identity[2]) if identity else None

    def of_version(self, version: str) -> tuple[RemoteFile, ...]:
        """Give the files of a version (PEP 440 equality)."""
        try:
            return tuple(self._by_version.get(Version(version), {}).values())
        except InvalidVersion:
            return ()


def absent(name: str) -> Project:
    """Make the project that the index does not have."""
    return Project(canonicalize_name(name), exists=False)


def read(http: httpx.Client, root: str, name: str, auth: httpx.Auth | None) -> Project:
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
                if not response.has_redirect_location:
                    return _project(name, response)
                target = _target(response)
            finally:
                response.close()
            if target.host != url.host:
                return absent(name)
            url = target
    except httpx.TransportError as error:
        raise _while_reading(failure(error, str(url)), url) from error
    except httpx.DecodingError as error:
        raise _not_simple(url, f"it cannot be unpacked ({error})") from error
    raise _not_simple(url, f"it redirects more than {REDIRECTS} times")


def digest(http: httpx.Client, file: RemoteFile, auth: httpx.Auth | None, limit: int) -> str | None:
    """Download a file and give its sha256, hex; `None` if it is longer than `limit` bytes or cannot be had."""
    import hashlib  # noqa: PLC0415 - few indexes give no hashes

    url, value, left = httpx.URL(file.url), hashlib.sha256(), limit
    try:
        for _ in range(REDIRECTS + 1):
            response = http.send(http.build_request("GET", url), auth=auth, stream=True)
            try:
                if response.has_redirect_location:
                    url = _target(response)
                    continue
                if response.status_code != httpx.codes.OK:
                    return None
                for block in response.iter_bytes():
                    value.update(block)
                    left -= len(block)
                    if left < 0:
                        return None
                return value.hexdigest()
            finally:
                response.close()
    except (httpx.TransportError, httpx.DecodingError, httpx.InvalidURL, PublishError):
        pass
    return None


def names_project(root: str, name: str) -> bool:
    """Tell whether the last part of a root is the name of a project: perhaps it is that project's page."""
    last = unquote(urlsplit(root).path.rstrip("/").rpartition("/")[2])
    return bool(last) and canonicalize_name(last) == canonicalize_name(name)


def _target(response: httpx.Response) -> httpx.URL:
    """Give where a redirect leads. Raises `Refused` where nobody should follow."""
    try:
        target = response.url.join(response.headers["location"])
    except httpx.InvalidURL as error:
        raise _not_simple(response.url, "it redirects to something that is no URL") from error
    if target.scheme not in {"https", "http"} or (response.url.scheme, target.scheme) == ("https", "http"):
        raise _not_simple(response.url, f"it redirects to {redacted(str(target))}, away from https")
    return target.copy_with(username=None, password=None) if target.userinfo else target


def _project(name: str, response: httpx.Response) -> Project:
    status, url = response.status_code, response.url
    if status in {404, 410}:
        return absent(name)
    if status in {401, 403}:
        raise _no_entry(response)
    if status in {408, 425, 429} or (status >= 500 and status not in {501, 505}):  # noqa: PLR2004 - RFC 9110, 15.6
        raise Unavailable(
            "The index cannot be read now",
            f"{redacted(str(url))} answered {status}.",
            f"{UNKNOWN} Run the job again.",
            retry_after=retry_after(response),
        )
    if status != httpx.codes.OK:
        raise _not_simple(url, f"it answered {status}")
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type in _JSON:
        return _from_json(name, url, _body(response))
    if media_type in _HTML:
        return _from_html(name, url, _body(response).decode("utf-8", "replace"))
    raise _not_simple(url, f"its type is {shortened(one_line(media_type), 80) or 'not told'}")


def _body(response: httpx.Response) -> bytes:
    blocks, length = [], 0
    for block in response.iter_bytes():
        blocks.append(block)
        length += len(block)
        if length > PAGE_LIMIT:
            raise _not_simple(response.url, f"it is longer than {PAGE_LIMIT // 2**20} MiB")
    return b"".join(blocks)


def _from_json(name: str, url: httpx.URL, body: bytes) -> Project:
    try:
        page = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _not_simple(url, "its JSON is broken") from error
    match page:
        case {"meta": {"api-version": str(version)}, "name": str(called), "files": list(files)}:
            _check_version(url, version)
        case _:
            raise _not_simple(url, "its JSON is not that of the simple API")
    if canonicalize_name(called) != name:
        raise _not_simple(url, f"it is the page of {shortened(one_line(called), 80)!r}")
    status = page.get("project-status")
    status = status if isinstance(status, dict) else {}
    listed = tuple(_file(each, url) for each in files if isinstance(each, dict) and _text(each.get("filename")))
    return Project(
        name,
        exists=True,
        files=listed,
        status=_text(status.get("status")).lower() or "active",
        status_reason=_text(status.get("reason")),
    )


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


def _hashes(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    pairs = ((str(name).lower(), _text(digest).lower()) for name, digest in value.items())
    return {
        name: digest for name, digest in pairs if re.fullmatch(rf"[0-9a-f]{{{_HEX.get(name, 0)}}}", digest) and digest
    }


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _joined(page: httpx.URL, url: str) -> str:
    try:
        return urldefrag(str(page.join(url)))[0]
    except httpx.InvalidURL:
        return ""


def _from_html(name: str, url: httpx.URL, page: str) -> Project:
    found = _Page()
    found.feed(page)
    found.close()
    version = found.metas.get("pypi:repository-version")
    if version is not None:
        _check_version(url, version)
    base = httpx.URL(_joined(url, found.base)) if found.base and _joined(url, found.base) else url
    files = tuple(_anchored(anchor, base) for anchor in found.anchors if _archive(anchor.filename))
    own = [file for file in files if (identity := _identity(file.filename)) and identity[0] == name]
    if not own:
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
        status=found.metas.get("pypi:project-status", "active").lower(),
        status_reason=found.metas.get("pypi:project-status-reason", ""),
    )


@dataclass(slots=True)
class _Anchor:
    attributes: Mapping[str, str]
    text: str = ""

    @property
    def filename(self) -> str:
        """The text, else the end of the target."""
        if _archive(text := self.text.strip()):
            return text
        return unquote(urlsplit(self.attributes.get("href", "")).path.rpartition("/")[2])


class _Page(HTMLParser):
    """Collects what a simple index says in HTML (PEP 503, 629, 714, 740, 792)."""

    def __init__(self) -> None:
        super().__init__()
        self.anchors: list[_Anchor] = []
        self.metas: dict[str, str] = {}
        self.base = ""
        self.heading = ""
        self.password = False
        self._inside: Literal["", "a", "title", "h1"] = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Enter an element."""
        attributes = {name: value or "" for name, value in attrs}
        if tag == "a" and "href" in attributes:
            self.anchors.append(_Anchor(attributes))
        elif tag == "meta":
            self.metas.setdefault(attributes.get("name", "").lower(), attributes.get("content", ""))
        elif tag == "base":
            self.base = self.base or attributes.get("href", "")
        elif tag == "input" and attributes.get("type", "").lower() == "password":
            self.password = True
        if tag in ("a", "title", "h1"):
            self._inside = tag  # type: ignore[assignment]  # one of the three

    def handle_endtag(self, tag: str) -> None:
        """Leave it."""
        if tag == self._inside:
            self._inside = ""

    def handle_data(self, data: str) -> None:
        """Keep its text."""
        if self._inside == "a" and self.anchors:
            self.anchors[-1].text += data
        elif self._inside in ("title", "h1") and not self.heading.strip():
            self.heading = data.strip()


def _anchored(anchor: _Anchor, base: httpx.URL) -> RemoteFile:
    attributes = anchor.attributes
    url, fragment = urldefrag(attributes["href"])
    metadata = attributes.get("data-core-metadata", attributes.get("data-dist-info-metadata", ""))
    return RemoteFile(
        anchor.filename,
        _joined(base, url),
        _hashes(dict([fragment.split("&")[0].partition("=")[::2]])),
        core_metadata=_hashes(dict([metadata.partition("=")[::2]])).get("sha256"),
        provenance=attributes.get("data-provenance") or None,
        yanked="data-yanked" in attributes,
    )


def _archive(filename: str) -> bool:
    return filename.lower().endswith((".whl", ".tar.gz", ".zip", ".egg", ".tar.bz2", ".tgz", ".exe", ".msi", ".rpm"))


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
        raise _not_simple(
            url, f"it speaks version {shortened(one_line(version), 20)} of the simple API, this program 1"
        )


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
