"""Which tags and branches a release makes, which it moves, and which nobody may touch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from release.errors import ReleaseError
from release.versions import Version


@dataclass(frozen=True, slots=True)
class Ref:
    """A ref that will point to the release commit."""

    name: str
    """In full: `refs/tags/v1`."""
    before: str | None
    """What it points to now: the lease under which it is moved; None if it is not there."""

    @property
    def pushed(self) -> str:
        """The option that lets git move it only if nobody else has meanwhile."""
        return f"--force-with-lease={self.name}:{self.before or ''}"


def refused(version: Version, there: Iterable[str]) -> None:
    """Refuse a version whose tag exists: what users have pinned stays what it is."""
    if f"refs/tags/{version.tag}" in set(there):
        raise ReleaseError(
            f"{version.tag} exists, and never moves. If it is a release, merge the branch `{branch(version)}` into the"
            " branch that this source comes from, so that it has its version and its change log; then start again."
        )


def branch(version: Version) -> str:
    """Name the branch that brings version and change log of a release to main."""
    return f"released/{version.tag}"


def moving(version: Version, there: Mapping[str, str]) -> list[Ref]:
    """Plan the refs that move to a release: `vX`, `vX.Y`, and the branch `release/vX`.

    `there` has the refs of the remote by name, with the objects that they point to. A ref never goes back: a release of
    an older line moves only what is its own.
    """
    released = [each for name in there if (each := Version.of_tag(name.removeprefix("refs/tags/"))) is not None]
    line = (version.major, version.minor)
    newest_of_line = all(each <= version for each in released if (each.major, each.minor) == line)
    newest_of_major = all(each <= version for each in released if each.major == version.major)
    names = []
    if newest_of_major:
        names += [f"refs/tags/v{version.major}", f"refs/heads/release/v{version.major}"]
    if newest_of_line:
        names += [f"refs/tags/v{version.major}.{version.minor}"]
    return [Ref(name, there.get(name)) for name in names]
