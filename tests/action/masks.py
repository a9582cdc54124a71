"""Masks: the texts that the runner replaces by `***`, and the spellings in which it finds them.

The encoders are those that actions/runner 2.336 registers in `HostContext.cs`, written down in `ValueEncoders.cs`.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from urllib.parse import quote
from xml.sax.saxutils import escape

from tests.action.commands import WHITE_SPACE

TRIMMED_ABOVE = 8
"""Characters. From a longer value in double quotes, what is inside them is a mask too (`TrimDoubleQuotes`)."""
POWERSHELL_FROM = 6
"""Characters. Parts of a value that PowerShell would print by themselves are masks from this length on."""


class Masker:
    """The masks of a job. Matching is exact and knows upper from lower case."""

    def __init__(self) -> None:
        self.values: list[str] = []
        self._spellings: set[str] = set()

    def add(self, value: str) -> None:
        """Mask a value and each of its lines, from now on."""
        for part in [value, *(line.strip(WHITE_SPACE) for line in re.split("[\r\n]", value))]:
            if part and part not in self.values:
                self.values.append(part)
                self._spellings.update(filter(None, spellings(part)))

    def mask(self, text: str) -> str:
        """Replace every spelling of every mask; spellings that overlap or touch become one `***`."""
        found = sorted(
            (match.start(), match.start() + len(spelling))
            for spelling in self._spellings
            for match in re.finditer(f"(?={re.escape(spelling)})", text)
        )
        result, done = "", 0
        while found:
            start, end = found.pop(0)
            while found and found[0][0] <= end:
                end = max(end, found.pop(0)[1])
            result += text[done:start] + "***"
            done = end
        return result + text[done:]


def spellings(value: str) -> Iterator[str]:
    """Yield a value as it stands and as encoders write it; an empty one is no mask."""
    raw = value.encode(errors="surrogatepass")
    yield value
    for shift in range(3):  # what precedes the value in a text that is encoded with it decides the alignment
        yield base64.b64encode(raw[shift:] or raw).decode()
    yield value.replace('"', '\\"')
    yield value.replace("'", "''")
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield quote(raw, safe="")
    yield escape(value, {'"': "&quot;", "'": "&apos;"})
    if len(value) > TRIMMED_ABOVE and value[0] == value[-1] == '"':
        yield value[1:-1]
    yield from (part for part in _powershell(value) if len(part) >= POWERSHELL_FROM)


def _powershell(value: str) -> tuple[str, ...]:
    if "&" not in value:
        return ()
    if "&+" in value:
        before, _, after = value.partition("&+")
        return before + "&+", after[1:]
    before, _, after = value.rpartition("&")
    return before + "&", after
