"""Indexes that are played: they keep what they are sent, show it, and speak the dialect of a server that is not here.

What each says is what docs/indexes.md knows of that server. On top of it come faults, which a test chooses: they are
played for the first upload, whatever the dialect.
"""

from __future__ import annotations

import hashlib
import html
import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

import httpx

from entrypoint.index.dialects import DIALECTS
from tests.peers.process import LOOPBACK
from tests.peers.scripted import Answer, Request, ScriptedIndex, json_answer, scripted_index

JSON = "application/vnd.pypi.simple.v1+json"
TEXT = {"Content-Type": "text/plain; charset=utf-8"}
HTML = {"Content-Type": "text/html; charset=utf-8"}

Words = Callable[[str], Answer]
"""File name → what the index says about it."""


@dataclass(frozen=True, slots=True)
class Part:
    """A dialect to be played."""

    name: str
    upload: str
    """Upload URL; without a host, that of loopback."""
    simple: str | None
    """Root of the simple index; None: it shows its files nowhere that could be known."""
    stored: Answer = Answer()  # noqa: RUF009 - frozen
    same: Words | None = None
    """About the same bytes under a name that is taken; None: as if they were new."""
    other: Words | None = None
    """About other bytes under a name that is taken; None: it overwrites."""
    form: Literal["json", "html"] = "html"
    hashes: tuple[str, ...] = ("sha256",)
    elsewhere: bool = False
    """Whether reads of a project that is not there are redirected to PyPI."""
    check_url: bool = False
    """Whether the user has to say where the simple index is."""

    @property
    def host(self) -> str | None:
        """Host of the upload URL, where it is not loopback's."""
        return httpx.URL(self.upload).host or None


def _host(dialect: str) -> str:
    (pattern,) = [row.hosts[0] for row in DIALECTS if row.common.name == dialect]
    return pattern.replace("?*", "some")


def _text(status: int, text: str, reason: bytes | None = None) -> Words:
    return lambda filename: Answer(status, reason, TEXT, text.format(filename).encode())


def _pypi_taken(filename: str) -> Answer:
    said = f"400 File already exists ('{filename}', with blake2_256 hash '{'0' * 64}'). See https://help for more."
    return json_answer({"message": "boilerplate", "code": said, "title": "Bad Request"}, 400)


def _pypiserver_taken(filename: str) -> Answer:
    page = f"<html><title>Error: 409 Conflict</title><pre>{html.escape(f'Package {filename!r} already exists!')}</pre>"
    return Answer(409, headers=HTML, body=page.encode())


def _in_the_reason(status: int, reason: str) -> Words:
    return lambda filename: Answer(status, reason.format(filename).encode())


_OVERWRITE = _text(403, "Not enough permissions to delete/overwrite artifact 'repo:{}' (user 'u' needs DELETE).")
_NEXUS = _in_the_reason(400, "Repository does not allow updating assets: hosted")
_PULP = _in_the_reason(400, "Package {} already exists in index")
_DEVPI = _text(409, "{} already exists in non-volatile index", b"already exists in non-volatile index")
_GITLAB = json_answer({"message": "Validation failed: File name has already been taken"}, 400)

PARTS = (
    Part("pypi", "https://upload.pypi.org/legacy/", "https://pypi.org/simple/", other=_pypi_taken, form="json"),
    Part("testpypi", "https://test.pypi.org/legacy/", "https://test.pypi.org/simple/", other=_pypi_taken, form="html"),
    Part(
        "google",
        f"https://{_host('google')}/project/repository/",
        f"https://{_host('google')}/project/repository/simple/",
        same=_text(400, "Requested entity already exists."),
        other=_text(400, "Requested entity already exists."),
    ),
    Part(
        "codeartifact",
        f"https://{_host('codeartifact')}/pypi/repository/",
        f"https://{_host('codeartifact')}/pypi/repository/simple/",
        other=_text(409, "Package version already exists."),
        hashes=("sha512",),
    ),
    Part(
        "azure",
        f"https://{_host('azure')}/organization/_packaging/feed/pypi/upload/",
        f"https://{_host('azure')}/organization/_packaging/feed/pypi/simple/",
        same=_text(400, "The feed already contains file '{}'."),
        other=_text(400, "The feed already contains file '{}'."),
        hashes=(),
    ),
    Part(
        "gitlab",
        "/api/v4/projects/9/packages/pypi",
        "/api/v4/projects/9/packages/pypi/simple/",
        Answer(201),
        same=lambda _: _GITLAB,
        other=lambda _: _GITLAB,
        elsewhere=True,
    ),
    Part(
        "gitea",
        "/api/packages/owner/pypi",
        "/api/packages/owner/pypi/simple/",
        Answer(201),
        same=_text(409, "package file already exists"),
        other=_text(409, "package file already exists"),
    ),
    Part(
        "artifactory",
        "/artifactory/api/pypi/repository",
        "/artifactory/api/pypi/repository/simple/",
        same=_OVERWRITE,
        other=_OVERWRITE,
        hashes=("md5", "sha256"),
    ),
    Part(
        "artifactory, with the right to delete",
        "/artifactory/api/pypi/repository",
        "/artifactory/api/pypi/repository/simple/",
    ),
    Part("nexus", "/repository/hosted/", "/repository/hosted/simple/", same=_NEXUS, other=_NEXUS, hashes=("sha256",)),
    Part(
        "pulp",
        "/pypi/distribution/legacy/",
        "/pypi/distribution/simple/",
        json_answer({"task": "/pulp/api/v3/tasks/1/"}, 202),
        same=_PULP,
        other=_PULP,
        form="json",
    ),
    Part("devpi, volatile", "/user/index/", "/user/index/+simple/", form="json"),
    Part(
        "devpi, non-volatile",
        "/user/index/",
        "/user/index/+simple/",
        same=_text(200, "", b"Upload of identical file to non volatile index."),
        other=_DEVPI,
        form="json",
        check_url=True,
    ),
    Part("pypiserver", "/", "/simple/", same=_pypiserver_taken, other=_pypiserver_taken, elsewhere=True),
    Part(
        "pypicloud",
        "/simple/",
        "/simple/",
        json_answer({}),
        same=_text(409, "Unauthorized to overwrite packages."),
        other=_text(409, "Unauthorized to overwrite packages."),
    ),
    Part("one that shows nothing", "/hidden/", None, same=_text(409, "taken"), other=_text(409, "taken")),
)
"""Every dialect of docs/indexes.md, and an index about which only its answers tell."""


@dataclass(slots=True)
class Played:
    """A running index."""

    part: Part
    served: ScriptedIndex
    files: dict[str, bytes] = field(default_factory=dict)
    """File name → what is stored under it."""
    contents: dict[str, bytes] = field(default_factory=dict)
    """sha256 → bytes of everything that may be uploaded: a form is parsed while it arrives, and not kept."""
    stored: list[tuple[str, str]] = field(default_factory=list)
    """File name and sha256 of everything that was uploaded and stored, in order."""
    metadata: dict[str, str] = field(default_factory=dict)
    """File name → sha256 of its metadata, where JSON says one (PEP 714)."""
    hidden: int = 0
    """So many reads see nothing of what is there: a cache before the index."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def inputs(self) -> dict[str, str]:
        """What a workflow gives."""
        at = str(httpx.URL(self.served.url).join(self.part.upload))
        inputs = {"repository-url": at, "password": "pypi-correct horse"}
        if self.part.host != "upload.pypi.org" and self.part.name != "testpypi":
            inputs["user"] = "publisher"
        if self.part.check_url and self.part.simple:
            inputs["check-url"] = str(httpx.URL(self.served.url).join(self.part.simple))
        return inputs

    @property
    def transport(self) -> httpx.BaseTransport | None:
        """Where the dialect's own hosts lead; None where they are loopback."""
        return _Rerouted(self) if self.part.host else None

    def takes(self, request: Request) -> Answer:
        """Store the file of a request, or say why not."""
        name, content = request.content.filename, self.contents[request.content.sha256]
        with self._lock:
            there = self.files.get(name)
            words = None if there is None else self.part.same if there == content else self.part.other
            if words is None:
                self.files[name] = content
                self.stored.append((name, request.content.sha256))
        return words(name) if words else self.part.stored

    def shows(self, request: Request) -> Answer:
        """Answer a read: the page of a project, or a file."""
        path = httpx.URL(request.target).path
        root = None if self.part.simple is None else httpx.URL(self.part.simple).path
        if path.startswith("/files/"):
            return Answer(body=self.files[path.removeprefix("/files/")])
        with self._lock:
            self.hidden -= self.hidden > 0
            files = {} if self.hidden else dict(self.files)
        if root is None or not path.startswith(root) or not path.removeprefix(root).strip("/") or not files:
            if self.part.elsewhere:
                return Answer(302, headers={"Location": f"https://pypi.org/simple/{path.rpartition('/')[2]}/"})
            return Answer(404, headers=TEXT, body=b"404 Not Found")
        name = path.removeprefix(root).strip("/")
        hashes = {each: self._hashes(content) for each, content in files.items()}
        return _as_html(name, hashes) if self.part.form == "html" else _as_json(name, hashes, self.metadata)

    def _hashes(self, content: bytes) -> Mapping[str, str]:
        return {name: hashlib.new(name, content).hexdigest() for name in self.part.hashes}


class _Rerouted(httpx.BaseTransport):
    """Takes requests to the hosts of a dialect to loopback; nobody may ask for another host."""

    def __init__(self, played: Played) -> None:
        urls = [httpx.URL(each) for each in (played.part.upload, played.part.simple or "")]
        self._hosts = {url.host for url in urls}
        self._port = played.served.port
        self._inner = httpx.HTTPTransport(verify=False)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        assert request.url.host in self._hosts, f"nobody should ask for {request.url}"
        assert request.url.scheme == "https"
        url = request.url.copy_with(scheme="http", host=LOOPBACK, port=self._port)
        return self._inner.handle_request(
            httpx.Request(
                request.method, url, headers=request.headers, stream=request.stream, extensions=request.extensions
            )
        )

    def close(self) -> None:
        self._inner.close()


def _as_json(name: str, files: Mapping[str, Mapping[str, str]], metadata: Mapping[str, str]) -> Answer:
    page = {
        "meta": {"api-version": "1.1"},
        "name": name,
        "versions": [],
        "files": [
            {"filename": filename, "url": f"/files/{filename}", "hashes": hashes}
            | ({"core-metadata": {"sha256": metadata[filename]}} if filename in metadata else {})
            for filename, hashes in files.items()
        ],
    }
    return Answer(headers={"Content-Type": JSON}, body=json.dumps(page).encode())


def _as_html(name: str, files: Mapping[str, Mapping[str, str]]) -> Answer:
    anchors = "".join(
        f'<a href="/files/{filename}{"".join(f"#{each}={digest}" for each, digest in list(hashes.items())[-1:])}">'
        f"{filename}</a><br>"
        for filename, hashes in files.items()
    )
    return Answer(headers=HTML, body=f"<!DOCTYPE html><title>Links for {name}</title>{anchors}".encode())


Fault = Callable[[Played, Request], Answer]
"""What an index does about an upload instead of what it should."""


def unread(answer: Answer) -> Fault:
    """Do something before the upload has been read."""
    return lambda *_: answer


def stored_or_not(answer: Answer, *, stored: bool) -> Fault:
    """Read the whole upload, store it or not, and then answer so, or not at all."""

    def play(played: Played, request: Request) -> Answer:
        assert request.content.filename
        if stored:
            played.takes(request)
        return answer

    return play


def raced(content: bytes | None = None, answer: Answer | None = None) -> Fault:
    """Let somebody else store the same file, or other content, in the moment in which ours arrives."""

    def play(played: Played, request: Request) -> Answer:
        ours = played.contents[request.content.sha256]
        played.files[request.content.filename] = ours if content is None else content
        return answer or played.takes(request)

    return play


@contextmanager
def played_index(part: Part, *faults: Fault, contents: Iterable[bytes]) -> Iterator[Played]:
    """Run an index; its first uploads meet the faults, one each. `contents` is everything that may be uploaded."""

    def upload(request: Request) -> Answer:
        if request.ordinal <= len(faults):
            return faults[request.ordinal - 1](played, request)
        return played.takes(request)

    def shown(request: Request) -> Answer:
        return played.shows(request)

    with scripted_index(upload, reads=shown) as served:
        played = Played(part, served)
        played.contents = {hashlib.sha256(each).hexdigest(): each for each in contents}
        yield played
