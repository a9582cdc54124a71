"""Trusted publishing at indexes that say where it is (PEP 807, draft of 2025-11): whole runs in the world."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from entrypoint.credentials.trusted_publishing import trusted_publishing
from entrypoint.errors import CredentialError
from tests.contexts import context
from tests.line import Run
from tests.peers.scripted import Answer, Request, json_answer
from tests.peers.world import World, running_world
from tests.peers.world.discovery import MULTI, SINGLE, TYPE, Discovery, problem
from tests.peers.world.proxy import text_answer
from tests.trusted import Front, publish_in, release, remark, steps, wheel

NOT_ITS_OWN = "The index names an endpoint that is not its own"
INPUTS = {
    "repository-url": Discovery.upload_url,
    "check-url": Discovery.simple_url,
    "trusted-publishing": "always",
}
OWN = {
    "audience-endpoint": "https://index.example/trusted/audience",
    "token-mint-endpoint": "https://index.example/trusted/mint",
}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Run a world in which the job may publish `demo` to index.example."""
    with running_world(tmp_path / "world") as running:
        running.discovery.trust(running.github, "demo")
        yield running


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Return the folder of a job with a release."""
    release(tmp_path / "w")
    return tmp_path / "w"


def publish(world: World, workspace: Path, **inputs: str) -> Run:
    """Publish there."""
    return publish_in(world, workspace, INPUTS | inputs)


def test_discovery(world: World, workspace: Path) -> None:
    """The index is asked once where its endpoints are, for its upload URL; PEP 807 has no burning."""
    assert set(publish(world, workspace).states.values()) == {"uploaded"}
    assert steps(world) == ["read", "discover", "audience", "ID token", "mint", *["upload"] * 3]
    (asked,) = (entry for entry in world.journal.entries if entry.path == "/.well-known/pytp")
    assert asked.query == {"discover": "/upload/"}
    assert asked.headers["accept"] == TYPE
    assert [each["aud"] for each in world.github.issued] == ["index.example"]


class Fixed:
    """An index that has PyPI's endpoints, and says nothing about it."""

    hosts = ("index.example",)

    def __init__(self, world: World, discovery: Answer) -> None:
        self._world, self._discovery = world, discovery

    def __call__(self, request: Request) -> Answer:
        """Answer a request, by its path."""
        path = request.target.partition("?")[0]
        if path == "/.well-known/pytp":
            return self._discovery
        if path == "/_/oidc/audience":
            return json_answer({"audience": "index.example"})
        if path == "/_/oidc/mint-token":
            return json_answer({"token": self._world.discovery.exchange(request.json["token"]).value})
        if path == "/_/oidc/burn-token":
            return Answer(202)
        return self._world.discovery(request)


@pytest.mark.parametrize(
    "answer",
    [
        problem(404, "No trusted publishing", "There is none."),
        problem(406, "Not acceptable", "Nothing of this type."),
        Answer(401),
        text_answer(200, "<!DOCTYPE html><title>One page for all paths</title>", "text/html"),
    ],
)
def test_no_discovery(answer: Answer, world: World, workspace: Path) -> None:
    """An index that does not know the question is asked at PyPI's paths, since the workflow says `always`."""
    world.add(Fixed(world, answer))
    assert set(publish(world, workspace).states.values()) == {"uploaded"}
    assert steps(world) == ["read", "discover", "audience", "ID token", "mint", *["upload"] * 3, "burn"]


def test_nothing_there(world: World, workspace: Path) -> None:
    """An index that has neither gets no ID token, and that it has no trusted publishing is said."""
    world.discovery.offered = False
    ours = publish(world, workspace)
    assert (ours.status, ours.titles) == (2, ["The index gave no token"])
    assert "asked for an audience, and answered 404: Not found: " in remark(ours, ours.titles[0])["detail"]
    assert steps(world) == ["read", "discover", "audience"]


@pytest.mark.parametrize("name", sorted(OWN))
@pytest.mark.parametrize(
    ("url", "seen"),
    [
        ("https://elsewhere.index.example/mint", "elsewhere.index.example by https"),
        ("http://index.example/mint", "index.example by http"),
        ("https://me@index.example/mint", "index.example by https"),
        ("https://index.example@evil.example/mint", "evil.example by https"),
        ("https://index.example\\@evil.example/mint", " by https"),
        ("https://index.example.evil.example/mint", "index.example.evil.example by https"),
        ("//index.example/mint", "no URL"),
        ("/trusted/mint", "no URL"),
        ("ftp://index.example/", "no URL"),
        ("https://[/", "no URL"),
        ("https://index.example:port/", "no URL"),
        ("", "no URL"),
        (7, "no URL"),
        (None, "no URL"),
    ],
)
def test_endpoints_elsewhere(name: str, url: Any, seen: str, world: World, workspace: Path) -> None:
    """Endpoints on another host, or without TLS, are refused before any ID token is asked for."""
    world.faults.set("discovery", json_answer(OWN | {name: url}, content_type=TYPE))
    ours = publish(world, workspace)
    assert (ours.status, ours.titles) == (2, [NOT_ITS_OWN])
    assert seen in remark(ours, NOT_ITS_OWN)["detail"]
    assert steps(world) == ["read", "discover"]


def test_another_port(world: World, workspace: Path) -> None:
    """Another port of the host is the host's own, and nobody else's."""
    world.faults.set("discovery", json_answer(OWN | {"token-mint-endpoint": "https://index.example:8443/mint"}))
    ours = publish(world, workspace, retries="0")
    assert ours.titles == ["No answer from index.example"]  # nobody is there in this world
    assert steps(world)[-1] == "CONNECT index.example"


def test_without_tls(world: World, workspace: Path) -> None:
    """An upload URL without TLS is refused before anybody is asked, and in a dry run, too; this machine is none."""
    url = "http://index.example/upload/"
    for dry in ("false", "true"):
        ours = publish_in(world, workspace, INPUTS | {"repository-url": url, "dry-run": dry})
        assert (remark(ours, "Trusted publishing needs https")["level"] == "notice") == (dry == "true")
        assert ours.status == (0 if dry == "true" else 2)
    assert not {"discover", "audience", "ID token"} & set(steps(world))
    environ = world.github.job()
    always = {"trusted-publishing": "always"}
    assert trusted_publishing(context("http://127.0.0.1:8080/upload/", always, environ))
    with pytest.raises(CredentialError, match=r"leads to 127\.0\.0\.1\.example by `http`"):
        trusted_publishing(context("http://127.0.0.1.example/upload/", always, environ))


@pytest.mark.parametrize(
    ("offered", "usual", "asked", "mints"),
    [
        (None, None, None, 1),
        ([MULTI, SINGLE], [MULTI], None, 1),
        ([SINGLE], [SINGLE], None, 3),
        ([MULTI, SINGLE], [SINGLE], [MULTI], 1),
        ([], [], None, 1),
    ],
)
def test_features(
    offered: list[str] | None,
    usual: list[str] | None,
    asked: list[str] | None,
    mints: int,
    world: World,
    workspace: Path,
) -> None:
    """A token for many uploads is asked for where it is offered and not usual; where tokens are good for one upload,
    each file gets its own, and each of these takes an ID token.
    """
    world.discovery.features, world.discovery.default_features = offered, usual
    ours = publish(world, workspace)
    assert set(ours.states.values()) == {"uploaded"}
    assert [file["attempts"] for file in ours.report["files"]] == [1, 1, 1]
    posted = [entry.json for entry in world.journal.entries if entry.path == "/trusted/mint"]
    assert [each.get("features") for each in posted] == [asked] * mints
    assert steps(world).count("ID token") == mints
    assert {token.uses for token in world.discovery.minted} == {3 // mints}


@pytest.mark.parametrize("said", [7, "single-use-token multi-use-token", {"single-use-token": True}, None])
def test_strange_features(said: Any, world: World, workspace: Path) -> None:
    """What is no list of features says nothing."""
    world.faults.set("discovery", json_answer(OWN | {"features": said, "default-features": said}))
    assert set(publish(world, workspace).states.values()) == {"uploaded"}
    assert steps(world).count("mint") == 1


def test_a_single_use_token_that_was_used(world: World, workspace: Path) -> None:
    """When the upload has to be made again, it is with a token that nobody has used."""
    world.discovery.features = world.discovery.default_features = [SINGLE]
    world.faults.set("discovery-upload-lost", 1)
    world.faults.set("discovery-simple-stale", 9)
    ours = publish(world, workspace)
    assert set(ours.states.values()) == {"uploaded"}
    assert steps(world).count("upload") == steps(world).count("mint") == 4
    assert {token.uses for token in world.discovery.minted} == {1}


def test_lost_answers(world: World, workspace: Path) -> None:
    """Trouble that passes is waited for here, too, with a new ID token for each question."""
    for fault in ("discovery", "discovery-audience", "discovery-mint", "discovery-mint-lost"):
        world.faults.set(fault, 1)
    assert set(publish(world, workspace).states.values()) == {"uploaded"}
    assert [steps(world).count(each) for each in ("discover", "audience", "ID token", "mint")] == [2, 2, 3, 3]


def test_problems(world: World, workspace: Path) -> None:
    """What the index says as problem JSON is shown, as its title and detail."""
    world.discovery.publishers.clear()
    ours = publish(world, workspace)
    assert (ours.status, ours.titles) == (2, ["The index gave no token"])
    assert (
        "answered 422: Invalid publisher: valid token, but no corresponding" in remark(ours, ours.titles[0])["detail"]
    )


@pytest.mark.parametrize("body", [b"", b"[]", b'{"title": 7}', b"{" * 1000])
def test_problems_without_words(body: bytes, world: World, workspace: Path) -> None:
    """A problem that says nothing is told by its status."""
    answer = Answer(400, headers={"Content-Type": "application/problem+json"}, body=body)
    world.faults.set("discovery-mint", answer)
    ours = publish(world, workspace)
    assert (ours.status, ours.titles) == (2, ["The index gave no token"])
    assert "answered 400: without a reason." in remark(ours, ours.titles[0])["detail"]


def test_hostile_problems(world: World, workspace: Path) -> None:
    """Its words are words: no command, no Markdown, and not many of them."""
    said = "::error::not ours\n##[error]not ours `" + "<b>|" * 5000
    world.faults.set("discovery-mint", problem(400, said, said))
    ours = publish(world, workspace)
    assert len([each for each in ours.annotations if each.level == "error"]) == 1
    assert len(remark(ours, "The index gave no token")["detail"]) < 1000
    assert "<b>" not in ours.summary


@pytest.mark.parametrize("life", [21_600, 21_601, 10])
def test_life(life: int, world: World, workspace: Path) -> None:
    """A token that lives as long as the draft allows, longer or shorter publishes everything."""
    world.discovery.token_life = life
    assert set(publish(world, workspace).states.values()) == {"uploaded"}
    assert steps(world).count("mint") == 1


def test_redirected_discovery(world: World, workspace: Path) -> None:
    """Who answers with another place is not followed there."""
    world.faults.set("discovery", Answer(302, headers={"Location": "https://login.example/"}))
    ours = publish(world, workspace)
    assert ours.titles == ["index.example sends us elsewhere"]
    assert not world.journal.to("login.example")


def test_an_expired_token(world: World, workspace: Path) -> None:
    """An index that is not PyPI says by 401 that a token has ended: it is renewed, once."""

    def change(request: Request, answer: Answer) -> Answer:
        first = request.target == "/upload/" and steps(world).count("upload") == 0
        return Answer(401) if first else answer

    world.add(Front(world.discovery, change))
    wheel(workspace)
    ours = publish(world, workspace)
    assert set(ours.states.values()) == {"uploaded"}
    assert sorted(file["attempts"] for file in ours.report["files"]) == [1, 1, 1, 2]
    assert steps(world).count("mint") == 2
