"""Distributions of the ecosystem: what other people's build backends really wrote, as PyPI serves it.

They are downloaded once per checkout, by pip, pinned to a version and a hash. pip asks an sdist for its metadata even
when it only downloads, which runs code of its build backend; so the sdists here bring their own backend or use one of
the locked ones, and nothing else is fetched for them.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import parse_sdist_filename, parse_wheel_filename

from tests.peers.pip import PipError, run_pip

CACHE = Path(__file__).resolve().parent.parent / ".cache"
# Taken when the tests are loaded: each test runs without them, but this machine may need its own to reach PyPI.
MACHINE_ENVIRONMENT = dict(os.environ)


class UnreachableError(Exception):
    """PyPI cannot be reached from here."""


@dataclass(frozen=True, slots=True)
class Released:
    """A file on PyPI."""

    filename: str
    metadata_version: str
    backend: str
    sha256: str

    @property
    def requirement(self) -> str:
        """What pip is asked for: exactly this."""
        if self.filename.endswith(".whl"):
            name, version, _, _ = parse_wheel_filename(self.filename)
        else:
            name, version = parse_sdist_filename(self.filename)
        return f"{name}=={version} --hash=sha256:{self.sha256}"


WHEELS = (
    Released(
        "colorama-0.3.9-py2.py3-none-any.whl",
        "2.0",  # never a standard: bdist_wheel wrote it until 2018
        "wheel 0.24",
        "463f8483208e921368c9f306094eb6f725c6ca42b0f97e313cb5d5512459feda",
    ),
    Released(
        "six-1.16.0-py2.py3-none-any.whl",
        "2.1",
        "setuptools, with a description of unknown type",
        "8abb2f1d86890a2dfb989f9a77cfcfd3e47c2a354b01111771326f8aa26e0254",
    ),
    Released(
        "requests-2.32.3-py3-none-any.whl",
        "2.1",
        "setuptools, with License-File below Metadata 2.4",
        "70761cfe03c773ceb22aa2f671b4757976145175cdfca038c02654d061d6dcc6",
    ),
    Released(
        "pluggy-1.6.0-py3-none-any.whl",
        "2.4",
        "setuptools 80, with Dynamic: license-file",
        "e920276dd6813095e9377c0bc5566d94c932c33b27a3e3945d8389c374dd4746",
    ),
    Released(
        "hatchling-1.27.0-py3-none-any.whl",
        "2.4",
        "hatchling, with License-Expression",
        "d3a2f3567c4f926ea39849cdf924c7e99e6686c9c8e288ae1037c8fa2a5d937b",
    ),
    Released(
        "flit_core-3.12.0-py3-none-any.whl",
        "2.4",
        "flit-core, with a vendored *.dist-info below the package",
        "e7a0304069ea895172e3c7bb703292e992c5d1555dd1233ab7b5621b5b69e62c",
    ),
    Released(
        "poetry_core-2.1.3-py3-none-any.whl",
        "2.3",
        "poetry-core",
        "2c704f05016698a54ca1d327f46ce2426d72eaca6ff614132c8477c292266771",
    ),
    Released(
        "rpds_py-0.20.0-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "2.3",
        "maturin",
        "5c1dc0f53856b9cc9a0ccca0a7cc61d3d20a7088201c0937f3f4048c1718a209",
    ),
)
SDISTS = (
    Released(
        "ordereddict-1.1.tar.gz",
        "1.0",
        "distutils, of 2010",
        "1c35b4ac206cef2d24816c89f89cf289dd3d38cf7c449bb3fab7bf6d43f01b1f",
    ),
    Released(
        "argparse-1.4.0.tar.gz",
        "1.1",
        "distutils, with a folded description",
        "62b089a55be1d8949cd2bc7e0df0bddb9e028faefc8c32038cc84862aefdd6e4",
    ),
    Released(
        "six-1.16.0.tar.gz",
        "1.2",
        "setuptools",
        "1e61c37477a1626458e36f7b1d82aa5c9b094fa4802892072e49de9c60c4c926",
    ),
    Released(
        "hatchling-1.27.0.tar.gz",
        "2.4",
        "hatchling",
        "971c296d9819abb3811112fc52c7a9751c8d381898f36533bb16f9791e941fd6",
    ),
    Released(
        "flit_core-3.12.0.tar.gz",
        "2.4",
        "flit-core",
        "18f63100d6f94385c6ed57a72073443e1a71a4acb4339491615d0f16d6ff01b2",
    ),
    Released(
        "poetry_core-2.1.3.tar.gz",
        "2.3",
        "poetry-core",
        "0522a015477ed622c89aad56a477a57813cace0c8e7ff2a2906b7ef4a2e296a4",
    ),
)
RELEASED: Mapping[str, Released] = {each.filename: each for each in (*WHEELS, *SDISTS)}

# So that one call gets the same files on any machine; pure wheels fit every platform.
ONE_MACHINE = ["--platform=manylinux2014_x86_64", "--implementation=cp", "--python-version=3.11", "--abi=cp311"]


def ecosystem() -> Mapping[str, Path]:
    """Return all the files by name, from the cache or from PyPI; raise `UnreachableError` if they are in neither.

    Test workers that want them at the same time wait for the one that downloads.
    """
    found = _found_once()
    if isinstance(found, UnreachableError):
        raise found
    return found


@functools.cache
def _found_once() -> Mapping[str, Path] | UnreachableError:
    """Return the files, or why there are none: a second try in the same process would only take as long again."""
    try:
        return found(CACHE)
    except UnreachableError as error:
        return error


def found(cache: Path) -> Mapping[str, Path]:
    """Return the files, downloaded into the directory `cache` if they are not there."""
    directory = cache / "ecosystem"
    directory.mkdir(parents=True, exist_ok=True)
    with _locked(cache / "ecosystem.lock"):
        if not all(_is_there(directory, each) for each in RELEASED.values()):
            _download(WHEELS, ["--only-binary=:all:", *ONE_MACHINE], directory)
            _download(SDISTS, ["--no-binary=:all:", "--no-build-isolation"], directory)
    return {filename: directory / filename for filename in RELEASED}


def _download(wanted: Sequence[Released], options: Sequence[str], directory: Path) -> None:
    with tempfile.TemporaryDirectory(dir=directory.parent) as temporary:
        requirements, dest = Path(temporary, "requirements.txt"), Path(temporary, "files")
        requirements.write_text("\n".join(each.requirement for each in wanted))
        command = ["download", "--no-deps", "--require-hashes", "--requirement", str(requirements), *options]
        try:
            run_pip(
                [*command, "--dest", str(dest), "--retries", "1", "--disable-pip-version-check"],
                environment=MACHINE_ENVIRONMENT,
            )
        except PipError as error:
            # Without a network pip says only that it found nothing. Anything else is worth a look.
            if "No matching distribution found" in str(error):
                raise UnreachableError(str(error)) from error
            raise
        for each in wanted:
            Path(dest, each.filename).replace(directory / each.filename)


def _is_there(directory: Path, released: Released) -> bool:
    path = directory / released.filename
    return path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == released.sha256


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
