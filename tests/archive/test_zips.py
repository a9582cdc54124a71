"""ZIP files that can be read in two ways: each of PyPI's answers, by a file that has this fault alone."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from entrypoint.archive import zips
from tests.checks import GENERIC, PYPI, of_files
from tests.distributions import make_sdist, make_wheel, prefixed, streamed, trailing

ZIP64 = struct.pack("<HHQQ", 1, 16, 1, 1)
UNICODE_PATH = struct.pack("<HHBL", 0x7075, 6, 1, 0) + b"a"


@dataclass
class Parts:
    """A ZIP file taken apart: two stored members of one byte."""

    names: list[bytes] = field(default_factory=lambda: [b"a", b"b"])
    extra: bytes = b""
    """Extra field of the first local header."""
    flags: int = 0
    method: int = 0
    local: dict[str, int] = field(default_factory=dict)
    """Sizes of the first local header that are other ones."""
    central: list[int] = field(default_factory=lambda: [0, 1])
    """Which member each entry of the directory is about."""
    central_name: bytes | None = None
    central_flags: int = 0
    comment: bytes = b""
    end: dict[str, int] = field(default_factory=dict)
    end_64: dict[str, int] | None = None
    locator: int | None = 0
    """What is added to the offset; `None` for no locator."""
    after: bytes = b""

    def data(self) -> bytes:
        """Put them together."""
        out, offsets = b"", []
        for number, name in enumerate(self.names):
            offsets.append(len(out))
            first = number == 0
            extra, flags, method = (self.extra, self.flags, self.method) if first else (b"", 0, 0)
            sizes = {"packed": 1, "unpacked": 1, **(self.local if first else {})}
            numbers: tuple[int, ...] = (
                20,
                flags,
                method,
                0,
                0,
                0x83DCEFB7,
                sizes["packed"],
                sizes["unpacked"],
                len(name),
                len(extra),
            )
            out += struct.pack("<4s5H3L2H", b"PK\3\4", *numbers) + name + extra + b"1"
        start = len(out)
        for number in self.central:
            name = self.central_name if self.central_name is not None and number == 0 else self.names[number]
            flags = self.central_flags if number == 0 else 0
            comment = self.comment if number == 0 else b""
            numbers = (20, 20, flags, 0, 0, 0, 0x83DCEFB7, 1, 1, len(name), 0, len(comment), 0, 0, 0, offsets[number])
            out += struct.pack("<4s6H3L5H2L", b"PK\1\2", *numbers) + name + comment
        stop, count = len(out), len(self.central)
        said = {"here": count, "entries": count, "size": stop - start, "offset": start}
        if self.end_64 is not None:
            more = {"length": 44, **said, **self.end_64}
            numbers = (more["length"], 45, 45, 0, 0, more["here"], more["entries"], more["size"], more["offset"])
            out += struct.pack("<4sQ2H2L4Q", b"PK\6\6", *numbers)
            if self.locator is not None:
                out += struct.pack("<4sLQL", b"PK\6\7", 0, stop + self.locator, 1)
        said |= self.end
        numbers = (0, 0, said["here"], said["entries"], said["size"], said["offset"], 0)
        return out + struct.pack("<4s4H2LH", b"PK\5\6", *numbers) + self.after


def faults(data: bytes) -> dict[str, list[str]]:
    return zips.faults(io.BytesIO(data), len(data))


FAULTS: dict[str, Iterable[dict[str, Any]]] = {
    "Malformed zip file": [
        {"extra": b"abc"},
        {"extra": struct.pack("<HH", 7, 1)},
        {"extra": struct.pack("<HH", 1, 0), "local": {"packed": 0xFFFFFFFF}},
        {"extra": struct.pack("<HH4x", 1, 4)},
        {"extra": struct.pack("<HHQ", 1, 8, 1), "method": 8},
        {"local": {"packed": 10**6}},
        {"end": {"here": 1}},
        {"end_64": {"here": 1}},
        {"end_64": {}, "locator": None},
    ],
    "Unknown record signature": [{"local": {"packed": 2}}],
    "Trailing data": [{"after": b"\0"}],
    "ZIP contains a data descriptor": [{"flags": 8}],
    "Duplicate filename in local headers": [{"names": [b"a", b"b", b"b"]}],
    "Duplicate filename in central directory": [{"central": [0, 1, 1]}],
    "Missing filename in local headers": [{"central_name": b"c"}],
    "Filename not in central directory": [
        {"central": [1]},
        {"names": ["ä".encode(), b"b"]},
    ],
    "Mis-matched file size": [{"local": {"unpacked": 2}}],
    "Mismatched central directory records": [{"end": {"here": 3, "entries": 3}}, {"end_64": {"here": 3, "entries": 3}}],
    "Mismatched central directory offset": [{"end": {"offset": 0xFFFFFFFF}}, {"end_64": {"offset": 1}}],
    "Mismatched central directory size": [{"end": {"size": 0xFFFFFFFF}}, {"end_64": {"size": 1}}],
    "Mis-matched EOCD64 record and locator offset": [{"end_64": {}, "locator": 1}],
    "Comment in central directory": [{"comment": b"c"}],
    "Invalid duplicate extra in local file": [{"extra": 2 * ZIP64}, {"extra": 2 * UNICODE_PATH}],
    "ZIP64 extensible data not allowed": [{"end_64": {"length": 45}}],
    "Invalid character in filename": [{"names": [b"a\n", b"b"]}, {"names": [b"\x7f", b"b"]}],
    "Filename not unicode": [{"names": [b"\xff", b"b"], "central_flags": 0x800}],
    "Filename not valid UTF-8": [{"extra": UNICODE_PATH[:-1] + b"\xff"}],
}
CASES = [(words, parts) for words, each in FAULTS.items() for parts in each]


@pytest.mark.parametrize(("words", "parts"), CASES, ids=[f"{words}-{at}" for at, (words, _) in enumerate(CASES)])
def test_fault(words: str, parts: dict[str, Any]) -> None:
    """Each fault is found, and said in PyPI's words; a name that is in one place alone is missing in the other."""
    expected = {words}
    if words.startswith("Missing"):
        expected.add("Filename not in central directory")
    assert set(faults(Parts(**parts).data())) == expected


def test_packed_size() -> None:
    """A member whose packed size is another one in the directory is found."""
    data = bytearray(Parts().data())
    struct.pack_into("<L", data, data.index(b"PK\1\2") + 20, 2)
    assert set(faults(bytes(data))) == {"Mis-matched data size"}


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"names": [], "central": []},
        {"extra": ZIP64, "local": {"packed": 0xFFFFFFFF, "unpacked": 0xFFFFFFFF}},
        {"extra": struct.pack("<HHQ", 1, 8, 1)},
        {"extra": struct.pack("<HH", 1, 0)},
        {"extra": UNICODE_PATH},
        {"extra": struct.pack("<HH", 0x5455, 0) * 2},
        {"names": ["a\u00a0\u200bä".encode(), b"b"], "flags": 0x800, "central_flags": 0x800},
        {"end_64": {}, "end": {"here": 0xFFFF, "entries": 0xFFFF, "size": 0xFFFFFFFF, "offset": 0xFFFFFFFF}},
    ],
)
def test_no_fault(parts: dict[str, Any]) -> None:
    """What PyPI takes is no fault: ZIP64 sizes and ends, any alphabet, blanks that nobody sees."""
    assert faults(Parts(**parts).data()) == {}


@pytest.mark.parametrize("force_zip64", [False, True])
def test_what_python_writes(force_zip64: bool, tmp_path: Path) -> None:
    """A ZIP file that the standard library wrote has no fault, with comment, folders, and ZIP64 sizes."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.comment = b"anything"
        archive.mkdir("folder") if hasattr(archive, "mkdir") else archive.writestr("folder/", b"")
        with archive.open("ä", "w", force_zip64=force_zip64) as member:
            member.write(b"x" * 1000)
    assert faults(path.read_bytes()) == {}


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (trailing, "Trailing data"),
        (prefixed, "Unknown record signature"),
        (streamed, "ZIP contains a data descriptor"),
    ],
)
@pytest.mark.parametrize("form", ["whl", "zip"])
def test_rule(spoil: Callable[[Path], Path], words: str, form: str, tmp_path: Path) -> None:
    """A file that can be read in two ways is an error on PyPI, in its words, and elsewhere a warning."""
    spoil(make_wheel(tmp_path) if form == "whl" else make_sdist(tmp_path, form="zip"))
    (note,) = [note for note in of_files(tmp_path, PYPI) if note.rule == "zip-framing"]
    assert note.level == "error"
    assert note.prevents == f"Invalid distribution file. ZIP archive not accepted: {words}."
    (note,) = [note for note in of_files(tmp_path, GENERIC) if note.rule == "zip-framing"]
    assert (note.level, note.prevents) == ("warning", "")
