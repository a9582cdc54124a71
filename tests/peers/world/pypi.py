"""PyPI and TestPyPI: trusted publishing, uploads and the simple index, with the checks and the words of their source.

What is said here is in warehouse's source of 2026-08-21 or was observed on it; burning is newer, and what it says to
requests that are wrong is our own conclusion. Not played: macaroons that a client narrows down, metadata rules (a form
that breaks a rule of the upload API is refused with that rule), downloads, and issuers other than GitHub.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import html
import http
import json
import re
import secrets
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from packaging.utils import canonicalize_name, parse_sdist_filename, parse_wheel_filename
from pydantic import BaseModel, StrictStr, ValidationError

from tests.peers.scripted import Answer, Request, json_answer
from tests.peers.world.github import ISSUER, GitHub
from tests.peers.world.jwt import TokenError, decode, verify
from tests.peers.world.proxy import Stage, host_of, target, text_answer
from tests.peers.world.sigstore_integrity import REFUSED, AttestationRefusedError, Identity, provenance, served

MINT_SECONDS = 900  # life of a minted token
LEEWAY = 30  # seconds that clocks may differ
SIMPLE_JSON = "application/vnd.pypi.simple.v1+json"
SERVICES = {ISSUER: "GitHub"}
HELP = "https://pypi.org/help/"

REQUIRED_CLAIMS = ("repository", "repository_owner", "repository_owner_id", "job_workflow_ref", "jti", "event_name")
PRESENT_CLAIMS = ("ref", "sha")

EXPLANATIONS = {
    400: "The server could not comply with the request since it is either malformed or otherwise incorrect.",
    403: "Access was denied to this resource.",
    404: "The resource could not be found.",
}
FAILED = text_answer(
    500, "<!DOCTYPE html><html><title>Internal Server Error</title></html>", "text/html; charset=UTF-8"
)
UNAVAILABLE = text_answer(
    503, "<!DOCTYPE html><html><title>503 Backend is unhealthy</title></html>", "text/html; charset=UTF-8"
)
"""What a fault does that is only switched on."""

UNKNOWN_CREDENTIAL = (
    f"Invalid or non-existent authentication information. See {HELP}#invalid-auth for more information."
)
NO_PASSWORDS = (
    "Username/Password authentication is no longer supported. Migrate to API Tokens or Trusted Publishers instead. "
    f"See {HELP}#apitoken and {HELP}#trusted-publishers"
)
NO_NEW_PROJECT = (
    "Non-user identities cannot create new projects. This was probably caused by successfully using a pending "
    "publisher but specifying the project name incorrectly (either in the publisher or in your project's metadata). "
    f"Please ensure that both are correct. See: {HELP}#non-user-identities-new-projects"
)
PULL_REQUEST_TARGET = "Publishing from a workflow invoked via 'pull_request_target' is not supported."

Status = Literal["active", "archived", "quarantined", "deprecated"]


@dataclass(slots=True)
class Publisher:
    """A workflow that may publish: what is in PyPI's form, and the projects in whose settings it is."""

    owner: str
    repository: str
    """Without the owner."""
    workflow: str
    """File name."""
    environment: str = ""
    owner_id: str = "65"
    projects: list[str] = field(default_factory=list)


@dataclass(slots=True)
class PendingPublisher(Publisher):
    """A publisher for a project that does not exist: the first mint makes it."""

    project: str = field(kw_only=True)


AnyPublisher = TypeVar("AnyPublisher", bound=Publisher)


@dataclass(slots=True)
class Token:
    """A credential that this index knows."""

    value: str
    minted: bool
    """Rather than made by a user."""
    projects: frozenset[str] | None
    """Normalised names; None: all projects of a user, and new ones."""
    expires: float | None = None
    single_use: bool = False
    uses: int = 0
    """Uploads that it signed in, whatever became of them."""
    burnt: bool = False
    identity: Identity | None = None
    """Of the publisher for which it was minted."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of the index: everything about it but its bytes."""

    filename: str
    project: str
    """Normalised."""
    version: str
    size: int
    sha256: str
    blake2b_256: str
    requires_python: str
    attestations: str | None
    """As sent."""
    provenance: str | None
    """As served, JSON; None if no attestations were sent, or they were ignored."""
    uploaded: float
    """Unix time."""
    token: str
    """The credential; empty if a test put the file there."""


class MintRefusedError(Exception):
    """No token is minted, for this reason."""

    def __init__(self, code: str, *descriptions: str) -> None:
        super().__init__(code, *descriptions)
        self.code = code
        self.descriptions = descriptions


class InvalidPublisherError(Exception):
    """No publisher corresponds to a token."""


class _Payload(BaseModel):
    token: StrictStr


class Index:
    """What every index here has: projects, files, credentials, and publishers that it trusts.

    Its faults have the prefix `faults`: `upload` (503), `upload-lost` (stored, then the connection is cut), `simple`
    (503), `simple-stale` (a page that does not show the files yet), `simple-provenance` (a page that does not tell of
    provenance yet), `provenance` (404: there is none yet), `provenance-off` (403), `attestations` (refused with
    `attestation_refusal`, although they are right), `attestations-off` (ignored, as if none were sent).
    """

    location = "pypi.org"
    """What stands in its tokens."""

    def __init__(
        self,
        stage: Stage,
        issuers: Mapping[str, Mapping[str, RSAPublicKey]],
        hosts: Sequence[str],
        *,
        audience: str,
        faults: str = "",
    ) -> None:
        self.hosts = tuple(hosts)
        self.audience = audience
        self.issuers = dict(issuers)
        """Issuer → public keys, by their identities."""
        self.publishers: list[Publisher] = []
        self.pending: list[PendingPublisher] = []
        self.projects: dict[str, Status] = {}
        """Normalised name → status. Projects of publishers are there too, without an entry."""
        self.prohibited: set[str] = set()
        """Normalised names that nobody may take."""
        self.tokens: dict[str, Token] = {}
        self.token_life: float = MINT_SECONDS
        """Seconds; a token that is minted later has it."""
        self.minted: list[Token] = []
        self.burnt: list[Token] = []
        self.refused: list[str] = []
        """Codes of the mints that were refused, each with its description."""
        self.files: list[StoredFile] = []
        self.trust_config: Callable[[], str] | None = None
        """Gives what attestations are verified with, a `ClientTrustConfig` of Sigstore; None: they are ignored."""
        self.attestation_refusal = REFUSED
        """Why attestations are refused when that is a fault: what follows `Invalid attestations supplied during
        upload: `."""
        self.violations: list[str] = []
        """Everything that clients did and the protocol does not allow."""
        self._stage = stage
        self._fault_prefix = faults
        self._seen: dict[str, float] = {}
        self._lock = threading.RLock()

    def trust(self, github: GitHub, *projects: str, environment: str | None = None) -> Publisher:
        """Register the workflow of GitHub's job as publisher of projects, with its environment or another one."""
        publisher = Publisher(*_form_of(github, environment), projects=list(projects))
        self.publishers.append(publisher)
        return publisher

    def trust_pending(self, github: GitHub, project: str, environment: str | None = None) -> PendingPublisher:
        """Register the workflow of GitHub's job as pending publisher."""
        publisher = PendingPublisher(*_form_of(github, environment), project=project)
        self.pending.append(publisher)
        return publisher

    def api_token(self, *projects: str, value: str | None = None) -> str:
        """Make a token of a user, for these projects, or for all and for new ones."""
        scope = frozenset(canonicalize_name(name) for name in projects) if projects else None
        return self._known(Token(value or self._value(), minted=False, projects=scope)).value

    def put(self, filename: str, content: bytes, *, uploaded: float | None = None) -> StoredFile:
        """Let the index have a file from before."""
        project, version = _named(filename)
        hashes = _hashes(content)
        stored = StoredFile(
            filename, project, version, len(content), *hashes, "", None, None, uploaded or self._stage.now(), ""
        )
        with self._lock:
            self.projects.setdefault(project, "active")
            self.files.append(stored)
        return stored

    def exists(self, project: str) -> bool:
        """Say whether there is such a project, with files or without."""
        name = canonicalize_name(project)
        theirs = (canonicalize_name(each) for publisher in self.publishers for each in publisher.projects)
        return name in self.projects or name in theirs

    def exchange(self, jwt: str, *, single_use: bool = False) -> Token:
        """Mint a token for an ID token, once; raises `MintRefusedError`."""
        claims = self._verified(jwt)
        with self._lock:
            try:
                self._reify(claims)
                publisher = self._matching(claims, self.publishers)
            except InvalidPublisherError as error:
                raise MintRefusedError(
                    "invalid-publisher", f"valid token, but no corresponding publisher ({error})"
                ) from None
            self._seen[claims["jti"]] = claims["exp"]
            token = Token(
                self._value(),
                minted=True,
                projects=frozenset(canonicalize_name(name) for name in publisher.projects),
                expires=int(self._stage.now() + self.token_life),
                single_use=single_use,
                identity=Identity(
                    f"{publisher.owner}/{publisher.repository}", publisher.workflow, publisher.environment
                ),
            )
            self.minted.append(self._known(token))
        return token

    def _verified(self, jwt: str) -> dict[str, Any]:
        """Return the claims of an ID token that a known issuer signed for this index."""
        try:
            issuer = decode(jwt)["iss"]
        except (TokenError, KeyError):
            raise MintRefusedError("invalid-payload", "malformed JWT") from None
        if issuer not in self.issuers:
            raise MintRefusedError("invalid-payload", "unknown trusted publishing issuer")
        self._may_mint(issuer)
        try:
            return verify(
                jwt,
                self.issuers[issuer],
                audience=self.audience,
                issuer=issuer,
                now=self._stage.now(),
                leeway=LEEWAY,
            )
        except TokenError:
            raise MintRefusedError("invalid-token", "malformed or invalid token") from None

    def _may_mint(self, issuer: str) -> None:
        """Raise `MintRefusedError` if the issuer is switched off."""

    def _reify(self, claims: Mapping[str, Any]) -> None:
        """Make the project of a pending publisher that corresponds to a token, if there is one."""
        try:
            pending = self._matching(claims, self.pending)
        except InvalidPublisherError:
            return
        name = canonicalize_name(pending.project)
        self.pending.remove(pending)
        if self.exists(name):
            raise MintRefusedError("invalid-pending-publisher", "valid token, but project already exists")
        if name in self.prohibited:
            self.pending.append(pending)
            raise MintRefusedError(
                "invalid-payload",
                f"The name {pending.project!r} isn't allowed. See {HELP}#project-name for more information.",
            )
        self.projects[name] = "active"
        self.pending = [each for each in self.pending if canonicalize_name(each.project) != name]
        as_before = (pending.owner, pending.repository, pending.workflow, pending.environment, pending.owner_id)
        self.publishers.append(Publisher(*as_before, projects=[pending.project]))

    def _matching(self, claims: Mapping[str, Any], publishers: Sequence[AnyPublisher]) -> AnyPublisher:
        """Return the publisher that corresponds to a token; raises `InvalidPublisherError`."""
        publisher = _looked_up(claims, publishers)
        if claims["jti"] in self._seen:
            raise MintRefusedError("invalid-reuse-token", "invalid token: already used")
        return publisher

    def _value(self) -> str:
        """Make a token that looks like a macaroon of this place."""
        head = bytes([2, 1, len(self.location)]) + self.location.encode() + b"\x02$" + str(uuid.uuid4()).encode()
        macaroon = head + b"\x00\x00\x06 " + secrets.token_bytes(32)
        return "pypi-" + base64.urlsafe_b64encode(macaroon).rstrip(b"=").decode()

    def _known(self, token: Token) -> Token:
        """Let a token sign in; it is a secret from now on, and so is what a client makes of it."""
        self._stage.journal.secret(token.value)
        self._stage.journal.secret(base64.b64encode(f"__token__:{token.value}".encode()).decode())
        self.tokens[token.value] = token
        return token

    def _fault(self, name: str, go_on: Callable[[], Answer], otherwise: Answer = UNAVAILABLE) -> Answer:
        return self._stage.faults.play(self._fault_prefix + name, otherwise, go_on)

    def _happens(self, name: str) -> bool:
        return self._stage.faults.take(self._fault_prefix + name) is not None

    def upload(self, request: Request) -> Answer:
        """Take an upload, or say why not, once all of it was read."""
        return self._fault("upload", lambda: self._upload(request))

    def _upload(self, request: Request) -> Answer:
        fields = request.fields  # reads all of it, before anything is judged
        self._note(request, *request.violations)
        if not request.is_upload and not fields:
            return text_answer(404, "<html><title>404 Not Found</title></html>", "text/html; charset=UTF-8")
        with self._lock:
            refused = self._refused(request) or self._untaken(request)
            if refused is not None:
                return refusal(request, *refused)
        if self._happens("upload-lost"):
            return Answer(cut="after-body")
        return text_answer(200, "200 OK\n\n\n\n\n\n")

    def _refused(self, request: Request) -> tuple[int, str] | None:
        """Return status and reason of a refusal, of the first check that fails."""
        token = self._signed_in(request)
        if isinstance(token, str):
            return 403, token
        token.uses += 1
        if not request.is_upload:
            return 400, "Upload payload does not have a file."
        if "the text part 'attestations' has a filename" in request.violations:
            return 400, "attestations: Should not be a tuple."
        broken = [each for each in request.violations if not each.startswith("attestations ")]  # those come last
        if broken:
            return 400, "; ".join(broken)
        return self._no_right(token, request.values("name")[0]) or self._no_file(request)

    def _signed_in(self, request: Request) -> Token | str:
        """Return the credential of a request, or why it is none."""
        scheme, _, value = (request.header("Authorization") or "").partition(" ")
        if scheme.lower() == "basic":
            user, value = "", ""
            with contextlib.suppress(ValueError):
                user, value = request.basic or ("", "")
            if user != "__token__":
                return NO_PASSWORDS
        token = self.tokens.get(value)
        if token is None or token.burnt or (token.single_use and token.uses):
            return UNKNOWN_CREDENTIAL
        return token

    def _no_right(self, token: Token, name: str) -> tuple[int, str] | None:
        project = canonicalize_name(name)
        if not self.exists(project):
            if token.minted:
                return 400, NO_NEW_PROJECT
            if project in self.prohibited:
                return 400, f"The name {name!r} isn't allowed. See {HELP}#project-name for more information."
        reasons = []
        if token.expires is not None and self._stage.now() >= token.expires:
            reasons.append("token is expired")
        if token.projects is not None and project not in token.projects:
            scope, colon = ("OIDC scoped", "") if token.minted else ("project-scoped", ":")
            reasons.append(f"{scope} token is not valid for project{colon} {project!r}")
        if reasons:
            return 403, f"Invalid API Token: {', '.join(reasons * 2)}"  # repeated, as observed
        if self.projects.get(project) in ("archived", "quarantined"):
            see = f"See {HELP}#project-name for more information."
            return 403, f"The given token isn't allowed to upload to project {name!r}. {see}"
        return None

    def _no_file(self, request: Request) -> tuple[int, str] | None:
        content, project = request.content, canonicalize_name(request.values("name")[0])
        try:
            named = _named(content.filename)
        except ValueError as error:
            return 400, str(error)
        if named[0] != project:
            return 400, f"Start filename for {project!r} with {project.replace('-', '_')!r}."
        for file in self.files:
            if file.filename == content.filename and file.sha256 == content.sha256:
                return None
            if file.filename == content.filename or file.sha256 == content.sha256:
                taken = f"File already exists ({file.filename!r}, with blake2_256 hash {file.blake2b_256!r})."
                return 400, f"{taken} See {HELP}#file-name-reuse for more information."
        sdists = (".tar.gz", ".zip")
        there = [each for each in self.files if (each.project, each.version) == named]
        if content.filename.endswith(sdists) and any(each.filename.endswith(sdists) for each in there):
            return 400, "Only one sdist may be uploaded per release."
        return None

    def _untaken(self, request: Request) -> tuple[int, str] | None:
        """Take a file, unless its attestations are wrong: status and reason of the refusal."""
        content = request.content
        project, version = _named(content.filename)
        self.projects.setdefault(project, "active")
        if any(file.filename == content.filename for file in self.files):
            return None  # the same content: nothing changes
        try:
            proven = self._provenance(request)
        except AttestationRefusedError as error:
            return 400, f"Invalid attestations supplied during upload: {error}"
        credential = self._signed_in_value(request)
        requires = "".join(request.values("requires_python"))
        attestations = next(iter(request.values("attestations")), None)
        hashes = (content.sha256, content.blake2b_256)
        now = self._stage.now()
        self.files.append(
            StoredFile(
                content.filename,
                project,
                version,
                content.size,
                *hashes,
                requires,
                attestations,
                proven,
                now,
                credential,
            )
        )
        return None

    def _provenance(self, request: Request) -> str | None:
        """Return the provenance of a file that is sent with attestations; raises `AttestationRefusedError`."""
        sent = request.values("attestations")
        if not sent or self.trust_config is None or self._happens("attestations-off"):
            return None
        content, token = request.content, self.tokens[self._signed_in_value(request)]
        found = provenance(sent[0], token.identity, content.filename, content.sha256, self.trust_config())
        if self._happens("attestations"):
            raise AttestationRefusedError(self.attestation_refusal)
        return found

    def integrity(self, request: Request) -> Answer:
        """Show the provenance of a file: `/integrity/PROJECT/VERSION/FILE/provenance`."""
        path, _ = target(request)
        file = next((each for each in self.files if path == _integrity_path(each)), None)
        if file is None:
            return text_answer(404, "404 Not Found\n\nThe resource could not be found.\n\n\n")
        if self._happens("provenance-off"):
            return json_answer({"message": "Attestations temporarily disabled"}, 403)
        nothing = served(request, file.filename, None)
        return self._fault("provenance", lambda: served(request, file.filename, file.provenance), nothing)

    def _signed_in_value(self, request: Request) -> str:
        basic = request.basic
        return basic[1] if basic else (request.header("Authorization") or "").partition(" ")[2]

    def simple(self, request: Request, root: str = "/simple/") -> Answer:
        """Show the page of a project, in JSON or HTML as the client wants it."""
        return self._fault("simple", lambda: self._simple(request, root))

    def _simple(self, request: Request, root: str) -> Answer:
        path, _ = target(request)
        given = path.removeprefix(root)
        project = canonicalize_name(given.strip("/"))
        if given != f"{project}/":
            return Answer(301, headers={"Location": f"{root}{project}/"})
        with self._lock:
            if not self.exists(project):
                return text_answer(404, "404 Not Found\n\nThe resource could not be found.\n\n\n")
            status = self.projects.get(project, "active")
            files = [file for file in self.files if file.project == project and status != "quarantined"]
        if self._happens("simple-stale"):
            files = []
        serial = {"X-PyPI-Last-Serial": str(len(self.files)), "Cache-Control": "max-age=600, public"}
        host = None if self._happens("simple-provenance") else self.hosts[-1]
        if SIMPLE_JSON in (request.header("Accept") or ""):
            page = json.dumps(_json_page(project, status, files, len(self.files), host))
            return text_answer(200, page, SIMPLE_JSON, **serial)
        return text_answer(200, _html_page(project, files, host), "text/html; charset=UTF-8", **serial)

    def _note(self, request: Request, *violations: str) -> None:
        self.violations += [f"{request!r}: {violation}" for violation in violations]


class PyPI(Index):
    """PyPI, or TestPyPI with its own names.

    Its faults, next to those of every index: `audience`, `mint` and `burn` (503), `mint-lost` (minted, then the
    connection is cut), `mint-raced` (500: another job makes the project of the pending publisher in this moment),
    and `burn-echo` (500, with the token in the answer). TestPyPI's begin with `testpypi-`.
    """

    def __init__(
        self,
        stage: Stage,
        issuers: Mapping[str, Mapping[str, RSAPublicKey]],
        hosts: Sequence[str],
        *,
        audience: str,
        faults: str = "",
    ) -> None:
        super().__init__(stage, issuers, hosts, audience=audience, faults=faults)
        self.location = self.hosts[-1]
        self.disabled = False
        """Trusted publishing is switched off."""
        self.disabled_issuers: set[str] = set()
        """Issuers that are switched off."""
        self.burning = True
        """Whether tokens can be burnt; servers before 2026-09 answer 404."""
        self.tells_expiry = True
        """Whether mints say until when the token lives; PyPI always does."""

    def __call__(self, request: Request) -> Answer:
        """Answer a request, by its path."""
        path, _ = target(request)
        host = host_of(request)
        if path.startswith("/simple/") and host == self.hosts[-1]:
            return self.simple(request) if request.method in ("GET", "HEAD") else _wrong_method(request)
        if path.startswith("/integrity/") and host == self.hosts[-1]:
            return self.integrity(request) if request.method == "GET" else _wrong_method(request)
        if path == "/legacy" and host == self.hosts[0]:
            told = "An upload was attempted to /legacy but the expected upload URL is /legacy/ (with a trailing slash)"
            return text_answer(308, told, Location="/legacy/")
        found: dict[str, tuple[str, Callable[[Request], Answer]]] = {
            "/_/oidc/audience": ("GET", self._audience),
            "/_/oidc/mint-token": ("POST", self._mint),
            "/_/oidc/github/mint-token": ("POST", self._mint),
        }
        if self.burning:
            found["/_/oidc/burn-token"] = "POST", self._burn
        if host == self.hosts[0]:
            found["/legacy/"] = "POST", self.upload
        method, play = found.get(path, ("", None))
        if play is None:
            return text_answer(404, "<!DOCTYPE html><title>Page Not Found (404)</title>", "text/html; charset=UTF-8")
        return play(request) if request.method == method else _wrong_method(request)

    def _may_mint(self, issuer: str) -> None:
        if self.disabled or issuer in self.disabled_issuers:
            service = SERVICES.get(issuer, issuer)
            raise MintRefusedError("not-enabled", f"{service} trusted publishing functionality not enabled")

    def _audience(self, _: Request) -> Answer:
        if self.disabled:
            off = json_answer({"message": "Trusted publishing functionality not enabled"}, 403)
            return self._fault("audience", lambda: off)
        return self._fault("audience", lambda: json_answer({"audience": self.audience}))

    def _mint(self, request: Request) -> Answer:
        return self._fault("mint", lambda: self._minted(request))

    def _minted(self, request: Request) -> Answer:
        if request.header("Authorization") is not None:
            self._note(request, "a credential was sent with a mint")
        try:
            if self._happens("mint-raced"):
                with self._lock:
                    self._reify(self._verified(_payload(request)))
                return FAILED
            token = self.exchange(_payload(request))
        except MintRefusedError as error:
            self.refused += [f"{error.code}: {each}" for each in error.descriptions]
            errors = [{"code": error.code, "description": each} for each in error.descriptions]
            return json_answer({"message": "Token request failed", "errors": errors}, 422)
        if self._happens("mint-lost"):
            return Answer(cut="after-body")
        expires = {"expires": token.expires} if self.tells_expiry else {}
        return json_answer({"success": True, "token": token.value} | expires)

    def _burn(self, request: Request) -> Answer:
        return self._fault("burn", lambda: self._burnt(request))

    def _burnt(self, request: Request) -> Answer:
        if request.header("Authorization") is not None:
            self._note(request, "a credential was sent with a burn")
            return refusal(request, 403, UNKNOWN_CREDENTIAL)
        try:
            value = _payload(request)
        except MintRefusedError as error:
            self._note(request, *error.descriptions)
            return json_answer({"message": "Token request failed"}, 400)
        if self._happens("burn-echo"):
            return text_answer(500, f"no such thing: {value}")
        with self._lock:
            token = self.tokens.get(value)
            if token is None or not token.minted:
                self._note(request, "a token was burnt that was not minted here")
            elif not token.burnt:
                token.burnt = True
                self.burnt.append(token)
        return Answer(202, headers={"Content-Type": "application/json"}, body=b"null")


def refusal(request: Request, status: int, reason: str) -> Answer:
    """Return a refusal in the form that the client accepts: JSON, HTML or plain text, as pyramid chooses it.

    The status line has the usual phrase, as the public service sends it.
    """
    accept = request.header("Accept") or ""
    title = http.HTTPStatus(status).phrase
    said = f"{EXPLANATIONS.get(status, '')}\n\n\n{reason}\n\n"
    if "application/json" in accept:
        return json_answer({"message": said, "code": f"{status} {reason}", "title": title}, status)
    if "html" in accept or "*/*" in accept:
        safe = html.escape(reason, quote=False)
        page = f"<html>\n <head>\n  <title>{status} {safe}</title>\n </head>\n <body>\n  <h1>{status} {safe}</h1>\n"
        return text_answer(status, page + " </body>\n</html>", "text/html; charset=UTF-8")
    return text_answer(status, f"{status} {reason}\n\n{said}")


def _wrong_method(request: Request) -> Answer:
    said = "405 Method Not Allowed\n\nThe method {} is not allowed for this resource.\n\n\n"
    return text_answer(405, said.format(request.method))


def _payload(request: Request) -> str:
    """Return the token in the body of a request; raises `MintRefusedError` with what pydantic says otherwise."""
    try:
        return _Payload.model_validate_json(request.body).token
    except ValidationError as error:
        raise MintRefusedError("invalid-payload", *(each["msg"] for each in error.errors())) from None


def _form_of(github: GitHub, environment: str | None) -> tuple[str, str, str, str, str]:
    told = github.told()
    owner, _, repository = told["repository"].partition("/")
    named = told.get("environment", "") if environment is None else environment
    return owner, repository, github.workflow_file, named, told["repository_owner_id"]


def _looked_up(claims: Mapping[str, Any], publishers: Sequence[AnyPublisher]) -> AnyPublisher:
    """Find the publisher for a token of GitHub, and check the token against it, as PyPI does it."""
    for name in (*REQUIRED_CLAIMS, *PRESENT_CLAIMS):
        if name not in claims:
            raise InvalidPublisherError(f"Missing claim {name!r}")
    workflow = re.search(r"([^/]+\.(?:yml|yaml))(?=@)", claims["job_workflow_ref"])
    if workflow is None:
        raise InvalidPublisherError("Could not job extract workflow filename from OIDC claims")
    owner, _, repository = claims["repository"].partition("/")
    wanted = (owner, repository, claims["repository_owner_id"], workflow[1])
    candidates = [each for each in publishers if (each.owner, each.repository, each.owner_id, each.workflow) == wanted]
    environment = (claims.get("environment") or "").lower()
    publisher = next((each for each in candidates if each.environment.lower() == environment), None)
    publisher = publisher or next((each for each in candidates if not each.environment), None)
    if publisher is None:
        raise InvalidPublisherError("Publisher with matching claims was not found")
    _check(publisher, claims)
    return publisher


def _check(publisher: Publisher, claims: Mapping[str, Any]) -> None:
    if claims["repository_owner"] != publisher.owner:
        raise InvalidPublisherError("Check failed for required claim 'repository_owner'")
    refs = [claims[name] for name in PRESENT_CLAIMS if claims[name]]
    if not refs:
        raise InvalidPublisherError("The ref and sha claims are empty")
    file = f"{publisher.owner}/{publisher.repository}/.github/workflows/{publisher.workflow}"
    expected = sorted(f"{file}@{ref}" for ref in refs)
    if claims["job_workflow_ref"] not in expected:
        raise InvalidPublisherError(
            "The job_workflow_ref claim does not match, "
            f"expecting one of {expected!r}, got {claims['job_workflow_ref']!r}"
        )
    if claims["event_name"] == "pull_request_target":
        raise InvalidPublisherError(PULL_REQUEST_TARGET)


def _named(filename: str) -> tuple[str, str]:
    """Return normalised name and version in the name of a file; raises ValueError."""
    if filename.endswith(".whl"):
        name, version, _, _ = parse_wheel_filename(filename)
    else:
        name, version = parse_sdist_filename(filename)
    return name, str(version)


def _hashes(content: bytes) -> tuple[str, str]:
    return hashlib.sha256(content).hexdigest(), hashlib.blake2b(content, digest_size=32).hexdigest()


def _url(file: StoredFile) -> str:
    where = f"{file.blake2b_256[:2]}/{file.blake2b_256[2:4]}/{file.blake2b_256[4:]}"
    return f"https://files.pythonhosted.org/packages/{where}/{file.filename}"


def _integrity_path(file: StoredFile) -> str:
    return f"/integrity/{file.project}/{file.version}/{file.filename}/provenance"


def _proven_at(file: StoredFile, host: str | None) -> str | None:
    """Return where the provenance of a file is; without a host nothing is told of it."""
    return f"https://{host}{_integrity_path(file)}" if host and file.provenance else None


def _json_page(
    project: str, status: Status, files: Sequence[StoredFile], serial: int, host: str | None
) -> dict[str, Any]:
    return {
        "meta": {"_last-serial": serial, "api-version": "1.4"},
        "name": project,
        "alternate-locations": [],
        "project-status": {"status": status},
        "versions": sorted({file.version for file in files}),
        "files": [
            {
                "filename": file.filename,
                "url": _url(file),
                "hashes": {"sha256": file.sha256},
                "size": file.size,
                "upload-time": datetime.fromtimestamp(file.uploaded, UTC).isoformat().replace("+00:00", "Z"),
                "requires-python": file.requires_python or None,
                "yanked": False,
                "core-metadata": False,
                "data-dist-info-metadata": False,
                "provenance": _proven_at(file, host),
            }
            for file in files
        ],
    }


def _html_page(project: str, files: Sequence[StoredFile], host: str | None) -> str:
    def proven(file: StoredFile) -> str:
        where = _proven_at(file, host)
        return f' data-provenance="{where}"' if where else ""

    anchors = "".join(
        f'<a href="{_url(file)}#sha256={file.sha256}"{proven(file)}>{file.filename}</a><br />\n' for file in files
    )
    head = f'<meta name="pypi:repository-version" content="1.4"><title>Links for {project}</title>'
    return f"<!DOCTYPE html><html><head>{head}</head><body><h1>Links for {project}</h1>\n{anchors}</body></html>"
