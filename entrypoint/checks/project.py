"""Rules that look at what the index has of a project; whatever it said stays true however the files are built."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from entrypoint.distribution import Distribution, Release
from entrypoint.errors import Note
from entrypoint.index import Index
from entrypoint.simple import Project

CLOSED = {
    "archived": "Unarchive the project in its settings on the index, publish, and archive it again.",
    "quarantined": "The index's administrators look into this project: write to them before anything else.",
}
"""Status of a project that takes no files (PEP 792) → what to do."""


def of_release(
    release: Release, missing: Sequence[Distribution], project: Project, index: Index, now: datetime
) -> Iterator[Note]:
    """Yield what keeps the missing files of a release from being taken, or is odd about them."""
    if not missing:
        return
    title = f"{release.name} {release.version}"
    if tip := CLOSED.get(project.status):
        why = f": {project.status_reason}" if project.status_reason else ""
        yield _error(
            "project-status", f"The project is {project.status}", f"{index.title} says so of {release.name}{why}.", tip
        )
    if not project.exists:
        yield from _new_project(release, index)
        return
    if index.closes_after and (opened := opened_at(release, project)):
        age = now - opened
        if age > timedelta(days=index.closes_after):
            yield _error(
                "release-age",
                "The release takes no more files",
                f"{title} has its first file since {opened:%Y-%m-%d}; after {index.closes_after} days "
                f"{index.title} takes no new ones.",
                "Give the release a new version, and publish all its files together.",
                "Uploading new files to releases older than 14 days is not allowed.",
            )
    if index.warehouse:
        yield from _other_sdist(title, release, missing, project)
        yield from _same_content(missing, project)
    if index.project_limit:
        there, new = sum(file.size or 0 for file in project.files), sum(each.found.size for each in missing)
        if there + new > index.project_limit:
            yield Note(
                "warning",
                "The project grows over the limit",
                f"{release.name} has {there / 2**30:.2f} GiB, and {new / 2**30:.2f} GiB are to come; "
                f"{index.project_limit / 2**30:.0f} GiB are allowed unless the index has raised that.",
                tip="Delete old releases, or ask the index for a higher limit for the project.",
                rule="project-size",
                prevents="Project size too large.",
            )


def opened_at(release: Release, project: Project) -> datetime | None:
    """Tell when the first file of a release came; `None` where there is none, or the index does not tell."""
    return min((file.uploaded for file in project.of_version(release.version) if file.uploaded), default=None)


def _new_project(release: Release, index: Index) -> Iterator[Note]:
    if index.warehouse and release.project.replace("-", "_") in sys.stdlib_module_names:
        yield Note(
            "warning",
            "The name is that of a module of Python",
            f"{index.title} has no project {release.name!r}, and takes no new one of this name.",
            tip="Choose another project name.",
            rule="project-name",
            prevents=f"The name {release.name!r} isn't allowed (conflict with Python Standard Library module name).",
        )
        return
    detail = f"{index.title} has no project {release.name!r} yet: this release creates it."
    yield Note("notice", "A new project", detail, rule="new-project")


def _other_sdist(title: str, release: Release, missing: Sequence[Distribution], project: Project) -> Iterator[Note]:
    there = [file for file in project.of_version(release.version) if file.filename.endswith((".tar.gz", ".zip"))]
    for each in missing:
        if there and each.found.kind == "sdist":
            yield _error(
                "one-sdist",
                "The release has another sdist",
                f"{title} has {there[0].filename} on the index.",
                "Give the release a new version: a release has one sdist.",
                "Only one sdist may be uploaded per release.",
                path=each.found.shown,
            )


def _same_content(missing: Sequence[Distribution], project: Project) -> Iterator[Note]:
    by_content = {file.hashes["sha256"]: file for file in project.files if "sha256" in file.hashes}
    for each in missing:
        if twin := by_content.get(each.sha256):
            yield _error(
                "same-content",
                "The index has this content under another name",
                f"It is {twin.filename} there.",
                "Do not rename built files: give the project the version, and build again.",
                f"File already exists ('{each.found.filename}', with blake2_256 hash '{each.blake2b_256}').",
                path=each.found.shown,
            )


def _error(rule: str, title: str, detail: str, tip: str, prevents: str = "", path: str | None = None) -> Note:
    return Note("error", title, detail, path, tip, rule, prevents, final=True)
