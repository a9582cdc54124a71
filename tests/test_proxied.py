"""Whole runs through nginx to real servers: redirected, cut, too large, down, walled off; every end is a known one."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import httpx
import pytest

from entrypoint.patience import Clock
from tests.conftest import Published
from tests.distributions import make_sdist, make_wheel
from tests.line import Run, Waits, publish, publish_process, to
from tests.peers import nginx
from tests.peers.devpi import Devpi
from tests.peers.nginx import Fault, Proxied, Server
from tests.peers.pypiserver import PypiServer

Inputs = Callable[[Proxied], dict[str, str]]
SERVERS = ("pypiserver", "devpi, non-volatile", "devpi, volatile")


class Front(Protocol):
    """Puts nginx before the server of a test."""

    def __call__(self, fault: Fault = ..., *, limit: str = ...) -> Proxied:
        """Start it, with a fault."""


@pytest.fixture(scope="session")
def proxy() -> None:
    """Skip where there is no nginx, but fail where PUBLISH_ACTION_REQUIRE_NGINX=1; before any server is started."""
    if nginx.BINARY is None:
        reason = "there is no nginx"
        if os.environ.get("PUBLISH_ACTION_REQUIRE_NGINX") == "1":
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest, proxy: None, pypiserver: PypiServer, devpi: Devpi) -> Server:  # noqa: ARG001 - it comes first
    """Give each of the real servers."""
    servers: tuple[Server, ...] = (pypiserver, devpi.non_volatile, devpi.volatile)
    return servers[SERVERS.index(request.param)]


@pytest.fixture
def front(server: Server, tmp_path: Path) -> Iterator[Front]:
    """Return a function that starts nginx in front of the server; it ends with the test."""
    with contextlib.ExitStack() as stack:

        def start(fault: Fault = nginx.NONE, *, limit: str = "0") -> Proxied:
            return stack.enter_context(nginx.nginx(server, tmp_path / "nginx", fault, limit=limit))

        yield start


def mending(proxied: Proxied) -> Clock:
    """Make a clock that waits for nothing, and by which the fault has ended when a pause is over."""
    waits = Waits()

    def sleep(seconds: float) -> None:
        proxied.mend()
        waits.clock.sleep(seconds)

    return waits.clock._replace(sleep=sleep)


def wheels(folder: Path, project: str) -> list[Path]:
    """Make two wheels to publish; the first is sent first, and alone."""
    tags = ("py3-none-manylinux_2_17_x86_64", "cp310-cp310-manylinux_2_17_x86_64")
    return [make_wheel(folder / "w" / "dist", project, tag=tag) for tag in tags]


def checked(proxied: Proxied) -> dict[str, str]:
    """Give the inputs for publishing, with the simple index to be asked."""
    return to(proxied) | {"check-url": proxied.simple_url}


KNOWN_OR_GUESSED = [*((each, checked) for each in SERVERS), (SERVERS[0], to)]
"""Each server with its simple index given, and one whose index is guessed."""


def attempts(ours: Run) -> list[int]:
    """Give the number of uploads that were begun for each file, in the order in which they were sent."""
    return [file["attempts"] for file in ours.report["files"]]


def there(proxied: Proxied, folder: Path) -> bool:
    """Run the job again: whether it finds every file, by hash, and has nothing to send."""
    again = publish(folder / "w", checked(proxied))
    return (again.status, set(again.states.values()), sum(attempts(again))) == (0, {"already-present"}, 0)


def test_behind_nginx(front: Front, project: str, tmp_path: Path, published: Published) -> None:
    """A run as a process of its own goes through nginx as if it were not there."""
    proxied = front()
    wheel, sdist = make_wheel(tmp_path / "w" / "dist", project), make_sdist(tmp_path / "w" / "dist", project)
    ours = publish_process(tmp_path / "w", checked(proxied))
    assert (ours.status, set(ours.states.values())) == (0, {"uploaded"})
    published(proxied.simple_url, wheel, sdist)
    assert there(proxied, tmp_path)


@pytest.mark.parametrize("server", SERVERS[:2], indirect=True)
@pytest.mark.parametrize("absolute", [True, False], ids=["absolute", "relative"])
@pytest.mark.parametrize("status", [307, 308])
def test_redirects(
    front: Front, status: int, absolute: bool, project: str, tmp_path: Path, published: Published
) -> None:
    """307 and 308 within the origin are followed for the first file and remembered for the second; both arrive."""
    proxied = front(nginx.redirect(status, absolute=absolute))
    files = wheels(tmp_path, project)
    ours = publish(tmp_path / "w", checked(proxied))
    assert (ours.status, set(ours.states.values()), attempts(ours)) == (0, {"uploaded"}, [2, 1])
    published(proxied.simple_url, *files)


@pytest.mark.parametrize("server", ["pypiserver"], indirect=True)
def test_a_missing_slash(front: Front, project: str, tmp_path: Path, published: Published) -> None:
    """A 308 to the same URL with a slash at its end is followed."""
    proxied = front()
    files = wheels(tmp_path, project)
    ours = publish(tmp_path / "w", to(proxied) | {"repository-url": f"{proxied.upload_url}legacy"})
    assert (ours.status, set(ours.states.values()), attempts(ours)) == (0, {"uploaded"}, [2, 1])
    published(proxied.simple_url, *files)


def test_moved_permanently(front: Front, project: str, tmp_path: Path) -> None:
    """301 makes a GET of the upload: it is not followed, its target is told, and the other file is not even tried."""
    proxied = front(nginx.redirect(301))
    wheels(tmp_path, project)
    ours = publish(tmp_path / "w", checked(proxied))
    assert (ours.status, ours.titles) == (1, ["This is not an upload URL"])
    assert list(ours.states.values()) == ["failed", "not-attempted"]
    assert re.search(r"answered 301.* pointing to \S+/moved/", ours.raw)


def test_too_large(front: Front, project: str, tmp_path: Path, published: Published) -> None:
    """`client_max_body_size`: one clear error for the large file, which is tried once; the smaller ones go on."""
    proxied = front(limit="1m")
    small, large = wheels(tmp_path, project)
    make_wheel(large.parent, project, tag=large.stem.partition("-1.0-")[2], filler=3_000_000)
    sdist = make_sdist(large.parent, project)
    ours = publish(tmp_path / "w", checked(proxied))
    assert (ours.status, ours.titles) == (1, ["The file is too large for the index"])
    assert ours.states == {small.name: "uploaded", large.name: "failed", sdist.name: "uploaded"}
    assert attempts(ours) == [1, 1, 1]
    assert re.search(r"answered 413: .* \(the file has 3\.\d MB\)", ours.reasons[large.name])
    published(proxied.simple_url, small)


@pytest.mark.parametrize("fault", [nginx.CUT, nginx.DOWN_FOR_UPLOADS], ids=["cut", "502"])
@pytest.mark.parametrize(("server", "inputs"), KNOWN_OR_GUESSED, indirect=["server"])
def test_before_the_server_had_it(front: Front, fault: Fault, inputs: Inputs, project: str, tmp_path: Path) -> None:
    """A connection that is cut, and a 502, before the server got the file: it is sent once more, and is there."""
    proxied = front(fault)
    wheels(tmp_path, project)
    ours = publish(tmp_path / "w", inputs(proxied), clock=mending(proxied))
    assert (ours.status, set(ours.states.values()), attempts(ours)) == (0, {"uploaded"}, [2, 1])
    assert there(proxied, tmp_path)


@pytest.mark.parametrize("fault", [nginx.CUT_AFTER, nginx.BAD_GATEWAY_AFTER], ids=["cut", "502"])
@pytest.mark.parametrize(("server", "inputs"), KNOWN_OR_GUESSED, indirect=["server"])
def test_after_the_server_had_it(front: Front, fault: Fault, inputs: Inputs, project: str, tmp_path: Path) -> None:
    """A connection that is cut, and a 502, after the server stored the file: it is found by its hash, not sent again.

    So it is when that happens to every upload.
    """
    proxied = front(fault)
    wheels(tmp_path, project)
    ours = publish(tmp_path / "w", inputs(proxied))
    assert (ours.status, set(ours.states.values()), attempts(ours)) == (0, {"uploaded"}, [1, 1])
    assert set(ours.reasons.values()) == {"The index shows the file with its hash."}
    assert there(proxied, tmp_path)


def test_nginx_does_not_wait(front: Front, project: str, tmp_path: Path, published: Published) -> None:
    """A 504 while the server is still storing the file ends with the file there, found or sent again."""
    proxied = front(nginx.TIMEOUT_AFTER)
    files = wheels(tmp_path, project)
    ours = publish(tmp_path / "w", checked(proxied), clock=mending(proxied))
    assert (ours.status, set(ours.states.values())) == (0, {"uploaded"})
    published(proxied.simple_url, files[0])


def test_down_and_up_again(front: Front, project: str, tmp_path: Path, published: Published) -> None:
    """A server that is down for reads and uploads, and up when a pause is over, gets everything."""
    proxied = front(nginx.DOWN)
    files = wheels(tmp_path, project)
    ours = publish(tmp_path / "w", checked(proxied), clock=mending(proxied))
    assert (ours.status, set(ours.states.values()), attempts(ours)) == (0, {"uploaded"}, [1, 1])
    published(proxied.simple_url, files[0])


def test_down_for_good(front: Front, project: str, tmp_path: Path) -> None:
    """Where every upload is answered 502 to the end, the report says that the files are not there, and what to do."""
    proxied = front(nginx.DOWN_FOR_UPLOADS)
    wheels(tmp_path, project)
    ours = publish(tmp_path / "w", checked(proxied) | {"retries": "2"})
    assert (ours.status, set(ours.states.values()), attempts(ours)) == (1, {"failed"}, [3, 3])
    for reason in ours.reasons.values():
        assert reason.endswith("answered 502: Bad Gateway. Tried 3 times. The simple index does not show the file.")
    assert "0 of 2 files are public" in ours.raw
    assert "Run the job again" in ours.messages("error")[0]


@pytest.mark.parametrize(
    ("fault", "title", "seen"),
    [
        (nginx.AUTH_WALL, "The index may not be read", "answered 401"),
        (nginx.LOGIN_PAGE, "This is not a page of a simple index", "a page to sign in"),
        (nginx.DOWN, "The index cannot be read now", "answered 502"),
    ],
    ids=["auth wall", "login page", "down"],
)
def test_unreadable(
    front: Front, server: Server, fault: Fault, title: str, seen: str, project: str, tmp_path: Path
) -> None:
    """An index that cannot be read is not an empty one: nothing is sent, and two projects have one error."""
    proxied = front(fault)
    wheels(tmp_path, project)
    make_wheel(tmp_path / "w" / "dist", f"{project}-2")
    ours = publish(tmp_path / "w", checked(proxied))
    assert (ours.status, ours.titles, set(ours.states.values())) == (2, [title], {"not-attempted"})
    (message,) = ours.messages("error")
    assert seen in message
    assert "The same goes for another project." in message
    assert "POST" not in ours.raw
    assert httpx.get(f"{server.simple_url}{project}/").status_code == 404


@pytest.mark.parametrize("server", ["pypiserver"], indirect=True)
def test_slow_pages(front: Front, project: str, tmp_path: Path) -> None:
    """Pages that come slowly are waited for."""
    proxied = front(nginx.SLOW)
    for number in range(6):
        make_wheel(tmp_path / "w" / "dist", project, f"1.{number}")
    ours = publish(tmp_path / "w", checked(proxied) | {"wait-for-index": "1"})
    assert (ours.status, set(ours.states.values()), ours.messages("warning")) == (0, {"uploaded"}, [])
