"""The body of an upload: `multipart/form-data` (RFC 7578), streamed from disk with its length known before."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from entrypoint.distribution import BLOCK
from entrypoint.errors import DistributionError

TOGETHER = 2**19
"""Bytes up to which a file goes out in one piece with its form: every piece passes four layers of client (2026-11)."""


class Multipart:
    """Text fields followed by one file.

    Every iteration opens the file anew, so that a request can be sent again; at most one block is in memory.
    Iterating raises `DistributionError` when the file is not `size` bytes long any more. `at` hears how many bytes of
    the file have left; of a small file all at once, with its form.
    """

    def __init__(
        self, fields: Sequence[tuple[str, str]], path: Path, size: int, at: Callable[[int], None] = lambda _: None
    ) -> None:
        boundary = os.urandom(16).hex()
        self._path = path
        self._size = size
        self._at = at
        self._head = b"".join(_text_part(boundary, name, value) for name, value in fields) + _file_head(boundary, path)
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self.headers = {
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            # Never chunked: many WSGI servers refuse a body without a length.
            "Content-Length": str(len(self._head) + size + len(self._tail)),
        }

    def __iter__(self) -> Iterator[bytes]:
        pieces = chain([self._head], self._blocks(), [self._tail])
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


def _text_part(boundary: str, name: str, value: str) -> bytes:
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'
    return f"{head}{value}\r\n".encode("utf-8", "replace")


def _file_head(boundary: str, path: Path) -> bytes:
    filename = path.name.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")
    return (
        f'--{boundary}\r\nContent-Disposition: form-data; name="content"; filename="{filename}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode("utf-8", "replace")
