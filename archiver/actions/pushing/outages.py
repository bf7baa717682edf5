"""Which accounts cannot be asked just now: each body of a long stream need not find out anew."""

from __future__ import annotations

import threading
from collections import Counter

from archiver.actions.capturing.commit import CaptureReport
from archiver.actions.running.results import MAX_DOWNS
from archiver.errors import CredentialsRejected, ProviderError, ProviderUnavailable, RateLimited


class Outages:
    """Remembers what stands in an account's way for the rest of a command. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._errors: dict[str, ProviderError] = {}
        self._downs: Counter[str] = Counter()

    def check(self, account: str) -> None:
        """Raise what is known to stand in the way of an account."""
        error = self._errors.get(account)
        if error is not None:
            raise error

    def note(self, account: str, error: ProviderError) -> None:
        """Take an error in: a refused key and a spent budget stay, a host that is down may not."""
        with self._lock:
            if isinstance(error, ProviderUnavailable):
                self._downs[account] += 1
            is_lasting = isinstance(error, CredentialsRejected | RateLimited)
            if is_lasting or self._downs[account] >= MAX_DOWNS:
                self._errors[account] = error

    def captured(self, report: CaptureReport) -> None:
        """Take in what a capture met."""
        if report.account_error is not None:
            self.note(report.account, report.account_error)
        elif report.is_provider_down:
            self.note(report.account, ProviderUnavailable(f"{report.reason}; left alone for now"))
        else:
            with self._lock:
                self._downs[report.account] = 0
