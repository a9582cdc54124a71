"""Google: access tokens for Artifact Registry, from who the job is, from a key, or from the machine.

google-auth does the exchanges, over the one client of this program: of its own it would need `requests`, and
`google.auth.default()` asks services that nobody needs here (2.63). Tokens of a job live five minutes, so they are
fetched late, and again when they age.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import httpx

from entrypoint.client import USER_AGENT
from entrypoint.credentials import Context, Credential, Grant, github, google_files, google_hints
from entrypoint.credentials.exchange import Exchange, Question, Reply, token
from entrypoint.credentials.google_files import STS, Source
from entrypoint.credentials.google_hints import Facts
from entrypoint.credentials.problems import documented
from entrypoint.errors import CredentialError, Note, PublishError, Unavailable

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

USER = "oauth2accesstoken"
"""User name that goes with an access token (Google's documentation); others get 401."""

SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
"""Without scopes STS and IAM refuse, and name something else as the reason."""

JWT = "urn:ietf:params:oauth:token-type:jwt"
"""Type of GitHub's ID token (RFC 8693, section 3)."""

METADATA = "metadata.google.internal"
METADATA_SECONDS = 3.0
"""Seconds for a metadata server, which is on the machine or nowhere."""

SHORT = 300.0
"""Seconds that a token is taken to be good when the clocks differ: as long as the shortest."""

_SECRETS = ("value", "access_token", "accessToken", "id_token", "refresh_token")
"""Fields of answers that are secret."""


def google(context: Context) -> Credential | None:
    """Publish with an access token of Google's, where the index takes them or an input asks for them."""
    index, inputs = context.index, context.inputs
    if not (index.google or inputs.google):
        return None
    if index.tokens:
        raise documented(
            "Google credentials do not open this index",
            f"`{inputs.google[0]}` is given, and the upload URL is that of {index.title}.",
            "Give the `repository-url` of an Artifact Registry repository, https://LOCATION-python.pkg.dev/PROJECT/"
            f"REPOSITORY/, or remove the input to publish to {index.title}.",
        )
    if inputs.trusted_publishing == "always":
        raise documented(
            "Artifact Registry has no trusted publishing",
            "`trusted-publishing` is 'always', and PyPI's exchange of identities is not known to be served there.",
            "Leave it out: `google-workload-identity-provider` publishes there without a stored secret too.",
        )
    way = _way(context)
    return Credential(context, way.source, way.grant, explain=way.explained) if way else None


@dataclass(slots=True)
class _Way:
    """One way to an access token; once it has led nowhere, nobody is asked again."""

    facts: Facts
    exchange: Exchange
    source: str
    fetch: Callable[[_Wire], tuple[str, float]]
    """Gives a token and for how many seconds it is good."""
    _closed: PublishError | None = None
    """Why it leads nowhere."""

    def grant(self) -> Grant:
        """Get an access token. Who asked as often as may be, or was refused, is not asked again for other projects."""
        if self._closed:
            raise self._closed.saying("")
        try:
            token, life = self._fetched()
        except PublishError as error:
            if isinstance(error, Unavailable):
                error.again = False
            self._closed = error
            raise
        self.exchange.mask(token)
        return Grant(USER, token, google_hints.principal(self.facts), life)

    def _fetched(self) -> tuple[str, float]:
        """Tell whatever goes wrong in google-auth by what was seen on the wire."""
        wire = _Wire(self.exchange, self.facts.claims)
        try:
            return self.fetch(wire)
        except PublishError:
            raise
        except Exception as error:  # noqa: BLE001 - google-auth raises whatever comes; its texts hold whole answers
            raise google_hints.refusal(self.facts, wire.url, wire.reply, type(error).__name__) from None

    def explained(self, error: PublishError, status: int, _project: str) -> PublishError:
        """Say what is to be done about a refusal of the registry."""
        return google_hints.explained(self.facts, error, status)


def _way(context: Context) -> _Way | None:
    inputs, environ, exchange = context.inputs, context.around.environ, context.exchange
    if provider := inputs.google_workload_identity_provider:
        if not github.available(environ):
            raise github.missing(environ, "`google-workload-identity-provider`")
        account = inputs.google_service_account or ""
        facts = Facts(context.index, f"provider {provider}", provider, account)
        federation = _Federation(context, provider, account, facts.claims)
        _unused_file(context, facts)
        return _Way(facts, exchange, "Google, by workload identity federation", federation.fetch)
    key = inputs.google_key
    if key and not key.startswith("{"):
        exchange.mask(key)  # in base64; of JSON only the secret values are, not every line
    source = google_files.given(key) if key else google_files.named(environ, context.around.workspace)
    if source:
        for secret in google_files.secrets(source):
            exchange.mask(secret)
        source = google_files.checked(source, environ)
        facts = Facts(context.index, source.place, source.provider, source.account)
        if key:
            _unused_file(context, facts)
        return _Way(facts, exchange, f"Google, {source.kind} from {source.place}", _from_file(source))
    if inputs.keyring_provider != "disabled":
        return None
    if environ.get("RUNNER_ENVIRONMENT") == "github-hosted":  # whose machines are not Google's
        raise documented(
            "No credential for Artifact Registry",
            "`password` is empty, no `google-…` input is given, and neither GOOGLE_APPLICATION_CREDENTIALS nor "
            "GOOGLE_GHA_CREDS_PATH names a file. If the workflow sets `password` from a secret: is the secret set?",
            "Give `google-workload-identity-provider`: docs/google.md has the set-up, once, in six commands.",
            block=google_hints.STEP,
        )
    facts = Facts(context.index, "the metadata server", machine=True)
    return _Way(facts, exchange, "Google, from the metadata server of this machine", _Machine(context).fetch)


def _unused_file(context: Context, facts: Facts) -> None:
    """Tell that an input goes before a file, where the two are not the same."""
    with suppress(CredentialError):  # a file that is not used may be as it likes
        source = google_files.named(context.around.environ, context.around.workspace)
        if source and (source.provider, source.account) != (facts.provider, facts.account):
            context.around.note(
                Note(
                    "notice",
                    "A Google credentials file is not used",
                    f"{source.place} is of {source.account or source.provider or 'somebody else'}, and {facts.source} "
                    "goes before it.",
                )
            )


class _Federation:
    """Who the job is, exchanged for a token of Google's: no file, no other action."""

    def __init__(self, context: Context, provider: str, account: str, claims: dict[str, str]) -> None:
        self._context = context
        self._provider = provider
        self._account = account
        self._claims = claims

    def fetch(self, wire: _Wire) -> tuple[str, float]:
        """Exchange a new ID token."""
        from google.auth import identity_pool  # noqa: PLC0415 - a tenth of a second, for Google only

        context, claims = self._context, self._claims
        audience = context.inputs.google_audience or f"https://iam.googleapis.com/{self._provider}"

        class Job(identity_pool.SubjectTokenSupplier):
            def get_subject_token(self, context_: object, request: object) -> str:  # noqa: ARG002 - its signature
                token = github.id_token(context.exchange, context.around.environ, audience)
                claims.update(github.claims(token))
                return token

        impersonation = (
            f"https://{google_files.IAM}/v1/projects/-/serviceAccounts/{self._account}:generateAccessToken"
            if self._account
            else None
        )
        credentials = identity_pool.Credentials(
            f"//iam.googleapis.com/{self._provider}",
            JWT,
            token_url=STS,
            subject_token_supplier=Job(),
            service_account_impersonation_url=impersonation,
            scopes=list(SCOPES),
        )
        return _refreshed(credentials, wire)


def _from_file(source: Source) -> Callable[[_Wire], tuple[str, float]]:
    def fetch(wire: _Wire) -> tuple[str, float]:
        return _refreshed(_built(source), wire)

    return fetch


def _built(source: Source) -> Credentials:
    """Build what google-auth makes of a file that was checked."""
    info = dict(source.info)
    match source.info["type"]:
        case "external_account":
            from google.auth import identity_pool  # noqa: PLC0415 - see above

            built: Credentials = identity_pool.Credentials.from_info(info, scopes=list(SCOPES))
        case "service_account":
            from google.oauth2 import service_account  # noqa: PLC0415 - see above

            built = service_account.Credentials.from_service_account_info(info, scopes=list(SCOPES))
        case _:
            from google.oauth2 import credentials  # noqa: PLC0415 - see above

            built = credentials.Credentials.from_authorized_user_info(info)
    return built


def _refreshed(credentials: Credentials, wire: _Wire) -> tuple[str, float]:
    """Get a token: nothing else of google-auth is used, for the rest asks services that nobody needs here."""
    credentials.refresh(wire.request())
    expiry: datetime | None = credentials.expiry  # naive, in UTC
    left = (expiry.replace(tzinfo=UTC) - datetime.now(UTC)).total_seconds() if expiry else SHORT
    return _token(credentials.token), left if left > 0 else SHORT


def _token(value: object) -> str:
    """Take an answer's token for one if a header takes it; google-auth does not look. Raises `TypeError`."""
    if found := token(value):
        return found
    raise TypeError("the answer holds no token")


class _Machine(NamedTuple):
    """The service account of a virtual machine of Google's."""

    context: Context

    def fetch(self, wire: _Wire) -> tuple[str, float]:
        """Ask the metadata server, which is asked directly: a proxy has another one, or none."""
        host = self.context.around.environ.get("GCE_METADATA_HOST") or METADATA
        url = f"http://{host}/computeMetadata/v1/instance/service-accounts/default/token"
        wire.url = url
        try:
            with httpx.Client(trust_env=False, timeout=METADATA_SECONDS, headers={"User-Agent": USER_AGENT}) as http:
                response = http.get(url, headers={"Metadata-Flavor": "Google"})
        except (httpx.RequestError, httpx.InvalidURL) as error:
            raise google_hints.nobody_home(host, type(error).__name__) from None
        if response.headers.get("Metadata-Flavor") != "Google":
            raise google_hints.nobody_home(host, f"status {response.status_code}, and not Google's")
        wire.take(url, Reply(response.status_code, response.headers, response.content))
        answer = response.raise_for_status().json()
        return _token(answer["access_token"]), float(answer["expires_in"])


@dataclass(slots=True)
class _Wire:
    """What google-auth sends through: remembers the last answer, and masks what is secret in each."""

    exchange: Exchange
    claims: dict[str, str]
    """Takes what GitHub's ID token says, where one goes by."""
    url: str = ""
    reply: Reply | None = None

    def take(self, url: str, reply: Reply) -> Reply:
        """Look at an answer before anybody else does."""
        self.url, self.reply = url, reply
        for name in _SECRETS:
            if name in reply.fields:
                self.exchange.mask(_token(reply.fields[name]))
        if token := reply.text("value"):
            self.claims.update(github.claims(token))
        return reply

    def request(self) -> Callable[..., _Answer]:
        """Give the callable that google-auth takes for its transport (`google.auth.transport.Request`)."""

        def ask(
            url: str,
            method: str = "GET",
            body: bytes | str | None = None,
            headers: Mapping[str, str] | None = None,
            **further: object,
        ) -> _Answer:
            if any(value is not None for value in further.values()):
                raise NotImplementedError("client certificates are not used")
            content = body.encode() if isinstance(body, str) else body
            self.url, self.reply = url, None
            question = Question(method, url, headers or {}, content=content)
            return _Answer(self.take(url, self.exchange.ask(google_hints.party(url), lambda: question)))

        return ask


class _Answer:
    """An answer as google-auth reads it (`google.auth.transport.Response`)."""

    def __init__(self, reply: Reply) -> None:
        self.status = reply.status
        self.headers = reply.headers
        self.data = reply.body
