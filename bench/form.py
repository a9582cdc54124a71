"""`multipart/form-data` (RFC 7578), taken apart as it comes in: texts are kept, the file is only counted."""

from __future__ import annotations

import re

HEAD_LIMIT = 2**16
"""Bytes of the head of a part."""

_NAME = re.compile(rb'name="([^"]*)"')
_FILENAME = re.compile(rb'filename="([^"]*)"')


class Form:
    """One form. Feeding it raises `ValueError` for what is none."""

    def __init__(self, content_type: str) -> None:
        boundary = re.search(r'boundary="?([^";]+)', content_type)
        if boundary is None:
            raise ValueError("no boundary")
        self.texts: dict[str, str] = {}
        self.filename = ""
        self.size = 0
        """Bytes of the file so far."""
        self.ended = False
        self._delimiter = b"\r\n--" + boundary[1].encode()
        self._pending = b"\r\n"
        self._name: str | None = None
        """Of the part that is being read, if it is a text; `None` for the file and for what stands before all parts."""
        self._text = b""
        self._is_file = False

    def passes(self, buffer: bytearray, length: int) -> bool:
        """Take the first bytes of a buffer if they are the file's and do not end it, without a copy; tell whether."""
        edge = len(self._delimiter)
        if not self._is_file or length < edge:
            return False
        if self._delimiter in self._pending + buffer[:edge] or buffer.find(self._delimiter, 0, length) >= 0:
            return False
        self.size += len(self._pending) + length - edge
        self._pending = bytes(buffer[length - edge : length])
        return True

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the body."""
        data, self._pending = self._pending + data, b""
        start = 0
        while (end := data.find(self._delimiter, start)) >= 0:
            self._content(data[start:end])
            head = end + len(self._delimiter)
            body = data.find(b"\r\n\r\n", head)
            if data[head : head + 2] == b"--":
                self._end_part()
                self.ended = True
                return
            if body < 0:
                if len(data) - end > HEAD_LIMIT:
                    raise ValueError("the head of a part has no end")
                self._pending = data[end:]
                return
            self._end_part()
            self._begin_part(data[head:body])
            start = body + len(b"\r\n\r\n")
        # What may be the beginning of a delimiter waits for the rest of it.
        safe = max(start, len(data) - len(self._delimiter))
        self._content(data[start:safe])
        self._pending = data[safe:]

    def _begin_part(self, head: bytes) -> None:
        name, filename = _NAME.search(head), _FILENAME.search(head)
        self._is_file = filename is not None
        self.filename = filename[1].decode() if filename else self.filename
        self._name = name[1].decode() if name and not filename else None

    def _content(self, data: bytes) -> None:
        if self._is_file:
            self.size += len(data)
        elif self._name is not None:
            self._text += data

    def _end_part(self) -> None:
        if self._name is not None:
            self.texts[self._name] = self._text.decode()
        self._name, self._text = None, b""
