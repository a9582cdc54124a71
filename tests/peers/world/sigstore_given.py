"""Attestations that somebody made before, beside the files that they are about: with the real library, in this world.

What is made here is in `Sigstore.certificates` and `Sigstore.entries` like everything else, and its requests in the
journal. Importing this takes a third of a second, for the library.
"""

from __future__ import annotations

import base64
import json
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from pypi_attestations import Attestation, AttestationType, Distribution
from sigstore.dsse import DigestSet, StatementBuilder, Subject
from sigstore.models import Bundle, ClientTrustConfig
from sigstore.oidc import IdentityToken
from sigstore.sign import Signer, SigningContext

from tests.peers.world import World

SECONDS = 10.0  # until a request of a test has an answer

PUBLISH, SLSA = AttestationType.PYPI_PUBLISH_V1.value, AttestationType.SLSA_PROVENANCE_V1.value
OTHER = "https://world.example/attestations/other/v1"
"""A type of which no index knows."""


class _Session(requests.Session):
    """A session that is in a world."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.trust_env = False
        self.proxies, self.verify = {"https": world.proxy_url}, str(world.ca_file)

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        return super().request(*args, **({"timeout": SECONDS} | kwargs))


@contextmanager
def signer_in(world: World, config: str | None = None, token: str | None = None) -> Iterator[Signer]:
    """Sign as a job in this world does: with its token or another, and its trust configuration or another.

    Everything that the library raises comes through. It may be used in the thread that asked for it only.
    """
    trusted = ClientTrustConfig.from_json(config or world.sigstore.trust_config())
    trusted.force_tlog_version = 1
    services = trusted.signing_config
    fulcio, rekor = services.get_fulcio(), services.get_tlogs()[0]
    fulcio.session.close()
    with _Session(world) as session:
        fulcio.session = session
        rekor._thread_local = types.SimpleNamespace(session=session)  # type: ignore[attr-defined] # one for each thread
        context = SigningContext(fulcio=fulcio, rekor=rekor, trusted_root=trusted.trusted_root, tsa_clients=[])
        with context.signer(IdentityToken(token or world.github.token("sigstore"))) as signer:
            yield signer


class Given:
    """Attestations by the job of a world, or by one whose token has other claims."""

    def __init__(self, world: World, **claims: Any) -> None:
        self._world = world
        self._claims = claims

    def bundle(self, dist: Path, predicate_type: str = PUBLISH, predicate: Mapping[str, Any] | None = None) -> Bundle:
        """Sign that something is so of a file."""
        subject = Subject(name=dist.name, digest=DigestSet(root={"sha256": Distribution.from_file(dist).digest}))
        builder = StatementBuilder().subjects([subject]).predicate_type(predicate_type)
        statement = (builder if predicate is None else builder.predicate(dict(predicate))).build()
        token = self._world.github.token("sigstore", **self._claims)
        with signer_in(self._world, token=token) as signer:
            return signer.sign_dsse(statement)

    def attestation(
        self, dist: Path, predicate_type: str = PUBLISH, predicate: Mapping[str, Any] | None = None
    ) -> Attestation:
        """Sign that something is so of a file, in the form of PEP 740."""
        return Attestation.from_bundle(self.bundle(dist, predicate_type, predicate))

    def publish(self, dist: Path) -> Path:
        """Leave a publish attestation: `FILE.publish.attestation`."""
        return _left(dist, "publish", self.attestation(dist).model_dump_json())

    def slsa(self, dist: Path) -> Path:
        """Leave a provenance of SLSA: `FILE.slsa.attestation`."""
        return _left(dist, "slsa", self.attestation(dist, SLSA, self._slsa()).model_dump_json())

    def three(self, dist: Path) -> list[Path]:
        """Leave attestations of three types, of which the third is `FILE.other.attestation`."""
        other = self.attestation(dist, OTHER, {}).model_dump_json()
        return [self.publish(dist), self.slsa(dist), _left(dist, "other", other)]

    def about_another(self, dist: Path, other: Path) -> Path:
        """Leave a publish attestation that is right, and about another file."""
        return _left(dist, "publish", self.attestation(other).model_dump_json())

    def tampered(self, dist: Path) -> Path:
        """Leave a publish attestation about the file whose statement was changed after it was signed."""
        attestation = self.attestation(dist)
        changed = json.dumps(attestation.statement | {"predicate": {}}).encode()
        attestation.envelope.statement = changed
        return _left(dist, "publish", attestation.model_dump_json())

    def sigstore_bundle(self, dist: Path) -> Path:
        """Leave a bundle of Sigstore where an attestation of PEP 740 should be: `FILE.publish.attestation`."""
        return _left(dist, "publish", self.bundle(dist).to_json())

    def slsa_bundle(self, dist: Path) -> Path:
        """Leave a bundle of Sigstore with a provenance of SLSA: `FILE.sigstore.json`."""
        path = dist.with_name(f"{dist.name}.sigstore.json")
        path.write_text(self.bundle(dist, SLSA, self._slsa()).to_json(), encoding="utf-8")
        return path

    def malformed(self, dist: Path) -> Path:
        """Leave something that ends in the middle of its JSON: `FILE.publish.attestation`."""
        whole = self.attestation(dist).model_dump_json()
        return _left(dist, "publish", whole[: len(whole) // 2])

    @staticmethod
    def statement(attestation: Mapping[str, Any]) -> Any:
        """Read what an attestation says, as JSON."""
        return json.loads(base64.b64decode(attestation["envelope"]["statement"]))

    def _slsa(self) -> dict[str, Any]:
        """Return what GitHub's builders say."""
        told = self._world.github.told() | self._claims
        repository = f"https://github.com/{told['repository']}"
        path, _, ref = str(told["workflow_ref"]).partition("@")
        workflow = {"ref": ref, "repository": repository, "path": path.removeprefix(f"{told['repository']}/")}
        return {
            "buildDefinition": {
                "buildType": "https://actions.github.io/buildtypes/workflow/v1",
                "externalParameters": {"workflow": workflow},
                "resolvedDependencies": [{"uri": f"git+{repository}@{ref}", "digest": {"gitCommit": told["sha"]}}],
            },
            "runDetails": {
                "builder": {"id": f"https://github.com/{told['job_workflow_ref']}"},
                "metadata": {
                    "invocationId": f"{repository}/actions/runs/{told['run_id']}/attempts/{told['run_attempt']}"
                },
            },
        }


def _left(dist: Path, kind: str, text: str) -> Path:
    path = dist.with_name(f"{dist.name}.{kind}.attestation")
    path.write_text(text, encoding="utf-8")
    return path
