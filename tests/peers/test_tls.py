"""The TLS front: pypiserver behind it works, and a certificate that is wrong is refused for the right reason."""

from __future__ import annotations

import contextlib
import ssl
from pathlib import Path

import pytest

from tests.conftest import Published
from tests.distributions import make_sdist, make_wheel
from tests.peers.plain import connection_to, fields_for, multipart, post, upload
from tests.peers.process import free_port
from tests.peers.pypiserver import PypiServer
from tests.peers.tls import Authority, Certificate, tls_front


def test_uploads_pass_through(
    pypiserver: PypiServer, tmp_path: Path, project: str, published: Published, ca: Authority
) -> None:
    """A large body, a second upload on the same connection, and pip's download all pass through the front."""
    wheel, sdist = make_wheel(tmp_path, project, filler=20_000_000), make_sdist(tmp_path, project)
    with tls_front(pypiserver.port, tmp_path, by=ca) as front:
        with contextlib.closing(connection_to(front.url, front.ca_file)) as connection:
            for path in (wheel, sdist):
                form = multipart(fields_for(path), path.name, path.read_bytes())
                reply = post(connection, "/", form, auth=(pypiserver.user, pypiserver.password))
                assert reply.status == 200
                assert connection.sock is not None  # kept alive by pypiserver 2.4.2 behind waitress 3.0.2
        published(f"{front.url}simple/", wheel, ca_file=front.ca_file)


@pytest.mark.parametrize(
    ("certificate", "why"), [("other-host", "Hostname mismatch"), ("expired", "certificate has expired")]
)
def test_wrong_certificates(pypiserver: PypiServer, tmp_path: Path, certificate: Certificate, why: str) -> None:
    """A certificate for another host, or one out of date, fails although its authority is trusted."""
    wheel = make_wheel(tmp_path)
    with (
        tls_front(pypiserver.port, tmp_path, certificate=certificate) as front,
        pytest.raises(ssl.SSLCertVerificationError, match=why),
    ):
        upload(front.url, wheel, ca_file=front.ca_file)


def test_an_unknown_authority(pypiserver: PypiServer, tmp_path: Path) -> None:
    """Without its `ca_file` the front is not trusted."""
    wheel = make_wheel(tmp_path)
    with (
        tls_front(pypiserver.port, tmp_path) as front,
        pytest.raises(ssl.SSLCertVerificationError, match="unable to get local issuer certificate"),
    ):
        upload(front.url, wheel)


def test_the_front_stops_with_connections_open(pypiserver: PypiServer, tmp_path: Path) -> None:
    """An idle keep-alive connection does not hold up the end of the front, and nobody answers afterwards."""
    with tls_front(pypiserver.port, tmp_path) as front:
        connection = connection_to(front.url, front.ca_file)
        connection.request("GET", "/simple/")
        assert connection.getresponse().read()
    with contextlib.closing(connection), pytest.raises((ConnectionError, ssl.SSLError)):
        post(connection, "/", b"")
    with pytest.raises(ConnectionRefusedError):
        connection_to(front.url, front.ca_file).connect()


def test_nobody_behind_the_front(tmp_path: Path) -> None:
    """A front with a dead server behind it closes the connection after the handshake."""
    with (
        tls_front(free_port(), tmp_path) as front,
        contextlib.closing(connection_to(front.url, front.ca_file)) as gone,
        pytest.raises((ConnectionError, ssl.SSLError)),
    ):
        post(gone, "/", b"")
