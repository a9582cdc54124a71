"""GitHub's identity provider for jobs: it gives a job ID tokens, and the world the keys to check them.

What is in a token is what GitHub puts into it (docs.github.com, "OpenID Connect reference", 2026-08).
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from tests.peers.scripted import Answer, Request, json_answer
from tests.peers.world.jwt import Signer, process_key
from tests.peers.world.proxy import Stage, host_of, target, text_answer

ISSUER_HOST = "token.actions.githubusercontent.com"
ISSUER = f"https://{ISSUER_HOST}"
REQUEST_HOST = "pipelines.actions.githubusercontent.com"

LIFE = 300  # seconds that GitHub's tokens live

DENIED = json_answer({"message": "The job is not allowed to request an ID token.", "typeKey": "AccessDenied"}, 403)
FAILED = json_answer({"message": "Something went wrong."}, 500)
COMPLETED = json_answer({"message": "Cannot generate an ID token: job in 'Completed' state."}, 400)
PAGE = text_answer(200, "<!DOCTYPE html><title>Sign in to GitHub</title>", "text/html; charset=utf-8")
REDIRECT = Answer(302, headers={"Location": "https://github.com/login"})
NOT_JSON = json_answer({"count": 0})
"""An answer without the token."""


class GitHub:
    """GitHub, for one job.

    Faults: `github` (500, unless it is given an answer: `DENIED`, `COMPLETED`, `PAGE`, `REDIRECT`, …) and
    `github-no-value`; and tokens which are wrong in one way: `github-expired`, `github-audience`, `github-issuer`,
    `github-signature`, `github-malformed`.
    """

    hosts = (REQUEST_HOST, ISSUER_HOST)
    issuer = ISSUER

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._lock = threading.Lock()
        self.signer = Signer(process_key(), "world-1")
        self.token_life: float = LIFE
        """Seconds; a token that is issued later has it."""
        self.issued: list[dict[str, Any]] = []
        """Claims of every token, in order."""
        self.request_token = stage.journal.secret(
            self.signer.sign({"scp": f"Actions.GenericRead {uuid.uuid4()}", "jti": str(uuid.uuid4())})
        )
        self.request_path = f"/{secrets.token_hex(24)}/00000000-0000-0000-0000-000000000000/_apis/idtoken"
        self.claims: dict[str, Any] = {
            "repository": "octo-org/octo-repo",
            "repository_id": "74",
            "repository_owner_id": "65",
            "repository_visibility": "public",
            "actor": "octocat",
            "actor_id": "12",
            "ref": "refs/tags/v1.0",
            "ref_protected": "false",
            "sha": hashlib.sha1(b"a commit", usedforsecurity=False).hexdigest(),
            "event_name": "push",
            "workflow": "Release",
            "run_id": "1234567890",
            "run_number": "10",
            "run_attempt": "2",
            "base_ref": "",
            "head_ref": "",
            "runner_environment": "github-hosted",
        }
        """What tells one job from another. A test sets what it is about before `job()`, `environment` for example. What
        follows from these is worked out (owner, subject, `workflow_ref`, `job_workflow_ref`), unless it is set, too;
        None leaves a claim out."""
        self.workflow_file = "release.yml"
        """File name of the workflow."""

    @property
    def keys(self) -> dict[str, RSAPublicKey]:
        """What `verify` needs to know its tokens."""
        return self.signer.public_keys

    @property
    def workflow_ref(self) -> str:
        """The workflow that runs: `owner/repository/.github/workflows/file@ref`."""
        usual = f"{self.claims['repository']}/.github/workflows/{self.workflow_file}@{self.claims['ref']}"
        return str(self.claims.get("workflow_ref") or usual)

    def job(self, **overrides: str | None) -> dict[str, str]:
        """Return the environment variables of a job that may have ID tokens; None takes a variable away."""
        told = self.told()
        variables: Mapping[str, str | None] = {
            "GITHUB_ACTIONS": "true",
            "GITHUB_ACTOR": told.get("actor"),
            "GITHUB_EVENT_NAME": told.get("event_name"),
            "GITHUB_REF": told.get("ref"),
            "GITHUB_REF_TYPE": told.get("ref_type"),
            "GITHUB_REPOSITORY": told.get("repository"),
            "GITHUB_REPOSITORY_ID": told.get("repository_id"),
            "GITHUB_REPOSITORY_OWNER": told.get("repository_owner"),
            "GITHUB_REPOSITORY_OWNER_ID": told.get("repository_owner_id"),
            "GITHUB_RUN_ATTEMPT": told.get("run_attempt"),
            "GITHUB_RUN_ID": told.get("run_id"),
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_SHA": told.get("sha"),
            "GITHUB_WORKFLOW": told.get("workflow"),
            "GITHUB_WORKFLOW_REF": self.workflow_ref,
            "RUNNER_ENVIRONMENT": told.get("runner_environment"),
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"https://{REQUEST_HOST}{self.request_path}?api-version=2.0",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": self.request_token,
        } | overrides
        return {name: value for name, value in variables.items() if value is not None}

    def job_without_permission(self, **overrides: str | None) -> dict[str, str]:
        """Return the variables of a job without `id-token: write`, or of one for a pull request from a fork."""
        return self.job(ACTIONS_ID_TOKEN_REQUEST_URL=None, ACTIONS_ID_TOKEN_REQUEST_TOKEN=None, **overrides)

    def told(self) -> dict[str, Any]:
        """Return what GitHub says about the job in every token."""
        claims = self.claims
        repository, ref = str(claims["repository"]), str(claims["ref"])
        environment = claims.get("environment")
        follows = {
            "repository_owner": repository.partition("/")[0],
            "sub": f"repo:{repository}:" + (f"environment:{environment}" if environment else f"ref:{ref}"),
            "ref_type": "tag" if ref.startswith("refs/tags/") else "branch",
            "workflow_ref": self.workflow_ref,
            "workflow_sha": claims["sha"],
            "job_workflow_ref": self.workflow_ref,
            "job_workflow_sha": claims["sha"],
        }
        return {name: value for name, value in (follows | claims).items() if value is not None}

    def token(self, audience: str | None = None, **claims: Any) -> str:
        """Issue a token, as for a request that asked for this audience; `claims` are set on top, None takes one away.

        Without an audience it is the address of the owner, as GitHub has it.
        """
        told, now = self.told(), int(self._stage.now())
        told |= {
            "iss": ISSUER,
            "aud": audience or f"https://github.com/{told.get('repository_owner')}",
            "jti": str(uuid.uuid4()),
            "iat": now,
            "nbf": now - 300,  # GitHub lets them begin five minutes ago
            "exp": now + self.token_life,
        } | claims
        told = {name: value for name, value in told.items() if value is not None}
        with self._lock:
            self.issued.append(told)
        return self._stage.journal.secret(self.signer.sign(told, x5t=self.signer.kid))

    def __call__(self, request: Request) -> Answer:
        """Answer a request for a token, or for the keys."""
        if host_of(request) == ISSUER_HOST:
            return self._published(request)
        faults = self._stage.faults
        return faults.play(
            "github", FAILED, lambda: faults.play("github-no-value", NOT_JSON, lambda: self._id(request))
        )

    def _published(self, request: Request) -> Answer:
        path, _ = target(request)
        if request.method != "GET":
            return json_answer({"message": "Method not allowed"}, 405)
        if path == "/.well-known/jwks":
            return json_answer({"keys": [self.signer.jwk]})
        if path == "/.well-known/openid-configuration":
            return json_answer(
                {
                    "issuer": ISSUER,
                    "jwks_uri": f"{ISSUER}/.well-known/jwks",
                    "subject_types_supported": ["public", "pairwise"],
                    "response_types_supported": ["id_token"],
                    "id_token_signing_alg_values_supported": ["RS256"],
                    "scopes_supported": ["openid"],
                }
            )
        return json_answer({"message": "Not found"}, 404)

    def _id(self, request: Request) -> Answer:
        path, query = target(request)
        if path != self.request_path or query.get("api-version") != "2.0":
            return json_answer({"message": "The controller for this path was not found."}, 404)
        if request.method != "GET":
            return json_answer({"message": "The requested resource does not support this method."}, 405)
        scheme, _, given = (request.header("Authorization") or "").partition(" ")
        if scheme.lower() != "bearer" or given != self.request_token:
            return replace(json_answer({"message": "Not authorized"}, 401), close=True)
        token = self._maybe_wrong(query.get("audience"))
        return json_answer({"count": len(token), "value": token}, content_type="application/json; charset=utf-8")

    def _maybe_wrong(self, audience: str | None) -> str:
        faults, now = self._stage.faults, int(self._stage.now())
        if faults.take("github-expired"):
            return self.token(audience, iat=now - 3600, nbf=now - 3600, exp=now - 3600 + LIFE)
        if faults.take("github-audience"):
            return self.token("somebody-else")
        if faults.take("github-issuer"):
            return self.token(audience, iss=f"{ISSUER}/octo-enterprise")
        if faults.take("github-signature"):
            signed, _, signature = self.token(audience).rpartition(".")
            return self._stage.journal.secret(f"{signed}.{signature[::-1].lstrip('=')}")
        if faults.take("github-malformed"):
            return self._stage.journal.secret("not-a-token-" + secrets.token_hex(16))
        return self.token(audience)
