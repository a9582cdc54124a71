"""Core metadata: the bytes inside a wheel or sdist, and what they say.

Read straight from the archive, parsed and validated by `packaging.metadata`, which is also PyPI's own parser.
Specification: https://packaging.python.org/en/latest/specifications/core-metadata/ (2026-08).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache, partial
from typing import Literal, NamedTuple

from entrypoint.errors import DistributionError, Note

Kind = Literal["wheel", "sdist"]

HEADERS_LIMIT = 10_000
"""Header lines that are parsed; the most on PyPI are some thousands of Requires-Dist."""

NAMES_LIMIT = 200
"""Field names that are parsed; core metadata has some forty. The standard library needs quadratic time for them."""

KEPT = 4
"""Metadata kept after it was parsed: the wheels of a release, which are read one after the other, share it."""

NEWEST = (2, 5)
"""The newest Metadata-Version that this program was written for (2026-08)."""

LICENSE_FILE = (2, 4)
"""The Metadata-Version that brought License-File; older setuptools wrote the field before (PEP 639)."""

REQUIRED = ("metadata-version", "name", "version")
"""Fields without which there is no upload form (core metadata, "required")."""


class CoreMetadata(NamedTuple):
    """What a METADATA or PKG-INFO file says, verbatim."""

    fields: Mapping[str, tuple[str, ...]]
    """Lower-case field name (`project-url`) → its values in order, folded lines and all."""
    description: str
    """The message body, byte for byte, decoded; else the Description field, unfolded."""

    def one(self, field: str) -> str:
        """Give the first value of a field, or an empty text."""
        return self.fields.get(field, ("",))[0]

    @property
    def version(self) -> tuple[int, ...]:
        """Metadata-Version as numbers, to be compared; empty where it is none."""
        text = self.one("metadata-version").strip()
        return tuple(map(int, text.split("."))) if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})+", text) else ()


@lru_cache(maxsize=KEPT)
def parse(data: bytes) -> tuple[CoreMetadata, tuple[Note, ...]]:
    """Parse metadata; the notes are what is wrong with it, or unknown to this program.

    Raises `DistributionError` when a required field is missing.
    """
    from packaging.metadata import Metadata, parse_email  # noqa: PLC0415 - 40 ms that a run without files does not need

    fields = _verbatim(data)
    if len(fields) > NAMES_LIMIT:
        raise _not_metadata(f"It has {len(fields)} field names.")
    raw, unparsed = parse_email(data)
    description = raw.get("description") or unparsed.get("description", [""])[-1]
    metadata = CoreMetadata(
        fields, _unfolded(description) if description in fields.get("description", ()) else description
    )
    missing = [field for field in REQUIRED if not metadata.one(field).strip()]
    if missing:
        raise DistributionError(
            "Required metadata is missing",
            f"The metadata has no {' and no '.join(f'`{field.title()}`' for field in missing)}.",
            "Rebuild the distribution with a build backend of today; these fields come from `[project]`.",
            rule="metadata",
        )
    # What was parsed is not parsed again, unless something could not be: only `from_email` says what that means.
    validate = partial(Metadata.from_email, data) if unparsed else partial(Metadata.from_raw, raw)
    return metadata, tuple(_problems(validate, metadata.version))


def _verbatim(data: bytes) -> Mapping[str, tuple[str, ...]]:
    from email.parser import BytesParser  # noqa: PLC0415 - packaging.metadata imports it at the same moment

    head = re.search(rb"\r?\n\r?\n", data)
    lines = data.count(b"\n", 0, head.start() if head else len(data))
    if lines > HEADERS_LIMIT:
        raise _not_metadata(f"It has {lines} header lines.")
    fields: dict[str, list[str]] = {}
    for name, value in BytesParser().parsebytes(data, headersonly=True).raw_items():
        # The email package hides bytes above 127 in surrogates; metadata is UTF-8.
        text = str(value).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        fields.setdefault(name.lower(), []).append(text)
    return {name: tuple(values) for name, values in fields.items()}


def _unfolded(text: str) -> str:
    """Undo what makes a header of several lines: seven blanks and `|` (core metadata), or the eight of setuptools."""
    return re.sub(r"(\r?\n)(?: {7}\|| {8})", r"\1", text)


def _not_metadata(seen: str) -> DistributionError:
    return DistributionError(
        "The metadata is out of all proportion",
        f"{seen} It is not read further.",
        "Build the file with a build backend (`python -m build`, `uv build`) instead of packing it by hand.",
        rule="metadata",
    )


def _problems(validate: Callable[[], object], version: tuple[int, ...]) -> Iterator[Note]:
    from packaging.metadata import InvalidMetadata  # noqa: PLC0415 - see parse

    try:
        validate()
    except ExceptionGroup as group:
        for error in group.exceptions:
            if isinstance(error, InvalidMetadata):
                yield _note(error.field, str(error), version)._replace(rule="metadata")
    except RecursionError:
        # The parser of requirements follows brackets as deep as they go.
        note = _note("requires-dist", "Its brackets are nested too deeply to be read", version)
        yield note._replace(rule="metadata")


def _note(field: str, message: str, version: tuple[int, ...]) -> Note:
    if field == "metadata-version" and version > NEWEST:
        return Note(
            "warning", "Metadata newer than this program", f"{message}. It is sent as it is; the index decides."
        )
    if field == "license-file" and version < LICENSE_FILE:
        return Note("notice", "License-File is left out", f"{message}. Older setuptools wrote it; PyPI refuses it.")
    if message.startswith("unrecognized field"):
        return Note(
            "warning", "Unknown metadata field", f"{message}. It has no place in the upload form and is not sent."
        )
    return Note(
        "error",
        "The metadata is not valid",
        f"{message}.",
        tip="Correct the field where the project declares it (`[project]` in pyproject.toml) and build again. "
        "`verify-metadata: false` sends it all the same; PyPI refuses it.",
    )
