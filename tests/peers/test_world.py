"""The world: what the peers answer, asked by a plain client, in the words that the originals use."""

from __future__ import annotations

import hashlib
import shlex
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.distributions import make_sdist, make_wheel
from tests.line import publish_process
from tests.peers.plain import fields_for
from tests.peers.scripted import Answer, Request, json_answer
from tests.peers.world import World, running_world
from tests.peers.world.discovery import TYPE
from tests.peers.world.github import ISSUER, ISSUER_HOST
from tests.peers.world.jwt import Signer, TokenError, decode, process_key, verify

UPLOAD = "https://upload.pypi.org"
TEST = "https://test.pypi.org"
ACCEPT = {"Accept": "application/json;q=0.9, text/plain;q=0.8, text/html;q=0.7"}
SIMPLE = {"Accept": "application/vnd.pypi.simple.v1+json"}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Run a world."""
    with running_world(tmp_path) as running:
        yield running


@pytest.fixture
def client(world: World) -> Iterator[httpx.Client]:
    """Return a client that is in the world."""
    with httpx.Client(transport=world.transport(), timeout=10) as inside:
        yield inside


def id_token(client: httpx.Client, world: World, audience: str = "pypi") -> str:
    job = world.github.job()
    answer = client.get(
        f"{job['ACTIONS_ID_TOKEN_REQUEST_URL']}&audience={audience}",
        headers={"Authorization": f"bearer {job['ACTIONS_ID_TOKEN_REQUEST_TOKEN']}"},
    )
    assert answer.status_code == 200
    value = answer.json()["value"]
    assert isinstance(value, str)
    return value


def mint(client: httpx.Client, jwt: object, at: str = UPLOAD) -> httpx.Response:
    return client.post(f"{at}/_/oidc/mint-token", json={"token": jwt})


def minted(client: httpx.Client, world: World) -> str:
    token = mint(client, id_token(client, world)).json()["token"]
    assert isinstance(token, str)
    return token


def refused(answer: httpx.Response) -> tuple[str, str]:
    assert answer.status_code == 422
    assert answer.json()["message"] == "Token request failed"
    (error,) = answer.json()["errors"]
    return error["code"], error["description"]


def upload(client: httpx.Client, path: Path, token: str, to: str = f"{UPLOAD}/legacy/", **fields: str) -> Any:
    form = dict(fields_for(path)) | fields
    file = {"content": (path.name, path.read_bytes(), "application/octet-stream")}
    return client.post(to, data=form, files=file, auth=("__token__", token), headers=ACCEPT)


def test_publishing(world: World, client: httpx.Client, tmp_path: Path) -> None:
    """From audience to burning, as the client of a workflow does it; the journal and the index have all of it."""
    world.pypi.trust(world.github, "demo-pkg")
    assert client.get(f"{UPLOAD}/_/oidc/audience").json() == {"audience": "pypi"}
    answer = mint(client, id_token(client, world))
    assert answer.json()["success"] is True
    assert answer.json()["expires"] == pytest.approx(time.time() + 900, abs=2)
    token = answer.json()["token"]

    wheel = make_wheel(tmp_path)
    assert upload(client, wheel, token).status_code == 200
    assert upload(client, wheel, token).status_code == 200  # the same bytes again change nothing
    (file,) = client.get("https://pypi.org/simple/demo-pkg/", headers=SIMPLE).json()["files"]
    assert file["filename"] == wheel.name
    assert file["hashes"] == {"sha256": hashlib.sha256(wheel.read_bytes()).hexdigest()}
    assert file["size"] == wheel.stat().st_size

    assert client.post(f"{UPLOAD}/_/oidc/burn-token", json={"token": token}).status_code == 202
    gone = upload(client, make_sdist(tmp_path), token)
    assert gone.status_code == 403
    assert gone.json()["code"].startswith("403 Invalid or non-existent authentication information.")
    assert [each.burnt for each in world.pypi.minted] == [True]
    assert not world.pypi.violations
    assert world.journal.paths("upload.pypi.org") == [
        "GET upload.pypi.org/_/oidc/audience",
        "POST upload.pypi.org/_/oidc/mint-token",
        "POST upload.pypi.org/legacy/",
        "POST upload.pypi.org/legacy/",
        "POST upload.pypi.org/_/oidc/burn-token",
        "POST upload.pypi.org/legacy/",
    ]
    assert world.journal.secrets >= {token, world.github.request_token}
    assert all(entry.body == b"" for entry in world.journal.entries if entry.path == "/legacy/")


def test_the_program_is_in_the_world(world: World, tmp_path: Path) -> None:
    """The program, a process with the world's variables, publishes to PyPI's own URL, and nobody else is asked."""
    workspace = tmp_path / "workspace"
    wheel = make_wheel(workspace / "dist")
    token = world.pypi.api_token("demo-pkg")
    world.pypi.projects["demo-pkg"] = "active"
    run = publish_process(workspace, {"password": token}, env=world.environ)
    assert run.states == {wheel.name: "uploaded"}
    assert [file.filename for file in world.pypi.files] == [wheel.name]
    assert {entry.host for entry in world.journal.entries} == {"upload.pypi.org", "pypi.org"}
    assert not world.pypi.violations
    assert token not in run.raw.replace(f"::add-mask::{token}", "")


def test_nobody_else_is_there(world: World, client: httpx.Client) -> None:
    """A host that nobody plays, another port, and http to it lead nowhere and are in the journal."""
    for url in ("https://example.com/", "https://pypi.org:8443/"):
        with pytest.raises(httpx.ProxyError, match="502"):
            client.get(url)
    assert client.get("http://example.com/path?query").status_code == 502
    assert world.journal.paths() == ["CONNECT example.com", "CONNECT pypi.org", "GET example.com/path"]
    assert {entry.status for entry in world.journal.entries} == {502}


def test_a_certificate_is_for_its_host(world: World, client: httpx.Client) -> None:
    """The certificate is trusted by whoever trusts the world's authority only, and each host answers for itself."""
    outside = httpx.Client(proxy=world.proxy_url, trust_env=False)
    with outside, pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        outside.get("https://pypi.org/")
    assert client.get("https://pypi.org/simple/none/", headers={"Host": "upload.pypi.org"}).status_code == 421


def test_one_more_host(world: World, client: httpx.Client) -> None:
    """A peer that was added later plays its hosts, with TLS and without, and one that is played already."""

    class More:
        hosts = ("*.more.example", "pypi.org")

        def __call__(self, request: Request) -> Answer:
            return json_answer({"body": request.body.decode()}, 201)

    world.add(More())
    assert client.post("https://one.more.example/", content="one").json() == {"body": "one"}
    assert client.post("http://two.more.example/at?a=b", content="two").json() == {"body": "two"}
    assert client.get("https://pypi.org/simple/none/").status_code == 201
    assert world.journal.entries[1].path == "/at"
    assert world.journal.entries[1].query == {"a": "b"}


def test_many_at_once(world: World, client: httpx.Client) -> None:
    """Of the same ID token posted by eight threads exactly one gets a token."""
    world.pypi.trust(world.github, "demo")
    jwt = id_token(client, world)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: mint(client, jwt), range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [422] * 7
    assert {refused(answer) for answer in answers if answer.status_code == 422} == {
        ("invalid-reuse-token", "invalid token: already used")
    }
    assert len(world.journal.to("upload.pypi.org")) == 8


def test_id_tokens(world: World, client: httpx.Client) -> None:
    """GitHub's tokens say what GitHub says of the job, are signed with a published key, and never twice the same."""
    world.github.claims |= {"environment": "pypi", "ref": "refs/tags/v2"}
    first, second = (decode(id_token(client, world)) for _ in range(2))
    claims = verify(
        id_token(client, world), world.github.signer, audience="pypi", issuer=ISSUER, now=time.time(), leeway=1
    )
    assert claims["sub"] == "repo:octo-org/octo-repo:environment:pypi"
    assert claims["job_workflow_ref"] == "octo-org/octo-repo/.github/workflows/release.yml@refs/tags/v2"
    assert claims["exp"] - claims["iat"] == 300
    assert len({first["jti"], second["jti"], claims["jti"]}) == 3
    assert client.get(f"https://{ISSUER_HOST}/.well-known/jwks").json()["keys"] == [world.github.signer.jwk]
    job = world.github.job(GITHUB_SHA=None, CI="true")
    assert "GITHUB_SHA" not in job
    assert job["CI"] == "true"
    assert job["GITHUB_REF"] == "refs/tags/v2"
    assert "ACTIONS_ID_TOKEN_REQUEST_URL" not in world.github.job_without_permission()


def test_requests_for_id_tokens(world: World, client: httpx.Client) -> None:
    """Without the job's own token there is no ID token; without an audience it is for the owner."""
    url = world.github.job()["ACTIONS_ID_TOKEN_REQUEST_URL"]
    assert client.get(url, headers={"Authorization": "Bearer something"}).status_code == 401
    assert client.get(url).status_code == 401
    right = {"Authorization": f"Bearer {world.github.request_token}"}
    assert client.get(url.partition("?")[0], headers=right).status_code == 404
    assert client.post(url, headers=right).status_code == 405
    assert decode(client.get(url, headers=right).json()["value"])["aud"] == "https://github.com/octo-org"


def test_verification() -> None:
    """A token is refused for the first thing that is wrong with it."""
    signer, now = Signer(process_key(), "kid"), 1_000_000.0
    good = {"iss": "me", "aud": "you", "iat": now, "exp": now + 10}

    def reason(token: str) -> str:
        with pytest.raises(TokenError) as caught:
            verify(token, signer, audience="you", issuer="me", now=now, leeway=30)
        return caught.value.reason

    assert verify(signer.sign(good | {"exp": now - 29}), signer, audience="you", issuer="me", now=now, leeway=30)
    assert reason("a.b") == "malformed"
    assert reason("e30.W10.") == "malformed"
    assert reason(signer.sign(good, alg="none")) == "algorithm"
    assert reason(Signer(process_key(), "other").sign(good)) == "key"
    assert reason(signer.sign(good)[:-8] + "AAAAAAAA") == "signature"
    assert reason(signer.sign({"iss": "me"})) == "claims"
    assert reason(signer.sign(good | {"exp": now - 30})) == "expired"
    assert reason(signer.sign(good | {"nbf": now + 31})) == "not-yet-valid"
    assert reason(signer.sign(good | {"aud": ["you"]})) == "audience"
    assert reason(signer.sign(good | {"iss": "them"})) == "issuer"


def test_mint_payloads(world: World, client: httpx.Client) -> None:
    """What is no ID token of a known issuer is refused in PyPI's words."""
    assert refused(mint(client, 7)) == ("invalid-payload", "Input should be a valid string")
    assert refused(mint(client, "")) == ("invalid-payload", "malformed JWT")
    foreign = world.github.token("pypi", iss="https://gitlab.example")
    assert refused(mint(client, foreign)) == ("invalid-payload", "unknown trusted publishing issuer")
    answer = client.get(f"{UPLOAD}/_/oidc/mint-token")
    assert answer.status_code == 405
    assert answer.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize("fault", ["github-expired", "github-audience", "github-signature"])
def test_id_tokens_that_are_wrong(world: World, client: httpx.Client, fault: str) -> None:
    """A token that is too old, for somebody else or not signed by GitHub is refused, and the next one is good."""
    world.pypi.trust(world.github, "demo")
    world.faults.set(fault, 1)
    assert refused(mint(client, id_token(client, world))) == ("invalid-token", "malformed or invalid token")
    assert mint(client, id_token(client, world)).status_code == 200
    assert world.faults.fired[fault] == 1


def test_testpypi_is_another_index(world: World, client: httpx.Client) -> None:
    """TestPyPI has its own audience, publishers and faults."""
    world.testpypi.trust(world.github, "demo")
    assert client.get(f"{TEST}/_/oidc/audience").json() == {"audience": "testpypi"}
    assert refused(mint(client, id_token(client, world), TEST)) == ("invalid-token", "malformed or invalid token")
    assert mint(client, id_token(client, world, "testpypi"), TEST).status_code == 200
    world.faults.set("mint", True)
    assert mint(client, id_token(client, world, "testpypi"), TEST).status_code == 200
    assert client.get(f"{TEST}/simple/demo/").status_code == 200


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"repository": "octo-org/other"}, "Publisher with matching claims was not found"),
        ({"repository_owner_id": "66"}, "Publisher with matching claims was not found"),
        ({"repository": "Octo-Org/octo-repo"}, "Publisher with matching claims was not found"),
        ({"environment": "testing"}, "Publisher with matching claims was not found"),
        ({"environment": None}, "Publisher with matching claims was not found"),
        ({"environment": "PyPI"}, None),
        (
            {"job_workflow_ref": "octo-org/octo-repo/.github/workflows/called.yml@refs/tags/v1.0"},
            "Publisher with matching claims was not found",
        ),
        (
            {"job_workflow_ref": "octo-org/shared/.github/workflows/release.yml@refs/heads/main"},
            (
                "The job_workflow_ref claim does not match, expecting one of "
                "['octo-org/octo-repo/.github/workflows/release.yml@abc', "
                "'octo-org/octo-repo/.github/workflows/release.yml@refs/tags/v1.0'], "
                "got 'octo-org/shared/.github/workflows/release.yml@refs/heads/main'"
            ),
        ),
        (
            {"event_name": "pull_request_target"},
            "Publishing from a workflow invoked via 'pull_request_target' is not supported.",
        ),
        ({"event_name": None}, "Missing claim 'event_name'"),
        ({"ref": "", "sha": "", "workflow_ref": "a/b/c.yml@"}, "The ref and sha claims are empty"),
    ],
)
def test_publishers(world: World, client: httpx.Client, claims: dict[str, str | None], reason: str | None) -> None:
    """A token of another workflow than the registered one is refused, with PyPI's reason."""
    world.github.claims |= {"environment": "pypi", "sha": "abc"}
    world.pypi.trust(world.github, "demo")
    if claims.get("ref") == "":
        claims = claims | {"job_workflow_ref": "octo-org/octo-repo/.github/workflows/release.yml@"}
    world.github.claims |= claims
    answer = mint(client, id_token(client, world))
    if reason is None:
        assert answer.status_code == 200
    else:
        said = f"valid token, but no corresponding publisher ({reason})"
        assert refused(answer) == ("invalid-publisher", said)
        assert world.pypi.refused == [f"invalid-publisher: {said}"]


def test_a_publisher_without_environment(world: World, client: httpx.Client) -> None:
    """It takes jobs with any environment, unless there is a publisher for that one."""
    world.pypi.trust(world.github, "any")
    world.pypi.trust(world.github, "own", environment="PyPI")
    world.github.claims["environment"] = "other"
    minted(client, world)
    world.github.claims["environment"] = "pypi"
    minted(client, world)
    assert [sorted(token.projects or ()) for token in world.pypi.minted] == [["any"], ["own"]]


def test_switched_off(world: World, client: httpx.Client) -> None:
    """When the administrators have switched it off, audience and mint say so."""
    world.pypi.disabled = True
    answer = client.get(f"{UPLOAD}/_/oidc/audience")
    assert answer.status_code == 403
    assert answer.json() == {"message": "Trusted publishing functionality not enabled"}
    assert refused(mint(client, id_token(client, world))) == (
        "not-enabled",
        "GitHub trusted publishing functionality not enabled",
    )


def test_pending_publishers(world: World, client: httpx.Client, tmp_path: Path) -> None:
    """The first mint makes an empty project of the registered name; no other one can be made with the token."""
    world.pypi.trust_pending(world.github, "Other.Name")
    assert client.get("https://pypi.org/simple/other-name/").status_code == 404
    world.faults.set("mint-raced", 1)
    assert mint(client, id_token(client, world)).status_code == 500
    assert world.pypi.exists("other-name")
    assert not world.pypi.minted
    token = minted(client, world)
    assert client.get("https://pypi.org/simple/other-name/", headers=SIMPLE).json()["files"] == []
    answer = upload(client, make_wheel(tmp_path), token)
    assert answer.status_code == 400
    assert answer.json()["code"].startswith("400 Non-user identities cannot create new projects.")
    assert upload(client, make_wheel(tmp_path, "other-name"), token).status_code == 200
    assert minted(client, world)


def test_pending_publishers_that_come_to_nothing(world: World, client: httpx.Client) -> None:
    """A project that exists by now, or that nobody may make, is refused; then there is no publisher any more."""
    world.pypi.put("demo-1.0.tar.gz", b"from before")
    world.pypi.trust_pending(world.github, "demo")
    said = "valid token, but project already exists"
    assert refused(mint(client, id_token(client, world))) == ("invalid-pending-publisher", said)
    code, reason = refused(mint(client, id_token(client, world)))
    assert code == "invalid-publisher"
    assert "not found" in reason
    world.pypi.prohibited.add("csv")
    world.pypi.trust_pending(world.github, "csv")
    code, reason = refused(mint(client, id_token(client, world)))
    assert code == "invalid-payload"
    assert reason.startswith("The name 'csv' isn't allowed.")


def test_rights(world: World, client: httpx.Client, tmp_path: Path) -> None:
    """A token is good for its projects and its time, which is judged when the whole upload has arrived."""
    world.pypi.put("elsewhere-1.0.tar.gz", b"theirs")
    world.pypi.trust(world.github, "demo-pkg")
    token = minted(client, world)
    answer = upload(client, make_wheel(tmp_path, "elsewhere"), token)
    assert answer.status_code == 403
    assert "OIDC scoped token is not valid for project 'elsewhere'" in answer.json()["code"]

    world.now = lambda: time.time() + 901
    answer = upload(client, make_wheel(tmp_path), token)
    assert answer.status_code == 403
    assert answer.json()["code"].startswith("403 Invalid API Token: token is expired, ")
    assert answer.json()["title"] == "Forbidden"
    assert upload(client, make_wheel(tmp_path), minted(client, world)).status_code == 200


def test_credentials_of_users(world: World, client: httpx.Client, tmp_path: Path) -> None:
    """Tokens of users may make projects; tokens of a project may not leave it; nothing else is a credential."""
    wheel = make_wheel(tmp_path)
    assert upload(client, wheel, world.pypi.api_token()).status_code == 200
    answer = upload(client, make_wheel(tmp_path, "another"), world.pypi.api_token("demo_pkg"))
    assert answer.status_code == 403
    unknown = upload(client, wheel, "pypi-unknown")
    assert unknown.json()["code"].startswith("403 Invalid or non-existent authentication information. See ")
    file = {"content": (wheel.name, b"", "application/octet-stream")}
    answer = client.post(f"{UPLOAD}/legacy/", data=dict(fields_for(wheel)), files=file, auth=("me", "password"))
    assert answer.status_code == 403
    assert "Username/Password authentication is no longer supported" in answer.text  # as HTML
    assert answer.text.startswith("<html>")


def test_duplicates_and_forms(world: World, client: httpx.Client, tmp_path: Path) -> None:
    """Other content under the same name, the same content under another, and a form that breaks a rule are refused."""
    token = world.pypi.api_token()
    wheel = make_wheel(tmp_path / "a", filler=1)
    assert upload(client, wheel, token).status_code == 200
    answer = upload(client, make_wheel(tmp_path / "b", filler=2), token)
    assert answer.status_code == 400
    blake2b = hashlib.blake2b(wheel.read_bytes(), digest_size=32).hexdigest()
    assert answer.json()["code"].startswith(
        f"400 File already exists ('{wheel.name}', with blake2_256 hash '{blake2b}'). See "
    )
    other = wheel.rename(wheel.with_name("demo_pkg-1.0-1-py3-none-any.whl"))
    assert "File already exists" in upload(client, other, token).json()["code"]
    assert not world.pypi.violations

    answer = upload(client, make_sdist(tmp_path), token, sha256_digest="0" * 64)
    assert answer.status_code == 400
    assert len(world.pypi.violations) == 1
    answer = client.post(f"{UPLOAD}/legacy", content=b"")
    assert (answer.status_code, answer.headers["location"]) == (308, "/legacy/")


def test_simple_pages(world: World, client: httpx.Client) -> None:
    """A name that is not normalised is redirected, an unknown project is 404, and a page may be HTML."""
    stored = world.pypi.put("demo_pkg-1.0.tar.gz", b"before")
    answer = client.get("https://pypi.org/simple/Demo.Pkg")
    assert (answer.status_code, answer.headers["location"]) == (301, "/simple/demo-pkg/")
    assert client.get("https://pypi.org/simple/other/").headers["content-type"].startswith("text/plain")
    assert f"#sha256={stored.sha256}" in client.get("https://pypi.org/simple/demo-pkg/").text
    assert client.get(f"{UPLOAD}/simple/demo-pkg/").status_code == 404
    world.pypi.projects["demo-pkg"] = "quarantined"
    page = client.get("https://pypi.org/simple/demo-pkg/", headers=SIMPLE).json()
    assert (page["files"], page["project-status"]) == ([], {"status": "quarantined"})


def test_burning(world: World, client: httpx.Client) -> None:
    """Burning takes no credential, says nothing about the outcome, and is not there on older servers."""
    world.pypi.trust(world.github, "demo")
    token = minted(client, world)
    url = f"{UPLOAD}/_/oidc/burn-token"
    assert client.post(url, json={"token": token}, auth=("__token__", token)).status_code == 403
    assert client.post(url, json={"token": world.pypi.api_token()}).status_code == 202
    assert len(world.pypi.violations) == 2
    world.faults.set("burn-echo", True)
    assert token in client.post(url, json={"token": token}).text
    assert not world.pypi.burnt
    world.pypi.burning = False
    assert client.post(url, json={"token": token}).status_code == 404


def test_faults(world: World, client: httpx.Client, tmp_path: Path) -> None:
    """Faults happen so often as they should, and a lost answer is about something that was done."""
    world.pypi.trust(world.github, "demo-pkg")
    world.faults.set("audience", 2)
    assert [client.get(f"{UPLOAD}/_/oidc/audience").status_code for _ in range(3)] == [503, 503, 200]
    world.faults.set("mint", [Answer(502), None, json_answer({"success": True})])
    said = [mint(client, id_token(client, world)) for _ in range(4)]
    assert [answer.status_code for answer in said] == [502, 200, 200, 200]
    assert ["token" in answer.text for answer in said] == [False, True, False, True]
    before = len(world.pypi.minted)
    world.faults.set("mint-lost", 1)
    jwt = id_token(client, world)
    with pytest.raises(httpx.RemoteProtocolError):
        mint(client, jwt)
    assert len(world.pypi.minted) == before + 1
    assert world.journal.entries[-1].status is None
    assert refused(mint(client, jwt))[0] == "invalid-reuse-token"
    world.faults.set("upload-lost", 1)
    with pytest.raises(httpx.RemoteProtocolError):
        upload(client, make_wheel(tmp_path), minted(client, world))
    assert [file.project for file in world.pypi.files] == ["demo-pkg"]
    world.faults.set("upload", Answer(413, early=True, read_on=False, close=True))
    answer = client.post(f"{UPLOAD}/legacy/", content=b"")
    assert answer.status_code == 413
    world.faults.set("github", 0.1)
    begin = time.monotonic()
    id_token(client, world)
    assert time.monotonic() - begin >= 0.1
    world.faults.reset()
    assert world.faults.take("upload") is None


def discovered(client: httpx.Client, key: str = "%2Fupload%2F", accept: str = TYPE) -> httpx.Response:
    return client.get(f"https://index.example/.well-known/pytp?discover={key}", headers={"Accept": accept})


def test_discovery(world: World, client: httpx.Client, tmp_path: Path) -> None:
    """An index of PEP 807 says where to mint, to whoever asks for it rightly, and its token is good for uploads."""
    index = world.discovery
    index.trust(world.github, "demo-pkg")
    answer = discovered(client)
    assert answer.headers["content-type"] == TYPE
    assert answer.json() == {
        "audience-endpoint": "https://index.example/trusted/audience",
        "token-mint-endpoint": "https://index.example/trusted/mint",
    }
    assert discovered(client, "%2Flegacy%2F").status_code == 404
    assert discovered(client, accept="application/json").status_code == 406
    audience = client.get(answer.json()["audience-endpoint"]).json()["audience"]
    jwt = id_token(client, world, audience)
    token = client.post(answer.json()["token-mint-endpoint"], json={"token": jwt}).json()["token"]
    again = client.post(answer.json()["token-mint-endpoint"], json={"token": jwt})
    assert again.status_code == 422
    assert again.headers["content-type"] == "application/problem+json"
    assert again.json()["detail"] == "invalid token: already used"
    for path in (make_wheel(tmp_path), make_sdist(tmp_path)):
        assert upload(client, path, token, index.upload_url).status_code == 200
    page = client.get(f"{index.simple_url}demo-pkg/", headers=SIMPLE)
    assert len(page.json()["files"]) == 2


def test_features(world: World, client: httpx.Client, tmp_path: Path) -> None:
    """A token for one upload is good for one; a feature that is not offered is refused."""
    index = world.discovery
    index.trust(world.github, "demo-pkg")
    index.tells_expiry = False
    url = "https://index.example/trusted/mint"

    def mint_with(**more: list[str]) -> httpx.Response:
        return client.post(url, json={"token": id_token(client, world, index.audience)} | more)

    assert mint_with(features=["single-use-token"]).json()["title"] == "Unsupported feature"
    index.features = ["single-use-token", "multi-use-token"]
    assert discovered(client).json()["features"] == index.features
    answer = mint_with(features=["single-use-token"])
    assert set(answer.json()) == {"token"}
    token = answer.json()["token"]
    assert upload(client, make_wheel(tmp_path), token, index.upload_url).status_code == 200
    assert upload(client, make_sdist(tmp_path), token, index.upload_url).status_code == 403
    world.faults.set("discovery-host", 1)
    world.faults.set("discovery-http", [None, True])
    urls = [discovered(client).json()["token-mint-endpoint"] for _ in range(3)]
    assert urls == ["https://elsewhere.index.example/trusted/mint", "http://index.example/trusted/mint", url]


def test_by_hand(tmp_path: Path) -> None:
    """As a command, it prints variables for a shell, takes faults over HTTP, and ends when it is interrupted."""
    command = [sys.executable, "-m", "tests.peers.world", str(tmp_path), "demo"]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        variables = {}
        while "ACTIONS_ID_TOKEN_REQUEST_TOKEN" not in variables:
            name, _, value = shlex.split(process.stdout.readline())[1].partition("=")
            variables[name] = value
        trust = ssl.create_default_context(cafile=variables["SSL_CERT_FILE"])
        with httpx.Client(proxy=variables["HTTPS_PROXY"], verify=trust, trust_env=False) as client:
            assert client.post("https://world.example/faults", json={"audience": {"status": 429}}).status_code == 200
            assert client.get(f"{UPLOAD}/_/oidc/audience").status_code == 429
            client.delete("https://world.example/faults")
            assert client.get(f"{UPLOAD}/_/oidc/audience").status_code == 200
        process.terminate()
        _, told = process.communicate(timeout=10)
    assert process.returncode == 0
    assert "Traceback" not in told


def test_the_end(tmp_path: Path) -> None:
    """The world ends at once although somebody waits in it and connections are open."""
    with running_world(tmp_path) as world:
        world.faults.set("audience", 60.0)
        inside = httpx.Client(transport=world.transport(), timeout=60)

        def ask() -> None:
            with inside, pytest.raises(httpx.TransportError):
                inside.get(f"{UPLOAD}/_/oidc/audience")

        asking = threading.Thread(target=ask)
        asking.start()
        while not world.faults.fired["audience"]:
            time.sleep(0.01)
        begin = time.monotonic()
    asking.join()
    assert time.monotonic() - begin < 5
