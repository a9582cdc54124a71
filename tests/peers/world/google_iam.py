"""Google's IAM Service Account Credentials API, and an API that nobody has a reason to call."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from tests.peers.scripted import Answer, Request, json_answer
from tests.peers.world.google_cloud import (
    ACCOUNT_SECONDS,
    CLOUD_PLATFORM,
    IAM_SCOPE,
    JSON,
    SILENCE,
    Account,
    Cloud,
    Grant,
    api_error,
    bearer,
    error_info,
    fields_of,
    html_page,
)
from tests.peers.world.proxy import target

PATH = re.compile(r"/v1/projects/([^/]+)/serviceAccounts/([^/:]+):generateAccessToken")
METHOD = "google.iam.credentials.v1.IAMCredentials.GenerateAccessToken"
SERVICE = "iamcredentials.googleapis.com"
PERMISSION = "iam.serviceAccounts.getAccessToken"
CONSOLE = "https://console.developers.google.com/apis/api/iamcredentials.googleapis.com/overview"


class Iam:
    """iamcredentials.googleapis.com.

    Faults: `iam-slow`, `iam-unavailable` (503), `iam-api-off`, `iam-denied`, `iam-not-found`, and
    `iam-fractional-expire-time`, which spoils a good answer.
    """

    hosts = (SERVICE,)

    def __init__(self, cloud: Cloud, project_number: str) -> None:
        self._cloud = cloud
        self._project_number = project_number

    def __call__(self, request: Request) -> Answer:
        """Give a token of a service account to somebody who may have it."""
        found = PATH.fullmatch(target(request)[0])
        if found is None or request.method != "POST":
            return html_page(404, "Not Found")
        name = unquote(found[2])
        faults = {
            "iam-slow": SILENCE,
            "iam-unavailable": api_error(503, "The service is currently unavailable.", "UNAVAILABLE"),
            "iam-api-off": _api_off(self._project_number),
            "iam-denied": _denied(),
            "iam-not-found": _not_found(name),
        }
        return self._cloud.unless(faults, lambda: self._generate(request, found[1], name))

    def _generate(self, request: Request, project: str, name: str) -> Answer:
        grant = self._grant(request)
        if isinstance(grant, Answer):
            return grant
        if project != "-":
            return _invalid("The resource name must have the form projects/-/serviceAccounts/{ACCOUNT}.")
        account = self._cloud.account(name)
        if account is None:
            return _not_found(name)
        if not account.impersonators & grant.members:
            return _denied()
        return self._granted(account, fields_of(request.header("Content-Type"), request.body))

    def _grant(self, request: Request) -> Grant | Answer:
        token = bearer(request.header("Authorization"))
        if token is None:
            said = "Request is missing required authentication credential."
            return _unauthenticated(said, "CREDENTIALS_MISSING")
        grant = self._cloud.grant(token)
        if grant is None:
            return _unauthenticated("Request had invalid authentication credentials.", "ACCESS_TOKEN_EXPIRED")
        if not grant.scopes & {CLOUD_PLATFORM, IAM_SCOPE}:
            info = error_info("ACCESS_TOKEN_SCOPE_INSUFFICIENT", "googleapis.com", service=SERVICE, method=METHOD)
            return api_error(403, "Request had insufficient authentication scopes.", "PERMISSION_DENIED", info)
        return grant

    def _granted(self, account: Account, fields: dict[str, Any]) -> Answer:
        scopes = fields.get("scope")
        if not isinstance(scopes, list) or not scopes or not all(isinstance(each, str) and each for each in scopes):
            return _invalid("Request contains an invalid argument.")
        lifetime = re.fullmatch(r"(\d+(?:\.\d+)?)s", str(fields.get("lifetime", f"{ACCOUNT_SECONDS}s")))
        if lifetime is None or not float(lifetime[1]):
            return _invalid("Request contains an invalid argument.")
        if float(lifetime[1]) > ACCOUNT_SECONDS:
            return _invalid("The access token lifetime cannot exceed 3600 seconds.")
        grant = self._cloud.issue("c", [account.member], scopes, float(lifetime[1]))
        at = datetime.fromtimestamp(grant.expires, UTC)
        fraction = ".123456Z" if self._cloud.happens("iam-fractional-expire-time") else "Z"
        answer = {"accessToken": grant.token, "expireTime": f"{at:%Y-%m-%dT%H:%M:%S}{fraction}"}
        return json_answer(answer, content_type=JSON)


class ResourceManager:
    """cloudresourcemanager.googleapis.com: answers nobody, so that the journal shows whoever asks."""

    hosts = ("cloudresourcemanager.googleapis.com",)

    def __call__(self, request: Request) -> Answer:  # noqa: ARG002 - it does not matter what is asked
        """Refuse."""
        return api_error(403, "The caller does not have permission", "PERMISSION_DENIED")


def _invalid(message: str) -> Answer:
    return api_error(400, message, "INVALID_ARGUMENT")


def _not_found(name: str) -> Answer:
    return api_error(404, f"Not found; Gaia id not found for email {name}", "NOT_FOUND")


def _denied() -> Answer:
    said = f"Permission '{PERMISSION}' denied on resource (or it may not exist)."
    info = error_info("IAM_PERMISSION_DENIED", "iam.googleapis.com", permission=PERMISSION)
    return api_error(403, said, "PERMISSION_DENIED", info)


def _unauthenticated(said: str, reason: str) -> Answer:
    message = (
        f"{said} Expected OAuth 2 access token, login cookie or other valid authentication credential. "
        "See https://developers.google.com/identity/sign-in/web/devconsole-project."
    )
    info = error_info(reason, "googleapis.com", service=SERVICE, method=METHOD)
    return api_error(401, message, "UNAUTHENTICATED", info)


def _api_off(project_number: str) -> Answer:
    url = f"{CONSOLE}?project={project_number}"
    message = (
        f"IAM Service Account Credentials API has not been used in project {project_number} before or it is disabled. "
        f"Enable it by visiting {url} then retry. If you enabled this API recently, wait a few minutes for the action "
        "to propagate to our systems and retry."
    )
    links = [{"description": "Google developers console API activation", "url": url}]
    help_ = {"@type": "type.googleapis.com/google.rpc.Help", "links": links}
    consumer = f"projects/{project_number}"
    info = error_info("SERVICE_DISABLED", "googleapis.com", service=SERVICE, consumer=consumer)
    return api_error(403, message, "PERMISSION_DENIED", help_, info)
