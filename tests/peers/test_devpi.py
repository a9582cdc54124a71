"""devpi-server: what it answers on a volatile and on a non-volatile index."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest

from tests.conftest import Published
from tests.distributions import make_sdist, make_wheel
from tests.peers.devpi import Devpi, DevpiIndex
from tests.peers.plain import Reply, connection_to, fields_for, get, multipart, post, upload


def uploaded(index: DevpiIndex, path: Path) -> Reply:
    return upload(index.upload_url, path, auth=(index.user, index.password))


def test_what_is_uploaded_can_be_installed(devpi: Devpi, tmp_path: Path, project: str, published: Published) -> None:
    """A wheel and an sdist are what pip downloads; the page is there as JSON with sha256."""
    for index in (devpi.volatile, devpi.non_volatile):
        wheel, sdist = make_wheel(tmp_path, project), make_sdist(tmp_path, project)
        assert uploaded(index, wheel).status == 200
        assert uploaded(index, sdist).status == 200
        published(index.simple_url, wheel, sdist)
        page = get(f"{index.simple_url}{project}/", headers={"Accept": "application/vnd.pypi.simple.v1+json"})
        assert dict(page.headers)["Content-Type"] == "application/vnd.pypi.simple.v1+json"
        files = {file["filename"]: file["hashes"] for file in json.loads(page.body)["files"]}
        assert files.keys() == {wheel.name, sdist.name}
        assert all(hashes.keys() == {"sha256"} for hashes in files.values())


def test_identical_again(devpi: Devpi, tmp_path: Path, project: str) -> None:
    """The same bytes again are 200 on both; only the non-volatile index says so, in the reason phrase."""
    path = make_wheel(tmp_path, project)
    for index, reason in (
        (devpi.volatile, "OK"),
        (devpi.non_volatile, "Upload of identical file to non volatile index."),
    ):
        assert uploaded(index, path).status == 200
        again = uploaded(index, path)
        assert (again.status, again.reason) == (200, reason)


def test_other_content_under_the_same_name(devpi: Devpi, tmp_path: Path, project: str, published: Published) -> None:
    """Other content is 409 on a non-volatile index and replaces the file on a volatile one, without a word."""
    path = make_wheel(tmp_path, project)
    before = path.read_bytes()
    assert uploaded(devpi.non_volatile, path).status == 200
    assert uploaded(devpi.volatile, path).status == 200
    make_wheel(tmp_path, project, modules={"__init__.py": "other = True\n"})

    refused = uploaded(devpi.non_volatile, path)
    assert refused.status == 409
    assert "already exists in non-volatile index" in refused.reason
    assert uploaded(devpi.volatile, path).status == 200

    published(devpi.volatile.simple_url, path)
    path.write_bytes(before)
    published(devpi.non_volatile.simple_url, path)


@pytest.mark.parametrize("auth", [None, ("publisher", "wrong"), ("nobody", "devpi-password")])
def test_credentials(devpi: Devpi, tmp_path: Path, project: str, auth: tuple[str, str] | None) -> None:
    """Missing and wrong credentials are 401."""
    assert upload(devpi.volatile.upload_url, make_wheel(tmp_path, project), auth=auth).status == 401


def test_a_name_that_does_not_fit(devpi: Devpi, tmp_path: Path, project: str) -> None:
    """A file of another project is 400, explained in the reason phrase; a wrong digest is not looked at."""
    path, index = make_wheel(tmp_path, project), devpi.volatile
    with contextlib.closing(connection_to(index.upload_url)) as connection:

        def posted(**lies: str) -> Reply:
            fields = [(name, lies.get(name, value)) for name, value in fields_for(path)]
            form = multipart(fields, path.name, path.read_bytes())
            return post(connection, "/publisher/volatile/", form, auth=(index.user, index.password))

        refused = posted(name="somebody-else")
        assert refused.status == 400
        assert path.name in refused.reason
        assert posted(sha256_digest="0" * 64).status == 200


def test_unknown_projects(devpi: Devpi) -> None:
    """An unknown project is 404: there is no mirror behind the indexes."""
    assert get(f"{devpi.volatile.simple_url}no-such-project/").status == 404
