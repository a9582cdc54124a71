"""Sigstore in the world, with the real libraries as its clients: what they sign here, they verify here."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from pypi_attestations import Attestation, AttestationError, Distribution, GitHubPublisher, Provenance
from sigstore._internal.fulcio.client import FulcioClientError
from sigstore._internal.rekor import RekorClientError
from sigstore.errors import Error, VerificationError
from sigstore.models import Bundle, ClientTrustConfig
from sigstore.oidc import IdentityError
from sigstore.verify import Verifier

from tests.distributions import make_sdist, make_wheel
from tests.peers.plain import fields_for
from tests.peers.world import World, running_world
from tests.peers.world.jwt import process_key
from tests.peers.world.sigstore_given import OTHER, SLSA, Given, signer_in

UPLOAD = "https://upload.pypi.org"
SIMPLE = {"Accept": "application/vnd.pypi.simple.v1+json"}
INTEGRITY = {"Accept": "application/vnd.pypi.integrity.v1+json"}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Run a world in which the job may publish `demo-pkg`."""
    with running_world(tmp_path) as running:
        running.pypi.trust(running.github, "demo-pkg")
        yield running


@pytest.fixture
def client(world: World) -> Iterator[httpx.Client]:
    """Return a client that is in the world."""
    with httpx.Client(transport=world.transport(), timeout=10) as inside:
        yield inside


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """Return a wheel of the project."""
    return make_wheel(tmp_path)


def verified(
    attestation: Attestation, config: str, repository: str = "octo-org/octo-repo", workflow: str = "release.yml"
) -> bytes:
    """Verify an attestation against a trust configuration and a publisher."""
    root = ClientTrustConfig.from_json(config).trusted_root
    policy = GitHubPublisher(repository=repository, workflow=workflow)._as_policy()
    return Verifier(trusted_root=root).verify_dsse(attestation.to_bundle(), policy)[1]


def minted(world: World, client: httpx.Client) -> str:
    answer = client.post(f"{UPLOAD}/_/oidc/mint-token", json={"token": world.github.token("pypi")})
    token = answer.json()["token"]
    assert isinstance(token, str)
    return token


def upload(client: httpx.Client, path: Path, token: str, *attestations: str | Attestation) -> httpx.Response:
    texts = [each if isinstance(each, str) else each.model_dump_json() for each in attestations]
    form = dict(fields_for(path)) | ({"attestations": f"[{','.join(texts)}]"} if texts else {})
    file = {"content": (path.name, path.read_bytes(), "application/octet-stream")}
    headers = {"Accept": "application/json"}
    return client.post(f"{UPLOAD}/legacy/", data=form, files=file, auth=("__token__", token), headers=headers)


def refused(answer: httpx.Response) -> str:
    assert answer.status_code == 400
    code = answer.json()["code"]
    assert code.startswith("400 Invalid attestations supplied during upload: ")
    return str(code.removeprefix("400 Invalid attestations supplied during upload: "))


def listed(client: httpx.Client) -> Any:
    (file,) = client.get("https://pypi.org/simple/demo-pkg/", headers=SIMPLE).json()["files"]
    return file


def test_signing_and_verifying(world: World, wheel: Path, tmp_path: Path) -> None:
    """One certificate serves many files; each has its entry, whose proof is right at every size of the tree."""
    files = [wheel, make_sdist(tmp_path)] * 5
    config = world.sigstore.trust_config()
    with signer_in(world) as signer:
        for path in files:
            verified(Attestation.sign(signer, Distribution.from_file(path)), config)
    (certificate,) = world.sigstore.certificates
    assert certificate.claims["repository"] == "octo-org/octo-repo"
    assert (certificate.end - certificate.begin).total_seconds() == 600
    assert [entry.subject for entry in world.sigstore.entries] == [path.name for path in files]
    assert {entry.serial for entry in world.sigstore.entries} == {certificate.serial}
    assert not world.sigstore.violations


def test_verifying_is_real(world: World, wheel: Path) -> None:
    """Another authority, another log, another publisher and a changed statement are all noticed."""
    attestation = Given(world).attestation(wheel)
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


def test_the_certificate_names_the_job(world: World, wheel: Path) -> None:
    """Repository, commit, ref, and the calling workflow next to the called one; or another job, if that is asked."""
    called = "octo-org/shared/.github/workflows/publish.yml@refs/heads/main"
    attestation = Given(world, job_workflow_ref=called).attestation(wheel)
    claims = attestation.certificate_claims
    told = world.github.told()
    assert claims["1.3.6.1.4.1.57264.1.9"] == f"https://github.com/{called}"
    assert claims["1.3.6.1.4.1.57264.1.13"] == told["sha"]
    assert claims["1.3.6.1.4.1.57264.1.18"] == f"https://github.com/{told['workflow_ref']}"
    config = world.sigstore.trust_config()
    verified(attestation, config)
    with pytest.raises(VerificationError, match="does not match expected Trusted Publisher"):
        verified(attestation, config, workflow="publish.yml")

    world.sigstore.repository, world.sigstore.workflow_file = "mallory/octo-repo", "evil.yml"
    verified(Given(world).attestation(wheel), config, "mallory/octo-repo", "evil.yml")


def ask(client: httpx.Client, token: str, request: x509.CertificateSigningRequest | bytes | None = None) -> Any:
    """Ask for a certificate, with a good request or another one."""
    key = ec.generate_private_key(ec.SECP256R1())
    request = request or x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, SHA256())
    pem = request if isinstance(request, bytes) else request.public_bytes(Encoding.PEM)
    answer = client.post(
        "https://fulcio.sigstore.example/api/v2/signingCert",
        json={"certificateSigningRequest": base64.b64encode(pem).decode()},
        headers={"Authorization": f"Bearer {token}"},
    )
    return answer.json().get("code", answer.status_code)


def test_fulcio_checks_tokens(world: World, client: httpx.Client) -> None:
    """One for another audience, of another issuer, with another signature or expired is none, nor one that lacks what
    has to be in a certificate.
    """
    token, now = world.github.token, int(time.time())
    good = token("sigstore")
    assert ask(client, good) == 201
    signed, _, signature = good.rpartition(".")
    wrong = (
        token("pypi"),
        token("sigstore", iss="https://issuer.example"),
        f"{signed}.{signature[::-1]}",
        token("sigstore", exp=now - 1),
        "nothing",
    )
    assert {ask(client, each) for each in wrong} == {16}
    assert ask(client, token("sigstore", sha=None)) == 3
    world.now = lambda: now + 3600  # all that was issued has expired by then
    assert ask(client, good) == 16
    assert len(world.sigstore.violations) == len(wrong) + 2
    assert len(world.sigstore.certificates) == 1


def test_fulcio_checks_requests(world: World, client: httpx.Client) -> None:
    """A request for a certificate is signed with the key that it is about, which is one on a curve."""
    key, token = ec.generate_private_key(ec.SECP256R1()), world.github.token("sigstore")
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    good = builder.sign(key, SHA256()).public_bytes(Encoding.DER)
    pem = x509.load_der_x509_csr(good[:-1] + bytes([good[-1] ^ 1])).public_bytes(Encoding.PEM)
    assert [ask(client, token, each) for each in (pem, b"nothing", builder.sign(process_key(), SHA256()))] == [3, 3, 3]
    assert not world.sigstore.certificates


@pytest.mark.parametrize(
    ("fault", "raised"),
    [
        ("fulcio", FulcioClientError),
        ("fulcio-too-many", FulcioClientError),
        ("fulcio-cut", requests.ConnectionError),
        ("fulcio-denied", FulcioClientError),
        ("fulcio-html", requests.JSONDecodeError),
        ("fulcio-bad-sct", VerificationError),
        ("rekor", RekorClientError),
        ("rekor-too-many", RekorClientError),
        ("rekor-cut", requests.ConnectionError),
        ("rekor-lost", requests.ConnectionError),
        ("rekor-html", requests.JSONDecodeError),
    ],
)
def test_faults(world: World, wheel: Path, fault: str, raised: type[Exception]) -> None:
    """Each fault is what the library raises; the next attempt is well, and a lost entry is in the log for all that."""
    world.faults.set(fault, 1)
    with pytest.raises(raised) as error:
        Given(world).attestation(wheel)
    response = getattr(error.value.__cause__ or error.value.__context__, "response", None)
    if raised in (FulcioClientError, RekorClientError):
        assert response is not None
        assert response.status_code in (400, 429, 503)
        assert (response.headers.get("Retry-After") == "1") is (response.status_code == 429)
    verified(Given(world).attestation(wheel), world.sigstore.trust_config())
    assert world.faults.fired[fault] == 1
    assert len(world.sigstore.entries) == (2 if fault == "rekor-lost" else 1)


@pytest.mark.parametrize(("fault", "said"), [("rekor-bad-proof", "invalid root hash"), ("rekor-bad-set", "SET")])
def test_bad_entries(world: World, wheel: Path, fault: str, said: str) -> None:
    """Who signs takes any entry; only who verifies notices that its proof or its promise is wrong."""
    world.faults.set(fault, 1)
    attestation = Given(world).attestation(wheel)
    with pytest.raises(VerificationError, match=said):
        verified(attestation, world.sigstore.trust_config())


def test_slowness(world: World, wheel: Path) -> None:
    """A delay is waited for, by each request; without a number nothing ever comes."""
    world.faults.set("rekor-slow", 0.3)
    begin = time.monotonic()
    Given(world).attestation(wheel)
    assert 0.3 <= time.monotonic() - begin < 3
    world.faults.set("fulcio-slow", True)
    with pytest.raises(httpx.ReadTimeout), httpx.Client(transport=world.transport(), timeout=0.2) as hasty:
        ask(hasty, world.github.token("sigstore"))


def test_expiry(world: World, wheel: Path) -> None:
    """A certificate may expire in the middle of a run, and a token before it begins."""
    world.sigstore.certificate_life = 0.5
    with signer_in(world) as signer:
        time.sleep(1)  # certificates count whole seconds
        with pytest.raises(AttestationError):
            Attestation.sign(signer, Distribution.from_file(wheel))
    now = int(time.time())
    with pytest.raises(IdentityError), signer_in(world, token=world.github.token("sigstore", exp=now - 1)):
        pass


def test_the_same_entry_again(world: World, client: httpx.Client, wheel: Path) -> None:
    """It is a conflict that names the one that is there, which is found by UUID, by index, and under its address."""
    Given(world).attestation(wheel)
    (entry,) = world.sigstore.entries
    sent = next(each.json for each in world.journal.to("rekor.sigstore.example"))
    url = "https://rekor.sigstore.example/api/v1/log/entries"
    again = client.post(url, json=sent)
    assert again.status_code == 409
    assert again.json()["message"].endswith(f"transparency log with UUID {entry.uuid}")
    assert again.headers["Location"] == f"/api/v1/log/entries/{entry.uuid}"
    for where in (f"{url}/{entry.uuid}", f"{url}?logIndex={entry.index}", entry.url):
        assert client.get(where).json()[entry.uuid]["logIndex"] == entry.index
    assert client.get(f"{url}/{'0' * 80}").status_code == 404
    assert world.sigstore.entry_for(hashlib.sha256(wheel.read_bytes()).hexdigest()) is entry


def test_rekor_checks_signatures(world: World, client: httpx.Client, wheel: Path) -> None:
    """An envelope that was changed after it was signed is not taken."""
    Given(world).attestation(wheel)
    sent = next(each.json for each in world.journal.to("rekor.sigstore.example"))
    content = sent["spec"]["proposedContent"]
    envelope = json.loads(content["envelope"])
    content["envelope"] = json.dumps(envelope | {"payloadType": "application/json"})
    answer = client.post("https://rekor.sigstore.example/api/v1/log/entries", json=sent)
    assert answer.status_code == 400
    assert "could not verify envelope" in answer.json()["message"]
    assert len(world.sigstore.entries) == 1


def test_configurations(world: World, wheel: Path, tmp_path: Path) -> None:
    """Rekor v1 beside v2 can be chosen, v2 alone cannot; the public names lead to the same; a file has the same."""
    config = world.sigstore.trust_config
    for signs in (config(rekor_versions=(2, 1)), config(public_names=True), config(timestamps=False)):
        with signer_in(world, signs) as signer:
            verified(Attestation.sign(signer, Distribution.from_file(wheel)), signs)
    assert world.sigstore.entries[1].url == f"https://search.sigstore.dev/?logIndex={world.sigstore.entries[1].index}"
    with pytest.raises(Error, match="No valid Rekor transparency log"), signer_in(world, config(rekor_versions=(2,))):
        pass
    with pytest.raises(VerificationError, match="SCT"), signer_in(world, config(other_ca=True)):
        pass
    path = world.sigstore.write_trust_config(tmp_path / "trust.json", public_names=True)
    assert path.read_text(encoding="utf-8") == config(public_names=True)


def test_pypi_takes_attestations(world: World, client: httpx.Client, wheel: Path) -> None:
    """Two types for one file; the page tells where their provenance is, and that it is the publisher's."""
    given, token = Given(world), minted(world, client)
    published, built = given.attestation(wheel), given.attestation(wheel, SLSA, {})
    assert upload(client, wheel, token, published, built).status_code == 200
    assert upload(client, wheel, token, "{}").status_code == 200  # it is there: nothing else is looked at
    where = listed(client)["provenance"]
    assert where == f"https://pypi.org/integrity/demo-pkg/1.0/{wheel.name}/provenance"
    assert f'data-provenance="{where}"' in client.get("https://pypi.org/simple/demo-pkg/").text
    answer = client.get(where, headers=INTEGRITY)
    assert answer.headers["Content-Type"] == INTEGRITY["Accept"]
    (bundle,) = Provenance.model_validate_json(answer.content).attestation_bundles
    assert bundle.publisher == GitHubPublisher(repository="octo-org/octo-repo", workflow="release.yml")
    assert bundle.attestations == [published, built]
    assert client.get(where, headers={"Accept": "text/html"}).status_code == 406
    assert client.get(where.replace("1.0", "2.0"), headers=INTEGRITY).status_code == 404


def test_pypi_refuses_attestations(world: World, client: httpx.Client, wheel: Path, tmp_path: Path) -> None:
    """Each reason has its words, and the file is not there then."""
    given, token = Given(world), minted(world, client)
    good, other = given.attestation(wheel), given.attestation(make_sdist(tmp_path))
    could_not = "Could not verify the uploaded artifact using the included attestation: Verification failed: "

    def detail(*attestations: str | Attestation) -> str:
        return refused(upload(client, wheel, token, *attestations))

    assert refused(upload(client, wheel, world.pypi.api_token(), good)) == (
        "Attestations are only supported when using Trusted Publishing"
    )
    assert detail("") == "Malformed attestations: an empty attestation set is not permitted"
    assert detail("{}").startswith("Malformed attestations: 3 validation errors for list[Attestation]")
    assert detail("{").startswith("Malformed attestations: 1 validation error for list[Attestation]")
    assert detail(good, good, good) == "A maximum of 2 attestations per file are supported"
    assert detail(good, given.attestation(wheel)) == (
        "Multiple attestations for the same file with the same predicate type "
        "(https://docs.pypi.org/attestations/publish/v1) are not supported"
    )
    assert detail(other) == f"{could_not}subject does not match distribution name: {other_name(other)} != {wheel.name}"
    assert detail(given.attestation(wheel, OTHER, {})) == f"{could_not}unknown attestation type: {OTHER}"
    tampered = given.tampered(wheel).read_text(encoding="utf-8")
    assert detail(tampered) == f"{could_not}DSSE: invalid signature"
    world.sigstore.workflow_file = "ci.yml"
    assert "does not match expected Trusted Publisher (release.yml @ octo-org/octo-repo)" in detail(
        given.attestation(wheel)
    )
    no_certificate = good.model_copy(deep=True)
    no_certificate.verification_material.certificate = b"nothing"
    assert detail(no_certificate) == (
        "Unknown error while trying to verify included attestations: invalid X.509 certificate"
    )
    form = dict(fields_for(wheel))
    files: dict[str, Any] = {
        "attestations": ("a.json", f"[{good.model_dump_json()}]"),
        "content": (wheel.name, wheel.read_bytes(), "application/octet-stream"),
    }
    as_file = client.post(f"{UPLOAD}/legacy/", data=form, files=files, auth=("__token__", token))
    assert (as_file.status_code, "attestations: Should not be a tuple." in as_file.text) == (400, True)
    assert not world.pypi.files


def other_name(attestation: Attestation) -> str:
    name = attestation.statement["subject"][0]["name"]
    assert isinstance(name, str)
    return name


def test_faults_of_attestations(world: World, client: httpx.Client, wheel: Path) -> None:
    """PyPI refuses what is right, ignores it, or has its provenance late."""
    token, good = minted(world, client), Given(world).attestation(wheel)
    world.faults.set("attestations", 1)
    world.pypi.attestation_refusal = "not today"
    assert refused(upload(client, wheel, token, good)) == "not today"
    world.faults.set("attestations-off", 1)
    assert upload(client, wheel, token, good).status_code == 200
    assert listed(client)["provenance"] is None
    where = f"https://pypi.org/integrity/demo-pkg/1.0/{wheel.name}/provenance"
    assert client.get(where, headers=INTEGRITY).json() == {"message": f"No provenance available for {wheel.name}"}

    world.pypi.files.clear()
    assert upload(client, wheel, token, good).status_code == 200
    world.faults.set("simple-provenance", 1)
    assert [listed(client)["provenance"], listed(client)["provenance"]] == [None, where]
    world.faults.set("provenance", 1)
    world.faults.set("provenance-off", [None, None, True])
    assert [client.get(where).status_code for _ in range(4)] == [404, 200, 403, 200]


def test_given_attestations(world: World, wheel: Path, tmp_path: Path) -> None:
    """Files beside a file, of which some are not what they should be."""
    given, config = Given(world), world.sigstore.trust_config()
    named = [given.publish(wheel), given.slsa(wheel), *given.three(wheel)[2:]]
    assert [path.name.removeprefix(wheel.name) for path in named] == [
        ".publish.attestation",
        ".slsa.attestation",
        ".other.attestation",
    ]
    for path in named:
        verified(Attestation.model_validate_json(path.read_bytes()), config)
    another = given.about_another(wheel, make_sdist(tmp_path))
    assert b".tar.gz" in verified(Attestation.model_validate_json(another.read_bytes()), config)
    for path in (given.sigstore_bundle(wheel), given.malformed(wheel)):
        with pytest.raises(ValueError, match="validation error"):
            Attestation.model_validate_json(path.read_bytes())
    bundle = Bundle.from_json(given.slsa_bundle(wheel).read_bytes())
    assert b"runDetails" in verified(Attestation.from_bundle(bundle), config)
