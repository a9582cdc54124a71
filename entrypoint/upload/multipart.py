"""The body of an upload: `multipart/form-data` (RFC 7578), streamed from disk with its length known before."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from entrypoint.distribution import BLOCK
from entrypoint.errors import DistributionError

TOGETHER = 2**19
"""Bytes up to which a file goes out in one piece with its form: every piece passes four layers of client (2026-11)."""


class Due(NamedTuple):
    """A text field that follows the file, because its value is worked out while the file leaves."""

    name: str
    length: int
    """Bytes of its value, known before."""
    value: Callable[[], str]


class Multipart:
    """Text fields followed by one file, and maybe by another field.

    Every iteration opens the file anew, so that a request can be sent again; at most one block is in memory.
    Iterating raises `DistributionError` when the file is not `size` bytes long any more. `at` hears how many bytes of
    the file have left; of a small file all at once, with its form.
    """

    def __init__(
        self,
        fields: Sequence[tuple[str, str]],
        path: Path,
        size: int,
        at: Callable[[int], None] = lambda _: None,
        due: Due | None = None,
    ) -> None:
        self._boundary = boundary = os.urandom(16).hex()
        self._path = path
        self._size = size
        self._at = at
        self._head = b"".join(_text_part(boundary, name, value) for name, value in fields) + _file_head(boundary, path)
        self._due = due
        self.headers = {
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            # Never chunked: many WSGI servers refuse a body without a length.
            "Content-Length": str(len(self._head) + size + len(self._tail("0" * due.length if due else ""))),
        }

    def __iter__(self) -> Iterator[bytes]:
        pieces = chain([self._head], self._blocks(), self._end())
        return iter([b"".join(pieces)]) if self._size <= TOGETHER else pieces

    def _blocks(self) -> Iterator[bytes]:
        left = self._size
        with self._path.open("rb", buffering=0) as file:
            while block := file.read(BLOCK):
                left -= len(block)
                if left < 0:
                    break
                yield block
                self._at(self._size - left)
        if left:
            raise DistributionError(
                "The file changed while it was being published",
                f"It was {self._size} bytes long when it was checked, and is not any more.",
                "Let nothing write into `packages-dir` while it is being published. The index has not stored the file.",
            )

    def _end(self) -> Iterator[bytes]:
        yield self._tail(self._due.value() if self._due else "")

    def _tail(self, value: str) -> bytes:
        last = _text_part(self._boundary, self._due.name, value) if self._due else b""
        return b"\r\n" + last + f"--{self._boundary}--\r\n".encode()


def _text_part(boundary: str, name: str, value: str) -> bytes:
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'
    return f"{head}{value}\r\n".encode("utf-8", "replace")


def _file_head(boundary: str, path: Path) -> bytes:
    filename = path.name.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")
    return (
        f'--{boundary}\r\nContent-Disposition: form-data; name="content"; filename="{filename}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode("utf-8", "replace")
