"""What PyPI does with attestations (PEP 740): it verifies them with the real libraries, and serves them as provenance.

Order and words are those of `warehouse/attestations/services.py` and `warehouse/api/integrity.py` (2026-08). The
libraries are imported by whoever has something to verify: it takes a third of a second.
"""

from __future__ import annotations

import json
import types
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.peers.scripted import Answer, Request, json_answer
from tests.peers.world.proxy import text_answer

if TYPE_CHECKING:
    from pypi_attestations import Attestation, Distribution, GitHubPublisher

INTEGRITY_JSON = "application/vnd.pypi.integrity.v1+json"
ACCEPTABLE = frozenset({INTEGRITY_JSON, "application/json", "application/*", "*/*"})

ONLY_TRUSTED = "Attestations are only supported when using Trusted Publishing"
NONE = "Malformed attestations: an empty attestation set is not permitted"
REFUSED = (
    "Could not verify the uploaded artifact using the included attestation: Verification failed: "
    "Certificate's Build Config URI does not match expected Trusted Publisher"
)
"""What a fault says that is only switched on."""


class AttestationRefusedError(Exception):
    """Attestations are not taken; the message is PyPI's detail."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose attestations a publisher may bring along."""

    repository: str
    """With its owner."""
    workflow: str
    environment: str

    def publisher(self) -> GitHubPublisher:
        """Return it as the libraries know it."""
        from pypi_attestations import GitHubPublisher  # noqa: PLC0415 - takes long, and few need it

        return GitHubPublisher(repository=self.repository, workflow=self.workflow, environment=self.environment or None)


def provenance(text: str, identity: Identity | None, filename: str, sha256: str, trust_config: str) -> str:
    """Return the provenance object for attestations that are right about a file; raises `AttestationRefusedError`."""
    from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415 - as above
    from pypi_attestations import (  # noqa: PLC0415
        Attestation,
        AttestationBundle,
        AttestationType,
        Distribution,
        Provenance,
    )

    if identity is None:
        raise AttestationRefusedError(ONLY_TRUSTED)
    try:
        attestations = TypeAdapter(list[Attestation]).validate_json(text)
    except ValidationError as error:
        raise AttestationRefusedError(f"Malformed attestations: {error}") from None
    if not attestations:
        raise AttestationRefusedError(NONE)
    supported = {AttestationType.PYPI_PUBLISH_V1, AttestationType.SLSA_PROVENANCE_V1}
    if len(attestations) > len(supported):
        raise AttestationRefusedError(f"A maximum of {len(supported)} attestations per file are supported")
    publisher, distribution = identity.publisher(), Distribution(name=filename, digest=sha256)
    seen = set()
    for attestation in attestations:
        predicate_type = _predicate_type(attestation, publisher, distribution, trust_config)
        if predicate_type not in supported:
            raise AttestationRefusedError(f"Attestation with unsupported predicate type: {predicate_type}")
        if predicate_type in seen:
            raise AttestationRefusedError(
                "Multiple attestations for the same file with the same predicate type "
                f"({predicate_type}) are not supported"
            )
        seen.add(predicate_type)
    bundle = AttestationBundle(publisher=publisher, attestations=attestations)
    return json.dumps(Provenance(attestation_bundles=[bundle]).model_dump(mode="json"))


def served(request: Request, filename: str, stored: str | None) -> Answer:
    """Return the provenance of a file, if there is one and the client wants it in the one form that it has."""
    accept = request.header("Accept") or "*/*"
    if not ACCEPTABLE & {each.partition(";")[0].strip() for each in accept.split(",")}:
        return json_answer({"message": "Request not acceptable"}, 406)
    if stored is None:
        return json_answer({"message": f"No provenance available for {filename}"}, 404)
    return text_answer(200, stored, INTEGRITY_JSON, Cache_Control="max-age=600, public")


def _predicate_type(
    attestation: Attestation, publisher: GitHubPublisher, distribution: Distribution, trust_config: str
) -> str:
    """Return the type of what an attestation says, once everything about it is right."""
    from pypi_attestations import VerificationError  # noqa: PLC0415 - as above
    from sigstore.models import ClientTrustConfig  # noqa: PLC0415
    from sigstore.verify import Verifier  # noqa: PLC0415

    verifier = Verifier(trusted_root=ClientTrustConfig.from_json(trust_config).trusted_root)
    try:
        return str(_verify_with(verifier)(attestation, publisher, distribution)[0])
    except VerificationError as error:
        raise AttestationRefusedError(
            f"Could not verify the uploaded artifact using the included attestation: {error}"
        ) from None
    except Exception as error:  # noqa: BLE001 - as PyPI does it
        raise AttestationRefusedError(f"Unknown error while trying to verify included attestations: {error}") from None


def _verify_with(verifier: Any) -> types.FunctionType:
    """Return `Attestation.verify`, the code of the library, with this verifier as that of the public instance.

    It takes no other, and to patch the module would reach a program under test that runs in this process.
    """
    from pypi_attestations import Attestation  # noqa: PLC0415 - as above

    original = Attestation.verify
    ours = types.SimpleNamespace(production=lambda *, offline: verifier)  # noqa: ARG005 - ours needs no network
    verify = types.FunctionType(original.__code__, original.__globals__ | {"Verifier": ours})
    verify.__kwdefaults__ = original.__kwdefaults__
    return verify
