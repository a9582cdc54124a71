"""A file of any size takes the same memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import StartIndex
from tests.distributions import make_wheel
from tests.line import environment, examined

GIGABYTE = 1_000_000_000
RESIDENT = 64 * 2**20
"""Bytes that the process may hold in memory at most, the interpreter and its libraries included."""


def test_a_wheel_of_a_gigabyte(scripted: StartIndex, tmp_path: Path) -> None:
    """A wheel of 1 GB is hashed and sent within 64 MiB of resident memory, and arrives whole."""
    index = scripted()
    temp = tmp_path / "temp"
    temp.mkdir()
    wheel = make_wheel(tmp_path / "w" / "dist", filler=GIGABYTE)
    try:
        environ = environment(tmp_path / "w", temp, {"repository-url": index.url, "user": "me", "password": "secret"})
        with (temp / "log").open("wb") as log:
            process = subprocess.Popen([sys.executable, "-Im", "entrypoint"], env=environ, stdout=log)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        ours = examined(process.returncode, (temp / "log").read_text(encoding="utf-8"), temp, environ)
        assert ours.status == 0
        assert index.violations == []
        assert index.uploads[0].content.size == wheel.stat().st_size > GIGABYTE
        assert usage.ru_maxrss * 1024 <= RESIDENT
    finally:
        wheel.unlink()
