"""Many transfers in the loop of one thread: each goes its own way."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from archiver.errors import MediaUnavailable
from archiver.fetch.engine import RECEIVE_BYTES, Limits, MediaEngine
from archiver.fetch.loop import HELD_BYTES
from archiver.fibers import aside
from archiver.fibers.hub import Hub
from archiver.fibers.pool import FiberPool
from archiver.model import Link
from tests.fetch.conftest import MakeHost
from tests.fetch.hosts import Patience, Request, Taker, always, head, whole

SMALL = b"small" * 100
BIG = bytes(64 << 20)
PATIENCE_SECONDS = 20


@pytest.fixture
def engine() -> MediaEngine:
    """An engine that may speak to loopback."""
    return MediaEngine(Limits(allow_private_hosts=True, per_host=16), Patience())


class Slow(Taker):
    """A receiver that takes its time, as a store does, once it was told what for."""

    def __init__(self, may_go_on: threading.Event) -> None:
        super().__init__(keeps=False)
        self._may_go_on = may_go_on
        self.has_begun = threading.Event()

    def write(self, chunk: bytes) -> None:
        """Wait with the first bytes in hand."""
        self.has_begun.set()
        aside(self._may_go_on.wait, PATIENCE_SECONDS)
        super().write(chunk)


def test_a_slow_receiver_holds_back_its_own_transfer_only(
    make_host: MakeHost, fibers: FiberPool, engine: MediaEngine
) -> None:
    """The host is read no further than a bound, and the others come meanwhile."""
    sent_bytes = 0

    def big(_: Request) -> Iterator[bytes]:
        nonlocal sent_bytes
        yield head(content_length=len(BIG))
        for start in range(0, len(BIG), 64 << 10):
            yield BIG[start : start + (64 << 10)]
            sent_bytes = start + (64 << 10)

    slow_host, host = make_host(big), make_host(always(*whole(SMALL)))
    may_go_on = threading.Event()
    slow = Slow(may_go_on)
    late = fibers.submit(engine.fetch, Link(url=slow_host.url()), slow)
    assert slow.has_begun.wait(PATIENCE_SECONDS)

    quick = [fibers.submit(engine.fetch, Link(url=host.url()), Taker()) for _ in range(50)]
    assert {one.result(PATIENCE_SECONDS).size_bytes for one in quick} == {len(SMALL)}
    time.sleep(0.3)
    in_the_sockets = 16 << 20
    assert sent_bytes < HELD_BYTES + RECEIVE_BYTES + in_the_sockets < len(BIG)
    assert not late.done()

    may_go_on.set()
    assert late.result(PATIENCE_SECONDS).size_bytes == len(BIG) == slow.size_bytes


def test_the_fibers_of_a_thread_share_their_connections(
    make_host: MakeHost, fibers: FiberPool, engine: MediaEngine
) -> None:
    """One after the other they need one, whichever of them comes."""
    host = make_host(always(*whole(SMALL)))
    for _ in range(20):
        fibers.submit(engine.fetch, Link(url=host.url()), Taker()).result(PATIENCE_SECONDS)

    assert (len(host.requests), host.connections) == (20, 1)


def test_a_stalled_host_is_given_up_beside_the_others(
    make_host: MakeHost, fibers: FiberPool, engine: MediaEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Silence ends one transfer after its time, and nothing else."""
    monkeypatch.setattr("archiver.fetch.watch.WINDOW_SECONDS", 0.5)
    stalled = make_host(always(head(content_length=len(SMALL)), SMALL[:10]))
    host = make_host(always(*whole(SMALL)))

    silent = fibers.submit(engine.fetch, Link(url=stalled.url()), Taker())
    while not silent.done():
        other = fibers.submit(engine.fetch, Link(url=host.url()), Taker())
        assert other.result(PATIENCE_SECONDS).size_bytes == len(SMALL)

    with pytest.raises(MediaUnavailable, match="stopped sending"):
        silent.result(0)


def test_a_hundred_hosts_at_once(make_host: MakeHost, fibers: FiberPool) -> None:
    """Each file goes to whoever asked for it."""
    engine = MediaEngine(Limits(allow_private_hosts=True, concurrency=32), Patience())
    bodies = [f"file {number}".encode() * 1000 for number in range(100)]
    takers = [Taker() for _ in bodies]
    hosts = [make_host(always(*whole(body))) for body in bodies]
    futures = [
        fibers.submit(engine.fetch, Link(url=host.url()), taker)
        for host, taker in zip(hosts, takers, strict=True)
    ]

    for future in futures:
        future.result(PATIENCE_SECONDS)
    assert [bytes(taker.body) for taker in takers] == bodies


class Refusing(Taker):
    """A receiver that does not want what comes."""

    def write(self, chunk: bytes) -> None:
        """Refuse the first bytes."""
        raise ValueError("no more")


def test_a_refusal_while_its_transfer_pauses_ends_only_that(
    make_host: MakeHost, fibers: FiberPool
) -> None:
    """Nobody wakes it later: its handle is another transfer's by then, or nobody's."""
    engine = MediaEngine(Limits(allow_private_hosts=True, bytes_per_second=1 << 20), Patience())
    big, small = make_host(always(*whole(BIG))), make_host(always(*whole(SMALL)))
    refused = fibers.submit(engine.fetch, Link(url=big.url()), Refusing())

    with pytest.raises(ValueError, match="no more"):
        refused.result(PATIENCE_SECONDS)
    time.sleep(0.5)  # its pause would have been over by now

    taken = fibers.submit(engine.fetch, Link(url=small.url()), Taker())
    assert taken.result(PATIENCE_SECONDS).size_bytes == len(SMALL)


def test_a_loop_that_fails_begins_anew(
    make_host: MakeHost, fibers: FiberPool, engine: MediaEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A system that refuses to watch one socket costs an attempt of those under way, no more."""
    host, watch, calls = make_host(always(*whole(SMALL))), Hub.watch, count(1)

    def refuse_once(hub: Hub, descriptor: int, events: int, callback: Any) -> None:
        if events and next(calls) == 6:  # others are watched by then
            raise OSError(errno.ENOSPC, "No space left on device")
        watch(hub, descriptor, events, callback)

    monkeypatch.setattr(Hub, "watch", refuse_once)
    futures = [fibers.submit(engine.fetch, Link(url=host.url()), Taker()) for _ in range(8)]

    assert {one.result(PATIENCE_SECONDS).size_bytes for one in futures} == {len(SMALL)}
    assert next(calls) > 6
