"""Real servers: what was published there is what an installer gets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from entrypoint.distribution import LARGE
from tests.conftest import Published
from tests.distributions import make_sdist, make_wheel, samples
from tests.ecosystem import RELEASED
from tests.line import publish, publish_process, to
from tests.peers.devpi import Devpi
from tests.peers.pypiserver import PypiServer
from tests.peers.tls import Authority, TlsFront, tls_front


def test_pypiserver(pypiserver: PypiServer, project: str, tmp_path: Path, published: Published) -> None:
    """A wheel and an sdist are published as a process, told everywhere, and downloaded again byte for byte."""
    wheel, sdist = make_wheel(tmp_path / "w" / "dist", project), make_sdist(tmp_path / "w" / "dist", project)
    ours = publish_process(tmp_path / "w", to(pypiserver))
    assert ours.status == 0
    assert ours.outputs["outcome"] == "published"
    assert ours.states == {wheel.name: "uploaded", sdist.name: "uploaded"}
    assert sum("is uploaded to" in message for message in ours.messages("notice")) == 2
    assert ours.summary.count("✅\N{NO-BREAK SPACE}uploaded") == 2
    published(pypiserver.simple_url, wheel, sdist)


@pytest.mark.parametrize("server", ["pypiserver", "devpi"])
def test_a_large_file(
    server: str, request: pytest.FixtureRequest, project: str, tmp_path: Path, published: Published
) -> None:
    """A digest that follows the file bothers no server: a large wheel arrives whole, and with its metadata."""
    index = request.getfixturevalue(server)
    index = index.non_volatile if isinstance(index, Devpi) else index
    wheel = make_wheel(tmp_path / "w" / "dist", project, filler=LARGE)
    assert publish(tmp_path / "w", to(index)).states == {wheel.name: "uploaded"}
    published(index.simple_url, wheel)
    (tmp_path / "again").mkdir()
    (tmp_path / "w").rename(tmp_path / "again" / "w")
    assert publish(tmp_path / "again" / "w", to(index)).states == {wheel.name: "already-present"}


@pytest.mark.parametrize("kind", ["volatile", "non_volatile"])
def test_devpi(devpi: Devpi, kind: str, project: str, tmp_path: Path, published: Published) -> None:
    """A release is published to both kinds of devpi index and downloaded again byte for byte."""
    index = devpi.volatile if kind == "volatile" else devpi.non_volatile
    wheel, sdist = make_wheel(tmp_path / "w" / "dist", project), make_sdist(tmp_path / "w" / "dist", project)
    ours = publish(tmp_path / "w", to(index))
    assert ours.status == 0
    assert set(ours.states.values()) == {"uploaded"}
    published(index.simple_url, wheel, sdist)


def test_tls_with_a_private_authority(
    pypiserver: PypiServer, ca: Authority, project: str, tmp_path: Path, published: Published
) -> None:
    """Over TLS with a private authority that SSL_CERT_FILE names, a release arrives and is downloaded again."""
    wheel = make_wheel(tmp_path / "w" / "dist", project, filler=5_000_000)
    with tls_front(pypiserver.port, tmp_path, by=ca) as front:
        inputs = to(pypiserver) | {"repository-url": front.url}
        ours = publish_process(tmp_path / "w", inputs, env={"SSL_CERT_FILE": str(front.ca_file)})
        assert ours.status == 0
        published(f"{front.url}simple/", wheel, ca_file=front.ca_file)


def test_devpi_over_tls(devpi: Devpi, ca: Authority, project: str, tmp_path: Path, published: Published) -> None:
    """A release reaches devpi over TLS, too, and is downloaded over it byte for byte."""
    index = devpi.non_volatile
    wheel, sdist = make_wheel(tmp_path / "w" / "dist", project), make_sdist(tmp_path / "w" / "dist", project)
    with tls_front(devpi.port, tmp_path, by=ca) as front:
        inputs = to(index) | {"repository-url": _behind(front, index.upload_url)}
        ours = publish(tmp_path / "w", inputs, env={"SSL_CERT_FILE": str(front.ca_file)})
        assert ours.status == 0
        published(_behind(front, index.simple_url), wheel, sdist, ca_file=front.ca_file)


def _behind(front: TlsFront, url: str) -> str:
    return front.url + urlsplit(url).path.lstrip("/")


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_certificate_variables(
    pypiserver: PypiServer, ca: Authority, variable: str, project: str, tmp_path: Path
) -> None:
    """Each variable that names a bundle of authorities is honoured."""
    make_wheel(tmp_path / "w" / "dist", project)
    with tls_front(pypiserver.port, tmp_path, by=ca) as front:
        inputs = to(pypiserver) | {"repository-url": front.url}
        ours = publish(tmp_path / "w", inputs, env={variable: str(front.ca_file)})
    assert ours.status == 0


@pytest.mark.parametrize("certificate", ["good", "other-host", "expired"])
def test_untrusted_certificates(
    pypiserver: PypiServer, ca: Authority, certificate: str, project: str, tmp_path: Path
) -> None:
    """A certificate that is of nobody we know, of another host, or expired: one clear error, and nothing is sent."""
    make_wheel(tmp_path / "w" / "dist", project)
    make_sdist(tmp_path / "w" / "dist", project)
    env = {} if certificate == "good" else {"SSL_CERT_FILE": str(ca.ca_file)}
    with tls_front(pypiserver.port, tmp_path, certificate=certificate, by=ca) as front:  # type: ignore[arg-type]  # a literal by the table above
        ours = publish(tmp_path / "w", to(pypiserver) | {"repository-url": front.url}, env=env)
    assert ours.status == 1
    assert ours.titles == ["The server's certificate is not trusted"]
    assert sorted(ours.states.values()) == ["failed", "not-attempted"]
    assert not list(pypiserver.directory.glob(f"{project.replace('-', '_')}*"))


def test_every_kind_of_metadata(pypiserver: PypiServer, project: str, tmp_path: Path, published: Published) -> None:
    """Metadata 1.0 to 2.5 and newer, Unicode, CRLF and 200 classifiers: all of it is published in one run."""
    dist = tmp_path / "w" / "dist"
    wheels = [
        make_wheel(
            dist, f"{project}-{number}", sample.version, metadata=_renamed(sample.metadata, f"{project}-{number}")
        )
        for number, sample in enumerate(samples().values())
    ]
    ours = publish(tmp_path / "w", to(pypiserver) | {"verify-metadata": "false"})
    assert ours.status == 0
    assert len(ours.report["releases"]) == len(wheels)
    published(pypiserver.simple_url, *wheels)


@pytest.mark.parametrize("filename", sorted(RELEASED))
def test_the_ecosystem(
    pypiserver: PypiServer, released: Callable[[str], Path], filename: str, tmp_path: Path, published: Published
) -> None:
    """Real wheels and sdists, as their projects released them, are published; what is said is known to be true."""
    path = released(filename)
    (tmp_path / "w" / "dist").mkdir(parents=True)
    (tmp_path / "w" / "dist" / filename).symlink_to(path)
    inputs = to(pypiserver)
    if RELEASED[filename].metadata_version == "2.0":  # never a standard, and refused by PyPI today
        refused = publish(tmp_path / "w", inputs)
        assert refused.status == 2
        assert "'2.0' is not a valid metadata version" in refused.reasons[filename]
        inputs["verify-metadata"] = "false"
    ours = publish(tmp_path / "w", inputs)
    assert ours.status == 0
    warnings = {remark["rule"] for remark in ours.report["remarks"] if remark["level"] == "warning"}
    assert warnings == WARNINGS.get(filename, set())
    published(pypiserver.simple_url, path)


WARNINGS = {
    "colorama-0.3.9-py2.py3-none-any.whl": {"metadata", "content-type"},
    "six-1.16.0-py2.py3-none-any.whl": {"content-type"},
    "six-1.16.0.tar.gz": {"content-type"},
    "argparse-1.4.0.tar.gz": {"content-type"},
}
"""What is to be said of files of the ecosystem: they are older than Description-Content-Type."""


def _renamed(metadata: bytes, name: str) -> bytes:
    head, _, rest = metadata.partition(b"\nName: ")
    return head + b"\nName: " + name.encode() + b"\n" + rest.partition(b"\n")[2]
