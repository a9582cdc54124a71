"""The distributions of the tests: the right ones install, and the wrong ones are wrong in the one way they claim."""

from __future__ import annotations

import base64
import csv
import gzip
import hashlib
import subprocess
import sys
import tarfile
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from email.message import Message
from email.parser import BytesParser
from pathlib import Path

import pytest
from packaging.metadata import parse_email

from tests.distributions import (
    Filler,
    Sample,
    bomb,
    corrupted,
    duplicated,
    emptied,
    make_sdist,
    make_wheel,
    prefixed,
    samples,
    streamed,
    tampered,
    text_named,
    trailing,
    truncated,
    with_sparse_member,
)
from tests.peers.pip import PipError, pip_download, run_pip

Make = Callable[..., Path]
MIB = 1024 * 1024


def member(path: Path, name: str) -> bytes:
    """Return the content of the one member whose path ends with `name`."""
    if path.name.endswith(".tar.gz"):
        with tarfile.open(path) as archive:
            (info,) = (info for info in archive if info.name.endswith(name))
            source = archive.extractfile(info)
            assert source is not None
            return source.read()
    with zipfile.ZipFile(path) as zipped:
        (found,) = (each for each in zipped.namelist() if each.endswith(name))
        return zipped.read(found)


def broken_rows(wheel: Path) -> list[str]:
    """Return the members of a wheel that RECORD does not list, or lists with another hash or size."""
    broken = []
    with zipfile.ZipFile(wheel) as archive:
        # The top one: flit-core has a vendored *.dist-info below its package.
        (record,) = (name for name in archive.namelist() if name.endswith(".dist-info/RECORD") and name.count("/") == 1)
        rows = {row[0]: row[1:] for row in csv.reader(archive.read(record).decode().splitlines())}
        assert rows.pop(record) == ["", ""]
        for name in set(archive.namelist()) - {record}:
            data = archive.read(name)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            if rows.pop(name, None) != [f"sha256={digest}", str(len(data))]:
                broken.append(name)
    return [*broken, *rows]


def test_a_wheel_installs(tmp_path: Path) -> None:
    """Installing works: a wheel with an entry point and licence files, and the RECORD is right."""
    wheel = make_wheel(
        tmp_path,
        "Demo.Pkg",
        "1.0rc1",
        headers=[("Summary", "x"), ("License-File", "LICENSE"), ("License-File", "more/NOTICE")],
        description="# Title\n",
        modules={"__init__.py": "def main() -> None:\n    print('it runs')\n"},
        entry_points="[console_scripts]\ndemo = demo_pkg:main\n",
        filler=3 * MIB + 1,
    )
    assert wheel.name == "demo_pkg-1.0rc1-py3-none-any.whl"
    assert broken_rows(wheel) == []
    assert member(wheel, "licenses/more/NOTICE")
    assert subprocess.run([sys.executable, "-m", "zipfile", "-t", str(wheel)], check=False).returncode == 0

    target = tmp_path / "target"
    run_pip(["install", "--no-deps", "--no-index", "--target", str(target), str(wheel)])

    assert (target / "demo_pkg" / "filler.bin").stat().st_size == 3 * MIB + 1
    done = subprocess.run([target / "bin" / "demo"], env={"PYTHONPATH": str(target)}, capture_output=True, check=True)
    assert done.stdout == b"it runs\n"


def test_an_sdist_gives_its_metadata_to_pip(tmp_path: Path) -> None:
    """Downloading an sdist with pip runs its build backend, which here needs no network."""
    directory = tmp_path / "files"
    sdist = make_sdist(directory, headers=[("Summary", "x"), ("License-File", "LICENSE")], filler=MIB)
    assert sdist.name == "demo_pkg-1.0.tar.gz"
    assert member(sdist, "demo_pkg-1.0/LICENSE")

    files = pip_download(
        "http://127.0.0.1:9/",
        "demo-pkg==1.0",
        tmp_path / "downloaded",
        options=["--no-index", "--find-links", str(directory)],
    )

    assert [file.name for file in files] == [sdist.name]


def test_sdists_come_as_zip_too(tmp_path: Path) -> None:
    """The .zip form holds the same files."""
    tar, zipped = make_sdist(tmp_path), make_sdist(tmp_path, form="zip")
    with tarfile.open(tar) as archive, zipfile.ZipFile(zipped) as other:
        assert archive.getnames() == other.namelist()
    assert zipped.name == "demo_pkg-1.0.zip"


@pytest.mark.parametrize("make", [make_wheel, make_sdist])
def test_the_same_call_makes_the_same_bytes(tmp_path: Path, make: Make) -> None:
    """Two calls give the same file; another description gives another one under the same name."""
    one, two = make(tmp_path / "1", filler=1000), make(tmp_path / "2", filler=1000)
    other = make(tmp_path / "3", filler=1000, description="other")
    assert one.read_bytes() == two.read_bytes()
    assert one.name == other.name
    assert one.read_bytes() != other.read_bytes()


def test_tags(tmp_path: Path) -> None:
    """A compressed tag is in the file name as it is and in WHEEL written out; only `any` is pure."""
    pure = make_wheel(tmp_path, tag="py2.py3-none-any")
    assert member(pure, "/WHEEL").endswith(b"Root-Is-Purelib: true\nTag: py2-none-any\nTag: py3-none-any\n")
    binary = make_wheel(tmp_path, tag="cp311-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64")
    assert binary.name == "demo_pkg-1.0-cp311-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"
    assert b"Root-Is-Purelib: false\nTag: cp311-abi3-manylinux_2_17_x86_64\n" in member(binary, "/WHEEL")


@pytest.mark.parametrize("make", [make_wheel, make_sdist])
def test_members_can_be_left_out_and_added(tmp_path: Path, make: Make) -> None:
    """`omit` leaves no trace, `extra` is a member like others, `metadata` is taken byte for byte."""
    path = make(tmp_path, omit={"METADATA", "PKG-INFO", "RECORD"}, extra={"more/file.txt": b"more"})
    assert member(path, "more/file.txt") == b"more"
    with pytest.raises(ValueError, match="not enough values"):
        member(path, "METADATA" if make is make_wheel else "PKG-INFO")
    odd = make(tmp_path, metadata=b"\xff\xfe not metadata")
    assert member(odd, "METADATA" if make is make_wheel else "PKG-INFO") == b"\xff\xfe not metadata"


def test_a_second_top_directory(tmp_path: Path) -> None:
    """An extra member of an sdist with a leading slash is beside its top directory."""
    with tarfile.open(make_sdist(tmp_path, extra={"/other-1.0/PKG-INFO": b""})) as archive:
        assert {name.split("/")[0] for name in archive.getnames()} == {"demo_pkg-1.0", "other-1.0"}


@pytest.mark.parametrize("make", [make_wheel, make_sdist])
def test_large_files_take_no_memory_and_do_not_compress(tmp_path: Path, make: Make) -> None:
    """The filler is as large as asked for, in the archive too, and is never in memory as a whole."""
    tracemalloc.start()
    try:
        path = make(tmp_path, filler=50 * MIB)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 50 * MIB < path.stat().st_size < 51 * MIB
    assert most < 10 * MIB


def test_filler_is_always_the_same() -> None:
    """The same size gives the same bytes, and a piece of them does not compress."""
    content = b"".join(Filler(3 * MIB + 5))
    assert len(content) == 3 * MIB + 5
    assert content == b"".join(Filler(3 * MIB + 5))
    assert len(zlib.compress(content[:100_000])) > 100_000


@pytest.mark.parametrize("name", samples())
def test_samples(tmp_path: Path, name: str) -> None:
    """Each sample is in its wheel and its sdist byte for byte, and is read as metadata."""
    sample = samples()[name]
    assert member(sample.wheel(tmp_path), "/METADATA") == sample.metadata
    assert member(sample.sdist(tmp_path), "/PKG-INFO") == sample.metadata
    known, unknown = parse_email(sample.metadata)
    assert (known["name"], known["version"]) == (sample.name, sample.version)
    assert set(unknown) == ({"flux-capacitor"} if name == "metadata-9.9" else set())


def headers_of(sample: Sample) -> Message:
    return BytesParser().parsebytes(sample.metadata)


def test_what_samples_show() -> None:
    """The samples have what they are there for."""
    every = samples()
    assert {headers_of(every[f"metadata-{v}"])["Metadata-Version"] for v in ("1.0", "1.1", "1.2", "2.1", "2.2")} == {
        "1.0",
        "1.1",
        "1.2",
        "2.1",
        "2.2",
    }
    assert "\n" in headers_of(every["metadata-1.1"])["Description"]
    assert len(headers_of(every["classifiers"]).get_all("Classifier", [])) == 200
    assert b"One\r\n\r\nTwo\r\n" in every["crlf"].metadata
    assert "🚀".encode() in every["unicode"].metadata
    assert len(headers_of(every["metadata-2.4"]).get_all("License-File", [])) == 3
    assert headers_of(every["metadata-2.5"]).get_all("Import-Namespace") == ["named"]


def test_truncated(tmp_path: Path) -> None:
    """A truncated wheel is no ZIP file any more, a truncated sdist ends too early."""
    assert not zipfile.is_zipfile(truncated(make_wheel(tmp_path, filler=1000)))
    with pytest.raises((EOFError, tarfile.ReadError)):
        member(truncated(make_sdist(tmp_path, filler=100_000)), "filler.bin")


def test_corrupted(tmp_path: Path) -> None:
    """A corrupted archive opens, and fails when everything in it is read."""
    with zipfile.ZipFile(corrupted(make_wheel(tmp_path))) as archive, pytest.raises((zipfile.BadZipFile, zlib.error)):
        archive.read(archive.namelist()[0])
    # The checksum of gzip stands at its end, behind everything that tarfile reads.
    with gzip.open(corrupted(make_sdist(tmp_path, filler=MIB))) as unzipped, pytest.raises((zlib.error, OSError)):
        unzipped.read()


def test_no_archives_at_all(tmp_path: Path) -> None:
    """Text and nothing, under the names of distributions."""
    path = make_wheel(tmp_path)
    assert text_named(path).read_bytes().startswith(b"<!DOCTYPE html>")
    assert emptied(path).stat().st_size == 0


def test_bytes_around_the_archive(tmp_path: Path) -> None:
    """Bytes before and after a ZIP file do not keep `zipfile` from reading it: that is why PyPI looks for itself."""
    path = trailing(prefixed(make_wheel(tmp_path)), b"x")
    assert (path.read_bytes()[:2], path.read_bytes()[-1:]) == (b"#!", b"x")
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None


def test_duplicated(tmp_path: Path) -> None:
    """There are two members of one name."""
    with zipfile.ZipFile(duplicated(make_wheel(tmp_path))) as archive:
        assert archive.namelist().count("demo_pkg/__init__.py") == 2


def test_tampered(tmp_path: Path) -> None:
    """The one changed member is the one that does not fit RECORD."""
    assert broken_rows(tampered(make_wheel(tmp_path))) == ["demo_pkg/__init__.py"]


def test_streamed(tmp_path: Path) -> None:
    """Every member has a data descriptor (bit 3 of its flags), and installers do not mind."""
    path = streamed(make_wheel(tmp_path))
    with zipfile.ZipFile(path) as archive:
        assert all(info.flag_bits & 0x08 for info in archive.infolist())
    assert broken_rows(path) == []


def test_bomb(tmp_path: Path) -> None:
    """It unpacks to more than 50 times its size."""
    path = bomb(make_wheel(tmp_path), 20 * MIB)
    with zipfile.ZipFile(path) as archive:
        assert sum(info.file_size for info in archive.infolist()) > 50 * path.stat().st_size


def test_sparse(tmp_path: Path) -> None:
    """One member is sparse, the others are as before."""
    path = make_sdist(tmp_path)
    before = member(path, "/PKG-INFO")
    with tarfile.open(with_sparse_member(path)) as archive:
        assert [info.name for info in archive if info.issparse()] == ["demo_pkg-1.0/sparse.bin"]
    assert member(path, "/PKG-INFO") == before
    assert len(member(path, "sparse.bin")) == MIB


def test_pip_refuses_another_hash(tmp_path: Path) -> None:
    """With hashes, pip takes nothing else: what makes a comparison by pip worth something."""
    make_wheel(tmp_path / "files")
    options = ["--no-index", "--find-links", str(tmp_path / "files")]
    with pytest.raises(PipError, match="THESE PACKAGES DO NOT MATCH THE HASHES"):
        pip_download(
            "http://127.0.0.1:9/", "demo-pkg==1.0", tmp_path / "d", hashes=["sha256:" + "0" * 64], options=options
        )
