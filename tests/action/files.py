"""File commands: what a step wrote into the files that the runner gave it.

The grammar is that of actions/runner 2.336, `FileCommandManager.cs`, on Linux.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

FILES = {
    "path": "add_path_",
    "env": "set_env_",
    "step_summary": "step_summary_",
    "state": "save_state_",
    "output": "set_output_",
}
"""Context name → prefix of the file's name, in the order in which the runner reads them after the step."""

SUMMARY_LIMIT = 1024 * 1024
"""Bytes of a step's summary; nothing of a larger one is uploaded (`CreateStepSummaryCommand.AttachmentSizeLimit`)."""


class FileCommandError(Exception):
    """A line that the runner cannot read: the step fails, and what the file says before it stays in effect."""


def text_of(path: Path) -> str:
    """Read a file as the runner does: UTF-8 with replacement, a byte order mark is no text, a missing file is empty."""
    try:
        return path.read_bytes().decode("utf-8-sig", "replace")
    except FileNotFoundError:
        return ""


def pairs(text: str) -> Iterator[tuple[str, str]]:
    """Yield `NAME=VALUE` and `NAME<<DELIMITER … DELIMITER`; lines end at LF, and a CR belongs to the value.

    Raises `FileCommandError` at the first line that is neither, after the pairs before it.
    """
    lines = iter(_lines(text))
    for line in lines:
        if not line:
            continue
        equals, here = line.find("="), line.find("<<")
        if equals >= 0 and not 0 <= here < equals:
            name, _, value = line.partition("=")
        elif here >= 0:
            name, _, delimiter = line.partition("<<")
            if not name or not delimiter:
                raise FileCommandError(f"Invalid format '{line}'. Name and delimiter must not be empty")
            value = _until(delimiter, lines)
        else:
            raise FileCommandError(f"Invalid format '{line}'")
        if not name:
            raise FileCommandError("Value cannot be null or empty. (Parameter 'name')")
        yield name, value


def _lines(text: str) -> list[str]:
    lines = text.split("\n")
    return lines if lines[-1] else lines[:-1]


def _until(delimiter: str, lines: Iterator[str]) -> str:
    value: list[str] = []
    for line in lines:
        if line == delimiter:
            return "\n".join(value)
        value.append(line)
    raise FileCommandError(f"Invalid value. Matching delimiter not found '{delimiter}'")
