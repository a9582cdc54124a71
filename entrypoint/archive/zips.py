"""ZIP files: their records from the first byte to the last, and their members within bounds.

Two programs may find different files in one ZIP, for there are several ways to look for them. PyPI's server therefore
refuses whatever is ambiguous, in the words that are quoted here (warehouse, 2026-08). The format is that of PKWARE's
APPNOTE.TXT 6.3.10.
"""

from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol

from entrypoint.errors import DistributionError

BLOCK = 2**20
"""Bytes of a member that are read at once."""

MEMBERS_LIMIT = 80_000
"""Members of an archive that is read; the most on PyPI are some 60,000."""

NAMES_LIMIT = 12 * 2**20
"""Bytes of a central directory, and of the names in a tar file, that are read: 150 for each of `MEMBERS_LIMIT`."""

KNOWN = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Methods of compression that are read; others unpack to any size at once."""

_LOCAL = struct.Struct("<6xHH8xLLHH")  # flags, method, sizes packed and unpacked, lengths of name and extra
_CENTRAL = struct.Struct("<8xHH8xLLHHH12x")  # the same, and the length of the comment
_END = struct.Struct("<4xHHLLH")  # entries here, entries, size and offset of the central directory, comment
_END_64 = struct.Struct("<12xQQQQ")  # the same without the comment
_NO_ROOM = 0xFFFFFFFF
"""A size that stands in the ZIP64 extra field instead."""
_ENCRYPTED, _DATA_DESCRIPTOR, _UTF_8 = 0x0001, 0x0008, 0x0800
_ZIP64, _UNICODE_PATH = 0x0001, 0x7075
_ZIP64_LENGTHS = (0, 8, 16, 24, 28)
_UNPRINTABLE = bytes([*range(0x20), 0x7F])


class _Truncated(Exception):  # noqa: N818 - never leaves this module
    pass


class Place:
    """A place in a file on disk: several threads may read it at the same time, each from a place of its own."""

    def __init__(self, file: BinaryIO) -> None:
        self._number = file.fileno()
        self._at = 0

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to an offset, from the beginning or from here."""
        self._at = offset if whence == io.SEEK_SET else self._at + offset
        return self._at

    def read(self, length: int) -> bytes:
        """Read the next bytes, fewer only at the end."""
        data = os.pread(self._number, length, self._at)
        self._at += len(data)
        return data


class Source(Protocol):
    """What a member is read from."""

    def seek(self, offset: int, whence: int = ..., /) -> int:
        """Go to an offset."""

    def read(self, length: int, /) -> bytes:
        """Read the next bytes."""


class _Bounded:
    """A file as `zipfile` reads it, which takes the whole central directory at once, as long as it claims to be."""

    def __init__(self, file: BinaryIO) -> None:
        self.seek, self.tell = file.seek, file.tell
        self._file = file

    def read(self, length: int = -1) -> bytes:
        if length > NAMES_LIMIT:
            raise too_many(f"Its central directory claims {length} bytes.")
        data = self._file.read(length)
        if (count := data.count(b"PK\x01\x02")) > MEMBERS_LIMIT:
            raise too_many(f"It has {count} members.")
        return data


def members(file: BinaryIO) -> list[zipfile.ZipInfo]:
    """Give the members that are no directories. Raises `DistributionError` when there are too many."""
    with zipfile.ZipFile(_Bounded(file)) as archive:
        return [info for info in archive.infolist() if not info.is_dir()]


def blocks(file: Source, info: zipfile.ZipInfo) -> Iterator[bytes]:
    """Yield the content of a member, block by block, and never more than its size.

    Raises `BadZipFile`, `EOFError`, `ValueError` or `zlib.error` where it is damaged, at the end at the latest.
    """
    _to_content(file, info)
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS) if info.compress_type == zipfile.ZIP_DEFLATED else None
    left, size, check, data = info.compress_size, 0, 0, b""
    while size <= info.file_size and (not unpacker.eof if unpacker else left):
        if left and not data:
            data = file.read(min(left, BLOCK))
            left -= len(data)
        block = unpacker.decompress(data, min(BLOCK, info.file_size - size + 1)) if unpacker else data
        if not block and not data:
            raise EOFError("it ends too early")
        data = unpacker.unconsumed_tail if unpacker else b""
        size += len(block)
        check = zlib.crc32(block, check)
        yield block
    if size != info.file_size or check != info.CRC:
        raise zipfile.BadZipFile("its size or checksum is another one than the directory says")


def head(file: BinaryIO, info: zipfile.ZipInfo, limit: int) -> bytes:
    """Read a member, and stop when there is more than the limit. Raises as `blocks` does."""
    data = io.BytesIO()
    for block in blocks(file, info):
        data.write(block)
        if data.tell() > limit:
            break
    return data.getvalue()


def _to_content(file: Source, info: zipfile.ZipInfo) -> None:
    """Go to where the content of a member begins."""
    if info.header_offset < 0:
        raise zipfile.BadZipFile("the directory leads to before the file")
    file.seek(info.header_offset)
    header = file.read(_LOCAL.size)
    if len(header) < _LOCAL.size or not header.startswith(b"PK\x03\x04"):
        raise zipfile.BadZipFile("there is no member where the directory says")
    flags, *_, name_length, extra_length = _LOCAL.unpack(header)
    name = file.read(name_length).decode("utf-8" if flags & _UTF_8 else "cp437")
    if name != info.orig_filename:
        raise zipfile.BadZipFile(f"the directory calls it {info.orig_filename!r} and its own header {name!r}")
    if info.flag_bits & _ENCRYPTED:
        raise zipfile.BadZipFile("it is encrypted")
    if info.compress_type not in KNOWN:
        raise zipfile.BadZipFile(f"it is packed by method {info.compress_type}, and only deflate is read")
    file.seek(extra_length, io.SEEK_CUR)


@dataclass(slots=True)
class _Walk:
    """One way through a ZIP file, record by record."""

    file: BinaryIO
    size: int
    faults: dict[str, list[str]] = field(default_factory=dict)
    """PyPI's words → the members concerned."""
    local: dict[bytes, tuple[int, int]] = field(default_factory=dict)
    """Name → packed size, unpacked size."""
    central: set[bytes] = field(default_factory=set)
    entries: int = 0
    start: int | None = None
    """Offset of the central directory."""
    stop: int | None = None
    """Offset of what follows it in a ZIP64 file."""
    end: tuple[int, ...] = ()
    """What that says: entries, size and offset of the central directory."""
    located: bool = False
    """Whether the locator of that was passed."""

    def fault(self, words: str, name: bytes = b"") -> None:
        self.faults.setdefault(words, []).append(name.decode("utf-8", "replace"))

    def take(self, length: int) -> bytes:
        data = self.file.read(length)
        if len(data) != length:
            raise _Truncated
        return data

    def walk(self) -> None:
        """Go from byte 0 to the end; what cannot be passed ends the walk."""
        self.file.seek(0)
        readers = {
            b"PK\x03\x04": self._file,
            b"PK\x01\x02": self._entry,
            b"PK\x06\x06": self._end_64,
            b"PK\x06\x07": self._locator,
            b"PK\x05\x06": self._end,
        }
        after_64 = (b"PK\x06\x07", b"PK\x05\x06")
        for _ in range(2 * MEMBERS_LIMIT + 3):
            signature = self.take(4)
            if self.stop is not None and signature != after_64[self.located]:
                break
            if signature not in readers:
                self.fault("Unknown record signature")
                return
            if not readers[signature]():
                return
        self.fault("Malformed zip file")

    def _file(self) -> bool:
        flags, method, packed, unpacked, name_length, extra_length = _LOCAL.unpack(b"PK\x03\x04" + self.take(26))
        data = self.take(name_length + extra_length)
        name = data[:name_length]
        self._characters(name)
        if extra_length:
            packed, unpacked = self._local_sizes(name, data[name_length:], method, packed, unpacked)
        if name in self.local:
            self.fault("Duplicate filename in local headers", name)
        self.local[name] = (packed, unpacked)
        if flags & _DATA_DESCRIPTOR:
            self.fault("ZIP contains a data descriptor", name)
            if not packed:
                return False  # where the next record begins is only known from the central directory
        if self.file.seek(packed, io.SEEK_CUR) > self.size:
            raise _Truncated
        return True

    def _entry(self) -> bool:
        if self.start is None:
            self.start = self.file.tell() - 4
        flags, _, packed, unpacked, *lengths = _CENTRAL.unpack(b"PK\x01\x02" + self.take(42))
        name_length, extra_length, comment_length = lengths
        data = self.take(sum(lengths))
        name = data[:name_length]
        if comment_length:
            self.fault("Comment in central directory", name)
        if extra_length:
            packed, unpacked = _central_sizes(data[name_length:][:extra_length], packed, unpacked)
        if name in self.central:
            self.fault("Duplicate filename in central directory", name)
        self.central.add(name)
        self.entries += 1
        if name not in self.local:
            self.fault("Missing filename in local headers", name)
        elif self.local[name][0] != packed:
            self.fault("Mis-matched data size", name)
        elif self.local[name][1] != unpacked:
            self.fault("Mis-matched file size", name)
        if not flags & _UTF_8 and not name.isascii():
            self.fault("Filename not in central directory", name)  # readers take it for another alphabet
        return True

    def _end_64(self) -> bool:
        self.stop = self.file.tell() - 4
        (length,) = struct.unpack("<Q", self.take(8))
        if length != _END_64.size:
            self.fault("ZIP64 extensible data not allowed")
            return False
        here, *said = _END_64.unpack(self.take(length))
        if here != said[0]:
            raise _Truncated
        self.end = tuple(said)
        return True

    def _locator(self) -> bool:
        _, offset, _ = struct.unpack("<LQL", self.take(16))
        if self.stop is None:
            raise _Truncated
        if offset != self.stop:
            self.fault("Mis-matched EOCD64 record and locator offset")
            return False
        self.located = True
        return True

    def _end(self) -> bool:
        stop = self.file.tell() - 4 if self.stop is None else self.stop
        here, entries, size, offset, comment_length = _END.unpack(self.take(18))
        start = stop if self.start is None else self.start
        if here != entries:
            raise _Truncated
        entries, size, offset = self.end or (entries, size, offset)
        if entries != self.entries:
            self.fault("Mismatched central directory records")
        if offset != start:
            self.fault("Mismatched central directory offset")
        if size != stop - start:
            self.fault("Mismatched central directory size")
        self.take(comment_length)
        if self.file.read(1):
            self.fault("Trailing data")
        for name in self.local.keys() - self.central:
            self.fault("Filename not in central directory", name)
        return False

    def _local_sizes(self, name: bytes, extra: bytes, method: int, packed: int, unpacked: int) -> tuple[int, int]:
        """Give the sizes as PyPI reads them: packed from the ZIP64 extra field as soon as there is one."""
        seen: set[int] = set()
        for kind, data in _fields(extra):
            if kind in seen and kind in (_ZIP64, _UNICODE_PATH):
                self.fault("Invalid duplicate extra in local file", name)
            seen.add(kind)
            if kind == _UNICODE_PATH:
                self._characters(data[5:], "Filename not valid UTF-8")
            elif kind == _ZIP64:
                sizes = struct.unpack_from(f"<{min(2, len(data) // 8)}Q", data)
                if len(data) not in _ZIP64_LENGTHS or (not sizes and packed == _NO_ROOM):
                    raise _Truncated
                if len(sizes) == 1 and method != zipfile.ZIP_STORED:
                    raise _Truncated
                packed = sizes[-1] if sizes else packed
                unpacked = sizes[0] if sizes and unpacked == _NO_ROOM else unpacked
        return packed, unpacked

    def _characters(self, name: bytes, undecodable: str = "Filename not unicode") -> None:
        if name.translate(None, _UNPRINTABLE) != name:
            self.fault("Invalid character in filename", name)
        try:
            name.decode("utf-8")
        except UnicodeDecodeError:
            self.fault(undecodable, name)


def _central_sizes(extra: bytes, packed: int, unpacked: int) -> tuple[int, int]:
    """Give the sizes of an entry: those that have no room in it are in the ZIP64 extra field, one after the other."""
    data = next((data for kind, data in _fields(extra) if kind == _ZIP64), b"")
    sizes = list(struct.unpack_from(f"<{len(data) // 8}Q", data))
    unpacked = sizes.pop(0) if unpacked == _NO_ROOM and sizes else unpacked
    packed = sizes.pop(0) if packed == _NO_ROOM and sizes else packed
    return packed, unpacked


def _fields(extra: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the extra fields of a record: what they are, and their data."""
    at = 0
    while at < len(extra):
        if len(extra) - at < 4:  # noqa: PLR2004 - header ID and length, two bytes each
            raise _Truncated
        kind, length = struct.unpack_from("<HH", extra, at)
        at += 4 + length
        if at > len(extra):
            raise _Truncated
        yield kind, extra[at - length : at]


def faults(file: BinaryIO, size: int) -> dict[str, list[str]]:
    """Give what is ambiguous about a ZIP file of `size` bytes: PyPI's words → the members concerned."""
    walk = _Walk(file, size)
    try:
        walk.walk()
    except (_Truncated, OSError, OverflowError, ValueError):
        walk.fault("Malformed zip file")
    return walk.faults


def too_many(seen: str) -> DistributionError:
    """Make the error about an archive that is out of all proportion."""
    return DistributionError(
        "The archive is out of all proportion",
        f"{seen} Archives of up to {MEMBERS_LIMIT} members are read.",
        "Look at what was built: no installer unpacks this in reasonable time.",
        rule="archive-size",
    )
