"""Rekor's log (API v1): a Merkle tree that grows (RFC 6962), its signed checkpoints, and its promises.

Only entries of the kind `dsse` 0.0.1 are taken, with the one signature that they have checked. The log has a past: its
tree has leaves that nobody here made, and its indexes begin far above those of the tree, as those of an old log do.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import rfc8785
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from tests.peers.world.sigstore_ca import identity, new_key, sign

PAST = 5  # leaves that are there already
OLDER = 700_000_000  # entries of earlier trees: the index in the log and the one in the tree are two


class EntryRefusedError(Exception):
    """An entry is not taken; the message says why."""


class EntryExistsError(Exception):
    """The very entry is there already; the argument is its UUID."""


@dataclass(frozen=True, slots=True)
class LogEntry:
    """An entry of the log."""

    index: int
    """In the log; the one in its tree is another."""
    uuid: str
    subject: str
    """File name in the statement."""
    sha256: str
    """Of the file, in the statement."""
    predicate_type: str
    serial: int
    """Of the certificate."""
    integrated: int
    """Unix time."""
    url: str
    """Where a person or a program finds it."""
    body: bytes
    """Canonical, as in the tree."""


class Log:
    """A log with its key."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.key = new_key()
        self.entries: list[LogEntry] = []
        """Without those of the past."""
        self._tree = str(secrets.randbits(62))
        self._leaves = [hashlib.sha256(b"\x00" + secrets.token_bytes(64)).digest() for _ in range(PAST)]
        self._lock = threading.Lock()

    def add(self, proposed: Any, now: float, url: Callable[[int], str]) -> LogEntry:
        """Add a proposed entry; raises `EntryRefusedError` or `EntryExistsError`."""
        body, certificate, statement = _checked(proposed)
        leaf = hashlib.sha256(b"\x00" + body).digest()
        uuid = f"{int(self._tree):016x}{leaf.hex()}"
        subject = statement["subject"][0]
        with self._lock:
            if leaf in self._leaves:
                raise EntryExistsError(uuid)
            index = OLDER + len(self._leaves)
            self._leaves.append(leaf)
            entry = LogEntry(
                index,
                uuid,
                subject["name"],
                subject["digest"]["sha256"],
                statement["predicateType"],
                certificate.serial_number,
                int(now),
                url(index),
                body,
            )
            self.entries.append(entry)
        return entry

    def told(self, entry: LogEntry, *, bad_proof: bool = False, bad_set: bool = False) -> dict[str, Any]:
        """Return what the log says about an entry, with the proof that it is in the tree of this moment."""
        with self._lock:
            leaves = list(self._leaves)
        number, log_id = entry.index - OLDER, identity(self.key).hex()
        promised = {
            "body": base64.b64encode(entry.body).decode(),
            "integratedTime": entry.integrated,
            "logID": log_id,
            "logIndex": entry.index,
        }
        later = {"integratedTime": entry.integrated + 1} if bad_set else {}
        path = [each.hex() for each in inclusion(number, leaves)]
        proof = {
            "checkpoint": self._checkpoint(leaves),
            "hashes": [secrets.token_hex(len(path[0]) // 2), *path[1:]] if bad_proof else path,
            "logIndex": number,
            "rootHash": root(leaves).hex(),
            "treeSize": len(leaves),
        }
        promise = base64.b64encode(sign(self.key, _canonical(promised | later))).decode()
        return {entry.uuid: promised | {"verification": {"inclusionProof": proof, "signedEntryTimestamp": promise}}}

    def found(self, *, uuid: str | None = None, index: int | None = None) -> LogEntry | None:
        """Return an entry by its UUID or its index; those of the past are not known by either."""
        return next((each for each in self.entries if uuid == each.uuid or index == each.index), None)

    def _checkpoint(self, leaves: Sequence[bytes]) -> str:
        note = f"{self.host} - {self._tree}\n{len(leaves)}\n{base64.b64encode(root(leaves)).decode()}\n"
        signed = base64.b64encode(identity(self.key)[:4] + sign(self.key, note.encode())).decode()
        return f"{note}\n\u2014 {self.host} {signed}\n"


def root(leaves: Sequence[bytes]) -> bytes:
    """Return the hash of a tree, from the hashes of its leaves, of which there is one at least (RFC 6962, 2.1)."""
    if len(leaves) == 1:
        return leaves[0]
    half = _half(len(leaves))
    return hashlib.sha256(b"\x01" + root(leaves[:half]) + root(leaves[half:])).digest()


def inclusion(number: int, leaves: Sequence[bytes]) -> list[bytes]:
    """Return the proof that a leaf is in a tree: the hashes beside its path, from below (RFC 6962, 2.1.1)."""
    if len(leaves) == 1:
        return []
    half = _half(len(leaves))
    if number < half:
        return [*inclusion(number, leaves[:half]), root(leaves[half:])]
    return [*inclusion(number - half, leaves[half:]), root(leaves[:half])]


def _half(size: int) -> int:
    """Return the largest power of two below a size."""
    return 1 << ((size - 1).bit_length() - 1)


def _checked(proposed: Any) -> tuple[bytes, x509.Certificate, Any]:
    """Return canonical body, certificate and statement of a proposed entry whose signature is right."""
    try:
        kind, content = (proposed["kind"], proposed["apiVersion"]), proposed["spec"]["proposedContent"]
        text, (verifier,) = content["envelope"], content["verifiers"]
        envelope = json.loads(text)
        payload, (signature,) = base64.b64decode(envelope["payload"], validate=True), envelope["signatures"]
        certificate = x509.load_pem_x509_certificate(base64.b64decode(verifier, validate=True))
        kept = base64.b64decode(signature["sig"], validate=True)
        statement = json.loads(payload)
        _ = statement["subject"][0]["name"], statement["subject"][0]["digest"]["sha256"], statement["predicateType"]
    except (KeyError, IndexError, TypeError, ValueError, binascii.Error) as error:
        raise EntryRefusedError(f"error processing entry: {error!r}") from None
    if kind != ("dsse", "0.0.1"):
        raise EntryRefusedError(f"error processing entry: {kind} is not played here")
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    media = envelope["payloadType"]
    signed = f"DSSEv1 {len(media)} {media} {len(payload)} ".encode() + payload
    try:
        key.verify(kept, signed, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        raise EntryRefusedError(
            "error processing entry: could not verify envelope: accepted signatures do not match threshold, "
            "Found: 0, Expected 1"
        ) from None
    body = {
        "apiVersion": "0.0.1",
        "kind": "dsse",
        "spec": {
            "envelopeHash": _hash(text.encode()),
            "payloadHash": _hash(payload),
            "signatures": [{"signature": signature["sig"], "verifier": verifier}],
        },
    }
    return _canonical(body), certificate, statement


def _canonical(value: dict[str, Any]) -> bytes:
    return rfc8785.dumps(value)


def _hash(data: bytes) -> dict[str, str]:
    return {"algorithm": "sha256", "value": hashlib.sha256(data).hexdigest()}
