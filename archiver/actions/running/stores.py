"""Watches the destinations of one run: which are out, and which hold the others up (promise 5)."""

from __future__ import annotations

from collections.abc import Callable

from archiver.actions.archive import Archive
from archiver.actions.running.summary import EXIT_INCOMPLETE, RunSummary
from archiver.errors import DestinationError
from archiver.index import queries
from archiver.storage.breaker import Breaker

MAX_SLOWNESS = 4
"""A destination for which the threads wait so many times longer than for the quickest is slow."""


class Stores:
    """The destinations of an archive, as far as they stand behind a breaker.

    A slow one may hold up all `concurrency` threads for `patience_seconds` together.
    """

    def __init__(
        self, archive: Archive, patience_seconds: float, concurrency: int, summary: RunSummary
    ) -> None:
        self._archive = archive
        self._patience_seconds = patience_seconds
        self._concurrency = concurrency
        self._summary = summary
        self._is_stranded = False

    @property
    def _breakers(self) -> list[Breaker]:
        return [one for one in self._archive.destinations.values() if isinstance(one, Breaker)]

    def are_out(self) -> bool:
        """Tell whether no destination takes files any more; then nothing more is fetched.

        While one does, it gets every file, also when `require` wants another: the deadlines go
        on, and the others are caught up from its copy.
        """
        known = self._breakers
        is_out = len(known) == len(self._archive.destinations) and all(one.is_out for one in known)
        if is_out and not self._is_stranded:
            self._is_stranded = True
            self._summary.add_problem(
                "no destination takes files any more: what is due waits for the next run"
            )
            for account in self._summary.accounts.values():
                account.add_code(EXIT_INCOMPLETE)
        return is_out

    def leave_slow_ones_out(self) -> None:
        """Let no destination hold back the others, and with them the deadlines, without a bound.

        What it lacks is brought when nothing is left that only its provider has.
        """
        used = sorted(
            (one for one in self._breakers if not one.is_out), key=lambda one: one.busy_seconds
        )
        now = self._archive.clock()
        if len(used) < 2 or not queries.is_any_unsecured(self._archive.index, now):
            return
        quickest, bound = used[0], self._patience_seconds * self._concurrency
        for one in used[1:]:
            if one.busy_seconds > max(bound, quickest.busy_seconds * MAX_SLOWNESS):
                one.leave_out(
                    f"it is slower than {quickest.name} and held everything up for "
                    f"{self._patience_seconds:.0f}s; the next run brings what it lacks"
                )

    def tell(self, on_failed: Callable[[str, DestinationError], None]) -> None:
        """Say once for each destination how often it failed, and name those that are out."""
        for one in self._breakers:
            if one.last_error is None:
                continue
            times = "once" if one.failed == 1 else f"{one.failed} times"
            what = f"failed {times}" if one.failed else "was left out"
            self._summary.add_problem(f"{one.name} {what}: {one.last_error}")
            if one.is_out:
                self._summary.destinations_failed[one.name] = str(one.last_error)
                on_failed(one.name, one.last_error)
