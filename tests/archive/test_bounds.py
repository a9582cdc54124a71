"""Hostile files: whatever one claims, it costs a bounded time and a bounded memory."""

from __future__ import annotations

import gzip
import json
import struct
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from tests.distributions import Headers, bomb, core_metadata, make_sdist, make_wheel

SECONDS = 10.0
"""Of computing; 2 s are what it takes on a machine of 2026, and machines of CI are slow."""

MEMORY = 200 * 2**20
"""Bytes, over what a good file of the same kind takes."""

MEASURED = """
import json, re, resource, sys, time
from pathlib import Path
from entrypoint.plan import Lenience, examine
from entrypoint.distribution import collect
from tests.plans import PYPI

def used():
    most = re.search("VmHWM:\\s*([0-9]+)", Path("/proc/self/status").read_text())  # ru_maxrss has the parent's
    return time.process_time(), int(most[1]) * 1024

examine(PYPI, collect(["good"], Path(sys.argv[1])).found, Lenience())
seconds, memory = used()
examined = examine(PYPI, collect(["hostile"], Path(sys.argv[1])).found, Lenience())
after, most = used()
said = [each.rule for each in (*examined.notes, *examined.problems)]
child = resource.getrusage(resource.RUSAGE_CHILDREN)
json.dump([after - seconds, child.ru_utime, most - memory, said], sys.stdout)
"""

INFO = "demo_pkg-1.0.dist-info"
TOP = "demo_pkg-1.0"
MANY = 79_000
END = bytes(1024)

Make = Callable[[Path], object]


def tar_of(*blocks: bytes, after: bytes = b"") -> Make:
    """Make an sdist that goes on with blocks of a tar file; `after` follows the gzip stream."""

    def make(folder: Path) -> None:
        path = make_sdist(folder)
        good = gzip.decompress(path.read_bytes()).rstrip(b"\0")
        with path.open("wb") as raw:
            with gzip.GzipFile("", "wb", 1, raw) as packed:
                packed.write(good + bytes(-len(good) % tarfile.BLOCKSIZE))
                for block in blocks:
                    packed.write(block)
            raw.write(after)

    return make


def header(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info.tobuf(tarfile.GNU_FORMAT)


def filled(name: str, data: bytes, kind: bytes = tarfile.REGTYPE) -> bytes:
    return header(name, len(data), kind) + data + bytes(-len(data) % tarfile.BLOCKSIZE)


def sparse(extensions: int) -> bytes:
    """Give a sparse member of the old form with a map that goes on and on."""
    head = bytearray(header(f"{TOP}/s", 0, tarfile.GNUTYPE_SPARSE))
    head[482] = 1
    head[148:156] = b"%06o\0 " % (sum(head[:148]) + 8 * 32 + sum(head[156:]))
    more = b"00000000001\0" * 42
    return bytes(head) + (more + b"\1" + bytes(7)) * extensions + more + bytes(8)


def wheel_of(headers: Headers = (), description: str = "", **more: Iterable[tuple[str, bytes]]) -> Make:
    """Make a wheel with these members, and without the right RECORD."""
    headers = [("Description-Content-Type", "text/markdown"), *headers]

    def make(folder: Path) -> None:
        path = make_wheel(folder, headers=headers, description=description)
        with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
            for name, data in more.get("members", ()):
                archive.writestr(name, data)

    return make


def described(text: str) -> Make:
    return lambda folder: make_wheel(folder, headers=[("Description-Content-Type", "text/x-rst")], description=text)


def recorded(text: str) -> Make:
    def make(folder: Path) -> None:
        with zipfile.ZipFile(make_wheel(folder, omit=["RECORD"]), "a", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"{INFO}/RECORD", text)

    return make


def overlapping(folder: Path) -> None:
    """Make a wheel whose directory has one member many times, and claims that it is small."""
    path = make_wheel(folder)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("k.bin", bytes(60 * 2**20))
    data = path.read_bytes()
    size, start = struct.unpack_from("<LL", data, len(data) - 10)
    directory = data[start : start + size]
    entry = bytearray(directory[directory.rfind(b"PK\1\2") :])
    struct.pack_into("<L", entry, 24, 1)
    directory += bytes(entry) * 60_000
    path.write_bytes(
        data[:start] + directory + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0, 0, len(directory), start, 0)
    )


def directory_of(entries: int) -> Make:
    """Make a wheel with very many entries, which only the ZIP64 record tells."""

    def make(folder: Path) -> None:
        path = make_wheel(folder)
        data = path.read_bytes()
        size, start = struct.unpack_from("<LL", data, len(data) - 10)
        data = data[: start + size] + struct.pack("<4s42x", b"PK\1\2") * entries
        stop = len(data)
        data += struct.pack("<4sQ12xQQQQ", b"PK\6\6", 44, entries, entries, stop - start, start)
        data += struct.pack("<4sLQL", b"PK\6\7", 0, stop, 1) + struct.pack(
            "<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, 46, start, 0
        )
        path.write_bytes(data)

    return make


def by_bzip2(folder: Path) -> None:
    """Make a wheel whose METADATA unpacks to a gigabyte, by a method that gives it all at once."""
    with zipfile.ZipFile(folder / "demo_pkg-1.0-py3-none-any.whl", "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr(f"{INFO}/METADATA", core_metadata() + bytes(100_000_000))


def names(end: str) -> list[tuple[str, bytes]]:
    return [(f"{TOP}/demo_pkg/{number:06}/some_long_name_of_a_module{end}", b"x") for number in range(MANY)]


KEYS = b'{"private_key":[' + b"[]," * 21_000 + b"1]}"
DEEP = b'"private_key"' + b"[" * 65_000
MARKS = b"__pyarmor_" * 500_000
PAX = (b"6 a=b\n" * 3413).ljust(40 * 512, b"\n")
GLOBAL = b"".join(b"11 %05d=b\n" % number for number in range(4000))
LONG = f"{TOP}/{'a' * (2**20 - 600)}".encode()
FACES = "\U0001f600" + "x\n" * 1_500_000
TWICE = "".join(f".. |a{number}| replace:: |a{number + 1}| |a{number + 1}|\n" for number in range(30))

HOSTILE: dict[str, Callable[[], Make]] = {
    "zip-bomb": lambda: lambda folder: bomb(make_wheel(folder), 200_000_000),
    "zip-overlap": lambda: overlapping,
    "zip-directory": lambda: directory_of(1_000_000),
    "zip-members": lambda: wheel_of(members=names(".py")),
    "zip-sdist-members": lambda: lambda folder: make_sdist(folder, form="zip", extra=dict(names(".py"))),
    "zip-keys": lambda: wheel_of(members=[(f"{number}.json", KEYS) for number in range(900)]),
    "zip-locals": lambda: lambda folder: _before(make_wheel(folder), struct.pack("<4s26x", b"PK\3\4") * 600_000),
    "zip-bzip2": lambda: by_bzip2,
    "tar-bomb": lambda: tar_of(header(f"{TOP}/z", 2**32), *[bytes(2**20)] * 300, END),
    "tar-zeros": lambda: tar_of(*[bytes(2**20)] * 300),
    "tar-members": lambda: tar_of(*[header(f"{name}") for name, _ in names("")], END),
    "tar-more-members": lambda: tar_of(
        *[header(f"{TOP}/{number}", 0, tarfile.DIRTYPE) for number in range(81_000)], END
    ),
    "tar-size": lambda: tar_of(header(f"{TOP}/z", 8**11 - 1), END),
    "tar-pax-lines": lambda: tar_of(*[filled("x", PAX, tarfile.XHDTYPE) + header(f"{TOP}/a")] * 10_000, END),
    "tar-pax-global": lambda: tar_of(
        filled("x", GLOBAL, tarfile.XGLTYPE),
        *[filled("x", b"6 a=b\n", tarfile.XHDTYPE) + header(f"{TOP}/a")] * MANY,
        END,
    ),
    "tar-long-names": lambda: tar_of(*[filled("x", LONG, tarfile.GNUTYPE_LONGNAME) + header(f"{TOP}/a")] * 200, END),
    "tar-long-name": lambda: tar_of(header("x", 2**33, tarfile.GNUTYPE_LONGNAME), *[bytes(2**20)] * 300, END),
    "tar-sparse-map": lambda: tar_of(sparse(400_000), END),
    "tar-sparse": lambda: tar_of(*[sparse(58)] * 1500, END),
    "tar-keys": lambda: tar_of(*[filled(f"{TOP}/a.json", KEYS)] * 3900, END),
    "tar-deep-keys": lambda: tar_of(*[filled(f"{TOP}/a.json", DEEP)] * 3900, END),
    "tar-marks": lambda: tar_of(*[filled(f"{TOP}/a.py", MARKS)] * 25, END),
    "tar-metadata": lambda: tar_of(*[filled(f"{number}/PKG-INFO", bytes(2**24)) for number in range(6)], END),
    "tar-streams": lambda: tar_of(END, after=gzip.compress(b"") * 300_000),
    "tar-trailing-zeros": lambda: tar_of(END, after=bytes(20 * 2**20)),
    "record-lines": lambda: recorded("a,,\n" * 2_000_000),
    "record-names": lambda: recorded("".join(f"\U0001f600{'x' * 50}{number},,\n" for number in range(230_000))),
    "record-one-line": lambda: recorded('"\U0001f600' + "a" * 15_900_000),
    "metadata-huge": lambda: wheel_of(description="x" * 2**25),
    "metadata-lines": lambda: wheel_of(description=FACES),
    "metadata-value": lambda: wheel_of([("Summary", "x" * 3_000_000)]),
    "entry-points": lambda: wheel_of(
        members=[(f"{INFO}/entry_points.txt", b"[a]\n" + b"".join(b"a%d = b:c\n" % each for each in range(19_990)))]
    ),
    "entry-points-more": lambda: wheel_of(members=[(f"{INFO}/entry_points.txt", b"[a]\n" + b"a = b:c\n" * 1_000_000)]),
    "rst-substitutions": lambda: described(f"{TWICE}.. |a30| replace:: x\n\n|a0|\n"),
}


def _before(path: Path, data: bytes) -> None:
    path.write_bytes(data + path.read_bytes())


@pytest.mark.parametrize("name", HOSTILE)
def test_costs(name: str, tmp_path: Path) -> None:
    """A hostile file costs a bounded time and memory, and the program goes on."""
    for folder in ("good", "hostile"):
        (tmp_path / folder).mkdir()
    make_wheel(tmp_path / "good", "a", description="text\n", headers=[("Summary", "x"), ("Classifier", "y")])
    make_sdist(tmp_path / "good", "a")
    HOSTILE[name]()(tmp_path / "hostile")
    done = subprocess.run([sys.executable, "-c", MEASURED, str(tmp_path)], capture_output=True, check=True, timeout=120)
    seconds, of_child, memory, said = json.loads(done.stdout)
    print(f"{name}: {seconds:.2f} s, {of_child:.2f} s beside it, {memory / 2**20:.0f} MiB: {sorted(set(said))}")  # noqa: T201 - for `pytest -rP`
    assert seconds < SECONDS
    assert of_child < SECONDS
    assert memory < MEMORY
