"""pypiserver: what it answers, so that the tests which rely on it notice when a new version answers something else."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from tests.conftest import Published
from tests.distributions import make_sdist, make_wheel
from tests.peers.plain import connection_to, fields_for, get, multipart, post, upload
from tests.peers.pypiserver import PypiServer, running_pypiserver


def test_what_is_uploaded_can_be_installed(
    pypiserver: PypiServer, tmp_path: Path, project: str, published: Published
) -> None:
    """A wheel and an sdist uploaded in plain HTTP are what pip downloads; the page is HTML with sha256."""
    wheel, sdist = make_wheel(tmp_path, project), make_sdist(tmp_path, project)
    auth = (pypiserver.user, pypiserver.password)

    assert upload(pypiserver.upload_url, wheel, auth=auth).status == 200
    assert upload(pypiserver.upload_url, sdist, auth=auth).status == 200

    published(pypiserver.simple_url, wheel, sdist)
    page = get(f"{pypiserver.simple_url}{project}/", headers={"Accept": "application/vnd.pypi.simple.v1+json"})
    assert dict(page.headers)["Content-Type"].startswith("text/html")  # observed with pypiserver 2.4.2: always
    assert b"#sha256=" in page.body
    assert (pypiserver.directory / wheel.name).read_bytes() == wheel.read_bytes()


@pytest.mark.parametrize(("agent", "status"), [("plain/1", 409), ("twine/7.0.0", 400)])
@pytest.mark.parametrize("other_content", [False, True])
def test_duplicates(
    pypiserver: PypiServer, tmp_path: Path, project: str, agent: str, status: int, other_content: bool
) -> None:
    """A name that exists is 409 whatever its content, and 400 for twine; the text is in an HTML page."""
    path = make_wheel(tmp_path, project)
    auth = (pypiserver.user, pypiserver.password)
    assert upload(pypiserver.upload_url, path, auth=auth).status == 200
    if other_content:
        make_wheel(tmp_path, project, modules={"__init__.py": "other = True\n"})

    form = multipart(fields_for(path), path.name, path.read_bytes())
    with contextlib.closing(connection_to(pypiserver.upload_url)) as connection:
        reply = post(connection, "/", form, auth=auth, headers={"User-Agent": agent})

    assert reply.status == status
    assert b"already exists!" in reply.body
    assert b"&#039;" in reply.body


def test_credentials(pypiserver: PypiServer, tmp_path: Path, project: str) -> None:
    """No credentials are 401 and wrong ones 403: observed with pypiserver 2.4.2."""
    path = make_wheel(tmp_path, project)
    assert upload(pypiserver.upload_url, path).status == 401
    assert upload(pypiserver.upload_url, path, auth=(pypiserver.user, "wrong")).status == 403
    assert upload(pypiserver.upload_url, path, auth=("nobody", pypiserver.password)).status == 403


def test_neither_digests_nor_metadata_are_checked(pypiserver: PypiServer, tmp_path: Path, project: str) -> None:
    """A wrong digest and another project's name are stored all the same: observed with pypiserver 2.4.2."""
    path = make_wheel(tmp_path, project)
    lies = {"sha256_digest": "0" * 64, "name": "somebody-else"}
    form = multipart([(n, lies.get(n, v)) for n, v in fields_for(path)], path.name, path.read_bytes())
    with contextlib.closing(connection_to(pypiserver.upload_url)) as connection:
        assert post(connection, "/", form, auth=(pypiserver.user, pypiserver.password)).status == 200


def test_unknown_projects(pypiserver: PypiServer, tmp_path: Path) -> None:
    """An unknown project is 404; with a fallback it is a redirect to another index."""
    assert get(f"{pypiserver.simple_url}no-such-project/").status == 404
    with running_pypiserver(tmp_path, fallback_url="http://127.0.0.1:9/simple") as falling_back:
        reply = get(f"{falling_back.simple_url}no-such-project/")
    assert reply.status in (302, 303)
    assert ("Location", "http://127.0.0.1:9/simple/no-such-project/") in reply.headers
