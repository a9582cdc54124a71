"""Workflow commands: what the runner reads out of the lines that a step prints.

The grammar is that of actions/runner 2.336, `ActionCommand.cs`; where lines end is .NET's `StreamReader.ReadLine`,
which `ProcessInvoker.cs` reads both streams with.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

REGISTERED = frozenset({
    "add-mask", "add-matcher", "add-path", "debug", "echo", "endgroup", "error", "group", "notice", "remove-matcher",
    "save-state", "set-env", "set-output", "stop-commands", "warning",
})  # fmt: skip
"""Names that the runner executes; any other line that looks like a command is text (`ActionCommandManager.cs`)."""

WHITE_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
"""What .NET's `Trim` takes away. Python's `strip` would take U+001C to U+001F as well."""

_LINE_END = re.compile("\r\n|\r|\n")

# Decoding goes through the text once for each pair, in this order: "%250A" is the text "%0A", not a new line.
_DATA = (("%0D", "\r"), ("%0A", "\n"), ("%25", "%"))
_PROPERTY = (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%"))
_V1 = (("%3B", ";"), ("%0D", "\r"), ("%0A", "\n"), ("%5D", "]"), ("%25", "%"))


@dataclass(frozen=True, slots=True)
class Command:
    """A line that the runner takes for a command; names of command and properties in lower case."""

    name: str
    data: str
    properties: Mapping[str, str] = field(default_factory=dict)


class Lines:
    """A stream of bytes, cut where the runner cuts it: after LF, CR or CRLF, as UTF-8 with replacement."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    def feed(self, chunk: bytes) -> list[str]:
        """Give the lines that are complete; a CR at the end waits, for an LF may follow."""
        text = self._rest + self._decoder.decode(chunk)
        waiting = "\r" if text.endswith("\r") else ""
        *lines, self._rest = _LINE_END.split(text.removesuffix(waiting))
        self._rest += waiting
        return lines

    def close(self) -> list[str]:
        """Give what is left when the stream ends; no empty line follows the last line end."""
        lines = _LINE_END.split(self._rest + self._decoder.decode(b"", final=True))
        return lines if lines[-1] else lines[:-1]


def cut(text: str) -> list[str]:
    """Give the lines of a whole text by the same rule."""
    lines = Lines()
    return lines.feed(text.encode()) + lines.close()


def parse(line: str, registered: Collection[str] = REGISTERED) -> Command | None:
    """Read a line as `::name key=value,…::data`, else as `##[name key=value;…]data`, else it is text.

    `registered` holds names in lower case.
    """
    return _parse_v2(line, registered) or _parse_v1(line, registered)


def _parse_v2(line: str, registered: Collection[str]) -> Command | None:
    head, opening, rest = line.lstrip(WHITE_SPACE).partition("::")
    info, closing, data = rest.partition("::")
    if head or not opening or not closing:
        return None
    name, _, properties = info.partition(" ")
    if name.lower() not in registered:
        return None
    return Command(name.lower(), _decoded(data, _DATA), _pairs(properties.strip(WHITE_SPACE), ",", _PROPERTY))


def _parse_v1(line: str, registered: Collection[str]) -> Command | None:
    _, opening, rest = line.partition("##[")
    info, closing, data = rest.partition("]")
    name, _, properties = info.partition(" ")
    if not opening or not closing or name.lower() not in registered:
        return None
    return Command(name.lower(), _decoded(data, _V1), _pairs(properties, ";", _V1))


def _pairs(text: str, separator: str, escapes: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """Read the properties; one without a value does not count, and spaces belong to the names."""
    pairs: dict[str, str] = {}
    for entry in text.split(separator):
        name, _, value = entry.lstrip("=").partition("=")
        if value := value.lstrip("="):
            pairs[name.lower()] = _decoded(value, escapes)
    return pairs


def _decoded(text: str, escapes: tuple[tuple[str, str], ...]) -> str:
    for escaped, character in escapes:
        text = text.replace(escaped, character)
    return text
