"""Lays out what the image holds: three trees, each of which becomes a layer of an image that starts from nothing.

The most lasting comes first: Debian's Python with the shared libraries that something in the image loads, then the
locked dependencies, then the program. Whatever is not named here is not in the image. Runs in the builder, as root.
"""

from __future__ import annotations

import compileall
import csv
import io
import json
import os
import py_compile
import re
import shutil
import stat
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path

import entrypoint
from image import sbom

NAME = "publish-action"

STDLIB = Path(sysconfig.get_path("stdlib", "posix_prefix", {"installed_base": "/usr"}))

VENV = Path("/opt/venv")

SITE = VENV / "lib" / STDLIB.name / "site-packages"

DPKG = Path("/var/lib/dpkg")

UNUSED_STDLIB = frozenset(
    {
        # for those who write Python, not for those who run it
        "_pyrepl", "ensurepip", "idlelib", "lib2to3", "pydoc_data", "test", "tkinter", "turtle.py", "turtledemo",
        "venv",
        # needs libraries of its own, and nothing here asks for it
        "curses", "dbm", "shelve.py", "sqlite3",
        # Debian's: reports crashes to a service that is not there, and tells pip to install nothing
        "sitecustomize.py", "EXTERNALLY-MANAGED",
    }
)  # fmt: skip
"""What is left out of the standard library, by its name in its folder."""

UNUSED_EXTENSION = re.compile(r"_?xx|_test|_ctypes_test|_curses|_dbm|_gdbm|_sqlite3|_tkinter|readline")
"""How the names of extension modules begin that go with these, or are there for CPython's tests."""

UNUSED_WHEEL = re.compile(r".*\.(pyi|pyx|pxd|c|h)|.*/(tests|test_data)/.*")
"""What is left out of wheels: type stubs, what C compilers read, tests and their data."""

FILES = {
    "/etc/passwd": "root:x:0:0:root:/root:/nonexistent\nnobody:x:65534:65534:nobody:/nonexistent:/nonexistent\n",
    "/etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}
"""What the C library reads. Its own default asks DNS first, and the files only where there is none."""

FOLDERS = {"/root": 0o700, "/tmp": 0o1777}  # noqa: S108 - this is where it comes from

LINKS = {
    # OpenSSL's own authorities, for code that asks for no others, are those of certifi: there is one list
    "/etc/ssl/certs/ca-certificates.crt": str(SITE / "certifi" / "cacert.pem"),
    "/usr/lib/ssl/cert.pem": "/etc/ssl/certs/ca-certificates.crt",
    "/usr/bin/python3": STDLIB.name,
    str(VENV / "bin" / "python"): f"/usr/bin/{STDLIB.name}",
    "/etc/os-release": "../usr/lib/os-release",
}


def system(root: Path) -> None:
    """Lay out Python, what it and the dependencies load, and what Debian says about that."""
    kept = [Path("/usr/bin") / STDLIB.name, *standard_library(STDLIB)]
    extensions = [path for path in SITE.rglob("*.so*") if path.is_file()]
    kept += libraries([path for path in (*kept, *extensions) if path.suffix == ".so" or path.parent.name == "bin"])
    kept += [Path("/usr/lib/os-release"), *Path("/usr/share/common-licenses").iterdir()]
    # /lib and its like are links into /usr, and the interpreter asks for its loader by them.
    kept += [path for path in Path("/").glob("lib*") if path.is_symlink() and resolved(path).is_dir()]
    for path in kept:
        copy(path, root)
    describe(root)


def standard_library(folder: Path) -> Iterator[Path]:
    """Give the files of the standard library that are kept."""
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if path.is_dir() or inside.parts[0] in UNUSED_STDLIB or "__pycache__" in inside.parts:
            continue
        if inside.parts[0] == "lib-dynload" and UNUSED_EXTENSION.match(path.name):
            continue
        yield path


def libraries(binaries: Iterable[Path]) -> list[Path]:
    """Find the shared libraries that these are linked with, and the links that lead to them."""
    found = set()
    for binary in binaries:
        said = subprocess.run(["ldd", binary], check=False, capture_output=True, text=True)  # noqa: S603, S607 - the builder's
        if "not found" in said.stdout:
            sys.exit(f"{binary}: {said.stdout}")
        for name in re.findall(r"(/\S+) \(0x", said.stdout):
            found |= set(chain(Path(name)))
    return sorted(found)


def chain(path: Path) -> Iterator[Path]:
    """Give a file and, where it is a link, what it leads to."""
    path = resolved(path)
    yield path
    if path.is_symlink():
        yield from chain(path.parent / path.readlink())


def resolved(path: Path) -> Path:
    """Give the path without links among its folders; it may be one itself."""
    return path.parent.resolve() / path.name


def describe(root: Path) -> None:
    """Put beside the files of Debian's packages what scanners and lawyers read: status, checksums and copyright."""
    owners = owned(DPKG)
    status = paragraphs((DPKG / "status").read_text(encoding="utf-8"))
    files = [f"/{path.relative_to(root)}" for path in walk(root) if not path.is_dir() or path.is_symlink()]
    unowned = [file for file in files if file not in owners]
    if unowned:
        sys.exit(f"no package of Debian's has {', '.join(unowned)}")
    for package in sorted({owners[file] for file in files}):
        name = package.partition(":")[0]
        write(root / "var/lib/dpkg/status.d" / name, status[name])
        sums = DPKG / "info" / f"{package}.md5sums"
        lines = sums.read_text(encoding="utf-8").splitlines(keepends=True) if sums.exists() else []
        here = [line for line in lines if f"/{line.rstrip().partition('  ')[2]}" in files]
        write(root / "var/lib/dpkg/status.d" / f"{name}.md5sums", "".join(here))
        copy_of_licence = Path("/usr/share/doc") / name / "copyright"
        write(root / str(copy_of_licence).lstrip("/"), copy_of_licence.read_text(encoding="utf-8"))


def owned(dpkg: Path) -> Mapping[str, str]:
    """Map each file of each package to the package's name, as dpkg's own files are named."""
    return {
        name if not name.startswith(("/lib/", "/bin/")) else f"/usr{name}": listing.name.removesuffix(".list")
        for listing in (dpkg / "info").glob("*.list")
        for name in listing.read_text(encoding="utf-8").splitlines()
    }


def paragraphs(status: str) -> Mapping[str, str]:
    """Split dpkg's list of packages by their names."""
    each = (paragraph.strip("\n") + "\n" for paragraph in status.split("\n\n") if paragraph.strip())
    return {paragraph.split("\n", 1)[0].removeprefix("Package: "): paragraph for paragraph in each}


def dependencies(root: Path) -> None:
    """Lay out the virtual environment: what the locked wheels need to run, and their metadata and licences."""
    copy(VENV / "pyvenv.cfg", root)
    for path in walk(SITE):
        if not path.is_dir() and not UNUSED_WHEEL.fullmatch(str(path)) and "__pycache__" not in path.parts:
            copy(path, root)
    for record in root.rglob("*.dist-info/RECORD"):
        rows = csv.reader(io.StringIO(record.read_text(encoding="utf-8")))
        kept = [row for row in rows if (record.parent.parent / row[0]).exists()]
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(kept)
        write(record, text.getvalue())


def settings(root: Path) -> None:
    """Put in place what belongs to no package."""
    for name, text in FILES.items():
        write(root / name.lstrip("/"), text)
    for name in FOLDERS:
        (root / name.lstrip("/")).mkdir()
    for name, target in LINKS.items():
        link = root / name.lstrip("/")
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(target)


def program(root: Path, source: Path) -> None:
    """Lay out the program: it is pure Python, and copying it is installing it."""
    shutil.copytree(source / "entrypoint", root / str(SITE).lstrip("/") / "entrypoint")
    write(root / f"usr/share/doc/{NAME}/copyright", (source / "LICENSE").read_text(encoding="utf-8"))


def bill(system: Path, dependencies: Path, program: Path) -> None:
    """Write the bill of materials of what is laid out in these trees."""
    status = (path for path in (system / "var/lib/dpkg/status.d").iterdir() if path.suffix != ".md5sums")
    release = dict(re.findall(r'^(\w+)="?(.*?)"?$', (system / "usr/lib/os-release").read_text(), re.MULTILINE))
    installed = distributions(path=[str(dependencies / str(SITE).lstrip("/"))])
    made = datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH") or time.time()), UTC)
    parts = [
        *sbom.debian((path.read_text(encoding="utf-8") for path in status), release),
        *sbom.wheels(installed, dependencies),
    ]
    purl = f"pkg:generic/{NAME}@{entrypoint.__version__}"
    itself = sbom.Package("generic", NAME, entrypoint.__version__, purl, licence="Apache-2.0")
    text = json.dumps(sbom.document(itself, parts, made), indent=1, ensure_ascii=False)
    write(program / f"usr/share/sbom/{NAME}.spdx.json", text + "\n")


def compiled(root: Path) -> None:
    """Compile what is laid out: at run time there may be nowhere to write byte-code.

    It is never compared with its source: files in an image do not change.
    """
    done = compileall.compile_dir(
        root,
        maxlevels=50,
        quiet=1,
        force=True,
        stripdir=str(root),
        prependdir="/",
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
    if not done:
        sys.exit("not everything could be compiled")


def levelled(root: Path) -> None:
    """Give everything one time and one owner, and no more rights than it needs: equal contents make equal layers."""
    for path in (*walk(root), root):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or executable(path) else 0o644)
        os.chown(path, 0, 0, follow_symlinks=False)
        os.utime(path, (0, 0), follow_symlinks=False)
    for name, mode in FOLDERS.items():
        if (folder := root / name.lstrip("/")).exists():
            folder.chmod(mode)


def executable(path: Path) -> bool:
    """Tell whether a file is a binary that may be started. Scripts may not: they would ask for a shell, or a pip."""
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF" and bool(path.stat().st_mode & stat.S_IXUSR)


def walk(folder: Path) -> Iterator[Path]:
    """Give everything in a folder, links included and not followed."""
    for path in sorted(folder.iterdir()):
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from walk(path)


def copy(path: Path, root: Path) -> None:
    """Copy a file or link to its place below `root`."""
    target = root / str(path).lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(path, target, follow_symlinks=False)


def write(path: Path, text: str) -> None:
    """Write a text file, and the folders that it is in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def main(arguments: Sequence[str]) -> None:
    """Lay out below a folder what is described above, with the program from another."""
    target, source = map(Path, arguments)
    trees = [target / name for name in ("system", "dependencies", "program")]
    for tree in trees:
        tree.mkdir(parents=True)
    system(trees[0])
    settings(trees[0])
    dependencies(trees[1])
    program(trees[2], source)
    bill(*trees)
    for tree in trees:
        compiled(tree)
        levelled(tree)


if __name__ == "__main__":
    main(sys.argv[1:])
