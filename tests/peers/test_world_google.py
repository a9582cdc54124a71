"""The played Google: what its services let through, what they refuse, in whose shapes, and what they remember."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.peers.scripted import Answer
from tests.peers.world import World, running_world
from tests.peers.world.google import Google
from tests.peers.world.google_cloud import CLOUD_PLATFORM, IAM_SCOPE, TOKEN_URI
from tests.peers.world.google_files import account_key
from tests.peers.world.jwt import Signer

STS = "https://sts.googleapis.com/v1/token"
ACCOUNTS = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts"
SDIST = "demo-1.0.tar.gz"


@dataclass(frozen=True)
class Scene:
    """A world with Google in it, and a client that believes in it."""

    world: World
    google: Google
    client: httpx.Client

    def id_token(self, **claims: Any) -> str:
        """Give an ID token for the provider."""
        return self.world.github.token(f"https:{self.google.provider.audience}", **claims)

    def exchange(self, **fields: str | None) -> httpx.Response:
        """Ask STS for a federated token, with other fields than usual."""
        form = {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "audience": self.google.provider.audience,
            "scope": CLOUD_PLATFORM,
            "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "subject_token": fields.get("subject_token") or self.id_token(),
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        } | fields
        return self.client.post(STS, data={name: value for name, value in form.items() if value is not None})

    def federated(self, scope: str = CLOUD_PLATFORM) -> str:
        """Give a federated token of the job."""
        return str(self.exchange(scope=scope).raise_for_status().json()["access_token"])

    def generate(self, token: str, account: str | None = None, **fields: Any) -> httpx.Response:
        """Ask for a token of an account."""
        body = {"delegates": [], "scope": [CLOUD_PLATFORM], "lifetime": "3600s"} | fields
        url = f"{ACCOUNTS}/{account or self.google.account.email}:generateAccessToken"
        return self.client.post(url, json=body, headers={"Authorization": f"Bearer {token}"})

    def assertion(self, key_id: str, **claims: Any) -> httpx.Response:
        """Ask for a token with a signed assertion, with other claims than usual."""
        now = int(self.world.now())
        told = {"iss": self.google.account.email, "aud": TOKEN_URI, "iat": now, "exp": now + 3600}
        signed = Signer(account_key(), key_id).sign(told | {"scope": CLOUD_PLATFORM} | claims)
        form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": signed}
        return self.client.post(TOKEN_URI, data=form)

    def refresh(self, **fields: str) -> httpx.Response:
        """Ask for a token with the refresh token of the developer."""
        user = self.google.user
        known = {name: getattr(user, name) for name in ("client_id", "client_secret", "refresh_token")}
        return self.client.post(TOKEN_URI, data={"grant_type": "refresh_token"} | known | fields)

    def upload(
        self, password: str, content: bytes = b"one", *, url: str | None = None, user: str = "oauth2accesstoken"
    ) -> httpx.Response:
        """Upload the sdist."""
        fields = {
            ":action": "file_upload",
            "protocol_version": "1",
            "filetype": "sdist",
            "pyversion": "source",
            "metadata_version": "2.4",
            "name": "Demo",
            "version": "1.0",
            "sha256_digest": hashlib.sha256(content).hexdigest(),
        }
        files = {"content": (SDIST, content, "application/octet-stream")}
        return self.client.post(url or self.google.repository.url, data=fields, files=files, auth=(user, password))

    def page(self, token: str, path: str = "demo/") -> httpx.Response:
        """Read a page of the index."""
        return self.client.get(f"{self.google.repository.url}simple/{path}", auth=("oauth2accesstoken", token))

    def grant(self, *members: str, scopes: tuple[str, ...] = (CLOUD_PLATFORM,)) -> str:
        """Give a token of somebody, whoever it would be who made it."""
        return self.google.cloud.issue("c", members, scopes, 3600).token


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with (
        running_world(tmp_path / "world") as world,
        httpx.Client(transport=world.transport(), trust_env=False) as client,
    ):
        yield Scene(world, world.google, client)


def oauth(answer: httpx.Response) -> tuple[int, str, str]:
    return answer.status_code, answer.json()["error"], answer.json()["error_description"]


def api(answer: httpx.Response) -> tuple[int, str, str]:
    error = answer.json()["error"]
    assert error["code"] == answer.status_code
    infos = [each for each in error.get("details", []) if each["@type"].endswith("ErrorInfo")]
    return error["code"], error["status"], infos[0]["reason"] if infos else error["message"]


class TestFederation:
    """A job's ID token, and what it is worth."""

    def test_a_job_uploads_with_nothing_but_its_id_token(self, scene: Scene) -> None:
        """GitHub, STS and the registry agree about who a job is; nobody else is asked."""
        job = scene.world.github.job()
        answer = scene.client.get(
            f"{job['ACTIONS_ID_TOKEN_REQUEST_URL']}&audience=https:{scene.google.provider.audience}",
            headers={"Authorization": f"Bearer {job['ACTIONS_ID_TOKEN_REQUEST_TOKEN']}"},
        )
        exchanged = scene.exchange(subject_token=answer.json()["value"]).raise_for_status().json()

        assert exchanged["token_type"] == "Bearer"
        assert exchanged["issued_token_type"] == "urn:ietf:params:oauth:token-type:access_token"
        assert scene.upload(exchanged["access_token"]).status_code == 200
        assert scene.google.violations == []
        assert scene.world.journal.to("cloudresourcemanager.googleapis.com") == []

    def test_json_in_googles_spelling_is_as_good_as_a_form(self, scene: Scene) -> None:
        """google-github-actions/auth asks in JSON with names in camel case."""
        answer = scene.client.post(
            STS,
            json={
                "grantType": "urn:ietf:params:oauth:grant-type:token-exchange",
                "audience": scene.google.provider.audience,
                "scope": CLOUD_PLATFORM,
                "requestedTokenType": "urn:ietf:params:oauth:token-type:access_token",
                "subjectToken": scene.id_token(),
                "subjectTokenType": "urn:ietf:params:oauth:token-type:jwt",
            },
        )

        assert scene.upload(answer.json()["access_token"]).status_code == 200

    def test_a_federated_token_lives_as_long_as_the_id_token(self, scene: Scene) -> None:
        """Neither an hour nor five minutes, but what is left; then it is a wrong password."""
        begin = int(scene.world.now())
        scene.world.now = lambda: begin
        old = scene.id_token()
        scene.world.now = lambda: begin + 100
        exchanged = scene.exchange(subject_token=old).json()
        assert exchanged["expires_in"] == 200

        scene.world.now = lambda: begin + 299
        assert scene.page(exchanged["access_token"]).status_code == 404
        scene.world.now = lambda: begin + 300
        assert scene.page(exchanged["access_token"]).status_code == 401
        assert oauth(scene.exchange(subject_token=old))[1:] == (
            "invalid_grant",
            f"ID Token issued at {begin} is stale to sign-in.",
        )

    @pytest.mark.parametrize("prefix", ["//iam.googleapis.com/", "https://iam.googleapis.com/"])
    def test_the_audience_is_the_provider_with_or_without_https(self, scene: Scene, prefix: str) -> None:
        """Both spellings are taken, and no third."""
        token = scene.world.github.token(f"{prefix}{scene.google.provider.name}")
        assert scene.exchange(subject_token=token).status_code == 200

        other = scene.world.github.token(f"http:{prefix}")
        assert oauth(scene.exchange(subject_token=other)) == (
            400,
            "invalid_grant",
            f"The audience in ID Token [http:{prefix}] does not match the expected audience.",
        )

    def test_a_provider_with_audiences_of_its_own_wants_one_of_these(self, scene: Scene) -> None:
        """Its name is no audience any more."""
        scene.google.provider.allowed_audiences = ("octo",)

        assert "audience in ID Token" in oauth(scene.exchange())[2]
        assert scene.exchange(subject_token=scene.world.github.token("octo")).status_code == 200

    @pytest.mark.parametrize(
        ("fields", "error"),
        [
            ({"grant_type": "password"}, "unsupported_grant_type"),
            ({"requested_token_type": None}, "invalid_request"),
            ({"subject_token_type": "urn:ietf:params:oauth:token-type:saml2"}, "invalid_request"),
            ({"subject_token": "nonsense"}, "invalid_request"),
            ({"scope": None}, "invalid_scope"),
            ({"scope": "everything"}, "invalid_scope"),
            ({"audience": "https://iam.googleapis.com/projects/1"}, "invalid_request"),
            (
                {"audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/github"},
                "invalid_target",
            ),
        ],
    )
    def test_a_request_has_to_be_whole(self, scene: Scene, fields: dict[str, str | None], error: str) -> None:
        """Types, scope and the provider's full name are looked at, not taken for granted."""
        answer = scene.exchange(**fields)

        assert oauth(answer)[:2] == (400, error)

    @pytest.mark.parametrize("fault", ["github-issuer", "github-signature", "github-expired", "github-audience"])
    def test_a_token_that_is_wrong_in_one_way_is_refused(self, scene: Scene, fault: str) -> None:
        """Issuer, signature, expiry and audience are checked each for itself."""
        scene.world.faults.set(fault, 1)
        job = scene.world.github.job()
        answer = scene.client.get(
            f"{job['ACTIONS_ID_TOKEN_REQUEST_URL']}&audience=https:{scene.google.provider.audience}",
            headers={"Authorization": f"Bearer {job['ACTIONS_ID_TOKEN_REQUEST_TOKEN']}"},
        )

        status, error, said = oauth(scene.exchange(subject_token=answer.json()["value"]))

        assert (status, error) == (400, "invalid_grant")
        words = {"issuer": "issuer in ID", "signature": "invalid", "expired": "stale to", "audience": "audience in ID"}
        assert words[fault.removeprefix("github-")] in said

    def test_the_condition_and_the_mapping_are_applied(self, scene: Scene) -> None:
        """A condition that is false, and a subject too long to be one, are refusals with their own words."""
        scene.google.provider.condition = lambda claims: claims["ref"] == "refs/heads/main"
        refused = (401, "unauthorized_client", "The given credential is rejected by the attribute condition.")
        assert oauth(scene.exchange()) == refused
        assert scene.exchange(subject_token=scene.id_token(ref="refs/heads/main")).status_code == 200

        scene.google.provider.condition = None
        assert scene.exchange(subject_token=scene.id_token(sub="s" * 127)).status_code == 200
        assert "exceeds the 127 bytes limit" in oauth(scene.exchange(subject_token=scene.id_token(sub="s" * 128)))[2]

    def test_a_provider_that_is_off_is_no_target(self, scene: Scene) -> None:
        """Disabled, deleted, or of a project that was given by its ID: the same words."""
        by_id = scene.google.provider.audience.replace(scene.google.provider.project_number, "octo-project")
        assert oauth(scene.exchange(audience=by_id))[:2] == (400, "invalid_target")
        scene.google.provider.disabled = True
        assert "disabled or deleted" in oauth(scene.exchange())[2]

    def test_who_a_token_is_follows_from_its_claims(self, scene: Scene) -> None:
        """Rights given to another repository or another subject do not count."""
        repository = scene.google.repository
        at = f"iam.googleapis.com/{scene.google.provider.pool_name}"
        token = scene.federated()
        for member, status in (
            (f"principalSet://{at}/attribute.repository/octo-org/Octo-Repo", 403),
            (f"principal://{at}/subject/repo:octo-org/octo-repo:ref:refs/tags/v1.0", 404),
            (f"principalSet://{at}/attribute.repository_owner/octo-org", 404),
            (f"principalSet://{at}/*", 404),
        ):
            repository.writers = {member}
            assert scene.page(token).status_code == status, member


class TestImpersonation:
    """Tokens of a service account for somebody else."""

    def test_a_federated_token_buys_one_of_the_account(self, scene: Scene) -> None:
        """It lives for an hour, and is the account's and nobody else's."""
        scene.google.repository.writers = {scene.google.account.member}
        federated = scene.federated(IAM_SCOPE)
        answer = scene.generate(federated).raise_for_status().json()

        assert scene.upload(federated).status_code == 403
        assert scene.upload(answer["accessToken"]).status_code == 200
        assert scene.generate(federated, scene.google.account.unique_id).status_code == 200
        assert answer["expireTime"].endswith("Z")

    def test_what_is_asked_for_is_looked_at(self, scene: Scene) -> None:
        """No scope, too long a life, and a project in the name are invalid arguments."""
        token = scene.federated()
        too_long = "The access token lifetime cannot exceed 3600 seconds."

        assert api(scene.generate(token, lifetime="3601s")) == (400, "INVALID_ARGUMENT", too_long)
        assert api(scene.generate(token, scope=[]))[:2] == (400, "INVALID_ARGUMENT")
        assert api(scene.generate(token, lifetime="an hour"))[:2] == (400, "INVALID_ARGUMENT")
        url = f"{ACCOUNTS.replace('/-/', '/octo-project/')}/{scene.google.account.email}:generateAccessToken"
        answer = scene.client.post(url, json={}, headers={"Authorization": f"Bearer {token}"})
        assert api(answer)[:2] == (400, "INVALID_ARGUMENT")

    def test_who_asks_is_looked_at(self, scene: Scene) -> None:
        """Without a token, with a worthless one, without the scope, without the right: each has its reason."""
        nobody = scene.client.post(f"{ACCOUNTS}/{scene.google.account.email}:generateAccessToken", json={})
        assert api(nobody) == (401, "UNAUTHENTICATED", "CREDENTIALS_MISSING")
        assert api(scene.generate("ya29.worthless"))[:2] == (401, "UNAUTHENTICATED")
        narrow = scene.grant(scene.google.repository_member(), scopes=("openid",))
        assert api(scene.generate(narrow)) == (403, "PERMISSION_DENIED", "ACCESS_TOKEN_SCOPE_INSUFFICIENT")
        stranger = scene.grant("user:stranger@octo.example")
        assert api(scene.generate(stranger)) == (403, "PERMISSION_DENIED", "IAM_PERMISSION_DENIED")
        assert "iam.serviceAccounts.getAccessToken" in scene.generate(stranger).text

    def test_an_account_that_is_not_there_has_no_gaia_id(self, scene: Scene) -> None:
        """A typing error is a 404 that repeats it."""
        status, code, said = api(scene.generate(scene.federated(), "typo@octo-project.iam.gserviceaccount.com"))

        assert (status, code) == (404, "NOT_FOUND")
        assert said == "Not found; Gaia id not found for email typo@octo-project.iam.gserviceaccount.com"


class TestTokenEndpoint:
    """Keys of accounts, and logins of developers."""

    def test_a_signed_assertion_buys_a_token(self, scene: Scene) -> None:
        """The signature is the registered key's, under its ID."""
        key = scene.google.service_account_key()
        answer = scene.assertion(key["private_key_id"]).raise_for_status().json()

        assert (answer["expires_in"], answer["token_type"]) == (3599, "Bearer")
        assert scene.upload(answer["access_token"]).status_code == 200

    @pytest.mark.parametrize(
        ("claims", "error", "words"),
        [
            ({"iss": "gone@octo-project.iam.gserviceaccount.com"}, "invalid_grant", "account not found"),
            ({"aud": "https://elsewhere.example/token"}, "invalid_grant", "The right audience is"),
            ({"exp": 4 * 10**9}, "invalid_grant", "short-lived token (60 minutes)"),
            ({"iat": 10**9, "exp": 10**9 + 3600}, "invalid_grant", "short-lived token (60 minutes)"),
            ({"scope": ""}, "invalid_scope", "Invalid OAuth scope or ID token audience provided."),
        ],
    )
    def test_an_assertion_is_checked(self, scene: Scene, claims: dict[str, Any], error: str, words: str) -> None:
        """Account, audience, times and scope."""
        key = scene.google.service_account_key()
        status, told, said = oauth(scene.assertion(key["private_key_id"], **claims))

        assert (status, told) == (400, error)
        assert words in said

    def test_a_revoked_key_signs_nothing(self, scene: Scene) -> None:
        """Its ID is not known any more."""
        key = scene.google.service_account_key()
        scene.google.account.keys.clear()

        assert oauth(scene.assertion(key["private_key_id"])) == (400, "invalid_grant", "Invalid JWT Signature.")

    def test_a_refresh_token_buys_a_token(self, scene: Scene) -> None:
        """It belongs to a client, which has to say its own secret."""
        answer = scene.refresh().raise_for_status().json()

        assert scene.upload(answer["access_token"]).status_code == 200
        assert CLOUD_PLATFORM in answer["scope"]
        assert oauth(scene.refresh(client_id="other"))[:2] == (401, "invalid_client")
        assert oauth(scene.refresh(client_secret="other"))[:2] == (401, "invalid_client")
        assert oauth(scene.refresh(refresh_token="other"))[:2] == (400, "invalid_grant")
        assert oauth(scene.refresh(grant_type="password"))[:2] == (400, "unsupported_grant_type")


class TestMetadataServer:
    """The VM's own token."""

    TOKEN = "/computeMetadata/v1/instance/service-accounts/default/token"
    FLAVOR = {"Metadata-Flavor": "Google"}  # noqa: RUF012 - constant

    def test_the_header_goes_both_ways(self, scene: Scene) -> None:
        """Who does not send it gets nothing; who gets it knows whom it has asked."""
        with scene.google.metadata_server() as at, httpx.Client(base_url=f"http://{at}", trust_env=False) as client:
            assert client.get(self.TOKEN).status_code == 403
            assert client.get(self.TOKEN, headers=self.FLAVOR | {"X-Forwarded-For": "1.1.1.1"}).status_code == 403
            answer = client.get(self.TOKEN, headers=self.FLAVOR)
            ping = client.get("/", headers=self.FLAVOR)

        assert answer.headers["Metadata-Flavor"] == ping.headers["Metadata-Flavor"] == "Google"
        assert scene.upload(answer.json()["access_token"]).status_code == 200
        assert [entry.status for entry in scene.world.journal.to("metadata.google.internal")] == [403, 403, 200, 200]

    def test_a_token_is_kept_until_it_has_little_left(self, scene: Scene) -> None:
        """Who asks twice gets the same, with less time."""
        begin = scene.world.now()
        with scene.google.metadata_server() as at, httpx.Client(base_url=f"http://{at}", trust_env=False) as client:
            first, second, third = (self._at(scene, begin + later, client).json() for later in (0.0, 3000.0, 3301.0))

        assert first["access_token"] == second["access_token"] != third["access_token"]
        assert (first["expires_in"], second["expires_in"], third["expires_in"]) == (3600, 600, 3600)

    def _at(self, scene: Scene, now: float, client: httpx.Client) -> httpx.Response:
        scene.world.now = lambda: now
        return client.get(self.TOKEN, headers=self.FLAVOR)

    def test_scopes_of_the_vm_limit_what_its_account_may_do(self, scene: Scene) -> None:
        """The writer role is not enough; no account at all is a 404."""
        scene.google.machine.scopes = {"https://www.googleapis.com/auth/devstorage.read_only"}
        with scene.google.metadata_server() as at, httpx.Client(base_url=f"http://{at}", trust_env=False) as client:
            token = client.get(self.TOKEN, headers=self.FLAVOR).json()["access_token"]
            scene.google.machine.account = None
            assert client.get(self.TOKEN, headers=self.FLAVOR).status_code == 404

        assert scene.upload(token).status_code == 403

    def test_it_can_be_absent_or_somebody_else(self, scene: Scene) -> None:
        """A connection that ends, an answer without the header, a token that is nearly over, no account, 503."""
        faults = scene.world.faults
        with scene.google.metadata_server() as at, httpx.Client(base_url=f"http://{at}", trust_env=False) as client:
            faults.set("metadata-absent", 1)
            with pytest.raises(httpx.TransportError):
                client.get(self.TOKEN, headers=self.FLAVOR)
            faults.set("metadata-no-flavor", 1)
            assert "Metadata-Flavor" not in client.get(self.TOKEN, headers=self.FLAVOR).headers
            faults.set("metadata-short", 1)
            assert client.get(self.TOKEN, headers=self.FLAVOR).json()["expires_in"] == 30
            faults.set("metadata-no-account", 1)
            assert client.get(self.TOKEN, headers=self.FLAVOR).status_code == 404
            faults.set("metadata-unavailable", 1)
            assert client.get(self.TOKEN, headers=self.FLAVOR).status_code == 503
            assert client.get(self.TOKEN, headers=self.FLAVOR).status_code == 200


class TestArtifactRegistry:
    """Repositories."""

    def test_what_was_uploaded_is_in_the_index(self, scene: Scene) -> None:
        """As HTML, with the whole address and the sha256 of each file; what was never uploaded is a 404."""
        token, digest = scene.federated(), hashlib.sha256(b"one").hexdigest()
        scene.google.registry.contents[digest] = b"one"
        assert scene.page(token).status_code == 404
        scene.upload(token).raise_for_status()
        page = scene.page(token)

        assert page.headers["Content-Type"].startswith("text/html")
        assert f'href="{scene.google.repository.url}demo/{SDIST}#sha256={digest}"' in page.text
        assert "/simple/demo/" in scene.page(token, "").text
        file = scene.client.get(f"{scene.google.repository.url}demo/{SDIST}", auth=("oauth2accesstoken", token))
        assert file.content == b"one"
        assert scene.google.violations == []

    @pytest.mark.parametrize("content", [b"one", b"two"])
    def test_a_file_that_exists_is_never_replaced(self, scene: Scene, content: bytes) -> None:
        """Same bytes or other bytes: a 400 with the same words."""
        token = scene.federated()
        scene.upload(token).raise_for_status()
        answer = scene.upload(token, content)

        assert (answer.status_code, answer.reason_phrase) == (400, "Bad Request")
        assert answer.text == "Requested entity already exists.\n"
        assert scene.google.repository.files[SDIST].sha256 == hashlib.sha256(b"one").hexdigest()

    def test_only_two_users_can_have_the_right_password(self, scene: Scene) -> None:
        """A good token under another name, as bearer or not at all is a 401, as is a bad one."""
        token = scene.federated()
        said = "The request does not have valid authentication credentials. \n"
        for user, password in (("__token__", token), ("oauth2accesstoken", "nonsense"), ("_json_key_base64", "{}")):
            answer = scene.upload(password, user=user)
            assert (answer.status_code, answer.text) == (401, said), user
        url = scene.google.repository.url
        assert scene.client.post(url, headers={"Authorization": f"Bearer {token}"}).status_code == 401
        assert scene.client.get(f"{url}simple/").status_code == 401
        assert scene.client.get(f"{url}simple/", headers={"Authorization": "Basic %%%"}).status_code == 401

    def test_a_key_file_is_a_password_as_long_as_it_is_known(self, scene: Scene) -> None:
        """The key in it is compared, not only its name."""
        file = scene.google.service_account_key()
        password = scene.google.key_password(file)
        other = scene.google.key_password(file | {"private_key_id": "0" * 40})

        assert scene.upload(password, user="_json_key_base64").status_code == 200
        assert scene.upload(other, user="_json_key_base64").status_code == 401
        scene.google.account.keys.clear()
        assert scene.upload(password, user="_json_key_base64").status_code == 401

    def test_reading_is_not_writing(self, scene: Scene) -> None:
        """Each permission is named where it is missing."""
        scene.google.repository.writers = set()
        token = scene.federated()
        resource = "projects/octo-project/locations/us-central1/repositories/python"
        denied = 'Permission "artifactregistry.repositories.{}" denied on resource "{}" (or it may not exist)\n'

        assert scene.page(token).status_code == 403
        assert scene.page(token).text == denied.format("downloadArtifacts", resource)
        scene.google.repository.readers = {scene.google.repository_member()}
        assert scene.page(token).status_code == 404
        answer = scene.upload(token)
        assert (answer.status_code, answer.text) == (403, denied.format("uploadArtifacts", resource))

    def test_a_repository_that_is_not_there_looks_like_a_forbidden_one(self, scene: Scene) -> None:
        """Only who has rights in the project is told the truth; a location belongs to the name."""
        token = scene.federated()
        url = scene.google.repository.url.replace("us-central1", "europe")

        assert scene.upload(token, url=url).status_code == 403
        scene.google.registry.insiders["octo-project"] = {scene.google.repository_member()}
        assert scene.upload(token, url=url).status_code == 404

    @pytest.mark.parametrize("mode", ["remote", "virtual"])
    def test_only_a_standard_repository_takes_files(self, scene: Scene, mode: Any) -> None:
        """A virtual one shows what stands behind it."""
        token = scene.federated()
        scene.upload(token).raise_for_status()
        front = scene.google.add_repository("front", mode)
        front.writers = {scene.google.repository_member()}
        front.upstreams = [scene.google.repository]

        assert scene.upload(token, url=front.url).status_code == 403
        page = scene.client.get(f"{front.url}simple/demo/", auth=("oauth2accesstoken", token))
        assert SDIST in page.text

    @pytest.mark.parametrize("cut", [lambda url: url.removesuffix("/"), lambda url: f"{url}simple/"])
    def test_only_the_upload_url_takes_files(self, scene: Scene, cut: Callable[[str], str]) -> None:
        """Neither without the last slash, nor the index: a 404, and a violation."""
        answer = scene.upload(scene.federated(), url=cut(scene.google.repository.url))

        assert answer.status_code == 404
        assert len(scene.google.violations) == 1

    def test_a_form_that_breaks_rules_is_on_record(self, scene: Scene) -> None:
        """Digests are compared; a form without a file is refused."""
        token = scene.federated()
        files = {"content": (SDIST, b"one", "application/octet-stream")}
        auth = ("oauth2accesstoken", token)
        scene.client.post(scene.google.repository.url, data={"sha256_digest": "0", "name": "x"}, files=files, auth=auth)
        assert any("sha256_digest" in violation for violation in scene.google.violations)
        assert scene.client.post(scene.google.repository.url, data={"name": "x"}, auth=auth).status_code == 400
        assert scene.google.repository.files == {}

    def test_a_large_duplicate_is_cut_off(self, scene: Scene) -> None:
        """No status at all, or one that is sent before the body was read; a large new file is stored."""
        token, large = scene.federated(), bytes(1_000_000)
        scene.google.repository.large = 500_000
        assert scene.upload(token, large).status_code == 200
        with pytest.raises(httpx.TransportError):
            scene.upload(token, large)

        scene.world.faults.set("registry-large-400", 1)
        assert scene.world.faults.fired["registry-large-400"] == 0
        with contextlib.suppress(httpx.TransportError):  # the reset behind it may overtake an answer
            assert scene.upload(token, large).status_code == 400
        assert scene.world.faults.fired["registry-large-400"] == 1

    def test_a_lost_answer_leaves_the_file_there(self, scene: Scene) -> None:
        """And a cut in the middle does not."""
        token = scene.federated()
        scene.world.faults.set("registry-cut", 1)
        with pytest.raises(httpx.TransportError):
            scene.upload(token)
        assert scene.google.repository.files == {}
        scene.world.faults.set("registry-stored-then-dropped", 1)
        with pytest.raises(httpx.TransportError):
            scene.upload(token)
        assert list(scene.google.repository.files) == [SDIST]
        assert scene.upload(token).status_code == 400

    def test_the_index_can_be_stale_or_without_hashes(self, scene: Scene) -> None:
        """What was put there by a test is there even so."""
        token = scene.federated()
        scene.google.repository.put("demo-0.9.tar.gz", b"old")
        scene.upload(token).raise_for_status()
        scene.world.faults.set("registry-index-stale", 1)
        assert SDIST not in scene.page(token).text
        scene.world.faults.set("registry-index-no-hashes", 1)
        assert "sha256" not in scene.page(token).text
        assert scene.page(token).text.count("#sha256=") == 2
        old = scene.client.get(f"{scene.google.repository.url}demo/demo-0.9.tar.gz", auth=("oauth2accesstoken", token))
        assert old.content == b"old"

    def test_a_token_can_be_taken_back(self, scene: Scene) -> None:
        """Before its time, as when a key is deleted: a 401."""
        token = scene.federated()
        scene.google.cloud.revoke()
        assert scene.upload(token).status_code == 401


class TestFaults:
    """What can go wrong, and how it looks."""

    @pytest.mark.parametrize(
        ("fault", "status", "error"),
        [
            ("sts-unavailable", 503, "internal_failure"),
            ("sts-too-many", 429, "temporarily_unavailable"),
            ("sts-pool-disabled", 400, "invalid_target"),
            ("sts-attribute-condition", 401, "unauthorized_client"),
            ("sts-subject-too-long", 400, "invalid_request"),
            ("sts-stale", 400, "invalid_grant"),
        ],
    )
    def test_of_sts(self, scene: Scene, fault: str, status: int, error: str) -> None:
        """Each is in the form of an OAuth error, and over when it has happened."""
        scene.world.faults.set(fault, 1)
        answer = scene.exchange()

        assert oauth(answer)[:2] == (status, error)
        assert ("Retry-After" in answer.headers) == (fault == "sts-too-many")
        assert scene.exchange().status_code == 200

    def test_of_sts_that_spoil_a_good_answer(self, scene: Scene) -> None:
        """Pages for JSON, and a life that is missing or a text."""
        scene.world.faults.set("sts-html-error", 1)
        assert scene.exchange().headers["Content-Type"].startswith("text/html")
        scene.world.faults.set("sts-html", 1)
        assert "<!DOCTYPE html>" in scene.exchange().raise_for_status().text
        scene.world.faults.set("sts-no-expires-in", 1)
        assert "expires_in" not in scene.exchange().json()
        scene.world.faults.set("sts-expires-in-text", 1)
        assert scene.exchange().json()["expires_in"] in ("300", "299")

    @pytest.mark.parametrize(
        ("fault", "expected"),
        [
            ("iam-unavailable", (503, "UNAVAILABLE", "The service is currently unavailable.")),
            ("iam-api-off", (403, "PERMISSION_DENIED", "SERVICE_DISABLED")),
            ("iam-denied", (403, "PERMISSION_DENIED", "IAM_PERMISSION_DENIED")),
        ],
    )
    def test_of_iam(self, scene: Scene, fault: str, expected: tuple[int, str, str]) -> None:
        """Each is in the form of Google's APIs, with details for machines."""
        token = scene.federated(IAM_SCOPE)
        scene.world.faults.set(fault, 1)
        assert api(scene.generate(token)) == expected
        scene.world.faults.set("iam-not-found", 1)
        assert "Gaia id not found" in scene.generate(token).text
        scene.world.faults.set("iam-fractional-expire-time", 1)
        assert "." in scene.generate(token).json()["expireTime"]

    @pytest.mark.parametrize(
        ("fault", "status", "words"),
        [
            ("oauth2-unavailable", 503, "internal_failure"),
            ("oauth2-account-gone", 400, "account not found"),
            ("oauth2-key-revoked", 400, "Invalid JWT Signature."),
            ("oauth2-user-revoked", 400, "expired or revoked"),
        ],
    )
    def test_of_the_token_endpoint(self, scene: Scene, fault: str, status: int, words: str) -> None:
        """Accounts, keys and logins that are gone."""
        scene.world.faults.set(fault, 1)
        answer = scene.refresh()

        assert answer.status_code == status
        assert words in answer.text

    @pytest.mark.parametrize(
        ("fault", "status"),
        [
            ("registry-unauthenticated", 401),
            ("registry-denied", 403),
            ("registry-no-repository", 403),
            ("registry-too-many", 429),
            ("registry-unavailable", 503),
        ],
    )
    def test_of_uploads(self, scene: Scene, fault: str, status: int) -> None:
        """Nothing is stored, and the next one is."""
        token = scene.federated()
        scene.world.faults.set(fault, 1)

        assert scene.upload(token).status_code == status
        assert scene.google.repository.files == {}
        assert scene.upload(token).status_code == 200

    @pytest.mark.parametrize(
        ("fault", "status"),
        [
            ("registry-index-unauthenticated", 401),
            ("registry-index-denied", 403),
            ("registry-index-unavailable", 503),
        ],
    )
    def test_of_reads(self, scene: Scene, fault: str, status: int) -> None:
        """An index that cannot be read is not one that is empty."""
        scene.world.faults.set(fault, 1)
        assert scene.page(scene.federated()).status_code == status

    def test_an_answer_of_the_tests_own(self, scene: Scene) -> None:
        """Any fault says what it is told to say."""
        scene.world.faults.set("sts-unavailable", [Answer(418), None])
        assert [scene.exchange().status_code for _ in range(2)] == [418, 200]
        scene.world.faults.set("iam-slow", 0.01)
        assert scene.generate(scene.federated()).status_code == 200


class TestLeftBehind:
    """What tools leave behind for later steps."""

    def test_a_federation_file(self, scene: Scene, tmp_path: Path) -> None:
        """It has what the action writes, is readable by its group only, and leads to a token."""
        environ = scene.google.auth_action(tmp_path, service_account=scene.google.account.email)
        (path,) = tmp_path.glob("gha-creds-????????????????.json")
        file = json.loads(path.read_text())

        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        assert environ["GOOGLE_APPLICATION_CREDENTIALS"] == environ["GOOGLE_GHA_CREDS_PATH"] == str(path)
        assert environ["GOOGLE_CLOUD_PROJECT"] == "octo-project"
        assert list(file) == [
            "type",
            "audience",
            "subject_token_type",
            "token_url",
            "credential_source",
            "service_account_impersonation_url",
        ]
        assert file["token_url"] == STS
        source = file["credential_source"]
        assert parse_qs(urlsplit(source["url"]).query)["audience"] == [f"https:{scene.google.provider.audience}"]
        token = scene.client.get(source["url"], headers=source["headers"]).json()[
            source["format"]["subject_token_field_name"]
        ]
        federated = scene.exchange(audience=file["audience"], subject_token=token, scope=IAM_SCOPE).json()
        answer = scene.client.post(
            file["service_account_impersonation_url"],
            json={"scope": [CLOUD_PLATFORM]},
            headers={"Authorization": f"Bearer {federated['access_token']}"},
        )
        assert scene.upload(answer.json()["accessToken"]).status_code == 200

    def test_a_direct_federation_names_no_project(self, scene: Scene, tmp_path: Path) -> None:
        """Unless the step was told one."""
        assert set(scene.google.auth_action(tmp_path)) == {
            "GOOGLE_APPLICATION_CREDENTIALS",
            "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE",
            "GOOGLE_GHA_CREDS_PATH",
        }
        assert scene.google.auth_action(tmp_path, project_id="other")["GCLOUD_PROJECT"] == "other"
        assert len(list(tmp_path.glob("gha-creds-*.json"))) == 2

    def test_a_key_is_written_whole(self, scene: Scene, tmp_path: Path) -> None:
        """With `credentials_json` the file is the key."""
        key = scene.google.service_account_key()
        environ = scene.google.auth_action(tmp_path, credentials_json=key)

        assert json.loads(Path(environ["GOOGLE_GHA_CREDS_PATH"]).read_text()) == key

    def test_everything_secret_is_known(self, scene: Scene) -> None:
        """Tokens, as they are and as a password for an index; keys and their lines; what belongs to a login."""
        key, login = scene.google.service_account_key(), scene.google.authorized_user()
        token = scene.federated()
        account = scene.generate(token).json()["accessToken"]
        known = scene.world.journal.secrets

        basic = base64.b64encode(f"oauth2accesstoken:{token}".encode()).decode()
        assert {token, basic, account, key["private_key"], login["refresh_token"], login["client_secret"]} <= known
        assert set(key["private_key"].splitlines()[1:-2]) <= known
        assert scene.google.key_password(key) in known
        assert all(len(secret) >= 8 for secret in known)
        assert not any(secret.startswith("-----BEGIN") and "\n" not in secret for secret in known)

    def test_nobody_has_to_ask_the_resource_manager(self, scene: Scene) -> None:
        """It is there only so that the journal shows whoever does."""
        answer = scene.client.get("https://cloudresourcemanager.googleapis.com/v1/projects/octo-project")

        assert answer.status_code == 403
        assert scene.world.journal.paths("cloudresourcemanager.googleapis.com") == [
            "GET cloudresourcemanager.googleapis.com/v1/projects/octo-project"
        ]
