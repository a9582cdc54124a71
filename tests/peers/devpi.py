"""devpi-server: an index of staging indexes, where an index may be volatile (files can be replaced) or not."""

from __future__ import annotations

import base64
import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.peers.process import LOOPBACK, body_of, own_environment, running

USER = "publisher"
PASSWORD = "devpi-password"
ROOT_PASSWORD = "root-password"
# Hashing a password takes 0.1 s and 64 MiB with the defaults; nobody attacks this server.
CHEAP_HASHES = ("--argon2-memory-cost", "1024", "--argon2-time-cost", "1", "--argon2-parallelism", "1")


@dataclass(frozen=True, slots=True)
class DevpiIndex:
    """One index of a running devpi-server."""

    upload_url: str
    simple_url: str
    user: str
    password: str
    volatile: bool


@dataclass(frozen=True, slots=True)
class Devpi:
    """A running devpi-server with two indexes of one user.

    Observed with devpi-server 6.20.3: missing and wrong credentials are both 401; other content under the same name is
    409 on a non-volatile index, with the explanation in the reason phrase, and replaces the file on a volatile one.
    """

    volatile: DevpiIndex
    non_volatile: DevpiIndex
    port: int
    log: Path


@contextmanager
def running_devpi(directory: Path) -> Iterator[Devpi]:
    """Run devpi-server below `directory`, with a volatile and a non-volatile index and no mirror of PyPI."""
    directory.mkdir(parents=True, exist_ok=True)
    state, log = directory / "server", directory / "devpi.log"
    # The console scripts need the package installed in this interpreter; `-c` needs no more and no PATH.
    init = "from devpi_server.init import init; init()"
    serve = "from devpi_server.main import main; main()"
    prepare = [sys.executable, "-Wignore", "-c", init, "--serverdir", str(state), "--no-root-pypi"]
    with log.open("ab") as out:
        subprocess.run(
            [*prepare, "--root-passwd", ROOT_PASSWORD],
            check=True,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=own_environment(),
        )
    uuid: str = json.loads((state / ".nodeinfo").read_bytes())["uuid"]

    def command(port: int) -> list[str]:
        server = [sys.executable, "-Wignore", "-c", serve, "--serverdir", str(state), "--host", LOOPBACK]
        return [*server, "--port", str(port), "--threads", "8", "--offline-mode", *CHEAP_HASHES]

    def ready(port: int) -> bool:
        status = body_of(port, "/+status")
        return status is not None and uuid.encode() in status

    with running(command, ready, log) as port:
        _call(port, "PUT", f"/{USER}", {"password": PASSWORD, "email": "publisher@example.com"})
        token = _call(port, "POST", "/+login", {"user": USER, "password": PASSWORD})["result"]["password"]
        yield Devpi(
            volatile=_make_index(port, token, "volatile", volatile=True),
            non_volatile=_make_index(port, token, "final", volatile=False),
            port=port,
            log=log,
        )


def _make_index(port: int, token: str, name: str, *, volatile: bool) -> DevpiIndex:
    _call(port, "PUT", f"/{USER}/{name}", {"type": "stage", "bases": [], "volatile": volatile}, token)
    url = f"http://{LOOPBACK}:{port}/{USER}/{name}/"
    return DevpiIndex(url, f"{url}+simple/", USER, PASSWORD, volatile)


def _call(port: int, method: str, path: str, body: dict[str, Any], token: str | None = None) -> Any:
    """Call devpi's JSON API; `token` is what `/+login` gave, which devpi takes in a header of its own."""
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    if token is not None:
        headers["X-Devpi-Auth"] = base64.b64encode(f"{USER}:{token}".encode()).decode()
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=30)
    try:
        connection.request(method, path, json.dumps(body), headers)
        response = connection.getresponse()
        answer = response.read()
    finally:
        connection.close()
    if response.status not in (http.client.OK, http.client.CREATED):
        raise RuntimeError(f"devpi answered {response.status} {response.reason} to {method} {path}: {answer!r}")
    return json.loads(answer)
