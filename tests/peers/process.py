"""Server processes: started on a free port, waited for, and stopped for sure."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

LOOPBACK = "127.0.0.1"
START_SECONDS = 60.0  # devpi takes 2 s on an idle machine; a loaded one with two cores may take ten times as long
STOP_SECONDS = 5.0  # what a server gets to end by itself before it is killed
POLL_SECONDS = 0.02


class PeerDiedError(RuntimeError):
    """A server process ended, or did not answer in time; the message ends with its log."""


def free_port() -> int:
    """Return a loopback port that nobody listened on a moment ago.

    Another process may take it before the server does: `running` tries again then.
    """
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def own_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment for a peer: enough to run, nothing that configures HTTP, TLS or pip."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LANG") if name in os.environ}
    return kept | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"} | dict(extra or {})


def body_of(port: int, path: str) -> bytes | None:
    """Return the body that the server answers to a GET with 200, or None while it does not."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=5)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return body if response.status == http.client.OK else None


@contextmanager
def running(command: Callable[[int], Sequence[str]], ready: Callable[[int], bool], log: Path) -> Iterator[int]:
    """Run the server that `command` starts on a port; yield the port once `ready` says that *this* server answers.

    `ready` has to know the server by something only it can say: on a shared machine the port may have gone to somebody
    else between the look and the bind, and a foreign server that answers is worse than none.
    """
    for attempts_left in (2, 1, 0):
        port = free_port()
        process = _started(command(port), log)
        try:
            _wait(process, lambda: ready(port), log)  # noqa: B023 - called before the loop goes on
        except PeerDiedError:
            _stop(process)
            if not attempts_left:
                raise
            continue
        try:
            yield port
        finally:
            _stop(process)
        return


def _started(command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as out:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, env=own_environment()
        )


def _wait(process: subprocess.Popen[bytes], ready: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        if process.poll() is not None:
            raise PeerDiedError(f"{process.args!r} ended with {process.returncode}:\n{_tail(log)}")
        if time.monotonic() > deadline:
            raise PeerDiedError(f"{process.args!r} did not answer within {START_SECONDS:g} s:\n{_tail(log)}")
        time.sleep(POLL_SECONDS)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:]
