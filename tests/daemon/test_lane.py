from __future__ import annotations

import threading
from queue import Queue

from archiver.daemon.lane import Lane


def test_what_is_asked_for_while_a_lane_works_is_done_together_and_once() -> None:
    """No job piles up behind a slow one."""
    begun, may_end, done = threading.Event(), threading.Event(), Queue[frozenset[str]]()

    def work(names: frozenset[str]) -> None:
        begun.set()
        may_end.wait(10)
        done.put(names)

    lane = Lane("test", work)
    lane.start()
    lane.ask("first")
    assert begun.wait(10)
    for _ in range(3):
        lane.ask("second", "third")
    may_end.set()

    assert [{"first"}, {"second", "third"}] == [done.get(timeout=10), done.get(timeout=10)]
    lane.end()
    assert lane.has_ended(10)
    assert done.empty()


def test_a_bug_in_one_piece_of_work_does_not_end_the_lane() -> None:
    """The next piece is done as if nothing had been."""
    begun, done = threading.Event(), Queue[frozenset[str]]()

    def work(names: frozenset[str]) -> None:
        begun.set()
        if "bug" in names:
            raise RuntimeError("a bug")
        done.put(names)

    lane = Lane("test", work)
    lane.start()
    lane.ask("bug")
    assert begun.wait(10)
    lane.ask("next")

    assert {"next"} == done.get(timeout=10)
    lane.end()
    assert lane.has_ended(10)


def test_a_lane_that_was_told_to_end_begins_nothing_more() -> None:
    """What is under way may end; what was asked for is left."""
    begun, may_end, done = threading.Event(), threading.Event(), Queue[frozenset[str]]()

    def work(names: frozenset[str]) -> None:
        begun.set()
        may_end.wait(10)
        done.put(names)

    lane = Lane("test", work)
    lane.start()
    lane.ask("first")
    assert begun.wait(10)
    lane.ask("second")
    lane.end()
    assert not lane.has_ended(0.1)
    may_end.set()

    assert lane.has_ended(10)
    assert [frozenset({"first"})] == [done.get(timeout=1)]
    assert done.empty()


def test_an_idle_lane_shows_life() -> None:
    """The watchdog of a daemon that has nothing to do is fed all the same."""
    alive = threading.Event()
    lane = Lane("test", lambda _names: None, alive.set)
    lane.start()

    assert alive.wait(10)
    lane.end()
    assert lane.has_ended(10)
