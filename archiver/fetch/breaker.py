"""Lets a media host that fails again and again rest, without touching the others.

A storm of 5xx answers would otherwise cost every file its full round of retries. After
`FAILURES` in a row from one host, its transfers fail at once for a while that doubles; one
transfer then tries again, and its success closes the breaker.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from archiver.errors import MediaUnavailable

FAILURES = 5
FIRST_REST_SECONDS = 15.0
LONGEST_REST_SECONDS = 600.0


@dataclass(slots=True)
class _Health:
    failures: int = 0
    rest_seconds: float = FIRST_REST_SECONDS
    closed_at: float = 0.0


class Breakers:
    """One breaker a host. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._hosts: dict[str, _Health] = {}

    def check(self, host: str) -> None:
        """Raise MediaUnavailable while the host is resting."""
        with self._lock:
            health = self._hosts.get(host)
            left_seconds = 0.0 if health is None else health.closed_at - self._clock()
        if left_seconds > 0:
            raise MediaUnavailable(
                f"{host} failed {FAILURES} times in a row and is left alone for a while",
                retry_after_seconds=left_seconds,
            )

    def failed(self, host: str) -> None:
        """Count a failure of the host."""
        with self._lock:
            health = self._hosts.setdefault(host, _Health())
            health.failures += 1
            if health.failures >= FAILURES and health.closed_at <= self._clock():
                health.closed_at = self._clock() + health.rest_seconds
                health.rest_seconds = min(health.rest_seconds * 2, LONGEST_REST_SECONDS)

    def worked(self, host: str) -> None:
        """Forget the host's failures."""
        with self._lock:
            self._hosts.pop(host, None)
