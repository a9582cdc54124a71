"""Releases that are there already, in part or in whole, on real servers; and jobs that publish at the same time."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conftest import Published
from tests.distributions import make_sdist, make_wheel
from tests.line import Run, publish, publish_process
from tests.peers.devpi import Devpi
from tests.peers.dropping import dropping
from tests.peers.pypiserver import PypiServer


class Server(NamedTuple):
    """An index on a real server."""

    upload_url: str
    simple_url: str
    user: str
    password: str

    @property
    def inputs(self) -> dict[str, str]:
        """What a workflow gives."""
        return {"repository-url": self.upload_url, "user": self.user, "password": self.password}


@pytest.fixture(params=["pypiserver", "devpi, volatile", "devpi, non-volatile"])
def server(request: pytest.FixtureRequest, pypiserver: PypiServer, devpi: Devpi) -> Server:
    """Give each real index in turn."""
    found: PypiServer | object = {
        "pypiserver": pypiserver,
        "devpi, volatile": devpi.volatile,
        "devpi, non-volatile": devpi.non_volatile,
    }[request.param]
    return Server(*(getattr(found, name) for name in Server._fields))


def sha256(path: Path) -> str:
    """Give the hash of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_same_again(server: Server, project: str, tmp_path: Path) -> None:
    """A second run of the same release sends nothing, says so, and is green."""
    wheel, sdist = make_wheel(tmp_path / "w" / "dist", project), make_sdist(tmp_path / "w" / "dist", project)
    assert publish(tmp_path / "w", server.inputs).status == 0
    again = publish(tmp_path / "w", server.inputs)
    assert (again.status, again.outputs["outcome"]) == (0, "unchanged")
    assert again.states == {wheel.name: "already-present", sdist.name: "already-present"}
    assert again.outputs["already-present"] == "2"
    assert "POST" not in again.raw
    assert [each["remote_sha256"] for each in again.report["files"]] == [sha256(wheel), sha256(sdist)]


def test_the_rest_of_a_release(server: Server, project: str, tmp_path: Path, published: Published) -> None:
    """Of a release that is half out only the missing files are sent."""
    wheel = make_wheel(tmp_path / "w" / "dist", project)
    assert publish(tmp_path / "w", server.inputs).status == 0
    sdist = make_sdist(tmp_path / "w" / "dist", project)
    more = make_wheel(tmp_path / "w" / "dist", project, tag="py3-none-manylinux_2_17_x86_64")
    rest = publish(tmp_path / "w", server.inputs)
    assert (rest.status, rest.outputs["outcome"]) == (0, "published")
    assert rest.states == {wheel.name: "already-present", sdist.name: "uploaded", more.name: "uploaded"}
    assert rest.raw.count("\nPOST ") == 2
    published(server.simple_url, sdist, more)


@pytest.mark.parametrize("skip_existing", [False, True])
def test_other_content(server: Server, skip_existing: bool, project: str, tmp_path: Path, published: Published) -> None:
    """Other content under a name that is taken stops the run before anything is sent, with both hashes; with
    `skip-existing` it is left alone, with a warning, and the rest is published. Nothing is ever overwritten.
    """
    wheel = make_wheel(tmp_path / "w" / "dist", project)
    assert publish(tmp_path / "w", server.inputs).status == 0
    first = tmp_path / "first" / wheel.name
    first.parent.mkdir()
    wheel.rename(first)
    make_wheel(tmp_path / "w" / "dist", project, description="changed")
    sdist = make_sdist(tmp_path / "w" / "dist", project)
    ours = publish(tmp_path / "w", server.inputs | {"skip-existing": str(skip_existing)})
    assert all(digest in ours.reasons[wheel.name] for digest in (sha256(first), sha256(wheel)))
    if skip_existing:
        assert (ours.status, ours.states) == (0, {wheel.name: "skipped", sdist.name: "uploaded"})
        assert {each.title for each in ours.annotations if each.level == "warning" and each.file} >= {
            "Other content is left alone"
        }
    else:
        assert (ours.status, ours.states) == (2, {wheel.name: "conflict", sdist.name: "not-attempted"})
        assert "POST" not in ours.raw
        assert "skip-existing" in next(each["tip"] for each in ours.report["remarks"] if each["level"] == "error")
    published(server.simple_url, first)


@pytest.mark.parametrize("answers", [{1}, {2}, {1, 2, 3}])
def test_lost_answers(server: Server, answers: set[int], project: str, tmp_path: Path, published: Published) -> None:
    """Answers that are lost on their way cost nothing: what was stored is found by its hash, and not sent again."""
    dist = tmp_path / "w" / "dist"
    files = [make_wheel(dist, project, tag=f"py3-none-manylinux_2_{each}_x86_64") for each in (5, 17)]
    files.append(make_sdist(dist, project))
    with dropping(server, answers=answers) as proxy:
        ours = publish(tmp_path / "w", server.inputs | {"repository-url": proxy.upload_url})
        assert (ours.status, set(ours.states.values())) == (0, {"uploaded"})
        assert (proxy.uploads, len(proxy.dropped)) == (3, len(answers))
        assert set(proxy.dropped) == {200}
    published(server.simple_url, files[-1])


def test_dry_run(server: Server, project: str, tmp_path: Path) -> None:
    """A dry run tells what would be done, by hash, and sends nothing; with a conflict it is red."""
    inputs = server.inputs | {"dry-run": "true"}
    wheel, sdist = make_wheel(tmp_path / "w" / "dist", project), make_sdist(tmp_path / "w" / "dist", project)
    ours = publish(tmp_path / "w", inputs)
    assert (ours.status, ours.outputs["outcome"], set(ours.states.values())) == (0, "dry-run", {"planned"})
    assert "POST" not in ours.raw
    sdist.rename(tmp_path / sdist.name)
    assert publish(tmp_path / "w", server.inputs).states == {wheel.name: "uploaded"}
    (tmp_path / sdist.name).rename(sdist)
    ours = publish(tmp_path / "w", inputs)
    assert (ours.status, ours.states) == (0, {wheel.name: "already-present", sdist.name: "planned"})
    make_wheel(tmp_path / "w" / "dist", project, description="changed")
    ours = publish(tmp_path / "w", inputs)
    assert (ours.status, ours.states[wheel.name]) == (2, "conflict")
    assert "POST" not in ours.raw


def test_jobs_of_a_matrix(server: Server, project: str, tmp_path: Path, published: Published) -> None:
    """Four jobs at once publish a wheel each and the same sdist: each ends green, and every file is on the index."""
    sdists = []
    for job in range(4):
        dist = tmp_path / f"job{job}" / "dist"
        make_wheel(dist, project, tag=f"cp3{10 + job}-none-any")
        sdists.append(make_sdist(dist, project))

    def publish_job(job: int) -> Run:
        return publish_process(tmp_path / f"job{job}", server.inputs)

    with ThreadPoolExecutor(4) as pool:
        runs = list(pool.map(publish_job, range(4)))
    assert [run.status for run in runs] == [0] * 4, [run.reasons for run in runs]
    assert {state for run in runs for state in run.states.values()} <= {"uploaded", "already-present"}
    inputs = server.inputs | {"packages-dir": "\n".join(f"job{job}/dist/*.whl" for job in range(4)) + "\njob0/dist"}
    everything = publish(tmp_path, inputs)
    assert set(everything.states.values()) == {"already-present"}
    assert len(everything.states) == 5
    published(server.simple_url, sdists[0])
