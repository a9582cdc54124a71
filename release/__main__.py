"""`python3 -m release COMMAND`: the steps of a release, for the workflows in `.github/workflows`.

What a later step needs is printed as `name=value`, for `$GITHUB_OUTPUT`. A refusal is one line and exit status 1.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

from release import index
from release.callers import composite
from release.errors import ReleaseError
from release.git import ACTION, Repository, today
from release.refs import refused
from release.versions import Bump, Version

MAIN = "refs/remotes/origin/main"
PLATFORMS = {"linux/amd64": "amd64", "linux/arm64": "arm64"}


def main(arguments: list[str] | None = None) -> int:
    """Run one command."""
    try:
        given = _parser().parse_args(arguments)
        for line in given.command(Repository(given.C), given):
            sys.stdout.write(f"{line}\n")
    except ReleaseError as error:
        sys.stderr.write(f"release: {error}\n")
        return 1
    return 0


def plan(repository: Repository, given: argparse.Namespace) -> Iterable[str]:
    """Settle source and version, and refuse what cannot be released, before anything is built."""
    if not re.fullmatch(r"[0-9a-f]{40}", given.source):
        raise ReleaseError(f"'{given.source}' is not a commit: give all 40 digits, so that what is released is settled")
    source = repository.commit(given.source)
    if source != given.source:
        raise ReleaseError(f"'{given.source}' is a tag object: give the commit")
    made_of = {repository.source_of(version) for version in repository.releases()}
    if source not in made_of and not repository.contains(MAIN, source):
        raise ReleaseError(f"{source} is neither in main nor the source of a release: nobody has reviewed it")
    day = today()
    prepared = repository.prepare(source, given.bump, day)
    refused(prepared.version, repository.refs())
    yield f"version={prepared.version}"
    yield f"day={day.isoformat()}"
    yield f"epoch={repository.git('show', '--no-patch', '--format=%ct', source)}"


def write(repository: Repository, given: argparse.Namespace) -> Iterable[str]:
    """Write version and change log into a checkout of the source, for the image to be made of."""
    prepared = repository.prepare(given.source, given.bump, given.day)
    for path, text in prepared.files.items():
        (given.into / path).write_text(text, encoding="utf-8")
    return ()


def join(_repository: Repository, given: argparse.Namespace) -> Iterable[str]:
    """See that the index that was pushed joins exactly the images of the platforms, and give its digest."""
    digests = {
        platform: (given.digests / name).read_text(encoding="utf-8").strip() for platform, name in PLATFORMS.items()
    }
    yield f"digest={index.digest(given.raw.read_bytes(), digests)}"
    for platform, name in PLATFORMS.items():
        yield f"{name}={digests[platform]}"


def release(repository: Repository, given: argparse.Namespace) -> Iterable[str]:
    """Make the release commit and its tag, and push them."""
    prepared = repository.prepare(given.source, given.bump, given.day)
    released = repository.release(given.source, prepared, given.image, given.digest)
    repository.push(given.remote, released, prepared.version)
    yield f"commit={released.commit}"
    yield f"refs={json.dumps([released.commit, released.tag, prepared.version.tag])}"


def move(repository: Repository, given: argparse.Namespace) -> Iterable[str]:
    """Move `vX`, `vX.Y` and `release/vX` to a release, where it is the newest of its line."""
    moved = repository.move(given.remote, given.version)
    yield f"refs={json.dumps([name.removeprefix('refs/tags/').removeprefix('refs/heads/') for name in moved])}"


def same(repository: Repository, given: argparse.Namespace) -> Iterable[str]:
    """See that all refs reach one image, and give it."""
    yield f"image={repository.same_image(given.refs)}"


def latest(repository: Repository, _given: argparse.Namespace) -> Iterable[str]:
    """Give the newest release, and what it was made of."""
    versions = repository.releases()
    if not versions:
        raise ReleaseError("nothing was released yet")
    yield f"version={versions[0]}"
    yield f"source={repository.source_of(versions[0])}"


def caller(_repository: Repository, given: argparse.Namespace) -> Iterable[str]:
    """Write a composite action that calls a ref."""
    given.folder.mkdir(parents=True, exist_ok=True)
    (given.folder / ACTION).write_text(composite(given.repository, given.ref), encoding="utf-8")
    return ()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m release", description=__doc__)
    parser.add_argument("-C", type=Path, default=Path(), metavar="FOLDER", help="the repository, if it is not here")
    commands = parser.add_subparsers(required=True)
    options: dict[str, dict[str, Any]] = {
        "--source": {"help": "the commit that is released"},
        "--bump": {"type": Bump, "choices": list(Bump), "help": "how the version follows from the source's"},
        "--day": {"type": date.fromisoformat, "help": "day of the release, as `plan` gave it"},
        "--into": {"type": Path, "help": "checkout of the source"},
        "--raw": {"type": Path, "help": "file with the index, byte for byte"},
        "--digests": {"type": Path, "help": "folder with the digest of each platform, in a file with its name"},
        "--image": {"help": "name of the image, without tag and digest"},
        "--digest": {"help": "digest of the index"},
        "--remote": {"help": "where to push"},
        "--version": {"type": Version.read, "help": "version that was released"},
        "--repository": {"help": "owner and name of the action"},
        "--ref": {"help": "its branch, tag, tag object or commit"},
        "--folder": {"type": Path, "help": "where the composite action goes"},
    }
    for command, names in (
        (plan, "--source --bump"),
        (write, "--source --bump --day --into"),
        (join, "--raw --digests"),
        (release, "--source --bump --day --image --digest --remote"),
        (move, "--version --remote"),
        (same, ""),
        (latest, ""),
        (caller, "--repository --ref --folder"),
    ):
        sub = commands.add_parser(command.__name__, help=command.__doc__)
        sub.set_defaults(command=command)
        for name in names.split():
            sub.add_argument(name, required=True, **options[name])
        if command is same:
            sub.add_argument("refs", nargs="+")
    return parser


if __name__ == "__main__":
    sys.exit(main())
