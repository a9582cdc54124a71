"""pypiserver: a small index that many teams run inside their network."""

from __future__ import annotations

import base64
import hashlib
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.peers.process import LOOPBACK, body_of, running

USER = "publisher"
PASSWORD = "correct horse"  # with a space, for it must survive headers, URLs and environment variables


@dataclass(frozen=True, slots=True)
class PypiServer:
    """A running pypiserver.

    Observed with pypiserver 2.4.2: no credentials are answered 401 and wrong ones 403; a file name that exists is 409
    (400 for a User-Agent that contains "twine") whatever its content; digests and metadata are not looked at.
    """

    upload_url: str
    simple_url: str
    user: str
    password: str
    directory: Path
    """Where published files end up; a file put here by hand is on the index at once."""
    port: int
    log: Path


@contextmanager
def running_pypiserver(directory: Path, *, fallback_url: str | None = None) -> Iterator[PypiServer]:
    """Run pypiserver below `directory`; uploads need the password, reading does not.

    Unknown projects are answered 404, or redirected to `fallback_url` when one is given (by default pypiserver would
    redirect them to PyPI).
    """
    packages, passwords, log = directory / "packages", directory / "htpasswd", directory / "pypiserver.log"
    packages.mkdir(parents=True, exist_ok=True)
    # The {SHA} scheme of Apache's htpasswd: what pypiserver reads without a slow hash, and we write without passlib
    # (which imports `crypt`, and so warns that it is deprecated).
    digest = hashlib.sha1(PASSWORD.encode(), usedforsecurity=False).digest()
    passwords.write_text(f"{USER}:{{SHA}}{base64.b64encode(digest).decode()}\n")

    health = f"/health-{secrets.token_hex(8)}"  # only this process answers here
    fallback = ["--disable-fallback"] if fallback_url is None else ["--fallback-url", fallback_url]

    def command(port: int) -> list[str]:
        # The server behind is waitress, which pypiserver takes where it can be imported (devpi-server needs it too);
        # the one of the standard library would serve a single connection at a time.
        server = [sys.executable, "-m", "pypiserver", "run", "-i", LOOPBACK, "-p", str(port)]
        return [
            *server,
            "-P",
            str(passwords),
            "-a",
            "update",
            "--health-endpoint",
            health,
            "-v",
            *fallback,
            str(packages),
        ]

    with running(command, lambda port: body_of(port, health) is not None, log) as port:
        url = f"http://{LOOPBACK}:{port}/"
        yield PypiServer(url, f"{url}simple/", USER, PASSWORD, packages, port, log)
