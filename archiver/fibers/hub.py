"""The loop of one thread: runs the fibers that can go on, and waits for what wakes the others."""

from __future__ import annotations

import os
import selectors
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from contextvars import copy_context
from itertools import count
from queue import Empty, SimpleQueue
from typing import Any, Generic, Protocol, TypeVar

from greenlet import getcurrent, greenlet

from archiver.fibers.waits import here

LONGEST_WAIT_SECONDS = 1.0
BATCHES = 16
BATCH_SECONDS = 0.02
"""A batch that takes longer does not hold the next one up, while there are fewer than BATCHES."""
_Result = TypeVar("_Result")
Batch = Callable[[Sequence[Any]], Sequence[Any]]


class Part(Protocol):
    """What shares the loop of a hub, and ends with it."""

    def close(self) -> None:
        """Give everything back."""


_Part = TypeVar("_Part", bound=Part)


class Fiber(greenlet):
    """One piece of blocking code; `number` tells it from all others, and from threads."""

    _numbers = count(-1, -1)

    def __init__(self, run: Callable[[], None], home: greenlet) -> None:
        super().__init__(run, home)
        self.number = next(Fiber._numbers)


class Promise(Generic[_Result]):
    """What one fiber waits for. `keep` and `fail` may be called once, by any thread."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._fiber: Fiber | None = None
        self._is_over = False
        self._result: _Result
        self._error: BaseException | None = None

    def keep(self, result: _Result) -> None:
        """Let the fiber go on with a result."""
        self._hub.call(lambda: self._end(result, None))

    def fail(self, error: BaseException) -> None:
        """Let the fiber go on with an error."""
        self._hub.call(lambda: self._end(None, error))

    def wait(self) -> _Result:
        """Leave the thread to others until the promise is kept."""
        if not self._is_over:
            self._fiber = self._hub.current
            self._hub.home.switch()
        if self._error is not None:
            raise self._error
        return self._result

    def _end(self, result: Any, error: BaseException | None) -> None:
        self._is_over, self._result, self._error = True, result, error
        if self._fiber is not None:
            self._hub.ready.append(self._fiber)


class Hub:
    """Runs the fibers of the thread that makes it; `helpers` do what would block it."""

    def __init__(self, helpers: Executor) -> None:
        self.home = getcurrent()
        self.ready: deque[Fiber] = deque()
        self.current: Fiber | None = None
        self._thread = threading.get_ident()
        self._helpers = helpers
        self._live = 0
        self._calls: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._gathered: dict[tuple[Hashable, Batch], list[tuple[Any, Promise[Any]]]] = {}
        self._running: Counter[tuple[Hashable, Batch]] = Counter()
        self._sent_at: dict[tuple[Hashable, Batch], float] = {}
        self._due: dict[Callable[[], None], float] = {}
        self._parts: dict[Callable[[Hub], Any], Any] = {}
        self._selector = selectors.DefaultSelector()
        self._is_idle = self._is_closed = False
        self._ringing = threading.Lock()
        self._bell, self._rope = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._selector.register(self._bell, selectors.EVENT_READ, self._quiet)

    @property
    def live(self) -> int:
        """How many fibers have begun and not ended."""
        return self._live

    @property
    def running(self) -> int:
        """The number of the fiber that runs."""
        return 0 if self.current is None else self.current.number

    def promise(self) -> Promise[Any]:
        """Make something that a fiber can wait for."""
        return Promise(self)

    def part(self, kind: Callable[[Hub], _Part]) -> _Part:
        """Return what belongs to this hub, one of each kind, made when it is first asked for."""
        if kind not in self._parts:
            self._parts[kind] = kind(self)
        found: _Part = self._parts[kind]
        return found

    def begin(self, work: Callable[[], None]) -> None:
        """Start a fiber."""
        fiber = Fiber(work, self.home)
        fiber.gr_context = copy_context()
        self._live += 1
        self.ready.append(fiber)

    def call(self, callback: Callable[[], None]) -> None:
        """Have the hub call something soon; from any thread."""
        if threading.get_ident() == self._thread:
            callback()
            return
        self._calls.put(callback)
        if self._is_idle:
            self._ring()

    def call_at(self, callback: Callable[[], None], due: float | None) -> None:
        """Call back once at that time (`time.monotonic`); None takes it back."""
        if due is None:
            self._due.pop(callback, None)
        else:
            self._due[callback] = due

    def watch(self, descriptor: int, events: int, callback: Callable[[int, int], None]) -> None:
        """Call back with a descriptor whenever it is ready for these events; none ends that."""
        if not events:
            with suppress(KeyError):
                self._selector.unregister(descriptor)
        elif descriptor in self._selector.get_map():
            self._selector.modify(descriptor, events, callback)
        else:
            self._selector.register(descriptor, events, callback)

    def help(self, work: Callable[[], _Result]) -> Promise[_Result]:
        """Have a helper thread do something for the current fiber."""
        promise: Promise[_Result] = Promise(self)
        number = self.running

        def do() -> None:
            here.owner = number
            try:
                result = work()
            except BaseException as error:  # it is raised in the fiber
                promise.fail(error)
            else:
                promise.keep(result)
            finally:
                here.owner = None

        self._helpers.submit(do)
        return promise

    def gather(self, group: Hashable, work: Batch, item: object) -> Any:
        """Have one helper do something for all fibers that ask for it meanwhile."""
        promise: Promise[Any] = Promise(self)
        self._gathered.setdefault((group, work), []).append((item, promise))
        return promise.wait()

    def turn(self, *, is_idle: bool) -> None:
        """Run what is ready, then look what is new; with `is_idle` wait for it."""
        for _ in range(len(self.ready)):
            fiber = self.ready.popleft()
            here.hub, self.current = self, fiber
            fiber.switch()
            here.hub = self.current = None
            self._live -= fiber.dead
        for key in [one for one in self._gathered if self._may_send(one)]:
            self._send(key)
        self._look(is_idle=is_idle)
        with suppress(Empty):
            while True:
                self._calls.get_nowait()()

    def close(self) -> None:
        """Close its parts and descriptors; whoever calls from now on is not heard."""
        for part in self._parts.values():
            part.close()
        self._selector.close()
        with self._ringing:
            self._is_closed = True
            os.close(self._bell)
            os.close(self._rope)
        del self.home  # greenlet looks for whoever holds one of a thread that has ended

    def _ring(self) -> None:
        """Wake the hub; never over a descriptor that is somebody else's by now."""
        with self._ringing, suppress(BlockingIOError):  # a full pipe rings already
            if not self._is_closed:
                os.write(self._rope, b"!")

    def _may_send(self, key: tuple[Hashable, Batch]) -> bool:
        running = self._running[key]
        is_slow = running and time.monotonic() - self._sent_at[key] >= BATCH_SECONDS
        return not running or (bool(is_slow) and running < BATCHES)

    def _send(self, key: tuple[Hashable, Batch]) -> None:
        batch = self._gathered.pop(key)
        self._running[key] += 1
        self._sent_at[key] = time.monotonic()
        self._helpers.submit(self._do_all, key, batch)

    def _do_all(
        self, key: tuple[Hashable, Batch], batch: Sequence[tuple[Any, Promise[Any]]]
    ) -> None:
        """Run a batch on a helper thread, and let its fibers go on all at once."""
        try:
            ends = key[1]([item for item, _ in batch])
        except BaseException as error:  # it is raised in each of the fibers
            ends = [error] * len(batch)

        def tell() -> None:
            self._running[key] -= 1
            for (_, promise), end in zip(batch, ends, strict=True):
                promise.keep(end)

        self.call(tell)

    def _look(self, *, is_idle: bool) -> None:
        self._is_idle = is_idle and not self.ready
        try:
            for key, events in self._selector.select(self._seconds_to_wait()):
                key.data(key.fd, events)
        finally:
            self._is_idle = False
        now = time.monotonic()
        for callback in [one for one, due in self._due.items() if due <= now]:
            if self._due.pop(callback, None) is not None:  # one before it may have taken it back
                callback()

    def _seconds_to_wait(self) -> float:
        if not self._is_idle or not self._calls.empty():
            return 0.0
        longest = BATCH_SECONDS if self._gathered else LONGEST_WAIT_SECONDS
        soonest = min(self._due.values(), default=time.monotonic() + longest)
        return min(max(0.0, soonest - time.monotonic()), longest)

    def _quiet(self, bell: int, _events: int) -> None:
        with suppress(BlockingIOError):
            os.read(bell, 4096)
