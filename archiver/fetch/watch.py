"""Ends transfers that stall or trickle, without blaming the host for a slow destination."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

WINDOW_SECONDS = 60.0
MIN_BYTES_PER_SECOND = 512


class SpeedWatch:
    """libcurl's progress hook: so many bytes a second at least, over each minute of waiting.

    When `stopping` is set, the transfer ends at once.
    """

    def __init__(
        self,
        stopping: threading.Event,
        clock: Callable[[], float] = time.monotonic,
        *,
        min_bytes_per_second: int = MIN_BYTES_PER_SECOND,
    ) -> None:
        self._stopping = stopping
        self._clock = clock
        self._min_bytes_per_second = min_bytes_per_second
        self._window_started_at = clock()
        self._window_started_bytes = 0
        self._is_paused = False

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stop the clock while our own side is at work."""
        before, self._is_paused = self._clock(), True
        try:
            yield
        finally:
            self._is_paused = False
            self._window_started_at += self._clock() - before

    def tick(self, _total: int, received_bytes: int, _upload: int, _uploaded: int) -> int:
        """Return 0 to go on, 1 to abort (libcurl's CURLOPT_XFERINFOFUNCTION)."""
        if self._stopping.is_set():
            return 1
        if self._is_paused:
            return 0
        waited_seconds = self._clock() - self._window_started_at
        if waited_seconds < WINDOW_SECONDS:
            return 0
        came_bytes = received_bytes - self._window_started_bytes
        if came_bytes < self._min_bytes_per_second * waited_seconds:
            return 1
        self._window_started_at, self._window_started_bytes = self._clock(), received_bytes
        return 0
