"""What is inside an archive, and what both kinds of archive are looked through for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from entrypoint.archive import rules
from entrypoint.errors import DistributionError, Note
from entrypoint.index import Index
from entrypoint.metadata import METADATA_LIMIT
from entrypoint.rule import some

BLOCK = 2**20
"""Bytes of a member that are read at once."""

JSON_LIMIT = 64 * 2**10
"""Bytes of a JSON member that is looked into; credentials files have some 3 kB."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What is inside an archive, as far as rules look at it."""

    metadata: bytes
    """METADATA of a wheel, PKG-INFO of an sdist."""
    root: str
    """The `.dist-info` directory of a wheel, the top directory of an sdist; without a slash."""
    names: tuple[str, ...]
    """Members that are no directories, as stored, in the order of the archive."""
    texts: Mapping[str, bytes]
    """Name below the root → content of the small files that rules read: WHEEL and entry_points.txt of a wheel."""
    notes: tuple[Note, ...]
    """What is wrong with the archive itself."""


def about_names(names: Sequence[str], index: Index) -> Iterator[Note]:
    """Yield what the names of the members tell: a way outside, or credentials that must not become public."""
    outside = [name for name in names if _leads_outside(name)]
    if outside:
        yield from rules.PATHS.broken(index, f"{some(outside)}.")
    secret = [name for name in names if fnmatchcase(PurePosixPath(name).name, "gha-creds-*.json")]
    if secret:
        yield from rules.CREDENTIALS_FILE.broken(index, f"{some(secret)}.")


def holds_key(data: bytes) -> bool:
    """Tell whether a JSON file looks like a Google service account key or a federated credential."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and ("private_key" in value or value.get("type") == "external_account")


def bounded_metadata(data: bytes) -> bytes:
    """Give metadata as it is. Raises `DistributionError` if it is longer than any that an index shows."""
    if len(data) > METADATA_LIMIT:
        raise DistributionError(
            "The metadata is too long",
            f"It is longer than {METADATA_LIMIT // 2**20} MiB.",
            "Shorten the description; no index shows one of this length.",
        )
    return data


def not_one(names: Sequence[str], wanted: str) -> DistributionError:
    """Make the error about an archive that has no metadata, or several."""
    seen = f"There are {len(names)}: {', '.join(sorted(names))}." if names else "There is none."
    return DistributionError(
        f"The archive does not hold exactly one `{wanted}`",
        seen,
        "Build the file with a build backend (`python -m build`, `uv build`) instead of packing it by hand.",
    )


def _leads_outside(name: str) -> bool:
    parts = name.split("/")
    return name.startswith("/") or ".." in parts or "\\" in name or bool(re.match(r"[A-Za-z]:", name))
