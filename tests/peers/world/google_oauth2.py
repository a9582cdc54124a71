"""Google's OAuth 2.0 token endpoint: an assertion that an account signed, or a refresh token, for a token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from tests.peers.scripted import Answer, Request, json_answer
from tests.peers.world.google_cloud import (
    ACCOUNT_SECONDS,
    CLOUD_PLATFORM,
    JSON,
    SILENCE,
    TOKEN_URI,
    Account,
    Cloud,
    html_page,
    oauth_error,
)
from tests.peers.world.jwt import TokenError, decode, verify
from tests.peers.world.proxy import target

LEEWAY = 300  # seconds that a client's clock may be ahead
USER_SCOPES = ("openid", "https://www.googleapis.com/auth/userinfo.email", CLOUD_PLATFORM)
"""What a user grants who signs in with gcloud's defaults."""

NO_ACCOUNT = "Invalid grant: account not found"
BAD_SIGNATURE = "Invalid JWT Signature."
BAD_TIMES = (
    "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. "
    "Check your iat and exp values in the JWT claim."
)
BAD_SCOPE = "Invalid OAuth scope or ID token audience provided."


FAULTS = {
    "oauth2-slow": SILENCE,
    "oauth2-unavailable": oauth_error("internal_failure", "The service is currently unavailable.", 503),
    "oauth2-account-gone": oauth_error("invalid_grant", NO_ACCOUNT),
    "oauth2-key-revoked": oauth_error("invalid_grant", BAD_SIGNATURE),
    "oauth2-user-revoked": oauth_error("invalid_grant", "Token has been expired or revoked."),
}


class OAuth2:
    """oauth2.googleapis.com. Faults: those of `FAULTS`."""

    hosts = ("oauth2.googleapis.com",)

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def __call__(self, request: Request) -> Answer:
        """Give a token, or say why not."""
        if target(request)[0] != "/token" or request.method != "POST":
            return html_page(404, "Not Found")
        return self._cloud.unless(FAULTS, lambda: self._token(_form(request)))

    def _token(self, fields: Mapping[str, str]) -> Answer:
        match fields.get("grant_type"):
            case "urn:ietf:params:oauth:grant-type:jwt-bearer":
                return self._assertion(fields.get("assertion", ""))
            case "refresh_token":
                return self._refresh(fields)
            case None:
                return oauth_error("invalid_request", "Missing required parameter: grant_type")
            case other:
                return oauth_error("unsupported_grant_type", f"Invalid grant_type: {other}")

    def _assertion(self, assertion: str) -> Answer:
        try:
            claims = decode(assertion)
            self._cloud.journal.secrets.add(assertion)  # while it lasts, whoever has it can do the same
        except TokenError:
            return oauth_error("invalid_grant", "Invalid JWT: Failed to parse the JWT.")
        account = self._cloud.account(str(claims.get("iss")))
        if account is None:
            return oauth_error("invalid_grant", NO_ACCOUNT)
        refused = self._refused(assertion, claims, account)
        if refused:
            return refused
        scopes = str(claims.get("scope", "")).split()
        if not scopes:
            return oauth_error("invalid_scope", BAD_SCOPE)
        return self._granted(account.member, scopes, {})

    def _refused(self, assertion: str, claims: Mapping[str, Any], account: Account) -> Answer | None:
        now = self._cloud.now()
        if claims.get("aud") != TOKEN_URI:
            said = f"Invalid JWT: Failed audience check. The right audience is {TOKEN_URI}"
            return oauth_error("invalid_grant", said)
        try:
            verify(assertion, account.keys, audience=TOKEN_URI, issuer=str(claims["iss"]), now=now, leeway=LEEWAY)
        except TokenError as error:
            by_time = error.reason in ("claims", "expired", "not-yet-valid")
            return oauth_error("invalid_grant", BAD_TIMES if by_time else BAD_SIGNATURE)
        if claims["exp"] - claims["iat"] > ACCOUNT_SECONDS or claims["exp"] <= now:
            return oauth_error("invalid_grant", BAD_TIMES)
        return None

    def _refresh(self, fields: Mapping[str, str]) -> Answer:
        clients = {each.client_id: each.client_secret for each in self._cloud.users}
        if fields.get("client_id") not in clients:
            return oauth_error("invalid_client", "The OAuth client was not found.", 401)
        if clients[fields["client_id"]] != fields.get("client_secret"):
            return oauth_error("invalid_client", "Unauthorized", 401)
        token = fields.get("refresh_token")
        if not token:
            return oauth_error("invalid_request", "Missing required parameter: refresh_token")
        user = next((each for each in self._cloud.users if each.refresh_token == token), None)
        if user is None or user.client_id != fields["client_id"]:
            return oauth_error("invalid_grant", "Bad Request")
        asked = fields.get("scope", "").split() or list(USER_SCOPES)
        if not set(asked) <= set(USER_SCOPES):
            return oauth_error("invalid_scope", "Bad Request")
        return self._granted(user.member, asked, {"scope": " ".join(asked)})

    def _granted(self, member: str, scopes: list[str], more: Mapping[str, str]) -> Answer:
        grant = self._cloud.issue("a" if more else "c", [member], scopes, ACCOUNT_SECONDS)
        token = {"access_token": grant.token, "expires_in": ACCOUNT_SECONDS - 1, "token_type": "Bearer", **more}
        return json_answer(token, content_type=JSON)


def _form(request: Request) -> dict[str, str]:
    kind = (request.header("Content-Type") or "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        return {}
    return dict(parse_qsl(request.body.decode(), keep_blank_values=True))
