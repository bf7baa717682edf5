"""When a transfer is too slow to be waited for."""

from __future__ import annotations

import threading

import pytest

from archiver.fetch.watch import MIN_BYTES_PER_SECOND, WINDOW_SECONDS, SpeedWatch


class Clock:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


def went_on(watch: SpeedWatch, received_bytes: int) -> bool:
    """Report progress as libcurl does; tell whether the transfer may go on."""
    return watch.tick(0, received_bytes, 0, 0) == 0


def test_silence_is_borne_for_a_minute() -> None:
    """A host may think for a while, and not for longer."""
    clock = Clock()
    watch = SpeedWatch(threading.Event(), clock)

    clock.now += WINDOW_SECONDS - 1
    assert went_on(watch, 0)
    clock.now += 1
    assert not went_on(watch, 0)


@pytest.mark.parametrize(("missing", "expected"), [(0, True), (1, False)])
def test_a_trickle_ends(missing: int, expected: bool) -> None:
    """Over each minute 512 bytes a second must come: a byte now and then keeps nothing open."""
    clock = Clock()
    watch = SpeedWatch(threading.Event(), clock)

    clock.now += WINDOW_SECONDS

    assert went_on(watch, int(MIN_BYTES_PER_SECOND * WINDOW_SECONDS) - missing) is expected


def test_a_fast_start_does_not_pay_for_a_slow_end() -> None:
    """Each minute counts for itself."""
    clock = Clock()
    watch = SpeedWatch(threading.Event(), clock)

    clock.now += WINDOW_SECONDS
    assert went_on(watch, 10**9)
    clock.now += WINDOW_SECONDS
    assert not went_on(watch, 10**9 + 1)


def test_our_own_time_does_not_count() -> None:
    """While a slow destination takes a chunk, the host is not blamed."""
    clock = Clock()
    watch = SpeedWatch(threading.Event(), clock)

    with watch.paused():
        clock.now += 10 * WINDOW_SECONDS
    assert went_on(watch, 1)
    clock.now += WINDOW_SECONDS
    assert not went_on(watch, 1)


def test_our_own_time_does_not_count_when_it_ends_badly() -> None:
    """An error inside the pause takes the pause along."""
    clock = Clock()
    watch = SpeedWatch(threading.Event(), clock)

    with pytest.raises(OSError, match="full"), watch.paused():
        clock.now += 10 * WINDOW_SECONDS
        raise OSError("full")

    assert went_on(watch, 1)


def test_a_stop_ends_the_fastest_transfer() -> None:
    """The event is looked at at every tick."""
    stopping = threading.Event()
    watch = SpeedWatch(stopping, Clock())
    assert went_on(watch, 10**9)

    stopping.set()

    assert not went_on(watch, 10**9)


def test_a_limit_of_our_own_is_not_held_against_the_host() -> None:
    """Where the bandwidth is set below the floor, the floor is lower too."""
    clock = Clock()
    watch = SpeedWatch(threading.Event(), clock, min_bytes_per_second=50)

    clock.now += WINDOW_SECONDS

    assert went_on(watch, int(50 * WINDOW_SECONDS))
