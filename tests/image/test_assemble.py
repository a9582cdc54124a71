"""What goes into the image, and what is left out."""

from __future__ import annotations

import importlib.util
import os
import stat
import sys
from pathlib import Path

import pytest

from image import assemble


def touched(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")


def test_the_standard_library(tmp_path: Path) -> None:
    """Modules, packages and extension modules are kept, but for those that are named as unused, and caches."""
    kept = {"os.py", "json/decoder.py", "json/test.py", "lib-dynload/_ssl.so", "lib-dynload/_struct.so"}
    touched(
        tmp_path,
        *kept,
        "test/support.py",
        "turtle.py",
        "sqlite3/dbapi2.py",
        "__pycache__/os.cpython-313.pyc",
        "json/__pycache__/decoder.cpython-313.pyc",
        *(f"lib-dynload/{name}.so" for name in ("_testcapi", "_xxtestfuzz", "xxlimited", "readline", "_curses_panel")),
    )
    assert {str(path.relative_to(tmp_path)) for path in assemble.standard_library(tmp_path)} == kept


@pytest.mark.parametrize(
    ("name", "unused"),
    [
        ("pydantic_core/_pydantic_core.pyi", True),
        ("cffi/_cffi_include.h", True),
        ("certifi/tests/test_certifi.py", True),
        ("ed25519/test_data/ed25519", True),
        ("certifi/cacert.pem", False),
        ("docutils/writers/html5_polyglot/plain.css", False),
        ("cryptography-1.dist-info/licenses/LICENSE", False),
        ("packaging/tags.py", False),
        ("x.cpython-313-x86_64-linux-gnu.so", False),
    ],
)
def test_wheels(name: str, unused: bool) -> None:
    """Stubs, headers and tests are left out of wheels; data and licences stay."""
    assert bool(assemble.UNUSED_WHEEL.fullmatch(f"/site-packages/{name}")) is unused


def test_libraries() -> None:
    """What a binary is linked with is found, with its loader, and with the file behind each link."""
    found = assemble.libraries([Path(sys.executable).resolve()])
    assert any(path.name.startswith("ld-linux") for path in found)
    assert any(path.name == "libc.so.6" for path in found)
    assert all(path.resolve() in found for path in found)
    assert all(path.parent == path.parent.resolve() for path in found)


def test_a_library_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An image that would not run is not made."""
    (tmp_path / "ldd").write_text("#!/bin/sh\necho '\tlibx.so.1 => not found'\n")
    (tmp_path / "ldd").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match="not found"):
        assemble.libraries([Path("/usr/bin/x")])


def test_owners(tmp_path: Path) -> None:
    """A file is looked up by where it is, also where its package has it below a folder that became a link."""
    (tmp_path / "info").mkdir()
    (tmp_path / "info" / "libc6:arm64.list").write_text("/.\n/lib/aarch64-linux-gnu/libc.so.6\n/usr/share/doc/libc6\n")
    owners = assemble.owned(tmp_path)
    assert owners["/usr/lib/aarch64-linux-gnu/libc.so.6"] == owners["/usr/share/doc/libc6"] == "libc6:arm64"


def test_paragraphs() -> None:
    """Packages are told apart by blank lines, and named by the first line."""
    assert assemble.paragraphs("Package: a\nVersion: 1\n\nPackage: b\nX: y\n") == {
        "a": "Package: a\nVersion: 1\n",
        "b": "Package: b\nX: y\n",
    }


def test_byte_code(tmp_path: Path) -> None:
    """Byte-code lies beside its source, is never compared with it, and names it as it is called in the image."""
    (tmp_path / "opt").mkdir()
    (tmp_path / "opt" / "module.py").write_text("def f(): raise ValueError\n")
    assemble.compiled(tmp_path)
    code = Path(importlib.util.cache_from_source(str(tmp_path / "opt" / "module.py"))).read_bytes()
    assert code[4:8] == b"\1\0\0\0"  # PEP 552: found by hash, source not compared
    assert b"/opt/module.py" in code
    assert str(tmp_path).encode() not in code


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files to root")
def test_equal_contents_are_equal(tmp_path: Path) -> None:
    """Times, owners and rights do not depend on when and by whom a file was made; only binaries may be started."""
    touched(tmp_path, "tmp/x", "script.py", "data")
    (tmp_path / "script.py").write_text("#!/bin/sh\n")
    (tmp_path / "binary").write_bytes(b"\x7fELF")
    (tmp_path / "link").symlink_to("nowhere")
    for name, mode in {"script.py": 0o777, "data": 0o600, "binary": 0o4755}.items():
        (tmp_path / name).chmod(mode)
    os.chown(tmp_path / "data", 1001, 127)
    assemble.levelled(tmp_path)
    modes = {name: stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("script.py", "data", "binary", "tmp")}
    assert modes == {"script.py": 0o644, "data": 0o644, "binary": 0o755, "tmp": 0o1777}
    found = [path.lstat() for path in (tmp_path, *assemble.walk(tmp_path))]
    assert {(each.st_uid, each.st_gid, each.st_mtime) for each in found} == {(0, 0, 0.0)}
