"""How fast one account may ask: a budget of requests per minute, per hour and per day.

The minute is waited for; hour and day are not (a run would hang): when one is used up,
RateLimited says when to come back, and the account goes on in a later run.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable

from archiver.errors import RateLimited

MINUTE_SECONDS = 60.0
HOUR_SECONDS = 3600.0
DAY_SECONDS = 24 * HOUR_SECONDS
FEWEST_KEPT = 1000
"""So many requests are remembered without a limit that needs more; memory stays bounded."""


class Pace:
    """A sliding window over the times of past requests; zero means no limit.

    `spent_at` are the Unix times of requests made by earlier runs, so that a budget per hour
    or day also holds for a program that is started every few minutes; `paused_until` is the end
    of a pause that a provider asked of an earlier run. Thread-safe.
    """

    def __init__(
        self,
        per_minute: int,
        per_hour: int,
        spent_at: Iterable[float] = (),
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        paused_until: float = 0.0,
        per_day: int = 0,
    ) -> None:
        self._limits = _limits(per_minute, per_hour, per_day)
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._times = deque(sorted(spent_at))
        self._paused_until = paused_until
        self._pause_seconds = min(max(0.0, paused_until - clock()), DAY_SECONDS)

    @property
    def paused_until(self) -> float:
        """The Unix time until which the provider wants no more requests; often long past."""
        with self._lock:
            return self._paused_until

    @property
    def per_hour(self) -> int:
        """The budget of an hour, in the long run; 0 means no limit."""
        rates = [
            limit * HOUR_SECONDS / span for span, limit in self._limits if span > MINUTE_SECONDS
        ]
        return max(1, int(min(rates))) if rates else 0

    def spare(self) -> int | None:
        """How many requests may be made at once while half of each budget stays for others.

        None means any number: there is no limit.
        """
        with self._lock:
            now = self._clock()
            self._forget(now)
            if self._paused_until > now:
                return 0
            left = [
                limit - limit // 2 - sum(at > now - span for at in self._times)
                for span, limit in self._limits
            ]
        return max(0, min(left)) if left else None

    def limit(self, per_minute: int, per_hour: int, per_day: int = 0) -> None:
        """Set the budget anew."""
        with self._lock:
            self._limits = _limits(per_minute, per_hour, per_day)

    def wait(self) -> None:
        """Return when one more request may be made, and count it."""
        while (seconds := self._claim()) > 0:
            self._sleep(seconds)

    def pause(self, seconds: float | None) -> None:
        """Hold the whole account back: the provider said 429 with this Retry-After."""
        with self._lock:
            wait = min(seconds or 0.0, DAY_SECONDS)
            self._paused_until = max(self._paused_until, self._clock() + wait)
            self._pause_seconds = max(self._pause_seconds, wait)

    def spent(self) -> tuple[float, ...]:
        """The Unix times of the requests that still count, to be given to the next run."""
        with self._lock:
            self._forget(self._clock())
            return tuple(self._times)

    def _claim(self) -> float:
        """Count one request and return 0, or return the seconds to wait for the next try."""
        with self._lock:
            now = self._clock()
            self._forget(now)
            self._paused_until = min(self._paused_until, now + self._pause_seconds)
            wait = self._seconds_until_free(now)
            if wait > MINUTE_SECONDS:
                raise RateLimited(
                    f"the request budget is used up for {wait / 60:.0f} more minutes",
                    retry_after_seconds=wait,
                )
            if wait <= 0:
                self._times.append(now)
            return wait

    def _seconds_until_free(self, now: float) -> float:
        waits = [self._paused_until - now]
        for span, limit in self._limits:
            if len(self._times) >= limit:
                waits.append(self._times[-limit] + span - now)
        return max(0.0, *waits)

    def _forget(self, now: float) -> None:
        if self._times and self._times[-1] > now:  # the clock was set back
            self._times = deque(min(at, now) for at in self._times)
        span = max([HOUR_SECONDS, *(span for span, _ in self._limits)])
        most = max([FEWEST_KEPT, *(limit for _, limit in self._limits)])
        while self._times and (self._times[0] <= now - span or len(self._times) > most):
            self._times.popleft()


def _limits(per_minute: int, per_hour: int, per_day: int) -> tuple[tuple[float, int], ...]:
    """Pair each span with its limit; without those that have none."""
    limits = ((MINUTE_SECONDS, per_minute), (HOUR_SECONDS, per_hour), (DAY_SECONDS, per_day))
    return tuple((span, limit) for span, limit in limits if limit)
