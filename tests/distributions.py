"""Distributions made in a moment: wheels and sdists that are right, and others that are wrong in one way.

What is made is deterministic (fixed times, no user names, no file system order), so that the same call gives the same
bytes, and other content under the same name takes another argument.
"""

from __future__ import annotations

import base64
import csv
import gzip
import hashlib
import io
import random
import re
import tarfile
import warnings
import zipfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

Headers = Sequence[tuple[str, str]]

ZIP_TIME = (2020, 1, 1, 0, 0, 0)
TAR_TIME = 1577836800  # the same moment in seconds
LICENCE = b"Do what you like.\n"
FILLER_PIECE = 1 << 20  # bytes; larger than the 32 KiB that deflate looks back, so repetition compresses no better

# A build backend inside the sdist: pip asks for metadata even when it only downloads, and this needs no network.
BACKEND = '''\
"""A build backend that gives back the metadata the sdist came with."""

import pathlib


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    name = "{stem}.dist-info"
    directory = pathlib.Path(metadata_directory, name)
    directory.mkdir()
    directory.joinpath("METADATA").write_bytes(pathlib.Path("PKG-INFO").read_bytes())
    directory.joinpath("WHEEL").write_text("Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    return name


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    raise SystemExit("this sdist is not for building")
'''
PYPROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'


def stem(name: str, version: str) -> str:
    """Return `name-version` as file names have it (binary distribution format, "Escaping and Unicode")."""
    return f"{re.sub(r'[-_.]+', '_', name).lower()}-{version.replace('-', '_')}"


def core_metadata(
    name: str = "demo-pkg",
    version: str = "1.0",
    *,
    headers: Headers = (),
    description: str = "",
    metadata_version: str = "2.4",
) -> bytes:
    """Return METADATA or PKG-INFO: the headers as they are given, and the description as the body, byte for byte."""
    first = [("Metadata-Version", metadata_version), ("Name", name), ("Version", version)]
    lines = "".join(f"{field}: {value}\n" for field, value in [*first, *headers])
    return f"{lines}\n{description}".encode()


def make_wheel(  # noqa: PLR0913 - a wheel has as many sides, and a test sets one of them
    directory: Path,
    name: str = "demo-pkg",
    version: str = "1.0",
    *,
    tag: str = "py3-none-any",
    metadata: str | bytes | None = None,
    headers: Headers = (("Summary", "A demonstration"),),
    description: str = "",
    metadata_version: str = "2.4",
    filler: int = 0,
    modules: Mapping[str, str] | None = None,
    entry_points: str | None = None,
    extra: Mapping[str, bytes] | None = None,
    omit: Collection[str] = (),
) -> Path:
    """Make a wheel in `directory`; it installs, and its RECORD is right.

    `metadata` replaces all of METADATA. `filler` adds that many bytes that do not compress, in constant memory.
    `modules` are files of the package, by name. `extra` are members by their full path. `omit` leaves members out, by
    the last part of their name (`RECORD`, `LICENSE`), without a trace in RECORD.
    """
    directory.mkdir(parents=True, exist_ok=True)
    base = stem(name, version)
    package, info = base.split("-")[0], f"{base}.dist-info"
    content = _as_bytes(metadata)
    if content is None:
        content = core_metadata(
            name, version, headers=headers, description=description, metadata_version=metadata_version
        )
    members: dict[str, bytes | Filler] = {
        f"{package}/{file}": text.encode() for file, text in (modules or {"__init__.py": f'"""{name}."""\n'}).items()
    }
    if filler:
        members[f"{package}/filler.bin"] = Filler(filler)
    members |= {f"{info}/licenses/{file}": LICENCE for file in _licence_files(content)}
    members |= {f"{info}/METADATA": content, f"{info}/WHEEL": _wheel_file(tag)}
    if entry_points is not None:
        members[f"{info}/entry_points.txt"] = entry_points.encode()
    members |= extra or {}

    path = directory / f"{base}-{tag}.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        rows = [_written(archive, member, data) for member, data in members.items() if _kept(member, omit)]
        record = f"{info}/RECORD"
        if _kept(record, omit):
            _written(archive, record, _csv([*rows, (record, "", "")]))
    return path


def make_sdist(  # noqa: PLR0913 - as for make_wheel
    directory: Path,
    name: str = "demo-pkg",
    version: str = "1.0",
    *,
    form: Literal["tar.gz", "zip"] = "tar.gz",
    metadata: str | bytes | None = None,
    headers: Headers = (("Summary", "A demonstration"),),
    description: str = "",
    metadata_version: str = "2.4",
    filler: int = 0,
    extra: Mapping[str, bytes] | None = None,
    omit: Collection[str] = (),
) -> Path:
    """Make an sdist in `directory`; pip can take its metadata without a network. Arguments as for `make_wheel`.

    `extra` are members by their path below the top directory, or, with a leading slash, outside it.
    """
    directory.mkdir(parents=True, exist_ok=True)
    base = stem(name, version)
    content = _as_bytes(metadata)
    if content is None:
        content = core_metadata(
            name, version, headers=headers, description=description, metadata_version=metadata_version
        )
    files: dict[str, bytes | Filler] = {
        "PKG-INFO": content,
        "pyproject.toml": PYPROJECT.encode(),
        "backend.py": BACKEND.replace("{stem}", base).encode(),
        f"{base.split('-')[0]}/__init__.py": f'"""{name}."""\n'.encode(),
    }
    files |= dict.fromkeys(_licence_files(content), LICENCE)
    if filler:
        files["filler.bin"] = Filler(filler)
    files |= extra or {}
    members = {_below(base, file): data for file, data in files.items() if _kept(file, omit)}

    path = directory / f"{base}.{form}"
    if form == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for member, data in members.items():
                _written(archive, member, data)
    else:
        _write_tar(path, members)
    return path


@dataclass(frozen=True, slots=True)
class Filler:
    """Bytes that do not compress: the same ones each time, never all of them in memory."""

    size: int

    def __iter__(self) -> Iterator[bytes]:
        piece = random.Random(0).randbytes(min(self.size, FILLER_PIECE))  # noqa: S311 - noise, not a secret
        left = self.size
        while left:
            yield piece[: min(left, len(piece))]
            left -= min(left, len(piece))


class _FillerFile(io.RawIOBase):
    """A filler as the readable file that tarfile wants."""

    def __init__(self, filler: Filler) -> None:
        self._pieces = iter(filler)
        self._piece = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override] # tarfile's copy reads into nothing else
        if not self._piece:
            self._piece = memoryview(next(self._pieces, b""))
        size = min(len(buffer), len(self._piece))
        buffer[:size] = self._piece[:size]
        self._piece = self._piece[size:]
        return size


def _as_bytes(metadata: str | bytes | None) -> bytes | None:
    return metadata.encode() if isinstance(metadata, str) else metadata


def _licence_files(metadata: bytes) -> list[str]:
    """Return the License-File values; in METADATA they are paths below `licenses/` (core metadata 2.4)."""
    head = metadata.replace(b"\r\n", b"\n").partition(b"\n\n")[0].decode(errors="replace")
    return [value.strip() for value in re.findall(r"(?mi)^License-File:(.*)$", head)]


def _wheel_file(tag: str) -> bytes:
    """Return WHEEL; a compressed tag (`py2.py3-none-any`) is written out as the format asks for."""
    pythons, abis, platforms = (part.split(".") for part in tag.split("-")[-3:])
    tags = "".join(f"Tag: {p}-{a}-{m}\n" for p in pythons for a in abis for m in platforms)
    pure = "true" if platforms == ["any"] else "false"
    return f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: {pure}\n{tags}".encode()


def _kept(member: str, omit: Collection[str]) -> bool:
    return PurePosixPath(member).name not in omit


def _below(base: str, file: str) -> str:
    return file.lstrip("/") if file.startswith("/") else f"{base}/{file}"


def _written(archive: zipfile.ZipFile, member: str, data: bytes | Filler) -> tuple[str, str, str]:
    """Write one member; return its row for RECORD."""
    info = zipfile.ZipInfo(member, ZIP_TIME)
    info.external_attr = 0o100644 << 16
    info.compress_type = zipfile.ZIP_STORED if isinstance(data, Filler) else zipfile.ZIP_DEFLATED
    pieces: Iterable[bytes] = data if isinstance(data, Filler) else (data,)
    # Known before, so that zipfile chooses the right form of the local header for large members.
    info.file_size = data.size if isinstance(data, Filler) else len(data)
    digest = hashlib.sha256()
    with archive.open(info, "w") as out:
        for piece in pieces:
            out.write(piece)
            digest.update(piece)
    encoded = base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()
    return member, f"sha256={encoded}", str(info.file_size)


def _csv(rows: Iterable[tuple[str, str, str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _write_tar(path: Path, members: Mapping[str, bytes | Filler]) -> None:
    # No file name and no time in the gzip header; level 1, since nothing here is worth compressing well.
    with (
        path.open("wb") as raw,
        gzip.GzipFile("", "wb", 1, raw, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for member, data in members.items():
            info = tarfile.TarInfo(member)
            info.mtime, info.mode = TAR_TIME, 0o644
            info.size = data.size if isinstance(data, Filler) else len(data)
            source = io.BufferedReader(_FillerFile(data)) if isinstance(data, Filler) else io.BytesIO(data)
            archive.addfile(info, source)


# Archives that are wrong in one way. Each takes a good file and returns its path.


def truncated(path: Path) -> Path:
    """Cut the last third of the file off, as a broken download does."""
    with path.open("rb+") as file:
        file.truncate(path.stat().st_size * 2 // 3)
    return path


def corrupted(path: Path) -> Path:
    """Change a byte in the first member's data: the archive opens, but not everything in it can be read."""
    content = bytearray(path.read_bytes())
    if path.suffix in (".whl", ".zip"):
        with zipfile.ZipFile(path) as archive:
            first = archive.infolist()[0]
        at = 30 + len(first.filename) + 2  # the local header has 30 bytes and the name; two more into the data
    else:
        at = len(content) // 2
    content[at] ^= 0xFF
    path.write_bytes(content)
    return path


def text_named(path: Path, text: str = "<!DOCTYPE html><title>Not found</title>\n") -> Path:
    """Write a text under the file's name: what `curl` without `--fail` leaves behind."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def emptied(path: Path) -> Path:
    """Leave nothing of the file but its name."""
    path.write_bytes(b"")
    return path


def trailing(path: Path, rest: bytes = b"something else") -> Path:
    """Add bytes after the end of the archive. PyPI: "ZIP archive not accepted: Trailing data"."""
    with path.open("ab") as file:
        file.write(rest)
    return path


def prefixed(path: Path, prefix: bytes = b"#!/bin/sh\n") -> Path:
    """Add bytes before the archive, as self-extracting archives have them."""
    path.write_bytes(prefix + path.read_bytes())
    return path


def duplicated(path: Path, member: str | None = None) -> Path:
    """Add a second member under a name that is there already (the first one's, if none is given)."""
    with zipfile.ZipFile(path, "a") as archive, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Duplicate name", UserWarning)
        _written(archive, member or archive.namelist()[0], b"# another one\n")
    return path


def tampered(path: Path, member: str | None = None) -> Path:
    """Change a wheel's member (the first, if none is given) and leave RECORD as it was."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members[member or next(iter(members))] += b"# changed after the build\n"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            _written(archive, name, data)
    return path


def streamed(path: Path) -> Path:
    """Write the archive again as a program does that cannot seek: sizes follow the data, in data descriptors."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with path.open("wb") as raw, zipfile.ZipFile(_Unseekable(raw), "w") as archive:
        for name, data in members.items():
            _written(archive, name, data)
    return path


def bomb(path: Path, size: int = 100_000_000) -> Path:
    """Add a member of zeros to a wheel or .zip; it unpacks to 1000 times its size."""
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive, archive.open("zeros.bin", "w") as out:
        for _ in range(0, size, FILLER_PIECE):
            out.write(bytes(FILLER_PIECE))
    return path


def with_sparse_member(path: Path) -> Path:
    """Add a sparse file to a .tar.gz. PyPI: "tar archive not accepted: Sparse members are not allowed."."""
    with gzip.open(path) as zipped, tarfile.open(fileobj=zipped) as archive:
        top = archive.getnames()[0].split("/")[0]
        members: dict[str, bytes | Filler] = {}
        for info in archive:
            source = archive.extractfile(info)
            members[info.name] = source.read() if source else b""
    _write_tar(path, members)
    with gzip.open(path) as zipped:
        plain = zipped.read().rstrip(b"\0")
    plain += bytes(-len(plain) % tarfile.BLOCKSIZE)
    # The PAX form 1.0 of a sparse file: its data begins with the map (one region of 1 byte at 1 048 575).
    data = b"1\n1048575\n1\n".ljust(tarfile.BLOCKSIZE, b"\0") + b"x"
    info = tarfile.TarInfo(f"{top}/GNUSparseFile.0/sparse.bin")
    info.size, info.mtime = len(data), TAR_TIME
    info.pax_headers = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": f"{top}/sparse.bin",
        "GNU.sparse.realsize": "1048576",
    }
    head = info.tobuf(tarfile.PAX_FORMAT)
    end = bytes(-len(data) % tarfile.BLOCKSIZE) + bytes(2 * tarfile.BLOCKSIZE)
    path.write_bytes(gzip.compress(plain + head + data + end, 1, mtime=0))
    return path


class _Unseekable:
    """A file that can be written to, and no more: like a pipe."""

    def __init__(self, file: io.BufferedWriter) -> None:
        self._file = file

    def write(self, data: bytes) -> int:
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.close()


# Samples: every metadata version, and what people write into it.


@dataclass(frozen=True, slots=True)
class Sample:
    """Core metadata of one kind, to be put into a wheel or an sdist."""

    name: str
    version: str
    metadata: bytes

    def wheel(self, directory: Path) -> Path:
        """Make a wheel with this metadata."""
        return make_wheel(directory, self.name, self.version, metadata=self.metadata)

    def sdist(self, directory: Path) -> Path:
        """Make an sdist with this metadata."""
        return make_sdist(directory, self.name, self.version, metadata=self.metadata)


def _sample(name: str, metadata_version: str, headers: Headers, description: str = "", version: str = "1.0") -> Sample:
    content = core_metadata(name, version, headers=headers, description=description, metadata_version=metadata_version)
    return Sample(name, version, content)


CLASSIFIERS = tuple(
    ("Classifier", f"Programming Language :: Python :: {major}.{minor}") for major in (2, 3) for minor in range(100)
)
FOLDED = (
    "A title\n        =======\n        \n            some code\n        \n        The end, with a colon: and so on."
)


def samples() -> dict[str, Sample]:
    """Return the samples, by what they show."""
    return {
        "metadata-1.0": _sample(
            "Old.Thing",
            "1.0",
            [
                ("Summary", "UNKNOWN"),
                ("Home-page", "http://example.com/"),
                ("Author", "Ann Author"),
                ("Author-email", "ann@example.com"),
                ("License", "Permission is granted\n        to everybody\n        for everything"),
                ("Description", "One line only"),
                ("Keywords", "old, older oldest"),
                ("Platform", "UNKNOWN"),
                ("Platform", "linux"),
            ],
        ),
        "metadata-1.1": _sample(
            "old-thing",
            "1.1",
            [
                ("Summary", "With a folded description"),
                ("Description", FOLDED),
                ("Download-URL", "https://example.com/old-thing-1.1.tar.gz"),
                ("Classifier", "Development Status :: 7 - Inactive"),
                ("Requires", "sys"),
                ("Requires", "zipfile (>=1.0)"),
                ("Provides", "old_thing"),
                ("Obsoletes", "older_thing (<1.0)"),
                ("Supported-Platform", "RedHat 7.2"),
            ],
            version="1.1",
        ),
        "metadata-1.2": _sample(
            "middle-aged",
            "1.2",
            [
                ("Summary", "Requires-Dist appears"),
                ("Maintainer", "Mary Maintainer"),
                ("Maintainer-email", "Mary <mary@example.com>"),
                ("Requires-Python", ">=2.6, !=3.0.*"),
                ("Requires-Dist", "colorama (>=0.4) ; sys_platform == 'win32'"),
                ("Provides-Dist", "other-name (1.0)"),
                ("Obsoletes-Dist", "earlier-name"),
                ("Requires-External", "libpng (>=1.5)"),
                ("Project-URL", "Bug Tracker, https://example.com/bugs"),
                ("Project-URL", "Source, https://example.com/source"),
            ],
        ),
        "metadata-2.1": _sample(
            "with-markdown",
            "2.1",
            [
                ("Summary", "Markdown appears"),
                ("Description-Content-Type", "text/markdown; charset=UTF-8; variant=GFM"),
                ("Provides-Extra", "fast"),
                ("Requires-Dist", "ujson; extra == 'fast'"),
                ("License-File", "LICENSE"),  # older setuptools wrote it before the field existed
            ],
            "# Title\n\n* a point\n",
        ),
        "metadata-2.2": _sample(
            "dynamic-thing",
            "2.2",
            [("Summary", "Dynamic appears"), ("Dynamic", "Requires-Dist"), ("Dynamic", "Classifier")],
        ),
        "metadata-2.4": _sample(
            "licensed-thing",
            "2.4",
            [
                ("Summary", "Licences are expressions"),
                ("License-Expression", "MIT OR (Apache-2.0 WITH LLVM-exception)"),
                ("License-File", "LICENSE"),
                ("License-File", "LICENSES/Apache-2.0.txt"),
                ("License-File", "vendored/thing/COPYING"),
            ],
        ),
        "metadata-2.5": _sample(
            "named-imports",
            "2.5",
            [
                ("Summary", "Import names appear"),
                ("Import-Name", "named_imports"),
                ("Import-Name", "named_imports._private ; private"),
                ("Import-Namespace", "named"),
            ],
        ),
        "metadata-9.9": _sample(
            "from-the-future",
            "9.9",
            [("Summary", "Fields nobody knows yet"), ("Flux-Capacitor", "1.21 GW"), ("Flux-Capacitor", "charged")],
        ),
        "unicode": _sample(
            "unicode-thing",
            "2.1",
            [
                ("Summary", "Zażółć gęślą jaźń 日本語の要約 🚀"),
                ("Author", "Łukasz 王小明 Ångström 👩‍🔬"),
                ("Author-email", "Łukasz <lukasz@example.com>"),
                ("Keywords", "emoji,🚀,字"),
                ("Description-Content-Type", "text/markdown"),
            ],
            # Both directions of writing, a letter with a combining accent, three people joined into a family.
            "# 日本語 🎉\n\n\u0627\u0644\u0639\u0631\u0628\u064a\u0629, \u05e2\u05d1\u05e8\u05d9\u05ea, ไทย, a\u0301, "
            "\U0001f468\u200d\U0001f469\u200d\U0001f467\n",
        ),
        "crlf": _sample(
            "crlf-thing",
            "2.1",
            [("Summary", "Written on Windows"), ("Description-Content-Type", "text/plain")],
            "One\r\n\r\nTwo\r\n  Three \r\nno line end",
        ),
        "classifiers": _sample("classified-thing", "2.1", [("Summary", "Two hundred classifiers"), *CLASSIFIERS]),
        "local-version": _sample("local-thing", "2.1", [("Summary", "Not for PyPI")], version="1.0+local.1"),
        "pre-release": _sample("early-thing", "2.1", [("Summary", "Not yet")], version="2.0rc1.dev3"),
        "smallest": _sample("x", "1.0", [], version="0"),
    }
