"""`action.yml`: `image: Dockerfile` on main, an image by its digest in a release."""

from __future__ import annotations

import re

from release.errors import ReleaseError

BUILT = "Dockerfile"
"""What `image` says where nothing is released."""

_IMAGE = re.compile(r"^(?P<key>  image:[ ]+)(?P<value>[^\s#]+)(?P<rest>[ \t]*(?:#.*)?)$", re.MULTILINE)
_PINNED = re.compile(
    r"docker://(?P<registry>[a-z0-9.-]+\.[a-z]+(?::\d+)?)(?P<path>(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)+)"
    r"@sha256:(?P<digest>[0-9a-f]{64})"
)


def image(text: str) -> str:
    """Give the value of `runs.image`."""
    return _line(text)["value"]


def pinned(text: str) -> str:
    """Give the image that a release's definition names, as `docker pull` takes it."""
    value = image(text)
    if not _PINNED.fullmatch(value):
        raise ReleaseError(f"`image: {value}` does not name an image by its digest")
    return value.removeprefix("docker://")


def pin(text: str, name: str, digest: str) -> str:
    """Give the definition with the image by its digest in place of the Dockerfile; every other character stays."""
    value = f"docker://{name}@{digest}"
    if not _PINNED.fullmatch(value):
        raise ReleaseError(f"'{value}' does not name an image by its digest")
    match = _line(text)
    if match["value"] != BUILT:
        raise ReleaseError(f"`image: {match['value']}` is not `image: {BUILT}`: this is not the source of a release")
    return f"{text[: match.start('value')]}{value}{text[match.end('value') :]}"


def unpinned(text: str) -> str:
    """Give the definition as it is on main."""
    match = _line(text)
    return f"{text[: match.start('value')]}{BUILT}{text[match.end('value') :]}"


def _line(text: str) -> re.Match[str]:
    runs = re.search(r"^runs:[ \t]*(?:#.*)?$", text, re.MULTILINE)
    found = [each for each in _IMAGE.finditer(text) if runs and each.start() > runs.end()]
    if len(found) != 1:
        raise ReleaseError(f"one line `image: …` is expected under `runs:`, {len(found)} found")
    return found[0]
