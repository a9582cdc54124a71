"""Archives that were damaged in every way: each is read, with notes, or refused; nothing else comes out, and soon.

The environment variable FUZZ_EXAMPLES says how many examples each test runs, where the default is not enough.
"""

from __future__ import annotations

import gzip
import io
import os
import re
import time
import zipfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from entrypoint import checks
from entrypoint.distribution import collect, read
from entrypoint.errors import DistributionError
from tests.checks import GENERIC, PYPI, render_here
from tests.distributions import make_sdist, make_wheel, samples, streamed

WHEEL = "demo_pkg-1.0-py3-none-any.whl"
SDIST = "demo_pkg-1.0.tar.gz"
ZIP = "demo_pkg-1.0.zip"

SECONDS = 10.0
"""For one file of some kilobytes, on a busy machine."""

fuzzed = settings(
    deadline=None,
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "250")),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

INTERESTING = st.sampled_from(
    [
        b"PK\x03\x04",
        b"PK\x01\x02",
        b"PK\x05\x06",
        b"PK\x06\x06",
        b"PK\x06\x07",
        b"\x00" * 4,
        b"\xff" * 4,
        b"\xff" * 8,
        b"\x80\x00\x00\x00",
        b"\x1f\x8b\x08\x00",
        b"../",
        b"ustar",
        b"\r\n\r\n",
        b"\n\n",
        b"77777777777\x00",
        b"x",
        b"g",
        b"L",
        b"S",
    ]
)

Edit = Callable[[bytes], bytes]
"""One thing that is done to the bytes of a file."""


def edits() -> st.SearchStrategy[Edit]:
    """Give the ways to spoil bytes: change, insert, remove, repeat, cut."""
    place = st.floats(0, 1)
    piece = st.binary(min_size=1, max_size=8) | INTERESTING

    def put(where: float, new: bytes, over: bool) -> Edit:
        def edit(data: bytes) -> bytes:
            at = int(where * len(data))
            return data[:at] + new + data[at + len(new) * over :]

        return edit

    def flip(where: float, bit: int) -> Edit:
        def edit(data: bytes) -> bytes:
            at = min(int(where * len(data)), len(data) - 1)
            return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :] if data else data

        return edit

    def move(one: float, two: float, to: float | None) -> Edit:
        def edit(data: bytes) -> bytes:
            start, stop = sorted((int(one * len(data)), int(two * len(data))))
            if to is None:
                return data[:start] + data[stop:]
            at = int(to * len(data))
            return data[:at] + data[start:stop] + data[at:]

        return edit

    return st.one_of(
        st.builds(put, place, piece, st.booleans()),
        st.builds(flip, place, st.integers(0, 7)),
        st.builds(move, place, place, st.none() | place),
    )


EDITS = st.lists(edits(), min_size=1, max_size=5)
NEAR_END = st.lists(st.tuples(st.integers(1, 400), INTERESTING | st.binary(min_size=1, max_size=4)), max_size=3)


@cache
def originals() -> dict[str, list[bytes]]:
    """Give good archives, by the name that they are given."""
    import tempfile  # noqa: PLC0415 - here alone

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wheels = [make_wheel(folder / "a", extra={"demo_pkg/key.json": b'{"private_key": 1}'}, entry_points="[a]\nb=c")]
        wheels += [streamed(make_wheel(folder / "b", filler=3000))]
        wheels += [each.wheel(folder / key) for key, each in samples().items() if key in ("unicode", "metadata-2.4")]
        sdists = [make_sdist(folder / "c", extra={"x" * 120 + ".py": b"pass", "é/ü.json": b"{}"})]
        sdists += [each.sdist(folder / f"s{key}") for key, each in samples().items() if key in ("crlf", "metadata-1.1")]
        zips = [make_sdist(folder / "d", form="zip")]
        return {
            WHEEL: [path.read_bytes() for path in wheels],
            SDIST: [path.read_bytes() for path in sdists],
            ZIP: [path.read_bytes() for path in zips],
        }


@pytest.fixture(autouse=True)
def rendered_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start no process for a description."""
    render_here(monkeypatch)


def examine(folder: Path, name: str, data: bytes) -> None:
    """Read a file for both kinds of index, and hold it to its time."""
    path = folder / name
    path.write_bytes(data)
    (found,) = collect([name], folder).found
    problems: list[DistributionError] = []
    began = time.monotonic()
    for index in (PYPI, GENERIC):
        try:
            distribution, contents, notes = read(found, index)
        except DistributionError as error:
            problems.append(error)
            continue
        for note in [*notes, *checks.of_file(distribution, contents, index)]:
            assert note.rule
            assert note.title
    assert time.monotonic() - began < SECONDS
    assert all(problem.tip and problem.path == name for problem in problems)


def spoilt(data: bytes, changes: list[Edit], last: Sequence[tuple[int, bytes]] = ()) -> bytes:
    """Apply all changes; the last ones go to the end, where the directory of a ZIP file is."""
    for change in changes:
        data = change(data)
    for back, new in last:
        at = max(0, len(data) - back)
        data = data[:at] + new + data[at + len(new) :]
    return data


KINDS = st.sampled_from([WHEEL, SDIST, ZIP])


@fuzzed
@given(KINDS, st.integers(0, 9), EDITS, NEAR_END)
def test_spoilt_files(tmp_path: Path, name: str, pick: int, changes: list[Edit], last: list[tuple[int, bytes]]) -> None:
    """Whatever bytes of a file are changed, inserted, removed or repeated, it is read or refused."""
    files = originals()[name]
    examine(tmp_path, name, spoilt(files[pick % len(files)], changes, last))


@fuzzed
@given(KINDS, KINDS, st.integers(0, 9), st.floats(0, 1), st.floats(0, 1), st.lists(edits(), max_size=2))
def test_spliced_files(
    tmp_path: Path, name: str, other: str, pick: int, cut: float, resume: float, changes: list[Edit]
) -> None:
    """The beginning of one archive and the end of another are read as one or refused."""
    one, two = originals()[name], originals()[other]
    first, second = one[pick % len(one)], two[-1]
    examine(tmp_path, name, spoilt(first[: int(cut * len(first))] + second[int(resume * len(second)) :], changes))


@fuzzed
@given(st.integers(0, 9), EDITS)
def test_spoilt_tar_streams(tmp_path: Path, pick: int, changes: list[Edit]) -> None:
    """What is wrong inside the compression of an sdist is no worse: headers, names, sizes, ends."""
    files = originals()[SDIST]
    stream = gzip.decompress(files[pick % len(files)])
    examine(tmp_path, SDIST, gzip.compress(_summed(spoilt(stream, changes)), 1))


@fuzzed
@given(
    st.sampled_from([WHEEL, ZIP]),
    st.integers(0, 9),
    st.sampled_from(["METADATA", "RECORD", "WHEEL", "entry_points.txt", "PKG-INFO", "json"]),
    EDITS,
)
def test_spoilt_members(tmp_path: Path, name: str, pick: int, member: str, changes: list[Edit]) -> None:
    """Whatever METADATA, RECORD and WHEEL say, in an archive that is all right, is read or refused."""
    files = originals()[name]
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(files[pick % len(files)])) as old, zipfile.ZipFile(target, "w") as new:
        for info in old.infolist():
            data = old.read(info)
            new.writestr(info.filename, spoilt(data, changes) if info.filename.endswith(member) else data)
    examine(tmp_path, name, target.getvalue())


@fuzzed
@given(st.integers(0, 9), EDITS)
def test_spoilt_metadata_of_sdists(tmp_path: Path, pick: int, changes: list[Edit]) -> None:
    """Whatever PKG-INFO says is read or refused."""
    files = originals()[SDIST]
    stream = gzip.decompress(files[pick % len(files)])
    size = len(stream)
    found = re.search(rb"Metadata-Version: [^\0]*", stream)
    assert found
    new = spoilt(found[0], changes)[: len(found[0])].ljust(len(found[0]), b"\n")
    stream = stream[: found.start()] + new + stream[found.end() :]
    assert len(stream) == size
    examine(tmp_path, SDIST, gzip.compress(stream, 1))


def _summed(stream: bytes) -> bytes:
    """Correct the checksums of headers, so that a reader goes on to what else is wrong with them."""
    blocks = bytearray(stream)
    for at in range(0, len(blocks) - 511, 512):
        if blocks[at + 257 : at + 262] == b"ustar":
            total = sum(blocks[at : at + 148]) + 8 * 32 + sum(blocks[at + 156 : at + 512])
            blocks[at + 148 : at + 156] = b"%06o\0 " % total
    return bytes(blocks)
