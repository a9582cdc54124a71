"""Sigstore in the world, with the real libraries as its clients: what they sign here, they verify here."""

from __future__ import annotations

import contextlib
import types
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from pypi_attestations import Attestation, Distribution, GitHubPublisher
from sigstore.errors import VerificationError
from sigstore.models import ClientTrustConfig
from sigstore.oidc import IdentityToken
from sigstore.sign import Signer, SigningContext
from sigstore.verify import Verifier

from tests.distributions import make_sdist, make_wheel
from tests.peers.world import World, running_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Run a world."""
    with running_world(tmp_path) as running:
        yield running


@contextlib.contextmanager
def signing(world: World, config: str | None = None, token: str | None = None) -> Iterator[Signer]:
    """Sign in this world as a client does that knows its trust configuration."""
    trusted = ClientTrustConfig.from_json(config or world.sigstore.trust_config())
    trusted.force_tlog_version = 1
    services = trusted.signing_config
    fulcio, rekor = services.get_fulcio(), services.get_tlogs()[0]
    with fulcio.session, requests.Session() as session:
        for each in (fulcio.session, session):
            each.trust_env, each.proxies, each.verify = False, {"https": world.proxy_url}, str(world.ca_file)
        rekor._thread_local = types.SimpleNamespace(session=session)  # type: ignore[attr-defined]
        context = SigningContext(fulcio=fulcio, rekor=rekor, trusted_root=trusted.trusted_root, tsa_clients=[])
        with context.signer(IdentityToken(token or world.github.token("sigstore"))) as signer:
            yield signer


def verified(
    attestation: Attestation, config: str, repository: str = "octo-org/octo-repo", workflow: str = "release.yml"
) -> bytes:
    """Verify an attestation against a trust configuration and a publisher."""
    root = ClientTrustConfig.from_json(config).trusted_root
    policy = GitHubPublisher(repository=repository, workflow=workflow)._as_policy()
    return Verifier(trusted_root=root).verify_dsse(attestation.to_bundle(), policy)[1]


def test_signing_and_verifying(world: World, tmp_path: Path) -> None:
    """One certificate serves many files; each has its entry, whose proof is right at every size of the tree."""
    files = [make_wheel(tmp_path), make_sdist(tmp_path)] * 5
    config = world.sigstore.trust_config()
    with signing(world) as signer:
        for path in files:
            verified(Attestation.sign(signer, Distribution.from_file(path)), config)
    (certificate,) = world.sigstore.certificates
    assert certificate.claims["repository"] == "octo-org/octo-repo"
    assert (certificate.end - certificate.begin).total_seconds() == 600
    assert [entry.subject for entry in world.sigstore.entries] == [path.name for path in files]
    assert {entry.serial for entry in world.sigstore.entries} == {certificate.serial}
    assert not world.sigstore.violations


def test_verifying_is_real(world: World, tmp_path: Path) -> None:
    """Another authority, another log, another publisher and a changed statement are all noticed."""
    with signing(world) as signer:
        attestation = Attestation.sign(signer, Distribution.from_file(make_wheel(tmp_path)))
    config = world.sigstore.trust_config()
    verified(attestation, config)
    for other in (world.sigstore.trust_config(other_ca=True), world.sigstore.trust_config(other_log=True)):
        with pytest.raises(VerificationError):
            verified(attestation, other)
    for publisher in ({"repository": "octo-org/Octo-Repo"}, {"workflow": "ci.yml"}):
        with pytest.raises(VerificationError):
            verified(attestation, config, **publisher)
    attestation.envelope.statement = attestation.envelope.statement.replace(b"demo", b"d3mo")
    with pytest.raises(VerificationError):
        verified(attestation, config)
