"""Stock: what an index has of the files at hand, by content and not by name alone.

Whether a file is there is answered in one of four ways: the same, another one under its name, nothing, or unknown.
Unknown is not nothing: an index that cannot be read is never taken for an empty one.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple, TypeVar

import httpx  # noqa: TC002 - the client needs it anyway

from entrypoint import simple
from entrypoint.client import Signer
from entrypoint.distribution import Distribution, Found
from entrypoint.errors import Note, PublishError, Unavailable
from entrypoint.index import Index, redacted
from entrypoint.patience import Patience
from entrypoint.simple import Project, RemoteFile
from entrypoint.threads import side_by_side

A = TypeVar("A")

READERS = 8
"""Projects that are read side by side."""

DOWNLOAD_LIMIT = 256 * 2**20
"""Bytes of a file that is downloaded to be hashed, where the index gives no hash to compare with."""

NO_HASH = (
    "The index shows no hash to compare with, and no file that could be downloaded and hashed "
    f"(up to {DOWNLOAD_LIMIT // 2**20} MiB)."
)

PROOFS = ("sha256", "sha512", "sha384")
"""Hashes that prove equality. Equal MD5 or SHA-1 prove nothing; unlike ones prove that the content differs."""


class Match(enum.Enum):
    """How a file at hand compares with what the index has under its name."""

    SAME = "same"
    OTHER = "other"
    ABSENT = "absent"
    UNKNOWN = "unknown"


class Look(NamedTuple):
    """What the index has under the name of a file."""

    match: Match
    remote: RemoteFile | None = None
    why: str = ""
    """Why it is unknown, as a sentence."""

    @property
    def sha256(self) -> str | None:
        """What the index has under the name, hex, where it says so."""
        return self.remote.hashes.get("sha256") if self.remote else None

    @property
    def shown(self) -> str:
        """The hash that the index gives, for people."""
        hashes = self.remote.hashes if self.remote else {}
        return next((f"{name} {hashes[name]}" for name in (*PROOFS, *hashes) if name in hashes), "no hash")


class Inventory(NamedTuple):
    """What an index has of some projects, before anything is sent."""

    projects: Mapping[str, Project | None]
    """By normalised name; `None` where it is not known how to ask, nothing where the index did not tell."""
    problems: tuple[PublishError, ...] = ()
    why: str = ""
    """Why it is not known, where that is a matter of choice."""

    def sha256(self, found: Found) -> str | None:
        """Give the sha256, hex, of what the index has under the name of a file."""
        project = self.projects.get(found.project)
        remote = project.find(found.filename) if project else None
        return remote.hashes.get("sha256") if remote else None


class Stock:
    """The simple index of one index, as far as it can be found and read."""

    def __init__(self, index: Index, http: httpx.Client, auth: Signer | None, patience: Patience) -> None:
        self._index = index
        self._http = http
        self.public = index.public
        """Whether it is read without a credential."""
        self._auth = None if index.public else auth
        self._patience = patience
        self._root = index.simple_url
        self.notes: list[Note] = []
        """What was noticed about the simple index itself."""

    @property
    def known(self) -> bool:
        """Whether it is known where the simple index is; otherwise there are only guesses, whose 404 means nothing."""
        return self._root is not None

    def take(self, names: Sequence[str]) -> Inventory:
        """Read projects, several side by side; one that must be readable and is not, is a problem."""
        try:
            side_by_side(self._cut_root, names, 1)
        except Unavailable as error:
            return Inventory({}, (error,))
        answers = _answers(names, lambda name: self._patiently(partial(self._project, name)))
        projects = {name: each for name, each in answers.items() if not isinstance(each, PublishError)}
        return Inventory(projects, _folded(answers))

    def look(self, distribution: Distribution) -> Look:
        """Ask the index once, now, what it has under the name of a file; a failure is part of the answer."""
        return self.looks([distribution])[0]

    def looks(self, distributions: Sequence[Distribution]) -> list[Look]:
        """Do the same for several files: each project is read once."""
        projects = _answers(sorted({each.found.project for each in distributions}), self._project)
        return [self._seen(each, projects[each.found.project]) for each in distributions]

    def _seen(self, distribution: Distribution, project: Project | PublishError | None) -> Look:
        if isinstance(project, PublishError):
            return Look(Match.UNKNOWN, why=project.detail)
        return self.compare(distribution, project)

    def compare(self, distribution: Distribution, project: Project | None) -> Look:
        """Compare a file with what a project has under its name; downloads that where it must be hashed to be known."""
        if project is None:
            return Look(Match.UNKNOWN, why="It is not known where this index shows its files.")
        remote = project.find(distribution.found.filename)
        if remote is None:
            return Look(Match.ABSENT)
        proven = not remote.hashes.keys().isdisjoint(PROOFS)
        resized = not proven and remote.size not in (None, distribution.found.size)
        if resized or any(digest != _digest(distribution, name) for name, digest in remote.hashes.items()):
            return Look(Match.OTHER, remote)
        if proven:
            return Look(Match.SAME, remote)
        sha256 = simple.digest(self._http, remote, self._auth, DOWNLOAD_LIMIT)
        if sha256 is None:
            return Look(Match.UNKNOWN, remote, NO_HASH)
        seen = remote._replace(hashes={**remote.hashes, "sha256": sha256})
        return Look(Match.SAME if sha256 == distribution.sha256 else Match.OTHER, seen)

    def attests(self, look: Look, signatures: frozenset[str]) -> bool:
        """Ask whether the index serves these attestations, known by their signatures, with what was seen of a file."""
        served = simple.signatures(self._http, look.remote) if look.remote and look.remote.provenance else None
        return served is not None and signatures <= served

    def _patiently(self, read: Callable[[], A]) -> A:
        tried = 0
        while True:
            try:
                return read()
            except Unavailable as error:
                tried += 1
                pause = self._patience.pause(tried, error.retry_after) if error.again else None
                if pause is None:
                    raise
                self._patience.clock.sleep(pause)

    def _project(self, name: str) -> Project | None:
        """Read a project once. Raises `PublishError` when the index is known and does not tell."""
        if self._root is not None:
            return simple.read(self._http, self._root, name, self._auth)
        for guess in self._index.guesses:
            try:
                project = simple.read(self._http, guess, name, self._auth)
            except Unavailable:
                return None
            except PublishError:
                continue
            if project.exists:
                return project
        return None

    def _cut_root(self, name: str) -> None:
        """Find out whether the root that was given is the page of a project, which users copy from a browser."""
        root = self._root
        if root is None or not simple.names_project(root, name):
            return
        above = f"{root.rstrip('/').rpartition('/')[0]}/"

        def is_page() -> bool:
            there = partial(simple.read, self._http, name=name, auth=self._auth)
            return not there(root=root).exists and there(root=above).exists

        try:
            if not self._patiently(is_page):
                return
        except Unavailable:
            raise  # unknown, which is not "no"
        except PublishError:
            return
        self._root = above
        detail = f"The simple index: `{redacted(root)}` is the page of one project and is read as `{redacted(above)}`."
        self.notes.append(Note("notice", "A URL was repaired", detail))


def _answers(names: Sequence[str], read: Callable[[str], Project | None]) -> dict[str, Project | PublishError | None]:
    """Read projects, several side by side; a problem is an answer too."""

    def one(name: str) -> Project | PublishError | None:
        try:
            return read(name)
        except PublishError as error:
            return error

    return dict(zip(names, side_by_side(one, names, READERS), strict=True))


def _folded(answers: Mapping[str, Project | PublishError | None]) -> tuple[PublishError, ...]:
    """Give one problem where several projects have the same: their pages differ by the name alone."""
    alike: dict[tuple[str, str], list[PublishError]] = {}
    for name, error in answers.items():
        if isinstance(error, PublishError):
            alike.setdefault((error.title, error.detail.replace(f"/{name}/", "//")), []).append(error)
    return tuple(_of_all(errors) for errors in alike.values())


def _of_all(errors: Sequence[PublishError]) -> PublishError:
    first, more = errors[0], len(errors) - 1
    if not more:
        return first
    others = "another project" if more == 1 else f"{more} other projects"
    return first.saying(f" The same goes for {others}.")


def _digest(distribution: Distribution, algorithm: str) -> str:
    if algorithm == "sha256":
        return distribution.sha256
    with distribution.found.path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()
