"""Lets a media host that fails again and again rest, without touching the others.

A storm of 5xx answers would otherwise cost every file its full round of retries. After
`FAILURES` in a row from one host, its transfers fail at once for a while that doubles; one
transfer then tries again while the others wait for its word, and its success closes the breaker.
The host that counts is the one that failed, not the one whose link led there.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from archiver.errors import MediaUnavailable

FAILURES = 5
FIRST_REST_SECONDS = 15.0
LONGEST_REST_SECONDS = 600.0


@dataclass(slots=True)
class _Health:
    failures: int = 0
    rest_seconds: float = FIRST_REST_SECONDS
    rests_until: float = 0.0
    is_tried: bool = False


class Breakers:
    """One breaker a host. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._hosts: dict[str, _Health] = {}

    def refusal(self, host: str) -> MediaUnavailable | None:
        """Return the error to raise while the host is resting; None lets a transfer pass."""
        with self._lock:
            health = self._hosts.get(host)
            if health is None or health.failures < FAILURES:
                return None
            left_seconds = health.rests_until - self._clock()
            if left_seconds <= 0:
                health.is_tried = True
                health.rests_until = self._clock() + FIRST_REST_SECONDS
                return None
        return MediaUnavailable(
            f"{host} failed {FAILURES} times in a row and is left alone for a while",
            retry_after_seconds=left_seconds,
        )

    def failed(self, host: str) -> None:
        """Count a failure of the host. What began before its rest makes that no longer."""
        with self._lock:
            health = self._hosts.setdefault(host, _Health())
            health.failures += 1
            if health.failures == FAILURES or health.is_tried:
                health.is_tried = False
                health.rests_until = self._clock() + health.rest_seconds
                health.rest_seconds = min(health.rest_seconds * 2, LONGEST_REST_SECONDS)

    def worked(self, hosts: Iterable[str]) -> None:
        """Forget the failures of the hosts that led to an answer."""
        with self._lock:
            for host in hosts:
                self._hosts.pop(host, None)
