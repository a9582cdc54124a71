"""Distributions: the files to publish, found, then read once and frozen."""

from __future__ import annotations

import glob
import hashlib
import io
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

from packaging.utils import InvalidSdistFilename, InvalidWheelFilename, parse_sdist_filename, parse_wheel_filename
from packaging.version import InvalidVersion

from entrypoint import archive, metadata
from entrypoint.archive import Contents
from entrypoint.errors import DistributionError, Note, PublishError
from entrypoint.index import Index
from entrypoint.metadata import CoreMetadata, Kind
from entrypoint.threads import Ahead, Once, both, read_ahead

ATTESTATION = ".attestation"
"""How the name of a file ends that may attest another."""
BLOCK = 2**20
"""Bytes read at once, to hash and to send. Blocks of 64 KiB cost a third of the throughput on loopback (2026-11)."""

LARGE = 8 * 2**20
"""Bytes from which on a file stays on disk and is read as often as needed. A smaller one is read once, into memory."""

IGNORED_SHOWN = 10
"""Names of ignored files in the notice about them."""


class Found(NamedTuple):
    """A file that is to be published, known by its name alone."""

    path: Path
    shown: str
    """The path as a user writes it: relative to the workspace."""
    kind: Kind
    project: str
    """Normalised project name, of the file name; empty where that is no name of a distribution."""
    version: str
    """Version of the file name, normalised."""
    python_tag: str
    """Python tag of a wheel (`py3`, `py2.py3`, `cp313`); `source` for an sdist."""
    size: int
    """Bytes."""

    @property
    def filename(self) -> str:
        """Base name: what the index will call it."""
        return self.path.name

    @property
    def large(self) -> bool:
        """Whether it stays on disk, and its BLAKE2b may not be known when it is sent."""
        return self.size >= LARGE


class Collection(NamedTuple):
    """Everything under `packages-dir`: what is to be published, what is not, and what is wrong."""

    found: tuple[Found, ...]
    notes: tuple[Note, ...]
    problems: tuple[PublishError, ...]
    attestations: tuple[Path, ...] = ()
    """Files that may attest one of them."""

    @property
    def projects(self) -> list[str]:
        """Normalised names, of the file names."""
        return sorted({each.project for each in self.found})

    def check(self) -> None:
        """Raise an `ExceptionGroup` of the problems, if there are any."""
        if self.problems:
            raise ExceptionGroup("unusable packages-dir", self.problems)


class Distribution(NamedTuple):
    """A file that is ready to be sent."""

    found: Found
    metadata: CoreMetadata
    metadata_sha256: str
    """Hex, of METADATA or PKG-INFO as it is in the archive."""
    sha256: str
    """Hex."""
    blake2b: Once[str]
    """Hex, of a 32-byte digest. Of a large file that is to be sent it is worked out until it has left."""

    @property
    def blake2b_256(self) -> str:
        """BLAKE2b-256, hex; of a large file this may take a second for each GB. Raises `DistributionError`."""
        return self.blake2b.get()


There = Callable[[Found], str | None]
"""Gives the sha256, hex, that the index has under the name of a file; waits until that is known."""


def nothing_there(_: Found) -> None:
    """Stand for an index of which nothing is known."""


class Attested(NamedTuple):
    """What is sent with one file to attest where it comes from (PEP 740)."""

    form_field: str
    """JSON array of attestation objects, as the form field `attestations` holds it."""
    logs: tuple[str, ...]
    """URL of each in its transparency log."""
    signatures: frozenset[str]
    """Signature of each, base64: what it is known by."""


class Release(NamedTuple):
    """One version of one project and its files, in the order in which they are sent."""

    name: str
    """As the metadata spells it."""
    version: str
    distributions: tuple[Distribution, ...]

    @property
    def project(self) -> str:
        """Normalised name of the project."""
        return self.distributions[0].found.project


def collect(patterns: Sequence[str], workspace: Path) -> Collection:
    """Find the distributions that directories, files and globs name; nothing is opened.

    A pattern is first taken literally, so that names with brackets and stars can be given. Of a directory its files
    are taken, not those of its folders. Problems are part of the answer: files that are all right stay known.
    """
    problems: list[PublishError] = []
    paths: set[Path] = set()
    for pattern in patterns:
        hits = _matches(pattern, workspace)
        if hits is None:
            problems.append(_nothing_at(pattern, workspace))
        else:
            paths.update(Path(os.path.normpath(path)) for path in hits)
    found: list[Found] = []
    names: dict[str, Found] = {}
    ignored: list[str] = []
    attestations: list[Path] = []
    for path in sorted(paths):
        shown = str(path.relative_to(workspace) if path.is_relative_to(workspace) else path)
        file, problem = _look_at(path, shown)
        if file:
            found.append(file)
            if (twin := names.setdefault(file.filename, file)) is not file:
                problem = _same_name(file, twin)
        if problem:
            problems.append(problem)
        elif not file and path.name.endswith(ATTESTATION):
            attestations.append(path)
        elif not file:
            ignored.append(shown)
    if not found and not problems:
        problems.append(_nothing_found(patterns, ignored))
    return Collection(tuple(found), tuple(_ignored(ignored)), tuple(problems), tuple(attestations))


def read(
    found: Found, index: Index, there: There = nothing_there, ahead: Ahead | None = None
) -> tuple[Distribution, Contents, list[Note]]:
    """Read a file: its hashes, its metadata and what else is in it; the notes are what is wrong with it.

    What a large wheel holds is not unpacked where it is `there` with its sha256: nothing can be mended any more.

    Raises `DistributionError` when it cannot be published whatever the user says.
    """
    try:
        with found.path.open("rb") as file:
            if found.large:
                sha256, blake2b, contents = _large(file, found, index, there, ahead or Ahead())
            else:
                sha256, blake2b, contents = _small(file, found, index)
        core, notes = metadata.parse(contents.metadata)
    except DistributionError as error:
        raise DistributionError(error.title, error.detail, error.tip, path=found.shown, rule=error.rule) from error
    except OSError as error:
        raise _unreadable(found, error) from error
    distribution = Distribution(found, core, hashlib.sha256(contents.metadata).hexdigest(), sha256, blake2b)
    return distribution, contents, [*notes, *contents.notes]


def releases(distributions: Iterable[Distribution]) -> tuple[Release, ...]:
    """Group files by project and version; in each the smallest wheel first and the sdist last.

    The first file of a version fixes its metadata on PyPI, and a small one fails cheapest. An sdist that comes last
    keeps installers from building from source while wheels are still on their way.
    """
    groups: dict[tuple[str, str], list[Distribution]] = {}
    for each in distributions:
        groups.setdefault((each.found.project, each.found.version), []).append(each)
    return tuple(
        Release(
            files[0].metadata.one("name"),
            files[0].metadata.one("version"),
            tuple(sorted(files, key=lambda file: (file.found.kind == "sdist", file.found.size, file.found.filename))),
        )
        for _, files in sorted(groups.items())
    )


def _matches(pattern: str, workspace: Path) -> list[Path] | None:
    """Expand what a user wrote into paths; `None` when nothing is there."""
    literal = workspace / pattern
    if os.path.lexists(literal):
        return _expanded(literal)
    hits = glob.glob(pattern, root_dir=workspace, recursive=True)  # noqa: PTH207 - Path.glob takes no absolute pattern
    return [path for hit in hits for path in _expanded(workspace / hit)] or None


def _expanded(path: Path) -> list[Path]:
    """Give the files of a folder, or the path itself. `uv build` leaves a .gitignore there: hidden files stay out."""
    if not _is_folder(path):
        return [path]
    return [inner for inner in path.iterdir() if not inner.name.startswith(".") and not _is_folder(inner)]


def _is_folder(path: Path) -> bool:
    """Whether it is a folder to look into; one that is named like a distribution is a mistake to be told."""
    return path.is_dir() and not _names_distribution(path.name)


def _names_distribution(name: str) -> bool:
    return name.endswith((".whl", ".tar.gz"))


def _look_at(path: Path, shown: str) -> tuple[Found | None, DistributionError | None]:
    """Look at a file from outside: what it is, and what is wrong with it. Neither for what is no distribution."""
    try:
        identity = _parsed(path.name)
        misnamed = None
    except (InvalidWheelFilename, InvalidSdistFilename, InvalidVersion) as error:
        if not _names_distribution(path.name):
            return None, None
        identity = ("wheel" if path.suffix == ".whl" else "sdist", "", "", "")
        misnamed = _bad_name(shown, str(error))
    try:
        status = path.stat()
    except OSError as error:
        return None, _not_a_file(shown, f"{error.strerror}.")
    if not stat.S_ISREG(status.st_mode):
        kind = "a directory" if stat.S_ISDIR(status.st_mode) else "a special file"
        return None, _not_a_file(shown, f"It is {kind}.")
    return Found(path, shown, *identity, status.st_size), misnamed


def _parsed(filename: str) -> tuple[Kind, str, str, str]:
    if filename.endswith(".whl"):
        project, version, _, _ = parse_wheel_filename(filename)
        return "wheel", project, str(version), filename.removesuffix(".whl").split("-")[-3]
    project, version = parse_sdist_filename(filename)
    return "sdist", project, str(version), "source"


def _small(file: BinaryIO, found: Found, index: Index) -> tuple[str, Once[str], Contents]:
    """Read a file once, into memory."""
    data = file.read()
    blake2b = hashlib.blake2b(data, digest_size=32).hexdigest()
    contents = archive.read(io.BytesIO(data), len(data), found.filename, index)
    return hashlib.sha256(data).hexdigest(), Once.of(blake2b), contents


def _large(file: BinaryIO, found: Found, index: Index, there: There, ahead: Ahead) -> tuple[str, Once[str], Contents]:
    """Read a file twice at the same time, for its sha256 and by its members; it stays on disk."""
    size = file.seek(0, os.SEEK_END)
    sha256 = Once(lambda: _sha256(found.path))
    blake2b = Once(lambda: _blake2b(found))

    def wanted() -> bool:
        known = there(found)
        return known is None or known != sha256.get()

    ahead.put(lambda: wanted() and blake2b.get())  # it takes longest
    digest, contents = both(sha256.get, lambda: archive.read(file, size, found.filename, index, wanted))
    return digest, blake2b, contents


def _sha256(path: Path) -> str:
    value = hashlib.sha256()
    for block in read_ahead(path, BLOCK):  # nothing else may be going on: the index may have the file
        value.update(block)
    return value.hexdigest()


def _blake2b(found: Found) -> str:
    try:
        with found.path.open("rb", buffering=0) as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=32)).hexdigest()
    except OSError as error:
        raise _unreadable(found, error) from error


def _unreadable(found: Found, error: OSError) -> DistributionError:
    return DistributionError(
        "The file cannot be read",
        f"{error.strerror or error}.",
        "Check the permissions of the file and of its folder, and that nothing else is writing it.",
        path=found.shown,
        rule="regular-file",
    )


def _ignored(names: list[str]) -> Iterator[Note]:
    if names:
        more = f" and {len(names) - IGNORED_SHOWN} more" if len(names) > IGNORED_SHOWN else ""
        yield Note(
            "notice",
            "Other files are left alone",
            f"Neither wheel nor sdist, not published: {', '.join(names[:IGNORED_SHOWN])}{more}.",
        )


def _nothing_at(pattern: str, workspace: Path) -> PublishError:
    return DistributionError(
        f"Nothing at {pattern!r}",
        f"`packages-dir` names {pattern!r}, which is neither there nor a pattern that matches anything in {workspace}.",
        _BUILD_FIRST if not Path(pattern).is_absolute() else _USE_RELATIVE,
    )


def _nothing_found(patterns: Sequence[str], ignored: list[str]) -> PublishError:
    return DistributionError(
        "No distributions found",
        f"There is no wheel (`.whl`) and no sdist (`.tar.gz`) in {', '.join(map(repr, patterns))}"
        f"{f', only {len(ignored)} other files' if ignored else ''}.",
        _BUILD_FIRST,
    )


def _same_name(one: Found, other: Found) -> DistributionError:
    return DistributionError(
        "The same file name twice",
        f"{one.shown} and {other.shown} would be one file on the index.",
        "Remove one of them, or name in `packages-dir` the one that is meant.",
        path=one.shown,
        rule="same-name-twice",
    )


def _bad_name(shown: str, seen: str) -> DistributionError:
    return DistributionError(
        "Not a valid file name for a distribution",
        f"{seen}.",
        "Wheels are {name}-{version}-{python}-{abi}-{platform}.whl, sdists {name}-{version}.tar.gz. "
        "Build the file again instead of renaming it, or keep other archives out of `packages-dir`.",
        path=shown,
        rule="file-name-form",
    )


def _not_a_file(shown: str, seen: str) -> DistributionError:
    return DistributionError(
        "Not a readable file",
        f"{seen} Its name is that of a distribution.",
        "Put the built file itself there; an artifact that was unpacked once too often leaves a folder of that name.",
        path=shown,
        rule="regular-file",
    )


_BUILD_FIRST = (
    "Build the distributions in an earlier step (`python -m build`), or download the artifact that holds them "
    "(actions/download-artifact, `path: dist`), and let `packages-dir` say where they are, relative to the workspace."
)
_USE_RELATIVE = (
    "Give a path relative to the workspace: the container sees the workspace as /github/workspace, "
    "and nothing else of the runner's disk."
)
