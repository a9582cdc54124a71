"""Core metadata: the bytes inside a wheel or sdist, and what they say.

Read straight from the archive, parsed and validated by `packaging.metadata`, which is also PyPI's own parser.
Specification: https://packaging.python.org/en/latest/specifications/core-metadata/ (2026-08).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from entrypoint.errors import DistributionError, Note

Kind = Literal["wheel", "sdist"]

METADATA_LIMIT = 16 * 2**20
"""Bytes of metadata that are read; the longest on PyPI are below 2 MiB. An archive may claim anything."""

NEWEST = (2, 5)
"""The newest Metadata-Version that this program was written for (2026-08)."""

LICENSE_FILE = (2, 4)
"""The Metadata-Version that brought License-File; older setuptools wrote the field before (PEP 639)."""

REQUIRED = ("metadata-version", "name", "version")
"""Fields without which there is no upload form (core metadata, "required")."""


@dataclass(frozen=True, slots=True)
class CoreMetadata:
    """What a METADATA or PKG-INFO file says, verbatim."""

    fields: Mapping[str, tuple[str, ...]]
    """Lower-case field name (`project-url`) → its values in order, folded lines and all."""
    description: str
    """The message body, else the Description field; byte for byte, decoded."""

    def one(self, field: str) -> str:
        """Give the first value of a field, or an empty text."""
        return self.fields.get(field, ("",))[0]

    @property
    def version(self) -> tuple[int, ...]:
        """Metadata-Version as numbers, to be compared; empty where it is none."""
        text = self.one("metadata-version").strip()
        return tuple(map(int, text.split("."))) if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})+", text) else ()


def read(path: Path, kind: Kind) -> bytes:
    """Read the metadata file of a distribution.

    Raises `DistributionError` when the archive cannot be read or does not hold exactly one.
    """
    try:
        return _from_zip(path, kind) if path.suffix in {".whl", ".zip"} else _from_tar(path)
    except DistributionError:
        raise
    except OSError as error:
        raise DistributionError(
            "The file cannot be read",
            f"{error.strerror or error}.",
            "Check the permissions of the file and of its folder, and that nothing else is writing it.",
        ) from error
    except Exception as error:
        # zipfile, tarfile and zlib answer broken archives with a dozen kinds of exception.
        raise _broken(path, f"{type(error).__name__}: {error}") from error


def parse(data: bytes) -> tuple[CoreMetadata, list[Note]]:
    """Parse metadata; the notes are what is wrong with it, or unknown to this program.

    Raises `DistributionError` when a required field is missing.
    """
    from packaging.metadata import parse_email  # noqa: PLC0415 - 40 ms that a run without files does not need

    raw, unparsed = parse_email(data)
    descriptions = unparsed.get("description", [""])
    metadata = CoreMetadata(_verbatim(data), raw.get("description") or descriptions[-1])
    missing = [field for field in REQUIRED if not metadata.one(field).strip()]
    if missing:
        raise DistributionError(
            "Required metadata is missing",
            f"The metadata has no {' and no '.join(f'`{field.title()}`' for field in missing)}.",
            "Rebuild the distribution with a build backend of today; these fields come from `[project]`.",
        )
    return metadata, list(_problems(data, metadata.version))


def _from_zip(path: Path, kind: Kind) -> bytes:
    import zipfile  # noqa: PLC0415 - not needed where there are only sdists

    pattern = r"[^/]+\.dist-info/METADATA" if kind == "wheel" else r"[^/]+/PKG-INFO"
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if re.fullmatch(pattern, name)]
        if len(names) != 1:
            raise _not_one(names, "*.dist-info/METADATA" if kind == "wheel" else "*/PKG-INFO")
        with archive.open(names[0]) as member:
            return _bounded(member.read(METADATA_LIMIT + 1))


def _from_tar(path: Path) -> bytes:
    import tarfile  # noqa: PLC0415 - not needed where there are only wheels

    with tarfile.open(path, "r:gz") as archive:
        for member in archive:
            if re.fullmatch(r"(\./)?[^/]+/PKG-INFO", member.name) and (file := archive.extractfile(member)):
                return _bounded(file.read(METADATA_LIMIT + 1))
    raise _not_one([], "*/PKG-INFO")


def _bounded(data: bytes) -> bytes:
    if len(data) > METADATA_LIMIT:
        raise DistributionError(
            "The metadata is too long",
            f"It is longer than {METADATA_LIMIT // 2**20} MiB.",
            "Shorten the description; no index shows one of this length.",
        )
    return data


def _not_one(names: list[str], wanted: str) -> DistributionError:
    seen = f"There are {len(names)}: {', '.join(sorted(names))}." if names else "There is none."
    return DistributionError(
        f"The archive does not hold exactly one `{wanted}`",
        seen,
        "Build the file with a build backend (`python -m build`, `uv build`) instead of packing it by hand.",
    )


def _broken(path: Path, seen: str) -> DistributionError:
    archive = "gzipped tar file" if path.name.endswith(".tar.gz") else "zip file"
    return DistributionError(
        f"The file is not a readable {archive}",
        f"{seen}.",
        "It may be cut short, or not what its name says. Build it again, and look at how it came here: "
        "uploaded whole, downloaded whole, not stored by Git LFS as a pointer.",
    )


def _verbatim(data: bytes) -> Mapping[str, tuple[str, ...]]:
    from email.parser import BytesParser  # noqa: PLC0415 - packaging.metadata imports it at the same moment

    fields: dict[str, tuple[str, ...]] = {}
    for name, value in BytesParser().parsebytes(data, headersonly=True).raw_items():
        # The email package hides bytes above 127 in surrogates; metadata is UTF-8.
        text = str(value).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        fields[name.lower()] = (*fields.get(name.lower(), ()), text)
    return fields


def _problems(data: bytes, version: tuple[int, ...]) -> Iterator[Note]:
    from packaging.metadata import InvalidMetadata, Metadata  # noqa: PLC0415 - see parse

    try:
        Metadata.from_email(data)
    except ExceptionGroup as group:
        for error in group.exceptions:
            if isinstance(error, InvalidMetadata):
                yield _note(error.field, str(error), version)


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
