"""What clients asked for, and whether a credential reached a host that must not see it."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Record:
    """One request as it was answered.

    `credentials` names the providers whose key stood anywhere in the request's head
    ("unknown" for an Authorization or x-api-key header with another value).
    `status` is 0 when the connection was reset before an answer.
    """

    host: str
    method: str
    path: str
    status: int
    credentials: tuple[str, ...] = ()
    fault: str | None = None

    @property
    def is_leak(self) -> bool:
        """Say whether a key came to a host that is not its own provider's."""
        return any(name != self.host for name in self.credentials if name != "unknown") or (
            self.host == "media" and bool(self.credentials)
        )


class RequestLog:
    """The newest `limit` requests, and exact counts of all. Safe to read while servers write."""

    def __init__(self, limit: int = 100_000) -> None:
        """Start empty."""
        self._lock = threading.Lock()
        self._records: deque[Record] = deque(maxlen=limit)
        self._counts: Counter[tuple[str, str, int]] = Counter()
        self._leaks: deque[Record] = deque(maxlen=limit)

    def append(self, record: Record) -> None:
        """Keep one record."""
        with self._lock:
            self._records.append(record)
            self._counts[record.host, record.method, record.status] += 1
            if record.is_leak:
                self._leaks.append(record)

    def __iter__(self) -> Iterator[Record]:
        """Iterate over a copy of the newest records, oldest first."""
        with self._lock:
            return iter(list(self._records))

    def __len__(self) -> int:
        """Count all requests ever made, also those no longer kept."""
        return self.count()

    def count(
        self, host: str | None = None, method: str | None = None, status: int | None = None
    ) -> int:
        """Count all requests by host ("media" or a provider), method and status."""
        wanted = (host, method, status)
        with self._lock:
            return sum(
                count
                for have, count in self._counts.items()
                if all(want in (None, part) for want, part in zip(wanted, have, strict=True))
            )

    def count_path(self, path: str, host: str | None = None) -> int:
        """Count the kept requests of one path."""
        return sum(each.path == path and host in (None, each.host) for each in self)

    def leaks(self) -> list[Record]:
        """Return every request that carried a key to a host that must not see it."""
        with self._lock:
            return list(self._leaks)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._records.clear()
            self._counts.clear()
            self._leaks.clear()
