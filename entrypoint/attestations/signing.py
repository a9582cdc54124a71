"""Signing and verifying with Sigstore: the only module that knows sigstore (4.5.1) and pypi-attestations (0.0.30).

Their clients know no time-outs, no second tries, and other proxies and certificates than we do, so they talk through
our exchange. Rekor's first version is asked for whatever a configuration prefers, and no timestamp authority: PEP 740
has no field for a timestamp, and without one an entry of the second version proves no time.
"""

from __future__ import annotations

import io
import json
import logging
import re
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit

import requests
import sigstore.errors
from pydantic import ValidationError
from pypi_attestations import (
    Attestation,
    AttestationType,
    GitHubPublisher,
    GitLabPublisher,
    GooglePublisher,
)
from pypi_attestations import (
    Distribution as Subject,
)
from requests.adapters import BaseAdapter
from sigstore._internal.fulcio.client import ExpiredCertificate, FulcioClient
from sigstore._internal.rekor.client import RekorClient
from sigstore._utils import read_embedded
from sigstore.dsse import Envelope
from sigstore.models import ClientTrustConfig
from sigstore.oidc import ExpiredIdentity, IdentityError, IdentityToken
from sigstore.sign import Signer, SigningContext
from sigstore.verify import Verifier
from sigstore_models.trustroot import v1 as trustroot
from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient.fetcher import FetcherInterface
from tuf.ngclient.updater import Updater

from entrypoint.attestations import policy
from entrypoint.credentials import publisher
from entrypoint.credentials.exchange import Exchange, Question, Reply, quoted
from entrypoint.credentials.github import claims as claims_of
from entrypoint.credentials.github import file_of
from entrypoint.credentials.problems import documented
from entrypoint.distribution import Distribution
from entrypoint.errors import CredentialError, Note, PublishError

AUDIENCE = "sigstore"

PUBLIC = "https://tuf-repo-cdn.sigstore.dev"
"""Where the public instance tells whom to trust (TUF)."""

PUBLIC_DOMAIN = ".sigstore.dev"
PUBLIC_LOG = "https://search.sigstore.dev/?logIndex="

LEFT = 60.0
"""Seconds that a certificate should have left when a signature is made with it, and an ID token when it is shown."""

AGAIN = 2
"""Times that a file is signed anew, because the log had the same entry or the certificate expired meanwhile."""

for _library in ("sigstore", "pypi_attestations", "tuf", "securesystemslib"):
    logging.getLogger(_library).addHandler(logging.NullHandler())  # or their warnings would be on standard error

A = TypeVar("A")


class Signed(NamedTuple):
    """An attestation that verifies."""

    text: str
    """The PEP 740 object, as JSON."""
    predicate: str
    """Type of what is attested."""
    log: str
    """URL of its entry in the transparency log."""
    signature: str
    """Base64."""


class Repository(NamedTuple):
    """Where an instance of Sigstore tells whom to trust (TUF)."""

    url: str = PUBLIC
    root: bytes = read_embedded("root.json", PUBLIC)
    """Whom to trust about it, as `root.json`."""


class Sigstore:
    """One instance of Sigstore, and who we are to it."""

    publish = AttestationType.PYPI_PUBLISH_V1.value
    """Predicate type of the attestation that is made here."""

    def __init__(
        self,
        exchange: Exchange,
        id_token: Callable[[str], str],
        trust_config: str | None,
        over: threading.Event | None = None,
        repository: Repository | None = None,
    ) -> None:
        """Find out who we are and whom to trust; nothing is signed, and nobody certifies anything yet.

        `trust_config` is the text of a `ClientTrustConfig`; without one the public instance is meant, whose
        `repository` is asked. When `over` is set, nothing more is asked. Raises `PublishError`.
        """
        self.notes: list[Note] = []
        self._id_token = id_token
        self._clock = exchange.patience.clock
        self._wire = _Wire(exchange, over or threading.Event())
        self._public = False
        """Whether the log is the public one."""
        self._log = ""
        """URL of an entry of the log, but for its number."""
        self._lock = threading.Lock()
        self._signer: Signer | None = None
        self._failure: PublishError | None = None
        """Why there is no certificate."""
        self._token = id_token(AUDIENCE)
        self._claims = claims_of(self._token)
        self._policy = _publisher(self._claims)._as_policy()  # noqa: SLF001 - nothing public says it
        if publisher.reusable(self._claims):
            raise _reusable(self._claims)
        self._trust = _configured(lambda: self._trusted(trust_config, repository or Repository()))
        self._context = _configured(self._signing_context)
        self._verifier = _configured(lambda: Verifier(trusted_root=self._trust.trusted_root))

    def signed(self, distribution: Distribution) -> Signed:
        """Sign a file and verify the result as PyPI does. Raises `PublishError`."""
        subject = Subject(name=distribution.found.filename, digest=distribution.sha256)
        for left in range(AGAIN, -1, -1):
            signer = self._current()
            try:
                return self._verified(self._guarded(lambda: Attestation.sign(signer, subject)), subject)  # noqa: B023 - called at once
            except _AgainError as again:
                if not left:
                    raise again.error from again
            except CredentialError:
                if not left or self._lasts(signer):
                    raise
                # The certificate expired while the log was asked: what is in the log now proves nothing.
        raise AssertionError  # the loop returns or raises

    def checked(self, text: str, distribution: Distribution) -> Signed:
        """Verify an attestation that was given. Raises `PublishError`, whose detail goes on after its name."""
        subject = Subject(name=distribution.found.filename, digest=distribution.sha256)
        try:
            attestation = Attestation.model_validate_json(text)
        except ValueError as error:
            hint = " (it is a Sigstore bundle)" if '"mediaType"' in text else ""
            raise CredentialError("", f"it is no attestation object of PEP 740{hint}.", "") from error
        return self._verified(attestation, subject)

    def _verified(self, attestation: Attestation, subject: Subject) -> Signed:
        """Check what PyPI checks (pypi-attestations' `verify`, which knows the public instance only)."""
        try:
            kind, payload = self._verifier.verify_dsse(attestation.to_bundle(), self._policy)
            statement = json.loads(payload)
            subjects = [(each["name"], each["digest"].get("sha256")) for each in statement["subject"]]
            predicate = AttestationType(statement["predicateType"]).value
        except Exception as error:
            raise _unverified(_told_of(error, attestation)) from error
        if kind != Envelope._TYPE or subjects != [(subject.name, subject.digest)]:  # noqa: SLF001 - as above
            raise _unverified(f"it is about {quoted(str(subjects))}")
        text = attestation.model_dump_json()
        return Signed(text, predicate, self._entry(attestation), str(json.loads(text)["envelope"]["signature"]))

    def _entry(self, attestation: Attestation) -> str:
        entry = attestation.verification_material.transparency_entries[0]
        index = quoted(str(entry.get("logIndex", entry.get("log_index", ""))))
        return f"{self._log}{index}"

    def _trusted(self, text: str | None, repository: Repository) -> ClientTrustConfig:
        if text is not None:
            config = ClientTrustConfig.from_json(text)
        else:
            try:
                config = self._updated(repository)
            except Exception as error:  # noqa: BLE001 - TUF raises what it likes; the copy that came along is good too
                self.notes.append(_came_along(repository.url, error))
                config = _embedded()
        config.force_tlog_version = 1
        return config

    def _updated(self, repository: Repository) -> ClientTrustConfig:
        """Ask the public instance whom to trust (TUF), and keep nothing: a home need not be writable."""
        with tempfile.TemporaryDirectory(prefix="sigstore-") as folder:
            updater = Updater(
                metadata_dir=folder,
                metadata_base_url=repository.url,
                target_base_url=f"{repository.url}/targets/",
                target_dir=folder,
                fetcher=_Fetcher(self._wire),
                bootstrap=repository.root,
            )
            updater.refresh()
            return _config(*(_target(updater, name) for name in _TARGETS))

    def _signing_context(self) -> SigningContext:
        """Put together what signs: one certificate authority, one log, no timestamps."""
        services = self._trust.signing_config
        session = requests.Session()
        session.trust_env = False
        session.mount("https://", _Adapter(self._wire))
        session.mount("http://", _Adapter(self._wire))
        fulcio = FulcioClient(services.get_fulcio().url)
        fulcio.session = session
        (log, *_) = (each for each in services.get_tlogs() if isinstance(each, RekorClient))
        rekor = _Rekor(log.url.removesuffix("/api/v1").rstrip("/"), session)
        self._public = f".{urlsplit(rekor.url).hostname}".endswith(PUBLIC_DOMAIN)
        self._log = PUBLIC_LOG if self._public else f"{rekor.url}/log/entries?logIndex="
        return SigningContext(fulcio=fulcio, rekor=rekor, trusted_root=self._trust.trusted_root, tsa_clients=[])

    def _current(self) -> Signer:
        """Give a signer whose certificate is good for one more signature; the first one asks for it."""
        with self._lock:
            if self._failure:
                raise self._failure
            try:
                if not (self._signer and self._lasts(self._signer)):
                    self._signer = self._with_certificate(first=self._signer is None)
            except PublishError as error:
                self._failure = error
                raise
            return self._signer

    def _with_certificate(self, *, first: bool) -> Signer:
        """Have a new key certified, with an ID token that is good until the answer comes; or else with another one."""
        if first and self._public:
            self.notes += _told(self._claims)
        for left in (1, 0):
            if not (first and self._good(self._token)):
                self._token = self._id_token(AUDIENCE)
            first = False
            try:
                return self._guarded(lambda: Signer(IdentityToken(self._token), self._context))
            except _AgainError as again:
                if not left:
                    raise again.error from again
            except CredentialError:
                if not left or self._good(self._token):
                    raise
        raise AssertionError  # the loop returns or raises

    def _lasts(self, signer: Signer) -> bool:
        """Tell whether the certificate of a signer is good for a while."""
        try:
            certificate = signer._signing_cert()  # noqa: SLF001 - the one that is cached; it raises when that has expired
        except ExpiredCertificate:
            return False
        return self._ample(certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp())

    def _good(self, token: str) -> bool:
        claims = claims_of(token)
        try:
            return self._ample(float(claims["iat"]), float(claims["exp"]))
        except (KeyError, ValueError):
            return True  # whoever reads it will say

    def _ample(self, begin: float, end: float) -> bool:
        return end - self._clock.now().timestamp() > min(LEFT, (end - begin) / 2)

    def _guarded(self, work: Callable[[], A]) -> A:
        """Do what the libraries do, and tell what goes wrong by what was seen on the wire: their texts hold answers.

        Raises `PublishError`, and `_AgainError` where another try may help.
        """
        self._wire.seen.reply = None
        try:
            return work()
        except PublishError:
            raise
        except Exception as error:
            raise self._refused(error) from error

    def _refused(self, error: Exception) -> Exception:
        reply, host = self._wire.seen.reply, self._wire.seen.host
        if isinstance(error, _EXPIRED) or isinstance(error.__context__, _EXPIRED):
            return _AgainError(
                "The job's ID token or its certificate was not valid when it was to be used. Is the clock of this "
                "machine right?"
            )
        if reply is not None and reply.status == 409:  # noqa: PLR2004 - Conflict: the log has this very entry
            return _AgainError(f"{host} says again and again that it has this very entry.")
        if reply is None or reply.status < 300:  # noqa: PLR2004 - redirections begin here
            said = f": {quoted(str(error))}" if isinstance(error, sigstore.errors.Error) else ""
            return _AgainError(f"What {host or 'Sigstore'} answered cannot be used ({type(error).__name__}{said}).")
        said = quoted(reply.text("message"))
        return documented(
            "Sigstore refuses to sign",
            f"{host} answered {reply.status}{f': {said}' if said else ''}.",
            "See https://status.sigstore.dev, or write `attestations: false` to publish without.",
        )


_EXPIRED = (ExpiredCertificate, ExpiredIdentity, IdentityError)


class _AgainError(Exception):
    """Once more may help; the error is what it means if it does not."""

    def __init__(self, seen: str) -> None:
        super().__init__(seen)
        self.error = documented(
            "Signing failed",
            seen,
            "Run the job again. If it stays so, see https://status.sigstore.dev or write `attestations: false`.",
        )


class _Seen(threading.local):
    """The last answer that a thread got."""

    reply: Reply | None = None
    host: str = ""


class _Wire:
    """What the libraries send through: our client, with its proxies, certificates, time-outs and second tries."""

    def __init__(self, exchange: Exchange, over: threading.Event) -> None:
        self._over = over
        self._clock = exchange.patience.clock
        self._ends = self._clock.seconds() + policy.SECONDS
        bounded = self._clock._replace(sleep=self._sleep)
        self._exchange = exchange._replace(patience=exchange.patience._replace(clock=bounded))
        self.seen = _Seen()

    def ask(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
        """Ask a service of Sigstore's, as long as there is time."""
        kept = {name: value for name, value in headers.items() if name.lower() in _HEADERS}
        question = Question(method, url, kept, content=body)
        self.seen.host = urlsplit(url).hostname or ""
        self.seen.reply = None
        self.seen.reply = self._exchange.ask("Sigstore", lambda: self._in_time(question))
        return self.seen.reply

    def _in_time(self, question: Question, seconds: float = 0.0) -> Question:
        """Raise `Unavailable` if it is too late, or will be in so many seconds."""
        if self._over.is_set() or self._clock.seconds() + seconds > self._ends:
            raise policy.too_long(f" {self.seen.host} was asked last.")
        return question

    def _sleep(self, seconds: float) -> None:
        self._in_time(_NONE, seconds)
        self._clock.sleep(seconds)


_NONE = Question("", "")

_HEADERS = {"accept", "authorization", "content-type"}
"""Headers of theirs that are sent. Ours are the user agent, and that nothing is to be compressed."""


class _Adapter(BaseAdapter):
    """How a session of `requests` sends: through our client."""

    def __init__(self, wire: _Wire) -> None:
        super().__init__()
        self._wire = wire

    def send(self, request: requests.PreparedRequest, *_: object, **__: object) -> requests.Response:
        """Send a request, whatever time-outs, proxies and certificates a session would have."""
        body = request.body.encode() if isinstance(request.body, str) else request.body
        headers = {name: str(value) for name, value in request.headers.items()}
        reply = self._wire.ask(
            request.method or "GET", request.url or "", headers, body if isinstance(body, bytes) else None
        )
        response = requests.Response()
        response.status_code = reply.status
        response.headers.update(reply.headers)
        response.raw = io.BytesIO(reply.body)
        response.url, response.request = request.url or "", request
        return response

    def close(self) -> None:
        """Leave open what is not ours."""


class _Rekor(RekorClient):
    """A log whose requests go through our session, in every thread."""

    def __init__(self, url: str, session: requests.Session) -> None:
        super().__init__(url)
        self._ours = session

    @property
    def _session(self) -> requests.Session:
        return self._ours


class _Fetcher(FetcherInterface):
    """How TUF gets its files."""

    def __init__(self, wire: _Wire) -> None:
        self._wire = wire

    def _fetch(self, url: str) -> Iterator[bytes]:
        reply = self._wire.ask("GET", url, {"Accept": "*/*"}, None)
        if reply.status != 200:  # noqa: PLR2004 - OK
            raise DownloadHTTPError(url, reply.status)
        return iter([reply.body])


def _target(updater: Updater, name: str) -> str:
    info = updater.get_targetinfo(name)
    if info is None:
        raise sigstore.errors.TUFError(f"no {name}")
    with open(updater.download_target(info), encoding="utf-8") as file:  # noqa: PTH123 - TUF gives a text
        return file.read()


_TARGETS = ("trusted_root.json", "signing_config.v0.2.json")


def _embedded() -> ClientTrustConfig:
    return _config(*(read_embedded(name, PUBLIC).decode() for name in _TARGETS))


def _config(root: str, services: str) -> ClientTrustConfig:
    return ClientTrustConfig(
        trustroot.ClientTrustConfig(
            media_type=ClientTrustConfig.ClientTrustConfigType.CONFIG_0_1.value,
            trusted_root=trustroot.TrustedRoot.from_json(root),
            signing_config=trustroot.SigningConfig.from_json(services),
        )
    )


def _configured(work: Callable[[], A]) -> A:
    """Read a configuration; what the libraries raise about it is its fault."""
    try:
        return work()
    except Exception as error:
        said = str(error)
        if isinstance(error, ValidationError):
            first = error.errors(include_url=False, include_input=False)[0]
            said = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise documented(
            "Sigstore's configuration is not usable",
            f"{quoted(said).rstrip('.') or type(error).__name__}.",
            "PEP 740 needs a log of Rekor's version 1. Check `sigstore-trust-config`, or leave it out.",
        ) from error


def _publisher(claims: Mapping[str, str]) -> GitHubPublisher | GitLabPublisher | GooglePublisher:
    """Make the publisher that an index knows a job by."""
    if "job_workflow_ref" in claims:
        return GitHubPublisher(repository=claims["repository"], workflow=file_of(claims["job_workflow_ref"]))
    if "ci_config_ref_uri" in claims:
        return GitLabPublisher(repository=claims["project_path"], workflow_filepath=publisher.pipeline(claims))
    if "email" in claims:
        return GooglePublisher(email=claims["email"])
    raise documented(
        "No attestations: the job's identity is of another kind",
        f"Its ID token comes from {quoted(claims.get('iss', 'nobody'))}.",
        "Indexes verify attestations of GitHub, GitLab and Google. Write `attestations: false`.",
    )


def _came_along(url: str, error: Exception) -> Note:
    return Note(
        "notice",
        "Sigstore's keys are those that came along",
        f"{urlsplit(url).hostname} could not be read ({type(error).__name__}): the copy that was shipped with this "
        "program is used.",
    )


def _told(claims: Mapping[str, str]) -> Iterator[Note]:
    """Say what becomes public that was not."""
    visibility = claims.get("repository_visibility") or claims.get("project_visibility")
    if visibility in {"private", "internal"}:
        name = claims.get("repository") or claims.get("project_path")
        yield Note(
            "notice",
            "Signing makes something public",
            f"The repository {name} is {visibility}, and each signature is in a public log for good, with the names of "
            "repository and workflow, the commit and the ref. `attestations: false` signs nothing.",
        )


def _reusable(claims: Mapping[str, str]) -> CredentialError:
    return documented(
        "No attestations: the job is in a reusable workflow",
        f"The certificate would name the calling workflow, {publisher.calling(claims)}, and the publisher names the "
        f"called one, {publisher.called(claims)}: the index would refuse them.",
        "Put the job that publishes into the workflow that is triggered, or write `attestations: false`.",
    )


def _told_of(error: Exception, attestation: Attestation) -> str:
    """Say why an attestation does not verify, and who made it where that is the reason."""
    if not isinstance(error, sigstore.errors.Error):
        return f"{type(error).__name__}: {quoted(str(error))}"
    said = re.sub(": expected log_index=.*", "", str(error), flags=re.DOTALL)  # hashes, as Python prints them
    said, printed = re.subn(r" \(<Extension\(.*\)>\)", "", said, flags=re.DOTALL)
    maker = ""
    with suppress(Exception):  # of a certificate that is none; what it names is there for people only
        maker = f" (it is that of {quoted(attestation.certificate_claims[_BUILD_CONFIG_URI])})" if printed else ""
    return f"{quoted(said)}{maker}"


_BUILD_CONFIG_URI = "1.3.6.1.4.1.57264.1.18"


def _unverified(why: str) -> CredentialError:
    return documented(
        "An attestation does not verify",
        f"It would be refused by the index: {why}.",
        "Make it in the workflow and the job that publish. See https://status.sigstore.dev if it was made in this run.",
    )
