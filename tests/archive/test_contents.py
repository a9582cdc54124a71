"""Rules about archives: each is broken by a real file, on PyPI and elsewhere."""

from __future__ import annotations

import base64
import gzip
import hashlib
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from entrypoint.index import Index
from entrypoint.plan import Lenience
from tests.checks import GENERIC, PYPI, of_files
from tests.distributions import (
    bomb,
    core_metadata,
    corrupted,
    duplicated,
    make_sdist,
    make_wheel,
    tampered,
    truncated,
    with_sparse_member,
)
from tests.plans import planned

INFO = "demo_pkg-1.0.dist-info"
TOP = "demo_pkg-1.0"
WHEEL = "demo_pkg-1.0-py3-none-any.whl"
INDEXES = pytest.mark.parametrize("index", [PYPI, GENERIC], ids=["pypi", "generic"])


def tar_with(folder: Path, *members: tarfile.TarInfo, end: bytes = bytes(1024)) -> Path:
    """Make an sdist with more members, which have no content; `end` is what ends it."""
    path = make_sdist(folder)
    blocks = gzip.decompress(path.read_bytes()).rstrip(b"\0")
    blocks += bytes(-len(blocks) % tarfile.BLOCKSIZE) + b"".join(each.tobuf(tarfile.PAX_FORMAT) for each in members)
    path.write_bytes(gzip.compress(blocks + end, mtime=0))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def tarred(*members: tarfile.TarInfo, end: bytes = bytes(1024)) -> Callable[[Path], object]:
    return lambda folder: tar_with(folder, *members, end=end)


def wheel_with(**extra: bytes) -> Callable[[Path], object]:
    names = {
        "gha": "demo_pkg/a/gha-creds-0123.json",
        "up": "demo_pkg/../x",
        "root": "/x",
        "drive": "C:x",
        "back": "a\\b",
    }
    return lambda folder: make_wheel(folder, extra={names.get(name, name): data for name, data in extra.items()})


def named(**extra: bytes) -> Callable[[Path], object]:
    """Make an sdist with members whose names have `__` for a dot."""
    return lambda folder: make_sdist(folder, extra={name.replace("__", "."): data for name, data in extra.items()})


def packed_by(method: int) -> Callable[[Path], object]:
    def make(folder: Path) -> None:
        with zipfile.ZipFile(make_wheel(folder, omit=["RECORD"]), "a") as archive:
            archive.writestr("odd.bin", b"x" * 100, method)
            archive.writestr(f"{INFO}/RECORD", record(archive))

    return make


def record(archive: zipfile.ZipFile) -> str:
    """Give the RECORD of a wheel that has none."""
    rows = []
    for name in archive.namelist():
        digest = base64.urlsafe_b64encode(hashlib.sha256(archive.read(name)).digest()).rstrip(b"=").decode()
        rows.append(f"{name},sha256={digest},")
    return "\n".join([*rows, f"{INFO}/RECORD,,"])


def record_of(text: str) -> Callable[[Path], object]:
    def make(folder: Path) -> None:
        with zipfile.ZipFile(make_wheel(folder, omit=["RECORD"]), "a") as archive:
            archive.writestr(f"{INFO}/RECORD", text)

    return make


def in_folder(info: str) -> Callable[[Path], object]:
    """Make a wheel whose `.dist-info` folder has another name."""

    def make(folder: Path) -> None:
        path = make_wheel(folder, omit=["RECORD"])
        with zipfile.ZipFile(path) as old:
            members = {name.replace(INFO, info): old.read(name) for name in old.namelist()}
        with zipfile.ZipFile(path, "w") as new:
            for name, data in members.items():
                new.writestr(name, data)
            new.writestr(f"{info}/RECORD", record(new).replace(INFO, info))

    return make


def module(data: bytes) -> Callable[[Path], object]:
    return lambda folder: make_wheel(folder, extra={"m.py": data})


def sdist_module(data: bytes) -> Callable[[Path], object]:
    return named(m__PYE=data)


@dataclass(frozen=True)
class Case:
    """A file that breaks one rule."""

    rule: str
    pypi: str
    elsewhere: str | None
    make: Callable[[Path], object]
    seen: str
    prevents: str = ""
    """PyPI's answer after `Invalid distribution file. `, or all of it."""


NO_WHEEL = f"WHEEL not found at {INFO}/WHEEL"
PYARMOR, PYE = b"__pyarmor%s__", b"---%s PYE FILE---\n"
KEY = b'{"private_key": "x", "type": "service_account"}'

CASES = [
    Case(
        "compression-method",
        "error",
        "warning",
        packed_by(zipfile.ZIP_BZIP2),
        "odd.bin.",
        "File does not use a supported compression type",
    ),
    Case("member-path", "error", "error", wheel_with(up=b""), "demo_pkg/../x."),
    Case("member-path", "error", "error", wheel_with(root=b""), "/x."),
    Case("member-path", "error", "error", wheel_with(drive=b""), "C:x."),
    Case("member-path", "error", "error", wheel_with(back=b""), "a\\b."),
    Case("member-path", "error", "error", tarred(member(f"{TOP}/../x")), f"{TOP}/../x."),
    Case("member-kind", "warning", "warning", tarred(member(f"{TOP}/x", tarfile.CHRTYPE)), f"{TOP}/x."),
    Case("member-kind", "warning", "warning", tarred(member(f"{TOP}/x", tarfile.FIFOTYPE)), f"{TOP}/x."),
    Case("member-kind", "warning", "warning", tarred(member(f"{TOP}/x", tarfile.SYMTYPE, "../../y")), f"{TOP}/x."),
    Case("member-kind", "warning", "warning", tarred(member(f"{TOP}/x", tarfile.SYMTYPE, "/y")), f"{TOP}/x."),
    Case("member-kind", "warning", "warning", tarred(member(f"{TOP}/x", tarfile.LNKTYPE, "../y")), f"{TOP}/x."),
    Case(
        "sparse-member",
        "error",
        "warning",
        lambda folder: with_sparse_member(make_sdist(folder)),
        f"{TOP}/sparse.bin.",
        "tar archive not accepted: Sparse members are not allowed.",
    ),
    *(
        Case(
            "sdist-layout",
            "error",
            "error",
            tarred(member(name, kind)),
            f"Beside {TOP}/ there is {name.partition('/')[0]}.",
            "Incorrect number of top-level directories in sdist",
        )
        for name, kind in ((".", tarfile.DIRTYPE), ("other/x", tarfile.REGTYPE), ("x", tarfile.REGTYPE))
    ),
    Case("wheel-layout", "error", "error", in_folder("other-1.0.dist-info"), f"belongs to {INFO}", NO_WHEEL),
    Case("wheel-layout", "error", None, in_folder("Demo.Pkg-1.0.0.dist-info"), f"has to be {INFO}", NO_WHEEL),
    Case("record", "error", "error", lambda folder: tampered(make_wheel(folder)), "not what RECORD hashed: demo_pkg/"),
    Case(
        "record", "error", "error", record_of(f"{INFO}/RECORD,,"), "in the wheel and not in RECORD: demo_pkg/__init__"
    ),
    Case("record", "error", "error", record_of("\0\xff,\n" * 3), "in the wheel and not in RECORD"),
    Case("record", "error", "error", record_of("a,md5=x,\n"), "no hash in it that is sha256 or better: a."),
    Case("record", "error", "error", record_of(f'"{"a" * 140_000}"'), "cannot be read: field larger than field limit"),
    Case("record", "error", "error", record_of("\n" * 250_000), "it is longer than 16 MiB, or than 80000 lines"),
    Case("credentials-file", "error", "error", wheel_with(gha=b"{}"), "demo_pkg/a/gha-creds-0123.json."),
    Case("credentials-file", "error", "error", tarred(member(f"{TOP}/gha-creds-f.json")), f"{TOP}/gha-creds-f.json."),
    Case("key-file", "warning", "warning", named(key__json=KEY), f"{TOP}/key.json."),
    Case("key-file", "warning", "warning", named(key__JSON=b'{"type": "external_account"}'), f"{TOP}/key.JSON."),
    *(
        Case(
            "obfuscated",
            "warning",
            None,
            make(data),
            name,
            f"{tool}-encrypted content is not allowed.",
        )
        for data, tool in (
            (PYARMOR % b"_assert", "PyArmor"),
            (PYARMOR % b"" + b"(__name__, __file__, b'')", "PyArmor"),
            (PYE % b"BEGIN" + PYE % b"END", "SourceDefender"),
        )
        for make, name in ((module, "m.py."), (sdist_module, f"{TOP}/m.PYE."))
    ),
]


def of_rule(folder: Path, index: Index) -> list[tuple[str, str]]:
    return [(note.rule, note.level) for note in of_files(folder, index)]


@pytest.mark.parametrize("case", CASES, ids=[f"{case.rule}-{number}" for number, case in enumerate(CASES)])
def test_rule(case: Case, tmp_path: Path) -> None:
    """A file that breaks one rule gets a note: what was seen, and on PyPI what it would answer."""
    case.make(tmp_path)
    notes = of_files(tmp_path, PYPI)
    assert {(note.rule, note.level) for note in notes} == {(case.rule, case.pypi)}
    assert any(case.seen in note.detail for note in notes)
    if case.rule != "record":
        assert notes[0].prevents == (f"Invalid distribution file. {case.prevents}" if case.prevents else "")
    elsewhere = of_files(tmp_path, GENERIC)
    assert {(note.rule, note.level) for note in elsewhere} == (
        {(case.rule, case.elsewhere)} if case.elsewhere else set()
    )
    assert not any(note.prevents for note in elsewhere)


@INDEXES
def test_nothing_to_say(index: Index, tmp_path: Path) -> None:
    """Links inside, long and foreign names, folders, JSON without keys, and half of a mark are all right."""
    link = member(f"{TOP}/a/link", tarfile.SYMTYPE, "../PKG-INFO")
    hard = member(f"{TOP}/hard", tarfile.LNKTYPE, f"{TOP}/PKG-INFO")
    tar_with(tmp_path, member(f"./{TOP}/a", tarfile.DIRTYPE), link, hard, member(f"{TOP}/{'ä' * 200}"))
    text = b"__pyarmor" + b"\n" + PYE % b"BEGIN"
    extra = {"a.py": text, "b.json": b'{"a": {"private_key": 1}}', "c.json": b"[" * 60_000 + b"private_key"}
    make_wheel(tmp_path, extra=extra)
    assert of_rule(tmp_path, index) == []


@INDEXES
@pytest.mark.parametrize("omitted", ["WHEEL", "RECORD"])
def test_missing_in_dist_info(omitted: str, index: Index, tmp_path: Path) -> None:
    """A wheel without WHEEL or RECORD is an error."""
    make_wheel(tmp_path, omit=[omitted])
    (note,) = of_files(tmp_path, index)
    assert (note.rule, note.level, note.detail) == ("wheel-layout", "error", f"There is no {INFO}/{omitted}.")
    said = NO_WHEEL if omitted == "WHEEL" else f"required RECORD file: {INFO}/RECORD"
    assert note.prevents.endswith(said) is (index is PYPI)


@INDEXES
@pytest.mark.parametrize("make", [make_wheel, lambda folder: make_sdist(folder, form="zip")], ids=["whl", "zip"])
def test_damaged_member(make: Callable[[Path], Path], index: Index, tmp_path: Path) -> None:
    """A member that cannot be unpacked is an error that lenience does not soften."""
    path = make(tmp_path)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{TOP}/x", b"some text " * 100)
        info = archive.getinfo(f"{TOP}/x")
    data = bytearray(path.read_bytes())
    data[info.header_offset + 30 + len(info.filename) + 5] ^= 0xFF
    path.write_bytes(data)
    notes = {note.rule: note for note in of_files(tmp_path, index)}
    assert notes["archive-unreadable"].level == "error"
    assert notes["archive-unreadable"].final
    assert f"{TOP}/x (" in notes["archive-unreadable"].detail


@INDEXES
def test_overlapping_members(index: Index, tmp_path: Path) -> None:
    """Members that lie over each other are an error, and are not read."""
    path = make_wheel(tmp_path)
    duplicated(path)
    data = bytearray(path.read_bytes())
    at = data.rfind(b"PK\1\2")
    data[at + 20 : at + 24] = len(data).to_bytes(4, "little")
    path.write_bytes(data)
    notes = [note for note in of_files(tmp_path, index) if note.rule == "archive-unreadable"]
    assert [note.level for note in notes] == ["error"]
    assert "lie over each other" in notes[0].detail


@INDEXES
def test_bomb(index: Index, tmp_path: Path) -> None:
    """A ZIP file that unpacks to far more than its size is not unpacked."""
    bomb(make_wheel(tmp_path))
    (note,) = [note for note in of_files(tmp_path, index) if note.rule == "compression-ratio"]
    assert note.level == ("error" if index is PYPI else "warning")
    assert "were not read" in note.detail


def _cut(path: Path) -> None:
    truncated(path)


def _header(path: Path) -> None:
    blocks = bytearray(gzip.decompress(path.read_bytes()))
    at = blocks.index(b"pyproject.toml") // 512 * 512
    blocks[at] ^= 1
    path.write_bytes(gzip.compress(blocks, mtime=0))


def _checksum(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-6] ^= 1
    path.write_bytes(data)


def _garbage(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"garbage")


@INDEXES
@pytest.mark.parametrize("spoil", [_cut, _header, _checksum, _garbage], ids=lambda each: each.__name__.strip("_"))
def test_damaged_sdist(spoil: Callable[[Path], None], index: Index, tmp_path: Path) -> None:
    """An sdist that is cut short, damaged or followed by something else is an error that lenience does not soften."""
    spoil(make_sdist(tmp_path, filler=100_000))
    (note,) = of_files(tmp_path, index)
    assert (note.rule, note.level, note.final) == ("archive-unreadable", "error", True)
    assert note.prevents == ("Invalid distribution file. None" if index is PYPI else "")


@pytest.mark.parametrize(
    "rest", [bytes(3000), gzip.compress(bytes(1000), mtime=0), bytes(10) + gzip.compress(b"", mtime=0)]
)
def test_what_may_follow(rest: bytes, tmp_path: Path) -> None:
    """Zeros and further gzip streams after an sdist are what some programs write."""
    path = make_sdist(tmp_path)
    path.write_bytes(path.read_bytes() + rest)
    assert of_rule(tmp_path, PYPI) == []


def test_no_end(tmp_path: Path) -> None:
    """A tar file without the zeros at its end is read as the standard library reads it."""
    tar_with(tmp_path, end=b"")
    assert of_rule(tmp_path, PYPI) == []


@INDEXES
def test_not_read(index: Index, tmp_path: Path) -> None:
    """A tar file from which very much comes is read up to a limit; nothing is known of the rest."""
    tar_with(tmp_path, end=bytes(257 * 2**20))
    (note,) = of_files(tmp_path, index)
    assert (note.rule, note.level) == ("not-read", "warning")


@pytest.mark.parametrize("folder", ["", "a/b/", "a\\b\\"])
@pytest.mark.parametrize("kind", ["whl", "tar.gz", "zip"])
def test_credentials_are_never_published(kind: str, folder: str, tmp_path: Path) -> None:
    """A credentials file of google-github-actions/auth is an error in any folder, whatever the user says."""
    extra = {f"{folder}gha-creds-0123456789abcdef.json": b"{}"}
    if kind == "whl":
        make_wheel(tmp_path, extra=extra)
    else:
        make_sdist(tmp_path, form="zip" if kind == "zip" else "tar.gz", extra=extra)
    problems = planned(tmp_path, lenience=Lenience(verify_metadata=False)).problems
    assert "credentials-file" in [problem.rule for problem in problems]


def test_two_sdists_in_one(tmp_path: Path) -> None:
    """An sdist with PKG-INFO in two top folders is refused."""
    path = make_sdist(tmp_path, extra={"/other-1.0/PKG-INFO": core_metadata()})
    assert [problem.path for problem in planned(tmp_path).problems] == [path.name]


def test_damaged_metadata(tmp_path: Path) -> None:
    """A wheel whose METADATA cannot be unpacked is refused."""
    path = make_wheel(tmp_path, omit=["__init__.py"])
    corrupted(path)
    assert [problem.title for problem in planned(tmp_path).problems] == ["The file is not a readable zip file"]
