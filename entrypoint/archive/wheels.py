"""Wheels: ZIP files with a `.dist-info` folder that says what they are and what is in them.

Format: https://packaging.python.org/en/latest/specifications/binary-distribution-format/ (2026-08).
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import BinaryIO, NamedTuple

from packaging.utils import parse_wheel_filename

from entrypoint.archive import rules, zips
from entrypoint.archive.contents import METADATA_LIMIT, Contents, Suspects, about_names, bounded_metadata, not_one
from entrypoint.errors import Note
from entrypoint.index import Index
from entrypoint.rule import some
from entrypoint.threads import on_all_cores

TEXT_LIMIT = 2**20
"""Bytes of WHEEL and of entry_points.txt that are read."""

RECORD_LIMIT = 16 * 2**20
"""Bytes of RECORD that are read: a line of 200 for each of `zips.MEMBERS_LIMIT` members."""

UNLISTED = frozenset({"RECORD", "RECORD.jws", "RECORD.p7s"})
"""Members that RECORD lists without a hash, or not at all."""

HASHES = frozenset({"sha256", "sha384", "sha512"})
"""What RECORD may hash with: sha256 or better."""

ALONE = 2**20
"""Bytes from which on a member of a file on disk is read beside others."""

UNPACKED_LIMIT = 64 * 2**20
RATIO_LIMIT = 50
"""Bytes unpacked, and times the size of the file, that PyPI's server takes."""

Infos = Sequence[zipfile.ZipInfo]


def read(source: BinaryIO, size: int, filename: str, index: Index, wanted: Callable[[], bool]) -> Contents:
    """Read a wheel; its members are unpacked if that is `wanted`.

    Raises `DistributionError` when it has no metadata, and whatever `zipfile` raises.
    """
    infos = zips.members(source)
    names = tuple(info.filename for info in infos)
    found = [info for info in infos if re.fullmatch(r"[^/]+\.dist-info/METADATA", info.filename)]
    if len(found) != 1:
        raise not_one([info.filename for info in found], "*.dist-info/METADATA")
    metadata = bounded_metadata(zips.head(source, found[0], METADATA_LIMIT))
    root = found[0].filename.rpartition("/")[0]
    notes = [*framing(source, size, index), *about_names(names, index), *_layout(root, names, filename, index)]
    members, odd = readable(infos, size, index)
    notes += odd
    texts = {name: _text(source, infos, f"{root}/{name}", TEXT_LIMIT) for name in ("WHEEL", "entry_points.txt")}
    if wanted():
        notes += _members(source, infos, members, root, index)
    return Contents(metadata, root, names, {name: text for name, text in texts.items() if text}, tuple(notes))


def readable(infos: Infos, size: int, index: Index) -> tuple[Infos, list[Note]]:
    """Give the members that can be read in reasonable time and memory, and what is to be said of the others."""
    unpacked, packed = sum(info.file_size for info in infos), sum(info.compress_size for info in infos)
    if packed > size:
        seen = f"Its members lie over each other: they claim {packed} bytes of {size}. They were not read."
        return [], list(rules.UNREADABLE.broken(index, seen, "Invalid distribution file. None"))
    if unpacked > max(UNPACKED_LIMIT, RATIO_LIMIT * size):
        seen = f"{unpacked} bytes come out of {size}, {unpacked // size} times as many. The members were not read."
        said = f"Invalid distribution file. File exceeds compression ratio of {RATIO_LIMIT}"
        return [], list(rules.RATIO.broken(index, seen, said))
    notes: list[Note] = []
    if strange := [info.filename for info in infos if info.compress_type not in zips.KNOWN]:
        said = "Invalid distribution file. File does not use a supported compression type"
        notes += rules.COMPRESSION.broken(index, f"{some(strange)}.", said)
    return [info for info in infos if info.compress_type in zips.KNOWN], notes


def framing(source: BinaryIO, size: int, index: Index) -> Iterator[Note]:
    """Yield what is ambiguous about the file as a ZIP file."""
    for words, names in zips.faults(source, size).items():
        where = f": {some(filter(None, names))}" if any(names) else ""
        prevents = f"Invalid distribution file. ZIP archive not accepted: {words}."
        yield from rules.FRAMING.broken(index, f"{words}{where}.", prevents)


def _layout(root: str, names: Sequence[str], filename: str, index: Index) -> Iterator[Note]:
    expected = f"{'-'.join(filename.split('-')[:2])}.dist-info"
    missing = [name for name in ("WHEEL", "RECORD") if f"{root}/{name}" not in names]
    if root != expected and not _same_name(root, filename):
        said = f"Invalid distribution file. WHEEL not found at {expected}/WHEEL"
        yield from rules.WHEEL_LAYOUT.broken(index, f"It is {root}, and belongs to {expected}.", said)
    elif root != expected and index.warehouse:
        said = f"Invalid distribution file. WHEEL not found at {expected}/WHEEL"
        yield from rules.WHEEL_LAYOUT.broken(index, f"It is {root}, and has to be {expected}.", said)
    for name in missing:
        said = f"Wheel '{filename}' does not contain the required {name} file: {expected}/{name}"
        if name == "WHEEL":
            said = f"Invalid distribution file. WHEEL not found at {expected}/WHEEL"
        yield from rules.WHEEL_LAYOUT.broken(index, f"There is no {root}/{name}.", said)


def _same_name(root: str, filename: str) -> bool:
    try:
        inside = parse_wheel_filename(f"{root.removesuffix('.dist-info')}-py3-none-any.whl")
        return inside[:2] == parse_wheel_filename(filename)[:2]
    except ValueError:
        return False


def _members(source: BinaryIO, infos: Infos, members: Infos, root: str, index: Index) -> Iterator[Note]:
    """Read every member once: can it be read, is its hash that of RECORD, and what is in it that must not be."""
    listed, notes = _record(source, infos, root, index)
    yield from notes
    suspects = Suspects()
    looks = _looks(source, members, listed or {}, suspects)
    if damaged := [f"{look.name} ({look.damage})" for look in looks if look.damage]:
        yield from rules.UNREADABLE.broken(index, f"{some(damaged)}.", "Invalid distribution file. None")
    if unlike := [look.name for look in looks if look.unlike]:
        yield from rules.RECORD.broken(index, f"The content is not what RECORD hashed: {some(unlike)}.")
    if listed is not None:
        yield from _listing(listed, [info.filename for info in infos], root, index)
    yield from suspects.notes(index)


class _Look(NamedTuple):
    """What one member is like."""

    name: str
    damage: str = ""
    """Why it cannot be read; empty where it can."""
    unlike: bool = False
    """Whether its hash is another one than in RECORD."""


def _looks(source: BinaryIO, members: Infos, listed: Mapping[str, str], suspects: Suspects) -> list[_Look]:
    """Read the members, long ones of a file on disk on all cores; suspects are looked at by one thread."""

    def look(info: zipfile.ZipInfo, place: zips.Source) -> _Look:
        return _look(place, info, listed.get(info.filename, ""), suspects)

    def alone(info: zipfile.ZipInfo) -> bool:
        return info.file_size >= ALONE and not suspects.wanted(info.filename, info.file_size)

    if isinstance(source, io.BytesIO):
        return [look(info, source) for info in members]
    return on_all_cores(lambda info: look(info, zips.Place(source)), members, alone)


def _look(source: zips.Source, info: zipfile.ZipInfo, listed: str, suspects: Suspects) -> _Look:
    """Read a member; `listed` is what RECORD has for it, `algorithm=digest`."""
    name, kept = info.filename, io.BytesIO()
    algorithm, _, wanted = listed.partition("=")
    value = hashlib.new(algorithm) if algorithm in HASHES else None
    keeps = suspects.wanted(name, info.file_size)
    try:
        for block in zips.blocks(source, info):
            if value:
                value.update(block)
            if keeps:
                kept.write(block)
    except Exception as error:  # noqa: BLE001 - struct and zlib have a dozen kinds for damage
        return _Look(name, f"{type(error).__name__}: {error}")
    if keeps:
        suspects.look(name, kept.getvalue())
    digest = base64.urlsafe_b64encode(value.digest()).rstrip(b"=").decode() if value else ""
    return _Look(name, unlike=value is not None and digest != wanted.rstrip("="))


def _text(source: BinaryIO, infos: Infos, name: str, limit: int) -> bytes:
    """Read a member up to the first block over the limit; nothing where there is none."""
    info = next((info for info in reversed(infos) if info.filename == name), None)
    return zips.head(source, info, limit) if info else b""


def _record(source: BinaryIO, infos: Infos, root: str, index: Index) -> tuple[Mapping[str, str] | None, list[Note]]:
    """Read RECORD: name → `algorithm=digest`, empty where it needs none; `None` where there is none to read."""
    listed: dict[str, str] = {}
    weak: list[str] = []
    try:
        data = _text(source, infos, f"{root}/RECORD", RECORD_LIMIT)
        if not data:
            return None, []
        if len(data) > RECORD_LIMIT or data.count(b"\n") + data.count(b"\r") > 3 * zips.MEMBERS_LIMIT:
            seen = f"it is longer than {RECORD_LIMIT // 2**20} MiB, or than {zips.MEMBERS_LIMIT} lines"
            raise ValueError(seen)  # noqa: TRY301 - read like broken CSV
        for row in csv.reader(io.TextIOWrapper(io.BytesIO(data), "utf-8", newline="")):
            if row:
                name, digest = row[0], row[1] if len(row) > 1 else ""
                listed[name] = digest
                if digest.partition("=")[0] not in HASHES and not _unlisted(name, root):
                    weak.append(name)
    except (ValueError, csv.Error, zipfile.BadZipFile, zlib.error, EOFError) as error:
        return None, list(rules.RECORD.broken(index, f"It cannot be read: {error}."))
    seen = f"These have no hash in it that is sha256 or better: {some(weak)}."
    return listed, list(rules.RECORD.broken(index, seen)) if weak else []


def _listing(listed: Mapping[str, str], names: Sequence[str], root: str, index: Index) -> Iterator[Note]:
    there = set(names)
    if missing := [name for name in names if name not in listed and not _unlisted(name, root)]:
        yield from rules.RECORD.broken(index, f"These are in the wheel and not in RECORD: {some(missing)}.")
    if gone := [name for name in listed if name not in there]:
        yield from rules.RECORD.broken(index, f"These are in RECORD and not in the wheel: {some(gone)}.")


def _unlisted(name: str, root: str) -> bool:
    folder, _, last = name.rpartition("/")
    return folder == root and last in UNLISTED
