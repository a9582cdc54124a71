"""JSON Web Tokens with RS256 (RFC 7519, RFC 7518): signed and verified as an issuer and a strict server do it."""

from __future__ import annotations

import base64
import binascii
import functools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256

Reason = Literal[
    "malformed", "algorithm", "key", "signature", "claims", "expired", "not-yet-valid", "audience", "issuer"
]
KEY_BITS = 2048  # the least that anybody accepts, and the fastest to make


class TokenError(Exception):
    """A token is not what it has to be: `reason` says in one word why, the message in a sentence."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Signer:
    """Someone who signs tokens with one key."""

    key: RSAPrivateKey
    kid: str
    """Identity of the key, in the head of each token."""

    def sign(self, claims: Mapping[str, Any], **head: Any) -> str:
        """Return a token with these claims; `head` is added to its usual head."""
        parts = [{"typ": "JWT", "alg": "RS256", "kid": self.kid} | head, dict(claims)]
        signed = ".".join(encode(json.dumps(part, separators=(",", ":")).encode()) for part in parts)
        return f"{signed}.{encode(self.key.sign(signed.encode(), PKCS1v15(), SHA256()))}"

    @property
    def public_keys(self) -> dict[str, RSAPublicKey]:
        """What `verify` needs to know tokens of this signer."""
        return {self.kid: self.key.public_key()}

    @property
    def jwk(self) -> dict[str, str]:
        """The public key as JSON Web Key."""
        numbers = self.key.public_key().public_numbers()
        modulus, exponent = (number.to_bytes((number.bit_length() + 7) // 8) for number in (numbers.n, numbers.e))
        return {
            "kty": "RSA",
            "alg": "RS256",
            "use": "sig",
            "kid": self.kid,
            "n": encode(modulus),
            "e": encode(exponent),
        }


@functools.cache
def process_key() -> RSAPrivateKey:
    """Make the one key of this process: making one takes longer than a test."""
    return generate_private_key(65537, KEY_BITS)


def verify(
    token: str,
    keys: Signer | Mapping[str, RSAPublicKey],
    *,
    audience: str | None,
    issuer: str | None,
    now: float,
    leeway: float = 0,
) -> dict[str, Any]:
    """Return the claims of a token, once everything about it is right; `None` does not look at that claim.

    As PyPI does it: `alg` is RS256, `kid` is known, `iss`, `iat`, `exp` and `aud` are there, `aud` is one string and
    not a list, and neither `exp`, `nbf` nor `iat` contradicts `now` by more than `leeway` seconds.

    Raises `TokenError`.
    """
    head, claims = header(token), decode(token)
    if head.get("alg") != "RS256":
        raise TokenError("algorithm", f"the algorithm is {head.get('alg')!r}, not 'RS256'")
    public = (keys.public_keys if isinstance(keys, Signer) else keys).get(str(head.get("kid")))
    if public is None:
        raise TokenError("key", f"the key {head.get('kid')!r} is not known")
    signed, _, signature = token.rpartition(".")
    try:
        public.verify(_decoded(signature), signed.encode(), PKCS1v15(), SHA256())
    except InvalidSignature:
        raise TokenError("signature", "the signature does not fit") from None
    _check_claims(claims, audience, issuer)
    _check_times(claims, now, leeway)
    return claims


def decode(token: str) -> dict[str, Any]:
    """Return the claims of a token without looking at anything else; raises `TokenError` if it is no token."""
    return _part(token, 1)


def header(token: str) -> dict[str, Any]:
    """Return the head of a token without looking at anything else; raises `TokenError` if it is no token."""
    return _part(token, 0)


def encode(data: bytes) -> str:
    """Encode in base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _check_claims(claims: Mapping[str, Any], audience: str | None, issuer: str | None) -> None:
    for name in ("iss", "iat", "exp", "aud"):
        if name not in claims:
            raise TokenError("claims", f"the claim {name!r} is missing")
    if audience is not None and claims["aud"] != audience:
        raise TokenError("audience", f"the audience is {claims['aud']!r}, not {audience!r}")
    if issuer is not None and claims["iss"] != issuer:
        raise TokenError("issuer", f"the issuer is {claims['iss']!r}, not {issuer!r}")


def _check_times(claims: Mapping[str, Any], now: float, leeway: float) -> None:
    for name in ("exp", "nbf", "iat"):
        if not isinstance(claims.get(name, 0), int | float):
            raise TokenError("claims", f"the claim {name!r} is {claims[name]!r}, not a number")
    if claims["exp"] <= now - leeway:
        raise TokenError("expired", f"expired {now - claims['exp']:.0f} s ago")
    for name in ("nbf", "iat"):
        if claims.get(name, 0) > now + leeway:
            raise TokenError("not-yet-valid", f"{name} is {claims[name] - now:.0f} s ahead")


def _part(token: str, index: int) -> dict[str, Any]:
    parts = token.split(".")
    if len(parts) != 3:
        raise TokenError("malformed", f"{len(parts)} parts instead of 3")
    try:
        part = json.loads(_decoded(parts[index]))
    except ValueError as error:
        raise TokenError("malformed", f"part {index + 1} is not JSON in base64url") from error
    if not isinstance(part, dict):
        raise TokenError("malformed", f"part {index + 1} is not a JSON object")
    return part


def _decoded(text: str) -> bytes:
    if not re.fullmatch(r"[A-Za-z0-9_-]*", text):
        raise TokenError("malformed", "not base64url")
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as error:
        raise TokenError("malformed", "not base64url") from error
