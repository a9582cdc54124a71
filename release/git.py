"""A git repository: what is in a commit, and the commits and tags of a release."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from release import changelog, definition, refs, versions
from release.errors import ReleaseError
from release.versions import Bump, Version

ACTION = "action.yml"
VERSION = "entrypoint/__init__.py"
CHANGES = "CHANGELOG.md"
AUTHOR = "github-actions[bot]"
EMAIL = "41898282+github-actions[bot]@users.noreply.github.com"
FILE = "100644"
"""The mode of a file, as all that a release changes have."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """The files of a release that its image is made of, before there is one."""

    version: Version
    files: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Released:
    """What a release made, all of it local until it is pushed."""

    prepared: str
    """Commit with version and change log, to be merged into main."""
    commit: str
    """Commit with the image's digest."""
    tag: str
    """Object of the annotated tag."""


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository on disk. Nothing here looks at the working tree, or changes it."""

    folder: Path

    def git(self, *arguments: str, given: str | None = None, environ: Mapping[str, str] | None = None) -> str:
        """Run git, and give what it prints, without the end of its last line."""
        return self._ran(*arguments, given=given, environ=environ).removesuffix("\n")

    def _ran(self, *arguments: str, given: str | None = None, environ: Mapping[str, str] | None = None) -> str:
        # S603, S607: git of PATH, with arguments that are ours; refs of others come after `--end-of-options` or checks.
        finished = subprocess.run(  # noqa: S603
            ["git", "-C", str(self.folder), *arguments],  # noqa: S607
            input=given,
            env=os.environ | dict(environ or {}),
            capture_output=True,
            text=True,
            check=False,
        )
        if finished.returncode:
            raise ReleaseError(f"git {arguments[0]}: {finished.stderr.strip()}")
        return finished.stdout

    def commit(self, ref: str) -> str:
        """Give the commit that a tag, a tag object, a commit, or a branch (here or of the remote) is."""
        for name in (ref, f"refs/remotes/origin/{ref}"):
            with suppress(ReleaseError):
                return self.git("rev-parse", "--verify", "--end-of-options", f"{name}^{{commit}}")
        raise ReleaseError(f"'{ref}' is no commit, tag or branch here")

    def text(self, ref: str, path: str) -> str:
        """Give a file as a commit has it."""
        return self._ran("cat-file", "blob", f"{self.commit(ref)}:{path}")

    def refs(self, remote: str | None = None) -> dict[str, str]:
        """Give tags and branches, here or on a remote, with the objects they point to."""
        if remote is None:
            lines = self.git("for-each-ref", "--format=%(objectname) %(refname)", "refs/tags", "refs/heads")
        else:
            lines = self.git("ls-remote", "--refs", "--tags", "--heads", remote)
        return {name: found for found, name in (line.split() for line in lines.splitlines())}

    def releases(self) -> list[Version]:
        """Give the versions that have a tag, the newest first."""
        names = (name.removeprefix("refs/tags/") for name in self.refs())
        return sorted((each for name in names if (each := Version.of_tag(name)) is not None), reverse=True)

    def contains(self, ref: str, commit: str) -> bool:
        """Say whether a commit is part of a ref's history."""
        return self.git("rev-list", "--max-count=1", commit, f"^{self.commit(ref)}") == ""

    def source_of(self, version: Version) -> str:
        """Give the commit that a release was made of: version and change log are in it, the image is not."""
        return self.commit(f"{version.tag}^")

    def changed(self, old: str, new: str) -> set[str]:
        """Give the paths in which two commits differ; a change of mode is one."""
        return set(self.git("diff-tree", "-r", "--no-renames", "--name-only", "-z", old, new).split("\0")) - {""}

    def prepare(self, source: str, bump: Bump, day: date) -> Prepared:
        """Make the version and the change log of a release of this source."""
        version = versions.read(self.text(source, VERSION)).after(bump)
        log = changelog.cut(self.text(source, CHANGES), version, day, rebuild=bump is Bump.REBUILD)
        return Prepared(version, {VERSION: versions.write(self.text(source, VERSION), version), CHANGES: log})

    def release(self, source: str, prepared: Prepared, name: str, digest: str) -> Released:
        """Make both commits and the annotated tag, and see that they are what they are to be."""
        version = prepared.version
        refs.refused(version, self.refs())
        first = self._commit(source, prepared.files, f"Set version {version}")
        pinned = definition.pin(self.text(source, ACTION), name, digest)
        second = self._commit(first, {ACTION: pinned}, f"Release {version}")
        self.verify(source, second, version)
        notes = changelog.section(prepared.files[CHANGES], version)
        message = f"{version.tag}\n\n{notes}\n\nImage: `{name}@{digest}`\n\nCommit: `{second}`\n"
        self.git("tag", "--annotate", "--cleanup=verbatim", "--file=-", version.tag, second, given=message, environ=ME)
        return Released(first, second, self.git("rev-parse", f"refs/tags/{version.tag}"))

    def verify(self, source: str, commit: str, version: Version) -> None:
        """See that a release commit differs from its source only in what a release may change."""
        if extra := sorted(self.changed(source, commit) - {ACTION, VERSION, CHANGES}):
            raise ReleaseError(f"the release commit changes {', '.join(extra)} too")
        action = self.text(commit, ACTION)
        definition.pinned(action)
        if definition.unpinned(action) != self.text(source, ACTION):
            raise ReleaseError(f"the release commit changes more of {ACTION} than its image")
        if self.text(commit, VERSION) != versions.write(self.text(source, VERSION), version):
            raise ReleaseError(
                f"the release commit changes more of {VERSION} than the version, or has another one than {version}"
            )
        changelog.section(self.text(commit, CHANGES), version)

    def push(self, remote: str, released: Released, version: Version) -> None:
        """Push the tag of a release and its branch for main: both or none, and neither over one that is there."""
        tag, name = f"{released.tag}:refs/tags/{version.tag}", refs.branch(version)
        self.git("push", "--atomic", remote, tag, f"{released.prepared}:refs/heads/{name}")

    def move(self, remote: str, version: Version) -> list[str]:
        """Move what moves to a release on the remote: all or nothing, and nothing that moved meanwhile."""
        there = self.refs(remote)
        commit = self.commit(version.tag)
        definition.pinned(self.text(commit, ACTION))
        if there.get(f"refs/tags/{version.tag}") != self.git("rev-parse", f"refs/tags/{version.tag}"):
            raise ReleaseError(f"{version.tag} is not on {remote}, or is another one there")
        plan = refs.moving(version, there)
        if plan:
            leases = [ref.pushed for ref in plan]
            self.git("push", "--atomic", *leases, remote, *(f"{commit}:{ref.name}" for ref in plan))
        return [ref.name for ref in plan]

    def same_image(self, names: list[str]) -> str:
        """Give the image that all of these refs reach; refuse if one reaches another, or none."""
        found = {name: definition.pinned(self.text(self.commit(name), ACTION)) for name in names}
        if len(set(found.values())) != 1:
            raise ReleaseError("refs reach different images: " + ", ".join(f"{k} → {v}" for k, v in found.items()))
        return next(iter(found.values()))

    def _commit(self, parent: str, files: Mapping[str, str], message: str) -> str:
        """Commit files on top of a commit, by way of an index of its own."""
        index = Path(self.git("rev-parse", "--absolute-git-dir")) / "release-index"
        environ = {"GIT_INDEX_FILE": str(index)}
        try:
            self.git("read-tree", parent, environ=environ)
            for path, text in files.items():
                blob = self.git("hash-object", "-w", "--stdin", given=text)
                self.git("update-index", "--add", "--cacheinfo", f"{FILE},{blob},{path}", environ=environ)
            tree = self.git("write-tree", environ=environ)
        finally:
            index.unlink(missing_ok=True)
        return self.git("commit-tree", tree, "-p", parent, "-F", "-", given=f"{message}\n", environ=ME)


ME = {
    "GIT_AUTHOR_NAME": AUTHOR,
    "GIT_AUTHOR_EMAIL": EMAIL,
    "GIT_COMMITTER_NAME": AUTHOR,
    "GIT_COMMITTER_EMAIL": EMAIL,
}
"""Who commits."""


def today() -> date:
    """Give the day of a release."""
    return datetime.now(UTC).date()
