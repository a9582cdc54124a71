"""Sigstore, as the one module sees it that knows its libraries: whom it trusts, who we are, and what it asks."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pypi_attestations import GitHubPublisher, GitLabPublisher, GooglePublisher

from entrypoint.attestations import signing
from entrypoint.attestations.signing import Repository, Sigstore
from entrypoint.credentials.exchange import Exchange
from entrypoint.distribution import Distribution, collect, read
from entrypoint.errors import CredentialError, Unavailable
from tests.attestations.job import REKOR, Job
from tests.contexts import context
from tests.distributions import make_wheel
from tests.peers.scripted import Answer, Request
from tests.peers.world import World
from tests.peers.world.sigstore_tuf import HOST, Tuf
from tests.plans import PYPI


@pytest.fixture
def exchange(job: Job) -> Iterator[Exchange]:
    """Return what asks in the world, and waits for nothing."""
    with httpx.Client(transport=job.world.transport(), timeout=10) as http:
        yield context(http=http).exchange


@pytest.fixture
def wheel(tmp_path: Path) -> Distribution:
    """Return a wheel that was read."""
    path = make_wheel(tmp_path / "files", "demo")
    return read(collect([path.name], path.parent).found[0], PYPI)[0]


def public(world: World, **options: int) -> Tuf:
    """Let the public instance be there, and tell whom to trust."""
    tuf = Tuf(world, world.sigstore.trust_config(public_names=True), **options)
    world.add(tuf)
    return tuf


# Whom to trust


@pytest.mark.parametrize("rotations", [0, 2])
def test_the_public_instance(
    rotations: int, job: Job, exchange: Exchange, wheel: Distribution, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its repository is followed from the root that came along, over others, and nothing of it stays on the disk."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = sorted(tmp_path.iterdir())
    tuf = public(job.world, rotations=rotations)
    ours = Sigstore(exchange, job.world.github.token, None, repository=Repository(tuf.url, tuf.root))
    assert ours.notes == []
    asked = [entry.path for entry in job.world.journal.to(HOST)]
    assert asked[: rotations + 1] == [f"/{number}.root.json" for number in range(2, rotations + 3)]
    assert asked[rotations + 1 : rotations + 4] == ["/timestamp.json", "/1.snapshot.json", "/1.targets.json"]
    assert [path.rpartition("/")[0] for path in asked[rotations + 4 :]] == ["/targets", "/targets"]
    assert sorted(tmp_path.iterdir()) == before
    (entry,) = [ours.signed(wheel)]
    assert (
        entry.log == job.world.sigstore.entries[0].url == f"{signing.PUBLIC_LOG}{job.world.sigstore.entries[0].index}"
    )
    assert {each.host for each in job.world.journal.entries} == {HOST, "fulcio.sigstore.dev", "rekor.sigstore.dev"}


def _other_root(tuf: Tuf, world: World) -> bytes:
    return Tuf(world, world.sigstore.trust_config(public_names=True)).root if tuf.root else b""


def _tampered(tuf: Tuf, _: World) -> bytes:
    tuf.targets["trusted_root.json"] = tuf.targets["trusted_root.json"].replace(b"sigstore.dev", b"sigstore.xyz")
    return tuf.root


def _down(tuf: Tuf, world: World) -> bytes:
    world.faults.set("tuf", True)
    return tuf.root


def _page(tuf: Tuf, world: World) -> bytes:
    world.faults.set("tuf", Answer(body=b"<!DOCTYPE html>"))
    return tuf.root


def _cut(tuf: Tuf, world: World) -> bytes:
    world.faults.set("tuf", Answer(cut="after-body"))
    return tuf.root


def _elsewhere(tuf: Tuf, world: World) -> bytes:
    world.faults.set("tuf", Answer(302, headers={"Location": "https://elsewhere.example/"}))
    return tuf.root


@pytest.mark.parametrize("trouble", [_other_root, _tampered, _down, _page, _cut, _elsewhere])
def test_a_repository_of_no_use(trouble: Callable[[Tuf, World], bytes], job: Job, exchange: Exchange) -> None:
    """Where the repository cannot be read, or is not signed by those who are trusted, the copy that came along is used,
    and a notice says so.
    """
    tuf = public(job.world)
    root = trouble(tuf, job.world)
    ours = Sigstore(exchange, job.world.github.token, None, repository=Repository(tuf.url, root))
    (note,) = ours.notes
    assert (note.level, note.title) == ("notice", "Sigstore's keys are those that came along")
    assert note.detail.startswith(f"{HOST} could not be read (")
    assert note.detail.endswith("): the copy that was shipped with this program is used.")
    assert ours._context._fulcio.url == "https://fulcio.sigstore.dev"
    assert ours._log == signing.PUBLIC_LOG
    assert job.world.journal.to(HOST)


def test_an_old_repository(job: Job, exchange: Exchange) -> None:
    """A repository whose time is over is not believed."""
    tuf = public(job.world, days=-1)
    ours = Sigstore(exchange, job.world.github.token, None, repository=Repository(tuf.url, tuf.root))
    assert "(ExpiredMetadataError)" in ours.notes[0].detail


def test_no_temporary_folder(job: Job, exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a place to write to, nobody is asked for what could not be kept for a moment."""

    def nowhere(**_: object) -> None:
        raise FileNotFoundError("No usable temporary directory found")

    tuf = public(job.world)
    monkeypatch.setattr(tempfile, "TemporaryDirectory", nowhere)
    ours = Sigstore(exchange, job.world.github.token, None, repository=Repository(tuf.url, tuf.root))
    assert "(FileNotFoundError)" in ours.notes[0].detail
    assert not job.world.journal.to(HOST)


def test_the_copy_that_came_along() -> None:
    """It has the first version of the log, and it is for the public instance."""
    config = signing._embedded()
    config.force_tlog_version = 1
    (log, *_) = config.signing_config.get_tlogs()
    assert getattr(log, "url", "") == "https://rekor.sigstore.dev/api/v1"
    assert b'"root"' in Repository().root
    assert Repository().url == f"https://{HOST}"


def test_private_configurations(job: Job, exchange: Exchange, wheel: Distribution) -> None:
    """A private instance is known by its configuration alone: no repository is asked, and its log is not the public
    one. Slashes at the end of its URLs change nothing.
    """
    text = job.world.sigstore.trust_config()
    told = json.loads(text)
    for service in (*told["signingConfig"]["caUrls"], *told["signingConfig"]["rekorTlogUrls"]):
        service["url"] += "/"
    for each in (text, json.dumps(told)):
        ours = Sigstore(exchange, job.world.github.token, each)
        signed = ours.signed(wheel)
        assert signed.log == job.world.sigstore.entries[-1].url
        assert f"https://{REKOR}/api/v1/log/entries?logIndex=" in signed.log
    assert not job.world.journal.to(HOST)
    assert len(job.world.journal.to(REKOR)) == 2


# Who we are

GITHUB = {"repository": "a/b", "job_workflow_ref": "a/b/.github/workflows/c.yml@refs/heads/main"}
GITLAB = {"project_path": "a/b/c", "ci_config_ref_uri": "gitlab.com/a/b/c//ci/release.yml@refs/heads/main"}


def test_publishers() -> None:
    """The publisher is the one that PyPI knows the job by, from the claims of its ID token."""
    assert signing._publisher(GITHUB) == GitHubPublisher(repository="a/b", workflow="c.yml")
    assert signing._publisher(GITLAB) == GitLabPublisher(repository="a/b/c", workflow_filepath="ci/release.yml")
    assert signing._publisher({"email": "a@b.example"}) == GooglePublisher(email="a@b.example")
    with pytest.raises(CredentialError) as error:
        signing._publisher({"iss": "https://oidc.circleci.com/org/1"})
    assert error.value.title == "No attestations: the job's identity is of another kind"
    assert error.value.detail == "Its ID token comes from https://oidc.circleci.com/org/1."


def test_what_is_public() -> None:
    """Repositories of GitHub and projects of GitLab say whether they are public."""
    (github,) = signing._told({"repository": "a/b", "repository_visibility": "internal"})
    (gitlab,) = signing._told({"project_path": "a/b/c", "project_visibility": "private"})
    assert "The repository a/b is internal, " in github.detail
    assert "The repository a/b/c is private, " in gitlab.detail
    assert not list(signing._told({"repository": "a/b", "repository_visibility": "public"}))
    assert not list(signing._told({"email": "a@b.example"}))


# What is asked


def test_nothing_is_asked_when_it_is_over(job: Job, exchange: Exchange, wheel: Distribution) -> None:
    """When somebody gave up, no request is begun any more: the log gets nothing that nobody uses."""
    ours = Sigstore(exchange, job.world.github.token, job.world.sigstore.trust_config())
    ours._wire._over.set()
    with pytest.raises(Unavailable) as error:
        ours.signed(wheel)
    assert error.value.title == "Signing takes too long"
    assert not job.world.journal.entries


def test_nobody_asks_again_for_a_certificate_that_was_refused(
    job: Job, exchange: Exchange, wheel: Distribution
) -> None:
    """What one thread was told about the certificate holds for all of them."""
    job.world.faults.set("fulcio-denied", True)
    ours = Sigstore(exchange, job.world.github.token, job.world.sigstore.trust_config())
    for _ in range(3):
        with pytest.raises(CredentialError, match="Sigstore refuses to sign"):
            ours.signed(wheel)
    assert job.world.faults.fired["fulcio-denied"] == 1


def test_their_warnings_are_not_printed(capfd: pytest.CaptureFixture[str]) -> None:
    """What the libraries log goes nowhere: the last resort of Python's logging would print their warnings."""
    root = logging.getLogger()
    handlers, root.handlers = root.handlers, []
    try:
        for name in ("sigstore._internal.tuf", "tuf.ngclient", "pypi_attestations._impl", "securesystemslib.signer"):
            logging.getLogger(name).warning("TUF repository is loaded in offline mode")
    finally:
        root.handlers = handlers
    assert capfd.readouterr() == ("", "")


def test_headers(job: Job, exchange: Exchange, wheel: Distribution, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the environment has for `requests` (a .netrc, proxies) reaches nobody."""
    home = job.workspace.parent / "home"
    home.mkdir()
    (home / ".netrc").write_text(f"default login mallory password {'x' * 20}\n", encoding="utf-8")
    (home / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    Sigstore(exchange, job.world.github.token, job.world.sigstore.trust_config()).signed(wheel)
    (asked,) = job.world.journal.to(REKOR)
    assert asked.status == 201
    assert set(asked.headers) == {
        *("host", "accept", "accept-encoding", "connection", "user-agent", "content-length", "content-type")
    }
    assert [path.name for path in home.iterdir()] == [".netrc"]


def test_answers_of_any_kind(job: Job, exchange: Exchange, wheel: Distribution) -> None:
    """Whatever Fulcio and Rekor answer, it is a problem with a title; no word of a page is repeated."""
    bodies: list[Any] = [
        *(b"", b"null", b"[]", b"{}", b"\xff", b"[" * 50_000, b'{"a": {}}', b'{"a": {"logIndex": "x"}}'),
        b'{"signedCertificateEmbeddedSct": {"chain": {"certificates": []}}}',
        b'{"signedCertificateEmbeddedSct": {"chain": {"certificates": ["words", "words"]}}}',
        b'{"signedCertificateEmbeddedSct": []}',
    ]
    config = job.world.sigstore.trust_config()
    for fault in ("fulcio", "rekor"):
        for body in bodies:
            job.world.faults.set(fault, Answer(201, body=body))
            with pytest.raises(CredentialError) as error:
                Sigstore(exchange, job.world.github.token, config).signed(wheel)
            assert error.value.title == "Signing failed"
            assert "words" not in error.value.detail
        job.world.faults.reset()


def test_redirections_are_not_followed(job: Job, exchange: Exchange, wheel: Distribution) -> None:
    """An ID token goes to the one host that is configured."""
    seen: list[Request] = []

    class Elsewhere:
        hosts = ("elsewhere.example",)

        def __call__(self, request: Request) -> Answer:
            seen.append(request)
            return Answer(201)

    job.world.add(Elsewhere())
    job.world.faults.set("fulcio", Answer(307, headers={"Location": "https://elsewhere.example/api/v2/signingCert"}))
    ours = Sigstore(exchange, job.world.github.token, job.world.sigstore.trust_config())
    with pytest.raises(CredentialError):
        ours.signed(wheel)
    assert seen == []
