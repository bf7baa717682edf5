"""An account asks no faster than it may; a used-up hour is told, not waited for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.errors import RateLimited
from archiver.providers.pace import (
    DAY_SECONDS,
    FEWEST_KEPT,
    HOUR_SECONDS,
    MINUTE_SECONDS,
    Pace,
)


class Clock:
    """Time that moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.slept: list[float] = []

    def read(self) -> float:
        """Tell the time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        assert seconds > 0
        self.slept.append(seconds)
        self.now += seconds


def make_pace(clock: Clock, per_minute: int = 0, per_hour: int = 0, **options: object) -> Pace:
    """Make a pace over a fake clock."""
    return Pace(per_minute, per_hour, clock=clock.read, sleep=clock.sleep, **options)  # type: ignore[arg-type]


def test_zero_means_no_limit() -> None:
    """Without limits nobody waits."""
    clock = Clock()
    pace = make_pace(clock)

    for _ in range(1000):
        pace.wait()

    assert clock.slept == []


def test_the_minute_is_waited_for() -> None:
    """The first request over the budget waits until the oldest is a minute old."""
    clock = Clock()
    pace = make_pace(clock, per_minute=3)

    for _ in range(4):
        pace.wait()

    assert clock.slept == [MINUTE_SECONDS]


@given(gaps=st.lists(st.floats(0, 90), max_size=40), limit=st.integers(1, 5))
def test_no_minute_holds_more_than_its_budget(gaps: list[float], limit: int) -> None:
    """In any sixty seconds at most `per_minute` requests are made."""
    clock = Clock()
    pace = make_pace(clock, per_minute=limit)
    made = []
    for gap in gaps:
        clock.now += gap
        pace.wait()
        made.append(clock.now)

    for first, last in zip(made, made[limit:], strict=False):
        assert last - first >= MINUTE_SECONDS - 1e-3


def test_the_hour_is_told() -> None:
    """A used-up hour raises, with the time to come back, and sleeps not at all."""
    clock = Clock()
    pace = make_pace(clock, per_hour=2)
    pace.wait()
    clock.now += 600
    pace.wait()

    with pytest.raises(RateLimited) as caught:
        pace.wait()

    assert caught.value.retry_after_seconds == HOUR_SECONDS - 600
    assert clock.slept == []
    clock.now += HOUR_SECONDS - 600
    pace.wait()


def test_the_budget_outlives_the_run() -> None:
    """What an earlier run spent counts in the next one."""
    clock = Clock()
    first = make_pace(clock, per_hour=2)
    first.wait()
    first.wait()

    with pytest.raises(RateLimited):
        make_pace(clock, per_hour=2, spent_at=first.spent()).wait()


def test_spent_forgets_what_is_an_hour_old() -> None:
    """The list handed to the next run does not grow for ever."""
    clock = Clock()
    pace = make_pace(clock)
    pace.wait()
    clock.now += HOUR_SECONDS

    assert pace.spent() == ()


def test_the_day_is_told_and_outlives_the_run() -> None:
    """A used-up day counts over restarts, until the oldest request is a day old."""
    clock = Clock()
    first = make_pace(clock, per_hour=2, per_day=3)
    for _ in range(3):
        first.wait()
        clock.now += HOUR_SECONDS

    second = make_pace(clock, per_hour=2, per_day=3, spent_at=first.spent())
    with pytest.raises(RateLimited) as caught:
        second.wait()

    assert DAY_SECONDS - 3 * HOUR_SECONDS == caught.value.retry_after_seconds
    clock.now += DAY_SECONDS - 3 * HOUR_SECONDS
    second.wait()


@pytest.mark.parametrize(
    ("per_hour", "per_day", "expected"), [(0, 0, 0), (100, 0, 100), (100, 1000, 41), (0, 10, 1)]
)
def test_the_budget_of_an_hour_in_the_long_run(per_hour: int, per_day: int, expected: int) -> None:
    """A forecast reckons with the tighter of both."""
    assert expected == make_pace(Clock(), per_hour=per_hour, per_day=per_day).per_hour


def test_memory_is_bounded_without_limits() -> None:
    """An account that asks as fast as it can remembers no more than is of use."""
    clock = Clock()
    pace = make_pace(clock)

    for _ in range(FEWEST_KEPT + 100):
        pace.wait()

    assert FEWEST_KEPT == len(pace.spent())


def test_a_pause_holds_the_account_back() -> None:
    """After a 429 no thread of the account asks before its time."""
    clock = Clock()
    pace = make_pace(clock)
    pace.pause(20)
    pace.pause(5)
    pace.pause(None)

    pace.wait()

    assert clock.slept == [20]


def test_a_long_pause_is_told() -> None:
    """A pause beyond a minute would hang a run: it raises instead."""
    clock = Clock()
    pace = make_pace(clock)
    pace.pause(10**9)

    with pytest.raises(RateLimited) as caught:
        pace.wait()

    assert caught.value.retry_after_seconds == DAY_SECONDS


def test_a_clock_that_was_set_back_does_not_lock_an_account() -> None:
    """Requests that seem to lie in the future count as made now, not for hours to come."""
    clock = Clock()
    pace = make_pace(clock, per_minute=1)
    pace.wait()
    clock.now -= 5 * HOUR_SECONDS

    pace.wait()

    assert clock.slept == [MINUTE_SECONDS]


def test_a_pause_outlasts_no_clock() -> None:
    """A clock that was set back while an account paused does not make the pause longer."""
    clock = Clock()
    pace = make_pace(clock)
    pace.pause(20)
    clock.now -= 5 * HOUR_SECONDS

    pace.wait()

    assert [20] == clock.slept


def test_no_clock_makes_the_pause_of_an_earlier_run_longer_than_a_day() -> None:
    """A restart with a clock that was set back years does not lock an account."""
    clock = Clock()
    pace = make_pace(clock, paused_until=clock.now + 10**9)

    with pytest.raises(RateLimited) as caught:
        pace.wait()

    assert DAY_SECONDS == caught.value.retry_after_seconds


def test_a_budget_can_be_set_anew() -> None:
    """What was spent before counts against the new limits."""
    clock = Clock()
    pace = make_pace(clock)
    pace.wait()

    pace.limit(1, 0)
    pace.wait()

    assert clock.slept == [MINUTE_SECONDS]


def test_half_of_a_budget_is_spare() -> None:
    """Of each span; the other half stays for whoever else asks. Without a limit there is no end."""
    clock = Clock()
    pace = Pace(10, 100, clock=clock.read, sleep=clock.sleep)
    assert 5 == pace.spare()
    for _ in range(4):
        pace.wait()
    assert 1 == pace.spare()
    for _ in range(4):
        pace.wait()
    assert 0 == pace.spare()
    clock.now += MINUTE_SECONDS
    assert 5 == pace.spare()

    assert 1 == Pace(1, 0).spare()
    assert Pace(0, 0).spare() is None


def test_nothing_is_spare_while_a_provider_wants_a_pause() -> None:
    """Also of an account without a limit."""
    clock = Clock()
    pace = Pace(0, 0, clock=clock.read, sleep=clock.sleep)
    pace.pause(5)
    assert 0 == pace.spare()
    clock.now += 6
    assert pace.spare() is None
