"""Releases of real repositories: every way to name one reaches the same image, and nothing that is there changes."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from release import __main__ as cli
from release import definition
from release.errors import ReleaseError
from release.git import ACTION, CHANGES, ME, VERSION, Released, Repository
from release.versions import Bump, Version
from tests.line import ROOT
from tests.release.test_values import DAY, DIGEST, NAME

OTHER = "sha256:" + "f" * 64


class World(NamedTuple):
    """A remote, and a clone of it in which releases are made."""

    remote: Path
    here: Repository
    run: Callable[..., dict[str, str]]
    """Runs a command of the command line in the clone, and gives what it prints; it has to end well."""


@pytest.fixture(autouse=True)
def nobodys_git(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the settings of the machine out, as on a runner that nobody set up."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> World:
    """Make a repository with main, a change to release, and a script; and a clone of it."""
    remote, clone, author = tmp_path / "remote.git", tmp_path / "clone", tmp_path / "author"
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", str(remote))
    git(tmp_path, "init", "--quiet", "--initial-branch=main", str(author))
    (author / "entrypoint").mkdir()
    (author / ACTION).write_text((ROOT / ACTION).read_text(encoding="utf-8"), encoding="utf-8")
    (author / VERSION).write_text('"""A program."""\n\n__version__ = "1.2.3"\n\n\n', encoding="utf-8")
    (author / CHANGES).write_text("# Changelog\n\n## Unreleased\n\n- All of it\n", encoding="utf-8")
    (author / "run").write_text("#!/bin/sh\n", encoding="utf-8")
    (author / "run").chmod(0o755)
    git(author, "add", "--all")
    git(author, "commit", "--quiet", "--message=All of it")
    git(author, "remote", "add", "origin", str(remote))
    git(author, "push", "--quiet", "origin", "main")
    git(tmp_path, "clone", "--quiet", str(remote), str(clone))
    monkeypatch.chdir(clone)

    def run(command: str, *arguments: str) -> dict[str, str]:
        status = cli.main([command, *arguments])
        out, err = capsys.readouterr()
        assert (status, err) == (0, "")
        return dict(line.split("=", 1) for line in out.splitlines())

    return World(remote, Repository(clone), run)


def git(folder: Path, *arguments: str) -> str:
    """Run git as somebody."""
    command = ["git", "-C", str(folder), *arguments]
    done = subprocess.run(command, env=os.environ | ME, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def change(world: World, path: str, text: str, *, branch: str = "main") -> str:
    """Commit a change on the remote, as a merged pull request would, and fetch it."""
    folder = world.here.folder.parent / "author"
    git(folder, "fetch", "--quiet", "--tags", "--force", "origin")
    git(folder, "checkout", "--quiet", "-B", branch, f"origin/{branch}")
    (folder / path).write_text(text, encoding="utf-8")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", f"--message=Change {path}")
    git(folder, "push", "--quiet", "origin", branch)
    git(world.here.folder, "fetch", "--quiet", "--tags", "--force", "origin")
    return git(folder, "rev-parse", "HEAD")


def merged(world: World, name: str) -> str:
    """Merge a branch of the remote into main there, and fetch it."""
    folder = world.here.folder.parent / "author"
    git(folder, "fetch", "--quiet", "--tags", "--force", "origin")
    git(folder, "checkout", "--quiet", "-B", "main", "origin/main")
    git(folder, "merge", "--quiet", "--no-edit", f"origin/{name}")
    git(folder, "push", "--quiet", "origin", "main")
    git(world.here.folder, "fetch", "--quiet", "--tags", "--force", "origin")
    return git(folder, "rev-parse", "HEAD")


def made(world: World, source: str, bump: Bump, digest: str = DIGEST) -> tuple[Version, Released]:
    """Make a release, push it, and move what moves."""
    prepared = world.here.prepare(source, bump, DAY)
    released = world.here.release(source, prepared, NAME, digest)
    world.here.push("origin", released, prepared.version)
    world.here.move("origin", prepared.version)
    return prepared.version, released


def reached(folder: Path, ref: str) -> str:
    """Give the image that a ref of a repository reaches, as GitHub finds it: the action.yml of its commit."""
    text = git(folder, "cat-file", "blob", f"{git(folder, 'rev-parse', f'{ref}^{{commit}}')}:{ACTION}")
    return str(yaml.safe_load(text)["runs"]["image"])


def test_every_ref_reaches_the_same_image(world: World, tmp_path: Path) -> None:
    """Commit, tag object, tag, moving tags and branch: one image; and in a fork too."""
    source = world.here.commit("origin/main")
    version, released = made(world, source, Bump.PATCH)
    assert str(version) == "1.2.4"
    fork = tmp_path / "fork.git"
    git(tmp_path, "clone", "--quiet", "--mirror", str(world.remote), str(fork))
    names = [released.commit, released.tag, "v1.2.4", "v1.2", "v1", "release/v1", "refs/tags/v1.2.4"]
    for folder in (world.remote, fork):
        assert {reached(folder, name) for name in names} == {f"docker://{NAME}@{DIGEST}"}
        assert git(folder, "cat-file", "-t", released.tag) == "tag"
        assert reached(folder, "main") == "Dockerfile"
    assert len({released.commit, released.tag}) == 2
    git(world.here.folder, "fetch", "--quiet", "--tags", "--force", "origin")
    assert world.here.same_image(["v1", "v1.2", "v1.2.4", "release/v1", released.commit, released.tag]) == (
        f"{NAME}@{DIGEST}"
    )


def test_what_a_release_commit_changes(world: World) -> None:
    """It has its source as grandparent, and three files differ: by version, section and image, and nothing else."""
    source = world.here.commit("origin/main")
    _, released = made(world, source, Bump.PATCH)
    assert world.here.changed(source, released.commit) == {ACTION, VERSION, CHANGES}
    assert world.here.changed(source, released.prepared) == {VERSION, CHANGES}
    assert git(world.remote, "rev-parse", f"{released.commit}~2") == source
    assert world.here.text(released.commit, VERSION) == '"""A program."""\n\n__version__ = "1.2.4"\n\n\n'
    assert "\n## 1.2.4 (2026-11-25)\n\n- All of it\n" in world.here.text(released.commit, CHANGES)
    assert git(world.remote, "ls-tree", released.commit, "run").startswith("100755 ")
    assert "- All of it" in git(world.remote, "cat-file", "tag", "v1.2.4")


def test_nothing_here_changes(world: World) -> None:
    """The working tree and the index of the clone are left alone."""
    (world.here.folder / "scratch").write_text("mine")
    made(world, world.here.commit("origin/main"), Bump.PATCH)
    assert git(world.here.folder, "status", "--porcelain") == "?? scratch"
    assert not (world.here.folder / ".git" / "release-index").exists()


def test_the_same_release_twice(world: World) -> None:
    """A tag is refused here when it is known, and by the remote when it is not; what is there stays what it is."""
    source = world.here.commit("origin/main")
    _, released = made(world, source, Bump.PATCH)
    prepared = world.here.prepare(source, Bump.PATCH, DAY)
    with pytest.raises(ReleaseError, match="never moves"):
        world.here.release(source, prepared, NAME, OTHER)
    git(world.here.folder, "tag", "--delete", "v1.2.4")
    again = world.here.release(source, prepared, NAME, OTHER)
    with pytest.raises(ReleaseError, match="push"):
        world.here.push("origin", again, prepared.version)
    assert git(world.remote, "rev-parse", "v1.2.4") == released.tag
    with pytest.raises(ReleaseError, match="another one there"):
        world.here.move("origin", prepared.version)
    assert reached(world.remote, "v1") == f"docker://{NAME}@{DIGEST}"


def test_releases_one_after_another(world: World) -> None:
    """Moving tags follow, immutable ones stay, and main gets version and change log by a merge that is clean."""
    made(world, world.here.commit("origin/main"), Bump.AS_IS)
    merged(world, "released/v1.2.3")
    text = world.here.text("origin/main", CHANGES)
    change(world, CHANGES, text.replace("## Unreleased\n", "## Unreleased\n\n- New\n"))
    version, _ = made(world, world.here.commit("origin/main"), Bump.MINOR, OTHER)
    assert str(version) == "1.3.0"
    found = {name: reached(world.remote, name)[-1] for name in ("v1.2.3", "v1.2", "v1.3.0", "v1.3", "v1", "release/v1")}
    assert found == {"v1.2.3": "f", "v1.2": "f", "v1.3.0": "f", "v1.3": "f", "v1": "f", "release/v1": "f"} | (
        {"v1.2.3": DIGEST[-1], "v1.2": DIGEST[-1]}
    )
    log = world.here.text("v1.3.0", CHANGES)
    assert log.index("## Unreleased") < log.index("## 1.3.0") < log.index("- New") < log.index("## 1.2.3")
    with pytest.raises(ReleaseError, match="different images"):
        world.here.same_image(["v1.2.3", "v1.3.0"])


def test_an_older_line(world: World) -> None:
    """A release of an older line moves its own `vX.Y` and leaves `vX` where it is."""
    source = world.here.commit("origin/main")
    made(world, source, Bump.AS_IS)
    made(world, source, Bump.MINOR, OTHER)
    version, _ = made(world, world.here.source_of(Version(1, 2, 3)), Bump.REBUILD, "sha256:" + "e" * 64)
    assert str(version) == "1.2.4"
    assert [reached(world.remote, name)[-1] for name in ("v1.2", "v1.3", "v1", "release/v1")] == ["e", "f", "f", "f"]


def test_a_rebuild_of_a_rebuild(world: World) -> None:
    """What is rebuilt is what was released, whatever is in main by now."""
    made(world, world.here.commit("origin/main"), Bump.AS_IS)
    change(world, "new.py", "raise SystemExit\n")
    for number, digest in ((4, OTHER), (5, DIGEST)):
        found = world.run("latest")
        settled = world.run("plan", "--source", found["source"], "--bump", "rebuild")
        assert settled["version"] == f"1.2.{number}"
        _, released = made(world, found["source"], Bump.REBUILD, digest)
        assert "new.py" not in git(world.remote, "ls-tree", "-r", "--name-only", released.commit).splitlines()
    assert world.here.text("v1.2.5", CHANGES).count("- Rebuilt with") == 2


def test_somebody_else_moves_a_tag(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What moved since it was looked at is not overwritten, and then nothing is moved at all."""
    source = world.here.commit("origin/main")
    made(world, source, Bump.AS_IS)
    prepared = world.here.prepare(source, Bump.PATCH, DAY)
    released = world.here.release(source, prepared, NAME, OTHER)
    world.here.push("origin", released, prepared.version)
    seen = world.here.refs("origin")
    git(world.remote, "update-ref", "refs/tags/v1", source)
    monkeypatch.setattr(Repository, "refs", lambda *_: seen)
    with pytest.raises(ReleaseError, match=r"stale info|rejected"):
        world.here.move("origin", prepared.version)
    assert git(world.remote, "rev-parse", "v1") == source
    assert reached(world.remote, "v1.2") == f"docker://{NAME}@{DIGEST}"


def test_more_than_a_release_may_change(world: World) -> None:
    """A release commit with another file, another mode, or more of a file than is a release's own is refused."""
    source = world.here.commit("origin/main")
    prepared = world.here.prepare(source, Bump.PATCH, DAY)
    pinned = definition.pin(world.here.text(source, ACTION), NAME, DIGEST)
    good = {**prepared.files, ACTION: pinned}

    world.here.verify(source, world.here._commit(source, good, "x"), prepared.version)
    for files, expected in (
        ({**good, "new.py": "x\n"}, "changes new.py too"),
        ({**good, "run": "#!/bin/sh\n"}, "changes run too"),  # it loses its mode
        ({**good, ACTION: pinned.replace("color: blue", "color: red")}, "more of action.yml"),
        ({**good, ACTION: world.here.text(source, ACTION)}, "by its digest"),
        ({**good, VERSION: good[VERSION] + "import os\n"}, "more of entrypoint"),
        ({**good, VERSION: good[VERSION].replace("1.2.4", "1.2.5")}, "another one than"),
        ({**good, CHANGES: world.here.text(source, CHANGES)}, "0 found"),
    ):
        with pytest.raises(ReleaseError, match=expected):
            world.here.verify(source, world.here._commit(source, files, "x"), prepared.version)


def test_what_is_not_released(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """A name, a short commit, a tag object, a commit that nobody merged, and one that is not there are refused."""
    made(world, world.here.commit("origin/main"), Bump.AS_IS)
    folder = world.here.folder.parent / "author"
    git(folder, "checkout", "--quiet", "-B", "mine")
    git(folder, "push", "--quiet", "origin", "mine")
    mine = change(world, "new.py", "x\n", branch="mine")
    main = world.here.commit("origin/main")
    for source, expected in (
        ("main", "all 40 digits"),
        (main[:12], "all 40 digits"),
        (world.here.refs()["refs/tags/v1.2.3"], "tag object"),
        (mine, "nobody has reviewed"),
        ("0" * 40, "no commit, tag or branch"),
        (main, "never moves"),
    ):
        assert cli.main(["plan", "--source", source, "--bump", "as-is"]) == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert expected in err
        assert len(err.splitlines()) == 1


def test_by_command(world: World, tmp_path: Path) -> None:
    """The commands, as the workflow runs them: plan, write, join, release, same, move, latest, caller."""
    source = world.here.commit("origin/main")
    settled = world.run("plan", "--source", source, "--bump", "patch")
    assert settled["version"] == "1.2.4"
    assert re.fullmatch(r"\d{9,}", settled["epoch"])
    about = ["--source", source, "--bump", "patch", "--day", settled["day"]]

    checkout = tmp_path / "checkout"
    git(world.here.folder, "worktree", "add", "--quiet", "--detach", str(checkout), source)
    assert world.run("write", *about, "--into", str(checkout)) == {}
    assert '__version__ = "1.2.4"' in (checkout / VERSION).read_text(encoding="utf-8")

    digests = {"amd64": "sha256:" + "a" * 64, "arm64": "sha256:" + "b" * 64}
    (tmp_path / "digests").mkdir()
    for name, digest in digests.items():
        (tmp_path / "digests" / name).write_text(f"{digest}\n")
    manifests = [
        {"digest": digest, "platform": {"os": "linux", "architecture": name}} for name, digest in digests.items()
    ]
    raw = json.dumps({"mediaType": "application/vnd.oci.image.index.v1+json", "manifests": manifests})
    (tmp_path / "raw").write_text(raw)
    joined = world.run("join", "--raw", str(tmp_path / "raw"), "--digests", str(tmp_path / "digests"))
    assert {name: joined[name] for name in digests} == digests

    image = ["--image", NAME, "--digest", joined["digest"]]
    released = world.run("release", *about, *image, "--remote", "origin")
    assert reached(world.remote, released["commit"]) == f"docker://{NAME}@{joined['digest']}"
    notes = git(world.remote, "cat-file", "tag", "v1.2.4")
    assert "- All of it" in notes
    assert joined["digest"] in notes
    assert git(checkout, "diff", "--name-only", f"{released['commit']}^") == ""  # the image was made of what is tagged
    commit, tag, name = json.loads(released["refs"])
    assert (commit, name) == (released["commit"], "v1.2.4")
    assert git(world.remote, "cat-file", "-t", tag) == "tag"

    moved = world.run("move", "--version", "1.2.4", "--remote", "origin")
    assert json.loads(moved["refs"]) == ["v1", "release/v1", "v1.2"]
    assert world.run("same", commit, tag, name) == {"image": f"{NAME}@{joined['digest']}"}
    assert world.run("latest") == {"version": "1.2.4", "source": git(world.remote, "rev-parse", f"{commit}^")}

    assert world.run("caller", "--repository", "org/a", "--ref", tag, "--folder", str(tmp_path / "caller")) == {}
    assert f"uses: org/a@{tag}" in (tmp_path / "caller" / ACTION).read_text(encoding="utf-8")


def test_nothing_to_rebuild(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Before the first release there is none."""
    assert world.here.releases() == []
    assert cli.main(["latest"]) == 1
    assert capsys.readouterr().err == "release: nothing was released yet\n"


def test_a_bad_version(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """A version that is none is told in one line."""
    assert world.here.releases() == []
    assert cli.main(["move", "--version", "v1", "--remote", "origin"]) == 1
    assert "is not a version" in capsys.readouterr().err
