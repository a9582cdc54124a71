"""Work that goes side by side."""

from __future__ import annotations

import threading
import time
from functools import partial
from pathlib import Path

import pytest

from entrypoint import threads
from entrypoint.threads import Ahead, Inbox, Once, on_all_cores, read_ahead, side_by_side


def test_answers_in_the_order_of_the_values() -> None:
    """The answers come in the order of the values, whatever takes long."""

    def work(value: int) -> int:
        time.sleep((9 - value) / 200)
        return value * 2

    assert side_by_side(work, range(10), 4) == [value * 2 for value in range(10)]


def test_on_all_cores() -> None:
    """What is long is done by several threads, what is not by one, and the answers come in the order of the values."""

    def work(value: int) -> tuple[int, int]:
        time.sleep(0.001 * value)
        return value, threading.get_ident()

    values = [5, 0, 9, 1, 7, 2]
    answers = on_all_cores(work, values, lambda value: value >= 5)
    assert [value for value, _ in answers] == values
    assert len({thread for value, thread in answers if value < 5}) == 1
    assert threading.get_ident() not in {thread for _, thread in answers}
    assert on_all_cores(work, [], lambda _: True) == []


def test_long_work_is_done_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many long values are in work at a time as there are cores."""
    monkeypatch.setattr(threads, "cores", lambda: 2)
    meeting = threading.Barrier(2)
    assert len(on_all_cores(lambda _: meeting.wait(10), [1, 2], lambda _: True)) == 2  # one alone would wait in vain


def test_nothing_to_do() -> None:
    """No values, no answers, no threads."""
    assert side_by_side(lambda value: value, [], 4) == []


def test_width() -> None:
    """As many go at a time as are asked for, and not more."""
    meeting = threading.Barrier(3)

    def work(_: int) -> int:
        return meeting.wait(10)

    side_by_side(work, range(9), 3)  # would not end with fewer
    busy, most, lock = 0, 0, threading.Lock()

    def count(_: int) -> None:
        nonlocal busy, most
        with lock:
            busy += 1
            most = max(most, busy)
        time.sleep(0.01)
        with lock:
            busy -= 1

    side_by_side(count, range(12), 3)
    assert most <= 3


def test_what_is_raised() -> None:
    """What the work raises is raised where it is waited for, and nothing more is begun."""
    begun: list[int] = []

    def work(value: int) -> None:
        begun.append(value)
        raise LookupError(value)

    with pytest.raises(LookupError):
        side_by_side(work, range(100), 2)
    time.sleep(0.05)
    assert len(begun) <= 2


def test_once() -> None:
    """What several threads ask for is worked out by one of them, and all get it."""
    asked: list[int] = []

    def work() -> int:
        asked.append(threading.get_ident())
        time.sleep(0.05)
        return 7

    once = Once(work)
    assert once.known is None
    assert side_by_side(lambda _: once.get(), range(4), 4) == [7] * 4
    assert len(asked) == 1
    assert once.known == 7
    assert Once.of(3).known == 3


def test_once_and_for_all() -> None:
    """Work that fails is not done again: everybody is told."""
    tried: list[int] = []

    def work() -> int:
        tried.append(1)
        raise LookupError(len(tried))

    once = Once(work)
    for _ in range(2):
        with pytest.raises(LookupError, match="1"):
            once.get()
    assert once.known is None


def test_ahead() -> None:
    """What will be asked for is worked out in its order, one after the other, also after some of it has failed."""
    done: list[tuple[int, int]] = []

    def work(number: int) -> int:
        time.sleep(0.01)
        done.append((number, threading.get_ident()))
        if number == 1:
            raise LookupError(number)
        return number

    ahead = Ahead()
    works = [Once(partial(work, number)) for number in range(4)]
    for each in works:
        ahead.put(each.get)
    assert works[3].get() == 3  # by this thread, or the other one
    assert [each.get() for each in (works[0], works[2])] == [0, 2]
    with pytest.raises(LookupError):
        works[1].get()
    assert sorted(number for number, _ in done) == [0, 1, 2, 3]
    late = Once(partial(work, 4))
    ahead.put(late.get)  # its thread may have ended meanwhile
    deadline = time.monotonic() + 10
    while late.known is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert late.known == 4
    assert done[-1][1] != threading.get_ident()


@pytest.mark.parametrize("length", [0, 1, 9, 10, 11, 20, 25, 1000])
def test_read_ahead(length: int, tmp_path: Path) -> None:
    """A file comes whole and in its order, in blocks that are kept until the next one is asked for."""
    content = bytes(number % 251 for number in range(length))
    (tmp_path / "file").write_bytes(content)
    blocks = []
    for block in read_ahead(tmp_path / "file", 10):
        time.sleep(0.0001)
        blocks.append(bytes(block))
    assert b"".join(blocks) == content
    assert {len(block) for block in blocks[:-1]} <= {10}


def test_reading_ahead_fails(tmp_path: Path) -> None:
    """What keeps a file from being read is told to whoever reads it."""
    with pytest.raises(FileNotFoundError):
        list(read_ahead(tmp_path / "none", 10))
    with pytest.raises(IsADirectoryError):
        list(read_ahead(tmp_path, 10))


def test_reading_ahead_ends(tmp_path: Path) -> None:
    """Whoever does not want more leaves no thread behind."""
    (tmp_path / "file").write_bytes(b"x" * 100)
    before = threading.active_count()
    blocks = read_ahead(tmp_path / "file", 10)
    next(blocks)
    assert threading.active_count() == before + 1
    blocks.close()  # type: ignore[attr-defined]  # it is a generator
    deadline = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.001)
    assert threading.active_count() == before


def test_inbox() -> None:
    """What is put into the inbox is done by the thread that waits, in its order, before the answers are given."""
    inbox = Inbox()
    heard: list[tuple[int, int]] = []

    def hear(value: int) -> None:
        heard.append((value, threading.get_ident()))

    side_by_side(lambda value: inbox.put(partial(hear, value)), range(5), 1, inbox)
    assert heard == [(value, threading.get_ident()) for value in range(5)]


def test_an_interrupted_message_is_not_lost() -> None:
    """What an interruption kept from being done is done when the inbox is emptied, before what came later."""
    inbox, heard, stops = Inbox(), list[int](), [KeyboardInterrupt()]

    def hear(value: int) -> None:
        if stops:
            raise stops.pop()
        heard.append(value)

    for value in range(3):
        inbox.put(partial(hear, value))
    with pytest.raises(KeyboardInterrupt):
        inbox.wait()
    inbox.empty()
    assert heard == [0, 1, 2]
