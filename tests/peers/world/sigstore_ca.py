"""Fulcio's certificates: a root, a log of certificates, and leaves that say which job may sign (oid-info.md of Fulcio).

The keys are new each time. A leaf has all the claims that Fulcio takes from a token of GitHub's, and the log's signed
timestamp (RFC 6962) embedded in it.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID

GITHUB = "https://github.com"
ARC = "1.3.6.1.4.1.57264.1"
ROOT_LIFE = timedelta(days=3650)
AGE = timedelta(days=365)  # of the root, when a world begins: its clock may be set back by that much

VERSION_1, PRECERTIFICATE, SHA256_ECDSA = 0, 1, b"\x04\x03"  # RFC 6962, section 3.2; RFC 5246, section 7.4.1.4.1

REQUIRED = (
    "job_workflow_ref",
    "sha",
    "event_name",
    "repository",
    "workflow",
    "ref",
    "job_workflow_sha",
    "runner_environment",
    "repository_owner",
    "repository_id",
    "repository_owner_id",
    "workflow_ref",
    "workflow_sha",
    "run_id",
    "run_attempt",
    "repository_visibility",
)
"""Claims without which Fulcio issues nothing to a job of GitHub's."""


class MissingClaimError(Exception):
    """A token lacks a claim that has to be in a certificate."""


def spki(key: ec.EllipticCurvePublicKey) -> bytes:
    """Return a public key in DER."""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def identity(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return what a log is known by: the SHA-256 of its public key."""
    return hashlib.sha256(spki(key.public_key())).digest()


def new_key() -> ec.EllipticCurvePrivateKey:
    """Make a key on the curve P-256."""
    return ec.generate_private_key(ec.SECP256R1())


def sign(key: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
    """Sign with ECDSA and SHA-256."""
    return key.sign(data, ec.ECDSA(hashes.SHA256()))


class CertificateAuthority:
    """A root that issues certificates for signing, and the log into which it enters them."""

    def __init__(self, now: float) -> None:
        self.key = new_key()
        self.log_key = new_key()
        self.begin = datetime.fromtimestamp(int(now), UTC) - AGE
        name = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "sigstore.example"),
                x509.NameAttribute(NameOID.COMMON_NAME, "sigstore"),
            ]
        )
        public = self.key.public_key()
        self.root = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.begin)
            .not_valid_after(self.begin + ROOT_LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage("key_cert_sign", "crl_sign"), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .sign(self.key, hashes.SHA256())
        )

    def issue(
        self,
        key: ec.EllipticCurvePublicKey,
        claims: Mapping[str, Any],
        *,
        now: float,
        life: float,
        bad_sct: bool = False,
    ) -> x509.Certificate:
        """Issue a leaf for a key and the claims of a token, valid from this second on for `life` seconds.

        Raises `MissingClaimError`.
        """
        missing = [name for name in REQUIRED if not claims.get(name)]
        if missing:
            raise MissingClaimError(f"missing claim {missing[0]!r}")
        public = self.key.public_key()
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(self.root.subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(datetime.fromtimestamp(int(now), UTC))
            .not_valid_after(datetime.fromtimestamp(int(now + life), UTC))
            .add_extension(_usage("digital_signature"), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
            .add_extension(
                x509.SubjectAlternativeName([x509.UniformResourceIdentifier(f"{GITHUB}/{claims['job_workflow_ref']}")]),
                critical=True,
            )
        )
        for number, value in _told(claims).items():
            data = value.encode() if number < 8 else _utf8_string(value)  # the oldest are bare bytes
            builder = builder.add_extension(
                x509.UnrecognizedExtension(x509.ObjectIdentifier(f"{ARC}.{number}"), data), critical=False
            )
        logged = builder.sign(self.key, hashes.SHA256()).tbs_certificate_bytes
        oid = ExtensionOID.PRECERT_SIGNED_CERTIFICATE_TIMESTAMPS
        timestamps = self._timestamps(logged[::-1] if bad_sct else logged, now)
        builder = builder.add_extension(x509.UnrecognizedExtension(oid, timestamps), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def _timestamps(self, logged: bytes, now: float) -> bytes:
        """Return the value of the extension: one timestamp of the log for these bytes, in a list, in a string."""
        time = int(now * 1000)
        issuer = hashlib.sha256(spki(self.key.public_key())).digest()
        entry = struct.pack("!BBQH", VERSION_1, 0, time, PRECERTIFICATE) + issuer
        entry += len(logged).to_bytes(3) + logged + b"\x00\x00"
        signature = sign(self.log_key, entry)
        timestamp = struct.pack("!B32sQH", VERSION_1, identity(self.log_key), time, 0)
        timestamp += SHA256_ECDSA + _sized(signature)
        return _der(0x04, _sized(_sized(timestamp)))


def _told(claims: Mapping[str, Any]) -> dict[int, str]:
    """Return what is said about a job, by the last number of its identifier."""
    return {
        1: claims["iss"],
        2: claims["event_name"],
        3: claims["sha"],
        4: claims["workflow"],
        5: claims["repository"],
        6: claims["ref"],
        8: claims["iss"],
        9: f"{GITHUB}/{claims['job_workflow_ref']}",
        10: claims["job_workflow_sha"],
        11: claims["runner_environment"],
        12: f"{GITHUB}/{claims['repository']}",
        13: claims["sha"],
        14: claims["ref"],
        15: claims["repository_id"],
        16: f"{GITHUB}/{claims['repository_owner']}",
        17: claims["repository_owner_id"],
        18: f"{GITHUB}/{claims['workflow_ref']}",
        19: claims["workflow_sha"],
        20: claims["event_name"],
        21: f"{GITHUB}/{claims['repository']}/actions/runs/{claims['run_id']}/attempts/{claims['run_attempt']}",
        22: claims["repository_visibility"],
    }


def _usage(*names: str) -> x509.KeyUsage:
    every = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{name: name in names for name in every})


def _sized(data: bytes) -> bytes:
    return len(data).to_bytes(2) + data


def _utf8_string(text: str) -> bytes:
    return _der(0x0C, text.encode())


def _der(tag: int, data: bytes) -> bytes:
    """Return a value in DER, with its length in the shortest form."""
    if len(data) < 0x80:
        return bytes([tag, len(data)]) + data
    length = len(data).to_bytes((len(data).bit_length() + 7) // 8)
    return bytes([tag, 0x80 | len(length)]) + length + data
