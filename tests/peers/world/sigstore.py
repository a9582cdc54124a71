"""Sigstore: Fulcio, which certifies for ten minutes that a key is a job's, and Rekor, the log of what was signed.

Played is a private instance (`fulcio.sigstore.example`, `rekor.sigstore.example`), which a client knows from the file
that `Sigstore.write_trust_config` writes. The same answers under the public names, `fulcio.sigstore.dev` and
`rekor.sigstore.dev`, if the file names those. Words and forms are those of Fulcio and Rekor in 2026-08.

Not played here: the public instance's TUF repository (`sigstore_tuf` has one that a test adds; otherwise nobody is
there), Rekor v2 (it can be in the file, and answers 404), and a timestamp authority (it is in the file, and nobody
plays it).
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding

from tests.peers.scripted import Answer, Request, json_answer
from tests.peers.world.jwt import TokenError, decode, verify
from tests.peers.world.proxy import Stage, host_of, target, text_answer
from tests.peers.world.sigstore_ca import CertificateAuthority, MissingClaimError, identity, spki
from tests.peers.world.sigstore_log import EntryExistsError, EntryRefusedError, Log, LogEntry

DOMAIN, PUBLIC_DOMAIN = "sigstore.example", "sigstore.dev"
AUDIENCE = "sigstore"
CERTIFICATE_SECONDS = 600.0  # life of Fulcio's certificates

UNAUTHENTICATED, INVALID_ARGUMENT = 16, 3  # codes of gRPC, which Fulcio puts into its answers
NO_CREDENTIALS = "There was an error processing the credentials for this request"
NO_IDENTITY = "There was an error processing the identity token"
NO_REQUEST = "The certificate signing request could not be parsed"
NO_SIGNATURE = "The signature supplied in the request could not be verified"
NO_KEY = "The public key supplied in the request could not be parsed"

UNAVAILABLE = text_answer(503, "no healthy upstream")
TOO_MANY = text_answer(429, "Too Many Requests", Retry_After="1")
CUT = Answer(cut="after-body")
NEVER = Answer(delay=math.inf)
HTML = text_answer(200, "<!DOCTYPE html><title>Sign in to continue</title>", "text/html; charset=utf-8")
"""What a fault does that is only switched on."""


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    """A certificate that Fulcio issued."""

    serial: int
    claims: Mapping[str, Any]
    """From which it was made: those of the token, unless Fulcio was told to name another job."""
    begin: datetime
    end: datetime


class Sigstore:
    """Fulcio and Rekor, with keys of their own.

    Faults of Fulcio: `fulcio` (503), `fulcio-slow`, `fulcio-too-many` (429), `fulcio-cut`, `fulcio-denied` (400, with
    what Fulcio says), `fulcio-html` (200), `fulcio-bad-sct` (a certificate whose log did not sign it).

    Faults of Rekor: `rekor` (503), `rekor-slow`, `rekor-too-many` (429), `rekor-cut`, `rekor-html` (200), `rekor-lost`
    (the entry is made, then the connection is cut), `rekor-bad-proof` and `rekor-bad-set` (an entry whose proof or
    whose promise is not right).

    The slow ones never answer; set to a number of seconds as float, they answer after that many.
    """

    def __init__(self, stage: Stage, issuers: Mapping[str, Mapping[str, RSAPublicKey]]) -> None:
        self.hosts = tuple(
            f"{service}.{domain}" for domain in (DOMAIN, PUBLIC_DOMAIN) for service in ("fulcio", "rekor")
        )
        self.certificate_life: float = CERTIFICATE_SECONDS
        """Seconds; a certificate that is issued later has it. Certificates count whole seconds."""
        self.repository: str | None = None
        """What certificates name instead of the repository of the token, `owner/name`."""
        self.workflow_file: str | None = None
        """What certificates name instead of the workflow of the token."""
        self.certificates: list[IssuedCertificate] = []
        self.violations: list[str] = []
        """Everything that clients did and the protocol does not allow."""
        self._stage = stage
        self._issuers = dict(issuers)
        self._ca = CertificateAuthority(stage.now())
        self._log = Log(f"rekor.{DOMAIN}")
        self._lock = threading.Lock()

    @property
    def entries(self) -> list[LogEntry]:
        """The entries of the log, in order."""
        return self._log.entries

    def entry_for(self, sha256: str) -> LogEntry:
        """Return the last entry about a file; raises `LookupError` if there is none."""
        found = [entry for entry in self.entries if entry.sha256 == sha256]
        if not found:
            raise LookupError(f"the log has nothing about {sha256}")
        return found[-1]

    def trust_config(
        self,
        *,
        rekor_versions: tuple[int, ...] = (1,),
        public_names: bool = False,
        other_ca: bool = False,
        other_log: bool = False,
        timestamps: bool = True,
    ) -> str:
        """Return what a client has to know, as text of a `ClientTrustConfig`.

        `other_ca` and `other_log` trust in keys that are not in use here, so that signing fails (its certificate is
        in no known log) or verifying does. With `timestamps` a timestamp authority is offered, as the public instance
        does; none is played.
        """
        domain = PUBLIC_DOMAIN if public_names else DOMAIN
        ca = CertificateAuthority(self._stage.now()) if other_ca else self._ca
        log = Log(self._log.host) if other_log else self._log
        valid = {"start": _rfc3339(self._ca.begin)}
        urls = {1: f"https://rekor.{domain}", 2: f"https://log2026-1.rekor.{domain}"}
        trusted = {
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [_log_told(log.key, urls[1], valid)],
            "certificateAuthorities": [
                {
                    "subject": {"organization": domain, "commonName": "sigstore"},
                    "uri": f"https://fulcio.{domain}",
                    "certChain": {"certificates": [{"rawBytes": _base64(ca.root.public_bytes(Encoding.DER))}]},
                    "validFor": valid,
                }
            ],
            "ctlogs": [_log_told(ca.log_key, f"https://ctfe.{domain}/2026", valid)],
            "timestampAuthorities": [],
        }
        authorities = [_service(f"https://timestamp.{domain}/api/v1/timestamp", 1, valid)] if timestamps else []
        signing = {
            "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
            "caUrls": [_service(f"https://fulcio.{domain}", 1, valid)],
            "oidcUrls": [_service(f"https://oauth2.{domain}/auth", 1, valid)],
            "rekorTlogUrls": [_service(urls[version], version, valid) for version in rekor_versions],
            "tsaUrls": authorities,
            "rekorTlogConfig": {"selector": "ANY"},
            "tsaConfig": {"selector": "ANY"},
        }
        media = "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json"
        return json.dumps({"mediaType": media, "trustedRoot": trusted, "signingConfig": signing})

    def write_trust_config(self, path: Path, **options: Any) -> Path:
        """Write what `trust_config` returns with these options."""
        path.write_text(self.trust_config(**options), encoding="utf-8")
        return path

    def __call__(self, request: Request) -> Answer:
        """Answer a request, by host and path."""
        path, query = target(request)
        service = host_of(request).partition(".")[0]
        if service == "fulcio":
            if path != "/api/v2/signingCert":
                return _grpc(404, 5, "Not Found")
            return self._faulty("fulcio", request, self._certified) if request.method == "POST" else _grpc(501, 12, "")
        if path == "/api/v1/log/entries" and request.method == "POST":
            return self._faulty("rekor", request, self._entered)
        if path == "/api/v1/log/entries" and request.method == "GET":
            index = query.get("logIndex", "")
            return self._shown(self._log.found(index=int(index)) if index.isdecimal() else None)
        if path.startswith("/api/v1/log/entries/") and request.method == "GET":
            return self._shown(self._log.found(uuid=path.rpartition("/")[2]))
        return _rekor(404, f"path {path} was not found")

    def _faulty(self, service: str, request: Request, go_on: Callable[[Request], Answer]) -> Answer:
        """Go on, unless something happens that can happen to both services."""
        _ = request.body  # reads all of it, before anything is said
        for name, otherwise in (
            ("", UNAVAILABLE),
            ("-slow", NEVER),
            ("-too-many", TOO_MANY),
            ("-cut", CUT),
            ("-html", HTML),
        ):
            fired = self._stage.faults.take(service + name)
            if fired is not None:
                return fired if isinstance(fired, Answer) else otherwise
        return go_on(request)

    def _certified(self, request: Request) -> Answer:
        denied = _grpc(400, INVALID_ARGUMENT, NO_IDENTITY)
        return self._stage.faults.play("fulcio-denied", denied, lambda: self._certificate(request))

    def _certificate(self, request: Request) -> Answer:
        scheme, _, token = (request.header("Authorization") or "").partition(" ")
        claims = self._claims(token) if scheme.lower() == "bearer" else "no token"
        if isinstance(claims, str):
            self._note(request, claims)
            return _grpc(401, UNAUTHENTICATED, NO_CREDENTIALS)
        try:
            asked = base64.b64decode(request.json["certificateSigningRequest"], validate=True)
            wanted = x509.load_pem_x509_csr(asked)
        except (KeyError, TypeError, ValueError, binascii.Error) as error:
            self._note(request, repr(error))
            return _grpc(400, INVALID_ARGUMENT, NO_REQUEST)
        if not wanted.is_signature_valid:
            self._note(request, "the request for a certificate is not signed with its own key")
            return _grpc(400, INVALID_ARGUMENT, NO_SIGNATURE)
        key = wanted.public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey):
            return _grpc(400, INVALID_ARGUMENT, NO_KEY)
        named = self._named(claims)
        try:
            leaf = self._ca.issue(
                key,
                named,
                now=self._stage.now(),
                life=self.certificate_life,
                bad_sct=self._stage.faults.take("fulcio-bad-sct") is not None,
            )
        except MissingClaimError as error:
            self._note(request, str(error))
            return _grpc(400, INVALID_ARGUMENT, NO_IDENTITY)
        with self._lock:
            self.certificates.append(
                IssuedCertificate(leaf.serial_number, named, leaf.not_valid_before_utc, leaf.not_valid_after_utc)
            )
        chain = [each.public_bytes(Encoding.PEM).decode() for each in (leaf, self._ca.root)]
        return json_answer({"signedCertificateEmbeddedSct": {"chain": {"certificates": chain}}}, 201)

    def _claims(self, token: str) -> dict[str, Any] | str:
        """Return the claims of an ID token that a known issuer signed for Sigstore, or what is wrong with it."""
        try:
            issuer = decode(token).get("iss")
            if issuer not in self._issuers:
                return f"the issuer {issuer!r} is not known"
            return verify(token, self._issuers[issuer], audience=AUDIENCE, issuer=issuer, now=self._stage.now())
        except TokenError as error:
            return str(error)

    def _named(self, claims: Mapping[str, Any]) -> dict[str, Any]:
        """Return claims as a certificate names them."""
        named = dict(claims)
        repository, file = self.repository, self.workflow_file
        if repository is not None:
            named |= {"repository": repository, "repository_owner": repository.partition("/")[0]}
        for name in ("workflow_ref", "job_workflow_ref"):
            path, _, ref = str(named.get(name, "")).partition("@")
            where, _, its_file = path.partition("/.github/workflows/")
            named[name] = f"{repository or where}/.github/workflows/{file or its_file}@{ref}"
        return named

    def _entered(self, request: Request) -> Answer:
        faults, host = self._stage.faults, host_of(request)
        try:
            entry = self._log.add(request.json, self._stage.now(), lambda index: _url(host, index))
        except (EntryRefusedError, ValueError) as error:
            self._note(request, str(error))
            return _rekor(400, str(error))
        except EntryExistsError as error:
            (uuid,) = error.args
            told = f"an equivalent entry already exists in the transparency log with UUID {uuid}"
            return _rekor(409, told, Location=f"/api/v1/log/entries/{uuid}")
        if faults.take("rekor-lost") is not None:
            return CUT
        told_of = self._log.told(
            entry,
            bad_proof=faults.take("rekor-bad-proof") is not None,
            bad_set=faults.take("rekor-bad-set") is not None,
        )
        return json_answer(told_of, 201)

    def _shown(self, entry: LogEntry | None) -> Answer:
        return _rekor(404, "entry not found") if entry is None else json_answer(self._log.told(entry))

    def _note(self, request: Request, violation: str) -> None:
        self.violations.append(f"{request!r}: {violation}")


def _url(host: str, index: int) -> str:
    """Return where an entry is found: the public log has pages for people, a private one has its API."""
    if host.endswith(PUBLIC_DOMAIN):
        return f"https://search.{PUBLIC_DOMAIN}/?logIndex={index}"
    return f"https://{host}/api/v1/log/entries?logIndex={index}"


def _grpc(status: int, code: int, message: str) -> Answer:
    return json_answer({"code": code, "message": message, "details": []}, status)


def _rekor(status: int, message: str, **headers: str) -> Answer:
    body = json.dumps({"code": status, "message": message})
    return text_answer(status, body, "application/json", **headers)


def _log_told(key: ec.EllipticCurvePrivateKey, url: str, valid: Mapping[str, str]) -> dict[str, Any]:
    public = {
        "rawBytes": _base64(spki(key.public_key())),
        "keyDetails": "PKIX_ECDSA_P256_SHA_256",
        "validFor": valid,
    }
    return {
        "baseUrl": url,
        "hashAlgorithm": "SHA2_256",
        "publicKey": public,
        "logId": {"keyId": _base64(identity(key))},
    }


def _service(url: str, version: int, valid: Mapping[str, str]) -> dict[str, Any]:
    return {"url": url, "majorApiVersion": version, "validFor": valid, "operator": DOMAIN}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
