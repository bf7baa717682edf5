"""What a run adds to the counters, gathered in memory and written down now and then (promise 9)."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from archiver.errors import ArchiverError
from archiver.index import Index, counters

if TYPE_CHECKING:
    from archiver.actions.capturing.commit import CaptureReport
    from archiver.fetch.engine import MediaEngine

BUG = "internal_error"
"""The reason of what is none of our errors."""


class Tally:
    """Counts while a run goes on; what was not saved when it was killed is not counted."""

    def __init__(self, index: Index, engine: MediaEngine) -> None:
        self._index = index
        self._engine = engine
        self._counted: Counter[counters.Counter] = Counter()

    def take(self, report: CaptureReport) -> None:
        """Count what one try of a generation did."""
        account = report.account
        self._add(counters.ARCHIVED, account, report.files)
        self._add(counters.DOWNLOADED, account, report.size_bytes)
        self._add(counters.LOST, account, report.lost)
        for reason in report.failed_as:
            self._add(counters.FAILED, account, 1, reason)

    def take_error(self, account: str, error: Exception) -> None:
        """Count what stopped an account."""
        label = error.label if isinstance(error, ArchiverError) else BUG
        self._add(counters.ACCOUNT_ERRORS, account, 1, label)

    def save(self) -> None:
        """Write down what was counted since the last time."""
        self._add(counters.MEDIA_REQUESTS, "", self._engine.count_requests())
        counted, self._counted = self._counted, Counter()
        if counted:
            counters.add(self._index, counted)

    def _add(self, name: str, subject: str, many: int, reason: str = "") -> None:
        if many:
            self._counted[counters.Counter(name, subject, reason)] += many
