"""What a refusal of Google's means: who was refused what, and the command that puts it right.

Google's services name neither in their answers, so both come from what is known here: the URL of the repository, the
provider, the account and what the job's ID token claims. Wordings: users' reports and documentation, 2026-08.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from shlex import quote as shell
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from entrypoint.credentials import google_files
from entrypoint.credentials.exchange import Reply, quoted
from entrypoint.credentials.problems import documented
from entrypoint.errors import CredentialError, PublishError
from entrypoint.index import Index

PARTIES = {
    "sts.googleapis.com": "Google's token service (STS)",
    "iamcredentials.googleapis.com": "Google's IAM Credentials API",
    "oauth2.googleapis.com": "Google's OAuth service",
}

STEP = """\
permissions:
  id-token: write
steps:
  - uses: org/publish-action@v1
    with:
      repository-url: https://LOCATION-python.pkg.dev/PROJECT/REPOSITORY/
      google-workload-identity-provider: >-
        projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER"""

CLAIMS = (
    "repository",
    "repository_id",
    "repository_owner",
    "repository_owner_id",
    "ref",
    "environment",
    "workflow_ref",
    "job_workflow_ref",
    "sub",
    "iss",
    "aud",
)
"""What conditions and mappings of a provider are made of. The token itself is never shown."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Who asks, for what."""

    index: Index
    source: str
    """Where the credential comes from, for people."""
    provider: str = ""
    """Resource name of the workload identity provider."""
    account: str = ""
    """E-mail address or number of the service account."""
    machine: bool = False
    """Whether it is the account of a virtual machine."""
    claims: dict[str, str] = field(default_factory=dict)
    """Of GitHub's ID token, once there was one."""

    @property
    def pool(self) -> str:
        """Resource name of the provider's pool."""
        return self.provider.partition("/providers/")[0]

    @property
    def number(self) -> str:
        """Number of the pool's project."""
        return self.provider.split("/")[1] if self.provider else "PROJECT"

    @property
    def set(self) -> str:
        """Everything that runs in this repository, as a member of IAM policies."""
        repository = self.claims.get("repository", "OWNER/REPOSITORY")
        return f"principalSet://iam.googleapis.com/{self.pool}/attribute.repository/{repository}"

    @property
    def subject(self) -> str:
        """Exactly this job, as a member."""
        return f"principal://iam.googleapis.com/{self.pool}/subject/{self.claims.get('sub', 'SUBJECT')}"

    @property
    def member(self) -> str:
        """Whoever the registry sees."""
        if self.account:
            return f"serviceAccount:{self.account}"
        if self.machine:
            return "serviceAccount:ACCOUNT@PROJECT.iam.gserviceaccount.com"
        return self.set if self.provider else "user:EMAIL"

    @property
    def seen(self) -> str:
        """The same for people, where it may not be known by name."""
        return self.member if self.account or self.provider else principal(self)


def party(url: str) -> str:
    """Name who is asked at a URL."""
    return PARTIES.get(urlsplit(url).hostname or "", "GitHub")


def principal(facts: Facts) -> str:
    """Say who we are, for the log."""
    if facts.machine:
        return "the service account of this machine"
    return facts.account or (facts.subject if facts.provider else "a user's credentials")


def nobody_home(host: str, seen: str) -> CredentialError:
    """Say that there is no metadata server, which is the last that is asked."""
    return documented(
        "No credential for Artifact Registry",
        "`password` is empty, no `google-…` input is given, neither GOOGLE_APPLICATION_CREDENTIALS nor "
        f"GOOGLE_GHA_CREDS_PATH names a file, and no metadata server of Google's answers at {quoted(host)} ({seen}). "
        "If the workflow sets `password` from a secret: is the secret set?",
        "Give `google-workload-identity-provider`: docs/google.md has the set-up, once, in six commands.",
        block=STEP,
    )


def refusal(facts: Facts, url: str, reply: Reply | None, kind: str) -> CredentialError:
    """Say why there is no token; `kind` is the type of what google-auth raised."""
    if reply is None:
        return documented(
            "The Google credentials are not usable",
            f"{facts.source}: they cannot be read as what they say they are ({kind}; nothing of them is shown).",
            google_files.tip(facts.source),
        )
    host = urlsplit(url).hostname
    code, said = _said(reply)
    if host in PARTIES and (reply.status == 200 or not (code or said)):  # noqa: PLR2004 - OK
        return documented(
            "Google's answer is not what it should be",
            f"{host} gave no token: {reply.shape}.",
            "A proxy may have answered in its place. Otherwise run the job again.",
        )
    shown = f" `{quoted(code)}`" if code else ""
    seen = f"answered {reply.status}{shown}{f': {_sentence(said)}' if said else ''}."
    if facts.machine:
        return _by_machine(f"The metadata server {seen}", reply)
    seen = f"{party(url)} {seen}"
    match host:
        case "sts.googleapis.com":
            error = _by_sts(facts, seen, code, said)
        case "iamcredentials.googleapis.com":
            error = _by_iam(facts, seen, reply)
        case "oauth2.googleapis.com":
            error = _by_oauth2(facts, seen)
        case _:
            error = _by_github(facts, seen, f"{code} {said}")
    return error


def _by_oauth2(facts: Facts, seen: str) -> CredentialError:
    if not facts.account:
        return documented(
            "Google does not take this login",
            f"{seen} It is {facts.source}, of a user.",
            "Run `gcloud auth application-default login` again, or give `google-workload-identity-provider`.",
        )
    return documented(
        "Google does not take this key",
        f"{seen} It is {facts.source}, of {facts.account}.",
        "`Invalid JWT Signature`: the key was deleted, or is not this account's. `account not found`: the account was "
        "deleted. Make a new key, or better: give `google-workload-identity-provider` and store none.",
    )


def _by_machine(seen: str, reply: Reply) -> CredentialError:
    if reply.status == 404:  # noqa: PLR2004 - Not Found
        return documented(
            "The machine has no service account",
            seen,
            "Attach a service account with the scope `cloud-platform` to the machine, or give "
            "`google-workload-identity-provider`.",
        )
    return documented(
        "The metadata server gave no token",
        f"It was asked for one of the machine's service account: {reply.shape}.",
        "Run the job again. If it stays like that, give `google-workload-identity-provider`.",
    )


def _by_github(facts: Facts, seen: str, said: str) -> CredentialError:
    return documented(
        "GitHub gave no ID token",
        f"{seen} It was asked as {facts.source} says.",
        "The file belongs to a job that has ended: let google-github-actions/auth run in this job."
        if "completed" in said.lower()
        else "Give the job `permissions: id-token: write`, and let google-github-actions/auth run in this job.",
    )


def explained(facts: Facts, error: PublishError, status: int) -> PublishError:
    """Say what is to be done about a refusal of the registry."""
    if status == 401:  # noqa: PLR2004 - Unauthorized
        return documented(
            "Artifact Registry does not take the token",
            f"{error.detail} It was sent as user `oauth2accesstoken`, fetched in this run from {facts.source}.",
            "A fresh token was tried too, if this was an upload. Check that the token's account exists and is enabled, "
            "and that nothing between here and Google changes requests.",
        )
    if status == 403:  # noqa: PLR2004 - Forbidden
        scope = (
            " On a machine of Google's its scopes count too: without `cloud-platform` no role helps."
            if facts.machine
            else ""
        )
        exactly = (
            f" To allow exactly this job, write --member='{facts.subject}' instead."
            if facts.provider and not facts.account
            else ""
        )
        return documented(
            "Artifact Registry does not allow it",
            f"{error.detail} The registry saw {facts.seen}.",
            "Give this member the role of a writer (it may take five minutes to hold), or look whether the repository "
            f"exists and is a standard one: remote and virtual repositories take no uploads.{scope}{exactly}",
            block=f"{_grant_writer(facts)}\n{_describe_repository(facts)}",
        )
    if status in {404, 405}:
        return documented(
            "There is no such repository in Artifact Registry",
            error.detail,
            "Check location, project and repository in the URL; standard repositories of format Python take uploads.",
            block=_describe_repository(facts),
        )
    return error


class _Sign(NamedTuple):
    """Words of STS's refusals, in lower case, with or without a code, and what they mean."""

    code: str
    words: str
    title: str
    tip: str


_UNKNOWN = (
    "Google does not know the provider",
    "Check the number of the project and the names of pool and provider; it may be disabled or deleted.",
)

_STS = (
    _Sign(
        "",
        "attribute condition",
        "The provider's condition does not let this job in",
        "Compare its `attributeCondition` with what the job claims, below: names are compared letter by letter.",
    ),
    _Sign(
        "invalid_grant",
        "audience",
        "The provider wants another audience",
        "The provider has allowed audiences of its own: give one as `google-audience`. The ID token's is below.",
    ),
    _Sign(
        "",
        "issuer",
        "The provider trusts another issuer",
        "Make the issuer below the provider's `issuer-uri`: GitHub Enterprise Server, and enterprises with an issuer "
        "of their own, have another one than github.com.",
    ),
    _Sign(
        "",
        "127 bytes",
        "The provider maps too long a subject",
        "Map something shorter than `assertion.sub` to `google.subject`: `assertion.repository_id`, for example.",
    ),
    _Sign(
        "",
        "stale",
        "The ID token is too old",
        "Run the job again. On a runner of your own check its clock: ID tokens live five minutes.",
    ),
    _Sign("invalid_target", "", *_UNKNOWN),
    _Sign("invalid_request", '"audience"', *_UNKNOWN),
    _Sign("", "", "Google does not take the job's identity", "Compare the provider with what the job claims, below."),
)
"""The first that fits is used."""


def _by_sts(facts: Facts, seen: str, code: str, said: str) -> CredentialError:
    sign = next(each for each in _STS if each.code in ("", code) and each.words in said.lower())
    block = f"{_describe_provider(facts)}\n\n{_claims(facts.claims)}"
    return documented(sign.title, f"{seen} Provider: {facts.provider}.", sign.tip, block=block)


def _by_iam(facts: Facts, seen: str, reply: Reply) -> CredentialError:
    if any(each.get("reason") == "SERVICE_DISABLED" for each in _details(reply)):
        return documented(
            "The IAM Credentials API is off",
            seen,
            "Enable it in the project that asks, which is the one of the provider, and wait some minutes.",
            block=f"gcloud services enable iamcredentials.googleapis.com --project={shell(_consumer(facts, reply))}",
        )
    if reply.status == 404:  # noqa: PLR2004 - Not Found
        return documented(
            "There is no such service account",
            f"{seen} It is {facts.account}, from {facts.source}.",
            "Correct `google-service-account`, or leave it out and let the job itself be the writer.",
        )
    if "lifetime cannot exceed" in seen:
        return documented(
            "The clocks differ",
            seen,
            "Set the clock of the runner: Google gives tokens for an hour at most, counted by its own.",
        )
    return documented(
        "The job may not act as the service account",
        f"{seen} The service account is {facts.account}; the job is {facts.subject}.",
        "Let the repository act as the account (it may take five minutes to hold). The provider has to map "
        "`attribute.repository`.",
        block=(
            f"gcloud iam service-accounts add-iam-policy-binding {shell(facts.account)} \\\n"
            f"  --project={shell(_project_of(facts.account))} --role=roles/iam.workloadIdentityUser \\\n"
            f"  --member={shell(facts.set)}"
        ),
    )


def _grant_writer(facts: Facts) -> str:
    location, project, repository = _place(facts.index)
    return (
        f"gcloud artifacts repositories add-iam-policy-binding {shell(repository)} \\\n"
        f"  --project={shell(project)} --location={shell(location)} \\\n"
        f"  --role=roles/artifactregistry.writer --member={shell(facts.member)}"
    )


def _describe_repository(facts: Facts) -> str:
    location, project, repository = _place(facts.index)
    return (
        f"gcloud artifacts repositories describe {shell(repository)} \\\n"
        f"  --project={shell(project)} --location={shell(location)} --format='yaml(name,format,mode)'"
    )


def _describe_provider(facts: Facts) -> str:
    pool, provider = facts.pool.rpartition("/")[2], facts.provider.rpartition("/")[2]
    return (
        f"gcloud iam workload-identity-pools providers describe {shell(provider)} \\\n"
        f"  --project={shell(facts.number)} --location=global --workload-identity-pool={shell(pool)} \\\n"
        "  --format='yaml(name,state,disabled,attributeMapping,attributeCondition,oidc)'"
    )


def _place(index: Index) -> tuple[str, str, str]:
    """Read location, project and repository out of an upload URL: `pkg.dev` is not the only domain of such hosts."""
    parts = urlsplit(index.upload_url)
    location, mark, _ = (parts.hostname or "").partition("-python.")
    match = re.fullmatch(r"/([^/]+)/([^/]+)/?", parts.path) if mark else None
    return (location, unquote(match[1]), unquote(match[2])) if match else ("LOCATION", "PROJECT", "REPOSITORY")


def _project_of(account: str) -> str:
    """Read the project's ID out of the address of a service account."""
    match = re.fullmatch(r"[^@]+@([^.]+)\.iam\.gserviceaccount\.com", account)
    return match[1] if match else "PROJECT"


def _claims(claims: Mapping[str, str]) -> str:
    width = max(map(len, CLAIMS))
    return "\n".join(f"{name:<{width}}  {quoted(claims[name])}" for name in CLAIMS if name in claims)


def _said(reply: Reply) -> tuple[str, str]:
    """Read an error: that of OAuth (RFC 6749, 5.2), or that of Google's APIs."""
    error: Any = reply.fields.get("error")
    if isinstance(error, dict):
        return str(error.get("status", "")), str(error.get("message", ""))
    return str(error or ""), reply.text("error_description") or reply.text("message")


def _details(reply: Reply) -> Iterator[Mapping[str, Any]]:
    """Yield the details of an API's error (google.rpc.ErrorInfo and others)."""
    error: Any = reply.fields.get("error")
    details: Any = error.get("details") if isinstance(error, dict) else None
    return (each for each in (details if isinstance(details, list) else ()) if isinstance(each, dict))


def _consumer(facts: Facts, reply: Reply) -> str:
    """Find the project in which an API is off: Google names it; otherwise it is that of the provider."""
    for each in _details(reply):
        metadata = each.get("metadata")
        consumer = str(metadata.get("consumer", "")) if isinstance(metadata, dict) else ""
        if match := re.fullmatch(r"projects/([\w:.-]+)", consumer):
            return match[1]
    return facts.number


def _sentence(said: str) -> str:
    """Quote what a service said, without the full stop that follows anyway."""
    return quoted(said).rstrip(". ")
