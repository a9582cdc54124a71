"""Google Artifact Registry: Python repositories that take uploads, show a simple index, and keep what they have."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import threading
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import unquote

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from packaging.utils import canonicalize_name

from tests.peers.scripted import Answer, Request
from tests.peers.world.google_cloud import CLOUD_PLATFORM, SILENCE, Cloud, too_many
from tests.peers.world.proxy import host_of, target

Mode = Literal["standard", "remote", "virtual"]

TEXT = {"Content-Type": "text/plain; charset=utf-8"}
PAGE = {"Content-Type": "text/html; charset=utf-8"}

LARGE_BYTES = 20 * 1024 * 1024  # a duplicate of 29 MB was cut off, one of a few MB is answered
FORM_BYTES = 256 * 1024  # of a form around its file, at most: where only the length of a body is known

UPLOAD = "artifactregistry.repositories.uploadArtifacts"
DOWNLOAD = "artifactregistry.repositories.downloadArtifacts"

EXISTS = b"Requested entity already exists.\n"


@dataclass(frozen=True, slots=True)
class Stored:
    """A file of a repository."""

    filename: str
    project: str
    """Normalized."""
    sha256: str
    size: int
    uploaded: bool
    """Through this peer, rather than put there by a test."""
    content: bytes | None = None
    """None: only its digest is known."""


@dataclass(slots=True)
class Repository:
    """A Python repository."""

    location: str
    project: str
    name: str
    mode: Mode = "standard"
    writers: set[str] = field(default_factory=set)
    """IAM members with `roles/artifactregistry.writer`, which may read as well."""
    readers: set[str] = field(default_factory=set)
    """IAM members with `roles/artifactregistry.reader`."""
    files: dict[str, Stored] = field(default_factory=dict)
    """By name, in the order of their arrival."""
    upstreams: list[Repository] = field(default_factory=list)
    """What a virtual repository shows too."""
    large: int = LARGE_BYTES
    """From so many bytes on the connection is cut under a duplicate."""

    @property
    def host(self) -> str:
        """Where it is."""
        return f"{self.location}-python.pkg.dev"

    @property
    def url(self) -> str:
        """Upload URL."""
        return f"https://{self.host}/{self.project}/{self.name}/"

    @property
    def resource(self) -> str:
        """Resource name."""
        return f"projects/{self.project}/locations/{self.location}/repositories/{self.name}"

    def put(self, filename: str, content: bytes) -> Stored:
        """Store a file as if it had been there since ever."""
        digest = hashlib.sha256(content).hexdigest()
        self.files[filename] = Stored(filename, _project_of(filename), digest, len(content), False, content)
        return self.files[filename]

    def shown(self) -> dict[str, Stored]:
        """Give what a reader sees: with the upstreams' files, where it has no file of that name itself."""
        files: dict[str, Stored] = {}
        for upstream in reversed(self.upstreams):
            files |= upstream.shown()
        return files | self.files


def _text(status: int, body: bytes) -> Answer:
    return Answer(status, headers=TEXT, body=body)


UNAUTHENTICATED = _text(401, b"The request does not have valid authentication credentials. \n")
UNAVAILABLE = _text(503, b"The service is currently unavailable.\n")
TOO_MANY = too_many(_text(429, b"Quota exceeded for quota metric 'Write requests'.\n"))
CUT = Answer(cut="mid-body", reset=True)
CUT_400 = Answer(400, headers=TEXT, body=EXISTS, early=True, read_on=False, close=True)
DROPPED = Answer(cut="after-body", reset=True)


class ArtifactRegistry:
    """*-python.pkg.dev.

    Faults of all requests: `registry-no-repository`. Of uploads: `registry-slow`, `registry-unavailable` (503),
    `registry-too-many` (429), `registry-unauthenticated` (401), `registry-denied` (403), `registry-cut` (a reset in the
    middle of the body, nothing stored), `registry-cut-400` (says that the file exists before it is read, and closes),
    `registry-stored-then-dropped`; and `registry-large-400`: what cuts a large duplicate says 400 before. Of reads:
    `registry-index-slow`, `registry-index-unavailable`, `registry-index-unauthenticated`, `registry-index-denied`,
    `registry-index-no-hashes`, `registry-index-stale` (nothing of what was uploaded is there).
    """

    hosts = ("*-python.pkg.dev",)

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._lock = threading.Lock()
        self.repositories: list[Repository] = []
        self.insiders: dict[str, set[str]] = {}
        """Project → IAM members with rights in it, who are told that a repository does not exist."""
        self.violations: list[str] = []
        """Of all requests, every rule that they broke."""
        self.contents: dict[str, bytes] = {}
        """sha256 → bytes of what may be uploaded and read back: an upload is parsed while it arrives, and not kept."""

    def __call__(self, request: Request) -> Answer:
        """Take a file, or show what is there."""
        members = self._members(request)
        if members is None:
            return UNAUTHENTICATED
        project, name, *rest = [*unquote(target(request)[0]).removeprefix("/").split("/"), ""]
        location = host_of(request).removesuffix("-python.pkg.dev")
        resource = f"projects/{project}/locations/{location}/repositories/{name}"
        permission = UPLOAD if request.method == "POST" else DOWNLOAD
        inside = bool(self.insiders.get(project, set()) & members)
        missing = _no_repository(resource) if inside else _denied(permission, resource)
        repository = next((each for each in self.repositories if each.resource == resource), None)
        if repository is None:
            return missing
        handler = {"POST": self._post, "GET": self._get, "HEAD": self._get}.get(request.method)
        if handler is None:
            return _text(405, b"Method Not Allowed\n")
        return self._cloud.unless(
            {"registry-no-repository": missing}, lambda: handler(request, rest, repository, members)
        )

    def _note(self, request: Request, violation: str) -> None:
        with self._lock:
            self.violations.append(f"{request!r}: {violation}")

    def _members(self, request: Request) -> frozenset[str] | None:
        """Say for whom a request speaks; None: for nobody."""
        try:
            basic = request.basic
        except ValueError:
            basic = None
        match basic:
            case "oauth2accesstoken", token:
                grant = self._cloud.grant(token)
                if grant is None:
                    return None
                # A token without the scope is good, but nothing that was given to its owner counts.
                return grant.members if CLOUD_PLATFORM in grant.scopes else frozenset()
            case "_json_key_base64", encoded:
                return self._key_owner(encoded)
            case _:
                return None

    def _key_owner(self, encoded: str) -> frozenset[str] | None:
        try:
            key = json.loads(base64.b64decode(encoded, validate=True))
            account = self._cloud.account(key["client_email"])
            private = load_pem_private_key(key["private_key"].encode(), None)
            known = None if account is None else account.keys.get(key["private_key_id"])
        except (ValueError, KeyError, TypeError, AttributeError):
            return None
        if account is None or known is None or not isinstance(private, RSAPrivateKey):
            return None
        same = private.public_key().public_numbers() == known.public_numbers()
        return frozenset({account.member}) if same else None

    def _post(self, request: Request, rest: list[str], repository: Repository, members: frozenset[str]) -> Answer:
        if rest[:-1] != [""]:
            self._note(request, "an upload to something that is not the upload URL, which ends with a slash")
            return _text(404, b"Not Found\n")
        # In which words a remote or virtual repository refuses is not known; that it does is.
        denied = _denied(UPLOAD, repository.resource)
        writable = repository.mode == "standard" and repository.writers & members
        before = {
            "registry-slow": SILENCE,
            "registry-unavailable": UNAVAILABLE,
            "registry-too-many": TOO_MANY,
            "registry-unauthenticated": UNAUTHENTICATED,
            "registry-denied": denied,
        }
        cuts = {"registry-cut": CUT, "registry-cut-400": CUT_400}
        return self._cloud.unless(
            before,
            lambda: self._cloud.unless(cuts, lambda: self._upload(request, repository)) if writable else denied,
        )

    def _large_duplicate(self, request: Request, repository: Repository) -> bool:
        """Say whether a large file is there already; so early only the length of the body tells."""
        length = int(request.header("Content-Length") or 0)
        if length < repository.large:
            return False
        return any(0 <= length - stored.size <= FORM_BYTES for stored in repository.files.values())

    def _upload(self, request: Request, repository: Repository) -> Answer:
        if self._large_duplicate(request, repository):
            return CUT_400 if self._cloud.happens("registry-large-400") else CUT
        for violation in _broken(request):
            self._note(request, violation)
        if not request.is_upload:
            return _text(400, b"Invalid request.\n")
        values = dict(request.fields)
        content = request.content
        project = canonicalize_name(values.get("name", ""))
        if not project or not values.get("version") or values.get(":action") != "file_upload":
            return _text(400, b"Invalid request.\n")
        with self._lock:
            if content.filename in repository.files:
                return _text(400, EXISTS)
            stored = Stored(
                content.filename, project, content.sha256, content.size, True, self.contents.get(content.sha256)
            )
            repository.files[content.filename] = stored
        return self._cloud.unless({"registry-stored-then-dropped": DROPPED}, Answer)

    def _get(self, request: Request, rest: list[str], repository: Repository, members: frozenset[str]) -> Answer:
        denied = _denied(DOWNLOAD, repository.resource)
        readable = (repository.readers | repository.writers) & members
        faults = {
            "registry-index-slow": SILENCE,
            "registry-index-unavailable": UNAVAILABLE,
            "registry-index-unauthenticated": UNAUTHENTICATED,
            "registry-index-denied": denied,
        }
        return self._cloud.unless(faults, lambda: self._shown(request, rest[:-1], repository) if readable else denied)

    def _shown(self, request: Request, rest: list[str], repository: Repository) -> Answer:
        stale = self._cloud.happens("registry-index-stale")
        with self._lock:
            files = [each for each in repository.shown().values() if not (stale and each.uploaded)]
        match rest:
            case ["simple", ""]:
                names = sorted({each.project for each in files})
                anchors = (f'<a href="/{repository.project}/{repository.name}/simple/{n}/">{n}</a><br/>' for n in names)
                return _page("Simple Index", "\n".join(anchors))
            case ["simple", name, ""]:
                return self._project(request, name, repository, [each for each in files if each.project == name])
            case [name, filename]:
                found = next((each for each in files if (each.project, each.filename) == (name, filename)), None)
                if found is not None and found.content is not None:
                    return Answer(headers={"Content-Type": "application/octet-stream"}, body=found.content)
            case _:
                self._note(request, "a read of something that is neither a page nor a file")
        return _text(404, b"Not Found\n")

    def _project(self, request: Request, name: str, repository: Repository, files: list[Stored]) -> Answer:
        if name != canonicalize_name(name):
            self._note(request, "a project under a name that is not normalized")
        if not files:
            return _text(404, b"Not Found\n")
        bare = self._cloud.happens("registry-index-no-hashes")
        anchors = (
            f'<a href="{repository.url}{each.project}/{html.escape(each.filename)}'
            f'{"" if bare else f"#sha256={each.sha256}"}">{html.escape(each.filename)}</a><br/>'
            for each in files
        )
        return _page(f"Links for {name}", "\n".join(anchors))


def _broken(request: Request) -> list[str]:
    """Give every rule that an upload breaks, with those that only this index has."""
    request.is_upload or request.body  # noqa: B018 - reads it to its end
    broken = list(request.violations)
    if request.is_upload and request.values("attestations"):
        broken.append("attestations for an index that knows none")
    return broken


def _page(title: str, anchors: str) -> Answer:
    page = (
        f"<!DOCTYPE html>\n<html>\n<head><title>{title}</title></head>\n<body>\n<h1>{title}</h1>\n{anchors}\n</body>\n"
    )
    return Answer(headers=PAGE, body=f"{page}</html>\n".encode())


def _denied(permission: str, resource: str) -> Answer:
    return _text(403, f'Permission "{permission}" denied on resource "{resource}" (or it may not exist)\n'.encode())


def _no_repository(resource: str) -> Answer:
    """Say that there is no such repository; in which words Google does is not known."""
    return _text(404, f'Repository "{resource}" not found\n'.encode())


def _project_of(filename: str) -> str:
    stem = filename.removesuffix(".tar.gz").removesuffix(".zip")
    name = stem.split("-")[0] if filename.endswith(".whl") else re.sub(r"-[^-]*$", "", stem)
    return canonicalize_name(name)
