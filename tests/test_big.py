"""A file of any size takes the same memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.conftest import StartIndex
from tests.distributions import make_wheel
from tests.line import environment, examined

GIGABYTE = 1_000_000_000
RESIDENT = 64 * 2**20
"""Bytes that the process may hold in memory at most, the interpreter and its libraries included."""

MEASURED = """
import os, sys
child = os.spawnv(os.P_NOWAIT, sys.executable, [sys.executable, "-Im", "entrypoint"])
_, status, usage = os.wait4(child, 0)
print(usage.ru_maxrss, file=sys.stderr)
sys.exit(os.waitstatus_to_exitcode(status))
"""
"""Runs the program and tells its peak. Linux counts what a process was before `exec`, so it must not start from us."""


def test_a_wheel_of_a_gigabyte(scripted: StartIndex, tmp_path: Path) -> None:
    """A wheel of 1 GB is hashed and sent within 64 MiB of resident memory, and arrives whole."""
    index = scripted()
    temp = tmp_path / "temp"
    temp.mkdir()
    wheel = make_wheel(tmp_path / "w" / "dist", filler=GIGABYTE)
    try:
        environ = environment(tmp_path / "w", temp, {"repository-url": index.url, "user": "me", "password": "secret"})
        finished = subprocess.run(
            [sys.executable, "-ISc", MEASURED], env=environ, check=False, capture_output=True, text=True, timeout=120
        )
        ours = examined(finished.returncode, finished.stdout, temp, environ)
        assert ours.status == 0
        assert index.violations == []
        assert index.uploads[0].content.size == wheel.stat().st_size > GIGABYTE
        assert int(finished.stderr) * 1024 <= RESIDENT
    finally:
        wheel.unlink()
