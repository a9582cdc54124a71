"""What is inside an archive, and what both kinds of archive are looked through for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from entrypoint.archive import rules
from entrypoint.errors import DistributionError, Note
from entrypoint.index import Index
from entrypoint.rule import some

METADATA_LIMIT = 3 * 2**20
"""Bytes of metadata that are read; the longest on PyPI are below 2 MiB. The standard library needs 2 s for these."""

JSON_LIMIT = 64 * 2**10
"""Bytes of a JSON member that is looked into; credentials files have some 3 kB."""

JSON_PARSED = 100
"""JSON members with the words of a key that are parsed: as many lines as nobody reads."""

CODE_LIMIT = 5 * 2**20
"""Bytes of a module that is searched for the marks of obfuscators: PyPI's server leaves larger ones alone."""

PYARMOR = re.compile(rb"__pyarmor_(?:enter|exit|assert|bcc)__|__pyarmor__\(__name__, __file__,")
PYE = re.compile(rb"---(BEGIN|END) PYE FILE---")
"""What obfuscators leave in modules (warehouse, 2026-08)."""


class Contents(NamedTuple):
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


class Suspects:
    """Members that look as if they should not be published, by what is in them."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.obfuscated: dict[str, list[str]] = {}
        """Name of the obfuscator → modules."""
        self.parsed = 0

    def wanted(self, name: str, size: int) -> bool:
        """Tell whether the content of a member is to be looked at."""
        limit = {"json": JSON_LIMIT, "py": CODE_LIMIT, "pye": CODE_LIMIT}.get(name.rpartition(".")[2].lower(), -1)
        return size <= limit

    def look(self, name: str, data: bytes) -> None:
        """Look at the content of a member that is wanted."""
        if name.lower().endswith(".json"):
            if (b"private_key" in data or b"external_account" in data) and self.parsed < JSON_PARSED:
                self.parsed += 1
                if _holds_key(data):
                    self.keys.append(name)
        elif b"__pyarmor_" in data and PYARMOR.search(data):
            self.obfuscated.setdefault("PyArmor", []).append(name)
        elif b" PYE FILE---" in data and set(PYE.findall(data)) == {b"BEGIN", b"END"}:
            self.obfuscated.setdefault("SourceDefender", []).append(name)

    def notes(self, index: Index) -> Iterator[Note]:
        """Yield what was found."""
        if self.keys:
            yield from rules.KEY_FILE.broken(index, f"{some(self.keys)}.")
        for tool, names in self.obfuscated.items():
            said = f"Invalid distribution file. {tool}-encrypted content is not allowed."
            yield from rules.OBFUSCATED.broken(index, f"{some(names)}.", said)


def about_names(names: Sequence[str], index: Index) -> Iterator[Note]:
    """Yield what the names of the members tell: a way outside, or credentials that must not become public."""
    outside = [name for name in names if _leads_outside(name)]
    if outside:
        yield from rules.PATHS.broken(index, f"{some(outside)}.")
    if secret := [name for name in names if "gha-creds-" in name and _is_credentials_file(name)]:
        yield from rules.CREDENTIALS_FILE.broken(index, f"{some(secret)}.")


def bounded_metadata(data: bytes) -> bytes:
    """Give metadata as it is. Raises `DistributionError` if it is longer than any that an index shows."""
    if len(data) > METADATA_LIMIT:
        raise DistributionError(
            "The metadata is too long",
            f"It is longer than {METADATA_LIMIT // 2**20} MiB.",
            "Shorten the description; no index shows one of this length.",
            rule="metadata",
        )
    return data


def not_one(names: Sequence[str], wanted: str) -> DistributionError:
    """Make the error about an archive that has no metadata, or several."""
    seen = f"There are {len(names)}: {some(sorted(names))}." if names else "There is none."
    return DistributionError(
        f"The archive does not hold exactly one `{wanted}`",
        seen,
        "Build the file with a build backend (`python -m build`, `uv build`) instead of packing it by hand.",
        rule="metadata",
    )


def _leads_outside(name: str) -> bool:
    return name.startswith("/") or "\\" in name or name[1:2] == ":" or (".." in name and ".." in name.split("/"))


def _is_credentials_file(name: str) -> bool:
    """Tell whether it is the file that google-github-actions/auth leaves in the workspace."""
    return fnmatchcase(re.split(r"[/\\]", name)[-1], "gha-creds-*.json")


def _holds_key(data: bytes) -> bool:
    """Tell whether a JSON file looks like a Google service account key or a federated credential."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and ("private_key" in value or value.get("type") == "external_account")
