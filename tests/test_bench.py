"""The bench measures what it says: one small workload, one round, our client; nothing depends on how long it takes."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from bench import clients, table
from bench.__main__ import Bench
from bench.form import Form
from bench.workloads import Files, Workload

OURS = clients.ours(sys.executable)
SMALL = Workload("three wheels", Files(3, 1000, projects=2), "twine", 0.5, rounds=1)


@pytest.mark.parametrize("tls", [False, True])
def test_a_workload(tmp_path: Path, *, tls: bool) -> None:
    """A workload is done over HTTP and over TLS, and the row has numbers: times, memory, requests and the goal."""
    bench = Bench({OURS.name: OURS}, tmp_path, bandwidth=10_000_000, tls=tls)
    (row,) = table.rows(bench.measure(SMALL))
    _, name, client, median, best, _, cpu, peak, requests, goal, _ = map(str.strip, row.split("|"))
    assert (name, client, requests) == ("three wheels", "publish-action", "2 GET, 3 POST")
    assert float(median) == float(best) > 0
    assert float(cpu) > 0
    assert int(peak) > 10
    assert re.fullmatch(r"\d+ MiB, at most 64: (met|\*\*not met\*\*)", goal)
    assert row.count("|") == table.HEAD.partition("\n")[0].count("|")


def test_everything_stored(tmp_path: Path) -> None:
    """Where the index has everything, nothing is sent in the measured run."""
    stored = Workload("stored", Files(2, 1000), "twine", 0.5, stored=True, rounds=1)
    (asked,) = Bench({OURS.name: OURS}, tmp_path).measure(stored).asked.values()
    assert asked == {"GET": 1}


@pytest.mark.parametrize(
    ("program", "seen"), [("/bin/false", "ended with 1"), ("/bin/true", "made 0 uploads instead of 3")]
)
def test_a_client_that_does_not_do_the_work_is_not_measured(program: str, seen: str, tmp_path: Path) -> None:
    """A client that fails, or that ends well without uploads, ends the bench."""
    bench = Bench({OURS.name: clients.Client(OURS.name, lambda _: [program], lambda _: {})}, tmp_path)
    with pytest.raises(RuntimeError, match=seen):
        bench.measure(SMALL)


def test_growth() -> None:
    """A straight line is one, and a parabola is none."""
    assert list(table.growth({10: 1.1, 20: 2.1, 30: 3.1}))[-1].endswith(": met")
    assert list(table.growth({10: 1.0, 20: 4.0, 30: 9.0}))[-1].endswith(": **not met**")


@pytest.mark.parametrize("passing", [False, True])
@pytest.mark.parametrize("size", [1, 2, 7, 12, 13, 14, 15, 30, 64, 1000])
def test_a_form_in_pieces(size: int, *, passing: bool) -> None:
    """A form is read the same however it is cut, also where the file looks like a delimiter."""
    content = b"\r\n--x\r\n--boundar\r\n\r\n" * 20
    body = (
        b'--boundary\r\nContent-Disposition: form-data; name="name"\r\n\r\na\r\nb\r\n'
        b'--boundary\r\nContent-Disposition: form-data; name="content"; filename="a.whl"\r\n\r\n'
        + content
        + b'\r\n--boundary\r\nContent-Disposition: form-data; name="last"\r\n\r\n\r\n--boundary--\r\n'
    )
    form = Form("multipart/form-data; boundary=boundary")
    passed = 0
    for start in range(0, len(body), size):
        assert not form.ended or body[start:] in b"--\r\n"
        piece = bytearray(body[start : start + size])
        if passing and form.passes(piece + b"of another", len(piece)):
            passed += 1
        else:
            form.feed(bytes(piece))
    assert (passed > 0) == (passing and 12 <= size <= 64)
    assert form.ended
    assert form.texts == {"name": "a\r\nb", "last": ""}
    assert (form.filename, form.size) == ("a.whl", len(content))
