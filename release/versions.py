"""Versions of releases, and which one comes next."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from release.errors import ReleaseError

_NUMBER = r"(0|[1-9][0-9]*)"
_VERSION = re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}")
_ASSIGNMENT = re.compile(r'^__version__ = "([^"\n]*)"$', re.MULTILINE)


class Bump(StrEnum):
    """How the version of a release follows from the one that its source has."""

    AS_IS = "as-is"
    """Not at all: the version in the source was never released."""
    PATCH = "patch"
    MINOR = "minor"
    MAJOR = "major"
    REBUILD = "rebuild"
    """A patch release in which nothing of ours changes: the base image has."""


@dataclass(frozen=True, order=True, slots=True)
class Version:
    """X.Y.Z, and nothing else: no pre-releases, for a moving tag has no place for them."""

    major: int
    minor: int
    patch: int

    @classmethod
    def read(cls, text: str) -> Version:
        """Read X.Y.Z."""
        match = _VERSION.fullmatch(text)
        if match is None:
            raise ReleaseError(f"'{text}' is not a version X.Y.Z")
        return cls(*map(int, match.groups()))

    @classmethod
    def of_tag(cls, tag: str) -> Version | None:
        """Read a release's tag; None for a tag that is something else, such as a moving one."""
        try:
            return cls.read(tag.removeprefix("v")) if tag.startswith("v") else None
        except ReleaseError:
            return None

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"

    @property
    def tag(self) -> str:
        """The tag that never moves."""
        return f"v{self}"

    def after(self, bump: Bump) -> Version:
        """Give the version that comes next."""
        match bump:
            case Bump.AS_IS:
                return self
            case Bump.PATCH | Bump.REBUILD:
                return Version(self.major, self.minor, self.patch + 1)
            case Bump.MINOR:
                return Version(self.major, self.minor + 1, 0)
            case Bump.MAJOR:
                return Version(self.major + 1, 0, 0)


def read(source: str) -> Version:
    """Read the version that a module assigns to `__version__`."""
    found = _ASSIGNMENT.findall(source)
    if len(found) != 1:
        raise ReleaseError(f'one line `__version__ = "X.Y.Z"` is expected, {len(found)} found')
    return Version.read(found[0])


def write(source: str, version: Version) -> str:
    """Give the module with another version, and nothing else changed."""
    read(source)
    return _ASSIGNMENT.sub(f'__version__ = "{version}"', source)
