"""Trusted publishing, from a job without a password to a token that is worthless again: whole runs in the world."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from email.utils import formatdate
from pathlib import Path
from typing import Any

import httpx
import pytest

from entrypoint import credentials, upload
from entrypoint.credentials import Credential, Grant
from tests.contexts import context
from tests.distributions import corrupted, make_wheel
from tests.line import Run, Waits, bare, environment, examined
from tests.peers.scripted import Answer, Request, json_answer
from tests.peers.world import World, running_world
from tests.peers.world.github import COMPLETED, DENIED, NOT_JSON, PAGE
from tests.peers.world.proxy import HTML_502, text_answer
from tests.trusted import (
    ONE_FILE,
    Front,
    after,
    masked_first,
    publish_in,
    release,
    remark,
    right,
    shown,
    steps,
    wheel,
)

ELSEWHERE = Answer(307, headers={"Location": "https://login.example/take?it=all"})
NO_SERVICE = "This index gives no tokens to trusted publishers"
HIDDEN = "words of a page that nobody should repeat"
SOME_PAGE = text_answer(200, f"<!DOCTYPE html><title>{HIDDEN}</title>", "text/html; charset=utf-8")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Run a world in which the job may publish `demo`."""
    with running_world(tmp_path / "world") as running:
        running.pypi.trust(running.github, "demo")
        yield running


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Return the folder of a job."""
    return tmp_path / "w"


def nothing_sent(run: Run, title: str) -> Any:
    """Check that a run ended for this one reason before an upload, and give the remark."""
    assert run.status == 2
    assert run.titles == [title]
    assert set(run.states.values()) <= {"not-attempted", "already-present"}
    assert all(file["attempts"] == 0 for file in run.report["files"])
    return remark(run, title)


def test_publishing(world: World, workspace: Path) -> None:
    """A job without a password publishes with one token for all files, which is worthless afterwards."""
    names = release(workspace)
    ours = publish_in(world, workspace)
    assert ours.status == 0
    assert ours.states == dict.fromkeys(names, "uploaded")
    assert steps(world) == ["read", "audience", "ID token", "mint", "upload", "upload", "upload", "burn"]
    (token,) = world.pypi.minted
    assert {file.token for file in world.pypi.files} == {token.value}
    assert world.pypi.burnt == [token]
    (burn,) = (entry for entry in world.journal.entries if entry.path == "/_/oidc/burn-token")
    assert "authorization" not in burn.headers
    assert [each["aud"] for each in world.github.issued] == ["pypi"]
    assert "Credential: trusted publishing, octo-org/octo-repo, release.yml, good until " in ours.raw


def test_secrets_are_masked_before_they_are_used(world: World, workspace: Path) -> None:
    """The job's own token, the ID token and the index's token are masks before the request that carries them."""
    wheel(workspace)
    raw = publish_in(world, workspace).raw
    (jwt,) = shown(world)
    for secret, request in (
        (world.github.request_token, f"{world.github.request_path} → "),
        (jwt, "/_/oidc/mint-token → "),
        (world.pypi.minted[0].value, "/legacy/ → "),
    ):
        assert raw.index(f"::add-mask::{secret}\n") < raw.index(request)


@pytest.mark.parametrize("path", ["/_/oidc/mint-token", "/legacy/"])
def test_secrets_that_are_repeated(path: str, world: World, workspace: Path) -> None:
    """An index that repeats what it was sent, ID token, token or header, repeats no secret to whoever reads the log."""

    def repeated(request: Request, answer: Answer) -> Answer:
        if request.target != path:
            return answer
        sent = f"{request.header('Authorization')} {'' if request.is_upload else request.json['token']}"
        errors = [{"code": "invalid-token", "description": sent}]
        return json_answer({"message": f"no: {sent}", "code": f"400 no: {sent}", "errors": errors}, 400)

    world.add(Front(world.pypi, repeated))
    wheel(workspace)
    ours = publish_in(world, workspace)  # which looks for every secret in everything
    assert ours.status == (1 if path == "/legacy/" else 2)
    (told,) = (each["detail"] for each in ours.report["remarks"] if each["level"] == "error")
    assert ("***" in told) == (path == "/legacy/")
    assert shown(world)[0][:20] not in told  # nor the half of one, where the words were too many


# Trouble that passes, and trouble that stays.


@pytest.mark.parametrize("step", ["audience", "ID token", "mint"])
def test_trouble_that_passes(step: str, world: World, workspace: Path) -> None:
    """An answer that may be another one later is asked for again, as late as the server wants it; each time that a
    token is asked for it is with a new ID token.
    """
    fault = {"ID token": "github"}.get(step, step)
    world.faults.set(fault, [Answer(503), HTML_502, Answer(429, headers={"Retry-After": "77"})])
    wheel(workspace)
    waits = Waits()
    ours = publish_in(world, workspace, clock=waits.clock)
    assert ours.status == 0
    assert [pause > 76 for pause in waits.pauses] == [False, False, True]
    tried = {"audience": 1, "ID token": 1, "mint": 1} | {step: 4}
    if step == "mint":
        tried["ID token"] = 4
    assert {each: steps(world).count(each) for each in tried} == tried
    assert steps(world)[-3:] == ["mint", "upload", "burn"]


@pytest.mark.parametrize(("fault", "party"), [("audience", "PyPI"), ("github", "GitHub"), ("mint", "PyPI")])
def test_trouble_that_stays(fault: str, party: str, world: World, workspace: Path) -> None:
    """After as many tries as `retries` allows the run ends before an upload, and running it again is the advice."""
    world.faults.set(fault, Answer(500))
    wheel(workspace)
    ours = publish_in(world, workspace, {"retries": "2"})
    told = nothing_sent(ours, f"{party} could not answer")
    assert told["detail"].endswith("answered 500. Tried 3 times.")
    assert world.faults.fired[fault] == 3
    assert "none by this run. Run the job again to send the rest." in ours.raw
    assert "run the job again. It sends the rest." in ours.summary
    assert "upload" not in steps(world)


def test_an_index_that_wants_to_be_left_alone(world: World, workspace: Path) -> None:
    """An index that asks for more patience than a job has is not asked again."""
    world.faults.set("mint", Answer(429, headers={"Retry-After": "86400"}))
    wheel(workspace)
    nothing_sent(publish_in(world, workspace), "PyPI could not answer")
    assert len(shown(world)) == 1


def test_slow_answers(world: World, workspace: Path) -> None:
    """An answer that takes longer than `timeout` is not waited for, and what it was about is asked for again."""
    for fault in ("audience", "github", "mint"):
        world.faults.set(fault, [1.5])
    wheel(workspace)
    assert publish_in(world, workspace, {"timeout": "1"}).status == 0
    assert {fault: world.faults.fired[fault] for fault in ("audience", "github", "mint")} == {
        "audience": 1,
        "github": 1,
        "mint": 1,
    }
    assert len(world.github.issued) >= 3  # one came too late, one was exchanged for a token that came too late


def test_a_lost_token(world: World, workspace: Path) -> None:
    """An answer that is lost may have been a token: the next one is asked for with a new ID token."""
    world.faults.set("mint-lost", 1)
    wheel(workspace)
    assert publish_in(world, workspace).status == 0
    assert len(world.pypi.minted) == len(shown(world)) == 2
    assert world.pypi.burnt == world.pypi.minted[1:]
    assert not world.pypi.refused


@pytest.mark.parametrize(("fault", "party"), [("audience", "PyPI"), ("github", "GitHub"), ("mint", "PyPI")])
def test_redirects(fault: str, party: str, world: World, workspace: Path) -> None:
    """Who is asked for something may not send us elsewhere: nobody there hears of it, and it is said."""
    world.faults.set(fault, ELSEWHERE)
    wheel(workspace)
    told = nothing_sent(publish_in(world, workspace), f"{party} sends us elsewhere")
    assert "answered 307, pointing to https://login.example/take?***." in told["detail"]
    assert world.faults.fired[fault] == 1
    assert not world.journal.to("login.example")


@pytest.mark.parametrize(
    ("answer", "seen"),
    [
        (Answer(404), "status 404, of no type"),
        (text_answer(401, HIDDEN), "status 401, text/plain"),
        (SOME_PAGE, "status 200, text/html"),
        (json_answer({"message": HIDDEN}), "status 200, application/json"),
        (json_answer({"audience": 7}), "status 200, application/json"),
        (json_answer(["audience", HIDDEN]), "status 200, application/json"),
        (text_answer(200, "[" * 100_000, "application/json"), "status 200, application/json"),
        (Answer(403), "status 403, of no type"),
    ],
)
def test_no_audience(answer: Answer, seen: str, world: World, workspace: Path) -> None:
    """An index that names no audience has no trusted publishing: no ID token is asked for."""
    world.faults.set("audience", answer)
    wheel(workspace)
    ours = publish_in(world, workspace)
    told = nothing_sent(ours, NO_SERVICE)
    assert told["detail"].startswith(f"PyPI was asked for an audience: {seen}, ")
    assert "upload URL" in told["tip"]
    assert HIDDEN not in ours.raw
    assert steps(world) == ["read", "audience"]


def test_switched_off(world: World, workspace: Path) -> None:
    """When PyPI's administrators have switched it off, their words are shown, and no ID token is asked for."""
    world.pypi.disabled = True
    wheel(workspace)
    told = nothing_sent(publish_in(world, workspace), "Trusted publishing is switched off")
    assert "403: Trusted publishing functionality not enabled." in told["detail"]
    assert "API token" in told["tip"]
    assert steps(world) == ["read", "audience"]


@pytest.mark.parametrize(
    ("fault", "answer", "title", "seen"),
    [
        ("github", DENIED, "GitHub gave no ID token", "status 403, application/json"),
        ("github", COMPLETED, "GitHub gave no ID token", "status 400, application/json"),
        ("github", PAGE, "GitHub gave no ID token", "status 200, text/html"),
        ("github", NOT_JSON, "GitHub gave no ID token", "status 200, application/json"),
        ("github", json_answer({"value": "half a \ud800 character"}), "GitHub gave no ID token", "status 200"),
        ("github", json_answer({"value": "two\nlines"}), "GitHub gave no ID token", "status 200"),
        ("github-audience", True, "GitHub's ID token is not what was asked for", "audience 'pypi'"),
        ("github-malformed", True, "GitHub's ID token is not what was asked for", "audience 'pypi'"),
    ],
)
def test_no_id_token(fault: str, answer: Answer | bool, title: str, seen: str, world: World, workspace: Path) -> None:
    """What is no ID token for the index is not sent there."""
    world.faults.set(fault, answer)
    wheel(workspace)
    told = nothing_sent(publish_in(world, workspace), title)
    assert seen in told["detail"]
    assert ("a job that has ended" in told["tip"]) == (answer == COMPLETED)
    assert steps(world) == ["read", "audience", "ID token"]


@pytest.mark.parametrize(
    ("url", "title"),
    [
        ("http://pipelines.actions.githubusercontent.com/token", "GitHub's URL for ID tokens is not https"),
        ("nowhere", "Input ACTIONS_ID_TOKEN_REQUEST_URL is not usable"),
    ],
)
def test_a_wrong_url_for_id_tokens(url: str, title: str, world: World, workspace: Path) -> None:
    """The job's own token goes to no URL where anybody could read it."""
    wheel(workspace)
    env = world.github.job(ACTIONS_ID_TOKEN_REQUEST_URL=url)
    nothing_sent(publish_in(world, workspace, env=env), title)
    assert steps(world) == ["read", "audience"]


@pytest.mark.parametrize(
    "answer",
    [
        SOME_PAGE,
        json_answer({"success": True}),
        json_answer({"success": True, "token": ""}),
        json_answer({"success": True, "token": "pypi-\ud800"}),
        json_answer({"success": True, "token": "pypi-a\nb: c"}),
        json_answer({"success": True, "token": {"pypi": HIDDEN}}),
        json_answer({"message": HIDDEN}, 422),
        text_answer(404, HIDDEN),
        text_answer(201, HIDDEN),
    ],
)
def test_no_token(answer: Answer, world: World, workspace: Path) -> None:
    """An answer without a token is told by its status and type, and never repeated."""
    world.faults.set("mint", answer)
    wheel(workspace)
    ours = publish_in(world, workspace)
    told = nothing_sent(ours, NO_SERVICE)
    assert f"asked for a token: status {answer.status}, " in told["detail"]
    assert HIDDEN not in ours.raw
    assert steps(world) == ["read", "audience", "ID token", "mint"]


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "text/plain", ""])
def test_types_do_not_matter(content_type: str, world: World, workspace: Path) -> None:
    """A token is read as JSON, whatever the answer claims to be."""

    def typed(request: Request, answer: Answer) -> Answer:
        identity = request.target.startswith("/_/oidc/")
        return replace(answer, headers={"Content-Type": content_type}) if identity else answer

    world.add(Front(world.pypi, typed))
    wheel(workspace)
    assert publish_in(world, workspace).status == 0


# Order: nothing is fetched that is not needed.


def identity_requests(world: World) -> list[str]:
    """Give the requests that have to do with who we are."""
    return [each for each in steps(world) if each not in ("read", "upload")]


def test_files_that_are_wrong(world: World, workspace: Path) -> None:
    """When a file cannot be published nobody is asked for a token."""
    corrupted(make_wheel(workspace / "dist", "demo"))
    assert publish_in(world, workspace).status == 2
    assert not identity_requests(world)


def test_a_conflict(world: World, workspace: Path) -> None:
    """When the index has other content under the name of a file nobody is asked for a token."""
    world.pypi.put(wheel(workspace), b"other content")
    assert publish_in(world, workspace).titles == ["Other content under this name"]
    assert not identity_requests(world)


def test_nothing_to_send(world: World, workspace: Path) -> None:
    """When everything is there already nobody is asked for a token; what is missing takes one."""
    path = workspace / "dist" / wheel(workspace)
    world.pypi.put(path.name, path.read_bytes())
    ours = publish_in(world, workspace)
    assert (ours.status, ours.outputs["outcome"]) == (0, "unchanged")
    assert not identity_requests(world)
    wheel(workspace, tag="py2-none-any")
    assert publish_in(world, workspace).status == 0
    assert len(world.pypi.minted) == 1


def test_a_dry_run(world: World, workspace: Path) -> None:
    """A dry run asks for no token."""
    wheel(workspace)
    ours = publish_in(world, workspace, {"dry-run": "true"})
    assert (ours.status, steps(world)) == (0, ["read"])
    assert "Credential: trusted publishing, fetched when it is needed." in ours.raw


def test_a_dry_run_that_may_not(world: World, workspace: Path) -> None:
    """A dry run without the permission goes on, and mentions it: most are those of pull requests."""
    wheel(workspace)
    ours = publish_in(world, workspace, {"dry-run": "true"}, env=world.github.job_without_permission())
    assert (ours.status, steps(world)) == (0, ["read"])
    told = remark(ours, "No ID token: `id-token: write` is missing")
    assert told["level"] == "notice"
    assert "id-token: write" in told["block"]


def test_a_password(world: World, workspace: Path) -> None:
    """A password is used as it is: there is no other token, and the password is not made worthless."""
    wheel(workspace)
    password = world.pypi.api_token("demo")
    ours = publish_in(world, workspace, {"password": password})
    assert (ours.status, steps(world)) == (0, ["read", "upload"])
    assert not world.pypi.tokens[password].burnt


def test_always_beside_a_password(world: World, workspace: Path) -> None:
    """Both at once is an error before anything is asked."""
    wheel(workspace)
    inputs = {"password": world.pypi.api_token("demo"), "trusted-publishing": "always"}
    nothing_sent(
        publish_in(world, workspace, inputs), "Inputs `trusted-publishing: always` and `password` exclude each other"
    )
    assert not steps(world)


def test_never(world: World, workspace: Path) -> None:
    """With `never` nobody is asked, though the job may have ID tokens."""
    wheel(workspace)
    nothing_sent(publish_in(world, workspace, {"trusted-publishing": "never"}), "No credential for PyPI")
    assert steps(world) == ["read"]


def test_auto_elsewhere(world: World, workspace: Path) -> None:
    """An index that is not known to offer it is not asked, unless the workflow wants it."""
    wheel(workspace)
    inputs = {"repository-url": world.discovery.upload_url, "check-url": world.discovery.simple_url}
    nothing_sent(publish_in(world, workspace, inputs), "No credential for index.example")
    assert not identity_requests(world)


def test_an_empty_password(world: World, workspace: Path) -> None:
    """A secret that is not set looks like no password at all, and it is said that it was one that is missing."""
    wheel(workspace)
    ours = publish_in(world, workspace, {"password": ""}, env=world.github.job_without_permission())
    assert "`password` is empty, so trusted publishing is tried." in nothing_sent(ours, ours.titles[0])["detail"]


# Life: a token is renewed before it ends, and when the index says that it has ended.


def moving(world: World) -> Waits:
    """Let everybody in the world go by one clock, which jumps."""
    waits = Waits()
    world.now = lambda: waits.clock.now().timestamp()
    return waits


@pytest.mark.parametrize(("life", "between", "tokens"), [(900, 200, 1), (900, 860, 3), (5, 3, 3), (300, 280, 3)])
def test_a_token_that_ends_between_files(
    life: float, between: float, tokens: int, world: World, workspace: Path
) -> None:
    """A token that would end while a file is sent is renewed before; no file fails, and every token is given back."""
    waits = moving(world)
    world.pypi.token_life = life
    world.add(Front(world.pypi, after("/legacy/", lambda: waits.clock.sleep(between))))
    names = release(workspace)
    ours = publish_in(world, workspace, {"parallel": "1"}, clock=waits.clock)
    assert (ours.status, ours.states) == (0, dict.fromkeys(names, "uploaded"))
    assert [file["attempts"] for file in ours.report["files"]] == [1, 1, 1]
    assert len(world.pypi.minted) == tokens
    assert {each.value for each in world.pypi.burnt} == {each.value for each in world.pypi.minted}
    assert steps(world)[-tokens:] == ["burn"] * tokens
    assert steps(world).count("audience") == 1


@pytest.mark.parametrize("length", [0, 64 * 2**20, 2**40])
def test_the_time_that_a_file_takes(length: int) -> None:
    """A token has to last for the file and a minute; but one with half of its life before it is as good as any."""
    waits = Waits()
    grants: list[Grant] = []

    def obtain() -> Grant:
        grants.append(Grant("__token__", f"token-{len(grants)}", life=900.0))
        return grants[-1]

    credential = Credential(context(clock=waits.clock), "test", obtain)
    request = httpx.Request("POST", "https://upload.pypi.org/legacy/", headers={"Content-Length": str(length)})
    needed = min(60 + length / 2**20, 450)
    for ahead, tokens in ((0, 1), (900 - needed - 20, 1), (40, 2)):
        waits.clock.sleep(ahead)
        next(credential.auth_flow(request))
        assert len(grants) == tokens


def test_a_token_that_has_ended(world: World, workspace: Path) -> None:
    """When the index says of the first file that the token has ended, it is renewed and the file sent once more."""
    world.pypi.token_life = -60

    def mended(request: Request, answer: Answer) -> Answer:
        world.pypi.token_life = 900 if request.target == "/_/oidc/mint-token" else world.pypi.token_life
        return answer

    world.add(Front(world.pypi, mended))
    names = release(workspace)
    ours = publish_in(world, workspace)
    assert (ours.status, ours.states) == (0, dict.fromkeys(names, "uploaded"))
    assert [file["attempts"] for file in ours.report["files"]] == [2, 1, 1]
    assert steps(world)[1:8] == ["audience", "ID token", "mint", "upload", "ID token", "mint", "upload"]
    assert len(world.pypi.burnt) == len(world.pypi.minted) == 2
    assert "The index does not take the token any more: another one is fetched." in ours.raw


def test_a_token_that_is_never_taken(world: World, workspace: Path) -> None:
    """When the renewed token has ended, too, that is the failure: of this file, and for all that come after it."""
    world.pypi.token_life = -60
    names = release(workspace)
    ours = publish_in(world, workspace)
    assert ours.status == 1
    assert ours.titles == ["The index does not take the credential"]
    assert "Invalid API Token: token is expired" in ours.reasons[names[0]]
    assert ours.states == dict(zip(names, ("failed", "not-attempted", "not-attempted"), strict=True))
    assert [(file["attempts"], file["status"]) for file in ours.report["files"]] == [(2, 403), (0, None), (0, None)]
    assert steps(world)[4:] == ["upload", "ID token", "mint", "upload", "burn", "burn"]


@pytest.mark.parametrize("fault", ["github", "mint"])
def test_no_second_token(fault: str, world: World, workspace: Path) -> None:
    """When a token cannot be renewed in the middle of a release, what is public is told, the rest was not tried, and
    what went wrong with whom is the reason.
    """
    waits = moving(world)

    def over() -> None:
        waits.clock.sleep(860)
        world.faults.set(fault, Answer(500))

    world.add(Front(world.pypi, after("/legacy/", over)))
    names = release(workspace)
    ours = publish_in(world, workspace, {"retries": "1"}, clock=waits.clock)
    assert ours.status == 1
    assert ours.states == dict(zip(names, ("uploaded", "failed", "not-attempted"), strict=True))
    assert ours.titles == [f"{'GitHub' if fault == 'github' else 'PyPI'} could not answer"]
    assert [(file["attempts"], file["status"]) for file in ours.report["files"]] == [(1, 200), (0, None), (0, None)]
    assert "1 of 3 files is public." in ours.summary
    assert "run the job again. It sends the rest." in ours.summary
    assert len(world.pypi.burnt) == 1


def test_no_token_after_a_refusal(world: World, workspace: Path) -> None:
    """A file that was sent with a token that had ended, and for which there was no other, counts as sent once."""
    world.pypi.token_life = -60
    world.faults.set("mint", [None, *[Answer(500)] * 9])
    names = release(workspace)
    ours = publish_in(world, workspace)
    assert ours.status == 1
    assert ours.titles == ["PyPI could not answer"]
    assert [(file["attempts"], file["status"]) for file in ours.report["files"]] == [(1, 403), (0, None), (0, None)]
    assert ours.states[names[0]] == "failed"


@pytest.mark.parametrize("off", [-3600, 3600])
@pytest.mark.parametrize("dated", [True, False])
def test_a_clock_that_is_wrong(off: int, dated: bool, world: World, workspace: Path) -> None:
    """A runner whose clock is wrong by an hour publishes all the same: by the index's own clock where its answers tell
    it, otherwise when the index says that the token has ended.
    """
    waits = moving(world)

    def change(request: Request, answer: Answer) -> Answer:
        after("/legacy/", lambda: waits.clock.sleep(870))(request, answer)
        return replace(answer, headers=[*_pairs(answer), ("Date", formatdate(world.now()))]) if dated else answer

    world.add(Front(world.pypi, change))
    names = release(workspace)
    clock = waits.clock._replace(now=lambda: waits.clock.now() + timedelta(seconds=off))
    ours = publish_in(world, workspace, clock=clock)
    assert (ours.status, ours.states) == (0, dict.fromkeys(names, "uploaded"))
    attempts = [file["attempts"] for file in ours.report["files"]]
    if dated:
        assert attempts == [1, 1, 1]
        assert len(world.pypi.minted) == 3
    else:
        assert sum(attempts) - 3 == len([each for each in world.journal.entries if each.status == 403])


def _pairs(answer: Answer) -> list[tuple[str, str]]:
    return list(dict(answer.headers).items())


@pytest.mark.parametrize("expires", ["", "null", '"soon"', "true", "-1", "1e999", "NaN", "9" * 400, "99999999999"])
def test_until_when(expires: str, world: World, workspace: Path) -> None:
    """A token about which nothing usable is said is taken for one that lives as long as PyPI's."""
    waits = moving(world)
    world.pypi.tells_expiry = False

    def change(request: Request, answer: Answer) -> Answer:
        after("/legacy/", lambda: waits.clock.sleep(860))(request, answer)
        if request.target != "/_/oidc/mint-token" or not expires:
            return answer
        token = json.loads(bytes(answer.body))["token"]  # type: ignore[arg-type]  # of JSON it is bytes
        return text_answer(200, f'{{"token": "{token}", "expires": {expires}}}')

    world.add(Front(world.pypi, change))
    release(workspace)
    ours = publish_in(world, workspace, clock=waits.clock)
    assert [file["attempts"] for file in ours.report["files"]] == [1, 1, 1]
    assert len(world.pypi.minted) == 3


# Burning: a token is made worthless, whatever became of the release.


def test_burnt_after_a_failure(world: World, workspace: Path) -> None:
    """When the index refuses the files the token is worthless all the same."""
    world.faults.set("upload", Answer(400, reason=b"No such thing"))
    wheel(workspace)
    assert publish_in(world, workspace).status == 1
    assert steps(world) == ONE_FILE
    assert len(world.pypi.burnt) == 1


def test_burnt_after_a_crash(world: World, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When this program fails in the middle the token is worthless all the same."""

    def fails(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(upload, "publish", fails)
    wheel(workspace)
    (workspace.parent / "temp").mkdir()
    environ = environment(workspace, workspace.parent / "temp", {}) | world.github.job()
    with world.transport() as transport:
        status, raw = bare(environ, transport)
    assert status == 2
    assert "A bug in publish-action" in raw
    assert len(world.pypi.burnt) == len(world.pypi.minted) == 1
    masked_first(raw, world.journal.secrets)


@pytest.mark.parametrize("burning", ["quick", "hanging"])
def test_burnt_when_cancelled(burning: str, world: World, workspace: Path) -> None:
    """A job that is cancelled while it sends a file makes the token worthless before it ends, and that holds nothing up
    when the index does not answer any more.
    """
    world.faults.set("upload", Answer(delay=math.inf))
    if burning == "hanging":
        world.faults.set("burn", Answer(delay=math.inf))
    name = wheel(workspace)
    temp = workspace.parent / "temp"
    temp.mkdir()
    environ = environment(workspace, temp, {"attestations": "false"}) | world.environ | world.github.job()
    command = [sys.executable, "-Im", "entrypoint"]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        _until(lambda: world.faults.fired["upload"] == 1)
        process.send_signal(signal.SIGTERM)
        raw = process.communicate(timeout=9)[0].decode()
    ours = examined(process.returncode, raw, temp, environ, world.journal.secrets)
    assert (ours.status, ours.states) == (143, {name: "failed"})
    right(world)
    if burning == "quick":
        assert len(world.pypi.burnt) == 1
        assert raw.index("/_/oidc/burn-token → 202") < raw.index("::error title=")
    else:
        assert world.faults.fired["burn"] == 1


def _until(true: Callable[[], bool]) -> None:
    ends = time.monotonic() + 60
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.01)


def test_many_are_given_back_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens are given back side by side: many of them take no longer than one, and none keeps another from it."""
    waits, together = Waits(), threading.Barrier(5)
    monkeypatch.setattr(credentials, "GOODBYE", 30.0)
    given: list[int] = []

    def give_back() -> None:
        given.append(together.wait(5))
        raise RuntimeError("the connection pool was closed")

    credential = Credential(
        context(clock=waits.clock), "test", lambda: Grant("me", "token", life=10.0, give_back=give_back)
    )
    for _ in range(5):
        credential.sign_in()
        waits.clock.sleep(20)
    credential.close()
    assert sorted(given) == [0, 1, 2, 3, 4]
    credential.close()
    assert len(given) == 5


@pytest.mark.parametrize(
    ("fault", "answer"),
    [
        ("burn", Answer(404)),
        ("burn", Answer(500)),
        ("burn", ELSEWHERE),
        ("burn", Answer(cut="after-body")),
        ("burn", 1.5),
        ("burn-echo", True),
    ],
)
def test_burning_that_fails(fault: str, answer: Any, world: World, workspace: Path) -> None:
    """Whatever comes of it, it is tried once, changes nothing, and nothing of the answer is shown."""
    world.faults.set(fault, answer)
    name = wheel(workspace)
    ours = publish_in(world, workspace, {"timeout": "1"})
    assert (ours.status, ours.states) == (0, {name: "uploaded"})
    assert world.faults.fired[fault] == 1
    assert steps(world).count("burn") <= 1
    assert not [each for each in ours.annotations if each.level != "notice"]
    assert "no such thing" not in ours.raw
    assert not world.journal.to("login.example")


def test_an_older_server(world: World, workspace: Path) -> None:
    """A server that knows no burning changes nothing."""
    world.pypi.burning = False
    wheel(workspace)
    assert publish_in(world, workspace).status == 0
    assert steps(world) == ONE_FILE
    assert world.journal.entries[-1].status == 404


# Projects: one token for all that name the publisher, and those that do not exist yet.


def test_several_projects(world: World, workspace: Path) -> None:
    """A repository with three projects takes one token, if each of them names the publisher."""
    world.pypi.publishers[0].projects += ["demo-b", "demo-c"]
    names = [*release(workspace, "demo"), *release(workspace, "demo-b"), *release(workspace, "demo-c")]
    ours = publish_in(world, workspace)
    assert (ours.status, ours.states) == (0, dict.fromkeys(names, "uploaded"))
    assert len(world.pypi.minted) == len(world.pypi.burnt) == 1
    assert steps(world).count("upload") == 9


def test_a_project_that_does_not_name_the_publisher(world: World, workspace: Path) -> None:
    """It gets nothing, and a link to where the publisher is added; the other project gets its files."""
    world.pypi.projects["demo-b"] = "active"
    ours_, others = wheel(workspace, "demo"), wheel(workspace, "demo-b")
    ours = publish_in(world, workspace)
    assert (ours.status, ours.states) == (1, {ours_: "uploaded", others: "failed"})
    told = remark(ours, "The publisher is not registered for this project")
    assert "OIDC scoped token is not valid for project 'demo-b'" in told["detail"]
    assert told["links"][0].startswith("https://pypi.org/manage/project/demo-b/settings/publishing/?provider=github&")
    assert steps(world).count("mint") == 1


def test_an_archived_project(world: World, workspace: Path) -> None:
    """A project that is archived meanwhile takes nothing from a publisher, whose rights are not to blame."""
    world.add(Front(world.pypi, after("/_/oidc/mint-token", lambda: world.pypi.projects.update(demo="archived"))))
    wheel(workspace)
    ours = publish_in(world, workspace)
    assert ours.status == 1
    told = remark(ours, "The project takes no uploads")
    assert "isn't allowed to upload to project 'demo'" in told["detail"]
    assert "archived" in told["tip"]
    assert told["links"][0] == "https://pypi.org/manage/project/demo/settings/"


def pending(world: World, project: str = "demo") -> None:
    """Let the job be the pending publisher of a project, and nothing else."""
    world.pypi.publishers.clear()
    world.pypi.trust_pending(world.github, project)


def test_a_new_project(world: World, workspace: Path) -> None:
    """The first release of a project that is registered as pending creates it; that it is new was said before."""
    pending(world)
    names = release(workspace)
    ours = publish_in(world, workspace)
    assert (ours.status, ours.states) == (0, dict.fromkeys(names, "uploaded"))
    assert "PyPI has no project 'demo' yet: this release creates it." in remark(ours, "A new project")["detail"]
    assert world.pypi.exists("demo")
    assert not world.pypi.pending


def test_a_new_project_with_a_broken_file(world: World, workspace: Path) -> None:
    """A file that cannot be published keeps PyPI from creating an empty project."""
    pending(world)
    wheel(workspace)
    corrupted(make_wheel(workspace / "dist", "demo", tag="py2-none-any"))
    assert publish_in(world, workspace).status == 2
    assert not world.pypi.exists("demo")


def test_jobs_that_race_for_a_new_project(world: World, workspace: Path) -> None:
    """The job that comes second gets 500 once, and then finds the publisher that the other one has made."""
    pending(world)
    world.faults.set("mint-raced", 1)
    name = wheel(workspace)
    ours = publish_in(world, workspace)
    assert (ours.status, ours.states) == (0, {name: "uploaded"})
    assert steps(world).count("mint") == 2


def test_a_new_project_of_another_name(world: World, workspace: Path) -> None:
    """When the registered name is another one, both names that may be wrong are told, and what to do about either."""
    pending(world, "dmeo")
    name = wheel(workspace)
    ours = publish_in(world, workspace)
    assert (ours.status, ours.states) == (1, {name: "failed"})
    told = remark(ours, "The publisher is for a project of another name")
    assert "Non-user identities cannot create new projects." in told["detail"]
    assert "The metadata say 'demo'" in told["detail"]
    assert "delete it only if it has no files" in told["tip"]
    assert "https://pypi.org/manage/account/publishing/" in told["links"]
    assert len(world.pypi.burnt) == 1


def test_a_new_project_that_exists(world: World, workspace: Path) -> None:
    """When somebody made the project meanwhile, the link adds the publisher to it."""
    world.pypi.put("demo-0.1.tar.gz", b"from before")
    pending(world)
    wheel(workspace)
    told = nothing_sent(publish_in(world, workspace), "The project exists already")
    assert "valid token, but project already exists" in told["detail"]
    assert told["links"][0].startswith("https://pypi.org/manage/project/demo/settings/publishing/?")


def test_a_name_that_nobody_may_take(world: World, workspace: Path) -> None:
    """PyPI's words say why the project cannot be made."""
    world.pypi.prohibited.add("demo")
    pending(world)
    wheel(workspace)
    told = nothing_sent(publish_in(world, workspace), "The token request was not accepted")
    assert "The name 'demo' isn't allowed." in told["detail"]
    assert "choose another name" in told["tip"]


def test_testpypi(world: World, workspace: Path) -> None:
    """TestPyPI has publishers of its own, its own audience, and its own pages."""
    name = wheel(workspace)
    ours = publish_in(world, workspace, {"index": "testpypi"})
    told = nothing_sent(ours, "No publisher matches this job")
    assert told["links"][0].startswith("https://test.pypi.org/manage/project/demo/settings/publishing/?")
    assert "TestPyPI and PyPI know each their own publishers" in told["tip"]
    assert "TestPyPI's form" in told["block"]
    world.testpypi.trust(world.github, "demo")
    assert publish_in(world, workspace, {"index": "testpypi"}).states == {name: "uploaded"}
    assert {each["aud"] for each in world.github.issued} == {"testpypi"}
    assert len(world.testpypi.burnt) == 1
    assert not world.journal.to("upload.pypi.org")
