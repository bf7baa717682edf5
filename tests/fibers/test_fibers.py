"""Fibers: plain blocking code that leaves its thread to others where it waits."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from itertools import count, pairwise
from typing import Any

import pytest

from archiver.fibers import Turns, aside, current_hub, gathered, owner, together
from archiver.fibers.pool import FiberPool
from archiver.log import bound, get_logger, inherit
from archiver.log.logger import bound_keys

PATIENCE_SECONDS = 20
FIBERS = 8


def make_pool(fibers: int = FIBERS) -> FiberPool:
    """Make a pool with as many helpers as fibers, as a run does."""
    return FiberPool(fibers, "fibers", ThreadPoolExecutor(fibers), inherit())


@pytest.fixture
def pool() -> Iterator[FiberPool]:
    """Some fibers."""
    made = make_pool()
    yield made
    made.shutdown()


def results_of(futures: Sequence[Future[int]]) -> list[int]:
    """Wait for all of them."""
    return [future.result(PATIENCE_SECONDS) for future in futures]


def test_results_and_errors_reach_whoever_asked(pool: FiberPool) -> None:
    """A call in a fiber has the face of one on an executor."""
    whole, broken = pool.submit(divmod, 7, 2), pool.submit(divmod, 7, 0)

    assert whole.result(PATIENCE_SECONDS) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        broken.result(PATIENCE_SECONDS)


def test_all_fibers_share_one_thread(pool: FiberPool) -> None:
    """However many there are, nobody fights for the interpreter's lock."""
    threads = results_of([pool.submit(threading.get_ident) for _ in range(100)])

    assert len(set(threads)) == 1
    assert threads[0] != threading.get_ident()


def test_what_is_done_aside_holds_nobody_up(pool: FiberPool) -> None:
    """One fiber waits for what another one does, though they have one thread."""
    happened = threading.Event()
    first = pool.submit(aside, happened.wait, PATIENCE_SECONDS)
    second = pool.submit(happened.set)

    second.result(PATIENCE_SECONDS)
    assert first.result(PATIENCE_SECONDS) is True


def test_an_error_aside_is_raised_in_the_fiber(pool: FiberPool) -> None:
    """Whoever had something done gets its error, with its own type."""

    def careful() -> str:
        try:
            aside(divmod, 1, 0)
        except ZeroDivisionError:
            return "caught"
        return "missed"

    assert pool.submit(careful).result(PATIENCE_SECONDS) == "caught"


def test_without_a_fiber_the_same_code_just_blocks() -> None:
    """On a plain thread nothing is handed to anybody."""
    batches: list[Sequence[int]] = []

    def double(items: Sequence[int]) -> list[int | Exception]:
        batches.append(items)
        return [item * 2 for item in items]

    assert current_hub() is None
    assert aside(threading.get_ident) == threading.get_ident()
    assert gathered("any", double, 4) == 8
    assert batches == [[4]]


def test_what_comes_meanwhile_is_the_next_batch(
    pool: FiberPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a batch runs, all that waits gathers for the next one."""
    monkeypatch.setattr("archiver.fibers.hub.BATCH_SECONDS", PATIENCE_SECONDS)
    batches: list[list[int]] = []
    all_wait = threading.Event()

    def work(items: Sequence[int]) -> list[int | Exception]:
        batches.append(list(items))
        assert all_wait.wait(PATIENCE_SECONDS)
        return [ValueError(str(item)) if item == 3 else item * 10 for item in items]

    first = pool.submit(gathered, "disk", work, 0)
    while not batches:
        time.sleep(0.001)
    others = [pool.submit(gathered, "disk", work, item) for item in range(1, FIBERS - 1)]
    elsewhere = pool.submit(gathered, "another", list, 99)
    assert elsewhere.result(PATIENCE_SECONDS) == 99, "another group does not wait"
    all_wait.set()

    wait([first, *others], PATIENCE_SECONDS)
    assert batches == [[0], list(range(1, FIBERS - 1))]
    with pytest.raises(ValueError, match="3"):
        others[2].result(0)
    del others[2]
    assert results_of([first, *others]) == [0, 10, 20, 40, 50, 60]


def test_a_slow_batch_does_not_hold_up_the_next(pool: FiberPool) -> None:
    """A disk that needs long for each file gets several at a time."""
    all_are_there = threading.Barrier(FIBERS)

    def work(items: Sequence[int]) -> list[int | Exception]:
        all_are_there.wait(PATIENCE_SECONDS)
        return list(items)

    futures = []
    for item in range(FIBERS):
        futures.append(pool.submit(gathered, "disk", work, item))
        time.sleep(0.03)

    assert results_of(futures) == list(range(FIBERS))


def test_a_batch_that_breaks_breaks_for_all(pool: FiberPool) -> None:
    """A bug in what is done together hangs nobody."""

    def work(_: Sequence[int]) -> list[int | Exception]:
        raise RuntimeError("a bug")

    for future in [pool.submit(gathered, "disk", work, item) for item in range(3)]:
        with pytest.raises(RuntimeError, match="a bug"):
            future.result(PATIENCE_SECONDS)


def test_what_was_begun_is_waited_for_when_there_is_no_helper_for_the_rest() -> None:
    """What a helper works on must not change under it; the steps without one tell why."""

    class Few(ThreadPoolExecutor):
        def submit(self, *call: Any, **named: Any) -> Future[Any]:
            if next(calls):
                raise RuntimeError("can't start new thread")
            return super().submit(*call, **named)

    calls, ended = count(), list[str]()

    def slow() -> str:
        time.sleep(0.2)
        ended.append("slow")
        return "slow"

    pool = FiberPool(1, "fibers", Few(3), inherit())
    future = pool.submit(together, [lambda: "first", slow, lambda: "never"])
    first, second, third = future.result(PATIENCE_SECONDS)
    pool.shutdown()

    assert [first, second, ended] == ["first", "slow", ["slow"]]
    assert isinstance(third, RuntimeError)


def test_turns_bound_fibers_and_threads_together(pool: FiberPool) -> None:
    """No more than so many are inside, whoever they are, and all come in."""
    turns, lock = Turns(3), threading.Lock()
    inside, most, came = 0, 0, 0

    def enter() -> None:
        nonlocal inside, most, came
        with turns:
            with lock:
                inside, came = inside + 1, came + 1
                most = max(most, inside)
            aside(time.sleep, 0.002)
            with lock:
                inside -= 1

    with ThreadPoolExecutor(FIBERS) as threads:
        wait([maker.submit(enter) for _ in range(50) for maker in (pool, threads)])

    assert (most, came, inside) == (3, 100, 0)


def test_turns_are_given_in_the_order_of_asking(pool: FiberPool) -> None:
    """Nobody is overtaken for ever."""
    turns, order = Turns(1), list[int]()

    def enter(number: int) -> None:
        with turns:
            order.append(number)
            aside(time.sleep, 0.001)

    wait([pool.submit(enter, number) for number in range(FIBERS)], PATIENCE_SECONDS)
    assert order == list(range(FIBERS))


def test_an_error_inside_gives_the_turn_back(pool: FiberPool) -> None:
    """A transfer that fails does not take its place with it."""
    turns = Turns(1)

    def fail() -> None:
        with turns:
            raise ValueError("no")

    for future in [pool.submit(fail) for _ in range(5)]:
        with pytest.raises(ValueError, match="no"):
            future.result(PATIENCE_SECONDS)


def test_what_is_done_aside_belongs_to_its_fiber(pool: FiberPool) -> None:
    """Memory is counted by who works, wherever the work is done."""

    def look() -> tuple[int, int, int]:
        return owner(), aside(owner), owner()

    seen = [pool.submit(look).result(PATIENCE_SECONDS) for _ in range(3)]

    assert all(len(set(one)) == 1 for one in seen)
    assert len({one[0] for one in seen} | {owner()}) == 4
    assert owner() == threading.get_ident()


def test_no_more_fibers_than_allowed_are_at_work() -> None:
    """What is over waits until one has ended, in the order it came."""
    pool, gates, began = make_pool(2), [threading.Event() for _ in range(4)], list[int]()

    def work(number: int) -> None:
        began.append(number)
        aside(gates[number].wait, PATIENCE_SECONDS)

    futures = [pool.submit(work, number) for number in range(4)]
    for ended, (gate, _) in enumerate(pairwise([*gates, gates[-1]])):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(began) < min(4, ended + 2) and time.monotonic() < deadline:
            time.sleep(0.001)
        assert began == list(range(min(4, ended + 2)))
        gate.set()
    wait(futures, PATIENCE_SECONDS)
    pool.shutdown()


def test_a_shutdown_lets_what_has_begun_come_to_its_end() -> None:
    """What has not begun is cancelled; what has may still have something done aside."""
    pool, began, may_end = make_pool(1), threading.Event(), threading.Event()

    def work() -> str:
        began.set()
        aside(may_end.wait, PATIENCE_SECONDS)
        return aside(str, "to its end")

    running, queued = pool.submit(work), pool.submit(work)
    assert began.wait(PATIENCE_SECONDS)
    pool.shutdown()
    may_end.set()

    assert running.result(PATIENCE_SECONDS) == "to its end"
    with pytest.raises(CancelledError):
        queued.result(PATIENCE_SECONDS)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while any(one.name == "fibers" for one in threading.enumerate()):
        assert time.monotonic() < deadline, "the thread ends"
        time.sleep(0.01)


def test_a_pool_that_was_never_used_has_no_thread() -> None:
    """A run without anything new starts nothing."""
    pool = make_pool()
    pool.shutdown()

    assert not any(one.name == "fibers" for one in threading.enumerate())


def test_log_lines_of_a_fiber_name_their_run() -> None:
    """What is bound where the pool is made is bound in each fiber, and not shared by them."""
    with bound(run="r1"):
        pool = make_pool()

    def look(number: int) -> tuple[object, object]:
        before = bound_keys.get({}).get("asset")
        with bound(asset=number):
            aside(time.sleep, 0.005)
            get_logger().debug("tests.fiber")
            return before, (bound_keys.get({})["run"], bound_keys.get({})["asset"])

    futures = [pool.submit(look, number) for number in range(FIBERS)]
    seen = [future.result(PATIENCE_SECONDS) for future in futures]
    pool.shutdown()

    assert seen == [(None, ("r1", number)) for number in range(FIBERS)]


def test_a_bug_in_the_loop_hangs_nobody() -> None:
    """The calls that were at work get the error, instead of silence."""
    pool = make_pool()

    def bug() -> None:
        raise RuntimeError("a bug of the loop")

    def work() -> None:
        hub = current_hub()
        assert hub is not None
        hub.call_at(bug, time.monotonic())
        aside(time.sleep, 1)

    with pytest.raises(RuntimeError, match="a bug of the loop"):
        pool.submit(work).result(PATIENCE_SECONDS)


def test_nothing_is_forgotten_among_thousands(pool: FiberPool) -> None:
    """A call that is made, or comes back, while the loop falls asleep wakes it."""
    turns = Turns(2)

    def work(number: int) -> int:
        doubled: int = gathered("sums", lambda items: [item * 2 for item in items], number)
        with turns:
            return aside(int, doubled)

    began_at = time.monotonic()
    for start in range(0, 3000, 30):
        numbers = range(start, start + 30)
        assert results_of([pool.submit(work, number) for number in numbers]) == [
            number * 2 for number in numbers
        ]
    assert time.monotonic() - began_at < 60, "each lost wake-up would cost a second"


def test_what_was_taken_back_in_time_is_not_called(pool: FiberPool) -> None:
    """Of two callbacks that are due at once the first may take the second back."""
    called: list[str] = []

    def work() -> None:
        hub = current_hub()
        assert hub is not None
        now = time.monotonic()

        def first() -> None:
            called.append("first")
            hub.call_at(second, None)

        def second() -> None:
            called.append("second")

        hub.call_at(first, now)
        hub.call_at(second, now)
        aside(time.sleep, 0.05)

    pool.submit(work).result(PATIENCE_SECONDS)
    assert called == ["first"]


def test_fibers_that_cannot_be_made_hang_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without descriptors left no loop can be made: whoever asked is told."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("archiver.fibers.hub.os.pipe2", refuse)
    pool = make_pool()

    with pytest.raises(OSError, match="Too many open files"):
        pool.submit(int).result(PATIENCE_SECONDS)


def test_a_bug_in_the_loop_ends_what_waits_too() -> None:
    """What is queued gets the error as well, though some of it was cancelled."""
    pool, began = make_pool(1), threading.Event()

    def bug() -> None:
        raise RuntimeError("a bug of the loop")

    def work() -> None:
        began.set()
        hub = current_hub()
        assert hub is not None
        hub.call_at(bug, time.monotonic() + 0.2)
        aside(time.sleep, 1)

    futures = [pool.submit(work) for _ in range(3)]
    assert began.wait(PATIENCE_SECONDS)
    assert futures[1].cancel()

    for future in (futures[0], futures[2]):
        with pytest.raises(RuntimeError, match="a bug of the loop"):
            future.result(PATIENCE_SECONDS)


def test_a_batch_that_dies_is_no_success(pool: FiberPool) -> None:
    """Whatever ends a helper, nobody may take it for a file that is safe."""

    def work(_: Sequence[int]) -> list[int | Exception]:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        pool.submit(gathered, "disk", work, 1).result(PATIENCE_SECONDS)
