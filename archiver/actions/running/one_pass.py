"""The threads of one run, and what is made of their reports.

Listing (a thread an account) and capture (`concurrency` threads) go on at the same time and
meet in the index, which hands out what is due, the earliest deadline first. One account's, one
file's or one destination's trouble is counted and shown, and never stops the others.
"""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from queue import Empty, SimpleQueue
from typing import Any, Protocol

from archiver.actions.archive import Account, Archive
from archiver.actions.capturing.capture import capture
from archiver.actions.capturing.commit import CaptureReport, Tried, record
from archiver.actions.forecast import Forecast
from archiver.actions.listing.links import LiveLinks
from archiver.actions.listing.page import WalkReport
from archiver.actions.listing.walk import WalkOptions, walk
from archiver.actions.parallel import open_pool
from archiver.actions.running.stores import Stores
from archiver.actions.running.summary import EXIT_FAILED, EXIT_INCOMPLETE, EXIT_LOSS, RunSummary
from archiver.actions.running.tally import Tally
from archiver.errors import (
    AnswerInvalid,
    ArchiverError,
    DestinationError,
    Interrupted,
    ProviderUnavailable,
    RateLimited,
)
from archiver.fetch.engine import MediaEngine
from archiver.index import ledger, queries
from archiver.model import State

MAX_DOWNS = 5
"""An API that could not be reached for so many generations in a row is left alone for the run."""
MAX_REFUSED = 200
"""So many generations are tried without the API once its budget is used up."""
POLL_SECONDS = 0.2
SAVE_SECONDS = 5.0
DRAIN_SECONDS = 1.5
"""Whoever was asked to stop gives the threads so long to end; one that hangs is left behind."""


class Observer(Protocol):
    """Is told what happens while it happens: a progress bar, a log. Called from one thread."""

    def listed(self, report: WalkReport) -> None:
        """An account's history was walked."""

    def captured(self, report: CaptureReport) -> None:
        """A generation was tried."""

    def failed(self, account: str, error: Exception) -> None:
        """An account cannot go on in this run."""

    def foreseen(self, forecast: Forecast) -> None:
        """Something will be lost unless something changes."""

    def destination_failed(self, name: str, error: DestinationError) -> None:
        """A destination is left out of this run, or of the rest of it."""

    def finished(self, summary: RunSummary) -> None:
        """The run came to its end, and the books are closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How one run is made. `limit` bounds the generations that are captured.

    `retries_now` does not wait for the next try of what failed; `every` is each account's poll
    interval, for the forecast. A slow destination may hold up the others for `patience_seconds`.
    `may_go_on` is asked several times a second, to the end; while it says no nothing new is begun,
    and the pass ends with what is in flight.
    """

    walk: WalkOptions
    concurrency: int
    limit: int | None = None
    retries_now: bool = False
    patience_seconds: float = 60.0
    every: Mapping[str, timedelta] = field(default_factory=dict)
    may_go_on: Callable[[], bool] = lambda: True


class OnePass:
    """The threads of one run and what they report; only the calling thread touches the rest."""

    def __init__(
        self,
        archive: Archive,
        accounts: Mapping[str, Account],
        engine: MediaEngine,
        options: RunOptions,
        observer: Observer,
        summary: RunSummary,
    ) -> None:
        self._archive = archive
        self._all = accounts
        self._accounts = dict(accounts)
        self._engine = engine
        self._options = options
        self._observer = observer
        self._summary = summary
        self._links = LiveLinks()
        self._walks: dict[Future[WalkReport], str] = {}
        self._captures: dict[Future[Tried], tuple[int, str]] = {}
        self._ended: SimpleQueue[Future[Any]] = SimpleQueue()
        self._downs: Counter[str] = Counter()
        self._refused: dict[str, set[int]] = {}
        self._left = options.limit
        self._stores = Stores(archive, options.patience_seconds, options.concurrency, summary)
        self._tally = Tally(archive.index, engine)
        self._saved_at = time.monotonic()
        self._is_cut = False

    def go(self) -> None:
        """List and capture until nothing is due."""
        walkers = open_pool(max(1, len(self._accounts)), "walk")
        workers = open_pool(self._options.concurrency, "capture")
        patience_seconds: float | None = DRAIN_SECONDS
        try:
            self._list(walkers)
            while self._go_on(walkers, workers) or self._walks or self._captures:
                self._collect()
            self._note_cut()
        except Interrupted:
            raise
        except Exception:
            patience_seconds = None
            raise
        finally:
            for pool in (walkers, workers):
                pool.shutdown(wait=False, cancel_futures=True)
            # `wait` would wait for ever for those that were cancelled before they began.
            wait([one for one in self._running if not one.cancelled()], patience_seconds)
            self._save()
        self._stores.tell(self._observer.destination_failed)

    @property
    def _running(self) -> list[Future[Any]]:
        return [*self._walks, *self._captures]

    def _save(self) -> None:
        """Remember what each account has spent of its request budget: a kill must not refund it.

        Likewise what was counted, and that the run goes on.
        """
        self._saved_at = time.monotonic()
        self._tally.save()
        ledger.show_life(self._archive.index, self._summary.run_id, self._archive.clock())
        for name, account in self._all.items():
            spent_at, paused_until = account.pace.spent(), account.pace.paused_until
            provider = account.provider.name
            ledger.save_budget(self._archive.index, name, provider, spent_at, paused_until)

    def _list(self, walkers: ThreadPoolExecutor) -> None:
        """Walk the accounts that are not just being walked."""
        for name in self._accounts.keys() - self._walks.values():
            future = walkers.submit(
                walk, self._archive, self._accounts[name], self._options.walk, self._links
            )
            self._walks[future] = name
            future.add_done_callback(self._ended.put)

    def _go_on(self, walkers: ThreadPoolExecutor, workers: ThreadPoolExecutor) -> int:
        """Begin what may be begun; returns how many captures that was.

        Where something slow was still in flight when a cut pass may go on, it begins anew with
        all accounts: they must not wait for it.
        """
        was_cut, self._is_cut = self._is_cut, not self._options.may_go_on()
        if self._is_cut or self._stores.are_out():
            for future in self._captures:
                future.cancel()
            return 0
        if was_cut:
            self._list(walkers)
        return self._submit(workers)

    def _submit(self, workers: ThreadPoolExecutor) -> int:
        """Keep the workers fed with what is most urgent; returns how many were added.

        With a limit that is known only when every account is listed.
        """
        room = self._options.concurrency * 2 - len(self._captures)
        if self._left is not None:
            room = 0 if self._walks else min(room, self._left)
        if room <= self._options.concurrency // 2 and self._captures:
            return 0
        claimed = {number for number, _ in self._captures.values()}.union(*self._refused.values())
        free = self._free_slots()
        accounts = [name for name, slots in free.items() if slots > 0]
        added = 0
        for number, name in queries.due(
            self._archive.index, accounts, self._archive.clock(), claimed, max(0, room)
        ):
            if free[name] <= 0:
                continue
            free[name] -= 1
            added += 1
            account = self._accounts[name]
            future = workers.submit(
                capture, self._archive, account, self._engine, self._links, number
            )
            self._captures[future] = (number, name)
            future.add_done_callback(self._ended.put)
        self._left = None if self._left is None else self._left - added
        return added

    def _note_cut(self) -> None:
        """Name the accounts that were not through when the pass was told to end."""
        for name in self._accounts if self._is_cut else ():
            left = queries.due(self._archive.index, [name], self._archive.clock(), set(), 1)
            self._summary.accounts[name].is_cut |= bool(list(left))

    def _free_slots(self) -> dict[str, int]:
        """How many more captures each account may have: a slow API must not hold all workers."""
        bound = self._options.concurrency * 2
        if len(self._accounts) > 1:
            bound = max(1, self._options.concurrency * 3 // 4)
        busy = Counter(name for _, name in self._captures.values())
        return {name: bound - busy[name] for name in self._accounts}

    def _collect(self) -> None:
        """Wait for something to end, and count it."""
        if time.monotonic() - self._saved_at >= SAVE_SECONDS:
            self._save()
            self._stores.leave_slow_ones_out()
        tries: list[tuple[str, Tried]] = []
        for future in self._just_ended():
            if future in self._walks:
                self._end_walk(self._walks.pop(future), future)
                continue
            number, name = self._captures.pop(future)
            tried = None if future.cancelled() else self._tried(name, number, future)
            if tried is not None:
                tries.append((name, tried))
        self._record(tries)

    def _just_ended(self) -> Iterator[Future[Any]]:
        """Wait a moment for something to end, and give all that has."""
        with suppress(Empty):
            yield self._ended.get(timeout=POLL_SECONDS)
            while True:
                yield self._ended.get_nowait()

    def _end_walk(self, name: str, future: Future[WalkReport]) -> None:
        try:
            report = future.result()
        except (sqlite3.Error, Interrupted):
            raise
        except (ProviderUnavailable, AnswerInvalid, RateLimited) as error:
            self._note(name, error)  # what was listed before it broke off is still to be had
            return
        except Exception as error:
            self._drop(name, error)
            return
        account = self._summary.accounts[name]
        account.listed, account.new = report.listed, account.new + report.new
        account.is_sweep, account.provider_total = report.is_sweep, report.total
        account.bad_rows, account.is_cut = report.bad_row_count, report.is_cut
        account.shrunk_from = report.shrunk_from
        for row in report.bad_rows:
            self._summary.add_problem(
                f"{name}: row {row.id or 'without id'} cannot be read: {row.reason}"
            )
        if report.shrunk_from is not None:
            self._summary.add_problem(
                f"{name}: the history holds less than half of the {report.shrunk_from} generations "
                "it used to; nothing is deleted here. If that is right: run --accept-shrunk"
            )
        if report.bad_row_count or report.shrunk_from is not None:
            account.add_code(EXIT_INCOMPLETE)
        self._observer.listed(report)

    def _tried(self, name: str, number: int, future: Future[Tried]) -> Tried | None:
        try:
            return future.result()
        except (sqlite3.Error, Interrupted):
            raise
        except RateLimited as error:
            self._go_on_without_api(name, number, error)
        except Exception as error:
            self._drop(name, error)
        return None

    def _record(self, tries: Sequence[tuple[str, Tried]]) -> None:
        """Write the index rows of all that just ended, in one commit, and count them."""
        reports = record(self._archive, [tried for _, tried in tries]) if tries else []
        for (name, tried), report in zip(tries, reports, strict=True):
            if isinstance(report, Exception):
                self._drop(name, report)
            else:
                self._end_capture(name, tried.known.number, report)

    def _end_capture(self, name: str, number: int, report: CaptureReport) -> None:
        self._count(name, report)
        self._tally.take(report)
        self._observer.captured(report)
        if isinstance(report.account_error, RateLimited):
            self._go_on_without_api(name, number, report.account_error)
        elif report.account_error is not None:
            self._drop(name, report.account_error)
            return
        self._downs[name] = self._downs[name] + 1 if report.is_provider_down else 0
        if self._downs[name] >= MAX_DOWNS:
            self._drop(name, ProviderUnavailable(f"{report.reason}; left alone for this run"))

    def _go_on_without_api(self, name: str, number: int, error: RateLimited) -> None:
        """Leave one generation for the next run: others may need nothing but their media host."""
        if self._summary.accounts[name].error is None:
            self._note(name, error)
        refused = self._refused.setdefault(name, set())
        refused.add(number)
        if len(refused) >= MAX_REFUSED:
            self._drop(name, error)

    def _count(self, name: str, report: CaptureReport) -> None:
        account = self._summary.accounts[name]
        account.files += report.files
        account.size_bytes += report.size_bytes
        account.lost += report.lost
        account.archived += report.state is State.ARCHIVED
        if report.reason is not None and not report.is_destination_fault:
            self._summary.add_problem(f"{name}/{report.generation_id}: {report.reason}")
        if report.is_tried_again:
            account.failed += 1
            account.unplaced += report.is_destination_fault
            account.add_code(EXIT_INCOMPLETE)
        if report.lost:
            account.add_code(EXIT_LOSS)

    def _drop(self, name: str, error: Exception) -> None:
        """Leave an account out of the rest of the run; its other captures in flight may end.

        A bug that one account's answers set off is treated alike, but with exit code 1.
        """
        is_dropped = self._accounts.pop(name, None) is None
        if not is_dropped or self._summary.accounts[name].error is None:
            self._note(name, error)

    def _note(self, name: str, error: Exception) -> None:
        account = self._summary.accounts[name]
        is_expected = isinstance(error, ArchiverError)
        account.error = str(error) if is_expected else f"internal error: {error!r}"
        account.add_error_code(error.exit_code if isinstance(error, ArchiverError) else EXIT_FAILED)
        self._tally.take_error(name, error)
        self._summary.add_problem(f"{name}: {account.error}")
        self._observer.failed(name, error)
