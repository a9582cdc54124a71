"""Threads: work that goes side by side, while the thread that asked for it stays awake.

A Python signal handler runs in the main thread, between two of its steps: a main thread that sleeps in a system call,
into which it went a moment after the signal came, does not run it until the call returns. So nothing that may take
long is waited for without end here, and the work is done elsewhere.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import chain, cycle
from pathlib import Path
from typing import Generic, TypeVar

A = TypeVar("A")
B = TypeVar("B")

AWAKE = 0.25
"""Seconds for which the waiting thread sleeps at most."""


def cores() -> int:
    """Give the number of cores that this process may use."""
    return len(os.sched_getaffinity(0))


class Inbox:
    """What the waiting thread is asked to do by those who work: done in its order, and not lost by an interruption."""

    def __init__(self, tick: Callable[[], None] = lambda: None) -> None:
        self._tick = tick
        """Called between messages, several times a second."""
        self._messages: deque[Callable[[], None]] = deque()
        self._there = threading.Event()

    def put(self, message: Callable[[], None]) -> None:
        """Ask for something, which may be done twice if a signal comes amid it."""
        self._messages.append(message)
        self._there.set()

    def relay(self, hear: Callable[[A], None]) -> Callable[[A], None]:
        """Give a function that any thread may call: what it is given is heard by the thread that waits."""
        return lambda what: self.put(partial(hear, what))

    def wait(self) -> None:
        """Do what there is, or wait a moment for something to come."""
        self._there.wait(AWAKE)
        self._there.clear()
        self.empty()
        self._tick()

    def empty(self) -> None:
        """Do everything that is there."""
        while self._messages:
            self._messages[0]()  # it leaves only when it is done
            self._messages.popleft()


class Once(Generic[A]):
    """What is worked out at most once, by the first thread that asks for it, while others wait."""

    def __init__(self, work: Callable[[], A]) -> None:
        self._work = work
        self._turn = threading.Lock()
        self._answer: A | None = None
        self._failure: Exception | None = None
        self._asked = False

    @classmethod
    def of(cls, answer: A) -> Once[A]:
        """Hold what is known already."""
        once = cls(lambda: answer)
        once.get()
        return once

    @property
    def known(self) -> A | None:
        """The answer, where there is one by now."""
        return self._answer

    def get(self) -> A:
        """Give the answer. Raises what working it out raised, to everybody who asks."""
        with self._turn:
            if not self._asked:
                try:
                    self._answer = self._work()
                except Exception as failure:  # noqa: BLE001 - raised below
                    self._failure = failure
                self._asked = True
        if self._failure:
            raise self._failure
        return self._answer  # type: ignore[return-value]  # it was asked, and did not fail


class Ahead:
    """A thread that works out, one after the other, what will be asked for."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], object]] = deque()
        self._turn = threading.Lock()
        self._awake = False

    def put(self, work: Callable[[], object]) -> None:
        """Have something done when its turn comes; what it raises is for whoever asks for it, too."""
        with self._turn:
            self._waiting.append(work)
            if not self._awake:
                self._awake = True
                threading.Thread(target=self._labour, daemon=True).start()

    def _labour(self) -> None:
        while True:
            with self._turn:
                if not self._waiting:
                    self._awake = False
                    return
                work = self._waiting.popleft()
            with suppress(Exception):  # whoever asks is told
                work()


def read_ahead(path: Path, size: int) -> Iterator[memoryview]:
    """Yield a file in blocks of `size` bytes, reading the next one meanwhile; each is good until the next is asked for.

    Reading from memory takes a sixth of the time of a SHA-256. Raises `OSError`.
    """
    buffers = cycle([memoryview(bytearray(size)), memoryview(bytearray(size))])
    read: deque[memoryview | OSError] = deque()
    room, there = threading.Semaphore(2), threading.Semaphore(0)
    left = False

    def put(what: memoryview | OSError) -> None:
        read.append(what)
        there.release()

    def labour() -> None:
        try:
            with path.open("rb", buffering=0) as file:
                length = 1
                while length:
                    room.acquire()
                    if left:
                        return
                    buffer = next(buffers)
                    length = file.readinto(buffer)
                    put(buffer[:length])
        except OSError as error:
            put(error)

    threading.Thread(target=labour, daemon=True).start()
    try:
        while True:
            there.acquire()
            block = read.popleft()
            if isinstance(block, OSError):
                raise block
            if not block:
                return
            yield block
            room.release()
    finally:
        left = True
        room.release()


def both(first: Callable[[], A], second: Callable[[], B]) -> tuple[A, B]:
    """Do two things at the same time; give both answers."""
    works: list[Callable[[], object]] = [first, second]
    a, b = side_by_side(lambda work: work(), works, 2)
    return a, b  # type: ignore[return-value]  # the order of the answers is that of the parameters


def side_by_side(work: Callable[[A], B], values: Sequence[A], width: int, inbox: Inbox | None = None) -> list[B]:
    """Do the same work with all values, `width` at a time; give the answers in the order of the values.

    Meanwhile everything that comes into `inbox` is done in this thread, in its order. What the work raises is raised
    here; what was begun by then goes on alone, and nothing more is begun. Nobody joins the threads: they are daemons.
    """
    messages = inbox or Inbox()
    waiting = deque(enumerate(values))
    answers: dict[int, B] = {}
    failures: list[BaseException] = []
    finished = not values

    def finish() -> None:
        nonlocal finished
        finished = True

    def labour() -> None:
        while True:
            try:
                number, value = waiting.popleft()
            except IndexError:
                return
            try:
                answer = work(value)
            except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
                messages.put(partial(failures.append, error))
                return
            answers[number] = answer
            if len(answers) == len(values):  # only the last one wakes who waits, behind all that it was asked to do
                messages.put(finish)

    for _ in range(min(width, len(values))):
        threading.Thread(target=labour, daemon=True).start()
    try:
        while not finished and not failures:
            messages.wait()
    finally:
        waiting.clear()
    if failures:
        raise failures[0]
    return [answers[number] for number in range(len(values))]


def on_all_cores(work: Callable[[A], B], values: Sequence[A], long: Callable[[A], bool]) -> list[B]:
    """Do the same work with all values on all cores, what is not `long` in one thread; the answers keep the order.

    Threads that do short work mostly wait for Python's lock.
    """
    numbers = range(len(values))
    apart = [number for number in numbers if long(values[number])]
    together = sorted(set(numbers).difference(apart))
    batches = [together, *([number] for number in apart)]
    done = side_by_side(lambda batch: [(number, work(values[number])) for number in batch], batches, cores())
    known = dict(chain.from_iterable(done))
    return [known[number] for number in numbers]
