"""A process as the runner follows one: both streams line by line, and the signals of a cancelled step.

From actions/runner 2.336, `ProcessInvoker.cs`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

from tests.action.commands import Lines

STREAM_WAIT = 5.0
"""Seconds that the runner waits for the streams to end after the process did: a child may still hold them."""


@dataclass(frozen=True, slots=True)
class Pauses:
    """Seconds that a cancelled step gets after each signal before the next one: SIGINT, SIGTERM, then SIGKILL."""

    interrupt: float = 7.5
    terminate: float = 2.5


class _Stream:
    """One stream, read on a thread of its own."""

    def __init__(self, pipe: IO[bytes], arrived: threading.Event) -> None:
        self._pipe = pipe
        self._arrived = arrived
        self._lines: deque[str] = deque()
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        lines = Lines()
        while chunk := os.read(self._pipe.fileno(), 65536):
            self._lines.extend(lines.feed(chunk))
            self._arrived.set()
        self._lines.extend(lines.close())
        self._arrived.set()

    def batch(self) -> list[str]:
        """Take the lines that are waiting."""
        return [self._lines.popleft() for _ in range(len(self._lines))]


def follow(
    command: Sequence[str],
    environ: Mapping[str, str],
    read: Callable[[str], None],
    *,
    cancelled: threading.Event,
    pauses: Pauses,
) -> int:
    """Run a command and give each line to `read`, waiting lines of stderr first; give the exit status.

    When `cancelled` is set the signals are sent. An exception of `read` kills the process and goes on its way.
    """
    with subprocess.Popen(
        command,
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # a signal for the test run is not one for the step
    ) as process:
        arrived = threading.Event()
        streams = [_Stream(pipe, arrived) for pipe in (process.stderr, process.stdout) if pipe]
        try:
            return _followed(process, streams, arrived, read, cancelled, pauses)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            for stream in streams:
                stream.thread.join(STREAM_WAIT)


def _followed(
    process: subprocess.Popen[bytes],
    streams: Sequence[_Stream],
    arrived: threading.Event,
    read: Callable[[str], None],
    cancelled: threading.Event,
    pauses: Pauses,
) -> int:
    signals = deque([(signal.SIGINT, pauses.interrupt), (signal.SIGTERM, pauses.terminate), (signal.SIGKILL, 0.0)])
    next_signal = streams_end = float("inf")
    while any(stream.thread.is_alive() for stream in streams) and time.monotonic() < streams_end:
        arrived.wait(0.02)
        arrived.clear()
        for line in [line for stream in streams for line in stream.batch()]:
            read(line)
        now = time.monotonic()
        if process.poll() is not None:
            streams_end = min(streams_end, now + STREAM_WAIT)
        elif signals and ((cancelled.is_set() and next_signal == float("inf")) or now >= next_signal):
            number, pause = signals.popleft()
            process.send_signal(number)
            next_signal = now + pause
    status = process.wait()
    for line in [line for stream in streams for line in stream.batch()]:
        read(line)
    return status
