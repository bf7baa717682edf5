"""A host that fails again and again rests; all others are asked as ever."""

from __future__ import annotations

import pytest

from archiver.errors import LinkRefused, MediaUnavailable
from archiver.fetch.breaker import FAILURES, FIRST_REST_SECONDS, LONGEST_REST_SECONDS, Breakers
from archiver.fetch.engine import ATTEMPTS, MediaEngine
from archiver.model import Link
from tests.fetch.asking import BODY, make_engine
from tests.fetch.conftest import MakeHost
from tests.fetch.hosts import Taker, always, in_turn, whole


class Clock:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


def fail(engine: MediaEngine, url: str, times: int = FAILURES) -> None:
    """Fetch what cannot be had, so often."""
    for _ in range(times):
        with pytest.raises(MediaUnavailable):
            engine.fetch(Link(url=url), Taker())


def test_5xx_storms_open_a_breaker_for_that_host_only(make_host: MakeHost) -> None:
    """The failing host is left alone; another one on the same machine gives its file."""
    broken, well = make_host(always(*whole(b"", 503))), make_host(always(*whole(BODY)))
    engine = make_engine()

    fail(engine, broken.url())
    with pytest.raises(MediaUnavailable, match="left alone") as refused:
        engine.fetch(Link(url=broken.url("/another.png")), Taker())

    assert len(broken.requests) == FAILURES * ATTEMPTS
    assert 0 < (refused.value.retry_after_seconds or 0) <= FIRST_REST_SECONDS
    assert engine.fetch(Link(url=well.url()), Taker()).size_bytes == len(BODY)


def test_a_host_that_only_led_to_the_failing_one_is_not_blamed(make_host: MakeHost) -> None:
    """A redirector whose one store is down goes on to lead to the other store."""
    broken, well = make_host(always(*whole(b"", 503))), make_host(always(*whole(BODY)))
    leading = make_host(
        lambda request: whole(
            b"", 302, location=(broken if request.path == "/broken" else well).url()
        )
    )
    engine = make_engine()

    fail(engine, leading.url("/broken"), FAILURES + 1)

    assert engine.fetch(Link(url=leading.url("/well")), Taker()).size_bytes == len(BODY)
    assert len(broken.requests) == FAILURES * ATTEMPTS


def test_a_failing_host_rests_by_whatever_way_it_is_reached(make_host: MakeHost) -> None:
    """A redirect to a host that rests opens no connection to it."""
    broken = make_host(always(*whole(b"", 500)))
    leading = make_host(always(*whole(b"", 302, location=broken.url())))
    engine = make_engine()
    fail(engine, broken.url())

    with pytest.raises(MediaUnavailable, match="left alone"):
        engine.fetch(Link(url=leading.url()), Taker())

    assert len(broken.requests) == FAILURES * ATTEMPTS
    assert len(leading.requests) == 1


def test_a_refusal_shows_that_a_host_is_well(make_host: MakeHost) -> None:
    """A 404 between failures is an answer: failures count in a row only."""
    answers = [whole(b"", 503)] * ATTEMPTS * (FAILURES - 1)
    host = make_host(in_turn(*answers, whole(b"", 404), whole(b"", 503)))
    engine = make_engine()
    fail(engine, host.url(), FAILURES - 1)

    with pytest.raises(LinkRefused):
        engine.fetch(Link(url=host.url()), Taker())
    fail(engine, host.url(), FAILURES - 1)

    with pytest.raises(MediaUnavailable, match="503"):
        engine.fetch(Link(url=host.url()), Taker())


def test_one_transfer_tries_again_and_the_others_wait_for_its_word() -> None:
    """When the rest is over one passes; its failure doubles the rest, its success ends it."""
    clock = Clock()
    breakers = Breakers(clock)
    for _ in range(FAILURES):
        breakers.failed("a")

    clock.now = FIRST_REST_SECONDS
    passed = [breakers.refusal("a") is None for _ in range(3)]
    breakers.failed("a")
    clock.now += 2 * FIRST_REST_SECONDS - 1
    still = breakers.refusal("a")
    breakers.worked(["a"])

    assert passed == [True, False, False]
    assert still is not None
    assert breakers.refusal("a") is None


def test_what_began_before_the_rest_makes_it_no_longer() -> None:
    """Sixteen transfers that fail at once are one reason to rest, not twelve."""
    clock = Clock()
    breakers = Breakers(clock)
    for _ in range(16):
        breakers.failed("a")

    refused = breakers.refusal("a")

    assert refused is not None
    assert refused.retry_after_seconds == FIRST_REST_SECONDS


def test_no_rest_is_longer_than_ten_minutes() -> None:
    """However often a host fails, it is tried again in time."""
    clock = Clock()
    breakers = Breakers(clock)
    for _ in range(FAILURES):
        breakers.failed("a")
    for _ in range(10):
        clock.now += LONGEST_REST_SECONDS
        assert breakers.refusal("a") is None
        breakers.failed("a")

    refused = breakers.refusal("a")

    assert refused is not None
    assert refused.retry_after_seconds == LONGEST_REST_SECONDS
