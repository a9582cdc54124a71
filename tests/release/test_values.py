"""Versions, the change log, `action.yml`, refs and the image index: what is settled without a repository."""

from __future__ import annotations

import hashlib
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from release import changelog, definition, index, refs, versions
from release.callers import INPUTS, OUTPUTS, composite
from release.errors import ReleaseError
from release.versions import Bump, Version
from tests.action.definition import load
from tests.line import ROOT

ACTION = (ROOT / "action.yml").read_text(encoding="utf-8")
DIGEST = "sha256:" + "0123456789abcdef" * 4
NAME = "ghcr.io/org/publish-action"
DAY = date(2026, 11, 25)
LOG = "# Changelog\n\nWords.\n\n## Unreleased\n\n- One\n  more.\n\n## 1.2.2 (2026-10-01)\n\n- Old\n"


# Versions


@pytest.mark.parametrize(
    ("bump", "expected"),
    [("as-is", "1.2.3"), ("patch", "1.2.4"), ("rebuild", "1.2.4"), ("minor", "1.3.0"), ("major", "2.0.0")],
)
def test_what_comes_next(bump: str, expected: str) -> None:
    """A rebuild is a patch release; a larger step resets the smaller numbers."""
    assert str(Version(1, 2, 3).after(Bump(bump))) == expected


@pytest.mark.parametrize("text", ["1.2", "v1.2.3", "1.2.3rc1", "01.2.3", "1.2.3\n", "1.2.3.4", "", "1.2.٣"])
def test_what_is_no_version(text: str) -> None:
    """Only X.Y.Z is one."""
    with pytest.raises(ReleaseError, match=r"X\.Y\.Z"):
        Version.read(text)


def test_versions_of_tags() -> None:
    """A release's tag is one, a moving one is not; versions are ordered by number."""
    assert Version.of_tag("v1.10.0") == Version(1, 10, 0) > Version(1, 9, 9)
    assert [Version.of_tag(tag) for tag in ("v1", "v1.2", "1.2.3", "v1.2.3-rc", "release/v1")] == [None] * 5


def test_version_in_its_module() -> None:
    """The version is replaced, and every other character stays."""
    source = '"""Doc: __version__."""\n\n__version__ = "0.1.0"\nother = 1\n'
    assert versions.write(source, Version(1, 0, 0)) == source.replace("0.1.0", "1.0.0")
    own = (ROOT / "entrypoint" / "__init__.py").read_text(encoding="utf-8")
    assert versions.write(own, versions.read(own)) == own


@pytest.mark.parametrize("source", ["", "__version__ = '0.1.0'\n", '__version__ = "1.0.0"\n__version__ = "1.0.0"\n'])
def test_no_version_in_its_module(source: str) -> None:
    """None, another spelling, and two are refused."""
    with pytest.raises(ReleaseError, match="one line"):
        versions.read(source)


# The change log


def test_cut() -> None:
    """What was unreleased gets the version and the day; the heading stays for what comes."""
    after = changelog.cut(LOG, Version(1, 2, 3), DAY)
    assert after == LOG.replace("## Unreleased\n", "## Unreleased\n\n## 1.2.3 (2026-11-25)\n")
    assert changelog.section(after, Version(1, 2, 3)) == "- One\n  more."
    assert changelog.section(after, Version(1, 2, 2)) == "- Old"


def test_cut_of_a_rebuild() -> None:
    """A rebuild says that it is one, and leaves the sections below alone."""
    log = LOG.replace("- One\n  more.\n\n", "")
    after = changelog.cut(log, Version(1, 2, 3), DAY, rebuild=True)
    assert changelog.section(after, Version(1, 2, 3)) == changelog.REBUILT
    assert changelog.section(after, Version(1, 2, 2)) == "- Old"
    assert after.startswith("# Changelog\n\nWords.\n\n## Unreleased\n\n## 1.2.3 (2026-11-25)\n\n- Rebuilt")


@pytest.mark.parametrize(
    ("log", "rebuild", "expected"),
    [
        (LOG, True, "has no changes of its own"),
        (LOG.replace("- One\n  more.\n", ""), False, "say what changes"),
        (LOG.replace("## Unreleased", "## Next"), False, "0 found"),
        (LOG + "\n## Unreleased\n\n- Two\n", False, "2 found"),
        (LOG.replace("1.2.2", "1.2.3"), False, "already"),
    ],
)
def test_what_cannot_be_cut(log: str, rebuild: bool, expected: str) -> None:
    """Nothing to say, something to say in a rebuild, no section, two, and a version that is there are refused."""
    with pytest.raises(ReleaseError, match=expected):
        changelog.cut(log, Version(1, 2, 3), DAY, rebuild=rebuild)


def test_no_section() -> None:
    """A version without a section, or without its day, is refused; 1.2.2 is no part of 11.2.2 or 1.2.20."""
    for version in (Version(1, 2, 20), Version(1, 2, 1)):
        with pytest.raises(ReleaseError, match="0 found"):
            changelog.section(LOG, version)
    with pytest.raises(ReleaseError, match="0 found"):
        changelog.section(LOG.replace(" (2026-10-01)", ""), Version(1, 2, 2))


def test_our_own_change_log_can_be_cut() -> None:
    """CHANGELOG.md has the form that a release needs."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    for heading in [line for line in text.splitlines() if line.startswith("## ")]:
        if heading != changelog.UNRELEASED:
            assert changelog.section(text, Version.read(heading.split()[1]))
    assert changelog.UNRELEASED in text


# action.yml


def test_pin() -> None:
    """The image takes the place of the Dockerfile, comments and all else stay, and GitHub loads the result."""
    text = ACTION.replace("  image: Dockerfile", "  image: Dockerfile  # on main # only")
    after = definition.pin(text, NAME, DIGEST)
    assert after == text.replace("image: Dockerfile", f"image: docker://{NAME}@{DIGEST}")
    assert definition.pinned(after) == f"{NAME}@{DIGEST}"
    assert definition.unpinned(after) == text


def test_the_pinned_action_loads(tmp_path: Path) -> None:
    """The runner takes the definition, with the same inputs and outputs as before."""
    (tmp_path / "action.yml").write_text(definition.pin(ACTION, NAME, DIGEST), encoding="utf-8")
    before, after = load(ROOT), load(tmp_path)
    assert after.image == f"docker://{NAME}@{DIGEST}"
    assert (after.inputs, after.outputs, after.name) == (before.inputs, before.outputs, before.name)


def test_only_the_image_under_runs() -> None:
    """An input called `image` is none."""
    text = ACTION.replace("inputs:\n", "inputs:\n  image:\n    description: x\n")
    assert definition.unpinned(definition.pin(text, NAME, DIGEST)) == text
    assert f"  image: docker://{NAME}" in definition.pin(text, NAME, DIGEST)


@pytest.mark.parametrize(
    ("text", "name", "digest"),
    [
        (ACTION, NAME, "sha256:0"),
        (ACTION, NAME, DIGEST.upper()),
        (ACTION, f"{NAME}:v1", DIGEST),
        (ACTION, "Org/publish-action", DIGEST),
        (ACTION, f"{NAME} # ", DIGEST),
        (ACTION, f"{NAME}\n", DIGEST),
        (ACTION.replace("image: Dockerfile", "main: x"), NAME, DIGEST),
        (ACTION + "  image: Dockerfile\n", NAME, DIGEST),
        (ACTION.replace("Dockerfile", f"docker://{NAME}@{DIGEST}"), NAME, DIGEST),
        (ACTION.replace("\nruns:", "\nrun:"), NAME, DIGEST),
    ],
)
def test_what_is_not_pinned(text: str, name: str, digest: str) -> None:
    """A short digest, a tag, a name that no registry has, no line or two, and a definition that is pinned: refused."""
    with pytest.raises(ReleaseError):
        definition.pin(text, name, digest)


def test_main_is_not_pinned() -> None:
    """The definition in this tree is that of main, or that of a release."""
    if definition.image(ACTION) != definition.BUILT:
        assert definition.pinned(ACTION)
    with pytest.raises(ReleaseError, match="by its digest"):
        definition.pinned(definition.unpinned(ACTION))


# Refs


def moved(version: Version, *there: str) -> list[str]:
    """Give the short names of what moves."""
    return [ref.name.split("/", 2)[2] for ref in refs.moving(version, dict.fromkeys(there, "0" * 40))]


def test_what_moves() -> None:
    """The newest release of its line moves `vX.Y`, the newest of its major version `vX` and the branch too."""
    all_three = ["v1", "release/v1", "v1.2"]
    assert moved(Version(1, 2, 3)) == all_three
    assert moved(Version(1, 2, 3), "refs/tags/v1.2.3", "refs/tags/v1.2.2", "refs/tags/v1", "refs/tags/v0.9.0") == (
        all_three
    )
    assert moved(Version(1, 2, 3), "refs/tags/v1.10.0") == ["v1.2"]
    assert moved(Version(1, 2, 3), "refs/tags/v2.0.0") == all_three
    assert moved(Version(1, 2, 3), "refs/tags/v1.2.4") == []
    assert moved(Version(1, 2, 3), "refs/heads/v1.2.4", "refs/tags/v1.2.4-rc") == all_three


def test_leases() -> None:
    """A ref is moved from where it was seen, and made only if it was not there."""
    there = {"refs/tags/v1": "a" * 40}
    found = {ref.name: ref.pushed for ref in refs.moving(Version(1, 2, 3), there)}
    assert found["refs/tags/v1"] == f"--force-with-lease=refs/tags/v1:{'a' * 40}"
    assert found["refs/tags/v1.2"] == "--force-with-lease=refs/tags/v1.2:"


def test_a_release_is_made_once() -> None:
    """A tag that is there refuses its version, and nothing else's."""
    refs.refused(Version(1, 2, 3), ["refs/tags/v1.2.30", "refs/heads/v1.2.3", "refs/tags/v1.2"])
    with pytest.raises(ReleaseError, match=r"v1\.2\.3 exists, and never moves.*released/v1\.2\.3"):
        refs.refused(Version(1, 2, 3), ["refs/tags/v1.2.3"])


# The image index


def raw(*images: tuple[str, str], kind: str = "application/vnd.oci.image.index.v1+json") -> bytes:
    """Write an index."""
    manifests: list[dict[str, Any]] = []
    for platform, digest in images:
        system, architecture = platform.split("/")
        manifests.append({
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": digest,
            "platform": {"os": system, "architecture": architecture, "variant": "v8"},
        })  # fmt: skip
    return json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": manifests}).encode()


AMD, ARM = ("linux/amd64", "sha256:aa"), ("linux/arm64", "sha256:bb")


def test_index() -> None:
    """The digest of an index is that of its bytes; the order of the platforms is nobody's concern."""
    text = raw(ARM, AMD)
    assert index.digest(text, dict([AMD, ARM])) == f"sha256:{hashlib.sha256(text).hexdigest()}"


@pytest.mark.parametrize(
    "text",
    [
        raw(AMD),
        raw(AMD, ARM, ("unknown/unknown", "sha256:cc")),
        raw(AMD, (ARM[0], "sha256:cc")),
        raw((AMD[0], ARM[1]), (ARM[0], AMD[1])),
        raw(AMD, ARM, ARM),
        raw(AMD, ARM, kind="application/vnd.oci.image.manifest.v1+json"),
        b"{}",
        b"not found",
        b"[]",
    ],
)
def test_another_index(text: bytes) -> None:
    """A platform too few or too many, another image, platforms swapped, and what is no index are refused."""
    with pytest.raises(ReleaseError):
        index.digest(text, dict([AMD, ARM]))


# Callers


def test_caller() -> None:
    """The composite action calls the ref, hands all inputs through, and gives all outputs back."""
    text = yaml.safe_load(composite("org/publish-action", "release/v1"))
    known = yaml.safe_load(ACTION)
    (step,) = text["runs"]["steps"]
    assert step["uses"] == "org/publish-action@release/v1"
    assert step["with"] == {name: f"${{{{ inputs.{name} }}}}" for name in INPUTS}
    assert set(text["inputs"]) == set(INPUTS) <= set(known["inputs"])
    assert set(text["outputs"]) == set(OUTPUTS) <= set(known["outputs"])


@pytest.mark.parametrize(("repository", "ref"), [("org", "v1"), ("a/b/c", "v1"), ("a/b", "v1\n x: y"), ("a/b", "")])
def test_no_caller(repository: str, ref: str) -> None:
    """What would be more than one line, or no action, is refused."""
    with pytest.raises(ReleaseError, match="is not an action"):
        composite(repository, ref)
