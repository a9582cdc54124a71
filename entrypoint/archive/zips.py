"""ZIP files: their records from the first byte to the last, and their members within bounds.

Two programs may find different files in one ZIP, for there are several ways to look for them. PyPI's server therefore
refuses whatever is ambiguous, in the words that are quoted here (warehouse, 2026-08). The format is that of PKWARE's
APPNOTE.TXT 6.3.10.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import BinaryIO

from entrypoint.errors import DistributionError

MEMBERS_LIMIT = 100_000
"""Members of an archive that is read; the most on PyPI are some 60,000."""

DIRECTORY_LIMIT = 12 * 2**20
"""Bytes of a central directory that is read: with names of 80 characters, that of `MEMBERS_LIMIT` members."""

_LOCAL = struct.Struct("<2xHH4xLLLHH")  # flags, method, CRC-32, sizes packed and unpacked, lengths of name and extra
_CENTRAL = struct.Struct("<4xHH4xLLLHHH8xL")  # the same, then length of the comment, and offset of the local header
_END = struct.Struct("<4xHHLLH")  # entries here, entries, size and offset of the central directory, comment
_NO_ROOM = 0xFFFFFFFF
"""A size or offset that stands in the ZIP64 extra field instead."""
_DATA_DESCRIPTOR = 0x0008
_ZIP64, _UNICODE_PATH = 0x0001, 0x7075


class _Truncated(Exception):  # noqa: N818 - never leaves this module
    pass


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
    """Offset of what follows it."""

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
            b"PK\x06\x07": lambda: bool(self.take(16)),
            b"PK\x05\x06": self._end,
        }
        for _ in range(2 * MEMBERS_LIMIT + 3):
            signature = self.take(4)
            if signature not in readers:
                self.fault("Unknown record signature")
                return
            if not readers[signature]():
                return
        self.fault("Malformed zip file")

    def _file(self) -> bool:
        flags, _, _, packed, unpacked, name_length, extra_length = _LOCAL.unpack(self.take(26))
        name, extra = self.take(name_length), self.take(extra_length)
        sizes = self._extras(name, extra, [each for each in (unpacked, packed) if each == _NO_ROOM])
        unpacked = sizes.pop(0) if unpacked == _NO_ROOM and sizes else unpacked
        packed = sizes.pop(0) if packed == _NO_ROOM and sizes else packed
        self._name(name)
        if name in self.local:
            self.fault("Duplicate filename in local headers", name)
        self.local[name] = (packed, unpacked)
        if flags & _DATA_DESCRIPTOR:
            self.fault("ZIP contains a data descriptor", name)
            if not packed:
                return False  # where the next record begins is only known from the central directory
        if self.file.seek(packed, 1) > self.size:
            raise _Truncated
        return True

    def _entry(self) -> bool:
        if self.start is None:
            self.start = self.file.tell() - 4
        _, _, _, packed, unpacked, name_length, extra_length, comment_length, _ = _CENTRAL.unpack(self.take(42))
        name, extra = self.take(name_length), self.take(extra_length)
        if comment_length:
            self.take(comment_length)
            self.fault("Comment in central directory", name)
        sizes = self._extras(name, extra, [each for each in (unpacked, packed) if each == _NO_ROOM])
        unpacked = sizes.pop(0) if unpacked == _NO_ROOM and sizes else unpacked
        packed = sizes.pop(0) if packed == _NO_ROOM and sizes else packed
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
        return True

    def _end_64(self) -> bool:
        self.stop = self.file.tell() - 4
        length, *_ = struct.unpack("<Q", self.take(8))
        if length != 44:  # noqa: PLR2004 - APPNOTE 4.3.14.1: the size of the fixed part
            self.fault("ZIP64 extensible data not allowed")
            return False
        self.take(44)
        return True

    def _end(self) -> bool:
        stop = self.file.tell() - 4 if self.stop is None else self.stop
        _, entries, size, offset, comment_length = _END.unpack(self.take(18))
        start = stop if self.start is None else self.start
        if entries not in (self.entries, 0xFFFF):
            self.fault("Mismatched central directory records")
        if offset not in (start, _NO_ROOM):
            self.fault("Mismatched central directory offset")
        if size not in (stop - start, _NO_ROOM):
            self.fault("Mismatched central directory size")
        self.take(comment_length)
        if self.file.read(1):
            self.fault("Trailing data")
        for name in self.local.keys() - self.central:
            self.fault("Filename not in central directory", name)
        return False

    def _extras(self, name: bytes, extra: bytes, wanted: list[int]) -> list[int]:
        """Give the sizes that the ZIP64 extra field holds, in its order."""
        seen: set[int] = set()
        sizes: list[int] = []
        while len(extra) >= 4:  # noqa: PLR2004 - header ID and length, two bytes each
            kind, length = struct.unpack_from("<HH", extra)
            if kind in seen and kind in (_ZIP64, _UNICODE_PATH):
                self.fault("Invalid duplicate extra in local file", name)
            seen.add(kind)
            if kind == _ZIP64:
                count = min(len(wanted), length // 8, (len(extra) - 4) // 8)
                sizes = list(struct.unpack_from(f"<{count}Q", extra, 4))
            extra = extra[4 + length :]
        return sizes

    def _name(self, name: bytes) -> None:
        try:
            text = name.decode("utf-8")
        except UnicodeDecodeError:
            self.fault("Filename not valid UTF-8", name)
            return
        if not text.isprintable():
            self.fault("Invalid character in filename", name)


def faults(file: BinaryIO, size: int) -> dict[str, list[str]]:
    """Give what is ambiguous about a ZIP file of `size` bytes: PyPI's words → the members concerned."""
    walk = _Walk(file, size)
    try:
        walk.walk()
    except (_Truncated, OSError, OverflowError, struct.error):
        walk.fault("Malformed zip file")
    return walk.faults


def check_directory(file: BinaryIO, size: int) -> None:
    """Raise `DistributionError` when the central directory is out of all proportion: `zipfile` reads all of it."""
    file.seek(max(0, size - 65_557))  # a comment of 65,535 bytes, and the record that it ends
    tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at >= 0 and len(tail) >= at + 22:
        _, _, length, _, _ = _END.unpack_from(tail, at + 4)
        claimed = tail.rfind(b"PK\x06\x06", 0, at)
        if length == _NO_ROOM and claimed >= 0 and len(tail) >= claimed + 48:
            (length,) = struct.unpack_from("<Q", tail, claimed + 40)
        if length > DIRECTORY_LIMIT:
            raise too_many(f"Its central directory claims {length} bytes.")


def too_many(seen: str) -> DistributionError:
    """Make the error about an archive that is out of all proportion."""
    return DistributionError(
        "The archive is out of all proportion",
        f"{seen} Archives of up to {MEMBERS_LIMIT} members are read.",
        "Look at what was built: no installer unpacks this in reasonable time.",
        rule="archive-size",
    )
