"""Sdists: one folder in a gzipped tar file, or in a ZIP file as they once were, with PKG-INFO in it.

Format: https://packaging.python.org/en/latest/specifications/source-distribution-format/ (2026-08).
"""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import BinaryIO

from entrypoint.archive import rules, wheels, zips
from entrypoint.archive.contents import METADATA_LIMIT, Contents, Suspects, about_names, bounded_metadata, not_one
from entrypoint.errors import DistributionError, Note
from entrypoint.index import Index
from entrypoint.rule import some

UNPACKED_LIMIT = 256 * 2**20
RATIO_LIMIT = 50
"""Bytes unpacked, and times the size of the file, after which a tar file is not read further."""

PACKED_BLOCK = 64 * 2**10
"""Bytes that are unpacked at once: what is left of them is copied at the end of each gzip stream."""

STREAMS_LIMIT = 10_000
"""Gzip streams in one file; `bgzip` makes one of each 64 KiB."""

HEADER_LIMIT = 2**20
"""Bytes of one header of a tar file; a long name is one."""

READS_LIMIT = 64
"""Headers of one member: its own, two each for the long forms of name and link, and the map of a sparse one."""

LINES_LIMIT = 5 * zips.MEMBERS_LIMIT
"""Lines in headers: extended ones (pax) have one for each thing that has no room, and a copy is made of global ones."""

GLOBAL_LIMIT = 100
"""Global lines; git writes one."""

SPARSE_LIMIT = 1000
"""Sparse members, which have long headers."""


class _EndlessError(Exception):
    """More comes out of the file than is read."""


class _Unpacked:
    """The bytes of a gzipped file, forward only, as `tarfile` reads its headers, and we the members."""

    def __init__(self, source: BinaryIO, limit: int) -> None:
        self._source = source
        self._limit = limit
        self._streams = 1
        self._unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
        self._packed = b""
        self._block = b""
        self._at = 0
        """Where in the block the next byte is."""
        self._end = 0
        """Where in the tar file the block ends."""
        self.reads = 0
        """Headers since it was set to zero."""
        self._lines = 0
        self.last = b""
        """The header that was read last: of an archive that has ended, zeros or nothing."""

    def read(self, length: int) -> bytes:
        """Read a header."""
        self.reads += 1
        if not 0 <= length <= HEADER_LIMIT or self.reads > READS_LIMIT:
            raise ValueError("a member has a header without end")
        data = self.take(length)
        self._lines += data.count(b"\n")
        if self._lines > LINES_LIMIT:
            raise ValueError("its headers have too many lines")
        self.last = data
        return data

    def take(self, length: int) -> bytes:
        """Read the next bytes, fewer only at the end."""
        data = self._block[self._at : self._at + length]
        self._at += len(data)
        if len(data) == length:
            return data
        pieces, missing = [data], length - len(data)
        while missing and self._more():
            pieces.append(self._block[:missing])
            self._at = len(pieces[-1])
            missing -= self._at
        return b"".join(pieces)

    def seek(self, position: int) -> None:
        """Go forward."""
        if position < self.tell():
            raise ValueError("its headers lead backwards")
        while position > self._end:
            if not self._more():
                raise EOFError("it ends in the middle of a member")
        self._at = len(self._block) - (self._end - position)

    def tell(self) -> int:
        """Tell where the next byte is."""
        return self._end - len(self._block) + self._at

    def drain(self) -> None:
        """Read to the end, where the checksum is."""
        while self._more():
            pass

    def _more(self) -> bool:
        """Unpack the next block; `False` at the end."""
        self._block, self._at = b"", 0
        while not self._block:
            if self._unpacker.eof and not self._next_stream():
                return False
            self._packed = self._packed or self._source.read(PACKED_BLOCK)
            ended = not self._packed
            self._block = self._unpacker.decompress(self._packed, zips.BLOCK)
            self._packed = self._unpacker.unconsumed_tail
            if ended and not self._block:
                raise EOFError("it is cut short")
        self._end += len(self._block)
        if self._end > self._limit:
            raise _EndlessError
        return True

    def _next_stream(self) -> bool:
        """Begin with the stream that may follow the one that has ended; there may be zeros between and after them."""
        self._packed = self._unpacker.unused_data.lstrip(b"\0")
        while not self._packed:
            data = self._source.read(PACKED_BLOCK)
            if not data:
                return False
            self._packed = data.lstrip(b"\0")
        self._streams += 1
        if self._streams > STREAMS_LIMIT:
            raise ValueError(f"it has more than {STREAMS_LIMIT} gzip streams")
        self._unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
        return True


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
    except DistributionError:
        raise
    except Exception as error:
        if not found.metadata:
            raise
        seen = f"{type(error).__name__}: {error}."
        notes += rules.UNREADABLE.broken(index, seen, "Invalid distribution file. None")
    return found.contents(notes, index)


def read_zip(source: BinaryIO, size: int, index: Index) -> Contents:
    """Read a `.zip`. Raises as `read_tar` does."""
    found = _Found()
    damaged: list[str] = []
    infos = zips.members(source)
    members, notes = wheels.readable(infos, size, index)
    readable = {id(info) for info in members}
    for info in infos:
        name = info.filename
        found.name(name)
        try:
            if limit := found.wanted(name, info.file_size if id(info) in readable else -1):
                found.look(name, zips.head(source, info, limit))
            elif id(info) in readable:
                for _ in zips.blocks(source, info):
                    pass
        except Exception as error:  # noqa: BLE001 - struct and zlib have a dozen kinds for damage
            damaged.append(f"{name} ({type(error).__name__}: {error})")
    notes += wheels.framing(source, size, index)
    if damaged:
        notes += rules.UNREADABLE.broken(index, f"{some(damaged)}.", "Invalid distribution file. None")
    return found.contents(notes, index)


def _walk(unpacked: _Unpacked, found: _Found) -> None:
    with tarfile.TarFile(fileobj=unpacked, mode="r") as archive:  # type: ignore[arg-type]  # all that reading needs
        while member := archive.next():
            unpacked.reads = 0
            archive.members.clear()  # type: ignore[attr-defined]  # it would keep every one
            if len(archive.pax_headers) > GLOBAL_LIMIT:
                raise ValueError("it has too many global headers")
            name = member.name.removeprefix("./")
            found.name(name, folder=member.isdir())
            if member.isdir():
                continue
            if member.issparse():
                found.sparse.append(name)
                if len(found.sparse) > SPARSE_LIMIT:
                    raise ValueError("it has too many sparse members")
            elif member.isreg():
                if limit := found.wanted(name, member.size):
                    found.look(name, unpacked.take(min(limit, member.size)))
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
        self.metadata = b""
        """The first PKG-INFO that is in a top folder."""
        self._roots: set[str] = set()
        """Top folders with a PKG-INFO."""
        self._tops: set[str] = set()
        self._suspects = Suspects()
        self._members = 0
        self._length = 0
        self.sparse: list[str] = []
        self.odd: list[str] = []

    def name(self, name: str, *, folder: bool = False) -> None:
        """Note a member. Raises `DistributionError` when there are too many."""
        self._members += 1
        self._length += len(name)
        if self._members > zips.MEMBERS_LIMIT or self._length > zips.NAMES_LIMIT:
            raise zips.too_many(f"It has more than {self._members - 1} members, or very long names.")
        top, _, rest = name.partition("/")
        self._tops.add(top)
        if not folder:
            self.names.append(name)
            if rest == "PKG-INFO":
                self._roots.add(top)

    def wanted(self, name: str, size: int) -> int:
        """Give the bytes of a member that are to be looked at; `size` is -1 where it is not to be read."""
        if _is_metadata(name):
            return 0 if self.metadata else METADATA_LIMIT + 1
        return size if size > 0 and self._suspects.wanted(name, size) else 0

    def look(self, name: str, data: bytes) -> None:
        """Look at the content of a member that is wanted."""
        if _is_metadata(name):
            self.metadata = bounded_metadata(data)
        else:
            self._suspects.look(name, data)

    def contents(self, notes: list[Note], index: Index) -> Contents:
        """Draw up the contents. Raises `DistributionError` when there is no PKG-INFO, or more than one."""
        if len(self._roots) != 1:
            raise not_one([f"{root}/PKG-INFO" for root in self._roots], "*/PKG-INFO")
        (root,) = self._roots
        all_notes = [*notes, *about_names(self.names, index), *self._layout(root, index), *self._suspects.notes(index)]
        return Contents(self.metadata, root, tuple(self.names), {}, tuple(all_notes))

    def _layout(self, root: str, index: Index) -> Iterator[Note]:
        if self._tops != {root}:
            said = "Invalid distribution file. Incorrect number of top-level directories in sdist"
            seen = f"Beside {root}/ there is {some(sorted(self._tops - {root}))}."
            yield from rules.SDIST_LAYOUT.broken(index, seen, said)
        if self.sparse:
            said = "Invalid distribution file. tar archive not accepted: Sparse members are not allowed."
            yield from rules.SPARSE.broken(index, f"{some(self.sparse)}.", said)
        if self.odd:
            yield from rules.LINKS.broken(index, f"{some(self.odd)}.")


def _is_metadata(name: str) -> bool:
    return name.partition("/")[2] == "PKG-INFO"
