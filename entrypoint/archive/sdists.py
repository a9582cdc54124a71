"""Sdists: one folder in a gzipped tar file, or in a ZIP file as they once were, with PKG-INFO in it.

Format: https://packaging.python.org/en/latest/specifications/source-distribution-format/ (2026-08).
"""

from __future__ import annotations

import gzip
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import IO, BinaryIO

from entrypoint.archive import rules, wheels, zips
from entrypoint.archive.contents import (
    BLOCK,
    JSON_LIMIT,
    Contents,
    about_names,
    bounded_metadata,
    holds_key,
    not_one,
)
from entrypoint.errors import Note
from entrypoint.index import Index
from entrypoint.metadata import METADATA_LIMIT
from entrypoint.rule import some

UNPACKED_LIMIT = 256 * 2**20
RATIO_LIMIT = 50
"""Bytes unpacked, and times the size of the file, after which a tar file is not read further."""

HEADER_LIMIT = 4 * 2**20
"""Bytes of one header of a tar file; a long name is one."""


class _EndlessError(Exception):
    """More comes out of the file than is read."""


class _Unpacked:
    """The bytes of a gzipped file, forward only, as `tarfile` reads them."""

    def __init__(self, source: BinaryIO, limit: int) -> None:
        self._file = gzip.GzipFile(fileobj=source, mode="rb")
        self._limit = limit
        self._position = 0
        self.last = b""
        """What was read last: of an archive that has ended, a block of zeros."""

    def read(self, length: int) -> bytes:
        if not 0 <= length <= HEADER_LIMIT:
            raise ValueError(f"a header of {length} bytes")
        data = self._file.read(length)
        self._position += len(data)
        if self._position > self._limit:
            raise _EndlessError
        self.last = data or self.last
        return data

    def seek(self, position: int) -> None:
        if position < self._position:
            raise ValueError("its headers lead backwards")
        while self._position < position:
            if not self.read(min(position - self._position, BLOCK)):
                raise EOFError("it ends in the middle of a member")

    def tell(self) -> int:
        return self._position

    def drain(self) -> None:
        """Read to the end, where the checksum is."""
        while self.read(BLOCK):
            pass


def read_tar(source: BinaryIO, size: int, index: Index) -> Contents:
    """Read a `.tar.gz`. Raises `DistributionError` when it has no metadata, and whatever `tarfile` raises at once."""
    found = _Found()
    notes: list[Note] = []
    limit = max(UNPACKED_LIMIT, RATIO_LIMIT * size)
    unpacked = _Unpacked(source, limit)
    try:
        _walk(unpacked, found)
        if any(unpacked.last):
            raise tarfile.ReadError("a header of a member is damaged")  # noqa: TRY301 - tarfile ends there in silence
        unpacked.drain()
    except _EndlessError:
        notes += rules.NOT_READ.broken(index, f"More than {limit} bytes come out of {size}.")
    except Exception as error:
        if not found.metadata:
            raise
        seen = f"{type(error).__name__}: {error}."
        notes += rules.UNREADABLE.broken(index, seen, "Invalid distribution file. None")
    return found.contents(notes, index)


def read_zip(source: BinaryIO, size: int, index: Index) -> Contents:
    """Read a `.zip`. Raises as `read_tar` does."""
    zips.check_directory(source, size)
    found = _Found()
    damaged: list[str] = []
    with zipfile.ZipFile(source) as archive:
        infos = wheels.files(archive)
        members, notes = wheels.readable(infos, size, index)
        for info in infos:
            found.name(info.filename)
            try:
                with archive.open(info) as member:
                    found.take(info.filename, info.file_size, member)
                    while info in members and member.read(BLOCK):
                        pass
            except Exception as error:  # noqa: BLE001 - zipfile and zlib have a dozen kinds for damage
                damaged.append(f"{info.filename} ({type(error).__name__}: {error})")
    notes += wheels.framing(source, size, index)
    if damaged:
        notes += rules.UNREADABLE.broken(index, f"{some(damaged)}.", "Invalid distribution file. None")
    return found.contents(notes, index)


def _walk(unpacked: _Unpacked, found: _Found) -> None:
    with tarfile.TarFile(fileobj=unpacked, mode="r") as archive:  # type: ignore[arg-type]  # all that reading needs
        while member := archive.next():
            archive.members.clear()  # type: ignore[attr-defined]  # it would keep every one
            name = member.name.removeprefix("./")
            if member.isdir():
                continue
            found.name(name)
            if member.issparse():
                found.sparse.append(name)
            elif member.isreg() and (file := archive.extractfile(member)):
                found.take(name, member.size, file)
            elif not (member.issym() or member.islnk()) or _leads_outside(member):
                found.odd.append(name)


def _leads_outside(link: tarfile.TarInfo) -> bool:
    folder = PurePosixPath(link.name).parent if link.issym() else PurePosixPath()
    depth = 0
    for part in (folder / link.linkname).parts:
        depth += -1 if part == ".." else 1
        if part == "/" or depth < 0:
            return True
    return False


class _Found:
    """What was seen of an sdist so far."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.metadata: dict[str, bytes] = {}
        """Every PKG-INFO below a top folder, by that folder."""
        self.keys: list[str] = []
        self.sparse: list[str] = []
        self.odd: list[str] = []

    def name(self, name: str) -> None:
        """Note a member that is no directory."""
        self.names.append(name)
        if len(self.names) > zips.MEMBERS_LIMIT:
            raise zips.too_many(f"It has more than {zips.MEMBERS_LIMIT} members.")

    def take(self, name: str, size: int, file: IO[bytes]) -> None:
        """Read of a member what rules look at."""
        top, _, rest = name.partition("/")
        if rest == "PKG-INFO":
            self.metadata.setdefault(top, bounded_metadata(file.read(METADATA_LIMIT + 1)))
        elif name.endswith(".json") and size <= JSON_LIMIT and holds_key(file.read(JSON_LIMIT)):
            self.keys.append(name)

    def contents(self, notes: list[Note], index: Index) -> Contents:
        """Draw up the contents. Raises `DistributionError` when there is no PKG-INFO, or more than one."""
        if len(self.metadata) != 1:
            raise not_one([f"{top}/PKG-INFO" for top in self.metadata], "*/PKG-INFO")
        ((root, metadata),) = self.metadata.items()
        all_notes = [*notes, *about_names(self.names, index), *self._layout(root, index)]
        return Contents(metadata, root, tuple(self.names), {}, tuple(all_notes))

    def _layout(self, root: str, index: Index) -> Iterator[Note]:
        tops = {name.partition("/")[0] if "/" in name else name for name in self.names}
        if tops != {root}:
            said = "Invalid distribution file. Incorrect number of top-level directories in sdist"
            seen = f"Beside {root}/ there is {some(sorted(tops - {root}))}."
            yield from rules.SDIST_LAYOUT.broken(index, seen, said)
        if self.sparse:
            said = "Invalid distribution file. tar archive not accepted: Sparse members are not allowed."
            yield from rules.SPARSE.broken(index, f"{some(self.sparse)}.", said)
        if self.odd:
            yield from rules.LINKS.broken(index, f"{some(self.odd)}.")
        if self.keys:
            yield from rules.KEY_FILE.broken(index, f"{some(self.keys)}.")
